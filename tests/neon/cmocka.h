/*
 * cmocka.h - the few words of cmocka that the engine's tests use, for cross builds
 *
 * A cross compiler finds no cmocka for its target, so `make check-neon` puts this folder before
 * the system's.  One program includes it once.  A failed assertion ends its test, as there; the
 * last line counts, and the exit status is 1 if one failed.
 */
#ifndef TESTS_NEON_CMOCKA_H
#define TESTS_NEON_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
    CMFixtureFunction setup, teardown;
};

enum test_end { TEST_FAILED = 1, TEST_SKIPPED };

static jmp_buf test_start;

__attribute__((noreturn, format(printf, 3, 4))) static inline void test_fail(const char *file,
                                                                             int line,
                                                                             const char *format,
                                                                             ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("%s:%d: ", file, line);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    longjmp(test_start, TEST_FAILED);
}

#define fail_msg(...)  test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip()         longjmp(test_start, TEST_SKIPPED)
#define print_message  printf
#define test_check(ok) ((ok) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #ok))

#define assert_true(value)       test_check(value)
#define assert_false(value)      test_check(!(value))
#define assert_null(pointer)     test_check((pointer) == NULL)
#define assert_non_null(pointer) test_check((pointer) != NULL)
#define assert_int_equal(a, b)                                                                 \
    test_int_equal((intmax_t)(a), (intmax_t)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)          test_check((a) != (b))
#define assert_ptr_equal(a, b)              test_check((a) == (b))
#define assert_ptr_not_equal(a, b)          test_check((a) != (b))
#define assert_in_range(value, low, high)   test_check((value) >= (low) && (value) <= (high))
#define assert_string_equal(a, b)           test_check(strcmp(a, b) == 0)
#define assert_string_not_equal(a, b)       test_check(strcmp(a, b) != 0)
#define assert_memory_equal(a, b, size)     test_check(memcmp(a, b, size) == 0)
#define assert_memory_not_equal(a, b, size) test_check(memcmp(a, b, size) != 0)

static inline void test_int_equal(intmax_t a, intmax_t b, const char *what, const char *file,
                                  int line)
{
    if (a != b)
        test_fail(file, line, "%s: %jd and %jd", what, a, b);
}

#define cmocka_unit_test(function) cmocka_unit_test_setup(function, NULL)
#define cmocka_unit_test_setup(function, setup)                                                \
    cmocka_unit_test_setup_teardown(function, setup, NULL)
#define cmocka_unit_test_setup_teardown(function, setup, teardown)                             \
    {                                                                                          \
#function, function, setup, teardown                                                   \
    }
#define cmocka_run_group_tests(tests, setup, teardown)                                         \
    cmocka_run_group_tests_name(__FILE__, tests, setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                              \
    test_run_all(name, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

static inline void test_call(CMFixtureFunction fixture, void **state)
{
    if (fixture && fixture(state) != 0)
        test_fail(__FILE__, __LINE__, "a setup or teardown failed");
}

static inline int test_run_all(const char *name, const struct CMUnitTest *tests, size_t n,
                               CMFixtureFunction setup, CMFixtureFunction teardown)
{
    /* longjmp() keeps what is static */
    static void *group_state, *state;
    static size_t i, count[3]; /* passed, failed, skipped */

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (setjmp(test_start) != 0)
        return 1;
    test_call(setup, &group_state);
    for (i = 0; i < n; i++) {
        int end = setjmp(test_start);
        if (end == 0) {
            state = group_state;
            test_call(tests[i].setup, &state);
            tests[i].run(&state);
            test_call(tests[i].teardown, &state);
        }
        count[end]++;
        printf("%-4s %s.%s\n",
               end == 0             ? "ok"
               : end == TEST_FAILED ? "FAIL"
                                    : "skip",
               name, tests[i].name);
    }
    if (setjmp(test_start) != 0)
        return 1;
    test_call(teardown, &group_state);
    printf("%s: %zu passed, %zu failed, %zu skipped\n", name, count[0], count[1], count[2]);
    return count[1] > 0;
}

#endif
