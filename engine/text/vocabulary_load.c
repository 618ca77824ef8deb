/*
 * vocabulary_load.c - from the keys of a file to struct vocabulary
 *
 * Three passes: kinds and bytes of all tokens into one block; an index from a token's text in the
 * file to its id, which lives only while the merges are read; the merges as pairs of ids.
 *
 * Only ordinary tokens are in that index, and each byte must have one.  So no merge can make a
 * control or user-defined token out of text, and every text has tokens.
 * Two ordinary tokens with the same text: the first counts; so does the first of equal merges.
 */
#include "engine/text/vocabulary_internal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/file/gguf_file.h"
#include "engine/text/byte_map.h"

#define KEY_MODEL  "tokenizer.ggml.model"
#define KEY_PRE    "tokenizer.ggml.pre"
#define KEY_TOKENS "tokenizer.ggml.tokens"
#define KEY_TYPES  "tokenizer.ggml.token_type"
#define KEY_SCORES "tokenizer.ggml.scores"
#define KEY_MERGES "tokenizer.ggml.merges"

enum {
    MAX_TOKEN_BYTES = 1 << 16, /* the longest of Qwen's has 256 */
    MAX_TOTAL_BYTES = 1 << 30
};

/*
 * From the text of a token in the file to its id; open-addressed.  A slot holds half of the hash, so
 * that texts are compared when they are equal, and hardly ever when they are not.
 */
struct token_slot {
    uint32_t hash;
    uint32_t number; /* id + 1, 0 is empty */
};

struct token_index {
    const struct gguf_string *tokens; /* borrows from the file */
    struct token_slot *slots;         /* owns */
    uint64_t mask;
    uint64_t seed; /* not the same in every run: a file cannot aim at collisions */
};

struct loader {
    struct vocabulary *vocabulary;
    struct gguf *file;
    const struct gguf_string *tokens; /* [n_tokens]; borrows from the file */
    struct token_index index;
    struct byte_map map;
    struct error *error;
};

static enum status no_memory(struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "not enough memory for the vocabulary");
}

/* A key that must be there: missing is damaged. */
static enum status required(enum status status, const char *key, struct error *error)
{
    if (status == STATUS_NOT_FOUND)
        return error_set(error, STATUS_DAMAGED, "%s is missing", key);
    return status;
}

static bool string_is(struct gguf_string string, const char *text)
{
    return string.n_bytes == strlen(text) && memcmp(string.bytes, text, string.n_bytes) == 0;
}

static int shown(struct gguf_string string)
{
    return string.n_bytes < 40 ? (int)string.n_bytes : 40;
}

/* Which tokenizer ------------------------------------------------------------------------- */

static enum status read_pretokenizer(struct loader *loader)
{
    struct gguf_string model, pre;
    enum status status;

    status = gguf_get_string(loader->file, KEY_MODEL, &model, loader->error);
    if (status == STATUS_NOT_FOUND)
        return error_set(loader->error, STATUS_UNSUPPORTED,
                         "the file has no tokenizer (" KEY_MODEL " is missing)");
    if (status != STATUS_OK)
        return status;
    if (!string_is(model, "gpt2"))
        return error_set(loader->error, STATUS_UNSUPPORTED,
                         KEY_MODEL " is \"%.*s\"; banter knows \"gpt2\"", shown(model),
                         model.bytes);
    status = gguf_get_string(loader->file, KEY_PRE, &pre, loader->error);
    if (status == STATUS_NOT_FOUND)
        return error_set(loader->error, STATUS_UNSUPPORTED,
                         KEY_PRE " is missing: how to cut text in words is not known");
    if (status != STATUS_OK)
        return status;
    if (string_is(pre, "qwen35"))
        loader->vocabulary->pretokenizer = PRETOKENIZER_QWEN35;
    else if (string_is(pre, "qwen2"))
        loader->vocabulary->pretokenizer = PRETOKENIZER_QWEN2;
    else
        return error_set(loader->error, STATUS_UNSUPPORTED,
                         KEY_PRE " is \"%.*s\"; banter knows \"qwen35\" and \"qwen2\"",
                         shown(pre), pre.bytes);
    return STATUS_OK;
}

