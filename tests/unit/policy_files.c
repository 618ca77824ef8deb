/*
 * policy_files.c - decode policies from files: what is shipped, what is refused, where it is found
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/policies.h"

static struct config_error errors[8];

static size_t load(struct policy_file *file, const char *text)
{
    memset(errors, 0, sizeof errors);
    snprintf(file->path, sizeof file->path, "%s", "mine.yaml");
    return policies_load_memory(file, text, strlen(text), errors, 8);
}

/* Equal in every key. */
static void assert_settings_equal(const struct policy_settings *a,
                                  const struct policy_settings *b)
{
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);

    for (size_t i = 0; i < n_keys; i++) {
        char left[200], right[200];

        policy_get_key(a, keys[i].name, left, sizeof left);
        policy_get_key(b, keys[i].name, right, sizeof right);
        if (strcmp(left, right) != 0)
            print_message("%s: ", keys[i].name);
        assert_string_equal(left, right);
    }
}

/* Is the key one that a policy of this kind heeds? */
static bool belongs(enum policy_kind kind, const char *key)
{
    static const char *const unheeded_by_auto[] = {
        "verify",
        "ngram.stage_min",
        "ngram.stage",
        "ngram.disable_after_reject",
        "speculative.gamma",
        "speculative.grow_streak",
        "speculative.fast_grow_from",
        "speculative.fallback",
        "speculative.fallback_gamma",
        "speculative.bootstrap_gamma",
        "speculative.bootstrap_streak",
        "mtp.stage",
        "mtp.disable_after_reject",
    };
    const char *dot = strchr(key, '.');

    if (strcmp(key, "kind") == 0)
        return true;
    if (kind == POLICY_GREEDY)
        return false;
    if (kind != POLICY_AUTO)
        return dot == NULL || (strlen(policy_kind_name(kind)) == (size_t)(dot - key) &&
                               strncmp(policy_kind_name(kind), key, (size_t)(dot - key)) == 0);
    for (size_t i = 0; i < sizeof unheeded_by_auto / sizeof *unheeded_by_auto; i++) {
        if (strcmp(key, unheeded_by_auto[i]) == 0)
            return false;
    }
    return true;
}

/* Keys that a text of YAML names, by a mapping's indentation. */
static bool names_key(const char *text, const char *key)
{
    const char *dot = strchr(key, '.');
    char line[100];

    if (dot == NULL) {
        snprintf(line, sizeof line, "\n%s:", key);
        return strstr(text, line) != NULL;
    }
    snprintf(line, sizeof line, "\n%.*s:\n", (int)(dot - key), key);
    const char *section = strstr(text, line);
    if (section == NULL)
        return false;
    const char *end = strstr(section + 1, "\n\n");
    snprintf(line, sizeof line, "\n  %s:", dot + 1);
    const char *found = strstr(section, line);
    return found != NULL && (end == NULL || found < end);
}

/* The shipped file of a kind holds every key that the kind heeds, with its default. */
static void shipped_kinds_equal_defaults(void **state)
{
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);

    (void)state;
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        const struct policy_settings defaults = policy_defaults((enum policy_kind)kind);
        struct policy_file file = {0};
        char text[16384];

        snprintf(file.path, sizeof file.path, "config/policies/%s.yaml",
                 policy_kind_name((enum policy_kind)kind));
        FILE *stream = fopen(file.path, "r");
        assert_non_null(stream);
        size_t n_bytes = fread(text, 1, sizeof text - 1, stream);
        assert_int_equal(fclose(stream), 0);
        assert_true(n_bytes < sizeof text - 1);
        text[n_bytes] = '\0';
        assert_int_equal(policies_load(&file, errors, 8), 0);
        assert_settings_equal(&file.settings, &defaults);
        assert_true(file.description[0] != '\0');
        for (size_t i = 0; i < n_keys; i++) {
            if (names_key(text, keys[i].name) != belongs((enum policy_kind)kind, keys[i].name))
                print_message("%s: %s\n", file.path, keys[i].name);
            assert_int_equal(names_key(text, keys[i].name),
                             belongs((enum policy_kind)kind, keys[i].name));
        }
    }
}

