/*
 * train_operations_rows.c - softmax, norms and the loss; operations together; a tape that does
 * not record, that fails and that has no memory
 */
#include "tests/unit/gradient_layout.h"

#include "engine/train/operations.h"

static const struct gradient_input row_inputs[LAYOUT_COUNT] = {{3, {3, 7, 17}, 0, 0.5f, false},
                                                               {2, {33, 7}, 0, 0, false},
                                                               {4, {2, 1, 3, 35}, 0, 0, false},
                                                               {2, {1, 17}, 0, 0, false},
                                                               {3, {3, 7, 1}, 0, 0, false}};

/* Softmax, RMSNorm, L2 norm, LayerNorm ----------------------------------------------------- */

enum row_function { SOFTMAX, RMS_NORM, L2_NORM, LAYER_NORM };

static const float eps = 1e-3f;

/* number: layout, function; inputs: x, then weight and bias where there are more than one */
static struct tensor *rows_forward(struct tape *tape, const struct gradient_case *test,
                                   struct tensor *const *inputs)
{
    struct tensor *x = layout_view(tape, inputs[0], test->number[0]);
    struct tensor *weight = test->n_inputs > 1 ? inputs[1] : NULL;
    struct tensor *bias = test->n_inputs > 2 ? inputs[2] : NULL;

    switch (test->number[1]) {
    case SOFTMAX: return op_softmax(tape, x);
    case RMS_NORM: return op_rms_norm(tape, x, weight, eps);
    case L2_NORM: return op_l2_norm(tape, x, eps);
    default: return op_layer_norm(tape, x, weight, bias, eps);
    }
}

static void row_reference(enum row_function function, const double *x, double *out, size_t n)
{
    double sum = 0, mean = 0, square = 0;

    for (size_t i = 0; i < n; i++) {
        sum += exp(x[i]);
        mean += x[i] / (double)n;
        square += x[i] * x[i];
    }
    if (function == LAYER_NORM) {
        square = 0;
        for (size_t i = 0; i < n; i++)
            square += (x[i] - mean) * (x[i] - mean);
    }
    for (size_t i = 0; i < n; i++) {
        switch (function) {
        case SOFTMAX: out[i] = exp(x[i]) / sum; break;
        case RMS_NORM: out[i] = x[i] / sqrt(square / (double)n + (double)eps); break;
        case L2_NORM: out[i] = x[i] / sqrt(square + (double)eps); break;
        case LAYER_NORM: out[i] = (x[i] - mean) / sqrt(square / (double)n + (double)eps); break;
        }
    }
}

static void rows_reference(const struct gradient_case *test, const double *const *inputs,
                           double *out)
{
    struct values x;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &x);
    size_t n = x.shape[x.n_dimensions - 1];
    for (size_t r = 0; r < x.n / n; r++)
        row_reference((enum row_function)test->number[1], x.at + r * n, out + r * n, n);
    for (size_t i = 0; i < x.n && test->n_inputs > 1; i++)
        out[i] = out[i] * inputs[1][i % n] + (test->n_inputs > 2 ? inputs[2][i % n] : 0);
    free(x.at);
}

static struct gradient_case rows_case(enum row_function function, size_t layout,
                                      size_t n_inputs)
{
    static const char *const names[] = {"softmax", "rms_norm", "l2_norm", "layer_norm"};
    static const size_t columns[LAYOUT_COUNT] = {17, 33, 33, 17, 5};
    struct gradient_case test = {.name = names[function],
                                 .forward = rows_forward,
                                 .reference = rows_reference,
                                 .n_inputs = n_inputs,
                                 .inputs = {row_inputs[layout]},
                                 .number = {layout, function}};

    test.inputs[1] = (struct gradient_input){1, {columns[layout]}, 0, 1.5f, false};
    test.inputs[2] = (struct gradient_input){1, {columns[layout]}, 0, 0, false};
    return test;
}