/* Tokens ---------------------------------------------------------------------------------- */

static enum status read_kinds(struct loader *loader)
{
    struct vocabulary *vocabulary = loader->vocabulary;
    int64_t *types = NULL;
    size_t n_types = 0;
    enum status status =
        required(gguf_get_integers(loader->file, KEY_TYPES, &types, &n_types, loader->error),
                 KEY_TYPES, loader->error);

    if (status != STATUS_OK)
        return status;
    if (n_types != vocabulary->n_tokens) {
        status = error_set(loader->error, STATUS_DAMAGED,
                           KEY_TYPES " has %zu elements, " KEY_TOKENS " has %u", n_types,
                           vocabulary->n_tokens);
        goto out;
    }
    vocabulary->kind = checked_allocate(n_types, 1);
    if (!vocabulary->kind) {
        status = no_memory(loader->error);
        goto out;
    }
    for (size_t i = 0; i < n_types; i++) {
        if (types[i] < 0 || types[i] >= TOKEN_KIND_COUNT) {
            status =
                error_set(loader->error, STATUS_DAMAGED,
                          KEY_TYPES "[%zu] is %lld, not a token type", i, (long long)types[i]);
            goto out;
        }
        vocabulary->kind[i] = (uint8_t)types[i];
    }
out:
    free(types);
    return status;
}

/* Scores are of no use to this tokenizer, but a file whose arrays disagree is damaged. */
static enum status check_scores(struct loader *loader)
{
    const struct gguf_key *scores = gguf_find_key(loader->file, KEY_SCORES);

    if (scores && (scores->type != GGUF_ARRAY || scores->element_type != GGUF_F32 ||
                   scores->n_elements != loader->vocabulary->n_tokens))
        return error_set(loader->error, STATUS_DAMAGED,
                         KEY_SCORES " is not an array of %u f32 (offset %llu)",
                         loader->vocabulary->n_tokens, (unsigned long long)scores->file_offset);
    return STATUS_OK;
}

static bool is_ordinary(const struct vocabulary *vocabulary, size_t id)
{
    enum token_kind kind = (enum token_kind)vocabulary->kind[id];

    return kind == TOKEN_NORMAL || kind == TOKEN_UNDEFINED || kind == TOKEN_BYTE;
}

/* The sum of all texts bounds the sum of all decoded texts: decoding never lengthens. */
static enum status allocate_bytes(struct loader *loader)
{
    struct vocabulary *vocabulary = loader->vocabulary;
    uint64_t total = 0;

    for (size_t i = 0; i < vocabulary->n_tokens; i++) {
        if (loader->tokens[i].n_bytes > MAX_TOKEN_BYTES)
            return error_set(loader->error, STATUS_DAMAGED, KEY_TOKENS "[%zu] has %zu bytes", i,
                             loader->tokens[i].n_bytes);
        if (!checked_add(total, loader->tokens[i].n_bytes + 1, &total) ||
            total > MAX_TOTAL_BYTES)
            return error_set(loader->error, STATUS_DAMAGED,
                             KEY_TOKENS " has more than %d bytes", MAX_TOTAL_BYTES);
    }
    vocabulary->bytes = checked_allocate((size_t)total, 1);
    vocabulary->offset =
        checked_allocate((size_t)vocabulary->n_tokens + 1, sizeof *vocabulary->offset);
    return vocabulary->bytes && vocabulary->offset ? STATUS_OK : no_memory(loader->error);
}

/*
 * Added tokens are written plainly.  An ordinary token with a character outside of the map is taken
 * plainly as well; no merge leads to it.
 */
static void decode_tokens(struct loader *loader)
{
    struct vocabulary *vocabulary = loader->vocabulary;
    size_t at = 0;

    for (size_t i = 0; i < vocabulary->n_tokens; i++) {
        struct gguf_string text = loader->tokens[i];
        size_t n = 0;
        vocabulary->offset[i] = (uint32_t)at;
        if (!is_ordinary(vocabulary, i) ||
            !byte_map_decode(&loader->map, text.bytes, text.n_bytes, vocabulary->bytes + at,
                             &n)) {
            n = text.n_bytes;
            memcpy(vocabulary->bytes + at, text.bytes, n);
        }
        if (n > vocabulary->longest)
            vocabulary->longest = n;
        at += n;
        vocabulary->bytes[at++] = '\0';
    }
    vocabulary->offset[vocabulary->n_tokens] = (uint32_t)at;
}

