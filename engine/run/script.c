/*
 * script.c - the text format of the scripted engine
 *
 * The scripted engine stands where a model would: the screen gets the same events at the pace that
 * the script says.  It is for tests of the screen, and of what hostile output does to it.
 *
 * One directive a line; empty lines and lines that begin with # are skipped.
 *
 *   before the first answer:
 *     name TEXT          what the status line calls it (default: scripted)
 *     context N          positions; a token of a prompt is four bytes (default: 4096)
 *     load MS            time to load (default: 0)
 *     fail TEXT          loading fails with this message
 *     nodraft TEXT       a draft model cannot be opened, for this reason
 *     margin N           what lanes differ by where they differ, in thousandths of a logit
 *                        (default: not known)
 *     check TEXT         a comparison of the self-check, "what: what was found", that passes
 *     differ TEXT        one that fails (default: one that passes)
 *     rate N, split N    for all answers that say nothing else
 *
 *   answer               begins an answer; requests take them in order, the last one repeats
 *     prefill TOKENS MS  so many new prompt tokens in so much time (default: counted, at once)
 *     rate N             tokens per second from here on; 0: no waiting (default)
 *     split N            a token is N bytes, whatever they are: characters and escape sequences
 *                        are torn; 0: a token is four bytes or more, whole characters (default)
 *     think TEXT         thinking, unless the request turned it off or its budget is used up
 *     text TEXT          the answer
 *     repeat N           the next think or text line counts N times
 *     delay MS           nothing happens for so long
 *     source NAME N      from here on ngram, draft or mtp proposes four tokens for each pass, and
 *                        N of a hundred are accepted; none: nothing is proposed (default).  Under
 *                        the greedy policy nothing is
 *     state NAME TEXT    what the policy says of itself from here on: plain, probing, drafting,
 *                        gated, fallback or cooldown, and why (default: as it is)
 *     lane N, lane all   what follows is for lane N alone, from 0 on; an answer without lanes is
 *                        lane 0
 *     stop REASON        ends the answer here: token, length or context
 *     fail TEXT          ends the request with this failure
 *
 * TEXT is the rest of the line after one space, with escapes: \n \r \t \e (escape) \s (space)
 * \\ and \xNN (one byte).  Consecutive lines join without anything between them.
 */
#include "engine/policy.h"
#include "engine/run/script_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_BYTES = 64 << 20, /* of a script */
    MOST_MILLISECONDS = 3600 * 1000,
    MOST_REPEATS = 1000 * 1000,
    MOST_SPLIT = 65536, /* bytes of a token */
    DEFAULT_CONTEXT = 4096
};

/* The array with room for one more element; NULL: no memory, the array is as it was. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    void *moved = realloc(array, more * size);
    if (moved != NULL)
        *capacity = more;
    return moved;
}

static enum status add_step(struct script_reader *reader, struct script_step step)
{
    struct script *script = reader->script;
    struct script_step *steps =
        grown(script->steps, script->n_steps, &script->steps_capacity, sizeof *steps);

    if (steps == NULL) {
        free(step.bytes);
        return script_no_memory(reader);
    }
    step.lane = reader->lane;
    script->steps = steps;
    script->steps[script->n_steps++] = step;
    if (script->n_answers > 0)
        script->answers[script->n_answers - 1].count++;
    return STATUS_OK;
}

static enum status add_answer(struct script_reader *reader)
{
    struct script *script = reader->script;
    enum status status = script_read_end(reader);

    if (status != STATUS_OK)
        return status;
    struct script_answer *answers =
        grown(script->answers, script->n_answers, &script->answers_capacity, sizeof *answers);
    if (answers == NULL)
        return script_no_memory(reader);
    script->answers = answers;
    if (script->n_answers == 0)
        reader->n_defaults = script->n_steps;
    reader->lane = SCRIPT_ALL_LANES;
    answers[script->n_answers].first = script->n_steps;
    answers[script->n_answers].count = 0;
    script->n_answers++;
    /* What was said before the first answer opens each of them. */
    for (size_t i = 0; i < reader->n_defaults && status == STATUS_OK; i++)
        status = add_step(reader, script->steps[i]);
    return status;
}

static enum status read_spoken(struct script_reader *reader, enum script_step_kind kind)
{
    struct script_step step = {.kind = kind, .repeat = reader->repeat ? reader->repeat : 1};
    enum status status = script_read_text(reader, &step.bytes, &step.n_bytes);

    if (status != STATUS_OK)
        return status;
    reader->repeat = 0;
    return add_step(reader, step);
}

