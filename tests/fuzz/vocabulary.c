/*
 * vocabulary.c - a right file with some bytes changed: refused with a reason, or a vocabulary that
 * tokenises
 *
 * The input is a list of changes: place (3 bytes, modulo the file's length) and new value.
 */
#include <stddef.h>
#include <stdint.h>

#include "engine/text/template_internal.h"
#include "engine/text/tokenizer.h"
#include "tests/unit/text_fixture.h"

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static struct bytes right;

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerInitialize(int *n_arguments, char ***arguments)
{
    struct fixture *fixture = fixture_small();

    (void)n_arguments;
    (void)arguments;
    fixture->chat_template = "{{ '<|im_start|>' }} <think>";
    fixture->embedding_length = 1024;
    fixture_write(fixture, &right);
    free(fixture);
    return 0;
}

static void use(struct text_model *model)
{
    static const char text[] = "hello \n\n user <|im_start|>\xE4\xB8\xAD\xFF in<|im_end|>";
    struct chat_message message = {CHAT_USER, text, sizeof text - 1, NULL, 0, NULL, 0};
    struct chat_template *chat_template = NULL;
    struct chat_prompt prompt;
    size_t at = 0;

    if (chat_template_choose(&chat_template, model->file, model->vocabulary, NULL, NULL) !=
        STATUS_OK)
        return;
    if (chat_template_render(chat_template, &message, 1, THINKING_ON, true, &prompt, NULL) ==
        STATUS_OK) {
        for (size_t i = 0; i < prompt.n_ids; i++) {
            size_t n;
            const char *spelled = vocabulary_bytes(model->vocabulary, prompt.ids[i], &n);
            require(n <= prompt.n_bytes - at && memcmp(prompt.text + at, spelled, n) == 0);
            at += n;
        }
        require(at == prompt.n_bytes);
    }
    chat_prompt_release(&prompt);
    chat_template_free(&chat_template);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct text_model model = {0};
    struct error error = {0};

    put(&model.bytes, right.data, right.n_bytes);
    for (size_t i = 0; i + 4 <= n_bytes; i += 4) {
        size_t place = bytes[i] | (size_t)bytes[i + 1] << 8 | (size_t)bytes[i + 2] << 16;
        model.bytes.data[place % right.n_bytes] = bytes[i + 3];
    }
    if (text_model_load(&model, &error) == STATUS_OK)
        use(&model);
    else
        require(error.what[0] != '\0');
    text_model_free(&model);
    return 0;
}
