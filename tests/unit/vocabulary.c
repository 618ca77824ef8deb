/*
 * vocabulary.c - vocabularies of right files are complete, wrong files are refused with a name
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/text/merge_table.h"
#include "engine/text/utf8.h"
#include "tests/unit/text_fixture.h"

static void assert_token(const struct vocabulary *vocabulary, int32_t id, const char *bytes,
                         size_t n_bytes)
{
    size_t n;
    const char *found = vocabulary_bytes(vocabulary, id, &n);
    assert_int_equal(n, n_bytes);
    assert_memory_equal(found, bytes, n_bytes);
    assert_int_equal(found[n], 0);
}

static void tokens_are_their_bytes(void **state)
{
    struct text_model model = text_model_new(fixture_small());
    struct vocabulary *vocabulary = model.vocabulary;
    size_t n;

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char one = (char)byte;
        assert_token(vocabulary, vocabulary_byte_token(vocabulary, (uint8_t)byte), &one, 1);
    }
    assert_token(vocabulary, 256, "\n\n", 2);
    assert_token(vocabulary, 258, " t", 2);
    assert_token(vocabulary, 267, "\xE4\xB8", 2);
    assert_int_equal(vocabulary_size(vocabulary), 256 + 13 + 7);
    assert_int_equal(vocabulary_longest(vocabulary), strlen("<|endoftext|>"));
    assert_int_equal(vocabulary_pretokenizer(vocabulary), PRETOKENIZER_QWEN35);
    assert_int_equal(vocabulary_kind(vocabulary, 269), TOKEN_CONTROL);
    assert_int_equal(vocabulary_kind(vocabulary, 272), TOKEN_USER_DEFINED);
    assert_string_equal(vocabulary_bytes(vocabulary, -1, &n), "");
    assert_string_equal(vocabulary_bytes(vocabulary, INT32_MAX, &n), "");
    assert_int_equal(n, 0);
    assert_int_equal(vocabulary_kind(vocabulary, INT32_MIN), TOKEN_UNUSED);
    text_model_free(&model);
}

static void only_some_tokens_print(void **state)
{
    struct fixture *fixture = fixture_small();
    struct text_model model;
    int32_t unused = fixture_token(fixture, "[PAD7]", 5);
    size_t n;

    (void)state;
    model = text_model_new(fixture);
    vocabulary_print(model.vocabulary, unused, false, &n);
    assert_int_equal(n, 0);
    vocabulary_print(model.vocabulary, 269, false, &n); /* <|endoftext|> */
    assert_int_equal(n, 0);
    vocabulary_print(model.vocabulary, 269, true, &n);
    assert_int_equal(n, 13);
    vocabulary_print(model.vocabulary, 272, false, &n); /* <think> */
    assert_int_equal(n, 7);
    vocabulary_print(model.vocabulary, 1 << 20, true, &n);
    assert_int_equal(n, 0);
    text_model_free(&model);
}

static void stops_are_the_named_ids(void **state)
{
    struct text_model model = text_model_new(fixture_small());

    (void)state;
    for (int32_t id = -1; id < 300; id++)
        assert_int_equal(vocabulary_is_stop(model.vocabulary, id), id == 269 || id == 271);
    text_model_free(&model);
}

