/*
 * train_network.c - the trainer's network against the engine, against llama.cpp's tensors and
 * against the model in double, with its gradients
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/model/mtp.h"
#include "engine/model/model_internal.h"
#include "engine/state/session_internal.h"
#include "tests/unit/network_fixture.h"
#include "tests/unit/reference_forward.h"

static const double LIMIT = 1e-4; /* relative rms; both sides compute in F32 */

enum { N_SHAPES = 6, N_TOKENS = 20 };

static uint32_t pick(uint64_t *random, uint32_t minimum, uint32_t maximum)
{
    return minimum + next_random(random) % (maximum - minimum + 1);
}

/* All ratios of heads; keys as numbers and as arrays; odd numbers of taps. */
static struct shape odd_shape(uint32_t number)
{
    uint64_t random = 500 + number;
    struct shape s = plain_shape();

    s.seed = number + 1;
    s.n_mtp = number % 3 != 2;
    s.n_layers = 3 + number % 3;
    s.n_embd = 16 * pick(&random, 2, 5);
    s.head_dim = 16 * pick(&random, 1, 3);
    s.n_rotary = 2 * pick(&random, 1, s.head_dim / 2);
    s.rope_base = number % 2 ? 1e7 : 500;
    s.n_taps = 2 + number % 4;
    s.state_dim = 16 * pick(&random, 1, 3);
    s.n_key_heads = pick(&random, 1, 3);
    s.n_value_heads = s.n_key_heads * (1 + number % 3);
    s.interval = number % 2 ? 0 : 1 + number % 4;
    s.per_layer = number % 2;
    s.tied = number % 3 != 0;
    s.fused = number == 4;
    for (uint32_t i = 0; i < s.n_layers + s.n_mtp; i++) {
        const uint32_t like = s.per_layer ? i : 0;
        s.recurrent[i] = s.interval ? (i + 1) % s.interval != 0 : i != 1;
        s.n_ff[i] = like == i ? 16 * pick(&random, 1, 7) : s.n_ff[0];
        s.n_head_kv[i] = like == i ? pick(&random, 1, 3) : s.n_head_kv[0];
        s.n_head[i] = like == i ? s.n_head_kv[i] * pick(&random, 1, 3) : s.n_head[0];
    }
    return s;
}

/* The engine's side: the trunk's logits, and those of the MTP block for all pairs. */
struct trace_rows {
    float *rows; /* of the output norm; owns */
};

static void keep_hidden(void *context, const char *stage, uint32_t layer, const float *rows,
                        size_t stride, uint32_t n_rows, uint32_t n_columns)
{
    struct trace_rows *kept = context;

    (void)layer;
    if (strcmp(stage, "output_norm") != 0)
        return;
    free(kept->rows);
    kept->rows = malloc((size_t)n_rows * n_columns * sizeof *kept->rows);
    for (uint32_t i = 0; i < n_rows; i++)
        memcpy(kept->rows + (size_t)i * n_columns, rows + i * stride,
               n_columns * sizeof *kept->rows);
}

static float *engine_logits(const char *path, const int32_t *tokens, uint32_t n,
                            float **mtp_logits)
{
    struct trace_rows hidden = {NULL};
    const struct trace trace = {keep_hidden, &hidden};
    struct model *model = open_path(path, KERNEL_LEVEL_REFERENCE);
    struct session *session = open_session(
        model, &(struct session_options){.n_threads = 2, .kv = KV_F32, .chunk = n});
    const uint32_t n_vocab = vocabulary_of(model);
    float *logits;

    session->trace = &trace;
    logits = all_logits(session, n_vocab, tokens, n);
    session->trace = NULL;
    *mtp_logits = NULL;
    if (model_hyperparameters(model)->n_mtp > 0) {
        struct pass pass = session_pass(session, n - 1, NULL);
        struct error error = {0};
        *mtp_logits = malloc((size_t)n * n_vocab * sizeof **mtp_logits);
        pass.sequences[0].first_position = 0;
        head_ask_full(session->scratch.rows, n - 1, *mtp_logits, n_vocab);
        check(mtp_forward(&pass, 0, tokens + 1, hidden.rows, NULL, n - 1, session->scratch.rows,
                          &error),
              &error);
    }
    free(hidden.rows);
    session_free(&session);
    model_close(&model);
    return logits;
}

