/*
 * event_ring.c - circular buffers of events that join before they grow
 *
 * Text comes in thousands and statistics in dozens, but an event of statistics is four times as
 * long.  So events whose payload is long lie in a buffer of their own, in the order in which they
 * came, and the main buffer says where one of them has its turn.
 */
#include "engine/run/event_ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    /* Slots that text and progress leave free, for DONE or FAILED, SETTLED and their like. */
    KEPT_BACK = 8,
    LONG_EVENTS = 8, /* that wait without a need to grow, besides those */
    FEW_WAIT = 64    /* with more events waiting, a reader cannot follow statistics */
};

struct queue {
    char *items; /* owned [capacity][item_bytes] */
    size_t item_bytes, capacity, first, count;
};

/* An event with a short payload, or the place of one with a long payload. */
struct slot {
    enum engine_event_type type;
    uint64_t request;
    char payload[];
};

struct event_ring {
    pthread_mutex_t mutex; /* guards everything below */
    struct queue slots;    /* struct slot */
    struct queue longer;   /* struct engine_event */
    int fd;                /* eventfd: 1 while slots.count > 0 */
};

/* Payloads ---------------------------------------------------------------------------------- */

#define PAYLOAD(member) (sizeof((struct engine_event *)NULL)->member)

enum { SLOT_PAYLOAD = PAYLOAD(text) };

/* Bytes of a payload that lies in its slot; SIZE_MAX: it is a long one. */
static size_t payload_bytes(enum engine_event_type type)
{
    switch (type) {
    case ENGINE_LOADING: return PAYLOAD(load);
    case ENGINE_PREFILL: return PAYLOAD(prefill);
    case ENGINE_TEXT: return PAYLOAD(text);
    case ENGINE_CHECK: return PAYLOAD(check);
    case ENGINE_READY:
    case ENGINE_SETTLED: return 0;
    case ENGINE_LOAD_FAILED:
    case ENGINE_POLICY:
    case ENGINE_LANE_DONE:
    case ENGINE_DONE:
    case ENGINE_FAILED: break;
    }
    return SIZE_MAX;
}

_Static_assert(PAYLOAD(load) <= SLOT_PAYLOAD && PAYLOAD(prefill) <= SLOT_PAYLOAD &&
                   PAYLOAD(check) <= SLOT_PAYLOAD,
               "a slot has room for every short payload");

static bool is_long(enum engine_event_type type)
{
    return payload_bytes(type) == SIZE_MAX;
}

/* All members of the union begin where it begins. */
static void put(struct slot *slot, const struct engine_event *event)
{
    slot->type = event->type;
    slot->request = event->request;
    if (!is_long(event->type))
        memcpy(slot->payload, &event->text, payload_bytes(event->type));
}

/* Queues ------------------------------------------------------------------------------------ */

static void *item(const struct queue *queue, size_t at)
{
    return queue->items + (queue->first + at) % queue->capacity * queue->item_bytes;
}

static bool queue_init(struct queue *queue, size_t item_bytes, size_t capacity)
{
    *queue = (struct queue){.item_bytes = item_bytes, .capacity = capacity};
    queue->items = malloc(capacity * item_bytes);
    return queue->items != NULL;
}

/* Move to a buffer of another size, the first item first. */
static bool resize(struct queue *queue, size_t capacity)
{
    if (capacity > SIZE_MAX / queue->item_bytes)
        return false;
    char *items = malloc(capacity * queue->item_bytes);
    if (items == NULL)
        return false;
    for (size_t i = 0; i < queue->count; i++)
        memcpy(items + i * queue->item_bytes, item(queue, i), queue->item_bytes);
    free(queue->items);
    queue->items = items;
    queue->capacity = capacity;
    queue->first = 0;
    return true;
}

static bool make_room(struct queue *queue, bool is_end)
{
    const size_t wanted = queue->count + 1 + (is_end ? 0 : KEPT_BACK);

    return wanted <= queue->capacity || resize(queue, queue->capacity * 2);
}

static void drop_first(struct queue *queue, size_t usual_capacity)
{
    queue->first = (queue->first + 1) % queue->capacity;
    if (--queue->count == 0 && queue->capacity > usual_capacity)
        resize(queue, usual_capacity);
}

/* The ring ---------------------------------------------------------------------------------- */

enum status event_ring_new(struct event_ring **out, struct error *error)
{
    struct event_ring *ring = calloc(1, sizeof *ring);

