/*
 * source.c - copies of requests, and the events that every source pushes
 */
#include "engine/run/source.h"

#include <stdlib.h>
#include <string.h>

static void *copy(const void *from, size_t n, size_t size, bool *good)
{
    size_t n_bytes;

    if (from == NULL || __builtin_mul_overflow(n, size, &n_bytes) || n_bytes == SIZE_MAX) {
        *good = *good && from == NULL;
        return NULL;
    }
    char *to = malloc(n_bytes + 1);
    if (to == NULL) {
        *good = false;
        return NULL;
    }
    memcpy(to, from, n_bytes);
    to[n_bytes] = '\0';
    return to;
}

static char *copy_text(const char *text, bool *good)
{
    return copy(text, text == NULL ? 0 : strlen(text), 1, good);
}

/* The request as it was wanted, and what it points to. */
static enum status copy_wanted(struct run_request *request, const struct engine_request *wanted,
                               struct error *error)
{
    struct engine_request *own = &request->wanted;
    const struct policy_settings greedy = policy_defaults(POLICY_GREEDY);
    struct chat_message *messages =
        calloc(wanted->n_messages == 0 ? 1 : wanted->n_messages, sizeof *messages);
    bool good = messages != NULL;

    *own = *wanted;
    own->messages = messages;
    if (!good)
        own->n_messages = 0;
    for (size_t i = 0; i < own->n_messages; i++) {
        const struct chat_message *from = &wanted->messages[i];
        messages[i] = *from;
        messages[i].text = copy(from->text == NULL ? "" : from->text, from->n_bytes, 1, &good);
        messages[i].ids = copy(from->ids, from->n_ids, sizeof *from->ids, &good);
        messages[i].thinking = copy(from->thinking, from->n_thinking, 1, &good);
    }
    own->policy =
        copy(wanted->policy == NULL ? &greedy : wanted->policy, 1, sizeof greedy, &good);
    own->draft_path = copy_text(wanted->draft_path, &good);
    own->lanes = copy(wanted->n_lanes == 0 ? NULL : wanted->lanes, wanted->n_lanes,
                      sizeof *wanted->lanes, &good);
    return good ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "no memory for a request");
}

static enum status check_wanted(const struct engine_request *wanted, struct error *error)
{
    enum status status = STATUS_OK;

    if (wanted->n_lanes > ENGINE_MAX_LANES || (wanted->n_lanes > 0 && wanted->lanes == NULL))
        return error_set(error, STATUS_USAGE, "%u lanes: at most %d", wanted->n_lanes,
                         ENGINE_MAX_LANES);
    if (wanted->policy != NULL)
        status = policy_check(wanted->policy, error);
    for (uint32_t i = 0; i < wanted->n_lanes && status == STATUS_OK; i++)
        status = policy_check(&wanted->lanes[i].policy, error);
    return status;
}

static struct policy_switch *new_switch(void)
{
    struct policy_switch *change = calloc(1, sizeof *change);

    if (change == NULL)
        return NULL;
    pthread_mutex_init(&change->mutex, NULL);
    atomic_init(&change->is_there, false);
    return change;
}

enum status run_request_new(struct run_request **out, const struct engine_request *wanted,
                            struct error *error)
{
    struct run_request *request;
    enum status status = wanted == NULL ? STATUS_OK : check_wanted(wanted, error);

    *out = NULL;
    if (status != STATUS_OK)
        return status;
    request = calloc(1, sizeof *request);
    if (request == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a request");
    atomic_init(&request->cancel, false);
    request->is_selfcheck = wanted == NULL;
    request->change = new_switch();
    if (request->change == NULL)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for a request");
    else if (wanted != NULL)
        status = copy_wanted(request, wanted, error);
    *out = request;
    if (status != STATUS_OK)
        run_request_free(out);
    return status;
}

static void free_switch(struct policy_switch *change)
{
    if (change == NULL)
        return;
    pthread_mutex_destroy(&change->mutex);
    free(change->draft_path);
    free(change);
}

void run_request_free(struct run_request **request)
{
    struct run_request *gone = *request;

    *request = NULL;
    if (gone == NULL)
        return;
    for (size_t i = 0; i < gone->wanted.n_messages; i++) {
        free((void *)gone->wanted.messages[i].text);
        free((void *)gone->wanted.messages[i].ids);
        free((void *)gone->wanted.messages[i].thinking);
    }
    free((void *)gone->wanted.messages);
    free((void *)gone->wanted.policy);
    free((void *)gone->wanted.draft_path);
    free((void *)gone->wanted.lanes);
    free_switch(gone->change);
    free(gone);
}

enum status run_request_switch(struct run_request *request,
                               const struct policy_settings *settings, const char *draft_path,
                               struct error *error)
{
    struct policy_switch *change = request->change;
    bool good = true;
    char *path = copy_text(draft_path, &good);

