/*
 * train_sequence.c - operations along sequences: gradients, borders, bytes, refusals
 */
#include "gradient_check.h"

#include "engine/train/operations.h"

/* Sequences of a batch, and what else a case needs. */
struct batch {
    struct sequences sequences;
    uint32_t n_rotary;
    float base, scale;
};

enum { MOST_TOKENS = 256 };

static int32_t positions[MOST_TOKENS];

static void make_batch(struct batch *batch, const uint32_t *first, uint32_t n_sequences)
{
    batch->sequences = (struct sequences){first[n_sequences], n_sequences, first, positions};
    for (uint32_t s = 0; s < n_sequences; s++)
        for (uint32_t t = first[s]; t < first[s + 1]; t++)
            positions[t] = (int32_t)(t - first[s] + 3 * s);
}

static const uint32_t small_first[] = {0, 1, 3, 3, 10};      /* one is empty */
static const uint32_t long_first[] = {0, 1, 3, 10, 43, 113}; /* 1, 2, 7, 33, 70 tokens */

#define N_SMALL  10
#define N_LONG   113
#define SMALL(b) make_batch(b, small_first, 4)
#define LONG(b)  make_batch(b, long_first, 5)
#define INPUT(...)                                                                             \
    {                                                                                          \
        sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), {__VA_ARGS__}, 0, 0, false           \
    }

/* A part of wider rows: every stride but the last differs from that of a dense tensor. */
static struct tensor *middle_part(struct tape *tape, struct tensor *x)
{
    return view_slice(tape, x, 2, 1, x->shape[2] - 2);
}

static const struct sequences *sequences_of(const struct gradient_case *test)
{
    return &((const struct batch *)test->context)->sequences;
}

/* Rotary embedding ----------------------------------------------------------------------------- */

static struct tensor *rope_forward(struct tape *tape, const struct gradient_case *test,
                                   struct tensor *const *inputs)
{
    const struct batch *batch = test->context;

    return op_rope(tape, middle_part(tape, inputs[0]), &batch->sequences, batch->n_rotary,
                   batch->base);
}

static void rope_reference(const struct gradient_case *test, const double *const *inputs,
                           double *out)
{
    const struct batch *batch = test->context;
    const size_t heads = test->inputs[0].shape[1], wide = test->inputs[0].shape[2];
    const size_t dim = wide - 2, half = batch->n_rotary / 2;

    for (size_t row = 0; row < test->inputs[0].shape[0] * heads; row++) {
        const double *x = inputs[0] + row * wide + 1;
        for (size_t i = 0; i < dim; i++)
            out[row * dim + i] = x[i];
        for (size_t i = 0; i < half; i++) {
            double angle = (double)positions[row / heads] *
                           pow((double)batch->base, -2.0 * (double)i / batch->n_rotary);
            out[row * dim + i] = x[i] * cos(angle) - x[i + half] * sin(angle);
            out[row * dim + i + half] = x[i] * sin(angle) + x[i + half] * cos(angle);
        }
    }
}

static void rope(void **state)
{
    struct batch batch = {.n_rotary = 6, .base = 1000};
    struct gradient_case test = {
        "rope", rope_forward, rope_reference, 1, {INPUT(N_SMALL, 3, 10)}, {0}, &batch, 0};

    (void)state;
    SMALL(&batch);
    gradient_check(&test);
    gradient_check_memory(&test);
    batch.n_rotary = 8; /* all of a head */
    gradient_check(&test);
    batch.n_rotary = 0;
    gradient_check(&test);
    LONG(&batch);
    test.inputs[0] = (struct gradient_input)INPUT(N_LONG, 4, 42);
    batch.n_rotary = 20;
    gradient_check_bytes(&test);
}

/* Convolution ---------------------------------------------------------------------------------- */

static struct tensor *convolution_forward(struct tape *tape, const struct gradient_case *test,
                                          struct tensor *const *inputs)
{
    return op_convolution(tape, inputs[0], inputs[1], sequences_of(test));
}

static void convolution_reference(const struct gradient_case *test, const double *const *inputs,
                                  double *out)
{
    const struct sequences *sequences = sequences_of(test);
    const size_t channels = test->inputs[0].shape[1], n_taps = test->inputs[1].shape[1];

    for (uint32_t s = 0; s < sequences->n_sequences; s++)
        for (size_t t = sequences->first[s]; t < sequences->first[s + 1]; t++)
            for (size_t c = 0; c < channels; c++) {
                double sum = 0;
                for (size_t back = 0; back < n_taps && t - back + 1 > sequences->first[s];
                     back++)
                    sum += inputs[1][c * n_taps + n_taps - 1 - back] *
                           inputs[0][(t - back) * channels + c];
                out[t * channels + c] = sum;
            }
}

