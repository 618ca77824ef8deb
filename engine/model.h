/*
 * model.h - a model file, opened: weights bound, vocabulary built, template chosen
 *
 * Ownership: the model owns the mapping and the packed weights; sessions borrow it, so it is closed
 * after them.  Thread: after model_open() read-only and safe from any thread.
 */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/kernel_level.h"

struct model;

enum model_load_phase {
    MODEL_LOAD_READ, /* header, metadata, tensor directory */
    MODEL_LOAD_VOCABULARY,
    MODEL_LOAD_WEIGHTS, /* packing or mapping; done / total are bytes */
    MODEL_LOAD_PHASE_COUNT
};

/* Are packed weights kept on disk, to be mapped at the next start? */
enum weights_cache_mode {
    WEIGHTS_CACHE_OFF,
    WEIGHTS_CACHE_AUTO, /* from 256 MB on, and while the disk keeps twice their size free */
    WEIGHTS_CACHE_ON    /* of any model */
};

enum weights_cache_state {
    WEIGHTS_CACHE_NONE,    /* they are not kept */
    WEIGHTS_CACHE_ABSENT,  /* there is no file that fits */
    WEIGHTS_CACHE_MAPPED,  /* they are (or, without weights, would be) mapped */
    WEIGHTS_CACHE_WRITING, /* in the background; closing the model stops it */
    WEIGHTS_CACHE_WRITTEN,
    WEIGHTS_CACHE_REFUSED /* no room, no folder, or another process writes them */
};

struct model_options {
    enum kernel_level level; /* as kernel_level_choose() gave it */
    int n_threads;           /* for packing; 0: chosen */
    bool vocabulary_only;    /* tokenizer and metadata alone: no weights, no session */
    const char
        *template_name; /* "qwen3.5", "chatml"; NULL or "": by architecture and markers */
    enum weights_cache_mode weights_cache;
    const char *weights_cache_folder; /* made when it is first needed; NULL: as OFF */
    /* May be NULL.  Called on the opening thread, at most a few hundred times. */
    void (*progress)(void *context, enum model_load_phase phase, uint64_t done, uint64_t total);
    void *progress_context;
    const atomic_bool *cancel; /* may be NULL; read often: STATUS_CANCELLED */
};

/* What a person wants to know of a model; strings are raw file text (filter before showing). */
struct model_info {
    const char *path;
    char name[128]; /* general.name or the file's name */
    char architecture[64];
    char quantisation[32]; /* "Q4_K_M", "Q8_0", or the type that holds most bytes */
    uint64_t file_bytes;
    uint64_t n_parameters;
    uint32_t n_layers; /* of the trunk */
    uint32_t n_attention_layers;
    uint32_t n_mtp_layers;
    uint32_t n_embd;
    uint32_t n_ff;
    uint32_t n_head, n_head_kv, head_dim;
    uint32_t n_key_heads, n_value_heads, state_dim; /* DeltaNet */
    uint32_t n_vocab;
    uint32_t n_context; /* trained context length, positions */
    bool tied_head;
    const char *template_name; /* the one in use */
    char template_notice
        [160]; /* "" or one line: the file's template differs from the built-in */
    enum kernel_level level;
    uint64_t packed_bytes; /* memory of packed weights */
    /*
     * What a pass takes at least.  The trunk's matrices, as they lie in memory, are read once
     * whatever the number of rows; each row multiplies with all of them, at two operations for a
     * weight.  The head (output matrix) is read if a row wants logits, and multiplied for each
     * row that does.  Zero for a model opened with vocabulary_only.
     */
    uint64_t trunk_bytes, head_bytes;
    uint64_t trunk_operations, head_operations; /* of a row */
    uint64_t state_bytes;        /* recurrent and convolution state of a session */
    uint64_t kv_bytes_per_token; /* f16 */
    double load_seconds[MODEL_LOAD_PHASE_COUNT]; /* vocabulary and weights at the same time */
    double open_seconds;                         /* of the clock, in model_open() */
};

/*
 * Errors: NOT_FOUND, DAMAGED, UNSUPPORTED (architecture, type, shape: named), NO_MEMORY,
 * CANCELLED.  On failure *out is NULL.
 */
enum status model_open(struct model **out, const char *path,
                       const struct model_options *options, struct error *error);
void model_close(struct model **model); /* NULL is allowed */
const struct model_info *model_info(const struct model *model);
/* What became of keeping the packed weights; it changes while they are written. */
enum weights_cache_state model_weights_cache(const struct model *model);

/* Every key and tensor of the file, for `banter info`: one callback a line, no newline in it. */
typedef void (*model_line_sink)(void *context, const char *line, size_t n_bytes);
void model_describe(const struct model *model, bool all_keys, bool tensors,
                    model_line_sink sink, void *context);

/* Text and tokens -------------------------------------------------------------------------- */

/*
 * Text to token ids.  special: text that spells a special token of the file becomes that token
 * (never use it on text from outside).  Bytes that are not UTF-8 survive.  *ids is freed with free().
 */
enum status model_tokenize(const struct model *model, const char *text, size_t n_bytes,
                           bool special, int32_t **ids, size_t *n_ids, struct error *error);
/*
 * Token ids to bytes; control tokens give nothing unless special.  *text is freed with free(); it
 * is terminated, and may hold NUL bytes and broken UTF-8.  STATUS_USAGE: an id out of range.
 */
enum status model_detokenize(const struct model *model, const int32_t *ids, size_t n_ids,
                             bool special, char **text, size_t *n_bytes, struct error *error);
/* Is the token one at which an answer ends? */
bool model_is_stop_token(const struct model *model, int32_t id);
/* Text of one token for display ("<|im_end|>" too); borrows from the model; n_bytes may be NULL. */
const char *model_token_text(const struct model *model, int32_t id, size_t *n_bytes);

#endif