    if (!good)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a change of the policy");
    pthread_mutex_lock(&change->mutex);
    free(change->draft_path);
    change->settings = *settings;
    change->draft_path = path;
    atomic_store(&change->is_there, true);
    pthread_mutex_unlock(&change->mutex);
    return STATUS_OK;
}

bool run_request_take_switch(const struct run_request *request,
                             struct policy_settings *settings, char **draft_path)
{
    struct policy_switch *change = request->change;

    if (!atomic_load_explicit(&change->is_there, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&change->mutex);
    *settings = change->settings;
    *draft_path = change->draft_path;
    change->draft_path = NULL;
    atomic_store(&change->is_there, false);
    pthread_mutex_unlock(&change->mutex);
    return true;
}

bool run_wants_draft(const struct policy_settings *settings, const char *draft_path)
{
    bool named = false;

    for (uint32_t i = 0; i < settings->n_sources; i++)
        named = named || settings->sources[i] == POLICY_SOURCE_DRAFT;
    if (settings->kind == POLICY_AUTO)
        return named && draft_path != NULL; /* what is there is enough */
    return named && settings->kind != POLICY_GREEDY;
}

enum status run_no_draft(struct error *error)
{
    error_set(error, STATUS_USAGE, "the policy drafts with a model, and none is named");
    error_action(error, "name one with draft_model");
    return STATUS_USAGE;
}

/* At most `most` of the bytes, ending between characters where that is possible. */
static size_t whole_characters(const char *bytes, size_t n_bytes, size_t most)
{
    if (n_bytes <= most)
        return n_bytes;
    for (size_t cut = most; cut + 4 > most; cut--)
        if (((unsigned char)bytes[cut] & 0xC0) != 0x80)
            return cut;
    return most;
}

bool run_push_text(const struct run_link *link, const struct run_request *request,
                   const struct meter *meter, const struct run_text *text)
{
    struct engine_event event = {.type = ENGINE_TEXT, .request = request->id};
    struct run_text left = *text;

    event.text.part = text->part;
    event.text.source = text->source;
    event.text.lane = text->lane;
    event.text.round = text->round;
    event.text.n_tokens = (uint32_t)meter->n_tokens;
    event.text.rate_now = meter_rate_now(meter);
    event.text.rate_average = meter_rate_average(meter);
    do {
        size_t now = whole_characters(left.bytes, left.n_bytes, ENGINE_TEXT_BYTES);
        size_t ids_now = left.n_ids < ENGINE_TEXT_IDS ? left.n_ids : ENGINE_TEXT_IDS;
        if (now > 0)
            memcpy(event.text.bytes, left.bytes, now);
        if (ids_now > 0)
            memcpy(event.text.ids, left.ids, ids_now * sizeof *left.ids);
        event.text.n_bytes = (uint32_t)now;
        event.text.n_ids = (uint32_t)ids_now;
        if (!event_ring_push(link->ring, &event))
            return false;
        left.bytes = now > 0 ? left.bytes + now : left.bytes;
        left.n_bytes -= now;
        left.ids = ids_now > 0 ? left.ids + ids_now : left.ids;
        left.n_ids -= ids_now;
    } while (left.n_bytes > 0 || left.n_ids > 0);
    return true;
}

bool run_push_prefill(const struct run_link *link, const struct run_request *request,
                      uint32_t done, uint32_t total, uint32_t cached, double seconds,
                      bool draft)
{
    struct engine_event event = {.type = ENGINE_PREFILL, .request = request->id};

    event.prefill.done = done;
    event.prefill.total = total;
    event.prefill.cached = cached;
    event.prefill.rate = seconds > 0 ? done / seconds : 0;
    event.prefill.remaining = event.prefill.rate > 0 ? (total - done) / event.prefill.rate
                              : done < total         ? -1
                                                     : 0;
    event.prefill.draft = draft;
    return event_ring_push(link->ring, &event);
}

void run_push_policy(const struct run_link *link, const struct run_request *request,
                     uint32_t lane, const struct policy_statistics *statistics)
{
    struct engine_event event = {.type = ENGINE_POLICY, .request = request->id};

    event.policy.lane = lane;
    event.policy.statistics = *statistics;
    event_ring_push(link->ring, &event);
}

void run_push_refused(const struct run_link *link, const struct run_request *request,
                      const struct policy_statistics *statistics, const struct error *refused)
{
    struct engine_event event = {.type = ENGINE_POLICY, .request = request->id};

    event.policy.statistics = *statistics;
    error_text(refused, event.policy.refused, sizeof event.policy.refused);
    event_ring_push(link->ring, &event);
}