static void convolution(void **state)
{
    struct batch batch = {0};
    struct gradient_case test = {"convolution",
                                 convolution_forward,
                                 convolution_reference,
                                 2,
                                 {INPUT(N_SMALL, 5), INPUT(5, 4)},
                                 {0},
                                 &batch,
                                 0};

    (void)state;
    SMALL(&batch);
    gradient_check(&test);
    gradient_check_memory(&test);
    test.inputs[1] = (struct gradient_input)INPUT(5, 1);
    gradient_check(&test);
    test.inputs[0].constant = true;
    gradient_check(&test);
    LONG(&batch);
    test.inputs[0] = (struct gradient_input)INPUT(N_LONG, 333);
    test.inputs[1] = (struct gradient_input)INPUT(333, 4);
    gradient_check_bytes(&test);
}

/* Attention ------------------------------------------------------------------------------------ */

static struct tensor *attention_forward(struct tape *tape, const struct gradient_case *test,
                                        struct tensor *const *inputs)
{
    const struct batch *batch = test->context;

    return op_attention(tape, middle_part(tape, inputs[0]), inputs[1], inputs[2],
                        &batch->sequences, batch->scale);
}

static void attention_reference(const struct gradient_case *test, const double *const *inputs,
                                double *out)
{
    const struct sequences *sequences = sequences_of(test);
    const double scale = (double)((const struct batch *)test->context)->scale;
    const size_t n_head = test->inputs[0].shape[1], wide = test->inputs[0].shape[2];
    const size_t n_kv = test->inputs[1].shape[1], dim = wide - 2;

    for (uint32_t s = 0; s < sequences->n_sequences; s++)
        for (size_t t = sequences->first[s]; t < sequences->first[s + 1]; t++)
            for (size_t h = 0; h < n_head; h++) {
                const double *query = inputs[0] + (t * n_head + h) * wide + 1;
                double *to = out + (t * n_head + h) * dim, total = 0;
                memset(to, 0, dim * sizeof *to);
                for (size_t j = sequences->first[s]; j <= t; j++) {
                    size_t place = (j * n_kv + h * n_kv / n_head) * dim;
                    double score = 0;
                    for (size_t i = 0; i < dim; i++)
                        score += query[i] * inputs[1][place + i];
                    double weight = exp(scale * score);
                    total += weight;
                    for (size_t i = 0; i < dim; i++)
                        to[i] += weight * inputs[2][place + i];
                }
                for (size_t i = 0; i < dim; i++)
                    to[i] /= total;
            }
}

static struct gradient_case attention_case(struct batch *batch, size_t n, size_t n_head,
                                           size_t n_kv, size_t dim)
{
    batch->scale = 1 / sqrtf((float)dim);
    return (struct gradient_case){
        "attention",
        attention_forward,
        attention_reference,
        3,
        {INPUT(n, n_head, dim + 2), INPUT(n, n_kv, dim), INPUT(n, n_kv, dim)},
        {0},
        batch,
        0};
}

static void attention(void **state)
{
    static const uint32_t one_first[] = {0, 35};
    struct batch batch = {0};
    struct gradient_case test;

    (void)state;
    SMALL(&batch);
    test = attention_case(&batch, N_SMALL, 6, 2, 5);
    gradient_check(&test);
    gradient_check_memory(&test);
    for (size_t i = 0; i < 3; i++) { /* a gradient that nobody wants */
        test.inputs[i].constant = true;
        gradient_check(&test);
        test.inputs[i].constant = false;
    }
    test = attention_case(&batch, N_SMALL, 3, 3, 17);
    gradient_check(&test);
    make_batch(&batch, one_first, 1);
    test = attention_case(&batch, 35, 1, 1, 3);
    gradient_check(&test);
    LONG(&batch);
    test = attention_case(&batch, N_LONG, 4, 2, 24);
    gradient_check_bytes(&test);
}

/* Delta rule ----------------------------------------------------------------------------------- */

static struct tensor *delta_forward(struct tape *tape, const struct gradient_case *test,
                                    struct tensor *const *inputs)
{
    return op_delta_rule(tape, middle_part(tape, inputs[0]), inputs[1],
                         middle_part(tape, inputs[2]), inputs[3],
                         view_transpose(tape, inputs[4], 0, 1), sequences_of(test));
}

