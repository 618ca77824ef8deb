/*
 * export.c - a network as a file: keys, then tensors in the types of a mix
 */
#include "engine/train/export.h"

#include "engine/file/checked.h"
#include "engine/file/gguf_writer.h"
#include "engine/kernels/math.h"
#include "engine/run/pool.h"
#include "engine/train/mix.h"
#include "engine/train/network_parts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLAB_VALUES = 1 << 20,   /* about as many are encoded at a time */
    QUANTISATION_VERSION = 2 /* of the block formats */
};

/* The first failure stays: later steps do nothing, so that lists of keys read as lists. */
struct exporter {
    struct network *network;
    const struct export_options *options;
    const struct mix *mix;
    struct pool *pool;
    struct gguf_writer *writer;
    enum status status;
    struct error *error;
};

static void string_key(struct exporter *exporter, const char *name, const char *text)
{
    if (exporter->status == STATUS_OK)
        exporter->status =
            gguf_writer_string(exporter->writer, name, text, strlen(text), exporter->error);
}

static void number_key(struct exporter *exporter, const char *name, uint32_t value)
{
    if (exporter->status == STATUS_OK)
        exporter->status = gguf_writer_u32(exporter->writer, name, value, exporter->error);
}

static void float_key(struct exporter *exporter, const char *name, float value)
{
    if (exporter->status == STATUS_OK)
        exporter->status = gguf_writer_f32(exporter->writer, name, value, exporter->error);
}

static void array_key(struct exporter *exporter, const char *name, enum gguf_value_type type,
                      const void *values, size_t n)
{
    if (exporter->status == STATUS_OK)
        exporter->status =
            gguf_writer_array(exporter->writer, name, type, values, n, exporter->error);
}

/* ---- keys of the shape ------------------------------------------------------------------------- */

enum per_layer { LAYER_FF, LAYER_HEADS, LAYER_KV_HEADS };

static uint32_t layer_number(const struct layer_parameters *layer, enum per_layer which)
{
    switch (which) {
    case LAYER_FF: return layer->n_ff;
    case LAYER_HEADS: return layer->n_head;
    default: return layer->n_head_kv;
    }
}

/* One number where all layers that have it agree, else an array. */
static void per_layer_key(struct exporter *exporter, const char *name, enum per_layer which)
{
    const struct hyperparameters *p = &exporter->network->hyperparameters;
    const uint32_t n_blocks = p->n_layers + p->n_mtp;
    uint32_t values[MAX_LAYERS], common = 0;
    bool agree = true;

    for (uint32_t i = 0; i < n_blocks; i++) {
        values[i] = layer_number(&p->layers[i], which);
        if (values[i] == 0)
            continue; /* a recurrent layer */
        agree = agree && (common == 0 || values[i] == common);
        common = values[i];
    }
    if (agree)
        number_key(exporter, name, common > 0 ? common : 1);
    else
        array_key(exporter, name, GGUF_U32, values, n_blocks);
}

/* Every n-th layer is full attention: n; 0: the layers follow no such rule. */
static uint32_t attention_interval(const struct hyperparameters *p)
{
    uint32_t interval = 1;

    while (interval <= p->n_layers && p->layers[interval - 1].recurrent)
        interval++;
    for (uint32_t i = 0; i < p->n_layers; i++)
        if (p->layers[i].recurrent != ((i + 1) % interval != 0))
            return 0;
    return interval;
}

static void layer_kind_keys(struct exporter *exporter)
{
    const struct hyperparameters *p = &exporter->network->hyperparameters;
    const uint32_t interval = attention_interval(p);
    bool recurrent[MAX_LAYERS];

    if (interval > 0) {
        number_key(exporter, "qwen35.full_attention_interval", interval);
        return;
    }
    for (uint32_t i = 0; i < p->n_layers + p->n_mtp; i++)
        recurrent[i] = p->layers[i].recurrent;
    array_key(exporter, "qwen35.attention.recurrent_layers", GGUF_BOOL, recurrent,
              p->n_layers + p->n_mtp);
}

/* Pairs of the rotary dimensions by axis; for text every division is the same. */
static void section_key(struct exporter *exporter)
{
    const int32_t n_pairs = (int32_t)exporter->network->hyperparameters.n_rotary / 2;
    const int32_t third = n_pairs / 3;
    const int32_t sections[] = {n_pairs - 2 * third, third, third, 0};

    array_key(exporter, "qwen35.rope.dimension_sections", GGUF_I32, sections, 4);
}

