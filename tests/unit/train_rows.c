/*
 * train_rows.c - row kernels of the trainer: the same bytes at every level, near the exact values
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernels/math.h"
#include "engine/train/kernels.h"

enum { MOST = 400, RESULTS = 3 };

static uint32_t random_state = 5;

static uint32_t random_bits(void)
{
    uint32_t high = (random_state = random_state * 1664525u + 1013904223u) >> 16;
    uint32_t low = (random_state = random_state * 1664525u + 1013904223u) >> 16;

    return high << 16 | low;
}

static float random_float(float size)
{
    return ((float)(random_bits() >> 8) * 0x1p-23f - 1.0f) * size;
}

/* Inputs of a case, and what a kernel made of them. */
struct row_case {
    size_t n;
    float a[MOST], b[MOST], c[MOST];
    float out[RESULTS][MOST]; /* starts with the same random values for every level */
    float value;
};

typedef void (*row_call)(const struct row_kernels *row, struct row_case *data);

static void call_fill(const struct row_kernels *row, struct row_case *data)
{
    row->fill(data->out[0], data->a[0], data->n);
}
static void call_add(const struct row_kernels *row, struct row_case *data)
{
    row->add(data->a, data->b, data->out[0], data->n);
    row->accumulate(data->a, data->out[1], data->n);
}
static void call_multiply(const struct row_kernels *row, struct row_case *data)
{
    row->multiply(data->a, data->b, data->out[0], data->n);
    row->multiply_add(data->a, data->b, data->out[1], data->n);
    row->scale_add(data->a, 0.3f, data->out[2], data->n);
}
static void call_in_place(const struct row_kernels *row, struct row_case *data)
{
    row->add(data->out[0], data->b, data->out[0], data->n);
    row->silu(data->out[1], data->out[1], data->n);
    row->softmax(data->out[2], data->out[2], data->n);
}
static void call_sum(const struct row_kernels *row, struct row_case *data)
{
    data->value = row->sum(data->a, data->n);
}
static void call_dot(const struct row_kernels *row, struct row_case *data)
{
    data->value = row->dot(data->a, data->b, data->n);
}
static void call_rms_norm(const struct row_kernels *row, struct row_case *data)
{
    data->value = row->rms_norm(data->a, data->b, 1e-6f, data->out[0], data->n);
    row->rms_norm_back(data->a, data->b, data->value, data->c, data->out[1], data->n);
}
static void call_exponential(const struct row_kernels *row, struct row_case *data)
{
    row->exponential(data->a, data->out[0], data->n);
    row->sigmoid(data->a, data->out[1], data->n);
    row->softplus(data->a, data->out[2], data->n);
}
static void call_silu(const struct row_kernels *row, struct row_case *data)
{
    row->silu(data->a, data->out[0], data->n);
    row->silu_back(data->a, data->b, data->out[1], data->n);
}
static void call_gelu(const struct row_kernels *row, struct row_case *data)
{
    row->gelu(data->a, data->out[0], data->n);
    row->gelu_back(data->a, data->b, data->out[1], data->n);
}
static void call_swiglu(const struct row_kernels *row, struct row_case *data)
{
    row->swiglu(data->a, data->b, data->out[0], data->n);
    row->swiglu_back(data->a, data->b, data->c, data->out[1], data->out[2], data->n);
}
static void call_softmax(const struct row_kernels *row, struct row_case *data)
{
    data->value = row->softmax(data->a, data->out[0], data->n);
}
static void call_adamw(const struct row_kernels *row, struct row_case *data)
{
    for (size_t i = 0; i < data->n; i++)
        data->out[2][i] = fabsf(data->out[2][i]);
    row->adamw(data->out[0], data->out[1], data->out[2], data->a, data->n, 0.7f, 0.9f, 0.95f,
               1.5f, 3.0f, 1e-8f, 1e-2f, 0.1f);
}

static const row_call calls[] = {call_fill,        call_add,     call_multiply, call_in_place,
                                 call_sum,         call_dot,     call_rms_norm, call_silu,
                                 call_exponential, call_softmax, call_gelu,     call_swiglu,
                                 call_adamw};
enum { CALLS = sizeof calls / sizeof *calls };

