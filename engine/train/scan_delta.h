/*
 * scan_delta.h - the gated delta rule along a sequence, forward and back; included by scan_*.c
 *
 * The lanes are value columns, which do not mix.  Sums over the rows of a state run in 4 chains
 * (row i in chain i mod 4) that are added (0 + 1) + (2 + 3); sums over columns run over 16 lanes
 * in ascending columns.  So the order does not depend on how many columns are in registers at a
 * time (SCAN_WIDTH vectors).
 */

/* 4 chains for each of `width` vectors, as named variables: gcc keeps arrays of them in memory. */
#define CHAINS_DECLARE(name)                                                                   \
    lanes name##00 = lanes_zero(), name##10 = lanes_zero(), name##20 = lanes_zero(),           \
          name##30 = lanes_zero(), name##01 = lanes_zero(), name##11 = lanes_zero(),           \
          name##21 = lanes_zero(), name##31 = lanes_zero()
#define CHAINS_SUM(name, w)                                                                    \
    lanes_add(lanes_add(name##0##w, name##1##w), lanes_add(name##2##w, name##3##w))
/* F(chain, w) for 4 rows and up to two vectors */
#define CHAINS_VECTOR(F, w) F(0, w) F(1, w) F(2, w) F(3, w)
#define CHAINS_EACH(F, width)                                                                  \
    do {                                                                                       \
        CHAINS_VECTOR(F, 0)                                                                    \
        if ((width) == 2) {                                                                    \
            CHAINS_VECTOR(F, 1)                                                                \
        }                                                                                      \
    } while (0)

/* A token's arrays, padded with zeros. */
struct delta_token {
    const float *query, *key, *value; /* query NULL: no out wanted */
    float decay, beta;
    float *residual; /* out: v - r */
    float *out;
};

/* after = decay before + k delta^T for `width` vectors of columns. */
INLINE void delta_step_columns(const struct delta_layout *layout,
                               const struct delta_token *token, const float *before,
                               float *after, size_t column, const int width,
                               const bool wants_out)
{
    const size_t stride = layout->n_columns, n_rows = layout->n_rows;
    const lanes decay = lanes_set(token->decay), beta = lanes_set(token->beta);
    CHAINS_DECLARE(read);
    CHAINS_DECLARE(sum);

    for (size_t i = 0; i < n_rows; i += SCAN_ROW_CHAINS) {
        const float *row = before + i * stride + column, *key = token->key + i;
#define READ(c, w)                                                                             \
    read##c##w = lanes_fma(lanes_load(row + c * stride + w * SCAN_LANES), lanes_set(key[c]),   \
                           read##c##w);
        CHAINS_EACH(READ, width);
#undef READ
    }

    lanes delta0 = lanes_zero(), delta1 = lanes_zero();
#define DELTA(w)                                                                               \
    do {                                                                                       \
        lanes value = lanes_load(token->value + column + w * SCAN_LANES);                      \
        lanes residual = lanes_subtract(value, lanes_multiply(decay, CHAINS_SUM(read, w)));    \
        lanes_store(token->residual + column + w * SCAN_LANES, residual);                      \
        delta##w = lanes_multiply(beta, residual);                                             \
    } while (0)
    DELTA(0);
    if (width == 2)
        DELTA(1);
#undef DELTA

    for (size_t i = 0; i < n_rows; i += SCAN_ROW_CHAINS) {
        const float *row = before + i * stride + column, *key = token->key + i;
        const float *query = token->query + (wants_out ? i : 0);
        float *next = after + i * stride + column;
#define STEP(c, w)                                                                             \
    do {                                                                                       \
        lanes state = lanes_multiply(decay, lanes_load(row + c * stride + w * SCAN_LANES));    \
        state = lanes_fma(lanes_set(key[c]), delta##w, state);                                 \
        lanes_store(next + c * stride + w * SCAN_LANES, state);                                \
        if (wants_out)                                                                         \
            sum##c##w = lanes_fma(state, lanes_set(query[c]), sum##c##w);                      \
    } while (0);
        CHAINS_EACH(STEP, width);
#undef STEP
    }
    if (wants_out) {
        lanes_store(token->out + column, CHAINS_SUM(sum, 0));
        if (width == 2)
            lanes_store(token->out + column + SCAN_LANES, CHAINS_SUM(sum, 1));
    }
}

INLINE void delta_step(const struct delta_layout *layout, const struct delta_token *token,
                       const float *before, float *after, const bool wants_out)
{
    size_t column = 0;

    if (SCAN_WIDTH == 2)
        for (; column + 2 * SCAN_LANES <= layout->n_columns; column += 2 * SCAN_LANES)
            delta_step_columns(layout, token, before, after, column, 2, wants_out);
    for (; column < layout->n_columns; column += SCAN_LANES)
        delta_step_columns(layout, token, before, after, column, 1, wants_out);
}

static void delta_forward(const struct delta_scan *scan)
{
    const struct delta_layout layout = delta_layout_of(scan->n_key, scan->n_value, scan->chunk);
    float *scratch = scan->scratch, *state = scratch + layout.states;
    const struct delta_token base = {.query = scratch + layout.query,
                                     .key = scratch + layout.key,
                                     .value = scratch + layout.value,
                                     .residual = scratch + layout.residuals,
                                     .out = scratch + layout.out};

    memset(state, 0, layout.n_state * sizeof *state);
    memset(scratch + layout.query, 0, (layout.total - layout.query) * sizeof *scratch);
    for (size_t t = 0; t < scan->n_tokens; t++) {
        struct delta_token token = base;
        if (scan->checkpoints && t % scan->chunk == 0)
            memcpy(scan->checkpoints + t / scan->chunk * layout.n_state, state,
                   layout.n_state * sizeof *state);
        copy_row(scan->query + t * scan->query_stride, scratch + layout.query, scan->n_key);
        copy_row(scan->key + t * scan->key_stride, scratch + layout.key, scan->n_key);
        copy_row(scan->value + t * scan->value_stride, scratch + layout.value, scan->n_value);
        token.decay = scan->decay[t * scan->decay_stride];
        token.beta = scan->beta[t * scan->beta_stride];
        delta_step(&layout, &token, state, state, true);
        copy_row(scratch + layout.out, scan->out + t * scan->out_stride, scan->n_value);
    }
}

/* What the way back through one token reads and writes, padded. */
struct delta_back {
    const float *query, *key, *residual, *d_out;
    const float *before, *after; /* the states around the token */
    float decay, beta;
    float *gradient;              /* of the state: after the token, then before it */
    float *query_sums, *key_sums; /* [n_rows][16] lanes of d_query, d_key; added to */
    float *d_value, *d_read;      /* [n_columns]; d_read = -d_value */
};

/* dS += q do^T and what follows from it: sums of d_query, d_key; d_value; returns d_beta's lanes. */
INLINE lanes delta_back_out(const struct delta_layout *layout, const struct delta_back *back,
                            size_t column, const int width, lanes d_beta)
{
    const size_t stride = layout->n_columns;
    const float *d_out_row = back->d_out + column, *residual_row = back->residual + column;
    const lanes beta = lanes_set(back->beta);
    const lanes d_out0 = lanes_load(d_out_row);
    const lanes d_out1 = width == 2 ? lanes_load(d_out_row + SCAN_LANES) : lanes_zero();
    const lanes residual0 = lanes_load(residual_row);
    const lanes residual1 = width == 2 ? lanes_load(residual_row + SCAN_LANES) : lanes_zero();
    const lanes delta0 = lanes_multiply(beta, residual0);
    const lanes delta1 = lanes_multiply(beta, residual1);
    CHAINS_DECLARE(d_delta);

    for (size_t i = 0; i < layout->n_rows; i += SCAN_ROW_CHAINS) {
        const float *after = back->after + i * stride + column;
        float *gradient = back->gradient + i * stride + column;
#define OUT_BACK(c, w)                                                                         \
    {                                                                                          \
        float *place = gradient + c * stride + w * SCAN_LANES;                                 \
        lanes g = lanes_fma(lanes_set(back->query[i + c]), d_out##w, lanes_load(place));       \
        lanes_store(place, g);                                                                 \
        query_sum =                                                                            \
            lanes_fma(lanes_load(after + c * stride + w * SCAN_LANES), d_out##w, query_sum);   \
        d_delta##c##w = lanes_fma(g, lanes_set(back->key[i + c]), d_delta##c##w);              \
        key_sum = lanes_fma(g, delta##w, key_sum);                                             \
    }
#define OUT_BACK_ROW(c)                                                                        \
    {                                                                                          \
        float *query_place = back->query_sums + (i + c) * SCAN_LANES;                          \
        float *key_place = back->key_sums + (i + c) * SCAN_LANES;                              \
        lanes query_sum = lanes_load(query_place), key_sum = lanes_load(key_place);            \
        OUT_BACK(c, 0)                                                                         \
        if (width == 2)                                                                        \
            OUT_BACK(c, 1)                                                                     \
        lanes_store(query_place, query_sum);                                                   \
        lanes_store(key_place, key_sum);                                                       \
    }
        OUT_BACK_ROW(0)
        OUT_BACK_ROW(1)
        OUT_BACK_ROW(2)
        OUT_BACK_ROW(3)
#undef OUT_BACK_ROW
#undef OUT_BACK
    }
#define DELTA_BACK(w)                                                                          \
    do {                                                                                       \
        lanes d_delta = CHAINS_SUM(d_delta, w);                                                \
        lanes d_value = lanes_multiply(beta, d_delta);                                         \
        lanes_store(back->d_value + column + w * SCAN_LANES, d_value);                         \
        lanes_store(back->d_read + column + w * SCAN_LANES,                                    \
                    lanes_subtract(lanes_zero(), d_value));                                    \
        d_beta = lanes_fma(d_delta, residual##w, d_beta);                                      \
    } while (0)
    DELTA_BACK(0);
    if (width == 2)
        DELTA_BACK(1);
#undef DELTA_BACK
    return d_beta;
}

/* dS' = dS + k dr^T, then dS before = decay dS'; returns d_decay's lanes. */
INLINE lanes delta_back_decay(const struct delta_layout *layout, const struct delta_back *back,
                              size_t column, const int width, lanes d_decay)
{
    const size_t stride = layout->n_columns;
    const lanes decay = lanes_set(back->decay);
    const lanes read0 = lanes_load(back->d_read + column);
    const lanes read1 =
        width == 2 ? lanes_load(back->d_read + column + SCAN_LANES) : lanes_zero();
    const lanes decayed0 = lanes_multiply(decay, read0);
    const lanes decayed1 = lanes_multiply(decay, read1);
    CHAINS_DECLARE(sum);

    for (size_t i = 0; i < layout->n_rows; i += SCAN_ROW_CHAINS) {
        const float *before = back->before + i * stride + column;
        float *gradient = back->gradient + i * stride + column;
#define DECAY_BACK(c, w)                                                                       \
    {                                                                                          \
        float *place = gradient + c * stride + w * SCAN_LANES;                                 \
        lanes state = lanes_load(before + c * stride + w * SCAN_LANES);                        \
        lanes g = lanes_fma(lanes_set(back->key[i + c]), read##w, lanes_load(place));          \
        key_sum = lanes_fma(state, decayed##w, key_sum);                                       \
        sum##c##w = lanes_fma(g, state, sum##c##w);                                            \
        lanes_store(place, lanes_multiply(decay, g));                                          \
    }
#define DECAY_BACK_ROW(c)                                                                      \
    {                                                                                          \
        float *key_place = back->key_sums + (i + c) * SCAN_LANES;                              \
        lanes key_sum = lanes_load(key_place);                                                 \
        DECAY_BACK(c, 0)                                                                       \
        if (width == 2)                                                                        \
            DECAY_BACK(c, 1)                                                                   \
        lanes_store(key_place, key_sum);                                                       \
    }
        DECAY_BACK_ROW(0)
        DECAY_BACK_ROW(1)
        DECAY_BACK_ROW(2)
        DECAY_BACK_ROW(3)
#undef DECAY_BACK_ROW
#undef DECAY_BACK
    }
    d_decay = lanes_add(d_decay, CHAINS_SUM(sum, 0));
    return width == 2 ? lanes_add(d_decay, CHAINS_SUM(sum, 1)) : d_decay;
}

/* Add what one token gives to the gradients that are wanted. */
static void delta_add_gradients(const struct delta_scan *scan, const struct delta_back *back,
                                size_t t, lanes d_decay, lanes d_beta)
{
    if (scan->d_query)
        add_row_sums(back->query_sums, scan->d_query + t * scan->query_stride, scan->n_key);
    if (scan->d_key)
        add_row_sums(back->key_sums, scan->d_key + t * scan->key_stride, scan->n_key);
    if (scan->d_value)
        add_row(back->d_value, scan->d_value + t * scan->value_stride, scan->n_value);
    if (scan->d_decay)
        scan->d_decay[t * scan->decay_stride] += lanes_sum(d_decay);
    if (scan->d_beta)
        scan->d_beta[t * scan->beta_stride] += lanes_sum(d_beta);
}

/* Token t back. */
static void delta_back_token(const struct delta_layout *layout, const struct delta_back *back,
                             const struct delta_scan *scan, size_t t)
{
    const size_t n_columns = layout->n_columns;
    lanes d_beta = lanes_zero(), d_decay = lanes_zero();
    size_t column = 0;

    memset(back->query_sums, 0, layout->n_rows * SCAN_LANES * sizeof(float));
    memset(back->key_sums, 0, layout->n_rows * SCAN_LANES * sizeof(float));
    if (SCAN_WIDTH == 2)
        for (; column + 2 * SCAN_LANES <= n_columns; column += 2 * SCAN_LANES)
            d_beta = delta_back_out(layout, back, column, 2, d_beta);
    for (; column < n_columns; column += SCAN_LANES)
        d_beta = delta_back_out(layout, back, column, 1, d_beta);
    column = 0;
    if (SCAN_WIDTH == 2)
        for (; column + 2 * SCAN_LANES <= n_columns; column += 2 * SCAN_LANES)
            d_decay = delta_back_decay(layout, back, column, 2, d_decay);
    for (; column < n_columns; column += SCAN_LANES)
        d_decay = delta_back_decay(layout, back, column, 1, d_decay);
    delta_add_gradients(scan, back, t, d_decay, d_beta);
}

/* The states and residuals of a chunk, from the state before it. */
static void delta_recompute(const struct delta_scan *scan, const struct delta_layout *layout,
                            size_t first, size_t count)
{
    float *scratch = scan->scratch, *states = scratch + layout->states;

    memcpy(states, scan->checkpoints + first / scan->chunk * layout->n_state,
           layout->n_state * sizeof *states);
    for (size_t i = 0; i < count; i++) {
        const size_t t = first + i;
        const struct delta_token token = {.key = scratch + layout->key,
                                          .value = scratch + layout->value,
                                          .decay = scan->decay[t * scan->decay_stride],
                                          .beta = scan->beta[t * scan->beta_stride],
                                          .residual = scratch + layout->residuals +
                                                      i * layout->n_columns};
        float *before = states + i * layout->n_state;

        copy_row(scan->key + t * scan->key_stride, scratch + layout->key, scan->n_key);
        copy_row(scan->value + t * scan->value_stride, scratch + layout->value, scan->n_value);
        delta_step(layout, &token, before, before + layout->n_state, false);
    }
}

static void delta_backward(const struct delta_scan *scan)
{
    const struct delta_layout layout = delta_layout_of(scan->n_key, scan->n_value, scan->chunk);
    float *scratch = scan->scratch;
    struct delta_back back = {.query = scratch + layout.query,
                              .key = scratch + layout.key,
                              .d_out = scratch + layout.out,
                              .gradient = scratch + layout.gradient,
                              .query_sums = scratch + layout.query_sums,
                              .key_sums = scratch + layout.key_sums,
                              .d_value = scratch + layout.value,
                              .d_read = scratch + layout.read_gradient};

    memset(scratch + layout.gradient, 0, layout.n_state * sizeof *scratch);
    for (size_t end = scan->n_tokens; end;) {
        const size_t first = (end - 1) / scan->chunk * scan->chunk;
        /* the value's place serves d_value too: its padding comes out as zero again */
        memset(scratch + layout.query, 0, (layout.total - layout.query) * sizeof *scratch);
        delta_recompute(scan, &layout, first, end - first);
        for (size_t t = end; t-- > first;) {
            const size_t i = t - first;
            copy_row(scan->query + t * scan->query_stride, scratch + layout.query, scan->n_key);
            copy_row(scan->key + t * scan->key_stride, scratch + layout.key, scan->n_key);
            copy_row(scan->d_out + t * scan->out_stride, scratch + layout.out, scan->n_value);
            back.residual = scratch + layout.residuals + i * layout.n_columns;
            back.before = scratch + layout.states + i * layout.n_state;
            back.after = back.before + layout.n_state;
            back.decay = scan->decay[t * scan->decay_stride];
            back.beta = scan->beta[t * scan->beta_stride];
            delta_back_token(&layout, &back, scan, t);
        }
        end = first;
    }
}
