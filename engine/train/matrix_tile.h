/*
 * matrix_tile.h - tiles of a matrix product in vector registers; for matrix_avx*.c only
 *
 * The including file defines VECTOR and the operations on it: LOAD, STORE, SPREAD (one float to all
 * lanes), FMA and ZERO.  A tile of R rows has 2 R sums (whole) or R (narrow), each a named variable:
 * gcc 12 keeps arrays of them in memory.  Rows of a are reached in groups of four from one pointer
 * each, so that the addresses stay in registers.
 */
#ifndef ENGINE_TRAIN_MATRIX_TILE_H
#define ENGINE_TRAIN_MATRIX_TILE_H

#include "engine/train/kernels_internal.h"

enum { WIDTH = sizeof(VECTOR) / sizeof(float) };

#define ROWS_1(F)  F(0, 0, 0)
#define ROWS_2(F)  ROWS_1(F) F(1, 0, 1)
#define ROWS_3(F)  ROWS_2(F) F(2, 0, 2)
#define ROWS_4(F)  ROWS_3(F) F(3, 0, 3)
#define ROWS_5(F)  ROWS_4(F) F(4, 1, 0)
#define ROWS_6(F)  ROWS_5(F) F(5, 1, 1)
#define ROWS_7(F)  ROWS_6(F) F(6, 1, 2)
#define ROWS_8(F)  ROWS_7(F) F(7, 1, 3)
#define ROWS_9(F)  ROWS_8(F) F(8, 2, 0)
#define ROWS_10(F) ROWS_9(F) F(9, 2, 1)
#define ROWS_11(F) ROWS_10(F) F(10, 2, 2)
#define ROWS_12(F) ROWS_11(F) F(11, 2, 3)
#define ROWS_13(F) ROWS_12(F) F(12, 3, 0)
#define ROWS_14(F) ROWS_13(F) F(13, 3, 1)

/* Row r is number `place` of group `group`. */
#define BEGIN_WHOLE(r, group, place)                                                           \
    VECTOR left_##r = accumulate ? LOAD(c + r * c_row) : ZERO;                                 \
    VECTOR right_##r = accumulate ? LOAD(c + r * c_row + WIDTH) : ZERO;
#define STEP_WHOLE(r, group, place)                                                            \
    {                                                                                          \
        VECTOR x = SPREAD(group_##group[place * a_row]);                                       \
        left_##r = FMA(x, left, left_##r);                                                     \
        right_##r = FMA(x, right, right_##r);                                                  \
    }
#define END_WHOLE(r, group, place)                                                             \
    STORE(c + r * c_row, left_##r);                                                            \
    STORE(c + r * c_row + WIDTH, right_##r);

#define BEGIN_NARROW(r, group, place) VECTOR left_##r = accumulate ? LOAD(c + r * c_row) : ZERO;
#define STEP_NARROW(r, group, place)                                                           \
    left_##r = FMA(SPREAD(group_##group[place * a_row]), left, left_##r);
#define END_NARROW(r, group, place) STORE(c + r * c_row, left_##r);

#define TILE(R)                                                                                \
    static void whole_##R(size_t n_inner, const float *a, size_t a_row, size_t a_step,         \
                          const float *b, size_t b_step, float *c, size_t c_row,               \
                          bool accumulate)                                                     \
    {                                                                                          \
        const float *group_0 = a, *group_1 = a + 4 * a_row;                                    \
        const float *group_2 = a + 8 * a_row, *group_3 = a + 12 * a_row;                       \
                                                                                               \
        ROWS_##R(BEGIN_WHOLE) for (size_t i = 0; i < n_inner; i++)                             \
        {                                                                                      \
            VECTOR left = LOAD(b), right = LOAD(b + WIDTH);                                    \
            ROWS_##R(STEP_WHOLE) group_0 += a_step, group_1 += a_step, group_2 += a_step,      \
                group_3 += a_step;                                                             \
            b += b_step;                                                                       \
        }                                                                                      \
        ROWS_##R(END_WHOLE)                                                                    \
    }                                                                                          \
    static void narrow_##R(size_t n_inner, const float *a, size_t a_row, size_t a_step,        \
                           const float *b, size_t b_step, float *c, size_t c_row,              \
                           bool accumulate)                                                    \
    {                                                                                          \
        const float *group_0 = a, *group_1 = a + 4 * a_row;                                    \
        const float *group_2 = a + 8 * a_row, *group_3 = a + 12 * a_row;                       \
                                                                                               \
        ROWS_##R(BEGIN_NARROW) for (size_t i = 0; i < n_inner; i++)                            \
        {                                                                                      \
            VECTOR left = LOAD(b);                                                             \
            ROWS_##R(STEP_NARROW) group_0 += a_step, group_1 += a_step, group_2 += a_step,     \
                group_3 += a_step;                                                             \
            b += b_step;                                                                       \
        }                                                                                      \
        ROWS_##R(END_NARROW)                                                                   \
    }

/* 12 chains hide the latency of two units; x and y come from memory, so that nothing folds. */
#define SPIN_CHAINS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#define SPIN_BEGIN(i)  VECTOR sum_##i = SPREAD((float)i);
#define SPIN_STEP(i)   sum_##i = FMA(sum_##i, x, y);
#define SPIN_END(i)    STORE(out + i * WIDTH, sum_##i);

enum { SPIN_OPERATIONS = 12 * WIDTH };

static void spin(size_t n_steps, float *out)
{
    VECTOR x = SPREAD(out[0]), y = SPREAD(out[1]);

    SPIN_CHAINS(SPIN_BEGIN)
    for (size_t i = 0; i < n_steps; i++) {
        SPIN_CHAINS(SPIN_STEP)
    }
    SPIN_CHAINS(SPIN_END)
}

#endif
