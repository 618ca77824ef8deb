/*
 * data.c - sequences shuffled by a hash and packed into micro-batches
 */
#include "engine/train/data.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/file/checked.h"

/* Where a micro-batch lies in the arrays of its step. */
struct piece {
    size_t first_row, n_rows;
    size_t first_border, n_sequences; /* borders: n_sequences + 1 numbers */
};

struct data_order {
    const struct train_sequence *sequences; /* borrowed */
    size_t n_sequences;
    struct data_settings settings;
    uint32_t *order; /* owned; the epoch's */
    uint64_t epoch, cursor;
    /* Owned; of the current step. */
    int32_t *tokens, *targets, *positions;
    size_t n_rows, room_rows;
    uint32_t *borders; /* the rows within a micro-batch where sequences begin, and its end */
    size_t n_borders, room_borders;
    struct piece *pieces;
    struct batch *batches;
    size_t n_pieces, room_pieces;
};

/* Steele, Lea and Flood, SplitMix: the output function alone, on a counter. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void shuffle(struct data_order *order)
{
    uint64_t base = mix(mix(order->settings.seed + 0x9e3779b97f4a7c15u) + order->epoch);

    for (size_t i = 0; i < order->n_sequences; i++)
        order->order[i] = (uint32_t)i;
    /* Fisher and Yates; the bias of a remainder of 64 bits is below 2^-32. */
    for (size_t i = order->n_sequences; !order->settings.once && i > 1; i--) {
        size_t other = (size_t)(mix(base + i * 0x9e3779b97f4a7c15u) % i);
        uint32_t kept = order->order[i - 1];

        order->order[i - 1] = order->order[other];
        order->order[other] = kept;
    }
}

static enum status check_sequences(const struct data_order *order, struct error *error)
{
    if (order->n_sequences > UINT32_MAX)
        return error_set(error, STATUS_USAGE, "more than 2^32 sequences");
    for (size_t i = 0; i < order->n_sequences; i++) {
        const struct train_sequence *sequence = &order->sequences[i];

        if (sequence->n_ids < 2 || sequence->n_prompt >= sequence->n_ids)
            return error_set(error, STATUS_USAGE, "sequence %zu has nothing to predict", i);
        if (sequence->n_prompt > order->settings.micro_tokens)
            return error_set(error, STATUS_USAGE,
                             "sequence %zu has %" PRIu32 " tokens before the first to predict, "
                             "a pass takes %" PRIu32,
                             i, sequence->n_prompt, order->settings.micro_tokens);
    }
    return STATUS_OK;
}

enum status data_order_new(struct data_order **out, const struct train_sequence *sequences,
                           size_t n_sequences, const struct data_settings *settings,
                           struct error *error)
{
    struct data_order *order = calloc(1, sizeof *order);
    enum status status;

