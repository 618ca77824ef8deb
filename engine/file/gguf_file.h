/*
 * gguf_file.h - an open model file, of one part or several (private to engine/file)
 */
#ifndef ENGINE_FILE_GGUF_FILE_H
#define ENGINE_FILE_GGUF_FILE_H

#include "engine/file/gguf_part.h"

struct gguf {
    struct gguf_part *parts; /* owns; keys are those of parts[0] */
    uint32_t n_parts;
    uint64_t n_bytes;               /* of all parts */
    struct gguf_tensor *tensors;    /* owns; of all parts */
    struct gguf_name *tensor_names; /* owns; sorted */
    size_t n_tensors;
    /* Owns.  [key]: the strings of an array, made when they are first asked for, else NULL. */
    struct gguf_string **strings;
};

#endif
