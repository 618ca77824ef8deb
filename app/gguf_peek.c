/*
 * gguf_peek.c - the general keys at the head of a GGUF file
 *
 * Layout (GGUF specification): "GGUF", version u32, n_tensors u64, n_keys u64, then for each key
 * its name (length u64, bytes), type u32 and value; little endian.
 */
#include "app/gguf_peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/text_buffer.h"

enum {
    PEEK_BYTES = 256 * 1024,
    KEYS_MAX = 4096,
    TYPE_U32 = 4,
    TYPE_STRING = 8,
    TYPE_ARRAY = 9
};

/* Bytes that are left; a read beyond them sets `short_of`. */
struct cursor {
    const unsigned char *at;
    size_t n_left;
    bool short_of;
};

static const unsigned char *take(struct cursor *cursor, uint64_t n_bytes)
{
    const unsigned char *bytes = cursor->at;

    if (n_bytes > cursor->n_left) {
        cursor->short_of = true;
        cursor->n_left = 0;
        return NULL;
    }
    cursor->at += n_bytes;
    cursor->n_left -= (size_t)n_bytes;
    return bytes;
}

static uint64_t take_integer(struct cursor *cursor, size_t n_bytes)
{
    const unsigned char *bytes = take(cursor, n_bytes);
    uint64_t value = 0;

    for (size_t i = 0; bytes != NULL && i < n_bytes; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

struct piece {
    const char *bytes;
    size_t n_bytes;
};

static struct piece take_string(struct cursor *cursor)
{
    uint64_t n_bytes = take_integer(cursor, 8);
    const unsigned char *bytes = take(cursor, n_bytes);

    if (bytes == NULL)
        return (struct piece){"", 0};
    return (struct piece){(const char *)bytes, (size_t)n_bytes};
}

/* Bytes of a value of a fixed size; 0: of no fixed size, or an unknown type. */
static size_t fixed_size(uint64_t type)
{
    static const unsigned char sizes[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    return type < sizeof sizes ? sizes[type] : 0;
}

static void skip_value(struct cursor *cursor, uint64_t type)
{
    if (type == TYPE_STRING) {
        take_string(cursor);
    } else if (type == TYPE_ARRAY) {
        uint64_t element = take_integer(cursor, 4);
        uint64_t n = take_integer(cursor, 8);

        if (fixed_size(element) != 0 && n <= cursor->n_left)
            take(cursor, n * fixed_size(element));
        else if (element == TYPE_STRING)
            for (; n > 0 && !cursor->short_of; n--)
                take_string(cursor);
        else
            take(cursor, UINT64_MAX);
    } else {
        take(cursor, fixed_size(type) != 0 ? fixed_size(type) : UINT64_MAX);
    }
}

static bool is_named(struct piece name, const char *wanted)
{
    return name.n_bytes == strlen(wanted) && memcmp(name.bytes, wanted, name.n_bytes) == 0;
}

static void copy(char *out, size_t room, struct piece text)
{
    size_t n = text.n_bytes < room - 1 ? text.n_bytes : room - 1;

    memcpy(out, text.bytes, n);
    out[n] = '\0';
}

static void name_file_type(struct gguf_peek *out, uint64_t type)
{
    static const struct {
        const char *name;
        bool runs;
    } types[] = {
        [0] = {"F32", true},      [1] = {"F16", true},       [2] = {"Q4_0", true},
        [3] = {"Q4_1", true},     [7] = {"Q8_0", true},      [8] = {"Q5_0", true},
        [9] = {"Q5_1", true},     [10] = {"Q2_K", false},    [11] = {"Q3_K_S", false},
        [12] = {"Q3_K_M", false}, [13] = {"Q3_K_L", false},  [14] = {"Q4_K_S", true},
        [15] = {"Q4_K_M", true},  [16] = {"Q5_K_S", true},   [17] = {"Q5_K_M", true},
        [18] = {"Q6_K", true},    [19] = {"IQ2_XXS", false}, [20] = {"IQ2_XS", false},
        [21] = {"Q2_K_S", false}, [22] = {"IQ3_XS", false},  [23] = {"IQ3_XXS", false},
        [24] = {"IQ1_S", false},  [25] = {"IQ4_NL", true},   [26] = {"IQ3_S", false},
        [27] = {"IQ3_M", false},  [28] = {"IQ2_S", false},   [29] = {"IQ2_M", false},
        [30] = {"IQ4_XS", true},  [31] = {"IQ1_M", false},   [32] = {"BF16", true},
    };

    if (type >= sizeof types / sizeof *types || types[type].name == NULL)
        return;
    snprintf(out->quantisation, sizeof out->quantisation, "%s", types[type].name);
    if (!types[type].runs)
        snprintf(out->why_not, sizeof out->why_not, "its quantisation, %s, is not supported",
                 types[type].name);
}

static void read_keys(struct cursor *cursor, uint64_t n_keys, struct gguf_peek *out)
{
    for (uint64_t i = 0; i < n_keys && i < KEYS_MAX && !cursor->short_of; i++) {
        struct piece name = take_string(cursor);
        uint64_t type = take_integer(cursor, 4);

        if (cursor->short_of)
            return;
        if (type == TYPE_STRING && is_named(name, "general.architecture"))
            copy(out->architecture, sizeof out->architecture, take_string(cursor));
        else if (type == TYPE_STRING && is_named(name, "general.name"))
            copy(out->name, sizeof out->name, take_string(cursor));
        else if (type == TYPE_U32 && is_named(name, "general.file_type"))
            name_file_type(out, take_integer(cursor, 4));
        else
            skip_value(cursor, type);
    }
}

static bool read_head(struct cursor *cursor, struct gguf_peek *out)
{
    const unsigned char *magic = take(cursor, 4);
    uint64_t version = take_integer(cursor, 4);

    take_integer(cursor, 8); /* tensors */
    uint64_t n_keys = take_integer(cursor, 8);
    if (magic == NULL || memcmp(magic, "GGUF", 4) != 0 || cursor->short_of)
        return false;
    if (version != 2 && version != 3) {
        snprintf(out->why_not, sizeof out->why_not, "its GGUF version is not 2 or 3");
        return true;
    }
    read_keys(cursor, n_keys, out);
    if (strcmp(out->architecture, "qwen35") != 0)
        snprintf(out->why_not, sizeof out->why_not, "its architecture is not supported");
    return true;
}

bool gguf_peek(const char *path, struct gguf_peek *out)
{
    /* A FIFO of that name must not stop the list. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    bool good = false;

    *out = (struct gguf_peek){0};
    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        unsigned char *bytes = app_resize(NULL, PEEK_BYTES, 1);
        ssize_t n = pread(fd, bytes, PEEK_BYTES, 0);
        struct cursor cursor = {bytes, n > 0 ? (size_t)n : 0, false};

        good = read_head(&cursor, out);
        out->n_bytes = (uint64_t)status.st_size;
        out->device = (uint64_t)status.st_dev;
        out->inode = (uint64_t)status.st_ino;
        free(bytes);
    }
    close(fd);
    return good;
}
