/*
 * matrix.c - products of matrices: blocks, panels, threads
 *
 * The inner index is cut in ranges.  For each range b is packed in panels as wide as a tile and a,
 * where it must be, in panels as high as one; then the blocks of c are computed, tile by tile, while
 * a panel of b stays in the first cache and the rows of a block of a in the second.  A later range
 * goes on from the elements of c, so that no cut changes a byte.
 *
 * Rows of a whose inner index is contiguous are read where they are, unless they lie a multiple of
 * 4 KiB apart: then all rows of a tile would fight for one cache set.
 *
 * Panels live in memory that the calling thread keeps until it ends.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/run/pool.h"
#include "engine/train/kernels_internal.h"

enum {
    INNER_MOST = 256,     /* steps of a range: a panel of b takes 32 KiB */
    TILES_OF_BLOCK = 16,  /* rows of a block of c, in tiles */
    PARTS_OF_THREAD = 4,  /* blocks for each thread, so that they end together */
    PART_LEAST = 1 << 16, /* multiply-adds that are worth a part */
    PACK_PANELS = 4,      /* panels that are packed together: whole cache lines are read */
    ALIASING = 1024,      /* floats of 4 KiB */
    SLACK = 16            /* floats behind a panel of a, see pack_a_rows() */
};

struct product {
    const struct matrix_kernel *kernel;
    size_t m, n, k;
    struct matrix a, b, c;
    bool accumulate;
    bool pack_a, pack_b;
    size_t first, n_inner; /* the range */
    size_t block_rows, block_columns;
    size_t row_blocks, column_blocks;
    size_t a_groups, b_groups; /* packing parts */
    float *a_panels, *b_panels;
};

static size_t ceiling(size_t n, size_t divisor)
{
    return (n + divisor - 1) / divisor;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Memory of the calling thread ------------------------------------------- */

struct panel_memory {
    void *data;
    size_t n_bytes;
};

static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static pthread_key_t memory_key;
static bool memory_ready;

static void memory_free(void *memory)
{
    free(((struct panel_memory *)memory)->data);
    free(memory);
}

static void memory_start(void)
{
    memory_ready = pthread_key_create(&memory_key, memory_free) == 0;
}

/* At least n floats, aligned to a cache line; NULL: none. */
static float *memory_take(uint64_t n)
{
    uint64_t n_bytes;

    pthread_once(&memory_once, memory_start);
    if (!memory_ready || !checked_multiply(n, sizeof(float), &n_bytes) ||
        !checked_align(n_bytes, 4096, &n_bytes) || n_bytes > SIZE_MAX)
        return NULL;
    struct panel_memory *memory = pthread_getspecific(memory_key);
    if (memory == NULL) {
        memory = calloc(1, sizeof *memory);
        if (memory == NULL || pthread_setspecific(memory_key, memory) != 0) {
            free(memory);
            return NULL;
        }
    }
    if (memory->n_bytes < n_bytes) {
        free(memory->data);
        memory->data = aligned_alloc(4096, (size_t)n_bytes);
        memory->n_bytes = memory->data != NULL ? (size_t)n_bytes : 0;
    }
    return memory->data;
}

/* Packing ---------------------------------------------------------------- */

static size_t a_panel_floats(const struct product *product)
{
    return product->n_inner * product->kernel->rows + SLACK;
}

static size_t b_panel_floats(const struct product *product)
{
    return product->n_inner * product->kernel->columns;
}

/* n_lines lines of `width` floats become columns of a panel: to[i * columns + line]. */
static void pack_turned(const float *from, size_t line_stride, size_t stride, size_t n_lines,
                        size_t n_inner, float *to, size_t columns)
{
    enum { TOGETHER = 16 };

    for (size_t first = 0; first < n_inner; first += TOGETHER) {
        size_t n = least(TOGETHER, n_inner - first);
        for (size_t line = 0; line < n_lines; line++) {
            const float *in = from + line * line_stride + first * stride;
            float *out = to + first * columns + line;
            for (size_t i = 0; i < n; i++)
                out[i * columns] = in[i * stride];
        }
    }
}

static size_t in_fours(size_t n)
{
    return ceiling(n, 4) * 4;
}

/* Copies n floats and up to 3 more. */
static inline void copy_fours(float *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i += 4)
        memcpy(to + i, from + i, 4 * sizeof *to);
}