static void compare(const char *what, const struct tensor *got, const float *wanted)
{
    const double distance = relative_rms(got->data, wanted, tensor_elements(got));

    print_message("%s: relative rms %.2g\n", what, distance);
    if (!(distance < LIMIT))
        fail_msg("%s: relative rms %g", what, distance);
}

static void check_shape(const char *path, uint32_t number)
{
    const struct shape shape = odd_shape(number);
    const uint32_t length = N_TOKENS;
    struct machine machine = open_machine(2, kernel_level_best());
    struct tensor *logits, *mtp_logits;
    float *wanted, *mtp_wanted;
    struct test_batch batch;
    struct network *network;
    struct error error = {0};
    char what[40];

    write_model(path, &shape);
    fill_batch(&batch, &length, 1, SHAPE_VOCABULARY, number);
    wanted = engine_logits(path, batch.tokens, length, &mtp_wanted);
    network = load_network(path);
    tape_record(machine.tape, false);
    check(network_logits(network, machine.tape, &batch.batch, &logits, &mtp_logits, &error),
          &error);
    snprintf(what, sizeof what, "shape %u", number);
    compare(what, logits, wanted);
    assert_true(!mtp_logits == !shape.n_mtp);
    if (mtp_logits)
        compare("  its MTP block", mtp_logits, mtp_wanted);
    free(wanted), free(mtp_wanted);
    network_free(&network);
    close_machine(&machine);
}

static char *temporary_path(void)
{
    static char path[40];
    int file;

    snprintf(path, sizeof path, "/tmp/banter-network-XXXXXX");
    file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    return path;
}

static void forward_agrees_with_engine(void **state)
{
    const char *path = temporary_path();

    (void)state;
    for (uint32_t number = 0; number < N_SHAPES; number++)
        check_shape(path, number);
    remove(path);
}

static void check_golden(const char *name, const char *suffix, const struct tensor *got)
{
    size_t n;
    float *wanted = read_golden(name, suffix, &n);

    assert_int_equal(n, tensor_elements(got));
    compare(name, got, wanted);
    free(wanted);
}

static void forward_agrees_with_llama(void **state)
{
    static const char *const names[] = {"tinyA-f32", "tinyB-f32", "tinyM-f32"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct machine machine = open_machine(2, kernel_level_best());
        const uint32_t length = N_GOLDEN_TOKENS;
        struct tensor *logits, *mtp_logits;
        struct error error = {0};
        struct network *network;
        struct test_batch batch;
        int32_t *tokens;
        char path[300];
        size_t n;
        network = load_network(model_path(names[i], path));
        fill_batch(&batch, &length, 1, 1, 1);
        tokens = read_golden(names[i], ".tokens.i32", &n);
        assert_int_equal(n, length);
        batch.batch.tokens = tokens;
        tape_record(machine.tape, false);
        check(network_logits(network, machine.tape, &batch.batch, &logits, &mtp_logits, &error),
              &error);
        check_golden(names[i], ".logits.f32", logits);
        if (mtp_logits)
            check_golden(names[i], ".mtp_logits.f32", mtp_logits);
        free(tokens);
        network_free(&network);
        close_machine(&machine);
    }
}

/* ---- gradients ----------------------------------------------------------------------------------- */

static const uint32_t LENGTHS[] = {5, 1, 7, 2};
static const float MTP_FACTOR = 0.3f;

enum { N_LENGTHS = 4, SAMPLES = 4 /* of each tensor */ };

/* Everything at its smallest, and no two numbers alike. */
static struct shape gradient_shape(bool tied)
{
    struct shape s = plain_shape();

    s.n_layers = 3;
    s.n_mtp = 1;
    s.n_embd = 32;
    s.head_dim = 16;
    s.n_rotary = 6;
    s.n_taps = 3;
    s.state_dim = 16;
    s.n_key_heads = 2;
    s.n_value_heads = 4;
    s.interval = 3;
    s.tied = tied;
    s.rope_base = 100;
    for (uint32_t i = 0; i < 4; i++) {
        s.recurrent[i] = i < 2;
        s.n_ff[i] = 48;
        s.n_head[i] = 4;
        s.n_head_kv[i] = 2;
    }
    return s;
}

