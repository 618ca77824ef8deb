/*
 * mix.c - which tensor type each tensor of a model gets under a named mix
 *
 * The rules are those that files of the family are made by elsewhere (llama-quantize), so that a
 * mix's name means the same in both programs.
 */
#include "engine/train/mix.h"

#include <string.h>

struct mix {
    const char *name;
    uint32_t file_type;
    enum tensor_type type;   /* of a matrix */
    enum tensor_type better; /* of values and ffn_down on the layers that get more bits */
    enum tensor_type head;   /* of the output matrix */
};

static const struct mix mixes[] = {
    {"F32", 0, TENSOR_F32, TENSOR_F32, TENSOR_F32},
    {"F16", 1, TENSOR_F16, TENSOR_F16, TENSOR_F16},
    {"BF16", 32, TENSOR_BF16, TENSOR_BF16, TENSOR_BF16},
    {"Q8_0", 7, TENSOR_Q8_0, TENSOR_Q8_0, TENSOR_Q8_0},
    {"Q6_K", 18, TENSOR_Q6_K, TENSOR_Q6_K, TENSOR_Q6_K},
    {"Q5_K_M", 17, TENSOR_Q5_K, TENSOR_Q6_K, TENSOR_Q6_K},
    {"Q4_K_M", 15, TENSOR_Q4_K, TENSOR_Q6_K, TENSOR_Q6_K},
    {"Q4_0", 2, TENSOR_Q4_0, TENSOR_Q4_0, TENSOR_Q6_K},
};

const struct mix *mix_find(const char *name)
{
    for (size_t i = 0; i < sizeof mixes / sizeof mixes[0]; i++)
        if (strcmp(mixes[i].name, name) == 0)
            return &mixes[i];
    return NULL;
}

uint32_t mix_file_type(const struct mix *mix)
{
    return mix->file_type;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n_name = strlen(name), n_end = strlen(end);

    return n_name >= n_end && strcmp(name + n_name - n_end, end) == 0;
}

/* Small or sensitive tensors, which no mix touches. */
static bool stays_exact(const char *name, uint32_t n_dimensions, const uint64_t *ne)
{
    bool is_matrix = false;

    for (uint32_t i = 1; i < n_dimensions; i++)
        is_matrix = is_matrix || ne[i] > 1;
    return !is_matrix || !ends_with(name, ".weight") || ends_with(name, "_norm.weight") ||
           ends_with(name, ".ssm_conv1d.weight") || strstr(name, ".ffn_gate_inp") != NULL;
}

/* The block of "blk.N.rest"; false: a tensor of no block. */
static bool block_of(const char *name, uint32_t *block)
{
    const char *at = name + 4;

    if (strncmp(name, "blk.", 4) != 0 || *at < '0' || *at > '9')
        return false;
    for (*block = 0; *at >= '0' && *at <= '9' && *block < 100000; at++)
        *block = *block * 10 + (uint32_t)(*at - '0');
    return *at == '.';
}

/* The first and last eighth of the layers and every third of those between. */
static bool gets_more_bits(uint32_t block, uint32_t n_layers)
{
    uint32_t eighth = n_layers / 8;

    return block < eighth || block >= 7 * n_layers / 8 || (block - eighth) % 3 == 2;
}

static bool is_spared(const char *name, uint32_t n_layers)
{
    uint32_t block;

    return block_of(name, &block) && gets_more_bits(block, n_layers) &&
           (ends_with(name, ".attn_v.weight") || ends_with(name, ".attn_qkv.weight") ||
            ends_with(name, ".ffn_down.weight") || ends_with(name, ".ffn_down_exps.weight") ||
            ends_with(name, ".ffn_down_shexp.weight"));
}

static bool fits(enum tensor_type type, uint64_t row_elements)
{
    return row_elements % tensor_type_info((uint32_t)type)->block_elements == 0;
}

/* The type of small blocks that is next above a type of large ones. */
static enum tensor_type without_large_blocks(enum tensor_type type)
{
    switch (type) {
    case TENSOR_Q4_K: return TENSOR_Q5_0;
    case TENSOR_Q5_K: return TENSOR_Q5_1;
    case TENSOR_Q6_K: return TENSOR_Q8_0;
    default: return TENSOR_F16;
    }
}

enum tensor_type mix_type(const struct mix *mix, const char *name, uint32_t n_dimensions,
                          const uint64_t *ne, uint32_t n_layers, bool tied, bool *fallback)
{
    enum tensor_type wanted = mix->type, type;

    if (stays_exact(name, n_dimensions, ne))
        wanted = TENSOR_F32;
    else if (strcmp(name, tied ? "token_embd.weight" : "output.weight") == 0)
        wanted = mix->head;
    else if (is_spared(name, n_layers))
        wanted = mix->better;
    type = wanted;
    if (!fits(type, ne[0]))
        type = without_large_blocks(type);
    if (!fits(type, ne[0]))
        type = TENSOR_F16;
    if (fallback)
        *fallback = type != wanted;
    return type;
}
