/*
 * trainer.c - the loop of a training
 *
 * What a step does is a function of the settings, the data and the parameters and moments
 * before it: its learning rate, the place in the data and the noise of dropout come from the
 * number of the step. So a training that goes on from a checkpoint ends with the same bytes as
 * one that never stopped.
 */
#include "engine/train/trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "engine/file/checked.h"
#include "engine/train/export.h"

enum { CLOCK_STEPS = 16 };

/* When the last steps ended, for the speed. */
struct clock {
    double ended[CLOCK_STEPS + 1]; /* a ring; seconds */
    uint64_t tokens[CLOCK_STEPS + 1];
    size_t n; /* ends so far, the start included */
};

/* One step's figures, added up over its micro-batches. */
struct figures {
    double loss, mtp_loss, norm;
    bool has_mtp;
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void clock_mark(struct clock *clock, uint64_t n_tokens)
{
    size_t at = clock->n++ % (CLOCK_STEPS + 1);

    clock->ended[at] = seconds_now();
    clock->tokens[at] = n_tokens;
}

/* Over the last steps; zeros while there is none. */
static void clock_speed(const struct clock *clock, double *tokens_per_second,
                        double *seconds_per_step)
{
    size_t n = clock->n - 1 < CLOCK_STEPS ? clock->n - 1 : CLOCK_STEPS;
    size_t last = (clock->n - 1) % (CLOCK_STEPS + 1);
    size_t first = (clock->n - 1 - n) % (CLOCK_STEPS + 1);
    double seconds = clock->ended[last] - clock->ended[first];

    *tokens_per_second = 0;
    *seconds_per_step = 0;
    if (n == 0 || !(seconds > 0))
        return;
    *tokens_per_second = (double)(clock->tokens[last] - clock->tokens[first]) / seconds;
    *seconds_per_step = seconds / (double)n;
}

static bool is_cancelled(const struct trainer *trainer)
{
    const atomic_bool *cancel = trainer->settings->cancel;

    return cancel != NULL && atomic_load_explicit(cancel, memory_order_relaxed);
}

static bool is_finite(double number)
{
    return number - number == 0;
}

static enum status save(struct trainer *trainer, struct error *error)
{
    struct checkpoint checkpoint = {
        .settings = trainer->settings_text,
        .step = trainer->step,
        .n_tokens = trainer->n_tokens,
        .curve = trainer->curve,
        .n_points = trainer->n_points,
    };
    size_t n_parameters;
    struct parameter *parameters = network_parameters(trainer->network, &n_parameters);

    data_order_place(trainer->order, &checkpoint.epoch, &checkpoint.cursor);
    return checkpoint_write(trainer->settings->checkpoint_path, &checkpoint, parameters,
                            n_parameters, trainer->optimizer, error);
}

static enum status resume(struct trainer *trainer, struct error *error)
{
    struct checkpoint checkpoint = {.settings = trainer->settings_text};
    size_t n_parameters;
    struct parameter *parameters = network_parameters(trainer->network, &n_parameters);
    enum status status = checkpoint_read(trainer->settings->checkpoint_path, &checkpoint,
                                         parameters, n_parameters, trainer->optimizer, error);

    if (status == STATUS_NOT_FOUND) {
        error_clear(error);
        return STATUS_OK;
    }
    if (status != STATUS_OK)
        return status;
    trainer->step = checkpoint.step;
    trainer->n_tokens = checkpoint.n_tokens;
    trainer->curve = checkpoint.curve;
    trainer->n_points = trainer->room_points = checkpoint.n_points;
    data_order_seek(trainer->order, checkpoint.epoch, checkpoint.cursor);
    return STATUS_OK;
}

/* The mean loss over all held-out tokens; negative: there are none, or it was cancelled. */
static enum status measure_held_out(struct trainer *trainer, double *loss, struct error *error)
{
    double total = 0, n_predicted = 0;
    enum status status = STATUS_OK;
    struct data_step step;

