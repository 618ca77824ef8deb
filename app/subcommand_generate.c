/*
 * subcommand_generate.c - `banter generate`: continue a list of tokens
 *
 * No template: the tokens are read as they are given.  Sampling is what the chat would use; the
 * noise seed is that of the first answer of a conversation with this seed, so that the ids that
 * /prompt shows give the tokens that the chat gave.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/engine_settings.h"
#include "app/input.h"
#include "app/interrupt.h"
#include "app/json.h"
#include "app/policies.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "app/trace.h"
#include "config/config.h"

enum generate_output { GENERATE_IDS, GENERATE_TEXT, GENERATE_JSON };

struct generate {
    const struct invocation *invocation;
    struct model *model;           /* owned */
    struct session *session;       /* owned */
    struct model *draft_model;     /* owned; NULL: the policy asks none */
    struct session *draft_session; /* owned */
    struct policy_file policy_file;
    struct policy *policy; /* owned */
    struct trace *trace;   /* owned; NULL: none */
    struct token_list prompt, answer;
    struct text_buffer text; /* of the answer, for JSON */
    struct output output;
    enum generate_output format;
    bool special;
    struct error error; /* of the sink */
    uint64_t seed;
    struct generation generation;
    struct generation_result result;
    double started, loaded, first, ended; /* seconds; first: of the first token, 0: none came */
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void keep_id(struct token_list *list, int32_t id)
{
    /* Grow at powers of two. */
    if ((list->n_ids & (list->n_ids - 1)) == 0)
        list->ids = app_resize(list->ids, list->n_ids == 0 ? 1 : 2 * list->n_ids, sizeof id);
    list->ids[list->n_ids++] = id;
}

/* Bytes of one token: they join to the text of all, broken characters too. */
static bool take_text(struct generate *generate, int32_t id)
{
    char *bytes = NULL;
    size_t n_bytes = 0;
    bool good = true;

    if (model_detokenize(generate->model, &id, 1, generate->special, &bytes, &n_bytes,
                         &generate->error) != STATUS_OK)
        return false;
    if (generate->format == GENERATE_JSON)
        text_append(&generate->text, bytes, n_bytes);
    else
        good = output_text(&generate->output, bytes, n_bytes);
    free(bytes);
    return good;
}

static bool sink(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct generate *generate = context;

    (void)forced;
    (void)n_forced;
    if (generate->first <= 0)
        generate->first = seconds_now();
    keep_id(&generate->answer, id);
    if (generate->format == GENERATE_IDS)
        return output_printf(&generate->output, "%s%d", generate->answer.n_ids > 1 ? "," : "",
                             (int)id);
    return take_text(generate, id);
}

static json_t *statistics(const struct generate *generate)
{
    json_t *object = json_object();
    size_t n = generate->answer.n_ids;
    bool some = generate->first > 0;
    double decode = some ? generate->ended - generate->first : 0;

    json_put(object, "load_seconds", json_real(generate->loaded - generate->started));
    json_put(object, "prefill_seconds",
             json_real((some ? generate->first : generate->ended) - generate->loaded));
    json_put(object, "decode_seconds", json_real(decode));
    json_put(object, "tokens_per_second",
             json_real(n > 1 && decode > 0 ? (double)(n - 1) / decode : 0));
    json_put(object, "prompt_tokens", json_integer((json_int_t)generate->prompt.n_ids));
    json_put(object, "generated_tokens", json_integer((json_int_t)n));
    json_put(object, "threads", json_integer(session_thread_count(generate->session)));
    json_put(object, "context", json_integer(session_context(generate->session)));
    json_put(object, "policy_kind",
             json_string(policy_kind_name(generate->policy_file.settings.kind)));
    json_put(object, "speculation",
             json_policy_statistics(policy_statistics(generate->policy)));
    return object;
}

static void write_json(struct generate *generate)
{
    const struct generation_result *result = &generate->result;
    json_t *object = json_object();

    json_put(object, "model", json_model(model_info(generate->model)));
    json_put(object, "prompt_ids", json_ids(generate->prompt.ids, generate->prompt.n_ids));
    json_put(object, "ids", json_ids(generate->answer.ids, generate->answer.n_ids));
    json_put(object, "text", json_text(text_string(&generate->text), generate->text.n_bytes));
    json_put(object, "stop_reason", json_string(stop_reason_name(result->reason)));
    json_put(object, "stop_token",
             result->reason == STOP_TOKEN ? json_integer(result->stop_token) : json_null());
    json_put(object, "sampling", json_sampling(&generate->generation.sampling));
    json_put(object, "seed", json_seed(generate->seed));
    json_put(object, "noise_seed", json_seed(generate->generation.noise_seed));
    /* The reference level keeps them exact, whatever was asked for. */
    bool reference = model_info(generate->model)->level == KERNEL_LEVEL_REFERENCE;
    json_put(object, "kv",
             json_string(reference ? "f32" : config_values(generate->invocation->store)->kv));
    json_put(object, "policy",
             json_text(generate->policy_file.name, strlen(generate->policy_file.name)));
    json_put(object, "statistics", statistics(generate));
    json_write(&generate->output, object);
    json_decref(object);
}

