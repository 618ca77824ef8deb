/*
 * scratch.c - work memory of a pass, one mapping, touched as far as passes are long
 *
 * Widths are bounded by hyperparameters.c (2^20) and rows by session.c (2^12): sums fit 64
 * bits.
 */
#include "engine/model/forward.h"

#include "engine/model/rope.h"

#include <string.h>
#include <sys/mman.h>

/* Places of arrays; the first round counts, the second, with memory, hands out. */
struct layout {
    unsigned char *memory; /* NULL: counting */
    size_t offset;
};

static void *place(struct layout *layout, size_t n_elements, size_t element_bytes)
{
    const size_t offset = layout->offset;
    const size_t n_bytes = n_elements * element_bytes;

    layout->offset += (n_bytes + KERNEL_ALIGNMENT - 1) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
    return layout->memory ? layout->memory + offset : NULL;
}

static float *place_floats(struct layout *layout, size_t n)
{
    return place(layout, n, sizeof(float));
}

static size_t activation_bytes(const struct weights *weights, enum kernel_level level,
                               enum activation_form form, uint32_t n_rows)
{
    size_t most = 0;

    for (size_t i = 0; i < weights->n_matrices; i++) {
        const struct weight *weight = weights->matrices[i].weight;
        size_t n_bytes;
        if (kernels_activation_form(level, weight->type) != form)
            continue;
        n_bytes = kernels_activation_bytes(form, weight->n_columns, n_rows);
        most = n_bytes > most ? n_bytes : most;
    }
    return most;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* t rows of one sequence, or one of each of several. */
static size_t window_rows(size_t t, size_t n_taps)
{
    return larger(t + n_taps - 1, PASS_SEQUENCES_MAX * n_taps);
}

/* The three groups of a layer begin at the same place. */
static void place_groups(struct scratch *out, struct layout *layout,
                         const struct hyperparameters *p)
{
    const size_t t = out->max_tokens, begin = layout->offset;
    const size_t query_width = (size_t)p->max_head * p->head_dim;
    const size_t key_width = (size_t)p->max_head_kv * p->head_dim;
    size_t end;

    out->attention.qkv = place_floats(layout, t * 2 * (query_width + key_width));
    out->attention.out = place_floats(layout, t * query_width);
    end = layout->offset;
    layout->offset = begin;
    out->delta.window = place_floats(layout, window_rows(t, p->n_taps) * p->conv_width);
    out->delta.convolved = place_floats(layout, t * p->conv_width);
    out->delta.gate = place_floats(layout, t * p->value_width);
    out->delta.alpha = place_floats(layout, t * p->n_value_heads);
    out->delta.beta = place_floats(layout, t * p->n_value_heads);
    out->delta.out = place_floats(layout, t * p->value_width);
    out->delta.aside =
        place_floats(layout, (size_t)PASS_SEQUENCES_MAX * p->value_width * p->state_dim);
    end = larger(end, layout->offset);
    layout->offset = begin;
    out->ffn.gate = place_floats(layout, t * p->max_ff);
    out->ffn.up = place_floats(layout, t * p->max_ff);
    layout->offset = larger(end, layout->offset);
}

static void place_all(struct scratch *out, struct layout *layout,
                      const struct hyperparameters *p, const struct weights *weights,
                      enum kernel_level level)
{
    const size_t t = out->max_tokens;

    out->frequencies = place(layout, p->n_rotary / 2, sizeof(double));
    out->cosine = place_floats(layout, t * p->n_rotary / 2);
    out->sine = place_floats(layout, t * p->n_rotary / 2);
    out->hidden = place_floats(layout, t * p->n_embd);
    out->normed = place_floats(layout, t * 2 * p->n_embd);
    for (int form = 0; form < ACTIVATION_FORM_COUNT; form++)
        out->activation[form] =
            place(layout, activation_bytes(weights, level, form, out->max_tokens), 1);
    out->rows = place(layout, t, sizeof *out->rows);
    out->head = place(layout, 1, sizeof *out->head);
    place_groups(out, layout, p);
}

enum status scratch_init(struct scratch *out, const struct hyperparameters *parameters,
                         const struct weights *weights, enum kernel_level level,
                         uint32_t max_tokens, struct error *error)
{
    struct layout layout = {NULL, 0};
    void *memory;

    memset(out, 0, sizeof *out);
    out->max_tokens = max_tokens;
    place_all(out, &layout, parameters, weights, level);
    memory = mmap(NULL, layout.offset, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        memset(out, 0, sizeof *out);
        return error_set(error, STATUS_NO_MEMORY, "no memory for passes of %u tokens",
                         max_tokens);
    }
    madvise(memory, layout.offset,
            MADV_HUGEPAGE); /* a tile of outputs has rows on many pages */
    out->memory = memory;
    out->n_bytes = layout.offset;
    layout = (struct layout){memory, 0};
    place_all(out, &layout, parameters, weights, level);
    for (int i = 0; i < HEAD_LOCKS; i++)
        pthread_mutex_init(&out->head->locks[i], NULL);
    rope_frequencies(parameters->n_rotary, (double)parameters->rope_base,
                     (double)parameters->rope_factor, out->frequencies);
    return STATUS_OK;
}

void scratch_release(struct scratch *scratch)
{
    if (scratch->memory) {
        for (int i = 0; i < HEAD_LOCKS; i++)
            pthread_mutex_destroy(&scratch->head->locks[i]);
        munmap(scratch->memory, scratch->n_bytes);
    }
    memset(scratch, 0, sizeof *scratch);
}
