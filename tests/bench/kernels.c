/*
 * kernels.c - how fast the kernels are, as shares of what the machine allows
 *
 * usage: kernels [--level L] [--threads N] [--type T] [--shape S] [--rows N] [--all] [--stages]
 *   T: Q4_K, ... (several: --type again)     S: 0.8b, 4b, 9b, or OUTPUTSxINPUTS
 *   default: the best level, a thread for each core, usual types, the widest matrix of each model
 *   --all: every type that is computed, every shape; --stages: what is no product, too
 *
 * A matrix product is bound by the bytes of weights that it reads or by its multiply-adds.  Each
 * line gives both rates, and the share: the least time that the bytes, at the rate of a plain read,
 * and the operations, at the rate of registers alone (int8, or f32 for weights of floats), would
 * take at that moment, over the time that the product took.  Hosts are shared and their rates
 * swing, so a figure without the rates beside it says little.  Median of 5; copies of the matrix
 * fill 512 MB, so that it comes from memory.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"
#include "engine/machine.h"
#include "engine/run/pool.h"

enum { REPEATS = 5, MOST_ROWS = 512, MOST_CHOSEN = 16 };
static const size_t WEIGHT_BYTES = (size_t)512 << 20; /* of copies of a matrix: beyond caches */
static const uint32_t row_counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 128, 512};

static const struct shape {
    const char *model, *what;
    uint32_t n_outputs, n_inputs;
    bool usual;
} shapes[] = {
    {"0.8b", "qkv", 6144, 1024, false},  {"0.8b", "up", 3584, 1024, true},
    {"0.8b", "down", 1024, 3584, false}, {"0.8b", "head", 248320, 1024, false},
    {"4b", "qkv", 8192, 2560, false},    {"4b", "up", 9216, 2560, true},
    {"4b", "down", 2560, 9216, false},   {"4b", "head", 248320, 2560, false},
    {"9b", "qkv", 8192, 4096, false},    {"9b", "up", 12288, 4096, true},
    {"9b", "down", 4096, 12288, false},  {"9b", "head", 248320, 4096, false},
};

struct work {
    const struct kernels *kernels;
    struct weight weight;
    const uint8_t *memory; /* copies of the packed (or native) matrix */
    size_t n_bytes;        /* of one copy */
    size_t n_copies;
    const void *activation;
    uint32_t n_rows;
    float *out;
};

/* Seconds of the wall clock */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Every copy in turn, each thread its range of groups. */
static void multiply_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct work *work = context;
    const uint32_t n_groups = (work->weight.n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
    uint32_t first, count;

    pool_range(n_groups, part, n_parts, &first, &count);
    for (size_t i = 0; i < work->n_copies && count > 0; i++) {
        struct weight weight = work->weight;

        weight.native = weight.packed = work->memory + i * work->n_bytes;
        work->kernels->matmul(&weight, first, count, work->activation, work->n_rows, work->out,
                              weight.n_rows);
    }
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

/* What is measured with, and what was chosen. */
struct bench {
    const struct kernels *kernels;
    struct machine *machine;
    struct pool *pool;
    const char *types[MOST_CHOSEN], *shapes[MOST_CHOSEN];
    size_t n_types, n_shapes;
    uint32_t n_rows; /* 0: all counts */
    bool all, stages;
};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double values[REPEATS])
{
    qsort(values, REPEATS, sizeof *values, compare);
    return values[REPEATS / 2];
}

static bool is_float(enum tensor_type type)
{
    return type == TENSOR_F32 || type == TENSOR_F16 || type == TENSOR_BF16;
}

