/*
 * weights_cache.c - packed weights on disk: the same bytes, or none; never a wrong file, never a crash
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/model/model_internal.h"
#include "engine/model/weights_cache_file.h"
#include "engine/weights_cache.h"
#include "tests/unit/model_writer.h"

enum { MOST_ENTRIES = 10 };

static char root[200], folder[300], model_at[300];

static struct model *open_in(const char *path, enum kernel_level level,
                             enum weights_cache_mode mode)
{
    const struct model_options options = {
        .level = level, .n_threads = 2, .weights_cache = mode, .weights_cache_folder = folder};
    struct model *model = NULL;
    struct error error = {0};

    check(model_open(&model, path, &options, &error), &error);
    return model;
}

/* The level that packs; tests are about it. */
static enum kernel_level packing_level(void)
{
    return kernel_level_best();
}

static struct model *open_cached(void)
{
    return open_in(model_at, packing_level(), WEIGHTS_CACHE_ON);
}

static enum weights_cache_state settled(const struct model *model)
{
    while (model_weights_cache(model) == WEIGHTS_CACHE_WRITING)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return model_weights_cache(model);
}

/* Open, be sure of the state that is found and of the one it ends with, close. */
static void open_and_expect(enum weights_cache_state state)
{
    struct model *model = open_cached();

    assert_int_equal(settled(model), state);
    model_close(&model);
}

static void same_region(const struct model *a, const struct model *b)
{
    const struct weights *x = model_weights(a), *y = model_weights(b);

    assert_int_equal(x->packed_bytes, y->packed_bytes);
    assert_memory_equal(x->packed, y->packed, x->packed_bytes);
    for (size_t i = 0; i < x->n_matrices; i++)
        assert_int_equal((const char *)x->matrices[i].weight->packed - (char *)x->packed,
                         (const char *)y->matrices[i].weight->packed - (char *)y->packed);
}

static size_t list(struct cached_weights entries[MOST_ENTRIES])
{
    struct cached_weights *found;
    const size_t n = cached_weights_list(folder, &found, MOST_ENTRIES);

    if (n > 0)
        memcpy(entries, found, n * sizeof *found);
    free(found);
    return n;
}

/* The path of the one finished file. */
static void only_file(char path[600])
{
    struct cached_weights entries[MOST_ENTRIES];

    assert_int_equal(list(entries), 1);
    assert_false(entries[0].partial);
    snprintf(path, 600, "%s/%s", folder, entries[0].file);
}

static void write_whole(const char *path, const void *bytes, size_t n_bytes)
{
    /* Another file, as everybody but the disk would make it: the old one may be mapped. */
    FILE *file = (unlink(path), fopen(path, "wb"));

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

static void empty_folder(void)
{
    struct cached_weights entries[MOST_ENTRIES];
    const size_t n = list(entries);

    for (size_t i = 0; i < n; i++)
        assert_true(cached_weights_remove(folder, &entries[i]));
    rmdir(folder);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/banter-weights-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(folder, sizeof folder, "%s/cache/banter/weights", root);
    snprintf(model_at, sizeof model_at, "%s/model.gguf", root);
    struct shape shape = uneven_shape(4);
    write_model(model_at, &shape);
    return 0;
}

static int tear_down(void **state)
{
    char command[300];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command) == 0 ? 0 : -1;
}

#define SKIP_WITHOUT_PACKING()                                                                 \
    if (packing_level() <= KERNEL_LEVEL_GENERIC) {                                             \
        print_message("skip: no kernel level here packs weights\n");                           \
        skip();                                                                                \
    }

static void second_start_computes_the_same(void **state)
{
    static const int32_t tokens[] = {1, 5, 9, 200, 3, 3, 77};
    enum { N = sizeof tokens / sizeof *tokens };

    (void)state;
    SKIP_WITHOUT_PACKING();
    for (enum kernel_level level = 0; level < KERNEL_LEVEL_COUNT; level++) {
        if (!kernel_level_supported(level))
            continue;
        float *logits[3];
        for (int start = 0; start < 3; start++) {
            struct model *model =
                open_in(model_at, level, start == 0 ? WEIGHTS_CACHE_OFF : WEIGHTS_CACHE_ON);
            struct session *session =
                open_session(model, &(struct session_options){.n_threads = 2});
            logits[start] = all_logits(session, vocabulary_of(model), tokens, N);
            if (start == 0 || level <= KERNEL_LEVEL_GENERIC)
                assert_int_equal(settled(model), WEIGHTS_CACHE_NONE);
            else if (start == 2)
                assert_int_equal(settled(model), WEIGHTS_CACHE_MAPPED);
            else /* all levels that pack share a layout, and so the file */
                assert_in_range(settled(model), WEIGHTS_CACHE_MAPPED, WEIGHTS_CACHE_WRITTEN);
            session_free(&session);
            model_close(&model);
        }
        for (int start = 1; start < 3; start++)
            assert_memory_equal(logits[0], logits[start],
                                (size_t)N * SHAPE_VOCABULARY * sizeof(float));
        for (int start = 0; start < 3; start++)
            free(logits[start]);
    }
    empty_folder();
}

