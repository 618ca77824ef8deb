/*
 * train_options.c - numbers of the command line, each checked where it stands
 */
#include "app/train_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/engine_settings.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "engine/kernel_level.h"

struct count {
    enum flag flag;
    const char *name;
    uint64_t minimum, maximum;
    uint64_t *wide; /* either of the two */
    uint32_t *narrow;
};

struct measure {
    enum flag flag;
    const char *name;
    double minimum, maximum;
    bool above, below; /* the border itself is not allowed */
    double *value;
};

/* Digits, then perhaps k (1024) or M. */
static bool parse_count(const char *text, uint64_t *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = *end == 'k' ? 10 : *end == 'M' ? 20 : 0;
    if (errno != 0 || number > UINT64_MAX >> 20 || strlen(end) != (shift != 0))
        return false;
    *value = (uint64_t)number << shift;
    return true;
}

/* A decimal number alone: no hexadecimal, no "inf". */
static bool parse_measure(const char *text, double *value)
{
    char *end;

    if (text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0')
        return false;
    *value = strtod(text, &end);
    return *end == '\0';
}

static int read_count(const struct invocation *invocation, const struct count *count)
{
    const char *text = invocation->values[count->flag];
    uint64_t value;

    if (text == NULL)
        return 0;
    if (!parse_count(text, &value) || value < count->minimum || value > count->maximum)
        return usage_error(invocation,
                           "--%s must be a whole number in [%llu, %llu], got \"%.40s\"",
                           count->name, (unsigned long long)count->minimum,
                           (unsigned long long)count->maximum, text);
    if (count->wide != NULL)
        *count->wide = value;
    else
        *count->narrow = (uint32_t)value;
    return 0;
}

static int read_measure(const struct invocation *invocation, const struct measure *measure)
{
    const char *text = invocation->values[measure->flag];
    double value;

    if (text == NULL)
        return 0;
    if (!parse_measure(text, &value) || !(value >= measure->minimum) ||
        !(value <= measure->maximum) || (measure->above && !(value > measure->minimum)) ||
        (measure->below && !(value < measure->maximum)))
        return usage_error(invocation, "--%s must be a number in %c%g, %g%c, got \"%.40s\"",
                           measure->name, measure->above ? '(' : '[', measure->minimum,
                           measure->maximum, measure->below ? ')' : ']', text);
    *measure->value = value;
    return 0;
}

static int read_counts(struct train_settings *s, const struct invocation *invocation)
{
    struct train_shape *shape = &s->shape;
    const struct count counts[] = {
        {FLAG_STEPS, "steps", 1, 1000000000, &s->n_steps, NULL},
        {FLAG_WARMUP, "warmup", 0, 1000000000, &s->warmup_steps, NULL},
        {FLAG_SEED, "seed", 0, UINT32_MAX, &s->seed, NULL},
        {FLAG_CHECKPOINT_INTERVAL, "checkpoint-interval", 0, 1000000000,
         &s->checkpoint_interval, NULL},
        {FLAG_HELD_OUT_INTERVAL, "held-out-interval", 0, 1000000000, &s->held_out_interval,
         NULL},
        {FLAG_BATCH, "batch", 1, 1 << 24, NULL, &s->batch_tokens},
        {FLAG_MICRO, "micro", 1, 1 << 20, NULL, &s->micro_tokens},
        {FLAG_LAYERS, "layers", 1, 1000, NULL, &shape->n_layers},
        {FLAG_MTP, "mtp", 0, 1, NULL, &shape->n_mtp},
        {FLAG_EMBEDDING, "embedding", 16, 65536, NULL, &shape->n_embd},
        {FLAG_FFN, "ffn", 16, 1 << 20, NULL, &shape->n_ff},
        {FLAG_HEADS, "heads", 1, 1024, NULL, &shape->n_head},
        {FLAG_KV_HEADS, "kv-heads", 1, 1024, NULL, &shape->n_head_kv},
        {FLAG_HEAD_DIM, "head-dim", 16, 256, NULL, &shape->head_dim},
        {FLAG_ROTARY, "rotary", 2, 256, NULL, &shape->n_rotary},
        {FLAG_KEY_HEADS, "key-heads", 1, 1024, NULL, &shape->n_key_heads},
        {FLAG_VALUE_HEADS, "value-heads", 1, 1024, NULL, &shape->n_value_heads},
        {FLAG_STATE_DIM, "state-dim", 16, 256, NULL, &shape->state_dim},
        {FLAG_CONTEXT, "context", 16, 1 << 20, NULL, &shape->n_context},
    };

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int code = read_count(invocation, &counts[i]);

        if (code != 0)
            return code;
    }
    return 0;
}

