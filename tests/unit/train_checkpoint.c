/*
 * train_checkpoint.c - what was written comes back; whatever was damaged is refused by its
 * place
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/run/pool.h"
#include "engine/train/checkpoint.h"
#include "engine/train/kernels.h"
#include "tests/unit/train_parameters.h"

static const char settings[] = "layers: 4\nlearning rate: 0.001\nseed: 7\n";
static const struct optimizer_settings adamw = {
    .kind = OPTIMIZER_ADAMW, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f};

struct fixture {
    char folder[64], path[96];
    struct parameter parameters[N_PARAMETERS];
    struct optimizer *optimizer;
};

static void parts_make(struct fixture *fixture, const struct optimizer_settings *optimizer)
{
    parameters_make(fixture->parameters);
    assert_int_equal(
        optimizer_new(&fixture->optimizer, optimizer, fixture->parameters, N_PARAMETERS, NULL),
        STATUS_OK);
}

static void parts_free(struct fixture *fixture)
{
    optimizer_free(&fixture->optimizer);
    parameters_free(fixture->parameters);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/banter-checkpoint-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL)
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/state", fixture->folder);
    parts_make(fixture, &adamw);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    parts_free(fixture);
    unlink(fixture->path);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

/* Moments that are not zero. */
static void take_steps(struct fixture *fixture, int n)
{
    struct pool *pool;

    assert_int_equal(pool_new(&pool, 1, NULL), STATUS_OK);
    for (int step = 0; step < n; step++) {
        for (size_t i = 0; i < N_PARAMETERS; i++) {
            struct tensor *tensor = fixture->parameters[i].tensor;
            fill_noise(tensor->gradient, tensor_elements(tensor), (uint64_t)step + 50 * i);
        }
        assert_int_equal(optimizer_step(fixture->optimizer, pool,
                                        train_kernels_for(KERNEL_LEVEL_GENERIC), 0.01, NULL,
                                        NULL),
                         STATUS_OK);
    }
    pool_free(&pool);
}

static struct train_point points[] = {{1, 5.5f, -1, -1}, {2, 5.25f, -1, 5.75f}};

static enum status write_state(struct fixture *fixture, struct error *error)
{
    const struct checkpoint checkpoint = {.settings = settings,
                                          .step = 2,
                                          .n_tokens = 1234567890123,
                                          .epoch = 3,
                                          .cursor = 44,
                                          .curve = points,
                                          .n_points = 2};

    return checkpoint_write(fixture->path, &checkpoint, fixture->parameters, N_PARAMETERS,
                            fixture->optimizer, error);
}

static enum status read_state(struct fixture *fixture, const char *expected,
                              struct checkpoint *checkpoint, struct error *error)
{
    *checkpoint = (struct checkpoint){.settings = expected};
    return checkpoint_read(fixture->path, checkpoint, fixture->parameters, N_PARAMETERS,
                           fixture->optimizer, error);
}

static uint8_t *read_bytes(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*n_bytes);
    assert_int_equal(fread(bytes, 1, *n_bytes, file), *n_bytes);
    fclose(file);
    return bytes;
}

static void write_bytes(const char *path, const uint8_t *bytes, size_t n_bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

static void everything_comes_back(void **state)
{
    struct fixture *fixture = *state, other = {0};
    struct checkpoint checkpoint;

    take_steps(fixture, 2);
    assert_int_equal(write_state(fixture, NULL), STATUS_OK);
    memcpy(other.path, fixture->path, sizeof other.path);
    parts_make(&other, &adamw);
    assert_int_equal(read_state(&other, settings, &checkpoint, NULL), STATUS_OK);
    assert_int_equal(checkpoint.step, 2);
    assert_int_equal(checkpoint.n_tokens, 1234567890123);
    assert_int_equal(checkpoint.epoch, 3);
    assert_int_equal(checkpoint.cursor, 44);
    assert_int_equal(checkpoint.n_points, 2);
    assert_int_equal(checkpoint.curve[1].step, 2);
    assert_true(checkpoint.curve[1].held_out_loss >= 5.75f);
    assert_int_equal(optimizer_steps(other.optimizer), 2);
    take_steps(fixture, 3);
    take_steps(&other, 3);
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        const struct tensor *tensor = fixture->parameters[i].tensor;

        assert_memory_equal(tensor->data, other.parameters[i].tensor->data,
                            tensor_elements(tensor) * sizeof(float));
    }
    free(checkpoint.curve);
    parts_free(&other);
}

