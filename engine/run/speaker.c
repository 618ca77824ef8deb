/*
 * speaker.c - one answer on its way from tokens to events
 */
#include <string.h>

#include "engine/run/model_source.h"

enum { POLICY_NANOSECONDS = 100 * 1000 * 1000 }; /* between two events with its figures */

/* The token that spells </think>, out of the sequence that closes a block. */
static int32_t end_thinking_token(const struct model *model)
{
    static const char spelled[] = "</think>";
    size_t n_ids = 0;
    const int32_t *ids = chat_end_thinking_ids(model, &n_ids);

    for (size_t i = 0; i < n_ids; i++) {
        size_t n_bytes;
        const char *text = model_token_text(model, ids[i], &n_bytes);
        if (text != NULL && n_bytes == sizeof spelled - 1 &&
            memcmp(text, spelled, n_bytes) == 0)
            return ids[i];
    }
    return -1;
}

enum status speaker_init(struct speaker *speaker, struct answering *answering,
                         int64_t submitted, struct error *error)
{
    const struct model *model = answering->source->model;

    *speaker = (struct speaker){.answering = answering,
                                .thinking = answering->prompt.thinking,
                                .end_thinking = end_thinking_token(model)};
    meter_init(&speaker->meter, answering->link->clock, submitted);
    return chat_splitter_new(&speaker->splitter, model, speaker->thinking, error);
}

void speaker_release(struct speaker *speaker)
{
    meter_release(&speaker->meter);
    chat_splitter_free(&speaker->splitter);
    byte_buffer_release(&speaker->tokens);
}

/* The answer's own text and ids are kept for its history form; those of lanes are not. */
static bool keep(struct speaker *speaker, const struct run_text *text)
{
    struct model_source *source = speaker->answering->source;

    if (speaker->answering->request->wanted.n_lanes > 0)
        return true;
    if (text->part == CHAT_PART_ANSWER &&
        !byte_buffer_append(&source->answer, text->bytes, text->n_bytes))
        return false;
    return byte_buffer_append(&source->answer_ids, text->ids, text->n_ids * sizeof *text->ids);
}

static bool say(struct speaker *speaker, struct run_text *text)
{
    const struct answering *answering = speaker->answering;

    text->lane = speaker->lane;
    text->round = speaker->round;
    const bool good = keep(speaker, text) &&
                      run_push_text(answering->link, answering->request, &speaker->meter, text);
    speaker->no_memory = speaker->no_memory || !good;
    return good;
}

static void tell_policy(struct speaker *speaker, int64_t now)
{
    const struct answering *answering = speaker->answering;

    if (speaker->policy == NULL || now - speaker->policy_told < POLICY_NANOSECONDS)
        return;
    speaker->policy_told = now;
    run_push_policy(answering->link, answering->request, speaker->lane,
                    policy_statistics(speaker->policy));
}

static void end_by_budget(struct speaker *speaker, const int32_t **forced, size_t *n_forced)
{
    const struct answering *answering = speaker->answering;
    const uint32_t budget = answering->request->wanted.thinking_budget;

    if (!speaker->thinking || budget == 0 || speaker->ended_by_budget ||
        speaker->meter.n_thinking < budget)
        return;
    *forced = chat_end_thinking_ids(answering->source->model, n_forced);
    speaker->ended_by_budget = true;
}

bool speaker_take(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct speaker *speaker = context;
    const bool thinking = speaker->thinking;
    const int64_t now = run_clock_now();
    struct run_text text = {.ids = &id};
    bool counts;

    if (speaker->policy != NULL)
        text.source = policy_token_source(speaker->policy);
    chat_splitter_token(speaker->splitter, id, &text.part, &text.bytes, &text.n_bytes, &counts);
    text.n_ids = counts ? 1 : 0;
    if (id == speaker->end_thinking)
        speaker->thinking = false;
    meter_token(&speaker->meter, now, thinking);
    if (speaker->keeps_tokens && !byte_buffer_append(&speaker->tokens, &id, sizeof id))
        speaker->no_memory = true;
    if (!say(speaker, &text) || speaker->no_memory)
        return false;
    tell_policy(speaker, now);
    end_by_budget(speaker, forced, n_forced);
    return true;
}

enum status speaker_finish(struct speaker *speaker, struct error *error)
{
    struct run_text text = {.n_ids = 0};

    chat_splitter_finish(speaker->splitter, &text.part, &text.bytes, &text.n_bytes);
    if (text.n_bytes > 0)
        say(speaker, &text);
    if (speaker->no_memory)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the answer's text");
    return STATUS_OK;
}