    *out = NULL;
    if (order == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the order of the data");
    order->sequences = sequences;
    order->n_sequences = n_sequences;
    order->settings = *settings;
    status = check_sequences(order, error);
    if (status == STATUS_OK && n_sequences > 0) {
        order->order = checked_allocate(n_sequences, sizeof *order->order);
        if (order->order == NULL)
            status =
                error_set(error, STATUS_NO_MEMORY, "no memory for %zu sequences", n_sequences);
    }
    if (status != STATUS_OK) {
        data_order_free(&order);
        return status;
    }
    shuffle(order);
    *out = order;
    return STATUS_OK;
}

void data_order_free(struct data_order **order)
{
    struct data_order *freed = *order;

    *order = NULL;
    if (freed == NULL)
        return;
    free(freed->order);
    free(freed->tokens);
    free(freed->targets);
    free(freed->positions);
    free(freed->borders);
    free(freed->pieces);
    free(freed->batches);
    free(freed);
}

void data_order_seek(struct data_order *order, uint64_t epoch, uint64_t cursor)
{
    order->epoch = epoch;
    order->cursor = cursor;
    shuffle(order);
}

void data_order_place(const struct data_order *order, uint64_t *epoch, uint64_t *cursor)
{
    *epoch = order->epoch;
    *cursor = order->cursor;
}

static bool grow_ids(int32_t **ids, size_t n)
{
    int32_t *larger = realloc(*ids, n * sizeof *larger);

    if (larger != NULL)
        *ids = larger;
    return larger != NULL;
}

static bool grow_borders(struct data_order *order, size_t n)
{
    uint32_t *larger = realloc(order->borders, n * sizeof *larger);

    if (larger == NULL)
        return false;
    order->borders = larger;
    order->room_borders = n;
    return true;
}

static bool grow_pieces(struct data_order *order, size_t n)
{
    struct piece *pieces = realloc(order->pieces, n * sizeof *pieces);

    if (pieces == NULL)
        return false;
    order->pieces = pieces;
    struct batch *batches = realloc(order->batches, n * sizeof *batches);
    if (batches == NULL)
        return false;
    order->batches = batches;
    order->room_pieces = n;
    return true;
}

/* For one sequence more, in a micro-batch of its own; what is there stays. */
static bool make_room(struct data_order *order, size_t n_rows)
{
    size_t n = order->n_rows + n_rows;

    if (n > order->room_rows) {
        if (!grow_ids(&order->tokens, 2 * n) || !grow_ids(&order->targets, 2 * n) ||
            !grow_ids(&order->positions, 2 * n))
            return false;
        order->room_rows = 2 * n;
    }
    if (order->n_borders + 2 > order->room_borders &&
        !grow_borders(order, 2 * (order->n_borders + 2)))
        return false;
    return order->n_pieces < order->room_pieces ||
           grow_pieces(order, 2 * (order->n_pieces + 1));
}

/* The next sequence; NULL at the end of the data. */
static const struct train_sequence *peek(struct data_order *order)
{
    if (order->n_sequences == 0)
        return NULL;
    if (order->cursor >= order->n_sequences) {
        if (order->settings.once)
            return NULL;
        data_order_seek(order, order->epoch + 1, 0);
    }
    return &order->sequences[order->order[order->cursor]];
}

static size_t rows_of(const struct data_order *order, const struct train_sequence *sequence)
{
    size_t n = sequence->n_ids - 1;

    return n < order->settings.micro_tokens ? n : order->settings.micro_tokens;
}

/* Returns the number of predicted tokens. */
static uint64_t append(struct data_order *order, const struct train_sequence *sequence,
                       size_t n_rows)
{
    uint64_t n_predicted = 0;

    for (size_t i = 0; i < n_rows; i++) {
        size_t at = order->n_rows + i;
        bool predicted = i + 1 >= sequence->n_prompt;

        order->tokens[at] = sequence->ids[i];
        order->targets[at] = predicted ? sequence->ids[i + 1] : -1;
        order->positions[at] = (int32_t)i;
        n_predicted += predicted;
    }
    order->n_rows += n_rows;
    return n_predicted;
}

static enum status take_piece(struct data_order *order, uint64_t *n_predicted,
                              struct error *error)
{
    struct piece piece = {.first_row = order->n_rows, .first_border = order->n_borders};
    const struct train_sequence *sequence;

    while ((sequence = peek(order)) != NULL) {
        size_t n = rows_of(order, sequence);

        if (piece.n_rows > 0 && piece.n_rows + n > order->settings.micro_tokens)
            break;
        if (!make_room(order, n))
            return error_set(error, STATUS_NO_MEMORY, "no memory for a batch of tokens");
        order->borders[order->n_borders++] = (uint32_t)piece.n_rows;
        *n_predicted += append(order, sequence, n);
        piece.n_rows += n;
        piece.n_sequences++;
        order->cursor++;
    }
    if (piece.n_sequences == 0)
        return STATUS_OK;
    order->borders[order->n_borders++] = (uint32_t)piece.n_rows;
    order->pieces[order->n_pieces++] = piece;
    return STATUS_OK;
}

/* The arrays stay where they are from now on. */
static void point_batches(struct data_order *order, uint64_t n_predicted)
{
    for (size_t i = 0; i < order->n_pieces; i++) {
        const struct piece *piece = &order->pieces[i];

        order->batches[i] = (struct batch){
            .sequences =
                {
                    .n_tokens = (uint32_t)piece->n_rows,
                    .n_sequences = (uint32_t)piece->n_sequences,
                    .first = order->borders + piece->first_border,
                    .positions = order->positions + piece->first_row,
                },
            .tokens = order->tokens + piece->first_row,
            .targets = order->targets + piece->first_row,
            .total_weight = (double)n_predicted,
        };
    }
}

enum status data_order_step(struct data_order *order, struct data_step *step,
                            struct error *error)
{
    uint64_t n_predicted = 0;
    size_t n_before;

    order->n_rows = order->n_borders = order->n_pieces = 0;
    do {
        enum status status;

        n_before = order->n_pieces;
        status = take_piece(order, &n_predicted, error);
        if (status != STATUS_OK)
            return status;
    } while (order->n_pieces > n_before &&
             order->n_rows + order->settings.micro_tokens / 2 <= order->settings.batch_tokens);
    point_batches(order, n_predicted);
    *step = (struct data_step){order->batches, order->n_pieces, order->n_rows, n_predicted};
    return STATUS_OK;
}

uint64_t data_hash(const struct train_sequence *sequences, size_t n_sequences)
{
    uint64_t hash = n_sequences;

    for (size_t i = 0; i < n_sequences; i++) {
        const struct train_sequence *sequence = &sequences[i];

        hash = XXH3_64bits_withSeed(&sequence->n_prompt, sizeof sequence->n_prompt, hash);
        hash =
            XXH3_64bits_withSeed(sequence->ids, sequence->n_ids * sizeof *sequence->ids, hash);
    }
    return hash;
}
