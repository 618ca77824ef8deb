/*
 * train_run.c - a whole training: it learns, it can stop anywhere, and its bytes depend on
 * nothing but settings, data and seed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/train.h"
#include "engine/vocabulary_training.h"

enum { N_SEQUENCES = 24, N_IDS = 40, STEPS = 12 };

struct fixture {
    char folder[64], vocabulary[96], out[96], checkpoint[96];
    int32_t ids[N_SEQUENCES][N_IDS];
    struct train_sequence sequences[N_SEQUENCES];
    atomic_bool cancel;
    uint64_t cancel_at; /* a step; 0: never */
    double losses[64], norms[64];
    uint64_t n_told;
};

static int set_up(void **state)
{
    static const char text[] = "one two three four five six seven eight nine ten";
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct vocabulary_training *training;

    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/banter-train-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL)
        return -1;
    snprintf(fixture->vocabulary, sizeof fixture->vocabulary, "%s/vocabulary", fixture->folder);
    snprintf(fixture->out, sizeof fixture->out, "%s/model", fixture->folder);
    snprintf(fixture->checkpoint, sizeof fixture->checkpoint, "%s/checkpoint", fixture->folder);
    if (vocabulary_training_new(&training, 300, NULL) != STATUS_OK ||
        vocabulary_training_add(training, text, strlen(text), NULL) != STATUS_OK ||
        vocabulary_training_write(training, fixture->vocabulary, NULL, NULL) != STATUS_OK)
        return -1;
    vocabulary_training_free(&training);
    /* Sequences that count upwards from different places; half of them with a prompt. */
    for (int i = 0; i < N_SEQUENCES; i++) {
        uint32_t n = N_IDS - (uint32_t)(i % 7);

        for (uint32_t j = 0; j < n; j++)
            fixture->ids[i][j] = (int32_t)(20 + (uint32_t)(11 * i) + j) % 64;
        fixture->sequences[i] = (struct train_sequence){fixture->ids[i], n, i % 2 ? 5 : 0};
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->vocabulary);
    unlink(fixture->out);
    unlink(fixture->checkpoint);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

static void on_progress(void *context, const struct train_progress *progress)
{
    struct fixture *fixture = context;

    if (fixture->n_told < 64) {
        fixture->losses[fixture->n_told] = progress->loss;
        fixture->norms[fixture->n_told] = progress->gradient_norm;
    }
    fixture->n_told++;
    if (progress->step == fixture->cancel_at)
        atomic_store(&fixture->cancel, true);
}

static struct train_settings settings_of(struct fixture *fixture)
{
    atomic_store(&fixture->cancel, false);
    fixture->cancel_at = 0;
    fixture->n_told = 0;
    return (struct train_settings){
        .vocabulary_path = fixture->vocabulary,
        .shape = {.n_layers = 4,
                  .n_mtp = 1,
                  .n_embd = 32,
                  .n_ff = 48,
                  .n_head = 2,
                  .n_head_kv = 1,
                  .head_dim = 16,
                  .n_rotary = 8,
                  .n_key_heads = 1,
                  .n_value_heads = 2,
                  .state_dim = 16,
                  .n_taps = 4,
                  .n_context = 256,
                  .rope_base = 10000,
                  .tied = true},
        .sequences = fixture->sequences,
        .n_sequences = N_SEQUENCES - 4,
        .held_out = fixture->sequences + N_SEQUENCES - 4,
        .n_held_out = 4,
        .seed = 3,
        .n_steps = STEPS,
        .batch_tokens = 300,
        .micro_tokens = 128,
        .optimizer = "adamw",
        .learning_rate = 0.01,
        .floor_share = 0.1,
        .weight_decay = 0.1,
        .beta1 = 0.9,
        .beta2 = 0.95,
        .clip_norm = 1,
        .warmup_steps = 2,
        .dropout = 0.1,
        .mtp_factor = 0.3,
        .out_path = fixture->out,
        .out_type = "F32",
        .name = "test",
        .n_threads = 1,
        .level = kernel_level_best(),
        .cancel = &fixture->cancel,
        .progress = on_progress,
        .context = fixture,
    };
}

