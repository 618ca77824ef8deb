/*
 * hyperparameters.c - what a model file may get wrong, and the words that say so
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/model/hyperparameters.h"
#include "engine/model/model_internal.h"
#include "tests/unit/model_writer.h"

static char path[] = "/tmp/banter-hyper-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkstemp(path) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    return remove(path);
}

/* Opening the model fails like this, and leaves nothing behind. */
static void expect(const struct shape *shape, enum status status, const char *words)
{
    const struct model_options options = {.level = KERNEL_LEVEL_GENERIC, .n_threads = 1};
    struct model *model = (struct model *)path;
    struct error error = {0};
    char line[900];

    write_model(path, shape);
    if (model_open(&model, path, &options, &error) != status || model != NULL)
        fail_msg("%s: status %d", words, error.status);
    error_text(&error, line, sizeof line);
    if (!strstr(line, words))
        fail_msg("wanted '%s', got '%s'", words, line);
    assert_non_null(strstr(line, path));
}

struct fault {
    const char *key;
    uint32_t number;
    enum status status;
    const char *words;
};

static void keys_out_of_range_are_named(void **state)
{
    static const struct fault faults[] = {
        {"qwen35.block_count", 0, STATUS_DAMAGED, "qwen35.block_count: 0 is not in 1 .. 1024"},
        {"qwen35.block_count", 5000, STATUS_DAMAGED, "qwen35.block_count: 5000"},
        {"qwen35.block_count", 5, STATUS_DAMAGED,
         "blk.4.attn_norm.weight: the tensor is missing"},
        {"qwen35.context_length", 0, STATUS_DAMAGED, "qwen35.context_length: 0"},
        {"qwen35.embedding_length", 8, STATUS_DAMAGED, "qwen35.embedding_length: 8 is not in"},
        {"qwen35.embedding_length", 72, STATUS_UNSUPPORTED,
         "qwen35.embedding_length: 72 is not a multiple of 16"},
        {"qwen35.embedding_length", 128, STATUS_DAMAGED,
         "token_embd.weight: expected [128, 512], got [64, 512]"},
        {"qwen35.feed_forward_length", 4000000000, STATUS_DAMAGED,
         "feed_forward_length: 40000"},
        {"qwen35.feed_forward_length", 112, STATUS_DAMAGED,
         "blk.0.ffn_gate.weight: expected [64, 112], got [64, 96]"},
        {"qwen35.attention.head_count", 0, STATUS_DAMAGED, "qwen35.attention.head_count: 0"},
        {"qwen35.attention.head_count", 1024, STATUS_DAMAGED,
         "blk.3.attn_q.weight: expected [64, 65536], got [64, 256]"},
        {"qwen35.attention.head_count_kv", 3, STATUS_DAMAGED,
         "qwen35.attention.head_count_kv: it does not divide"},
        {"qwen35.attention.key_length", 40, STATUS_UNSUPPORTED,
         "attention.key_length: 40 is not"},
        {"qwen35.attention.value_length", 16, STATUS_UNSUPPORTED,
         "qwen35.attention.value_length: it differs"},
        {"qwen35.rope.dimension_count", 34, STATUS_DAMAGED,
         "qwen35.rope.dimension_count: 34 is not in 2 .. 32"},
        {"qwen35.rope.dimension_count", 7, STATUS_UNSUPPORTED, "not a multiple of 2"},
        {"qwen35.ssm.conv_kernel", 1, STATUS_DAMAGED, "qwen35.ssm.conv_kernel: 1"},
        {"qwen35.ssm.conv_kernel", 3, STATUS_DAMAGED,
         "blk.0.ssm_conv1d.weight: expected [3, 256]"},
        {"qwen35.ssm.state_size", 2048, STATUS_DAMAGED, "qwen35.ssm.state_size: 2048"},
        {"qwen35.ssm.state_size", 16, STATUS_DAMAGED, "qwen35.ssm.inner_size: it is not"},
        {"qwen35.ssm.group_count", 0, STATUS_DAMAGED, "qwen35.ssm.group_count: 0"},
        {"qwen35.ssm.group_count", 3, STATUS_DAMAGED,
         "qwen35.ssm.time_step_rank: it is not a multiple"},
        {"qwen35.ssm.inner_size", 64, STATUS_DAMAGED, "qwen35.ssm.inner_size: it is not"},
        {"qwen35.full_attention_interval", 0, STATUS_DAMAGED, "full_attention_interval: 0"},
        {"qwen35.full_attention_interval", 2, STATUS_DAMAGED,
         "blk.1.attn_qkv.weight: expected [64, 384], got [64, 256]"},
        {"qwen35.nextn_predict_layers", 4, STATUS_DAMAGED, "nextn_predict_layers: 4 is not in"},
        {"qwen35.nextn_predict_layers", 1, STATUS_DAMAGED,
         "blk.3.nextn.eh_proj.weight: the tensor is missing"},
        {"qwen35.expert_count", 8, STATUS_UNSUPPORTED,
         "qwen35.expert_count: mixtures of experts are not supported"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct shape shape = plain_shape();
        shape.change_key = faults[i].key;
        shape.changed_number = faults[i].number;
        expect(&shape, faults[i].status, faults[i].words);
    }
}

static void missing_keys_are_named(void **state)
{
    static const char *const keys[] = {
        "qwen35.block_count",          "qwen35.context_length",
        "qwen35.embedding_length",     "qwen35.feed_forward_length",
        "qwen35.attention.head_count", "qwen35.attention.head_count_kv",
        "qwen35.attention.key_length", "qwen35.attention.value_length",
        "qwen35.rope.dimension_count", "qwen35.ssm.conv_kernel",
        "qwen35.ssm.state_size",       "qwen35.ssm.group_count",
        "qwen35.ssm.time_step_rank",   "qwen35.ssm.inner_size",
    };
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct shape shape = plain_shape();
        char words[100];
        snprintf(words, sizeof words, "%s: the key is missing", keys[i]);
        shape.omit_key = keys[i];
        expect(&shape, STATUS_DAMAGED, words);
    }
}