static double surprise(const struct reference *r, const double *hidden, int32_t target)
{
    double logits[SHAPE_VOCABULARY], most = -HUGE_VAL, total = 0;

    head_reference(r, hidden, logits);
    for (int i = 0; i < SHAPE_VOCABULARY; i++)
        most = logits[i] > most ? logits[i] : most;
    for (int i = 0; i < SHAPE_VOCABULARY; i++)
        total += exp(logits[i] - most);
    return most + log(total) - logits[target];
}

static void forget(struct reference *r)
{
    const struct shape *s = r->shape;

    r->n_positions = 0;
    for (uint32_t i = 0; i < s->n_layers; i++)
        memset(r->states[i], 0,
               (size_t)s->n_value_heads * s->state_dim * s->state_dim * sizeof(double));
}

/* One sequence: both losses in double, not divided yet. */
static double sequence_loss(struct reference *trunk, struct reference *block,
                            const struct test_batch *batch, uint32_t sequence)
{
    const uint32_t d = trunk->shape->n_embd;
    double *hidden = calloc(d, sizeof *hidden), *before = calloc(d, sizeof *before);
    double *own = calloc(d, sizeof *own), loss = 0;

    forget(trunk), forget(block);
    for (uint32_t t = batch->first[sequence]; t < batch->first[sequence + 1]; t++) {
        const int32_t target = batch->targets[t];
        reference_hidden(trunk, batch->tokens[t], hidden);
        if (target >= 0)
            loss += (double)batch->weights[t] * surprise(trunk, hidden, target);
        if (t > batch->first[sequence]) {
            reference_mtp(block, batch->tokens[t], before, own);
            if (target >= 0)
                loss += (double)MTP_FACTOR * (double)batch->weights[t] *
                        surprise(block, own, target);
        }
        memcpy(before, hidden, d * sizeof *before);
    }
    free(hidden), free(before), free(own);
    return loss;
}

static double reference_loss(struct reference *trunk, struct reference *block,
                             const struct test_batch *batch)
{
    double loss = 0;

    for (uint32_t s = 0; s < batch->batch.sequences.n_sequences; s++)
        loss += sequence_loss(trunk, block, batch, s);
    return loss / batch->batch.total_weight;
}

/* Central difference for one value of a file's tensor. */
static double numerical(struct reference *trunk, struct reference *block,
                        const struct test_batch *batch, const char *name, size_t index)
{
    const double step = 1e-5;
    double above, below;

    trunk->changed_tensor = block->changed_tensor = name;
    trunk->changed_index = block->changed_index = index;
    trunk->change = block->change = step;
    above = reference_loss(trunk, block, batch);
    trunk->change = block->change = -step;
    below = reference_loss(trunk, block, batch);
    trunk->changed_tensor = block->changed_tensor = NULL;
    return (above - below) / (2 * step);
}

/* A place of the tensor; of the table, a token that occurs. */
static size_t sample(const struct parameter *parameter, const struct test_batch *batch,
                     uint64_t *random)
{
    const size_t n = tensor_elements(parameter->tensor);
    const size_t n_columns = parameter->tensor->shape[parameter->tensor->n_dimensions - 1];

    if (parameter->kind == PARAMETER_TABLE)
        return (size_t)batch->tokens[next_random(random) % batch->batch.sequences.n_tokens] *
                   n_columns +
               next_random(random) % n_columns;
    return next_random(random) % n;
}

struct comparison {
    double difference, size; /* sums of squares */
    size_t n;
};

static void compare_tensor(const struct parameter *parameter, struct reference *trunk,
                           struct reference *block, const struct test_batch *batch,
                           struct comparison *all)
{
    struct comparison own = {0};
    uint64_t random = all->n + 7;

