/*
 * training_data.h - data files of `banter train`, as sequences of tokens
 *
 * A file whose name ends in .jsonl holds one JSON object on each line:
 *   {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}
 *   {"text": "..."}
 * Of a chat the last message, the assistant's, is learnt; what is before it is rendered as the
 * chat would.  "thinking" beside its content, or "think": true, makes it an answer that thinks.
 * Any other file is plain text.  Text is cut in windows.  No text makes a control token.
 *
 * Thread: the main thread.
 */
#ifndef APP_TRAINING_DATA_H
#define APP_TRAINING_DATA_H

#include "engine/chat.h"
#include "engine/train.h"

struct training_data {
    const struct model *model;        /* borrowed; its vocabulary and template */
    uint32_t window;                  /* tokens of a window of text, above 0 */
    uint32_t pass;                    /* tokens that a prompt may have at most */
    struct train_sequence *sequences; /* owned, with their ids */
    size_t n_sequences, room;
    uint64_t n_tokens; /* of all sequences */
};

/*
 * Add a file's sequences.  Errors: NOT_FOUND, IO, DAMAGED (FILE:LINE:COLUMN and the offset).
 */
enum status training_data_read(struct training_data *data, const char *path,
                               struct error *error);
void training_data_release(struct training_data *data);

#endif
