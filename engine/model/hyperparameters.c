/*
 * hyperparameters.c - metadata keys of the qwen35 family, each checked under its own name
 */
#include "engine/model/hyperparameters.h"

#include "engine/file/checked.h"
#include "engine/file/gguf.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum {
    KEY_BYTES = 160,
    MAX_CONTEXT = 1 << 20, /* angles of positions are exact up to here; see math.h */
    MAX_WIDTH = 1 << 20,   /* of anything per token; products of two widths fit 64 bits */
    MAX_HEADS = 1024,
    MAX_HEAD_DIM = 1024,
    WIDTH_MULTIPLE = 16 /* what kernels.h asks of norms, heads and states */
};

struct reader {
    const struct gguf *file;
    const char *architecture;
    struct error *error;
};

struct range {
    uint32_t minimum, maximum;
    uint32_t multiple; /* 1: any */
};

static const char *key_name(const struct reader *reader, const char *suffix,
                            char buffer[KEY_BYTES])
{
    snprintf(buffer, KEY_BYTES, "%s.%s", reader->architecture, suffix);
    return buffer;
}

static enum status damaged(const struct reader *reader, const char *suffix, const char *what)
{
    char key[KEY_BYTES];

    error_set(reader->error, STATUS_DAMAGED, "%s", what);
    error_where(reader->error, "%s", key_name(reader, suffix, key));
    return STATUS_DAMAGED;
}

static enum status unsupported(const struct reader *reader, const char *suffix,
                               const char *what)
{
    char key[KEY_BYTES];

    error_set(reader->error, STATUS_UNSUPPORTED, "%s", what);
    error_where(reader->error, "%s", key_name(reader, suffix, key));
    return STATUS_UNSUPPORTED;
}

static enum status check_range(const struct reader *reader, const char *suffix, int64_t value,
                               struct range range)
{
    char what[128];

    if (value < (int64_t)range.minimum || value > (int64_t)range.maximum) {
        snprintf(what, sizeof what, "%lld is not in %u .. %u", (long long)value, range.minimum,
                 range.maximum);
        return damaged(reader, suffix, what);
    }
    if (value % range.multiple != 0) {
        snprintf(what, sizeof what, "%lld is not a multiple of %u", (long long)value,
                 range.multiple);
        return unsupported(reader, suffix, what);
    }
    return STATUS_OK;
}

/* *out keeps its value where the key is missing and `required` is false. */
static enum status read_number(const struct reader *reader, const char *suffix, bool required,
                               struct range range, uint32_t *out)
{
    char key[KEY_BYTES];
    uint32_t value;
    enum status status =
        gguf_get_u32(reader->file, key_name(reader, suffix, key), &value, reader->error);

    if (status == STATUS_NOT_FOUND)
        return required ? damaged(reader, suffix, "the key is missing") : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    status = check_range(reader, suffix, value, range);
    if (status == STATUS_OK)
        *out = value;
    return status;
}

static enum status read_float(const struct reader *reader, const char *suffix, bool required,
                              float minimum, float maximum, float *out)
{
    char key[KEY_BYTES], what[128];
    float value;
    enum status status =
        gguf_get_f32(reader->file, key_name(reader, suffix, key), &value, reader->error);

    if (status == STATUS_NOT_FOUND)
        return required ? damaged(reader, suffix, "the key is missing") : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    if (!(value >= minimum && value <= maximum)) {
        snprintf(what, sizeof what, "%g is not in %g .. %g", (double)value, (double)minimum,
                 (double)maximum);
        return damaged(reader, suffix, what);
    }
    *out = value;
    return STATUS_OK;
}

/*
 * A key that holds one number for all layers, or an array with one for each layer.  An array
 * may leave out the MTP blocks; they are then like the last layer of the trunk that is not
 * zero.
 */
