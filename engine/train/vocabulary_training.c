/*
 * vocabulary_training.c - a byte-level BPE vocabulary from texts, written as a file
 */
#include "engine/vocabulary_training.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/file/gguf_writer.h"
#include "engine/text/byte_map.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/template.h"
#include "engine/text/vocabulary.h"
#include "engine/train/word_merging.h"

struct vocabulary_training {
    uint32_t n_tokens;
    struct word_count words; /* of two bytes and more */
};

/* In the order of the published files; control: never printed. */
static const struct {
    const char *text;
    enum token_kind kind;
} specials[] = {
    {"<|endoftext|>", TOKEN_CONTROL}, {"<|im_start|>", TOKEN_CONTROL},
    {"<|im_end|>", TOKEN_CONTROL},    {"<think>", TOKEN_USER_DEFINED},
    {"</think>", TOKEN_USER_DEFINED},
};

enum {
    SPECIALS = sizeof specials / sizeof specials[0],
    PADDING = 0, /* places in specials */
    END = 2
};

_Static_assert(SPECIALS + 256 == VOCABULARY_TRAINING_MIN, "the smallest vocabulary");

static enum status no_memory(struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "not enough memory to train a vocabulary");
}

enum status vocabulary_training_new(struct vocabulary_training **out, uint32_t n_tokens,
                                    struct error *error)
{
    *out = NULL;
    if (n_tokens < VOCABULARY_TRAINING_MIN || n_tokens > VOCABULARY_TRAINING_MAX)
        return error_set(error, STATUS_USAGE,
                         "a vocabulary has %d to %d tokens; %u were asked for",
                         VOCABULARY_TRAINING_MIN, VOCABULARY_TRAINING_MAX, n_tokens);
    *out = checked_allocate_zeroed(1, sizeof **out);
    if (!*out)
        return no_memory(error);
    (*out)->n_tokens = n_tokens;
    return STATUS_OK;
}

void vocabulary_training_free(struct vocabulary_training **training)
{
    if (!*training)
        return;
    word_count_release(&(*training)->words);
    free(*training);
    *training = NULL;
}

enum status vocabulary_training_add(struct vocabulary_training *training, const char *text,
                                    size_t n_bytes, struct error *error)
{
    if (n_bytes > UINT32_MAX)
        return error_set(error, STATUS_USAGE, "a text of %zu bytes is too long", n_bytes);
    while (n_bytes > 0) {
        size_t n_word = pretokenizer_word(PRETOKENIZER_QWEN35, text, n_bytes);
        if (n_word > 1 && !word_count_add(&training->words, text, (uint32_t)n_word, 1, NULL))
            return no_memory(error);
        text += n_word;
        n_bytes -= n_word;
    }
    return STATUS_OK;
}

/* The file ----------------------------------------------------------------------------------- */

struct vocabulary_file {
    const struct word_merging *merging;
    struct gguf_string *tokens; /* owns; [n_tokens] */
    int32_t *kinds;             /* owns; [n_tokens] */
    uint32_t n_tokens;
    struct gguf_string *merges; /* owns */
    char *text;                 /* owns; what tokens and merges point to */
    char *mapped[256];          /* the stand-in of a byte, terminated */
    char mapped_text[256 * 3];
};

static void map_bytes(struct vocabulary_file *file)
{
    struct byte_map map;
    char *at = file->mapped_text;

    byte_map_build(&map);
    for (uint32_t code_point = 0; code_point < 0x144; code_point++) {
        if (map.byte_of[code_point] < 0)
            continue;
        file->mapped[map.byte_of[code_point]] = at;
        if (code_point >= 0x80)
            *at++ = (char)(0xC0 | code_point >> 6);
        *at++ = (char)(code_point >= 0x80 ? 0x80 | (code_point & 0x3F) : code_point);
        *at++ = '\0';
    }
}

/* A token's text as a file holds it; returns the end. */
static char *write_token(const struct vocabulary_file *file, char *at, uint32_t id)
{
    const struct word_count *tokens = &file->merging->tokens;
    const char *bytes = word_count_bytes(tokens, id);

    for (uint32_t i = 0; i < tokens->words[id].n_bytes; i++)
        at = stpcpy(at, file->mapped[(unsigned char)bytes[i]]);
    return at;
}

static uint32_t merged_bytes(const struct word_merging *merging, struct word_merge merge)
{
    return merging->tokens.words[merge.left].n_bytes +
           merging->tokens.words[merge.right].n_bytes;
}

