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

enum status run_request_new(struct run_request **out, const struct engine_request *wanted,
                            struct error *error)
{
    bool good = true;
    struct chat_message *messages =
        calloc(wanted->n_messages == 0 ? 1 : wanted->n_messages, sizeof *messages);
    struct run_request *request = calloc(1, sizeof *request);

    *out = NULL;
    if (request == NULL || messages == NULL) {
        free(request);
        free(messages);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a request");
    }
    request->wanted = *wanted;
    request->wanted.messages = messages;
    for (size_t i = 0; i < wanted->n_messages; i++) {
        const struct chat_message *from = &wanted->messages[i];
        messages[i] = *from;
        messages[i].text = copy(from->text == NULL ? "" : from->text, from->n_bytes, 1, &good);
        messages[i].ids = copy(from->ids, from->n_ids, sizeof *from->ids, &good);
        messages[i].thinking = copy(from->thinking, from->n_thinking, 1, &good);
    }
    if (!good) {
        run_request_free(&request);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a request");
    }
    *out = request;
    return STATUS_OK;
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
    free(gone);
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
                   const struct meter *meter, enum chat_part part, const char *bytes,
                   size_t n_bytes, const int32_t *ids, size_t n_ids)
{
    struct engine_event event = {.type = ENGINE_TEXT, .request = request->id};

    event.text.part = part;
    event.text.n_tokens = (uint32_t)meter->n_tokens;
    event.text.rate_now = meter_rate_now(meter);
    event.text.rate_average = meter_rate_average(meter);
    do {
        size_t now = whole_characters(bytes, n_bytes, ENGINE_TEXT_BYTES);
        size_t ids_now = n_ids < ENGINE_TEXT_IDS ? n_ids : ENGINE_TEXT_IDS;
        if (now > 0)
            memcpy(event.text.bytes, bytes, now);
        if (ids_now > 0)
            memcpy(event.text.ids, ids, ids_now * sizeof *ids);
        event.text.n_bytes = (uint32_t)now;
        event.text.n_ids = (uint32_t)ids_now;
        if (!event_ring_push(link->ring, &event))
            return false;
        bytes = now > 0 ? bytes + now : bytes;
        n_bytes -= now;
        ids = ids_now > 0 ? ids + ids_now : ids;
        n_ids -= ids_now;
    } while (n_bytes > 0 || n_ids > 0);
    return true;
}

bool run_push_prefill(const struct run_link *link, const struct run_request *request,
                      uint32_t done, uint32_t total, uint32_t cached, double seconds)
{
    struct engine_event event = {.type = ENGINE_PREFILL, .request = request->id};

    event.prefill.done = done;
    event.prefill.total = total;
    event.prefill.cached = cached;
    event.prefill.rate = seconds > 0 ? done / seconds : 0;
    event.prefill.remaining = event.prefill.rate > 0 ? (total - done) / event.prefill.rate
                              : done < total         ? -1
                                                     : 0;
    return event_ring_push(link->ring, &event);
}