static void measure(const struct bench *bench, struct work *work, const char *type_name)
{
    const int n_threads = machine_thread_count(bench->machine);
    const double bytes = (double)work->n_bytes * (double)work->n_copies;
    const double operations = 2.0 * work->weight.n_rows * work->weight.n_columns *
                              work->n_rows * (double)work->n_copies;
    double seconds[REPEATS], shares[REPEATS], reads[REPEATS];
    bool by_bytes = false;

    pool_run(bench->pool, multiply_part, work, (uint32_t)n_threads); /* warms */
    for (int i = 0; i < REPEATS; i++) {
        const struct machine_moment moment = machine_moment(bench->machine);
        const double start = now();

        pool_run(bench->pool, multiply_part, work, (uint32_t)n_threads);
        seconds[i] = now() - start;
        const double after = machine_read(bench->machine, n_threads);
        const double peak =
            is_float(work->weight.type) ? machine_f32(bench->machine, n_threads) : moment.int8;
        reads[i] = 2 / (1 / moment.read + 1 / after);
        by_bytes = bytes / reads[i] > operations / peak;
        shares[i] = (by_bytes ? bytes / reads[i] : operations / peak) / seconds[i];
    }
    const double middle = median(seconds);
    printf("%-7s %6u x %-5u %3u rows %10.1f us %6.2f GB/s %7.1f Gop/s  read %5.1f GB/s  %5.1f "
           "%% of %s\n",
           type_name, work->weight.n_rows, work->weight.n_columns, work->n_rows,
           1e6 * middle / (double)work->n_copies, bytes / middle * 1e-9,
           operations / middle * 1e-9, median(reads) * 1e-9, 100 * median(shares),
           by_bytes                      ? "read"
           : is_float(work->weight.type) ? "f32"
                                         : "int8");
    fflush(stdout);
}

static void bench_matmul(const struct bench *bench, enum tensor_type type, uint32_t n_outputs,
                         uint32_t n_inputs)
{
    const struct kernels *kernels = bench->kernels;
    const struct tensor_type_info *info = tensor_type_info(type);
    const size_t n_blocks = (size_t)n_outputs * (n_inputs / info->block_elements);
    const uint32_t n_groups = (n_outputs + GROUP_ROWS - 1) / GROUP_ROWS;
    const bool packing = kernels_wants_packing(kernels->level, type);
    const size_t n_bytes =
        packing ? n_groups * kernels_group_bytes(type, n_inputs) : n_blocks * info->block_bytes;
    const size_t n_copies = WEIGHT_BYTES / n_bytes > 0 ? WEIGHT_BYTES / n_bytes : 1;
    const enum activation_form form = kernels_activation_form(kernels->level, type);
    const size_t activation_bytes = kernels_activation_bytes(form, n_inputs, MOST_ROWS);
    uint8_t *memory = memory_new(n_bytes * n_copies),
            *native = memory_new(n_blocks * info->block_bytes);
    float *x = memory_new((size_t)MOST_ROWS * n_inputs * sizeof *x);
    float *out = memory_new((size_t)MOST_ROWS * n_outputs * sizeof *out);
    void *activation = memory_new(activation_bytes);
    struct weight weight = {type, n_outputs, n_inputs, native, NULL};

    random_native(type, native, n_blocks);
    if (packing)
        kernels->pack(&weight, 0, n_groups, memory);
    else
        memcpy(memory, native, n_bytes);
    for (size_t i = 1; i < n_copies; i++)
        memcpy(memory + i * n_bytes, memory, n_bytes);
    for (size_t i = 0; i < (size_t)MOST_ROWS * n_inputs; i++)
        x[i] = (float)(int)(random_bits() % 2001) / 1000.0f - 1.0f;
    for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++) {
        const uint32_t n = row_counts[i];
        struct work work = {
            kernels,    weight, memory, n_bytes, n > 32 ? (n_copies + 7) / 8 : n_copies,
            activation, n,      out};

        if (bench->n_rows != 0 && bench->n_rows != n)
            continue;
        kernels->quantize(form, x, n_inputs, n_inputs, 0, n, n, activation);
        measure(bench, &work, info->name);
    }
    munmap(memory, n_bytes * n_copies);
    munmap(native, n_blocks * info->block_bytes);
    munmap(x, (size_t)MOST_ROWS * n_inputs * sizeof *x);
    munmap(out, (size_t)MOST_ROWS * n_outputs * sizeof *out);
    munmap(activation, activation_bytes);
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
    TIME("convolve 6144 x 4",
         k->convolve(a, CHANNELS, b, CHANNELS, 4, CHANNELS, 1, out, CHANNELS))
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

