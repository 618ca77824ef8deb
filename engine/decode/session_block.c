/*
 * session_block.c - the multi-token-prediction block of a session as a proposer
 */
#include "engine/decode/mtp_source.h"

#include "engine/state/session_internal.h"
#include "engine/state/verify.h"

static enum status next(void *context, int32_t token, struct head_row *row, struct error *error)
{
    return session_mtp_step_row(context, token, NULL, row, error);
}

static enum status first(void *context, int32_t token, uint32_t position, struct head_row *row,
                         struct error *error)
{
    struct session *session = context;
    enum status status;

    if (position != session_position(session))
        return error_set(error, STATUS_USAGE, "the block is at position %u, not %u",
                         session_position(session), position);
    status = session_mtp_fill(session, NULL, error);
    return status == STATUS_OK ? next(context, token, row, error) : status;
}

struct mtp_proposer session_block(struct session *session)
{
    return (struct mtp_proposer){session, first, next};
}
