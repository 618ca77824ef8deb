/*
 * ui_history.c - the file of earlier input: private, whole, shared, and safe
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ui/history.h"

static char folder[] = "/tmp/banter-history-XXXXXX";
static char path[256];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/deep/er/history", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static bool add(const char *text)
{
    return history_append(path, text, strlen(text));
}

static void write_file(const char *bytes, size_t n_bytes, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n_bytes), n_bytes);
    fchmod(fd, mode);
    close(fd);
}

static void check(size_t limit, size_t n, const char *const *expected)
{
    struct history_list list;
    assert_true(history_load(path, limit, &list));
    assert_int_equal(list.n_entries, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(list.entries[i], expected[i]);
    history_release(&list);
}
#define CHECK(limit, ...)                                                                      \
    do {                                                                                       \
        const char *const expected[] = {__VA_ARGS__};                                          \
        check(limit, sizeof expected / sizeof expected[0], expected);                          \
    } while (0)

static void what_is_kept(void **state)
{
    (void)state;
    assert_true(history_wants("hello", 5));
    assert_true(history_wants("a\nb", 3));
    assert_false(history_wants("", 0));
    assert_false(history_wants(" secret", 7));
    assert_false(history_wants("\n\n", 2));
    assert_false(history_wants("a\0b", 3));
    char *long_text = malloc(HISTORY_ENTRY_MAX + 1);
    assert_non_null(long_text);
    memset(long_text, 'x', HISTORY_ENTRY_MAX + 1);
    assert_true(history_wants(long_text, HISTORY_ENTRY_MAX));
    assert_false(history_wants(long_text, HISTORY_ENTRY_MAX + 1));
    free(long_text);
}

static void entries_come_back(void **state)
{
    (void)state;
    struct history_list list;
    assert_true(history_load(path, 10, &list)); /* not there yet */
    assert_int_equal(list.n_entries, 0);
    history_release(&list);
    assert_true(add("one"));
    assert_true(add("two\nlines \\n and \\ and \r"));
    assert_true(add("\xE4\xB8\x96\xE7\x95\x8C\ttab\033[31m"));
    CHECK(10, "one", "two\nlines \\n and \\ and \r", "\xE4\xB8\x96\xE7\x95\x8C\ttab\033[31m");
    CHECK(2, "two\nlines \\n and \\ and \r", "\xE4\xB8\x96\xE7\x95\x8C\ttab\033[31m");
}

static void duplicates_collapse_to_the_newest(void **state)
{
    (void)state;
    add("a");
    add("b");
    add("a");
    add("c");
    add("c");
    CHECK(10, "b", "a", "c");
    CHECK(2, "a", "c");
}

static void it_is_private(void **state)
{
    (void)state;
    struct stat status;
    mode_t mask = umask(0);
    assert_true(add("x"));
    umask(mask);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    char above[256];
    snprintf(above, sizeof above, "%s/deep", folder);
    assert_int_equal(stat(above, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    /* A file that others could read is tightened. */
    chmod(path, 0644);
    CHECK(10, "x");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void it_follows_no_link(void **state)
{
    (void)state;
    struct history_list list;
    char other[300];
    assert_true(add("x"));
    snprintf(other, sizeof other, "%s.other", path);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_false(add("y"));
    assert_false(history_load(path, 10, &list));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* nor does it wait for a writer */
    assert_false(add("y"));
    assert_false(history_load(path, 10, &list));
}

static void broken_files(void **state)
{
    (void)state;
    assert_true(add("first"));
    write_file("cut", 3, 0600); /* a crash left half a line */
    assert_true(add("next"));
    CHECK(10, "cut", "next");
    write_file("a\0b\nok\n\n\\", 9, 0600);
    CHECK(10, "ok", "\\");
    write_file("", 0, 0600);
    struct history_list list;
    assert_true(history_load(path, 10, &list));
    assert_int_equal(list.n_entries, 0);
    history_release(&list);
}

/* Four writers at once: every entry is there, whole, and rewriting loses none. */
static void many_at_once(void **state)
{
    (void)state;
    enum { N_WRITERS = 4, N_ENTRIES = 300 };
    struct history_list list;
    assert_true(add("first"));
    for (int writer = 0; writer < N_WRITERS; writer++) {
        if (fork() != 0)
            continue;
        for (int i = 0; i < N_ENTRIES; i++) {
            char text[64];
            snprintf(text, sizeof text, "writer %d\nentry %d", writer, i);
            if (!add(text))
                _exit(1);
            if (i % 50 == writer && !history_load(path, 4, &list)) /* rewrites now and then */
                _exit(2);
        }
        _exit(0);
    }
    for (int writer = 0; writer < N_WRITERS; writer++) {
        int status;
        wait(&status);
        assert_int_equal(status, 0);
    }
    assert_true(history_load(path, 5000, &list));
    /* Rewrites cut the file to what they load, so count what must be there: the newest ones. */
    assert_true(list.n_entries >= 4);
    for (size_t i = 0; i < list.n_entries; i++)
        assert_true(strncmp(list.entries[i], "writer ", 7) == 0 ||
                    strcmp(list.entries[i], "first") == 0);
    history_release(&list);
}

static void it_is_rewritten_when_it_has_grown(void **state)
{
    (void)state;
    struct stat status;
    char text[32];
    assert_true(add("old"));
    for (int i = 0; i < 1200; i++) {
        snprintf(text, sizeof text, "%d", i % 7);
        assert_true(add(text));
    }
    CHECK(5, "5", "6", "0", "1", "2");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 10);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(add("new"));
    CHECK(5, "6", "0", "1", "2", "new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept),
        cmocka_unit_test_setup_teardown(entries_come_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(duplicates_collapse_to_the_newest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_follows_no_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_rewritten_when_it_has_grown, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("ui_history", tests, NULL, NULL);
}
