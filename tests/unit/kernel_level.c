/*
 * kernel_level.c - names of levels, and that a request can only lower the level
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/kernel_level.h"

static void names_are_parsed(void **state)
{
    (void)state;
    for (int i = 0; i < KERNEL_LEVEL_COUNT; i++) {
        enum kernel_level level = KERNEL_LEVEL_COUNT;
        assert_true(kernel_level_parse(kernel_level_name((enum kernel_level)i), &level));
        assert_int_equal(level, i);
    }
    enum kernel_level level = KERNEL_LEVEL_AVX2;
    assert_false(kernel_level_parse("fastest", &level));
    assert_int_equal(level, KERNEL_LEVEL_AVX2);
}

static void a_request_only_lowers(void **state)
{
    enum kernel_level level, best = kernel_level_best();

    (void)state;
    assert_true(kernel_level_supported(best));
    assert_true(kernel_level_choose(NULL, &level));
    assert_int_equal(level, best);
    assert_true(kernel_level_choose("", &level));
    assert_int_equal(level, best);
    assert_false(kernel_level_choose("avx1024", &level));
    for (int i = 0; i < KERNEL_LEVEL_COUNT; i++) {
        assert_true(kernel_level_choose(kernel_level_name((enum kernel_level)i), &level));
        assert_true(level <= best && (int)level <= i);
        assert_true(kernel_level_supported(level));
        if (kernel_level_supported((enum kernel_level)i))
            assert_int_equal(level, i);
    }
}

/* Who knows the processor, as `make check-neon` does, says what it must be recognised as. */
static void the_processor_is_recognised(void **state)
{
    const char *wanted = getenv("BANTER_TEST_LEVEL");

    (void)state;
    if (wanted)
        assert_string_equal(kernel_level_name(kernel_level_best()), wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_parsed),
        cmocka_unit_test(a_request_only_lowers),
        cmocka_unit_test(the_processor_is_recognised),
    };

    return cmocka_run_group_tests_name("kernel_level", tests, NULL, NULL);
}
