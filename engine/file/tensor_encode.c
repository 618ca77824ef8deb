/*
 * tensor_encode.c - from f32 to blocks: choosing scales and codes with a small squared error
 *
 * Each block is fitted by least squares.  For given integer codes the best scale (and minimum)
 * is a closed formula; for a given scale the best codes are the nearest ones.  The encoders try
 * several starting scales, take the better of the fits, round the scales to what the block can
 * store and then choose the codes again for the stored scales, so that the codes make up for
 * their rounding.
 *
 * A row that already lies on the grid of a 32-element type comes back bit for bit: the step
 * that looks for such a grid is tried first.
 *
 * Sums run in one order, without libm: the same bytes on every machine.
 */
#include "engine/file/tensor_type.h"

#include <float.h>
#include <string.h>

enum { SUB_BLOCK = 32, ELEMENTS_MAX = 32 };

static void store_u16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

/* To nearest, ties to even; for |value| < 2^22. */
static int round_even(float value)
{
    const float shift = 0x1.8p23f;

    return (int)((value + shift) - shift);
}

/* The code in low..high that is nearest to value, which may be beyond any integer (or NaN,
 * where sums of huge values overflowed). */
static int nearest_code(float value, int low, int high)
{
    if (!(value > (float)low))
        return low;
    if (value >= (float)high)
        return high;
    return round_even(value);
}

/*
 * The loops over a block that encoding spends its time on run in four lanes, element i in lane i % 4,
 * and the lanes are added in one order: the same sum on every machine.  n is a multiple of four.
 */
enum { LANES = 4 };

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t lane_bits __attribute__((vector_size(4 * LANES)));

static inline lanes load(const float *x)
{
    lanes values;

    memcpy(&values, x, sizeof values);
    return values;
}

static inline lanes choose(lane_bits which, lanes a, lanes b)
{
    return (lanes)(((lane_bits)a & which) | ((lane_bits)b & ~which));
}

/* nearest_code() as floats. */
static inline lanes nearest_codes(lanes value, int low, int high)
{
    const lanes shift = {0x1.8p23f, 0x1.8p23f, 0x1.8p23f, 0x1.8p23f}, zero = {0};

    value = choose(value > zero + (float)low, value, zero + (float)low);
    value = choose(value < zero + (float)high, value, zero + (float)high);
    return (value + shift) - shift;
}

static inline float sum_of(lanes values)
{
    return (values[0] + values[2]) + (values[1] + values[3]);
}

/* The half that is nearest to value, within the finite halves. */
static uint16_t finite_half(float value)
{
    if (value > 65504.0f)
        value = 65504.0f;
    if (value < -65504.0f)
        value = -65504.0f;
    return float_to_half(value);
}

static float reciprocal(float value)
{
    return value == 0.0f ? 0.0f : 1.0f / value;
}

static float absolute(float value)
{
    return value < 0.0f ? -value : value;
}

static float largest_magnitude(const float *x, int n)
{
    float largest = 0.0f;

    for (int i = 0; i < n; i++)
        if (absolute(x[i]) > largest)
            largest = absolute(x[i]);
    return largest;
}

/* ---- x = scale * code, codes low..high (low = -high - 1) --------------------------------- */

/*
 * The scale that best fits n values.  For codes q the best scale is sum(x q) / sum(q q), and it
 * lowers the squared error from sum(x x) by sum(x q)^2 / sum(q q), which is the measure here.
 * Tried are scales that put the largest value near the end of the codes, on either side,
 * because the negative side has one code more.
 */
static float fit_scale(const float *x, int n, int low, int high)
{
    float largest = largest_magnitude(x, n);
    float best_gain = 0.0f;
    float best = 0.0f;

    if (largest == 0.0f)
        return 0.0f;
    for (int trial = -18; trial <= 18; trial++) {
        float sign = trial % 2 ? -1.0f : 1.0f;
        float inverse = sign * ((float)-low + 0.1f * (float)(trial / 2)) / largest;
        for (int round = 0; round < 2; round++) {
            lanes products = {0}, squares = {0};
            float product, square;
            for (int i = 0; i < n; i += LANES) {
                lanes q = nearest_codes(load(x + i) * inverse, low, high);
                products += load(x + i) * q;
                squares += q * q;
            }
            product = sum_of(products);
            square = sum_of(squares);
            if (square == 0.0f)
                break;
            if (product * product > best_gain * square) {
                best_gain = product * product / square;
                best = product / square;
            }
            inverse = reciprocal(product / square); /* once more, from the fitted scale */
        }
    }
    return best;
}

