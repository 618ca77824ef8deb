/*
 * scan_attention.h - causal attention along a sequence, forward and back; included by scan_*.c
 *
 * Scores are kept for 16 queries at a time and computed again on the way back, so that memory
 * grows with the length of a sequence, not its square (Dao et al., FlashAttention, keep the same
 * numbers: the log of each total, and the dot of out and its gradient).  All products are one
 * function of small tiles; an element is one chain of fused multiply-adds in ascending order.
 */

/* Rows of a left matrix with any strides, and padded right and result matrices of whole vectors. */
struct attention_product {
    const float *a;
    size_t a_row, a_column;
    const float *b;
    size_t b_row;
    float *c;
    size_t c_row;
    size_t n_inner;
    bool accumulate;
};

#define TILE_ROW(F, r)                                                                         \
    if (rows > r) {                                                                            \
        F(r, 0)                                                                                \
        if (width == 2) {                                                                      \
            F(r, 1)                                                                            \
        }                                                                                      \
    }
#define TILE(F)                                                                                \
    TILE_ROW(F, 0)                                                                             \
    TILE_ROW(F, 1)                                                                             \
    TILE_ROW(F, 2)                                                                             \
    TILE_ROW(F, 3)                                                                             \
    TILE_ROW(F, 4)                                                                             \
    TILE_ROW(F, 5)                                                                             \
    TILE_ROW(F, 6)                                                                             \
    TILE_ROW(F, 7)

/* c[rows][width vectors] from one row and one column on */
INLINE void attention_tile(const struct attention_product *product, size_t row, size_t column,
                           const int rows, const int width)
{
    const float *a = product->a + row * product->a_row, *b = product->b + column;
    const size_t a_row = product->a_row, c_row = product->c_row;
    float *c = product->c + row * product->c_row + column;
    lanes sum00 = lanes_zero(), sum10 = sum00, sum20 = sum00, sum30 = sum00, sum40 = sum00,
          sum50 = sum00, sum60 = sum00, sum70 = sum00, sum01 = sum00, sum11 = sum00,
          sum21 = sum00, sum31 = sum00, sum41 = sum00, sum51 = sum00, sum61 = sum00,
          sum71 = sum00;

    if (product->accumulate) {
#define TILE_LOAD(r, w) sum##r##w = lanes_load(c + r * c_row + w * SCAN_LANES);
        TILE(TILE_LOAD)
#undef TILE_LOAD
    }
    for (size_t k = 0; k < product->n_inner; k++) {
        const lanes b0 = lanes_load(b);
        const lanes b1 = width == 2 ? lanes_load(b + SCAN_LANES) : lanes_zero();
#define TILE_STEP(r, w) sum##r##w = lanes_fma(lanes_set(a[r * a_row]), b##w, sum##r##w);
        TILE(TILE_STEP)
#undef TILE_STEP
        (void)b1;
        a += product->a_column;
        b += product->b_row;
    }
#define TILE_STORE(r, w) lanes_store(c + r * c_row + w * SCAN_LANES, sum##r##w);
    TILE(TILE_STORE)
#undef TILE_STORE
}

INLINE void attention_tile_column(const struct attention_product *product, size_t n_rows,
                                  size_t column, const int width)
{
    size_t row = 0;

    for (; row + SCAN_TILE_ROWS <= n_rows; row += SCAN_TILE_ROWS)
        attention_tile(product, row, column, SCAN_TILE_ROWS, width);
    for (; row + 2 <= n_rows; row += 2)
        attention_tile(product, row, column, 2, width);
    if (row < n_rows)
        attention_tile(product, row, column, 1, width);
}

/* c = a b or c += a b; n_columns: a multiple of 16 */
static void attention_multiply(const struct attention_product *product, size_t n_rows,
                               size_t n_columns)
{
    size_t column = 0;

    if (SCAN_WIDTH == 2)
        for (; column + 2 * SCAN_LANES <= n_columns; column += 2 * SCAN_LANES)
            attention_tile_column(product, n_rows, column, 2);
    for (; column < n_columns; column += SCAN_LANES)
        attention_tile_column(product, n_rows, column, 1);
}

