/*
 * sampler.c - truncation against a plain sort in double, the law of the noise, ties and odd
 * values
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/decode/sampler.h"
#include "tests/unit/model_fixture.h"

static const struct sampling OFF = {.temperature = 1, .top_p = 1, .repetition_penalty = 1};

static struct sampler new_sampler(uint32_t n_vocab)
{
    struct sampler sampler;
    struct error error = {0};

    check(sampler_init(&sampler, n_vocab, &error), &error);
    return sampler;
}

static float uniform(uint64_t *random)
{
    return (float)next_random(random) / 0x1p31f;
}

/* About normal, in steps of 1 / 8 at times, so that ties happen. */
static void random_logits(float *logits, uint32_t n, uint64_t *random)
{
    const float spread = 0.5f + 8 * uniform(random);
    const bool coarse = next_random(random) % 2;

    for (uint32_t i = 0; i < n; i++) {
        float x = -6;
        for (int k = 0; k < 12; k++)
            x += uniform(random);
        x *= spread;
        logits[i] = coarse ? roundf(x * 8) / 8 : x;
    }
}

/* The oracle ------------------------------------------------------------------------------ */

struct candidate {
    double logit, probability;
    int32_t id;
};

static int by_logit(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/*
 * Sorted survivors, by the words of sampling.h alone.  *doubtful: a sum or a bound is so near
 * its limit that rounding may decide.
 */
static size_t oracle(const float *logits, uint32_t n, const struct sampling *s,
                     struct candidate *out, bool *doubtful)
{
    size_t kept = 0, prefix = 0;
    double total = 0, sum = 0;

    *doubtful = false;
    for (uint32_t i = 0; i < n; i++)
        if (logits[i] > -INFINITY)
            out[kept++] = (struct candidate){(double)logits[i], 0, (int32_t)i};
    qsort(out, kept, sizeof *out, by_logit);
    if (s->top_k > 0 && (size_t)s->top_k < kept)
        kept = (size_t)s->top_k;
    for (size_t i = 0; i < kept; i++) {
        out[i].probability = exp((out[i].logit - out[0].logit) / (double)s->temperature);
        total += out[i].probability;
    }
    while (s->top_p < 1 && prefix < kept) {
        sum += out[prefix++].probability;
        *doubtful |= fabs(sum / total - (double)s->top_p) < 1e-6;
        if (sum >= (double)s->top_p * total)
            break;
    }
    kept = s->top_p < 1 ? prefix : kept;
    for (prefix = 0; prefix < kept; prefix++) {
        const double ratio = out[prefix].probability / out[0].probability;
        *doubtful |= s->min_p > 0 && fabs(ratio / (double)s->min_p - 1) < 1e-5;
        if (ratio < (double)s->min_p)
            break;
    }
    return prefix;
}

/* The survivor with the largest sum of logit and noise, in the arithmetic of libm. */
static int32_t oracle_choice(const struct candidate *kept, size_t n, const struct sampling *s,
                             uint64_t seed, uint32_t position)
{
    int32_t best = -1;
    double best_score = 0;

    for (size_t i = 0; i < n; i++) {
        const double noise = -log(-log(sampling_noise(seed, position, kept[i].id)));
        const double score = kept[i].logit / (double)s->temperature + noise;
        if (best < 0 || score > best_score) {
            best = kept[i].id;
            best_score = score;
        }
    }
    return best;
}

static struct sampling random_sampling(uint32_t n_vocab, uint64_t *random)
{
    struct sampling s = OFF;

    s.temperature = 0.1f + 2 * uniform(random);
    if (next_random(random) % 2)
        s.top_k = (int32_t)(1 + next_random(random) % (next_random(random) % 2 ? 50 : n_vocab));
    if (next_random(random) % 2)
        s.top_p = 0.05f + 0.94f * uniform(random);
    if (next_random(random) % 3 == 0)
        s.min_p = 0.3f * uniform(random);
    return s;
}

static void choices_equal_those_of_a_plain_sort(void **state)
{
    static const uint32_t sizes[] = {1, 2, 17, 300, 5000};
    uint64_t random = 42;
    int n_compared = 0;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        const uint32_t n = sizes[next_random(&random) % 5];
        struct sampler sampler = new_sampler(n);
        float *logits = malloc(n * sizeof *logits);
        struct candidate *kept = malloc(n * sizeof *kept);
        const struct sampling s = random_sampling(n, &random);
        bool doubtful;
        random_logits(logits, n, &random);
        if (n > 2 && round % 3 == 0) { /* what is no number is never chosen */
            logits[next_random(&random) % n] = -INFINITY;
            logits[next_random(&random) % n] = NAN;
            logits[n / 2] = 1;
        }
        const size_t n_kept = oracle(logits, n, &s, kept, &doubtful);
        for (uint32_t position = 0; position < 4 && !doubtful; position++, n_compared++)
            assert_int_equal(sampler_choose(&sampler, &s, logits, 7, position),
                             oracle_choice(kept, n_kept, &s, 7, position));
        free(kept), free(logits);
        sampler_release(&sampler);
    }
    assert_true(n_compared > 8000);
}

