/*
 * kernels.c - how fast the kernels are, as shares of what the machine allows
 *
 * usage: kernels [LEVEL] [THREADS] [TYPE]      default: the best level, 2 threads, usual types
 *
 * A matrix product is bound by the bytes of weights that it reads or by its multiply-adds, so each
 * line gives both: GB/s of packed weights with its share of a plain read of the same memory just
 * before and after, and Gop/s (2 for a multiply-add).  Hosts are shared and their memory speed
 * swings, so a figure without the read beside it says little.  Time is the processor time of the
 * slowest thread, so that being preempted does not count; each value is the best of 5.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"

enum { REPEATS = 5, MOST_THREADS = 64, MOST_TOKENS = 512 };
static const size_t WEIGHT_BYTES = (size_t)512 << 20; /* of copies of a matrix: beyond caches */

struct work {
    void (*run)(const struct work *work, int part);
    const struct kernels *kernels;
    struct weight weight;
    const uint8_t *memory; /* copies of the packed (or native) matrix */
    size_t n_bytes;        /* of one copy */
    size_t n_copies;
    const void *activation;
    uint32_t n_tokens;
    float *out;
    int n_threads;
};

static pthread_barrier_t barrier;

/* Seconds that this thread has run */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct thread {
    pthread_t id;
    const struct work *work;
    int part;
    double seconds;
};

static void *thread_main(void *argument)
{
    struct thread *thread = argument;

    pthread_barrier_wait(&barrier);
    double start = now();
    thread->work->run(thread->work, thread->part);
    thread->seconds = now() - start;
    return NULL;
}

static double seconds_once(const struct work *work)
{
    struct thread threads[MOST_THREADS];
    double slowest = 0;

    pthread_barrier_init(&barrier, NULL, (unsigned)work->n_threads);
    for (int i = 0; i < work->n_threads; i++) {
        threads[i] = (struct thread){.work = work, .part = i};
        pthread_create(&threads[i].id, NULL, thread_main, &threads[i]);
    }
    for (int i = 0; i < work->n_threads; i++) {
        pthread_join(threads[i].id, NULL);
        slowest = threads[i].seconds > slowest ? threads[i].seconds : slowest;
    }
    pthread_barrier_destroy(&barrier);
    return slowest;
}

static double seconds(const struct work *work)
{
    double best = seconds_once(work);

    for (int i = 1; i < REPEATS; i++) {
        double t = seconds_once(work);
        best = t < best ? t : best;
    }
    return best;
}

static void run_matmul(const struct work *work, int part)
{
    uint32_t n = (work->weight.n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
    uint32_t first = n * (uint32_t)part / (uint32_t)work->n_threads;
    uint32_t end = n * ((uint32_t)part + 1) / (uint32_t)work->n_threads;

    for (size_t i = 0; i < work->n_copies; i++) {
        struct weight weight = work->weight;
        weight.native = weight.packed = work->memory + i * work->n_bytes;
        work->kernels->matmul(&weight, first, end - first, work->activation, work->n_tokens,
                              work->out, weight.n_rows);
    }
}

typedef uint64_t vector __attribute__((vector_size(64)));

static void run_read(const struct work *work, int part)
{
    size_t n = work->n_bytes * work->n_copies / (size_t)work->n_threads / 256 * 256;
    const vector *p = (const vector *)(const void *)(work->memory + n * (size_t)part);
    vector a = {0}, b = {0}, c = {0}, d = {0};

    for (size_t i = 0; i < n / 64; i += 4) {
        a += p[i];
        b += p[i + 1];
        c += p[i + 2];
        d += p[i + 3];
    }
    a += b + c + d;
    work->out[part] = (float)(a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7]); /* used */
}

static uint32_t random_state = 1;

static uint32_t random_bits(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void *memory_new(size_t n_bytes)
{
    size_t huge = (size_t)2 << 20;
    void *p =
        mmap(NULL, n_bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        fputs("out of memory\n", stderr);
        exit(4);
    }
    p = (void *)(((uintptr_t)p + huge - 1) & ~(uintptr_t)(huge - 1));
    madvise(p, n_bytes, MADV_HUGEPAGE);
    memset(p, 0, n_bytes);
    return p;
}

/* Random values and small scales: speed does not depend on them, but subnormals would slow it. */
static void random_native(enum tensor_type type, uint8_t *native, size_t n_blocks)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    float one = 0.01f;

    for (size_t b = 0; b < n_blocks; b++, native += info->block_bytes) {
        uint16_t half = (uint16_t)(0x1c00 + (random_bits() & 0x3ff));
        for (uint32_t i = 0; i < info->block_bytes; i++)
            native[i] = (uint8_t)random_bits();
        memcpy(type == TENSOR_Q6_K ? native + 208 : native, &half, 2);
        if (type == TENSOR_Q4_K || type == TENSOR_Q5_K || type == TENSOR_Q4_1 ||
            type == TENSOR_Q5_1)
            memcpy(native + 2, &half, 2);
        if (type == TENSOR_F32)
            memcpy(native, &one, 4);
    }
}

