/*
 * pretokenizer.c - the splitters of qwen2 and qwen35
 *
 * qwen35, from the published tokenizer.json:
 *   (?i:'s|'t|'re|'ve|'m|'ll|'d) | [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+ | \p{N}
 *   |  ?[^\s\p{L}\p{M}\p{N}]+[\r\n]* | \s*[\r\n]+ | \s+(?!\S) | \s+
 * The first alternative that matches wins.  qwen2 is the same without \p{M}: a mark is then neither
 * a letter nor a number, but punctuation.
 *
 * Linear: a run of whitespace is scanned at most three times (up to its last line break; all but its
 * last character; that character), every other character at most twice.
 */
#include "engine/text/pretokenizer.h"

#include "engine/text/utf8.h"

/* What the expression tells apart, after marks went to letters (qwen35) or to others (qwen2). */
enum kind { WORD, NUMBER, SPACE, LINE_BREAK, OTHER, END };

struct character {
    enum kind kind;
    uint32_t n_bytes; /* 0 at the end */
};

static struct character character_at(enum pretokenizer pretokenizer, const char *text,
                                     size_t n_bytes, size_t at)
{
    struct character character = {OTHER, 1};
    struct utf8_step step;

    if (at >= n_bytes)
        return (struct character){END, 0};
    step = utf8_read(text + at, n_bytes - at);
    if (step.state != UTF8_VALID)
        return character;
    character.n_bytes = step.n_bytes;
    switch (unicode_class(step.code_point)) {
    case UNICODE_LETTER: character.kind = WORD; break;
    case UNICODE_MARK:
        character.kind = pretokenizer == PRETOKENIZER_QWEN35 ? WORD : OTHER;
        break;
    case UNICODE_NUMBER: character.kind = NUMBER; break;
    case UNICODE_SPACE:
        character.kind =
            step.code_point == '\r' || step.code_point == '\n' ? LINE_BREAK : SPACE;
        break;
    case UNICODE_OTHER: break;
    }
    return character;
}

/* The end of the run of one kind that starts at `at` (which may be empty). */
static size_t run_end(enum pretokenizer pretokenizer, const char *text, size_t n_bytes,
                      size_t at, enum kind kind)
{
    struct character character = character_at(pretokenizer, text, n_bytes, at);

    while (character.kind == kind) {
        at += character.n_bytes;
        character = character_at(pretokenizer, text, n_bytes, at);
    }
    return at;
}

/* 's 't 're 've 'm 'll 'd in any case of ASCII, no matter what follows; 0: none. */
static size_t contraction(const char *text, size_t n_bytes)
{
    char first, second;

    if (n_bytes < 2 || text[0] != '\'')
        return 0;
    first = (char)(text[1] | 0x20);
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 2;
    if (n_bytes < 3)
        return 0;
    second = (char)(text[2] | 0x20);
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
        (first == 'l' && second == 'l'))
        return 3;
    return 0;
}

/* \s*[\r\n]+, then \s+(?!\S), then \s+: text starts with whitespace. */
static size_t whitespace(enum pretokenizer pretokenizer, const char *text, size_t n_bytes)
{
    size_t at = 0, last = 0, after_break = 0;
    struct character character = character_at(pretokenizer, text, n_bytes, 0);

    while (character.kind == SPACE || character.kind == LINE_BREAK) {
        last = at; /* the start of the run's last character */
        at += character.n_bytes;
        if (character.kind == LINE_BREAK)
            after_break = at;
        character = character_at(pretokenizer, text, n_bytes, at);
    }
    if (after_break)
        return after_break;
    return character.kind == END || last == 0 ? at : last;
}

size_t pretokenizer_word(enum pretokenizer pretokenizer, const char *text, size_t n_bytes)
{
    struct character first = character_at(pretokenizer, text, n_bytes, 0);
    struct character second;
    size_t length = contraction(text, n_bytes);

    if (length)
        return length;
    if (first.kind == WORD)
        return run_end(pretokenizer, text, n_bytes, first.n_bytes, WORD);
    if (first.kind == NUMBER)
        return first.n_bytes;
    second = character_at(pretokenizer, text, n_bytes, first.n_bytes);
    if (first.kind != LINE_BREAK && second.kind == WORD)
        return run_end(pretokenizer, text, n_bytes, first.n_bytes, WORD);
    if (first.kind == OTHER || (text[0] == ' ' && second.kind == OTHER)) {
        length = run_end(pretokenizer, text, n_bytes, first.n_bytes, OTHER);
        return run_end(pretokenizer, text, n_bytes, length, LINE_BREAK);
    }
    return whitespace(pretokenizer, text, n_bytes);
}
