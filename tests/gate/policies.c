/*
 * policies.c - the law of decoding on a model, over many prompts: every policy, the same bytes
 *
 * usage: policies MODEL DRAFT CHATS [PROMPTS] [TOKENS]        default: 1000 prompts, 256 tokens
 *
 * CHATS: what `banter dataset` writes; the first message of each line is a prompt.  Each prompt is
 * answered without a policy and by every policy, with the temperature, penalties, threads and
 * forced tokens of its round; tokens and the whole state at the end are compared.  Exit status 1:
 * something differed.
 */
#include <jansson.h>

#include "engine/chat.h"
#include "tests/unit/policy_proof.h"

static void must(enum status status, const struct error *error)
{
    char line[800];

    if (status == STATUS_OK)
        return;
    fprintf(stderr, "policies: %s\n", error_text(error, line, sizeof line));
    exit(1);
}

static struct model *open_file(const char *path)
{
    const struct model_options options = {.level = kernel_level_best()};
    struct model *model = NULL;
    struct error error = {0};

    must(model_open(&model, path, &options, &error), &error);
    return model;
}

/* The prompt of a line; false: it has no message. */
static bool read_prompt(const struct model *model, const char *line, struct chat_prompt *prompt)
{
    json_t *chat = json_loads(line, 0, NULL);
    const char *text = json_string_value(
        json_object_get(json_array_get(json_object_get(chat, "messages"), 0), "content"));
    struct error error = {0};

    if (text) {
        const struct chat_message message = {
            .role = CHAT_USER, .text = text, .n_bytes = strlen(text)};
        must(chat_render(model, &message, 1, THINKING_OFF, true, prompt, &error), &error);
    }
    json_decref(chat);
    return text != NULL;
}

static void tell_speed(const struct proof *proof)
{
    const double plain =
        (double)proof->tokens[POLICY_KIND_COUNT] / proof->seconds[POLICY_KIND_COUNT];

    printf("without a policy: %.0f tokens a second\n", plain);
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        uint64_t verified = 0, accepted = 0;
        for (int t = 0; t < PROOF_THREADS; t++) {
            if (!proof->policy[t][kind])
                continue;
            verified += policy_statistics(proof->policy[t][kind])->verified;
            accepted += policy_statistics(proof->policy[t][kind])->accepted;
        }
        if (proof->tokens[kind] > 0)
            printf("%-11s %.2fx of it, %.1f %% of %llu candidates accepted\n",
                   policy_kind_name((enum policy_kind)kind),
                   (double)proof->tokens[kind] / proof->seconds[kind] / plain,
                   verified > 0 ? 100.0 * (double)accepted / (double)verified : 0,
                   (unsigned long long)verified);
    }
}

int main(int argc, char **argv)
{
    const size_t n_prompts = argc > 4 ? strtoul(argv[4], NULL, 10) : 1000;
    const size_t n_tokens = argc > 5 ? strtoul(argv[5], NULL, 10) : 256;
    struct proof proof;
    struct error error = {0};
    struct model *model, *draft;
    char *line = NULL;
    size_t room = 0, done = 0;
    FILE *chats;

    if (argc < 4 || n_tokens < 4 || n_tokens > PROOF_TOKENS) {
        fprintf(stderr, "usage: policies MODEL DRAFT CHATS [PROMPTS] [TOKENS: 4 .. %d]\n",
                PROOF_TOKENS);
        return 2;
    }
    chats = fopen(argv[3], "r");
    if (!chats) {
        fprintf(stderr, "policies: cannot read %s\n", argv[3]);
        return 1;
    }
    model = open_file(argv[1]);
    draft = open_file(argv[2]);
    must(proof_begin(&proof, model, draft, (uint32_t)n_tokens + 1024, &error), &error);
    proof.n_tokens = n_tokens;
    while (done < n_prompts && proof.difference[0] == '\0' &&
           getline(&line, &room, chats) > 0) {
        struct chat_prompt prompt;
        if (!read_prompt(model, line, &prompt))
            continue;
        must(proof_round(&proof, done++, prompt.ids, prompt.n_ids, &error), &error);
        chat_prompt_release(&prompt);
        if (done % 100 == 0) {
            printf("%zu of %zu prompts\n", done, n_prompts);
            fflush(stdout);
        }
    }
    printf("policies: %zu prompts x %zu tokens, %llu tokens and %llu states compared: %s\n",
           done, n_tokens, (unsigned long long)proof.n_compared,
           (unsigned long long)proof.n_states,
           proof.difference[0] ? proof.difference : "0 differences");
    if (done < n_prompts)
        fprintf(stderr, "policies: %s has %zu prompts only\n", argv[3], done);
    tell_speed(&proof);
    const bool passed = proof.difference[0] == '\0' && done == n_prompts;
    proof_end(&proof);
    model_close(&draft);
    model_close(&model);
    free(line);
    fclose(chats);
    return passed ? 0 : 1;
}