    for (int i = 0; i < SAMPLES; i++) {
        const size_t index = sample(parameter, batch, &random);
        const double got = (double)parameter->tensor->gradient[index];
        double wanted = numerical(trunk, block, batch, parameter->name, index);
        if (parameter->log_rate) /* the file has a = -exp(value): d a / d value = a */
            wanted *= -exp((double)parameter->tensor->data[index]);
        own.difference += (got - wanted) * (got - wanted);
        own.size += wanted * wanted;
        own.n++;
    }
    if (!(sqrt(own.difference) <= 2e-3 * sqrt(own.size) + 1e-6))
        fail_msg("%s: gradient differs by %g of %g", parameter->name, sqrt(own.difference),
                 sqrt(own.size));
    assert_true(own.size > 0);
    all->difference += own.difference;
    all->size += own.size;
    all->n += own.n;
}

static void check_gradients(const char *path, bool tied)
{
    const struct shape shape = gradient_shape(tied);
    struct machine machine = open_machine(2, kernel_level_best());
    struct reference trunk, block;
    struct comparison all = {0};
    struct test_batch batch;
    struct network *network;
    double loss, wanted;
    size_t n;

    write_model(path, &shape);
    network = load_network(path);
    trunk = reference_open(path, &shape);
    block = reference_open(path, &shape);
    fill_batch(&batch, LENGTHS, N_LENGTHS, SHAPE_VOCABULARY, 3);
    batch.targets[1] = -1; /* a prompt */
    loss = learn(network, &machine, &batch.batch, MTP_FACTOR, 0);
    wanted = reference_loss(&trunk, &block, &batch);
    assert_true(fabs(loss - wanted) < 1e-5 * wanted);
    network_parameters(network, &n);
    for (size_t i = 0; i < n; i++)
        compare_tensor(&network_parameters(network, &n)[i], &trunk, &block, &batch, &all);
    print_message("%zu of %zu gradients: relative difference %.2g\n", all.n,
                  (size_t)network_parameter_count(network), sqrt(all.difference / all.size));
    assert_true(sqrt(all.difference) < 1e-3 * sqrt(all.size));
    reference_close(&trunk), reference_close(&block);
    network_free(&network);
    close_machine(&machine);
}

static void gradients_agree_with_differences(void **state)
{
    const char *path = temporary_path();

    (void)state;
    check_gradients(path, true);
    check_gradients(path, false);
    remove(path);
}

/* ---- laws ---------------------------------------------------------------------------------------- */

static struct network *small_network(void)
{
    const struct shape shape = gradient_shape(true);
    const char *path = temporary_path();
    struct network *network;

    write_model(path, &shape);
    network = load_network(path);
    remove(path);
    return network;
}

/* A copy of both kinds of logits, one behind the other; free() it. */
static float *logits_of(struct network *network, struct machine *machine,
                        const struct batch *batch, size_t *n, size_t *n_mtp)
{
    struct tensor *logits, *mtp_logits;
    struct error error = {0};
    float *copy;

    tape_reset(machine->tape);
    check(network_logits(network, machine->tape, batch, &logits, &mtp_logits, &error), &error);
    *n = tensor_elements(logits);
    *n_mtp = mtp_logits ? tensor_elements(mtp_logits) : 0;
    copy = malloc((*n + *n_mtp) * sizeof *copy);
    memcpy(copy, logits->data, *n * sizeof *copy);
    if (mtp_logits)
        memcpy(copy + *n, mtp_logits->data, *n_mtp * sizeof *copy);
    return copy;
}

/* Sequences packed in one batch get the bytes that each gets alone. */
static void packed_equals_alone(void **state)
{
    const uint32_t lengths[] = {5, 1, 33, 2, 17};
    struct machine machine = open_machine(2, kernel_level_best());
    struct network *network = small_network();
    struct test_batch batch;
    size_t n, n_mtp, done = 0, mtp_done = 0;
    float *all;

    (void)state;
    fill_batch(&batch, lengths, 5, SHAPE_VOCABULARY, 9);
    all = logits_of(network, &machine, &batch.batch, &n, &n_mtp);
    for (uint32_t s = 0; s < 5; s++) {
        const uint32_t first[] = {0, lengths[s]};
        const struct batch alone = {{lengths[s], 1, first, batch.positions + batch.first[s]},
                                    batch.tokens + batch.first[s],
                                    batch.targets + batch.first[s],
                                    NULL,
                                    1};
        size_t n_alone, n_mtp_alone;
        float *logits = logits_of(network, &machine, &alone, &n_alone, &n_mtp_alone);
        assert_memory_equal(all + done, logits, n_alone * sizeof *all);
        assert_memory_equal(all + n + mtp_done, logits + n_alone, n_mtp_alone * sizeof *all);
        done += n_alone;
        mtp_done += n_mtp_alone;
        free(logits);
    }
    assert_int_equal(done, n);
    assert_int_equal(mtp_done, n_mtp);
    free(all);
    network_free(&network);
    close_machine(&machine);
}

