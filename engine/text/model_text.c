/*
 * model_text.c - the functions of engine/model.h for text and tokens
 */
#include "engine/model.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/model/model_internal.h"
#include "engine/text/tokenizer.h"
#include "engine/text/vocabulary.h"

enum status model_tokenize(const struct model *model, const char *text, size_t n_bytes,
                           bool special, int32_t **ids, size_t *n_ids, struct error *error)
{
    struct token_list list = {0};
    enum status status =
        tokenizer_append(model_vocabulary(model), text, n_bytes, special, &list, error);

    *ids = list.ids;
    *n_ids = list.n;
    if (status != STATUS_OK) {
        token_list_release(&list);
        *ids = NULL;
    }
    return status;
}

enum status model_detokenize(const struct model *model, const int32_t *ids, size_t n_ids,
                             bool special, char **text, size_t *n_bytes, struct error *error)
{
    const struct vocabulary *vocabulary = model_vocabulary(model);
    uint64_t total = 1;
    size_t n, at = 0;

    *text = NULL;
    *n_bytes = 0;
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocabulary_size(vocabulary))
            return error_set(error, STATUS_USAGE, "token %zu, %d, is not in the vocabulary", i,
                             (int)ids[i]);
        vocabulary_print(vocabulary, ids[i], special, &n);
        if (!checked_add(total, n, &total))
            return error_set(error, STATUS_NO_MEMORY, "the text is too long");
    }
    *text = checked_allocate((size_t)total, 1);
    if (!*text)
        return error_set(error, STATUS_NO_MEMORY, "not enough memory for %llu bytes of text",
                         (unsigned long long)total);
    for (size_t i = 0; i < n_ids; i++) {
        const char *bytes = vocabulary_print(vocabulary, ids[i], special, &n);
        memcpy(*text + at, bytes, n);
        at += n;
    }
    (*text)[at] = '\0';
    *n_bytes = at;
    return STATUS_OK;
}

bool model_is_stop_token(const struct model *model, int32_t id)
{
    return vocabulary_is_stop(model_vocabulary(model), id);
}

const char *model_token_text(const struct model *model, int32_t id, size_t *n_bytes)
{
    return vocabulary_bytes(model_vocabulary(model), id, n_bytes);
}