static enum status read_tokens(struct loader *loader)
{
    size_t n_tokens = 0;
    enum status status = required(
        gguf_get_strings(loader->file, KEY_TOKENS, &loader->tokens, &n_tokens, loader->error),
        KEY_TOKENS, loader->error);

    if (status != STATUS_OK)
        return status;
    if (n_tokens == 0 || n_tokens > INT32_MAX)
        return error_set(loader->error, STATUS_DAMAGED, KEY_TOKENS " has %zu elements",
                         n_tokens);
    loader->vocabulary->n_tokens = (uint32_t)n_tokens;
    if ((status = read_kinds(loader)) != STATUS_OK ||
        (status = check_scores(loader)) != STATUS_OK ||
        (status = allocate_bytes(loader)) != STATUS_OK)
        return status;
    decode_tokens(loader);
    return STATUS_OK;
}

/* The index of ordinary tokens ------------------------------------------------------------ */

static uint64_t hash_text(uint64_t seed, const char *bytes, size_t n_bytes)
{
    uint64_t hash = seed ^ n_bytes, word;

    for (; n_bytes >= 8; bytes += 8, n_bytes -= 8) {
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
        hash ^= hash >> 29;
    }
    word = 0;
    for (size_t i = 0; i < n_bytes; i++)
        word |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
    hash = (hash ^ word) * 0xD6E8FEB86659FD93U;
    return hash ^ hash >> 32;
}

/* The slot of the text, or the empty one where it belongs. */
static struct token_slot *find_slot(const struct token_index *index, const char *bytes,
                                    size_t n_bytes, uint32_t *hash)
{
    uint64_t whole = hash_text(index->seed, bytes, n_bytes), at = whole & index->mask;

    *hash = (uint32_t)(whole >> 32);
    for (; index->slots[at].number; at = (at + 1) & index->mask) {
        struct gguf_string text;
        if (index->slots[at].hash != *hash)
            continue;
        text = index->tokens[index->slots[at].number - 1];
        if (text.n_bytes == n_bytes && memcmp(text.bytes, bytes, n_bytes) == 0)
            break;
    }
    return &index->slots[at];
}

static int32_t find_token(const struct token_index *index, const char *bytes, size_t n_bytes)
{
    uint32_t hash;

    return (int32_t)find_slot(index, bytes, n_bytes, &hash)->number - 1;
}

static enum status build_index(struct loader *loader)
{
    struct token_index *index = &loader->index;
    uint64_t n_slots = 16;

    while (n_slots / 2 < loader->vocabulary->n_tokens)
        n_slots *= 2;
    index->tokens = loader->tokens;
    index->mask = n_slots - 1;
    index->slots = checked_allocate_zeroed((size_t)n_slots, sizeof *index->slots);
    if (!index->slots)
        return no_memory(loader->error);
    index->seed = (uintptr_t)index->slots * 0x9E3779B97F4A7C15U;
    for (uint32_t i = 0; i < loader->vocabulary->n_tokens; i++) {
        struct gguf_string text = loader->tokens[i];
        struct token_slot *slot;
        uint32_t hash;
        if (!text.n_bytes || !is_ordinary(loader->vocabulary, i))
            continue;
        slot = find_slot(index, text.bytes, text.n_bytes, &hash);
        if (!slot->number)
            *slot = (struct token_slot){hash, i + 1};
    }
    return STATUS_OK;
}

