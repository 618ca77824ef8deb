/*
 * train_operations.c - values and gradients of elementwise operations, shapes, sums and
 * products
 */
#include "tests/unit/gradient_layout.h"

#include "engine/train/operations.h"

/* Functions of one tensor ------------------------------------------------------------------ */

struct unary {
    struct tensor *(*operation)(struct tape *tape, struct tensor *x);
    double (*function)(double x);
};

static struct tensor *unary_forward(struct tape *tape, const struct gradient_case *test,
                                    struct tensor *const *inputs)
{
    const struct unary *unary = test->context;

    return unary->operation(tape, layout_view(tape, inputs[0], test->number[0]));
}

static void unary_reference(const struct gradient_case *test, const double *const *inputs,
                            double *out)
{
    const struct unary *unary = test->context;
    struct values x;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &x);
    for (size_t i = 0; i < x.n; i++)
        out[i] = unary->function(x.at[i]);
    free(x.at);
}

static struct tensor *scaled(struct tape *tape, struct tensor *x)
{
    return op_scale(tape, x, -1.75f);
}

static double scaled_double(double x)
{
    return -1.75 * x;
}

static double relu_double(double x)
{
    return fmax(x, 0);
}

static double sigmoid_double(double x)
{
    return 1 / (1 + exp(-x));
}

static double silu_double(double x)
{
    return x / (1 + exp(-x));
}