/* They are found beside the source, are good, and differ from auto and from each other. */
static void shipped_examples(void **state)
{
    const struct policy_settings usual = policy_defaults(POLICY_AUTO);
    struct policy_file careful, bold;

    (void)state;
    assert_true(policies_read("config/policies/careful.yaml", &careful, errors));
    assert_true(policies_read("config/policies/bold.yaml", &bold, errors));
    assert_string_equal(careful.name, "careful");
    assert_true(careful.settings.automatic.budget < usual.automatic.budget);
    assert_true(bold.settings.automatic.budget > usual.automatic.budget);
    assert_true(careful.settings.ngram.min_candidates > usual.ngram.min_candidates);
    assert_true(bold.settings.ngram.min_candidates < usual.ngram.min_candidates);
}

static void values_of_a_file(void **state)
{
    struct policy_settings expected = policy_defaults(POLICY_SPECULATIVE);
    struct policy_file file = {0};

    (void)state;
    assert_int_equal(load(&file, "description: words first\n"
                                 "kind: speculative\n"
                                 "sources: [ngram, draft]\n"
                                 "ngram:\n"
                                 "  min: 4\n"
                                 "  disable_after_reject: false\n"
                                 "speculative: {gamma: 8}\n"
                                 "mtp:\n"
                                 "  min_margin: 0.5\n"),
                     0);
    expected.sources[0] = POLICY_SOURCE_NGRAM;
    expected.sources[1] = POLICY_SOURCE_DRAFT;
    expected.n_sources = 2;
    expected.ngram.min = 4;
    expected.ngram.disable_after_reject = false;
    expected.speculative.gamma = 8;
    expected.mtp.min_margin = 0.5;
    assert_settings_equal(&file.settings, &expected);
    assert_string_equal(file.description, "words first");
}

/* Each is refused with exactly this problem, and what was there stays byte for byte. */
static void wrong_files_change_nothing(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "mine.yaml:1:1: \"kind\" is missing: greedy, ngram, speculative, mtp or auto"},
        {"description: x\n",
         "mine.yaml:1:1: \"kind\" is missing: greedy, ngram, speculative, mtp or auto"},
        {"decay: 3\nkind: auto\n", "mine.yaml:1:1: \"kind\" must come before \"decay\""},
        {"kind: automatic\n", "mine.yaml:1:7: kind: 'automatic' is not one of "
                              "greedy|ngram|speculative|mtp|auto"},
        {"kind: auto\ndekay: 3\n",
         "mine.yaml:2:1: unknown key \"dekay\" (did you mean \"decay\"?)"},
        {"kind: auto\ngamma: 3\n", "mine.yaml:2:1: unknown key \"gamma\""},
        {"kind: auto\nmin_margin: 3\n",
         "mine.yaml:2:1: unknown key \"min_margin\" (did you mean \"mtp.min_margin\"?)"},
        {"kind: ngram\nngram:\n  gama: 3\n",
         "mine.yaml:3:3: unknown key \"ngram.gama\" (did you mean \"ngram.gamma\"?)"},
        {"kind: ngram\nngram:\n  gamma: 33\n",
         "mine.yaml:3:10: ngram.gamma: '33' is not a whole number in 1 .. 32"},
        {"kind: ngram\nngram:\n  recursive: maybe\n",
         "mine.yaml:3:14: ngram.recursive: 'maybe' is not one of true|false"},
        {"kind: ngram\nsources: [ngram, ngram]\n",
         "mine.yaml:2:10: sources: ngram is named twice"},
        /* Only all keys together are wrong: the place of the one that the message is about. */
        {"kind: ngram\nngram:\n  min: 9\n  max: 7\n",
         "mine.yaml:4:8: ngram.max: 7 is below ngram.min, which is 9"},
        {"kind: ngram\nngram:\n  min: 9\n",
         "mine.yaml:1:7: ngram.max: 8 is below ngram.min, which is 9"},
        {"kind: ngram\ndescription: \"a\\nb\"\n",
         "mine.yaml:2:14: \"description\" must be one line of at most 159 bytes"},
        {"kind: auto\nkind: ngram\n",
         "mine.yaml:2:1: \"kind\" is given twice (first on line 1)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct policy_file file, before;
        char line[700];

        memset(&file, 0x5a, sizeof file);
        snprintf(file.path, sizeof file.path, "%s", "mine.yaml");
        memcpy(&before, &file, sizeof file);
        size_t n = load(&file, cases[i].text);
        assert_string_equal(config_error_text(&errors[0], line, sizeof line), cases[i].problem);
        assert_int_equal(n, 1);
        assert_memory_equal(&file, &before, sizeof file);
    }
}

