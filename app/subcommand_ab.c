/*
 * subcommand_ab.c - `banter ab`: two decode policies, the same answers, which is faster
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/compare_report.h"
#include "app/engine_settings.h"
#include "app/interrupt.h"
#include "app/json.h"
#include "app/policies.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "config/config.h"
#include "ui/ui.h"

enum { ROUNDS_DEFAULT = 2, ROUNDS_MAX = 1000, TOKENS_DEFAULT = 256 };

struct ab {
    const struct invocation *invocation;
    const struct config *config;
    struct policy_file files[SIDE_COUNT];
    struct model *model, *draft_model;   /* owned */
    struct session *session, *draft;     /* owned */
    struct policy *policies[SIDE_COUNT]; /* owned */
    struct prompts prompts;
    struct sampling_choice sampling;
    uint64_t n_rounds, max_tokens, seed;
    struct comparison comparison;
    bool told; /* a line of progress is on the terminal */
};

static int read_policy(struct ab *ab, int side, const char *name)
{
    struct config_error error;

    if (policies_read(name, &ab->files[side], &error))
        return 0;
    if (error.path[0] == '\0')
        return usage_error(ab->invocation, "--%s: %s", side == SIDE_A ? "a" : "b", error.what);
    report_config_errors(&error, 1, 1);
    return STATUS_CONFIG;
}

static bool is_file(const char *word)
{
    const size_t n = strlen(word);
    struct stat status;

    return strcmp(word, "-") == 0 || (n > 6 && strcmp(word + n - 6, ".jsonl") == 0) ||
           (stat(word, &status) == 0 && S_ISREG(status.st_mode));
}

static int read_arguments(struct ab *ab)
{
    const struct invocation *invocation = ab->invocation;
    const char *a = invocation->values[FLAG_A], *b = invocation->values[FLAG_B];
    int code;

    if (invocation->n_arguments == 0)
        return usage_error(invocation, "prompts are missing: a file of them, or a text");
    ab->n_rounds = ROUNDS_DEFAULT;
    code = invocation_number(invocation, FLAG_ROUNDS, 1, ROUNDS_MAX, &ab->n_rounds);
    if (code == 0)
        code = read_policy(ab, SIDE_A, a != NULL ? a : policy_kind_name(POLICY_GREEDY));
    if (code == 0)
        code = read_policy(ab, SIDE_B, b != NULL ? b : ab->config->policy);
    ab->sampling = sampling_settings(invocation->store);
    ab->seed = seed_setting(ab->config);
    ab->max_tokens = ab->config->max_tokens > 0 ? (uint64_t)ab->config->max_tokens
                                                : (uint64_t)TOKENS_DEFAULT;
    return code;
}

static int read_prompts(struct ab *ab)
{
    struct error error = {0};

    ab->prompts = (struct prompts){.model = ab->model,
                                   .thinking = thinking_setting(ab->config),
                                   .system = ab->config->system};
    for (size_t i = 0; i < ab->invocation->n_arguments; i++) {
        const char *word = ab->invocation->arguments[i];
        const enum status status =
            is_file(word) ? prompts_add_file(&ab->prompts, word, &error)
                          : prompts_add_text(&ab->prompts, word, strlen(word), &error);

        if (status != STATUS_OK)
            return report_error(&error);
    }
    return 0;
}

static bool wants_draft(const struct policy_settings *settings)
{
    for (uint32_t i = 0; i < settings->n_sources; i++) {
        if (settings->sources[i] == POLICY_SOURCE_DRAFT)
            return true;
    }
    return false;
}

/* The policies stay for all prompts, as in a chat: what they learn of costs goes on. */
static int open_policies(struct ab *ab, size_t n_context)
{
    struct error error = {0};
    int code = 0;

    if (wants_draft(&ab->files[SIDE_A].settings) || wants_draft(&ab->files[SIDE_B].settings))
        code = invocation_open_draft(ab->invocation, &ab->draft_model);
    if (code == 0 && ab->draft_model != NULL)
        code = invocation_new_session(ab->invocation, ab->draft_model, n_context, &ab->draft);
    for (int side = 0; side < SIDE_COUNT && code == 0; side++) {
        const struct policy_settings *settings = &ab->files[side].settings;
        const struct policy_parts parts = {.session = ab->session,
                                           .draft = wants_draft(settings) ? ab->draft : NULL};

        if (policy_new(&ab->policies[side], settings, &parts, &error) != STATUS_OK) {
            error_where(&error, "policy %s", ab->files[side].name);
            code = report_error(&error);
        }
    }
    return code;
}

