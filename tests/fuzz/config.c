/*
 * config.c - any bytes as a configuration file: refused or taken, never a crash, never slow
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct config_error errors[4];
    struct config_store *store = config_new();
    char text[700];
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    if (store == NULL)
        return 0;
    size_t n =
        config_load_memory(store, "/fuzz/config.yaml", (const char *)bytes, n_bytes, errors, 4);
    for (size_t i = 0; i < n && i < 4; i++) {
        assert(errors[i].what[0] != '\0');
        config_error_text(&errors[i], text, sizeof text);
    }
    for (size_t i = 0; i < n_options; i++) {
        /* With a problem nothing may have been taken. */
        assert(n == 0 || !config_given(store, options[i].key));
        config_get(store, &options[i], text, sizeof text);
    }
    config_free(&store);
    return 0;
}