/* The addresses in scratch, and a block of queries. */
struct attention_place {
    struct attention_layout layout;
    float *key, *value, *key_columns, *value_columns, *key_gradient, *value_gradient;
    float *query, *out, *query_gradient, *weights, *score_gradient;
    size_t first, n_rows, n_keys; /* queries first .., keys 0 .. n_keys - 1 (whole vectors) */
};

static struct attention_place attention_place_of(const struct attention_scan *scan)
{
    const struct attention_layout layout = attention_layout_of(scan->n_dim, scan->n_tokens);
    float *scratch = scan->scratch;

    return (struct attention_place){.layout = layout,
                                    .key = scratch + layout.key,
                                    .value = scratch + layout.value,
                                    .key_columns = scratch + layout.key_columns,
                                    .value_columns = scratch + layout.value_columns,
                                    .key_gradient = scratch + layout.key_gradient,
                                    .value_gradient = scratch + layout.value_gradient,
                                    .query = scratch + layout.query,
                                    .out = scratch + layout.out,
                                    .query_gradient = scratch + layout.query_gradient,
                                    .weights = scratch + layout.weights,
                                    .score_gradient = scratch + layout.score_gradient};
}

/* Rows with a stride to dense ones, padded with zeros. */
static void attention_copy(const float *from, size_t stride, size_t n_rows, size_t n,
                           size_t n_columns, float *to)
{
    for (size_t row = 0; row < n_rows; row++) {
        copy_row(from + row * stride, to + row * n_columns, n);
        for (size_t i = n; i < n_columns; i++)
            to[row * n_columns + i] = 0;
    }
}

/* Dense rows are added to rows with a stride, unless `to` is NULL. */
static void attention_add(const float *from, size_t n_columns, size_t n_rows, size_t n,
                          float *to, size_t stride)
{
    for (size_t row = 0; to && row < n_rows; row++)
        add_row(from + row * n_columns, to + row * stride, n);
}

/* to[column][row], rows padded with zeros to n_padded */
static void attention_transpose(const float *from, size_t stride, size_t n_rows, size_t n,
                                size_t n_padded, float *to)
{
    for (size_t first = 0; first < n_padded; first += SCAN_LANES) {
        size_t count = n_rows - first < SCAN_LANES ? n_rows - first : SCAN_LANES;
        transpose_rows(from + first * stride, stride, count, n, to + first, n_padded);
    }
}

static void attention_block(const struct attention_scan *scan, struct attention_place *place,
                            size_t first)
{
    size_t rest = scan->n_tokens - first;

    place->first = first;
    place->n_rows = rest < SCAN_QUERY_BLOCK ? rest : SCAN_QUERY_BLOCK;
    place->n_keys = first + SCAN_QUERY_BLOCK;
}

/* weights = query key^T for a block; what lies after a query's own key is masked later. */
static void attention_scores(const struct attention_scan *scan,
                             const struct attention_place *place)
{
    const struct attention_layout *layout = &place->layout;

    attention_copy(scan->query + place->first * scan->query_stride, scan->query_stride,
                   place->n_rows, scan->n_dim, layout->n_columns, place->query);
    const struct attention_product product = {.a = place->query,
                                              .a_row = layout->n_columns,
                                              .a_column = 1,
                                              .b = place->key_columns,
                                              .b_row = layout->n_keys,
                                              .c = place->weights,
                                              .c_row = layout->n_keys,
                                              .n_inner = scan->n_dim};
    attention_multiply(&product, place->n_rows, place->n_keys);
}

