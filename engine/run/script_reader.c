/*
 * script_reader.c - words, numbers and texts of a script's line
 */
#include "engine/run/script_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status script_refuse(struct script_reader *reader, const char *what)
{
    enum status status = error_set(reader->error, STATUS_DAMAGED, "%s", what);

    error_where(reader->error, "line %u", reader->line);
    return status;
}

enum status script_no_memory(struct script_reader *reader)
{
    return error_set(reader->error, STATUS_NO_MEMORY, "no memory for the script");
}

enum status script_read_number(struct script_reader *reader, uint32_t least, uint32_t most,
                               uint32_t *number)
{
    uint64_t value = 0;
    const char *begin = reader->at;
    char what[80];

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' &&
           value <= most)
        value = value * 10 + (uint64_t)(*reader->at++ - '0');
    bool ended = reader->at == reader->end || *reader->at == ' ';
    if (reader->at == begin || !ended || value < least || value > most) {
        snprintf(what, sizeof what, "expected a number from %u to %u", least, most);
        return script_refuse(reader, what);
    }
    if (reader->at < reader->end)
        reader->at++;
    *number = (uint32_t)value;
    return STATUS_OK;
}

enum status script_read_end(struct script_reader *reader)
{
    return reader->at == reader->end ? STATUS_OK
                                     : script_refuse(reader, "too much on this line");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One escape, reader->at after the backslash. */
static bool read_escape(struct script_reader *reader, char *byte)
{
    static const char names[] = "nrtes\\";
    static const char values[] = "\n\r\t\x1b \\";

    if (reader->at == reader->end)
        return false;
    char name = *reader->at++;
    const char *found = name == '\0' ? NULL : strchr(names, name);
    if (found != NULL) {
        *byte = values[found - names];
        return true;
    }
    if (name != 'x' || reader->end - reader->at < 2)
        return false;
    int high = hex_digit(reader->at[0]);
    int low = hex_digit(reader->at[1]);
    reader->at += 2;
    *byte = (char)(high * 16 + low);
    return high >= 0 && low >= 0;
}

enum status script_read_text(struct script_reader *reader, char **bytes, size_t *n_bytes)
{
    char *text = malloc((size_t)(reader->end - reader->at) + 1);
    size_t n = 0;

    if (text == NULL)
        return script_no_memory(reader);
    while (reader->at < reader->end) {
        char byte = *reader->at++;
        if (byte == '\\' && !read_escape(reader, &byte)) {
            free(text);
            return script_refuse(reader,
                                 "unknown escape; there are \\n \\r \\t \\e \\s \\\\ \\xNN");
        }
        text[n++] = byte;
    }
    text[n] = '\0';
    *bytes = text;
    *n_bytes = n;
    return STATUS_OK;
}

/* The next word, and the space behind it. */
static void read_word(struct script_reader *reader, const char **word, size_t *length)
{
    const char *space = memchr(reader->at, ' ', (size_t)(reader->end - reader->at));

    *word = reader->at;
    *length = (size_t)((space == NULL ? reader->end : space) - reader->at);
    reader->at += *length + (space == NULL ? 0 : 1);
}

uint32_t script_find_word(struct script_reader *reader, const char *const *words,
                          uint32_t n_words)
{
    const char *word;
    size_t length;
    uint32_t i = 0;

    read_word(reader, &word, &length);
    while (i < n_words && (strlen(words[i]) != length || memcmp(words[i], word, length) != 0))
        i++;
    return i;
}
