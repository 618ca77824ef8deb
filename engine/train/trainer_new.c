/*
 * trainer_new.c - the settings of a training, checked, and the parts that it needs
 */
#include "engine/train/trainer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "engine/file/checked.h"
#include "engine/run/pool.h"
#include "engine/train/kernels.h"
#include "engine/train/mix.h"
#include "engine/train/shape.h"

enum { MICRO_MAX = 1 << 20 };

struct limits {
    const char *name;
    double value, minimum, maximum;
    bool open_minimum, open_maximum; /* the border itself is not allowed */
};

static enum status check_limits(const struct limits *limits, size_t n, struct error *error)
{
    for (size_t i = 0; i < n; i++) {
        const struct limits *l = &limits[i];
        bool above = l->open_minimum ? l->value > l->minimum : l->value >= l->minimum;
        bool below = l->open_maximum ? l->value < l->maximum : l->value <= l->maximum;

        if (!above || !below)
            return error_set(error, STATUS_USAGE, "%s must be in %c%g, %g%c, got %g", l->name,
                             l->open_minimum ? '(' : '[', l->minimum, l->maximum,
                             l->open_maximum ? ')' : ']', l->value);
    }
    return STATUS_OK;
}

static bool optimizer_kind_of(const char *name, enum optimizer_kind *kind)
{
    static const char *const names[] = {
        [OPTIMIZER_SGD] = "sgd",
        [OPTIMIZER_ADAM] = "adam",
        [OPTIMIZER_ADAMW] = "adamw",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *kind = (enum optimizer_kind)i;
            return true;
        }
    }
    return false;
}

static enum status check_settings(const struct train_settings *s, struct error *error)
{
    const struct limits limits[] = {
        {"the number of steps", (double)s->n_steps, 1, 1e12, false, false},
        {"the tokens of a step", s->batch_tokens, 1, 1 << 30, false, false},
        {"the tokens of a pass", s->micro_tokens, 1, MICRO_MAX, false, false},
        {"the learning rate", s->learning_rate, 0, 1e3, true, false},
        {"the last share of the learning rate", s->floor_share, 0, 1, false, false},
        {"the weight decay", s->weight_decay, 0, 1e3, false, false},
        {"beta1", s->beta1, 0, 1, false, true},
        {"beta2", s->beta2, 0, 1, false, true},
        {"the norm for clipping", s->clip_norm, 0, 1e12, false, false},
        {"the share of dropout", s->dropout, 0, 1, false, true},
        {"the factor of the multi-token loss", s->mtp_factor, 0, 1e3, false, false},
    };
    enum optimizer_kind kind;
    enum status status = check_limits(limits, sizeof limits / sizeof limits[0], error);

    if (status != STATUS_OK)
        return status;
    if ((s->base_path == NULL) == (s->vocabulary_path == NULL))
        return error_set(error, STATUS_USAGE,
                         "either a vocabulary or a model to train further is needed");
    if (s->out_path == NULL)
        return error_set(error, STATUS_USAGE, "no file is named for the finished model");
    if (s->resume && s->checkpoint_path == NULL)
        return error_set(error, STATUS_USAGE, "no checkpoint is named to go on from");
    if (s->n_sequences == 0)
        return error_set(error, STATUS_USAGE, "there is nothing to learn: the data are empty");
    if (!optimizer_kind_of(s->optimizer, &kind))
        return error_set(error, STATUS_USAGE, "the optimiser must be sgd, adam or adamw");
    if (s->out_type == NULL || mix_find(s->out_type) == NULL)
        return error_set(error, STATUS_USAGE, "no mix of tensor types is called \"%s\"",
                         s->out_type != NULL ? s->out_type : "");
    if (s->warmup_steps > s->n_steps)
        return error_set(error, STATUS_USAGE, "the warm-up is longer than the training");
    return STATUS_OK;
}

static enum status new_network(struct trainer *trainer, struct error *error)
{
    const struct train_settings *settings = trainer->settings;
    struct hyperparameters hyperparameters;
    const struct gguf_string *tokens;
    size_t n_vocab = 0;
    enum status status =
        gguf_get_strings(trainer->keys, "tokenizer.ggml.tokens", &tokens, &n_vocab, error);