static enum status read_fail(struct script_reader *reader, enum script_step_kind kind)
{
    struct script_step step = {.kind = kind};
    enum status status = script_read_text(reader, &step.bytes, &step.n_bytes);

    if (status != STATUS_OK)
        return status;
    if (reader->script->n_answers > 0)
        return add_step(reader, step);
    free(reader->script->load_failure);
    reader->script->load_failure = step.bytes;
    return STATUS_OK;
}

static enum status read_numbered(struct script_reader *reader, enum script_step_kind kind)
{
    struct script_step step = {.kind = kind};
    uint32_t most = kind == SCRIPT_DELAY   ? MOST_MILLISECONDS
                    : kind == SCRIPT_SPLIT ? MOST_SPLIT
                                           : 1000 * 1000;
    enum status status = script_read_number(reader, 0, most, &step.number);

    if (status == STATUS_OK && kind == SCRIPT_PREFILL)
        status = script_read_number(reader, 0, MOST_MILLISECONDS, &step.milliseconds);
    if (status == STATUS_OK)
        status = script_read_end(reader);
    return status == STATUS_OK ? add_step(reader, step) : status;
}

static enum status read_stop(struct script_reader *reader, enum script_step_kind kind)
{
    static const struct {
        const char *name;
        enum stop_reason reason;
    } reasons[] = {{"token", STOP_TOKEN}, {"length", STOP_LENGTH}, {"context", STOP_CONTEXT}};
    struct script_step step = {.kind = kind};
    size_t length = (size_t)(reader->end - reader->at);

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strlen(reasons[i].name) == length &&
            memcmp(reasons[i].name, reader->at, length) == 0) {
            step.number = reasons[i].reason;
            return add_step(reader, step);
        }
    return script_refuse(reader, "stop needs token, length or context");
}

static enum status read_source(struct script_reader *reader)
{
    static const char *const names[] = {"none", "ngram", "draft", "mtp"};
    struct script_step step = {.kind = SCRIPT_SOURCE, .percent = 100};

    step.number = script_find_word(reader, names, POLICY_SOURCE_COUNT);
    if (step.number == POLICY_SOURCE_COUNT)
        return script_refuse(reader, "source needs none, ngram, draft or mtp");
    if (reader->at < reader->end) {
        enum status status = script_read_number(reader, 0, 100, &step.percent);
        if (status == STATUS_OK)
            status = script_read_end(reader);
        if (status != STATUS_OK)
            return status;
    }
    return add_step(reader, step);
}

static enum status read_state(struct script_reader *reader)
{
    static const char *const names[] = {"plain", "probing",  "drafting",
                                        "gated", "fallback", "cooldown"};
    struct script_step step = {.kind = SCRIPT_STATE};

    step.number = script_find_word(reader, names, sizeof names / sizeof names[0]);
    if (step.number == sizeof names / sizeof names[0])
        return script_refuse(reader, "state needs plain, probing, drafting, gated, fallback or "
                                     "cooldown");
    enum status status = script_read_text(reader, &step.bytes, &step.n_bytes);
    return status == STATUS_OK ? add_step(reader, step) : status;
}

static enum status read_lane(struct script_reader *reader)
{
    if (reader->end - reader->at == 3 && memcmp(reader->at, "all", 3) == 0) {
        reader->lane = SCRIPT_ALL_LANES;
        return STATUS_OK;
    }
    enum status status = script_read_number(reader, 0, 31, &reader->lane);
    return status == STATUS_OK ? script_read_end(reader) : status;
}

static enum status read_check(struct script_reader *reader, bool passed)
{
    struct script *script = reader->script;
    struct script_check check = {.passed = passed};
    size_t n_bytes;
    enum status status = script_read_text(reader, &check.text, &n_bytes);

    if (status != STATUS_OK)
        return status;
    struct script_check *checks =
        grown(script->checks, script->n_checks, &script->checks_capacity, sizeof *checks);
    if (checks == NULL) {
        free(check.text);
        return script_no_memory(reader);
    }
    script->checks = checks;
    checks[script->n_checks++] = check;
    return STATUS_OK;
}

static enum status read_no_draft(struct script_reader *reader)
{
    size_t n_bytes;

    free(reader->script->draft_failure);
    reader->script->draft_failure = NULL;
    return script_read_text(reader, &reader->script->draft_failure, &n_bytes);
}

static enum status read_repeat(struct script_reader *reader)
{
    enum status status = script_read_number(reader, 1, MOST_REPEATS, &reader->repeat);

    reader->repeat_line = reader->line;
    return status == STATUS_OK ? script_read_end(reader) : status;
}

static enum status read_name(struct script_reader *reader)
{
    char *text;
    size_t n_bytes;
    enum status status = script_read_text(reader, &text, &n_bytes);

