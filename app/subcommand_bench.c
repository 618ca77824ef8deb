/*
 * subcommand_bench.c - `banter bench`: the word that says what is measured, and a quiet machine
 */
#include <string.h>
#include <time.h>

#include "app/bench.h"
#include "app/interrupt.h"
#include "app/load_watch.h"
#include "app/report.h"
#include "config/config.h"

enum { WAIT_MOST = 3600 * 1000, SLICE_MILLISECONDS = 250, LOOK_MILLISECONDS = 1000 };

static const double QUIET = 0.05; /* others' share of all processors, at most */

/* The flags that a mode knows besides those of output; FLAG_COUNT ends a list. */
static const enum flag flags_model[] = {FLAG_ROUNDS,     FLAG_TOKENS,         FLAG_ONLY,
                                        FLAG_QUICK,      FLAG_PROFILE,        FLAG_PLOT,
                                        FLAG_PEER,       FLAG_PEER_ARGUMENTS, FLAG_PEER_SECONDS,
                                        FLAG_WAIT_QUIET, FLAG_REQUIRE_QUIET,  FLAG_COUNT};
static const enum flag flags_machine[] = {FLAG_ROUNDS, FLAG_QUICK, FLAG_WAIT_QUIET,
                                          FLAG_REQUIRE_QUIET, FLAG_COUNT};
static const enum flag flags_policies[] = {FLAG_ROUNDS,     FLAG_TOKENS,        FLAG_DRAFT_COST,
                                           FLAG_WAIT_QUIET, FLAG_REQUIRE_QUIET, FLAG_COUNT};
static const enum flag flags_passes[] = {FLAG_ROUNDS, FLAG_TOKENS, FLAG_WAIT_QUIET,
                                         FLAG_REQUIRE_QUIET, FLAG_COUNT};
static const enum flag flags_train[] = {FLAG_WAIT_QUIET, FLAG_REQUIRE_QUIET, FLAG_COUNT};

static const struct mode {
    const char *name;
    int (*run)(const struct invocation *invocation);
    bool on_model;   /* takes the settings of the engine */
    bool with_draft; /* takes --draft-model */
    bool draws;      /* takes --ascii */
    const enum flag *flags;
} modes[] = {
    {"model", bench_model, true, false, true, flags_model},
    {"machine", bench_machine, false, false, false, flags_machine},
    {"train", bench_train, false, false, false, flags_train},
    {"policies", bench_policies, true, true, false, flags_policies},
    {"lanes", bench_lanes, true, false, false, flags_passes},
    {"verify", bench_verify, true, false, false, flags_passes},
};
enum { N_MODES = sizeof modes / sizeof *modes };

#define MODE_NAMES "model, machine, policies, lanes, verify or train"

static bool takes_setting(const struct mode *mode, const char *key)
{
    if (strcmp(key, "threads") == 0 || strcmp(key, "cpu") == 0)
        return true;
    if (strcmp(key, "ascii") == 0)
        return mode->draws;
    return strcmp(key, "draft_model") == 0 ? mode->with_draft : mode->on_model;
}

static bool takes_flag(const struct mode *mode, enum flag flag)
{
    const enum flag *known = mode->flags;

    while (*known != FLAG_COUNT && *known != flag)
        known++;
    return *known == flag || flag == FLAG_OUTPUT || flag == FLAG_JSON;
}

/* Flags that mean nothing to this mode are refused, as another command's are. */
static int check_flags(const struct invocation *invocation, const struct mode *mode)
{
    for (size_t i = 0; i < invocation->n_settings; i++) {
        const char *key = invocation->settings[2 * i];

        if (!takes_setting(mode, key))
            return usage_error(invocation, "\"bench %s\" has no option --%s", mode->name,
                               config_find(key)->flag);
    }
    for (const struct option_flag *flag = invocation->command->flags; flag->name != NULL;
         flag++) {
        if (invocation->values[flag->flag] != NULL && !takes_flag(mode, flag->flag))
            return usage_error(invocation, "\"bench %s\" has no option --%s", mode->name,
                               flag->name);
    }
    return 0;
}

/* A quiet machine -------------------------------------------------------------------------- */

static void pass_milliseconds(unsigned long n)
{
    const struct timespec time = {(time_t)(n / 1000), (long)(n % 1000) * 1000000};

    nanosleep(&time, NULL); /* a signal may end it: the caller looks */
}

/* Until others have taken next to nothing for `milliseconds`, or an interrupt comes. */
static int wait_quiet(uint64_t milliseconds)
{
    struct load_watch watch;
    uint64_t quiet = 0;

    load_watch_begin(&watch);
    if (!watch.known) {
        report("this system does not say what its processors do: --wait-quiet cannot wait");
        return STATUS_UNSUPPORTED;
    }
    while (quiet < milliseconds && !*interrupt_wanted()) {
        pass_milliseconds(SLICE_MILLISECONDS);
        const double share = load_watch_share(&watch);

        quiet = share > QUIET ? 0 : quiet + SLICE_MILLISECONDS;
        bench_progress("waiting: others use %.0f %% of the processors", 100 * share);
    }
    bench_progress(NULL);
    return 0;
}

static int check_quiet(void)
{
    struct load_watch watch;

    load_watch_begin(&watch);
    pass_milliseconds(LOOK_MILLISECONDS);
    const double share = load_watch_share(&watch);
    if (share < 0) {
        report("this system does not say what its processors do: --require-quiet cannot look");
        return STATUS_UNSUPPORTED;
    }
    if (share > QUIET) {
        report(
            "the machine is not quiet: others use %.0f %% of its processors (at most %.0f %% "
            "with --require-quiet)",
            100 * share, 100 * QUIET);
        return STATUS_FAILED;
    }
    return 0;
}

static int await_quiet(const struct invocation *invocation)
{
    uint64_t milliseconds = 0;
    int code = invocation_number(invocation, FLAG_WAIT_QUIET, 1, WAIT_MOST, &milliseconds);

    if (code != 0)
        return code;
    interrupt_catch();
    if (milliseconds > 0)
        code = wait_quiet(milliseconds);
    if (code == 0 && invocation->values[FLAG_REQUIRE_QUIET] != NULL)
        code = check_quiet();
    interrupt_raise();
    return code;
}

int subcommand_bench(struct invocation *invocation)
{
    int code = invocation_load(invocation);
    const char *name = invocation->n_arguments > 0 ? invocation->arguments[0] : "model";

    for (size_t i = 0; i < N_MODES && code == 0; i++) {
        if (strcmp(name, modes[i].name) != 0)
            continue;
        code = check_flags(invocation, &modes[i]);
        if (code == 0 && modes[i].run == bench_model) /* before a wait that may be long */
            code = bench_model_check(invocation);
        if (code == 0)
            code = await_quiet(invocation);
        return code == 0 ? modes[i].run(invocation) : code;
    }
    return code != 0 ? code
                     : usage_error(invocation,
                                   "\"%s\" is nothing that bench measures: " MODE_NAMES, name);
}