static int read_measures(struct train_settings *s, const struct invocation *invocation)
{
    double rope_base = (double)s->shape.rope_base;
    const struct measure measures[] = {
        {FLAG_LEARNING_RATE, "learning-rate", 0, 1000, true, false, &s->learning_rate},
        {FLAG_RATE_FLOOR, "rate-floor", 0, 1, false, false, &s->floor_share},
        {FLAG_WEIGHT_DECAY, "weight-decay", 0, 1000, false, false, &s->weight_decay},
        {FLAG_CLIP, "clip", 0, 1e9, false, false, &s->clip_norm},
        {FLAG_DROPOUT, "dropout", 0, 1, false, true, &s->dropout},
        {FLAG_MTP_FACTOR, "mtp-factor", 0, 1000, false, false, &s->mtp_factor},
        {FLAG_ROPE_BASE, "rope-base", 1, 1e15, false, false, &rope_base},
    };

    for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++) {
        int code = read_measure(invocation, &measures[i]);

        if (code != 0)
            return code;
    }
    s->shape.rope_base = (float)rope_base;
    return 0;
}

/* "temperature=0.7": one item of --sampling, of those that a model file has keys for. */
static bool read_sampling_item(struct sampling_choice *choice, const char *item, size_t n_bytes)
{
    struct sampling *v = &choice->values;
    const struct {
        const char *name;
        enum sampling_field field;
        float minimum, maximum;
        float *value;
    } fields[] = {
        {"temperature", SAMPLING_TEMPERATURE, 0, 5, &v->temperature},
        {"top_k", SAMPLING_TOP_K, 0, 1000000, NULL},
        {"top_p", SAMPLING_TOP_P, 1e-6f, 1, &v->top_p},
        {"min_p", SAMPLING_MIN_P, 0, 0.999999f, &v->min_p},
        {"repetition_penalty", SAMPLING_REPETITION, 1e-6f, 10, &v->repetition_penalty},
    };
    const char *equals = memchr(item, '=', n_bytes);
    size_t n_name = equals != NULL ? (size_t)(equals - item) : n_bytes;
    char text[40];
    double number;

    if (equals == NULL || n_bytes - n_name - 1 >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)(n_bytes - n_name - 1), equals + 1);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strlen(fields[i].name) != n_name || memcmp(fields[i].name, item, n_name) != 0)
            continue;
        if (!parse_measure(text, &number) || !(number >= (double)fields[i].minimum) ||
            !(number <= (double)fields[i].maximum))
            return false;
        if (fields[i].value != NULL)
            *fields[i].value = (float)number;
        else if ((double)(int32_t)number < number)
            return false;
        else
            v->top_k = (int32_t)number;
        choice->given |= (uint32_t)fields[i].field;
        return true;
    }
    return false;
}

static int read_sampling(struct train_options *options, const struct invocation *invocation)
{
    const char *list = invocation->values[FLAG_SAMPLING];

    while (list != NULL && *list != '\0') {
        size_t n = strcspn(list, ",");

        if (!read_sampling_item(&options->sampling, list, n))
            return usage_error(invocation,
                               "--sampling takes settings such as temperature=0.7,top_k=20, "
                               "got \"%.*s\"",
                               (int)(n < 40 ? n : 40), list);
        list += n + (list[n] == ',');
    }
    if (options->sampling.given != 0)
        options->settings.sampling = &options->sampling;
    return 0;
}

