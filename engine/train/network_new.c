/*
 * network_new.c - a network with random weights
 *
 * A weight is a hash of seed, parameter and place, so that it does not depend on the order in which
 * weights are made.
 */
#include "engine/train/network_parts.h"

#include "engine/file/checked.h"
#include "engine/kernels/math.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH_MULTIPLE = 16, MAX_HEAD_DIM = 256 }; /* what train/kernels.h asks of heads */

static const double DEVIATION = 0.02;
static const double SHORTEST_STEP = 0.001, LONGEST_STEP = 0.1, FASTEST_RATE = 16;

/* SplitMix64 (Steele, Lea, Flood) of place i of a stream. */
static uint64_t hash(uint64_t stream, uint64_t i)
{
    uint64_t x = stream + (i + 1) * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* In (0, 1): never an end. */
static double uniform(uint64_t stream, uint64_t i)
{
    return ((double)(hash(stream, i) >> 12) + 0.5) * 0x1p-52;
}

/* Newton's root of a double, from the float one. */
static double root(double x)
{
    double y = (double)math_sqrt((float)x);

    if (!(y > 0))
        return 0;
    y = 0.5 * (y + x / y);
    return 0.5 * (y + x / y);
}

/* Box and Muller's transform of two uniform numbers. */
static double normal(uint64_t stream, uint64_t i)
{
    const double radius = root(-2 * math_log64(uniform(stream, 2 * i)));

    return radius * math_cos64(6.283185307179586 * uniform(stream, 2 * i + 1));
}

/* The x whose softplus is a step drawn evenly on a logarithmic scale. */
static double initial_step(double u)
{
    const double low = math_log64(SHORTEST_STEP), high = math_log64(LONGEST_STEP);

    return math_log64(math_exp64(math_exp64(low + u * (high - low))) - 1);
}

static void fill(const struct network *network, size_t index, uint64_t seed)
{
    const struct tensor *tensor = network->parameters[index].tensor;
    const uint64_t stream = hash(seed, index);
    const double n_additions = 2.0 * network->hyperparameters.n_layers;
    const double n_taps = network->hyperparameters.n_taps;
    const size_t n = tensor_elements(tensor);

    for (size_t i = 0; i < n; i++) {
        double value = 1;
        switch (network->initially[index]) {
        case INITIAL_ONE: break;
        case INITIAL_NORMAL: value = DEVIATION * normal(stream, i); break;
        case INITIAL_RESIDUAL: value = DEVIATION / root(n_additions) * normal(stream, i); break;
        case INITIAL_TAPS: value = (2 * uniform(stream, i) - 1) / root(n_taps); break;
        case INITIAL_STEP: value = initial_step(uniform(stream, i)); break;
        case INITIAL_RATE:
            value = math_log64(1 + (FASTEST_RATE - 1) * uniform(stream, i));
            break;
        }
        tensor->data[i] = (float)value;
    }
}

static enum status refuse(struct error *error, const char *what)
{
    return error_set(error, STATUS_USAGE, "%s", what);
}

static bool is_width(uint32_t n, uint32_t maximum)
{
    return n >= WIDTH_MULTIPLE && n <= maximum && n % WIDTH_MULTIPLE == 0;
}

static enum status check_layer(const struct layer_parameters *layer, struct error *error)
{
    if (!is_width(layer->n_ff, 1 << 20))
        return refuse(error, "the feed-forward width is not a multiple of 16");
    if (layer->recurrent)
        return STATUS_OK;
    if (layer->n_head == 0 || layer->n_head > 1024 || layer->n_head_kv == 0 ||
        layer->n_head % layer->n_head_kv != 0)
        return refuse(error, "the K/V heads do not divide the query heads");
    return STATUS_OK;
}

static enum status check(const struct hyperparameters *p, struct error *error)
{
    if (p->n_layers == 0 || (uint64_t)p->n_layers + p->n_mtp > MAX_LAYERS || !p->layers)
        return refuse(error, "the number of layers is not in 1 .. 1024");
    if (p->n_vocab == 0 || p->n_vocab > 1 << 24)
        return refuse(error, "the vocabulary is empty or too large");
    if (!is_width(p->n_embd, 1 << 16))
        return refuse(error, "the embedding width is not a multiple of 16");
    if (!is_width(p->head_dim, MAX_HEAD_DIM))
        return refuse(error, "the head dimension is not a multiple of 16 up to 256");
    if (!is_width(p->state_dim, MAX_HEAD_DIM))
        return refuse(error, "the state dimension is not a multiple of 16 up to 256");
    if (p->n_rotary < 2 || p->n_rotary % 2 != 0 || p->n_rotary > p->head_dim)
        return refuse(error, "the rotary dimensions are not even or not inside a head");
    if (p->n_taps < 2 || p->n_taps > 16)
        return refuse(error, "the convolution has not 2 .. 16 taps");
    if (p->n_key_heads == 0 || p->n_value_heads == 0 || p->n_value_heads > 1024 ||
        p->n_value_heads % p->n_key_heads != 0)
        return refuse(error, "the key heads do not divide the value heads");
    if (p->n_context == 0 || p->n_context > 1 << 20)
        return refuse(error, "the context is not in 1 .. 1048576");
    if (!(p->rope_base >= 1))
        return refuse(error, "the base of the rotary positions is below 1");
    for (uint32_t i = 0; i < p->n_layers + p->n_mtp; i++)
        if (check_layer(&p->layers[i], error) != STATUS_OK)
            return STATUS_USAGE;
    return STATUS_OK;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* What follows from other numbers. */
static void complete(struct hyperparameters *p)
{
    if (p->architecture[0] == '\0')
        snprintf(p->architecture, sizeof p->architecture, "qwen35");
    if (!(p->eps > 0))
        p->eps = 1e-6f;
    if (!(p->rope_factor > 0))
        p->rope_factor = 1;
    p->key_width = p->n_key_heads * p->state_dim;
    p->value_width = p->n_value_heads * p->state_dim;
    p->conv_width = 2 * p->key_width + p->value_width;
    p->n_attention_layers = p->max_ff = p->max_head = p->max_head_kv = 0;
    for (uint32_t i = 0; i < p->n_layers + p->n_mtp; i++) {
        const struct layer_parameters *layer = &p->layers[i];
        p->n_attention_layers += i < p->n_layers && !layer->recurrent;
        p->max_ff = larger(p->max_ff, layer->n_ff);
        if (layer->recurrent)
            continue;
        p->max_head = larger(p->max_head, layer->n_head);
        p->max_head_kv = larger(p->max_head_kv, layer->n_head_kv);
    }
}

enum status network_new(struct network **out, const struct hyperparameters *hyperparameters,
                        bool tied, uint64_t seed, struct error *error)
{
    const size_t n_blocks = (size_t)hyperparameters->n_layers + hyperparameters->n_mtp;
    struct hyperparameters copy = *hyperparameters;
    enum status status = check(hyperparameters, error);

    *out = NULL;
    if (status != STATUS_OK)
        return status;
    copy.layers = checked_allocate(n_blocks, sizeof *copy.layers);
    if (!copy.layers)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a network");
    memcpy(copy.layers, hyperparameters->layers, n_blocks * sizeof *copy.layers);
    complete(&copy);
    status = network_build(out, &copy, tied, error);
    for (size_t i = 0; status == STATUS_OK && i < (*out)->n_parameters; i++)
        fill(*out, i, seed);
    return status;
}
