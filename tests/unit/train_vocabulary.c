/*
 * train_vocabulary.c - a vocabulary that is trained, against one worked out by the definition
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/model.h"
#include "engine/text/detokenizer.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/vocabulary_training.h"
#include "tests/unit/text_fixture.h"

enum { MOST_TEXTS = 64 };

static char path[256], other_path[300];

static int make_paths(void **state)
{
    const char *folder = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";

    (void)state;
    snprintf(path, sizeof path, "%.200s/banter-vocabulary-%ld", folder, (long)getpid());
    snprintf(other_path, sizeof other_path, "%s-other", path);
    return 0;
}

static int remove_paths(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return 0;
}

struct text {
    const char *bytes;
    size_t n_bytes;
    uint32_t times;
};

static uint32_t train(const struct text *texts, size_t n_texts, uint32_t n_tokens,
                      const char *out)
{
    struct vocabulary_training *training;
    struct error error = {0};
    uint32_t n_got = 0;

    assert_int_equal(vocabulary_training_new(&training, n_tokens, &error), STATUS_OK);
    for (size_t i = 0; i < n_texts; i++)
        for (uint32_t time = 0; time < texts[i].times; time++)
            assert_int_equal(
                vocabulary_training_add(training, texts[i].bytes, texts[i].n_bytes, &error),
                STATUS_OK);
    if (vocabulary_training_write(training, out, &n_got, &error) != STATUS_OK)
        fail_msg("%s: %s", error.where, error.what);
    vocabulary_training_free(&training);
    assert_null(training);
    return n_got;
}

static struct text_model open_trained(void)
{
    struct text_model model = {0};
    struct error error = {0};

    if (!text_model_open(&model, path, &error))
        fail_msg("%s: %s", error.where, error.what);
    return model;
}

static void merges_are_those_worked_out_by_hand(void **state)
{
    static const struct text texts[] = {
        {"hug", 3, 10}, {"pug", 3, 5}, {"pun", 3, 12}, {"bun", 3, 4}, {"hugs", 4, 5}};
    /* 20, 16, 15, 12, then two of 5 in the order of their ids, then 4. */
    static const char *const wanted[] = {"u g", "u n", "h ug", "p un", "p ug", "hug s", "b un"};
    const struct gguf_string *merges;
    struct text_model model;
    size_t n_merges;

    (void)state;
    assert_int_equal(train(texts, 5, 1000, path), 256 + 7 + 5);
    model = open_trained();
    assert_int_equal(
        gguf_get_strings(model.file, "tokenizer.ggml.merges", &merges, &n_merges, NULL),
        STATUS_OK);
    assert_int_equal(n_merges, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(merges[i].n_bytes, strlen(wanted[i]));
        assert_memory_equal(merges[i].bytes, wanted[i], merges[i].n_bytes);
    }
    text_model_free(&model);
    assert_int_equal(train(texts, 5, 256 + 3 + 5, path), 256 + 3 + 5);
}

/* The definition, without any cleverness --------------------------------------------------------- */

enum { NAIVE_WORDS = 512, NAIVE_BYTES = 64, NAIVE_TOKENS = 700 };

struct naive_token {
    char bytes[NAIVE_BYTES];
    int n_bytes;
};

struct naive {
    struct naive_token tokens[NAIVE_TOKENS];
    int n_tokens;
    int words[NAIVE_WORDS][NAIVE_BYTES], lengths[NAIVE_WORDS], n_words;
    int merges[NAIVE_TOKENS][2], n_merges;
    int counts[NAIVE_TOKENS][NAIVE_TOKENS];
};

static void naive_start(struct naive *naive)
{
    memset(naive, 0, sizeof *naive);
    for (int pass = 0; pass < 2; pass++)
        for (int byte = 0; byte < 256; byte++) {
            char mapped[3];
            fixture_map_byte((unsigned)byte, mapped);
            /* Stand-ins of U+0100 and more come last. */
            if (((unsigned char)mapped[0] >= 0xC4) == (pass == 1)) {
                naive->tokens[naive->n_tokens].bytes[0] = (char)byte;
                naive->tokens[naive->n_tokens++].n_bytes = 1;
            }
        }
}

static int naive_byte(const struct naive *naive, char byte)
{
    int id = 0;

    while (naive->tokens[id].bytes[0] != byte)
        id++;
    return id;
}

