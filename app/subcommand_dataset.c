/*
 * subcommand_dataset.c - `banter dataset`: what the built-in model learns and is graded by
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/file_output.h"
#include "app/guide_dataset.h"
#include "app/interrupt.h"
#include "app/report.h"
#include "app/subcommands.h"

enum { SIZE_MAXIMUM = 10000000, SIZE_DEFAULT = 250000, BLOCK_BYTES = 1 << 16 };

static bool read_number(const char *text, uint64_t maximum, uint64_t *number)
{
    char *end;

    if (text == NULL)
        return true;
    if (strspn(text, "0123456789") != strlen(text) || text[0] == '\0' || strlen(text) > 18)
        return false;
    *number = strtoull(text, &end, 10);
    return *number <= maximum;
}

static char *path_in(const char *folder, const char *name)
{
    struct text_buffer path = {0};

    text_printf(&path, "%s/%s", folder, name);
    return path.bytes;
}

/* Number i of a stream of samples. */
typedef void (*sample_maker)(struct guide_dataset *dataset, uint64_t i,
                             struct guide_sample *sample);

/* Errors: IO, CANCELLED; nothing is left then. */
static enum status write_samples(struct guide_dataset *dataset, sample_maker make,
                                 uint64_t size, const char *path, struct error *error)
{
    struct guide_sample sample = {0};
    struct text_buffer text = {0};
    struct file_output file;
    enum status status = file_output_open(&file, path, error);

    if (status != STATUS_OK)
        return status;
    for (uint64_t i = 0; i < size && !*interrupt_wanted(); i++) {
        make(dataset, i, &sample);
        guide_sample_write(&sample, false, &text);
        if (text.n_bytes < BLOCK_BYTES && i + 1 < size)
            continue;
        if (!output_bytes(&file.output, text.bytes, text.n_bytes))
            break;
        text_clear(&text);
    }
    guide_sample_release(&sample);
    text_release(&text);
    if (*interrupt_wanted()) {
        file_output_discard(&file);
        return error_set(error, STATUS_CANCELLED, "stopped");
    }
    return file_output_commit(&file, error);
}

static enum status write_held_out(const struct guide_dataset *dataset, const char *path,
                                  struct error *error)
{
    struct text_buffer text = {0};
    struct file_output file;
    enum status status = file_output_open(&file, path, error);

    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < guide_dataset_held_out_count(dataset); i++)
        guide_sample_write(guide_dataset_held_out(dataset, i), true, &text);
    output_bytes(&file.output, text.bytes, text.n_bytes);
    text_release(&text);
    return file_output_commit(&file, error);
}

int subcommand_dataset(struct invocation *invocation)
{
    const char *folder = invocation->values[FLAG_OUT];
    uint64_t size = SIZE_DEFAULT, seed = 1;
    struct error error = {0};

    if (folder == NULL)
        return usage_error(invocation, "--out is missing");
    if (!read_number(invocation->values[FLAG_SIZE], SIZE_MAXIMUM, &size))
        return usage_error(invocation, "--size must be a number up to %d, got \"%s\"",
                           SIZE_MAXIMUM, invocation->values[FLAG_SIZE]);
    if (!read_number(invocation->values[FLAG_SEED], UINT64_MAX, &seed))
        return usage_error(invocation, "--seed must be a number, got \"%s\"",
                           invocation->values[FLAG_SEED]);
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        error_set(&error, STATUS_IO, "the folder cannot be made: %s", strerror(errno));
        error_path(&error, folder);
        return report_error(&error);
    }
    char *train = path_in(folder, "train.jsonl"), *held_out = path_in(folder, "held-out.jsonl");
    char *boundary = path_in(folder, "boundary.jsonl");
    struct guide_dataset *dataset = guide_dataset_new(seed);
    interrupt_catch();
    enum status status = write_held_out(dataset, held_out, &error);
    if (status == STATUS_OK)
        status = write_samples(dataset, guide_dataset_train, size, train, &error);
    if (status == STATUS_OK)
        status = write_samples(dataset, guide_dataset_boundary, size / 2, boundary, &error);
    guide_dataset_free(&dataset);
    free(train);
    free(held_out);
    free(boundary);
    if (status == STATUS_CANCELLED)
        interrupt_raise();
    return status == STATUS_OK ? 0 : report_error(&error);
}
