/*
 * train_layers.c - layers against loops in double, with their gradients
 *
 * What is only in qwen35 (gated attention, DeltaNet, MTP) is compared in train_network.c, with the
 * whole model; here: that it runs out of memory without harm and depends on no thread.
 */
#include "tests/unit/gradient_check.h"

#include "engine/train/layers.h"

enum { N_TOKENS = 7, N_EMBD = 12, HEAD_DIM = 16, N_HEAD = 4, N_HEAD_KV = 2, N_ROTARY = 6 };

static const uint32_t FIRST[] = {0, 4, 5, 7};
static const int32_t POSITIONS[] = {0, 1, 2, 3, 0, 0, 1};
static const struct sequences SEQUENCES = {N_TOKENS, 3, FIRST, POSITIONS};
static const float BASE = 50;

/* out[n][n_outputs] = x[n][n_inputs] w^T + bias */
static void linear_double(const double *x, const double *w, const double *bias, size_t n,
                          size_t n_outputs, size_t n_inputs, double *out)
{
    for (size_t t = 0; t < n; t++)
        for (size_t i = 0; i < n_outputs; i++) {
            double sum = bias ? bias[i] : 0;
            for (size_t j = 0; j < n_inputs; j++)
                sum += w[i * n_inputs + j] * x[t * n_inputs + j];
            out[t * n_outputs + i] = sum;
        }
}

/* ---- linear, norms ------------------------------------------------------------------------------- */

static struct tensor *linear_case(struct tape *tape, const struct gradient_case *test,
                                  struct tensor *const *inputs)
{
    const struct linear_layer layer = {inputs[1], inputs[2]};

    (void)test;
    return linear_forward(tape, &layer, inputs[0]);
}

static void linear_reference(const struct gradient_case *test, const double *const *inputs,
                             double *out)
{
    (void)test;
    linear_double(inputs[0], inputs[1], inputs[2], 5, 3, 7, out);
}

static void linear_with_bias(void **state)
{
    (void)state;
    gradient_check(&(struct gradient_case){
        .name = "linear",
        .forward = linear_case,
        .reference = linear_reference,
        .n_inputs = 3,
        .inputs = {{2, {5, 7}}, {2, {3, 7}}, {1, {3}}},
    });
}

static struct tensor *norm_case(struct tape *tape, const struct gradient_case *test,
                                struct tensor *const *inputs)
{
    const struct norm_layer layer = {inputs[1], inputs[2], 0.01f};

    (void)test;
    return layer_norm_forward(tape, &layer, inputs[0]);
}

static void norm_reference(const struct gradient_case *test, const double *const *inputs,
                           double *out)
{
    (void)test;
    for (int t = 0; t < 4; t++) {
        const double *x = inputs[0] + 9 * t;
        double mean = 0, variance = 0;
        for (int i = 0; i < 9; i++)
            mean += x[i] / 9;
        for (int i = 0; i < 9; i++)
            variance += (x[i] - mean) * (x[i] - mean) / 9;
        for (int i = 0; i < 9; i++)
            out[9 * t + i] =
                (x[i] - mean) / sqrt(variance + (double)0.01f) * inputs[1][i] + inputs[2][i];
    }
}

static void layer_norm(void **state)
{
    (void)state;
    gradient_check(&(struct gradient_case){
        .name = "layer norm",
        .forward = norm_case,
        .reference = norm_reference,
        .n_inputs = 3,
        .inputs = {{2, {4, 9}}, {1, {9}, 0.5f, 1}, {1, {9}}},
    });
}

/* ---- plain attention ------------------------------------------------------------------------------ */

static struct tensor *attention_case(struct tape *tape, const struct gradient_case *test,
                                     struct tensor *const *inputs)
{
    const struct multi_head_attention layer = {
        .query = {inputs[1], NULL},
        .key = {inputs[2], NULL},
        .value = {inputs[3], inputs[5]},
        .output = {inputs[4], NULL},
        .n_head = N_HEAD,
        .n_head_kv = N_HEAD_KV,
        .head_dim = HEAD_DIM,
        .n_rotary = (uint32_t)test->number[0],
        .rope_base = BASE,
    };

    return multi_head_attention_forward(tape, &layer, inputs[0], &SEQUENCES);
}

