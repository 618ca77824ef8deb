/*
 * script.c - any bytes as a script of the scripted engine: refused with a line, or safe to tell
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/run/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct script script;
    struct error error;

    if (script_parse(&script, (const char *)bytes, n_bytes, &error) != STATUS_OK) {
        assert(error.status == STATUS_DAMAGED && error.what[0] != '\0');
        assert(strncmp(error.where, "line ", 5) == 0);
        return 0;
    }
    assert(script.n_answers > 0 || script.load_failure != NULL);
    size_t next = 0;
    for (size_t i = 0; i < script.n_answers; i++) {
        assert(script.answers[i].first >= next);
        next = script.answers[i].first + script.answers[i].count;
        assert(next <= script.n_steps);
    }
    for (size_t i = 0; i < script.n_steps; i++)
        if (script.steps[i].kind == SCRIPT_TEXT || script.steps[i].kind == SCRIPT_THINK)
            assert(script.steps[i].bytes[script.steps[i].n_bytes] == '\0' &&
                   script.steps[i].repeat > 0);
    script_release(&script);
    return 0;
}