static void bench_matmul(const struct kernels *kernels, enum tensor_type type, uint32_t n_rows,
                         uint32_t n_columns, int n_threads)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 6, 8, 16, 32, 128, 512};
    const struct tensor_type_info *info = tensor_type_info(type);
    size_t n_blocks = (size_t)n_rows * (n_columns / info->block_elements);
    uint32_t n_groups = (n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
    bool packing = kernels_wants_packing(kernels->level, type);
    size_t n_bytes = packing ? n_groups * kernels_group_bytes(type, n_columns)
                             : n_blocks * info->block_bytes;
    size_t n_copies = WEIGHT_BYTES / n_bytes > 0 ? WEIGHT_BYTES / n_bytes : 1;
    enum activation_form form = kernels_activation_form(kernels->level, type);
    uint8_t *memory = memory_new(n_bytes * n_copies),
            *native = memory_new(n_blocks * info->block_bytes);
    float *x = memory_new((size_t)MOST_TOKENS * n_columns * sizeof *x);
    float *out = memory_new((size_t)MOST_TOKENS * n_rows * sizeof *out);
    void *activation = memory_new(kernels_activation_bytes(form, n_columns, MOST_TOKENS));
    struct weight weight = {type, n_rows, n_columns, native, NULL};
    double first = 0;

    random_native(type, native, n_blocks);
    if (packing) {
        double t = now();
        kernels->pack(&weight, 0, n_groups, memory);
        t = now() - t;
        printf("%-7s %6u x %-5u packing, one thread: %.2f GB/s\n", info->name, n_rows,
               n_columns, (double)n_bytes / t * 1e-9);
    } else
        memcpy(memory, native, n_bytes);
    for (size_t i = 1; i < n_copies; i++)
        memcpy(memory + i * n_bytes, memory, n_bytes);
    for (size_t i = 0; i < (size_t)MOST_TOKENS * n_columns; i++)
        x[i] = (float)(int)(random_bits() % 2001) / 1000.0f - 1.0f;

    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        uint32_t n = counts[c];
        size_t copies = n > 32 ? (n_copies + 7) / 8 : n_copies;
        struct work work = {run_matmul, kernels,    weight, memory, n_bytes,
                            copies,     activation, n,      out,    n_threads};
        struct work read = work;
        read.run = run_read;
        read.n_copies = n_copies;
        kernels->quantize(form, x, n_columns, n_columns, 0, n, n, activation);
        double before = seconds(&read), t = seconds(&work), after = seconds(&read);
        double bytes = (double)n_bytes * (double)copies;
        double plain = 2 * (double)n_bytes * (double)n_copies / (before + after);
        double operations = 2.0 * n_rows * n_columns * n * (double)copies;
        if (n == 1)
            first = t / (double)copies;
        printf("%-7s %6u x %-5u %3u tokens  %6.2f GB/s (%3.0f %% of %.1f)  %7.1f Gop/s  time "
               "%.2f\n",
               info->name, n_rows, n_columns, n, bytes / t * 1e-9, 100 * bytes / t / plain,
               plain * 1e-9, operations / t * 1e-9, t / (double)copies / first);
        fflush(stdout);
    }
    munmap(memory, n_bytes * n_copies);
    munmap(native, n_blocks * info->block_bytes);
    munmap(x, (size_t)MOST_TOKENS * n_columns * sizeof *x);
    munmap(out, (size_t)MOST_TOKENS * n_rows * sizeof *out);
    munmap(activation, kernels_activation_bytes(form, n_columns, MOST_TOKENS));
}

