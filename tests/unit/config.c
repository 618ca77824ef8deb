/*
 * config.c - settings: types, precedence, origins, and files that are refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

#define FILE_NAME "/home/ada/banter/config.yaml"

static struct config_error errors[8];

static size_t load(struct config_store *store, const char *text)
{
    memset(errors, 0, sizeof errors);
    return config_load_memory(store, FILE_NAME, text, strlen(text), errors, 8);
}

/* The file is refused with exactly this one problem, and nothing of it is taken. */
static void assert_refused(const char *text, const char *expected)
{
    struct config_store *store = config_new();
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    char line[700];

    size_t n = load(store, text);
    assert_string_equal(config_error_text(&errors[0], line, sizeof line), expected);
    assert_int_equal(n, 1);
    for (size_t i = 0; i < n_options; i++)
        assert_false(config_given(store, options[i].key));
    config_free(&store);
    assert_null(store);
}

static void built_in_values(void **state)
{
    struct config_store *store = config_new();
    const struct config *values = config_values(store);

    (void)state;
    assert_null(values->model);
    assert_string_equal(values->kv, "f16");
    assert_string_equal(values->think, "auto");
    assert_int_equal(values->seed, -1);
    assert_true(values->history);
    assert_false(config_given(store, "kv"));
    assert_int_equal(config_origin(store, config_find("kv")).kind, CONFIG_BUILT_IN);
    config_free(&store);
    config_free(&store);
}

/* Each value of a file arrives, with its line; k stands for 1024. */
static void file_values_and_origins(void **state)
{
    struct config_store *store = config_new();
    const struct config *values = config_values(store);
    char text[64];

    (void)state;
    assert_int_equal(load(store, "# hello\n"
                                 "version: 1\n"
                                 "engine:\n"
                                 "  model: ../models/a.gguf\n"
                                 "  context: 32k\n"
                                 "  kv: \"f32\"\n"
                                 "chat:\n"
                                 "  system: 'no: really'\n"
                                 "sampling: {temperature: .7, top_k: 20, seed: -1}\n"
                                 "screen:\n"
                                 "  # ascii: true\n"),
                     0);
    assert_string_equal(values->model, "/home/ada/banter/../models/a.gguf");
    assert_int_equal(values->context, 32768);
    assert_string_equal(values->kv, "f32");
    assert_string_equal(values->system, "no: really");
    assert_true(values->temperature > 0.699 && values->temperature < 0.701);
    struct config_origin origin = config_origin(store, config_find("kv"));
    assert_int_equal(origin.kind, CONFIG_FILE);
    assert_string_equal(origin.path, FILE_NAME);
    assert_int_equal(origin.line, 6);
    assert_string_equal(config_get(store, config_find("temperature"), text, sizeof text),
                        "0.7");
    assert_string_equal(config_get(store, config_find("top_p"), text, sizeof text), "");
    assert_true(config_given(store, "top_k"));
    assert_false(config_given(store, "top_p"));
    config_free(&store);
}

static void precedence(void **state)
{
    struct config_store *store = config_new();
    struct config_error error;
    const struct config *values = config_values(store);

    (void)state;
    assert_int_equal(load(store, "sampling:\n  top_k: 1\n  temperature: 1\n"), 0);
    assert_int_equal(load(store, "sampling:\n  top_k: 2\n"), 0);
    assert_int_equal(values->top_k, 2);
    setenv("BANTER_TOP_K", "3", 1);
    setenv("BANTER_MIN_P", "", 1); /* empty: not set */
    assert_int_equal(config_load_environment(store, errors, 8), 0);
    unsetenv("BANTER_TOP_K");
    unsetenv("BANTER_MIN_P");
    assert_int_equal(values->top_k, 3);
    assert_int_equal(config_origin(store, config_find("top_k")).kind, CONFIG_ENVIRONMENT);
    assert_true(config_set(store, "top-k", "4", CONFIG_FLAG, &error));
    assert_true(config_set(store, "top_k", "5", CONFIG_SET, &error));
    assert_int_equal(values->top_k, 5);
    assert_int_equal(config_origin(store, config_find("top_k")).kind, CONFIG_SET);
    assert_true(values->temperature > 0.99);
    config_free(&store);
}