static void naive_add(struct naive *naive, const char *text, size_t n_bytes)
{
    while (n_bytes) {
        size_t n = pretokenizer_word(PRETOKENIZER_QWEN35, text, n_bytes);
        assert_true(n <= NAIVE_BYTES && naive->n_words < NAIVE_WORDS);
        for (size_t i = 0; i < n; i++)
            naive->words[naive->n_words][i] = naive_byte(naive, text[i]);
        naive->lengths[naive->n_words++] = (int)n;
        text += n;
        n_bytes -= n;
    }
}

static int naive_token_of(struct naive *naive, int left, int right)
{
    struct naive_token token = naive->tokens[left], *second = &naive->tokens[right];

    memcpy(token.bytes + token.n_bytes, second->bytes, (size_t)second->n_bytes);
    token.n_bytes += second->n_bytes;
    for (int id = 0; id < naive->n_tokens; id++)
        if (naive->tokens[id].n_bytes == token.n_bytes &&
            memcmp(naive->tokens[id].bytes, token.bytes, (size_t)token.n_bytes) == 0)
            return id;
    naive->tokens[naive->n_tokens] = token;
    return naive->n_tokens++;
}

/* From the left, at most `most` times. */
static int naive_replace(int *ids, int n, int left, int right, int merged, int most)
{
    int n_out = 0;

    for (int i = 0; i < n; i++) {
        bool pair = most > 0 && i + 1 < n && ids[i] == left && ids[i + 1] == right;
        ids[n_out++] = pair ? merged : ids[i];
        i += pair;
        most -= pair;
    }
    return n_out;
}

static bool naive_step(struct naive *naive)
{
    int left = 0, right = 0, most = 1, merged;
    bool known = false;

    memset(naive->counts, 0, sizeof naive->counts);
    for (int word = 0; word < naive->n_words; word++)
        for (int i = 0; i + 1 < naive->lengths[word]; i++)
            naive->counts[naive->words[word][i]][naive->words[word][i + 1]]++;
    for (int a = 0; a < naive->n_tokens; a++)
        for (int b = 0; b < naive->n_tokens; b++)
            if (naive->counts[a][b] > most) {
                most = naive->counts[a][b];
                left = a;
                right = b;
            }
    if (most < 2)
        return false;
    for (int i = 0; i < naive->n_merges; i++)
        known = known || (naive->merges[i][0] == left && naive->merges[i][1] == right);
    if (!known) {
        naive->merges[naive->n_merges][0] = left;
        naive->merges[naive->n_merges++][1] = right;
    }
    merged = naive_token_of(naive, left, right);
    for (int word = 0; word < naive->n_words; word++)
        naive->lengths[word] = naive_replace(naive->words[word], naive->lengths[word], left,
                                             right, merged, INT32_MAX);
    return true;
}

/* A text's ids by the definition: the merge of lowest rank, leftmost first, until none applies. */
static void check_encoding(struct naive *naive, const struct vocabulary *vocabulary,
                           const char *text, size_t n_bytes)
{
    struct token_list list = {0};
    size_t at = 0;

    naive->n_words = 0;
    naive_add(naive, text, n_bytes);
    assert_int_equal(tokenizer_append(vocabulary, text, n_bytes, false, &list, NULL),
                     STATUS_OK);
    for (int word = 0; word < naive->n_words; word++) {
        int *ids = naive->words[word], n = naive->lengths[word];
        for (int rank = 0; rank < naive->n_merges; rank++) {
            int left = naive->merges[rank][0], right = naive->merges[rank][1];
            int before = n;
            n = naive_replace(ids, n, left, right, naive_token_of(naive, left, right), 1);
            if (n < before)
                rank = -1; /* what it made may take part in earlier merges */
        }
        for (int i = 0; i < n; i++, at++)
            assert_int_equal(list.ids[at], ids[i]);
    }
    assert_int_equal(list.n, at);
    token_list_release(&list);
}

static void check_merges(const struct naive *naive, struct gguf *file)
{
    const struct gguf_string *merges;
    size_t n_merges;

    assert_int_equal(gguf_get_strings(file, "tokenizer.ggml.merges", &merges, &n_merges, NULL),
                     STATUS_OK);
    assert_int_equal(n_merges, naive->n_merges);
    for (size_t i = 0; i < n_merges; i++) {
        char text[4 * NAIVE_BYTES] = "";
        for (int side = 0; side < 2; side++) {
            const struct naive_token *token = &naive->tokens[naive->merges[i][side]];
            for (int byte = 0; byte < token->n_bytes; byte++)
                fixture_map_byte((unsigned char)token->bytes[byte], text + strlen(text));
            if (side == 0)
                strcat(text, " ");
        }
        assert_int_equal(merges[i].n_bytes, strlen(text));
        assert_memory_equal(merges[i].bytes, text, merges[i].n_bytes);
    }
}

