/*
 * golden_bytes.c - the logits of the golden models at the fastest level, as hashes
 *
 * The law across machines: a processor of another family has to come to these numbers too.
 * They change with the numeric version (ARCHITECTURE.md, "The order of additions") and with
 * nothing else; a failure prints the new ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/model_fixture.h"

enum { N_TOKENS = 72 }; /* more than one block of attention */

static const struct golden {
    const char *name;
    uint64_t hash[2]; /* K and V in half, in float */
} GOLDEN[] = {
    {"tinyA-q8_0", {0xd8f6279d4b9fae2d, 0xf0854213b0e34f7e}},
    {"tinyA-q4_k_m", {0xacfe2d565218fd8e, 0xe068dcb37fa946bf}},
    {"tinyB-q8_0", {0xb3c6d163a58d778c, 0x1183c4d30a60b38c}},
    {"tinyB-q4_k_m", {0xbc4712ed2425a836, 0xa70afcbd64aa5033}},
};

/* FNV-1a over the bits of each value */
static uint64_t hash_of(const float *x, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
    }
    return hash;
}

static void check_run(const struct golden *golden, const struct model *model, enum kv_type kv,
                      uint32_t chunk, int n_threads)
{
    const uint32_t n_vocab = vocabulary_of(model);
    struct session *session = open_session(
        model, &(struct session_options){.n_threads = n_threads, .kv = kv, .chunk = chunk});
    int32_t tokens[N_TOKENS];
    uint64_t random = 1, hash;
    float *logits;

    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)(next_random(&random) % n_vocab);
    logits = all_logits(session, n_vocab, tokens, N_TOKENS);
    hash = hash_of(logits, (size_t)N_TOKENS * n_vocab);
    if (hash != golden->hash[kv])
        fail_msg("%s at %s, %s, chunk %u: %016llx", golden->name,
                 kernel_level_name(model_info(model)->level), kv == KV_F16 ? "f16" : "f32",
                 chunk, (unsigned long long)hash);
    free(logits);
    session_free(&session);
}

static void logits_have_these_bytes_on_every_machine(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof GOLDEN / sizeof *GOLDEN; i++) {
        struct model *model = open_model(GOLDEN[i].name, kernel_level_best());
        check_run(&GOLDEN[i], model, KV_F16, N_TOKENS, 1);
        check_run(&GOLDEN[i], model, KV_F32, 13, 2);
        if (strncmp(GOLDEN[i].name, "tinyA", 5) == 0) /* an emulator takes its time on tinyB */
            check_run(&GOLDEN[i], model, KV_F16, 1, 2);
        model_close(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_have_these_bytes_on_every_machine),
    };

    return cmocka_run_group_tests_name("golden_bytes", tests, NULL, NULL);
}