/* The scale of values that are whole multiples of one, or 0: *scale * code == x for every x. */
static float grid_scale(const float *x, int n, int low, int high)
{
    float largest = largest_magnitude(x, n);

    for (int k = -low; k >= 1 && largest > 0.0f; k--) {
        for (int side = 0; side < 2; side++) {
            float scale = side ? -largest / (float)k : largest / (float)k;
            int i = 0;
            while (i < n && scale * (float)nearest_code(x[i] / scale, low, high) == x[i])
                i++;
            if (i == n)
                return scale;
        }
    }
    return 0.0f;
}

/* A half scale for one block, and the codes for it. */
static uint16_t encode_symmetric(const float *x, int n, int low, int high, int *codes)
{
    float scale = grid_scale(x, n, low, high);
    uint16_t half = finite_half(scale);
    float inverse;

    if (scale == 0.0f || half_to_float(half) != scale)
        half = finite_half(fit_scale(x, n, low, high));
    inverse = reciprocal(half_to_float(half));
    for (int i = 0; i < n; i++)
        codes[i] = nearest_code(x[i] * inverse, low, high);
    return half;
}

/* ---- x = scale * code + minimum, codes 0..high ------------------------------------------- */

struct affine {
    float scale;
    float minimum;
};

static float affine_error(const float *x, int n, int high, struct affine fit)
{
    float inverse = reciprocal(fit.scale);
    lanes sum = {0};

    for (int i = 0; i < n; i += LANES) {
        lanes q = nearest_codes((load(x + i) - fit.minimum) * inverse, 0, high);
        lanes difference = fit.scale * q + fit.minimum - load(x + i);
        sum += difference * difference;
    }
    return sum_of(sum);
}

/*
 * Least squares for the codes that *fit gives: with sums over n values,
 * scale = (n sum(x q) - sum(x) sum(q)) / (n sum(q q) - sum(q)^2), minimum from the means.
 * below_zero: the minimum may not be above 0 (the K types store it as a magnitude).
 */
static struct affine refine(const float *x, int n, int high, struct affine fit, bool below_zero)
{
    float inverse = reciprocal(fit.scale);
    lanes all_x = {0}, all_q = {0}, all_xq = {0}, all_qq = {0};
    float sum_x, sum_q, sum_xq, sum_qq, determinant;

    for (int i = 0; i < n; i += LANES) {
        lanes value = load(x + i);
        lanes q = nearest_codes((value - fit.minimum) * inverse, 0, high);
        all_x += value;
        all_q += q;
        all_xq += value * q;
        all_qq += q * q;
    }
    sum_x = sum_of(all_x);
    sum_q = sum_of(all_q);
    sum_xq = sum_of(all_xq);
    sum_qq = sum_of(all_qq);
    determinant = (float)n * sum_qq - sum_q * sum_q;
    if (determinant <= 0.0f)
        return fit;
    fit.scale = ((float)n * sum_xq - sum_x * sum_q) / determinant;
    fit.minimum = (sum_x - fit.scale * sum_q) / (float)n;
    if (below_zero && fit.minimum > 0.0f) {
        fit.minimum = 0.0f;
        fit.scale = sum_xq / sum_qq;
    }
    return fit;
}

static struct affine fit_affine(const float *x, int n, int high, bool below_zero)
{
    float lowest = below_zero && x[0] > 0.0f ? 0.0f : x[0];
    float highest = x[0];
    struct affine best = {0.0f, 0.0f};
    float best_error = FLT_MAX;

    for (int i = 1; i < n; i++) {
        lowest = x[i] < lowest ? x[i] : lowest;
        highest = x[i] > highest ? x[i] : highest;
    }
    if (highest <= lowest)
        return (struct affine){0.0f, lowest};
    for (int trial = -10; trial <= 10; trial++) {
        struct affine fit = {(highest - lowest) / ((float)high + 0.1f * (float)trial), lowest};
        for (int round = 0; round < 3; round++) {
            float error = affine_error(x, n, high, fit);
            if (error < best_error) {
                best_error = error;
                best = fit;
            }
            fit = refine(x, n, high, fit, below_zero);
        }
    }
    return best;
}