static void every_type_comes_back(void **state)
{
    static const enum tensor_type types[] = {
        TENSOR_F32,  TENSOR_F16,    TENSOR_BF16,  TENSOR_Q8_0, TENSOR_Q4_0,
        TENSOR_Q4_1, TENSOR_Q5_0,   TENSOR_Q5_1,  TENSOR_Q4_K, TENSOR_Q5_K,
        TENSOR_Q6_K, TENSOR_IQ4_NL, TENSOR_IQ4_XS};
    struct shape shape = plain_shape();
    char path[300];

    (void)state;
    SKIP_WITHOUT_PACKING();
    shape.types = types;
    shape.n_types = sizeof types / sizeof *types;
    shape.n_embd = 256;
    snprintf(path, sizeof path, "%s/types.gguf", root);
    write_model(path, &shape);
    struct model *plain = open_in(path, packing_level(), WEIGHTS_CACHE_OFF);
    struct model *first = open_in(path, packing_level(), WEIGHTS_CACHE_ON);
    assert_int_equal(settled(first), WEIGHTS_CACHE_WRITTEN);
    struct model *second = open_in(path, packing_level(), WEIGHTS_CACHE_ON);
    assert_int_equal(settled(second), WEIGHTS_CACHE_MAPPED);
    same_region(plain, first);
    same_region(plain, second);
    model_close(&plain), model_close(&first), model_close(&second);
    unlink(path);
    empty_folder();
}

/* A file with these bytes in its place must be a miss that is repaired. */
static void expect_miss(const char *path, const void *bytes, size_t n_bytes,
                        const struct model *plain, const char *what, size_t where)
{
    write_whole(path, bytes, n_bytes);
    struct model *model = open_cached();
    if (settled(model) != WEIGHTS_CACHE_WRITTEN)
        fail_msg("%s at %zu: state %d", what, where, model_weights_cache(model));
    same_region(plain, model);
    model_close(&model);
}

static void damage_is_a_miss(void **state)
{
    struct cache_head head;
    char path[600];
    size_t n_bytes;
    uint64_t random = 7;

    (void)state;
    SKIP_WITHOUT_PACKING();
    struct model *plain = open_in(model_at, packing_level(), WEIGHTS_CACHE_OFF);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    only_file(path);
    uint8_t *good = read_whole(path, &n_bytes), *bad = malloc(n_bytes + 1);
    memcpy(&head, good, sizeof head);
    const size_t n_head = sizeof head + head.n_matrices * sizeof(struct cache_matrix) +
                          8 * (size_t)head.n_pieces + 8;
    assert_int_equal(head.file_bytes, n_bytes);
    assert_int_equal(head.region_offset + head.region_bytes, n_bytes);

    /* Cut at the end of each section and around, and one byte too long. */
    const size_t ends[] = {0, sizeof head, n_head, head.region_offset, n_bytes};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        for (size_t length = ends[i] > 0 ? ends[i] - 1 : 0; length <= ends[i] + 1; length++) {
            memcpy(bad, good, n_bytes);
            bad[n_bytes] = 0;
            if (length != n_bytes)
                expect_miss(path, bad, length, plain, "cut", length);
        }
    /* A bit in every byte of the first head, in some of the rest of it, in some of the region. */
    for (size_t i = 0; i < sizeof head + 60; i++) {
        size_t at = i;
        if (i >= sizeof head)
            at = i % 2 ? sizeof head + next_random(&random) % (n_head - sizeof head)
                       : head.region_offset + next_random(&random) % head.region_bytes;
        memcpy(bad, good, n_bytes);
        bad[at] = (uint8_t)(bad[at] ^ 1u << next_random(&random) % 8);
        expect_miss(path, bad, n_bytes, plain, "a flipped bit", at);
    }
    /* The same of every number, to extremes, with a hash that fits. */
    static const uint64_t extremes[] = {0, 1, INT64_MAX, UINT64_MAX, UINT64_MAX - 4095};
    for (size_t at = sizeof head.magic; at < sizeof head + sizeof(struct cache_matrix); at += 8)
        for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
            memcpy(bad, good, n_bytes);
            memcpy(bad + at, &extremes[i], 8);
            if (memcmp(bad, good, n_bytes) == 0)
                continue;
            const uint64_t hash = XXH3_64bits(bad, n_head - 8);
            memcpy(bad + n_head - 8, &hash, 8);
            expect_miss(path, bad, n_bytes, plain, "a number", at);
        }
    /* What nobody reads may be anything; and the good file is one. */
    write_whole(path, good, n_bytes);
    open_and_expect(WEIGHTS_CACHE_MAPPED);
    free(good), free(bad);
    model_close(&plain);
    empty_folder();
}