static void sgd_has_one_moment(void **state)
{
    struct fixture *fixture = *state, other = {0};
    const struct optimizer_settings sgd = {.kind = OPTIMIZER_SGD, .beta1 = 0.9f};
    struct checkpoint checkpoint;
    struct error error = {0};

    memcpy(other.path, fixture->path, sizeof other.path);
    parts_make(&other, &sgd);
    take_steps(&other, 2);
    assert_int_equal(write_state(&other, NULL), STATUS_OK);
    assert_int_equal(read_state(&other, settings, &checkpoint, NULL), STATUS_OK);
    free(checkpoint.curve);
    assert_int_equal(read_state(fixture, settings, &checkpoint, &error), STATUS_DAMAGED);
    parts_free(&other);
}

static void refused(struct fixture *fixture, const char *detail)
{
    struct checkpoint checkpoint;
    struct error error = {0};

    if (read_state(fixture, settings, &checkpoint, &error) != STATUS_DAMAGED)
        fail_msg("%s was not refused: %s", detail, error.what);
    if (strstr(error.where, "offset") == NULL || strstr(error.where, "/state") == NULL)
        fail_msg("%s is refused without its place: %s", detail, error.where);
    assert_null(checkpoint.curve);
}

static void a_changed_byte_is_refused(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *bytes;
    size_t n_bytes;

    take_steps(fixture, 1);
    assert_int_equal(write_state(fixture, NULL), STATUS_OK);
    bytes = read_bytes(fixture->path, &n_bytes);
    /* All of the small parts at the beginning and at the end, and bytes throughout. */
    for (size_t i = 0; i < n_bytes; i += i < 900 || i > n_bytes - 400 ? 1 : 1511) {
        char detail[64];

        bytes[i] ^= (uint8_t)(1 << i % 8);
        write_bytes(fixture->path, bytes, n_bytes);
        bytes[i] ^= (uint8_t)(1 << i % 8);
        snprintf(detail, sizeof detail, "a bit of byte %zu", i);
        refused(fixture, detail);
    }
    free(bytes);
}

static void a_cut_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct checkpoint checkpoint;
    uint8_t *bytes;
    size_t n_bytes, at = 16, n_sections = 0;

    assert_int_equal(write_state(fixture, NULL), STATUS_OK);
    bytes = read_bytes(fixture->path, &n_bytes);
    for (size_t cut = 0; cut < n_bytes; cut += cut < 300 ? 1 : 4999) {
        write_bytes(fixture->path, bytes, cut);
        refused(fixture, "a cut file");
    }
    /* Each border of a section; a section is 16 bytes, as many as they say, and 8. */
    while (at < n_bytes) {
        uint64_t length;

        write_bytes(fixture->path, bytes, at);
        refused(fixture, "a file cut at a border");
        memcpy(&length, bytes + at + 8, sizeof length);
        at += 16 + (size_t)length + 8;
        n_sections++;
    }
    assert_int_equal(at, n_bytes);
    assert_int_equal(n_sections, 4 + N_PARAMETERS);
    bytes = realloc(bytes, n_bytes + 1);
    bytes[n_bytes] = 0;
    write_bytes(fixture->path, bytes, n_bytes + 1);
    refused(fixture, "a file with one byte more");
    write_bytes(fixture->path, bytes, n_bytes);
    assert_int_equal(read_state(fixture, settings, &checkpoint, NULL), STATUS_OK);
    free(checkpoint.curve);
    free(bytes);
}

/* Give the number at `place` of a section's bytes another value, and the section its hash. */
static void change_section(uint8_t *bytes, uint32_t kind, size_t place, uint64_t value)
{
    size_t at = 16;

    for (;;) {
        uint32_t found;
        uint64_t length, hash;

        memcpy(&found, bytes + at, sizeof found);
        memcpy(&length, bytes + at + 8, sizeof length);
        if (found == kind) {
            memcpy(bytes + at + 16 + place, &value, sizeof value);
            hash = XXH3_64bits(bytes + at, 16 + (size_t)length);
            memcpy(bytes + at + 16 + (size_t)length, &hash, sizeof hash);
            return;
        }
        at += 16 + (size_t)length + 8;
    }
}

