/*
 * subcommand_weights.c - `banter weights`: packed weights that are kept on disk
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/engine_settings.h"
#include "app/model_text.h"
#include "app/output.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "engine/weights_cache.h"

enum { FILES_SHOWN = 1000 };

static void put_file(struct text_buffer *text, const struct cached_weights *entry)
{
    char line[256], day[32] = "?";
    const time_t used = (time_t)entry->used;
    struct tm local;

    ui_filter_line(entry->model, strlen(entry->model), line, sizeof line);
    if (localtime_r(&used, &local) != NULL)
        strftime(day, sizeof day, "%Y-%m-%d", &local);
    text_printf(text, "%s\n    of %s, ", entry->file, line[0] != '\0' ? line : "?");
    text_add_bytes(text, entry->n_bytes);
    text_printf(text, entry->partial ? ", not finished\n" : ", used %s\n", day);
}

/* Those that cannot be removed are told of, and counted. */
static size_t clear(const char *folder, const struct cached_weights *entries, size_t n)
{
    size_t n_left = 0;

    for (size_t i = 0; i < n; i++) {
        if (!cached_weights_remove(folder, &entries[i])) {
            report("%s/%s cannot be removed%s", folder, entries[i].file,
                   entries[i].partial ? ": it is being written" : "");
            n_left++;
        }
    }
    return n_left;
}

int subcommand_weights(struct invocation *invocation)
{
    const char *folder = weights_cache_folder();
    struct cached_weights *entries = NULL;
    struct text_buffer text = {0};
    struct output output;
    uint64_t total = 0;

    if (folder == NULL) {
        report("there is no home folder to keep packed weights in");
        return 0;
    }
    const size_t n = cached_weights_list(folder, &entries, FILES_SHOWN);
    output_init(&output, STDOUT_FILENO, "standard output", false);
    if (invocation->values[FLAG_CLEAR] != NULL) {
        const size_t n_left = clear(folder, entries, n);
        free(entries);
        return n_left > 0 ? STATUS_IO : 0;
    }
    for (size_t i = 0; i < n; i++) {
        put_file(&text, &entries[i]);
        total += entries[i].n_bytes;
    }
    text_printf(&text, "%zu file%s, ", n, n == 1 ? "" : "s");
    text_add_bytes(&text, total);
    text_printf(&text, " in %s\n", folder);
    output_text(&output, text_string(&text), text.n_bytes);
    text_release(&text);
    free(entries);
    return output_exit_code(&output);
}