    *out = NULL;
    if (ring == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the event ring");
    const bool good =
        queue_init(&ring->slots, sizeof(struct slot) + SLOT_PAYLOAD,
                   EVENT_RING_EVENTS + KEPT_BACK) &&
        queue_init(&ring->longer, sizeof(struct engine_event), LONG_EVENTS + KEPT_BACK);
    ring->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&ring->mutex, NULL);
    if (!good || ring->fd < 0) {
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
    free(gone->slots.items);
    free(gone->longer.items);
    free(gone);
}

int event_ring_fd(const struct event_ring *ring)
{
    return ring->fd;
}

static bool join_text(struct slot *slot, const struct engine_event *event)
{
    struct engine_event last;

    memcpy(&last.text, slot->payload, sizeof last.text);
    if (last.text.part != event->text.part || last.text.source != event->text.source ||
        last.text.lane != event->text.lane || last.text.round != event->text.round ||
        last.text.n_bytes + event->text.n_bytes > ENGINE_TEXT_BYTES ||
        last.text.n_ids + event->text.n_ids > ENGINE_TEXT_IDS)
        return false;
    memcpy(last.text.bytes + last.text.n_bytes, event->text.bytes, event->text.n_bytes);
    memcpy(last.text.ids + last.text.n_ids, event->text.ids,
           event->text.n_ids * sizeof event->text.ids[0]);
    last.text.n_bytes += event->text.n_bytes;
    last.text.n_ids += event->text.n_ids;
    last.text.n_tokens = event->text.n_tokens;
    last.text.rate_now = event->text.rate_now;
    last.text.rate_average = event->text.rate_average;
    memcpy(slot->payload, &last.text, sizeof last.text);
    return true;
}

static bool is_end(enum engine_event_type type)
{
    return type != ENGINE_TEXT && type != ENGINE_PREFILL && type != ENGINE_LOADING &&
           type != ENGINE_CHECK;
}

/* Put the event into the last one, if both say the same kind of thing. */
static bool join(struct event_ring *ring, const struct engine_event *event)
{
    if (ring->slots.count == 0 || is_end(event->type) || event->type == ENGINE_CHECK)
        return false;
    struct slot *last = item(&ring->slots, ring->slots.count - 1);
    if (last->type != event->type || last->request != event->request)
        return false;
    if (event->type == ENGINE_TEXT)
        return join_text(last, event);
    put(last, event);
    return true;
}

/*
 * Statistics of one lane replace those that are last; a reader who is behind needs none.  What was
 * refused is told in any case.
 */
static bool is_superfluous(struct event_ring *ring, const struct engine_event *event)
{
    const size_t n = ring->slots.count;

    if (event->type != ENGINE_POLICY || event->policy.refused[0] != '\0')
        return false;
    if (n > FEW_WAIT || ring->longer.count >= LONG_EVENTS)
        return true;
    if (n == 0 || ((struct slot *)item(&ring->slots, n - 1))->type != ENGINE_POLICY)
        return false;
    struct engine_event *last = item(&ring->longer, ring->longer.count - 1);
    if (last->request != event->request || last->policy.lane != event->policy.lane ||
        last->policy.refused[0] != '\0')
        return false;
    *last = *event;
    return true;
}

static void set_fd(struct event_ring *ring, bool readable)
{
    uint64_t value = 1;
    ssize_t done =
        readable ? write(ring->fd, &value, sizeof value) : read(ring->fd, &value, sizeof value);
    (void)done; /* a counter of 0 or 1 is always ready for its turn */
}

static bool add(struct event_ring *ring, const struct engine_event *event)
{
    if (!make_room(&ring->slots, is_end(event->type)) ||
        (is_long(event->type) && !make_room(&ring->longer, event->type != ENGINE_POLICY)))
        return false;
    put(item(&ring->slots, ring->slots.count), event);
    if (is_long(event->type))
        memcpy(item(&ring->longer, ring->longer.count++), event, sizeof *event);
    if (ring->slots.count++ == 0)
        set_fd(ring, true);
    return true;
}

bool event_ring_push(struct event_ring *ring, const struct engine_event *event)
{
    bool kept = true;

    pthread_mutex_lock(&ring->mutex);
    if (!is_superfluous(ring, event) &&
        (ring->slots.count < EVENT_RING_EVENTS || !join(ring, event)))
        kept = add(ring, event);
    pthread_mutex_unlock(&ring->mutex);
    return kept;
}

static void take_first(struct event_ring *ring, struct engine_event *event)
{
    const struct slot *slot = item(&ring->slots, 0);

    event->type = slot->type;
    event->request = slot->request;
    if (is_long(slot->type)) {
        *event = *(const struct engine_event *)item(&ring->longer, 0);
        drop_first(&ring->longer, LONG_EVENTS + KEPT_BACK);
    } else {
        memcpy(&event->text, slot->payload, payload_bytes(slot->type));
    }
    drop_first(&ring->slots, EVENT_RING_EVENTS + KEPT_BACK);
}

bool event_ring_pop(struct event_ring *ring, struct engine_event *event)
{
    pthread_mutex_lock(&ring->mutex);
    bool found = ring->slots.count > 0;
    if (found) {
        take_first(ring, event);
        if (ring->slots.count == 0)
            set_fd(ring, false);
    }
    pthread_mutex_unlock(&ring->mutex);
    return found;
}

size_t event_ring_count(struct event_ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    size_t count = ring->slots.count;
    pthread_mutex_unlock(&ring->mutex);
    return count;
}