static double gelu_double(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static double softplus_double(double x)
{
    return log1p(exp(x));
}

static double itself(double x)
{
    return x;
}

static const struct {
    const char *name;
    struct unary unary;
} unaries[] = {
    {"scale", {scaled, scaled_double}},
    {"exp", {op_exp, exp}},
    {"relu", {op_relu, relu_double}},
    {"sigmoid", {op_sigmoid, sigmoid_double}},
    {"silu", {op_silu, silu_double}},
    {"gelu", {op_gelu, gelu_double}},
    {"softplus", {op_softplus, softplus_double}},
    {"contiguous", {op_contiguous, itself}},
};

enum { N_UNARIES = sizeof unaries / sizeof unaries[0] };

static void functions_of_one_tensor(void **state)
{
    static const struct gradient_input inputs[LAYOUT_COUNT] = {
        {3, {3, 7, 17}, 3.0f, 0, false}, {3, {2, 33, 3}, 3.0f, 0, false},
        {2, {7, 17}, 3.0f, 0, false},    {2, {1, 33}, 3.0f, 0, false},
        {3, {3, 7, 1}, 3.0f, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < N_UNARIES; i++) {
        for (size_t layout = 0; layout < LAYOUT_COUNT; layout++) {
            struct gradient_case test = {.name = unaries[i].name,
                                         .forward = unary_forward,
                                         .reference = unary_reference,
                                         .n_inputs = 1,
                                         .inputs = {inputs[layout]},
                                         .number = {layout},
                                         .context = &unaries[i].unary};
            gradient_check(&test);
            test.inputs[0] = (struct gradient_input){1, {1}, 1.0f, 0, false};
            test.number[0] = LAYOUT_DENSE;
            gradient_check(&test);
        }
    }
}

static void rows_longer_than_a_stage(void **state)
{
    (void)state;
    for (size_t layout = LAYOUT_DENSE; layout <= LAYOUT_TRANSPOSED; layout++)
        gradient_check(&(struct gradient_case){.name = "silu of a long row",
                                               .forward = unary_forward,
                                               .reference = unary_reference,
                                               .n_inputs = 1,
                                               .inputs = {{2, {601, 2}, 0, 0, false}},
                                               .number = {layout},
                                               .context = &unaries[4].unary});
}

/* Functions of two tensors ----------------------------------------------------------------- */

struct binary {
    const char *name;
    struct tensor *(*operation)(struct tape *tape, struct tensor *a, struct tensor *b);
    double (*function)(double a, double b);
};

static double add_double(double a, double b)
{
    return a + b;
}

static double subtract_double(double a, double b)
{
    return a - b;
}

static double multiply_double(double a, double b)
{
    return a * b;
}

static double swiglu_double(double a, double b)
{
    return silu_double(a) * b;
}

static const struct binary binaries[] = {{"add", op_add, add_double},
                                         {"subtract", op_subtract, subtract_double},
                                         {"multiply", op_multiply, multiply_double},
                                         {"swiglu", op_swiglu, swiglu_double}};

enum { N_BINARIES = sizeof binaries / sizeof binaries[0] };

static struct tensor *binary_forward(struct tape *tape, const struct gradient_case *test,
                                     struct tensor *const *inputs)
{
    const struct binary *binary = test->context;

    return binary->operation(tape, layout_view(tape, inputs[0], test->number[0]),
                             layout_view(tape, inputs[1], test->number[1]));
}

static void binary_reference(const struct gradient_case *test, const double *const *inputs,
                             double *out)
{
    const struct binary *binary = test->context;
    struct values a, b;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &a);
    layout_values(&test->inputs[1], inputs[1], test->number[1], &b);
    for (size_t i = 0; i < a.n; i++)
        out[i] = binary->function(a.at[i], broadcast_value(&a, &b, i));
    free(a.at);
    free(b.at);
}

static void functions_of_two_tensors(void **state)
{
    static const struct {
        struct gradient_input a, b;
        size_t layouts[2];
    } shapes[] = {
        {{2, {7, 17}, 0, 0, false}, {2, {7, 17}, 0, 0, false}, {0, 0}},
        {{2, {7, 17}, 0, 0, false}, {2, {17, 7}, 0, 0, false}, {0, LAYOUT_TRANSPOSED}},
        {{2, {33, 3}, 0, 0, false},
         {2, {3, 35}, 0, 0, false},
         {LAYOUT_TRANSPOSED, LAYOUT_SLICED}},
        {{3, {3, 5, 17}, 0, 0, false}, {1, {17}, 0, 0, false}, {0, 0}},
        {{3, {3, 5, 17}, 0, 0, false}, {2, {5, 1}, 0, 0, false}, {0, 0}},
        {{3, {3, 5, 17}, 0, 0, false}, {3, {3, 1, 17}, 0, 0, false}, {0, 0}},
        {{3, {3, 5, 17}, 0, 0, false}, {1, {1}, 0, 0, false}, {0, 0}},
        {{4, {2, 3, 5, 7}, 0, 0, false}, {3, {3, 1, 7}, 0, 0, false}, {0, 0}},
        {{2, {1, 33}, 0, 0, false}, {2, {5, 33}, 0, 0, false}, {LAYOUT_TALL, 0}},
        {{2, {33, 1}, 0, 0, false}, {1, {7}, 0, 0, false}, {LAYOUT_WIDE, LAYOUT_SLICED}},
        {{2, {7, 17}, 0, 0, false}, {2, {7, 17}, 0, 0, true}, {0, 0}},
        {{2, {7, 17}, 0, 0, true}, {1, {17}, 0, 0, false}, {0, 0}},
    };

    (void)state;
    for (size_t i = 0; i < N_BINARIES; i++)
        for (size_t j = 0; j < sizeof shapes / sizeof shapes[0]; j++)
            gradient_check(
                &(struct gradient_case){.name = binaries[i].name,
                                        .forward = binary_forward,
                                        .reference = binary_reference,
                                        .n_inputs = 2,
                                        .inputs = {shapes[j].a, shapes[j].b},
                                        .number = {shapes[j].layouts[0], shapes[j].layouts[1]},
                                        .context = &binaries[i]});
}

/* Both inputs are rows of one tensor, number[0] apart. */
static struct tensor *shifted_forward(struct tape *tape, const struct gradient_case *test,
                                      struct tensor *const *inputs)
{
    const struct binary *binary = test->context;
    size_t n = inputs[0]->shape[0] - test->number[0];

    return binary->operation(tape, view_slice(tape, inputs[0], 0, 0, n),
                             view_slice(tape, inputs[0], 0, test->number[0], n));
}

static void shifted_reference(const struct gradient_case *test, const double *const *inputs,
                              double *out)
{
    const struct binary *binary = test->context;
    size_t columns = test->inputs[0].shape[1], shift = test->number[0];

    for (size_t i = 0; i < (test->inputs[0].shape[0] - shift) * columns; i++)
        out[i] = binary->function(inputs[0][i], inputs[0][i + shift * columns]);
}

static void views_of_one_tensor_overlap(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_BINARIES; i++) {
        struct gradient_case test = {.name = binaries[i].name,
                                     .forward = shifted_forward,
                                     .reference = shifted_reference,
                                     .n_inputs = 1,
                                     .inputs = {{2, {7, 17}, 0, 0, false}},
                                     .context = &binaries[i]};
        for (test.number[0] = 0; test.number[0] < 3; test.number[0]++)
            if (!(i == 1 && test.number[0] == 0)) /* x - x */
                gradient_check(&test);
        test.inputs[0] = (struct gradient_input){2, {301, 129}, 0, 0, false};
        test.number[0] = 1;
        gradient_check_bytes(&test);
    }
}