static void threads_change_nothing(void **state)
{
    const uint32_t lengths[] = {40, 3, 50};
    struct network *one = small_network();
    struct machine machine = open_machine(1, kernel_level_best());
    struct test_batch batch;
    size_t n;
    double loss;

    (void)state;
    fill_batch(&batch, lengths, 3, SHAPE_VOCABULARY, 5);
    loss = learn(one, &machine, &batch.batch, MTP_FACTOR, 0.1f);
    close_machine(&machine);
    for (int n_threads = 2; n_threads <= 4; n_threads++) {
        /* The last round: another kernel level. */
        const enum kernel_level level =
            n_threads < 4 ? kernel_level_best() : KERNEL_LEVEL_GENERIC;
        struct network *other = small_network();
        const struct parameter *a = network_parameters(one, &n);
        const struct parameter *b = network_parameters(other, &n);
        double other_loss;
        machine = open_machine(n_threads, level);
        other_loss = learn(other, &machine, &batch.batch, MTP_FACTOR, 0.1f);
        assert_memory_equal(&loss, &other_loss, sizeof loss);
        for (size_t i = 0; i < n; i++)
            assert_memory_equal(a[i].tensor->gradient, b[i].tensor->gradient,
                                tensor_elements(a[i].tensor) * sizeof(float));
        close_machine(&machine);
        network_free(&other);
    }
    network_free(&one);
}

/* Nothing to predict: a loss of zero, and gradients of zero. */
static void nothing_to_predict(void **state)
{
    const uint32_t lengths[] = {1, 1};
    struct machine machine = open_machine(1, kernel_level_best());
    struct network *network = small_network();
    struct test_batch batch;

    (void)state;
    fill_batch(&batch, lengths, 2, SHAPE_VOCABULARY, 5);
    assert_true(learn(network, &machine, &batch.batch, MTP_FACTOR, 0) == 0);
    assert_true(find_parameter(network, "token_embd.weight")->tensor->gradient[0] == 0);
    network_free(&network);
    close_machine(&machine);
}

static void dropout_is_repeatable(void **state)
{
    const uint32_t length = 30;
    struct machine machine = open_machine(2, kernel_level_best());
    struct network *network = small_network();
    struct test_batch batch;
    double plain, dropped;

    (void)state;
    fill_batch(&batch, &length, 1, SHAPE_VOCABULARY, 5);
    plain = learn(network, &machine, &batch.batch, 0, 0);
    dropped = learn(network, &machine, &batch.batch, 0, 0.3f);
    assert_true(plain != dropped);
    assert_true(dropped == learn(network, &machine, &batch.batch, 0, 0.3f));
    network_free(&network);
    close_machine(&machine);
}

/* ---- learning ------------------------------------------------------------------------------------ */

static struct hyperparameters new_shape(struct layer_parameters *layers)
{
    struct hyperparameters p = {
        .n_layers = 4,
        .n_mtp = 1,
        .layers = layers,
        .n_vocab = 100,
        .n_embd = 48,
        .n_context = 64,
        .head_dim = 16,
        .n_rotary = 8,
        .rope_base = 1e4f,
        .n_taps = 4,
        .state_dim = 16,
        .n_key_heads = 2,
        .n_value_heads = 4,
    };

    for (uint32_t i = 0; i < 5; i++)
        layers[i] = (struct layer_parameters){i < 3, 96, i < 3 ? 0 : 4, i < 3 ? 0 : 2};
    return p;
}

static struct network *new_network(uint64_t seed)
{
    struct layer_parameters layers[5];
    const struct hyperparameters p = new_shape(layers);
    struct network *network;
    struct error error = {0};

