/*
 * bench_model.c - `banter bench` and `banter bench model`: every figure of a model, in turns
 *
 * Round by round over all figures, so that a swing of the machine meets all of them.  A figure whose
 * measurements take long is left out of later rounds once it has had its share of time.
 */
#include "app/bench_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/bench_peer.h"
#include "app/bench_profile.h"
#include "app/engine_settings.h"
#include "app/interrupt.h"
#include "app/report.h"
#include "config/config.h"
#include "engine/measure.h"

enum {
    ROUNDS_DEFAULT = 5,
    ROUNDS_QUICK = 2,
    ROUNDS_MOST = 1000,
    TOKENS_DEFAULT = 128,
    TOKENS_QUICK = 32,
    TOKENS_LEAST = 32,
    TOKENS_MOST = 1 << 16,
    DEPTH_MOST = 16384,
    SPARE_POSITIONS = 64,
    START_DEPTH = 256, /* in front of what verify and state measure */
    MADE_TOKENS = 4096,
    LIMIT_ROUNDS = 5,
    PEER_SECONDS = 900,
    PEER_SECONDS_MOST = 24 * 3600,
    TRIES = 4 /* of a measurement, where the machine has to be quiet */
};

static const double FIGURE_SECONDS = 20, FIGURE_SECONDS_QUICK = 3;
static const double DECODE_SECONDS = 6; /* of one measurement, at most */
static const double LOOK_SECONDS = 0.25, MOMENT_SECONDS = 0.05;
static const double DISTURBED = 0.05;

static const char *const part_names[PART_COUNT] = {
    [PART_LOAD] = "load",       [PART_FIRST_TOKEN] = "first-token",
    [PART_PREFILL] = "prefill", [PART_DECODE] = "decode",
    [PART_VERIFY] = "verify",   [PART_LANES] = "lanes",
    [PART_STATE] = "state",     [PART_HEAD] = "head",
    [PART_MODES] = "modes",     [PART_PROFILE] = "profile",
    [PART_PEER] = "peer",
};

double bench_seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool bench_has_room(const struct model_bench *bench, uint32_t n_positions)
{
    return n_positions <= session_context(bench->session);
}

/* Taking figures --------------------------------------------------------------------------- */

/* A reading that is hardly over serves for two figures. */
static struct machine_moment moment_now(struct model_bench *bench, bool anew)
{
    if (anew || bench_seconds_now() - bench->moment_at > MOMENT_SECONDS) {
        bench->moment = machine_moment(bench->machine);
        bench->moment_at = bench_seconds_now();
    }
    return bench->moment;
}

/* The share that others took, or -1 where too little time has passed to say. */
static double look(struct model_bench *bench)
{
    return load_watch_age(&bench->watch) < LOOK_SECONDS ? -1 : load_watch_share(&bench->watch);
}

/* *counts: was it kept? */
static enum status take_once(struct model_bench *bench, struct figure *figure, double *others,
                             bool *counts, struct error *error)
{
    const struct machine_moment before = moment_now(bench, false);
    double seconds = 0;
    const enum status status = figure->measure(bench, figure, &seconds, error);

    *counts = false;
    if (status != STATUS_OK)
        return status;
    const struct machine_moment after = moment_now(bench, true);
    *others = look(bench);
    if (*others > figure->disturbed_most)
        figure->disturbed_most = *others;
    if (*others > DISTURBED && bench->require_quiet)
        return STATUS_OK;
    *counts = true;
    figure->n_disturbed += *others > DISTURBED;
    if (seconds > 0) /* a difference that noise swallowed says nothing */
        figure_take(figure, seconds, &before, &after);
    return STATUS_OK;
}

static enum status take(struct model_bench *bench, struct figure *figure, struct error *error)
{
    const double start = bench_seconds_now();
    double others = 0;
    bool counts = false;

    for (int i = 0; i < TRIES && !counts; i++) {
        const size_t n_ratios = figure->ratio.n;
        const enum status status = take_once(bench, figure, &others, &counts, error);

        if (status != STATUS_OK)
            return status;
        if (!counts)
            figure->ratio.n = n_ratios;
    }
    figure->spent += bench_seconds_now() - start;
    if (counts)
        return STATUS_OK;
    return error_set(error, STATUS_FAILED,
                     "the machine is not quiet: during \"%s\" others used %.0f %% of its "
                     "processors",
                     figure->name, 100 * others);
}

static bool wants(const struct model_bench *bench, const struct figure *figure)
{
    const double budget = bench->quick ? FIGURE_SECONDS_QUICK : FIGURE_SECONDS;
    const size_t n = figure->seconds.n;

    return bench->fixed_rounds || n == 0 || figure->spent + figure->spent / (double)n <= budget;
}

