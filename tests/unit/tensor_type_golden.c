/*
 * tensor_type_golden.c - files of another program's quantiser decode to their source
 *
 * Layout mistakes that a formula and its test could share would show here as large errors: the
 * Q8_0 and Q4_K_M files were made by llama.cpp from the F32 file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/file/gguf.h"

static char folder[] = "/tmp/banter-golden-XXXXXX";

static int make_models(void **state)
{
    char command[200];

    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(command, sizeof command,
             "/usr/bin/python3 -B tests/golden/write_models.py %s tinyA-f32 tinyB-f32 >%s/log",
             folder, folder);
    return system(command);
}

static int remove_models(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* rms of the difference over rms of the value; rounding to n levels gives a known size. */
static double error_limit(enum tensor_type type)
{
    switch (type) {
    case TENSOR_F32: return 0;
    case TENSOR_Q8_0: return 0.007;
    case TENSOR_Q6_K: return 0.025;
    case TENSOR_Q4_K: return 0.09;
    default: return -1; /* a type that these files do not hold */
    }
}

static double relative_error(const float *values, const float *wanted, size_t n)
{
    double difference = 0, size = 0;

    for (size_t i = 0; i < n; i++) {
        difference +=
            ((double)values[i] - (double)wanted[i]) * ((double)values[i] - (double)wanted[i]);
        size += (double)wanted[i] * (double)wanted[i];
    }
    return sqrt(difference / size);
}

/* Our encoder must be no farther from the weights than the other program's: within 0.1 %. */
static void compare_encoder(enum tensor_type type, const char *name, const float *wanted,
                            size_t n, double theirs)
{
    uint8_t *encoded = malloc(n * sizeof *wanted);
    float *values = malloc(n * sizeof *values);
    double ours;

    assert_true(tensor_row_encode(type, wanted, encoded, n));
    tensor_row_decode(type, encoded, values, n);
    ours = relative_error(values, wanted, n);
    if (ours > 1.001 * theirs)
        fail_msg("%s (%s): our relative error %g, theirs %g", name,
                 tensor_type_info(type)->name, ours, theirs);
    free(encoded);
    free(values);
}

static void compare(const char *quantised_path, const char *f32_name, bool encode_too)
{
    struct gguf *quantised = NULL, *f32 = NULL;
    struct error error;
    char f32_path[100];

    snprintf(f32_path, sizeof f32_path, "%s/%s", folder, f32_name);
    assert_int_equal(gguf_open(&quantised, quantised_path, &error), STATUS_OK);
    assert_int_equal(gguf_open(&f32, f32_path, &error), STATUS_OK);
    assert_int_equal(gguf_tensor_count(quantised), gguf_tensor_count(f32));
    for (size_t i = 0; i < gguf_tensor_count(quantised); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(quantised, i);
        char name[65];
        const struct gguf_tensor *source;
        float *values, *wanted;
        double theirs;
        size_t n;
        snprintf(name, sizeof name, "%.*s", (int)tensor->name.n_bytes, tensor->name.bytes);
        source = gguf_find_tensor(f32, name);
        assert_non_null(source);
        assert_memory_equal(source->ne, tensor->ne, sizeof source->ne);
        n = source->n_bytes / 4;
        values = malloc(n * sizeof *values);
        wanted = malloc(n * sizeof *wanted);
        tensor_row_decode(tensor->type, tensor->data, values, n);
        memcpy(wanted, source->data, n * sizeof *wanted);
        theirs = relative_error(values, wanted, n);
        if (theirs > error_limit(tensor->type))
            fail_msg("%s (%s): relative error %g", name, tensor_type_info(tensor->type)->name,
                     theirs);
        if (encode_too)
            compare_encoder(tensor->type, name, wanted, n, theirs);
        free(values);
        free(wanted);
    }
    gguf_close(&quantised);
    gguf_close(&f32);
}

static void q8_0_files_decode(void **state)
{
    (void)state;
    compare("tests/golden/data/tinyA-q8_0.gguf", "tinyA-f32.gguf", true);
    compare("tests/golden/data/tinyB-q8_0.gguf", "tinyB-f32.gguf", false);
}

static void q4_k_m_files_decode(void **state)
{
    (void)state;
    compare("tests/golden/data/tinyA-q4_k_m.gguf", "tinyA-f32.gguf", true);
    compare("tests/golden/data/tinyB-q4_k_m.gguf", "tinyB-f32.gguf", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q8_0_files_decode),
        cmocka_unit_test(q4_k_m_files_decode),
    };
    return cmocka_run_group_tests_name("tensor_type_golden", tests, make_models, remove_models);
}