static void delta_token_reference(double *state, size_t n_key, size_t n_value,
                                  const double *query, const double *key, const double *value,
                                  double decay, double beta, double *out)
{
    for (size_t j = 0; j < n_value; j++) {
        double read = 0, delta;
        for (size_t i = 0; i < n_key; i++)
            read += (state[i * n_value + j] *= decay) * key[i];
        delta = beta * (value[j] - read);
        out[j] = 0;
        for (size_t i = 0; i < n_key; i++)
            out[j] += (state[i * n_value + j] += key[i] * delta) * query[i];
    }
}

static void delta_reference(const struct gradient_case *test, const double *const *inputs,
                            double *out)
{
    const struct sequences *sequences = sequences_of(test);
    const size_t n = sequences->n_tokens, n_key_heads = test->inputs[1].shape[1];
    const size_t n_key = test->inputs[1].shape[2], n_heads = test->inputs[2].shape[1];
    const size_t wide = test->inputs[2].shape[2], n_value = wide - 2;
    double *state = calloc(n_key * n_value, sizeof *state);

    assert_non_null(state);
    for (uint32_t s = 0; s < sequences->n_sequences; s++)
        for (size_t h = 0; h < n_heads; h++) {
            memset(state, 0, n_key * n_value * sizeof *state);
            for (size_t t = sequences->first[s]; t < sequences->first[s + 1]; t++) {
                size_t key = t * n_key_heads + h % n_key_heads, value = t * n_heads + h;
                delta_token_reference(state, n_key, n_value, inputs[0] + key * (n_key + 2) + 1,
                                      inputs[1] + key * n_key, inputs[2] + value * wide + 1,
                                      inputs[3][value], inputs[4][h * n + t],
                                      out + value * n_value);
            }
        }
    free(state);
}

static struct gradient_case delta_case(struct batch *batch, size_t n, size_t n_key_heads,
                                       size_t n_heads, size_t n_key, size_t n_value)
{
    struct gradient_case test = {"delta rule",
                                 delta_forward,
                                 delta_reference,
                                 5,
                                 {INPUT(n, n_key_heads, n_key + 2),
                                  INPUT(n, n_key_heads, n_key), INPUT(n, n_heads, n_value + 2),
                                  INPUT(n, n_heads), INPUT(n_heads, n)},
                                 {0},
                                 batch,
                                 0};

    test.inputs[0].scale = test.inputs[1].scale = sqrtf(2.0f / (float)n_key);
    test.inputs[3].scale = 0.19f;
    test.inputs[3].middle = 0.8f;
    test.inputs[4].scale = test.inputs[4].middle = 0.45f;
    return test;
}

static void delta_rule(void **state)
{
    static const uint32_t one_first[] = {0, 70};
    struct batch batch = {0};
    struct gradient_case test;

    (void)state;
    SMALL(&batch);
    test = delta_case(&batch, N_SMALL, 2, 6, 5, 7);
    gradient_check(&test);
    for (size_t i = 0; i < 5; i++) {
        test.inputs[i].constant = true;
        gradient_check(&test);
        test.inputs[i].constant = false;
    }
    test = delta_case(&batch, N_SMALL, 1, 2, 3, 2);
    gradient_check_memory(&test);
    test = delta_case(&batch, N_SMALL, 3, 3, 17, 16);
    gradient_check(&test);
    make_batch(&batch, one_first, 1); /* more than two chunks */
    test = delta_case(&batch, 70, 1, 1, 3, 2);
    gradient_check(&test);
    LONG(&batch);
    test = delta_case(&batch, N_LONG, 2, 4, 32, 32);
    gradient_check_bytes(&test);
}

/* Borders -------------------------------------------------------------------------------------- */

/* Are rows of tokens first .. end - 1 the same in both? */
static bool same_tokens(const float *a, const float *b, size_t row, size_t first, size_t end)
{
    return memcmp(a + first * row, b + first * row, (end - first) * row * sizeof *a) == 0;
}