    if (status != STATUS_OK)
        return status;
    snprintf(reader->script->name, sizeof reader->script->name, "%s", text);
    free(text);
    return STATUS_OK;
}

static enum status read_setting(struct script_reader *reader, uint32_t least, uint32_t most,
                                uint32_t *setting)
{
    enum status status = script_read_number(reader, least, most, setting);

    return status == STATUS_OK ? script_read_end(reader) : status;
}

enum directive {
    DIRECTIVE_NAME,
    DIRECTIVE_CONTEXT,
    DIRECTIVE_LOAD,
    DIRECTIVE_ANSWER,
    DIRECTIVE_REPEAT,
    DIRECTIVE_SPOKEN,
    DIRECTIVE_NUMBERED,
    DIRECTIVE_STOP,
    DIRECTIVE_FAIL,
    DIRECTIVE_SOURCE,
    DIRECTIVE_STATE,
    DIRECTIVE_LANE,
    DIRECTIVE_CHECK,
    DIRECTIVE_DIFFER,
    DIRECTIVE_NO_DRAFT,
    DIRECTIVE_MARGIN
};

enum place { PLACE_HEAD = 1, PLACE_ANSWER = 2, PLACE_BOTH = 3 };

static const struct {
    const char *name;
    enum directive directive;
    enum place place;
    enum script_step_kind kind;
} directives[] = {
    {"name", DIRECTIVE_NAME, PLACE_HEAD, 0},
    {"context", DIRECTIVE_CONTEXT, PLACE_HEAD, 0},
    {"load", DIRECTIVE_LOAD, PLACE_HEAD, 0},
    {"answer", DIRECTIVE_ANSWER, PLACE_BOTH, 0},
    {"repeat", DIRECTIVE_REPEAT, PLACE_ANSWER, 0},
    {"think", DIRECTIVE_SPOKEN, PLACE_ANSWER, SCRIPT_THINK},
    {"text", DIRECTIVE_SPOKEN, PLACE_ANSWER, SCRIPT_TEXT},
    {"delay", DIRECTIVE_NUMBERED, PLACE_ANSWER, SCRIPT_DELAY},
    {"prefill", DIRECTIVE_NUMBERED, PLACE_ANSWER, SCRIPT_PREFILL},
    {"rate", DIRECTIVE_NUMBERED, PLACE_BOTH, SCRIPT_RATE},
    {"split", DIRECTIVE_NUMBERED, PLACE_BOTH, SCRIPT_SPLIT},
    {"stop", DIRECTIVE_STOP, PLACE_ANSWER, SCRIPT_STOP},
    {"fail", DIRECTIVE_FAIL, PLACE_BOTH, SCRIPT_FAIL},
    {"source", DIRECTIVE_SOURCE, PLACE_ANSWER, 0},
    {"state", DIRECTIVE_STATE, PLACE_ANSWER, 0},
    {"lane", DIRECTIVE_LANE, PLACE_ANSWER, 0},
    {"check", DIRECTIVE_CHECK, PLACE_HEAD, 0},
    {"differ", DIRECTIVE_DIFFER, PLACE_HEAD, 0},
    {"nodraft", DIRECTIVE_NO_DRAFT, PLACE_HEAD, 0},
    {"margin", DIRECTIVE_MARGIN, PLACE_HEAD, 0},
};

static enum status read_directive(struct script_reader *reader, size_t which)
{
    struct script *script = reader->script;
    enum script_step_kind kind = directives[which].kind;

    switch (directives[which].directive) {
    case DIRECTIVE_NAME: return read_name(reader);
    case DIRECTIVE_CONTEXT: return read_setting(reader, 16, 1 << 24, &script->n_context);
    case DIRECTIVE_LOAD:
        return read_setting(reader, 0, MOST_MILLISECONDS, &script->load_milliseconds);
    case DIRECTIVE_ANSWER: return add_answer(reader);
    case DIRECTIVE_REPEAT: return read_repeat(reader);
    case DIRECTIVE_SPOKEN: return read_spoken(reader, kind);
    case DIRECTIVE_NUMBERED: return read_numbered(reader, kind);
    case DIRECTIVE_STOP: return read_stop(reader, kind);
    case DIRECTIVE_FAIL: return read_fail(reader, kind);
    case DIRECTIVE_SOURCE: return read_source(reader);
    case DIRECTIVE_STATE: return read_state(reader);
    case DIRECTIVE_LANE: return read_lane(reader);
    case DIRECTIVE_CHECK: return read_check(reader, true);
    case DIRECTIVE_DIFFER: return read_check(reader, false);
    case DIRECTIVE_NO_DRAFT: return read_no_draft(reader);
    case DIRECTIVE_MARGIN:
        script->has_margin = true;
        return read_setting(reader, 0, 1000 * 1000, &script->margin);
    }
    return STATUS_OK;
}