static void case_fill(struct row_case *data, size_t n, float size)
{
    data->n = n;
    data->value = 0;
    for (size_t i = 0; i < MOST; i++) {
        data->a[i] = random_float(size);
        data->b[i] = random_float(2.0f);
        data->c[i] = random_float(2.0f);
        for (int r = 0; r < RESULTS; r++)
            data->out[r][i] = random_float(1.0f);
    }
}

/* Every length around the vectors' widths; what lies behind n stays as it is. */
static void levels_agree(void **state)
{
    static struct row_case before, generic, other;

    (void)state;
    for (int call = 0; call < CALLS; call++) {
        for (size_t n = 1; n <= MOST - 20; n = n < 70 ? n + 1 : n + 37) {
            case_fill(&before, n, n % 3 == 0 ? 120.0f : 4.0f);
            generic = before;
            calls[call](train_kernels_for(KERNEL_LEVEL_GENERIC)->row, &generic);
            for (int r = 0; r < RESULTS; r++)
                assert_memory_equal(generic.out[r] + n, before.out[r] + n,
                                    (MOST - n) * sizeof(float));
            for (int level = KERNEL_LEVEL_GENERIC + 1; level < KERNEL_LEVEL_COUNT; level++) {
                if (!kernel_level_supported((enum kernel_level)level))
                    continue;
                other = before;
                calls[call](train_kernels_for((enum kernel_level)level)->row, &other);
                if (memcmp(&other, &generic, sizeof other) != 0)
                    fail_msg("call %d, n %zu, level %d", call, n, level);
            }
        }
    }
}

static void same_float(float got, float wanted, float x)
{
    if (math_bits_of(got) != math_bits_of(wanted) && !(isnan(got) && isnan(wanted)))
        fail_msg("of %a: %a, not %a", (double)x, (double)got, (double)wanted);
}

/* Every sign, exponent and top of the fraction, with random tails: also infinities and NaN. */
static void exponentials_are_those_of_math(void **state)
{
    enum { N = 4096 };
    static float x[N], exponential[N], sigmoid[N], silu[N];

    (void)state;
    for (int level = KERNEL_LEVEL_GENERIC; level < KERNEL_LEVEL_COUNT; level++) {
        if (!kernel_level_supported((enum kernel_level)level))
            continue;
        const struct row_kernels *row = train_kernels_for((enum kernel_level)level)->row;
        for (uint32_t high = 0; high < 0x10000; high += N) {
            for (uint32_t i = 0; i < N; i++)
                x[i] = math_float_of((high + i) << 16 | (random_bits() & 0xffff));
            x[0] = MATH_EXP_LOWEST;
            x[1] = nextafterf(MATH_EXP_LOWEST, -INFINITY);
            x[2] = MATH_EXP_HIGHEST;
            x[3] = nextafterf(MATH_EXP_HIGHEST, INFINITY);
            row->exponential(x, exponential, N);
            row->sigmoid(x, sigmoid, N);
            row->silu(x, silu, N);
            for (int i = 0; i < N; i++) {
                same_float(exponential[i], math_exp(x[i]), x[i]);
                same_float(sigmoid[i], math_sigmoid(x[i]), x[i]);
                same_float(silu[i], math_silu(x[i]), x[i]);
            }
        }
    }
}

/* |got - wanted| <= parts in 2^24 of `size`, the largest number on the way */
static void near(float got, double wanted, double size, double parts, const char *what)
{
    if (!(fabs((double)got - wanted) <= size * parts * 0x1p-24))
        fail_msg("%s: %.9g, not %.9g", what, (double)got, wanted);
}