/* An empty text takes a setting that has no built-in value back to none. */
static void empty_means_none(void **state)
{
    struct config_store *store = config_new();

    (void)state;
    assert_true(config_set(store, "temperature", "0.5", CONFIG_FLAG, NULL));
    assert_true(config_given(store, "temperature"));
    assert_true(config_set(store, "temperature", "", CONFIG_SET, NULL));
    assert_false(config_given(store, "temperature"));
    assert_true(config_set(store, "system", "be brief", CONFIG_FLAG, NULL));
    assert_true(config_set(store, "system", "", CONFIG_SET, NULL));
    assert_null(config_values(store)->system);
    assert_false(config_given(store, "system"));
    assert_false(config_set(store, "think", "", CONFIG_SET, NULL));
    assert_true(config_set(store, "top_k", "3", CONFIG_FLAG, NULL));
    assert_true(config_set(store, "top_k", "default", CONFIG_SET, NULL));
    assert_false(config_given(store, "top_k"));
    assert_true(config_set(store, "seed", "3", CONFIG_FLAG, NULL));
    assert_true(config_set(store, "seed", "default", CONFIG_SET, NULL));
    assert_int_equal(config_values(store)->seed, -1);
    config_free(&store);
}

static void set_refuses(void **state)
{
    static const struct {
        const char *key, *value, *what;
    } cases[] = {
        {"temprature", "1", "unknown setting \"temprature\" (did you mean \"temperature\"?)"},
        {"zzz", "1", "unknown setting \"zzz\""},
        {"temperature", "hot", "\"temperature\" must be a number in [0, 5], got \"hot\""},
        {"temperature", "5.1", "\"temperature\" must be a number in [0, 5], got \"5.1\""},
        {"temperature", "nan", "\"temperature\" must be a number in [0, 5], got \"nan\""},
        {"temperature", "0x1", "\"temperature\" must be a number in [0, 5], got \"0x1\""},
        {"temperature", "1,5", "\"temperature\" must be a number in [0, 5], got \"1,5\""},
        {"temperature", "1e999", "\"temperature\" must be a number in [0, 5], got \"1e999\""},
        {"temperature", " 1", "\"temperature\" must be a number in [0, 5], got \" 1\""},
        {"top_p", "0", "\"top_p\" must be a number in (0, 1], got \"0\""},
        {"min_p", "1", "\"min_p\" must be a number in [0, 1), got \"1\""},
        {"top_k", "1e3", "\"top_k\" must be a whole number in [0, 1000000], got \"1e3\""},
        {"top_k", "1k", "\"top_k\" must be a whole number in [0, 1000000], got \"1k\""},
        {"top_k", "-1", "\"top_k\" must be a whole number in [0, 1000000], got \"-1\""},
        {"seed", "9007199254740992",
         "\"seed\" must be a whole number in [-1, 9007199254740991], got \"9007199254740992\""},
        {"max_tokens", "9223372036854775807k",
         "\"max_tokens\" must be a whole number in [0, 16777216], got "
         "\"9223372036854775807k\""},
        {"think", "onn",
         "\"think\" must be one of auto, on, off, got \"onn\" (did you mean \"on\"?)"},
        {"show_thinking", "1", "\"show_thinking\" must be true or false, got \"1\""},
        {"model", "a.gguf",
         "\"model\" is read when banter starts: give --model or put it in the configuration "
         "file"},
    };
    struct config_store *store = config_new();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_error error;

        assert_false(config_set(store, cases[i].key, cases[i].value, CONFIG_SET, &error));
        assert_string_equal(error.what, cases[i].what);
    }
    assert_false(config_set(store, "zzz", "1", CONFIG_SET, NULL));
    config_free(&store);
}

