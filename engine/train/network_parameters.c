/*
 * network_parameters.c - names and shapes of the parameters, and what they begin with
 *
 * The list is that of engine/model/weights.c, in the order in which a file has its tensors.
 */
#include "engine/train/network_parts.h"

#include "engine/file/checked.h"
#include "engine/kernels/math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_PARAMETERS = 20, END_PARAMETERS = 3 };

/* The first failure stays: later steps do nothing, so that lists of parameters read as lists. */
struct builder {
    struct network *network;
    const struct hyperparameters *hyperparameters;
    bool counts;       /* makes nothing: only n_values is wanted */
    uint64_t n_values; /* of all parameters, while it counts; UINT64_MAX: too many */
    uint32_t block;    /* names begin with "blk.<block>." */
    enum status status;
    struct error *error;
};

/* columns 0: a vector of n_rows. */
static struct tensor *add(struct builder *builder, const char *name, enum parameter_kind kind,
                          enum initial_values initially, uint32_t n_rows, uint32_t n_columns)
{
    struct network *network = builder->network;
    const size_t shape[] = {n_rows, n_columns};
    struct parameter *parameter;

    if (builder->status != STATUS_OK)
        return NULL;
    if (builder->counts) {
        uint64_t n_values = (uint64_t)n_rows * (n_columns > 0 ? n_columns : 1);

        if (!checked_add(builder->n_values, n_values, &builder->n_values))
            builder->n_values = UINT64_MAX;
        return NULL;
    }
    parameter = &network->parameters[network->n_parameters];
    parameter->tensor = tensor_new(n_columns > 0 ? 2 : 1, shape, true);
    if (!parameter->tensor) {
        builder->status =
            error_set(builder->error, STATUS_NO_MEMORY, "no memory for the parameters");
        error_where(builder->error, "%s", name);
        return NULL;
    }
    snprintf(parameter->name, sizeof parameter->name, "%s", name);
    parameter->kind = kind;
    parameter->log_rate = initially == INITIAL_RATE;
    network->initially[network->n_parameters++] = initially;
    return parameter->tensor;
}

static struct tensor *add_to_block(struct builder *builder, const char *suffix,
                                   enum parameter_kind kind, enum initial_values initially,
                                   uint32_t n_rows, uint32_t n_columns)
{
    char name[sizeof builder->network->parameters->name];

    snprintf(name, sizeof name, "blk.%u.%s", builder->block, suffix);
    return add(builder, name, kind, initially, n_rows, n_columns);
}

static struct linear_layer add_matrix(struct builder *builder, const char *suffix,
                                      uint32_t n_outputs, uint32_t n_inputs)
{
    return (struct linear_layer){.weight = add_to_block(builder, suffix, PARAMETER_MATRIX,
                                                        INITIAL_NORMAL, n_outputs, n_inputs)};
}

static struct linear_layer add_to_residual(struct builder *builder, const char *suffix,
                                           uint32_t n_outputs, uint32_t n_inputs)
{
    return (struct linear_layer){.weight = add_to_block(builder, suffix, PARAMETER_MATRIX,
                                                        INITIAL_RESIDUAL, n_outputs, n_inputs)};
}

static struct norm_layer add_norm(struct builder *builder, const char *suffix, uint32_t n)
{
    return (struct norm_layer){
        .weight = add_to_block(builder, suffix, PARAMETER_VECTOR, INITIAL_ONE, n, 0),
        .eps = builder->hyperparameters->eps};
}

static struct gated_attention add_attention(struct builder *builder,
                                            const struct layer_parameters *layer)
{
    const struct hyperparameters *p = builder->hyperparameters;
    const uint32_t d = p->n_embd, width = layer->n_head * p->head_dim;
    const uint32_t kv_width = layer->n_head_kv * p->head_dim;
    struct gated_attention out = {
        .n_head = layer->n_head,
        .n_head_kv = layer->n_head_kv,
        .head_dim = p->head_dim,
        .n_rotary = p->n_rotary,
        .rope_base = p->rope_base,
    };

    out.query = add_matrix(builder, "attn_q.weight", 2 * width, d);
    out.key = add_matrix(builder, "attn_k.weight", kv_width, d);
    out.value = add_matrix(builder, "attn_v.weight", kv_width, d);
    out.output = add_to_residual(builder, "attn_output.weight", d, width);
    out.query_norm = add_norm(builder, "attn_q_norm.weight", p->head_dim);
    out.key_norm = add_norm(builder, "attn_k_norm.weight", p->head_dim);
    return out;
}

