/*
 * describe.c - a listing of a file's keys and tensors, one line each
 */
#include "engine/model/model_internal.h"

#include "engine/file/gguf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_BYTES = 512,
    SHORT_TEXT = 120, /* bytes of a string that are shown */
    FEW_ELEMENTS = 8
};

/* A line that grows and is cut where it is full. */
struct line {
    char text[LINE_BYTES];
    size_t n_bytes;
};

static void add(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    const size_t room = sizeof line->text - line->n_bytes;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(line->text + line->n_bytes, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        line->n_bytes += (size_t)n < room ? (size_t)n : room - 1;
}

/* Line ends would break the listing; other controls are the screen's business. */
static void add_text(struct line *line, const char *bytes, uint64_t n_bytes)
{
    for (uint64_t i = 0; i < n_bytes && i < SHORT_TEXT; i++) {
        if (bytes[i] == '\n')
            add(line, "\\n");
        else if (bytes[i] == '\r')
            add(line, "\\r");
        else if (bytes[i] == '\0')
            add(line, "\\0");
        else
            add(line, "%c", bytes[i]);
    }
    if (n_bytes > SHORT_TEXT)
        add(line, "... (%llu bytes)", (unsigned long long)n_bytes);
}

static size_t scalar_bytes(enum gguf_value_type type)
{
    switch (type) {
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_BOOL: return 1;
    case GGUF_U16:
    case GGUF_I16: return 2;
    case GGUF_U32:
    case GGUF_I32:
    case GGUF_F32: return 4;
    default: return 8;
    }
}

static void add_scalar(struct line *line, enum gguf_value_type type, const uint8_t *bytes)
{
    uint64_t bits = 0;
    float single;
    double value;

    memcpy(&bits, bytes, scalar_bytes(type)); /* little endian, as the file */
    switch (type) {
    case GGUF_I8: add(line, "%d", (int8_t)bits); break;
    case GGUF_I16: add(line, "%d", (int16_t)bits); break;
    case GGUF_I32: add(line, "%d", (int32_t)bits); break;
    case GGUF_I64: add(line, "%lld", (long long)bits); break;
    case GGUF_BOOL: add(line, "%s", bits ? "true" : "false"); break;
    case GGUF_F32:
        memcpy(&single, bytes, sizeof single);
        add(line, "%.9g", (double)single);
        break;
    case GGUF_F64:
        memcpy(&value, bytes, sizeof value);
        add(line, "%.17g", value);
        break;
    default: add(line, "%llu", (unsigned long long)bits); break;
    }
}

/* A string in the file: its length in 8 bytes, then its bytes.  Returns what is behind it. */
static const uint8_t *add_string(struct line *line, const uint8_t *bytes)
{
    uint64_t n_bytes;

    memcpy(&n_bytes, bytes, sizeof n_bytes);
    add_text(line, (const char *)bytes + sizeof n_bytes, n_bytes);
    return bytes + sizeof n_bytes + n_bytes;
}

/* An array in the file: element type in 4 bytes, count in 8, then the elements. */
static void add_array(struct line *line, const struct gguf_key *key, const uint8_t *bytes)
{
    const uint8_t *at = bytes + 12;

    add(line, "[%llu]", (unsigned long long)key->n_elements);
    for (uint64_t i = 0; i < key->n_elements && i < FEW_ELEMENTS; i++) {
        add(line, i ? ", " : " ");
        if (key->element_type == GGUF_STRING) {
            at = add_string(line, at);
        } else {
            add_scalar(line, key->element_type, at);
            at += scalar_bytes(key->element_type);
        }
    }
    if (key->n_elements > FEW_ELEMENTS)
        add(line, ", ...");
}

static void describe_key(const struct gguf *file, const struct gguf_key *key, struct line *line)
{
    const uint8_t *bytes = gguf_key_bytes(file, key);

    line->n_bytes = 0;
    add_text(line, key->name.bytes, key->name.n_bytes);
    add(line, " = ");
    if (key->type == GGUF_ARRAY)
        add_array(line, key, bytes);
    else if (key->type == GGUF_STRING)
        add_string(line, bytes);
    else
        add_scalar(line, key->type, bytes);
}

static void describe_tensor(const struct gguf_tensor *tensor, struct line *line)
{
    line->n_bytes = 0;
    add_text(line, tensor->name.bytes, tensor->name.n_bytes);
    add(line, " %s [", tensor_type_info(tensor->type)->name);
    for (uint32_t i = 0; i < tensor->n_dimensions && i < 4; i++)
        add(line, "%s%llu", i ? ", " : "", (unsigned long long)tensor->ne[i]);
    add(line, "] %llu bytes", (unsigned long long)tensor->n_bytes);
}

/* Keys of the tokenizer are long and say little. */
static bool is_minor(const struct gguf_key *key)
{
    static const char prefix[] = "tokenizer.";

    return key->name.n_bytes >= sizeof prefix - 1 &&
           memcmp(key->name.bytes, prefix, sizeof prefix - 1) == 0;
}

void model_describe(const struct model *model, bool all_keys, bool tensors,
                    model_line_sink sink, void *context)
{
    const struct gguf *file = model_file(model);
    struct line line;

    for (size_t i = 0; i < gguf_key_count(file); i++) {
        const struct gguf_key *key = gguf_key_at(file, i);
        if (!all_keys && is_minor(key))
            continue;
        describe_key(file, key, &line);
        sink(context, line.text, line.n_bytes);
    }
    for (size_t i = 0; tensors && i < gguf_tensor_count(file); i++) {
        describe_tensor(gguf_tensor_at(file, i), &line);
        sink(context, line.text, line.n_bytes);
    }
}
