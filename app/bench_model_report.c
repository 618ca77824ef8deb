/*
 * bench_model_report.c - what `banter bench model` found, as a table and as JSON
 */
#include <string.h>

#include "app/bench_curves.h"
#include "app/bench_model.h"
#include "app/bench_peer.h"
#include "app/bench_profile.h"
#include "app/text_buffer.h"

static void write_memory(const struct model_bench *bench, struct output *output)
{
    const struct model_info *info = model_info(bench->model);
    const struct resident *resident = &bench->resident;

    if (resident->open == 0 || resident->open < resident->before)
        return;
    output_printf(
        output,
        "memory: %.1f MB for the model and a state of %.1f MB, %.1f MB while opening; "
        "the file has %.1f MB, packed weights %.1f MB\n",
        1e-6 * (double)(resident->open - resident->before), 1e-6 * (double)resident->state,
        1e-6 * (double)(resident->most - resident->before), 1e-6 * (double)info->file_bytes,
        1e-6 * (double)info->packed_bytes);
}

static void write_title(const struct model_bench *bench, struct output *output)
{
    const struct model_info *info = model_info(bench->model);
    char name[300];

    ui_filter_line(info->name, strlen(info->name), name, sizeof name);
    output_printf(output, "%s, %s, %.2f G parameters, %d thread%s, kernels %s\n", name,
                  info->quantisation, 1e-9 * (double)info->n_parameters,
                  session_thread_count(bench->session),
                  session_thread_count(bench->session) == 1 ? "" : "s",
                  kernel_level_name(info->level));
    output_printf(output,
                  "a pass reads %.1f MB, %.1f MB of it for the head; a row multiplies "
                  "%.3f Gop, %.3f Gop of it in the head\n\n",
                  1e-6 * (double)(info->trunk_bytes + info->head_bytes),
                  1e-6 * (double)info->head_bytes,
                  1e-9 * (double)(info->trunk_operations + info->head_operations),
                  1e-9 * (double)info->head_operations);
}

void bench_model_write(const void *context, struct output *output)
{
    const struct model_bench *bench = context;

    limits_write(&bench->limits, output);
    output_printf(output, "\n");
    if (bench->session != NULL)
        write_title(bench, output);
    if (bench->opening.n > 0)
        figures_write(&bench->opening, output);
    if ((bench->parts[PART_LOAD] || bench->parts[PART_FIRST_TOKEN]) && !bench->dropped)
        output_printf(output, "cold is not cold: the system kept %.0f %% of the file\n",
                      100 * bench->cached_most);
    if (bench->parts[PART_LOAD] && bench->session != NULL)
        write_memory(bench, output);
    if (bench->opening.n > 0 && bench->figures.n > 0)
        output_printf(output, "\n");
    if (bench->figures.n > 0)
        figures_write(&bench->figures, output);
    bench_profile_write(bench, output);
    bench_peer_write(bench, output);
    if (bench->invocation->values[FLAG_PLOT] != NULL)
        bench_curves_write(bench, output);
    if (bench->cancelled)
        output_printf(output, "stopped: not everything was measured\n");
}

static json_t *json_memory(const struct model_bench *bench)
{
    const struct model_info *info = model_info(bench->model);
    json_t *object = json_object();

    json_put(object, "resident_before_bytes", json_integer((json_int_t)bench->resident.before));
    json_put(object, "resident_bytes", json_integer((json_int_t)bench->resident.open));
    json_put(object, "resident_most_bytes", json_integer((json_int_t)bench->resident.most));
    json_put(object, "file_bytes", json_integer((json_int_t)info->file_bytes));
    json_put(object, "packed_bytes", json_integer((json_int_t)info->packed_bytes));
    json_put(object, "state_bytes", json_integer((json_int_t)info->state_bytes));
    json_put(object, "kv_bytes_per_token", json_integer((json_int_t)bench->kv_bytes));
    json_put(object, "trunk_bytes", json_integer((json_int_t)info->trunk_bytes));
    json_put(object, "head_bytes", json_integer((json_int_t)info->head_bytes));
    json_put(object, "trunk_operations", json_integer((json_int_t)info->trunk_operations));
    json_put(object, "head_operations", json_integer((json_int_t)info->head_operations));
    return object;
}

json_t *bench_model_json(const void *context)
{
    const struct model_bench *bench = context;
    json_t *object = json_object(), *figures = figures_json(&bench->opening);
    json_t *more = figures_json(&bench->figures);

    if (json_array_extend(figures, more) != 0)
        app_out_of_memory();
    json_decref(more);
    if (bench->session != NULL) {
        json_put(object, "model", json_model(model_info(bench->model)));
        json_put(object, "threads", json_integer(session_thread_count(bench->session)));
        json_put(object, "memory", json_memory(bench));
    }
    json_put(object, "rounds", json_integer((json_int_t)bench->n_rounds));
    json_put(object, "machine", limits_json(&bench->limits));
    json_put(object, "figures", figures);
    json_put(object, "file_dropped",
             bench->opening.n > 0 ? json_boolean(bench->dropped) : json_null());
    json_put(object, "profile", bench_profile_json(bench));
    json_put(object, "peer", bench_peer_json(bench));
    json_put(object, "cancelled", json_boolean(bench->cancelled));
    return object;
}
