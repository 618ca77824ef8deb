/*
 * oneshot.c - one answer without a screen: -p, or a prompt on standard input
 *
 * The answer alone goes to standard output, each piece as it comes; everything else to standard
 * error.  It runs through the same engine thread and events as the chat, so that the same message,
 * settings and seed give the same text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

struct oneshot {
    const struct invocation *invocation;
    const struct config *config;
    struct engine *engine; /* owned */
    struct text_buffer prompt;
    struct text_buffer answer, thinking; /* kept for JSON */
    struct output output;                /* standard output */
    struct output aside;                 /* standard error, for thinking */
    bool json;
    uint64_t seed;
    uint64_t request; /* 0: not submitted */
    struct sampling_choice sampling;
    struct policy_file policy;
    const char *draft_path; /* borrowed; NULL: the policy asks none */
    struct trace *trace;    /* owned; NULL: none */
    bool over;
    int code;
};

/* -p TEXT, standard input, or both with an empty line between. */
static int read_prompt(struct oneshot *shot)
{
    const char *text = shot->invocation->values[FLAG_PROMPT];
    bool terminal = isatty(STDIN_FILENO);
    struct text_buffer input = {0};
    struct error error = {0};

    if (text != NULL && strcmp(text, "-") != 0)
        text_add(&shot->prompt, text);
    else
        text = NULL;
    if (!terminal || text == NULL) {
        if (terminal)
            report("reading the prompt from the terminal, to the end of input (Ctrl-D)");
        if (input_read("-", &input, &error) != STATUS_OK) {
            text_release(&input);
            return report_error(&error);
        }
        /* As the shell's $(...) does: the newlines at the end are the line's, not the text's. */
        while (input.n_bytes > 0 && strchr("\r\n", input.bytes[input.n_bytes - 1]) != NULL)
            input.n_bytes--;
        if (input.n_bytes > 0 && shot->prompt.n_bytes > 0)
            text_add(&shot->prompt, "\n\n");
        text_append(&shot->prompt, input.bytes, input.n_bytes);
        text_release(&input);
    }
    if (shot->prompt.n_bytes == 0)
        return usage_error(shot->invocation, "the prompt is empty");
    return 0;
}

/* What goes wrong here goes wrong before the model is read. */
static int prepare_policy(struct oneshot *shot)
{
    struct error error = {0};
    int code = invocation_policy(shot->invocation, &shot->policy);

    if (code == 0 && shot->invocation->values[FLAG_ENGINE] == NULL)
        code = invocation_draft(shot->invocation, &shot->policy, &shot->draft_path);
    if (code == 0 && trace_open(&shot->trace, shot->config->trace, &error) != STATUS_OK)
        return report_error(&error);
    return code;
}

static int open_engine(struct oneshot *shot)
{
    const char *script = shot->invocation->values[FLAG_ENGINE];
    struct engine_options options;
    struct error error = {0};

    if (script == NULL && invocation_model_that_answers(shot->invocation) == NULL)
        return STATUS_NOT_FOUND;
    if (engine_settings(shot->invocation->store, &options, &error) != STATUS_OK)
        return report_error(&error);
    if (script != NULL) {
        options.script_path = script + strlen("script:");
        options.model_path = NULL;
    }
    if (engine_open(&shot->engine, &options, &error) != STATUS_OK)
        return report_error(&error);
    return 0;
}

static void finish(struct oneshot *shot, int code)
{
    shot->over = true;
    shot->code = code;
}

static void submit(struct oneshot *shot)
{
    const char *system = shot->config->system;
    struct chat_message messages[2];
    size_t n_messages = 0;
    struct error error = {0};

    if (system != NULL)
        messages[n_messages++] = (struct chat_message){
            .role = CHAT_SYSTEM, .text = system, .n_bytes = strlen(system)};
    messages[n_messages++] = (struct chat_message){
        .role = CHAT_USER, .text = shot->prompt.bytes, .n_bytes = shot->prompt.n_bytes};
    const struct model_info *info = engine_info(shot->engine);
    if (info != NULL && info->template_notice[0] != '\0')
        report("%s", info->template_notice);
    const struct engine_request request = {
        .messages = messages,
        .n_messages = n_messages,
        .thinking = thinking_setting(shot->config),
        .thinking_budget = (uint32_t)shot->config->think_budget,
        .sampling = shot->sampling,
        .conversation_seed = shot->seed,
        .message = 0,
        .variant = 0,
        .max_tokens = (size_t)shot->config->max_tokens,
        .policy = &shot->policy.settings,
        .draft_path = shot->draft_path,
        .trace = shot->trace != NULL ? trace_cycle : NULL,
        .trace_context = shot->trace,
    };
    if (engine_submit(shot->engine, &request, &shot->request, &error) != STATUS_OK)
        finish(shot, report_error(&error));
}