    if (status == STATUS_NOT_FOUND) {
        error_set(error, STATUS_DAMAGED, "the file holds no vocabulary");
        error_path(error, settings->vocabulary_path);
        return STATUS_DAMAGED;
    }
    if (status == STATUS_OK)
        status =
            shape_hyperparameters(&hyperparameters, &settings->shape, (uint32_t)n_vocab, error);
    if (status != STATUS_OK)
        return status;
    status = network_new(&trainer->network, &hyperparameters, settings->shape.tied,
                         settings->seed, error);
    hyperparameters_release(&hyperparameters);
    return status;
}

static enum status open_network(struct trainer *trainer, struct error *error)
{
    const struct train_settings *settings = trainer->settings;
    bool base = settings->base_path != NULL;
    const char *path = base ? settings->base_path : settings->vocabulary_path;
    enum status status = gguf_open(&trainer->keys, path, error);

    if (status != STATUS_OK)
        return status;
    status = base ? network_load(&trainer->network, trainer->keys, error)
                  : new_network(trainer, error);
    if (status != STATUS_OK && base)
        error_path(error, path);
    return status;
}

static enum status check_ids(const struct trainer *trainer,
                             const struct train_sequence *sequences, size_t n_sequences,
                             const char *which, struct error *error)
{
    uint32_t n_vocab = network_hyperparameters(trainer->network)->n_vocab;

    for (size_t i = 0; i < n_sequences; i++) {
        for (uint32_t j = 0; j < sequences[i].n_ids; j++) {
            if ((uint32_t)sequences[i].ids[j] >= n_vocab)
                return error_set(error, STATUS_USAGE,
                                 "token %" PRId32 " of %s sequence %zu is not in the "
                                 "vocabulary of %" PRIu32,
                                 sequences[i].ids[j], which, i, n_vocab);
        }
    }
    return STATUS_OK;
}

static enum status make_orders(struct trainer *trainer, struct error *error)
{
    const struct train_settings *s = trainer->settings;
    const struct data_settings learnt = {
        .seed = s->seed, .micro_tokens = s->micro_tokens, .batch_tokens = s->batch_tokens};
    const struct data_settings measured = {
        .micro_tokens = s->micro_tokens, .batch_tokens = s->micro_tokens, .once = true};
    enum status status = check_ids(trainer, s->sequences, s->n_sequences, "training", error);

    if (status == STATUS_OK)
        status = check_ids(trainer, s->held_out, s->n_held_out, "held-out", error);
    if (status == STATUS_OK)
        status = data_order_new(&trainer->order, s->sequences, s->n_sequences, &learnt, error);
    if (status == STATUS_OK) {
        status =
            data_order_new(&trainer->held_out, s->held_out, s->n_held_out, &measured, error);
        if (status == STATUS_USAGE)
            error_where(error, "held-out data");
    }
    return status;
}

static enum status make_parts(struct trainer *trainer, struct error *error)
{
    const struct train_settings *s = trainer->settings;
    size_t n_parameters;
    struct parameter *parameters = network_parameters(trainer->network, &n_parameters);
    struct optimizer_settings optimizer = {
        .beta1 = (float)s->beta1,
        .beta2 = (float)s->beta2,
        .eps = 1e-8f,
        .weight_decay = (float)s->weight_decay,
        .clip_norm = (float)s->clip_norm,
    };
    enum status status;

    trainer->kernels = train_kernels_for(s->level);
    trainer->schedule =
        (struct schedule){s->learning_rate, s->floor_share, s->warmup_steps, s->n_steps};
    optimizer_kind_of(s->optimizer, &optimizer.kind);
    status = pool_new(&trainer->pool, s->n_threads, error);
    if (status == STATUS_OK)
        status = tape_new(&trainer->tape, trainer->pool, trainer->kernels, error);
    if (status == STATUS_OK)
        status =
            optimizer_new(&trainer->optimizer, &optimizer, parameters, n_parameters, error);
    if (status == STATUS_OK)
        status = make_orders(trainer, error);
    return status;
}

static void put_number(FILE *text, const char *name, double value)
{
    char digits[40];

    snprintf(digits, sizeof digits, "%.15g", value);
    if (strtod(digits, NULL) < value || strtod(digits, NULL) > value)
        snprintf(digits, sizeof digits, "%.17g", value);
    fprintf(text, "%s: %s\n", name, digits);
}

static uint64_t hash_weights(struct network *network)
{
    size_t n_parameters;
    const struct parameter *parameters = network_parameters(network, &n_parameters);
    uint64_t hash = n_parameters;

    for (size_t i = 0; i < n_parameters; i++)
        hash =
            XXH3_64bits_withSeed(parameters[i].tensor->data,
                                 tensor_elements(parameters[i].tensor) * sizeof(float), hash);
    return hash;
}

