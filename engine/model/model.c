/*
 * model.c - opening a model: file, vocabulary, template, hyper-parameters, weights
 */
#include "engine/model/model_internal.h"

#include "engine/file/checked.h"
#include "engine/file/gguf.h"
#include "engine/kernels/kernels.h"
#include "engine/model/hyperparameters.h"
#include "engine/model/weights.h"
#include "engine/model/weights_cache.h"
#include "engine/run/pool.h"
#include "engine/run/quiet_thread.h"
#include "engine/state/state.h"
#include "engine/text/template.h"
#include "engine/text/vocabulary.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct model {
    struct gguf *file;                   /* owns */
    struct vocabulary *vocabulary;       /* owns */
    struct chat_template *chat_template; /* owns */
    struct hyperparameters parameters;   /* owns */
    struct weights weights;              /* owns */
    bool has_weights;
    struct weights_cache *cache;          /* owns; NULL: packed weights are not kept */
    enum weights_cache_state cache_state; /* without weights: what was found */
    const struct kernels *kernels;
    struct model_info info;
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void copy_string(char *out, size_t n_bytes, struct gguf_string string)
{
    const size_t n = string.n_bytes < n_bytes - 1 ? string.n_bytes : n_bytes - 1;

    memcpy(out, string.bytes, n);
    out[n] = '\0';
}