/* Draws of a small vocabulary follow the truncated softmax: chi-square over many seeds. */
static void draws_follow_the_probabilities(void **state)
{
    enum { N = 12, DRAWS = 200000 };
    const float logits[N] = {0.3f, -1, 2, 1.5f, -3, 0, 0.7f, 1.9f, -0.2f, 1, -5, 0.1f};
    static const struct sampling settings[] = {
        {.temperature = 1, .top_p = 1, .repetition_penalty = 1},
        {.temperature = 0.6f, .top_p = 1, .repetition_penalty = 1},
        {.temperature = 1.5f, .top_k = 5, .top_p = 1, .repetition_penalty = 1},
        {.temperature = 1, .top_p = 0.8f, .repetition_penalty = 1},
        {.temperature = 1, .top_k = 8, .top_p = 0.9f, .min_p = 0.2f, .repetition_penalty = 1},
    };
    struct sampler sampler = new_sampler(N);

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct candidate kept[N];
        int counts[N] = {0};
        double total = 0, chi_square = 0;
        bool doubtful;
        const size_t n_kept = oracle(logits, N, &settings[i], kept, &doubtful);
        assert_false(doubtful);
        for (int draw = 0; draw < DRAWS; draw++) {
            float row[N];
            memcpy(row, logits, sizeof row);
            /* Seeds and positions both count on, as they do in use. */
            counts[sampler_choose(&sampler, &settings[i], row,
                                  sampling_noise_seed(99, (uint32_t)draw / 64, 0),
                                  (uint32_t)draw % 64)]++;
        }
        for (size_t k = 0; k < n_kept; k++)
            total += kept[k].probability;
        for (size_t k = 0; k < n_kept; k++) {
            const double wanted = DRAWS * kept[k].probability / total;
            chi_square +=
                (counts[kept[k].id] - wanted) * (counts[kept[k].id] - wanted) / wanted;
            counts[kept[k].id] = 0;
        }
        for (int id = 0; id < N; id++)
            assert_int_equal(counts[id], 0); /* none but survivors */
        /* 11 degrees of freedom at most: above 40 once in 30,000 tries; the draws are fixed. */
        assert_true(chi_square < 40);
    }
    sampler_release(&sampler);
}

/* Neighbours in token, position, seed, message and variant are unrelated. */
static void noise_has_no_pattern(void **state)
{
    enum { N = 200000 };
    double sums[4] = {0};

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        const double u = sampling_noise(5, 3, (int32_t)i) - 0.5;
        sums[0] += u * (sampling_noise(5, 3, (int32_t)i + 1) - 0.5);
        sums[1] += u * (sampling_noise(5, 4, (int32_t)i) - 0.5);
        sums[2] += u * (sampling_noise(6, 3, (int32_t)i) - 0.5);
        sums[3] += u;
        assert_true(u > -0.5 && u < 0.5);
    }
    for (int i = 0; i < 3; i++) /* the deviation of such a mean is 1 / (12 sqrt N) */
        assert_true(fabs(sums[i] / N) < 5.0 / (12 * sqrt(N)));
    assert_true(fabs(sums[3] / N) < 5.0 / sqrt(12.0 * N));
    assert_true(sampling_noise_seed(1, 2, 3) != sampling_noise_seed(1, 3, 2));
    assert_true(sampling_noise_seed(1, 2, 3) != sampling_noise_seed(1, 2, 4));
    assert_true(sampling_noise_seed(1, 0, 0) != sampling_noise_seed(2, 0, 0));
    /* The numbers themselves are part of what a recorded seed means: they stay. */
    assert_true(sampling_noise(1, 2, 3) == 0x1.78905fffbea09p-1);
    assert_true(sampling_noise(0, 0, 0) == 0x1.5a2a6c2c68b02p-2);
    assert_true(sampling_noise_seed(1, 2, 3) == UINT64_C(0x14e630536a8d31df));
}