/* Its hashes are right; what draws the curve relies on ascending steps. */
static void a_forged_curve_is_refused(void **state)
{
    enum { PLACE = 2, CURVE = 3, POINT_BYTES = 24 };
    static const uint64_t steps[] = {0, 1, 3, UINT64_MAX};
    struct fixture *fixture = *state;
    struct checkpoint checkpoint;
    uint8_t *bytes;
    size_t n_bytes;

    assert_int_equal(write_state(fixture, NULL), STATUS_OK);
    bytes = read_bytes(fixture->path, &n_bytes);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        change_section(bytes, CURVE, POINT_BYTES, steps[i]);
        write_bytes(fixture->path, bytes, n_bytes);
        refused(fixture, "a curve with a wrong step");
    }
    change_section(bytes, CURVE, POINT_BYTES, 2);
    write_bytes(fixture->path, bytes, n_bytes);
    assert_int_equal(read_state(fixture, settings, &checkpoint, NULL), STATUS_OK);
    free(checkpoint.curve);
    change_section(bytes, PLACE, 0, 1000);
    write_bytes(fixture->path, bytes, n_bytes);
    refused(fixture, "a step without its point of the curve");
    free(bytes);
}

static void one_training_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct checkpoint_lock first, second;
    struct error error = {0};
    char name[128];

    snprintf(name, sizeof name, "%s.lock", fixture->path);
    /* As a killed process leaves it. */
    write_bytes(name, (const uint8_t *)"", 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(checkpoint_lock_take(&first, fixture->path, &error), STATUS_OK);
        assert_int_equal(checkpoint_lock_take(&second, fixture->path, &error), STATUS_FAILED);
        assert_non_null(strstr(error.what, "another training"));
        assert_non_null(strstr(error.where, "/state"));
        checkpoint_lock_release(&second);
        assert_int_equal(access(name, F_OK), 0);
        checkpoint_lock_release(&first);
        assert_int_equal(access(name, F_OK), -1);
    }
    error_clear(&error);
    assert_int_equal(checkpoint_lock_take(&first, "/nonexistent/state", &error), STATUS_IO);
    assert_non_null(strstr(error.where, "/nonexistent/state"));
    checkpoint_lock_release(&first);
}

static void other_settings_are_named(void **state)
{
    struct fixture *fixture = *state;
    struct checkpoint checkpoint;
    struct error error = {0};

    assert_int_equal(read_state(fixture, settings, &checkpoint, &error), STATUS_NOT_FOUND);
    assert_int_equal(write_state(fixture, NULL), STATUS_OK);
    assert_int_equal(
        read_state(fixture, "layers: 4\nlearning rate: 0.01\nseed: 7\n", &checkpoint, &error),
        STATUS_USAGE);
    assert_non_null(strstr(error.what, "\"learning rate: 0.001\""));
    assert_non_null(strstr(error.what, "\"learning rate: 0.01\""));
    assert_int_equal(read_state(fixture, "layers: 4\n", &checkpoint, &error), STATUS_USAGE);
    error_clear(&error);
    struct error none = {0};
    assert_int_equal(read_state(fixture, "layers: 4\nlearning rate: 0.001\nseed: 7\nx: 1\n",
                                &checkpoint, &none),
                     STATUS_USAGE);
    assert_null(checkpoint.curve);
}

/* Files may not grow beyond a limit, as on a full disk. */
static void a_full_disk_leaves_the_old_one(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before, limit;
    struct error error = {0};
    uint8_t *old, *now;
    size_t n_old, n_now;
    char temporary[128];

    assert_int_equal(write_state(fixture, NULL), STATUS_OK);
    old = read_bytes(fixture->path, &n_old);
    take_steps(fixture, 1);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t room = 0; room < n_old; room += n_old / 5) {
        limit = (struct rlimit){room, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        enum status status = write_state(fixture, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(status, STATUS_IO);
        assert_non_null(strstr(error.where, "/state"));
        now = read_bytes(fixture->path, &n_now);
        assert_int_equal(n_now, n_old);
        assert_memory_equal(now, old, n_old);
        free(now);
        snprintf(temporary, sizeof temporary, "%s.new", fixture->path);
        assert_int_equal(access(temporary, F_OK), -1);
    }
    free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sgd_has_one_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_changed_byte_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_file_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forged_curve_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_training_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_settings_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_old_one, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("train_checkpoint", tests, NULL, NULL);
}