/* 0 for the lanes of the last vector that row r of a block may see, -infinity for the others */
INLINE lanes causal_mask(size_t row)
{
    static const float mask[2 * SCAN_LANES - 1] = {
        [16] = -INFINITE, -INFINITE, -INFINITE, -INFINITE, -INFINITE,
        -INFINITE,        -INFINITE, -INFINITE, -INFINITE, -INFINITE,
        -INFINITE,        -INFINITE, -INFINITE, -INFINITE, -INFINITE};

    return lanes_load(mask + SCAN_LANES - 1 - row);
}

/* Scaled and masked scores of one row of a block to exp(score - largest); returns their sum. */
static float attention_softmax(float *row, size_t n_keys, size_t r, float scale, float *largest)
{
    const lanes factor = lanes_set(scale);
    const size_t last = n_keys - SCAN_LANES;
    lanes most = lanes_add(lanes_multiply(lanes_load(row + last), factor), causal_mask(r));
    lanes total = lanes_zero();

    lanes_store(row + last, most);
    for (size_t j = 0; j < last; j += SCAN_LANES) {
        lanes score = lanes_multiply(lanes_load(row + j), factor);
        lanes_store(row + j, score);
        most = lanes_larger(score, most);
    }
    *largest = lanes_largest(most);
    most = lanes_set(*largest);
    for (size_t j = 0; j < n_keys; j += SCAN_LANES) {
        lanes weight = lanes_exp(lanes_subtract(lanes_load(row + j), most));
        lanes_store(row + j, weight);
        total = lanes_add(total, weight);
    }
    return lanes_sum(total);
}

static void attention_forward(const struct attention_scan *scan)
{
    struct attention_place place = attention_place_of(scan);
    const struct attention_layout *layout = &place.layout;
    float inverse[SCAN_QUERY_BLOCK];

    attention_transpose(scan->key, scan->key_stride, scan->n_tokens, scan->n_dim,
                        layout->n_keys, place.key_columns);
    attention_copy(scan->value, scan->value_stride, scan->n_tokens, scan->n_dim,
                   layout->n_columns, place.value);
    for (size_t first = 0; first < scan->n_tokens; first += SCAN_QUERY_BLOCK) {
        attention_block(scan, &place, first);
        attention_scores(scan, &place);
        for (size_t r = 0; r < place.n_rows; r++) {
            float largest, total = attention_softmax(place.weights + r * layout->n_keys,
                                                     place.n_keys, r, scan->scale, &largest);
            scan->log_totals[first + r] = largest + math_log(total);
            inverse[r] = 1.0f / total;
        }
        const struct attention_product product = {.a = place.weights,
                                                  .a_row = layout->n_keys,
                                                  .a_column = 1,
                                                  .b = place.value,
                                                  .b_row = layout->n_columns,
                                                  .c = place.out,
                                                  .c_row = layout->n_columns,
                                                  .n_inner = first + place.n_rows};
        attention_multiply(&product, place.n_rows, layout->n_columns);
        for (size_t r = 0; r < place.n_rows; r++)
            scale_row(place.out + r * layout->n_columns, inverse[r],
                      scan->out + (first + r) * scan->out_stride, scan->n_dim);
    }
}

/* weights: scores to probabilities; score_gradient: that of the probabilities to that of q.k */
static void attention_score_back(const struct attention_scan *scan,
                                 const struct attention_place *place, size_t r)
{
    const size_t t = place->first + r, n_keys = place->layout.n_keys;
    const size_t last = place->n_keys - SCAN_LANES;
    float *weights = place->weights + r * n_keys;
    float *gradient = place->score_gradient + r * n_keys;
    const lanes factor = lanes_set(scan->scale), log_total = lanes_set(scan->log_totals[t]);
    const lanes shared = lanes_set(dot_rows(scan->d_out + t * scan->out_stride,
                                            scan->out + t * scan->out_stride, scan->n_dim));

    for (size_t j = 0; j < place->n_keys; j += SCAN_LANES) {
        lanes score = lanes_multiply(lanes_load(weights + j), factor);
        if (j == last)
            score = lanes_add(score, causal_mask(r));
        lanes weight = lanes_exp(lanes_subtract(score, log_total));
        lanes slope = lanes_subtract(lanes_load(gradient + j), shared);
        lanes_store(weights + j, weight);
        lanes_store(gradient + j, lanes_multiply(lanes_multiply(weight, slope), factor));
    }
}

