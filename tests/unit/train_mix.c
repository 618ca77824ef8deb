/*
 * train_mix.c - the types of a mix, tensor by tensor
 *
 * The bytes against files of llama-quantize: tests/command/quantize.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/file/gguf.h"
#include "engine/quantize.h"
#include "engine/train/mix.h"

static enum tensor_type type_of(const char *mix, const char *name, uint64_t columns,
                                uint64_t rows, bool *fallback)
{
    const uint64_t ne[4] = {columns, rows, 1, 1};

    return mix_type(mix_find(mix), name, rows > 1 ? 2 : 1, ne, 8, true, fallback);
}

static void test_names(void **state)
{
    (void)state;
    assert_null(mix_find("Q4_K_L"));
    assert_null(mix_find(""));
    assert_null(mix_find("q8_0"));
    for (size_t i = 0; quantize_mix_names[i]; i++)
        assert_non_null(mix_find(quantize_mix_names[i]));
    assert_int_equal(mix_file_type(mix_find("Q4_K_M")), 15);
    assert_int_equal(mix_file_type(mix_find("F32")), 0);
    assert_int_equal(mix_file_type(mix_find("BF16")), 32);
}

static void test_small_tensors_stay_exact(void **state)
{
    static const char *const names[] = {"output_norm.weight",
                                        "blk.0.attn_norm.weight",
                                        "blk.3.attn_q_norm.weight",
                                        "blk.0.ssm_conv1d.weight",
                                        "blk.0.ssm_a",
                                        "blk.0.ssm_dt.bias",
                                        "blk.8.nextn.enorm.weight"};

    (void)state;
    for (size_t mix = 0; quantize_mix_names[mix]; mix++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            bool fallback = true;
            uint64_t rows = i == 3 ? 512 : 1;
            assert_int_equal(
                type_of(quantize_mix_names[mix], names[i], rows > 1 ? 4 : 256, rows, &fallback),
                TENSOR_F32);
            assert_false(fallback);
        }
}

static void test_layers_with_more_bits(void **state)
{
    /* Of eight: the first, the last, and every third between. */
    static const bool more[8] = {1, 0, 0, 1, 0, 0, 1, 1};
    static const char *const kinds[] = {"attn_v", "attn_qkv", "ffn_down"};
    char name[64];

    (void)state;
    for (int block = 0; block < 8; block++)
        for (int kind = 0; kind < 3; kind++) {
            snprintf(name, sizeof name, "blk.%d.%s.weight", block, kinds[kind]);
            assert_int_equal(type_of("Q4_K_M", name, 512, 256, NULL),
                             more[block] ? TENSOR_Q6_K : TENSOR_Q4_K);
            assert_int_equal(type_of("Q5_K_M", name, 512, 256, NULL),
                             more[block] ? TENSOR_Q6_K : TENSOR_Q5_K);
            assert_int_equal(type_of("Q4_0", name, 512, 256, NULL), TENSOR_Q4_0);
        }
    assert_int_equal(type_of("Q4_K_M", "blk.0.ffn_up.weight", 256, 512, NULL), TENSOR_Q4_K);
    assert_int_equal(type_of("Q4_K_M", "blk.8.nextn.eh_proj.weight", 512, 256, NULL),
                     TENSOR_Q4_K);
}

static void test_head(void **state)
{
    const uint64_t ne[4] = {256, 3000, 1, 1};
    const struct mix *mix = mix_find("Q4_K_M");

    (void)state;
    assert_int_equal(mix_type(mix, "token_embd.weight", 2, ne, 8, true, NULL), TENSOR_Q6_K);
    assert_int_equal(mix_type(mix, "token_embd.weight", 2, ne, 8, false, NULL), TENSOR_Q4_K);
    assert_int_equal(mix_type(mix, "output.weight", 2, ne, 8, false, NULL), TENSOR_Q6_K);
    assert_int_equal(type_of("Q4_0", "token_embd.weight", 256, 300, NULL), TENSOR_Q6_K);
    assert_int_equal(type_of("Q8_0", "token_embd.weight", 256, 300, NULL), TENSOR_Q8_0);
    assert_int_equal(type_of("F16", "token_embd.weight", 256, 300, NULL), TENSOR_F16);
}

static void test_rows_that_do_not_fit(void **state)
{
    bool fallback = false;

    (void)state;
    assert_int_equal(type_of("Q4_K_M", "blk.1.ffn_up.weight", 96, 8, &fallback), TENSOR_Q5_0);
    assert_true(fallback);
    assert_int_equal(type_of("Q5_K_M", "blk.1.ffn_up.weight", 96, 8, &fallback), TENSOR_Q5_1);
    assert_true(fallback);
    assert_int_equal(type_of("Q6_K", "blk.1.ffn_up.weight", 96, 8, &fallback), TENSOR_Q8_0);
    assert_true(fallback);
    assert_int_equal(type_of("Q4_K_M", "blk.1.ffn_up.weight", 40, 8, &fallback), TENSOR_F16);
    assert_true(fallback);
    assert_int_equal(type_of("Q8_0", "blk.1.ffn_up.weight", 40, 8, &fallback), TENSOR_F16);
    assert_true(fallback);
    assert_int_equal(type_of("Q8_0", "blk.1.ffn_up.weight", 64, 8, &fallback), TENSOR_Q8_0);
    assert_false(fallback);
    assert_int_equal(type_of("F32", "blk.1.ffn_up.weight", 40, 8, &fallback), TENSOR_F32);
    assert_false(fallback);
}

static void test_types_of_files_made_elsewhere(void **state)
{
    static const struct {
        const char *path, *mix;
        uint32_t n_layers;
        bool tied;
    } files[] = {{"tests/golden/data/tinyA-q4_k_m.gguf", "Q4_K_M", 4, true},
                 {"tests/golden/data/tinyB-q4_k_m.gguf", "Q4_K_M", 8, false},
                 {"tests/golden/data/tinyB-q8_0.gguf", "Q8_0", 8, false}};

    (void)state;
    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++) {
        struct gguf *file;
        assert_int_equal(gguf_open(&file, files[k].path, NULL), STATUS_OK);
        for (size_t i = 0; i < gguf_tensor_count(file); i++) {
            const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
            char name[GGUF_TENSOR_NAME_MAX + 1] = "";
            memcpy(name, tensor->name.bytes, tensor->name.n_bytes);
            if (mix_type(mix_find(files[k].mix), name, tensor->n_dimensions, tensor->ne,
                         files[k].n_layers, files[k].tied, NULL) != tensor->type)
                fail_msg("%s of %s", name, files[k].path);
        }
        gguf_close(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_small_tensors_stay_exact),
        cmocka_unit_test(test_layers_with_more_bits),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_rows_that_do_not_fit),
        cmocka_unit_test(test_types_of_files_made_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
