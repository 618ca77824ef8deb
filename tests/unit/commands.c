/*
 * commands.c - test: what a typed line means, and what completes it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "app/chat_internal.h"
#include "app/commands.h"

static struct command_line parse(const char *line)
{
    return command_parse(line, strlen(line));
}

static void assert_command(const char *line, const char *name, const char *arguments)
{
    struct command_line parsed = parse(line);

    assert_int_equal(parsed.kind, COMMAND_LINE_COMMAND);
    assert_string_equal(parsed.command->name, name);
    assert_string_equal(parsed.arguments, arguments);
    command_line_release(&parsed);
}

static void assert_text(const char *line, const char *text)
{
    struct command_line parsed = parse(line);

    assert_int_equal(parsed.kind, COMMAND_LINE_MESSAGE);
    assert_int_equal(parsed.n_bytes, strlen(text));
    assert_memory_equal(parsed.text, text, parsed.n_bytes);
    command_line_release(&parsed);
}

static void assert_problem(const char *line, const char *words)
{
    struct command_line parsed = parse(line);

    assert_int_equal(parsed.kind, COMMAND_LINE_ERROR);
    if (strstr(parsed.problem, words) == NULL)
        fail_msg("\"%s\" gave \"%s\"", line, parsed.problem);
    command_line_release(&parsed);
}

static void messages_are_messages(void **state)
{
    (void)state;
    assert_text("hello", "hello");
    assert_text("  indented code\n  stays", "  indented code\n  stays");
    assert_text("trailing white space goes \n\t ", "trailing white space goes");
    assert_text("//usr/bin is a folder", "/usr/bin is a folder");
    assert_text("///", "//");
    assert_text("a /help inside", "a /help inside");
    assert_int_equal(parse("").kind, COMMAND_LINE_EMPTY);
    assert_int_equal(parse(" \n\t ").kind, COMMAND_LINE_EMPTY);
}

static void commands_are_found_by_unique_beginnings(void **state)
{
    (void)state;
    assert_command("/help", "help", "");
    assert_command("/h", "help", "");
    assert_command("/q", "quit", "");
    assert_command("/set temperature 0.5 ", "set", "temperature 0.5");
    assert_command("/ab", "ab", "");
    assert_command("/abx temperature=1", "abx", "temperature=1");
    assert_command("/b 8", "best", "8");
    assert_command("/sy two\nlines", "system", "two\nlines");
    assert_command("/system\nbelow", "system", "below");
    assert_problem("/s", "/system /set /stats /selfcheck");
    assert_problem("/s x", "short for several");
}

static void unknown_commands_are_errors(void **state)
{
    (void)state;
    assert_problem("/", "missing");
    assert_problem("/ help", "missing");
    assert_problem("/hepl", "did you mean /help?");
    assert_problem("/xyzzy", "no command is called /xyzzy");
    assert_problem("/helpme", "no command");
    assert_problem("/quit now", "takes no argument");
    /* A long name is cut, never overrun. */
    char line[2000];
    memset(line, 'x', sizeof line);
    line[0] = '/';
    struct command_line parsed = command_parse(line, sizeof line);
    assert_int_equal(parsed.kind, COMMAND_LINE_ERROR);
    assert_true(strlen(parsed.problem) < sizeof parsed.problem);
}

static void the_table_is_whole(void **state)
{
    (void)state;
    size_t n;
    const struct command *table = command_table(&n);

    for (size_t i = 0; i < n; i++) {
        char line[64];
        assert_non_null(table[i].run);
        assert_true(strlen(table[i].help) > 0 && strlen(table[i].help) <= 66);
        snprintf(line, sizeof line, "/%s%s", table[i].name,
                 table[i].arguments[0] != '\0' ? " x" : "");
        assert_command(line, table[i].name, table[i].arguments[0] != '\0' ? "x" : "");
    }
}

struct found {
    char text[2048];
    size_t n;
};

static void add(void *adder, const char *text, const char *description)
{
    struct found *found = adder;

    (void)description;
    snprintf(found->text + strlen(found->text), sizeof found->text - strlen(found->text), "%s ",
             text);
    found->n++;
}

/* Candidates for the last word of a line. */
static struct found complete(const char *line)
{
    struct chat chat = {0};
    struct found found = {0};
    const char *space = strrchr(line, ' ');
    size_t start = space != NULL ? (size_t)(space - line) + 1 : 0;