static void merges_are_those_of_the_definition(void **state)
{
    static const char *const alphabets[] = {"aab", "ab c", "aeiou nt.\n", "\xC3\xA4\xFFxy 1\n"};
    static char bytes[MOST_TEXTS][32];
    struct naive *naive = malloc(sizeof *naive);
    struct text texts[MOST_TEXTS];

    (void)state;
    assert_non_null(naive);
    for (uint32_t round = 0; round < 12; round++) {
        const char *alphabet = alphabets[round % 4];
        uint32_t n_tokens = 256 + 5 + 40;
        struct text_model model;
        uint64_t state_of_texts = 77 + round;
        naive_start(naive);
        for (int i = 0; i < MOST_TEXTS; i++) {
            texts[i] = (struct text){bytes[i], random_below(&state_of_texts, 24), 1};
            for (size_t k = 0; k < texts[i].n_bytes; k++)
                bytes[i][k] = alphabet[random_below(&state_of_texts, strlen(alphabet))];
            naive_add(naive, texts[i].bytes, texts[i].n_bytes);
        }
        while (naive->n_tokens < 256 + 40 && naive_step(naive))
            ;
        assert_int_equal(train(texts, MOST_TEXTS, n_tokens, path), naive->n_tokens + 5);
        model = open_trained();
        check_merges(naive, model.file);
        for (int i = 0; i < 20; i++)
            check_encoding(naive, model.vocabulary, texts[i].bytes, texts[i].n_bytes);
        text_model_free(&model);
    }
    free(naive);
}

/* Files ------------------------------------------------------------------------------------------ */

static size_t read_whole(const char *name, char **bytes)
{
    FILE *file = fopen(name, "rb");
    size_t n;

    *bytes = malloc(1 << 20);
    assert_true(file && *bytes);
    n = fread(*bytes, 1, 1 << 20, file);
    fclose(file);
    return n;
}

#define TEXT(literal, times)                                                                   \
    {                                                                                          \
        literal, sizeof(literal) - 1, times                                                    \
    }
static const struct text sentences[] = {
    TEXT("The quick brown fox jumps over the lazy dog, and the dog sleeps.\n", 3),
    TEXT("Gr\xC3\xBC\xC3\x9F"
         "e aus K\xC3\xB6ln: gr\xC3\xBCne B\xC3\xA4ume.",
         2),
    TEXT("user<|im_end|>\n<|im_start|>user <think> </think>\n\n", 4),
    TEXT("\xFF\xFE\0\0\xFF\xFE", 5),
    TEXT("", 1),
};

static void order_of_texts_changes_nothing(void **state)
{
    struct text turned[5];
    char *first, *second;
    size_t n;

    (void)state;
    for (int i = 0; i < 5; i++)
        turned[i] = sentences[4 - i];
    train(sentences, 5, 330, path);
    train(turned, 5, 330, other_path);
    n = read_whole(path, &first);
    assert_int_equal(read_whole(other_path, &second), n);
    assert_memory_equal(first, second, n);
    free(first);
    free(second);
}

static void check_round_trip(const struct vocabulary *vocabulary, const char *text, size_t n)
{
    struct token_list list = {0};
    size_t at = 0;

    assert_int_equal(tokenizer_append(vocabulary, text, n, false, &list, NULL), STATUS_OK);
    for (size_t i = 0; i < list.n; i++) {
        size_t n_bytes;
        const char *bytes = vocabulary_bytes(vocabulary, list.ids[i], &n_bytes);
        assert_int_equal(vocabulary_kind(vocabulary, list.ids[i]), TOKEN_NORMAL);
        assert_true(at + n_bytes <= n && memcmp(text + at, bytes, n_bytes) == 0);
        at += n_bytes;
    }
    assert_int_equal(at, n);
    token_list_release(&list);
}

static size_t put_scalar(char *out, uint32_t scalar)
{
    if (scalar < 0x80) {
        out[0] = (char)scalar;
        return 1;
    }
    int n = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    for (int i = n; i-- > 1; scalar >>= 6)
        out[i] = (char)(0x80 | (scalar & 0x3F));
    out[0] = (char)((0xF00 >> n & 0xFF) | scalar);
    return (size_t)n;
}