/* Gradients of a block's queries, and what they add to those of keys and values. */
static void attention_block_back(const struct attention_scan *scan,
                                 const struct attention_place *place)
{
    const struct attention_layout *layout = &place->layout;
    const size_t n_seen = place->first + place->n_rows;
    const struct attention_product query = {.a = place->score_gradient,
                                            .a_row = layout->n_keys,
                                            .a_column = 1,
                                            .b = place->key,
                                            .b_row = layout->n_columns,
                                            .c = place->query_gradient,
                                            .c_row = layout->n_columns,
                                            .n_inner = n_seen};
    struct attention_product transposed = {.a = place->score_gradient,
                                           .a_row = 1,
                                           .a_column = layout->n_keys,
                                           .b = place->query,
                                           .b_row = layout->n_columns,
                                           .c = place->key_gradient,
                                           .c_row = layout->n_columns,
                                           .n_inner = place->n_rows,
                                           .accumulate = true};

    if (scan->d_query) {
        attention_multiply(&query, place->n_rows, layout->n_columns);
        attention_add(place->query_gradient, layout->n_columns, place->n_rows, scan->n_dim,
                      scan->d_query + place->first * scan->query_stride, scan->query_stride);
    }
    if (scan->d_key)
        attention_multiply(&transposed, n_seen, layout->n_columns);
    transposed.a = place->weights;
    transposed.b = place->out;
    transposed.c = place->value_gradient;
    if (scan->d_value)
        attention_multiply(&transposed, n_seen, layout->n_columns);
}

static void attention_backward(const struct attention_scan *scan)
{
    struct attention_place place = attention_place_of(scan);
    const struct attention_layout *layout = &place.layout;
    const size_t n_matrix = layout->n_keys * layout->n_columns;

    attention_copy(scan->key, scan->key_stride, scan->n_tokens, scan->n_dim, layout->n_columns,
                   place.key);
    attention_transpose(scan->key, scan->key_stride, scan->n_tokens, scan->n_dim,
                        layout->n_keys, place.key_columns);
    attention_transpose(scan->value, scan->value_stride, scan->n_tokens, scan->n_dim,
                        layout->n_keys, place.value_columns);
    memset(place.key_gradient, 0, n_matrix * sizeof(float));
    memset(place.value_gradient, 0, n_matrix * sizeof(float));
    for (size_t first = 0; first < scan->n_tokens; first += SCAN_QUERY_BLOCK) {
        attention_block(scan, &place, first);
        attention_scores(scan, &place);
        /* the block's place for out holds the gradient of out */
        attention_copy(scan->d_out + first * scan->out_stride, scan->out_stride, place.n_rows,
                       scan->n_dim, layout->n_columns, place.out);
        const struct attention_product product = {.a = place.out,
                                                  .a_row = layout->n_columns,
                                                  .a_column = 1,
                                                  .b = place.value_columns,
                                                  .b_row = layout->n_keys,
                                                  .c = place.score_gradient,
                                                  .c_row = layout->n_keys,
                                                  .n_inner = scan->n_dim};
        attention_multiply(&product, place.n_rows, place.n_keys);
        for (size_t r = 0; r < place.n_rows; r++)
            attention_score_back(scan, &place, r);
        attention_block_back(scan, &place);
    }
    attention_add(place.key_gradient, layout->n_columns, scan->n_tokens, scan->n_dim,
                  scan->d_key, scan->key_stride);
    attention_add(place.value_gradient, layout->n_columns, scan->n_tokens, scan->n_dim,
                  scan->d_value, scan->value_stride);
}
