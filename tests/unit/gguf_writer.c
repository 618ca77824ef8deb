/*
 * gguf_writer.c - what is written is read back, and a file is replaced whole or not at all
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "engine/file/gguf_writer.h"
#include "tests/unit/gguf_bytes.h"

static char folder[] = "/tmp/banter-writer-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static size_t files_in_folder(void)
{
    DIR *directory = opendir(folder);
    size_t n = 0;

    assert_non_null(directory);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n - 2; /* "." and ".." */
}

static struct bytes load(const char *path)
{
    struct bytes bytes = {0};
    uint8_t piece[4096];
    size_t n;
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        put(&bytes, piece, n);
    fclose(file);
    return bytes;
}

static void assert_ok(enum status status, const struct error *error)
{
    char line[900];
    if (status != STATUS_OK)
        fail_msg("%s", error_text(error, line, sizeof line));
}

static void every_kind_is_read_back(void **state)
{
    struct gguf_writer *writer;
    struct gguf *file;
    struct error error;
    const int32_t sections[] = {11, 11, 10, 0};
    const struct gguf_string tokens[] = {{"a", 1}, {"", 0}, {"\xf0\x00z", 3}};
    const struct gguf_string *strings;
    struct gguf_string string;
    float f32, data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    bool flag;
    uint32_t u32;
    int64_t *integers;
    size_t n;

    (void)state;
    assert_ok(gguf_writer_open(&writer, in_folder("new.gguf"), &error), &error);
    assert_ok(gguf_writer_string(writer, "general.architecture", "qwen35", 6, &error), &error);
    assert_ok(gguf_writer_u32(writer, "general.alignment", 64, &error), &error);
    assert_ok(gguf_writer_f32(writer, "eps", 1e-6f, &error), &error);
    assert_ok(gguf_writer_bool(writer, "flag", true, &error), &error);
    assert_ok(gguf_writer_array(writer, "sections", GGUF_I32, sections, 4, &error), &error);
    assert_ok(gguf_writer_strings(writer, "tokens", tokens, 3, &error), &error);
    assert_ok(gguf_writer_strings(writer, "nothing", NULL, 0, &error), &error);
    assert_ok(gguf_writer_tensor(writer, "x", TENSOR_F32, 2, (uint64_t[]){3, 1}, &error),
              &error);
    assert_ok(gguf_writer_tensor(writer, "y", TENSOR_F32, 1, (uint64_t[]){8}, &error), &error);
    assert_ok(gguf_writer_data(writer, data, 12, &error), &error);
    for (int i = 0; i < 8; i++)
        assert_ok(gguf_writer_data(writer, data + i, 4, &error), &error);
    assert_int_equal(gguf_open(&file, in_folder("new.gguf"), &error), STATUS_NOT_FOUND);
    assert_ok(gguf_writer_finish(&writer, &error), &error);
    assert_null(writer);

    assert_ok(gguf_open(&file, in_folder("new.gguf"), &error), &error);
    assert_int_equal(gguf_version(file), 3);
    assert_int_equal(gguf_key_count(file), 7);
    assert_ok(gguf_get_string(file, "general.architecture", &string, &error), &error);
    assert_memory_equal(string.bytes, "qwen35", 6);
    assert_ok(gguf_get_u32(file, "general.alignment", &u32, &error), &error);
    assert_int_equal(u32, 64);
    assert_ok(gguf_get_f32(file, "eps", &f32, &error), &error);
    assert_true(f32 == 1e-6f);
    assert_ok(gguf_get_bool(file, "flag", &flag, &error), &error);
    assert_true(flag);
    assert_ok(gguf_get_integers(file, "sections", &integers, &n, &error), &error);
    assert_true(n == 4 && integers[2] == 10);
    free(integers);
    assert_ok(gguf_get_strings(file, "tokens", &strings, &n, &error), &error);
    assert_int_equal(n, 3);
    assert_memory_equal(strings[2].bytes, "\xf0\x00z", 3);
    assert_int_equal(gguf_find_tensor(file, "y")->file_offset % 64, 0);
    assert_memory_equal(gguf_find_tensor(file, "x")->data, data, 12);
    assert_memory_equal(gguf_find_tensor(file, "y")->data, data, 32);
    gguf_close(&file);
    assert_int_equal(files_in_folder(), 1);
    remove(in_folder("new.gguf"));
}