/* Scale and minimum, both halves, that give every value exactly; false where there are none. */
static bool grid_affine(const float *x, int n, int high, struct affine *out)
{
    float lowest = x[0], highest = x[0];

    for (int i = 1; i < n; i++) {
        lowest = x[i] < lowest ? x[i] : lowest;
        highest = x[i] > highest ? x[i] : highest;
    }
    for (int span = high; span >= 1 && highest > lowest; span--) {
        float scale = half_to_float(finite_half((highest - lowest) / (float)span));
        for (int first = 0; first <= high - span && scale > 0.0f; first++) {
            float minimum = half_to_float(finite_half(lowest - scale * (float)first));
            float inverse = 1.0f / scale;
            int i = 0;
            while (i < n) {
                int q = nearest_code((x[i] - minimum) * inverse, 0, high);
                if (scale * (float)q + minimum != x[i])
                    break;
                i++;
            }
            if (i == n) {
                *out = (struct affine){scale, minimum};
                return true;
            }
        }
    }
    return false;
}

static void encode_affine(const float *x, int n, int high, uint16_t *scale, uint16_t *minimum,
                          int *codes)
{
    struct affine fit;
    float inverse, offset;

    if (!grid_affine(x, n, high, &fit))
        fit = fit_affine(x, n, high, false);
    *scale = finite_half(fit.scale);
    *minimum = finite_half(fit.minimum);
    inverse = reciprocal(half_to_float(*scale));
    offset = half_to_float(*minimum);
    for (int i = 0; i < n; i++)
        codes[i] = nearest_code((x[i] - offset) * inverse, 0, high);
}

/* ---- blocks of 32 ------------------------------------------------------------------------ */

/*
 * The finest of the types: its error is a rounding to 1/127, not worth a search.  Codes are those of
 * the scale before it is rounded, ties away from zero, as other programs make them, so that files can
 * be compared; but where the half is subnormal its rounding is coarse, and the codes make up for it.
 */
static void encode_q8_0(const float *x, uint8_t *block)
{
    float scale = largest_magnitude(x, 32) / 127.0f;
    uint16_t half = finite_half(scale);
    bool is_normal = half >= 0x400 && half_to_float(half) < 65504.0f;
    float inverse = reciprocal(is_normal ? scale : half_to_float(half));

    store_u16(block, half);
    for (int i = 0; i < 32; i++) {
        float value = x[i] * inverse;
        int code = nearest_code(value, -127, 127);
        if (is_normal && absolute(value - (float)code) == 0.5f)
            code = (int)(value < 0.0f ? value - 0.5f : value + 0.5f);
        block[2 + i] = (uint8_t)code;
    }
}

