/*
 * golden_stages.c - every stage of the forward pass, and the multi-token-prediction block,
 * against the tensors of llama.cpp
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "engine/model/model_internal.h"
#include "engine/model/mtp.h"
#include "engine/state/session_internal.h"
#include "tests/unit/model_fixture.h"

static const double LIMIT = 1e-4; /* relative rms; both sides compute in F32 */

enum { MAX_STAGES = 200, N_TOKENS = 16 };

struct stage {
    const char *name; /* static text of the engine */
    uint32_t layer, n_rows, n_columns;
    float *rows; /* owns */
};

struct stages {
    struct stage list[MAX_STAGES];
    size_t n;
};

static void keep_stage(void *context, const char *name, uint32_t layer, const float *rows,
                       size_t stride, uint32_t n_rows, uint32_t n_columns)
{
    struct stages *stages = context;
    struct stage *stage = &stages->list[stages->n++];

    assert_true(stages->n <= MAX_STAGES);
    *stage = (struct stage){name, layer, n_rows, n_columns,
                            malloc((size_t)n_rows * n_columns * sizeof(float))};
    for (uint32_t row = 0; row < n_rows; row++)
        memcpy(stage->rows + (size_t)row * n_columns, rows + row * stride,
               n_columns * sizeof(float));
}

static const struct stage *find_stage(const struct stages *stages, const char *name,
                                      uint32_t layer)
{
    for (size_t i = 0; i < stages->n; i++)
        if (strcmp(stages->list[i].name, name) == 0 && stages->list[i].layer == layer)
            return &stages->list[i];
    fail_msg("no stage %s of layer %u", name, layer);
    return NULL;
}

static void free_stages(struct stages *stages)
{
    for (size_t i = 0; i < stages->n; i++)
        free(stages->list[i].rows);
    stages->n = 0;
}

/* The golden tensors: the directory and the data. */
struct golden {
    json_t *list;
    char *data;
};

static const float *find_golden(const struct golden *golden, const char *name, int layer,
                                const char *op, size_t *n)
{
    char full[100];
    size_t index;
    json_t *entry;

    snprintf(full, sizeof full, layer >= 0 ? "%s-%d" : "%s", name, layer);
    json_array_foreach(golden->list, index, entry)
    {
        const json_t *ne = json_object_get(entry, "ne");
        if (strcmp(json_string_value(json_object_get(entry, "name")), full) != 0 ||
            (op && strcmp(json_string_value(json_object_get(entry, "op")), op) != 0))
            continue;
        *n = 1;
        for (size_t i = 0; i < json_array_size(ne); i++)
            *n *= (size_t)json_integer_value(json_array_get(ne, i));
        return (const float *)(golden->data +
                               json_integer_value(json_object_get(entry, "offset")));
    }
    fail_msg("no golden tensor %s", full);
    return NULL;
}

/* What a golden tensor is made of: pieces of a stage's rows. */
struct columns {
    const char *stage;
    const char *golden;
    const char *op;        /* NULL: any */
    uint32_t first, width; /* columns of a piece; width 0: the whole row */
    uint32_t n_pieces, step;
    float scale;
};

static const struct columns RECURRENT[] = {
    {"mixer_norm", "attn_norm", NULL, 0, 0, 1, 0, 1},
    {"delta_raw", "linear_attn_qkv_mixed", NULL, 0, 0, 1, 0, 1},
    {"delta_qkv", "q_conv_predelta", NULL, 0, 128, 1, 0, 8}, /* ours is divided by sqrt(64) */
    {"delta_qkv", "k_conv_predelta", NULL, 128, 128, 1, 0, 1},
    {"delta_qkv", "v_conv_predelta", NULL, 256, 256, 1, 0, 1},
    {"delta_beta", "beta_sigmoid", NULL, 0, 0, 1, 0, 1},
    {"delta_heads", "attn_output", NULL, 0, 0, 1, 0, 1},
    {"delta_z", "z", NULL, 0, 0, 1, 0, 1},
    {"delta_gated", "final_output", NULL, 0, 0, 1, 0, 1},
    {"mixer_out", "linear_attn_out", NULL, 0, 0, 1, 0, 1},
    {"mixer_residual", "attn_residual", NULL, 0, 0, 1, 0, 1},
    {"ffn_norm", "attn_post_norm", NULL, 0, 0, 1, 0, 1},
    {"ffn_out", "ffn_out", NULL, 0, 0, 1, 0, 1},
    {"layer_out", "l_out", NULL, 0, 0, 1, 0, 1},
};

