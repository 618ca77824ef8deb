/*
 * quantize.h - a model file in other tensor types
 *
 * Thread: the calling thread, with a pool of n_threads.
 */
#ifndef ENGINE_QUANTIZE_H
#define ENGINE_QUANTIZE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

/* "F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0" ...; NULL-terminated. */
extern const char *const quantize_mix_names[];

struct quantize_options {
    const char *mix;
    int n_threads; /* 0: chosen */
    const atomic_bool *cancel;
    void (*progress)(void *context, uint64_t done_bytes,
                     uint64_t total_bytes); /* may be NULL */
    void *context;
};

struct quantize_result {
    uint64_t bytes_before, bytes_after; /* of the files */
    uint32_t n_quantised, n_kept; /* tensors that got another type, and those that did not */
    uint32_t n_fallback;          /* whose rows do not fit the type that the mix wanted */
};

/*
 * Write out_path from in_path: keys copied (general.file_type set), matrices in the types of the mix,
 * one-dimensional tensors, norms and ssm_conv1d as F32.  Rows that are no multiple of a K-quant's
 * block fall back as llama-quantize does (Q4_K -> Q5_0, Q5_K -> Q5_1, Q6_K -> Q8_0, else F16).
 * A split in_path (any of its parts) becomes one file; out_path may be in_path.
 * The same bytes for any number of threads.  A full disk leaves an older out_path whole.
 * Errors: USAGE (no such mix), those of gguf_open(), UNSUPPORTED (a tensor's type: named), DAMAGED
 * (a value that is not finite: tensor named), IO, NO_MEMORY, CANCELLED.
 */
enum status quantize_file(const char *in_path, const char *out_path,
                          const struct quantize_options *options,
                          struct quantize_result *result, struct error *error);

#endif
