/*
 * operations_embedding.c - rows of a table by token
 */
#include "engine/train/operations_internal.h"

struct tensor *op_embedding(struct tape *tape, struct tensor *table, const int32_t *tokens,
                            size_t n_tokens)
{
    if (!operation_ready(tape, &table, 1))
        return NULL;
    if (table->n_dimensions != 2 || !tensor_is_contiguous(table))
        return tape_fail(tape, STATUS_USAGE, "an embedding table that is not a dense matrix");
    for (size_t i = 0; i < n_tokens; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= table->shape[0])
            return tape_fail(tape, STATUS_USAGE, "token %d, where the vocabulary has %zu",
                             tokens[i], table->shape[0]);
    return op_gather_rows(tape, table, tokens, n_tokens);
}
