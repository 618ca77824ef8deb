/*
 * json.c - values of banter as JSON
 */
#include "app/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/text_buffer.h"

/* Length of the well-formed UTF-8 sequence at the start; 0: there is none. */
static size_t utf8_length(const unsigned char *bytes, size_t n_bytes)
{
    unsigned char first = bytes[0];
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (n == 0 || first > 0xf4 || n > n_bytes)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) ||
        (first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return n;
}

/* The one thing that makes jansson return NULL for the values made here. */
static json_t *in_memory(json_t *value)
{
    if (value == NULL)
        app_out_of_memory();
    return value;
}

json_t *json_text(const char *bytes, size_t n_bytes)
{
    struct text_buffer text = {0};

    for (size_t i = 0; i < n_bytes;) {
        size_t n = utf8_length((const unsigned char *)bytes + i, n_bytes - i);

        if (n == 0)
            text_add(&text, "\xef\xbf\xbd");
        else
            text_append(&text, bytes + i, n);
        i += n == 0 ? 1 : n;
    }
    json_t *value = in_memory(json_stringn(text_string(&text), text.n_bytes));
    text_release(&text);
    return value;
}

json_t *json_float(float number)
{
    char text[32];
    double value = (double)number;

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)number);
        value = strtod(text, NULL);
        float back = (float)value;
        if (back >= number && back <= number)
            break;
    }
    return in_memory(json_real(value));
}

json_t *json_seed(uint64_t seed)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, seed);
    return in_memory(json_string(text));
}

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, in_memory(value)) != 0)
        app_out_of_memory();
}

json_t *json_ids(const int32_t *ids, size_t n_ids)
{
    json_t *array = in_memory(json_array());

    for (size_t i = 0; i < n_ids; i++) {
        if (json_array_append_new(array, in_memory(json_integer(ids[i]))) != 0)
            app_out_of_memory();
    }
    return array;
}

json_t *json_sampling(const struct sampling *sampling)
{
    json_t *object = in_memory(json_object());

    json_put(object, "temperature", json_float(sampling->temperature));
    json_put(object, "top_k", json_integer(sampling->top_k));
    json_put(object, "top_p", json_float(sampling->top_p));
    json_put(object, "min_p", json_float(sampling->min_p));
    json_put(object, "presence_penalty", json_float(sampling->presence_penalty));
    json_put(object, "frequency_penalty", json_float(sampling->frequency_penalty));
    json_put(object, "repetition_penalty", json_float(sampling->repetition_penalty));
    return object;
}

json_t *json_model(const struct model_info *info)
{
    json_t *object = in_memory(json_object());
    const char *path = info->path != NULL ? info->path : "";

    json_put(object, "name", json_text(info->name, strlen(info->name)));
    json_put(object, "path", json_text(path, strlen(path)));
    json_put(object, "architecture", json_text(info->architecture, strlen(info->architecture)));
    json_put(object, "quantisation", json_text(info->quantisation, strlen(info->quantisation)));
    json_put(object, "kernel_level", json_string(kernel_level_name(info->level)));
    return object;
}

json_t *json_statistics(const struct engine_statistics *statistics)
{
    json_t *object = in_memory(json_object());

    json_put(object, "load_seconds", json_real(statistics->load));
    json_put(object, "tokenise_seconds", json_real(statistics->tokenise));
    json_put(object, "prefill_seconds", json_real(statistics->prefill));
    json_put(object, "first_token_seconds", json_real(statistics->first_token));
    json_put(object, "warm", json_boolean(statistics->warm));
    json_put(object, "prompt_tokens", json_integer(statistics->n_prompt));
    json_put(object, "cached_tokens", json_integer(statistics->n_cached));
    json_put(object, "prefilled_tokens", json_integer(statistics->n_prefilled));
    json_put(object, "generated_tokens", json_integer(statistics->n_generated));
    json_put(object, "thinking_tokens", json_integer(statistics->n_thinking));
    json_put(object, "thinking_seconds", json_real(statistics->thinking_seconds));
    json_put(object, "decode_seconds", json_real(statistics->decode));
    json_put(object, "tokens_per_second", json_real(statistics->rate));
    json_put(object, "between_tokens_p50_seconds", json_real(statistics->between_p50));
    json_put(object, "between_tokens_p95_seconds", json_real(statistics->between_p95));
    json_put(object, "position", json_integer(statistics->position));
    json_put(object, "context", json_integer(statistics->n_context));
    json_put(object, "policy_kind", json_string(policy_kind_name(statistics->policy)));
    json_put(object, "speculation", json_policy_statistics(&statistics->speculation));
    return object;
}