static void odd_values(void **state)
{
    struct sampler sampler = new_sampler(6);
    struct sampling greedy = OFF, warm = OFF;
    float none[] = {NAN, -INFINITY, NAN, -INFINITY, NAN, NAN};
    float ties[] = {1, 3, NAN, 3, 3, -INFINITY};
    float infinite[] = {1, INFINITY, 5, INFINITY, NAN, 0};
    float zeros[] = {-1, -0.0f, 0.0f, -0.0f, -2, -3};
    float huge[] = {-3e38f, 3e38f, 3e38f, 0, 1, NAN};

    (void)state;
    greedy.temperature = 0;
    warm.top_k = 3;
    warm.top_p = 0.9f;
    assert_int_equal(sampler_choose(&sampler, &greedy, none, 1, 1), -1);
    assert_int_equal(sampler_choose(&sampler, &warm, none, 1, 1), -1);
    assert_int_equal(sampler_choose(&sampler, &OFF, none, 1, 1), -1);
    assert_int_equal(sampler_choose(&sampler, &greedy, ties, 1, 1), 1);
    assert_int_equal(sampler_choose(&sampler, &warm, infinite, 1, 1), 1);
    assert_int_equal(sampler_choose(&sampler, &greedy, zeros, 1, 1), 1);
    warm.top_k = 1; /* of equal logits the lowest id is kept */
    assert_int_equal(sampler_choose(&sampler, &warm, ties, 1, 1), 1);
    assert_int_equal(sampler_choose(&sampler, &warm, zeros, 1, 1), 1);
    for (uint32_t position = 0; position < 50; position++) {
        const int32_t id = sampler_choose(&sampler, &OFF, huge, 1, position);
        assert_true(id == 1 || id == 2);
    }
    sampler_release(&sampler);
}

static void penalties_count_generated_tokens(void **state)
{
    struct sampler sampler = new_sampler(4);
    struct sampling s = OFF;
    float logits[] = {2, 1.9f, -1, 0.5f};

    (void)state;
    s.temperature = 0;
    s.presence_penalty = 0.5f;
    s.frequency_penalty = 0.25f;
    s.repetition_penalty = 2;
    sampler_accept(&sampler, 0);
    sampler_accept(&sampler, 0);
    sampler_accept(&sampler, 2);
    assert_int_equal(sampler_choose(&sampler, &s, logits, 0, 0), 1);
    assert_true(logits[0] == 2.0f / 2 - (2 * 0.25f + 0.5f));
    assert_true(logits[1] == 1.9f);
    assert_true(logits[2] == -1.0f * 2 - (0.25f + 0.5f));
    assert_true(logits[3] == 0.5f);
    sampler_begin(&sampler);
    logits[0] = 2;
    assert_int_equal(sampler_choose(&sampler, &s, logits, 0, 0), 0);
    sampler_release(&sampler);
}

/* A table of full size goes the same way as a small one. */
static void full_table(void **state)
{
    enum { N = 248320 };
    struct sampler sampler = new_sampler(N);
    float *logits = malloc(N * sizeof *logits);
    struct candidate *kept = malloc(N * sizeof *kept);
    const struct sampling settings[] = {
        OFF,
        {.temperature = 1, .top_k = 20, .top_p = 0.95f, .repetition_penalty = 1},
        {.temperature = 1, .top_p = 0.95f, .repetition_penalty = 1},
        {.temperature = 0.7f, .top_k = 100000, .top_p = 1, .repetition_penalty = 1},
        {.temperature = 2, .top_p = 1, .min_p = 0.01f, .repetition_penalty = 1},
    };
    uint64_t random = 9;

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        bool doubtful;
        random_logits(logits, N, &random);
        const size_t n_kept = oracle(logits, N, &settings[i], kept, &doubtful);
        for (uint32_t position = 0; position < 5 && !doubtful; position++)
            assert_int_equal(sampler_choose(&sampler, &settings[i], logits, 3, position),
                             oracle_choice(kept, n_kept, &settings[i], 3, position));
    }
    free(kept), free(logits);
    sampler_release(&sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices_equal_those_of_a_plain_sort),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(noise_has_no_pattern),
        cmocka_unit_test(odd_values),
        cmocka_unit_test(penalties_count_generated_tokens),
        cmocka_unit_test(full_table),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