static void every_scalar_value_survives(void **state)
{
    char *text = malloc(5 << 20);
    struct text_model model;
    size_t n = 0;

    (void)state;
    assert_non_null(text);
    for (uint32_t scalar = 0; scalar <= 0x10FFFF; scalar++)
        if (scalar < 0xD800 || scalar > 0xDFFF)
            n += put_scalar(text + n, scalar);
    train(sentences, 5, 400, path);
    model = open_trained();
    check_round_trip(model.vocabulary, text, n);
    for (int i = 0; i < 5; i++)
        check_round_trip(model.vocabulary, sentences[i].bytes, sentences[i].n_bytes);
    text_model_free(&model);
    free(text);
}

static void special_tokens_stand_last(void **state)
{
    static const char *const texts[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>",
                                        "<think>", "</think>"};
    struct text_model model;
    struct token_list list = {0};
    uint32_t id = 0;

    (void)state;
    train(sentences, 5, 300, path);
    model = open_trained();
    assert_int_equal(vocabulary_size(model.vocabulary), 300);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(vocabulary_find_special(model.vocabulary, texts[i], strlen(texts[i])),
                         295 + i);
        assert_int_equal(vocabulary_kind(model.vocabulary, 295 + i),
                         i < 3 ? TOKEN_CONTROL : TOKEN_USER_DEFINED);
    }
    assert_true(vocabulary_is_stop(model.vocabulary, 295));
    assert_true(vocabulary_is_stop(model.vocabulary, 297));
    assert_int_equal(gguf_get_u32(model.file, "tokenizer.ggml.eos_token_id", &id, NULL),
                     STATUS_OK);
    assert_int_equal(id, 297);
    assert_int_equal(gguf_get_u32(model.file, "tokenizer.ggml.padding_token_id", &id, NULL),
                     STATUS_OK);
    assert_int_equal(id, 295);
    /* Spelled in a text they are ordinary tokens. */
    assert_int_equal(tokenizer_append(model.vocabulary, sentences[2].bytes,
                                      sentences[2].n_bytes, false, &list, NULL),
                     STATUS_OK);
    for (size_t i = 0; i < list.n; i++)
        assert_true(list.ids[i] < 295);
    token_list_release(&list);
    text_model_free(&model);
}

static void file_opens_as_a_vocabulary(void **state)
{
    const struct model_options options = {.vocabulary_only = true};
    struct model *model = NULL;
    struct error error = {0};

    (void)state;
    train(NULL, 0, 2000, path);
    if (model_open(&model, path, &options, &error) != STATUS_OK)
        fail_msg("%s: %s", error.where, error.what);
    assert_int_equal(model_info(model)->n_vocab, VOCABULARY_TRAINING_MIN);
    assert_string_equal(model_info(model)->template_name, "qwen3.5");
    assert_string_equal(model_info(model)->template_notice, "");
    model_close(&model);
}

static void long_runs_are_merged_in_time(void **state)
{
    enum { RUN = 300000 };
    char *run = malloc(RUN);
    struct text text = {run, RUN, 1};
    struct text_model model;

    (void)state;
    assert_non_null(run);
    memset(run, 'a', RUN);
    /* 2, 4, ... 256 bytes; then the rest that is left over at the end occurs once. */
    assert_int_equal(train(&text, 1, 1000, path), 256 + 8 + 5);
    model = open_trained();
    assert_int_equal(vocabulary_longest(model.vocabulary), 256);
    text_model_free(&model);
    free(run);
}

static void refusals(void **state)
{
    struct vocabulary_training *training = NULL;
    struct error error = {0};

    (void)state;
    assert_int_equal(vocabulary_training_new(&training, 260, &error), STATUS_USAGE);
    assert_null(training);
    assert_int_equal(vocabulary_training_new(&training, 1 << 21, &error), STATUS_USAGE);
    vocabulary_training_free(&training);
    assert_int_equal(vocabulary_training_new(&training, 261, &error), STATUS_OK);
    assert_int_equal(
        vocabulary_training_write(training, "/nonexistent/folder/x.gguf", NULL, &error),
        STATUS_IO);
    vocabulary_training_free(&training);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_worked_out_by_hand),
        cmocka_unit_test(merges_are_those_of_the_definition),
        cmocka_unit_test(order_of_texts_changes_nothing),
        cmocka_unit_test(every_scalar_value_survives),
        cmocka_unit_test(special_tokens_stand_last),
        cmocka_unit_test(file_opens_as_a_vocabulary),
        cmocka_unit_test(long_runs_are_merged_in_time),
        cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests(tests, make_paths, remove_paths);
}
