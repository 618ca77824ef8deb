/*
 * decode_keys.c - the settings of a policy by name, value for value
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/policy.h"
#include "tests/unit/model_fixture.h"

/* The measured values of the reference, and where auto differs. */
static const struct {
    const char *name, *plain, *automatic;
} DEFAULTS[] = {
    {"verify", "chunk-inplace", NULL},
    {"decay", "64", NULL},
    {"ngram.gamma", "32", NULL},
    {"ngram.min", "6", NULL},
    {"ngram.max", "8", NULL},
    {"ngram.min_candidates", "0", "8"},
    {"ngram.stage_min", "0", "33"},
    {"ngram.stage", "4", NULL},
    {"ngram.risk_gate", "false", "true"},
    {"ngram.risk_min_size", "16", NULL},
    {"ngram.risk_tightened", "true", NULL},
    {"ngram.recursive", "true", NULL},
    {"ngram.disable_after_reject", "true", NULL},
    {"ngram.corridor", "false", "true"},
    {"ngram.corridor_min_size", "4", NULL},
    {"ngram.corridor_match_length", "8", NULL},
    {"ngram.corridor_lag4", "0.25", NULL},
    {"ngram.corridor_lag8", "2", NULL},
    {"ngram.corridor_entropy", "0.6", NULL},
    {"speculative.gamma", "4", NULL},
    {"speculative.max_gamma", "32", NULL},
    {"speculative.grow_streak", "2", NULL},
    {"speculative.fast_grow_from", "8", NULL},
    {"speculative.fallback", "true", NULL},
    {"speculative.fallback_gamma", "2", NULL},
    {"speculative.bootstrap_gamma", "0", NULL},
    {"speculative.bootstrap_streak", "1", NULL},
    {"speculative.early_reject", "true", NULL},
    {"mtp.gamma", "4", NULL},
    {"mtp.stage", "2", NULL},
    {"mtp.min_margin", "1", "0"},
    {"mtp.min_remaining", "16", NULL},
    {"mtp.disable_after_reject", "true", NULL},
    {"auto.budget", "0.03", NULL},
};
enum { N_DEFAULTS = sizeof DEFAULTS / sizeof *DEFAULTS };

static void defaults_are_the_measured_ones(void **state)
{
    static const char *const sources[] = {"none", "ngram", "draft", "mtp", "ngram,draft,mtp"};
    char text[100];
    size_t n_keys;

    (void)state;
    policy_keys(&n_keys);
    assert_int_equal(n_keys, N_DEFAULTS + 2);
    for (enum policy_kind kind = POLICY_GREEDY; kind < POLICY_KIND_COUNT; kind++) {
        const struct policy_settings settings = policy_defaults(kind);
        assert_string_equal(policy_get_key(&settings, "kind", text, sizeof text),
                            policy_kind_name(kind));
        assert_string_equal(policy_get_key(&settings, "sources", text, sizeof text),
                            sources[kind]);
        for (size_t i = 0; i < N_DEFAULTS; i++) {
            const char *wanted = kind == POLICY_AUTO && DEFAULTS[i].automatic
                                     ? DEFAULTS[i].automatic
                                     : DEFAULTS[i].plain;
            policy_get_key(&settings, DEFAULTS[i].name, text, sizeof text);
            if (strcmp(text, wanted) != 0)
                fail_msg("%s of %s: %s, not %s", DEFAULTS[i].name, policy_kind_name(kind), text,
                         wanted);
        }
    }
}

/* A value that each key accepts, is not its default, and comes back. */
static const char *other_value(const struct policy_key *key, char text[40])
{
    if (key->type == POLICY_VALUE_FLAG)
        return "true";
    if (key->type != POLICY_VALUE_NAME) {
        snprintf(text, 40, "%g", key->maximum - (key->type == POLICY_VALUE_REAL ? 0.5 : 1));
        return text;
    }
    if (strcmp(key->name, "verify") == 0)
        return "hybrid";
    return strcmp(key->name, "kind") == 0 ? "mtp" : "mtp,ngram";
}

