/*
 * chat_splitter.c - a generated answer in thinking and text, as its tokens come
 */
#include "engine/text/template_internal.h"

#include <stdlib.h>

#include "engine/file/checked.h"
#include "engine/text/detokenizer.h"

struct chat_splitter {
    const struct vocabulary *vocabulary; /* borrows */
    struct detokenizer detokenizer;
    int32_t end_of_thinking; /* -1: the template has none */
    enum chat_part part;
    bool at_start; /* of the answer: line breaks are dropped */
};

enum status chat_template_splitter(struct chat_splitter **out,
                                   const struct chat_template *chat_template,
                                   bool starts_thinking, struct error *error)
{
    struct chat_splitter *splitter = checked_allocate_zeroed(1, sizeof *splitter);

    *out = splitter;
    if (splitter && detokenizer_create(&splitter->detokenizer,
                                       vocabulary_longest(chat_template->vocabulary))) {
        splitter->vocabulary = chat_template->vocabulary;
        splitter->end_of_thinking = chat_template->end_of_thinking;
        splitter->part = starts_thinking ? CHAT_PART_THINKING : CHAT_PART_ANSWER;
        splitter->at_start = true;
        return STATUS_OK;
    }
    chat_splitter_free(out);
    return error_set(error, STATUS_NO_MEMORY, "not enough memory to read an answer");
}

void chat_splitter_free(struct chat_splitter **splitter)
{
    if (!*splitter)
        return;
    detokenizer_release(&(*splitter)->detokenizer);
    free(*splitter);
    *splitter = NULL;
}

static void give(const struct chat_splitter *splitter, enum chat_part *part, const char **bytes,
                 size_t *n_bytes)
{
    *part = splitter->part;
    *bytes = splitter->detokenizer.text;
    *n_bytes = splitter->detokenizer.n_bytes;
}

void chat_splitter_token(struct chat_splitter *splitter, int32_t id, enum chat_part *part,
                         const char **bytes, size_t *n_bytes, bool *counts)
{
    const char *text;
    size_t n_text;

    *counts = false;
    if (splitter->part == CHAT_PART_THINKING && id == splitter->end_of_thinking) {
        detokenizer_finish(&splitter->detokenizer);
        give(splitter, part, bytes, n_bytes);
        splitter->part = CHAT_PART_ANSWER;
        return;
    }
    text = vocabulary_print(splitter->vocabulary, id, false, &n_text);
    if (splitter->part == CHAT_PART_ANSWER && splitter->at_start) {
        while (n_text && *text == '\n') {
            text++;
            n_text--;
        }
        splitter->at_start = n_text == 0;
    }
    *counts = splitter->part == CHAT_PART_ANSWER && n_text > 0;
    detokenizer_push(&splitter->detokenizer, text, n_text);
    give(splitter, part, bytes, n_bytes);
}

void chat_splitter_finish(struct chat_splitter *splitter, enum chat_part *part,
                          const char **bytes, size_t *n_bytes)
{
    detokenizer_finish(&splitter->detokenizer);
    give(splitter, part, bytes, n_bytes);
}
