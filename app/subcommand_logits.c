/*
 * subcommand_logits.c - `banter logits`: every position's logits, for comparing engines
 *
 * The file holds float32, little endian, [n_tokens][n_vocab].  Tokens are evaluated in pieces of
 * bounded size: with a large vocabulary all rows together would not fit in memory, and by the law
 * the pieces change nothing.  A piece is a whole number of --chunk passes, so that the option does
 * what it says.
 */
#include <stdlib.h>
#include <string.h>

#include "app/file_output.h"
#include "app/input.h"
#include "app/interrupt.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "config/config.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the file holds little-endian floats");

enum { PIECE_BYTES = 64 << 20, PIECE_BYTES_MAX = 1 << 30 };

/* Tokens of a piece. */
static size_t piece_size(size_t n_vocab, size_t chunk)
{
    size_t row = n_vocab * sizeof(float);
    size_t n = PIECE_BYTES / row;

    if (chunk > n && chunk <= PIECE_BYTES_MAX / row)
        return chunk;
    if (chunk > 0 && chunk <= n)
        n -= n % chunk;
    return n > 0 ? n : 1;
}

static enum status write_logits(struct session *session, const struct token_list *tokens,
                                size_t n_vocab, size_t piece, struct output *output,
                                struct error *error)
{
    const struct session_hooks hooks = {.cancel = interrupt_wanted()};
    enum status status = STATUS_OK;

    if (piece > tokens->n_ids)
        piece = tokens->n_ids;
    float *logits = app_resize(NULL, piece * n_vocab, sizeof *logits);
    for (size_t i = 0; i < tokens->n_ids && status == STATUS_OK; i += piece) {
        size_t n = tokens->n_ids - i < piece ? tokens->n_ids - i : piece;

        status = session_eval(session, tokens->ids + i, n, n, logits, &hooks, error);
        if (status == STATUS_OK && !output_bytes(output, logits, n * n_vocab * sizeof *logits))
            break; /* told by the commit */
    }
    free(logits);
    return status;
}

/* The model is open and the tokens are read. */
static int evaluate(const struct invocation *invocation, const struct model *model,
                    const struct token_list *tokens)
{
    size_t n_vocab = model_info(model)->n_vocab;
    size_t chunk = (size_t)config_values(invocation->store)->chunk;
    struct session *session = NULL;
    struct file_output file;
    struct error error = {0};
    int code = invocation_new_session(invocation, model, tokens->n_ids, &session);

    if (code != 0)
        return code;
    if (file_output_open(&file, invocation->values[FLAG_OUT], &error) != STATUS_OK) {
        session_free(&session);
        return report_error(&error);
    }
    enum status status = write_logits(session, tokens, n_vocab, piece_size(n_vocab, chunk),
                                      &file.output, &error);
    session_free(&session);
    if (status == STATUS_OK && file.output.reader_gone)
        return output_exit_code(&file.output);
    if (status == STATUS_OK)
        status = file_output_commit(&file, &error);
    file_output_discard(&file);
    if (status == STATUS_CANCELLED)
        interrupt_raise();
    return status == STATUS_OK ? 0 : report_error(&error);
}

int subcommand_logits(struct invocation *invocation)
{
    const char *list = invocation->values[FLAG_TOKENS];
    struct token_list tokens = {0};
    struct model *model = NULL;
    struct error error = {0};
    int code = invocation_load(invocation);

    if (code != 0)
        return code;
    if (list == NULL || invocation->values[FLAG_OUT] == NULL)
        return usage_error(invocation, "%s is missing", list == NULL ? "--tokens" : "--out");
    if (token_list_argument(&tokens, list, &error) != STATUS_OK)
        code = report_error(&error);
    else if (tokens.n_ids == 0)
        code = usage_error(invocation, "the list of tokens is empty");
    if (code == 0) {
        interrupt_catch();
        code = invocation_open_model(invocation, false, &model);
    }
    if (code == 0)
        code = evaluate(invocation, model, &tokens);
    model_close(&model);
    token_list_release(&tokens);
    return code;
}
