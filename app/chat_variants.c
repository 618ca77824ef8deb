/*
 * chat_variants.c - several answers to the last message, all in one go, and which of them counts
 *
 * On the screen their blocks grow side by side in time; without one each is printed when it is over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"

/* Its answer; NULL: no such lane. */
static struct answer *lane_answer(struct chat *chat, uint32_t lane)
{
    struct exchange *exchange = conversation_last(&chat->conversation);

    return lane < chat->variants.n ? &exchange->answers[chat->variants.first + lane] : NULL;
}

static uint32_t add_block(struct chat *chat, size_t number)
{
    char heading[64];

    snprintf(heading, sizeof heading, "variant %zu of %zu", number + 1, chat->variants.n);
    return display_add(&chat->display, UI_BLOCK_ANSWER, heading);
}

static void add_blocks(struct chat *chat)
{
    struct chat_variants *variants = &chat->variants;

    chat->answer_first = 0;
    chat->thinking_block = chat->answer_block = 0;
    if (chat->display.ui == NULL)
        return;
    for (size_t i = 0; i < variants->n; i++)
        variants->blocks[i] = add_block(chat, i);
    chat->answer_first = variants->blocks[0];
}

void variants_ask(struct chat *chat, uint32_t n)
{
    struct exchange *exchange = conversation_last(&chat->conversation);
    struct answer_settings settings = chat_answer_settings(chat);
    struct engine_lane lanes[ENGINE_MAX_LANES];
    struct chat_message *messages;
    struct error error;

    compare_leave(chat);
    chat->variants = (struct chat_variants){
        .exchange = chat->conversation.n_exchanges - 1, .first = exchange->n_answers, .n = n};
    for (uint32_t i = 0; i < n; i++) {
        struct answer *answer = exchange_begin(exchange, &settings);
        lanes[i] = (struct engine_lane){.policy = settings.policy.settings,
                                        .sampling = settings.sampling,
                                        .variant = answer->settings.variant};
    }
    struct engine_request request =
        chat_request(chat, chat->variants.exchange, &settings, &messages);
    request.lanes = lanes;
    request.n_lanes = n;
    request.together = true;
    enum status status = engine_submit(chat->engine, &request, &chat->request, &error);
    free(messages);
    if (status != STATUS_OK) {
        chat->request = 0;
        chat->variants.n = 0;
        exchange_end(exchange, ANSWER_FAILED);
        chat_error(chat, &error);
        return;
    }
    display_remove(&chat->display, chat->answer_first);
    add_blocks(chat);
    chat_request_began(chat, TASK_VARIANTS);
    chat_statistics_begin(chat, "together");
}

/* Events ------------------------------------------------------------------------------------- */

static void on_text(struct chat *chat, const struct engine_event *event)
{
    struct answer *answer = lane_answer(chat, event->text.lane);
    struct ui_status *status = &chat->status;

    if (answer == NULL)
        return;
    answer_add(answer, event->text.part, event->text.bytes, event->text.n_bytes,
               event->text.ids, event->text.n_ids);
    if (chat->display.ui != NULL && event->text.part == CHAT_PART_ANSWER)
        display_append(&chat->display, chat->variants.blocks[event->text.lane],
                       event->text.bytes, event->text.n_bytes);
    if (status->first_token < 0)
        status->first_token = chat_clock(chat) - chat->submitted;
    chat_draft_works(chat, false);
    status->phase = UI_PHASE_GENERATING;
    status->thinking = event->text.part == CHAT_PART_THINKING;
    status->n_tokens = event->text.n_tokens;
    status->rate_now = event->text.rate_now;
    status->rate_average = event->text.rate_average;
    status->position = status->n_prompt + event->text.n_tokens;
}

static void on_lane_done(struct chat *chat, const struct engine_event *event)
{
    struct answer *answer = lane_answer(chat, event->lane.lane);

    if (answer == NULL)
        return;
    answer->statistics = event->lane.statistics;
    answer->has_statistics = true;
    if (chat->display.ui != NULL) {
        display_finish(&chat->display, chat->variants.blocks[event->lane.lane]);
        return;
    }
    uint32_t block = add_block(chat, event->lane.lane);
    display_append(&chat->display, block, text_string(&answer->text), answer->text.n_bytes);
    display_finish(&chat->display, block);
}

static void on_over(struct chat *chat, const struct engine_event *event)
{
    struct chat_variants *variants = &chat->variants;
    const struct exchange *exchange = conversation_last(&chat->conversation);
    bool failed = event->type == ENGINE_FAILED;
    bool stopped = !failed && event->done.reason == STOP_CANCELLED;

    for (size_t i = 0; i < variants->n && chat->display.ui != NULL; i++)
        display_finish(&chat->display, variants->blocks[i]);
    if (failed) {
        chat_error(chat, &event->failure);
    } else {
        chat_statistics_done(chat, &event->done.statistics);
        chat->status.rate_average = event->done.statistics.rate;
        chat->status.position = event->done.statistics.position;
    }
    chat_answer_over(chat, failed ? ANSWER_FAILED : stopped ? ANSWER_STOPPED : ANSWER_COMPLETE);
    variants->n = exchange->n_answers - variants->first;
    if (variants->n > 0)
        display_say(&chat->display, UI_BLOCK_NOTICE,
                    "%sThe last one counts; /keep N chooses another.",
                    stopped ? "Stopped. " : "");
    chat_send_waiting(chat);
}

void variants_event(struct chat *chat, const struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_TEXT: on_text(chat, event); break;
    case ENGINE_LANE_DONE: on_lane_done(chat, event); break;
    case ENGINE_DONE:
    case ENGINE_FAILED: on_over(chat, event); break;
    default: break;
    }
}

/* Choosing ----------------------------------------------------------------------------------- */

/* "2" of the last batch, or of all answers where there was none; 0: what counted before it. */
static bool number_of(const struct chat *chat, const char *which, size_t *index)
{
    const struct exchange *exchange = conversation_last(&chat->conversation);
    const struct chat_variants *variants = &chat->variants;
    size_t first = variants->n > 0 ? variants->first : 0;
    size_t n = variants->n > 0 ? variants->n : exchange->n_answers;
    char *end;
    unsigned long number = strtoul(which, &end, 10);

    if (which[0] < '0' || which[0] > '9' || *end != '\0' || number > n)
        return false;
    if (number == 0 && (variants->n == 0 || variants->first == 0))
        return false;
    *index = number > 0 ? first + number - 1 : exchange->before;
    return true;
}

void variants_keep(struct chat *chat, const char *which)
{
    struct exchange *exchange = conversation_last(&chat->conversation);
    size_t index;

    if (exchange == NULL || exchange->n_answers == 0) {
        display_say(&chat->display, UI_BLOCK_ERROR, "there is no answer to keep");
        return;
    }
    if (!number_of(chat, which, &index) || !exchange_keep(exchange, index)) {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "there is no answer %s; the last message has %zu", which,
                    chat->variants.n > 0 ? chat->variants.n : exchange->n_answers);
        return;
    }
    if (chat->display.ui != NULL) {
        display_remove(&chat->display, chat->answer_first);
        chat_show_answer(chat, exchange_answer(exchange));
    }
    display_say(&chat->display, UI_BLOCK_NOTICE, "Answer %s counts from now on.", which);
}