static void functions_of_rows(void **state)
{
    struct gradient_case test;

    (void)state;
    for (size_t layout = 0; layout < LAYOUT_COUNT; layout++) {
        for (size_t function = SOFTMAX; function <= LAYER_NORM; function++) {
            size_t most = function == RMS_NORM ? 2 : function == LAYER_NORM ? 3 : 1;
            for (size_t n_inputs = 1; n_inputs <= most; n_inputs++) {
                test = rows_case((enum row_function)function, layout, n_inputs);
                /*
                 * A row of one value repeated: both are constant, there is nothing to compare.
                 */
                if (layout == LAYOUT_WIDE && (function == SOFTMAX || function == LAYER_NORM))
                    continue;
                gradient_check(&test);
                test.inputs[0].constant = n_inputs > 1;
                if (n_inputs > 1)
                    gradient_check(&test);
                test.inputs[0].constant = false;
                test.inputs[1].constant = true;
                if (n_inputs > 1)
                    gradient_check(&test);
            }
        }
    }
}

static void functions_of_long_rows(void **state)
{
    (void)state;
    for (size_t function = SOFTMAX; function <= LAYER_NORM; function++) {
        struct gradient_case test = rows_case((enum row_function)function, LAYOUT_DENSE,
                                              function == RMS_NORM     ? 2
                                              : function == LAYER_NORM ? 3
                                                                       : 1);
        test.inputs[0] = (struct gradient_input){2, {3, 301}, 0, 0, false};
        test.inputs[1].shape[0] = test.inputs[2].shape[0] = 301;
        gradient_check(&test);
        test.inputs[0].shape[0] = 150;
        gradient_check_bytes(&test);
        test.inputs[0] = (struct gradient_input){3, {257, 5, 33}, 0, 0, false};
        test.inputs[1].shape[0] = test.inputs[2].shape[0] = 33;
        gradient_check_bytes(&test);
    }
}

static void softmax_of_large_numbers(void **state)
{
    struct gradient_case test = rows_case(SOFTMAX, LAYOUT_DENSE, 1);

    (void)state;
    test.inputs[0].scale = 10;
    test.inputs[0].middle = 60;
    gradient_check(&test);
}

/* Cross-entropy ---------------------------------------------------------------------------- */

static const int32_t targets[] = {3, -1, 0, 16, 3, -5, 7};
static const float target_weights[] = {1, 2, 0.5f, 0, 3, 1, 0.25f};

static struct tensor *loss_forward(struct tape *tape, const struct gradient_case *test,
                                   struct tensor *const *inputs)
{
    return op_cross_entropy(tape, inputs[0], targets, test->number[0] ? target_weights : NULL,
                            4.75);
}

static void loss_reference(const struct gradient_case *test, const double *const *inputs,
                           double *out)
{
    size_t n = test->inputs[0].shape[1];

    out[0] = 0;
    for (size_t r = 0; r < 7; r++) {
        double total = 0, weight = test->number[0] ? (double)target_weights[r] : 1;
        for (size_t i = 0; i < n; i++)
            total += exp(inputs[0][r * n + i]);
        if (targets[r] >= 0)
            out[0] += weight * (log(total) - inputs[0][r * n + (size_t)targets[r]]) / 4.75;
    }
}

static void cross_entropy_goes_back(void **state)
{
    (void)state;
    for (size_t weights = 0; weights < 2; weights++)
        for (size_t n = 17; n <= 33; n += 16)
            gradient_check(&(struct gradient_case){.name = "cross_entropy",
                                                   .forward = loss_forward,
                                                   .reference = loss_reference,
                                                   .n_inputs = 1,
                                                   .inputs = {{2, {7, n}, 3, 0, false}},
                                                   .number = {weights}});
    gradient_check_bytes(&(struct gradient_case){.name = "cross_entropy",
                                                 .forward = loss_forward,
                                                 .n_inputs = 1,
                                                 .inputs = {{2, {7, 3001}, 3, 0, false}},
                                                 .number = {1}});
}

