/*
 * tokenizer.c - text to token ids
 */
#include "engine/text/tokenizer.h"

#include "engine/text/merger.h"
#include "engine/text/pretokenizer.h"

/* Text without special tokens: word by word. */
static bool append_plain(struct merger *merger, const struct vocabulary *vocabulary,
                         const char *text, size_t n_bytes, struct token_list *list)
{
    enum pretokenizer pretokenizer = vocabulary_pretokenizer(vocabulary);

    while (n_bytes) {
        size_t n_word = pretokenizer_word(pretokenizer, text, n_bytes);
        if (n_word == 1) {
            if (!token_list_add(list, vocabulary_byte_token(vocabulary, (uint8_t)text[0])))
                return false;
        } else if (!merger_word(merger, vocabulary, text, n_word, list)) {
            return false;
        }
        text += n_word;
        n_bytes -= n_word;
    }
    return true;
}

static bool append_special(struct merger *merger, const struct vocabulary *vocabulary,
                           const char *text, size_t n_bytes, struct token_list *list)
{
    size_t plain = 0; /* start of the text since the last special token */
    size_t at = 0;

    while (at < n_bytes) {
        size_t n_matched = 0;
        int32_t id = vocabulary_match_special(vocabulary, text + at, n_bytes - at, &n_matched);
        if (id < 0) {
            at++;
            continue;
        }
        if (!append_plain(merger, vocabulary, text + plain, at - plain, list) ||
            !token_list_add(list, id))
            return false;
        at += n_matched;
        plain = at;
    }
    return append_plain(merger, vocabulary, text + plain, n_bytes - plain, list);
}

enum status tokenizer_append(const struct vocabulary *vocabulary, const char *text,
                             size_t n_bytes, bool special, struct token_list *list,
                             struct error *error)
{
    struct merger merger = {0};
    size_t n_before = list->n;
    bool done;

    if (n_bytes > UINT32_MAX)
        return error_set(error, STATUS_USAGE, "a text of %zu bytes is too long", n_bytes);
    done = special ? append_special(&merger, vocabulary, text, n_bytes, list)
                   : append_plain(&merger, vocabulary, text, n_bytes, list);
    merger_release(&merger);
    if (done)
        return STATUS_OK;
    list->n = n_before;
    return error_set(error, STATUS_NO_MEMORY, "not enough memory to tokenise %zu bytes",
                     n_bytes);
}