    *loss = -1;
    data_order_seek(trainer->held_out, 0, 0);
    tape_record(trainer->tape, false);
    for (;;) {
        status = data_order_step(trainer->held_out, &step, error);
        if (status != STATUS_OK || step.n_batches == 0 || is_cancelled(trainer))
            break;
        for (size_t i = 0; i < step.n_batches && status == STATUS_OK; i++) {
            struct losses losses;

            tape_reset(trainer->tape);
            status = network_losses(trainer->network, trainer->tape, &step.batches[i], 0, 0, 0,
                                    &losses, error);
            if (status == STATUS_OK)
                total += (double)losses.main->data[0] * (double)step.n_predicted;
        }
        if (status != STATUS_OK)
            break;
        n_predicted += (double)step.n_predicted;
    }
    tape_record(trainer->tape, true);
    tape_reset(trainer->tape);
    if (status == STATUS_OK && n_predicted > 0 && !is_cancelled(trainer))
        *loss = total / n_predicted;
    return status;
}

/* Forward and back over one micro-batch. */
static enum status run_pass(struct trainer *trainer, const struct batch *batch, uint64_t index,
                            struct figures *figures, struct error *error)
{
    const struct train_settings *settings = trainer->settings;
    const uint64_t place[3] = {settings->seed, trainer->step, index};
    struct losses losses;
    enum status status;

    tape_reset(trainer->tape);
    status = network_losses(trainer->network, trainer->tape, batch, (float)settings->mtp_factor,
                            (float)settings->dropout, XXH3_64bits(place, sizeof place), &losses,
                            error);
    if (status != STATUS_OK)
        return status;
    figures->loss += (double)losses.main->data[0];
    if (losses.mtp != NULL) {
        figures->mtp_loss += (double)losses.mtp->data[0];
        figures->has_mtp = true;
    }
    if (!is_finite((double)losses.total->data[0])) {
        error_set(error, STATUS_FAILED, "the loss of step %" PRIu64 " is not finite",
                  trainer->step + 1);
        error_action(error, "a lower learning rate may help");
        return STATUS_FAILED;
    }
    return tape_backward(trainer->tape, losses.total, error);
}

/*
 * One step of the optimiser; CANCELLED leaves everything as it was before it, the gradients
 * but.
 */
static enum status run_step(struct trainer *trainer, struct figures *figures,
                            struct error *error)
{
    uint64_t epoch, cursor;
    struct data_step step;
    enum status status;

    data_order_place(trainer->order, &epoch, &cursor);
    status = data_order_step(trainer->order, &step, error);
    for (size_t i = 0; i < step.n_batches && status == STATUS_OK; i++) {
        if (is_cancelled(trainer)) {
            data_order_seek(trainer->order, epoch, cursor);
            return STATUS_CANCELLED;
        }
        status = run_pass(trainer, &step.batches[i], i, figures, error);
    }
    if (status != STATUS_OK)
        return status;
    status =
        optimizer_step(trainer->optimizer, trainer->pool, trainer->kernels,
                       schedule_rate(&trainer->schedule, trainer->step), &figures->norm, error);
    if (status != STATUS_OK) {
        error_where(error, "step %" PRIu64, trainer->step + 1);
        return status;
    }
    trainer->step++;
    trainer->n_tokens += step.n_tokens;
    return STATUS_OK;
}

static enum status add_point(struct trainer *trainer, const struct train_progress *progress,
                             struct error *error)
{
    if (trainer->n_points == trainer->room_points) {
        size_t room = trainer->room_points < 256 ? 256 : 2 * trainer->room_points;
        struct train_point *larger = realloc(trainer->curve, room * sizeof *larger);

        if (larger == NULL)
            return error_set(error, STATUS_NO_MEMORY, "no memory for the loss curve");
        trainer->curve = larger;
        trainer->room_points = room;
    }
    trainer->curve[trainer->n_points++] = (struct train_point){
        .step = progress->step,
        .loss = (float)progress->loss,
        .mtp_loss = (float)progress->mtp_loss,
        .held_out_loss = (float)progress->held_out_loss,
    };
    return STATUS_OK;
}

static bool is_due(uint64_t step, uint64_t interval, uint64_t n_steps)
{
    return step == n_steps || (interval > 0 && step % interval == 0);
}

/* What follows a step: measuring, the curve, the checkpoint, the word to the caller. */
static enum status finish_step(struct trainer *trainer, const struct figures *figures,
                               struct clock *clock, struct error *error)
{
    const struct train_settings *settings = trainer->settings;
    double seconds_per_step;
    struct train_progress progress = {
        .step = trainer->step,
        .n_steps = settings->n_steps,
        .loss = figures->loss,
        .mtp_loss = figures->has_mtp ? figures->mtp_loss : -1,
        .held_out_loss = -1,
        .rate = schedule_rate(&trainer->schedule, trainer->step - 1),
        .gradient_norm = figures->norm,
        .n_tokens = trainer->n_tokens,
    };
    enum status status = STATUS_OK;

