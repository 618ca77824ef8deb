/*
 * checkpoint.c - any bytes as a checkpoint: refused with a place, or a state that is safe to go on
 * from and whose curve can be drawn
 *
 * Hashes keep a fuzzer from what they guard, so an input whose first byte is odd gets right ones.
 * The rest is the file.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "app/loss_plot.h"
#include "engine/train/checkpoint.h"

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

enum { PARAMETERS = 2, HEAD = 16, HASH = 8, MOST_BYTES = 1 << 16 };

static struct parameter parameters[PARAMETERS];
static struct optimizer *optimizer;
static uint8_t file_bytes[MOST_BYTES];

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments)
{
    static const size_t shapes[PARAMETERS][2] = {{3, 2}, {5, 0}};
    const struct optimizer_settings adamw = {.kind = OPTIMIZER_ADAMW};

    (void)n_arguments;
    (void)arguments;
    for (size_t i = 0; i < PARAMETERS; i++) {
        snprintf(parameters[i].name, sizeof parameters[i].name, "blk.%zu.weight", i);
        parameters[i].tensor = tensor_new(i == 0 ? 2 : 1, shapes[i], true);
        require(parameters[i].tensor != NULL);
    }
    require(optimizer_new(&optimizer, &adamw, parameters, PARAMETERS, NULL) == STATUS_OK);
    return 0;
}

static void repair_hashes(uint8_t *bytes, size_t n_bytes)
{
    size_t at = HEAD;

    while (n_bytes - at >= HEAD + HASH && at <= n_bytes) {
        uint64_t length, hash;

        memcpy(&length, bytes + at + 8, sizeof length);
        if (length > n_bytes - at - HEAD - HASH)
            return;
        hash = XXH3_64bits(bytes + at, HEAD + (size_t)length);
        memcpy(bytes + at + HEAD + (size_t)length, &hash, sizeof hash);
        at += HEAD + (size_t)length + HASH;
    }
}

static void use(const struct checkpoint *checkpoint)
{
    const struct loss_plot drawing = {.points = checkpoint->curve,
                                      .n_points = checkpoint->n_points,
                                      .width = 40,
                                      .height = 8};
    struct text_buffer text = {0};

    require(checkpoint->n_points == checkpoint->step);
    loss_plot_draw(&drawing, &text);
    text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct checkpoint checkpoint = {.settings = "seed: 7\n"};
    struct error error = {0};
    char path[40];
    int fd;

    if (n_bytes < 1 || n_bytes > MOST_BYTES)
        return 0;
    memcpy(file_bytes, bytes + 1, n_bytes - 1);
    if (bytes[0] % 2 == 1 && n_bytes > HEAD)
        repair_hashes(file_bytes, n_bytes - 1);
    fd = memfd_create("checkpoint", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, file_bytes, n_bytes - 1) == (ssize_t)(n_bytes - 1));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (checkpoint_read(path, &checkpoint, parameters, PARAMETERS, optimizer, &error) ==
        STATUS_OK)
        use(&checkpoint);
    else
        require(error.what[0] != '\0' &&
                (error.status == STATUS_USAGE ||
                 (error.status == STATUS_DAMAGED && strstr(error.where, "offset") != NULL)));
    free(checkpoint.curve);
    close(fd);
    return 0;
}
