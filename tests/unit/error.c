/*
 * error.c - struct error keeps its parts apart and always terminated
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/error.h"

static void parts_are_joined(void **state)
{
    struct error error;
    char line[512];

    (void)state;
    assert_int_equal(error_set(&error, STATUS_DAMAGED, "length %d", 7), STATUS_DAMAGED);
    error_where(&error, "offset %d", 24);
    error_where(&error, "a.gguf");
    error_action(&error, "get the file again");
    assert_string_equal(error_text(&error, line, sizeof line),
                        "a.gguf, offset 24: length 7 (get the file again)");
}

static void long_parts_are_cut_and_terminated(void **state)
{
    struct error error;
    char text[2000];
    char line[32];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(&error, STATUS_FAILED, "%s", text);
    error_where(&error, "%s", text);
    error_where(&error, "%s", text);
    error_action(&error, "%s", text);
    assert_int_equal(strlen(error.what), sizeof error.what - 1);
    assert_true(strlen(error.where) < sizeof error.where);
    assert_int_equal(strlen(error_text(&error, line, sizeof line)), sizeof line - 1);
}

static void a_path_is_named_once(void **state)
{
    struct error error;
    char line[512], path[300];

    (void)state;
    error_set(&error, STATUS_DAMAGED, "broken");
    error_where(&error, "offset 3");
    error_path(&error, "a.gguf");
    error_path(&error, "a.gguf");
    assert_string_equal(error_text(&error, line, sizeof line), "a.gguf, offset 3: broken");
    memset(path, 'd', sizeof path - 1);
    memcpy(path + sizeof path - 8, "/b.gguf", 8);
    error_set(&error, STATUS_DAMAGED, "broken");
    error_path(&error, path);
    error_path(&error, path);
    error_text(&error, line, sizeof line);
    assert_memory_equal(line, "...", 3);
    assert_string_equal(strstr(line, "/b.gguf"), "/b.gguf: broken");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_joined),
        cmocka_unit_test(long_parts_are_cut_and_terminated),
        cmocka_unit_test(a_path_is_named_once),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