static enum status read_per_layer(const struct reader *reader, const char *suffix,
                                  uint32_t n_layers, uint32_t n_blocks, struct range range,
                                  uint32_t values[])
{
    char key[KEY_BYTES];
    const struct gguf_key *found = gguf_find_key(reader->file, key_name(reader, suffix, key));
    enum status status = STATUS_OK;
    int64_t *elements = NULL;
    size_t n_elements;
    uint32_t last = 0;

    if (!found || found->type != GGUF_ARRAY) {
        uint32_t value = 0;
        status = read_number(reader, suffix, true, range, &value);
        for (uint32_t i = 0; i < n_blocks; i++)
            values[i] = value;
        return status;
    }
    status = gguf_get_integers(reader->file, key, &elements, &n_elements, reader->error);
    if (status != STATUS_OK)
        return status;
    if (n_elements != n_blocks && n_elements != n_layers)
        status = damaged(reader, suffix, "the array does not have one element for each layer");
    range.minimum = 0; /* recurrent layers may say zero */
    for (uint32_t i = 0; i < n_blocks && status == STATUS_OK; i++) {
        int64_t value = i < n_elements ? elements[i] : (int64_t)last;
        status = check_range(reader, suffix, value, range);
        values[i] = status == STATUS_OK ? (uint32_t)value : 0;
        if (values[i] > 0)
            last = values[i];
    }
    free(elements);
    return status;
}

static enum status read_architecture(struct hyperparameters *out, const struct gguf *file,
                                     struct error *error)
{
    struct gguf_string name;
    enum status status = gguf_get_string(file, "general.architecture", &name, error);

    if (status == STATUS_NOT_FOUND) {
        error_set(error, STATUS_DAMAGED, "the key is missing");
        error_where(error, "general.architecture");
        return STATUS_DAMAGED;
    }
    if (status != STATUS_OK)
        return status;
    snprintf(out->architecture, sizeof out->architecture, "%.*s",
             (int)(name.n_bytes < 63 ? name.n_bytes : 63), name.bytes);
    if (strcmp(out->architecture, "qwen35moe") == 0)
        return error_set(error, STATUS_UNSUPPORTED,
                         "architecture qwen35moe: mixtures of experts are not supported, only "
                         "dense qwen35");
    if (strcmp(out->architecture, "qwen35") != 0)
        return error_set(error, STATUS_UNSUPPORTED,
                         "architecture %s is not supported, only qwen35 (Qwen3.5, Qwen3.6)",
                         out->architecture);
    return STATUS_OK;
}

static enum status read_widths(struct hyperparameters *p, const struct reader *reader)
{
    const struct range width = {WIDTH_MULTIPLE, 1 << 16, WIDTH_MULTIPLE};
    const struct gguf_tensor *embedding = gguf_find_tensor(reader->file, "token_embd.weight");
    enum status status;
    float eps = 0;

    status = read_number(reader, "embedding_length", true, width, &p->n_embd);
    if (status == STATUS_OK)
        status = read_number(reader, "context_length", true, (struct range){1, MAX_CONTEXT, 1},
                             &p->n_context);
    if (status == STATUS_OK)
        status = read_float(reader, "attention.layer_norm_rms_epsilon", true, 0, 1, &eps);
    if (status != STATUS_OK)
        return status;
    if (!(eps > 0))
        return damaged(reader, "attention.layer_norm_rms_epsilon", "0 is not above 0");
    p->eps = eps;
    /* The table of embeddings says how many tokens there are: files carry no such key. */
    if (!embedding || embedding->ne[1] < 1 || embedding->ne[1] > 1 << 24) {
        error_set(reader->error, STATUS_DAMAGED, "%s",
                  embedding ? "the number of rows is not in 1 .. 16777216"
                            : "the tensor is missing");
        error_where(reader->error, "token_embd.weight");
        return STATUS_DAMAGED;
    }
    p->n_vocab = (uint32_t)embedding->ne[1];
    return STATUS_OK;
}

static enum status read_scaling(struct hyperparameters *p, const struct reader *reader)
{
    char key[KEY_BYTES];
    struct gguf_string type;
    enum status status;

    p->rope_factor = 1;
    key_name(reader, "rope.scaling.type", key);
    status = gguf_get_string(reader->file, key, &type, reader->error);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status != STATUS_OK)
        return status;
    if (type.n_bytes == 4 && memcmp(type.bytes, "none", 4) == 0)
        return STATUS_OK;
    status = read_float(reader, "rope.scaling.factor", false, 1e-3f, 1e3f, &p->rope_factor);
    if (status != STATUS_OK || p->rope_factor == 1)
        return status;
    if (type.n_bytes == 6 && memcmp(type.bytes, "linear", 6) == 0)
        return STATUS_OK;
    return unsupported(reader, "rope.scaling.type", "only linear scaling is supported");
}

