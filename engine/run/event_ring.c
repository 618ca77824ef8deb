/*
 * event_ring.c - a circular buffer of events that joins before it grows
 */
#include "engine/run/event_ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Slots that text and progress leave free, for DONE or FAILED, SETTLED and their like. */
enum { KEPT_BACK = 8 };

struct event_ring {
    pthread_mutex_t mutex;       /* guards everything below */
    struct engine_event *events; /* owned [capacity] */
    size_t capacity, first, count;
    int fd; /* eventfd: 1 while count > 0 */
};

enum status event_ring_new(struct event_ring **out, struct error *error)
{
    struct event_ring *ring = calloc(1, sizeof *ring);

    *out = NULL;
    if (ring == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the event ring");
    ring->capacity = EVENT_RING_EVENTS + KEPT_BACK;
    ring->events = malloc(ring->capacity * sizeof *ring->events);
    ring->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&ring->mutex, NULL);
    if (ring->events == NULL || ring->fd < 0) {
        enum status status =
            ring->fd < 0 ? error_set(error, STATUS_FAILED,
                                     "cannot make an event descriptor: %s", strerror(errno))
                         : error_set(error, STATUS_NO_MEMORY, "no memory for the event ring");
        event_ring_free(&ring);
        return status;
    }
    *out = ring;
    return STATUS_OK;
}

void event_ring_free(struct event_ring **ring)
{
    struct event_ring *gone = *ring;

    *ring = NULL;
    if (gone == NULL)
        return;
    if (gone->fd >= 0)
        close(gone->fd);
    pthread_mutex_destroy(&gone->mutex);
    free(gone->events);
    free(gone);
}

int event_ring_fd(const struct event_ring *ring)
{
    return ring->fd;
}

static bool join_text(struct engine_event *last, const struct engine_event *event)
{
    if (last->text.part != event->text.part ||
        last->text.n_bytes + event->text.n_bytes > ENGINE_TEXT_BYTES ||
        last->text.n_ids + event->text.n_ids > ENGINE_TEXT_IDS)
        return false;
    memcpy(last->text.bytes + last->text.n_bytes, event->text.bytes, event->text.n_bytes);
    memcpy(last->text.ids + last->text.n_ids, event->text.ids,
           event->text.n_ids * sizeof event->text.ids[0]);
    last->text.n_bytes += event->text.n_bytes;
    last->text.n_ids += event->text.n_ids;
    last->text.n_tokens = event->text.n_tokens;
    last->text.rate_now = event->text.rate_now;
    last->text.rate_average = event->text.rate_average;
    return true;
}

static bool is_end(enum engine_event_type type)
{
    return type != ENGINE_TEXT && type != ENGINE_PREFILL && type != ENGINE_LOADING;
}

/* Put the event into the last one, if both say the same kind of thing. */
static bool join(struct event_ring *ring, const struct engine_event *event)
{
    if (ring->count == 0 || is_end(event->type))
        return false;
    size_t at = (ring->first + ring->count - 1) % ring->capacity;
    struct engine_event *last = &ring->events[at];
    if (last->type != event->type || last->request != event->request)
        return false;
    if (event->type == ENGINE_TEXT)
        return join_text(last, event);
    *last = *event;
    return true;
}

/* Move to a buffer of another size, the first event first. */
static bool resize(struct event_ring *ring, size_t capacity)
{
    if (capacity > SIZE_MAX / sizeof *ring->events)
        return false;
    struct engine_event *events = malloc(capacity * sizeof *events);
    if (events == NULL)
        return false;
    for (size_t i = 0; i < ring->count; i++)
        events[i] = ring->events[(ring->first + i) % ring->capacity];
    free(ring->events);
    ring->events = events;
    ring->capacity = capacity;
    ring->first = 0;
    return true;
}

static bool make_room(struct event_ring *ring, const struct engine_event *event)
{
    size_t wanted = ring->count + 1 + (is_end(event->type) ? 0 : KEPT_BACK);

    if (wanted <= ring->capacity)
        return true;
    return resize(ring, ring->capacity * 2);
}

static void set_fd(struct event_ring *ring, bool readable)
{
    uint64_t value = 1;
    ssize_t done =
        readable ? write(ring->fd, &value, sizeof value) : read(ring->fd, &value, sizeof value);
    (void)done; /* a counter of 0 or 1 is always ready for its turn */
}

bool event_ring_push(struct event_ring *ring, const struct engine_event *event)
{
    bool kept = true;

    pthread_mutex_lock(&ring->mutex);
    if (ring->count < EVENT_RING_EVENTS || !join(ring, event)) {
        kept = make_room(ring, event);
        if (kept) {
            ring->events[(ring->first + ring->count) % ring->capacity] = *event;
            if (ring->count++ == 0)
                set_fd(ring, true);
        }
    }
    pthread_mutex_unlock(&ring->mutex);
    return kept;
}

bool event_ring_pop(struct event_ring *ring, struct engine_event *event)
{
    pthread_mutex_lock(&ring->mutex);
    bool found = ring->count > 0;
    if (found) {
        *event = ring->events[ring->first];
        ring->first = (ring->first + 1) % ring->capacity;
        if (--ring->count == 0) {
            set_fd(ring, false);
            if (ring->capacity > EVENT_RING_EVENTS + KEPT_BACK)
                resize(ring, EVENT_RING_EVENTS + KEPT_BACK);
        }
    }
    pthread_mutex_unlock(&ring->mutex);
    return found;
}

size_t event_ring_count(struct event_ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    size_t count = ring->count;
    pthread_mutex_unlock(&ring->mutex);
    return count;
}