static void per_layer_arrays(void **state)
{
    struct shape shape = plain_shape();

    (void)state;
    shape.per_layer = true;
    shape.n_head_kv[0] = shape.n_head_kv[1] = shape.n_head_kv[2] = 0;
    shape.n_ff[2] = 160;
    write_model(path, &shape);
    struct model *model = open_path(path, KERNEL_LEVEL_GENERIC);
    const struct hyperparameters *p = model_hyperparameters(model);
    assert_int_equal(p->layers[2].n_ff, 160);
    assert_int_equal(p->layers[3].n_head_kv, 2);
    assert_int_equal(p->max_ff, 160);
    assert_int_equal(model_info(model)->n_attention_layers, 1);
    model_close(&model);
    shape.n_head_kv[3] = 0;
    expect(&shape, STATUS_DAMAGED, "head_count_kv: an attention layer has no heads");
    shape.n_head_kv[3] = 2;
    shape.change_key = "qwen35.block_count";
    shape.changed_number = 3;
    expect(&shape, STATUS_DAMAGED, "the array does not have one element for each layer");
    /* An array of layer kinds has the last word, whatever the interval would be. */
    shape = plain_shape();
    shape.interval = 0;
    for (int i = 0; i < 4; i++)
        shape.recurrent[i] = i > 0;
    write_model(path, &shape);
    model = open_path(path, KERNEL_LEVEL_GENERIC);
    assert_false(model_hyperparameters(model)->layers[0].recurrent);
    assert_true(model_hyperparameters(model)->layers[3].recurrent);
    model_close(&model);
}

