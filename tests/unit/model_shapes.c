/*
 * model_shapes.c - models of odd shapes and mixed types against the forward pass in double, and
 * the law on them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/reference_forward.h"

enum { N_TOKENS = 24, N_SHAPES = 14 };

static const double LIMIT = 2e-5; /* relative rms: F32 against double */

static const enum tensor_type PLAIN_TYPES[] = {TENSOR_F32, TENSOR_F16, TENSOR_BF16};
static const enum tensor_type MIXED_TYPES[] = {
    TENSOR_F16,  TENSOR_BF16,   TENSOR_Q8_0,  TENSOR_Q4_0, TENSOR_Q4_1,
    TENSOR_Q5_0, TENSOR_Q5_1,   TENSOR_Q4_K,  TENSOR_Q5_K, TENSOR_Q6_K,
    TENSOR_Q5_K, TENSOR_IQ4_NL, TENSOR_IQ4_XS};

static uint32_t pick(uint64_t *random, uint32_t minimum, uint32_t maximum)
{
    return minimum + next_random(random) % (maximum - minimum + 1);
}

/* Every ratio of value heads to key heads comes up, and of query heads to K/V heads. */
static struct shape random_shape(uint32_t number)
{
    uint64_t random = 1000 + number;
    struct shape s = plain_shape();
    const bool mixed = number % 2;

    s.seed = number + 1;
    s.types = mixed ? MIXED_TYPES : PLAIN_TYPES;
    s.n_types = mixed ? sizeof MIXED_TYPES / sizeof *MIXED_TYPES : 3;
    s.n_embd = mixed ? 256 : 16 * pick(&random, 2, 9);
    s.n_layers = pick(&random, 2, 5);
    s.head_dim = 16 * pick(&random, 1, 5);
    s.n_rotary = 2 * pick(&random, 1, s.head_dim / 2);
    s.rope_base = number % 3 ? 1e7 : 500;
    s.n_taps = pick(&random, 2, 6);
    s.state_dim = 16 * pick(&random, 1, 5);
    s.n_key_heads = pick(&random, 1, 3);
    s.n_value_heads = s.n_key_heads * (1 + number % 4);
    s.interval = number % 3 == 0 ? 0 : pick(&random, 1, 4);
    s.per_layer = pick(&random, 0, 1);
    s.tied = pick(&random, 0, 1);
    s.fused = pick(&random, 0, 1);
    for (uint32_t i = 0; i < s.n_layers; i++) {
        const uint32_t like = s.per_layer ? i : 0;
        s.recurrent[i] = s.interval ? (i + 1) % s.interval != 0 : pick(&random, 0, 1);
        s.n_ff[i] = like == i ? (mixed ? 256 * pick(&random, 1, 2) : 16 * pick(&random, 1, 9))
                              : s.n_ff[0];
        s.n_head_kv[i] = like == i ? pick(&random, 1, 3) : s.n_head_kv[0];
        s.n_head[i] = like == i ? s.n_head_kv[i] * pick(&random, 1, 4) : s.n_head[0];
        if (s.per_layer && s.recurrent[i])
            s.n_head_kv[i] = 0; /* as some converters write it */
    }
    return s;
}

static void make_tokens(int32_t tokens[N_TOKENS], uint64_t seed)
{
    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)(next_random(&seed) % SHAPE_VOCABULARY);
}

static float *double_logits(const char *path, const struct shape *shape, const int32_t *tokens)
{
    struct reference reference = reference_open(path, shape);
    double row[SHAPE_VOCABULARY];
    float *logits = malloc(N_TOKENS * SHAPE_VOCABULARY * sizeof *logits);

    for (int t = 0; t < N_TOKENS; t++) {
        reference_step(&reference, tokens[t], row);
        for (int i = 0; i < SHAPE_VOCABULARY; i++)
            logits[t * SHAPE_VOCABULARY + i] = (float)row[i];
    }
    reference_close(&reference);
    return logits;
}

static float *engine_logits(const char *path, enum kernel_level level, uint32_t chunk,
                            const int32_t *tokens)
{
    struct model *model = open_path(path, level);
    struct session *session = open_session(
        model, &(struct session_options){.n_threads = 1 + (int)chunk % 3, .chunk = chunk});
    float *logits = all_logits(session, SHAPE_VOCABULARY, tokens, N_TOKENS);

    session_free(&session);
    model_close(&model);
    return logits;
}

static void check_shape(const char *path, uint32_t number)
{
    const struct shape shape = random_shape(number);
    const size_t n = N_TOKENS * SHAPE_VOCABULARY;
    enum kernel_level levels[KERNEL_LEVEL_COUNT];
    const size_t n_levels = int8_levels(levels);
    int32_t tokens[N_TOKENS];
    float *wanted, *exact, *generic;
    double distance;

    write_model(path, &shape);
    make_tokens(tokens, number);
    wanted = double_logits(path, &shape, tokens);
    exact = engine_logits(path, KERNEL_LEVEL_REFERENCE, 10, tokens);
    distance = relative_rms(exact, wanted, n);
    if (!(distance < LIMIT))
        fail_msg("shape %u: relative rms %g", number, distance);
    print_message("shape %u: %u layers, heads %u:%u, relative rms %.2g", number, shape.n_layers,
                  shape.n_value_heads, shape.n_key_heads, distance);
    generic = engine_logits(path, KERNEL_LEVEL_GENERIC, N_TOKENS, tokens);
    distance = relative_rms(generic, wanted, n);
    print_message(", int8 %.2g\n", distance);
    if (!(distance < 0.3)) /* rounded activations: near, not equal */
        fail_msg("shape %u: int8 relative rms %g", number, distance);
    for (size_t i = 0; i < n_levels; i++) {
        for (uint32_t chunk = 1; chunk < 8; chunk += 3) {
            float *logits = engine_logits(path, levels[i], chunk, tokens);
            if (memcmp(logits, generic, n * sizeof *logits) != 0)
                fail_msg("shape %u: %s with chunks of %u differs from generic", number,
                         kernel_level_name(levels[i]), chunk);
            free(logits);
        }
    }
    free(wanted), free(exact), free(generic);
}

static void odd_shapes_agree(void **state)
{
    char path[] = "/tmp/banter-shape-XXXXXX";
    const int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    for (uint32_t number = 0; number < N_SHAPES; number++)
        check_shape(path, number);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_shapes_agree),
    };
    return cmocka_run_group_tests_name("model_shapes", tests, NULL, NULL);
}