static enum status find_byte_tokens(struct loader *loader)
{
    for (uint32_t code_point = 0; code_point < 0x144; code_point++) {
        char mapped[2];
        size_t n = 0;
        int16_t byte = loader->map.byte_of[code_point];
        int32_t id;
        if (byte < 0)
            continue;
        if (code_point >= 0x80)
            mapped[n++] = (char)(0xC0 | code_point >> 6);
        mapped[n] = (char)(n ? 0x80 | (code_point & 0x3F) : code_point);
        id = find_token(&loader->index, mapped, n + 1);
        if (id < 0)
            return error_set(loader->error, STATUS_DAMAGED,
                             KEY_TOKENS " has no token for the byte 0x%02X", byte);
        loader->vocabulary->byte_token[byte] = id;
    }
    return STATUS_OK;
}

/* Merges ---------------------------------------------------------------------------------- */

/* The token whose text is merge without its space. */
static int32_t find_merged(const struct loader *loader, struct gguf_string merge, size_t n_left)
{
    char text[MAX_TOKEN_BYTES];
    size_t n_right = merge.n_bytes - n_left - 1;

    if (n_left + n_right > sizeof text)
        return -1;
    memcpy(text, merge.bytes, n_left);
    memcpy(text + n_left, merge.bytes + n_left + 1, n_right);
    return find_token(&loader->index, text, n_left + n_right);
}

static enum status add_merge(struct loader *loader, struct gguf_string text, uint32_t rank)
{
    struct merge merge = {.rank = rank};
    const char *space = text.n_bytes > 1 ? memchr(text.bytes + 1, ' ', text.n_bytes - 1) : NULL;
    size_t n_left = space ? (size_t)(space - text.bytes) : 0;

    if (!space || n_left + 1 == text.n_bytes)
        return error_set(loader->error, STATUS_DAMAGED, KEY_MERGES "[%u] is not two tokens",
                         rank);
    merge.left = find_token(&loader->index, text.bytes, n_left);
    merge.right = find_token(&loader->index, space + 1, text.n_bytes - n_left - 1);
    merge.merged = find_merged(loader, text, n_left);
    if (merge.left < 0 || merge.right < 0 || merge.merged < 0)
        return error_set(loader->error, STATUS_DAMAGED,
                         KEY_MERGES "[%u], \"%.*s\": %s token does not exist", rank,
                         shown(text), text.bytes,
                         merge.left < 0    ? "the first"
                         : merge.right < 0 ? "the second"
                                           : "the merged");
    merge_table_add(&loader->vocabulary->merges, merge);
    return STATUS_OK;
}

static enum status read_merges(struct loader *loader)
{
    const struct gguf_string *merges = NULL;
    size_t n_merges = 0;
    enum status status =
        required(gguf_get_strings(loader->file, KEY_MERGES, &merges, &n_merges, loader->error),
                 KEY_MERGES, loader->error);

    if (status != STATUS_OK)
        return status;
    if (n_merges > INT32_MAX)
        return error_set(loader->error, STATUS_DAMAGED, KEY_MERGES " has %zu elements",
                         n_merges);
    if (!merge_table_create(&loader->vocabulary->merges, n_merges))
        return no_memory(loader->error);
    for (size_t i = 0; i < n_merges && status == STATUS_OK; i++)
        status = add_merge(loader, merges[i], (uint32_t)i);
    return status;
}

/* Special tokens -------------------------------------------------------------------------- */

static int compare_special(const void *a, const void *b, void *context)
{
    const struct vocabulary *vocabulary = context;
    int32_t first = *(const int32_t *)a, second = *(const int32_t *)b;
    size_t n_first, n_second;
    const char *first_bytes = vocabulary_bytes(vocabulary, first, &n_first);
    const char *second_bytes = vocabulary_bytes(vocabulary, second, &n_second);
    int order = vocabulary_compare(first_bytes, n_first, second_bytes, n_second);

    return order ? order : (first > second) - (first < second);
}

/* Of two with the same text the first stays, so that a search has one answer. */
static void drop_equal_specials(struct vocabulary *vocabulary)
{
    size_t n = 0;

    for (size_t i = 0; i < vocabulary->n_special; i++) {
        size_t n_bytes, n_last = 0;
        const char *bytes = vocabulary_bytes(vocabulary, vocabulary->special[i], &n_bytes);
        const char *last =
            n ? vocabulary_bytes(vocabulary, vocabulary->special[n - 1], &n_last) : NULL;
        if (!n || vocabulary_compare(last, n_last, bytes, n_bytes) != 0)
            vocabulary->special[n++] = vocabulary->special[i];
    }
    vocabulary->n_special = n;
}

