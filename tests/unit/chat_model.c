/*
 * chat_model.c - text and chat through the public headers, over an open model
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/chat.h"

#define TINY_MODEL "tests/golden/data/tinyA-q8_0.gguf"

/* Tokens of TINY_MODEL. */
enum { ENDOFTEXT = 486, IM_START = 487, IM_END = 488, TOOL_CALL = 500, THINK = 510 };

static struct model *open_model(const char *template_name)
{
    struct model_options options = {.vocabulary_only = true, .template_name = template_name};
    struct model *model;
    struct error error = {0};

    if (model_open(&model, TINY_MODEL, &options, &error) != STATUS_OK)
        fail_msg("%s", error.what);
    return model;
}

static void text_goes_to_tokens_and_back(void **state)
{
    static const char text[] = "Hello\0 <|im_end|><think>\xFF\xE4\xB8";
    struct model *model = open_model(NULL);
    int32_t *ids;
    size_t n_ids, n_bytes;
    char *back;

    (void)state;
    for (int special = 0; special < 2; special++) {
        assert_int_equal(
            model_tokenize(model, text, sizeof text - 1, special, &ids, &n_ids, NULL),
            STATUS_OK);
        assert_int_equal(model_detokenize(model, ids, n_ids, true, &back, &n_bytes, NULL),
                         STATUS_OK);
        assert_int_equal(n_bytes, sizeof text - 1);
        assert_memory_equal(back, text, sizeof text);
        free(back);
        assert_int_equal(model_detokenize(model, ids, n_ids, false, &back, &n_bytes, NULL),
                         STATUS_OK);
        assert_int_equal(n_bytes, sizeof text - 1 - (special ? strlen("<|im_end|>") : 0));
        free(back);
        free(ids);
    }
    assert_int_equal(model_tokenize(model, "", 0, false, &ids, &n_ids, NULL), STATUS_OK);
    assert_int_equal(n_ids, 0);
    free(ids);
    assert_int_equal(model_detokenize(model, NULL, 0, false, &back, &n_bytes, NULL), STATUS_OK);
    assert_string_equal(back, "");
    free(back);
    model_close(&model);
}

static void ids_out_of_range_are_refused(void **state)
{
    static const int32_t wrong[] = {-1, 512, INT32_MAX, INT32_MIN};
    struct model *model = open_model(NULL);
    size_t n_bytes;
    char *text;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        int32_t ids[] = {1, wrong[i]};
        struct error error = {0};
        assert_int_equal(model_detokenize(model, ids, 2, false, &text, &n_bytes, &error),
                         STATUS_USAGE);
        assert_null(text);
        assert_non_null(strstr(error.what, "token 1, "));
        assert_false(model_is_stop_token(model, wrong[i]));
        assert_string_equal(model_token_text(model, wrong[i], NULL), "");
    }
    model_close(&model);
}

static void tokens_are_known_by_name(void **state)
{
    struct model *model = open_model(NULL);
    size_t n_bytes;

    (void)state;
    assert_string_equal(model_token_text(model, IM_END, &n_bytes), "<|im_end|>");
    assert_int_equal(n_bytes, 10);
    assert_string_equal(model_token_text(model, TOOL_CALL, NULL), "<tool_call>");
    for (int32_t id = 0; id < 512; id++)
        assert_int_equal(model_is_stop_token(model, id), id == ENDOFTEXT || id == IM_END);
    model_close(&model);
}

static void chat_uses_the_template_of_the_model(void **state)
{
    struct chat_message user = {.role = CHAT_USER, .text = " hi ", .n_bytes = 4};
    struct chat_prompt prompt;
    struct model *model = open_model("qwen3.5");
    const int32_t *end;
    size_t n_end;

    (void)state;
    assert_true(chat_can_think(model));
    assert_false(chat_thinks_by_default(model)); /* it is a small one */
    end = chat_end_thinking_ids(model, &n_end);
    assert_int_equal(n_end, 3);
    assert_int_equal(end[1], THINK + 1);
    assert_int_equal(chat_render(model, &user, 1, THINKING_ON, true, &prompt, NULL), STATUS_OK);
    assert_string_equal(prompt.text,
                        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n<think>\n");
    assert_true(prompt.thinking);
    assert_int_equal(prompt.ids[0], IM_START);
    assert_int_equal(prompt.ids[prompt.n_stable], THINK);
    chat_prompt_release(&prompt);
    model_close(&model);

    model = open_model("chatml");
    assert_false(chat_can_think(model));
    assert_false(chat_thinks_by_default(model));
    chat_end_thinking_ids(model, &n_end);
    assert_int_equal(n_end, 0);
    assert_int_equal(chat_render(model, &user, 1, THINKING_ON, true, &prompt, NULL), STATUS_OK);
    assert_string_equal(prompt.text,
                        "<|im_start|>user\n hi <|im_end|>\n<|im_start|>assistant\n");
    chat_prompt_release(&prompt);
    model_close(&model);
}

static void answers_are_split_for_the_model(void **state)
{
    struct model *model = open_model("qwen3.5");
    struct chat_splitter *splitter;
    const int32_t ids[] = {THINK, THINK + 1, TOOL_CALL};
    const char *bytes;
    size_t n_bytes;
    enum chat_part part;
    bool counts;

    (void)state;
    assert_int_equal(chat_splitter_new(&splitter, model, true, NULL), STATUS_OK);
    chat_splitter_token(splitter, ids[0], &part, &bytes, &n_bytes, &counts);
    assert_true(part == CHAT_PART_THINKING && n_bytes == 7 && !counts);
    chat_splitter_token(splitter, ids[1], &part, &bytes, &n_bytes, &counts);
    assert_true(part == CHAT_PART_THINKING && n_bytes == 0 && !counts);
    chat_splitter_token(splitter, ids[2], &part, &bytes, &n_bytes, &counts);
    assert_true(part == CHAT_PART_ANSWER && n_bytes == 11 && counts);
    chat_splitter_finish(splitter, &part, &bytes, &n_bytes);
    assert_int_equal(n_bytes, 0);
    chat_splitter_free(&splitter);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_to_tokens_and_back),
        cmocka_unit_test(ids_out_of_range_are_refused),
        cmocka_unit_test(tokens_are_known_by_name),
        cmocka_unit_test(chat_uses_the_template_of_the_model),
        cmocka_unit_test(answers_are_split_for_the_model),
    };
    return cmocka_run_group_tests_name("chat_model", tests, NULL, NULL);
}
