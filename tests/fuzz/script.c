/*
 * script.c - any bytes as a script of the scripted engine: refused with a line, or safe to tell
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/engine.h"
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
    for (size_t i = 0; i < script.n_steps; i++) {
        const struct script_step *step = &script.steps[i];
        if (step->kind == SCRIPT_TEXT || step->kind == SCRIPT_THINK)
            assert(step->bytes[step->n_bytes] == '\0' && step->repeat > 0);
        if (step->kind == SCRIPT_STATE)
            assert(step->bytes[step->n_bytes] == '\0' && step->number <= POLICY_COOLDOWN);
        if (step->kind == SCRIPT_SOURCE)
            assert(step->number < POLICY_SOURCE_COUNT && step->percent <= 100);
        assert(step->lane == SCRIPT_ALL_LANES || step->lane < ENGINE_MAX_LANES);
    }
    for (size_t i = 0; i < script.n_checks; i++)
        assert(script.checks[i].text != NULL);
    script_release(&script);
    return 0;
}
