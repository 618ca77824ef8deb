/*
 * gguf_attacks.c - hostile and broken GGUF files: each refused with the right line
 *
 * The list follows the advisories against GGUF readers: counts and lengths that wrap when they
 * are multiplied, sizes just below 2^64, offsets beyond the end, overlapping and unaligned
 * tensors, impossible alignments, names twice or with control characters, truncation at every
 * byte.
 *
 * One small valid file is built with the place of each field noted.  An attack is a few fields
 * and the values to put there; the refusal must name the place of the first of them.  The bytes
 * end at a guard page, so that a read beyond them ends the test even without a sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "engine/file/gguf.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/gguf_walk.h"

enum field {
    NO_FIELD,
    MAGIC,
    VERSION,
    N_TENSORS,
    N_KEYS,
    ALIGNMENT_TYPE,
    ALIGNMENT,
    KEY_NAME_LENGTH, /* of the key with a string value */
    KEY_NAME_BYTE,
    STRING_TYPE,
    STRING_LENGTH,
    BOOL_TYPE,
    BOOL_VALUE,
    ARRAY_TYPE, /* of the elements */
    ARRAY_LENGTH,
    STRINGS_TYPE,
    STRINGS_LENGTH,
    ELEMENT_LENGTH, /* of the second string */
    BOOLS_VALUE,
    LAST_KEY_BYTE, /* the digit that makes its name differ from the one before */
    TENSOR_NAME_LENGTH,
    TENSOR_NAME_BYTE,
    N_DIMENSIONS,
    NE_0,
    NE_1,
    TENSOR_TYPE,
    TENSOR_OFFSET,
    SECOND_NAME_BYTE,
    SECOND_NE_0,
    SECOND_NE_1,
    SECOND_NE_2,
    SECOND_NE_3,
    SECOND_TYPE,
    SECOND_OFFSET,
    PADDING,
    FIELD_COUNT
};

static struct {
    size_t offset, n_bytes;
} places[FIELD_COUNT];

static struct bytes valid;
static size_t header_bytes, data_offset;

static void mark(enum field field, size_t back, size_t n_bytes)
{
    places[field].offset = valid.n_bytes - back;
    places[field].n_bytes = n_bytes;
}

static void build_keys(struct bytes *out)
{
    put_string(out, "general.alignment");
    mark(ALIGNMENT_TYPE, 0, 4), put_u32(out, GGUF_U32);
    mark(ALIGNMENT, 0, 4), put_u32(out, 32);

    mark(KEY_NAME_LENGTH, 0, 8), put_string(out, "a.string");
    mark(KEY_NAME_BYTE, 4, 1);
    mark(STRING_TYPE, 0, 4), put_u32(out, GGUF_STRING);
    mark(STRING_LENGTH, 0, 8), put_string(out, "text");

    put_string(out, "a.bool");
    mark(BOOL_TYPE, 0, 4), put_u32(out, GGUF_BOOL);
    mark(BOOL_VALUE, 0, 1), put_u8(out, 1);

    put_string(out, "an.array"), put_u32(out, GGUF_ARRAY);
    mark(ARRAY_TYPE, 0, 4), put_u32(out, GGUF_U32);
    mark(ARRAY_LENGTH, 0, 8), put_u64(out, 3);
    put_u32(out, 1), put_u32(out, 2), put_u32(out, 3);

    put_string(out, "strings"), put_u32(out, GGUF_ARRAY);
    mark(STRINGS_TYPE, 0, 4), put_u32(out, GGUF_STRING);
    mark(STRINGS_LENGTH, 0, 8), put_u64(out, 2);
    put_string(out, "ab");
    mark(ELEMENT_LENGTH, 0, 8), put_string(out, "cde");

    put_key_array(out, "bools", GGUF_BOOL, 2);
    put_u8(out, 0), mark(BOOLS_VALUE, 0, 1), put_u8(out, 1);

    put_key(out, "number.1", GGUF_U8), put_u8(out, 7);
    put_string(out, "number.2"), mark(LAST_KEY_BYTE, 1, 1);
    put_u32(out, GGUF_F64), put_f64(out, 0.5);
}

