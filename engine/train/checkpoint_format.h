/*
 * checkpoint_format.h - how a checkpoint lies in its file
 *
 * Magic and version (16 bytes), then sections.  A section is its kind and length (16 bytes), its
 * bytes, and the xxh3 of both: settings, place, curve, one for each parameter, end.  A parameter's
 * section holds its head, its values and its moments.  Numbers are little endian.
 */
#ifndef ENGINE_TRAIN_CHECKPOINT_FORMAT_H
#define ENGINE_TRAIN_CHECKPOINT_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/train/network.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are written as they lie");

enum { SECTION_SETTINGS = 1, SECTION_PLACE, SECTION_CURVE, SECTION_PARAMETER, SECTION_END };

extern const char checkpoint_magic[16];

struct section_head {
    uint32_t kind, zero;
    uint64_t n_bytes;
};

struct place {
    uint64_t step, n_tokens, epoch, cursor, optimizer_steps, n_points, n_parameters;
};

struct stored_point {
    uint64_t step;
    float loss, mtp_loss, held_out_loss;
    uint32_t zero;
};

struct parameter_head {
    char name[64];
    uint64_t shape[TENSOR_DIMENSIONS];
    uint32_t n_dimensions, n_moments;
};

/* What must stand in front of a parameter's values. */
struct parameter_head checkpoint_parameter_head(const struct parameter *parameter, bool second);

#endif