static uint8_t *read_bytes(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;

    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*n_bytes + 1);
    assert_int_equal(fread(bytes, 1, *n_bytes, file), *n_bytes);
    fclose(file);
    return bytes;
}

static void assert_file(const char *path, const uint8_t *expected, size_t n_expected)
{
    size_t n_bytes;
    uint8_t *bytes = read_bytes(path, &n_bytes);

    assert_int_equal(n_bytes, n_expected);
    assert_memory_equal(bytes, expected, n_expected);
    free(bytes);
}

/* Run to the end; the model's bytes. */
static uint8_t *train(const struct train_settings *settings, size_t *n_bytes)
{
    struct train_result result;
    struct error error = {0};

    if (train_run(settings, &result, &error) != STATUS_OK)
        fail_msg("%s", error.what);
    assert_int_equal(result.n_steps, settings->n_steps);
    assert_int_equal(result.n_points, settings->n_steps);
    train_result_release(&result);
    return read_bytes(settings->out_path, n_bytes);
}

static void it_learns(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture);
    struct train_result result;

    settings.n_steps = 60;
    settings.dropout = 0;
    settings.held_out_interval = 20;
    assert_int_equal(train_run(&settings, &result, NULL), STATUS_OK);
    assert_int_equal(fixture->n_told, 60);
    /* At first all tokens are as likely: ln 300 or so. */
    assert_true(result.curve[0].loss > 5 && result.curve[0].loss < 6.5f);
    assert_true(result.curve[59].loss < 0.5f);
    assert_true(result.curve[59].mtp_loss < 1.0f && result.curve[59].mtp_loss >= 0);
    assert_true(result.held_out_loss < 1.0 && result.held_out_loss >= 0);
    for (size_t i = 0; i < result.n_points; i++)
        assert_true((result.curve[i].held_out_loss >= 0) == ((i + 1) % 20 == 0));
    assert_true(result.n_parameters > 20000 && result.n_tokens >= 60 * 300);
    train_result_release(&result);

    /* Trained further, it starts where it was. */
    char base[128];
    snprintf(base, sizeof base, "%s/base", fixture->folder);
    assert_int_equal(rename(fixture->out, base), 0);
    settings = settings_of(fixture);
    settings.vocabulary_path = NULL;
    settings.base_path = base;
    settings.learning_rate = 0.001;
    settings.dropout = 0;
    free(train(&settings, &(size_t){0}));
    assert_true(fixture->losses[0] < 0.5);
    unlink(base);
}

static void threads_and_levels_change_no_byte(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture);
    size_t n_bytes;

    settings.n_steps = STEPS / 2;
    uint8_t *expected = train(&settings, &n_bytes);
    for (int level = KERNEL_LEVEL_GENERIC; level < KERNEL_LEVEL_COUNT; level++) {
        if (!kernel_level_supported((enum kernel_level)level))
            continue;
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            settings.level = (enum kernel_level)level;
            settings.n_threads = n_threads;
            free(train(&settings, &(size_t){0}));
            assert_file(fixture->out, expected, n_bytes);
        }
    }
    settings.seed++;
    size_t n_other;
    uint8_t *other = train(&settings, &n_other);
    assert_true(n_other != n_bytes || memcmp(other, expected, n_bytes) != 0);
    free(other);
    free(expected);
}

/* The loss of a step and its gradient do not depend on how many passes it takes. */
static void passes_add_up(void **state)
{
    static const uint32_t micro[] = {780, 390, 195, 78, 39};
    struct fixture *fixture = *state;
    double loss = 0, norm = 0;

    /* 39 rows each: the step takes all 20 sequences once. */
    for (size_t i = 0; i < N_SEQUENCES; i++)
        fixture->sequences[i].n_ids = N_IDS;
    for (size_t i = 0; i < sizeof micro / sizeof micro[0]; i++) {
        struct train_settings settings = settings_of(fixture);

        settings.n_steps = 1;
        settings.warmup_steps = 0;
        settings.dropout = 0;
        settings.batch_tokens = 780;
        settings.micro_tokens = micro[i];
        free(train(&settings, &(size_t){0}));
        if (i == 0) {
            loss = fixture->losses[0];
            norm = fixture->norms[0];
        }
        assert_true(fabs(fixture->losses[0] - loss) < 1e-6 * loss);
        assert_true(fabs(fixture->norms[0] - norm) < 1e-5 * norm);
    }
}

