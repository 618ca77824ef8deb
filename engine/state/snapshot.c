/*
 * snapshot.c - a copy of a state, packed without gaps
 *
 * Content, one block: rows of K and V of each attention layer and head up to the position, then
 * the live recurrent and convolution state, then, where it was kept, the hidden row that the
 * next pair of the MTP block needs.  The block of two equal states is equal byte for byte.
 */
#include "engine/session.h"
#include "engine/state/state.h"

#include "engine/file/checked.h"
#include "engine/model/hyperparameters.h"

#include <stdlib.h>
#include <string.h>

struct snapshot {
    const struct hyperparameters *parameters; /* whose state it is: compared, never read */
    bool half, has_hidden;
    uint32_t position, n_mtp_rows;
    int32_t *tokens;        /* owns; [position] */
    unsigned char *content; /* owns */
    size_t n_bytes;
};

/* Rows of a layer that count. */
static uint32_t row_count(const struct state *state, uint32_t layer)
{
    return layer < state->parameters->n_layers ? state->position : state->n_mtp_rows;
}

/* Visits every run of bytes of the state in the order of the content. */
typedef void (*run_visitor)(void *context, void *bytes, size_t n_bytes);

static void visit(const struct state *state, run_visitor visitor, void *context)
{
    const struct hyperparameters *p = state->parameters;
    const size_t row_bytes = p->head_dim * (state->half ? sizeof(uint16_t) : sizeof(float));

    for (uint32_t layer = 0; layer < p->n_layers + p->n_mtp; layer++) {
        const size_t n_bytes = row_count(state, layer) * row_bytes;
        if (n_bytes == 0)
            continue;
        for (uint32_t head = 0; head < p->layers[layer].n_head_kv; head++) {
            visitor(context, state_key(state, layer, head), n_bytes);
            visitor(context, state_value(state, layer, head), n_bytes);
        }
    }
    if (state->n_recurrent > 0) {
        visitor(context, state->recurrent[state->live], state->n_recurrent * sizeof(float));
        visitor(context, state->convolution[state->live], state->n_convolution * sizeof(float));
    }
}

/* The hidden row before the position; NULL: not kept. */
static float *last_hidden(const struct state *state)
{
    const struct hidden_rows *hidden = &state->hidden;

    if (!hidden->rows || state->position <= hidden->first ||
        state->position > hidden->first + hidden->n)
        return NULL;
    return hidden->rows +
           (state->position - 1 - hidden->first) * (size_t)state->parameters->n_embd;
}

static void count_run(void *context, void *bytes, size_t n_bytes)
{
    (void)bytes;
    *(size_t *)context += n_bytes;
}

static void save_run(void *context, void *bytes, size_t n_bytes)
{
    unsigned char **cursor = context;

    memcpy(*cursor, bytes, n_bytes);
    *cursor += n_bytes;
}

static void load_run(void *context, void *bytes, size_t n_bytes)
{
    const unsigned char **cursor = context;

    memcpy(bytes, *cursor, n_bytes);
    *cursor += n_bytes;
}

enum status state_snapshot(struct state *state, struct snapshot **out, struct error *error)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    size_t n_bytes = 0;
    unsigned char *cursor;
    float *hidden;

    *out = NULL;
    if (state->lost) {
        free(snapshot);
        return error_set(error, STATUS_FAILED, "the state was lost by an earlier failure");
    }
    state_settle(state);
    visit(state, count_run, &n_bytes);
    hidden = last_hidden(state);
    if (hidden)
        count_run(&n_bytes, hidden, state->parameters->n_embd * sizeof *hidden);
    if (snapshot) {
        *snapshot = (struct snapshot){.parameters = state->parameters,
                                      .half = state->half,
                                      .has_hidden = hidden != NULL,
                                      .position = state->position,
                                      .n_mtp_rows = state->n_mtp_rows,
                                      .n_bytes = n_bytes};
        snapshot->content = malloc(n_bytes ? n_bytes : 1);
        snapshot->tokens = malloc((state->position + 1) * sizeof *snapshot->tokens);
    }
    if (!snapshot || !snapshot->content || !snapshot->tokens) {
        snapshot_free(&snapshot);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a snapshot of %zu bytes",
                         n_bytes);
    }
    memcpy(snapshot->tokens, state->tokens, state->position * sizeof *snapshot->tokens);
    cursor = snapshot->content;
    visit(state, save_run, &cursor);
    if (hidden)
        save_run(&cursor, hidden, state->parameters->n_embd * sizeof *hidden);
    *out = snapshot;
    return STATUS_OK;
}

enum status state_restore(struct state *state, const struct snapshot *snapshot,
                          struct error *error)
{
    const unsigned char *cursor = snapshot->content;

    if (snapshot->parameters != state->parameters || snapshot->half != state->half)
        return error_set(error, STATUS_USAGE,
                         "the snapshot is of another model or another K/V type");
    if (snapshot->position > state->n_context)
        return error_set(error, STATUS_CONTEXT_FULL,
                         "the snapshot has %u positions, the context %u", snapshot->position,
                         state->n_context);
    state_forget(state);
    state->position = state->settled = snapshot->position;
    state->n_mtp_rows = snapshot->n_mtp_rows;
    state->lost = false;
    memcpy(state->tokens, snapshot->tokens, snapshot->position * sizeof *state->tokens);
    visit(state, load_run, &cursor);
    if (snapshot->has_hidden && state->hidden.rows) {
        load_run(&cursor, state->hidden.rows,
                 state->parameters->n_embd * sizeof *state->hidden.rows);
        state->hidden.first = state->position - 1;
        state->hidden.n = 1;
    }
    return STATUS_OK;
}

uint32_t snapshot_position(const struct snapshot *snapshot)
{
    return snapshot->position;
}

const int32_t *snapshot_tokens(const struct snapshot *snapshot)
{
    return snapshot->tokens;
}

uint64_t snapshot_bytes(const struct snapshot *snapshot)
{
    return snapshot->n_bytes + snapshot->position * sizeof *snapshot->tokens;
}

bool snapshot_equal(const struct snapshot *a, const struct snapshot *b)
{
    return a->parameters == b->parameters && a->half == b->half &&
           a->has_hidden == b->has_hidden && a->position == b->position &&
           a->n_mtp_rows == b->n_mtp_rows && a->n_bytes == b->n_bytes &&
           memcmp(a->tokens, b->tokens, a->position * sizeof *a->tokens) == 0 &&
           memcmp(a->content, b->content, a->n_bytes) == 0;
}

void snapshot_free(struct snapshot **snapshot)
{
    if (!snapshot || !*snapshot)
        return;
    free((*snapshot)->tokens);
    free((*snapshot)->content);
    free(*snapshot);
    *snapshot = NULL;
}