static void another_version_of_the_layout_is_a_miss(void **state)
{
    struct cache_head head;
    char path[600];
    size_t n_bytes;

    (void)state;
    SKIP_WITHOUT_PACKING();
    struct model *plain = open_in(model_at, packing_level(), WEIGHTS_CACHE_OFF);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    only_file(path);
    uint8_t *bytes = read_whole(path, &n_bytes);
    memcpy(&head, bytes, sizeof head);
    assert_int_equal(head.layout_version, kernels_layout_version());
    for (int i = 0; i < 2; i++) {
        struct cache_head other = head;
        *(i ? &other.layout_version : &other.format_version) += 1;
        const size_t n_head = sizeof head + head.n_matrices * sizeof(struct cache_matrix) +
                              8 * (size_t)head.n_pieces + 8;
        memcpy(bytes, &other, sizeof other);
        const uint64_t hash = XXH3_64bits(bytes, n_head - 8);
        memcpy(bytes + n_head - 8, &hash, 8);
        expect_miss(path, bytes, n_bytes, plain, "a version", (size_t)i);
    }
    free(bytes);
    model_close(&plain);
    empty_folder();
}

static void a_changed_model_is_a_miss(void **state)
{
    char path[600], other_path[300], kept[320];
    size_t n_bytes;

    (void)state;
    SKIP_WITHOUT_PACKING();
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    only_file(path);
    /* Touched. */
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, model_at, times, 0), 0);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    open_and_expect(WEIGHTS_CACHE_MAPPED);
    /* Replaced by another of the same shape, size and time. */
    uint8_t *cached = read_whole(path, &n_bytes);
    struct shape shape = uneven_shape(4);
    shape.seed = 99;
    snprintf(other_path, sizeof other_path, "%s/other.gguf", root);
    snprintf(kept, sizeof kept, "%s.kept", model_at);
    write_model(other_path, &shape);
    assert_int_equal(rename(model_at, kept), 0);
    assert_int_equal(rename(other_path, model_at), 0);
    assert_int_equal(utimensat(AT_FDCWD, model_at, times, 0), 0);
    struct model *plain = open_in(model_at, packing_level(), WEIGHTS_CACHE_OFF);
    expect_miss(path, cached, n_bytes, plain, "another model's file", 0);
    model_close(&plain);
    only_file(path); /* it replaced the other */
    free(cached);
    assert_int_equal(rename(kept, model_at), 0);
    empty_folder();
}

/* A file that was changed between opening and the end of the writing is not kept. */
static void a_model_that_changes_meanwhile_is_not_kept(void **state)
{
    struct cached_weights entries[MOST_ENTRIES];
    struct stat before;

    (void)state;
    SKIP_WITHOUT_PACKING();
    assert_int_equal(stat(model_at, &before), 0);
    struct model *model = open_cached();
    assert_int_equal(utimensat(AT_FDCWD, model_at, NULL, 0), 0);
    /* The writer waits a turn before it begins, so the change comes first but for bad luck. */
    if (settled(model) == WEIGHTS_CACHE_REFUSED)
        assert_int_equal(list(entries), 0);
    model_close(&model);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    empty_folder();
}

static void no_folder_is_no_failure(void **state)
{
    char blocked[400], saved[300];
    FILE *file;

    (void)state;
    SKIP_WITHOUT_PACKING();
    snprintf(saved, sizeof saved, "%s", folder);
    snprintf(blocked, sizeof blocked, "%s/blocked", root);
    file = fopen(blocked, "wb");
    assert_non_null(file);
    fclose(file);
    snprintf(folder, sizeof folder, "%.200s/blocked/banter/weights", root);
    open_and_expect(WEIGHTS_CACHE_REFUSED);
    snprintf(folder, sizeof folder, "/proc/banter/weights");
    open_and_expect(WEIGHTS_CACHE_REFUSED);
    snprintf(folder, sizeof folder, "%s", saved);
}

/* A limit on the size of files stands for a full disk. */
static void a_full_disk_is_no_failure(void **state)
{
    struct cached_weights entries[MOST_ENTRIES];
    struct rlimit before, small;

    (void)state;
    SKIP_WITHOUT_PACKING();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = before;
    small.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    open_and_expect(WEIGHTS_CACHE_REFUSED);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(list(entries), 0);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    empty_folder();
}