static void take_text(struct oneshot *shot, const struct engine_event *event)
{
    const char *bytes = event->text.bytes;
    size_t n_bytes = event->text.n_bytes;
    bool thinking = event->text.part == CHAT_PART_THINKING;
    bool good = true;

    if (!thinking && shot->aside.started && !shot->aside.newline)
        output_end_text(&shot->aside); /* on one terminal the answer begins a line */
    if (shot->json)
        text_append(thinking ? &shot->thinking : &shot->answer, bytes, n_bytes);
    else if (!thinking)
        good = output_text(&shot->output, bytes, n_bytes);
    /* What happens to standard error is no reason to lose the answer. */
    if (thinking && shot->config->show_thinking)
        output_text(&shot->aside, bytes, n_bytes);
    if (!good)
        finish(shot, 0); /* the exit code is the output's */
}

static void put_sampling(const struct oneshot *shot, json_t *object)
{
    const struct model *model = engine_model(shot->engine);
    enum thinking_mode mode = thinking_setting(shot->config);

    if (model == NULL)
        return; /* scripted */
    bool thinking =
        chat_can_think(model) &&
        (mode == THINKING_ON || (mode == THINKING_DEFAULT && chat_thinks_by_default(model)));
    struct sampling sampling = sampling_for_model(model, thinking, &shot->sampling);
    json_put(object, "sampling", json_sampling(&sampling));
}

static void write_json(struct oneshot *shot, const struct engine_event *event)
{
    const struct model_info *info = engine_info(shot->engine);
    json_t *object = json_object();

    if (info != NULL)
        json_put(object, "model", json_model(info));
    json_put(object, "answer", json_text(text_string(&shot->answer), shot->answer.n_bytes));
    json_put(object, "thinking",
             json_text(text_string(&shot->thinking), shot->thinking.n_bytes));
    json_put(object, "stop_reason", json_string(stop_reason_name(event->done.reason)));
    put_sampling(shot, object);
    json_put(object, "seed", json_seed(shot->seed));
    json_put(object, "noise_seed", json_seed(event->done.statistics.noise_seed));
    json_put(object, "policy", json_text(shot->policy.name, strlen(shot->policy.name)));
    json_put(object, "statistics", json_statistics(&event->done.statistics));
    json_write(&shot->output, object);
    json_decref(object);
}

static void take_done(struct oneshot *shot, const struct engine_event *event)
{
    int code = 0;

    if (shot->json)
        write_json(shot, event);
    if (event->done.reason == STOP_CONTEXT) {
        report("the context of %u tokens is full: the answer is cut (--context gives more)",
               event->done.statistics.n_context);
        code = STATUS_CONTEXT_FULL;
    } else if (event->done.reason == STOP_LENGTH) {
        report("the answer is cut at --max-tokens %lld", (long long)shot->config->max_tokens);
    }
    finish(shot, code);
}

static void take_event(struct oneshot *shot, const struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_READY: submit(shot); break;
    case ENGINE_LOAD_FAILED: finish(shot, report_error(&event->failure)); break;
    case ENGINE_LOADING:
    case ENGINE_PREFILL:
    case ENGINE_POLICY:
    case ENGINE_LANE_DONE:
    case ENGINE_CHECK:
    case ENGINE_SETTLED: break;
    case ENGINE_TEXT: take_text(shot, event); break;
    case ENGINE_DONE: take_done(shot, event); break;
    case ENGINE_FAILED:
        finish(shot,
               event->failure.status == STATUS_CANCELLED ? 0 : report_error(&event->failure));
        break;
    }
}

static void run(struct oneshot *shot)
{
    bool cancelled = false;

    while (!shot->over) {
        struct engine_event event;

        while (!shot->over && engine_next_event(shot->engine, &event))
            take_event(shot, &event);
        if (shot->over)
            break;
        if (atomic_load(interrupt_wanted()) && !cancelled) {
            if (shot->request == 0)
                break; /* still loading: engine_close() stops that */
            engine_cancel(shot->engine);
            cancelled = true;
        }
        double stopped = interrupt_wait(engine_event_fd(shot->engine));
        if (stopped > 0)
            engine_add_suspended(shot->engine, stopped);
    }
}

int oneshot(struct invocation *invocation)
{
    const char *format = invocation->values[FLAG_OUTPUT];
    struct oneshot shot = {
        .invocation = invocation,
        .config = config_values(invocation->store),
        .json = format != NULL && strcmp(format, "json") == 0,
        .sampling = sampling_settings(invocation->store),
    };
    struct error notice = {0};
    int code = read_prompt(&shot);

    if (code == 0)
        code = prepare_policy(&shot);
    if (code == 0) {
        shot.seed = seed_setting(shot.config);
        output_init(&shot.output, STDOUT_FILENO, "standard output",
                    invocation->values[FLAG_RAW] != NULL);
        output_init(&shot.aside, STDERR_FILENO, "standard error", false);
        interrupt_catch();
        interrupt_hold();
        code = open_engine(&shot);
    }
    if (code == 0) {
        run(&shot);
        output_end_text(&shot.aside);
        if (!shot.json)
            output_end_text(&shot.output);
        code = shot.code;
    }
    engine_close(&shot.engine);
    if (trace_failed(shot.trace, &notice))
        report_error(&notice);
    trace_close(&shot.trace);
    text_release(&shot.prompt);
    text_release(&shot.answer);
    text_release(&shot.thinking);
    interrupt_raise();
    int written = output_exit_code(&shot.output);
    return code != 0 ? code : written;
}