static void every_key_is_set_and_read_back(void **state)
{
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);

    (void)state;
    for (size_t i = 0; i < n_keys; i++) {
        struct policy_settings settings = policy_defaults(POLICY_GREEDY);
        struct error error = {0};
        char text[40], back[40];
        const char *value = other_value(&keys[i], text);
        if (keys[i].type == POLICY_VALUE_FLAG)
            check(policy_set_key(&settings, keys[i].name, "false", &error), &error);
        check(policy_set_key(&settings, keys[i].name, value, &error), &error);
        policy_get_key(&settings, keys[i].name, back, sizeof back);
        if (strtod(value, NULL) != strtod(back, NULL) ||
            (strtod(value, NULL) == 0 && strcmp(value, back) != 0))
            fail_msg("%s: %s became %s", keys[i].name, value, back);
        for (size_t j = 0; j < n_keys && i > 0; j++) { /* and nothing else is changed */
            const struct policy_settings plain = policy_defaults(POLICY_GREEDY);
            char a[40], b[40];
            if (i != j && keys[j].type != POLICY_VALUE_FLAG)
                assert_string_equal(policy_get_key(&settings, keys[j].name, a, sizeof a),
                                    policy_get_key(&plain, keys[j].name, b, sizeof b));
        }
        assert_true(strlen(keys[i].help) > 10 && strlen(keys[i].argument) > 0);
    }
}

static void wrong_values_are_refused(void **state)
{
    static const struct {
        const char *name, *value, *said;
    } wrong[] = {
        {"ngram.gama", "3", "ngram.gama"},
        {"kind", "fast", "greedy|ngram"},
        {"verify", "", "serial"},
        {"sources", "ngram,draft,wild", "wild"},
        {"sources", "ngram, ngram", "twice"},
        {"ngram.gamma", "33", "1 .. 32"},
        {"ngram.gamma", "0", "1 .. 32"},
        {"ngram.gamma", "4.5", "whole number"},
        {"ngram.gamma", "-1", "whole number"},
        {"ngram.gamma", " 4", "whole number"},
        {"ngram.gamma", "", "whole number"},
        {"decay", "1000001", "0 .. 1000000"},
        {"ngram.risk_gate", "yes", "true|false"},
        {"auto.budget", "nan", "0 .. 1"},
        {"auto.budget", "1e999", "0 .. 1"},
        {"auto.budget", "1.01", "0 .. 1"},
        {"mtp.min_margin", "0x10", "0 .. 100"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct policy_settings before = policy_defaults(POLICY_AUTO);
        struct policy_settings settings = before;
        struct error error = {0};
        if (policy_set_key(&settings, wrong[i].name, wrong[i].value, &error) != STATUS_USAGE)
            fail_msg("%s: %s was taken", wrong[i].name, wrong[i].value);
        if (!strstr(error.what, wrong[i].said))
            fail_msg("%s: %s: \"%s\" does not say \"%s\"", wrong[i].name, wrong[i].value,
                     error.what, wrong[i].said);
        assert_memory_equal(&before, &settings, sizeof before);
    }
}

static void keys_that_bound_one_another(void **state)
{
    static const char *const pairs[][3] = {{"ngram.max", "5", "ngram.min"},
                                           {"speculative.max_gamma", "3", "speculative.gamma"},
                                           {"mtp.gamma", "1", "mtp.stage"}};

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct policy_settings settings = policy_defaults(POLICY_AUTO);
        struct error error = {0};
        check(policy_set_key(&settings, pairs[i][0], pairs[i][1], &error), &error);
        assert_int_equal(policy_check(&settings, &error), STATUS_USAGE);
        assert_non_null(strstr(error.what, pairs[i][0]));
        assert_non_null(strstr(error.what, pairs[i][2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_measured_ones),
        cmocka_unit_test(every_key_is_set_and_read_back),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(keys_that_bound_one_another),
    };
    return cmocka_run_group_tests_name("decode_keys", tests, NULL, NULL);
}