static void closing_stops_the_writer(void **state)
{
    struct cached_weights entries[MOST_ENTRIES];

    (void)state;
    SKIP_WITHOUT_PACKING();
    for (int i = 0; i < 20; i++) {
        struct model *model = open_cached();
        if (i % 2)
            nanosleep(&(struct timespec){.tv_nsec = i * 500000}, NULL);
        model_close(&model);
        const size_t n = list(entries);
        for (size_t k = 0; k < n; k++)
            assert_false(entries[k].partial);
        empty_folder();
    }
}

static void leftovers_go_and_others_writing_stay(void **state)
{
    struct cached_weights entries[MOST_ENTRIES];
    char path[600], left[600], own[700];

    (void)state;
    SKIP_WITHOUT_PACKING();
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    only_file(path);
    /* Of a killed writer: with no lock. */
    snprintf(left, sizeof left, "%s/0123456789abcdef.weights.partial", folder);
    write_whole(left, "left", 4);
    unlink(path);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    assert_int_not_equal(access(left, F_OK), 0);
    /* Of another process that writes: locked. */
    write_whole(left, "left", 4);
    const int descriptor = open(left, O_RDONLY);
    assert_int_equal(flock(descriptor, LOCK_EX), 0);
    unlink(path);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    assert_int_equal(access(left, F_OK), 0);
    assert_int_equal(list(entries), 2);
    close(descriptor);
    unlink(left);
    /* Another process writes this very model; then its writer is killed. */
    unlink(path);
    snprintf(own, sizeof own, "%s.partial", path);
    write_whole(own, "left", 4);
    const int locked = open(own, O_RDONLY);
    assert_int_equal(flock(locked, LOCK_EX), 0);
    open_and_expect(WEIGHTS_CACHE_REFUSED);
    assert_int_equal(access(own, F_OK), 0);
    close(locked);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    open_and_expect(WEIGHTS_CACHE_MAPPED);
    empty_folder();
}

/* Models that are open at once, one mapped while its file is replaced and removed. */
static void a_mapped_file_may_be_removed(void **state)
{
    char path[600];

    (void)state;
    SKIP_WITHOUT_PACKING();
    struct model *plain = open_in(model_at, packing_level(), WEIGHTS_CACHE_OFF);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    only_file(path);
    struct model *mapped = open_cached();
    unlink(path);
    struct model *writer = open_cached();
    assert_int_equal(settled(writer), WEIGHTS_CACHE_WRITTEN);
    same_region(plain, mapped);
    same_region(plain, writer);
    model_close(&writer), model_close(&mapped), model_close(&plain);
    empty_folder();
}

static void small_models_are_not_kept_by_themselves(void **state)
{
    struct model *model = open_in(model_at, packing_level(), WEIGHTS_CACHE_AUTO);

    (void)state;
    assert_int_equal(settled(model), WEIGHTS_CACHE_NONE);
    model_close(&model);
    assert_int_not_equal(access(folder, F_OK), 0);
}

static void describing_a_model_tells(void **state)
{
    const struct model_options options = {.level = packing_level(),
                                          .vocabulary_only = true,
                                          .weights_cache = WEIGHTS_CACHE_ON,
                                          .weights_cache_folder = folder};
    struct cached_weights entries[MOST_ENTRIES];
    struct model *model = NULL;
    struct error error = {0};

    (void)state;
    SKIP_WITHOUT_PACKING();
    check(model_open(&model, model_at, &options, &error), &error);
    assert_int_equal(model_weights_cache(model), WEIGHTS_CACHE_ABSENT);
    model_close(&model);
    open_and_expect(WEIGHTS_CACHE_WRITTEN);
    check(model_open(&model, model_at, &options, &error), &error);
    assert_int_equal(model_weights_cache(model), WEIGHTS_CACHE_MAPPED);
    model_close(&model);
    assert_int_equal(list(entries), 1);
    assert_string_equal(entries[0].model, "model.gguf");
    empty_folder();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_start_computes_the_same),
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(damage_is_a_miss),
        cmocka_unit_test(another_version_of_the_layout_is_a_miss),
        cmocka_unit_test(a_changed_model_is_a_miss),
        cmocka_unit_test(a_model_that_changes_meanwhile_is_not_kept),
        cmocka_unit_test(no_folder_is_no_failure),
        cmocka_unit_test(a_full_disk_is_no_failure),
        cmocka_unit_test(closing_stops_the_writer),
        cmocka_unit_test(leftovers_go_and_others_writing_stay),
        cmocka_unit_test(a_mapped_file_may_be_removed),
        cmocka_unit_test(small_models_are_not_kept_by_themselves),
        cmocka_unit_test(describing_a_model_tells),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