static void files_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"storage:\n  keep: 1\n", ":1:1: unknown key \"storage\""},
        {"smpling:\n  top_k: 1\n",
         ":1:1: unknown key \"smpling\" (did you mean \"sampling\"?)"},
        {"sampling:\n  top-k: 1\n",
         ":2:3: unknown key \"top-k\" in \"sampling\" (did you mean \"top_k\"?)"},
        {"sampling:\n  kv: f16\n",
         ":2:3: unknown key \"kv\" in \"sampling\" (it belongs in \"engine\")"},
        {"top_k: 1\n", ":1:1: \"top_k\" belongs in the section \"sampling\""},
        {"sampling:\n  top_k: 1\n  seed: 2\n  top_k: 3\n",
         ":4:3: \"top_k\" is given twice (first on line 2)"},
        {"sampling:\n  top_k: 1\nsampling:\n  seed: 2\n",
         ":3:1: \"sampling\" is given twice (first on line 1)"},
        {"sampling:\n  temperature: hot\n",
         ":2:16: \"temperature\" must be a number in [0, 5], got \"hot\""},
        {"sampling:\n  temperature: \"0.7\"\n",
         ":2:16: \"temperature\" must be a number in [0, 5] without quotes, got \"0.7\" in "
         "quotes"},
        {"sampling:\n  temperature: [1]\n",
         ":2:16: \"temperature\" must be a number in [0, 5], got a list"},
        {"sampling:\n  temperature:\n    a: 1\n",
         ":3:5: \"temperature\" must be a number in [0, 5], got a mapping"},
        {"sampling:\n  temperature:\n  seed: 1\n", ":2:15: \"temperature\" has no value"},
        {"screen:\n  ascii: 'true'\n",
         ":2:10: \"ascii\" must be true or false without quotes, got \"true\" in quotes"},
        {"chat:\n  system: \"a\\0b\"\n", ":2:11: \"system\" must not hold a NUL character"},
        {"chat: 3\n", ":1:7: \"chat\" must be a mapping of keys to values"},
        {"[1, 2]\n", ":1:1: must be a mapping of sections, such as \"sampling:\""},
        {"? [a]\n: 1\n", ":1:3: a key must be a word"},
        {"version: 2\n", ":1:10: \"version\" must be 1"},
        {"version: 1\n---\nversion: 1\n", ":2:1: a second document: one is allowed"},
        {"chat:\n  system: &x hello\n", ":2:11: anchors are not allowed"},
        {"chat:\n  system: !!str hello\n", ":2:11: tags are not allowed"},
        {"chat:\n  system: !<x> hello\n", ":2:11: tags are not allowed"},
        {"%TAG ! tag:x,2000:\n--- \nversion: 1\n", ":1:1: tags are not allowed"},
        {"chat:\n  system: \"never closed\n",
         ":3:1: not valid YAML: found unexpected end of stream while scanning a quoted scalar"},
        {"chat:\n\tsystem: x\n",
         ":2:1: not valid YAML: found character that cannot start any token while scanning for "
         "the next token"},
        {"chat:\n  system: \xc3\x28\n", ":2:11: not well-formed UTF-8"},
        {"chat:\n  system: \xed\xa0\x80\n", ":2:11: not well-formed UTF-8"},
        {"chat:\n  system: \x1b[31m\n",
         ":2:11: not valid YAML: control characters are not allowed"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", ":1:17: nested too deeply"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char expected[400];

        snprintf(expected, sizeof expected, "%s%s", FILE_NAME, cases[i].problem);
        assert_refused(cases[i].text, expected);
    }
}

/* All problems of a file are told at once, in the order of its lines. */
static void problems_are_collected(void **state)
{
    struct config_store *store = config_new();

    (void)state;
    assert_int_equal(load(store, "sampling:\n  top_k: &a 1\n  top_kk: 2\n  seed: x\n"
                                 "  top_p: *a\n"
                                 "colour: 1\n"),
                     5);
    assert_int_equal(errors[0].line, 2);
    assert_int_equal(errors[1].line, 3);
    assert_int_equal(errors[2].line, 4);
    assert_int_equal(errors[3].line, 5);
    assert_int_equal(errors[4].line, 6);
    assert_false(config_given(store, "top_k"));
    /* With room for fewer they are still counted. */
    const char *text = "a: 1\nb: 1\nc: 1\n";
    assert_int_equal(config_load_memory(store, "x", text, strlen(text), errors, 1), 3);
    assert_int_equal(config_load_memory(store, "x", text, strlen(text), NULL, 0), 3);
    config_free(&store);
}

