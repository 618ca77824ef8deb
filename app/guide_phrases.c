/*
 * guide_phrases.c - plain words of a text, and the small differences of what people type
 */
#include "app/guide_phrases.h"

#include <ctype.h>
#include <string.h>

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("/_-+^.<>=*", c) != NULL);
}

char *guide_words(const char *text)
{
    struct text_buffer words = {0};
    bool gap = false;

    for (; *text != '\0'; text++) {
        /* A full stop inside a name stays, one at the end of a sentence goes. */
        bool is_word = is_word_byte(*text) &&
                       !(*text == '.' && !isalnum((unsigned char)text[1])) && *text != '\'';
        if (*text == '\'')
            continue;
        if (is_word) {
            char c = (char)tolower((unsigned char)*text);
            if (gap && words.n_bytes > 0)
                text_add(&words, " ");
            text_append(&words, &c, 1);
        }
        gap = !is_word;
    }
    char *copy = app_copy(text_string(&words), words.n_bytes);
    text_release(&words);
    return copy;
}

bool guide_words_contain(const char *text, const char *inner)
{
    size_t n = strlen(inner);

    if (n == 0)
        return false;
    for (const char *at = text; (at = strstr(at, inner)) != NULL; at++) {
        if ((at == text || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
            return true;
    }
    return false;
}

#define PICK(random, list) (list)[guide_below(random, sizeof(list) / sizeof *(list))]

static const char *const greetings[] = {
    "please, ",       "hi, ",        "hey, ",      "hello, ",      "sorry, ",
    "ok, ",           "so, ",        "um, ",       "well, ",       "quick question: ",
    "one question: ", "excuse me, ", "hi there, ", "dear guide, ", "guide, ",
    "now, ",
};
static const char *const ours[] = {
    "in banter, ",       "with banter, ",  "I am new to banter: ",
    "in this program, ", "in this chat, ",
};
static const char *const endings[] = {" please", " please", " thanks", " thank you", " now"};
static const char *const our_endings[] = {" in banter", " here", " in this program"};

/* Where a letter may be wrong: inside a word of letters alone. */
static size_t slip_place(struct guide_random *random, const char *text, size_t n)
{
    for (int tries = 0; tries < 8; tries++) {
        size_t at = guide_below(random, n);
        size_t begin = at, end = at;
        bool plain = true;

        while (begin > 0 && text[begin - 1] != ' ')
            begin--;
        while (end < n && text[end] != ' ')
            end++;
        for (size_t i = begin; i < end; i++)
            plain = plain && islower((unsigned char)text[i]);
        if (plain && end - begin >= 5 && at > begin && at + 1 < end)
            return at;
    }
    return 0;
}

static void slip(struct guide_random *random, struct text_buffer *text)
{
    size_t at = text->n_bytes == 0 ? 0 : slip_place(random, text->bytes, text->n_bytes);
    char *bytes = text->bytes;

    if (at == 0)
        return;
    if (guide_chance(random, 50)) {
        char c = bytes[at];
        bytes[at] = bytes[at + 1];
        bytes[at + 1] = c;
    } else {
        memmove(bytes + at, bytes + at + 1, text->n_bytes - at);
        text->n_bytes--;
    }
}

/* "I" stays a capital letter nowhere else than at the start: case is changed as a whole. */
static void change_case(struct guide_random *random, struct text_buffer *text)
{
    size_t choice = guide_below(random, 100);

    if (text->n_bytes == 0)
        return;
    if (choice < 45) {
        text->bytes[0] = (char)toupper((unsigned char)text->bytes[0]);
    } else if (choice > 80) {
        for (size_t i = 0; i < text->n_bytes; i++)
            text->bytes[i] = (char)tolower((unsigned char)text->bytes[i]);
    }
}

void guide_decorate(struct guide_random *random, const char *question, bool is_ours,
                    bool with_slips, struct text_buffer *out)
{
    size_t n = strlen(question);
    char mark = n > 0 && strchr("?.", question[n - 1]) != NULL ? question[n - 1] : '\0';
    struct text_buffer text = {0};

    if (guide_chance(random, 12))
        text_add(&text, PICK(random, greetings));
    if (is_ours && guide_chance(random, 8))
        text_add(&text, PICK(random, ours));
    text_append(&text, question, mark != '\0' ? n - 1 : n);
    if (is_ours && guide_chance(random, 6))
        text_add(&text, PICK(random, our_endings));
    if (guide_chance(random, 6))
        text_add(&text, PICK(random, endings));
    if (mark != '\0' && !guide_chance(random, 35))
        text_append(&text, &mark, 1);
    if (with_slips && guide_chance(random, 9))
        slip(random, &text);
    change_case(random, &text);
    text_append(out, text_string(&text), text.n_bytes);
    text_release(&text);
}
