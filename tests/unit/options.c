/*
 * options.c - argv to an invocation, the tables behind it, lists of tokens
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/input.h"
#include "app/options.h"
#include "config/config.h"

static char what[320];

#define PARSE(invocation, ...) parse(invocation, (const char *[]){"banter", __VA_ARGS__, NULL})

static enum options_result parse(struct invocation *invocation, const char **words)
{
    char **argv = (char **)words; /* getopt's type; it changes nothing in this mode */
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    memset(what, 0, sizeof what);
    return options_parse(invocation, argc, argv, what, sizeof what);
}

static void assert_setting(const struct invocation *invocation, size_t i, const char *key,
                           const char *value)
{
    assert_true(i < invocation->n_settings);
    assert_string_equal(invocation->settings[2 * i], key);
    assert_string_equal(invocation->settings[2 * i + 1], value);
}

static void settings_in_every_spelling(void **state)
{
    struct invocation invocation;

    (void)state;
    assert_int_equal(PARSE(&invocation, "--model=a.gguf", "--model", "b", "-mc", "-m", "d",
                           "--seed", "-1", "--ascii", "--ascii=off", "--no-history",
                           "--top-k=3", "-n5", "-p", "--help"),
                     OPTIONS_RUN);
    assert_string_equal(invocation.command->name, "");
    assert_int_equal(invocation.n_settings, 10);
    assert_setting(&invocation, 0, "model", "a.gguf");
    assert_setting(&invocation, 1, "model", "b");
    assert_setting(&invocation, 2, "model", "c");
    assert_setting(&invocation, 3, "model", "d");
    assert_setting(&invocation, 4, "seed", "-1");
    assert_setting(&invocation, 5, "ascii", "true");
    assert_setting(&invocation, 6, "ascii", "off");
    assert_setting(&invocation, 7, "history", "false");
    assert_setting(&invocation, 8, "top_k", "3");
    assert_setting(&invocation, 9, "max_tokens", "5");
    assert_string_equal(invocation.values[FLAG_PROMPT], "--help");
    assert_null(invocation.values[FLAG_PLAIN]);
    invocation_release(&invocation);
    invocation_release(&invocation);
}

static void commands_and_words(void **state)
{
    struct invocation invocation;

    (void)state;
    assert_int_equal(PARSE(&invocation, "detokenize", "1", "--raw", "2", "-", "--", "--model"),
                     OPTIONS_RUN);
    assert_string_equal(invocation.command->name, "detokenize");
    assert_int_equal(invocation.n_arguments, 4);
    assert_string_equal(invocation.arguments[0], "1");
    assert_string_equal(invocation.arguments[2], "-");
    assert_string_equal(invocation.arguments[3], "--model");
    assert_non_null(invocation.values[FLAG_RAW]);
    invocation_release(&invocation);
    assert_int_equal(PARSE(&invocation, "--plain", "detokenize"), OPTIONS_WRONG);
    assert_string_equal(what, "a command comes first: banter detokenize ...");
    invocation_release(&invocation);
    const char *nothing[] = {NULL};
    assert_int_equal(parse(&invocation, nothing), OPTIONS_RUN);
    invocation_release(&invocation);
}

/* A flag is known only where it means something, and never by a part of its name. */
static void flags_belong_to_commands(void **state)
{
    struct invocation invocation;

    (void)state;
    assert_int_equal(PARSE(&invocation, "tokenize", "--kv", "f16"), OPTIONS_WRONG);
    assert_string_equal(what, "\"banter tokenize\" has no option --kv");
    invocation_release(&invocation);
    assert_int_equal(PARSE(&invocation, "generate", "--kv", "f16", "-t", "2"), OPTIONS_RUN);
    invocation_release(&invocation);
    assert_int_equal(PARSE(&invocation, "--mode", "x"), OPTIONS_WRONG);
    assert_string_equal(what, "unknown option --mode (did you mean --model?)");
    invocation_release(&invocation);
    assert_int_equal(PARSE(&invocation, "--mode=x"), OPTIONS_WRONG);
    invocation_release(&invocation);
    assert_int_equal(PARSE(&invocation, "info", "--keys", "a.gguf"), OPTIONS_RUN);
    assert_string_equal(invocation.arguments[0], "a.gguf");
    invocation_release(&invocation);
    assert_int_equal(PARSE(&invocation, "--keys", "a.keys"), OPTIONS_RUN);
    assert_string_equal(invocation.values[FLAG_KEYS_FILE], "a.keys");
    invocation_release(&invocation);
}