static double seconds_of(const char *text, size_t n_bytes)
{
    struct config_store *store = config_new();
    struct timespec before, after;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    assert_true(config_load_memory(store, "x", text, n_bytes, errors, 8) > 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    config_free(&store);
    return (double)(after.tv_sec - before.tv_sec) +
           1e-9 * (double)(after.tv_nsec - before.tv_nsec);
}

/* Fill `bytes` with a piece again and again. */
static void repeat(char *bytes, size_t n_bytes, const char *piece)
{
    size_t n = strlen(piece);

    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = piece[i % n];
}

/* Attacks on memory and time: each ends within 2 s of processor time, sanitizers included. */
static void bombs_are_refused_quickly(void **state)
{
    static const char *const pieces[] = {
        "[",     "{",       "{a: ",        "- ",    "? ",       "a: {b: ", "\"",
        "x",     "a: b\n",  "[,",          "&a ",   "*a\n",     "!",       "|\n",
        "# c\n", "--- a\n", "%YAML 1.1\n", "'\\\"", "\xc3\xa9", "a\n  ",
    };
    size_t n_bytes = (size_t)1 << 20;
    char *bytes = malloc(n_bytes + 1);
    const char *laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n"
                         "b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                         "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                         "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                         "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";

    (void)state;
    assert_non_null(bytes);
    assert_true(seconds_of(laughs, strlen(laughs)) < 2);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        repeat(bytes, n_bytes, pieces[i]);
        /* Comments alone are no bomb: a good file. */
        if (pieces[i][0] == '#')
            bytes[n_bytes - 2] = '\n', bytes[n_bytes - 1] = 'x';
        double seconds = seconds_of(bytes, n_bytes);
        if (seconds > 0.1)
            print_message("note: %.2f s for pieces of \"%s\"\n", seconds, pieces[i]);
        assert_true(seconds < 2);
    }
    memset(bytes, ' ', n_bytes + 1);
    assert_true(seconds_of("a\0b", 3) < 2);
    assert_string_equal(errors[0].what, "a NUL byte");
    assert_int_equal(seconds_of(bytes, n_bytes + 1) < 2, 1);
    assert_string_equal(errors[0].what, "larger than 1 MiB");
    free(bytes);
}

/* What a mapping gave: "key=value@line:column" for each scalar; "bad" values and keys are refused. */
struct visited {
    char text[1000];
};

static enum config_visit take(void *context, const char *key, const char *value, int line,
                              int column, char *what, size_t n_bytes)
{
    struct visited *visited = context;
    size_t n = strlen(visited->text);

    if (strstr(key, "bad") != NULL) {
        snprintf(what, n_bytes, "no key %s", key);
        return CONFIG_WRONG_KEY;
    }
    if (strcmp(value, "bad") == 0) {
        snprintf(what, n_bytes, "no value for %s", key);
        return CONFIG_WRONG_VALUE;
    }
    snprintf(visited->text + n, sizeof visited->text - n, "%s=%s@%d:%d\n", key, value, line,
             column);
    return CONFIG_TAKEN;
}

static size_t read_mapping(struct visited *visited, const char *text)
{
    const struct config_visitor visitor = {.visit = take, .context = visited};

    *visited = (struct visited){.text = ""};
    memset(errors, 0, sizeof errors);
    return config_read_mapping_memory(FILE_NAME, text, strlen(text), &visitor, errors, 8);
}

