/*
 * train_export.c - a network as a file, and back
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/model/model_internal.h"
#include "engine/train/export.h"
#include "tests/unit/network_fixture.h"
#include "tests/unit/reference_forward.h"

static const char SOURCE[] = GOLDEN_DATA "tinyA-q8_0.gguf"; /* of the tokenizer */

enum { N_VOCAB = 512 };

static char *temporary_path(void)
{
    static char path[40];
    int file;

    snprintf(path, sizeof path, "/tmp/banter-export-XXXXXX");
    file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    return path;
}

/* mixed: layers that follow no interval, each with heads and widths of its own. */
static struct network *new_network(bool mixed, bool tied)
{
    struct layer_parameters layers[5];
    const struct hyperparameters p = {
        .n_layers = 4,
        .n_mtp = 1,
        .layers = layers,
        .n_vocab = N_VOCAB,
        .n_embd = 64,
        .n_context = 128,
        .head_dim = 32,
        .n_rotary = 16,
        .rope_base = 1e4f,
        .n_taps = 3,
        .state_dim = 32,
        .n_key_heads = 2,
        .n_value_heads = 6,
    };
    struct network *network;
    struct error error = {0};

    for (uint32_t i = 0; i < 5; i++) {
        const bool recurrent = mixed ? i == 0 || i == 3 : i < 3;
        layers[i] = (struct layer_parameters){recurrent, mixed ? 64 + 32 * i : 96,
                                              recurrent         ? 0
                                              : mixed && i == 1 ? 2
                                                                : 4,
                                              recurrent ? 0 : 2};
    }
    check(network_new(&network, &p, tied, 11, &error), &error);
    return network;
}

static enum status export(struct network *network, const char *path, const char *mix,
                          int n_threads, struct error *error) {
    const struct sampling_choice sampling =
        {SAMPLING_TEMPERATURE | SAMPLING_TOP_K | SAMPLING_REPETITION,
         {.temperature = 0.25f, .top_k = 7, .repetition_penalty = 1.1f}};
    struct export_options options = {.mix = mix,
                                     .name = "a name",
                                     .description = "a word",
                                     .sampling = &sampling};
    struct machine machine = open_machine(n_threads, kernel_level_best());
    struct gguf *keys = NULL;
    enum status status;

    check(gguf_open(&keys, SOURCE, error), error);
    options.keys = keys;
    status = network_export(network, path, &options, machine.pool, error);
    gguf_close(&keys);
    close_machine(&machine);
    return status;
}

/* rms of the difference, relative; of all parameters together */
static double distance(struct network *a, struct network *b)
{
    size_t n, n_other;
    const struct parameter *left = network_parameters(a, &n);
    const struct parameter *right = network_parameters(b, &n_other);
    double difference = 0, size = 0;

    assert_int_equal(n, n_other);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(left[i].name, right[i].name);
        assert_int_equal(left[i].kind, right[i].kind);
        assert_true(tensor_same_shape(left[i].tensor, right[i].tensor));
        for (size_t j = 0; j < tensor_elements(left[i].tensor); j++) {
            const double x = (double)left[i].tensor->data[j];
            const double y = (double)right[i].tensor->data[j];
            if (left[i].log_rate)
                assert_true(fabs(x - y) <= 4e-7 * (1 + fabs(x)));
            difference += left[i].log_rate ? 0 : (x - y) * (x - y);
            size += x * x;
        }
    }
    return sqrt(difference / size);
}

static void check_layers(const struct network *a, const struct network *b)
{
    for (int i = 0; i < 5; i++) {
        const struct layer_parameters *left = &network_hyperparameters(a)->layers[i];
        const struct layer_parameters *right = &network_hyperparameters(b)->layers[i];
        assert_int_equal(left->recurrent, right->recurrent);
        assert_int_equal(left->n_ff, right->n_ff);
        assert_int_equal(left->n_head, right->n_head);
        assert_int_equal(left->n_head_kv, right->n_head_kv);
    }
}