static void rows_without_target_have_no_gradient(void **state)
{
    struct gradient_case test = {.name = "cross_entropy",
                                 .forward = loss_forward,
                                 .n_inputs = 1,
                                 .inputs = {{2, {7, 17}, 0, 0, false}}};
    struct gradient_run run;

    (void)state;
    gradient_run_open(&run, &test, 1, KERNEL_LEVEL_GENERIC);
    assert_int_equal(gradient_step(&run, &test), STATUS_OK);
    for (size_t i = 0; i < 7 * 17; i++)
        assert_true((run.inputs[0]->gradient[i] == 0) == (targets[i / 17] < 0));
    gradient_run_close(&run);
}

/* Operations together ---------------------------------------------------------------------- */

/*
 * x [7][16] by tokens; h = rms_norm(x) w1^T; y = x + (swiglu of the halves of h) w2^T; heads of
 * y normalised, with softmax over heads turned round; the loss of y x^T.  x is used in five
 * places.
 */
static struct tensor *network_forward(struct tape *tape, const struct gradient_case *test,
                                      struct tensor *const *inputs)
{
    static const int32_t tokens[] = {1, 4, 1, 0, 2, 2, 3};
    static const int32_t next[] = {4, 1, 0, -1, 2, 3, 1};
    struct tensor *x = op_embedding(tape, inputs[0], tokens, 7);
    struct tensor *h = op_rms_norm(tape, x, inputs[3], eps);

    (void)test;
    h = op_matmul(tape, h, view_transpose(tape, inputs[1], 0, 1));
    if (!h)
        return NULL;
    h = op_swiglu(tape, view_slice(tape, h, 1, 0, 5), view_slice(tape, h, 1, 5, 5));
    h = op_matmul(tape, h, view_transpose(tape, inputs[2], 0, 1));
    h = op_add(tape, x, h);
    if (!h)
        return NULL;
    struct tensor *heads = op_l2_norm(
        tape, view_transpose(tape, view_reshape(tape, h, 3, (size_t[]){7, 4, 4}), 0, 1), eps);
    heads = op_softmax(tape, view_transpose(tape, heads, 0, 2));    /* [4][7][4] */
    heads = op_contiguous(tape, view_transpose(tape, heads, 0, 1)); /* [7][4][4] */
    h = op_multiply(tape, h, view_reshape(tape, heads, 2, (size_t[]){7, 16}));
    h = op_layer_norm(tape, op_concatenate(tape, h, x), NULL, NULL, eps);
    h = view_slice(tape, h, 1, 0, 16);
    return op_cross_entropy(tape, op_matmul(tape, h, view_transpose(tape, inputs[0], 0, 1)),
                            next, NULL, 6.0);
}

static void double_norm(double *x, size_t n, bool centred, const double *weight)
{
    double mean = 0, square = 0;

    for (size_t i = 0; i < n && centred; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - mean) / sqrt(square + (double)eps) * (weight ? weight[i] : 1);
}

static double token_loss(const double *const *inputs, int32_t token, int32_t next)
{
    double x[32], h[16], gates[10], y[16], z[32], total = 0, wanted = 0;

    memcpy(x, inputs[0] + token * 16, 16 * sizeof *x);
    memcpy(h, x, sizeof h);
    double_norm(h, 16, false, inputs[3]);
    for (size_t i = 0; i < 10; i++) {
        gates[i] = 0;
        for (size_t j = 0; j < 16; j++)
            gates[i] += h[j] * inputs[1][i * 16 + j];
    }
    for (size_t i = 0; i < 16; i++) {
        y[i] = x[i];
        for (size_t j = 0; j < 5; j++)
            y[i] += gates[j] / (1 + exp(-gates[j])) * gates[5 + j] * inputs[2][i * 5 + j];
    }
    for (size_t head = 0; head < 4; head++) {
        double size = (double)eps;
        for (size_t j = 0; j < 4; j++)
            size += y[head * 4 + j] * y[head * 4 + j];
        for (size_t j = 0; j < 4; j++)
            z[head * 4 + j] = exp(y[head * 4 + j] / sqrt(size));
    }
    for (size_t i = 0; i < 16; i++) { /* place [d][head] of the softmax is value [head][d] */
        size_t d = i / 4, head = i % 4;
        double sum = 0;
        for (size_t other = 0; other < 4; other++)
            sum += z[other * 4 + d];
        h[i] = z[head * 4 + d] / sum;
    }
    for (size_t i = 0; i < 16; i++)
        z[i] = y[i] * h[i];
    memcpy(z + 16, x, 16 * sizeof *x);
    double_norm(z, 32, true, NULL);
    for (int32_t i = 0; i < 5; i++) {
        double logit = 0;
        for (size_t j = 0; j < 16; j++)
            logit += z[j] * inputs[0][(size_t)i * 16 + j];
        total += exp(logit);
        if (i == next)
            wanted = logit;
    }
    return log(total) - wanted;
}