/* Dropout ---------------------------------------------------------------------------------- */

static struct tensor *dropout_forward(struct tape *tape, const struct gradient_case *test,
                                      struct tensor *const *inputs)
{
    return op_dropout(tape, layout_view(tape, inputs[0], test->number[0]), 0.3f,
                      test->number[1]);
}

/* What is left of ones. */
static void dropout_mask(const size_t *shape, uint64_t seed, float *mask)
{
    struct tape *tape;
    struct tensor *ones, *out;

    assert_int_equal(tape_new(&tape, NULL, train_kernels_for(kernel_level_best()), NULL),
                     STATUS_OK);
    ones = tape_tensor(tape, 2, shape, false);
    for (size_t i = 0; i < tensor_elements(ones); i++)
        ones->data[i] = 1.0f;
    out = op_dropout(tape, ones, 0.3f, seed);
    assert_non_null(out);
    memcpy(mask, out->data, tensor_elements(ones) * sizeof *mask);
    tape_free(&tape);
}

static void dropout_reference(const struct gradient_case *test, const double *const *inputs,
                              double *out)
{
    const float *mask = test->context;
    struct values x;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &x);
    for (size_t i = 0; i < x.n; i++)
        out[i] = x.at[i] * (double)mask[i];
    free(x.at);
}

static void dropout_goes_back_through_its_mask(void **state)
{
    float mask[17 * 7];

    (void)state;
    dropout_mask((size_t[]){17, 7}, 5, mask);
    for (size_t layout = LAYOUT_DENSE; layout <= LAYOUT_TRANSPOSED; layout++)
        gradient_check(&(struct gradient_case){
            .name = "dropout",
            .forward = dropout_forward,
            .reference = dropout_reference,
            .n_inputs = 1,
            .inputs = {{2, {layout ? 7 : 17, layout ? 17 : 7}, 0, 0, false}},
            .number = {layout, 5},
            .context = mask});
}

static void dropout_zeroes_its_share(void **state)
{
    enum { N = 40000 };
    static float masks[3][N];
    size_t n_zero = 0, n_other = 0;

    (void)state;
    dropout_mask((size_t[]){200, 200}, 1, masks[0]);
    dropout_mask((size_t[]){200, 200}, 1, masks[1]);
    dropout_mask((size_t[]){200, 200}, 2, masks[2]);
    assert_memory_equal(masks[0], masks[1], sizeof masks[0]);
    for (size_t i = 0; i < N; i++) {
        assert_true(masks[0][i] == 0 || fabsf(masks[0][i] - 1 / 0.7f) < 1e-6f);
        n_zero += masks[0][i] == 0;
        n_other += (masks[0][i] == 0) != (masks[2][i] == 0);
    }
    assert_true(n_zero > N * 29 / 100 && n_zero < N * 31 / 100);   /* 0.3: 4 deviations */
    assert_true(n_other > N * 41 / 100 && n_other < N * 43 / 100); /* 2 * 0.3 * 0.7 */
}

/* Shapes ----------------------------------------------------------------------------------- */