static bool is_chosen(const char *const *chosen, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(chosen[i], name) == 0)
            return true;
    }
    return false;
}

static bool wants_type(const struct bench *bench, enum tensor_type type)
{
    const bool usual =
        type == TENSOR_Q8_0 || type == TENSOR_Q4_K || type == TENSOR_Q6_K || type == TENSOR_F32;

    if (!tensor_type_info(type)->computable)
        return false;
    return bench->n_types > 0
               ? is_chosen(bench->types, bench->n_types, tensor_type_info(type)->name)
               : bench->all || usual;
}

static void bench_type(const struct bench *bench, enum tensor_type type)
{
    for (size_t i = 0; i < bench->n_shapes; i++) {
        unsigned n_outputs, n_inputs;

        if (sscanf(bench->shapes[i], "%ux%u", &n_outputs, &n_inputs) == 2 &&
            n_inputs % 256 == 0 && n_outputs > 0)
            bench_matmul(bench, type, n_outputs, n_inputs);
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const bool chosen = bench->n_shapes > 0
                                ? is_chosen(bench->shapes, bench->n_shapes, shapes[i].model)
                                : bench->all || shapes[i].usual;

        if (chosen)
            bench_matmul(bench, type, shapes[i].n_outputs, shapes[i].n_inputs);
    }
}

static int usage(const char *name)
{
    fprintf(
        stderr,
        "usage: %s [--level L] [--threads N] [--type T] [--shape 0.8b|4b|9b|OUTPUTSxINPUTS] "
        "[--rows N] [--all] [--stages]\n",
        name);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"level", required_argument, NULL, 'l'}, {"threads", required_argument, NULL, 't'},
        {"type", required_argument, NULL, 'y'},  {"shape", required_argument, NULL, 's'},
        {"rows", required_argument, NULL, 'r'},  {"all", no_argument, NULL, 'a'},
        {"stages", no_argument, NULL, 'g'},      {NULL, 0, NULL, 0}};
    struct bench bench = {.n_rows = 0};
    struct machine_options wanted = {.level = kernel_level_best()};
    struct error error = {0};

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'l' && !kernel_level_choose(optarg, &wanted.level))
            return usage(argv[0]);
        else if (option == 't')
            wanted.n_threads = (int)strtol(optarg, NULL, 10);
        else if (option == 'r')
            bench.n_rows = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'y' && bench.n_types < MOST_CHOSEN)
            bench.types[bench.n_types++] = optarg;
        else if (option == 's' && bench.n_shapes < MOST_CHOSEN)
            bench.shapes[bench.n_shapes++] = optarg;
        else if (option == 'a')
            bench.all = true;
        else if (option == 'g')
            bench.stages = true;
        else if (option == '?')
            return usage(argv[0]);
    }
    bench.kernels = kernels_for(wanted.level);
    if (machine_new(&bench.machine, &wanted, &error) != STATUS_OK ||
        pool_new(&bench.pool, machine_thread_count(bench.machine), &error) != STATUS_OK) {
        fprintf(stderr, "%s\n", error.what);
        return 1;
    }
    const int n_threads = machine_thread_count(bench.machine);
    printf("level %s, %d threads; read %.1f GB/s, int8 %.0f Gop/s, f32 %.0f Gop/s\n",
           kernel_level_name(wanted.level), n_threads,
           machine_read(bench.machine, n_threads) * 1e-9,
           machine_int8(bench.machine, n_threads) * 1e-9,
           machine_f32(bench.machine, n_threads) * 1e-9);
    if (bench.stages)
        bench_stages(bench.kernels);
    for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
        if (wants_type(&bench, (enum tensor_type)type))
            bench_type(&bench, (enum tensor_type)type);
    }
    pool_free(&bench.pool);
    machine_free(&bench.machine);
    return 0;
}