static enum status take_all(struct model_bench *bench, struct figures *figures,
                            struct error *error)
{
    for (uint64_t round = 0; round < bench->n_rounds; round++) {
        for (size_t i = 0; i < figures->n; i++) {
            struct figure *figure = &figures->figures[i];
            enum status status = STATUS_OK;

            if (!wants(bench, figure))
                continue;
            if (*interrupt_wanted())
                return error_set(error, STATUS_CANCELLED, "stopped");
            bench_progress("round %llu/%llu, %s", (unsigned long long)round + 1,
                           (unsigned long long)bench->n_rounds, figure->name);
            status = take(bench, figure, error);
            if (status != STATUS_OK)
                return status;
        }
    }
    return STATUS_OK;
}

/* Opening ---------------------------------------------------------------------------------- */

enum status bench_open_file(const struct model_bench *bench, struct model **model,
                            struct error *error)
{
    struct engine_options settings;
    const enum status status = engine_settings(bench->invocation->store, &settings, error);
    const struct model_options options = {
        .level = settings.level,
        .n_threads = settings.n_threads,
        .template_name = settings.template_name,
        .cancel = interrupt_wanted(),
    };

    return status == STATUS_OK ? model_open(model, bench->path, &options, error) : status;
}

static enum status open_session(struct model_bench *bench, struct error *error)
{
    const struct model_info *info = model_info(bench->model);
    const uint64_t wanted = DEPTH_MOST + TOKENS_DEFAULT + bench->n_tokens + SPARE_POSITIONS;
    struct engine_options settings;
    enum status status = engine_settings(bench->invocation->store, &settings, error);
    const struct session_options options = {
        .n_threads = settings.n_threads,
        .n_context = settings.n_context != 0    ? settings.n_context
                     : wanted < info->n_context ? (uint32_t)wanted
                                                : info->n_context,
        .kv = settings.kv,
        .chunk = settings.chunk,
    };

    if (status == STATUS_OK)
        status = session_new(&bench->session, bench->model, &options, error);
    bench->kv_bytes = info->kv_bytes_per_token;
    if (settings.kv == KV_F32 || info->level == KERNEL_LEVEL_REFERENCE)
        bench->kv_bytes *= 2;
    bench->logits = app_resize(NULL, (size_t)LANES_MAX * info->n_vocab, sizeof *bench->logits);
    bench->n_made = MADE_TOKENS;
    bench->tokens = app_resize(NULL, bench->n_made, sizeof *bench->tokens);
    for (uint32_t i = 0; i < bench->n_made; i++)
        bench->tokens[i] = (int32_t)((i * 104729u + 5) % info->n_vocab);
    return status;
}

/* The time of a step, and how many of them a measurement of decoding takes. */
static enum status time_step(struct model_bench *bench, struct error *error)
{
    enum status status = STATUS_OK;
    uint64_t n = bench->quick ? TOKENS_QUICK : TOKENS_DEFAULT;

    for (int i = 0; i < 3 && status == STATUS_OK; i++) {
        const double start = bench_seconds_now();

        status =
            session_eval(bench->session, &bench->tokens[i], 1, 1, bench->logits, NULL, error);
        bench->step_seconds = bench_seconds_now() - start;
    }
    while (n > TOKENS_LEAST && (double)n * bench->step_seconds > DECODE_SECONDS)
        n /= 2;
    if (bench->n_tokens == 0)
        bench->n_tokens = n;
    return status;
}

/* Behind tokens that were never read: a model of any size is there at once. */
static enum status make_start(struct model_bench *bench, struct error *error)
{
    const uint32_t room = session_context(bench->session);
    const uint32_t depth = START_DEPTH;
    enum status status;

    if (room < depth + MEASURE_ROWS_MAX + 8)
        return STATUS_OK; /* parts that need it are left out */
    status = measure_depth(bench->session, depth, error);
    if (status == STATUS_OK)
        status = session_snapshot(bench->session, &bench->start, error);
    return status;
}

static enum status open_all(struct model_bench *bench, struct error *error)
{
    enum status status;

    bench_progress("opening the model");
    bench->resident.before = bench_resident_bytes(false);
    bench_resident_reset();
    status = bench_open_file(bench, &bench->model, error);
    if (status == STATUS_OK)
        status = open_session(bench, error);
    if (status == STATUS_OK)
        status = time_step(bench, error);
    if (status != STATUS_OK)
        return status;
    bench->resident.state = session_state_bytes(bench->session);
    bench->resident.open = bench_resident_bytes(false);
    bench->resident.most = bench_resident_bytes(true);
    return make_start(bench, error);
}

/* Does a part measure on the open model? */
static bool needs_model(const struct model_bench *bench)
{
    for (int part = PART_PREFILL; part < PART_COUNT; part++) {
        if (bench->parts[part])
            return true;
    }
    return bench->parts[PART_LOAD]; /* its memory */
}

static enum status measure(struct model_bench *bench, enum kernel_level level, int n_threads,
                           struct error *error)
{
    enum status status =
        limits_measure(&bench->limits, level, n_threads,
                       bench->n_rounds < LIMIT_ROUNDS ? bench->n_rounds : LIMIT_ROUNDS,
                       &bench->machine, error);

