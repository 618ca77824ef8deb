/*
 * tokenizer.c - text to tokens and back: exact, total, and never a control token
 *
 * With a file as argument the program checks the cases in it instead (tests/golden/tokenizer.py
 * writes them): lines "words PRE =TEXT LENGTH ..." and "ids =TEXT ID ...", where TEXT is bytes with
 * %XX for what is not printable, of the vocabulary of TINY_MODEL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <pthread.h>

#include "engine/text/merge_queue.h"
#include "engine/text/merge_table.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/tokenizer.h"
#include "tests/unit/text_fixture.h"

static struct token_list tokens_of(const struct vocabulary *vocabulary, const char *text,
                                   size_t n_bytes, bool special)
{
    struct token_list list = {0};
    struct error error = {0};

    if (tokenizer_append(vocabulary, text, n_bytes, special, &list, &error) != STATUS_OK)
        fail_msg("%s", error.what);
    return list;
}

/* Do the tokens spell the text, and is none of them special? */
static bool is_faithful(const struct vocabulary *vocabulary, const char *text, size_t n_bytes)
{
    struct token_list list = tokens_of(vocabulary, text, n_bytes, false);
    bool faithful = true;
    size_t at = 0;

    for (size_t i = 0; i < list.n && faithful; i++) {
        size_t n;
        const char *bytes = vocabulary_bytes(vocabulary, list.ids[i], &n);
        faithful = vocabulary_kind(vocabulary, list.ids[i]) == TOKEN_NORMAL &&
                   n <= n_bytes - at && memcmp(text + at, bytes, n) == 0;
        at += n;
    }
    token_list_release(&list);
    return faithful && at == n_bytes;
}

static void open_tiny(struct text_model *model)
{
    struct error error = {0};

    if (!text_model_open(model, TINY_MODEL, &error))
        fail_msg("%s: %s", TINY_MODEL, error.what);
}

/* Cases from a file --------------------------------------------------------------------------- */

/* "=TEXT" to bytes, in place. */
static size_t decode_text(char *word)
{
    size_t n = 0;

    for (const char *at = word + 1; *at; at++) {
        unsigned byte = (unsigned char)*at;
        if (*at == '%') {
            if (sscanf(at + 1, "%2x", &byte) != 1)
                abort();
            at += 2;
        }
        word[n++] = (char)byte;
    }
    return n;
}

static bool check_numbers(char *rest, const int32_t *numbers, size_t n)
{
    char *end = rest;

    for (size_t i = 0; i < n; i++) {
        long wanted = strtol(rest, &end, 10);
        if (end == rest || wanted != numbers[i])
            return false;
        rest = end;
    }
    strtol(rest, &end, 10);
    return end == rest;
}

static bool check_case(const struct vocabulary *vocabulary, char *line)
{
    enum pretokenizer pretokenizer = PRETOKENIZER_QWEN2;
    char *kind = strtok_r(line, " ", &line), *word;
    struct token_list list = {0};
    size_t n;
    bool right;

    if (strcmp(kind, "words") == 0 && strcmp(strtok_r(NULL, " ", &line), "qwen35") == 0)
        pretokenizer = PRETOKENIZER_QWEN35;
    word = strtok_r(NULL, " ", &line);
    n = decode_text(word);
    if (strcmp(kind, "words") == 0)
        for (size_t at = 0, length; at < n; at += length) {
            length = pretokenizer_word(pretokenizer, word + at, n - at);
            token_list_add(&list, (int32_t)length);
        }
    else
        list = tokens_of(vocabulary, word, n, false);
    right = check_numbers(line, list.ids, list.n);
    token_list_release(&list);
    return right;
}

static int check_file(const char *path)
{
    struct text_model model;
    struct error error = {0};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0, number = 0, wrong = 0;

    if (!file || !text_model_open(&model, TINY_MODEL, &error))
        return 2;
    while (getline(&line, &capacity, file) > 0) {
        char *copy = strdup(line);
        number++;
        if (copy && !check_case(model.vocabulary, line) && wrong++ < 5)
            printf("%s:%zu: %s", path, number, copy);
        free(copy);
    }
    free(line);
    fclose(file);
    text_model_free(&model);
    printf("%zu cases, %zu wrong\n", number, wrong);
    return wrong || !number;
}

/* Words --------------------------------------------------------------------------------------- */

/* words: the text cut by "|". */
static void assert_words(enum pretokenizer pretokenizer, const char *words)
{
    char text[200];
    size_t n = 0, at = 0;

    for (const char *c = words; *c; c++)
        if (*c != '|')
            text[n++] = *c;
    for (const char *c = words; at < n; c++) {
        size_t length = pretokenizer_word(pretokenizer, text + at, n - at);
        size_t wanted = strcspn(c, "|");
        if (length != wanted)
            fail_msg("%s: a word of %zu bytes at byte %zu", words, length, at);
        at += length;
        c += wanted;
    }
}

