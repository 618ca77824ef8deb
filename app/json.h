/*
 * json.h - values of banter as JSON
 *
 * Thread: the main thread.
 */
#ifndef APP_JSON_H
#define APP_JSON_H

#include <jansson.h>

#include "app/output.h"
#include "engine/engine.h"

/* A string; bytes that are not UTF-8 become U+FFFD (JSON has no other way). */
json_t *json_text(const char *bytes, size_t n_bytes);
/* The shortest decimal that is this float: 0.7, not 0.699999988. */
json_t *json_float(float number);
/* A decimal string: JSON readers lose integers above 2^53. */
json_t *json_seed(uint64_t seed);
json_t *json_ids(const int32_t *ids, size_t n_ids);
json_t *json_sampling(const struct sampling *sampling);
/* Who answered: name, path, architecture, quantisation, kernel level. */
json_t *json_model(const struct model_info *info);
json_t *json_statistics(const struct engine_statistics *statistics);
/* The counts and times of a decode policy; what is not known is null. */
json_t *json_policy_statistics(const struct policy_statistics *statistics);
const char *stop_reason_name(enum stop_reason reason);

/* object[key] = value; takes the value over; memory that runs out ends the program. */
void json_put(json_t *object, const char *key, json_t *value);
/* One line; on a terminal in ASCII alone, so that no control character reaches it. */
void json_write(struct output *output, const json_t *value);

#endif