static void shape_keys(struct exporter *exporter)
{
    const struct hyperparameters *p = &exporter->network->hyperparameters;

    number_key(exporter, "qwen35.block_count", p->n_layers + p->n_mtp);
    if (p->n_mtp > 0)
        number_key(exporter, "qwen35.nextn_predict_layers", p->n_mtp);
    number_key(exporter, "qwen35.context_length", p->n_context);
    number_key(exporter, "qwen35.embedding_length", p->n_embd);
    per_layer_key(exporter, "qwen35.feed_forward_length", LAYER_FF);
    per_layer_key(exporter, "qwen35.attention.head_count", LAYER_HEADS);
    per_layer_key(exporter, "qwen35.attention.head_count_kv", LAYER_KV_HEADS);
    number_key(exporter, "qwen35.attention.key_length", p->head_dim);
    number_key(exporter, "qwen35.attention.value_length", p->head_dim);
    float_key(exporter, "qwen35.attention.layer_norm_rms_epsilon", p->eps);
    number_key(exporter, "qwen35.rope.dimension_count", p->n_rotary);
    section_key(exporter);
    float_key(exporter, "qwen35.rope.freq_base", p->rope_base);
    number_key(exporter, "qwen35.ssm.conv_kernel", p->n_taps);
    number_key(exporter, "qwen35.ssm.state_size", p->state_dim);
    number_key(exporter, "qwen35.ssm.group_count", p->n_key_heads);
    number_key(exporter, "qwen35.ssm.time_step_rank", p->n_value_heads);
    number_key(exporter, "qwen35.ssm.inner_size", p->value_width);
    layer_kind_keys(exporter);
}

/* ---- other keys -------------------------------------------------------------------------------- */

static bool begins_with(const struct gguf_key *key, const char *start)
{
    const size_t n = strlen(start);

    return key->name.n_bytes >= n && memcmp(key->name.bytes, start, n) == 0;
}

static bool is_named(const struct gguf_key *key, const char *name)
{
    return key->name.n_bytes == strlen(name) && begins_with(key, name);
}

/* Keys that say what is in the other file and not in this one. */
static bool is_replaced(const struct exporter *exporter, const struct gguf_key *key)
{
    return is_named(key, "general.file_type") ||
           is_named(key, "general.quantization_version") ||
           is_named(key, "general.alignment") ||
           (is_named(key, "general.name") && exporter->options->name) ||
           (is_named(key, "general.description") && exporter->options->description) ||
           (begins_with(key, "general.sampling.") && exporter->options->sampling) ||
           begins_with(key, "split.");
}

static void copy_keys(struct exporter *exporter)
{
    const struct gguf *file = exporter->options->keys;

    for (size_t i = 0; file && i < gguf_key_count(file); i++) {
        const struct gguf_key *key = gguf_key_at(file, i);
        const bool wanted = exporter->options->copy_all_keys ? !is_replaced(exporter, key)
                                                             : begins_with(key, "tokenizer.");
        if (wanted && exporter->status == STATUS_OK)
            exporter->status =
                gguf_writer_copy_key(exporter->writer, file, key, exporter->error);
    }
}

static void sampling_keys(struct exporter *exporter)
{
    const struct sampling_choice *choice = exporter->options->sampling;

    if (!choice)
        return;
    if (choice->given & SAMPLING_TEMPERATURE)
        float_key(exporter, "general.sampling.temp", choice->values.temperature);
    if (choice->given & SAMPLING_TOP_K)
        number_key(exporter, "general.sampling.top_k", (uint32_t)choice->values.top_k);
    if (choice->given & SAMPLING_TOP_P)
        float_key(exporter, "general.sampling.top_p", choice->values.top_p);
    if (choice->given & SAMPLING_MIN_P)
        float_key(exporter, "general.sampling.min_p", choice->values.min_p);
    if (choice->given & SAMPLING_REPETITION)
        float_key(exporter, "general.sampling.penalty_repeat",
                  choice->values.repetition_penalty);
}

static void write_keys(struct exporter *exporter)
{
    const struct export_options *options = exporter->options;

    if (!options->copy_all_keys)
        string_key(exporter, "general.architecture", "qwen35");
    if (options->name)
        string_key(exporter, "general.name", options->name);
    if (options->description)
        string_key(exporter, "general.description", options->description);
    number_key(exporter, "general.file_type", mix_file_type(exporter->mix));
    number_key(exporter, "general.quantization_version", QUANTISATION_VERSION);
    sampling_keys(exporter);
    if (!options->copy_all_keys)
        shape_keys(exporter);
    copy_keys(exporter);
}

/* ---- tensors ----------------------------------------------------------------------------------- */

static enum tensor_type type_of(const struct exporter *exporter,
                                const struct parameter *parameter, const uint64_t ne[2])
{
    if (parameter->kind == PARAMETER_VECTOR)
        return TENSOR_F32;
    return mix_type(exporter->mix, parameter->name, parameter->tensor->n_dimensions, ne,
                    exporter->network->hyperparameters.n_layers, exporter->network->tied, NULL);
}

/* As a file has it: the row's length first. */
static void dimensions(const struct parameter *parameter, uint64_t ne[2])
{
    const struct tensor *tensor = parameter->tensor;

    ne[0] = tensor->shape[tensor->n_dimensions - 1];
    ne[1] = tensor->n_dimensions == 2 ? tensor->shape[0] : 1;
}

