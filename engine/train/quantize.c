/*
 * quantize.c - a model file in other tensor types
 *
 * A tensor is a run of blocks, whatever its rows are, so it is cut into pieces of whole blocks: a
 * piece is decoded and encoded by the pool and written, then comes the next.  Memory is that of one
 * piece, and which thread did which part changes no byte.
 */
#include "engine/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/file/checked.h"
#include "engine/file/gguf_writer.h"
#include "engine/run/pool.h"
#include "engine/train/mix.h"

const char *const quantize_mix_names[] = {"F32",    "F16",    "BF16", "Q8_0", "Q6_K",
                                          "Q5_K_M", "Q4_K_M", "Q4_0", NULL};

enum {
    PART_ELEMENTS = 1 << 15, /* a multiple of every block */
    PIECE_PARTS = 32,
    QUANTIZATION_VERSION = 2 /* of the block formats, as general.quantization_version says it */
};

struct quantizer {
    const struct quantize_options *options;
    const struct mix *mix;
    struct gguf *file;
    struct gguf_writer *writer;
    struct pool *pool;
    uint32_t n_layers; /* of the trunk */
    bool tied;
    float *values;   /* owns; [PIECE_PARTS * PART_ELEMENTS] */
    uint8_t *blocks; /* owns; the same number of values in the widest type */
    uint64_t done_bytes, total_bytes;
    struct quantize_result result;
    struct error *error;
};

/* One piece of a tensor; the pool's job. */
struct piece {
    const struct quantizer *quantizer;
    enum tensor_type from, to;
    const uint8_t *source;
    uint64_t n_elements;
    bool failed[PIECE_PARTS]; /* by part */
};

static uint64_t bytes_of(enum tensor_type type, uint64_t n_elements)
{
    const struct tensor_type_info *info = tensor_type_info((uint32_t)type);

    return n_elements / info->block_elements * info->block_bytes;
}

/* Keys --------------------------------------------------------------------------------------- */

static bool name_is(struct gguf_string name, const char *text)
{
    return name.n_bytes == strlen(text) && memcmp(name.bytes, text, name.n_bytes) == 0;
}