static void help_and_version(void **state)
{
    struct invocation invocation;

    (void)state;
    assert_int_equal(PARSE(&invocation, "generate", "-h", "--nonsense"), OPTIONS_HELP);
    assert_string_equal(invocation.command->name, "generate");
    invocation_release(&invocation);
    assert_int_equal(PARSE(&invocation, "--cpu=generic", "-V"), OPTIONS_VERSION);
    assert_setting(&invocation, 0, "cpu", "generic");
    invocation_release(&invocation);
}

static bool same_flag(const struct option_flag *a, const struct option_flag *b)
{
    return strcmp(a->name, b->name) == 0 || (a->letter != 0 && a->letter == b->letter);
}

/* In each command every name and letter means one thing; every setting is named in full. */
static void tables_are_consistent(void **state)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    (void)state;
    for (const struct subcommand *command = subcommands; command->name != NULL; command++) {
        const struct option_flag *own = command->flags;

        assert_non_null(command->run);
        assert_ptr_equal(subcommand_find(command->name), command);
        for (const char *const *name = command->settings; name && *name; name++) {
            bool known = config_find(*name) != NULL;
            for (size_t i = 0; i < n_options; i++)
                known = known || strcmp(options[i].section, *name) == 0;
            assert_true(known);
        }
        for (; own != NULL && own->name != NULL; own++) {
            for (const struct option_flag *other = own + 1; other->name != NULL; other++)
                assert_false(same_flag(own, other));
            for (const struct option_flag *other = common_flags; other->name != NULL; other++)
                assert_false(same_flag(own, other));
            for (size_t i = 0; i < n_options; i++) {
                if (!subcommand_takes(command, &options[i]))
                    continue;
                assert_string_not_equal(options[i].flag, own->name);
                assert_true(own->letter == 0 || own->letter != options[i].letter);
            }
        }
    }
    for (size_t i = 0; i < n_options; i++) {
        assert_non_null(options[i].flag);
        assert_non_null(options[i].environment);
        assert_true(options[i].type == CONFIG_BOOLEAN || options[i].argument != NULL);
        assert_true(options[i].type != CONFIG_CHOICE || options[i].choices != NULL);
        assert_ptr_equal(config_find(options[i].key), &options[i]);
        for (size_t j = 0; j < i; j++)
            assert_true(options[i].letter == 0 || options[i].letter != options[j].letter);
    }
}

static void token_lists(void **state)
{
    static const char *const bad[] = {"x",   "1,x",  "1.5",        "-1",
                                      "+1",  "0x10", "2147483648", "99999999999999999999999",
                                      "1;2", "1\xff"};
    struct token_list list = {0};
    struct error error;
    const char *text = " 1,2\n3,,4\t2147483647 ";

    (void)state;
    assert_int_equal(token_list_parse(&list, text, strlen(text), &error), STATUS_OK);
    assert_int_equal(list.n_ids, 5);
    assert_int_equal(list.ids[4], 2147483647);
    assert_int_equal(token_list_parse(&list, "7", 1, &error), STATUS_OK);
    assert_int_equal(list.ids[5], 7);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(token_list_parse(&list, "8,9", 3, &error), STATUS_OK);
    assert_int_equal(list.n_ids, 2006);
    assert_int_equal(list.ids[2005], 9);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(token_list_parse(&list, bad[i], strlen(bad[i]), &error), STATUS_USAGE);
    assert_int_equal(token_list_parse(&list, "1\0002", 3, &error), STATUS_USAGE);
    token_list_release(&list);
    token_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_in_every_spelling), cmocka_unit_test(commands_and_words),
        cmocka_unit_test(flags_belong_to_commands),   cmocka_unit_test(help_and_version),
        cmocka_unit_test(tables_are_consistent),      cmocka_unit_test(token_lists),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
