/*
 * train_data.c - every sequence once in an epoch, packed without overlap, from any place again
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/train/data.h"

enum { N = 37, MICRO = 64, BATCH = 150, LONGEST = 100 };

/* Sequence i has ids 1000 i, 1000 i + 1, ...; some are longer than a micro-batch. */
static void make(struct train_sequence sequences[N])
{
    for (uint32_t i = 0; i < N; i++) {
        uint32_t n = 2 + i * 29 % (LONGEST - 2);

        sequences[i] = (struct train_sequence){.n_ids = n, .n_prompt = i * 7 % n};
        if (sequences[i].n_prompt > MICRO)
            sequences[i].n_prompt = MICRO;
        sequences[i].ids = malloc(n * sizeof(int32_t));
        for (uint32_t j = 0; j < n; j++)
            sequences[i].ids[j] = (int32_t)(1000 * i + j);
    }
}

static void release(struct train_sequence sequences[N])
{
    for (size_t i = 0; i < N; i++)
        free(sequences[i].ids);
}

static struct data_order *order_of(const struct train_sequence *sequences, uint64_t seed,
                                   bool once)
{
    const struct data_settings settings = {seed, MICRO, BATCH, once};
    struct data_order *order;

    assert_int_equal(data_order_new(&order, sequences, N, &settings, NULL), STATUS_OK);
    return order;
}

/* One sequence of a batch against where it came from; returns its index. */
static uint32_t check_sequence(const struct train_sequence *sequences,
                               const struct batch *batch, uint32_t s, uint64_t *n_predicted)
{
    uint32_t first = batch->sequences.first[s], end = batch->sequences.first[s + 1];
    uint32_t index = (uint32_t)batch->tokens[first] / 1000;
    const struct train_sequence *sequence = &sequences[index];
    uint32_t n = sequence->n_ids - 1 < MICRO ? sequence->n_ids - 1 : MICRO;

    assert_int_equal(end - first, n);
    for (uint32_t i = 0; i < n; i++) {
        bool predicted = i + 1 >= sequence->n_prompt;

        assert_int_equal(batch->tokens[first + i], sequence->ids[i]);
        assert_int_equal(batch->targets[first + i], predicted ? sequence->ids[i + 1] : -1);
        assert_int_equal(batch->sequences.positions[first + i], i);
        *n_predicted += predicted;
    }
    return index;
}

/* Check a step; the sequences in the order in which they came. */
static size_t check_step(const struct train_sequence *sequences, const struct data_step *step,
                         uint32_t *indexes)
{
    uint64_t n_predicted = 0, n_tokens = 0;
    size_t n = 0;

    for (size_t i = 0; i < step->n_batches; i++) {
        const struct batch *batch = &step->batches[i];

        assert_true(batch->sequences.n_tokens <= MICRO && batch->sequences.n_tokens > 0);
        assert_int_equal(batch->sequences.first[0], 0);
        assert_int_equal(batch->sequences.first[batch->sequences.n_sequences],
                         batch->sequences.n_tokens);
        assert_true(batch->total_weight >= (double)step->n_predicted &&
                    batch->total_weight <= (double)step->n_predicted);
        for (uint32_t s = 0; s < batch->sequences.n_sequences; s++)
            indexes[n++] = check_sequence(sequences, batch, s, &n_predicted);
        n_tokens += batch->sequences.n_tokens;
    }
    assert_int_equal(n_predicted, step->n_predicted);
    assert_int_equal(n_tokens, step->n_tokens);
    return n;
}

static void each_sequence_comes_once_in_an_epoch(void **state)
{
    struct train_sequence sequences[N];
    uint32_t seen[40 * N];
    size_t n_seen = 0;

    (void)state;
    make(sequences);
    struct data_order *order = order_of(sequences, 5, false);
    while (n_seen < 20 * N) {
        struct data_step step;

        assert_int_equal(data_order_step(order, &step, NULL), STATUS_OK);
        assert_true(step.n_tokens > BATCH - MICRO / 2 && step.n_tokens <= BATCH + MICRO / 2);
        n_seen += check_step(sequences, &step, seen + n_seen);
    }
    for (size_t epoch = 0; epoch < 20; epoch++) {
        unsigned counts[N] = {0};

        for (size_t i = 0; i < N; i++)
            counts[seen[epoch * N + i]]++;
        for (size_t i = 0; i < N; i++)
            assert_int_equal(counts[i], 1);
        if (epoch > 0)
            assert_memory_not_equal(seen, seen + epoch * N, N * sizeof *seen);
    }
    data_order_free(&order);
    assert_null(order);
    data_order_free(&order);
    release(sequences);
}