static const struct columns ATTENTION[] = {
    {"mixer_norm", "attn_norm", NULL, 0, 0, 1, 0, 1},
    {"attention_qkv", "Qcur_full", NULL, 0, 512, 1, 0, 1},
    {"attention_qkv", "Kcur", "MUL_MAT", 512, 128, 1, 0, 1},
    {"attention_qkv", "Vcur", "MUL_MAT", 640, 128, 1, 0, 1},
    {"attention_rope", "Qcur", "ROPE", 0, 64, 4, 128, 1},
    {"attention_rope", "Kcur", "ROPE", 512, 128, 1, 0, 1},
    {"attention_heads", "attn_pregate", NULL, 0, 0, 1, 0, 1},
    {"attention_gated", "attn_gated", NULL, 0, 0, 1, 0, 1},
    {"mixer_out", "attn_output", NULL, 0, 0, 1, 0, 1},
    {"mixer_residual", "attn_residual", NULL, 0, 0, 1, 0, 1},
    {"ffn_norm", "attn_post_norm", NULL, 0, 0, 1, 0, 1},
    {"ffn_out", "ffn_out", NULL, 0, 0, 1, 0, 1},
    {"layer_out", "l_out", NULL, 0, 0, 1, 0, 1},
};

static void check_columns(const struct stages *stages, const struct golden *golden,
                          const struct columns *columns, uint32_t layer, int golden_layer)
{
    const struct stage *stage = find_stage(stages, columns->stage, layer);
    const uint32_t width = columns->width ? columns->width : stage->n_columns;
    size_t n = 0, filled = 0;
    const float *wanted = find_golden(golden, columns->golden, golden_layer, columns->op, &n);
    float *got = malloc(n * sizeof *got);
    double distance;

    assert_int_equal(n, (size_t)stage->n_rows * columns->n_pieces * width);
    for (uint32_t row = 0; row < stage->n_rows; row++)
        for (uint32_t piece = 0; piece < columns->n_pieces; piece++)
            for (uint32_t i = 0; i < width; i++)
                got[filled++] =
                    columns->scale * stage->rows[(size_t)row * stage->n_columns +
                                                 columns->first + piece * columns->step + i];
    distance = relative_rms(got, wanted, n);
    if (!(distance < LIMIT))
        fail_msg("%s-%d: relative rms %g", columns->golden, golden_layer, distance);
    free(got);
}

/* decay = exp(gate) */
static void check_decay(const struct stages *stages, const struct golden *golden,
                        uint32_t layer)
{
    const struct stage *stage = find_stage(stages, "delta_decay", layer);
    size_t n;
    const float *gate = find_golden(golden, "gate", (int)layer, "MUL", &n);
    float *wanted = malloc(n * sizeof *wanted);

    for (size_t i = 0; i < n; i++)
        wanted[i] = expf(gate[i]);
    assert_true(relative_rms(stage->rows, wanted, n) < LIMIT);
    free(wanted);
}

/*
 * The golden state is [head][value column][key]; ours [head][slice][key][column of the
 * slice].
 */
static void check_state(const struct session *session, const struct golden *golden,
                        uint32_t layer)
{
    const uint32_t dim = 64, n_heads = 4;
    const float *state =
        session->state.recurrent[session->state.live] + session->state.layers[layer].recurrent;
    size_t n;
    const float *wanted = find_golden(golden, "new_state", (int)layer, NULL, &n);
    float *got = malloc(n * sizeof *got);

    assert_int_equal(n, n_heads * dim * dim);
    for (uint32_t head = 0; head < n_heads; head++)
        for (uint32_t column = 0; column < dim; column++)
            for (uint32_t key = 0; key < dim; key++)
                got[(head * dim + column) * dim + key] =
                    state[((head * (dim / DELTA_SLICE) + column / DELTA_SLICE) * dim + key) *
                              DELTA_SLICE +
                          column % DELTA_SLICE];
    assert_true(relative_rms(got, wanted, n) < LIMIT);
    free(got);
}

