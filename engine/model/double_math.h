/*
 * double_math.h - exp, log, sine and cosine in double precision, without libm
 *
 * glibc picks variants of these functions by processor, so that two machines may differ in the last
 * bit.  These use additions, multiplications and divisions only (each exactly rounded by IEEE 754)
 * and give the same bytes everywhere.  Errors are below 4e-16 relative (sine and cosine: absolute).
 *
 * Thread: pure functions.
 */
#ifndef ENGINE_MODEL_DOUBLE_MATH_H
#define ENGINE_MODEL_DOUBLE_MATH_H

double double_exp(double x);
/* x > 0 and normal; accurate relative to the result near 1 too. */
double double_log(double x);
/* |x| <= 2^20 */
void double_sine_cosine(double x, double *sine, double *cosine);
/* 1 / sqrt(x), x > 0 and normal. */
double double_inverse_square_root(double x);

#endif