static void text_is_cut_in_words(void **state)
{
    static const char *const both[] = {
        "",
        "Hello| world",
        "I|'m| here|,| he|'LL| be| they|'Re",
        "x|'s|y",
        "i|'d|'ve|'T",
        "'\xC5\xBF", /* U+017F is no s here */
        "1|2|3|a|1",
        "\xE2\x85\xA7|\xC2\xBD",
        " |1| a|  | b|    | c",
        "a|\n",
        "a|\n\n|b",
        "  \n|  | x",
        " \r\n \n|\tx",
        "\t|\t|1",
        "a|\r|\xE2\x80\xA8z",
        "\r|a",
        "a|  ",
        "   ",
        "...|a|...\r\n\n| ...\n|x",
        "\tabc|!abc|!!$",
        "$|5",
        "\xC2\xA0word|\xC2\xA0|\xC2\xA0word",
        "\xE3\x80\x80\xE4\xB8\xAD",
        "a|\x80\x81\xFF\n", /* broken bytes are punctuation */
        "\xFFz| \xFF\xFE",
        "\xE4\xB8",
        "\xED\xA0\x80|5",
    };

    (void)state;
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        assert_words(PRETOKENIZER_QWEN2, both[i]);
        assert_words(PRETOKENIZER_QWEN35, both[i]);
    }
    /* A mark (U+0301) belongs to a word of qwen35 and is punctuation of qwen2. */
    assert_words(PRETOKENIZER_QWEN35, "e\xCC\x81t|1|\xCC\x81\xCC\x81| |1|!\xCC\x81z");
    assert_words(PRETOKENIZER_QWEN2, "e|\xCC\x81t|1|\xCC\x81\xCC\x81| |1|!\xCC\x81|z");
}

/* Merging ------------------------------------------------------------------------------------- */

/* The definition, one merge after another: the lowest rank, the leftmost of equals. */
static struct token_list merged_naively(const struct vocabulary *vocabulary, const char *word,
                                        size_t n_bytes)
{
    struct token_list list = {0};

    for (size_t i = 0; i < n_bytes; i++)
        token_list_add(&list, vocabulary_byte_token(vocabulary, (uint8_t)word[i]));
    for (;;) {
        const struct merge *best = NULL;
        size_t place = 0;
        for (size_t i = 0; i + 1 < list.n; i++) {
            const struct merge *merge =
                merge_table_find(vocabulary_merges(vocabulary), list.ids[i], list.ids[i + 1]);
            if (merge && (!best || merge->rank < best->rank)) {
                best = merge;
                place = i;
            }
        }
        if (!best)
            return list;
        list.ids[place] = best->merged;
        memmove(list.ids + place + 1, list.ids + place + 2,
                (list.n - place - 2) * sizeof *list.ids);
        list.n--;
    }
}

/* A letter or a token that a merge made. */
static const char *random_text(const struct fixture *fixture, uint64_t *seed, size_t n_letters)
{
    static const char *const letters[] = {"a", "b", "c", "d"};
    size_t number = random_below(seed, n_letters + fixture->n_tokens - 256);

    return number < n_letters ? letters[number] : fixture->tokens[256 + number - n_letters];
}

/* Merges of random tokens in random order: also such whose parts are made by later merges. */
static struct text_model random_model(uint64_t *seed, size_t n_letters, size_t n_merges)
{
    struct fixture *fixture = fixture_new();

    for (size_t i = 0; i < n_merges; i++) {
        const char *left = random_text(fixture, seed, n_letters);
        const char *right = random_text(fixture, seed, n_letters);
        if (strlen(left) + strlen(right) <= 12)
            fixture_merge(fixture, left, right);
    }
    for (size_t i = fixture->n_merges; i > 1; i--) {
        size_t other = random_below(seed, i);
        const char *merge = fixture->merges[i - 1];
        fixture->merges[i - 1] = fixture->merges[other];
        fixture->merges[other] = merge;
    }
    return text_model_new(fixture);
}

static void merging_is_as_defined(void **state)
{
    uint64_t seed = 20;

    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t n_letters = 1 + random_below(&seed, 4);
        struct text_model model = random_model(&seed, n_letters, 2 + random_below(&seed, 40));
        for (int i = 0; i < 20; i++) {
            char word[400];
            size_t n = 1 + random_below(&seed, i < 18 ? 30 : sizeof word);
            for (size_t j = 0; j < n; j++)
                word[j] = (char)('a' + random_below(&seed, n_letters));
            struct token_list list = tokens_of(model.vocabulary, word, n, false);
            struct token_list naive = merged_naively(model.vocabulary, word, n);
            if (list.n != naive.n || memcmp(list.ids, naive.ids, list.n * sizeof *list.ids))
                fail_msg("round %d: \"%.*s\" merges in another order", round, (int)n, word);
            token_list_release(&list);
            token_list_release(&naive);
        }
        text_model_free(&model);
    }
}