/* Transpose, slice, reshape of a copy, broadcast: a chain of all views. */
static struct tensor *views_forward(struct tape *tape, const struct gradient_case *test,
                                    struct tensor *const *inputs)
{
    struct tensor *x = view_transpose(tape, inputs[0], 0, 2); /* [7][3][5] */

    (void)test;
    x = view_slice(tape, x, 0, 1, 6); /* [6][3][5] */
    x = op_contiguous(tape, x);
    x = x ? view_reshape(tape, x, 2, (size_t[]){18, 5}) : NULL;
    x = x ? view_slice(tape, x, 0, 17, 1) : NULL;
    return x ? view_broadcast(tape, x, 3, (size_t[]){2, 3, 5}) : NULL;
}

static void views_reference(const struct gradient_case *test, const double *const *inputs,
                            double *out)
{
    (void)test;
    for (size_t i = 0; i < 30; i++) /* row 17 of [6][3] is [5][2], of which x[.][2][6] */
        out[i] = inputs[0][(i % 5 * 3 + 2) * 7 + 6];
}

static struct tensor *concatenate_forward(struct tape *tape, const struct gradient_case *test,
                                          struct tensor *const *inputs)
{
    return op_concatenate(tape, layout_view(tape, inputs[0], test->number[0]),
                          layout_view(tape, inputs[1], test->number[1]));
}

static void concatenate_reference(const struct gradient_case *test, const double *const *inputs,
                                  double *out)
{
    struct values a, b;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &a);
    layout_values(&test->inputs[1], inputs[1], test->number[1], &b);
    size_t left = a.shape[a.n_dimensions - 1], right = b.shape[b.n_dimensions - 1];
    for (size_t i = 0; i < a.n + b.n; i++) {
        size_t r = i / (left + right), j = i % (left + right);
        out[i] = j < left ? a.at[r * left + j] : b.at[r * right + j - left];
    }
    free(a.at);
    free(b.at);
}

static const int32_t some_rows[] = {3, -1, 0, 3, 6, 3, -7, 1, 0};

enum { N_SOME_ROWS = sizeof some_rows / sizeof some_rows[0] };

static struct tensor *gather_forward(struct tape *tape, const struct gradient_case *test,
                                     struct tensor *const *inputs)
{
    return op_gather_rows(tape, layout_view(tape, inputs[0], test->number[0]), some_rows,
                          N_SOME_ROWS);
}

static void gather_reference(const struct gradient_case *test, const double *const *inputs,
                             double *out)
{
    struct values x;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &x);
    for (size_t i = 0; i < N_SOME_ROWS; i++)
        for (size_t j = 0; j < x.shape[1]; j++)
            out[i * x.shape[1] + j] =
                some_rows[i] < 0 ? 0 : x.at[(size_t)some_rows[i] * x.shape[1] + j];
    free(x.at);
}

static const int32_t some_tokens[] = {4, 0, 4, 6, 4, 2};

static struct tensor *embedding_forward(struct tape *tape, const struct gradient_case *test,
                                        struct tensor *const *inputs)
{
    (void)test;
    return op_embedding(tape, inputs[0], some_tokens, 6);
}

static void embedding_reference(const struct gradient_case *test, const double *const *inputs,
                                double *out)
{
    size_t n = test->inputs[0].shape[1];

    for (size_t i = 0; i < 6 * n; i++)
        out[i] = inputs[0][(size_t)some_tokens[i / n] * n + i % n];
}