static void tensors_are_bound_by_name_and_shape(void **state)
{
    static const char *const needed[] = {
        "output_norm.weight",
        "blk.1.attn_norm.weight",
        "blk.1.post_attention_norm.weight",
        "blk.1.attn_qkv.weight",
        "blk.1.attn_gate.weight",
        "blk.1.ssm_alpha.weight",
        "blk.1.ssm_beta.weight",
        "blk.1.ssm_out.weight",
        "blk.1.ssm_conv1d.weight",
        "blk.1.ssm_dt.bias",
        "blk.1.ssm_a",
        "blk.1.ssm_norm.weight",
        "blk.3.attn_q.weight",
        "blk.3.attn_k.weight",
        "blk.3.attn_v.weight",
        "blk.3.attn_output.weight",
        "blk.3.attn_q_norm.weight",
        "blk.3.attn_k_norm.weight",
        "blk.2.ffn_gate.weight",
        "blk.2.ffn_up.weight",
        "blk.2.ffn_down.weight",
    };
    (void)state;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        struct shape shape = plain_shape();
        char words[100];
        snprintf(words, sizeof words, "%s: the tensor is missing", needed[i]);
        shape.omit_tensor = needed[i];
        expect(&shape, STATUS_DAMAGED, words);
        shape.omit_tensor = NULL;
        shape.change_tensor = needed[i];
        shape.changed_columns = 80;
        snprintf(words, sizeof words, "%s: expected [", needed[i]);
        expect(&shape, STATUS_DAMAGED, words);
    }
    struct shape shape = plain_shape();
    shape.change_tensor = "blk.2.ssm_out.weight";
    shape.changed_rows = 65;
    expect(&shape, STATUS_DAMAGED, "blk.2.ssm_out.weight: expected [128, 64], got [128, 65]");
}

static void types_are_named(void **state)
{
    struct shape shape = plain_shape();

    (void)state;
    shape.n_embd = 256;
    shape.change_tensor = "blk.2.ffn_up.weight";
    shape.changed_type = TENSOR_Q2_K;
    expect(&shape, STATUS_UNSUPPORTED,
           "blk.2.ffn_up.weight: tensors of type Q2_K are not supported");
    shape.change_tensor = "blk.2.attn_norm.weight";
    shape.changed_type = TENSOR_Q8_0;
    expect(&shape, STATUS_UNSUPPORTED,
           "blk.2.attn_norm.weight: type Q8_0, expected F32, F16 or BF16");
    shape.changed_type = TENSOR_F16;
    write_model(path, &shape);
    struct model *model = open_path(path, KERNEL_LEVEL_GENERIC);
    model_close(&model);
    shape.change_tensor = NULL;
    shape.rename_tensor = "blk.1.ssm_dt.bias"; /* as some converters write it */
    shape.new_name = "blk.1.ssm_dt";
    write_model(path, &shape);
    model = open_path(path, KERNEL_LEVEL_GENERIC);
    model_close(&model);
}

static void other_architectures_are_named(void **state)
{
    static const char *const names[] = {"qwen35moe", "llama", "qwen3"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct model_options options = {.level = KERNEL_LEVEL_GENERIC};
        struct gguf_writer *writer = NULL;
        struct model *model;
        struct error error = {0};
        check(gguf_writer_open(&writer, path, &error), &error);
        check(gguf_writer_string(writer, "general.architecture", names[i], strlen(names[i]),
                                 &error),
              &error);
        check(gguf_writer_finish(&writer, &error), &error);
        assert_int_equal(model_open(&model, path, &options, &error), STATUS_UNSUPPORTED);
        assert_null(model);
        assert_non_null(strstr(error.what, names[i]));
        if (i == 0)
            assert_non_null(strstr(error.what, "dense"));
    }
}

/* Sums that a person is shown, and the cancel. */
static void information_and_cancel(void **state)
{
    const atomic_bool cancel = true;
    const struct model_options options = {.level = KERNEL_LEVEL_GENERIC, .cancel = &cancel};
    struct model *model = open_model("tinyB-q4_k_m", kernel_level_best());
    const struct model_info *info = model_info(model);
    struct error error = {0};

    (void)state;
    assert_string_equal(info->architecture, "qwen35");
    assert_string_equal(info->quantisation, "Q4_K_M");
    assert_int_equal(info->n_layers, 8);
    assert_int_equal(info->n_attention_layers, 2);
    assert_int_equal(info->n_embd, 256);
    assert_int_equal(info->n_vocab, 512);
    assert_false(info->tied_head);
    assert_int_equal(info->kv_bytes_per_token, 2 * 2 * 256 * 2);
    assert_int_equal(info->state_bytes,
                     6 * (6 * 128 * 128 + 3 * (2 * 2 + 6) * 128) * sizeof(float));
    assert_true(info->n_parameters > 10000000 && info->n_parameters < 15000000);
    model_close(&model);
    assert_int_equal(model_open(&model, GOLDEN_DATA "tinyB-q4_k_m.gguf", &options, &error),
                     STATUS_CANCELLED);
    assert_null(model);
}

