/*
 * gguf.c - fuzzing the GGUF reader: any bytes are refused, or opened and then safe to use
 *
 * make fuzz SECONDS=20 builds this with clang's libFuzzer, ASan and UBSan, and runs it from the
 * files of tests/fuzz/corpus/gguf; what it finds new is kept under build/fuzz/corpus.  By hand,
 * with the format's words:
 *
 *     build/fuzz/tests/fuzz/gguf -dict=tests/fuzz/gguf.dict build/fuzz/corpus/gguf
 *
 * A crash leaves a file crash-*: give it as the only argument to run it again, then make a
 * fixture of tests/unit/gguf_attacks.c from it.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/file/gguf.h"
#include "tests/unit/gguf_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* A refusal must have a reason that fits a line, and name a place. */
static void check_refusal(enum status status, const struct error *error)
{
    if (status != error->status || !error->what[0] ||
        (status != STATUS_DAMAGED && status != STATUS_UNSUPPORTED))
        abort();
    for (const char *c = error->what; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct gguf *file = NULL;
    struct error error;
    enum status status;

    error_clear(&error);
    status = gguf_open_memory(&file, data, n_bytes, &error);
    if (status == STATUS_OK)
        walk_gguf(file);
    else
        check_refusal(status, &error);
    gguf_close(&file);
    return 0;
}