    command_complete(&chat, line, start, line + start, add, &found);
    return found;
}

static void completion_knows_names_keys_and_values(void **state)
{
    (void)state;
    assert_string_equal(complete("/he").text, "/help ");
    assert_string_equal(complete("/sy").text, "/system ");
    assert_string_equal(complete("/s").text, "/system /set /stats /selfcheck ");
    assert_true(complete("/").n >= 10);
    assert_int_equal(complete("he").n, 0);
    assert_int_equal(complete("").n, 0);
    assert_string_equal(complete("/set temp").text, "temperature ");
    assert_string_equal(complete("/set think o").text, "on off ");
    assert_string_equal(complete("/set show_thinking ").text, "false true ");
    /* What counts only from the start is not offered to /set, but /get shows it. */
    assert_int_equal(complete("/set thr").n, 0);
    assert_string_equal(complete("/get thr").text, "threads ");
    assert_string_equal(complete("/think o").text, "off on ");
    assert_string_equal(complete("/regen temp").text, "temperature= ");
    assert_string_equal(complete("/regen seed=1 top_k").text, "top_k= ");
    assert_string_equal(complete("/help keys").text, "keys ");
    assert_string_equal(complete("/policy spec").text, "speculative ");
    assert_string_equal(complete("/set policy spec").text, "speculative ");
    assert_string_equal(complete("/ab greedy spec").text, "speculative ");
    assert_string_equal(complete("/ab greedy auto to").text, "together ");
    assert_string_equal(complete("/abx temp").text, "temperature= ");
    assert_string_equal(complete("/stats s").text, "session ");
    assert_int_equal(complete("/help keys k").n, 0);
    assert_int_equal(complete("/new x").n, 0);
    assert_int_equal(complete("/nonsense x").n, 0);
    assert_int_equal(complete("what about /set temp").n, 0);
}

static void two_policies_and_how_often(void **state)
{
    (void)state;
    struct ab_arguments ab;
    char problem[160];

    assert_true(ab_parse("", &ab, problem, sizeof problem));
    assert_string_equal(ab.names[0], "");
    assert_int_equal(ab.rounds, 1);
    assert_true(ab_parse(" greedy\tauto  3 ", &ab, problem, sizeof problem));
    assert_string_equal(ab.names[0], "greedy");
    assert_string_equal(ab.names[1], "auto");
    assert_int_equal(ab.rounds, 3);
    assert_false(ab.together);
    assert_true(ab_parse("a b together", &ab, problem, sizeof problem));
    assert_true(ab.together);
    assert_int_equal(ab.rounds, 1);
    static const char *const wrong[] = {"a", "a b 0", "a b 33", "a b 2x", "a b c", "a b 1 2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        problem[0] = '\0';
        assert_false(ab_parse(wrong[i], &ab, problem, sizeof problem));
        assert_non_null(strstr(problem, "/ab"));
    }
}

static void lists_of_sampling_settings(void **state)
{
    (void)state;
    struct sampling_choice choice = {0};
    char problem[320];

    assert_true(
        sampling_list_parse("temperature=0.5,top-k=20", &choice, problem, sizeof problem));
    assert_int_equal(choice.given, SAMPLING_TEMPERATURE | SAMPLING_TOP_K);
    assert_int_equal(choice.values.top_k, 20);
    assert_float_equal(choice.values.temperature, 0.5f, 0);
    assert_false(sampling_list_parse("temperature", &choice, problem, sizeof problem));
    assert_false(sampling_list_parse("temperature=9", &choice, problem, sizeof problem));
    assert_false(sampling_list_parse("", &choice, problem, sizeof problem));
    /* What does not choose tokens is not compared by choosing tokens. */
    assert_false(sampling_list_parse("policy=auto", &choice, problem, sizeof problem));
    assert_non_null(strstr(problem, "no sampling setting"));
    assert_false(sampling_list_parse("nonsense=1", &choice, problem, sizeof problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_messages),
        cmocka_unit_test(commands_are_found_by_unique_beginnings),
        cmocka_unit_test(unknown_commands_are_errors),
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(completion_knows_names_keys_and_values),
        cmocka_unit_test(two_policies_and_how_often),
        cmocka_unit_test(lists_of_sampling_settings),
    };

    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