static void choose_settings(struct generate *generate)
{
    const struct config *config = config_values(generate->invocation->store);
    enum thinking_mode mode = thinking_setting(config);
    struct sampling_choice choice = sampling_settings(generate->invocation->store);
    bool thinking = chat_can_think(generate->model) &&
                    (mode == THINKING_ON ||
                     (mode == THINKING_DEFAULT && chat_thinks_by_default(generate->model)));

    generate->seed = seed_setting(config);
    generate->generation = (struct generation){
        .sampling = sampling_for_model(generate->model, thinking, &choice),
        .noise_seed = sampling_noise_seed(generate->seed, 0, 0),
        .max_tokens = (size_t)config->max_tokens,
        .ignore_stop = generate->invocation->values[FLAG_IGNORE_EOS] != NULL,
        .cancel = interrupt_wanted(),
        .sink = sink,
        .context = generate,
        .policy = generate->policy,
    };
}

/* The draft model, where the policy asks one and there is one. */
static int open_draft(struct generate *generate)
{
    const char *path;
    int code = invocation_draft(generate->invocation, &generate->policy_file, &path);

    if (code == 0 && path != NULL)
        code = invocation_open_draft(generate->invocation, &generate->draft_model);
    if (code == 0 && path != NULL)
        code = invocation_new_session(generate->invocation, generate->draft_model,
                                      session_context(generate->session),
                                      &generate->draft_session);
    return code;
}

static int start_policy(struct generate *generate)
{
    struct error error = {0};
    int code = open_draft(generate);

    if (code != 0)
        return code;
    const struct policy_parts parts = {.session = generate->session,
                                       .draft = generate->draft_session};
    if (policy_new(&generate->policy, &generate->policy_file.settings, &parts, &error) !=
        STATUS_OK)
        return report_error(&error);
    if (generate->trace != NULL)
        policy_set_trace(generate->policy, trace_cycle, generate->trace);
    return 0;
}

/* Room for what was asked for, not for the longest that the model could take. */
static size_t context_wanted(const struct generate *generate)
{
    size_t n_max = (size_t)config_values(generate->invocation->store)->max_tokens;

    if (n_max == 0)
        return 0;
    size_t n_trained = model_info(generate->model)->n_context;
    return generate->prompt.n_ids + n_max < n_trained ? generate->prompt.n_ids + n_max
                                                      : n_trained;
}

static int generate_all(struct generate *generate)
{
    const struct session_hooks hooks = {.cancel = interrupt_wanted()};
    struct error error = {0}, notice = {0};
    int code = invocation_new_session(generate->invocation, generate->model,
                                      context_wanted(generate), &generate->session);

    if (code == 0)
        code = start_policy(generate);
    if (code != 0)
        return code;
    choose_settings(generate);
    generate->loaded = seconds_now();
    enum status status =
        session_generate(generate->session, generate->prompt.ids, generate->prompt.n_ids,
                         &generate->generation, &hooks, &generate->result, &error);
    generate->ended = seconds_now();
    if (trace_failed(generate->trace, &notice))
        report_error(&notice);
    if (status == STATUS_OK && generate->error.status != STATUS_OK)
        return report_error(&generate->error);
    if (status != STATUS_OK && status != STATUS_CANCELLED)
        return report_error(&error);
    if (status == STATUS_CANCELLED)
        generate->result.reason = STOP_CANCELLED;
    if (generate->format == GENERATE_JSON)
        write_json(generate);
    else if (generate->format == GENERATE_TEXT)
        output_end_text(&generate->output);
    else
        output_bytes(&generate->output, "\n", 1);
    interrupt_raise();
    if (generate->result.reason != STOP_CONTEXT)
        return 0;
    report("the context of %u tokens is full (--context gives more)",
           session_context(generate->session));
    return STATUS_CONTEXT_FULL;
}

static int read_arguments(struct generate *generate)
{
    const char *list = generate->invocation->values[FLAG_TOKENS];
    const char *format = generate->invocation->values[FLAG_OUTPUT];
    struct error error = {0};

    if (list == NULL)
        return usage_error(generate->invocation, "--tokens is missing");
    if (format != NULL && strcmp(format, "text") == 0)
        generate->format = GENERATE_TEXT;
    else if (format != NULL && strcmp(format, "json") == 0)
        generate->format = GENERATE_JSON;
    if (token_list_argument(&generate->prompt, list, &error) != STATUS_OK)
        return report_error(&error);
    if (generate->prompt.n_ids == 0)
        return usage_error(generate->invocation, "the list of tokens is empty");
    return 0;
}

static int read_policy(struct generate *generate)
{
    const char *path = config_values(generate->invocation->store)->trace;
    struct error error = {0};
    int code = invocation_policy(generate->invocation, &generate->policy_file);

    if (code == 0 && trace_open(&generate->trace, path, &error) != STATUS_OK)
        return report_error(&error);
    return code;
}

int subcommand_generate(struct invocation *invocation)
{
    struct generate generate = {
        .invocation = invocation,
        .special = invocation->values[FLAG_SPECIAL] != NULL,
        .started = seconds_now(),
    };
    int code = invocation_load(invocation);

    output_init(&generate.output, STDOUT_FILENO, "standard output",
                invocation->values[FLAG_RAW] != NULL);
    if (code == 0)
        code = read_arguments(&generate);
    if (code == 0)
        code = read_policy(&generate);
    if (code == 0) {
        interrupt_catch();
        code = invocation_open_model(invocation, false, &generate.model);
    }
    if (code == 0)
        code = generate_all(&generate);
    policy_free(&generate.policy);
    trace_close(&generate.trace);
    session_free(&generate.draft_session);
    model_close(&generate.draft_model);
    session_free(&generate.session);
    model_close(&generate.model);
    token_list_release(&generate.prompt);
    token_list_release(&generate.answer);
    text_release(&generate.text);
    int written = output_exit_code(&generate.output);
    return code != 0 ? code : written;
}