static struct gated_deltanet add_deltanet(struct builder *builder)
{
    const struct hyperparameters *p = builder->hyperparameters;
    const uint32_t d = p->n_embd, n_heads = p->n_value_heads;
    struct gated_deltanet out = {
        .n_key_heads = p->n_key_heads,
        .n_value_heads = n_heads,
        .state_dim = p->state_dim,
        .eps = p->eps,
    };

    out.qkv = add_matrix(builder, "attn_qkv.weight", p->conv_width, d);
    out.gate = add_matrix(builder, "attn_gate.weight", p->value_width, d);
    out.beta = add_matrix(builder, "ssm_beta.weight", n_heads, d);
    out.alpha = add_matrix(builder, "ssm_alpha.weight", n_heads, d);
    out.taps = add_to_block(builder, "ssm_conv1d.weight", PARAMETER_VECTOR, INITIAL_TAPS,
                            p->conv_width, p->n_taps);
    out.step = add_to_block(builder, "ssm_dt.bias", PARAMETER_VECTOR, INITIAL_STEP, n_heads, 0);
    out.log_rate = add_to_block(builder, "ssm_a", PARAMETER_VECTOR, INITIAL_RATE, n_heads, 0);
    out.norm = add_norm(builder, "ssm_norm.weight", p->state_dim);
    out.output = add_to_residual(builder, "ssm_out.weight", d, p->value_width);
    return out;
}

static struct block_layer add_block(struct builder *builder, uint32_t index)
{
    const struct layer_parameters *layer = &builder->hyperparameters->layers[index];
    const uint32_t d = builder->hyperparameters->n_embd;
    struct block_layer out = {.recurrent = layer->recurrent};

    builder->block = index;
    out.mixer_norm = add_norm(builder, "attn_norm.weight", d);
    if (layer->recurrent)
        out.deltanet = add_deltanet(builder);
    else
        out.attention = add_attention(builder, layer);
    out.ffn_norm = add_norm(builder, "post_attention_norm.weight", d);
    out.ffn.gate = add_matrix(builder, "ffn_gate.weight", layer->n_ff, d);
    out.ffn.up = add_matrix(builder, "ffn_up.weight", layer->n_ff, d);
    out.ffn.down = add_to_residual(builder, "ffn_down.weight", d, layer->n_ff);
    return out;
}

static struct mtp_layer add_mtp(struct builder *builder)
{
    const uint32_t d = builder->hyperparameters->n_embd;
    struct mtp_layer out;

    out.block = add_block(builder, builder->hyperparameters->n_layers);
    out.join = add_matrix(builder, "nextn.eh_proj.weight", d, 2 * d);
    out.embedding_norm = add_norm(builder, "nextn.enorm.weight", d);
    out.hidden_norm = add_norm(builder, "nextn.hnorm.weight", d);
    out.output_norm = add_norm(builder, "nextn.shared_head_norm.weight", d);
    return out;
}

static void add_all(struct builder *builder)
{
    struct network *network = builder->network;
    const struct hyperparameters *p = builder->hyperparameters;

    network->table = add(builder, "token_embd.weight", PARAMETER_TABLE, INITIAL_NORMAL,
                         p->n_vocab, p->n_embd);
    for (uint32_t i = 0; i < p->n_layers; i++)
        network->blocks[i] = add_block(builder, i);
    if (p->n_mtp > 0)
        network->mtp = add_mtp(builder);
    network->output_norm.weight =
        add(builder, "output_norm.weight", PARAMETER_VECTOR, INITIAL_ONE, p->n_embd, 0);
    network->output_norm.eps = p->eps;
    network->head.weight = network->tied ? network->table
                                         : add(builder, "output.weight", PARAMETER_MATRIX,
                                               INITIAL_NORMAL, p->n_vocab, p->n_embd);
}