static enum status read_attention(struct hyperparameters *p, const struct reader *reader)
{
    const struct range dimension = {WIDTH_MULTIPLE, MAX_HEAD_DIM, WIDTH_MULTIPLE};
    uint32_t value_dim = 0;
    enum status status;

    status = read_number(reader, "attention.key_length", true, dimension, &p->head_dim);
    if (status == STATUS_OK)
        status = read_number(reader, "attention.value_length", true, dimension, &value_dim);
    if (status == STATUS_OK && value_dim != p->head_dim)
        status = unsupported(reader, "attention.value_length",
                             "it differs from attention.key_length");
    if (status == STATUS_OK)
        status = read_number(reader, "rope.dimension_count", true,
                             (struct range){2, p->head_dim, 2}, &p->n_rotary);
    if (status == STATUS_OK)
        status = read_float(reader, "rope.freq_base", true, 1, 1e15f, &p->rope_base);
    if (status == STATUS_OK)
        status = read_scaling(p, reader);
    return status;
}

static enum status read_recurrent(struct hyperparameters *p, const struct reader *reader)
{
    const struct range heads = {1, MAX_HEADS, 1};
    uint32_t inner = 0;
    bool tiled = true;
    char key[KEY_BYTES];
    enum status status;

    status = read_number(reader, "ssm.conv_kernel", true, (struct range){2, 16, 1}, &p->n_taps);
    if (status == STATUS_OK)
        status = read_number(reader, "ssm.state_size", true,
                             (struct range){WIDTH_MULTIPLE, MAX_HEAD_DIM, WIDTH_MULTIPLE},
                             &p->state_dim);
    if (status == STATUS_OK)
        status = read_number(reader, "ssm.group_count", true, heads, &p->n_key_heads);
    if (status == STATUS_OK)
        status = read_number(reader, "ssm.time_step_rank", true, heads, &p->n_value_heads);
    if (status == STATUS_OK)
        status = read_number(reader, "ssm.inner_size", true, (struct range){1, MAX_WIDTH, 1},
                             &inner);
    if (status != STATUS_OK)
        return status;
    if (p->n_value_heads % p->n_key_heads != 0)
        return damaged(reader, "ssm.time_step_rank", "it is not a multiple of ssm.group_count");
    if (inner != p->n_value_heads * p->state_dim)
        return damaged(reader, "ssm.inner_size",
                       "it is not ssm.time_step_rank times ssm.state_size");
    p->key_width = p->n_key_heads * p->state_dim;
    p->value_width = inner;
    p->conv_width = 2 * p->key_width + p->value_width;
    /* Some converters say whether they put the value heads in the tiled order (section 3.8). */
    status = gguf_get_bool(reader->file, key_name(reader, "ssm.v_head_reordered", key), &tiled,
                           reader->error);
    if (status == STATUS_DAMAGED)
        return status;
    if (!tiled && p->n_value_heads != p->n_key_heads)
        return unsupported(reader, "ssm.v_head_reordered",
                           "value heads in grouped order are not supported");
    return STATUS_OK;
}

/*
 * Which layers are recurrent: an array says so, or every interval-th layer is full
 * attention.
 */
static enum status read_layer_kinds(struct hyperparameters *p, const struct reader *reader)
{
    char key[KEY_BYTES];
    uint32_t interval = 4;
    int64_t *recurrent = NULL;
    size_t n_elements = 0;
    enum status status;