static void network_reference(const struct gradient_case *test, const double *const *inputs,
                              double *out)
{
    static const int32_t pairs[][2] = {{1, 4}, {4, 1}, {1, 0}, {2, 2}, {2, 3}, {3, 1}};

    (void)test;
    out[0] = 0;
    for (size_t i = 0; i < 6; i++)
        out[0] += token_loss(inputs, pairs[i][0], pairs[i][1]) / 6;
}

static const struct gradient_case small_network = {.name = "network",
                                                   .forward = network_forward,
                                                   .reference = network_reference,
                                                   .n_inputs = 4,
                                                   .inputs = {{2, {5, 16}, 0, 0, false},
                                                              {2, {10, 16}, 0.5f, 0, false},
                                                              {2, {16, 5}, 0.5f, 0, false},
                                                              {1, {16}, 0, 1, false}}};

static void operations_work_together(void **state)
{
    (void)state;
    gradient_check(&small_network);
    gradient_check_bytes(&small_network);
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    gradient_check_memory(&small_network);
}

static void no_records_without_recording(void **state)
{
    struct gradient_run run;
    struct tensor *out;
    size_t recorded;
    float loss;

    (void)state;
    gradient_run_open(&run, &small_network, 1, KERNEL_LEVEL_GENERIC);
    assert_int_equal(gradient_step(&run, &small_network), STATUS_OK);
    loss = run.out[0];
    recorded = tape_bytes(run.tape);
    tape_free(&run.tape);
    assert_int_equal(
        tape_new(&run.tape, run.pool, train_kernels_for(KERNEL_LEVEL_GENERIC), NULL),
        STATUS_OK);
    tape_record(run.tape, false);
    memset(run.inputs[0]->gradient, 0, 5 * 16 * sizeof(float));
    out = network_forward(run.tape, &small_network, run.inputs);
    assert_non_null(out);
    assert_null(out->gradient);
    assert_memory_equal(out->data, &loss, sizeof loss);
    assert_int_equal(tape_backward(run.tape, out, NULL), STATUS_OK);
    for (size_t i = 0; i < 5 * 16; i++)
        assert_true(run.inputs[0]->gradient[i] == 0);
    assert_true(tape_bytes(run.tape) <= recorded);
    gradient_run_close(&run);
}

/* Refusals --------------------------------------------------------------------------------- */

static struct tensor *wrong(struct tape *tape, struct tensor *x, int which)
{
    static const int32_t beyond[] = {0, 3, 0};
    static const int32_t negative[] = {-1};
    struct tensor *turned = view_transpose(tape, x, 0, 1), *row = view_slice(tape, x, 0, 0, 1);
    struct tensor *flat = view_reshape(tape, row, 1, (size_t[]){5});