static int read_names(struct train_options *options, const struct invocation *invocation)
{
    const char *const *values = invocation->values;
    struct train_settings *s = &options->settings;
    struct text_buffer path = {0};

    s->out_path = values[FLAG_OUT];
    s->base_path = values[FLAG_FROM];
    s->vocabulary_path = values[FLAG_VOCABULARY];
    if (s->out_path == NULL)
        return usage_error(invocation, "--out is missing");
    if ((s->base_path == NULL) == (s->vocabulary_path == NULL))
        return usage_error(invocation, "either --vocabulary (of a new model) or --from (a "
                                       "model that is trained further) is needed");
    if (values[FLAG_DATA] == NULL && invocation->n_arguments == 0)
        return usage_error(invocation, "--data is missing");
    if (values[FLAG_TYPE] != NULL)
        s->out_type = values[FLAG_TYPE];
    if (values[FLAG_OPTIMIZER] != NULL)
        s->optimizer = values[FLAG_OPTIMIZER];
    s->name = values[FLAG_NAME];
    s->description = values[FLAG_DESCRIPTION];
    s->resume = values[FLAG_RESUME] != NULL;
    s->shape.tied = values[FLAG_UNTIED] == NULL;
    options->keeps_checkpoint = values[FLAG_CHECKPOINT] != NULL;
    if (options->keeps_checkpoint)
        text_add(&path, values[FLAG_CHECKPOINT]);
    else
        text_printf(&path, "%s.checkpoint", s->out_path);
    s->checkpoint_path = options->checkpoint_path = app_copy(path.bytes, path.n_bytes);
    text_release(&path);
    return 0;
}

/* What follows from other numbers. */
static int derive(struct train_settings *s, const struct invocation *invocation)
{
    if (invocation->values[FLAG_WARMUP] == NULL)
        s->warmup_steps = s->n_steps / 20;
    if (s->name == NULL && s->base_path == NULL)
        s->name = "banter model";
    if (s->warmup_steps > s->n_steps)
        return usage_error(invocation, "--warmup is longer than --steps");
    if (invocation->values[FLAG_ROTARY] == NULL)
        s->shape.n_rotary = s->shape.head_dim / 2;
    if (invocation->values[FLAG_MICRO] == NULL && s->micro_tokens > s->batch_tokens)
        s->micro_tokens = s->batch_tokens;
    return 0;
}

int train_options_read(struct train_options *options, struct invocation *invocation)
{
    struct train_settings *s = &options->settings;
    struct engine_options engine;
    struct error error = {0};
    int code;

    *options = (struct train_options){
        .settings =
            {
                .shape = {.n_layers = 8,
                          .n_mtp = 1,
                          .n_embd = 256,
                          .n_ff = 640,
                          .n_head = 4,
                          .n_head_kv = 2,
                          .head_dim = 64,
                          .n_key_heads = 4,
                          .n_value_heads = 8,
                          .state_dim = 32,
                          .n_taps = 4,
                          .n_context = 2048,
                          .rope_base = 10000},
                .seed = 1,
                .n_steps = 1000,
                .batch_tokens = 8192,
                .micro_tokens = 2048,
                .optimizer = "adamw",
                .learning_rate = 1e-3,
                .floor_share = 0.1,
                .weight_decay = 0.1,
                .beta1 = 0.9,
                .beta2 = 0.95,
                .clip_norm = 1,
                .mtp_factor = 0.3,
                .checkpoint_interval = 100,
                .held_out_interval = 100,
                .out_type = "Q8_0",
            },
    };
    code = read_names(options, invocation);
    if (code == 0)
        code = read_counts(s, invocation);
    if (code == 0)
        code = read_measures(s, invocation);
    if (code == 0)
        code = read_sampling(options, invocation);
    if (code == 0)
        code = derive(s, invocation);
    if (code != 0)
        return code;
    if (engine_settings(invocation->store, &engine, &error) != STATUS_OK)
        return report_error(&error);
    s->n_threads = engine.n_threads;
    s->level = engine.level;
    return 0;
}

void train_options_release(struct train_options *options)
{
    free(options->checkpoint_path);
    options->checkpoint_path = NULL;
}