static void shapes_go_back(void **state)
{
    (void)state;
    gradient_check(&(struct gradient_case){.name = "views",
                                           .forward = views_forward,
                                           .reference = views_reference,
                                           .n_inputs = 1,
                                           .inputs = {{3, {5, 3, 7}, 0, 0, false}}});
    static const struct gradient_case joined[] = {
        {.inputs = {{2, {7, 3}, 0, 0, false}, {2, {7, 17}, 0, 0, false}}},
        {.inputs = {{3, {2, 3, 7}, 0, 0, false}, {3, {2, 5, 3}, 0, 0, false}},
         .number = {LAYOUT_DENSE, LAYOUT_TRANSPOSED}},
        {.inputs = {{2, {5, 1}, 0, 0, false}, {2, {1, 7}, 0, 0, false}},
         .number = {LAYOUT_WIDE, LAYOUT_TALL}},
        {.inputs = {{2, {7, 3}, 0, 0, true}, {2, {7, 19}, 0, 0, false}},
         .number = {LAYOUT_DENSE, LAYOUT_SLICED}},
    };
    for (size_t i = 0; i < sizeof joined / sizeof joined[0]; i++) {
        struct gradient_case test = joined[i];
        test.name = "concatenate";
        test.forward = concatenate_forward;
        test.reference = concatenate_reference;
        test.n_inputs = 2;
        gradient_check(&test);
    }
    static const struct gradient_input tables[LAYOUT_COUNT] = {{2, {7, 17}, 0, 0, false},
                                                               {2, {5, 7}, 0, 0, false},
                                                               {2, {7, 9}, 0, 0, false},
                                                               {2, {1, 7}, 0, 0, false},
                                                               {2, {7, 1}, 0, 0, false}};
    for (size_t layout = 0; layout < LAYOUT_COUNT; layout++)
        if (layout != LAYOUT_TALL)
            gradient_check(&(struct gradient_case){.name = "gather_rows",
                                                   .forward = gather_forward,
                                                   .reference = gather_reference,
                                                   .n_inputs = 1,
                                                   .inputs = {tables[layout]},
                                                   .number = {layout}});
    gradient_check(&(struct gradient_case){.name = "embedding",
                                           .forward = embedding_forward,
                                           .reference = embedding_reference,
                                           .n_inputs = 1,
                                           .inputs = {{2, {7, 33}, 0, 0, false}}});
}

/* Sums ------------------------------------------------------------------------------------- */

/* number[1]: the dimension, or 9 for all; number[2]: the mean */
static struct tensor *sum_forward(struct tape *tape, const struct gradient_case *test,
                                  struct tensor *const *inputs)
{
    struct tensor *x = layout_view(tape, inputs[0], test->number[0]);
    uint32_t dimension = (uint32_t)test->number[1];

    if (dimension == 9)
        return test->number[2] ? op_mean(tape, x) : op_sum(tape, x);
    return test->number[2] ? op_mean_along(tape, x, dimension)
                           : op_sum_along(tape, x, dimension);
}

static void sum_reference(const struct gradient_case *test, const double *const *inputs,
                          double *out)
{
    struct values x;
    size_t inner = 1, length;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &x);
    length = test->number[1] == 9 ? x.n : x.shape[test->number[1]];
    for (size_t d = test->number[1] + 1; d < x.n_dimensions; d++)
        inner *= x.shape[d];
    for (size_t i = 0; i < x.n / length; i++) {
        out[i] = 0;
        for (size_t j = 0; j < length; j++)
            out[i] += x.at[(i / inner * length + j) * inner + i % inner];
        if (test->number[2])
            out[i] /= (double)length;
    }
    free(x.at);
}

static void sums_go_back(void **state)
{
    static const struct gradient_input inputs[LAYOUT_COUNT] = {
        {3, {3, 7, 17}, 0, 0, false}, {3, {2, 33, 3}, 0, 0, false},
        {3, {2, 7, 17}, 0, 0, false}, {3, {1, 3, 33}, 0, 0, false},
        {3, {3, 7, 1}, 0, 0, false},
    };

    (void)state;
    for (size_t layout = 0; layout < LAYOUT_COUNT; layout++)
        for (size_t dimension = 0; dimension < 4; dimension++)
            for (size_t mean = 0; mean < 2; mean++)
                gradient_check(&(struct gradient_case){
                    .name = mean ? "mean" : "sum",
                    .forward = sum_forward,
                    .reference = sum_reference,
                    .n_inputs = 1,
                    .inputs = {inputs[layout]},
                    .number = {layout, dimension == 3 ? 9 : dimension, mean}});
    gradient_check(&(struct gradient_case){.name = "sum of many",
                                           .forward = sum_forward,
                                           .reference = sum_reference,
                                           .n_inputs = 1,
                                           .inputs = {{1, {1301}, 0, 0, false}},
                                           .number = {0, 9, 0}});
}