static bool allocate(struct vocabulary_file *file)
{
    const struct word_merging *merging = file->merging;
    uint64_t n_bytes = 2 * (uint64_t)merging->tokens.n_bytes + 1;

    /* Two bytes for each byte, a space in each merge, and the terminator of the last. */
    for (uint32_t i = 0; i < merging->n_merges; i++)
        n_bytes += 2 * merged_bytes(merging, merging->merges[i]) + 1;
    file->n_tokens = merging->tokens.n_words + SPECIALS;
    file->tokens = checked_allocate(file->n_tokens, sizeof *file->tokens);
    file->kinds = checked_allocate(file->n_tokens, sizeof *file->kinds);
    file->merges = checked_allocate((size_t)merging->n_merges + 1, sizeof *file->merges);
    file->text = checked_allocate((size_t)n_bytes, 1);
    return file->tokens && file->kinds && file->merges && file->text;
}

static void fill(struct vocabulary_file *file)
{
    const struct word_merging *merging = file->merging;
    uint32_t n_ordinary = merging->tokens.n_words;
    char *at = file->text;

    map_bytes(file);
    for (uint32_t id = 0; id < n_ordinary; id++) {
        char *end = write_token(file, at, id);
        file->tokens[id] = (struct gguf_string){at, (size_t)(end - at)};
        file->kinds[id] = TOKEN_NORMAL;
        at = end;
    }
    for (uint32_t i = 0; i < SPECIALS; i++) {
        file->tokens[n_ordinary + i] =
            (struct gguf_string){specials[i].text, strlen(specials[i].text)};
        file->kinds[n_ordinary + i] = (int32_t)specials[i].kind;
    }
    for (uint32_t i = 0; i < merging->n_merges; i++) {
        char *end = write_token(file, at, merging->merges[i].left);
        *end++ = ' ';
        end = write_token(file, end, merging->merges[i].right);
        file->merges[i] = (struct gguf_string){at, (size_t)(end - at)};
        at = end;
    }
}

static enum status write_text(struct gguf_writer *writer, const char *name, const char *text,
                              struct error *error)
{
    return gguf_writer_string(writer, name, text, strlen(text), error);
}

static enum status write_keys(struct gguf_writer *writer, const struct vocabulary_file *file,
                              struct error *error)
{
    uint32_t n_ordinary = file->n_tokens - SPECIALS;
    enum status status = write_text(writer, "general.architecture", "qwen35", error);

    if (status == STATUS_OK)
        status = write_text(writer, "general.name", "a vocabulary", error);
    if (status == STATUS_OK)
        status = write_text(writer, "tokenizer.ggml.model", "gpt2", error);
    if (status == STATUS_OK)
        status = write_text(writer, "tokenizer.ggml.pre", "qwen35", error);
    if (status == STATUS_OK)
        status = gguf_writer_strings(writer, "tokenizer.ggml.tokens", file->tokens,
                                     file->n_tokens, error);
    if (status == STATUS_OK)
        status = gguf_writer_array(writer, "tokenizer.ggml.token_type", GGUF_I32, file->kinds,
                                   file->n_tokens, error);
    if (status == STATUS_OK)
        status = gguf_writer_strings(writer, "tokenizer.ggml.merges", file->merges,
                                     file->merging->n_merges, error);
    if (status == STATUS_OK)
        status =
            gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", n_ordinary + END, error);
    if (status == STATUS_OK)
        status = gguf_writer_u32(writer, "tokenizer.ggml.padding_token_id",
                                 n_ordinary + PADDING, error);
    if (status == STATUS_OK)
        status = gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", false, error);
    if (status == STATUS_OK)
        status = write_text(writer, "tokenizer.chat_template", chat_template_text, error);
    return status;
}

static enum status write_file(struct vocabulary_file *file, const char *path,
                              struct error *error)
{
    struct gguf_writer *writer = NULL;
    enum status status;

    if (!allocate(file))
        return no_memory(error);
    fill(file);
    status = gguf_writer_open(&writer, path, error);
    if (status == STATUS_OK)
        status = write_keys(writer, file, error);
    if (status == STATUS_OK)
        status = gguf_writer_finish(&writer, error);
    gguf_writer_discard(&writer);
    return status;
}

enum status vocabulary_training_write(struct vocabulary_training *training, const char *path,
                                      uint32_t *n_got, struct error *error)
{
    struct word_merging merging;
    struct vocabulary_file file = {.merging = &merging};
    enum status status =
        word_merging_run(&merging, &training->words, training->n_tokens - SPECIALS, error);

    if (status == STATUS_OK)
        status = write_file(&file, path, error);
    if (status == STATUS_OK && n_got)
        *n_got = file.n_tokens;
    free(file.tokens);
    free(file.kinds);
    free(file.merges);
    free(file.text);
    word_merging_release(&merging);
    return status;
}
