/*
 * text_fixture.h - small vocabularies in memory, and the ones in the tree (for tests of text)
 *
 * The small one: the 256 bytes in the order of GPT-2's table, the tokens of the merges, then the
 * special tokens of Qwen3.5's chat format.
 */
#ifndef TESTS_UNIT_TEXT_FIXTURE_H
#define TESTS_UNIT_TEXT_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/file/gguf.h"
#include "engine/text/vocabulary.h"
#include "tests/unit/gguf_bytes.h"

#define TINY_MODEL "tests/golden/data/tinyA-q8_0.gguf"

enum { FIXTURE_MAX_TOKENS = 4096 };

/* What a file will say; strings are in the form of the file (byte-mapped). */
struct fixture {
    const char *architecture, *model, *pre; /* NULL: the key is left out */
    const char *chat_template;
    const char *tokens[FIXTURE_MAX_TOKENS];
    int32_t types[FIXTURE_MAX_TOKENS];
    size_t n_tokens;
    const char *merges[FIXTURE_MAX_TOKENS];
    size_t n_merges;
    uint32_t embedding_length; /* 0: left out */
    char owned[65536];         /* texts that the fixture made */
    size_t n_owned;
};

/* A copy that lives as long as the fixture. */
static inline const char *fixture_text(struct fixture *fixture, const char *bytes,
                                       size_t n_bytes)
{
    char *copy = fixture->owned + fixture->n_owned;
    if (fixture->n_owned + n_bytes + 1 > sizeof fixture->owned)
        abort();
    memcpy(copy, bytes, n_bytes);
    copy[n_bytes] = '\0';
    fixture->n_owned += n_bytes + 1;
    return copy;
}

static inline int32_t fixture_token(struct fixture *fixture, const char *token, int32_t type)
{
    if (fixture->n_tokens == FIXTURE_MAX_TOKENS)
        abort();
    fixture->tokens[fixture->n_tokens] = token;
    fixture->types[fixture->n_tokens] = type;
    return (int32_t)fixture->n_tokens++;
}

/* A merge and its token; left and right in mapped form. */
static inline void fixture_merge(struct fixture *fixture, const char *left, const char *right)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "%s %s", left, right);
    if (n < 0 || (size_t)n >= sizeof text || fixture->n_merges == FIXTURE_MAX_TOKENS)
        abort();
    fixture->merges[fixture->n_merges++] = fixture_text(fixture, text, (size_t)n);
    n = snprintf(text, sizeof text, "%s%s", left, right);
    for (size_t i = 0; i < fixture->n_tokens; i++)
        if (strcmp(fixture->tokens[i], text) == 0)
            return;
    fixture_token(fixture, fixture_text(fixture, text, (size_t)n), 1);
}

/* The stand-in of a byte, terminated. */
static inline void fixture_map_byte(unsigned byte, char out[3])
{
    unsigned code_point = byte;
    bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;

    if (!itself) { /* the how-manieth byte that does not stand for itself */
        code_point = 0x100;
        for (unsigned i = 0; i < byte; i++)
            if (!((i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174))
                code_point++;
    }
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        out[1] = '\0';
    } else {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3F));
        out[2] = '\0';
    }
}

static inline void fixture_bytes(struct fixture *fixture)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char mapped[3];
        fixture_map_byte(byte, mapped);
        fixture_token(fixture, fixture_text(fixture, mapped, strlen(mapped)), 1);
    }
}

static inline void fixture_specials(struct fixture *fixture)
{
    fixture_token(fixture, "<|endoftext|>", 3);
    fixture_token(fixture, "<|im_start|>", 3);
    fixture_token(fixture, "<|im_end|>", 3);
    fixture_token(fixture, "<think>", 4);
    fixture_token(fixture, "</think>", 4);
    fixture_token(fixture, "<tool_call>", 4);
    fixture_token(fixture, "</tool_call>", 4);
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        abort();
    fixture->architecture = "qwen35";
    fixture->model = "gpt2";
    fixture->pre = "qwen35";
    fixture_bytes(fixture);
    return fixture;
}

