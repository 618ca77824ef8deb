/*
 * model_fixture.h - models of the golden data for tests of the engine
 *
 * Every helper fails the test where it fails.  Include after cmocka.h.
 */
#ifndef TESTS_UNIT_MODEL_FIXTURE_H
#define TESTS_UNIT_MODEL_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/session.h"

/* A sanitizer replaces the allocator and makes plain C several times slower. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if !defined(IS_SANITIZED)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif
#endif

#define GOLDEN_DATA "tests/golden/data/"

enum { N_GOLDEN_TOKENS = 48, N_GREEDY = 64 };

static inline void check(enum status status, const struct error *error)
{
    char line[800];

    if (status != STATUS_OK)
        fail_msg("status %d: %s", status, error_text(error, line, sizeof line));
}

/* A file's bytes; free() them. */
static inline void *read_whole(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    void *bytes;
    long length;

    if (!file)
        fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    length = ftell(file);
    rewind(file);
    bytes = malloc((size_t)length + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)length, file), length);
    fclose(file);
    *n_bytes = (size_t)length;
    return bytes;
}

/* GOLDEN_DATA name suffix; *n: elements of 4 bytes. */
static inline void *read_golden(const char *name, const char *suffix, size_t *n)
{
    char path[200];
    void *bytes;

    snprintf(path, sizeof path, GOLDEN_DATA "%s%s", name, suffix);
    bytes = read_whole(path, n);
    *n /= 4;
    return bytes;
}

/*
 * The path of a model: GOLDEN_DATA holds the quantised ones, F32 ones are written when asked
 * for.
 */
static inline const char *model_path(const char *name, char path[300])
{
    const char *binary = getenv("BANTER_TEST_BINARY");
    char command[700], folder[250];

    if (!strstr(name, "-f32")) {
        snprintf(path, 300, GOLDEN_DATA "%s.gguf", name);
        return path;
    }
    snprintf(folder, sizeof folder, "%.200s-golden", binary ? binary : "build/release/banter");
    snprintf(command, sizeof command,
             "mkdir -p %s && /usr/bin/python3 -B tests/golden/write_models.py %s %s >/dev/null",
             folder, folder, name);
    assert_int_equal(system(command), 0);
    snprintf(path, 300, "%s/%s.gguf", folder, name);
    return path;
}

static inline struct model *open_path(const char *path, enum kernel_level level)
{
    const struct model_options options = {.level = level, .n_threads = 2};
    struct model *model = NULL;
    struct error error = {0};

    check(model_open(&model, path, &options, &error), &error);
    return model;
}

static inline struct model *open_model(const char *name, enum kernel_level level)
{
    char path[300];

    return open_path(model_path(name, path), level);
}

static inline struct session *open_session(const struct model *model,
                                           const struct session_options *options)
{
    struct session *session = NULL;
    struct error error = {0};

    check(session_new(&session, model, options, &error), &error);
    return session;
}

static inline uint32_t vocabulary_of(const struct model *model)
{
    return model_info(model)->n_vocab;
}

/* rms(a - b) / rms(b) */
static inline double relative_rms(const float *a, const float *b, size_t n)
{
    double difference = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / (size > 0 ? size : 1));
}

/* Logits of all tokens, [n_tokens][n_vocab]; free() them. */
static inline float *all_logits(struct session *session, uint32_t n_vocab,
                                const int32_t *tokens, size_t n_tokens)
{
    float *logits = malloc(n_tokens * n_vocab * sizeof *logits);
    struct error error = {0};

    assert_non_null(logits);
    check(session_eval(session, tokens, n_tokens, n_tokens, logits, NULL, &error), &error);
    return logits;
}

/* Fast levels of this processor: the int8 definition. */
static inline size_t int8_levels(enum kernel_level levels[KERNEL_LEVEL_COUNT])
{
    size_t n = 0;

    for (enum kernel_level level = KERNEL_LEVEL_GENERIC; level < KERNEL_LEVEL_COUNT; level++)
        if (kernel_level_supported(level))
            levels[n++] = level;
    return n;
}

/* A small generator, the same everywhere. */
static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

#endif