static void announce_tensors(struct exporter *exporter)
{
    for (size_t i = 0; i < exporter->network->n_parameters; i++) {
        const struct parameter *parameter = &exporter->network->parameters[i];
        uint64_t ne[2];
        dimensions(parameter, ne);
        if (exporter->status == STATUS_OK)
            exporter->status = gguf_writer_tensor(
                exporter->writer, parameter->name, type_of(exporter, parameter, ne),
                parameter->tensor->n_dimensions, ne, exporter->error);
    }
}

/* Rows of one tensor, encoded by all threads. */
struct encode_job {
    enum tensor_type type;
    const float *values; /* [n_rows][n_columns] */
    size_t n_columns, row_bytes;
    uint32_t n_rows;
    bool log_rate;
    uint8_t *out;
    atomic_bool bad; /* a value is not finite or cannot be encoded */
};

static bool are_finite(const float *values, size_t n)
{
    bool finite = true;

    for (size_t i = 0; i < n; i++)
        finite = finite && (math_bits_of(values[i]) & 0x7f800000u) != 0x7f800000u;
    return finite;
}

/* -exp of each value; out: floats of a file. */
static bool encode_rates(const float *values, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float rate = -math_exp(values[i]);
        if (!are_finite(&rate, 1) ||
            !tensor_row_encode(TENSOR_F32, &rate, out + i * sizeof rate, 1))
            return false;
    }
    return true;
}

static void encode_part(void *context, uint32_t part, uint32_t n_parts)
{
    struct encode_job *job = context;
    uint32_t first, count;

    pool_range(job->n_rows, part, n_parts, &first, &count);
    for (uint32_t row = first; row < first + count; row++) {
        const float *values = job->values + (size_t)row * job->n_columns;
        uint8_t *out = job->out + (size_t)row * job->row_bytes;
        if (!are_finite(values, job->n_columns) ||
            !(job->log_rate ? encode_rates(values, out, job->n_columns)
                            : tensor_row_encode(job->type, values, out, job->n_columns)))
            atomic_store(&job->bad, true);
    }
}

static enum status not_finite(struct exporter *exporter, const struct parameter *parameter)
{
    error_set(exporter->error, STATUS_FAILED, "a value of the tensor is not a finite number");
    error_where(exporter->error, "%s", parameter->name);
    return STATUS_FAILED;
}

static enum status write_tensor(struct exporter *exporter, const struct parameter *parameter)
{
    const struct tensor_type_info *info;
    enum status status = STATUS_OK;
    struct encode_job job = {.log_rate = parameter->log_rate};
    size_t slab;
    uint64_t ne[2];

    dimensions(parameter, ne);
    job.type = type_of(exporter, parameter, ne);
    info = tensor_type_info(job.type);
    job.n_columns = (size_t)ne[0];
    job.row_bytes = (size_t)(ne[0] / info->block_elements * info->block_bytes);
    slab = SLAB_VALUES / ne[0] + 1;
    if (slab > ne[1])
        slab = (size_t)ne[1];
    job.out = checked_allocate(slab, job.row_bytes);
    if (!job.out)
        return error_set(exporter->error, STATUS_NO_MEMORY, "no memory to encode %s",
                         parameter->name);
    for (size_t row = 0; row < ne[1] && status == STATUS_OK; row += job.n_rows) {
        job.values = parameter->tensor->data + row * job.n_columns;
        job.n_rows = (uint32_t)(ne[1] - row < slab ? ne[1] - row : slab);
        pool_run(exporter->pool, encode_part, &job,
                 (uint32_t)pool_thread_count(exporter->pool));
        status = atomic_load(&job.bad)
                     ? not_finite(exporter, parameter)
                     : gguf_writer_data(exporter->writer, job.out, job.n_rows * job.row_bytes,
                                        exporter->error);
    }
    free(job.out);
    return status;
}

enum status network_export(struct network *network, const char *path,
                           const struct export_options *options, struct pool *pool,
                           struct error *error)
{
    struct exporter exporter = {network,   options, mix_find(options->mix), pool, NULL,
                                STATUS_OK, error};

    if (!exporter.mix)
        return error_set(error, STATUS_USAGE, "no mix of tensor types is named %s",
                         options->mix);
    exporter.status = gguf_writer_open(&exporter.writer, path, error);
    if (exporter.status != STATUS_OK)
        return exporter.status;
    write_keys(&exporter);
    announce_tensors(&exporter);
    for (size_t i = 0; i < network->n_parameters && exporter.status == STATUS_OK; i++)
        exporter.status = write_tensor(&exporter, &network->parameters[i]);
    if (exporter.status == STATUS_OK)
        return gguf_writer_finish(&exporter.writer, error);
    gguf_writer_discard(&exporter.writer);
    return exporter.status;
}