    status = read_number(reader, "full_attention_interval", false,
                         (struct range){1, MAX_LAYERS, 1}, &interval);
    if (status != STATUS_OK)
        return status;
    key_name(reader, "attention.recurrent_layers", key);
    status = gguf_get_integers(reader->file, key, &recurrent, &n_elements, reader->error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    if (status == STATUS_OK && n_elements != p->n_layers &&
        n_elements != p->n_layers + p->n_mtp) {
        free(recurrent);
        return damaged(reader, "attention.recurrent_layers",
                       "the array does not have one element for each layer");
    }
    for (uint32_t i = 0; i < p->n_layers; i++) {
        p->layers[i].recurrent = recurrent ? recurrent[i] != 0 : (i + 1) % interval != 0;
        p->n_attention_layers += !p->layers[i].recurrent;
    }
    free(recurrent);
    return STATUS_OK;
}

static enum status check_attention_layer(const struct reader *reader,
                                         const struct hyperparameters *p, uint32_t n_head,
                                         uint32_t n_head_kv)
{
    if (n_head == 0)
        return damaged(reader, "attention.head_count", "an attention layer has no heads");
    if (n_head_kv == 0)
        return damaged(reader, "attention.head_count_kv", "an attention layer has no heads");
    if (n_head % n_head_kv != 0)
        return damaged(reader, "attention.head_count_kv",
                       "it does not divide attention.head_count");
    if ((uint64_t)n_head * p->head_dim > MAX_WIDTH / 2)
        return damaged(reader, "attention.head_count", "too many heads for their length");
    return STATUS_OK;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static enum status read_layers(struct hyperparameters *p, const struct reader *reader)
{
    const struct range heads = {1, MAX_HEADS, 1};
    const uint32_t n_blocks = p->n_layers + p->n_mtp;
    uint32_t n_head[MAX_LAYERS] = {0}, n_head_kv[MAX_LAYERS] = {0}, n_ff[MAX_LAYERS] = {0};
    enum status status;

    status = read_layer_kinds(p, reader);
    if (status == STATUS_OK)
        status =
            read_per_layer(reader, "feed_forward_length", p->n_layers, n_blocks,
                           (struct range){WIDTH_MULTIPLE, MAX_WIDTH, WIDTH_MULTIPLE}, n_ff);
    if (status == STATUS_OK)
        status = read_per_layer(reader, "attention.head_count", p->n_layers, n_blocks, heads,
                                n_head);
    if (status == STATUS_OK)
        status = read_per_layer(reader, "attention.head_count_kv", p->n_layers, n_blocks, heads,
                                n_head_kv);
    for (uint32_t i = 0; i < n_blocks && status == STATUS_OK; i++) {
        struct layer_parameters *layer = &p->layers[i];
        layer->n_ff = n_ff[i];
        p->max_ff = larger(p->max_ff, layer->n_ff);
        if (layer->n_ff == 0)
            status = damaged(reader, "feed_forward_length", "a layer has none");
        if (layer->recurrent || status != STATUS_OK)
            continue;
        status = check_attention_layer(reader, p, n_head[i], n_head_kv[i]);
        layer->n_head = n_head[i];
        layer->n_head_kv = n_head_kv[i];
        p->max_head = larger(p->max_head, layer->n_head);
        p->max_head_kv = larger(p->max_head_kv, layer->n_head_kv);
    }
    return status;
}

static enum status read_blocks(struct hyperparameters *p, const struct reader *reader)
{
    uint32_t n_blocks = 0, n_experts = 0;
    enum status status;

    status =
        read_number(reader, "block_count", true, (struct range){1, MAX_LAYERS, 1}, &n_blocks);
    if (status == STATUS_OK)
        status = read_number(reader, "nextn_predict_layers", false,
                             (struct range){0, n_blocks - 1, 1}, &p->n_mtp);
    if (status == STATUS_OK)
        status = read_number(reader, "expert_count", false, (struct range){0, 1 << 16, 1},
                             &n_experts);
    if (status != STATUS_OK)
        return status;
    if (n_experts > 0)
        return unsupported(reader, "expert_count", "mixtures of experts are not supported");
    p->n_layers = n_blocks - p->n_mtp;
    p->layers = checked_allocate_zeroed(n_blocks, sizeof *p->layers);
    if (!p->layers)
        return error_set(reader->error, STATUS_NO_MEMORY, "no memory for %u layers", n_blocks);
    return STATUS_OK;
}

enum status hyperparameters_read(struct hyperparameters *out, const struct gguf *file,
                                 struct error *error)
{
    struct hyperparameters p = {0};
    struct reader reader = {file, p.architecture, error};
    enum status status = read_architecture(&p, file, error);

    if (status == STATUS_OK)
        status = read_blocks(&p, &reader);
    if (status == STATUS_OK)
        status = read_widths(&p, &reader);
    if (status == STATUS_OK)
        status = read_attention(&p, &reader);
    if (status == STATUS_OK)
        status = read_recurrent(&p, &reader);
    if (status == STATUS_OK)
        status = read_layers(&p, &reader);
    if (status != STATUS_OK)
        hyperparameters_release(&p);
    *out = p;
    return status;
}

void hyperparameters_release(struct hyperparameters *parameters)
{
    free(parameters->layers);
    parameters->layers = NULL;
}