/* Counts by position or length, without the zeros at the end. */
static json_t *json_counts(const uint64_t *counts, size_t n)
{
    json_t *array = in_memory(json_array());

    while (n > 0 && counts[n - 1] == 0)
        n--;
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(array, in_memory(json_integer((json_int_t)counts[i]))) != 0)
            app_out_of_memory();
    }
    return array;
}

static json_t *json_by_source(const struct policy_statistics *statistics)
{
    json_t *object = in_memory(json_object());

    for (int i = POLICY_SOURCE_NONE + 1; i < POLICY_SOURCE_COUNT; i++) {
        const struct policy_count *count = &statistics->by_source[i];
        json_t *counts = in_memory(json_object());

        if (count->proposed + count->verified == 0) {
            json_decref(counts);
            continue;
        }
        json_put(counts, "proposed", json_integer((json_int_t)count->proposed));
        json_put(counts, "verified", json_integer((json_int_t)count->verified));
        json_put(counts, "accepted", json_integer((json_int_t)count->accepted));
        json_put(object, policy_source_name((enum policy_source)i), counts);
    }
    return object;
}

static json_t *json_known(double number)
{
    return in_memory(number > 0 ? json_real(number) : json_null());
}

json_t *json_policy_statistics(const struct policy_statistics *s)
{
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {
        {"emitted", s->emitted},
        {"accepted", s->accepted},
        {"corrections", s->corrections},
        {"bonus", s->bonus},
        {"plain", s->plain},
        {"forced", s->forced},
        {"cycles", s->cycles},
        {"passes", s->passes},
        {"pass_tokens", s->pass_tokens},
        {"proposed", s->proposed},
        {"verified", s->verified},
        {"rejected", s->rejected},
        {"ignored", s->ignored},
        {"early_rejected", s->early_rejected},
        {"fallbacks", s->fallbacks},
        {"plain_steps", s->plain_steps},
    };
    const struct {
        const char *name;
        double seconds;
    } times[] = {
        {"draft_seconds", s->draft_seconds},         {"verify_seconds", s->verify_seconds},
        {"rollback_seconds", s->rollback_seconds},   {"plain_seconds", s->plain_seconds},
        {"wasted_verify_seconds", s->wasted_verify},
    };
    json_t *object = in_memory(json_object());

    json_put(object, "state", json_string(policy_state_name(s->state)));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_put(object, counts[i].name, json_integer((json_int_t)counts[i].count));
    json_put(object, "acceptance",
             s->verified > 0 ? json_real(policy_acceptance(s)) : json_null());
    json_put(object, "mean_length", json_known(policy_mean_length(s)));
    json_put(object, "speedup_estimate", json_known(policy_speedup(s)));
    json_put(object, "break_even_length", json_known(policy_break_even(s)));
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        json_put(object, times[i].name, json_real(times[i].seconds));
    json_put(object, "plain_step_seconds", json_known(s->plain_step));
    json_put(object, "plain_step_age_tokens", json_integer((json_int_t)s->plain_age));
    json_put(object, "sources", json_by_source(s));
    json_put(object, "position_verified",
             json_counts(s->position_verified, POLICY_MAX_CANDIDATES));
    json_put(object, "position_accepted",
             json_counts(s->position_accepted, POLICY_MAX_CANDIDATES));
    json_put(object, "lengths", json_counts(s->lengths, POLICY_MAX_CANDIDATES + 1));
    return object;
}

const char *stop_reason_name(enum stop_reason reason)
{
    switch (reason) {
    case STOP_TOKEN: return "stop";
    case STOP_LENGTH: return "length";
    case STOP_CONTEXT: return "context";
    case STOP_CANCELLED: return "cancelled";
    case STOP_SINK: return "stop";
    }
    return "stop";
}

void json_write(struct output *output, const json_t *value)
{
    /* Nine digits tell any two floats apart. */
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(9);
    char *text = json_dumps(value, flags | (isatty(output->fd) ? JSON_ENSURE_ASCII : 0));

    if (text == NULL)
        app_out_of_memory();
    output_bytes(output, text, strlen(text));
    output_bytes(output, "\n", 1);
    free(text);
}
