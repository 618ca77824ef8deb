/*
 * gguf.c - reading right GGUF files: values, tensors, split files, files on disk
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "engine/file/gguf.h"
#include "tests/unit/gguf_bytes.h"

static char folder[] = "/tmp/banter-gguf-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void assert_opens(struct gguf **file, const struct bytes *bytes)
{
    struct error error;
    char line[512];

    error_clear(&error);
    if (gguf_open_memory(file, bytes->data, bytes->n_bytes, &error) != STATUS_OK)
        fail_msg("%s", error_text(&error, line, sizeof line));
}

/* The error's one line contains text. */
static void assert_says(const struct error *error, const char *text)
{
    char line[1024];
    error_text(error, line, sizeof line);
    if (!strstr(line, text))
        fail_msg("\"%s\" does not contain \"%s\"", line, text);
}

/* One key of every type, strings at odd places, two tensors out of order. */
static void build_everything(struct bytes *out, uint32_t version)
{
    put_header(out, version, 2, 20);
    put_key(out, "u8", GGUF_U8), put_u8(out, 200);
    put_key(out, "i8", GGUF_I8), put_u8(out, 0x9c);
    put_key(out, "u16", GGUF_U16), put_u16(out, 50000);
    put_key(out, "i16", GGUF_I16), put_u16(out, (uint16_t)-300);
    put_key(out, "u32", GGUF_U32), put_u32(out, 4000000000u);
    put_key(out, "i32", GGUF_I32), put_u32(out, 70000);
    put_key(out, "f32", GGUF_F32), put_f32(out, 1e-6f);
    put_key(out, "yes", GGUF_BOOL), put_u8(out, 1);
    put_key(out, "no", GGUF_BOOL), put_u8(out, 0);
    put_key_string(out, "string", "qwen35");
    put_key(out, "u64", GGUF_U64), put_u64(out, 1ull << 40);
    put_key(out, "i64", GGUF_I64), put_u64(out, (uint64_t)-5);
    put_key(out, "f64", GGUF_F64), put_f64(out, 0.25);
    put_key_array(out, "strings", GGUF_STRING, 3);
    put_string(out, "a"), put_string_bytes(out, "\0\xff", 2), put_string(out, "");
    put_key_array(out, "i16s", GGUF_I16, 2), put_u16(out, 0xffff), put_u16(out, 7);
    put_key_array(out, "u64s", GGUF_U64, 1), put_u64(out, UINT64_MAX);
    put_key_array(out, "bools", GGUF_BOOL, 3), put(out, "\1\0\1", 3);
    put_key_array(out, "f64s", GGUF_F64, 2), put_f64(out, -0.5), put_f64(out, 3.0);
    put_key_array(out, "none", GGUF_STRING, 0);
    put_key(out, "f32_nan", GGUF_F32), put_f32(out, NAN);
    put_tensor(out, "late", 2, (uint64_t[]){32, 3}, TENSOR_Q8_0, 32);
    put_tensor(out, "early.weight", 1, (uint64_t[]){5}, TENSOR_F32, 0);
    pad(out, 32);
    for (int i = 0; i < 5; i++)
        put_f32(out, (float)i);
    pad(out, 32);
    for (int i = 0; i < 102; i++)
        put_u8(out, (uint8_t)i);
}

static void every_type_is_read(void **state)
{
    struct bytes bytes = {0};
    struct gguf *file;
    uint32_t u32;
    float f32;
    bool flag;
    struct gguf_string string;

    (void)state;
    build_everything(&bytes, 3);
    assert_opens(&file, &bytes);
    assert_int_equal(gguf_key_count(file), 20);
    assert_int_equal(gguf_get_u32(file, "u8", &u32, NULL), STATUS_OK);
    assert_int_equal(u32, 200);
    assert_int_equal(gguf_get_u32(file, "u16", &u32, NULL), STATUS_OK);
    assert_int_equal(u32, 50000);
    assert_int_equal(gguf_get_u32(file, "u32", &u32, NULL), STATUS_OK);
    assert_int_equal(u32, 4000000000u);
    assert_int_equal(gguf_get_u32(file, "i32", &u32, NULL), STATUS_OK);
    assert_int_equal(u32, 70000);
    assert_int_equal(gguf_get_f32(file, "f32", &f32, NULL), STATUS_OK);
    assert_true(f32 == 1e-6f);
    assert_int_equal(gguf_get_f32(file, "f64", &f32, NULL), STATUS_OK);
    assert_true(f32 == 0.25f);
    assert_int_equal(gguf_get_bool(file, "yes", &flag, NULL), STATUS_OK);
    assert_true(flag);
    assert_int_equal(gguf_get_bool(file, "no", &flag, NULL), STATUS_OK);
    assert_false(flag);
    assert_int_equal(gguf_get_string(file, "string", &string, NULL), STATUS_OK);
    assert_int_equal(string.n_bytes, 6);
    assert_memory_equal(string.bytes, "qwen35", 6);
    gguf_close(&file);
    assert_null(file);
    bytes_free(&bytes);
}

