/*
 * state.c - reserving, resetting and committing a session's state
 */
#include "engine/state/state.h"

#include "engine/file/checked.h"
#include "engine/kernels/kernels.h"
#include "engine/model/hyperparameters.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t element_bytes(const struct state *state)
{
    return state->half ? sizeof(uint16_t) : sizeof(float);
}

/* Zeroed, aligned to pages, backed when touched; NULL: no memory or nothing wanted. */
static void *reserve(size_t n_bytes)
{
    void *region;

    if (n_bytes == 0)
        return NULL;
    region = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return region == MAP_FAILED ? NULL : region;
}

static void unreserve(void *region, size_t n_bytes)
{
    if (region)
        munmap(region, n_bytes);
}

/* Offsets of all layers; false: they exceed the address space. */
static bool lay_out(struct state *state)
{
    const struct hyperparameters *p = state->parameters;
    const uint64_t head_bytes = (uint64_t)state->capacity * p->head_dim * element_bytes(state);
    uint64_t kv = 0, rows;

    for (uint32_t i = 0; i < p->n_layers + p->n_mtp; i++) {
        struct layer_state *layer = &state->layers[i];
        if (p->layers[i].recurrent) {
            layer->recurrent = state->n_recurrent;
            layer->convolution = state->n_convolution;
            layer->ordinal = state->n_recurrent_layers++;
            state->n_recurrent += (size_t)p->value_width * p->state_dim;
            state->n_convolution += (size_t)(p->n_taps - 1) * p->conv_width;
            continue;
        }
        if (!checked_multiply(p->layers[i].n_head_kv, head_bytes, &rows))
            return false;
        layer->key = kv;
        layer->value = kv + rows;
        if (!checked_add(kv, 2 * rows, &kv) || kv > PTRDIFF_MAX)
            return false;
    }
    state->kv_bytes = kv;
    return true;
}

/*
 * A huge page backs thousands of positions of one head at once, too much for a short text; but
 * reading small ones costs a fifth of the bandwidth.  So each head has small pages at first.
 */
static void advise_pages(const struct state *state)
{
    const struct hyperparameters *p = state->parameters;
    const uintptr_t huge = (uintptr_t)2 << 20;
    const size_t head_bytes = (size_t)state->capacity * p->head_dim * element_bytes(state);

    madvise(state->kv, state->kv_bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < state->kv_bytes; at += head_bytes) {
        const uintptr_t begin = (uintptr_t)state->kv + at, end = begin + head_bytes;
        const uintptr_t first = (begin + 2 * huge - 1) / huge * huge, last = end / huge * huge;
        if (first < last)
            madvise((void *)first, last - first, MADV_HUGEPAGE);
    }
}

static size_t log_bytes(const struct state *state)
{
    return (size_t)state->n_recurrent_layers * VERIFY_ROWS_MAX * state->row_floats *
           sizeof(float);
}

static bool reserve_logs(struct state *state)
{
    const struct hyperparameters *p = state->parameters;
    const size_t floats =
        (size_t)p->conv_width + p->key_width + p->value_width + p->n_value_heads;

    if (state->n_recurrent_layers == 0)
        return true;
    state->row_floats =
        (floats + GROUP_ROWS - 1) / GROUP_ROWS * GROUP_ROWS; /* rows begin with a cache line */
    state->n_applied =
        (size_t)state->n_recurrent_layers *
        ((size_t)p->n_value_heads * (p->state_dim / DELTA_SLICE) + p->n_key_heads);
    state->applied = checked_allocate_zeroed(state->n_applied, 1);
    for (int i = 0; i < 2; i++)
        state->logs[i].rows = reserve(log_bytes(state));
    return state->applied && state->logs[0].rows && state->logs[1].rows;
}

enum status state_init(struct state *out, const struct hyperparameters *parameters,
                       const struct kernels *kernels, uint32_t n_context, bool half,
                       struct error *error)
{
    const struct hyperparameters *p = parameters;
    struct state *state = out;
    bool done;