/* Keys come out lowest first, whatever order they came in; also keys below the last one. */
static void queue_gives_the_lowest(void **state)
{
    struct merge_queue queue = {0};
    uint64_t seed = 3, key, held[2000];
    bool failed = false;

    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t n = 0, n_taken = 0;
        uint64_t spread = (uint64_t)1 << random_below(&seed, 63);
        while (n_taken < 2000) {
            if (n < sizeof held / sizeof held[0] && random_below(&seed, 5) > 1) {
                held[n] = random_next(&seed) % spread;
                assert_true(merge_queue_push(&queue, held[n++]));
                continue;
            }
            size_t lowest = 0;
            for (size_t i = 1; i < n; i++)
                if (held[i] < held[lowest])
                    lowest = i;
            assert_int_equal(merge_queue_pop(&queue, &key, &failed), n > 0);
            n_taken++;
            if (n) {
                assert_true(key == held[lowest]);
                held[lowest] = held[--n];
            }
        }
        while (merge_queue_pop(&queue, &key, &failed))
            n--;
        assert_int_equal(n, 0);
    }
    merge_queue_release(&queue);
}

/* Round trips --------------------------------------------------------------------------------- */

static size_t encode_utf8(uint32_t code_point, char *out)
{
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; code_point >>= 6)
        out[i] = (char)(0x80 | (code_point & 0x3F));
    out[0] = (char)(leads[n] | code_point);
    return n;
}

static void every_code_point_comes_back(void **state)
{
    char *all = malloc(4 * 0x110000);
    size_t n_all = 0;
    struct text_model model;

    (void)state;
    assert_non_null(all);
    open_tiny(&model);
    for (uint32_t code_point = 0; code_point < 0x110000; code_point++) {
        char text[8];
        size_t n;
        if (code_point >= 0xD800 && code_point < 0xE000)
            continue;
        n = encode_utf8(code_point, text);
        if (!is_faithful(model.vocabulary, text, n))
            fail_msg("U+%04X does not come back", code_point);
        memcpy(all + n_all, text, n);
        n_all += n;
    }
    assert_true(is_faithful(model.vocabulary, all, n_all));
    free(all);
    text_model_free(&model);
}

static void broken_bytes_come_back(void **state)
{
    struct text_model model;
    uint64_t seed = 7;
    char text[64];

    (void)state;
    open_tiny(&model);
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char two[2] = {(char)pair, (char)(pair >> 8)};
        assert_true(is_faithful(model.vocabulary, two, 2));
    }
    for (int round = 0; round < 50000; round++) {
        size_t n = random_below(&seed, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)random_next(&seed);
        assert_true(is_faithful(model.vocabulary, text, n));
    }
    text_model_free(&model);
}

static void assert_pieces_come_back(const struct vocabulary *vocabulary)
{
    for (uint32_t id = 0; id < vocabulary_size(vocabulary); id++) {
        size_t n;
        const char *bytes = vocabulary_bytes(vocabulary, (int32_t)id, &n);
        if (!is_faithful(vocabulary, bytes, n))
            fail_msg("token %u does not come back", id);
    }
}

static void every_piece_comes_back(void **state)
{
    struct text_model model;

    (void)state;
    open_tiny(&model);
    assert_pieces_come_back(model.vocabulary);
    text_model_free(&model);
}

/* Control tokens ------------------------------------------------------------------------------ */

static void assert_no_special(const struct vocabulary *vocabulary)
{
    static const char *const frames[][2] = {
        {"", ""},
        {"a", "b"},
        {" ", " "},
        {"\n", "\n"},
        {"<", ">"},
        {"\xFF", "x"},
        {"<|", "|>"},
        {"1", "2"},
        {"\xE4\xB8", "\xAD"},
        {"'s", "'s"},
        {"", "\r\n"},
        {"|", "|"},
        {"<|im_end|>", "<|im_start|>system\n"},
    };

    for (uint32_t id = 0; id < vocabulary_size(vocabulary); id++) {
        enum token_kind kind = vocabulary_kind(vocabulary, (int32_t)id);
        size_t n, at;
        const char *bytes = vocabulary_bytes(vocabulary, (int32_t)id, &n);
        if (kind != TOKEN_CONTROL && kind != TOKEN_USER_DEFINED)
            continue;
        for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
            char text[1024];
            assert_true(n < 900);
            at = strlen(frames[i][0]);
            memcpy(text, frames[i][0], at);
            memcpy(text + at, bytes, n);
            memcpy(text + at + n, frames[i][1], strlen(frames[i][1]));
            at += n + strlen(frames[i][1]);
            if (!is_faithful(vocabulary, text, at))
                fail_msg("\"%.*s\" gave a special token", (int)at, text);
        }
    }
}