static void a_stop_anywhere_changes_no_byte(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture);
    size_t n_bytes;
    uint8_t *expected = train(&settings, &n_bytes);

    for (uint64_t first = 1; first < STEPS; first += 4) {
        struct train_result result;
        struct error error = {0};

        unlink(fixture->checkpoint);
        for (uint64_t at = first; at < STEPS; at += 3) {
            settings = settings_of(fixture);
            settings.checkpoint_path = fixture->checkpoint;
            settings.resume = true;
            fixture->cancel_at = at;
            assert_int_equal(train_run(&settings, &result, &error), STATUS_CANCELLED);
            assert_int_equal(result.n_steps, at);
            assert_int_equal(result.n_points, at);
            train_result_release(&result);
        }
        settings = settings_of(fixture);
        settings.checkpoint_path = fixture->checkpoint;
        settings.resume = true;
        settings.n_threads = 2;
        unlink(fixture->out);
        free(train(&settings, &(size_t){0}));
        assert_file(fixture->out, expected, n_bytes);
        /* What is done is not done again. */
        unlink(fixture->out);
        fixture->n_told = 0;
        free(train(&settings, &(size_t){0}));
        assert_int_equal(fixture->n_told, 0);
        assert_file(fixture->out, expected, n_bytes);
    }
    free(expected);
}

static struct train_result run_until(struct fixture *fixture, struct train_settings settings,
                                     uint64_t cancel_at, enum status expected)
{
    struct train_result result;
    struct error error = {0};

    atomic_store(&fixture->cancel, false);
    fixture->cancel_at = cancel_at;
    if (train_run(&settings, &result, &error) != expected)
        fail_msg("%s", error.what);
    return result;
}

/* Stopped before the held-out data were measured, it measures them when it goes on. */
static void the_curve_is_completed(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture), stopped;
    const uint64_t stops[] = {STEPS / 2, STEPS};

    settings.held_out_interval = STEPS / 2;
    struct train_result whole = run_until(fixture, settings, 0, STATUS_OK);
    settings.checkpoint_path = fixture->checkpoint;
    settings.resume = true;
    unlink(fixture->out);
    for (size_t i = 0; i < 2; i++) {
        stopped = settings;
        stopped.n_held_out = 0;
        unlink(fixture->checkpoint);
        struct train_result result = run_until(fixture, stopped, stops[i], STATUS_CANCELLED);
        assert_true(result.n_steps == stops[i] && result.held_out_loss < 0);
        train_result_release(&result);
        assert_int_equal(access(fixture->out, F_OK), -1);
        result = run_until(fixture, settings, 0, STATUS_OK);
        for (size_t step = stops[i] - 1; step < STEPS; step += STEPS / 2) {
            assert_true(result.curve[step].held_out_loss >= 0);
            assert_memory_equal(&result.curve[step].loss, &whole.curve[step].loss,
                                3 * sizeof(float));
        }
        train_result_release(&result);
        unlink(fixture->out);
    }
    train_result_release(&whole);
}

/* A network that the machine cannot hold is refused before it takes memory. */
static void too_large_a_network_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture);
    struct train_result result;
    struct error error = {0};

    settings.shape.n_layers = 1000;
    settings.shape.n_embd = 1 << 16;
    settings.shape.n_ff = 1 << 20;
    assert_int_equal(train_run(&settings, &result, &error), STATUS_NO_MEMORY);
    assert_non_null(strstr(error.what, "million parameters"));
    train_result_release(&result);
}

static void refused(struct train_settings settings, const char *word)
{
    struct train_result result;
    struct error error = {0};
    enum status status = train_run(&settings, &result, &error);

    train_result_release(&result);
    if (status != STATUS_USAGE || strstr(error.what, word) == NULL)
        fail_msg("status %d, \"%s\" instead of \"%s\"", status, error.what, word);
    assert_int_equal(access(settings.out_path, F_OK), -1);
}

static void what_contradicts_itself_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture);
    struct train_result result;
