/*
 * template.c - which template a file gets, and its text byte for byte
 *
 * The conversations of tests/golden/data/template.cases, or of the file that is the program's
 * argument, were rendered by jinja from the published template (tests/golden/template.py):
 *   case TEMPLATE THINKING FORM     TEMPLATE "qwen3.5" or "chatml"; THINKING on, off or default;
 *                                   FORM generate or history
 *   system|user|assistant =TEXT [=THINKING]
 *   text =EXPECTED
 * where texts are bytes with %XX for what is not printable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/text/template_internal.h"
#include "engine/text/tokenizer.h"
#include "tests/unit/text_fixture.h"

#define CASES "tests/golden/data/template.cases"

enum { MAX_MESSAGES = 40 };

static const char chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}";

/* Choosing -------------------------------------------------------------------------------------- */

struct choice {
    const char *architecture, *text, *asked;
    uint32_t embedding_length;
    const char *name, *notice; /* what comes out; notice: a part of it, "" none at all */
    bool thinks_by_default;
};

static void check_choice(const struct choice *choice)
{
    struct fixture *fixture = fixture_small();
    struct chat_template *chat_template = NULL;
    struct text_model model;
    struct error error = {0};
    size_t n_ids;

    fixture->architecture = choice->architecture;
    fixture->chat_template = choice->text;
    fixture->embedding_length = choice->architecture ? choice->embedding_length : 0;
    model = text_model_new(fixture);
    if (chat_template_choose(&chat_template, model.file, model.vocabulary, choice->asked,
                             &error) != STATUS_OK)
        fail_msg("%s", error.what);
    assert_string_equal(chat_template_name(chat_template), choice->name);
    if (choice->notice[0]) {
        if (!strstr(chat_template_notice(chat_template), choice->notice))
            fail_msg("notice \"%s\"", chat_template_notice(chat_template));
    } else {
        assert_string_equal(chat_template_notice(chat_template), "");
    }
    assert_int_equal(chat_template_thinks_by_default(chat_template), choice->thinks_by_default);
    assert_int_equal(chat_template_can_think(chat_template),
                     strcmp(choice->name, "qwen3.5") == 0);
    chat_template_end_thinking(chat_template, &n_ids);
    assert_int_equal(n_ids, chat_template_can_think(chat_template) ? 3 : 0);
    chat_template_free(&chat_template);
    assert_null(chat_template);
    chat_template_free(&chat_template);
    text_model_free(&model);
}

