/*
 * engine_settings.h - the settings of a person as the engine takes them
 *
 * The one place where fields of struct config become options, sampling and thinking of the
 * engine; the chat and the one-shot mode share it.
 */
#ifndef APP_ENGINE_SETTINGS_H
#define APP_ENGINE_SETTINGS_H

#include "config/config.h"
#include "engine/engine.h"

/*
 * Options of a real engine, of the built-in model where none is named; the strings are borrowed
 * from the store.
 * Errors: USAGE (no such kernel level).
 */
enum status engine_settings(const struct config_store *store, struct engine_options *options,
                            struct error *error);
/* Where packed weights are kept; NULL: nowhere.  The text lives as long as the program. */
const char *weights_cache_folder(void);
/* The sampling values that somebody gave; the others stay the model's. */
struct sampling_choice sampling_settings(const struct config_store *store);
/* Values that `more` gives replace those of `choice`. */
void sampling_overlay(struct sampling_choice *choice, const struct sampling_choice *more);
enum thinking_mode thinking_setting(const struct config *config);
/*
 * The seed of a conversation: the one that was given, else a random one (32 bits, so that a
 * person can type it again).
 */
uint64_t seed_setting(const struct config *config);

#endif