static void a_place_gives_the_same_step_again(void **state)
{
    struct train_sequence sequences[N];
    uint32_t expected[N * 4], again[N * 4];

    (void)state;
    make(sequences);
    struct data_order *order = order_of(sequences, 5, false);
    struct data_order *other = order_of(sequences, 5, false);
    struct data_order *seeded = order_of(sequences, 6, false);
    size_t n_other_seed = 0;
    for (int i = 0; i < 30; i++) {
        uint64_t epoch, cursor;
        struct data_step step;

        data_order_place(order, &epoch, &cursor);
        assert_int_equal(data_order_step(order, &step, NULL), STATUS_OK);
        size_t n = check_step(sequences, &step, expected);
        data_order_seek(other, epoch, cursor);
        assert_int_equal(data_order_step(other, &step, NULL), STATUS_OK);
        assert_int_equal(check_step(sequences, &step, again), n);
        assert_memory_equal(expected, again, n * sizeof *again);
        data_order_seek(seeded, epoch, cursor);
        assert_int_equal(data_order_step(seeded, &step, NULL), STATUS_OK);
        n_other_seed += check_step(sequences, &step, again) != n ||
                        memcmp(expected, again, n * sizeof *again) != 0;
    }
    assert_true(n_other_seed > 20);
    data_order_free(&order);
    data_order_free(&other);
    data_order_free(&seeded);
    release(sequences);
}

static void once_ends(void **state)
{
    struct train_sequence sequences[N];
    uint32_t seen[N];
    struct data_step step;

    (void)state;
    make(sequences);
    struct data_order *order = order_of(sequences, 0, true);
    for (int round = 0; round < 2; round++) {
        size_t n = 0;

        data_order_seek(order, 0, 0);
        do {
            assert_int_equal(data_order_step(order, &step, NULL), STATUS_OK);
            n += check_step(sequences, &step, seen + n);
        } while (step.n_batches > 0);
        assert_int_equal(n, N);
        for (uint32_t i = 0; i < N; i++)
            assert_int_equal(seen[i], i);
    }
    data_order_free(&order);

    const struct data_settings settings = {0, MICRO, BATCH, true};
    assert_int_equal(data_order_new(&order, NULL, 0, &settings, NULL), STATUS_OK);
    assert_int_equal(data_order_step(order, &step, NULL), STATUS_OK);
    assert_int_equal(step.n_batches, 0);
    data_order_free(&order);
    release(sequences);
}

static void what_teaches_nothing_is_refused(void **state)
{
    const struct data_settings settings = {0, MICRO, BATCH, false};
    struct train_sequence sequences[N];
    struct data_order *order;
    struct error error = {0};

    (void)state;
    make(sequences);
    uint64_t hash = data_hash(sequences, N);
    sequences[30].n_prompt = sequences[30].n_ids;
    assert_int_equal(data_order_new(&order, sequences, N, &settings, &error), STATUS_USAGE);
    assert_null(order);
    assert_non_null(strstr(error.what, "sequence 30"));
    assert_true(data_hash(sequences, N) != hash);
    sequences[30].n_prompt = 1;
    uint32_t n = sequences[3].n_ids;
    sequences[3].n_ids = 1;
    assert_int_equal(data_order_new(&order, sequences, N, &settings, &error), STATUS_USAGE);
    assert_non_null(strstr(error.what, "sequence 3 "));
    sequences[3].n_ids = n;
    for (size_t i = 0; i < N; i++) {
        if (sequences[i].n_ids > MICRO + 2)
            sequences[i].n_prompt = MICRO + 1;
    }
    assert_int_equal(data_order_new(&order, sequences, N, &settings, &error), STATUS_USAGE);
    assert_non_null(strstr(error.what, "a pass takes 64"));
    release(sequences);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sequence_comes_once_in_an_epoch),
        cmocka_unit_test(a_place_gives_the_same_step_again),
        cmocka_unit_test(once_ends),
        cmocka_unit_test(what_teaches_nothing_is_refused),
    };
    return cmocka_run_group_tests_name("train_data", tests, NULL, NULL);
}
