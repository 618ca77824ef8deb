/*
 * grade.c - questions, answers and what is right about them
 */
#include "app/grade.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *const grade_kind_names[GRADE_KIND_COUNT] = {"fact", "refusal", "exercise", "chat"};

static enum status wrong(struct error *error, const char *what)
{
    return error_set(error, STATUS_DAMAGED, "%s", what);
}

/* All messages but the last one, which is the answer that was expected. */
static enum status read_messages(struct grade_item *item, struct error *error)
{
    const json_t *list = json_object_get(item->line, "messages");

    if (json_array_size(list) < 2)
        return wrong(error, "\"messages\" is no list of at least two messages");
    const enum status status = chat_messages_read(&item->chat, list, error);
    if (status == STATUS_OK)
        item->chat.n_messages--;
    return status;
}

static enum status read_grade(struct grade_item *item, struct error *error)
{
    const json_t *grade = json_object_get(item->line, "grade");
    const char *kind = json_string_value(json_object_get(grade, "kind"));

    for (size_t i = 0; kind != NULL && i < GRADE_KIND_COUNT; i++) {
        if (strcmp(kind, grade_kind_names[i]) == 0) {
            item->kind = (enum grade_kind)i;
            item->expect = json_object_get(grade, "expect");
            item->reject = json_object_get(grade, "reject");
            item->exact = json_string_value(json_object_get(grade, "answer"));
            if (item->kind == GRADE_EXERCISE && item->exact == NULL)
                return wrong(error, "an exercise without \"answer\"");
            if ((item->kind == GRADE_FACT || item->kind == GRADE_REFUSAL) &&
                json_array_size(item->expect) == 0)
                return wrong(error, "a question that expects nothing (\"expect\")");
            return STATUS_OK;
        }
    }
    return wrong(error, "\"grade\" has no kind (fact, refusal, exercise, chat)");
}

enum status grade_item_read(struct grade_item *item, const char *line, size_t n_bytes,
                            struct error *error)
{
    enum status status;

    *item = (struct grade_item){0};
    status = json_line_read(&item->line, line, n_bytes, error);
    if (status != STATUS_OK)
        return status;
    item->thinking = json_is_true(json_object_get(item->line, "think"));
    status = read_messages(item, error);
    if (status == STATUS_OK)
        status = read_grade(item, error);
    if (status != STATUS_OK)
        grade_item_release(item);
    return status;
}

void grade_item_release(struct grade_item *item)
{
    json_decref(item->line);
    chat_messages_release(&item->chat);
    *item = (struct grade_item){0};
}

/* Answers ------------------------------------------------------------------------------------ */

struct reading {
    struct grade_answer *answer;
    const struct model *model;
    struct chat_splitter *splitter;
    size_t room;
    int32_t end_thinking; /* the id that closes a thinking block */
};

static void keep(struct grade_answer *answer, size_t *room, int32_t id)
{
    if (answer->n_ids == *room) {
        *room = *room * 2 + 64;
        answer->ids = app_resize(answer->ids, *room, sizeof id);
    }
    answer->ids[answer->n_ids++] = id;
}

/* Text that only shows when control tokens are spelled out. */
static bool is_control(const struct model *model, int32_t id)
{
    char *bytes = NULL;
    size_t n_bytes = 0;
    bool control;

    if (model_detokenize(model, &id, 1, false, &bytes, &n_bytes, NULL) != STATUS_OK)
        return true;
    control = n_bytes == 0;
    free(bytes);
    return control;
}

static bool take(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct reading *reading = context;
    enum chat_part part;
    const char *bytes;
    size_t n_bytes;
    bool counts;

    (void)forced;
    (void)n_forced;
    keep(reading->answer, &reading->room, id);
    if (id != reading->end_thinking && is_control(reading->model, id))
        reading->answer->leaked = true;
    chat_splitter_token(reading->splitter, id, &part, &bytes, &n_bytes, &counts);
    if (part == CHAT_PART_ANSWER)
        text_append(&reading->answer->text, bytes, n_bytes);
    return true;
}

/* </think>, or -1: the template has none. */
static int32_t end_of_thinking(const struct model *model)
{
    size_t n;
    const int32_t *ids = chat_end_thinking_ids(model, &n);

    for (size_t i = 0; i < n; i++) {
        const char *text = model_token_text(model, ids[i], NULL);
        if (text != NULL && strcmp(text, "</think>") == 0)
            return ids[i];
    }
    return -1;
}

static enum status generate(struct reading *reading, struct session *session,
                            struct error *error)
{
    struct grade_answer *answer = reading->answer;
    const struct sampling_choice greedy = {
        .given =
            SAMPLING_TEMPERATURE | SAMPLING_PRESENCE | SAMPLING_FREQUENCY | SAMPLING_REPETITION,
        .values = {.repetition_penalty = 1},
    };
    const struct generation generation = {
        .sampling = sampling_for_model(reading->model, false, &greedy),
        .max_tokens = ANSWER_TOKENS_MAX,
        .sink = take,
        .context = reading,
    };
    struct generation_result result;
    enum chat_part part;
    const char *bytes;
    size_t n_bytes;

    session_reset(session);
    const enum status status = session_generate(session, answer->ids, answer->n_prompt,
                                                &generation, NULL, &result, error);
    if (status != STATUS_OK)
        return status;
    chat_splitter_finish(reading->splitter, &part, &bytes, &n_bytes);
    if (part == CHAT_PART_ANSWER)
        text_append(&answer->text, bytes, n_bytes);
    answer->ended = result.reason == STOP_TOKEN;
    if (answer->ended)
        keep(answer, &reading->room, result.stop_token);
    if (strstr(text_string(&answer->text), "<|") != NULL ||
        strstr(text_string(&answer->text), "think>") != NULL)
        answer->leaked = true;
    return STATUS_OK;
}