/*
 * A step's rows lie together.  Fours are copied although a panel's row need not be a multiple of
 * them: what is too much is overwritten by the next step, or falls into the slack.  The last panels
 * are copied to the float.
 */
static void pack_a_rows(const struct product *product, size_t panel, size_t end)
{
    size_t rows = product->kernel->rows, floats = a_panel_floats(product), m = product->m;
    size_t fours_end = m < in_fours(rows) ? 0 : (m - in_fours(rows)) / rows + 1;

    for (size_t i = 0; i < product->n_inner; i++) {
        const float *from = product->a.data + (product->first + i) * product->a.column_stride;
        float *to = product->a_panels + i * rows;
        size_t p = panel;
        for (; p < least(end, fours_end); p++)
            copy_fours(to + p * floats, from + p * rows, rows);
        for (; p < end; p++)
            memcpy(to + p * floats, from + p * rows, least(rows, m - p * rows) * sizeof *to);
    }
}

static void pack_a(const struct product *product, size_t group)
{
    size_t rows = product->kernel->rows, panels = ceiling(product->m, rows);
    size_t panel = group * PACK_PANELS, end = least(panel + PACK_PANELS, panels);
    const struct matrix *a = &product->a;

    if (a->row_stride == 1) {
        pack_a_rows(product, panel, end);
        return;
    }
    for (; panel < end; panel++)
        pack_turned(a->data + panel * rows * a->row_stride + product->first * a->column_stride,
                    a->row_stride, a->column_stride, least(rows, product->m - panel * rows),
                    product->n_inner, product->a_panels + panel * a_panel_floats(product),
                    rows);
}

static void pack_b(const struct product *product, size_t group)
{
    size_t columns = product->kernel->columns, floats = b_panel_floats(product);
    size_t panel = group * PACK_PANELS;
    size_t end = least(panel + PACK_PANELS, ceiling(product->n, columns));
    const struct matrix *b = &product->b;
    const float *from = b->data + product->first * b->row_stride;
    float *to = product->b_panels;

    if (end * columns > product->n) { /* the last one is not full: zeros to its right */
        memset(to + (end - 1) * floats, 0, floats * sizeof *to);
        pack_turned(from + (end - 1) * columns * b->column_stride, b->column_stride,
                    b->row_stride, product->n - (end - 1) * columns, product->n_inner,
                    to + (end - 1) * floats, columns);
        end--;
    }
    if (b->column_stride == 1) {
        for (size_t i = 0; i < product->n_inner; i++)
            for (size_t p = panel; p < end; p++)
                copy_fours(to + p * floats + i * columns,
                           from + i * b->row_stride + p * columns, columns);
        return;
    }
    for (size_t p = panel; p < end; p++)
        pack_turned(from + p * columns * b->column_stride, b->column_stride, b->row_stride,
                    columns, product->n_inner, to + p * floats, columns);
}

static void pack_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct product *product = context;

    (void)n_parts;
    if (part < product->b_groups)
        pack_b(product, part);
    else
        pack_a(product, part - product->b_groups);
}

/* Computing -------------------------------------------------------------- */

/* Where a tile's operands lie. */
struct tile_source {
    const float *a, *b;
    size_t a_row, a_step, b_step;
};

static struct tile_source tile_at(const struct product *product, size_t row, size_t column)
{
    const struct matrix *a = &product->a, *b = &product->b;
    const struct matrix_kernel *kernel = product->kernel;
    struct tile_source at;