/* Change the first input at one token: its sequence changes, and nothing of the others. */
static void check_borders(const struct gradient_case *test, size_t token, size_t from,
                          size_t end)
{
    const size_t n = sequences_of(test)->n_tokens;
    struct gradient_run before, after;

    gradient_run_open(&before, test, 2, kernel_level_best());
    gradient_run_open(&after, test, 2, kernel_level_best());
    for (size_t i = 0; i < test->n_inputs; i++) {
        size_t row = gradient_elements(&test->inputs[i]) / n;
        if (test->inputs[i].shape[0] == n)
            for (size_t j = 0; j < row; j++)
                after.inputs[i]->data[token * row + j] += 0.5f;
    }
    assert_int_equal(gradient_step(&before, test), STATUS_OK);
    assert_int_equal(gradient_step(&after, test), STATUS_OK);
    const size_t out_row = before.n_out / n;
    assert_false(same_tokens(before.out, after.out, out_row, from, end));
    assert_true(same_tokens(before.out, after.out, out_row, 0, from));
    assert_true(same_tokens(before.out, after.out, out_row, end, n));
    for (size_t i = 0; i < test->n_inputs; i++) {
        size_t row = gradient_elements(&test->inputs[i]) / n;
        if (test->inputs[i].shape[0] != n)
            continue;
        const float *a = before.inputs[i]->gradient, *b = after.inputs[i]->gradient;
        assert_true(same_tokens(a, b, row, 0, from));
        assert_true(same_tokens(a, b, row, end, n));
    }
    gradient_run_close(&before);
    gradient_run_close(&after);
}

static void nothing_passes_a_border(void **state)
{
    struct batch batch = {0};
    struct gradient_case test;

    (void)state;
    LONG(&batch);
    test = attention_case(&batch, N_LONG, 4, 2, 16);
    check_borders(&test, 10, 10, 43);
    check_borders(&test, 42, 10, 43);
    test = delta_case(&batch, N_LONG, 2, 4, 16, 16);
    check_borders(&test, 10, 10, 43);
    check_borders(&test, 42, 10, 43);
    test = (struct gradient_case){"convolution",
                                  convolution_forward,
                                  convolution_reference,
                                  2,
                                  {INPUT(N_LONG, 20), INPUT(20, 4)},
                                  {0},
                                  &batch,
                                  0};
    check_borders(&test, 10, 10, 43);
    check_borders(&test, 42, 10, 43);
    check_borders(&test, 0, 0, 1);
}

/* Refusals ------------------------------------------------------------------------------------- */

static void expect_usage(struct tape *tape, const struct tensor *result)
{
    assert_null(result);
    assert_int_equal(tape_status(tape, NULL), STATUS_USAGE);
    tape_reset(tape);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const uint32_t wrong_end[] = {0, 4, 9}, backwards[] = {0, 7, 4, 10};
    static const int32_t wrong_positions[N_SMALL] = {0, 1, 2, -3};
    struct sequences end = {N_SMALL, 2, wrong_end, positions};
    struct sequences back = {N_SMALL, 3, backwards, positions};
    struct batch batch = {0};
    struct gradient_case test;
    struct gradient_run run;

    (void)state;
    SMALL(&batch);
    test = delta_case(&batch, N_SMALL, 2, 4, 4, 4);
    gradient_run_open(&run, &test, 1, KERNEL_LEVEL_GENERIC);
    struct tensor *key = run.inputs[1], *value = run.inputs[2], *decay = run.inputs[3];
    const struct sequences *fine = &batch.sequences;
    struct sequences wrong = {N_SMALL, 4, small_first, wrong_positions};

    expect_usage(run.tape, op_rope(run.tape, key, fine, 3, 100));
    expect_usage(run.tape, op_rope(run.tape, key, fine, 6, 100));
    expect_usage(run.tape, op_rope(run.tape, key, &end, 2, 100));
    expect_usage(run.tape, op_rope(run.tape, key, &back, 2, 100));
    expect_usage(run.tape, op_rope(run.tape, key, &wrong, 2, 100));
    expect_usage(run.tape, op_rope(run.tape, decay, fine, 2, 100));
    expect_usage(run.tape, op_rope(run.tape, NULL, fine, 2, 100));
    expect_usage(run.tape, op_convolution(run.tape, decay, decay, fine));
    expect_usage(run.tape, op_attention(run.tape, key, value, value, fine, 1));
    expect_usage(run.tape, op_attention(run.tape, key, key, key, &end, 1));
    expect_usage(run.tape, op_delta_rule(run.tape, key, value, value, decay, decay, fine));
    expect_usage(run.tape, op_delta_rule(run.tape, value, value, key, decay, decay, fine));
    expect_usage(run.tape, op_delta_rule(run.tape, key, key, value, decay, decay, &back));
    expect_usage(run.tape, op_delta_rule(run.tape, key, key, value, decay, key, fine));
    assert_non_null(op_delta_rule(run.tape, key, key, value, decay, decay, fine));
    gradient_run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rope),
        cmocka_unit_test(convolution),
        cmocka_unit_test(attention),
        cmocka_unit_test(delta_rule),
        cmocka_unit_test(nothing_passes_a_border),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