static void build_tensors(struct bytes *out)
{
    mark(TENSOR_NAME_LENGTH, 0, 8), put_string(out, "first.1"), mark(TENSOR_NAME_BYTE, 1, 1);
    mark(N_DIMENSIONS, 0, 4), put_u32(out, 2);
    mark(NE_0, 0, 8), put_u64(out, 32);
    mark(NE_1, 0, 8), put_u64(out, 4);
    mark(TENSOR_TYPE, 0, 4), put_u32(out, TENSOR_Q8_0);
    mark(TENSOR_OFFSET, 0, 8), put_u64(out, 0);

    put_string(out, "first.2"), mark(SECOND_NAME_BYTE, 1, 1);
    put_u32(out, 4);
    mark(SECOND_NE_0, 0, 8), put_u64(out, 8);
    mark(SECOND_NE_1, 0, 8), put_u64(out, 2);
    mark(SECOND_NE_2, 0, 8), put_u64(out, 2);
    mark(SECOND_NE_3, 0, 8), put_u64(out, 1);
    mark(SECOND_TYPE, 0, 4), put_u32(out, TENSOR_F32);
    mark(SECOND_OFFSET, 0, 8), put_u64(out, 160);
}

static int build_valid(void **state)
{
    (void)state;
    mark(MAGIC, 0, 4);
    put_header(&valid, 3, 2, 8);
    mark(VERSION, 20, 4), mark(N_TENSORS, 16, 8), mark(N_KEYS, 8, 8);
    build_keys(&valid);
    build_tensors(&valid);
    header_bytes = valid.n_bytes;
    mark(PADDING, 0, 1);
    if (valid.n_bytes % 32 == 0)
        return 1; /* there must be padding to attack */
    pad(&valid, 32);
    data_offset = valid.n_bytes;
    put_zeros(&valid, 160 + 128);
    return 0;
}

static int free_valid(void **state)
{
    (void)state;
    bytes_free(&valid);
    return 0;
}

/* Memory whose last byte lies before a page that cannot be read. */
enum { GUARDED_BYTES = 1 << 16 };

