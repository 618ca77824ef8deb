/*
 * gguf_writer.h - writing GGUF version 3 files
 *
 * Keys and tensors are announced first, then data is given in the order of announcement; the
 * file appears under its name only when gguf_writer_finish() succeeded (temporary file in the
 * same folder, fsync, rename), so a full disk leaves an older file whole.
 *
 * Thread: one writer belongs to one thread.
 */
#ifndef ENGINE_FILE_GGUF_WRITER_H
#define ENGINE_FILE_GGUF_WRITER_H

#include "engine/error.h"
#include "engine/file/gguf.h"

struct gguf_writer;

/* Errors: IO (no file can be made beside path, or path is a folder or a device), NO_MEMORY. */
enum status gguf_writer_open(struct gguf_writer **out, const char *path, struct error *error);
/* Abandon: the temporary file is removed.  NULL is allowed. */
void gguf_writer_discard(struct gguf_writer **writer);

/* Keys; a name that is there already is refused with STATUS_USAGE. */
enum status gguf_writer_u32(struct gguf_writer *writer, const char *name, uint32_t value,
                            struct error *error);
enum status gguf_writer_f32(struct gguf_writer *writer, const char *name, float value,
                            struct error *error);
enum status gguf_writer_bool(struct gguf_writer *writer, const char *name, bool value,
                             struct error *error);
enum status gguf_writer_string(struct gguf_writer *writer, const char *name, const char *bytes,
                               size_t n_bytes, struct error *error);
/* element_type any but STRING and ARRAY; values: n_elements of that type, little endian. */
enum status gguf_writer_array(struct gguf_writer *writer, const char *name,
                              enum gguf_value_type element_type, const void *values,
                              size_t n_elements, struct error *error);
enum status gguf_writer_strings(struct gguf_writer *writer, const char *name,
                                const struct gguf_string *strings, size_t n_elements,
                                struct error *error);
/* Copy a key with its value from an open file. */
enum status gguf_writer_copy_key(struct gguf_writer *writer, const struct gguf *file,
                                 const struct gguf_key *key, struct error *error);

/* Announce a tensor; ne as in struct gguf_tensor. */
enum status gguf_writer_tensor(struct gguf_writer *writer, const char *name,
                               enum tensor_type type, uint32_t n_dimensions, const uint64_t *ne,
                               struct error *error);
/* The bytes of the next announced tensor, in one or several pieces. */
enum status gguf_writer_data(struct gguf_writer *writer, const void *bytes, size_t n_bytes,
                             struct error *error);
/* Check that all data came, sync, rename; frees the writer in every case. */
enum status gguf_writer_finish(struct gguf_writer **writer, struct error *error);

#endif