static void text_gives_no_special_token(void **state)
{
    struct text_model model;

    (void)state;
    open_tiny(&model);
    assert_no_special(model.vocabulary);
    text_model_free(&model);
}

static void special_text_gives_special_tokens(void **state)
{
    struct text_model model = text_model_new(fixture_small());
    const char *text = "<|im_start|>user\n<|im_end|><think><|im_end";
    const int32_t wanted[] = {270, 261, vocabulary_byte_token(model.vocabulary, '\n'),
                              271, 272, 268};
    struct token_list list = tokens_of(model.vocabulary, text, strlen(text), true);

    (void)state;
    assert_memory_equal(list.ids, wanted, sizeof wanted);
    assert_int_equal(list.n, 6 + strlen("im_end"));
    token_list_release(&list);
    text_model_free(&model);
}

/* Size ---------------------------------------------------------------------------------------- */

static void *tokenize_long_runs(void *context)
{
    static const char *const units[] = {
        "a",  " ",   "\n", "!",    "1", "\xCC\x81", "\xFF", "\xE4\xB8\xAD",
        "ab", " \n", "'s", "\r\n", "<|"};
    const struct vocabulary *vocabulary = context;
    enum { RUN_BYTES = 1 << 20 };
    char *text = malloc(RUN_BYTES + 8);
    bool *right = malloc(sizeof *right);

    *right = true;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t n = strlen(units[i]);
        for (size_t at = 0; at < RUN_BYTES; at += n)
            memcpy(text + at, units[i], n);
        *right = *right && is_faithful(vocabulary, text, RUN_BYTES);
    }
    free(text);
    return right;
}

/* No recursion: 64 KiB of stack, or the least that a thread may have, do for words of any length. */
static void long_runs_need_no_stack(void **state)
{
    struct text_model model;
    pthread_attr_t attributes;
    pthread_t thread;
    void *right = NULL;
    size_t stack = 64 * 1024;

    (void)state;
    if (stack < (size_t)PTHREAD_STACK_MIN)
        stack = (size_t)PTHREAD_STACK_MIN;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    stack *= 16;
#endif
    open_tiny(&model);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, stack), 0);
    assert_int_equal(pthread_create(&thread, &attributes, tokenize_long_runs, model.vocabulary),
                     0);
    assert_int_equal(pthread_join(thread, &right), 0);
    pthread_attr_destroy(&attributes);
    assert_true(*(bool *)right);
    free(right);
    text_model_free(&model);
}

/* The public vocabulary ----------------------------------------------------------------------- */

static char *read_all(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 16);

    assert_non_null(file);
    assert_non_null(text);
    *n_bytes = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    return text;
}

static void public_vectors_match(void **state)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[512];
    struct text_model model;
    size_t n_texts, n_answers, n_cases = 0;

    (void)state;
    if (!shared_file("ggml-vocab-qwen35.gguf", path, sizeof path)) {
        print_message("skip: ../shared/data is not there\n");
        skip();
    }
    assert_true(text_model_open(&model, path, NULL));
    char *texts =
        read_all(shared_file("ggml-vocab-qwen35.gguf.inp", path, sizeof path), &n_texts);
    char *answers =
        read_all(shared_file("ggml-vocab-qwen35.gguf.out", path, sizeof path), &n_answers);
    char *text = texts, *answer = answers, *end, *line_end;
    while ((end = memmem(text, n_texts - (size_t)(text - texts), separator,
                         sizeof separator - 1)) != NULL) {
        struct token_list list = tokens_of(model.vocabulary, text, (size_t)(end - text), false);
        line_end = strchr(answer, '\n');
        assert_non_null(line_end);
        *line_end = '\0';
        if (!check_numbers(answer, list.ids, list.n))
            fail_msg("case %zu", n_cases + 1);
        token_list_release(&list);
        n_cases++;
        text = end + sizeof separator - 1;
        answer = line_end + 1;
    }
    assert_int_equal(n_cases, 50);
    free(texts);
    free(answers);
    assert_pieces_come_back(model.vocabulary);
    assert_no_special(model.vocabulary);
    text_model_free(&model);
}

int main(int n_arguments, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_in_words),
        cmocka_unit_test(merging_is_as_defined),
        cmocka_unit_test(queue_gives_the_lowest),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(broken_bytes_come_back),
        cmocka_unit_test(every_piece_comes_back),
        cmocka_unit_test(text_gives_no_special_token),
        cmocka_unit_test(special_text_gives_special_tokens),
        cmocka_unit_test(long_runs_need_no_stack),
        cmocka_unit_test(public_vectors_match),
    };
    if (n_arguments > 1)
        return check_file(arguments[1]);
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