/* Trunk layers of any architecture; 0 where the file does not say. */
static enum status read_layers(struct quantizer *quantizer)
{
    struct gguf_string architecture = {"", 0};
    char key[128];
    uint32_t n_blocks = 0, n_mtp = 0;
    enum status status = gguf_get_string(quantizer->file, "general.architecture", &architecture,
                                         quantizer->error);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    snprintf(key, sizeof key, "%.*s.block_count",
             (int)(architecture.n_bytes < 64 ? architecture.n_bytes : 64), architecture.bytes);
    status = gguf_get_u32(quantizer->file, key, &n_blocks, quantizer->error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    snprintf(key, sizeof key, "%.*s.nextn_predict_layers",
             (int)(architecture.n_bytes < 64 ? architecture.n_bytes : 64), architecture.bytes);
    status = gguf_get_u32(quantizer->file, key, &n_mtp, quantizer->error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    quantizer->n_layers = n_mtp < n_blocks ? n_blocks - n_mtp : n_blocks;
    return STATUS_OK;
}

/* All but those of a split file; the type of the file is the mix's. */
static enum status copy_keys(struct quantizer *quantizer)
{
    static const char *const dropped[] = {"split.no", "split.count", "split.tensors.count",
                                          "general.file_type", "general.quantization_version"};
    enum status status = STATUS_OK;

    for (size_t i = 0; i < gguf_key_count(quantizer->file) && status == STATUS_OK; i++) {
        const struct gguf_key *key = gguf_key_at(quantizer->file, i);
        bool kept = true;
        for (size_t k = 0; k < sizeof dropped / sizeof dropped[0]; k++)
            kept = kept && !name_is(key->name, dropped[k]);
        if (kept)
            status =
                gguf_writer_copy_key(quantizer->writer, quantizer->file, key, quantizer->error);
    }
    if (status == STATUS_OK)
        status = gguf_writer_u32(quantizer->writer, "general.quantization_version",
                                 QUANTIZATION_VERSION, quantizer->error);
    if (status == STATUS_OK)
        status = gguf_writer_u32(quantizer->writer, "general.file_type",
                                 mix_file_type(quantizer->mix), quantizer->error);
    return status;
}

/* Tensors ------------------------------------------------------------------------------------ */

struct named_tensor {
    const struct gguf_tensor *tensor;
    char name[GGUF_TENSOR_NAME_MAX + 1];
    enum tensor_type type; /* that it gets */
    bool fallback;
};

static struct named_tensor tensor_of(const struct quantizer *quantizer, size_t index)
{
    struct named_tensor named = {.tensor = gguf_tensor_at(quantizer->file, index)};

    snprintf(named.name, sizeof named.name, "%.*s", (int)named.tensor->name.n_bytes,
             named.tensor->name.bytes);
    named.type =
        mix_type(quantizer->mix, named.name, named.tensor->n_dimensions, named.tensor->ne,
                 quantizer->n_layers, quantizer->tied, &named.fallback);
    return named;
}

static enum status announce(struct quantizer *quantizer)
{
    enum status status = STATUS_OK;

    quantizer->tied = !gguf_find_tensor(quantizer->file, "output.weight");
    for (size_t i = 0; i < gguf_tensor_count(quantizer->file) && status == STATUS_OK; i++) {
        struct named_tensor named = tensor_of(quantizer, i);
        const struct gguf_tensor *tensor = named.tensor;
        bool same = named.type == tensor->type;
        if (!same && !tensor_type_info((uint32_t)tensor->type)->computable) {
            status = error_set(quantizer->error, STATUS_UNSUPPORTED,
                               "tensor %s is of type %s, which banter cannot decode",
                               named.name, tensor_type_info((uint32_t)tensor->type)->name);
            error_path(quantizer->error, gguf_path(quantizer->file));
            return status;
        }
        quantizer->total_bytes += tensor->n_bytes;
        quantizer->result.n_quantised += !same;
        quantizer->result.n_kept += same;
        quantizer->result.n_fallback += named.fallback;
        status = gguf_writer_tensor(quantizer->writer, named.name, named.type,
                                    tensor->n_dimensions, tensor->ne, quantizer->error);
    }
    return status;
}

static void convert_part(void *context, uint32_t part, uint32_t n_parts)
{
    struct piece *piece = context;
    uint64_t first = (uint64_t)part * PART_ELEMENTS, n = piece->n_elements - first;
    float *values = piece->quantizer->values + first;

    (void)n_parts;
    if (n > PART_ELEMENTS)
        n = PART_ELEMENTS;
    tensor_row_decode(piece->from, piece->source + bytes_of(piece->from, first), values,
                      (size_t)n);
    piece->failed[part] = !tensor_row_encode(
        piece->to, values, piece->quantizer->blocks + bytes_of(piece->to, first), (size_t)n);
}

static enum status convert_piece(struct quantizer *quantizer, struct piece *piece,
                                 const char *name)
{
    uint32_t n_parts = (uint32_t)((piece->n_elements + PART_ELEMENTS - 1) / PART_ELEMENTS);
    enum status status;

    pool_run(quantizer->pool, convert_part, piece, n_parts);
    for (uint32_t part = 0; part < n_parts; part++)
        if (piece->failed[part]) {
            status =
                error_set(quantizer->error, STATUS_DAMAGED,
                          "tensor %s holds a value that is not finite; type %s has no place "
                          "for it",
                          name, tensor_type_info((uint32_t)piece->to)->name);
            error_path(quantizer->error, gguf_path(quantizer->file));
            return status;
        }
    return gguf_writer_data(quantizer->writer, quantizer->blocks,
                            (size_t)bytes_of(piece->to, piece->n_elements), quantizer->error);
}

static bool is_cancelled(const struct quantizer *quantizer)
{
    return quantizer->options->cancel && atomic_load(quantizer->options->cancel);
}

static void advance(struct quantizer *quantizer, uint64_t n_bytes)
{
    quantizer->done_bytes += n_bytes;
    if (quantizer->options->progress)
        quantizer->options->progress(quantizer->options->context, quantizer->done_bytes,
                                     quantizer->total_bytes);
}

static enum status write_tensor(struct quantizer *quantizer, struct named_tensor named)
{
    const struct gguf_tensor *tensor = named.tensor;
    uint64_t n_elements = tensor->ne[0] * tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
    struct piece piece = {.quantizer = quantizer, .from = tensor->type, .to = named.type};
    enum status status = STATUS_OK;

    gguf_tensor_read_ahead(quantizer->file, tensor);
    for (uint64_t first = 0; first < n_elements && status == STATUS_OK;
         first += piece.n_elements) {
        uint64_t n_bytes;
        if (is_cancelled(quantizer))
            return error_set(quantizer->error, STATUS_CANCELLED, "cancelled");
        piece.source = tensor->data + bytes_of(piece.from, first);
        piece.n_elements = n_elements - first;
        if (piece.n_elements > (uint64_t)PIECE_PARTS * PART_ELEMENTS)
            piece.n_elements = (uint64_t)PIECE_PARTS * PART_ELEMENTS;
        n_bytes = bytes_of(piece.from, piece.n_elements);
        if (piece.from == piece.to)
            status = gguf_writer_data(quantizer->writer, piece.source, (size_t)n_bytes,
                                      quantizer->error);
        else
            status = convert_piece(quantizer, &piece, named.name);
        advance(quantizer, n_bytes);
    }
    gguf_tensor_drop_pages(quantizer->file, tensor);
    return status;
}

/* The whole ---------------------------------------------------------------------------------- */

static enum status prepare(struct quantizer *quantizer, const char *in_path)
{
    size_t n = (size_t)PIECE_PARTS * PART_ELEMENTS;
    enum status status;

    quantizer->mix = mix_find(quantizer->options->mix);
    if (!quantizer->mix)
        return error_set(quantizer->error, STATUS_USAGE, "there is no mix \"%.40s\"",
                         quantizer->options->mix);
    quantizer->values = checked_allocate(n, sizeof *quantizer->values);
    quantizer->blocks = checked_allocate(n, sizeof *quantizer->values);
    if (!quantizer->values || !quantizer->blocks)
        return error_set(quantizer->error, STATUS_NO_MEMORY,
                         "not enough memory to convert tensors");
    status = pool_new(&quantizer->pool, quantizer->options->n_threads, quantizer->error);
    if (status == STATUS_OK)
        status = gguf_open(&quantizer->file, in_path, quantizer->error);
    if (status == STATUS_OK)
        status = read_layers(quantizer);
    return status;
}

static enum status write_file(struct quantizer *quantizer, const char *out_path)
{
    enum status status = gguf_writer_open(&quantizer->writer, out_path, quantizer->error);

    if (status == STATUS_OK)
        status = copy_keys(quantizer);
    if (status == STATUS_OK)
        status = announce(quantizer);
    for (size_t i = 0; i < gguf_tensor_count(quantizer->file) && status == STATUS_OK; i++)
        status = write_tensor(quantizer, tensor_of(quantizer, i));
    if (status == STATUS_OK)
        status = gguf_writer_finish(&quantizer->writer, quantizer->error);
    return status;
}

enum status quantize_file(const char *in_path, const char *out_path,
                          const struct quantize_options *options,
                          struct quantize_result *result, struct error *error)
{
    struct quantizer quantizer = {.options = options, .error = error};
    struct stat written;
    enum status status = prepare(&quantizer, in_path);

    if (status == STATUS_OK)
        status = write_file(&quantizer, out_path);
    if (status == STATUS_OK && result) {
        *result = quantizer.result;
        result->bytes_before = gguf_file_bytes(quantizer.file);
        result->bytes_after =
            stat(out_path, &written) == 0 ? (uint64_t)written.st_size : result->bytes_before;
    }
    gguf_writer_discard(&quantizer.writer);
    gguf_close(&quantizer.file);
    pool_free(&quantizer.pool);
    free(quantizer.values);
    free(quantizer.blocks);
    return status;
}