static void arrays_are_read(void **state)
{
    struct bytes bytes = {0};
    struct gguf *file;
    const struct gguf_string *strings, *again;
    int64_t *integers;
    float *floats;
    size_t n;

    (void)state;
    build_everything(&bytes, 2);
    assert_opens(&file, &bytes);
    assert_int_equal(gguf_version(file), 2);
    assert_int_equal(gguf_get_strings(file, "strings", &strings, &n, NULL), STATUS_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(strings[0].bytes, "a", 1);
    assert_memory_equal(strings[1].bytes, "\0\xff", 2);
    assert_int_equal(strings[2].n_bytes, 0);
    assert_int_equal(gguf_get_strings(file, "strings", &again, &n, NULL), STATUS_OK);
    assert_ptr_equal(strings, again);
    assert_int_equal(gguf_get_strings(file, "none", &strings, &n, NULL), STATUS_OK);
    assert_int_equal(n, 0);
    assert_int_equal(gguf_get_integers(file, "i16s", &integers, &n, NULL), STATUS_OK);
    assert_true(n == 2 && integers[0] == -1 && integers[1] == 7);
    free(integers);
    assert_int_equal(gguf_get_integers(file, "bools", &integers, &n, NULL), STATUS_OK);
    assert_true(n == 3 && integers[0] == 1 && integers[1] == 0 && integers[2] == 1);
    free(integers);
    assert_int_equal(gguf_get_floats(file, "f64s", &floats, &n, NULL), STATUS_OK);
    assert_true(n == 2 && floats[0] == -0.5f && floats[1] == 3.0f);
    free(floats);
    gguf_close(&file);
    bytes_free(&bytes);
}

static void wrong_types_are_refused_with_key_and_offset(void **state)
{
    struct bytes bytes = {0};
    struct gguf *file;
    struct error error;
    uint32_t u32 = 77;
    float f32;
    bool flag;
    struct gguf_string string;
    const struct gguf_string *strings;
    int64_t *integers;
    float *floats;
    size_t n;
    char offset[40];

    (void)state;
    build_everything(&bytes, 3);
    assert_opens(&file, &bytes);
    error_clear(&error);
    assert_int_equal(gguf_get_u32(file, "missing", &u32, &error), STATUS_NOT_FOUND);
    assert_int_equal(error.status, STATUS_OK);
    assert_int_equal(gguf_get_u32(file, "i8", &u32, &error), STATUS_DAMAGED);
    assert_says(&error, "key 'i8' is -100");
    snprintf(offset, sizeof offset, "offset %llu",
             (unsigned long long)gguf_find_key(file, "i8")->file_offset);
    assert_says(&error, offset);
    assert_int_equal(gguf_get_u32(file, "u64", &u32, &error), STATUS_DAMAGED);
    assert_says(&error, "1099511627776");
    assert_int_equal(gguf_get_u32(file, "string", &u32, &error), STATUS_DAMAGED);
    assert_says(&error, "key 'string' is of type STRING, an integer is needed");
    assert_int_equal(gguf_get_u32(file, "yes", &u32, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_u32(file, "i16s", &u32, &error), STATUS_DAMAGED);
    assert_says(&error, "an array of I16");
    assert_int_equal(u32, 77);
    assert_int_equal(gguf_get_f32(file, "u32", &f32, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_f32(file, "f32_nan", &f32, &error), STATUS_DAMAGED);
    assert_says(&error, "not a finite number");
    assert_int_equal(gguf_get_bool(file, "u8", &flag, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_string(file, "strings", &string, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_strings(file, "string", &strings, &n, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_strings(file, "i16s", &strings, &n, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_integers(file, "f64s", &integers, &n, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_integers(file, "u32", &integers, &n, &error), STATUS_DAMAGED);
    assert_int_equal(gguf_get_integers(file, "u64s", &integers, &n, &error), STATUS_DAMAGED);
    assert_says(&error, "element 0 beyond 2^63");
    assert_int_equal(gguf_get_floats(file, "i16s", &floats, &n, &error), STATUS_DAMAGED);
    gguf_close(&file);
    bytes_free(&bytes);
}

static void tensors_are_placed(void **state)
{
    struct bytes bytes = {0};
    struct gguf *file;
    const struct gguf_tensor *tensor;
    float value;

    (void)state;
    build_everything(&bytes, 3);
    assert_opens(&file, &bytes);
    assert_int_equal(gguf_tensor_count(file), 2);
    assert_null(gguf_find_tensor(file, "early"));
    tensor = gguf_find_tensor(file, "early.weight");
    assert_non_null(tensor);
    assert_ptr_equal(tensor, gguf_tensor_at(file, 1));
    assert_int_equal(tensor->n_bytes, 20);
    assert_int_equal(tensor->file_offset % 32, 0);
    memcpy(&value, tensor->data + 16, sizeof value);
    assert_true(value == 4.0f);
    tensor = gguf_find_tensor(file, "late");
    assert_true(tensor->ne[0] == 32 && tensor->ne[1] == 3 && tensor->ne[2] == 1);
    assert_int_equal(tensor->n_bytes, 102);
    assert_int_equal(tensor->data[101], 101);
    gguf_tensor_drop_pages(file, tensor); /* lent memory: must not be emptied */
    gguf_tensor_read_ahead(file, tensor);
    assert_int_equal(tensor->data[101], 101);
    gguf_close(&file);
    bytes_free(&bytes);
}

static void files_without_tensors_or_keys_open(void **state)
{
    struct bytes bytes = {0};
    struct gguf *file;

    (void)state;
    put_header(&bytes, 3, 0, 0);
    assert_opens(&file, &bytes);
    assert_int_equal(gguf_key_count(file), 0);
    assert_null(gguf_find_key(file, "general.architecture"));
    assert_null(gguf_find_tensor(file, "output.weight"));
    gguf_close(&file);
    bytes_free(&bytes);
}

static void alignment_of_the_file_is_used(void **state)
{
    struct bytes bytes = {0};
    struct gguf *file;

    (void)state;
    put_header(&bytes, 3, 1, 1);
    put_key_u32(&bytes, "general.alignment", 256);
    put_tensor_1d(&bytes, "t", 4, TENSOR_F32, 256);
    pad(&bytes, 256);
    put_zeros(&bytes, 256 + 16);
    assert_opens(&file, &bytes);
    assert_int_equal(gguf_tensor_at(file, 0)->file_offset, 512);
    gguf_close(&file);
    bytes_free(&bytes);
}

static void files_are_mapped_and_pages_dropped(void **state)
{
    struct bytes bytes = {0};
    struct gguf *file = NULL;
    struct error error;
    const struct gguf_tensor *tensor;
    const char *path = in_folder("large.gguf");

    (void)state;
    put_header(&bytes, 3, 2, 0);
    put_tensor_1d(&bytes, "a", 25000, TENSOR_I8, 0);
    put_tensor_1d(&bytes, "b", 30000, TENSOR_I8, 25024);
    pad(&bytes, 32);
    for (int i = 0; i < 25024 + 30000; i++)
        put_u8(&bytes, (uint8_t)(i % 251));
    bytes_save(&bytes, path);
    assert_int_equal(gguf_open(&file, path, &error), STATUS_OK);
    assert_string_equal(gguf_path(file), path);
    assert_int_equal(gguf_file_bytes(file), bytes.n_bytes);
    assert_int_equal(gguf_part_count(file), 1);
    for (size_t i = 0; i < 2; i++) {
        tensor = gguf_tensor_at(file, i);
        gguf_tensor_read_ahead(file, tensor);
        assert_memory_equal(tensor->data, bytes.data + tensor->file_offset, tensor->n_bytes);
        gguf_tensor_drop_pages(file, tensor);
        assert_memory_equal(tensor->data, bytes.data + tensor->file_offset, tensor->n_bytes);
    }
    gguf_close(&file);
    bytes_free(&bytes);
}

static void assert_path_refused(const char *path, enum status status, const char *text)
{
    struct gguf *file = (struct gguf *)1;
    struct error error;

    assert_int_equal(gguf_open(&file, path, &error), status);
    assert_null(file);
    assert_int_equal(error.status, status);
    assert_says(&error, text);
}

static void paths_that_are_no_model_are_refused(void **state)
{
    struct bytes bytes = {0};

    (void)state;
    assert_path_refused(in_folder("missing.gguf"), STATUS_NOT_FOUND,
                        "missing.gguf: cannot open");
    assert_path_refused(folder, STATUS_DAMAGED, "not a regular file");
    assert_int_equal(mkfifo(in_folder("pipe.gguf"), 0600), 0);
    assert_path_refused(in_folder("pipe.gguf"), STATUS_DAMAGED, "not a regular file");
    bytes_save(&bytes, in_folder("empty.gguf"));
    assert_path_refused(in_folder("empty.gguf"), STATUS_DAMAGED, "0 bytes");
    put(&bytes, "version https://git-lfs.github.com/spec/v1\n", 43);
    bytes_save(&bytes, in_folder("pointer.gguf"));
    assert_path_refused(in_folder("pointer.gguf"), STATUS_DAMAGED, "Git LFS pointer");
    bytes_free(&bytes);
    put(&bytes, "<!DOCTYPE html><html><head>", 27);
    bytes_save(&bytes, in_folder("page.gguf"));
    assert_path_refused(in_folder("page.gguf"), STATUS_DAMAGED, "web page");
    bytes_free(&bytes);
}

/* ---- split files ------------------------------------------------------------------------- */

struct split_part {
    int number, count, total; /* -1: without the key */
    const char *tensor;       /* NULL: none */
};

static void save_part(const char *name, struct split_part part)
{
    struct bytes bytes = {0};
    uint64_t n_keys = 1u + (part.number >= 0) + (part.count >= 0) + (part.total >= 0);

    put_header(&bytes, 3, part.tensor ? 1 : 0, n_keys);
    if (part.number >= 0)
        put_key(&bytes, "split.no", GGUF_U16), put_u16(&bytes, (uint16_t)part.number);
    if (part.count >= 0)
        put_key(&bytes, "split.count", GGUF_U16), put_u16(&bytes, (uint16_t)part.count);
    if (part.total >= 0)
        put_key(&bytes, "split.tensors.count", GGUF_I32), put_u32(&bytes, (uint32_t)part.total);
    put_key_string(&bytes, "name", name);
    if (part.tensor)
        put_tensor_1d(&bytes, part.tensor, 8, TENSOR_F32, 0);
    pad(&bytes, 32);
    if (part.tensor)
        for (int i = 0; i < 8; i++)
            put_f32(&bytes, (float)part.number);
    bytes_save(&bytes, in_folder(name));
    bytes_free(&bytes);
}

static void split_files_open_by_any_part(void **state)
{
    static const char *const names[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf",
                                        "m-00003-of-00003.gguf"};

    (void)state;
    save_part(names[0], (struct split_part){0, 3, 2, NULL});
    save_part(names[1], (struct split_part){1, 3, 2, "a"});
    save_part(names[2], (struct split_part){2, 3, 2, "b"});
    for (int i = 0; i < 3; i++) {
        struct gguf *file = NULL;
        struct error error;
        struct gguf_string name;
        float value;
        assert_int_equal(gguf_open(&file, in_folder(names[i]), &error), STATUS_OK);
        assert_int_equal(gguf_part_count(file), 3);
        assert_string_equal(gguf_path(file), in_folder(names[0]));
        assert_int_equal(gguf_get_string(file, "name", &name, &error), STATUS_OK);
        assert_memory_equal(name.bytes, names[0], name.n_bytes);
        assert_int_equal(gguf_tensor_count(file), 2);
        assert_int_equal(gguf_find_tensor(file, "b")->part, 2);
        memcpy(&value, gguf_find_tensor(file, "b")->data, sizeof value);
        assert_true(value == 2.0f);
        gguf_tensor_drop_pages(file, gguf_find_tensor(file, "b"));
        memcpy(&value, gguf_find_tensor(file, "a")->data, sizeof value);
        assert_true(value == 1.0f);
        gguf_close(&file);
    }
}

static void inconsistent_parts_are_refused(void **state)
{
    static const char one[] = "s-00001-of-00002.gguf", two[] = "s-00002-of-00002.gguf";
    const struct {
        struct split_part one, two;
        enum status status;
        const char *says;
    } cases[] = {
        {{0, 2, 2, "a"}, {0, 2, 2, "b"}, STATUS_DAMAGED, "call it part 1 of 2"},
        {{0, 2, 2, "a"}, {1, 3, 2, "b"}, STATUS_DAMAGED, "call it part 2 of 3"},
        {{0, 2, 2, "a"}, {-1, -1, -1, "b"}, STATUS_DAMAGED, "call it part 1 of 1"},
        {{0, 2, 3, "a"}, {1, 2, 3, "b"}, STATUS_DAMAGED, "'split.tensors.count' is 3"},
        {{0, 2, 2, "a"}, {1, 2, 9, "b"}, STATUS_DAMAGED, "'split.tensors.count' is 9"},
        {{0, 2, 2, "a"}, {1, 2, 2, "a"}, STATUS_DAMAGED, "'a' is in two parts"},
        {{0, 2, 1, "a"}, {1, 2, 1, NULL}, STATUS_OK, NULL},
        {{0, 2, -1, "a"}, {1, 2, -1, "b"}, STATUS_OK, NULL},
        {{-1, 2, 2, "a"}, {1, 2, 2, "b"}, STATUS_DAMAGED, "'split.no' is missing"},
        {{2, 2, 2, "a"}, {1, 2, 2, "b"}, STATUS_DAMAGED, "'split.no' is 2"},
        {{0, 0, 2, "a"}, {1, 2, 2, "b"}, STATUS_DAMAGED, "'split.count' is 0"},
        {{0, 2000, 2, "a"}, {1, 2, 2, "b"}, STATUS_UNSUPPORTED, "2000 parts"},
        {{1, 2, 2, "a"}, {1, 2, 2, "b"}, STATUS_DAMAGED, "does not end in -00002-of-00002"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gguf *file = NULL;
        save_part(one, cases[i].one);
        save_part(two, cases[i].two);
        if (cases[i].status != STATUS_OK) {
            assert_path_refused(in_folder(one), cases[i].status, cases[i].says);
            continue;
        }
        assert_int_equal(gguf_open(&file, in_folder(one), NULL), STATUS_OK);
        gguf_close(&file);
    }
    save_part(one, (struct split_part){0, 2, 2, "a"});
    remove(in_folder(two));
    assert_path_refused(in_folder(one), STATUS_NOT_FOUND, "part 2 of 2 is missing");
    save_part("renamed.gguf", (struct split_part){0, 2, 2, "a"});
    assert_path_refused(in_folder("renamed.gguf"), STATUS_DAMAGED,
                        "give the parts their names");
}

/* The worst header that the limits allow: 65,536 keys and as many tensors, all names alike but
 * for the end.  A quadratic check of names would take minutes. */
static void the_largest_directory_opens_quickly(void **state)
{
    struct bytes bytes = {.data = malloc(20u << 20)};
    struct gguf *file;
    struct timespec start, end;
    char name[64];
    size_t used = 0;
    struct bytes entry = {0};

    (void)state;
    put_header(&entry, 3, GGUF_TENSORS_MAX, GGUF_KEYS_MAX);
    for (unsigned i = 0; i < GGUF_KEYS_MAX + GGUF_TENSORS_MAX; i++) {
        snprintf(name, sizeof name, "a.name.that.is.long.and.always.the.same.%08u", i);
        if (i < GGUF_KEYS_MAX)
            put_key(&entry, name, GGUF_U8), put_u8(&entry, 1);
        else
            put_tensor_1d(&entry, name, 1, TENSOR_I8, (i - GGUF_KEYS_MAX) * 32ull);
        memcpy(bytes.data + used, entry.data, entry.n_bytes);
        used += entry.n_bytes;
        entry.n_bytes = 0;
    }
    memset(bytes.data + used, 0, (20u << 20) - used);
    bytes.n_bytes = (used + 31) / 32 * 32 + GGUF_TENSORS_MAX * 32ull;
    assert_true(bytes.n_bytes < 20u << 20);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start); /* not other programs' time */
    assert_opens(&file, &bytes);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_true((double)(end.tv_sec - start.tv_sec) < 5.0);
    assert_non_null(gguf_find_key(file, "a.name.that.is.long.and.always.the.same.00065535"));
    assert_non_null(gguf_find_tensor(file, "a.name.that.is.long.and.always.the.same.00131071"));
    assert_null(gguf_find_key(file, "a.name.that.is.long.and.always.the.same.00131071"));
    gguf_close(&file);
    bytes_free(&entry);
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(arrays_are_read),
        cmocka_unit_test(wrong_types_are_refused_with_key_and_offset),
        cmocka_unit_test(tensors_are_placed),
        cmocka_unit_test(files_without_tensors_or_keys_open),
        cmocka_unit_test(alignment_of_the_file_is_used),
        cmocka_unit_test(files_are_mapped_and_pages_dropped),
        cmocka_unit_test(paths_that_are_no_model_are_refused),
        cmocka_unit_test(split_files_open_by_any_part),
        cmocka_unit_test(inconsistent_parts_are_refused),
        cmocka_unit_test(the_largest_directory_opens_quickly),
    };
    return cmocka_run_group_tests_name("gguf", tests, make_folder, remove_folder);
}