/* The stages, one thread: microseconds for the sizes of a 0.8B model and one token */
static void bench_stages(const struct kernels *k)
{
    enum { D = 1024, FFN = 3584, CHANNELS = 6144, HEAD = 128, KEYS = 4096, KEY = 256, N = 50 };
    float *a = memory_new(8 * CHANNELS * sizeof *a), *b = memory_new(8 * CHANNELS * sizeof *b);
    float *out = memory_new(8 * CHANNELS * sizeof *out);
    float *state = memory_new(HEAD * HEAD * sizeof *state);
    uint16_t *cache = memory_new(2 * (size_t)KEYS * KEY * sizeof *cache);
    void *activation = memory_new(kernels_activation_bytes(ACTIVATION_Q8_256, FFN, 1) * 2);
    struct delta_rule_job delta = {.state = state,
                                   .n_key = HEAD,
                                   .n_slices = HEAD / DELTA_SLICE,
                                   .n_tokens = 1,
                                   .query = a,
                                   .key = b,
                                   .value = a,
                                   .decay = a + 3,
                                   .beta = a + 5,
                                   .out = out};
    struct attention_job attention = {.key = cache,
                                      .value = cache + (size_t)KEYS * KEY,
                                      .half = true,
                                      .n_key = KEY,
                                      .n_value = KEY,
                                      .n_heads = 4,
                                      .n_rows = 1,
                                      .first_position = KEYS - 1,
                                      .scale = 0.0625f,
                                      .query = a,
                                      .out = out,
                                      .query_head_stride = KEY,
                                      .out_head_stride = KEY};

    for (int i = 0; i < 8 * CHANNELS; i++) {
        a[i] = (float)(random_bits() % 1000) / 1000.0f;
        b[i] = (float)(random_bits() % 1000) / 10000.0f;
    }
#define TIME(name, call)                                                                       \
    {                                                                                          \
        double best = 1;                                                                       \
        for (int round = 0; round < REPEATS; round++) {                                        \
            double t = now();                                                                  \
            for (int i = 0; i < N; i++)                                                        \
                call;                                                                          \
            t = (now() - t) / N;                                                               \
            best = t < best ? t : best;                                                        \
        }                                                                                      \
        printf("%-28s %9.2f us\n", name, best * 1e6);                                          \
    }
    TIME("rms_norm 1024", k->rms_norm(a, b, D, 1e-6f, out))
    TIME("quantize per 32, 3584",
         k->quantize(ACTIVATION_Q8_32, a, FFN, FFN, 0, 1, 1, activation))
    TIME("quantize per 256, 3584",
         k->quantize(ACTIVATION_Q8_256, a, FFN, FFN, 0, 1, 1, activation))
    TIME("silu_multiply 3584", k->silu_multiply(a, b, FFN, out))
    TIME("convolve 6144 x 4", k->convolve(a, b, 4, CHANNELS, 0, CHANNELS, 1, out))
    TIME("delta_rule head, 1 token", k->delta_rule(&delta))
    TIME("attention 4 x 4096 keys", k->attention(&attention))
    delta.n_tokens = 16;
    delta.query_stride = delta.key_stride = delta.value_stride = HEAD;
    delta.out_stride = HEAD;
    delta.gate_stride = 1;
    attention.n_rows = 16;
    attention.first_position = KEYS - 16;
    attention.query_row_stride = attention.out_row_stride = (size_t)4 * KEY;
    TIME("delta_rule head, 16 tokens", k->delta_rule(&delta))
    TIME("attention 16 x 4 x 4096 keys", k->attention(&attention))
#undef TIME
}

int main(int argc, char **argv)
{
    static const enum tensor_type usual[] = {TENSOR_Q8_0, TENSOR_Q4_K, TENSOR_Q6_K, TENSOR_F32};
    enum kernel_level level = kernel_level_best();
    int n_threads = argc > 2 ? atoi(argv[2]) : 2;

    if (argc > 1 && !kernel_level_choose(argv[1], &level)) {
        fprintf(stderr, "usage: %s [LEVEL] [THREADS] [TYPE]\n", argv[0]);
        return 2;
    }
    if (n_threads < 1 || n_threads > MOST_THREADS)
        n_threads = 2;
    const struct kernels *kernels = kernels_for(level);
    printf("level %s, %d threads\n", kernel_level_name(level), n_threads);
    bench_stages(kernels);
    if (argc > 3) {
        for (uint32_t type = 0; type < TENSOR_TYPE_COUNT; type++)
            if (tensor_type_info(type)->computable &&
                strcmp(tensor_type_info(type)->name, argv[3]) == 0)
                bench_matmul(kernels, (enum tensor_type)type, 12288, 4096, n_threads);
        return 0;
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        bench_matmul(kernels, usual[i], 12288, 4096, n_threads);
        if (usual[i] != TENSOR_F32)
            bench_matmul(kernels, usual[i], 3584, 1024, n_threads);
    }
    return 0;
}