    if (status != STATUS_OK)
        return status;
    load_watch_begin(&bench->watch);
    bench_add_opening(bench);
    status = take_all(bench, &bench->opening, error);
    if (status != STATUS_OK || !needs_model(bench))
        return status;
    status = open_all(bench, error);
    if (status != STATUS_OK)
        return status;
    bench_add_passes(bench);
    bench_add_states(bench);
    status = take_all(bench, &bench->figures, error);
    if (status == STATUS_OK && bench->parts[PART_PROFILE])
        status = bench_profile(bench, error);
    if (status == STATUS_OK && bench->parts[PART_PEER])
        status = bench_peer(bench, error);
    return status;
}

static void release(struct model_bench *bench)
{
    limits_release(&bench->limits);
    machine_free(&bench->machine);
    figures_release(&bench->opening);
    figures_release(&bench->figures);
    bench_profile_release(bench);
    bench_peer_release(bench);
    snapshot_free(&bench->start);
    snapshot_free(&bench->system);
    snapshot_free(&bench->prompt);
    for (int i = 1; i < LANES_MAX; i++)
        session_free(&bench->lanes[i]);
    session_free(&bench->session);
    model_close(&bench->model);
    free(bench->logits);
    free(bench->tokens);
}

/* The command line ------------------------------------------------------------------------- */

static int choose_parts(struct model_bench *bench, const struct invocation *invocation)
{
    const char *list = invocation->values[FLAG_ONLY];

    for (int part = 0; part < PART_PROFILE; part++)
        bench->parts[part] = list == NULL;
    bench->parts[PART_PROFILE] = invocation->values[FLAG_PROFILE] != NULL;
    bench->parts[PART_PEER] = invocation->values[FLAG_PEER] != NULL;
    for (const char *word = list; word != NULL && *word != '\0';) {
        const size_t n = strcspn(word, ",");
        int part = 0;

        while (part < PART_COUNT &&
               (strlen(part_names[part]) != n || strncmp(part_names[part], word, n) != 0))
            part++;
        if (part == PART_COUNT)
            return usage_error(invocation,
                               "--only takes load, first-token, prefill, decode, verify, "
                               "lanes, state, head, modes, profile, peer, got \"%.*s\"",
                               (int)(n < 40 ? n : 40), word);
        bench->parts[part] = true;
        word += n + (word[n] == ',');
    }
    if (list != NULL && *list == '\0')
        return usage_error(invocation, "--only names no part");
    if (bench->parts[PART_PEER] && invocation->values[FLAG_PEER] == NULL)
        return usage_error(invocation, "the part peer needs --peer PATH");
    if (invocation->values[FLAG_PEER] == NULL &&
        (invocation->values[FLAG_PEER_ARGUMENTS] != NULL ||
         invocation->values[FLAG_PEER_SECONDS] != NULL))
        return usage_error(invocation, "--peer-arguments and --peer-seconds need --peer PATH");
    return 0;
}

static int read_flags(struct model_bench *bench, const struct invocation *invocation)
{
    int code = choose_parts(bench, invocation);

    bench->quick = invocation->values[FLAG_QUICK] != NULL;
    bench->require_quiet = invocation->values[FLAG_REQUIRE_QUIET] != NULL;
    bench->fixed_rounds = invocation->values[FLAG_ROUNDS] != NULL;
    bench->n_rounds = bench->quick ? ROUNDS_QUICK : ROUNDS_DEFAULT;
    if (code == 0)
        code = invocation_number(invocation, FLAG_ROUNDS, 1, ROUNDS_MOST, &bench->n_rounds);
    if (code == 0)
        code = invocation_number(invocation, FLAG_TOKENS, 1, TOKENS_MOST, &bench->n_tokens);
    bench->peer_seconds = PEER_SECONDS;
    if (code == 0)
        code = invocation_number(invocation, FLAG_PEER_SECONDS, 1, PEER_SECONDS_MOST,
                                 &bench->peer_seconds);
    return code;
}

int bench_model_check(const struct invocation *invocation)
{
    struct model_bench unused = {.invocation = invocation};

    return read_flags(&unused, invocation);
}

int bench_model(const struct invocation *invocation)
{
    const struct config *config = config_values(invocation->store);
    struct model_bench bench = {.invocation = invocation};
    struct error error = {0};
    enum kernel_level level;
    int code = read_flags(&bench, invocation);

    if (code != 0)
        return code;
    if (!kernel_level_choose(config->cpu, &level))
        return usage_error(invocation, "no kernel level is called \"%s\"", config->cpu);
    bench.path = invocation_model_that_answers(invocation);
    if (bench.path == NULL)
        return STATUS_NOT_FOUND;
    interrupt_catch();
    const enum status status = measure(&bench, level, (int)config->threads, &error);
    bench_progress(NULL);
    bench.cancelled = status == STATUS_CANCELLED || *interrupt_wanted();
    if (status != STATUS_OK && !bench.cancelled)
        code = report_error(&error);
    else
        code = bench_print(invocation, &bench, bench_model_json, bench_model_write);
    release(&bench);
    interrupt_raise();
    return code;
}