    switch (which) {
    case 0: return op_add(tape, x, turned);
    case 1: return op_multiply(tape, row, x);
    case 2: return op_matmul(tape, x, x);
    case 3: return op_matmul(tape, x, flat);
    case 4: return op_concatenate(tape, x, turned);
    case 5: return op_gather_rows(tape, x, beyond, 2);
    case 6: return op_gather_rows(tape, flat, beyond, 1);
    case 7: return op_embedding(tape, x, negative, 1);
    case 8: return op_embedding(tape, x, beyond, 2);
    case 9: return op_embedding(tape, turned, beyond, 1);
    case 10: return op_sum_along(tape, x, 2);
    case 11: return op_rms_norm(tape, turned, flat, 0);
    case 12: return op_layer_norm(tape, x, x, NULL, 0);
    case 13: return op_layer_norm(tape, x, NULL, row, 0);
    case 14: return op_cross_entropy(tape, turned, beyond, NULL, 1);
    case 15: return op_cross_entropy(tape, x, beyond, NULL, 0);
    case 16: return op_cross_entropy(tape, view_slice(tape, x, 1, 0, 1), beyond, NULL, 1);
    case 17: return op_dropout(tape, x, 1.0f, 0);
    case 18: return op_dropout(tape, x, NAN, 0);
    case 19: return op_mean(tape, view_slice(tape, x, 0, 0, 0));
    case 20: return op_silu(tape, NULL);
    case 21: return op_add(tape, x, NULL);
    case 22: return op_softmax(tape, NULL);
    case 23: return op_matmul(tape, NULL, x);
    case 24: return op_sum(tape, NULL);
    case 25: return op_cross_entropy(tape, NULL, beyond, NULL, 1);
    case 26: return op_embedding(tape, NULL, beyond, 1);
    case 27: return op_concatenate(tape, NULL, x);
    default: return op_swiglu(tape, x, op_exp(tape, op_mean_along(tape, x, 7)));
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    struct tape *tape;
    struct tensor *x;

    (void)state;
    assert_int_equal(tape_new(&tape, NULL, train_kernels_for(KERNEL_LEVEL_GENERIC), NULL),
                     STATUS_OK);
    for (int which = 0; which < 29; which++) {
        tape_reset(tape);
        x = tape_tensor(tape, 2, (size_t[]){3, 5}, true);
        memset(x->data, 0, 15 * sizeof(float));
        if (wrong(tape, x, which))
            fail_msg("case %d is not refused", which);
        assert_int_equal(tape_status(tape, NULL), STATUS_USAGE);
        assert_null(op_exp(tape, x)); /* nothing goes on after a failure */
        assert_int_equal(tape_backward(tape, x, NULL), STATUS_USAGE);
    }
    tape_free(&tape);
}

static void tensors_without_elements(void **state)
{
    struct tape *tape;
    struct tensor *x, *none;

    (void)state;
    assert_int_equal(tape_new(&tape, NULL, train_kernels_for(KERNEL_LEVEL_GENERIC), NULL),
                     STATUS_OK);
    x = tape_tensor(tape, 2, (size_t[]){3, 5}, true);
    none = view_slice(tape, x, 0, 3, 0);
    none = op_silu(tape, op_add(tape, op_gather_rows(tape, none, NULL, 0), none));
    none = op_matmul(tape, op_rms_norm(tape, none, NULL, 1e-6f), view_transpose(tape, x, 0, 1));
    none = op_cross_entropy(tape, op_softmax(tape, none), NULL, NULL, 1);
    assert_non_null(none);
    assert_true(none->data[0] == 0);
    assert_int_equal(tape_backward(tape, none, NULL), STATUS_OK);
    for (size_t i = 0; i < 15; i++)
        assert_true(x->gradient[i] == 0);
    tape_free(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_rows),
        cmocka_unit_test(functions_of_long_rows),
        cmocka_unit_test(softmax_of_large_numbers),
        cmocka_unit_test(cross_entropy_goes_back),
        cmocka_unit_test(rows_without_target_have_no_gradient),
        cmocka_unit_test(operations_work_together),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(no_records_without_recording),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(tensors_without_elements),
    };

    return cmocka_run_group_tests_name("train_operations_rows", tests, NULL, NULL);
}
