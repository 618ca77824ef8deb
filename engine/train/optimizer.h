/*
 * optimizer.h - from gradients to steps: SGD, Adam, AdamW, clipping, learning-rate schedule
 *
 * Thread: as the tape; the pool splits parameters by ranges of elements, so that the bytes do
 * not depend on the number of threads.
 */
#ifndef ENGINE_TRAIN_OPTIMIZER_H
#define ENGINE_TRAIN_OPTIMIZER_H

#include "engine/train/network.h"

enum optimizer_kind {
    OPTIMIZER_SGD,  /* with momentum (beta1), Nesterov off */
    OPTIMIZER_ADAM, /* Kingma and Ba; decay is added to the gradient */
    OPTIMIZER_ADAMW /* Loshchilov and Hutter; decoupled decay */
};

struct optimizer_settings {
    enum optimizer_kind kind;
    float beta1, beta2, eps;
    float weight_decay; /* of PARAMETER_MATRIX alone */
    float clip_norm;    /* of all gradients together; 0: none */
};

/*
 * Warm-up: step i of the first `warmup` has (i + 1) / warmup of `peak`, so that none is lost on
 * a rate of zero; then a cosine from `peak` to `peak * floor_share` at `total`.
 */
struct schedule {
    double peak, floor_share;
    uint64_t warmup, total;
};
double schedule_rate(const struct schedule *schedule, uint64_t step); /* of step 0, 1, ... */

struct optimizer;

/* parameters are borrowed and stay in place. */
enum status optimizer_new(struct optimizer **out, const struct optimizer_settings *settings,
                          struct parameter *parameters, size_t n_parameters,
                          struct error *error);
void optimizer_free(struct optimizer **optimizer); /* NULL is allowed */
/*
 * One step with the gradients that have been added up, which are zeroed afterwards.  *norm
 * (NULL allowed): the norm of all gradients before clipping, summed in double over fixed ranges
 * of elements.  Errors: FAILED when it is not finite: the parameter's name is in the error, and
 * nothing was changed.
 */
enum status optimizer_step(struct optimizer *optimizer, struct pool *pool,
                           const struct train_kernels *kernels, double rate, double *norm,
                           struct error *error);
void optimizer_zero_gradients(struct optimizer *optimizer);
/*
 * What a checkpoint holds: per parameter two arrays as large as it is (SGD: the second is
 * NULL).
 */
void optimizer_moments(struct optimizer *optimizer, size_t parameter, float **first,
                       float **second);
uint64_t optimizer_steps(const struct optimizer *optimizer);
void optimizer_set_steps(struct optimizer *optimizer, uint64_t n_steps);

#endif
