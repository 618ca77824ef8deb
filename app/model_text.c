/*
 * model_text.c - a model described in lines of text
 */
#include "app/model_text.h"

#include <inttypes.h>
#include <string.h>

#include "ui/ui.h"

void text_add_bytes(struct text_buffer *text, uint64_t n_bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)n_bytes;
    size_t unit = 0;

    /* 999.95 would be rounded to 1000.0. */
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    text_printf(text, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void text_add_count(struct text_buffer *text, uint64_t count)
{
    if (count >= 1000000000)
        text_printf(text, "%.2f billion", (double)count / 1e9);
    else if (count >= 1000000)
        text_printf(text, "%.1f million", (double)count / 1e6);
    else
        text_printf(text, "%" PRIu64, count);
}

static void add_label(struct text_buffer *text, const char *label)
{
    text_printf(text, "%-14s ", label);
}

static void add_name(struct text_buffer *text, const char *label, const char *name)
{
    char line[1024];

    if (name == NULL || name[0] == '\0')
        return;
    ui_filter_line(name, strlen(name), line, sizeof line);
    add_label(text, label);
    text_printf(text, "%s\n", line);
}

static void add_layers(struct text_buffer *text, const struct model_info *info)
{
    add_label(text, "layers");
    text_printf(text, "%u: %u gated DeltaNet, %u full attention", info->n_layers,
                info->n_layers - info->n_attention_layers, info->n_attention_layers);
    if (info->n_mtp_layers > 0)
        text_printf(text, "; and %u that predicts further tokens", info->n_mtp_layers);
    text_add(text, "\n");
    add_label(text, "widths");
    text_printf(text, "embedding %u, feed-forward %u\n", info->n_embd, info->n_ff);
    add_label(text, "attention");
    text_printf(text, "%u heads of %u, %u of keys and values\n", info->n_head, info->head_dim,
                info->n_head_kv);
    add_label(text, "DeltaNet");
    text_printf(text, "%u key and %u value heads of %u\n", info->n_key_heads,
                info->n_value_heads, info->state_dim);
}

static void add_memory(struct text_buffer *text, const struct model_info *info)
{
    add_label(text, "memory");
    if (info->packed_bytes > 0) {
        text_add(text, "packed weights ");
        text_add_bytes(text, info->packed_bytes);
        text_add(text, ", ");
    }
    text_add(text, "state ");
    text_add_bytes(text, info->state_bytes);
    text_add(text, ", and ");
    text_add_bytes(text, info->kv_bytes_per_token);
    text_add(text, " for each token\n");
}

static void add_load(struct text_buffer *text, const struct model_info *info)
{
    add_label(text, "load");
    text_printf(text, "%.2f s (read %.2f, vocabulary %.2f, weights %.2f)\n", info->open_seconds,
                info->load_seconds[MODEL_LOAD_READ], info->load_seconds[MODEL_LOAD_VOCABULARY],
                info->load_seconds[MODEL_LOAD_WEIGHTS]);
}

void model_text(const struct model_info *info, struct text_buffer *text)
{
    add_name(text, "name", info->name);
    add_name(text, "file", info->path);
    add_label(text, "size");
    text_add_bytes(text, info->file_bytes);
    text_add(text, "\n");
    add_name(text, "architecture", info->architecture);
    add_name(text, "quantisation", info->quantisation);
    if (info->n_parameters > 0) {
        add_label(text, "parameters");
        text_add_count(text, info->n_parameters);
        text_add(text, "\n");
    }
    if (info->n_layers > 0)
        add_layers(text, info);
    add_label(text, "vocabulary");
    text_printf(text, "%u tokens\n", info->n_vocab);
    if (info->n_context > 0) {
        add_label(text, "trained for");
        text_printf(text, "%u tokens of context\n", info->n_context);
    }
    add_name(text, "template", info->template_name);
    add_name(text, "", info->template_notice);
    if (info->n_layers > 0)
        add_memory(text, info);
    add_label(text, "kernels");
    text_printf(text, "%s\n", kernel_level_name(info->level));
    if (info->packed_bytes > 0)
        add_load(text, info);
}

void model_cache_text(enum weights_cache_state state, struct text_buffer *text)
{
    static const char *const words[] = {
        [WEIGHTS_CACHE_ABSENT] = "not on disk yet",
        [WEIGHTS_CACHE_MAPPED] = "mapped from disk",
        [WEIGHTS_CACHE_WRITING] = "being written to disk",
        [WEIGHTS_CACHE_WRITTEN] = "written to disk for the next start",
        [WEIGHTS_CACHE_REFUSED] =
            "not on disk: no room, no folder, or written by another banter",
    };

    if (state == WEIGHTS_CACHE_NONE)
        return;
    add_label(text, "packed");
    text_printf(text, "%s\n", words[state]);
}
