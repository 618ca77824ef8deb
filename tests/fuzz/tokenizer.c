/*
 * tokenizer.c - any bytes as text: the tokens spell it and none is special; any bytes as the ids of
 * an answer: what reaches the screen is valid UTF-8
 */
#include <stddef.h>
#include <stdint.h>

#include "engine/text/template_internal.h"
#include "engine/text/tokenizer.h"
#include "engine/text/utf8.h"
#include "tests/unit/text_fixture.h"

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static struct text_model models[2]; /* qwen35 and qwen2 */
static struct chat_template *chat_template;

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments)
{
    (void)n_arguments;
    (void)arguments;
    for (int i = 0; i < 2; i++) {
        struct fixture *fixture = fixture_small();
        /* Merges out of order, which trained lists do not have. */
        fixture_merge(fixture, "ab", "c");
        fixture_merge(fixture, "a", "b");
        fixture->pre = i ? "qwen2" : "qwen35";
        models[i] = text_model_new(fixture);
    }
    require(chat_template_choose(&chat_template, models[0].file, models[0].vocabulary,
                                 "qwen3.5", NULL) == STATUS_OK);
    return 0;
}

static void check_text(const struct vocabulary *vocabulary, const char *text, size_t n_bytes,
                       bool special)
{
    struct token_list list = {0};
    size_t at = 0;

    require(tokenizer_append(vocabulary, text, n_bytes, special, &list, NULL) == STATUS_OK);
    for (size_t i = 0; i < list.n; i++) {
        size_t n;
        const char *bytes = vocabulary_bytes(vocabulary, list.ids[i], &n);
        require(n > 0 && n <= n_bytes - at && memcmp(text + at, bytes, n) == 0);
        require(special || vocabulary_kind(vocabulary, list.ids[i]) == TOKEN_NORMAL);
        at += n;
    }
    require(at == n_bytes);
    token_list_release(&list);
}

static void check_answer(const uint8_t *bytes, size_t n_bytes)
{
    struct chat_splitter *splitter;

    require(chat_template_splitter(&splitter, chat_template, n_bytes & 1, NULL) == STATUS_OK);
    for (size_t i = 0, more = 1; more; i += 2) {
        enum chat_part part;
        const char *text;
        size_t n_text;
        bool counts;
        more = i + 1 < n_bytes;
        if (more)
            chat_splitter_token(splitter, bytes[i] | (bytes[i + 1] & 1) << 8, &part, &text,
                                &n_text, &counts);
        else
            chat_splitter_finish(splitter, &part, &text, &n_text);
        for (size_t at = 0; at < n_text;) {
            struct utf8_step step = utf8_read(text + at, n_text - at);
            require(step.state == UTF8_VALID);
            at += step.n_bytes;
        }
    }
    chat_splitter_free(&splitter);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    for (int i = 0; i < 2; i++) {
        check_text(models[i].vocabulary, (const char *)bytes, n_bytes, false);
        check_text(models[i].vocabulary, (const char *)bytes, n_bytes, true);
    }
    check_answer(bytes, n_bytes);
    return 0;
}