    if (is_due(trainer->step, settings->held_out_interval, settings->n_steps))
        status = measure_held_out(trainer, &progress.held_out_loss, error);
    if (status == STATUS_OK)
        status = add_point(trainer, &progress, error);
    if (status == STATUS_OK && settings->checkpoint_path != NULL &&
        is_due(trainer->step, settings->checkpoint_interval, settings->n_steps)) {
        status = save(trainer, error);
        progress.saved = status == STATUS_OK;
    }
    clock_mark(clock, trainer->n_tokens);
    clock_speed(clock, &progress.tokens_per_second, &seconds_per_step);
    progress.seconds_left = seconds_per_step * (double)(settings->n_steps - trainer->step);
    if (status == STATUS_OK && settings->progress != NULL)
        settings->progress(settings->context, &progress);
    return status;
}

/* A training that was stopped while it measured measures that step now. */
static enum status complete_curve(struct trainer *trainer, struct error *error)
{
    const struct train_settings *settings = trainer->settings;
    struct train_point *last;
    double loss;
    enum status status;

    if (trainer->n_points == 0 ||
        !is_due(trainer->step, settings->held_out_interval, settings->n_steps))
        return STATUS_OK;
    last = &trainer->curve[trainer->n_points - 1];
    if (last->held_out_loss >= 0)
        return STATUS_OK;
    status = measure_held_out(trainer, &loss, error);
    last->held_out_loss = (float)loss;
    return status;
}

static enum status run_steps(struct trainer *trainer, struct error *error)
{
    struct clock clock = {0};
    enum status status = complete_curve(trainer, error);

    clock_mark(&clock, trainer->n_tokens);
    while (status == STATUS_OK && trainer->step < trainer->settings->n_steps) {
        struct figures figures = {0};

        status = run_step(trainer, &figures, error);
        if (status == STATUS_OK)
            status = finish_step(trainer, &figures, &clock, error);
    }
    if (status == STATUS_OK && is_cancelled(trainer))
        status = STATUS_CANCELLED;
    if (status != STATUS_CANCELLED)
        return status;
    if (trainer->settings->checkpoint_path != NULL) {
        enum status saved = save(trainer, error);

        if (saved != STATUS_OK)
            return saved;
    }
    return error_set(error, STATUS_CANCELLED, "stopped after step %" PRIu64, trainer->step);
}

static enum status write_model(struct trainer *trainer, struct error *error)
{
    const struct train_settings *settings = trainer->settings;
    const struct export_options options = {
        .mix = settings->out_type,
        .name = settings->name,
        .description = settings->description,
        .keys = trainer->keys,
        .copy_all_keys = settings->base_path != NULL,
        .sampling = settings->sampling,
    };

    return network_export(trainer->network, settings->out_path, &options, trainer->pool, error);
}

/* The curve goes over to the result. */
static void take_result(struct trainer *trainer, struct train_result *result)
{
    result->n_steps = trainer->step;
    result->n_tokens = trainer->n_tokens;
    if (trainer->network != NULL)
        result->n_parameters = network_parameter_count(trainer->network);
    result->curve = trainer->curve;
    result->n_points = trainer->n_points;
    trainer->curve = NULL;
    for (size_t i = 0; i < result->n_points; i++) {
        if (result->curve[i].held_out_loss >= 0)
            result->held_out_loss = (double)result->curve[i].held_out_loss;
    }
}

enum status train_run(const struct train_settings *settings, struct train_result *result,
                      struct error *error)
{
    struct trainer trainer;
    struct error ignored = {0};
    enum status status;

    if (error == NULL)
        error = &ignored;
    *result = (struct train_result){.held_out_loss = -1};
    status = trainer_new(&trainer, settings, error);
    if (status == STATUS_OK && settings->resume)
        status = resume(&trainer, error);
    if (status == STATUS_OK)
        status = run_steps(&trainer, error);
    if (status == STATUS_OK)
        status = write_model(&trainer, error);
    take_result(&trainer, result);
    trainer_release(&trainer);
    return status;
}

void train_result_release(struct train_result *result)
{
    free(result->curve);
    result->curve = NULL;
    result->n_points = 0;
}
