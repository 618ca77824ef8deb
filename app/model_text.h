/*
 * model_text.h - a model described in lines of text, for `banter info` and lists of models
 */
#ifndef APP_MODEL_TEXT_H
#define APP_MODEL_TEXT_H

#include <stdint.h>

#include "app/text_buffer.h"
#include "engine/model.h"

/* "5.6 GB": decimal units, as disks and file managers count. */
void text_add_bytes(struct text_buffer *text, uint64_t n_bytes);
/* "9.65 billion". */
void text_add_count(struct text_buffer *text, uint64_t count);
/* One line for each thing that is known, labels in a column; names are filtered. */
void model_text(const struct model_info *info, struct text_buffer *text);
/* Are its packed weights kept on disk?  A line, or none for WEIGHTS_CACHE_NONE. */
void model_cache_text(enum weights_cache_state state, struct text_buffer *text);

#endif