/* All problems at once; those that do not fit are counted. */
static void problems_are_collected(void **state)
{
    static const char text[] = "kind: ngram\nngram:\n  a: 1\n  gamma: 0\nverify: all\n";
    struct policy_file file = {.path = "mine.yaml"};

    (void)state;
    assert_int_equal(load(&file, text), 3);
    assert_int_equal(errors[0].line, 3);
    assert_int_equal(errors[1].line, 4);
    assert_int_equal(errors[2].line, 5);
    assert_int_equal(policies_load_memory(&file, text, strlen(text), errors, 1), 3);
    assert_int_equal(policies_load_memory(&file, text, strlen(text), NULL, 0), 3);
}

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The user's folder counts before the system's, both before what is shipped. */
static void search_order(void **state)
{
    char root[] = "/tmp/banter-policies-XXXXXX", path[200], folder[POLICY_PATH_ROOM];
    struct policy_file file;

    (void)state;
    assert_non_null(mkdtemp(root));
    static const char *const parts[] = {"/user",   "/user/banter",   "/user/banter/policies",
                                        "/system", "/system/banter", "/system/banter/policies"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s%s", root, parts[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    snprintf(path, sizeof path, "%s/user", root);
    setenv("XDG_CONFIG_HOME", path, 1);
    snprintf(path, sizeof path, "%s/system", root);
    setenv("XDG_CONFIG_DIRS", path, 1);
    assert_true(policies_folder(0, folder, sizeof folder));
    assert_non_null(strstr(folder, "/user/banter/policies"));
    assert_true(policies_folder(1, folder, sizeof folder));
    assert_non_null(strstr(folder, "/system/banter/policies"));

    /* Without a file the kind itself. */
    assert_true(policies_read("mtp", &file, errors));
    assert_int_equal(file.settings.kind, POLICY_MTP);
    snprintf(path, sizeof path, "%s/system/banter/policies/mtp.yaml", root);
    put_file(path, "kind: mtp\nmtp:\n  gamma: 5\n");
    assert_true(policies_read("mtp", &file, errors));
    assert_int_equal(file.settings.mtp.gamma, 5);
    assert_string_equal(file.path, path);
    assert_int_equal(remove(path), 0);
    snprintf(path, sizeof path, "%s/user/banter/policies/tuned.yaml", root);
    put_file(path, "kind: ngram\ndecay: 7\n");
    assert_true(policies_read("tuned", &file, errors));
    assert_int_equal(file.settings.decay, 7);
    assert_true(policies_read(path, &file, errors));
    assert_string_equal(file.name, "tuned");

    /* A misspelt name finds the user's too; a wrong file leaves what was there. */
    assert_false(policies_read("tunde", &file, errors));
    assert_string_equal(errors[0].what,
                        "no decode policy is called \"tunde\" (did you mean \"tuned\"?)");
    assert_false(policies_read("../tuned", &file, errors));
    assert_false(policies_read("", &file, errors));
    put_file(path, "kind: ngram\ndecay: soon\n");
    assert_false(policies_read("tuned", &file, errors));
    assert_int_equal(errors[0].line, 2);
    assert_int_equal(errors[0].column, 8);
    assert_int_equal(file.settings.decay, 7);

    size_t n_entries;
    struct policy_entry *entries = policies_list(&n_entries);
    assert_true(n_entries > POLICY_KIND_COUNT);
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        assert_string_equal(entries[kind].file.name, policy_kind_name((enum policy_kind)kind));
        assert_true(entries[kind].good);
    }
    assert_string_equal(entries[n_entries - 1].file.name, "tuned");
    assert_false(entries[n_entries - 1].good);
    assert_int_equal(entries[n_entries - 1].error.line, 2);
    policies_list_free(&entries);
    assert_null(entries);
    assert_int_equal(remove(path), 0);
    for (size_t i = sizeof parts / sizeof *parts; i-- > 0;) {
        snprintf(path, sizeof path, "%s%s", root, parts[i]);
        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_kinds_equal_defaults),
        cmocka_unit_test(shipped_examples),
        cmocka_unit_test(values_of_a_file),
        cmocka_unit_test(wrong_files_change_nothing),
        cmocka_unit_test(problems_are_collected),
        cmocka_unit_test(search_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