static enum status collect_specials(struct loader *loader)
{
    struct vocabulary *vocabulary = loader->vocabulary;
    size_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (uint32_t i = 0; i < vocabulary->n_tokens; i++) {
            enum token_kind kind = vocabulary_kind(vocabulary, (int32_t)i);
            if ((kind != TOKEN_CONTROL && kind != TOKEN_USER_DEFINED) ||
                !loader->tokens[i].n_bytes)
                continue;
            if (pass)
                vocabulary->special[n] = (int32_t)i;
            n++;
        }
        if (pass || !n)
            continue;
        vocabulary->special = checked_allocate(n, sizeof *vocabulary->special);
        if (!vocabulary->special)
            return no_memory(loader->error);
    }
    vocabulary->n_special = n;
    if (n)
        qsort_r(vocabulary->special, n, sizeof *vocabulary->special, compare_special,
                vocabulary);
    drop_equal_specials(vocabulary);
    return STATUS_OK;
}

static void add_stop(struct vocabulary *vocabulary, int32_t id)
{
    if (id >= 0 && !vocabulary_is_stop(vocabulary, id) &&
        vocabulary->n_stops < VOCABULARY_MAX_STOPS)
        vocabulary->stops[vocabulary->n_stops++] = id;
}

/* The ids that a file names: all must be tokens, some end an answer. */
static enum status read_named_ids(struct loader *loader)
{
    static const struct {
        const char *key;
        bool stops;
    } names[] = {
        {"tokenizer.ggml.eos_token_id", true},
        {"tokenizer.ggml.eot_token_id", true},
        {"tokenizer.ggml.eom_token_id", true},
        {"tokenizer.ggml.bos_token_id", false},
        {"tokenizer.ggml.unknown_token_id", false},
        {"tokenizer.ggml.padding_token_id", false},
        {"tokenizer.ggml.seperator_token_id", false}, /* spelled so in the format */
        {"tokenizer.ggml.mask_token_id", false},
    };
    /* The two that Qwen's generation_config names; a file has room for one of them. */
    static const char *const stops[] = {"<|im_end|>", "<|endoftext|>"};
    struct vocabulary *vocabulary = loader->vocabulary;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t id = 0;
        enum status status = gguf_get_u32(loader->file, names[i].key, &id, loader->error);
        if (status == STATUS_NOT_FOUND)
            continue;
        if (status != STATUS_OK)
            return status;
        if (id >= vocabulary->n_tokens)
            return error_set(loader->error, STATUS_DAMAGED, "%s is %u; there are %u tokens",
                             names[i].key, id, vocabulary->n_tokens);
        if (names[i].stops)
            add_stop(vocabulary, (int32_t)id);
    }
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++)
        add_stop(vocabulary, vocabulary_find_special(vocabulary, stops[i], strlen(stops[i])));
    return STATUS_OK;
}

enum status vocabulary_load(struct vocabulary **out, struct gguf *file, struct error *error)
{
    struct loader loader = {.file = file, .error = error};
    enum status status;

    *out = NULL;
    loader.vocabulary = checked_allocate_zeroed(1, sizeof *loader.vocabulary);
    if (!loader.vocabulary)
        return no_memory(error);
    byte_map_build(&loader.map);
    if ((status = read_pretokenizer(&loader)) == STATUS_OK &&
        (status = read_tokens(&loader)) == STATUS_OK &&
        (status = build_index(&loader)) == STATUS_OK &&
        (status = find_byte_tokens(&loader)) == STATUS_OK &&
        (status = read_merges(&loader)) == STATUS_OK &&
        (status = collect_specials(&loader)) == STATUS_OK)
        status = read_named_ids(&loader);
    free(loader.index.slots);
    if (status == STATUS_OK) {
        *out = loader.vocabulary;
        return STATUS_OK;
    }
    vocabulary_free(&loader.vocabulary);
    /* What the reader of the file raised has its place already. */
    if (error && !error->where[0])
        error_path(error, gguf_path(file));
    return status;
}