static void architecture_and_marks_choose(void **state)
{
    static const char think[] = "{{ '<|im_start|>' }} ... <think> ...";
    static const char foreign[] = "{{ '<|start_header_id|>' }}";
    static const char differs[] = "differs from the published one; the built-in \"qwen3.5\"";
    const struct choice choices[] = {
        {"qwen35", think, NULL, 4096, "qwen3.5", differs, true},
        {"qwen35", think, "", 2560, "qwen3.5", differs, true},
        {"qwen35", think, NULL, 2048, "qwen3.5", differs, false},
        {"qwen35", think, NULL, 1024, "qwen3.5", differs, false},
        {"qwen35moe", think, NULL, 2048, "qwen3.5", differs, true},
        {"qwen35", NULL, NULL, 4096, "qwen3.5", "has no chat template; the built-in", true},
        {"qwen35", chatml, NULL, 4096, "chatml", "", false},
        {"qwen2", chatml, NULL, 4096, "chatml", "", false},
        {"qwen3", think, NULL, 4096, "chatml", "differs", false},
        {"qwen2", NULL, NULL, 4096, "chatml", "has no chat template", false},
        {"llama", foreign, NULL, 4096, "chatml", "banter does not know", false},
        {"qwen35", foreign, NULL, 4096, "chatml", "banter does not know", false},
        {NULL, NULL, NULL, 0, "chatml", "has no chat template", false},
        {"qwen35", chat_template_text, NULL, 256, "qwen3.5", "", false},
        {"qwen35", chat_template_text, NULL, 4096, "qwen3.5", "", false},
        {"qwen2", chat_template_text, NULL, 256, "chatml", "differs", false},
        /* asked for: no notice, the person knows */
        {"qwen35", chatml, "qwen3.5", 4096, "qwen3.5", "", true},
        {"qwen35", chatml, "qwen3.5", 1024, "qwen3.5", "", false},
        {"qwen35", think, "chatml", 4096, "chatml", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
        check_choice(&choices[i]);
}

static void unknown_names_are_refused(void **state)
{
    struct text_model model = text_model_new(fixture_small());
    struct chat_template *chat_template = NULL;
    struct error error = {0};

    (void)state;
    assert_int_equal(
        chat_template_choose(&chat_template, model.file, model.vocabulary, "qwen4", &error),
        STATUS_USAGE);
    assert_null(chat_template);
    assert_non_null(strstr(error.what, "\"qwen4\""));
    assert_non_null(strstr(error.action, "chatml"));
    text_model_free(&model);
}

/* Also: a notice for any edit of it. */
static void published_template_gives_no_notice(void **state)
{
    char path[512];
    FILE *file;
    char *text = calloc(1, 1 << 16), *edited = calloc(1, 1 << 16), *at;

    (void)state;
    if (!shared_file("Qwen3.5-4B.jinja", path, sizeof path)) {
        free(text);
        free(edited);
        print_message("skip: ../shared/data is not there\n");
        skip();
    }
    file = fopen(path, "rb");
    assert_true(file && text && edited && fread(text, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    check_choice(&(struct choice){"qwen35", text, NULL, 2560, "qwen3.5", "", true});
    check_choice(&(struct choice){"qwen35", text, NULL, 1024, "qwen3.5", "", false});
    strcpy(edited, text);
    at = strstr(edited, "true)|trim");
    assert_non_null(at);
    memcpy(at, "true)|safe", 10);
    check_choice(&(struct choice){"qwen35", edited, NULL, 2560, "qwen3.5", "differs", true});
    /* another default, as the small models have it, is no other template */
    strcpy(edited, text);
    at = strstr(edited, "enable_thinking is false");
    assert_non_null(at);
    memcpy(at, "enable_thinking is fair ", 24);
    check_choice(&(struct choice){"qwen35", edited, NULL, 1024, "qwen3.5", "", false});
    /* another prompt is */
    strcpy(edited, text);
    at = strstr(edited, "'<think>\\n\\n</think>");
    assert_non_null(at);
    memcpy(at, "'<think>\\n<n</think>", 20);
    check_choice(&(struct choice){"qwen35", edited, NULL, 2560, "qwen3.5", "differs", true});
    free(text);
    free(edited);
}

/* Cases from a file ------------------------------------------------------------------------------ */

struct conversation {
    struct chat_template *chat_template; /* borrows */
    enum thinking_mode thinking;
    bool generate;
    struct chat_message messages[MAX_MESSAGES];
    size_t n_messages;
};

/* "=TEXT" to bytes, in place. */
static const char *decode_text(char *word, size_t *n_bytes)
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
    *n_bytes = n;
    return word;
}

static void check_rendering(const struct conversation *conversation, const char *expected,
                            size_t n_expected)
{
    struct chat_prompt prompt;
    struct token_list joined = {0};
    struct error error = {0};

    if (chat_template_render(conversation->chat_template, conversation->messages,
                             conversation->n_messages, conversation->thinking,
                             conversation->generate, &prompt, &error) != STATUS_OK)
        fail_msg("%s", error.what);
    if (prompt.n_bytes != n_expected || memcmp(prompt.text, expected, n_expected) != 0)
        fail_msg("rendered:\n%s\nexpected:\n%.*s", prompt.text, (int)n_expected, expected);
    /*
     * Cut in segments or not, the tokens are the same where no text spells a token; chatml does
     * not strip, so whitespace may join there.
     */
    assert_int_equal(tokenizer_append(conversation->chat_template->vocabulary, expected,
                                      n_expected, true, &joined, &error),
                     STATUS_OK);
    if (conversation->chat_template->style == TEMPLATE_QWEN35 &&
        !memmem(expected, n_expected, "forged", 6)) {
        assert_int_equal(prompt.n_ids, joined.n);
        assert_memory_equal(prompt.ids, joined.ids, joined.n * sizeof *joined.ids);
    }
    token_list_release(&joined);
    chat_prompt_release(&prompt);
}

static void read_case(struct conversation *conversation, char *words,
                      struct chat_template *const *templates)
{
    const char *name = strtok_r(NULL, " ", &words);
    const char *thinking = strtok_r(NULL, " ", &words);

    conversation->chat_template = templates[strcmp(name, "chatml") == 0];
    conversation->thinking = strcmp(thinking, "on") == 0    ? THINKING_ON
                             : strcmp(thinking, "off") == 0 ? THINKING_OFF
                                                            : THINKING_DEFAULT;
    conversation->generate = strcmp(strtok_r(NULL, " ", &words), "generate") == 0;
    conversation->n_messages = 0;
}

static void read_message(struct conversation *conversation, const char *role, char *words)
{
    struct chat_message *message = &conversation->messages[conversation->n_messages++];
    char *thinking;

    assert_true(conversation->n_messages <= MAX_MESSAGES);
    *message = (struct chat_message){0};
    message->role = strcmp(role, "system") == 0 ? CHAT_SYSTEM
                    : strcmp(role, "user") == 0 ? CHAT_USER
                                                : CHAT_ASSISTANT;
    message->text = decode_text(strtok_r(NULL, " ", &words), &message->n_bytes);
    thinking = strtok_r(NULL, " ", &words);
    if (thinking)
        message->thinking = decode_text(thinking, &message->n_thinking);
}

static size_t check_cases(const char *path, struct chat_template *const *templates)
{
    struct conversation conversation = {0};
    char *lines[MAX_MESSAGES + 2]; /* of one case: its messages point into them */
    size_t n_lines = 0, n_cases = 0;
    FILE *file = fopen(path, "r");

    if (!file)
        fail_msg("%s cannot be opened", path);
    for (;;) {
        size_t capacity = 0, n_expected;
        char *line = NULL, *words, *kind;
        if (getline(&line, &capacity, file) <= 0) {
            free(line);
            break;
        }
        assert_true(n_lines < MAX_MESSAGES + 2);
        lines[n_lines++] = line;
        line[strcspn(line, "\n")] = '\0';
        kind = strtok_r(line, " ", &words);
        if (strcmp(kind, "case") == 0) {
            read_case(&conversation, words, templates);
        } else if (strcmp(kind, "text") != 0) {
            read_message(&conversation, kind, words);
        } else {
            const char *expected = decode_text(strtok_r(NULL, " ", &words), &n_expected);
            check_rendering(&conversation, expected, n_expected);
            n_cases++;
            while (n_lines)
                free(lines[--n_lines]);
        }
    }
    fclose(file);
    return n_cases;
}

static const char *cases_path = CASES;

static void texts_are_those_of_jinja(void **state)
{
    struct fixture *fixture = fixture_small();
    struct chat_template *templates[2];
    struct text_model model;
    size_t n_cases;

    (void)state;
    fixture->embedding_length = 2560;
    model = text_model_new(fixture);
    assert_int_equal(
        chat_template_choose(&templates[0], model.file, model.vocabulary, "qwen3.5", NULL),
        STATUS_OK);
    assert_int_equal(
        chat_template_choose(&templates[1], model.file, model.vocabulary, "chatml", NULL),
        STATUS_OK);
    n_cases = check_cases(cases_path, templates);
    assert_true(n_cases >= 100);
    chat_template_free(&templates[0]);
    chat_template_free(&templates[1]);
    text_model_free(&model);
}

int main(int n_arguments, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_those_of_jinja),
        cmocka_unit_test(architecture_and_marks_choose),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(published_template_gives_no_notice),
    };
    const struct CMUnitTest given[] = {cmocka_unit_test(texts_are_those_of_jinja)};

    if (n_arguments > 1) {
        cases_path = arguments[1];
        return cmocka_run_group_tests_name("template", given, NULL, NULL);
    }
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