static void mappings(void **state)
{
    struct visited visited;

    (void)state;
    assert_int_equal(read_mapping(&visited, "# hello\n"), 0);
    assert_string_equal(visited.text, "");
    assert_int_equal(read_mapping(&visited, "a: 1\n"
                                            "list: [x, \"y\", z]\n"
                                            "none: []\n"
                                            "deep:\n"
                                            "  b: 'two words'\n"
                                            "  list:\n"
                                            "    - 3\n"
                                            "flow: {c: 4}\n"),
                     0);
    assert_string_equal(visited.text, "a=1@1:4\n"
                                      "list=x, y, z@2:7\n"
                                      "none=@3:7\n"
                                      "deep.b=two words@5:6\n"
                                      "deep.list=3@7:5\n"
                                      "flow.c=4@8:11\n");
    assert_true(config_read_mapping("/nonexistent/policy",
                                    &(struct config_visitor){take, &visited}, errors, 8) == 1);
    assert_string_equal(errors[0].what, "No such file or directory");
}

static void mappings_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"a: 1\nx:\n  bad: 2\n", ":3:3: no key x.bad"},
        {"a: 1\nx:\n  b: bad\n", ":3:6: no value for x.b"},
        {"a: 1\na: 2\n", ":2:1: \"a\" is given twice (first on line 1)"},
        {"x: {a: 1}\nx:\n  b: 1\n", ":2:1: \"x\" is given twice (first on line 1)"},
        {"x:\n  a: 1\n  a: 2\n", ":3:3: \"a\" is given twice (first on line 2)"},
        {"x.a: 1\n", ":1:1: \"x.a\": a key has no dot; what stands before it is a mapping of "
                     "its own"},
        {"x:\n  y:\n    a: 1\n", ":3:5: \"x.y\" is nested too deeply"},
        {"x:\n", ":1:3: \"x\" has no value"},
        {"x: [a, [b]]\n", ":1:8: \"x\" must be a list of words"},
        {"x: [a, ]\ny: [~, '', {}]\n", ":2:12: \"y\" must be a list of words"},
        {"x: \"a\\0b\"\n", ":1:4: \"x\" must not hold a NUL character"},
        {"[a]: 1\n", ":1:1: a key must be a word"},
        {"- a\n", ":1:1: must be a mapping of keys to values"},
        {"hello\n", ":1:1: must be a mapping of keys to values"},
        {"x: &a 1\n", ":1:4: anchors are not allowed"},
        {"x: !!int 1\n", ":1:4: tags are not allowed"},
        {"x: 1\n---\nx: 1\n", ":2:1: a second document: one is allowed"},
        {"x: \xff\n", ":1:4: not well-formed UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct visited visited;
        char expected[400], line[700];

        snprintf(expected, sizeof expected, "%s%s", FILE_NAME, cases[i].problem);
        size_t n = read_mapping(&visited, cases[i].text);
        assert_string_equal(config_error_text(&errors[0], line, sizeof line), expected);
        assert_int_equal(n, 1);
    }
}

/* The example that is shipped holds every key once, with the built-in value. */
static void example_equals_built_in(void **state)
{
    struct config_store *store = config_new();
    struct config_store *plain = config_new();
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    FILE *file = fopen("config/config.yaml.example", "r");
    char text[8192], a[256], b[256], needle[80];

    (void)state;
    assert_non_null(file);
    size_t n_bytes = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n_bytes] = '\0';
    assert_int_equal(config_load(store, "config/config.yaml.example", errors, 8), 0);
    for (size_t i = 0; i < n_options; i++) {
        assert_string_equal(config_get(store, &options[i], a, sizeof a),
                            config_get(plain, &options[i], b, sizeof b));
        snprintf(needle, sizeof needle, "  %s%s:", options[i].built_in != NULL ? "" : "# ",
                 options[i].key);
        assert_non_null(strstr(text, needle));
    }
    /* What stands there as a comment is a good value too. */
    for (char *hash = strstr(text, "  # "); hash != NULL; hash = strstr(hash, "  # "))
        memcpy(hash, "    ", 4);
    for (char *line = text; line != NULL && line[0] != '\0';) {
        if (strncmp(line, "    ", 4) == 0)
            memmove(line, line + 2, strlen(line + 2) + 1);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    assert_int_equal(load(plain, text), 0);
    config_free(&plain);
    config_free(&store);
}