    if (product->pack_a) {
        at.a = product->a_panels + row / kernel->rows * a_panel_floats(product);
        at.a_row = 1;
        at.a_step = kernel->rows;
    } else {
        at.a = a->data + row * a->row_stride + product->first * a->column_stride;
        at.a_row = a->row_stride;
        at.a_step = a->column_stride;
    }
    if (product->pack_b) {
        at.b = product->b_panels + column / kernel->columns * b_panel_floats(product);
        at.b_step = kernel->columns;
    } else {
        at.b = b->data + column + product->first * b->row_stride;
        at.b_step = b->row_stride;
    }
    return at;
}

/* A tile that is not as wide as its kernel, or whose columns are apart: by way of a copy. */
static void tile_by_copy(const struct product *product, matrix_tile tile,
                         const struct tile_source *at, float *c, size_t n_rows,
                         size_t n_columns, bool accumulate)
{
    _Alignas(64) float copy[MATRIX_TILE_ROWS_MAX * MATRIX_TILE_COLUMNS_MAX];
    size_t width = product->kernel->columns;
    size_t row_stride = product->c.row_stride, column_stride = product->c.column_stride;

    if (accumulate) {
        memset(copy, 0, n_rows * width * sizeof *copy);
        for (size_t r = 0; r < n_rows; r++)
            for (size_t j = 0; j < n_columns; j++)
                copy[r * width + j] = c[r * row_stride + j * column_stride];
    }
    tile(product->n_inner, at->a, at->a_row, at->a_step, at->b, at->b_step, copy, width,
         accumulate);
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < n_columns; j++)
            c[r * row_stride + j * column_stride] = copy[r * width + j];
}

static void compute_tile(const struct product *product, size_t row, size_t column,
                         bool accumulate)
{
    const struct matrix_kernel *kernel = product->kernel;
    size_t n_rows = least(kernel->rows, product->m - row);
    size_t n_columns = least(kernel->columns, product->n - column);
    bool narrow = n_columns <= kernel->columns / 2;
    size_t width = narrow ? kernel->columns / 2 : kernel->columns;
    matrix_tile tile = narrow ? kernel->narrow[n_rows - 1] : kernel->whole[n_rows - 1];
    struct tile_source at = tile_at(product, row, column);
    float *c =
        product->c.data + row * product->c.row_stride + column * product->c.column_stride;

    if (n_columns == width && product->c.column_stride == 1)
        tile(product->n_inner, at.a, at.a_row, at.a_step, at.b, at.b_step, c,
             product->c.row_stride, accumulate);
    else
        tile_by_copy(product, tile, &at, c, n_rows, n_columns, accumulate);
}

static void compute_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct product *product = context;
    size_t row = part / product->column_blocks * product->block_rows;
    size_t column = part % product->column_blocks * product->block_columns;
    size_t row_end = least(row + product->block_rows, product->m);
    size_t column_end = least(column + product->block_columns, product->n);
    bool accumulate = product->accumulate || product->first > 0;

    (void)n_parts;
    for (; column < column_end; column += product->kernel->columns)
        for (size_t r = row; r < row_end; r += product->kernel->rows)
            compute_tile(product, r, column, accumulate);
}

/* Planning --------------------------------------------------------------- */

/* Cut n in about n_blocks blocks of whole tiles. */
static void cut(size_t n, size_t tile, size_t n_blocks, size_t *block, size_t *blocks)
{
    size_t tiles = ceiling(n, tile);

    n_blocks = least(n_blocks > 0 ? n_blocks : 1, tiles);
    *block = ceiling(tiles, n_blocks) * tile;
    *blocks = ceiling(n, *block);
}