    check(network_new(&network, &p, true, seed, &error), &error);
    return network;
}

/* Plain descent; a gradient longer than 1 is made that long. */
static void step_down(struct network *network, double rate)
{
    double squares = 0;
    float share;
    size_t n;
    struct parameter *parameters = network_parameters(network, &n);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < tensor_elements(parameters[i].tensor); j++)
            squares += pow((double)parameters[i].tensor->gradient[j], 2);
    share = (float)(rate / (squares > 1 ? sqrt(squares) : 1));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < tensor_elements(parameters[i].tensor); j++)
            parameters[i].tensor->data[j] -= share * parameters[i].tensor->gradient[j];
}

static void learns_a_batch(void **state)
{
    const uint32_t lengths[] = {20, 11};
    struct machine machine = open_machine(2, kernel_level_best());
    struct network *network = new_network(1);
    struct test_batch batch;
    double first = 0, last = 0;

    (void)state;
    fill_batch(&batch, lengths, 2, 100, 8);
    batch.batch.weights = NULL;
    batch.batch.total_weight = 29;
    for (int i = 0; i < 30; i++) {
        zero_gradients(network);
        last = learn(network, &machine, &batch.batch, MTP_FACTOR, 0);
        first = i == 0 ? last : first;
        step_down(network, 0.3);
    }
    print_message("loss %.3f, after 30 steps %.3f\n", first, last);
    /* In the beginning nothing is likely: log of the vocabulary, for both heads. */
    assert_true(fabs(first - (1 + (double)MTP_FACTOR * 27 / 29) * log(100)) < 0.2);
    assert_true(last < 0.7 * first);
    network_free(&network);
    close_machine(&machine);
}

static void seeds_make_networks(void **state)
{
    struct network *a = new_network(1), *b = new_network(1), *c = new_network(2);
    const struct tensor *table = find_parameter(a, "token_embd.weight")->tensor;
    const struct tensor *step = find_parameter(a, "blk.0.ssm_dt.bias")->tensor;
    const size_t n = tensor_elements(table);
    double sum = 0, squares = 0;

    (void)state;
    assert_memory_equal(table->data, find_parameter(b, "token_embd.weight")->tensor->data,
                        n * sizeof(float));
    assert_memory_not_equal(table->data, find_parameter(c, "token_embd.weight")->tensor->data,
                            n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        sum += (double)table->data[i];
        squares += (double)table->data[i] * (double)table->data[i];
    }
    assert_true(fabs(sum / (double)n) < 0.001);
    assert_true(fabs(sqrt(squares / (double)n) - 0.02) < 0.001);
    for (size_t i = 0; i < tensor_elements(step); i++) {
        const double x = log1p(exp((double)step->data[i]));
        assert_true(x > 0.00099 && x < 0.101);
    }
    network_free(&a), network_free(&b), network_free(&c);
}

static void bad_shapes_are_refused(void **state)
{
    struct layer_parameters layers[5];
    struct hyperparameters p;
    struct network *network;
    struct error error;

    (void)state;
    p = new_shape(layers);
    p.n_embd = 40;
    assert_int_equal(network_new(&network, &p, true, 1, &error), STATUS_USAGE);
    assert_null(network);
    p = new_shape(layers);
    p.n_value_heads = 3;
    assert_int_equal(network_new(&network, &p, true, 1, &error), STATUS_USAGE);
    p = new_shape(layers);
    layers[3].n_head_kv = 3;
    assert_int_equal(network_new(&network, &p, true, 1, &error), STATUS_USAGE);
    p = new_shape(layers);
    p.n_layers = 3;
    p.n_mtp = 2;
    layers[3] = layers[4];
    assert_int_equal(network_new(&network, &p, true, 1, &error), STATUS_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_agrees_with_engine),
        cmocka_unit_test(forward_agrees_with_llama),
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(packed_equals_alone),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(nothing_to_predict),
        cmocka_unit_test(dropout_is_repeatable),
        cmocka_unit_test(learns_a_batch),
        cmocka_unit_test(seeds_make_networks),
        cmocka_unit_test(bad_shapes_are_refused),
    };
    return cmocka_run_group_tests_name("train_network", tests, NULL, NULL);
}