static enum status read_line(struct script_reader *reader)
{
    enum place here = reader->script->n_answers == 0 ? PLACE_HEAD : PLACE_ANSWER;
    const char *space;
    size_t length;

    if (reader->at == reader->end || *reader->at == '#')
        return STATUS_OK;
    space = memchr(reader->at, ' ', (size_t)(reader->end - reader->at));
    length = (size_t)((space == NULL ? reader->end : space) - reader->at);
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
        if (strlen(directives[i].name) != length ||
            memcmp(directives[i].name, reader->at, length) != 0)
            continue;
        if (!(directives[i].place & here))
            return script_refuse(reader, here == PLACE_HEAD
                                             ? "belongs after an answer line"
                                             : "belongs before the first answer line");
        if (reader->repeat > 0 && directives[i].directive != DIRECTIVE_SPOKEN)
            return script_refuse(reader, "repeat needs a think or text line after it");
        reader->at += length + (space == NULL ? 0 : 1);
        return read_directive(reader, i);
    }
    return script_refuse(reader, "unknown directive");
}

static enum status read_lines(struct script_reader *reader, const char *text, size_t n_bytes)
{
    const char *end = text + n_bytes;
    enum status status = STATUS_OK;

    while (text < end && status == STATUS_OK) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        reader->at = text;
        reader->end = newline == NULL ? end : newline;
        text = newline == NULL ? end : newline + 1;
        if (reader->end > reader->at && reader->end[-1] == '\r')
            reader->end--;
        reader->line++;
        status = read_line(reader);
    }
    if (status != STATUS_OK)
        return status;
    if (reader->repeat > 0) {
        reader->line = reader->repeat_line;
        return script_refuse(reader, "repeat needs a think or text line after it");
    }
    if (reader->script->n_answers == 0 && reader->script->load_failure == NULL)
        return script_refuse(reader, "the script has no answer line");
    return STATUS_OK;
}

enum status script_parse(struct script *script, const char *text, size_t n_bytes,
                         struct error *error)
{
    struct script_reader reader = {.script = script, .lane = SCRIPT_ALL_LANES, .error = error};

    memset(script, 0, sizeof *script);
    snprintf(script->name, sizeof script->name, "scripted");
    script->n_context = DEFAULT_CONTEXT;
    enum status status = read_lines(&reader, text, n_bytes);
    if (status != STATUS_OK)
        script_release(script);
    return status;
}

static enum status read_file(const char *path, char **text, size_t *n_bytes,
                             struct error *error)
{
    FILE *file = fopen(path, "re");
    size_t capacity = 0;
    bool good = true;

    *text = NULL;
    *n_bytes = 0;
    if (file == NULL)
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                         "cannot open the script: %s", strerror(errno));
    while (good && !feof(file) && !ferror(file) && *n_bytes <= MOST_BYTES) {
        if (*n_bytes == capacity) {
            capacity = capacity == 0 ? 65536 : capacity * 2;
            char *moved = realloc(*text, capacity);
            good = moved != NULL;
            *text = good ? moved : *text;
            if (!good)
                break;
        }
        *n_bytes += fread(*text + *n_bytes, 1, capacity - *n_bytes, file);
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    if (good && !failed && *n_bytes <= MOST_BYTES)
        return STATUS_OK;
    free(*text);
    *text = NULL;
    if (!good)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the script");
    if (failed)
        return error_set(error, STATUS_IO, "cannot read the script: %s", strerror(errno));
    return error_set(error, STATUS_DAMAGED, "longer than %d bytes", MOST_BYTES);
}

enum status script_read(struct script *script, const char *path, struct error *error)
{
    char *text;
    size_t n_bytes;
    enum status status = read_file(path, &text, &n_bytes, error);

    memset(script, 0, sizeof *script);
    if (status == STATUS_OK)
        status = script_parse(script, text, n_bytes, error);
    free(text);
    if (status != STATUS_OK)
        error_where(error, "%s", path);
    return status;
}

void script_release(struct script *script)
{
    for (size_t i = 0; i < script->n_steps; i++)
        free(script->steps[i].bytes);
    free(script->steps);
    free(script->answers);
    for (size_t i = 0; i < script->n_checks; i++)
        free(script->checks[i].text);
    free(script->checks);
    free(script->load_failure);
    free(script->draft_failure);
    memset(script, 0, sizeof *script);
}