/* Products --------------------------------------------------------------------------------- */

static void product_reference(const struct gradient_case *test, const double *const *inputs,
                              double *out)
{
    struct values a, b;
    uint32_t d = test->inputs[0].n_dimensions;

    layout_values(&test->inputs[0], inputs[0], test->number[0], &a);
    layout_values(&test->inputs[1], inputs[1], test->number[1], &b);
    size_t m = a.shape[d - 2], k = a.shape[d - 1], n = b.shape[d - 1];
    for (size_t i = 0; i < a.n / k * n; i++) {
        size_t batch = i / (m * n);
        out[i] = 0;
        for (size_t l = 0; l < k; l++)
            out[i] += a.at[i / n * k + l] * b.at[(batch * k + l) * n + i % n];
    }
    free(a.at);
    free(b.at);
}

static const struct binary product = {"matmul", op_matmul, NULL};

static void products_go_back(void **state)
{
    static const struct gradient_case shapes[] = {
        {.inputs = {{2, {1, 1}, 0, 0, false}, {2, {1, 1}, 0, 0, false}}},
        {.inputs = {{2, {7, 17}, 0, 0, false}, {2, {17, 33}, 0, 0, false}}},
        {.inputs = {{2, {1, 33}, 0, 0, false}, {2, {33, 3}, 0, 0, false}}},
        {.inputs = {{2, {7, 17}, 0, 0, false}, {2, {9, 17}, 0, 0, false}},
         .number = {LAYOUT_DENSE, LAYOUT_TRANSPOSED}},
        {.inputs = {{2, {17, 7}, 0, 0, false}, {2, {9, 17}, 0, 0, false}},
         .number = {LAYOUT_TRANSPOSED, LAYOUT_TRANSPOSED}},
        {.inputs = {{2, {7, 19}, 0, 0, false}, {2, {17, 5}, 0, 0, false}},
         .number = {LAYOUT_SLICED, LAYOUT_SLICED}},
        {.inputs = {{2, {7, 1}, 0, 0, false}, {2, {5, 3}, 0, 0, false}},
         .number = {LAYOUT_WIDE, LAYOUT_DENSE}},
        {.inputs = {{2, {7, 5}, 0, 0, false}, {2, {1, 3}, 0, 0, false}},
         .number = {LAYOUT_DENSE, LAYOUT_TALL}},
        {.inputs = {{3, {3, 7, 17}, 0, 0, false}, {3, {3, 17, 5}, 0, 0, false}}},
        {.inputs = {{3, {5, 7, 3}, 0, 0, false}, {3, {1, 3, 7}, 0, 0, false}},
         .number = {LAYOUT_DENSE, LAYOUT_TALL}},
        {.inputs = {{3, {3, 17, 7}, 0, 0, false}, {3, {3, 5, 17}, 0, 0, false}},
         .number = {LAYOUT_TRANSPOSED, LAYOUT_TRANSPOSED}},
        {.inputs = {{2, {7, 17}, 0, 0, true}, {2, {17, 3}, 0, 0, false}}},
        {.inputs = {{2, {7, 17}, 0, 0, false}, {2, {17, 3}, 0, 0, true}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct gradient_case test = shapes[i];
        test.name = "matmul";
        test.forward = binary_forward;
        test.reference = product_reference;
        test.n_inputs = 2;
        test.context = &product;
        gradient_check(&test);
    }
}

static struct tensor *square_forward(struct tape *tape, const struct gradient_case *test,
                                     struct tensor *const *inputs)
{
    (void)test;
    return op_matmul(tape, inputs[0], view_transpose(tape, inputs[0], 0, 1));
}

static void square_reference(const struct gradient_case *test, const double *const *inputs,
                             double *out)
{
    size_t m = test->inputs[0].shape[0], k = test->inputs[0].shape[1];

    for (size_t i = 0; i < m * m; i++) {
        out[i] = 0;
        for (size_t l = 0; l < k; l++)
            out[i] += inputs[0][i / m * k + l] * inputs[0][i % m * k + l];
    }
}

static void product_with_itself(void **state)
{
    (void)state;
    gradient_check(&(struct gradient_case){.name = "x x^T",
                                           .forward = square_forward,
                                           .reference = square_reference,
                                           .n_inputs = 1,
                                           .inputs = {{2, {7, 17}, 0, 0, false}}});
}

/* Threads, levels -------------------------------------------------------------------------- */

static const int32_t *many_rows(void)
{
    static int32_t rows[500];
    uint64_t seed = 3;

    for (size_t i = 0; i < 500; i++)
        rows[i] = (int32_t)(gradient_random_bits(&seed) % 41);
    return rows;
}

static struct tensor *many_rows_forward(struct tape *tape, const struct gradient_case *test,
                                        struct tensor *const *inputs)
{
    (void)test;
    return op_embedding(tape, inputs[0], many_rows(), 500);
}

static void bytes_do_not_depend_on_threads(void **state)
{
    static const struct gradient_input large = {2, {301, 257}, 0, 0, false};

    (void)state;
    for (size_t i = 0; i < N_UNARIES; i++)
        for (size_t layout = LAYOUT_DENSE; layout <= LAYOUT_TRANSPOSED; layout++)
            gradient_check_bytes(&(struct gradient_case){.name = unaries[i].name,
                                                         .forward = unary_forward,
                                                         .n_inputs = 1,
                                                         .inputs = {large},
                                                         .number = {layout},
                                                         .context = &unaries[i].unary});
    static const struct gradient_input others[] = {{2, {301, 257}, 0, 0, false},
                                                   {1, {257}, 0, 0, false},
                                                   {2, {301, 1}, 0, 0, false},
                                                   {1, {1}, 0, 0, false}};
    for (size_t i = 0; i < N_BINARIES; i++)
        for (size_t j = 0; j < 4; j++)
            gradient_check_bytes(&(struct gradient_case){.name = binaries[i].name,
                                                         .forward = binary_forward,
                                                         .n_inputs = 2,
                                                         .inputs = {large, others[j]},
                                                         .context = &binaries[i]});
    for (size_t dimension = 0; dimension < 3; dimension++)
        gradient_check_bytes(
            &(struct gradient_case){.name = "mean",
                                    .forward = sum_forward,
                                    .n_inputs = 1,
                                    .inputs = {large},
                                    .number = {0, dimension == 2 ? 9 : dimension, 1}});
    gradient_check_bytes(&(struct gradient_case){
        .name = "matmul",
        .forward = binary_forward,
        .n_inputs = 2,
        .inputs = {{2, {131, 97}, 0, 0, false}, {2, {67, 97}, 0, 0, false}},
        .number = {0, LAYOUT_TRANSPOSED},
        .context = &product});
    gradient_check_bytes(&(struct gradient_case){.name = "dropout",
                                                 .forward = dropout_forward,
                                                 .n_inputs = 1,
                                                 .inputs = {large},
                                                 .number = {0, 5}});
    gradient_check_bytes(&(struct gradient_case){.name = "embedding",
                                                 .forward = many_rows_forward,
                                                 .n_inputs = 1,
                                                 .inputs = {{2, {41, 257}, 0, 0, false}}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_one_tensor),
        cmocka_unit_test(rows_longer_than_a_stage),
        cmocka_unit_test(functions_of_two_tensors),
        cmocka_unit_test(views_of_one_tensor_overlap),
        cmocka_unit_test(dropout_goes_back_through_its_mask),
        cmocka_unit_test(dropout_zeroes_its_share),
        cmocka_unit_test(shapes_go_back),
        cmocka_unit_test(sums_go_back),
        cmocka_unit_test(products_go_back),
        cmocka_unit_test(product_with_itself),
        cmocka_unit_test(bytes_do_not_depend_on_threads),
    };

    return cmocka_run_group_tests_name("train_operations", tests, NULL, NULL);
}
