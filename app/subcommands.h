/*
 * subcommands.h - what the program can do besides the chat
 *
 * Each reads its invocation, prints its result on standard output and what goes wrong on standard
 * error, and returns the exit code.
 *
 * Thread: the main thread.
 */
#ifndef APP_SUBCOMMANDS_H
#define APP_SUBCOMMANDS_H

#include "app/options.h"
#include "engine/model.h"
#include "engine/session.h"

int subcommand_chat(struct invocation *invocation);
int subcommand_logits(struct invocation *invocation);
int subcommand_generate(struct invocation *invocation);
int subcommand_tokenize(struct invocation *invocation);
int subcommand_detokenize(struct invocation *invocation);
int subcommand_info(struct invocation *invocation);
int subcommand_models(struct invocation *invocation);
int subcommand_weights(struct invocation *invocation);
int subcommand_config(struct invocation *invocation);
int subcommand_policy(struct invocation *invocation);
int subcommand_grade(struct invocation *invocation);
int subcommand_ab(struct invocation *invocation);
int subcommand_selfcheck(struct invocation *invocation);
int subcommand_tokenizer(struct invocation *invocation);
int subcommand_quantize(struct invocation *invocation);
int subcommand_dataset(struct invocation *invocation);
int subcommand_bench(struct invocation *invocation);
int subcommand_train(struct invocation *invocation);

/* One answer without a screen (app/oneshot.c); the settings are loaded. */
int oneshot(struct invocation *invocation);

/*
 * Files, environment and flags into invocation->store, by precedence.  0, or the exit code with the
 * problems told: 2 for a flag, 78 for a file or the environment.
 */
int invocation_load(struct invocation *invocation);
/* The path of the model; NULL: none was given, which is told (exit code 3). */
const char *invocation_model(const struct invocation *invocation);
/* The same for answers: where none was given the built-in model stands in, which is told. */
const char *invocation_model_that_answers(const struct invocation *invocation);
/* Open it as the settings say; 0 or the exit code, told. */
int invocation_open_model(const struct invocation *invocation, bool vocabulary_only,
                          struct model **model);
/* The same, with the built-in model where none is named. */
int invocation_open_model_that_answers(const struct invocation *invocation,
                                       struct model **model);
/* A session with room for n_context tokens, unless the settings say otherwise. */
int invocation_new_session(const struct invocation *invocation, const struct model *model,
                           size_t n_context, struct session **session);
/* The draft model of the settings; *model stays NULL where there is none.  0 or the exit code. */
int invocation_open_draft(const struct invocation *invocation, struct model **model);
/*
 * The whole number of a flag of the command; *number stays where the flag is not given.  0, or the
 * exit code with the problem told.
 */
int invocation_number(const struct invocation *invocation, enum flag flag, uint64_t minimum,
                      uint64_t maximum, uint64_t *number);
/*
 * The decode policy of the settings.  0, or the exit code with the problems told: 2 for a name that
 * was given as a flag, 78 for a file.
 */
struct policy_file;
int invocation_policy(const struct invocation *invocation, struct policy_file *policy);
/*
 * The path of the draft model that the policy asks, if there is one; *path NULL: none.  0, or the
 * exit code 2, told: the policy cannot do without.
 */
int invocation_draft(const struct invocation *invocation, const struct policy_file *policy,
                     const char **path);
/* A message and exit code 2, with where to look. */
int usage_error(const struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