static int open_all(struct ab *ab)
{
    int code = invocation_open_model_that_answers(ab->invocation, &ab->model);

    if (code == 0)
        code = read_prompts(ab);
    if (code != 0)
        return code;
    const size_t n_context = session_context_choice(
        (uint32_t)(ab->prompts.longest + ab->max_tokens + 1), model_info(ab->model)->n_context);
    code = invocation_new_session(ab->invocation, ab->model, n_context, &ab->session);
    return code == 0 ? open_policies(ab, n_context) : code;
}

static void progress(void *context, const struct comparison *comparison, size_t prompt,
                     size_t round)
{
    struct ab *ab = context;

    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\rprompt %zu/%zu, round %zu/%zu, %zu of %zu identical\033[K", prompt + 1,
            comparison->n_prompts, round + 1, comparison->n_rounds, comparison->n_identical,
            comparison->n_answers);
    fflush(stderr);
    ab->told = true;
}

static int compare(struct ab *ab)
{
    const struct comparison_plan plan = {
        .prompts = &ab->prompts,
        .n_rounds = (size_t)ab->n_rounds,
        .session = ab->session,
        .draft = ab->draft,
        .policies = {ab->policies[SIDE_A], ab->policies[SIDE_B]},
        .max_tokens = (size_t)ab->max_tokens,
        .ignore_stop = ab->invocation->values[FLAG_IGNORE_EOS] != NULL,
        .sampling = &ab->sampling,
        .seed = ab->seed,
        .cancel = interrupt_wanted(),
        .progress = progress,
        .context = ab,
    };
    struct error error = {0};
    const enum status status = comparison_run(&ab->comparison, &plan, &error);

    if (ab->told)
        fprintf(stderr, "\r\033[K");
    return status == STATUS_OK ? 0 : report_error(&error);
}

static int write_result(const struct ab *ab)
{
    const char *format = ab->invocation->values[FLAG_OUTPUT];
    const struct comparison *comparison = &ab->comparison;
    struct comparison_subject subject = {
        .model = ab->model,
        .draft = ab->draft_model,
        .sampling = &ab->sampling,
        .seed = ab->seed,
        .n_threads = session_thread_count(ab->session),
    };
    char names[SIDE_COUNT][POLICY_NAME_ROOM * 4];
    struct output output;

    for (int side = 0; side < SIDE_COUNT; side++) {
        ui_filter_line(ab->files[side].name, strlen(ab->files[side].name), names[side],
                       sizeof names[side]);
        subject.names[side] = names[side];
        subject.kinds[side] = ab->files[side].settings.kind;
    }
    output_init(&output, STDOUT_FILENO, "standard output", false);
    if (ab->invocation->values[FLAG_JSON] != NULL ||
        (format != NULL && strcmp(format, "json") == 0)) {
        json_t *object = comparison_json(comparison, &subject);

        json_write(&output, object);
        json_decref(object);
    } else {
        comparison_write_table(comparison, &subject, &output);
    }
    const int written = output_exit_code(&output);
    if (comparison->n_identical < comparison->n_answers) {
        report("the answers differ: a policy must never change the text, so this is a fault of "
               "banter");
        return STATUS_FAILED;
    }
    return written;
}

static void release(struct ab *ab)
{
    comparison_release(&ab->comparison);
    prompts_release(&ab->prompts);
    for (int side = 0; side < SIDE_COUNT; side++)
        policy_free(&ab->policies[side]);
    session_free(&ab->draft);
    session_free(&ab->session);
    model_close(&ab->draft_model);
    model_close(&ab->model);
}

int subcommand_ab(struct invocation *invocation)
{
    struct ab ab = {.invocation = invocation};
    int code = invocation_load(invocation);

    if (code != 0)
        return code;
    ab.config = config_values(invocation->store);
    code = read_arguments(&ab);
    if (code == 0) {
        interrupt_catch();
        code = open_all(&ab);
    }
    if (code == 0)
        code = compare(&ab);
    if (code == 0)
        code = write_result(&ab);
    release(&ab);
    interrupt_raise();
    return code;
}
