/*
 * compare_report.h - what a comparison found: a table for people, JSON for programs
 *
 * Thread: the main thread.
 */
#ifndef APP_COMPARE_REPORT_H
#define APP_COMPARE_REPORT_H

#include "app/compare_runs.h"
#include "app/json.h"
#include "app/output.h"

/* What was compared; all borrowed. */
struct comparison_subject {
    const struct model *model, *draft; /* draft: NULL: none */
    const char *names[SIDE_COUNT];     /* of the policies */
    enum policy_kind kinds[SIDE_COUNT];
    const struct sampling_choice *sampling;
    uint64_t seed;
    int n_threads;
};

void comparison_write_table(const struct comparison *comparison,
                            const struct comparison_subject *subject, struct output *output);
json_t *comparison_json(const struct comparison *comparison,
                        const struct comparison_subject *subject);
/* {"value": ..., "low": ..., "high": ...} */
json_t *json_estimate(const struct estimate *estimate);

#endif
