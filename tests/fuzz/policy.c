/*
 * policy.c - any bytes as the file of a decode policy: refused or taken, never a crash
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "app/policies.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct policy_file file = {.path = "/fuzz/policy.yaml"};
    struct policy_file before = file;
    struct config_error errors[4];
    char text[700];
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);
    size_t n = policies_load_memory(&file, (const char *)bytes, n_bytes, errors, 4);

    for (size_t i = 0; i < n && i < 4; i++) {
        assert(errors[i].what[0] != '\0');
        config_error_text(&errors[i], text, sizeof text);
    }
    if (n > 0) {
        assert(memcmp(&file, &before, sizeof file) == 0);
        return 0;
    }
    /* What was taken is good, and reads back key by key. */
    assert(policy_check(&file.settings, NULL) == STATUS_OK);
    struct policy_settings again = {0};
    for (size_t i = 0; i < n_keys; i++) {
        policy_get_key(&file.settings, keys[i].name, text, sizeof text);
        assert(policy_set_key(&again, keys[i].name, text, NULL) == STATUS_OK);
    }
    return 0;
}
