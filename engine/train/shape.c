/*
 * shape.c - what hyperparameters_read() asks of a file, asked of a person's numbers
 */
#include "engine/train/shape.h"

#include <stdio.h>
#include <string.h>

#include "engine/file/checked.h"

enum { WIDTH_MULTIPLE = 16, MAX_HEADS = 1024, MAX_HEAD_DIM = 256, MAX_WIDTH = 1 << 20 };

struct number {
    const char *name;
    uint32_t value, minimum, maximum, multiple;
};

static enum status check_numbers(const struct number *numbers, size_t n, struct error *error)
{
    for (size_t i = 0; i < n; i++) {
        const struct number *number = &numbers[i];

        if (number->value < number->minimum || number->value > number->maximum)
            return error_set(error, STATUS_USAGE, "%s must be in [%u, %u], got %u",
                             number->name, number->minimum, number->maximum, number->value);
        if (number->value % number->multiple != 0)
            return error_set(error, STATUS_USAGE, "%s must be a multiple of %u, got %u",
                             number->name, number->multiple, number->value);
    }
    return STATUS_OK;
}

static enum status check_shape(const struct train_shape *shape, uint32_t n_vocab,
                               struct error *error)
{
    const struct number numbers[] = {
        {"the number of layers", shape->n_layers, 1, MAX_LAYERS - 1, 1},
        {"the number of multi-token blocks", shape->n_mtp, 0, 1, 1},
        {"the width", shape->n_embd, WIDTH_MULTIPLE, 1 << 16, WIDTH_MULTIPLE},
        {"the width of the feed-forward layers", shape->n_ff, WIDTH_MULTIPLE, MAX_WIDTH,
         WIDTH_MULTIPLE},
        {"the number of heads", shape->n_head, 1, MAX_HEADS, 1},
        {"the number of key/value heads", shape->n_head_kv, 1, MAX_HEADS, 1},
        {"the length of a head", shape->head_dim, WIDTH_MULTIPLE, MAX_HEAD_DIM, WIDTH_MULTIPLE},
        {"the rotated part of a head", shape->n_rotary, 2, shape->head_dim, 2},
        {"the number of DeltaNet key heads", shape->n_key_heads, 1, MAX_HEADS, 1},
        {"the number of DeltaNet value heads", shape->n_value_heads, 1, MAX_HEADS, 1},
        {"the length of a DeltaNet head", shape->state_dim, WIDTH_MULTIPLE, MAX_HEAD_DIM,
         WIDTH_MULTIPLE},
        {"the number of convolution taps", shape->n_taps, 2, 16, 1},
        {"the context", shape->n_context, 1, 1 << 20, 1},
        {"the size of the vocabulary", n_vocab, 1, 1 << 24, 1},
    };
    enum status status = check_numbers(numbers, sizeof numbers / sizeof numbers[0], error);

    if (status != STATUS_OK)
        return status;
    if (shape->n_head % shape->n_head_kv != 0)
        return error_set(error, STATUS_USAGE, "%u heads cannot share %u key/value heads",
                         shape->n_head, shape->n_head_kv);
    if (shape->n_value_heads % shape->n_key_heads != 0)
        return error_set(error, STATUS_USAGE,
                         "%u DeltaNet value heads cannot share %u key heads",
                         shape->n_value_heads, shape->n_key_heads);
    if (!(shape->rope_base >= 1 && shape->rope_base <= 1e15f))
        return error_set(error, STATUS_USAGE, "the rotary base must be in [1, 1e15]");
    return STATUS_OK;
}

static void fill_layers(struct hyperparameters *p, const struct train_shape *shape)
{
    for (uint32_t i = 0; i < shape->n_layers + shape->n_mtp; i++) {
        struct layer_parameters *layer = &p->layers[i];

        layer->recurrent = i < shape->n_layers && (i + 1) % 4 != 0;
        layer->n_ff = shape->n_ff;
        if (layer->recurrent)
            continue;
        layer->n_head = shape->n_head;
        layer->n_head_kv = shape->n_head_kv;
        p->n_attention_layers += i < shape->n_layers;
    }
}

enum status shape_hyperparameters(struct hyperparameters *out, const struct train_shape *shape,
                                  uint32_t n_vocab, struct error *error)
{
    enum status status = check_shape(shape, n_vocab, error);

    if (status != STATUS_OK)
        return status;
    *out = (struct hyperparameters){
        .architecture = "qwen35",
        .n_layers = shape->n_layers,
        .n_mtp = shape->n_mtp,
        .n_vocab = n_vocab,
        .n_embd = shape->n_embd,
        .n_context = shape->n_context,
        .eps = 1e-6f,
        .head_dim = shape->head_dim,
        .n_rotary = shape->n_rotary,
        .rope_base = shape->rope_base,
        .rope_factor = 1,
        .n_taps = shape->n_taps,
        .state_dim = shape->state_dim,
        .n_key_heads = shape->n_key_heads,
        .n_value_heads = shape->n_value_heads,
        .key_width = shape->n_key_heads * shape->state_dim,
        .value_width = shape->n_value_heads * shape->state_dim,
        .max_ff = shape->n_ff,
    };
    out->conv_width = 2 * out->key_width + out->value_width;
    out->layers = checked_allocate_zeroed(shape->n_layers + shape->n_mtp, sizeof *out->layers);
    if (out->layers == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %u layers", shape->n_layers);
    fill_layers(out, shape);
    if (out->n_attention_layers + out->n_mtp > 0) {
        out->max_head = shape->n_head;
        out->max_head_kv = shape->n_head_kv;
    }
    return STATUS_OK;
}