/* The small vocabulary of most tests. */
static inline struct fixture *fixture_small(void)
{
    static const char *const merges[][2] = {
        {"\xC4\x8A", "\xC4\x8A"},
        {"i", "n"},
        {"\xC4\xA0", "t"},
        {"e", "r"},
        {"u", "s"},
        {"us", "er"},
        {"h", "e"},
        {"l", "l"},
        {"he", "ll"},
        {"hell", "o"},
        {"\xC4\xA0", "\xC4\xA0"},
        {"\xC3\xA4", "\xC2\xB8"},
        {"<", "|"},
    };
    struct fixture *fixture = fixture_new();
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++)
        fixture_merge(fixture, merges[i][0], merges[i][1]);
    fixture_specials(fixture);
    return fixture;
}

static inline void fixture_write(const struct fixture *fixture, struct bytes *out)
{
    uint64_t n_keys = 3 + (fixture->architecture != NULL) + (fixture->model != NULL) +
                      (fixture->pre != NULL) + (fixture->chat_template != NULL) +
                      (fixture->embedding_length != 0);

    put_header(out, 3, 0, n_keys);
    if (fixture->architecture)
        put_key_string(out, "general.architecture", fixture->architecture);
    if (fixture->embedding_length) {
        char key[80];
        snprintf(key, sizeof key, "%s.embedding_length", fixture->architecture);
        put_key_u32(out, key, fixture->embedding_length);
    }
    if (fixture->model)
        put_key_string(out, "tokenizer.ggml.model", fixture->model);
    if (fixture->pre)
        put_key_string(out, "tokenizer.ggml.pre", fixture->pre);
    if (fixture->chat_template)
        put_key_string(out, "tokenizer.chat_template", fixture->chat_template);
    put_key_array(out, "tokenizer.ggml.tokens", 8, fixture->n_tokens);
    for (size_t i = 0; i < fixture->n_tokens; i++)
        put_string(out, fixture->tokens[i]);
    put_key_array(out, "tokenizer.ggml.token_type", 5, fixture->n_tokens);
    for (size_t i = 0; i < fixture->n_tokens; i++)
        put_u32(out, (uint32_t)fixture->types[i]);
    put_key_array(out, "tokenizer.ggml.merges", 8, fixture->n_merges);
    for (size_t i = 0; i < fixture->n_merges; i++)
        put_string(out, fixture->merges[i]);
}

/* A file in memory with its vocabulary. */
struct text_model {
    struct bytes bytes;
    struct gguf *file;
    struct vocabulary *vocabulary;
};

static inline enum status text_model_load(struct text_model *model, struct error *error)
{
    enum status status =
        gguf_open_memory(&model->file, model->bytes.data, model->bytes.n_bytes, error);
    return status == STATUS_OK ? vocabulary_load(&model->vocabulary, model->file, error)
                               : status;
}

/* Takes the fixture; ends the test program when it does not load. */
static inline struct text_model text_model_new(struct fixture *fixture)
{
    struct text_model model = {0};
    struct error error = {0};
    char line[600];

    fixture_write(fixture, &model.bytes);
    free(fixture);
    if (text_model_load(&model, &error) != STATUS_OK) {
        fprintf(stderr, "fixture: %s\n", error_text(&error, line, sizeof line));
        abort();
    }
    return model;
}

/* false: there is no such file, or it does not load (the error says why). */
static inline bool text_model_open(struct text_model *model, const char *path,
                                   struct error *error)
{
    *model = (struct text_model){0};
    return gguf_open(&model->file, path, error) == STATUS_OK &&
           vocabulary_load(&model->vocabulary, model->file, error) == STATUS_OK;
}

static inline void text_model_free(struct text_model *model)
{
    vocabulary_free(&model->vocabulary);
    gguf_close(&model->file);
    bytes_free(&model->bytes);
}

/* The folder with public data beside the repository, or what BANTER_SHARED names; NULL: none. */
static inline const char *shared_file(const char *name, char *path, size_t n_path)
{
    const char *folder = getenv("BANTER_SHARED");
    FILE *file;

    snprintf(path, n_path, "%s/data/%s", folder && *folder ? folder : "../shared", name);
    file = fopen(path, "rb");
    if (!file)
        return NULL;
    fclose(file);
    return path;
}

/* Random numbers that are the same in every run (xorshift64). */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline size_t random_below(uint64_t *state, size_t n)
{
    return (size_t)(random_next(state) >> 11) % n;
}

#endif