/* A file of another program, copied key by key and tensor by tensor, comes out the same. */
static void a_copied_model_has_the_same_bytes(void **state)
{
    static const char source_path[] = "tests/golden/data/tinyA-q4_k_m.gguf";
    struct gguf_writer *writer;
    struct gguf *source;
    struct error error;
    struct bytes before, after;

    (void)state;
    assert_ok(gguf_open(&source, source_path, &error), &error);
    assert_ok(gguf_writer_open(&writer, in_folder("copy.gguf"), &error), &error);
    for (size_t i = 0; i < gguf_key_count(source); i++)
        assert_ok(gguf_writer_copy_key(writer, source, gguf_key_at(source, i), &error), &error);
    for (size_t i = 0; i < gguf_tensor_count(source); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(source, i);
        char name[65];
        snprintf(name, sizeof name, "%.*s", (int)tensor->name.n_bytes, tensor->name.bytes);
        assert_ok(gguf_writer_tensor(writer, name, tensor->type, tensor->n_dimensions,
                                     tensor->ne, &error),
                  &error);
    }
    for (size_t i = 0; i < gguf_tensor_count(source); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(source, i);
        assert_ok(gguf_writer_data(writer, tensor->data, tensor->n_bytes, &error), &error);
    }
    assert_ok(gguf_writer_finish(&writer, &error), &error);
    gguf_close(&source);
    before = load(source_path);
    after = load(in_folder("copy.gguf"));
    assert_int_equal(before.n_bytes, after.n_bytes);
    assert_memory_equal(before.data, after.data, before.n_bytes);
    bytes_free(&before);
    bytes_free(&after);
    remove(in_folder("copy.gguf"));
}