static enum status check_trainable(const struct hyperparameters *p, struct error *error)
{
    if (p->n_mtp > 1)
        return error_set(error, STATUS_UNSUPPORTED,
                         "%u multi-token-prediction blocks: the trainer knows one at most",
                         p->n_mtp);
    if (p->rope_factor != 1)
        return error_set(error, STATUS_UNSUPPORTED, "the trainer knows no scaled positions");
    return STATUS_OK;
}

/*
 * Values, gradients and two moments, against the memory of the machine: the system gives more than
 * there is and kills the process when it is used.
 */
static enum status check_memory(struct builder *builder)
{
    const double gigabyte = 1e9;
    double wanted, there;
    long n_pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);

    builder->counts = true;
    add_all(builder);
    builder->counts = false;
    wanted = 4.0 * sizeof(float) * (double)builder->n_values;
    there = (double)n_pages * (double)page_bytes;
    if (n_pages <= 0 || page_bytes <= 0 || wanted <= there)
        return STATUS_OK;
    return error_set(builder->error, STATUS_NO_MEMORY,
                     "%.3g million parameters take %.3g GB to train, this machine has %.3g",
                     (double)builder->n_values / 1e6, wanted / gigabyte, there / gigabyte);
}

enum status network_build(struct network **out, struct hyperparameters *hyperparameters,
                          bool tied, struct error *error)
{
    struct network *network = checked_allocate_zeroed(1, sizeof *network);
    struct builder builder = {.network = network, .status = STATUS_OK, .error = error};
    const size_t capacity =
        ((size_t)hyperparameters->n_layers + hyperparameters->n_mtp) * BLOCK_PARAMETERS +
        END_PARAMETERS;

    *out = NULL;
    if (!network) {
        hyperparameters_release(hyperparameters);
        return error_set(error, STATUS_NO_MEMORY, "no memory for a network");
    }
    network->hyperparameters = *hyperparameters;
    network->tied = tied;
    builder.hyperparameters = &network->hyperparameters;
    builder.status = check_trainable(builder.hyperparameters, error);
    network->parameters = checked_allocate_zeroed(capacity, sizeof *network->parameters);
    network->initially = checked_allocate_zeroed(capacity, sizeof *network->initially);
    network->blocks =
        checked_allocate_zeroed(network->hyperparameters.n_layers, sizeof *network->blocks);
    if (!network->parameters || !network->initially || !network->blocks)
        builder.status = error_set(error, STATUS_NO_MEMORY, "no memory for a network");
    if (builder.status == STATUS_OK)
        builder.status = check_memory(&builder);
    if (builder.status == STATUS_OK)
        add_all(&builder);
    if (builder.status != STATUS_OK) {
        network_free(&network);
        return builder.status;
    }
    *out = network;
    return STATUS_OK;
}

void network_free(struct network **network)
{
    if (!*network)
        return;
    for (size_t i = 0; i < (*network)->n_parameters; i++)
        tensor_free(&(*network)->parameters[i].tensor);
    free((*network)->parameters);
    free((*network)->initially);
    free((*network)->blocks);
    hyperparameters_release(&(*network)->hyperparameters);
    free(*network);
    *network = NULL;
}

const struct hyperparameters *network_hyperparameters(const struct network *network)
{
    return &network->hyperparameters;
}

bool network_is_tied(const struct network *network)
{
    return network->tied;
}

struct parameter *network_parameters(struct network *network, size_t *n_parameters)
{
    *n_parameters = network->n_parameters;
    return network->parameters;
}

uint64_t network_parameter_count(const struct network *network)
{
    uint64_t n = 0;

    for (size_t i = 0; i < network->n_parameters; i++)
        n += tensor_elements(network->parameters[i].tensor);
    return n;
}