static void plan_blocks(struct product *product, size_t n_threads)
{
    const struct matrix_kernel *kernel = product->kernel;
    size_t parts = n_threads == 1 ? 1 : n_threads * PARTS_OF_THREAD;
    double work = (double)product->m * (double)product->n * (double)product->k;

    if (work < (double)parts * PART_LEAST)
        parts = (size_t)(work / PART_LEAST);
    size_t row_blocks = ceiling(product->m, kernel->rows * TILES_OF_BLOCK);
    if (parts > 1) /* as much for each thread */
        row_blocks = ceiling(row_blocks, n_threads) * n_threads;
    cut(product->m, kernel->rows, row_blocks, &product->block_rows, &product->row_blocks);
    cut(product->n, kernel->columns, ceiling(parts, product->row_blocks),
        &product->block_columns, &product->column_blocks);
}

static void plan_packing(struct product *product)
{
    const struct matrix_kernel *kernel = product->kernel;
    size_t row_panels = ceiling(product->m, kernel->rows);
    size_t column_panels = ceiling(product->n, kernel->columns);

    if (product->k == 0)
        return;
    /* One row of tiles reads b once: packing would be one reading more. */
    product->pack_b =
        product->b.column_stride != 1 || row_panels > 1 || product->n % kernel->columns != 0;
    product->pack_a = product->a.column_stride != 1 ||
                      (row_panels > 1 && product->a.row_stride % ALIASING == 0);
    product->a_groups = product->pack_a ? ceiling(row_panels, PACK_PANELS) : 0;
    product->b_groups = product->pack_b ? ceiling(column_panels, PACK_PANELS) : 0;
}

/* false: no memory. */
static bool take_panels(struct product *product, size_t n_inner)
{
    const struct matrix_kernel *kernel = product->kernel;
    uint64_t a_floats = 0, b_floats = 0, floats;

    if (product->pack_a && (!checked_multiply(n_inner * kernel->rows + SLACK,
                                              ceiling(product->m, kernel->rows), &a_floats) ||
                            !checked_align(a_floats, 1024, &a_floats)))
        return false;
    if (product->pack_b && !checked_multiply(n_inner * kernel->columns,
                                             ceiling(product->n, kernel->columns), &b_floats))
        return false;
    if (!checked_add(a_floats, b_floats, &floats))
        return false;
    if (floats == 0)
        return true;
    float *memory = memory_take(floats);
    if (memory == NULL)
        return false;
    product->a_panels = memory;
    product->b_panels = memory + a_floats;
    return true;
}

/* c' = b' a': the same chains, and c's rows become contiguous. */
static void turn(struct product *product)
{
    struct matrix a = product->a, b = product->b, c = product->c;
    size_t m = product->m;

    product->a = (struct matrix){b.data, b.column_stride, b.row_stride};
    product->b = (struct matrix){a.data, a.column_stride, a.row_stride};
    product->c = (struct matrix){c.data, c.column_stride, c.row_stride};
    product->m = product->n;
    product->n = m;
}

enum status matrix_multiply(struct pool *pool, const struct train_kernels *kernels, size_t m,
                            size_t n, size_t k, struct matrix a, struct matrix b,
                            struct matrix c, bool accumulate)
{
    struct product product = {
        .kernel = kernels->matrix,
        .m = m,
        .n = n,
        .k = k,
        .a = a,
        .b = b,
        .c = c,
        .accumulate = accumulate,
    };

    if (m == 0 || n == 0 || (k == 0 && accumulate))
        return STATUS_OK;
    if (c.column_stride != 1 && c.row_stride == 1)
        turn(&product);
    size_t n_inner = k > 0 ? ceiling(ceiling(k, ceiling(k, INNER_MOST)), 16) * 16 : 0;
    plan_blocks(&product, (size_t)pool_thread_count(pool));
    plan_packing(&product);
    if (!take_panels(&product, n_inner))
        return STATUS_NO_MEMORY;
    do {
        product.n_inner = least(n_inner, k - product.first);
        pool_run(pool, pack_part, &product, (uint32_t)(product.a_groups + product.b_groups));
        pool_run(pool, compute_part, &product,
                 (uint32_t)(product.row_blocks * product.column_blocks));
        product.first += product.n_inner;
    } while (product.first < k);
    return STATUS_OK;
}