static void special_tokens_match_longest_first(void **state)
{
    static const char *const specials[] = {"<a>", "<a><b>", "<a><b><c>", "<", "b>x", "<a>"};
    struct fixture *fixture = fixture_new();
    struct text_model model;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        fixture_token(fixture, specials[i], 3 + (int32_t)(i & 1));
    fixture_token(fixture, "", 3);
    model = text_model_new(fixture);
    assert_int_equal(vocabulary_match_special(model.vocabulary, "<a><b><c>", 9, &n), 258);
    assert_int_equal(n, 9);
    assert_int_equal(vocabulary_match_special(model.vocabulary, "<a><b><c", 8, &n), 257);
    assert_int_equal(n, 6);
    assert_int_equal(vocabulary_match_special(model.vocabulary, "<a><", 4, &n), 256);
    assert_int_equal(n, 3);
    assert_int_equal(vocabulary_match_special(model.vocabulary, "<x", 2, &n), 259);
    assert_int_equal(vocabulary_match_special(model.vocabulary, "b>", 2, &n), -1);
    assert_int_equal(vocabulary_match_special(model.vocabulary, "", 0, &n), -1);
    assert_int_equal(vocabulary_find_special(model.vocabulary, "<a>", 3), 256);
    assert_int_equal(vocabulary_find_special(model.vocabulary, "<a><", 4), -1);
    assert_int_equal(vocabulary_find_special(model.vocabulary, "b>x", 3), 260);
    assert_int_equal(vocabulary_find_special(model.vocabulary, "", 0), -1);
    text_model_free(&model);
}

static void first_of_equals_counts(void **state)
{
    struct fixture *fixture = fixture_new();
    struct text_model model;
    const struct merge *merge;

    (void)state;
    fixture_merge(fixture, "a", "b");
    fixture_merge(fixture, "a", "b");
    fixture_token(fixture, "ab", 1);
    fixture_token(fixture, "a", 1);
    fixture_token(fixture, "", 1);
    model = text_model_new(fixture);
    merge = merge_table_find(vocabulary_merges(model.vocabulary),
                             vocabulary_byte_token(model.vocabulary, 'a'),
                             vocabulary_byte_token(model.vocabulary, 'b'));
    assert_non_null(merge);
    assert_int_equal(merge->rank, 0);
    assert_int_equal(merge->merged, 256);
    text_model_free(&model);
}

/* Refusals ------------------------------------------------------------------------------------ */

static void assert_refused(struct bytes *bytes, enum status wanted, const char *mention)
{
    struct text_model model = {.bytes = *bytes};
    struct error error = {0};
    char line[1024];

    assert_int_equal(text_model_load(&model, &error), wanted);
    assert_null(model.vocabulary);
    error_text(&error, line, sizeof line);
    if (!strstr(line, mention))
        fail_msg("\"%s\" does not mention \"%s\"", line, mention);
    text_model_free(&model);
}

static void refuse_fixture(struct fixture *fixture, enum status wanted, const char *mention)
{
    struct bytes bytes = {0};

    fixture_write(fixture, &bytes);
    free(fixture);
    assert_refused(&bytes, wanted, mention);
}

static void other_tokenizers_are_named(void **state)
{
    struct fixture *fixture = fixture_small();

    (void)state;
    fixture->model = NULL;
    refuse_fixture(fixture, STATUS_UNSUPPORTED, "tokenizer.ggml.model is missing");
    fixture = fixture_small();
    fixture->model = "llama";
    refuse_fixture(fixture, STATUS_UNSUPPORTED, "tokenizer.ggml.model is \"llama\"");
    fixture = fixture_small();
    fixture->pre = NULL;
    refuse_fixture(fixture, STATUS_UNSUPPORTED, "tokenizer.ggml.pre is missing");
    fixture = fixture_small();
    fixture->pre = "deepseek-llm";
    refuse_fixture(fixture, STATUS_UNSUPPORTED, "tokenizer.ggml.pre is \"deepseek-llm\"");
    fixture = fixture_small();
    fixture->pre = "qwen2";
    struct text_model model = text_model_new(fixture);
    assert_int_equal(vocabulary_pretokenizer(model.vocabulary), PRETOKENIZER_QWEN2);
    text_model_free(&model);
}