static void turn_double(double *heads, size_t n_heads, size_t n_rotary)
{
    for (size_t t = 0; t < N_TOKENS; t++)
        for (size_t h = 0; h < n_heads; h++)
            for (size_t i = 0; i < n_rotary / 2; i++) {
                double *x = heads + (t * n_heads + h) * HEAD_DIM + i;
                const double angle =
                    POSITIONS[t] * pow((double)BASE, -2.0 * (double)i / (double)n_rotary);
                const double a = x[0], b = x[n_rotary / 2];
                x[0] = a * cos(angle) - b * sin(angle);
                x[n_rotary / 2] = a * sin(angle) + b * cos(angle);
            }
}

static void attend_double(const double *query, const double *key, const double *value,
                          size_t first, size_t last, double *out)
{
    double weights[N_TOKENS], total = 0;

    for (size_t t = first; t <= last; t++) {
        weights[t] = 0;
        for (size_t i = 0; i < HEAD_DIM; i++)
            weights[t] += query[i] * key[t * N_HEAD_KV * HEAD_DIM + i] / sqrt(HEAD_DIM);
        total += weights[t] = exp(weights[t]);
    }
    for (size_t i = 0; i < HEAD_DIM; i++) {
        out[i] = 0;
        for (size_t t = first; t <= last; t++)
            out[i] += weights[t] / total * value[t * N_HEAD_KV * HEAD_DIM + i];
    }
}

static void attention_reference(const struct gradient_case *test, const double *const *inputs,
                                double *out)
{
    static double query[N_TOKENS * N_HEAD * HEAD_DIM], key[N_TOKENS * N_HEAD_KV * HEAD_DIM];
    static double value[N_TOKENS * N_HEAD_KV * HEAD_DIM], heads[N_TOKENS * N_HEAD * HEAD_DIM];

    linear_double(inputs[0], inputs[1], NULL, N_TOKENS, N_HEAD * HEAD_DIM, N_EMBD, query);
    linear_double(inputs[0], inputs[2], NULL, N_TOKENS, N_HEAD_KV * HEAD_DIM, N_EMBD, key);
    linear_double(inputs[0], inputs[3], inputs[5], N_TOKENS, N_HEAD_KV * HEAD_DIM, N_EMBD,
                  value);
    turn_double(query, N_HEAD, test->number[0]);
    turn_double(key, N_HEAD_KV, test->number[0]);
    for (size_t s = 0; s < 3; s++)
        for (size_t t = FIRST[s]; t < FIRST[s + 1]; t++)
            for (size_t h = 0; h < N_HEAD; h++)
                attend_double(query + (t * N_HEAD + h) * HEAD_DIM,
                              key + h / (N_HEAD / N_HEAD_KV) * HEAD_DIM,
                              value + h / (N_HEAD / N_HEAD_KV) * HEAD_DIM, FIRST[s], t,
                              heads + (t * N_HEAD + h) * HEAD_DIM);
    linear_double(heads, inputs[4], NULL, N_TOKENS, N_EMBD, N_HEAD * HEAD_DIM, out);
}

static struct gradient_case plain_attention(size_t n_rotary)
{
    return (struct gradient_case){
        .name = "multi-head attention",
        .forward = attention_case,
        .reference = attention_reference,
        .n_inputs = 6,
        .inputs = {{2, {N_TOKENS, N_EMBD}},
                   {2, {N_HEAD * HEAD_DIM, N_EMBD}, 0.6f},
                   {2, {N_HEAD_KV * HEAD_DIM, N_EMBD}, 0.6f},
                   {2, {N_HEAD_KV * HEAD_DIM, N_EMBD}, 0.6f},
                   {2, {N_EMBD, N_HEAD * HEAD_DIM}, 0.3f},
                   {1, {N_HEAD_KV * HEAD_DIM}}},
        .number = {n_rotary},
    };
}

static void multi_head_attention(void **state)
{
    const struct gradient_case plain = plain_attention(0), turned = plain_attention(N_ROTARY);

    (void)state;
    gradient_check(&plain);
    gradient_check(&turned);
    gradient_check_bytes(&turned);
    gradient_check_memory(&turned);
}

/* ---- feed-forward --------------------------------------------------------------------------------- */

static struct tensor *swiglu_case(struct tape *tape, const struct gradient_case *test,
                                  struct tensor *const *inputs)
{
    const struct swiglu layer = {{inputs[1], NULL}, {inputs[2], NULL}, {inputs[3], NULL}};

    (void)test;
    return swiglu_forward(tape, &layer, inputs[0]);
}