static void store_nibbles(const int *codes, uint8_t *out)
{
    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

static void store_fifth_bits(const int *codes, uint8_t *out)
{
    memset(out, 0, 4);
    for (int i = 0; i < 32; i++)
        out[i / 8] = (uint8_t)(out[i / 8] | (codes[i] >> 4 & 1) << i % 8);
}

static void encode_q4_0(const float *x, uint8_t *block)
{
    int codes[ELEMENTS_MAX];

    store_u16(block, encode_symmetric(x, 32, -8, 7, codes));
    for (int i = 0; i < 32; i++)
        codes[i] += 8;
    store_nibbles(codes, block + 2);
}

static void encode_q5_0(const float *x, uint8_t *block)
{
    int codes[ELEMENTS_MAX];

    store_u16(block, encode_symmetric(x, 32, -16, 15, codes));
    for (int i = 0; i < 32; i++)
        codes[i] += 16;
    store_fifth_bits(codes, block + 2);
    store_nibbles(codes, block + 6);
}

static void encode_q4_1(const float *x, uint8_t *block)
{
    int codes[ELEMENTS_MAX];
    uint16_t scale, minimum;

    encode_affine(x, 32, 15, &scale, &minimum, codes);
    store_u16(block, scale);
    store_u16(block + 2, minimum);
    store_nibbles(codes, block + 4);
}

static void encode_q5_1(const float *x, uint8_t *block)
{
    int codes[ELEMENTS_MAX];
    uint16_t scale, minimum;

    encode_affine(x, 32, 31, &scale, &minimum, codes);
    store_u16(block, scale);
    store_u16(block + 2, minimum);
    store_fifth_bits(codes, block + 4);
    store_nibbles(codes, block + 8);
}

/* ---- Q4_K and Q5_K: x = d * s * code - dmin * m over eight sub-blocks of 32 -------------- */

struct k_block {
    uint16_t d, d_minimum; /* halves */
    int scale[8];          /* 0..63 */
    int minimum[8];        /* 0..63 */
};

static struct affine k_affine(const struct k_block *block, int scale, int minimum)
{
    return (struct affine){half_to_float(block->d) * (float)scale,
                           -(half_to_float(block->d_minimum) * (float)minimum)};
}

/* Rounding a scale and a minimum apart is not the best pair: try the neighbours of both. */
static void choose_k_scales(const float *x, int high, struct k_block *block,
                            const struct affine *wanted)
{
    float inverse = reciprocal(half_to_float(block->d));
    float inverse_minimum = reciprocal(half_to_float(block->d_minimum));

    for (int b = 0; b < 8; b++) {
        int scale = nearest_code(wanted[b].scale * inverse, 0, 63);
        int minimum = nearest_code(-wanted[b].minimum * inverse_minimum, 0, 63);
        float best_error = FLT_MAX;
        for (int s = scale - 1; s <= scale + 1; s++) {
            for (int m = minimum - 1; m <= minimum + 1; m++) {
                if (s < 0 || s > 63 || m < 0 || m > 63)
                    continue;
                float error =
                    affine_error(x + SUB_BLOCK * b, SUB_BLOCK, high, k_affine(block, s, m));
                if (error < best_error) {
                    best_error = error;
                    block->scale[b] = s;
                    block->minimum[b] = m;
                }
            }
        }
    }
}

static float k_error(const float *x, int high, const struct k_block *block)
{
    float sum = 0.0f;

    for (int b = 0; b < 8; b++)
        sum += affine_error(x + SUB_BLOCK * b, SUB_BLOCK, high,
                            k_affine(block, block->scale[b], block->minimum[b]));
    return sum;
}

/* Least squares for d and dmin over all 256 values, the rest held: u = s * code, v = -m. */
static struct k_block refit_k(const float *x, int high, struct k_block block)
{
    float uu = 0.0f, uv = 0.0f, vv = 0.0f, xu = 0.0f, xv = 0.0f;
    float determinant, d, d_minimum;

    for (int b = 0; b < 8; b++) {
        struct affine fit = k_affine(&block, block.scale[b], block.minimum[b]);
        float inverse = reciprocal(fit.scale);
        float v = (float)-block.minimum[b];
        for (int i = 0; i < SUB_BLOCK; i++) {
            float value = x[SUB_BLOCK * b + i];
            float u = (float)(block.scale[b] *
                              nearest_code((value - fit.minimum) * inverse, 0, high));
            uu += u * u;
            uv += u * v;
            vv += v * v;
            xu += value * u;
            xv += value * v;
        }
    }
    determinant = uu * vv - uv * uv;
    if (vv == 0.0f && uu > 0.0f) {
        block.d = finite_half(xu / uu);
    } else if (determinant > 0.0f) {
        d = (xu * vv - xv * uv) / determinant;
        d_minimum = (xv * uu - xu * uv) / determinant;
        if (d > 0.0f && d_minimum >= 0.0f) {
            block.d = finite_half(d);
            block.d_minimum = finite_half(d_minimum);
        }
    }
    return block;
}

static void fit_k_block(const float *x, int high, struct k_block *out)
{
    struct affine wanted[8];
    struct k_block block = {0};
    float largest_scale = 0.0f, largest_minimum = 0.0f;
    float best_error = FLT_MAX;

    for (int b = 0; b < 8; b++) {
        wanted[b] = fit_affine(x + SUB_BLOCK * b, SUB_BLOCK, high, true);
        if (wanted[b].scale > largest_scale)
            largest_scale = wanted[b].scale;
        if (-wanted[b].minimum > largest_minimum)
            largest_minimum = -wanted[b].minimum;
    }
    block.d = finite_half(largest_scale / 63.0f);
    block.d_minimum = finite_half(largest_minimum / 63.0f);
    *out = block;
    for (int round = 0; round < 3; round++) {
        float error;
        choose_k_scales(x, high, &block, wanted);
        error = k_error(x, high, &block);
        if (error >= best_error)
            break;
        best_error = error;
        *out = block;
        block = refit_k(x, high, block);
        error = k_error(x, high, &block);
        if (error < best_error) {
            best_error = error;
            *out = block;
        }
    }
}

/* d, dmin and the twelve bytes of 6-bit scales and minima. */
static void store_k_head(const struct k_block *block, uint8_t *out)
{
    uint8_t *packed = out + 4;

    store_u16(out, block->d);
    store_u16(out + 2, block->d_minimum);
    for (int b = 0; b < 4; b++) {
        packed[b] = (uint8_t)(block->scale[b] | (block->scale[b + 4] >> 4) << 6);
        packed[b + 4] = (uint8_t)(block->minimum[b] | (block->minimum[b + 4] >> 4) << 6);
        packed[b + 8] =
            (uint8_t)((block->scale[b + 4] & 15) | (block->minimum[b + 4] & 15) << 4);
    }
}

static void k_codes(const float *x, int high, const struct k_block *block, int *codes)
{
    for (int b = 0; b < 8; b++) {
        struct affine fit = k_affine(block, block->scale[b], block->minimum[b]);
        float inverse = reciprocal(fit.scale);
        for (int i = 0; i < SUB_BLOCK; i++) {
            float value = x[SUB_BLOCK * b + i];
            codes[SUB_BLOCK * b + i] = nearest_code((value - fit.minimum) * inverse, 0, high);
        }
    }
}

static void store_k_nibbles(const int *codes, uint8_t *out)
{
    for (int pair = 0; pair < 4; pair++)
        for (int i = 0; i < 32; i++)
            out[32 * pair + i] =
                (uint8_t)((codes[64 * pair + i] & 15) | (codes[64 * pair + 32 + i] & 15) << 4);
}

static void encode_q4_k(const float *x, uint8_t *out)
{
    struct k_block block;
    int codes[256];

    fit_k_block(x, 15, &block);
    k_codes(x, 15, &block, codes);
    store_k_head(&block, out);
    store_k_nibbles(codes, out + 16);
}

static void encode_q5_k(const float *x, uint8_t *out)
{
    struct k_block block;
    int codes[256];

    fit_k_block(x, 31, &block);
    k_codes(x, 31, &block, codes);
    store_k_head(&block, out);
    memset(out + 16, 0, 32);
    for (int i = 0; i < 256; i++)
        out[16 + i % 32] = (uint8_t)(out[16 + i % 32] | (codes[i] >> 4 & 1) << i / 32);
    store_k_nibbles(codes, out + 48);
}

/* ---- Q6_K: x = d * s * (code - 32) over sixteen sub-blocks of 16 ------------------------- */

static float symmetric_error(const float *x, int n, int low, int high, float scale)
{
    float inverse = reciprocal(scale);
    lanes sum = {0};

    for (int i = 0; i < n; i += LANES) {
        lanes q = nearest_codes(load(x + i) * inverse, low, high);
        lanes difference = scale * q - load(x + i);
        sum += difference * difference;
    }
    return sum_of(sum);
}

/* Choose the scales for a given d; returns the squared error. */
static float choose_q6_scales(const float *x, float d, const float *wanted, int *scales)
{
    float inverse = reciprocal(d);
    float sum = 0.0f;

    for (int b = 0; b < 16; b++) {
        int nearest = nearest_code(wanted[b] * inverse, -128, 127);
        float best_error = FLT_MAX;
        for (int s = nearest - 1; s <= nearest + 1; s++) {
            float error;
            if (s < -128 || s > 127)
                continue;
            error = symmetric_error(x + 16 * b, 16, -32, 31, d * (float)s);
            if (error < best_error) {
                best_error = error;
                scales[b] = s;
            }
        }
        sum += best_error;
    }
    return sum;
}

/* Least squares for d, the scales and codes held. */
static float refit_q6(const float *x, float d, const int *scales)
{
    float product = 0.0f, square = 0.0f;

    for (int i = 0; i < 256; i++) {
        float scale = d * (float)scales[i / 16];
        float u = (float)(scales[i / 16] * nearest_code(x[i] * reciprocal(scale), -32, 31));
        product += x[i] * u;
        square += u * u;
    }
    return square > 0.0f ? product / square : d;
}

static void store_q6_codes(const int *codes, uint8_t *out)
{
    for (int half = 0; half < 2; half++) {
        const int *c = codes + 128 * half;
        for (int i = 0; i < 32; i++) {
            out[64 * half + i] = (uint8_t)((c[i] & 15) | (c[i + 64] & 15) << 4);
            out[64 * half + 32 + i] = (uint8_t)((c[i + 32] & 15) | (c[i + 96] & 15) << 4);
            out[128 + 32 * half + i] = (uint8_t)(c[i] >> 4 | (c[i + 32] >> 4) << 2 |
                                                 (c[i + 64] >> 4) << 4 | (c[i + 96] >> 4) << 6);
        }
    }
}

static void encode_q6_k(const float *x, uint8_t *out)
{
    float wanted[16];
    int scales[16] = {0}, trial[16] = {0}, codes[256];
    float largest = 0.0f; /* the scale of the largest magnitude, with its sign */
    uint16_t d, refitted;
    float error;

    for (int b = 0; b < 16; b++) {
        wanted[b] = grid_scale(x + 16 * b, 16, -32, 31);
        if (wanted[b] == 0.0f)
            wanted[b] = fit_scale(x + 16 * b, 16, -32, 31);
        if (absolute(wanted[b]) > absolute(largest))
            largest = wanted[b];
    }
    d = finite_half(largest / -128.0f); /* the negative side has one step more */
    error = choose_q6_scales(x, half_to_float(d), wanted, scales);
    refitted = finite_half(refit_q6(x, half_to_float(d), scales));
    if (choose_q6_scales(x, half_to_float(refitted), wanted, trial) < error) {
        d = refitted;
        memcpy(scales, trial, sizeof scales);
    }
    for (int i = 0; i < 256; i++) {
        float inverse = reciprocal(half_to_float(d) * (float)scales[i / 16]);
        codes[i] = nearest_code(x[i] * inverse, -32, 31) + 32;
    }
    store_q6_codes(codes, out);
    for (int b = 0; b < 16; b++)
        out[192 + b] = (uint8_t)scales[b];
    store_u16(out + 208, d);
}

/* ---- rows -------------------------------------------------------------------------------- */

static bool all_finite(const float *values, size_t n_elements)
{
    for (size_t i = 0; i < n_elements; i++)
        if (!(values[i] >= -FLT_MAX && values[i] <= FLT_MAX))
            return false;
    return true;
}

static bool encode_blocks(enum tensor_type type, void (*encode)(const float *, uint8_t *),
                          const float *values, uint8_t *row, size_t n_elements)
{
    const struct tensor_type_info *info = tensor_type_info(type);

    if (!all_finite(values, n_elements))
        return false;
    for (size_t done = 0; done < n_elements; done += info->block_elements) {
        encode(values + done, row);
        row += info->block_bytes;
    }
    return true;
}

bool tensor_row_encode(enum tensor_type type, const float *values, void *row, size_t n_elements)
{
    uint8_t *bytes = row;

    switch (type) {
    case TENSOR_F32: memcpy(row, values, n_elements * sizeof *values); return true;
    case TENSOR_F16:
        for (size_t i = 0; i < n_elements; i++)
            store_u16(bytes + 2 * i, float_to_half(values[i]));
        return true;
    case TENSOR_BF16:
        for (size_t i = 0; i < n_elements; i++)
            store_u16(bytes + 2 * i, float_to_bfloat16(values[i]));
        return true;
    case TENSOR_Q8_0: return encode_blocks(type, encode_q8_0, values, row, n_elements);
    case TENSOR_Q4_0: return encode_blocks(type, encode_q4_0, values, row, n_elements);
    case TENSOR_Q4_1: return encode_blocks(type, encode_q4_1, values, row, n_elements);
    case TENSOR_Q5_0: return encode_blocks(type, encode_q5_0, values, row, n_elements);
    case TENSOR_Q5_1: return encode_blocks(type, encode_q5_1, values, row, n_elements);
    case TENSOR_Q4_K: return encode_blocks(type, encode_q4_k, values, row, n_elements);
    case TENSOR_Q5_K: return encode_blocks(type, encode_q5_k, values, row, n_elements);
    case TENSOR_Q6_K: return encode_blocks(type, encode_q6_k, values, row, n_elements);
    default: return false;
    }
}