static void check_round_trip(bool mixed, bool tied)
{
    static const struct {
        const char *mix;
        double limit;
    } mixes[] = {{"F32", 0}, {"F16", 5e-4}, {"BF16", 4e-3}, {"Q8_0", 1e-2}};
    struct network *network = new_network(mixed, tied);
    const char *path = temporary_path();
    struct error error = {0};

    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
        struct network *again;
        check(export(network, path, mixes[i].mix, 2, &error), &error);
        again = load_network(path);
        assert_int_equal(network_is_tied(again), tied);
        assert_true(distance(network, again) <= mixes[i].limit);
        check_layers(network, again);
        network_free(&again);
    }
    remove(path);
    network_free(&network);
}

static void files_come_back(void **state)
{
    (void)state;
    check_round_trip(false, true);
    check_round_trip(true, false);
}

/* The engine runs the file, and computes what the trainer does. */
static void check_runs(bool mixed, bool tied)
{
    const uint32_t length = 20;
    struct machine machine = open_machine(2, kernel_level_best());
    struct network *network = new_network(mixed, tied);
    const char *path = temporary_path();
    struct error error = {0};
    struct session *session;
    struct test_batch batch;
    struct tensor *logits;
    struct model *model;
    struct sampling sampling;
    float *wanted;

    fill_batch(&batch, &length, 1, N_VOCAB, 4);
    check(export(network, path, "F32", 2, &error), &error);
    model = open_path(path, KERNEL_LEVEL_REFERENCE);
    session = open_session(model, &(struct session_options){.n_threads = 1});
    wanted = all_logits(session, N_VOCAB, batch.tokens, length);
    tape_record(machine.tape, false);
    check(network_logits(network, machine.tape, &batch.batch, &logits, NULL, &error), &error);
    assert_true(relative_rms(logits->data, wanted, length * N_VOCAB) < 1e-4);
    assert_string_equal(model_info(model)->name, "a name");
    assert_int_equal(model_info(model)->n_parameters, network_parameter_count(network));
    sampling = sampling_for_model(model, false, NULL);
    assert_true(sampling.temperature == 0.25f && sampling.top_k == 7);
    assert_true(sampling.repetition_penalty == 1.1f);
    free(wanted);
    session_free(&session);
    model_close(&model);
    remove(path);
    network_free(&network);
    close_machine(&machine);
}

static void engine_runs_the_file(void **state)
{
    (void)state;
    check_runs(false, true);
    check_runs(true, false);
}

/* The same bytes for any number of threads; every mix is a file that opens. */
static void threads_change_nothing(void **state)
{
    static const char *const mixes[] = {"F32", "Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K"};
    struct network *network = new_network(false, true);
    const char *path = temporary_path();
    struct error error = {0};

    (void)state;
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++) {
        size_t n, n_again;
        struct model *model;
        void *one, *again;
        check(export(network, path, mixes[i], 1, &error), &error);
        one = read_whole(path, &n);
        check(export(network, path, mixes[i], 3, &error), &error);
        again = read_whole(path, &n_again);
        assert_int_equal(n, n_again);
        assert_memory_equal(one, again, n);
        model = open_path(path, kernel_level_best());
        model_close(&model);
        free(one), free(again);
    }
    remove(path);
    network_free(&network);
}

