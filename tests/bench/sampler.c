/*
 * sampler.c - what a choice costs, on one thread, for a vocabulary of full size
 *
 * usage: sampler
 *
 * Each line is one setting: what is kept of a row of logits that lies in the cache (the tile scan
 * of the head, which is split over threads in a pass), and the choice from it.  Microseconds of
 * processor time, median over positions.  Peaked logits are like those of a trained model, flat
 * ones like those of random weights.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/decode/sampler.h"
#include "engine/kernels/math.h"

enum { N_VOCAB = 248320, REPEATS = 31 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return ((double)t.tv_sec + 1e-9 * (double)t.tv_nsec) * 1e6;
}

static float uniform(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (float)(uint32_t)(*random >> 33) / 0x1p31f;
}

static void make_logits(float *logits, float deviation, float most)
{
    uint64_t random = 7;

    for (uint32_t i = 0; i < N_VOCAB; i++) {
        float x = -6;
        for (int k = 0; k < 12; k++)
            x += uniform(&random);
        logits[i] = x * deviation;
    }
    for (uint32_t i = 0; most > 0 && i < 40; i++) /* a few are likely */
        logits[(uint32_t)(uniform(&random) * (N_VOCAB - 1))] = most - 0.3f * (float)i;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, REPEATS, sizeof *values, ascending);
    return values[REPEATS / 2];
}

static void measure(struct sampler *sampler, struct head_row *row, const float *logits,
                    const char *name, struct sampling s)
{
    double keep[REPEATS], choose[REPEATS];
    int64_t ids = 0;

    for (uint32_t i = 0; i < REPEATS; i++) {
        double begin = now();
        sampler_ask(sampler, &s, NULL, 0, row);
        head_take(sampler->kernels, row, logits, N_VOCAB);
        keep[i] = now() - begin;
        begin = now();
        ids += sampler_choose_row(sampler, &s, row, 3, i);
        choose[i] = now() - begin;
    }
    printf("  %-36s %-14s keep %7.1f us  choose %7.1f us   (%lld)\n", name,
           head_strategy_name(row->strategy), median(keep), median(choose),
           (long long)(ids / REPEATS));
}

int main(void)
{
    static const struct {
        const char *name;
        struct sampling sampling;
    } settings[] = {
        {"greedy", {.temperature = 0, .top_p = 1, .repetition_penalty = 1}},
        {"greedy, penalties",
         {.temperature = 0, .top_p = 1, .presence_penalty = 1, .repetition_penalty = 1.1f}},
        {"t 0.6, top-k 20, top-p 0.95",
         {.temperature = 0.6f, .top_k = 20, .top_p = 0.95f, .repetition_penalty = 1}},
        {"the same with penalties",
         {.temperature = 0.6f,
          .top_k = 20,
          .top_p = 0.95f,
          .presence_penalty = 1.5f,
          .repetition_penalty = 1}},
        {"t 1, top-k 256",
         {.temperature = 1, .top_k = 256, .top_p = 1, .repetition_penalty = 1}},
        {"t 1, top-k 2000",
         {.temperature = 1, .top_k = 2000, .top_p = 1, .repetition_penalty = 1}},
        {"t 1", {.temperature = 1, .top_p = 1, .repetition_penalty = 1}},
        {"t 1, min-p 0.05",
         {.temperature = 1, .top_p = 1, .min_p = 0.05f, .repetition_penalty = 1}},
        {"t 1, top-p 0.95", {.temperature = 1, .top_p = 0.95f, .repetition_penalty = 1}},
    };
    float *logits = malloc(N_VOCAB * sizeof *logits);
    struct sampler sampler;
    struct head_rows head;
    struct error error = {0};

    if (!logits || sampler_init(&sampler, N_VOCAB, &error) != STATUS_OK ||
        head_rows_init(&head, 1, N_VOCAB, &error) != STATUS_OK)
        return 1;
    sampler.kernels = kernels_for(kernel_level_best());
    for (int32_t i = 0; i < 600; i++)
        sampler_accept(&sampler, i * 401);
    for (int peaked = 0; peaked < 2; peaked++) {
        make_logits(logits, peaked ? 2.5f : 1, peaked ? 18 : 0);
        printf("%s logits, %d tokens\n", peaked ? "peaked" : "flat", (int)N_VOCAB);
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
            measure(&sampler, head.rows, logits, settings[i].name, settings[i].sampling);
    }
    head_rows_release(&head);
    sampler_release(&sampler);
    free(logits);
    return 0;
}