static void swiglu_reference(const struct gradient_case *test, const double *const *inputs,
                             double *out)
{
    double gate[5 * 11], up[5 * 11];

    (void)test;
    linear_double(inputs[0], inputs[1], NULL, 5, 11, 6, gate);
    linear_double(inputs[0], inputs[2], NULL, 5, 11, 6, up);
    for (int i = 0; i < 5 * 11; i++)
        gate[i] *= up[i] / (1 + exp(-gate[i]));
    linear_double(gate, inputs[3], NULL, 5, 6, 11, out);
}

static void swiglu(void **state)
{
    (void)state;
    gradient_check(&(struct gradient_case){
        .name = "swiglu",
        .forward = swiglu_case,
        .reference = swiglu_reference,
        .n_inputs = 4,
        .inputs = {{2, {5, 6}}, {2, {11, 6}}, {2, {11, 6}}, {2, {6, 11}}},
    });
}

/* ---- both mixers of qwen35 ------------------------------------------------------------------------ */

static struct tensor *gated_case(struct tape *tape, const struct gradient_case *test,
                                 struct tensor *const *inputs)
{
    const struct gated_attention layer = {
        .query = {inputs[1], NULL},
        .key = {inputs[2], NULL},
        .value = {inputs[3], NULL},
        .output = {inputs[4], NULL},
        .query_norm = {inputs[5], NULL, 1e-6f},
        .key_norm = {inputs[6], NULL, 1e-6f},
        .n_head = N_HEAD,
        .n_head_kv = N_HEAD_KV,
        .head_dim = HEAD_DIM,
        .n_rotary = N_ROTARY,
        .rope_base = BASE,
    };

    (void)test;
    return gated_attention_forward(tape, &layer, inputs[0], &SEQUENCES);
}

static void gated_attention(void **state)
{
    const struct gradient_case test = {
        .name = "gated attention",
        .forward = gated_case,
        .n_inputs = 7,
        .inputs = {{2, {N_TOKENS, N_EMBD}},
                   {2, {2 * N_HEAD * HEAD_DIM, N_EMBD}, 0.6f},
                   {2, {N_HEAD_KV * HEAD_DIM, N_EMBD}, 0.6f},
                   {2, {N_HEAD_KV * HEAD_DIM, N_EMBD}, 0.6f},
                   {2, {N_EMBD, N_HEAD * HEAD_DIM}, 0.3f},
                   {1, {HEAD_DIM}, 0.5f, 1},
                   {1, {HEAD_DIM}, 0.5f, 1}},
    };

    (void)state;
    gradient_check_bytes(&test);
    gradient_check_memory(&test);
}

enum { N_KEYS = 2, N_VALUES = 4, STATE_DIM = 16, CONV = (2 * N_KEYS + N_VALUES) * STATE_DIM };

/* One vector is both step and rate: there are more parameters than inputs. */
static struct tensor *deltanet_case(struct tape *tape, const struct gradient_case *test,
                                    struct tensor *const *inputs)
{
    const struct gated_deltanet layer = {
        .qkv = {inputs[1], NULL},
        .gate = {inputs[2], NULL},
        .alpha = {inputs[3], NULL},
        .beta = {inputs[4], NULL},
        .output = {inputs[5], NULL},
        .taps = inputs[6],
        .step = inputs[7],
        .log_rate = inputs[7],
        .norm = {NULL, NULL, 1e-6f},
        .n_key_heads = N_KEYS,
        .n_value_heads = N_VALUES,
        .state_dim = STATE_DIM,
        .eps = 1e-6f,
    };

    (void)test;
    return gated_deltanet_forward(tape, &layer, inputs[0], &SEQUENCES);
}

static void gated_deltanet(void **state)
{
    const struct gradient_case test = {
        .name = "gated deltanet",
        .forward = deltanet_case,
        .n_inputs = 8,
        .inputs = {{2, {N_TOKENS, N_EMBD}},
                   {2, {CONV, N_EMBD}, 0.6f},
                   {2, {N_VALUES * STATE_DIM, N_EMBD}, 0.6f},
                   {2, {N_VALUES, N_EMBD}, 0.6f},
                   {2, {N_VALUES, N_EMBD}, 0.6f},
                   {2, {N_EMBD, N_VALUES * STATE_DIM}, 0.3f},
                   {2, {CONV, 3}},
                   {1, {N_VALUES}}},
    };

    (void)state;
    gradient_check_bytes(&test);
    gradient_check_memory(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_with_bias),     cmocka_unit_test(layer_norm),
        cmocka_unit_test(multi_head_attention), cmocka_unit_test(swiglu),
        cmocka_unit_test(gated_attention),      cmocka_unit_test(gated_deltanet),
    };
    return cmocka_run_group_tests_name("train_layers", tests, NULL, NULL);
}