/* Names that general.file_type stands for. */
static const char *file_type_name(uint32_t file_type)
{
    static const char *const names[] = {
        [0] = "F32",     [1] = "F16",     [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
        [8] = "Q5_0",    [9] = "Q5_1",    [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
        [13] = "Q3_K_L", [14] = "Q4_K_S", [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
        [18] = "Q6_K",   [25] = "IQ4_NL", [30] = "IQ4_XS", [32] = "BF16",
    };

    return file_type < sizeof names / sizeof names[0] ? names[file_type] : NULL;
}

/* Parameters of all tensors, and the type that holds most bytes. */
static const char *count_tensors(const struct gguf *file, uint64_t *n_parameters)
{
    uint64_t bytes[TENSOR_TYPE_COUNT] = {0};
    uint32_t most = 0;
    const char *name;

    *n_parameters = 0;
    for (size_t i = 0; i < gguf_tensor_count(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        *n_parameters += tensor->ne[0] * tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
        if ((uint32_t)tensor->type < TENSOR_TYPE_COUNT)
            bytes[tensor->type] += tensor->n_bytes;
    }
    for (uint32_t type = 1; type < TENSOR_TYPE_COUNT; type++)
        if (bytes[type] > bytes[most])
            most = type;
    name = tensor_type_info(most)->name;
    return name ? name : "";
}

static void describe_file(struct model *model)
{
    struct model_info *info = &model->info;
    const char *slash, *type, *type_name = NULL;
    struct gguf_string string;
    uint32_t file_type;

    info->path = gguf_path(model->file);
    info->file_bytes = gguf_file_bytes(model->file);
    type = count_tensors(model->file, &info->n_parameters);
    if (gguf_get_u32(model->file, "general.file_type", &file_type, NULL) == STATUS_OK)
        type_name = file_type_name(file_type);
    snprintf(info->quantisation, sizeof info->quantisation, "%s", type_name ? type_name : type);
    if (gguf_get_string(model->file, "general.architecture", &string, NULL) == STATUS_OK)
        copy_string(info->architecture, sizeof info->architecture, string);
    slash = info->path ? strrchr(info->path, '/') : NULL;
    snprintf(info->name, sizeof info->name, "%s",
             slash ? slash + 1 : (info->path ? info->path : ""));
    if (gguf_get_string(model->file, "general.name", &string, NULL) == STATUS_OK &&
        string.n_bytes > 0)
        copy_string(info->name, sizeof info->name, string);
}

static void describe_parameters(struct model *model)
{
    const struct hyperparameters *p = &model->parameters;
    struct model_info *info = &model->info;

    info->n_layers = p->n_layers;
    info->n_attention_layers = p->n_attention_layers;
    info->n_mtp_layers = p->n_mtp;
    info->n_embd = p->n_embd;
    info->n_ff = p->max_ff;
    info->n_head = p->max_head;
    info->n_head_kv = p->max_head_kv;
    info->head_dim = p->head_dim;
    info->n_key_heads = p->n_key_heads;
    info->n_value_heads = p->n_value_heads;
    info->state_dim = p->state_dim;
    info->n_vocab = p->n_vocab;
    info->n_context = p->n_context;
    info->tied_head = model->weights.tied;
    info->packed_bytes = model->weights.packed_bytes;
    state_cost(p, &info->state_bytes, &info->kv_bytes_per_token);
}

static void describe_cost(struct model *model)
{
    const struct weights_cost cost = weights_cost(&model->weights, model->parameters.n_mtp);

    model->info.trunk_bytes = cost.trunk_bytes;
    model->info.head_bytes = cost.head_bytes;
    model->info.trunk_operations = cost.trunk_operations;
    model->info.head_operations = cost.head_operations;
}

struct opening {
    struct model *model;
    const struct model_options *options;
    struct error *error;
};

static void report(const struct opening *opening, enum model_load_phase phase, uint64_t done,
                   uint64_t total)
{
    if (opening->options->progress)
        opening->options->progress(opening->options->progress_context, phase, done, total);
}

static bool is_cancelled(const struct opening *opening)
{
    return opening->options->cancel &&
           atomic_load_explicit(opening->options->cancel, memory_order_relaxed);
}

/* Is there a file of packed weights?  Of interest to who describes a model without its weights. */
static void look_for_cache(const struct opening *opening)
{
    const struct model_options *options = opening->options;
    struct model *model = opening->model;
    struct weights weights = {.n_matrices = 0};

    if (!options->weights_cache_folder ||
        weights_bind(&weights, model->file, &model->parameters, options->level, NULL) !=
            STATUS_OK)
        return;
    if (weights_lay_out(&weights, options->level, NULL) == STATUS_OK)
        weights_cache_new(&model->cache, options->weights_cache_folder, options->weights_cache,
                          model->file, &weights);
    model->cache_state = WEIGHTS_CACHE_NONE;
    if (model->cache)
        model->cache_state =
            weights_cache_is_there(model->cache) ? WEIGHTS_CACHE_MAPPED : WEIGHTS_CACHE_ABSENT;
    weights_cache_free(&model->cache);
    weights_release(&weights);
}

static enum status open_file(const struct opening *opening, const char *path)
{
    struct model *model = opening->model;
    enum status status = gguf_open(&model->file, path, opening->error);

    if (status != STATUS_OK)
        return status;
    describe_file(model);
    if (!opening->options->vocabulary_only)
        return hyperparameters_read(&model->parameters, model->file, opening->error);
    /* Here they are for model_info() alone; a file of a vocabulary has none. */
    if (hyperparameters_read(&model->parameters, model->file, NULL) == STATUS_OK) {
        describe_parameters(model);
        look_for_cache(opening);
    }
    return STATUS_OK;
}

static enum status open_vocabulary(const struct opening *opening, struct error *error)
{
    struct model *model = opening->model;
    struct model_info *info = &model->info;
    enum status status;

    status = vocabulary_load(&model->vocabulary, model->file, error);
    if (status == STATUS_OK)
        status = chat_template_choose(&model->chat_template, model->file, model->vocabulary,
                                      opening->options->template_name, error);
    if (status != STATUS_OK)
        return status;
    info->n_vocab = vocabulary_size(model->vocabulary);
    info->template_name = chat_template_name(model->chat_template);
    snprintf(info->template_notice, sizeof info->template_notice, "%s",
             chat_template_notice(model->chat_template));
    if (!opening->options->vocabulary_only && model->parameters.n_vocab != info->n_vocab) {
        error_set(error, STATUS_DAMAGED, "%u tokens, but token_embd.weight has %u rows",
                  info->n_vocab, model->parameters.n_vocab);
        error_where(error, "tokenizer.ggml.tokens");
        return STATUS_DAMAGED;
    }
    return STATUS_OK;
}

static void report_packing(void *context, uint64_t done, uint64_t total)
{
    report(context, MODEL_LOAD_WEIGHTS, done, total);
}

/* From the cache; else packed, and then written there. */
static enum status prepare_weights(const struct opening *opening, struct pool *pool)
{
    struct model *model = opening->model;
    const struct model_options *options = opening->options;
    enum status status = STATUS_NOT_FOUND;

    weights_cache_new(&model->cache, options->weights_cache_folder, options->weights_cache,
                      model->file, &model->weights);
    if (model->cache)
        status = weights_cache_map(model->cache, &model->weights, pool, options->cancel,
                                   report_packing, (void *)opening, opening->error);
    if (status != STATUS_NOT_FOUND)
        return status;
    *opening->error = (struct error){0};
    return weights_pack(&model->weights, model->file, options->level, pool, options->cancel,
                        report_packing, (void *)opening, opening->error);
}

static enum status open_weights(const struct opening *opening)
{
    struct model *model = opening->model;
    const struct model_options *options = opening->options;
    struct pool *pool = NULL;
    enum status status;

    status = weights_bind(&model->weights, model->file, &model->parameters, options->level,
                          opening->error);
    if (status != STATUS_OK)
        return status;
    model->has_weights = true;
    status = weights_lay_out(&model->weights, options->level, opening->error);
    if (status == STATUS_OK)
        status = pool_new(&pool, options->n_threads, opening->error);
    if (status == STATUS_OK)
        status = prepare_weights(opening, pool);
    pool_free(&pool);
    return status;
}

/* The vocabulary is built beside the weights: it takes one thread's time and little memory. */
struct vocabulary_work {
    const struct opening *opening;
    enum status status;
    struct error error;
    pthread_t thread;
};

static void *vocabulary_main(void *argument)
{
    struct vocabulary_work *work = argument;
    const double begin = seconds_now();

    work->status = open_vocabulary(work->opening, &work->error);
    work->opening->model->info.load_seconds[MODEL_LOAD_VOCABULARY] = seconds_now() - begin;
    return NULL;
}

/* What is wrong with the vocabulary is said first, whichever ends first. */
static enum status open_parts(const struct opening *opening)
{
    struct vocabulary_work work = {.opening = opening};
    double *seconds = opening->model->info.load_seconds;
    const bool alone =
        opening->options->vocabulary_only ||
        quiet_thread_start(&work.thread, "banter-words", vocabulary_main, &work) != 0;
    enum status status = STATUS_OK;

    report(opening, MODEL_LOAD_VOCABULARY, 0, 1);
    if (alone)
        vocabulary_main(&work);
    if (!opening->options->vocabulary_only && (!alone || work.status == STATUS_OK)) {
        const double begin = seconds_now();
        report(opening, MODEL_LOAD_WEIGHTS, 0, 1);
        status = open_weights(opening);
        seconds[MODEL_LOAD_WEIGHTS] = seconds_now() - begin;
    }
    if (!alone)
        pthread_join(work.thread, NULL);
    if (work.status != STATUS_OK) {
        *opening->error = work.error;
        return work.status;
    }
    return status;
}

static enum status open_phases(const struct opening *opening, const char *path)
{
    struct model *model = opening->model;
    const double begin = seconds_now();
    enum status status;

    report(opening, MODEL_LOAD_READ, 0, 1);
    status = open_file(opening, path);
    model->info.load_seconds[MODEL_LOAD_READ] = seconds_now() - begin;
    if (status == STATUS_OK && is_cancelled(opening))
        status = error_set(opening->error, STATUS_CANCELLED, "loading was stopped");
    if (status == STATUS_OK)
        status = open_parts(opening);
    if (status == STATUS_OK && model->has_weights) {
        describe_parameters(model);
        describe_cost(model);
    }
    model->info.open_seconds = seconds_now() - begin;
    /* Last of all: nothing of the load waits for it. */
    if (status == STATUS_OK && model->cache &&
        weights_cache_state(model->cache) == WEIGHTS_CACHE_ABSENT)
        weights_cache_write(model->cache);
    return status;
}

enum status model_open(struct model **out, const char *path,
                       const struct model_options *options, struct error *error)
{
    struct model *model = checked_allocate_zeroed(1, sizeof *model);
    struct error unwanted = {0}; /* where the caller wants none */
    struct opening opening = {model, options, error ? error : &unwanted};
    enum status status;

    *out = NULL;
    if (!model)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a model");
    if (!kernel_level_supported(options->level)) {
        free(model);
        return error_set(error, STATUS_USAGE, "this processor has no kernels of level %s",
                         kernel_level_name(options->level));
    }
    model->kernels = kernels_for(options->level);
    model->info.level = options->level;
    status = open_phases(&opening, path);
    if (status == STATUS_OK) {
        *out = model;
    } else {
        error_path(error, path);
        model_close(&model);
    }
    return status;
}

void model_close(struct model **model)
{
    if (!model || !*model)
        return;
    weights_cache_free(&(*model)->cache); /* its writer reads the weights */
    if ((*model)->has_weights)
        weights_release(&(*model)->weights);
    hyperparameters_release(&(*model)->parameters);
    chat_template_free(&(*model)->chat_template);
    vocabulary_free(&(*model)->vocabulary);
    gguf_close(&(*model)->file);
    free(*model);
    *model = NULL;
}

const struct model_info *model_info(const struct model *model)
{
    return &model->info;
}

enum weights_cache_state model_weights_cache(const struct model *model)
{
    return model->cache ? weights_cache_state(model->cache) : model->cache_state;
}

const struct gguf *model_file(const struct model *model)
{
    return model->file;
}

const struct hyperparameters *model_hyperparameters(const struct model *model)
{
    return &model->parameters;
}

const struct weights *model_weights(const struct model *model)
{
    return model->has_weights ? &model->weights : NULL;
}

const struct kernels *model_kernels(const struct model *model)
{
    return model->kernels;
}

const struct vocabulary *model_vocabulary(const struct model *model)
{
    return model->vocabulary;
}

const struct chat_template *model_template(const struct model *model)
{
    return model->chat_template;
}