/* As on a full disk: no file may grow beyond n_bytes. */
static enum status export_to_small_disk(struct network *network, const char *path,
                                        rlim_t n_bytes, struct error *error)
{
    struct rlimit before, small;
    enum status status;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = n_bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    status = export(network, path, "Q8_0", 2, error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    return status;
}

/* A failure leaves the older file as it was, and says which tensor. */
static void failures_leave_the_file(void **state)
{
    struct network *network = new_network(false, true);
    const char *path = temporary_path();
    struct error error = {0};
    size_t n, n_after;
    void *before, *after;

    (void)state;
    check(export(network, path, "F32", 2, &error), &error);
    before = read_whole(path, &n);
    assert_int_equal(export(network, path, "Q9_9", 2, &error), STATUS_USAGE);
    assert_int_equal(export_to_small_disk(network, path, 100000, &error), STATUS_IO);
    find_parameter(network, "blk.2.ffn_up.weight")->tensor->data[7] = (float)HUGE_VAL;
    assert_int_equal(export(network, path, "Q8_0", 2, &error), STATUS_FAILED);
    assert_non_null(strstr(error.where, "blk.2.ffn_up.weight"));
    after = read_whole(path, &n_after);
    assert_int_equal(n, n_after);
    assert_memory_equal(before, after, n);
    assert_int_equal(export(network, "/dev/full/x.gguf", "F32", 2, &error), STATUS_IO);
    free(before), free(after);
    remove(path);
    network_free(&network);
}

/* Fine-tuning: all keys of the base but those that name the file. */
static void keys_of_a_base_are_kept(void **state)
{
    struct machine machine = open_machine(2, kernel_level_best());
    const char *path = temporary_path();
    struct export_options options = {.mix = "F16", .name = "tuned", .copy_all_keys = true};
    struct error error = {0};
    struct network *network = load_network(SOURCE);
    struct gguf *base = NULL, *tuned = NULL;
    struct gguf_string name, old_name;
    uint32_t number;

    (void)state;
    check(gguf_open(&base, SOURCE, &error), &error);
    options.keys = base;
    check(network_export(network, path, &options, machine.pool, &error), &error);
    check(gguf_open(&tuned, path, &error), &error);
    for (size_t i = 0; i < gguf_key_count(base); i++) {
        char key[200];
        const struct gguf_string *text = &gguf_key_at(base, i)->name;
        snprintf(key, sizeof key, "%.*s", (int)text->n_bytes, text->bytes);
        assert_true(gguf_find_key(tuned, key) || strcmp(key, "general.alignment") == 0);
    }
    assert_int_equal(gguf_tensor_count(base), gguf_tensor_count(tuned));
    check(gguf_get_string(tuned, "general.name", &name, &error), &error);
    assert_memory_equal(name.bytes, "tuned", name.n_bytes);
    check(gguf_get_u32(tuned, "general.file_type", &number, &error), &error);
    assert_int_equal(number, 1);
    gguf_close(&tuned);
    options.name = NULL;
    check(network_export(network, path, &options, machine.pool, &error), &error);
    check(gguf_open(&tuned, path, &error), &error);
    check(gguf_get_string(base, "general.name", &old_name, &error), &error);
    check(gguf_get_string(tuned, "general.name", &name, &error), &error);
    assert_int_equal(name.n_bytes, old_name.n_bytes);
    assert_memory_equal(name.bytes, old_name.bytes, name.n_bytes);
    gguf_close(&base), gguf_close(&tuned);
    network_free(&network);
    remove(path);
    close_machine(&machine);
}

static enum status load_shape(const char *path, const struct shape *shape, struct error *error)
{
    struct network *network = NULL;
    struct gguf *file = NULL;
    enum status status;

    write_model(path, shape);
    check(gguf_open(&file, path, error), error);
    status = network_load(&network, file, error);
    assert_true((status == STATUS_OK) == (network != NULL));
    network_free(&network);
    gguf_close(&file);
    return status;
}

/* Other names of the same tensors load; what is damaged is named. */
static void files_of_others(void **state)
{
    const char *path = temporary_path();
    struct error error = {0};
    struct shape shape = plain_shape();

    (void)state;
    shape.fused = true;
    shape.n_mtp = 1;
    shape.rename_tensor = "blk.1.ssm_dt.bias";
    shape.new_name = "blk.1.ssm_dt";
    check(load_shape(path, &shape, &error), &error);
    shape.rename_tensor = NULL;
    shape.omit_tensor = "blk.4.nextn.shared_head_norm.weight";
    check(load_shape(path, &shape, &error), &error);
    shape.omit_tensor = "blk.3.ffn_down.weight";
    assert_int_equal(load_shape(path, &shape, &error), STATUS_DAMAGED);
    assert_non_null(strstr(error.where, "blk.3.ffn_down.weight"));
    shape.omit_tensor = NULL;
    shape.change_tensor = "blk.0.ssm_out.weight";
    shape.changed_rows = 32;
    assert_int_equal(load_shape(path, &shape, &error), STATUS_DAMAGED);
    assert_non_null(strstr(error.where, "blk.0.ssm_out.weight"));
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_back),         cmocka_unit_test(engine_runs_the_file),
        cmocka_unit_test(threads_change_nothing),  cmocka_unit_test(failures_leave_the_file),
        cmocka_unit_test(keys_of_a_base_are_kept), cmocka_unit_test(files_of_others),
    };
    return cmocka_run_group_tests_name("train_export", tests, NULL, NULL);
}