    *state = (struct state){
        .parameters = p, .kernels = kernels, .n_context = n_context, .half = half};
    state->capacity = (n_context + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK * ATTENTION_BLOCK;
    state->layers = checked_allocate_zeroed(p->n_layers + p->n_mtp, sizeof *state->layers);
    state->tokens = reserve(n_context * sizeof *state->tokens);
    done = state->layers && state->tokens && lay_out(state);
    if (done) {
        state->kv = reserve(state->kv_bytes);
        done = state->kv || state->kv_bytes == 0;
    }
    for (int i = 0; i < 2 && done; i++) {
        state->recurrent[i] = reserve(state->n_recurrent * sizeof(float));
        state->convolution[i] = reserve(state->n_convolution * sizeof(float));
        if (state->recurrent[i])
            madvise(state->recurrent[i], state->n_recurrent * sizeof(float), MADV_HUGEPAGE);
        done = state->n_recurrent == 0 || (state->recurrent[i] && state->convolution[i]);
    }
    done = done && reserve_logs(state);
    if (done && state->kv)
        advise_pages(state);
    if (done)
        return STATUS_OK;
    state_release(state);
    return error_set(error, STATUS_NO_MEMORY, "no memory for the state of %u positions",
                     n_context);
}

void state_release(struct state *state)
{
    unreserve(state->tokens, state->n_context * sizeof *state->tokens);
    unreserve(state->kv, state->kv_bytes);
    for (int i = 0; i < 2; i++) {
        unreserve(state->recurrent[i], state->n_recurrent * sizeof(float));
        unreserve(state->convolution[i], state->n_convolution * sizeof(float));
        unreserve(state->logs[i].rows, log_bytes(state));
    }
    free(state->applied);
    free(state->hidden.rows);
    free(state->hidden.drafted);
    free(state->layers);
    memset(state, 0, sizeof *state);
}

void state_reset(struct state *state)
{
    if (state->n_recurrent > 0) {
        memset(state->recurrent[state->live], 0, state->n_recurrent * sizeof(float));
        memset(state->convolution[state->live], 0, state->n_convolution * sizeof(float));
    }
    state_forget(state);
    state->position = state->settled = 0;
    state->n_mtp_rows = 0;
    state->lost = false;
}

uint64_t state_bytes(const struct state *state)
{
    uint64_t fixed, half_row;

    state_cost(state->parameters, &fixed, &half_row);
    fixed += (uint64_t)state->hidden.capacity * state->parameters->n_embd * sizeof(float);
    for (int i = 0; i < 2; i++)
        fixed += (uint64_t)state->logs[i].most * state->n_recurrent_layers * state->row_floats *
                 sizeof(float);
    return fixed + state->position * (half_row * element_bytes(state) / sizeof(uint16_t) +
                                      sizeof *state->tokens);
}

void state_cost(const struct hyperparameters *parameters, uint64_t *fixed_bytes,
                uint64_t *half_bytes_per_token)
{
    const struct hyperparameters *p = parameters;
    const uint64_t recurrent = (uint64_t)p->value_width * p->state_dim;
    const uint64_t convolution = (uint64_t)(p->n_taps - 1) * p->conv_width;

    *fixed_bytes = *half_bytes_per_token = 0;
    for (uint32_t i = 0; i < p->n_layers; i++) {
        if (p->layers[i].recurrent)
            *fixed_bytes += (recurrent + convolution) * sizeof(float);
        else
            *half_bytes_per_token +=
                2 * sizeof(uint16_t) * (uint64_t)p->layers[i].n_head_kv * p->head_dim;
    }
}

void *state_key(const struct state *state, uint32_t layer, uint32_t head)
{
    return state->kv + state->layers[layer].key +
           (size_t)head * state->capacity * state->parameters->head_dim * element_bytes(state);
}

void *state_value(const struct state *state, uint32_t layer, uint32_t head)
{
    return state->kv + state->layers[layer].value +
           (size_t)head * state->capacity * state->parameters->head_dim * element_bytes(state);
}