static void misuse_is_refused(void **state)
{
    struct gguf_writer *writer;
    struct error error;
    char long_name[GGUF_TENSOR_NAME_MAX + 2];
    const uint64_t ne[4] = {256, 2, 1, 1}, wrapping[2] = {UINT64_C(1) << 33, UINT64_C(1) << 33};

    (void)state;
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_ok(gguf_writer_open(&writer, in_folder("misuse.gguf"), &error), &error);
    assert_ok(gguf_writer_u32(writer, "a", 1, &error), &error);
    assert_int_equal(gguf_writer_bool(writer, "a", true, &error), STATUS_USAGE);
    assert_non_null(strstr(error.what, "'a' is there already"));
    assert_int_equal(gguf_writer_u32(writer, "", 1, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_u32(writer, "a\nb", 1, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_u32(writer, "general.alignment", 3, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_f32(writer, "general.alignment", 3, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_array(writer, "b", GGUF_STRING, NULL, 0, &error),
                     STATUS_USAGE);
    assert_int_equal(gguf_writer_tensor(writer, long_name, TENSOR_F32, 1, ne, &error),
                     STATUS_USAGE);
    assert_int_equal(gguf_writer_tensor(writer, "t", TENSOR_F32, 0, ne, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_tensor(writer, "t", TENSOR_F32, 5, ne, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_tensor(writer, "t", (enum tensor_type)4, 1, ne, &error),
                     STATUS_USAGE);
    assert_int_equal(gguf_writer_tensor(writer, "t", TENSOR_F32, 2, wrapping, &error),
                     STATUS_USAGE);
    assert_int_equal(gguf_writer_tensor(writer, "t", TENSOR_Q4_K, 1, (uint64_t[]){32}, &error),
                     STATUS_USAGE);
    assert_ok(gguf_writer_tensor(writer, "t", TENSOR_Q4_K, 2, ne, &error), &error);
    assert_int_equal(gguf_writer_tensor(writer, "t", TENSOR_F32, 1, ne, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_data(writer, long_name, 289, &error), STATUS_USAGE);
    assert_ok(gguf_writer_data(writer, long_name, 40, &error), &error);
    assert_int_equal(gguf_writer_u32(writer, "late", 1, &error), STATUS_USAGE);
    assert_int_equal(gguf_writer_tensor(writer, "late", TENSOR_F32, 1, ne, &error),
                     STATUS_USAGE);
    assert_int_equal(gguf_writer_finish(&writer, &error), STATUS_USAGE);
    assert_non_null(strstr(error.what, "data of tensor 't' are missing"));
    assert_null(writer);
    assert_int_equal(files_in_folder(), 0);
    assert_int_equal(gguf_writer_open(&writer, in_folder("no/such.gguf"), &error), STATUS_IO);
    assert_null(writer);
}

/* Write a model of 300 KB under the name of an older file, with the file size limited. */
static enum status write_limited(const char *path, size_t limit, struct error *error)
{
    static uint8_t data[300000];
    struct gguf_writer *writer;
    struct rlimit old, small;
    enum status status, finished;

    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){limit, old.rlim_max};
    assert_ok(gguf_writer_open(&writer, path, error), error);
    setrlimit(RLIMIT_FSIZE, &small);
    status = gguf_writer_tensor(writer, "t", TENSOR_I8, 1, (uint64_t[]){sizeof data}, error);
    for (size_t done = 0; done < sizeof data && status == STATUS_OK; done += 10000)
        status = gguf_writer_data(writer, data + done, 10000, error);
    finished = gguf_writer_finish(&writer, status == STATUS_OK ? error : NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    return status == STATUS_OK ? finished : status;
}

static void a_failed_write_leaves_the_old_file_whole(void **state)
{
    static const size_t limits[] = {0, 10, 60000, 65536, 131072, 299000, 300000};
    const char *path = in_folder("model.gguf");
    struct bytes old = {0}, after;
    struct error error;

    (void)state;
    put(&old, "the old file", 12);
    bytes_save(&old, path);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert_int_equal(write_limited(path, limits[i], &error), STATUS_IO);
        assert_int_equal(error.status, STATUS_IO);
        assert_non_null(strstr(error.what, strerror(EFBIG)));
        after = load(path);
        assert_int_equal(after.n_bytes, old.n_bytes);
        assert_memory_equal(after.data, old.data, old.n_bytes);
        bytes_free(&after);
        assert_int_equal(files_in_folder(), 1);
    }
    assert_ok(write_limited(path, 400000, &error), &error);
    after = load(path);
    assert_true(after.n_bytes > 300000);
    bytes_free(&after);
    bytes_free(&old);
    assert_int_equal(files_in_folder(), 1);
    remove(path);
}

/* In a child that sees a small disk of its own: 0 right, 1 wrong, 77 there is no such disk. */
static int write_on_a_full_disk(const char *path)
{
    struct gguf_writer *writer;
    struct error error;
    struct bytes old = {0};
    static uint8_t data[300000];
    char kept[13] = "";
    FILE *file;

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=128k") != 0)
        return 77;
    put(&old, "the old file", 12);
    bytes_save(&old, path);
    bytes_free(&old);
    if (gguf_writer_open(&writer, path, &error) != STATUS_OK)
        return 1;
    gguf_writer_tensor(writer, "t", TENSOR_I8, 1, (uint64_t[]){sizeof data}, &error);
    if (gguf_writer_data(writer, data, sizeof data, &error) != STATUS_IO ||
        !strstr(error.what, strerror(ENOSPC)) || gguf_writer_finish(&writer, NULL) != STATUS_IO)
        return 1;
    file = fopen(path, "rb");
    if (!file || fread(kept, 1, 13, file) != 12 || strcmp(kept, "the old file") != 0)
        return 1;
    fclose(file);
    return files_in_folder() == 1 ? 0 : 1;
}

static void a_full_disk_leaves_the_old_file_whole(void **state)
{
    int result;
    pid_t child;

    (void)state;
    child = fork();
    if (child == 0)
        _exit(write_on_a_full_disk(in_folder("model.gguf")));
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77) {
        print_message("skip: no right to mount a small disk\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void the_temporary_name_is_never_followed(void **state)
{
    char link_path[200];
    struct gguf_writer *writer;
    struct error error;
    struct bytes victim = {0}, after;

    (void)state;
    put(&victim, "victim", 6);
    bytes_save(&victim, in_folder("victim"));
    snprintf(link_path, sizeof link_path, "%s/m.gguf.%ld.0.tmp", folder, (long)getpid());
    assert_int_equal(symlink("victim", link_path), 0);
    assert_ok(gguf_writer_open(&writer, in_folder("m.gguf"), &error), &error);
    assert_ok(gguf_writer_finish(&writer, &error), &error);
    after = load(in_folder("victim"));
    assert_int_equal(after.n_bytes, 6);
    bytes_free(&after);
    bytes_free(&victim);
    remove(link_path);
    remove(in_folder("victim"));
    remove(in_folder("m.gguf"));
    assert_ok(gguf_writer_open(&writer, in_folder("m.gguf"), &error), &error);
    assert_int_equal(files_in_folder(), 1);
    gguf_writer_discard(&writer);
    gguf_writer_discard(&writer);
    assert_int_equal(files_in_folder(), 0);
}

/* A rename would replace it, if the user may. */
static void a_device_is_not_replaced(void **state)
{
    struct gguf_writer *writer;
    struct error error;

    (void)state;
    assert_int_equal(gguf_writer_open(&writer, "/dev/null", &error), STATUS_IO);
    assert_null(writer);
    assert_non_null(strstr(error.where, "/dev/null"));
    assert_int_equal(gguf_writer_open(&writer, folder, &error), STATUS_IO);
    assert_int_equal(files_in_folder(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_back),
        cmocka_unit_test(a_copied_model_has_the_same_bytes),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(a_failed_write_leaves_the_old_file_whole),
        cmocka_unit_test(a_full_disk_leaves_the_old_file_whole),
        cmocka_unit_test(the_temporary_name_is_never_followed),
        cmocka_unit_test(a_device_is_not_replaced),
    };
    return cmocka_run_group_tests_name("gguf_writer", tests, make_folder, remove_folder);
}