enum status grade_answer_to(struct grade_answer *answer, const struct grade_item *item,
                            const struct model *model, struct session *session,
                            struct error *error)
{
    struct reading reading = {
        .answer = answer, .model = model, .end_thinking = end_of_thinking(model)};
    struct chat_prompt prompt;
    enum status status;

    *answer = (struct grade_answer){0};
    status = chat_render(model, item->chat.messages, item->chat.n_messages,
                         item->thinking ? THINKING_ON : THINKING_OFF, true, &prompt, error);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < prompt.n_ids; i++)
        keep(answer, &reading.room, prompt.ids[i]);
    answer->n_prompt = prompt.n_ids;
    status = chat_splitter_new(&reading.splitter, model, prompt.thinking, error);
    chat_prompt_release(&prompt);
    if (status == STATUS_OK)
        status = generate(&reading, session, error);
    chat_splitter_free(&reading.splitter);
    return status;
}

void grade_answer_release(struct grade_answer *answer)
{
    text_release(&answer->text);
    free(answer->ids);
    *answer = (struct grade_answer){0};
}

/* What is part of a name: "/new" is not named by "/newer", nor "--top" by "--top-k". */
static bool joins(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_' || byte == '-';
}

static bool names(const char *text, const char *wanted)
{
    const size_t n = strlen(wanted);

    for (const char *at = text; n > 0 && (at = strstr(at, wanted)) != NULL; at++) {
        if ((at == text || !joins(at[-1]) || !joins(wanted[0])) &&
            (!joins(at[n]) || !joins(wanted[n - 1])))
            return true;
    }
    return false;
}

static size_t count_named(const char *text, const json_t *list)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *wanted = json_string_value(json_array_get(list, i));
        n += wanted != NULL && names(text, wanted);
    }
    return n;
}

static bool is_exactly(const char *text, const char *wanted)
{
    size_t n = strlen(text);

    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

bool grade_is_right(const struct grade_item *item, const struct grade_answer *answer)
{
    const char *text = text_string(&answer->text);
    const size_t n_named = count_named(text, item->expect);

    if (!answer->ended || count_named(text, item->reject) > 0)
        return false;
    switch (item->kind) {
    case GRADE_EXERCISE: return is_exactly(text, item->exact);
    case GRADE_REFUSAL: return n_named > 0;
    default: return n_named == json_array_size(item->expect);
    }
}

/* Drafts ------------------------------------------------------------------------------------- */

static int32_t arg_max(const float *logits, uint32_t n_vocab)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < n_vocab; i++) {
        if (logits[i] > logits[best])
            best = i;
    }
    return (int32_t)best;
}

/*
 * Drafts for ids[at] and on, the draft having read up to at - 1 (its choice for ids[at] is
 * `first`); counts them.  *n_right: how many were right.
 */
static enum status draft_once(struct acceptance *acceptance, const struct grade_answer *answer,
                              size_t at, int32_t first, struct session *draft, float *logits,
                              uint32_t n_vocab, size_t *n_right, struct error *error)
{
    int32_t proposed = first;
    size_t n = 0;
    enum status status = STATUS_OK;

    while (status == STATUS_OK && n < DRAFT_TOKENS && at + n < answer->n_ids) {
        acceptance->verified++;
        if (proposed != answer->ids[at + n])
            break;
        acceptance->accepted++;
        n++;
        if (n == DRAFT_TOKENS || at + n == answer->n_ids)
            break;
        status = session_eval(draft, &proposed, 1, 1, logits, NULL, error);
        proposed = arg_max(logits, n_vocab);
    }
    *n_right = n;
    return status;
}

enum status acceptance_of_draft(struct acceptance *acceptance,
                                const struct grade_answer *answer, struct session *draft,
                                uint32_t n_vocab, struct error *error)
{
    float *logits = app_resize(NULL, n_vocab, sizeof *logits);
    struct snapshot *before = NULL;
    size_t read = 0; /* tokens that the draft has consumed for good */
    enum status status = STATUS_OK;

    session_reset(draft);
    for (size_t at = answer->n_prompt, n; at < answer->n_ids && status == STATUS_OK; at += n) {
        n = 0;
        status = session_eval(draft, answer->ids + read, at - read, 1, logits, NULL, error);
        read = at;
        if (status == STATUS_OK)
            status = session_snapshot(draft, &before, error);
        if (status == STATUS_OK)
            status = draft_once(acceptance, answer, at, arg_max(logits, n_vocab), draft, logits,
                                n_vocab, &n, error);
        if (status == STATUS_OK)
            status = session_restore(draft, before, error);
        snapshot_free(&before);
        n++; /* the model's own token, from the pass that verified */
    }
    free(logits);
    return status;
}

enum status acceptance_of_mtp(struct acceptance *acceptance, const struct grade_answer *answer,
                              struct session *session, struct error *error)
{
    int32_t *next = app_resize(NULL, answer->n_ids, sizeof *next);
    int32_t *mtp = app_resize(NULL, answer->n_ids, sizeof *mtp);
    const enum status status =
        session_teacher_forced(session, answer->ids, answer->n_ids, next, mtp, error);

    /* The first token of an answer comes from the prompt's pass; drafts are for the others. */
    for (size_t i = answer->n_prompt + 1; i < answer->n_ids && status == STATUS_OK; i++) {
        acceptance->verified++;
        acceptance->accepted += mtp[i - 2] == answer->ids[i];
    }
    free(next);
    free(mtp);
    return status;
}