static uint64_t hash_keys(const struct gguf *file)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < gguf_key_count(file); i++) {
        const struct gguf_key *key = gguf_key_at(file, i);

        hash = XXH3_64bits_withSeed(key->name.bytes, key->name.n_bytes, hash);
        hash = XXH3_64bits_withSeed(gguf_key_bytes(file, key), (size_t)key->n_bytes, hash);
    }
    return hash;
}

static void put_model(FILE *text, const struct trainer *trainer)
{
    const struct hyperparameters *p = network_hyperparameters(trainer->network);
    const struct layer_parameters *last = &p->layers[p->n_layers + p->n_mtp - 1];
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {
        {"layers", p->n_layers},
        {"multi-token blocks", p->n_mtp},
        {"vocabulary", p->n_vocab},
        {"width", p->n_embd},
        {"feed-forward width", p->max_ff},
        {"heads", last->n_head},
        {"key/value heads", last->n_head_kv},
        {"head length", p->head_dim},
        {"rotated part", p->n_rotary},
        {"DeltaNet key heads", p->n_key_heads},
        {"DeltaNet value heads", p->n_value_heads},
        {"DeltaNet head length", p->state_dim},
        {"taps", p->n_taps},
        {"context", p->n_context},
        {"tied head", network_is_tied(trainer->network)},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        fprintf(text, "%s: %" PRIu32 "\n", numbers[i].name, numbers[i].value);
    put_number(text, "rotary base", (double)p->rope_base);
    fprintf(text, "keys of the file: %016" PRIx64 "\n", hash_keys(trainer->keys));
    if (trainer->settings->base_path != NULL)
        fprintf(text, "weights at the start: %016" PRIx64 "\n", hash_weights(trainer->network));
}

static enum status write_settings_text(struct trainer *trainer, struct error *error)
{
    const struct train_settings *s = trainer->settings;
    size_t n_bytes;
    FILE *text = open_memstream(&trainer->settings_text, &n_bytes);

    if (text == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the settings");
    put_model(text, trainer);
    fprintf(text, "data: %zu sequences, %016" PRIx64 "\n", s->n_sequences,
            data_hash(s->sequences, s->n_sequences));
    fprintf(text, "seed: %" PRIu64 "\nsteps: %" PRIu64 "\nwarm-up: %" PRIu64 "\n", s->seed,
            s->n_steps, s->warmup_steps);
    fprintf(text, "tokens of a step: %" PRIu32 "\ntokens of a pass: %" PRIu32 "\n",
            s->batch_tokens, s->micro_tokens);
    fprintf(text, "optimiser: %s\n", s->optimizer);
    put_number(text, "learning rate", s->learning_rate);
    put_number(text, "last share of the learning rate", s->floor_share);
    put_number(text, "weight decay", s->weight_decay);
    put_number(text, "beta1", s->beta1);
    put_number(text, "beta2", s->beta2);
    put_number(text, "clipping", s->clip_norm);
    put_number(text, "dropout", s->dropout);
    put_number(text, "multi-token factor", s->mtp_factor);
    if (fclose(text) != 0)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the settings");
    return STATUS_OK;
}

enum status trainer_new(struct trainer *trainer, const struct train_settings *settings,
                        struct error *error)
{
    enum status status = check_settings(settings, error);

    *trainer = (struct trainer){.settings = settings};
    if (status == STATUS_OK && settings->checkpoint_path != NULL)
        status = checkpoint_lock_take(&trainer->lock, settings->checkpoint_path, error);
    if (status == STATUS_OK)
        status = open_network(trainer, error);
    if (status == STATUS_OK)
        status = make_parts(trainer, error);
    if (status == STATUS_OK)
        status = write_settings_text(trainer, error);
    return status;
}

void trainer_release(struct trainer *trainer)
{
    data_order_free(&trainer->order);
    data_order_free(&trainer->held_out);
    optimizer_free(&trainer->optimizer);
    tape_free(&trainer->tape);
    pool_free(&trainer->pool);
    network_free(&trainer->network);
    gguf_close(&trainer->keys);
    checkpoint_lock_release(&trainer->lock);
    free(trainer->settings_text);
    free(trainer->curve);
    *trainer = (struct trainer){0};
}