static void wrong_merges_are_named(void **state)
{
    /* The last three would lead from text to a control token. */
    static const char *const wrong[][2] = {
        {"", "is not two tokens"},
        {"ab", "is not two tokens"},
        {" ", "is not two tokens"},
        {" b", "is not two tokens"},
        {"a ", "is not two tokens"},
        {"aa b", "the first token does not exist"},
        {"a bb", "the second token does not exist"},
        {"a z", "the merged token does not exist"},
        {"\xC4 a", "the first token does not exist"},
        {"< s>", "the second token does not exist"},
        {"<x >", "the merged token does not exist"},
        {"<s> a", "the first token does not exist"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct fixture *fixture = fixture_small();
        fixture_token(fixture, "<s>", 3);
        fixture_merge(fixture, "<", "x");
        fixture_token(fixture, "<x>", 4);
        fixture->merges[fixture->n_merges++] = wrong[i][0];
        refuse_fixture(fixture, STATUS_DAMAGED, wrong[i][1]);
        fixture = fixture_small();
        fixture->merges[fixture->n_merges++] = wrong[i][0];
        refuse_fixture(fixture, STATUS_DAMAGED, "tokenizer.ggml.merges[13]");
    }
}

static void wrong_tokens_are_named(void **state)
{
    struct fixture *fixture = fixture_small();
    char *long_token = malloc(70001);

    (void)state;
    fixture->tokens[200] = "another";
    refuse_fixture(fixture, STATUS_DAMAGED, "no token for the byte 0x");
    fixture = fixture_small();
    fixture->types[200] = 3;
    refuse_fixture(fixture, STATUS_DAMAGED, "no token for the byte 0x");
    fixture = fixture_small();
    fixture->types[17] = 7;
    refuse_fixture(fixture, STATUS_DAMAGED, "tokenizer.ggml.token_type[17] is 7");
    fixture = fixture_small();
    fixture->types[17] = -1;
    refuse_fixture(fixture, STATUS_DAMAGED, "tokenizer.ggml.token_type[17] is -1");
    fixture = fixture_small();
    assert_non_null(long_token);
    memset(long_token, 'x', 70000);
    long_token[70000] = '\0';
    fixture_token(fixture, long_token, 1);
    refuse_fixture(fixture, STATUS_DAMAGED, "tokenizer.ggml.tokens[276] has 70000 bytes");
    free(long_token);
}

/* Files whose arrays are of wrong type or length: the keys by hand. */
enum array_kind { ABSENT, RIGHT, SHORT, OF_I8, OF_F32, SCALAR, EMPTY };

static void put_integers(struct bytes *out, const char *key, enum array_kind kind, size_t n)
{
    uint32_t type = kind == OF_I8 ? 1 : kind == OF_F32 ? 6 : 5;

    if (kind == ABSENT)
        return;
    if (kind == SCALAR) {
        put_key_u32(out, key, 1);
        return;
    }
    n = kind == EMPTY ? 0 : kind == SHORT ? n - 1 : n;
    put_key_array(out, key, type, n);
    for (size_t i = 0; i < n; i++)
        put_little(out, kind == OF_F32 ? 0x3F800000 : 1, kind == OF_I8 ? 1 : 4);
}

static void put_texts(struct bytes *out, const char *key, enum array_kind kind,
                      const char *const *texts, size_t n)
{
    if (kind == ABSENT)
        return;
    if (kind != RIGHT && kind != EMPTY) {
        put_integers(out, key, kind, n);
        return;
    }
    n = kind == EMPTY ? 0 : n;
    put_key_array(out, key, 8, n);
    for (size_t i = 0; i < n; i++)
        put_string(out, texts[i]);
}

static void arrays_are_checked(void **state)
{
    static const struct {
        enum array_kind tokens, types, scores, merges;
        enum status status;
        const char *mention;
    } cases[] = {
        {ABSENT, RIGHT, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.tokens is missing"},
        {OF_I8, RIGHT, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.tokens"},
        {SCALAR, RIGHT, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.tokens"},
        {EMPTY, EMPTY, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.tokens has 0"},
        {RIGHT, ABSENT, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.token_type is missing"},
        {RIGHT, SHORT, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.token_type has 255"},
        {RIGHT, EMPTY, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.token_type has 0"},
        {RIGHT, OF_F32, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.token_type"},
        {RIGHT, SCALAR, ABSENT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.token_type"},
        {RIGHT, RIGHT, OF_I8, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.scores"},
        {RIGHT, RIGHT, RIGHT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.scores"},
        {RIGHT, RIGHT, SHORT, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.scores"},
        {RIGHT, RIGHT, SCALAR, RIGHT, STATUS_DAMAGED, "tokenizer.ggml.scores"},
        {RIGHT, RIGHT, ABSENT, ABSENT, STATUS_DAMAGED, "tokenizer.ggml.merges is missing"},
        {RIGHT, RIGHT, ABSENT, OF_F32, STATUS_DAMAGED, "tokenizer.ggml.merges"},
        {RIGHT, RIGHT, ABSENT, SCALAR, STATUS_DAMAGED, "tokenizer.ggml.merges"},
        {RIGHT, RIGHT, OF_F32, EMPTY, STATUS_OK, ""},
        {RIGHT, OF_I8, ABSENT, EMPTY, STATUS_OK, ""},
    };
    struct fixture *fixture = fixture_new();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes bytes = {0};
        uint64_t n_keys = 2 + (cases[i].tokens != ABSENT) + (cases[i].types != ABSENT) +
                          (cases[i].scores != ABSENT) + (cases[i].merges != ABSENT);
        put_header(&bytes, 3, 0, n_keys);
        put_key_string(&bytes, "tokenizer.ggml.model", "gpt2");
        put_key_string(&bytes, "tokenizer.ggml.pre", "qwen35");
        put_texts(&bytes, "tokenizer.ggml.tokens", cases[i].tokens, fixture->tokens, 256);
        put_integers(&bytes, "tokenizer.ggml.token_type", cases[i].types, 256);
        put_integers(&bytes, "tokenizer.ggml.scores", cases[i].scores, 256);
        put_texts(&bytes, "tokenizer.ggml.merges", cases[i].merges, fixture->tokens, 256);
        if (cases[i].status != STATUS_OK) {
            assert_refused(&bytes, cases[i].status, cases[i].mention);
            continue;
        }
        struct text_model model = {.bytes = bytes};
        assert_int_equal(text_model_load(&model, NULL), STATUS_OK);
        text_model_free(&model);
    }
    free(fixture);
}

static void named_ids_are_checked(void **state)
{
    static const char *const keys[] = {
        "tokenizer.ggml.eos_token_id",       "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.eom_token_id",       "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.unknown_token_id",   "tokenizer.ggml.padding_token_id",
        "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.mask_token_id",
    };
    struct fixture *fixture = fixture_new();

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        for (uint32_t id = 255; id < 257; id++) {
            struct bytes bytes = {0};
            put_header(&bytes, 3, 0, 6);
            put_key_string(&bytes, "tokenizer.ggml.model", "gpt2");
            put_key_string(&bytes, "tokenizer.ggml.pre", "qwen35");
            put_texts(&bytes, "tokenizer.ggml.tokens", RIGHT, fixture->tokens, 256);
            put_integers(&bytes, "tokenizer.ggml.token_type", RIGHT, 256);
            put_texts(&bytes, "tokenizer.ggml.merges", EMPTY, NULL, 0);
            put_key_u32(&bytes, keys[i], id);
            if (id == 256) {
                assert_refused(&bytes, STATUS_DAMAGED, keys[i]);
                continue;
            }
            struct text_model model = {.bytes = bytes};
            assert_int_equal(text_model_load(&model, NULL), STATUS_OK);
            assert_int_equal(vocabulary_is_stop(model.vocabulary, 255), i < 3);
            text_model_free(&model);
        }
    free(fixture);
}

/* UTF-8, on which the rest stands --------------------------------------------------------------- */

static void utf8_is_read_strictly(void **state)
{
    static const struct {
        const char *bytes;
        enum utf8_state state;
        uint32_t n_bytes, code_point;
    } cases[] = {
        {"\x7F", UTF8_VALID, 1, 0x7F},
        {"\xC2\x80", UTF8_VALID, 2, 0x80},
        {"\xDF\xBF", UTF8_VALID, 2, 0x7FF},
        {"\xE0\xA0\x80", UTF8_VALID, 3, 0x800},
        {"\xED\x9F\xBF", UTF8_VALID, 3, 0xD7FF},
        {"\xEE\x80\x80", UTF8_VALID, 3, 0xE000},
        {"\xEF\xBF\xBF", UTF8_VALID, 3, 0xFFFF},
        {"\xF0\x90\x80\x80", UTF8_VALID, 4, 0x10000},
        {"\xF4\x8F\xBF\xBF", UTF8_VALID, 4, 0x10FFFF},
        {"\x80", UTF8_INVALID, 1, 0},
        {"\xC1\xBF", UTF8_INVALID, 1, 0},         /* overlong */
        {"\xE0\x9F\xBF", UTF8_INVALID, 1, 0},     /* overlong */
        {"\xED\xA0\x80", UTF8_INVALID, 1, 0},     /* a surrogate */
        {"\xF0\x8F\xBF\xBF", UTF8_INVALID, 1, 0}, /* overlong */
        {"\xF4\x90\x80\x80", UTF8_INVALID, 1, 0}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", UTF8_INVALID, 1, 0},
        {"\xE4\xB8", UTF8_INCOMPLETE, 2, 0},
        {"\xE4\xB8x", UTF8_INVALID, 2, 0},
        {"\xF0\x9F\x98", UTF8_INCOMPLETE, 3, 0},
        {"\xF0\x9F\x98\xF0", UTF8_INVALID, 3, 0},
        {"\xE4", UTF8_INCOMPLETE, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct utf8_step step = utf8_read(cases[i].bytes, strlen(cases[i].bytes));
        assert_int_equal(step.state, cases[i].state);
        assert_int_equal(step.n_bytes, cases[i].n_bytes);
        assert_int_equal(step.code_point, cases[i].code_point);
    }
}

static void text_is_stripped_as_by_python(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\r\n\v\f\x1C\x1D\x1E\x1F", ""},
        {"\xC2\x85\xC2\xA0\xE1\x9A\x80 a\xE2\x80\x83 b\xE2\x80\xA8\xE3\x80\x80",
         "a\xE2\x80\x83 b"},
        {"\xE2\x80\x8Bx", "\xE2\x80\x8Bx"}, /* U+200B is no whitespace */
        {"\xEF\xBB\xBFx", "\xEF\xBB\xBFx"}, /* nor is U+FEFF */
        {"\x1B x \x85", "\x1B x \x85"},     /* nor a broken byte */
        {"\xE3\x80 x \x80\x80 ", "\xE3\x80 x \x80\x80"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = strlen(cases[i][0]);
        const char *kept = utf8_strip(cases[i][0], &n);
        assert_int_equal(n, strlen(cases[i][1]));
        assert_memory_equal(kept, cases[i][1], n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_their_bytes),
        cmocka_unit_test(only_some_tokens_print),
        cmocka_unit_test(stops_are_the_named_ids),
        cmocka_unit_test(special_tokens_match_longest_first),
        cmocka_unit_test(first_of_equals_counts),
        cmocka_unit_test(other_tokenizers_are_named),
        cmocka_unit_test(wrong_merges_are_named),
        cmocka_unit_test(wrong_tokens_are_named),
        cmocka_unit_test(arrays_are_checked),
        cmocka_unit_test(named_ids_are_checked),
        cmocka_unit_test(utf8_is_read_strictly),
        cmocka_unit_test(text_is_stripped_as_by_python),
    };
    return cmocka_run_group_tests_name("vocabulary", tests, NULL, NULL);
}