/* Files that are found by themselves: the user's over the system's; only regular ones. */
static void files_of_the_usual_places(void **state)
{
    struct config_store *store = config_new();
    char folder[] = "/tmp/banter-config-XXXXXX";
    char path[4096], line[700];

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("XDG_CONFIG_HOME", folder, 1), 0);
    assert_int_equal(setenv("XDG_CONFIG_DIRS", "/nowhere/a:relative:/nowhere/b", 1), 0);
    assert_true(config_file_path(0, path, sizeof path));
    assert_string_equal(path, "/nowhere/b/banter/config.yaml");
    assert_true(config_file_path(1, path, sizeof path));
    assert_string_equal(path, "/nowhere/a/banter/config.yaml");
    assert_true(config_file_path(2, path, sizeof path));
    assert_false(config_file_path(3, line, sizeof line));
    assert_int_equal(config_load(store, NULL, errors, 8), 0);
    snprintf(line, sizeof line, "%s/banter", folder);
    assert_int_equal(mkdir(line, 0700), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("sampling: {seed: 7}\n", file);
    fclose(file);
    assert_int_equal(config_load(store, NULL, errors, 8), 0);
    assert_int_equal(config_values(store)->seed, 7);
    assert_string_equal(config_origin(store, config_find("seed")).path, path);
    assert_int_equal(remove(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(config_load(store, NULL, errors, 8), 1);
    assert_string_equal(errors[0].what, "not a regular file");
    remove(path);
    assert_int_equal(config_load(store, path, errors, 8), 1);
    assert_string_equal(errors[0].what, "No such file or directory");
    rmdir(line);
    rmdir(folder);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_CONFIG_DIRS");
    config_free(&store);
}

static void folders_are_private(void **state)
{
    char folder[] = "/tmp/banter-config-XXXXXX";
    char path[200], inner[300];
    struct config_error error;
    struct stat status;
    mode_t before = umask(0277);

    (void)state;
    assert_non_null(mkdtemp(folder));
    chmod(folder, 0700);
    snprintf(path, sizeof path, "%s/state", folder);
    snprintf(inner, sizeof inner, "%s/banter", path);
    assert_true(config_make_folder(inner, &error));
    umask(before);
    assert_int_equal(stat(inner, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    chmod(inner, 0755);
    assert_true(config_make_folder(inner, &error));
    assert_int_equal(stat(inner, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    rmdir(inner);
    FILE *file = fopen(inner, "w");
    fclose(file);
    assert_false(config_make_folder(inner, &error));
    assert_non_null(strstr(error.what, "Not a directory"));
    remove(inner);
    rmdir(path);
    rmdir(folder);
}

static void suggestions(void **state)
{
    static const char *const names[] = {"temperature", "threads", "top_k", "top_p", "kv"};

    (void)state;
    assert_string_equal(config_suggest("temprature", names, 5), "temperature");
    assert_string_equal(config_suggest("Treads", names, 5), "threads");
    assert_string_equal(config_suggest("top-p", names, 5), "top_p");
    assert_string_equal(config_suggest("vk", names, 5), "kv");
    assert_null(config_suggest("model", names, 5));
    assert_null(config_suggest("", names, 5));
    assert_null(config_suggest("x", names, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_values),
        cmocka_unit_test(file_values_and_origins),
        cmocka_unit_test(precedence),
        cmocka_unit_test(empty_means_none),
        cmocka_unit_test(set_refuses),
        cmocka_unit_test(files_are_refused_with_their_place),
        cmocka_unit_test(problems_are_collected),
        cmocka_unit_test(bombs_are_refused_quickly),
        cmocka_unit_test(mappings),
        cmocka_unit_test(mappings_are_refused_with_their_place),
        cmocka_unit_test(example_equals_built_in),
        cmocka_unit_test(files_of_the_usual_places),
        cmocka_unit_test(folders_are_private),
        cmocka_unit_test(suggestions),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