static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double exact_gelu(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static void sums_are_near(void **state)
{
    const struct row_kernels *row = train_kernels_for(kernel_level_best())->row;
    static struct row_case data;

    (void)state;
    for (size_t n = 1; n < MOST; n += 13) {
        double sum = 0, dot = 0, size = 0, square = 0, most = -1e9, total = 0, along = 0;
        case_fill(&data, n, 4.0f);
        for (size_t i = 0; i < n; i++) {
            double a = (double)data.a[i], b = (double)data.b[i];
            sum += a;
            dot += a * b;
            square += a * a;
            along += a * b * (double)data.c[i];
            size += 4;
            most = fmax(most, a);
        }
        for (size_t i = 0; i < n; i++)
            total += exp((double)data.a[i] - most);
        near(row->sum(data.a, n), sum, size, 40, "sum");
        near(row->dot(data.a, data.b, n), dot, 2 * size, 40, "dot");
        near(row->softmax(data.a, data.out[0], n), most + log(total),
             fabs(most) + log(total) + 1, 8, "softmax");
        double r = 1 / sqrt(square / (double)n + 1e-6);
        near(row->rms_norm(data.a, data.b, 1e-6f, data.out[1], n), r, r, 40, "rms_norm");
        memset(data.out[2], 0, sizeof data.out[2]);
        row->rms_norm_back(data.a, data.b, (float)r, data.c, data.out[2], n);
        for (size_t i = 0; i < n; i++) {
            double a = (double)data.a[i], b = (double)data.b[i], c = (double)data.c[i];
            near(data.out[0][i], exp(a - most) / total, 1, 8, "softmax");
            near(data.out[1][i], a * r * b, 8 * r, 40, "rms_norm");
            near(data.out[2][i], r * (b * c - a * r * r * along / (double)n),
                 r * (4 + 4 * r * r * 16), 60, "rms_norm_back");
        }
    }
}

static void activations_are_near(void **state)
{
    const struct row_kernels *row = train_kernels_for(kernel_level_best())->row;
    static struct row_case data;
    static float none[5][MOST];

    (void)state;
    for (int round = 0; round < 50; round++) {
        size_t n = MOST - (size_t)round;
        case_fill(&data, n, 12.0f);
        memset(none, 0, sizeof none);
        row->gelu(data.a, data.out[0], n);
        row->swiglu(data.a, data.b, data.out[1], n);
        row->silu_back(data.a, data.b, none[0], n);
        row->gelu_back(data.a, data.b, none[1], n);
        row->swiglu_back(data.a, data.b, data.c, none[2], none[3], n);
        row->softplus(data.a, data.out[2], n);
        for (size_t i = 0; i < n; i++) {
            double x = (double)data.a[i], up = (double)data.b[i], d = (double)data.c[i];
            double s = exact_sigmoid(x), slope = s * (1 + x * (1 - s)), h = 1e-5;
            near(data.out[0][i], exact_gelu(x), fabs(x), 32, "gelu");
            near(data.out[1][i], x * s * up, fabs(x), 32, "swiglu");
            near(none[0][i], up * slope, 26, 8, "silu_back");
            near(none[1][i], up * (exact_gelu(x + h) - exact_gelu(x - h)) / (2 * h), 64, 64,
                 "gelu_back");
            near(none[2][i], d * up * slope, 52, 8, "swiglu_back");
            near(none[3][i], d * x * s, 26, 8, "swiglu_back");
            near(data.out[2][i], x > 20 ? x : log1p(exp(x)), fabs(x) + 1, 2, "softplus");
        }
    }
}

static void adamw_takes_its_step(void **state)
{
    const struct row_kernels *row = train_kernels_for(kernel_level_best())->row;
    float w[19], m[19], v[19], g[19];

    (void)state;
    for (int i = 0; i < 19; i++) {
        w[i] = random_float(1);
        m[i] = random_float(1);
        v[i] = fabsf(random_float(1)) + 0.1f;
        g[i] = random_float(1);
    }
    for (int step = 0; step < 3; step++) {
        double wanted[3][19];
        for (int i = 0; i < 19; i++) {
            double x = (double)g[i] * 0.5;
            wanted[1][i] = 0.9 * (double)m[i] + 0.1 * x;
            wanted[2][i] = 0.95 * (double)v[i] + 0.05 * x * x;
            wanted[0][i] =
                (double)w[i] - 1e-2 * (wanted[1][i] * 1.5 / (sqrt(wanted[2][i] * 3.0) + 1e-8) +
                                       0.1 * (double)w[i]);
        }
        row->adamw(w, m, v, g, 19, 0.5f, 0.9f, 0.95f, 1.5f, 3.0f, 1e-8f, 1e-2f, 0.1f);
        for (int i = 0; i < 19; i++) {
            near(w[i], wanted[0][i], 1, 8, "adamw: w");
            near(m[i], wanted[1][i], 1, 8, "adamw: m");
            near(v[i], wanted[2][i], 1, 8, "adamw: v");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(exponentials_are_those_of_math),
        cmocka_unit_test(sums_are_near),
        cmocka_unit_test(activations_are_near),
        cmocka_unit_test(adamw_takes_its_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
