/*
 * kernels.h - f32 arithmetic of the trainer, one table, three levels
 *
 * GENERIC, AVX2 and AVX512 give the same bytes: a matrix product's element is one chain of
 * fused multiply-adds in ascending order of the inner index, started from zero or from the element
 * that is there; other sums run over 16 lanes (lane l takes elements l, l + 16, ...; the lanes are
 * added pairwise 8, 4, 2, 1).  exp and its kin are those of engine/kernels/math.h, lane by lane.
 *
 * Thread: tables are constant; the single-row kernels are pure; matrix_multiply() uses the pool.
 */
#ifndef ENGINE_TRAIN_KERNELS_H
#define ENGINE_TRAIN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/kernel_level.h"

struct pool;

/* A matrix with any strides, in floats. */
struct matrix {
    float *data;
    size_t row_stride, column_stride;
};

/* One value head of the gated delta rule over the tokens of a sequence, and back. */
struct delta_scan {
    uint32_t n_key, n_value, n_tokens; /* at least 1 */
    /* token t at + t * stride; q and k normalised and scaled */
    const float *query, *key, *value, *decay, *beta;
    size_t query_stride, key_stride, value_stride, decay_stride, beta_stride;
    uint32_t chunk;     /* tokens between two kept states */
    float *checkpoints; /* [ceil(n_tokens / chunk)][delta_scan_state()]: before each chunk.
                         * NULL on the way forward: not kept */
    float *out;         /* token t at + t * out_stride: [n_value] */
    size_t out_stride;
    /* Backward only: gradients with the strides of what they belong to; all but d_out are added
     * to, where they are not NULL. */
    const float *d_out;
    float *d_query, *d_key, *d_value, *d_decay, *d_beta;
    float *scratch; /* delta_scan_scratch() floats, 64-byte aligned */
};

/* Causal attention of one query head over a sequence, and back. */
struct attention_scan {
    uint32_t n_dim, n_tokens; /* at least 1 */
    const float *query, *key, *value;
    size_t query_stride, key_stride, value_stride, out_stride;
    float scale;
    float *out;        /* token t at + t * out_stride: [n_dim]; the way back reads it */
    float *log_totals; /* [n_tokens]: log of the sum of exponentials, kept for the way back */
    const float *d_out;
    float *d_query, *d_key, *d_value; /* added to if not NULL; strides of query, key, value */
    float *scratch;                   /* attention_scan_scratch() floats, 64-byte aligned */
};

/* Rows; n is any number unless it says otherwise.  "add": out += ..., else out = ... */
struct row_kernels {
    void (*fill)(float *out, float value, size_t n);
    void (*add)(const float *a, const float *b, float *out, size_t n);      /* out = a + b */
    void (*accumulate)(const float *a, float *out, size_t n);               /* out += a */
    void (*multiply)(const float *a, const float *b, float *out, size_t n); /* out = a b */
    void (*multiply_add)(const float *a, const float *b, float *out, size_t n); /* out += a b */
    void (*scale_add)(const float *a, float factor, float *out, size_t n); /* out += a factor */
    float (*sum)(const float *a, size_t n);
    float (*dot)(const float *a, const float *b, size_t n);
    /* out = x / sqrt(mean(x^2) + eps) * weight; returns 1 / sqrt(...) */
    float (*rms_norm)(const float *x, const float *weight, float eps, float *out, size_t n);
    /* d_x += ...; d_weight is summed by the caller in its own order (see rms_norm_weight) */
    void (*rms_norm_back)(const float *x, const float *weight, float inverse,
                          const float *d_out, float *d_x, size_t n);
    /* Activations; silu(x) = x sigmoid(x); gelu with tanh (Hendrycks and Gimpel). */
    void (*exponential)(const float *x, float *out, size_t n);
    void (*sigmoid)(const float *x, float *out, size_t n);
    void (*silu)(const float *x, float *out, size_t n);
    void (*silu_back)(const float *x, const float *d_out, float *d_x, size_t n); /* adds */
    void (*softplus)(const float *x, float *out, size_t n);
    void (*gelu)(const float *x, float *out, size_t n);
    void (*gelu_back)(const float *x, const float *d_out, float *d_x, size_t n); /* adds */
    /* out = silu(gate) * up, and back (adds) */
    void (*swiglu)(const float *gate, const float *up, float *out, size_t n);
    void (*swiglu_back)(const float *gate, const float *up, const float *d_out, float *d_gate,
                        float *d_up, size_t n);
    /* out = softmax(x); returns the log of the sum of exponentials */
    float (*softmax)(const float *x, float *out, size_t n);
    /*
     * AdamW (Loshchilov and Hutter) on n values:
     * m = b1 m + (1 - b1) g s;  v = b2 v + (1 - b2) (g s)^2;
     * w -= rate (m c1 / (sqrt(v c2) + eps) + decay w),  s: clip factor, c1, c2: bias corrections.
     */
    void (*adamw)(float *w, float *m, float *v, const float *g, size_t n, float scale, float b1,
                  float b2, float c1, float c2, float eps, float rate, float decay);
};

struct scan_kernels {
    void (*delta_forward)(const struct delta_scan *scan); /* fills out and checkpoints */
    void (*delta_backward)(
        const struct delta_scan *scan); /* checkpoints as forward left them */
    void (*attention_forward)(const struct attention_scan *scan);
    void (*attention_backward)(const struct attention_scan *scan);
};

struct matrix_kernel; /* engine/train/matrix.c */

struct train_kernels {
    enum kernel_level level;
    const struct row_kernels *row;
    const struct scan_kernels *scan;
    const struct matrix_kernel *matrix;
};

/* The table of a level that kernel_level_supported(); REFERENCE and NEON give GENERIC's. */
const struct train_kernels *train_kernels_for(enum kernel_level level);

/* Floats of a kept state (padded), and of the scratch memory of one scan. */
size_t delta_scan_state(uint32_t n_key, uint32_t n_value);
size_t delta_scan_scratch(uint32_t n_key, uint32_t n_value, uint32_t chunk);
size_t attention_scan_scratch(uint32_t n_dim, uint32_t n_tokens);

/*
 * c[m][n] = a[m][k] b[k][n], or c += a b.  c must not overlap a or b.  Panels are packed inside, so
 * that any strides run at the same speed; work is split over blocks of c.  n_threads of the pool.
 * Errors: NO_MEMORY (for the panels; c is untouched).
 */
enum status matrix_multiply(struct pool *pool, const struct train_kernels *kernels, size_t m,
                            size_t n, size_t k, struct matrix a, struct matrix b,
                            struct matrix c, bool accumulate);

#endif