#define REFUSED(field, value, word)                                                            \
    do {                                                                                       \
        struct train_settings wrong = settings;                                                \
        wrong.field = value;                                                                   \
        refused(wrong, word);                                                                  \
    } while (0)
    REFUSED(base_path, "x", "either a vocabulary or a model");
    REFUSED(n_sequences, 0, "nothing to learn");
    REFUSED(optimizer, "adagrad", "optimiser");
    REFUSED(out_type, "Q3_X", "Q3_X");
    REFUSED(learning_rate, 0, "learning rate");
    REFUSED(learning_rate, NAN, "learning rate");
    REFUSED(dropout, 1, "dropout");
    REFUSED(beta1, 1, "beta1");
    REFUSED(n_steps, 0, "number of steps");
    REFUSED(warmup_steps, STEPS + 1, "warm-up");
    REFUSED(shape.n_embd, 40, "multiple of 16");
    REFUSED(shape.n_head_kv, 3, "cannot share 3");
    REFUSED(shape.n_head_kv, 0, "key/value heads");
    REFUSED(shape.n_value_heads, 0, "value heads");
    REFUSED(micro_tokens, 4, "a pass takes 4");
#undef REFUSED
    fixture->ids[2][3] = 100000;
    refused(settings, "token 100000");
    fixture->ids[2][3] = 1;

    settings.checkpoint_path = fixture->checkpoint;
    fixture->cancel_at = 1;
    assert_int_equal(train_run(&settings, &result, NULL), STATUS_CANCELLED);
    train_result_release(&result);
    atomic_store(&fixture->cancel, false);
    settings.resume = true;
    settings.seed = 4;
    refused(settings, "\"seed: 3\", now it is \"seed: 4\"");
    settings.seed = 3;
    settings.learning_rate = 0.02;
    refused(settings, "learning rate: 0.01");
    settings.learning_rate = 0.01;
    settings.shape.n_ff = 64;
    refused(settings, "feed-forward width: 48");
    settings.shape.n_ff = 48;
    fixture->ids[2][3]++;
    refused(settings, "data");
}

static void a_loss_that_is_not_finite_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture);
    struct train_result result;
    struct error error = {0};

    settings.optimizer = "sgd";
    settings.learning_rate = 1000;
    settings.clip_norm = 0;
    settings.warmup_steps = 0;
    settings.n_steps = 200;
    settings.checkpoint_path = fixture->checkpoint;
    settings.checkpoint_interval = 1;
    assert_int_equal(train_run(&settings, &result, &error), STATUS_FAILED);
    assert_int_equal(result.n_steps, fixture->n_told);
    char step[32];
    snprintf(step, sizeof step, "step %d", (int)fixture->n_told + 1);
    assert_true(strstr(error.what, step) != NULL || strstr(error.where, step) != NULL);
    train_result_release(&result);
    assert_int_equal(access(fixture->out, F_OK), -1);
    /* The checkpoint is of the step before, and fails again. */
    if (fixture->n_told > 0) {
        uint64_t n_told = fixture->n_told;

        settings.resume = true;
        assert_int_equal(train_run(&settings, &result, &error), STATUS_FAILED);
        assert_int_equal(fixture->n_told, n_told);
        train_result_release(&result);
    }
}

static void a_full_disk_leaves_the_old_model(void **state)
{
    struct fixture *fixture = *state;
    struct train_settings settings = settings_of(fixture);
    struct train_result result;
    struct error error = {0};
    struct rlimit before, limit;
    size_t n_bytes;

    settings.n_steps = 2;
    uint8_t *old = train(&settings, &n_bytes);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){n_bytes / 2, before.rlim_max};
    settings.seed++;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enum status status = train_run(&settings, &result, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, STATUS_IO);
    train_result_release(&result);
    assert_file(fixture->out, old, n_bytes);
    free(old);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_learns),
        TEST(threads_and_levels_change_no_byte),
        TEST(passes_add_up),
        TEST(a_stop_anywhere_changes_no_byte),
        TEST(the_curve_is_completed),
        TEST(too_large_a_network_is_refused),
        TEST(what_contradicts_itself_is_named),
        TEST(a_loss_that_is_not_finite_ends_it),
        TEST(a_full_disk_leaves_the_old_model),
    };
    return cmocka_run_group_tests_name("train_run", tests, NULL, NULL);
}