static void stages_agree(void **state)
{
    const struct columns ends[] = {
        {"embedding", "model.input_embed", NULL, 0, 0, 1, 0, 1},
        {"output_norm", "result_norm", NULL, 0, 0, 1, 0, 1},
    };
    struct stages stages = {.n = 0};
    const struct trace trace = {keep_stage, &stages};
    struct model *model = open_model("tinyA-f32", KERNEL_LEVEL_REFERENCE);
    struct session *session = open_session(model, &(struct session_options){.n_threads = 2});
    struct golden golden;
    size_t n;
    int32_t *tokens = read_golden("tinyA-f32-inter", ".tokens.i32", &n);
    json_t *root = json_load_file(GOLDEN_DATA "tinyA-f32-inter.json", 0, NULL);

    (void)state;
    golden.list = json_is_array(root) ? root : json_object_get(root, "tensors");
    golden.data = read_golden("tinyA-f32-inter", ".f32", &n);
    session->trace = &trace;
    free(all_logits(session, vocabulary_of(model), tokens, N_TOKENS));
    check_columns(&stages, &golden, &ends[0], 0, -1);
    check_columns(&stages, &golden, &ends[1], 3, -1);
    for (uint32_t layer = 0; layer < 3; layer++) {
        for (size_t i = 0; i < sizeof RECURRENT / sizeof *RECURRENT; i++)
            check_columns(&stages, &golden, &RECURRENT[i], layer, (int)layer);
        check_decay(&stages, &golden, layer);
        check_state(session, &golden, layer);
    }
    for (size_t i = 0; i < sizeof ATTENTION / sizeof *ATTENTION; i++)
        check_columns(&stages, &golden, &ATTENTION[i], 3, 3);
    free_stages(&stages);
    json_decref(root);
    free(tokens), free(golden.data);
    session_free(&session);
    model_close(&model);
}

static void check_rows(const float *rows, const char *suffix)
{
    size_t n;
    float *wanted = read_golden("tinyM-f32", suffix, &n);
    const double distance = relative_rms(rows, wanted, n);

    print_message("tinyM-f32%s: relative rms %.3g\n", suffix, distance);
    assert_true(distance < LIMIT);
    free(wanted);
}

/* The block in chunks of two sizes: it must not matter. */
static void mtp_agrees(void **state)
{
    struct stages stages = {.n = 0};
    const struct trace trace = {keep_stage, &stages};
    struct model *model = open_model("tinyM-f32", KERNEL_LEVEL_REFERENCE);
    struct session *session = open_session(model, &(struct session_options){.n_threads = 2});
    const uint32_t n_vocab = vocabulary_of(model), n_pairs = N_GOLDEN_TOKENS - 1;
    const uint32_t n_embd = model_info(model)->n_embd;
    struct error error = {0};
    size_t n;
    int32_t *tokens = read_golden("tinyM-f32", ".tokens.i32", &n);
    float *logits, *hidden = malloc(n_pairs * n_embd * sizeof *hidden);
    float *mtp_logits = malloc(n_pairs * n_vocab * sizeof *mtp_logits);
    const float *trunk;

    (void)state;
    session->trace = &trace;
    logits = all_logits(session, n_vocab, tokens, N_GOLDEN_TOKENS);
    session->trace = NULL;
    check_rows(logits, ".logits.f32");
    trunk = find_stage(&stages, "output_norm", 3)->rows;
    check_rows(trunk, ".h.f32");
    for (uint32_t done = 0, count; done < n_pairs; done += count) {
        struct pass pass;
        count = done == 0 ? 20 : n_pairs - done;
        pass = session_pass(session, count, NULL);
        pass.sequences[0].first_position = session->state.n_mtp_rows;
        head_ask_full(session->scratch.rows, count, mtp_logits + done * n_vocab, n_vocab);
        check(mtp_forward(&pass, 0, tokens + done + 1, trunk + done * n_embd,
                          hidden + done * n_embd, count, session->scratch.rows, &error),
              &error);
        session->state.n_mtp_rows += count;
    }
    check_rows(mtp_logits, ".mtp_logits.f32");
    check_rows(hidden, ".mtp_h.f32");
    free_stages(&stages);
    free(tokens), free(logits), free(hidden), free(mtp_logits);
    session_free(&session);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stages_agree),
        cmocka_unit_test(mtp_agrees),
    };
    return cmocka_run_group_tests_name("golden_stages", tests, NULL, NULL);
}
