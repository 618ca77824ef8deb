/*
 * detokenizer.c - token bytes to text for a screen, as they come
 */
#include "engine/text/detokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/text/utf8.h"

enum { MAX_WAITING = 3, REPLACEMENT_BYTES = sizeof UTF8_REPLACEMENT - 1 };

bool detokenizer_create(struct detokenizer *detokenizer, size_t longest)
{
    *detokenizer = (struct detokenizer){.longest = longest};
    detokenizer->input = checked_allocate(longest + MAX_WAITING, 1);
    /* At worst every byte is broken. */
    detokenizer->text = checked_allocate(longest + MAX_WAITING, REPLACEMENT_BYTES);
    if (detokenizer->input && detokenizer->text)
        return true;
    detokenizer_release(detokenizer);
    return false;
}

void detokenizer_release(struct detokenizer *detokenizer)
{
    free(detokenizer->input);
    free(detokenizer->text);
    *detokenizer = (struct detokenizer){0};
}

static void put(struct detokenizer *detokenizer, const char *bytes, size_t n_bytes)
{
    memcpy(detokenizer->text + detokenizer->n_bytes, bytes, n_bytes);
    detokenizer->n_bytes += n_bytes;
}

void detokenizer_push(struct detokenizer *detokenizer, const char *bytes, size_t n_bytes)
{
    size_t n_input = detokenizer->n_waiting + n_bytes, at = 0;

    memcpy(detokenizer->input + detokenizer->n_waiting, bytes, n_bytes);
    detokenizer->n_waiting = 0;
    detokenizer->n_bytes = 0;
    while (at < n_input) {
        struct utf8_step step = utf8_read(detokenizer->input + at, n_input - at);
        if (step.state == UTF8_INCOMPLETE) {
            detokenizer->n_waiting = step.n_bytes;
            memmove(detokenizer->input, detokenizer->input + at, step.n_bytes);
        } else if (step.state == UTF8_VALID) {
            put(detokenizer, detokenizer->input + at, step.n_bytes);
        } else {
            put(detokenizer, UTF8_REPLACEMENT, REPLACEMENT_BYTES);
        }
        at += step.n_bytes;
    }
}

void detokenizer_finish(struct detokenizer *detokenizer)
{
    detokenizer->n_bytes = 0;
    if (detokenizer->n_waiting)
        put(detokenizer, UTF8_REPLACEMENT, REPLACEMENT_BYTES);
    detokenizer->n_waiting = 0;
}