/* Whatever a number says, the file is opened or refused (a sanitizer watches). */
static void no_number_is_trusted(void **state)
{
    static const char *const keys[] = {
        "qwen35.block_count",          "qwen35.context_length",
        "qwen35.embedding_length",     "qwen35.feed_forward_length",
        "qwen35.attention.head_count", "qwen35.attention.head_count_kv",
        "qwen35.attention.key_length", "qwen35.attention.value_length",
        "qwen35.rope.dimension_count", "qwen35.ssm.conv_kernel",
        "qwen35.ssm.state_size",       "qwen35.ssm.group_count",
        "qwen35.ssm.time_step_rank",   "qwen35.ssm.inner_size",
        "qwen35.nextn_predict_layers", "qwen35.full_attention_interval",
    };
    static const uint32_t numbers[] = {0,       1,       2,          16,         1024,
                                       1 << 16, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff};
    const struct model_options options = {.level = KERNEL_LEVEL_GENERIC, .n_threads = 1};

    (void)state;
    for (size_t key = 0; key < sizeof keys / sizeof *keys; key++) {
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            struct shape shape = plain_shape();
            struct model *model = NULL;
            struct error error = {0};
            shape.change_key = keys[key];
            shape.changed_number = numbers[i];
            write_model(path, &shape);
            if (model_open(&model, path, &options, &error) != STATUS_OK)
                assert_true(error.status == STATUS_DAMAGED ||
                            error.status == STATUS_UNSUPPORTED);
            model_close(&model);
        }
    }
}

static void write_sampling_keys(struct gguf_writer *writer)
{
    struct error error = {0};

    check(gguf_writer_f32(writer, "general.sampling.temp", 0.25f, &error), &error);
    check(gguf_writer_u32(writer, "general.sampling.top_k", 7, &error), &error);
    check(gguf_writer_u32(writer, "general.sampling.top_p", 1, &error), &error);
    check(gguf_writer_f32(writer, "general.sampling.min_p", -3, &error), &error);
    check(gguf_writer_f32(writer, "general.sampling.penalty_repeat", 1.125f, &error), &error);
}

/* The rules of sampling.h: choice over file over family over plain. */
static void sampling_of_a_model(void **state)
{
    const struct sampling_choice choice = {.given = SAMPLING_TOP_K | SAMPLING_PRESENCE,
                                           .values = {.top_k = 3, .presence_penalty = 0.5f}};
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    struct sampling s = sampling_for_model(model, true, NULL);

    (void)state;
    assert_true(s.temperature == 0.8f && s.top_k == 40 && s.top_p == 0.95f && s.min_p == 0.05f);
    assert_true(s.repetition_penalty == 1 && s.presence_penalty == 0);
    s = sampling_for_model(model, true, &choice);
    assert_true(s.temperature == 0.8f && s.top_k == 3 && s.presence_penalty == 0.5f);
    model_close(&model);
    struct shape shape = plain_shape();
    shape.more_keys = write_sampling_keys;
    write_model(path, &shape);
    model = open_path(path, KERNEL_LEVEL_GENERIC);
    s = sampling_for_model(model, false, &choice);
    assert_true(s.temperature == 0.25f && s.top_k == 3 && s.top_p == 1);
    assert_true(s.min_p == 0.05f); /* the file's is out of range */
    assert_true(s.repetition_penalty == 1.125f && s.presence_penalty == 0.5f);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_out_of_range_are_named),
        cmocka_unit_test(missing_keys_are_named),
        cmocka_unit_test(per_layer_arrays),
        cmocka_unit_test(tensors_are_bound_by_name_and_shape),
        cmocka_unit_test(types_are_named),
        cmocka_unit_test(other_architectures_are_named),
        cmocka_unit_test(information_and_cancel),
        cmocka_unit_test(no_number_is_trusted),
        cmocka_unit_test(sampling_of_a_model),
    };
    return cmocka_run_group_tests_name("hyperparameters", tests, set_up, tear_down);
}
