/*
 * event_ring.h - events from the engine thread to the screen's
 *
 * Values in order, never pointers.  The descriptor is readable exactly while the ring holds
 * something: it is written when the first event comes and read when the last one goes.  The writer
 * never waits: from EVENT_RING_EVENTS events on, a text event is joined to a text event of the same
 * request, part, source, lane and round that is last, a progress event replaces one that is last,
 * and what cannot be joined makes the ring grow.  It shrinks when it has been emptied.  Statistics
 * of a policy replace those that are last and are left out while many events wait.
 *
 * Thread: any number of writers and one reader; a mutex guards everything.
 */
#ifndef ENGINE_RUN_EVENT_RING_H
#define ENGINE_RUN_EVENT_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

enum { EVENT_RING_EVENTS = 256 };

struct event_ring;

enum status event_ring_new(struct event_ring **out, struct error *error);
void event_ring_free(struct event_ring **ring); /* NULL is allowed */
int event_ring_fd(const struct event_ring *ring);
/*
 * false: no memory; the event is not in the ring.  Room for the events that end a request is
 * kept back, so this happens to text and progress alone.
 */
bool event_ring_push(struct event_ring *ring, const struct engine_event *event);
bool event_ring_pop(struct event_ring *ring, struct engine_event *event); /* false: empty */
size_t event_ring_count(struct event_ring *ring);

#endif