static uint8_t *guarded_copy(const void *bytes, size_t n_bytes)
{
    static uint8_t *memory;
    if (!memory) {
        memory = mmap(NULL, GUARDED_BYTES + 65536, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(memory != MAP_FAILED);
        assert_int_equal(mprotect(memory + GUARDED_BYTES, 65536, PROT_NONE), 0);
    }
    assert_true(n_bytes <= GUARDED_BYTES);
    if (n_bytes > 0)
        memcpy(memory + GUARDED_BYTES - n_bytes, bytes, n_bytes);
    return memory + GUARDED_BYTES - n_bytes;
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static unsigned n_refused;

/* Open bytes; they must be refused with status, a line that contains says, and the offset
 * (unless it is SIZE_MAX), within 50 ms. */
static void assert_refused(const char *name, const uint8_t *bytes, size_t n_bytes,
                           enum status status, const char *says, size_t offset)
{
    struct gguf *file = NULL;
    struct error error;
    char line[900], place[40];
    double start = cpu_seconds();
    enum status got = gguf_open_memory(&file, bytes, n_bytes, &error);
    double seconds = cpu_seconds() - start;

    if (got == STATUS_OK) {
        gguf_close(&file);
        fail_msg("%s: accepted", name);
    }
    assert_null(file);
    error_text(&error, line, sizeof line);
    snprintf(place, sizeof place, "offset %zu:", offset);
    if (got != status || error.status != status)
        fail_msg("%s: status %d instead of %d: %s", name, got, status, line);
    if (!strstr(line, says))
        fail_msg("%s: \"%s\" does not say \"%s\"", name, line, says);
    if (!strstr(line, offset == SIZE_MAX ? "offset " : place))
        fail_msg("%s: \"%s\" does not name %s", name, line, place);
    for (const char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            fail_msg("%s: the line holds byte 0x%02x", name, (unsigned char)*c);
    if (seconds > 0.05)
        fail_msg("%s: took %.3f s", name, seconds);
    /* The status alone may be asked for. */
    assert_int_equal(gguf_open_memory(&file, bytes, n_bytes, NULL), status);
    n_refused++;
}

struct patch {
    enum field field;
    uint64_t value;
};

/* The valid file with up to four fields changed; the refusal names the first field's place. */
static void attack_at(const char *name, enum status status, const char *says, size_t offset,
                      const struct patch *patches, size_t n_patches)
{
    uint8_t *bytes = guarded_copy(valid.data, valid.n_bytes);

    for (size_t i = 0; i < n_patches; i++)
        for (size_t k = 0; k < places[patches[i].field].n_bytes; k++)
            bytes[places[patches[i].field].offset + k] = (uint8_t)(patches[i].value >> 8 * k);
    assert_refused(name, bytes, valid.n_bytes, status, says, offset);
}

static void attack(enum field field, uint64_t value, enum status status, const char *says)
{
    char name[80];

    snprintf(name, sizeof name, "field %d = 0x%" PRIx64, field, value);
    attack_at(name, status, says, places[field].offset, &(struct patch){field, value}, 1);
}

#define B(n)    (UINT64_C(1) << (n))
#define LAST(n) (UINT64_MAX - (n)) /* 2^64 - 1 - n */
#define N(list) (sizeof(list) / sizeof(list)[0])

/* ---- the attacks ------------------------------------------------------------------------- */

static void the_valid_file_is_accepted(void **state)
{
    struct gguf *file;
    uint8_t *bytes = guarded_copy(valid.data, valid.n_bytes);

    (void)state;
    assert_int_equal(gguf_open_memory(&file, bytes, valid.n_bytes, NULL), STATUS_OK);
    walk_gguf(file);
    gguf_close(&file);
}

static void magic_and_version(void **state)
{
    static const char *const magics[] = {"FUGG",   "gguf",     "GGML",    "ggjt",
                                         "PK\3\4", "\0\0\0\0", "\x1b[2J", "GGUf"};
    static const uint32_t unsupported[] = {1,          4,          5,          0x00010000,
                                           0x02000000, 0x03000000, 0xffff0003, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < N(magics); i++) {
        uint32_t value;
        memcpy(&value, magics[i], 4);
        attack(MAGIC, value, STATUS_DAMAGED, "not a GGUF file");
    }
    attack(VERSION, 0, STATUS_DAMAGED, "version 0");
    for (size_t i = 0; i < N(unsupported); i++)
        attack(VERSION, unsupported[i], STATUS_UNSUPPORTED,
               (unsupported[i] & 0xffff) ? "version" : "big endian");
}

static void counts(void **state)
{
    static const uint64_t huge[] = {B(20),     B(31),   B(32) - 1, B(32),     B(56),
                                    B(60) + 1, B(61),   B(62),     B(63) - 1, B(63),
                                    LAST(31),  LAST(7), LAST(0)};

    (void)state;
    for (size_t i = 0; i < N(huge); i++) {
        attack(N_TENSORS, huge[i], STATUS_DAMAGED, "tensor count");
        attack(N_KEYS, huge[i], STATUS_DAMAGED, "key count");
    }
    /* One more or fewer than there are: what follows is read as something it is not. */
    attack_at("one tensor fewer", STATUS_DAMAGED, "padding before the data section is not zero",
              SIZE_MAX, &(struct patch){N_TENSORS, 1}, 1);
    attack_at("one tensor more", STATUS_DAMAGED, "tensor 2: tensor name is empty", SIZE_MAX,
              &(struct patch){N_TENSORS, 3}, 1);
    attack_at("one key fewer", STATUS_DAMAGED, "tensor 'number.2'", SIZE_MAX,
              &(struct patch){N_KEYS, 7}, 1);
    attack_at("one key more", STATUS_DAMAGED, "tensor 0: tensor name has length", SIZE_MAX,
              &(struct patch){N_KEYS, 9}, 1);
    attack_at("no tensor announced", STATUS_DAMAGED, "length", SIZE_MAX,
              (struct patch[]){{N_TENSORS, 0}, {N_KEYS, 10}}, 2);
}

static void lengths_of_strings(void **state)
{
    static const enum field fields[] = {KEY_NAME_LENGTH, STRING_LENGTH, ELEMENT_LENGTH,
                                        TENSOR_NAME_LENGTH};
    static const uint64_t huge[] = {B(16),     B(31) - 1, B(31),   B(32) - 1, B(32),
                                    B(63) - 1, B(63),     LAST(8), LAST(7),   LAST(0)};

    (void)state;
    for (size_t i = 0; i < N(fields); i++) {
        uint64_t left = valid.n_bytes - places[fields[i]].offset - 8;
        for (size_t k = 0; k < N(huge); k++)
            attack(fields[i], huge[k], STATUS_DAMAGED, "length");
        attack(fields[i], left + 1, STATUS_DAMAGED, "length"); /* one byte too many */
        /* Up to the very last byte: the string fits, what should follow does not. */
        attack_at("string to the end", STATUS_DAMAGED, "", SIZE_MAX,
                  &(struct patch){fields[i], left}, 1);
    }
    attack(KEY_NAME_LENGTH, 0, STATUS_DAMAGED, "key 1: key name is empty");
    attack(TENSOR_NAME_LENGTH, 0, STATUS_DAMAGED, "tensor 0: tensor name is empty");
    attack(TENSOR_NAME_LENGTH, 65, STATUS_DAMAGED, "length 65, the limit is 64");
}

static void types_of_values(void **state)
{
    static const uint32_t unknown[] = {13, 14, 255, 1u << 31, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < N(unknown); i++) {
        attack(STRING_TYPE, unknown[i], STATUS_DAMAGED, "key 'a.string': value type");
        attack(BOOL_TYPE, unknown[i], STATUS_DAMAGED, "key 'a.bool': value type");
        attack(ARRAY_TYPE, unknown[i], STATUS_DAMAGED, "array element type");
    }
    attack(ARRAY_TYPE, GGUF_ARRAY, STATUS_UNSUPPORTED, "key 'an.array': arrays of arrays");
    attack(STRINGS_TYPE, GGUF_ARRAY, STATUS_UNSUPPORTED, "arrays of arrays");
    attack(BOOL_VALUE, 2, STATUS_DAMAGED, "key 'a.bool': bool value 2");
    attack(BOOL_VALUE, 255, STATUS_DAMAGED, "bool value 255");
    attack(BOOLS_VALUE, 2, STATUS_DAMAGED, "key 'bools': bool value 2");
    attack(BOOLS_VALUE, 0x80, STATUS_DAMAGED, "bool value 128");
    /* A type of another size than its value: the next key's name is read at a wrong place. */
    attack_at("string as u8", STATUS_DAMAGED, "key", SIZE_MAX,
              &(struct patch){STRING_TYPE, GGUF_U8}, 1);
    attack_at("string as array", STATUS_DAMAGED, "key", SIZE_MAX,
              &(struct patch){STRING_TYPE, GGUF_ARRAY}, 1);
    attack_at("bool as f64", STATUS_DAMAGED, "key", SIZE_MAX,
              &(struct patch){BOOL_TYPE, GGUF_F64}, 1);
    attack_at("u32s as strings", STATUS_DAMAGED, "key 'an.array': element 0", SIZE_MAX,
              &(struct patch){ARRAY_TYPE, GGUF_STRING}, 1);
    attack_at("strings as bools", STATUS_DAMAGED, "bool value", SIZE_MAX,
              &(struct patch){STRINGS_TYPE, GGUF_BOOL}, 1);
}

static void lengths_of_arrays(void **state)
{
    static const uint64_t huge[] = {B(31),     B(32) - 1,   B(61),           B(62),  B(63),
                                    B(63) + 1, LAST(0) / 2, LAST(0) / 4 + 1, LAST(0)};

    (void)state;
    for (uint32_t type = 0; type < GGUF_VALUE_TYPE_COUNT; type++)
        for (size_t i = 0; i < N(huge); i++) {
            char name[80];
            if (type == GGUF_ARRAY)
                continue;
            snprintf(name, sizeof name, "array of type %" PRIu32 ", %" PRIu64 " elements", type,
                     huge[i]);
            attack_at(name, STATUS_DAMAGED, "key 'an.array': array length",
                      places[ARRAY_LENGTH].offset,
                      (struct patch[]){{ARRAY_LENGTH, huge[i]}, {ARRAY_TYPE, type}}, 2);
        }
    attack(STRINGS_LENGTH, LAST(0), STATUS_DAMAGED, "key 'strings': array length");
    attack_at("one string more", STATUS_DAMAGED, "", SIZE_MAX,
              &(struct patch){STRINGS_LENGTH, 3}, 1);
    attack_at("one string fewer", STATUS_DAMAGED, "", SIZE_MAX,
              &(struct patch){STRINGS_LENGTH, 1}, 1);
    attack_at("no strings", STATUS_DAMAGED, "", SIZE_MAX, &(struct patch){STRINGS_LENGTH, 0},
              1);
    attack_at("strings to the end", STATUS_DAMAGED, "key 'strings': element 3", SIZE_MAX,
              &(struct patch){STRINGS_LENGTH, 40}, 1);
}

static void alignments(void **state)
{
    static const uint32_t wrong[] = {0,  1,  2,  3,        4,        7,         24,
                                     31, 33, 48, 1u << 17, 1u << 31, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < N(wrong); i++)
        attack(ALIGNMENT, wrong[i], STATUS_DAMAGED, "key 'general.alignment': alignment");
    attack_at("alignment as i32", STATUS_DAMAGED, "the type is I32, it must be U32",
              places[ALIGNMENT].offset, &(struct patch){ALIGNMENT_TYPE, GGUF_I32}, 1);
    attack_at("alignment as f32", STATUS_DAMAGED, "the type is F32, it must be U32",
              places[ALIGNMENT].offset, &(struct patch){ALIGNMENT_TYPE, GGUF_F32}, 1);
    /* Right by themselves, but the tensors were laid out for 32. */
    attack_at("alignment 64", STATUS_DAMAGED, "data offset 160 is not a multiple", SIZE_MAX,
              &(struct patch){ALIGNMENT, 64}, 1);
    attack_at("alignment 65536", STATUS_DAMAGED, "is not a multiple", SIZE_MAX,
              &(struct patch){ALIGNMENT, 65536}, 1);
}

static void dimensions(void **state)
{
    static const uint32_t counts_of[] = {0, 5, 8, 255, 1u << 31, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < N(counts_of); i++)
        attack(N_DIMENSIONS, counts_of[i], STATUS_DAMAGED, "tensor 'first.1'");
    attack_at("one dimension fewer", STATUS_UNSUPPORTED, "tensor type 4 is unknown", SIZE_MAX,
              &(struct patch){N_DIMENSIONS, 1}, 1);
    attack_at("one dimension more", STATUS_DAMAGED, "", SIZE_MAX,
              &(struct patch){N_DIMENSIONS, 3}, 1);
    attack(NE_0, 0, STATUS_DAMAGED, "dimension 0 is 0");
    attack(NE_1, 0, STATUS_DAMAGED, "dimension 1 is 0");
    attack(NE_0, B(63), STATUS_DAMAGED, "dimension 0 is");
    attack(NE_1, LAST(0), STATUS_DAMAGED, "dimension 1 is");
    attack(SECOND_NE_3, LAST(0), STATUS_DAMAGED, "dimension 3 is");
    attack_at("half a block", STATUS_DAMAGED, "needs a multiple of 32",
              places[TENSOR_TYPE].offset, &(struct patch){NE_0, 31}, 1);
    attack_at("a block and one", STATUS_DAMAGED, "needs a multiple of 32",
              places[TENSOR_TYPE].offset, &(struct patch){NE_0, 33}, 1);
    attack_at("K-quant in rows of 32", STATUS_DAMAGED, "needs a multiple of 256",
              places[TENSOR_TYPE].offset, &(struct patch){TENSOR_TYPE, TENSOR_Q4_K}, 1);
}

/* Dimensions whose product, or size, wraps to nothing, to little, or below zero. */
static void products(void **state)
{
    static const struct {
        uint64_t ne[4];
        uint32_t type;
        const char *says;
    } cases[] = {
        {{B(32), B(32), 1, 1}, TENSOR_F32, "multiply to more than 2^63"},
        {{INT64_MAX, 2, 1, 1}, TENSOR_F32, "multiply to more than 2^63"},
        {{B(33), B(30), 1, 1}, TENSOR_F32, "multiply to more than 2^63"},
        {{B(33), B(31), 1, 1}, TENSOR_F32, "multiply to more than 2^63"},
        {{B(62), 4, 1, 1}, TENSOR_I8, "multiply to more than 2^63"},
        {{B(62), 2, 1, 1}, TENSOR_I8, "multiply to more than 2^63"},
        {{B(16), B(16), B(16), B(16)}, TENSOR_F32, "multiply to more than 2^63"},
        {{B(22), B(22), B(22), 1}, TENSOR_F32, "multiply to more than 2^63"},
        {{B(32) + 1, B(32) - 1, 2, 1}, TENSOR_F32, "multiply to more than 2^63"},
        {{0x5555555555555556, 3, 1, 1}, TENSOR_I8, "multiply to more than 2^63"}, /* 2 */
        {{32, B(59), B(59), B(59)}, TENSOR_Q8_0, "multiply to more than 2^63"},
        {{B(62), 1, 1, 1}, TENSOR_F32, "size in bytes overflows"},
        {{B(61), 1, 1, 1}, TENSOR_F64, "size in bytes overflows"},
        {{B(31), B(30), 1, 1}, TENSOR_I64, "size in bytes overflows"},
        {{B(63) - 32, 1, 1, 1}, TENSOR_Q8_0, "do not fit"},
        {{B(62) - 1, 1, 1, 1}, TENSOR_F32, "do not fit"}, /* 2^64 - 4 bytes */
        {{B(61) - 1, 1, 1, 1}, TENSOR_F64, "do not fit"}, /* 2^64 - 8 bytes */
        {{B(62) - 4, 1, 1, 1}, TENSOR_F32, "do not fit"}, /* 2^64 - 16 bytes */
        {{B(62) - 8, 1, 1, 1}, TENSOR_F32, "do not fit"}, /* 2^64 - 32 bytes */
        {{INT64_MAX, 1, 1, 1}, TENSOR_I8, "do not fit"},
        {{B(40), 1, 1, 1}, TENSOR_F32, "do not fit"},
        {{33, 1, 1, 1}, TENSOR_F32, "do not fit"}, /* 4 bytes beyond the end */
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char name[80];
        snprintf(name, sizeof name, "product %zu", i);
        attack_at(name, STATUS_DAMAGED, cases[i].says, SIZE_MAX,
                  (struct patch[]){{SECOND_NE_0, cases[i].ne[0]},
                                   {SECOND_NE_1, cases[i].ne[1]},
                                   {SECOND_NE_2, cases[i].ne[2]},
                                   {SECOND_NE_3, cases[i].ne[3]},
                                   {SECOND_TYPE, cases[i].type}},
                  5);
    }
}

static void types_of_tensors(void **state)
{
    static const uint32_t unknown[] = {4,  5,  31,  32,  33,       36,        37,
                                       38, 41, 100, 255, 1u << 31, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < N(unknown); i++)
        attack(TENSOR_TYPE, unknown[i], STATUS_UNSUPPORTED, "tensor 'first.1': tensor type");
}

static void offsets(void **state)
{
    static const uint64_t unaligned[] = {1, 8, 16, 31, 33, LAST(0), LAST(15), B(63) + 1};
    static const uint64_t beyond[] = {192,   288,   320,        B(31),    B(32),
                                      B(62), B(63), B(63) + 32, LAST(31), LAST(127)};

    (void)state;
    for (size_t i = 0; i < N(unaligned); i++)
        attack(SECOND_OFFSET, unaligned[i], STATUS_DAMAGED,
               "is not a multiple of the alignment");
    for (size_t i = 0; i < N(beyond); i++)
        attack_at("beyond the end", STATUS_DAMAGED, "tensor 'first.2': its data of 128 bytes",
                  SIZE_MAX, &(struct patch){SECOND_OFFSET, beyond[i]}, 1);
    attack_at("the same place", STATUS_DAMAGED, "overlap", data_offset,
              &(struct patch){SECOND_OFFSET, 0}, 1);
    attack_at("overlap of 8 bytes", STATUS_DAMAGED, "overlap those of tensor 'first.1'",
              data_offset + 128, &(struct patch){SECOND_OFFSET, 128}, 1);
    attack_at("inside", STATUS_DAMAGED, "overlap", data_offset + 32,
              &(struct patch){SECOND_OFFSET, 32}, 1);
    attack_at("the first over the second", STATUS_DAMAGED, "overlap", data_offset + 160,
              (struct patch[]){{TENSOR_OFFSET, 128}, {SECOND_OFFSET, 160}}, 2);
    attack(PADDING, 1, STATUS_DAMAGED, "padding before the data section is not zero");
}

static void names(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x07, 0x08, 0x0a, 0x0d, 0x1b,
                                    0x1f, 0x7f, 0x80, 0x9b, 0xc3, 0xff};

    (void)state;
    for (size_t i = 0; i < N(bytes); i++) {
        attack_at("control in a key's name", STATUS_DAMAGED, "only printable ASCII",
                  places[KEY_NAME_LENGTH].offset, &(struct patch){KEY_NAME_BYTE, bytes[i]}, 1);
        attack_at("control in a tensor's name", STATUS_DAMAGED, "only printable ASCII",
                  places[TENSOR_NAME_LENGTH].offset,
                  &(struct patch){TENSOR_NAME_BYTE, bytes[i]}, 1);
    }
    attack_at("a key twice", STATUS_DAMAGED, "key 'number.1': the key is there twice", SIZE_MAX,
              &(struct patch){LAST_KEY_BYTE, '1'}, 1);
    attack_at("a tensor twice", STATUS_DAMAGED, "tensor 'first.1': the tensor is there twice",
              SIZE_MAX, &(struct patch){SECOND_NAME_BYTE, '1'}, 1);
}

static void truncated_at_every_byte(void **state)
{
    (void)state;
    for (size_t n = 0; n < valid.n_bytes; n++) {
        char name[40];
        snprintf(name, sizeof name, "first %zu bytes", n);
        assert_refused(name, guarded_copy(valid.data, n), n, STATUS_DAMAGED, "", SIZE_MAX);
    }
}

static void tiny_files_of_any_byte(void **state)
{
    uint8_t bytes[65];

    (void)state;
    for (int value = 0; value < 256; value++)
        for (size_t n = 0; n <= 64; n++) {
            memset(bytes, value, sizeof bytes);
            assert_refused("tiny", guarded_copy(bytes, n), n, STATUS_DAMAGED, "not a GGUF file",
                           SIZE_MAX);
        }
}

/* ---- limits: well-formed, but more than this reader takes -------------------------------- */

static void attack_bytes(const char *name, struct bytes *bytes, enum status status,
                         const char *says)
{
    assert_refused(name, bytes->data, bytes->n_bytes, status, says, SIZE_MAX);
    bytes_free(bytes);
}

/* Many bytes at once; put() alone would copy them one by one. */
static void put_many(struct bytes *out, size_t n_bytes)
{
    uint8_t *zeros = calloc(1, n_bytes);
    assert_non_null(zeros);
    put(out, zeros, n_bytes);
    free(zeros);
}

static void beyond_the_limits(void **state)
{
    struct bytes bytes = {0};

    (void)state;
    put_header(&bytes, 3, 0, 1);
    put_key(&bytes, "long", GGUF_STRING), put_u64(&bytes, GGUF_STRING_MAX + 1);
    put_many(&bytes, GGUF_STRING_MAX + 1);
    attack_bytes("string of 16 MiB + 1", &bytes, STATUS_UNSUPPORTED,
                 "key 'long': string value");

    put_header(&bytes, 3, 0, 1);
    put_key_array(&bytes, "long", GGUF_STRING, 1), put_u64(&bytes, GGUF_STRING_MAX + 1);
    put_many(&bytes, GGUF_STRING_MAX + 1);
    attack_bytes("element of 16 MiB + 1", &bytes, STATUS_UNSUPPORTED, "element 0 has length");

    put_header(&bytes, 3, 0, 1);
    put_key_array(&bytes, "many", GGUF_U8, GGUF_ELEMENTS_MAX + 1);
    put_many(&bytes, GGUF_ELEMENTS_MAX + 1);
    attack_bytes("array of 16 Mi + 1", &bytes, STATUS_UNSUPPORTED, "key 'many': array length");

    put_header(&bytes, 3, 0, GGUF_KEYS_MAX + 1);
    put_many(&bytes, (GGUF_KEYS_MAX + 1) * 40);
    attack_bytes("65,537 keys", &bytes, STATUS_UNSUPPORTED, "key count 65537");

    put_header(&bytes, 3, GGUF_TENSORS_MAX + 1, 0);
    put_many(&bytes, (GGUF_TENSORS_MAX + 1) * 40);
    attack_bytes("65,537 tensors", &bytes, STATUS_UNSUPPORTED, "tensor count 65537");

    put_header(&bytes, 3, 0, 1);
    put_u64(&bytes, GGUF_KEY_NAME_MAX + 1);
    put_many(&bytes, GGUF_KEY_NAME_MAX + 100);
    attack_bytes("key name of 65,536", &bytes, STATUS_DAMAGED, "the limit is 65535");

    put_header(&bytes, 3, 0, 2);
    put_key(&bytes, "split.count", GGUF_U16), put_u16(&bytes, 2);
    put_key(&bytes, "split.no", GGUF_U16), put_u16(&bytes, 0);
    assert_int_equal(gguf_open_memory(&(struct gguf *){NULL}, bytes.data, bytes.n_bytes, NULL),
                     STATUS_UNSUPPORTED);
    bytes_free(&bytes);
}

/* A token of 2^31 bytes and more, in a file that is a hole. */
static void texts_of_two_gigabytes(void **state)
{
    static const uint64_t lengths[] = {B(31) - 1, B(31), B(32) + 5};
    char path[] = "/tmp/banter-attack-XXXXXX";
    int descriptor = mkstemp(path);

    (void)state;
    assert_true(descriptor >= 0);
    for (size_t i = 0; i < N(lengths); i++) {
        struct bytes bytes = {0};
        struct gguf *file;
        struct error error;
        put_header(&bytes, 3, 0, 1);
        put_key_array(&bytes, "tokenizer.ggml.tokens", GGUF_STRING, 1);
        put_u64(&bytes, lengths[i]);
        bytes_save(&bytes, path);
        bytes_free(&bytes);
        if (ftruncate(descriptor, (off_t)(B(32) + 4096)) != 0) {
            print_message("skip: no sparse files of 4 GiB in /tmp\n");
            close(descriptor);
            remove(path);
            skip();
        }
        assert_int_equal(gguf_open(&file, path, &error), STATUS_UNSUPPORTED);
        assert_non_null(
            strstr(error.what, "key 'tokenizer.ggml.tokens': element 0 has length"));
        n_refused++;
    }
    close(descriptor);
    remove(path);
}

/* ---- bit flips: refused or right, never worse -------------------------------------------- */

static unsigned open_and_walk(const uint8_t *bytes, size_t n_bytes)
{
    struct gguf *file;
    struct error error;
    enum status status = gguf_open_memory(&file, bytes, n_bytes, &error);

    if (status == STATUS_OK) {
        walk_gguf(file);
        gguf_close(&file);
        return 1;
    }
    assert_true(status == STATUS_DAMAGED || status == STATUS_UNSUPPORTED);
    return 0;
}

static void every_bit_of_a_small_header(void **state)
{
    uint8_t *bytes = guarded_copy(valid.data, valid.n_bytes);
    unsigned accepted = 0;

    (void)state;
    for (size_t bit = 0; bit < 8 * header_bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        accepted += open_and_walk(bytes, valid.n_bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(accepted > 0 && accepted < 8 * header_bytes);
}

static void random_bits_of_a_models_header(void **state)
{
    struct bytes model = {.data = malloc(4u << 20)};
    FILE *stream = fopen("tests/golden/data/tinyA-q4_k_m.gguf", "rb");
    uint64_t random = 42;
    struct gguf *file;
    size_t directory_end = SIZE_MAX;

    (void)state;
    assert_non_null(stream);
    model.n_bytes = fread(model.data, 1, 4u << 20, stream);
    fclose(stream);
    assert_int_equal(gguf_open_memory(&file, model.data, model.n_bytes, NULL), STATUS_OK);
    for (size_t i = 0; i < gguf_tensor_count(file); i++)
        if (gguf_tensor_at(file, i)->file_offset < directory_end)
            directory_end = gguf_tensor_at(file, i)->file_offset;
    gguf_close(&file);
    for (int i = 0; i < 10000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t bit = (size_t)(random >> 33) % (8 * directory_end);
        model.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        open_and_walk(model.data, model.n_bytes);
        model.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    bytes_free(&model);
}

static void there_were_enough_of_them(void **state)
{
    (void)state;
    print_message("%u files refused\n", n_refused);
    assert_true(n_refused > 350);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_valid_file_is_accepted),
        cmocka_unit_test(magic_and_version),
        cmocka_unit_test(counts),
        cmocka_unit_test(lengths_of_strings),
        cmocka_unit_test(types_of_values),
        cmocka_unit_test(lengths_of_arrays),
        cmocka_unit_test(alignments),
        cmocka_unit_test(dimensions),
        cmocka_unit_test(products),
        cmocka_unit_test(types_of_tensors),
        cmocka_unit_test(offsets),
        cmocka_unit_test(names),
        cmocka_unit_test(beyond_the_limits),
        cmocka_unit_test(texts_of_two_gigabytes),
        cmocka_unit_test(there_were_enough_of_them),
        cmocka_unit_test(truncated_at_every_byte),
        cmocka_unit_test(tiny_files_of_any_byte),
        cmocka_unit_test(every_bit_of_a_small_header),
        cmocka_unit_test(random_bits_of_a_models_header),
    };
    return cmocka_run_group_tests_name("gguf_attacks", tests, build_valid, free_valid);
}
