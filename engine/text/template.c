/*
 * template.c - which of the built-in chat templates a model was trained with
 *
 * "The same as the published template" is decided without running it:
 *   qwen3.5  everything before the generation prompt has the hash of the published file of the 4B
 *            (by their cards the other sizes differ in the prompt's default alone), and the
 *            generation prompt holds the two forms that the renderer writes; or it is the one that
 *            banter writes (template_text.c);
 *   chatml   it is the plain loop that stands below, white space at the ends aside.
 * A template that was edited without a change of effect gives a notice too many, never one too few.
 */
#include "engine/text/template_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/file/gguf.h"
#include "engine/text/tokenizer.h"
#include "engine/text/utf8.h"

#define KEY_TEMPLATE     "tokenizer.chat_template"
#define KEY_ARCHITECTURE "general.architecture"

/* FNV-1a, 64 bits, of the published template up to its last GENERATION_PROMPT. */
#define QWEN35_BODY_HASH  0x796C462D27037E9DU
#define GENERATION_PROMPT "{%- if add_generation_prompt %}"

static const char chatml_published[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}";

static const char *const style_names[] = {
    [TEMPLATE_QWEN35] = "qwen3.5",
    [TEMPLATE_CHATML] = "chatml",
};

/* The largest dense model whose card says "non-thinking by default" is the 2B. */
enum { LARGEST_QUIET_EMBEDDING = 2048 };

static bool contains(struct gguf_string text, const char *mark)
{
    return memmem(text.bytes, text.n_bytes, mark, strlen(mark)) != NULL;
}

static bool string_is(struct gguf_string string, const char *text)
{
    return string.n_bytes == strlen(text) && memcmp(string.bytes, text, string.n_bytes) == 0;
}

/* The file ----------------------------------------------------------------------------------- */

struct source {
    struct gguf_string architecture; /* n_bytes 0: not there */
    struct gguf_string text;         /* the template */
    bool has_template;
    uint32_t embedding_length; /* 0: not there */
};

static bool is_qwen35(const struct source *source)
{
    return string_is(source->architecture, "qwen35") ||
           string_is(source->architecture, "qwen35moe");
}

static enum status read_source(const struct gguf *file, struct source *source,
                               struct error *error)
{
    char key[96];
    enum status status;

    *source = (struct source){0};
    status = gguf_get_string(file, KEY_ARCHITECTURE, &source->architecture, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    status = gguf_get_string(file, KEY_TEMPLATE, &source->text, error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    source->has_template = status == STATUS_OK;
    if (is_qwen35(source)) {
        snprintf(key, sizeof key, "%.*s.embedding_length", (int)source->architecture.n_bytes,
                 source->architecture.bytes);
        status = gguf_get_u32(file, key, &source->embedding_length, error);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND)
            return status;
    }
    return STATUS_OK;
}

/* Is it the published one? ------------------------------------------------------------------- */

static uint64_t hash_of(const char *bytes, size_t n_bytes)
{
    uint64_t hash = 0xCBF29CE484222325U;

    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001B3U;
    return hash;
}

static bool is_published_qwen35(struct gguf_string text)
{
    const char *end = text.bytes + text.n_bytes, *mark = NULL, *next = text.bytes;
    struct gguf_string prompt;

    while ((next = memmem(next, (size_t)(end - next), GENERATION_PROMPT,
                          strlen(GENERATION_PROMPT))) != NULL)
        mark = next++;
    if (!mark)
        return false;
    prompt = (struct gguf_string){mark, (size_t)(end - mark)};
    return hash_of(text.bytes, (size_t)(mark - text.bytes)) == QWEN35_BODY_HASH &&
           contains(prompt, "'<|im_start|>assistant\\n'") &&
           contains(prompt, "'<think>\\n\\n</think>\\n\\n'") &&
           contains(prompt, "'<think>\\n'");
}

static bool is_published(enum chat_template_style style, struct gguf_string text)
{
    if (style == TEMPLATE_QWEN35)
        return string_is(text, chat_template_text) || is_published_qwen35(text);
    text.bytes = utf8_strip(text.bytes, &text.n_bytes);
    return string_is(text, chatml_published);
}

static enum chat_template_style style_of(const struct source *source)
{
    if (is_qwen35(source) && (!source->has_template || contains(source->text, "<think>")))
        return TEMPLATE_QWEN35;
    return TEMPLATE_CHATML;
}

/* Our own models and the small dense ones answer at once unless they are told to think. */
static bool is_quiet(const struct source *source)
{
    if (source->has_template && string_is(source->text, chat_template_text))
        return true;
    return string_is(source->architecture, "qwen35") && source->embedding_length > 0 &&
           source->embedding_length <= LARGEST_QUIET_EMBEDDING;
}

static void write_notice(struct chat_template *chat_template, const struct source *source)
{
    const char *name = style_names[chat_template->style];
    const char *why = NULL;

    if (!source->has_template)
        why = "the file has no chat template";
    else if (!contains(source->text, "<|im_start|>"))
        why = "the file's chat template is of a kind that banter does not know";
    else if (!is_published(chat_template->style, source->text))
        why = "the file's chat template differs from the published one";
    if (why)
        snprintf(chat_template->notice, sizeof chat_template->notice,
                 "%s; the built-in \"%s\" is used", why, name);
}

/* Tokens ------------------------------------------------------------------------------------- */

static enum status find_tokens(struct chat_template *chat_template, struct error *error)
{
    static const char *const needed[] = {"<|im_start|>", "<|im_end|>", "<think>", "</think>"};
    const struct vocabulary *vocabulary = chat_template->vocabulary;
    size_t n_needed = chat_template->style == TEMPLATE_QWEN35 ? 4 : 2;
    static const char end[] = "\n</think>\n\n";
    struct token_list list = {0};
    enum status status;

    chat_template->end_of_thinking = -1;
    for (size_t i = n_needed; i-- > 0;)
        if (vocabulary_find_special(vocabulary, needed[i], strlen(needed[i])) < 0)
            chat_template->missing = needed[i];
    if (chat_template->missing || chat_template->style != TEMPLATE_QWEN35)
        return STATUS_OK;
    chat_template->end_of_thinking =
        vocabulary_find_special(vocabulary, "</think>", strlen("</think>"));
    status = tokenizer_append(vocabulary, end, sizeof end - 1, true, &list, error);
    if (status == STATUS_OK && list.n <= TEMPLATE_END_IDS) {
        memcpy(chat_template->end_thinking, list.ids, list.n * sizeof *list.ids);
        chat_template->n_end_thinking = list.n;
    }
    token_list_release(&list);
    return status;
}

/* Public functions --------------------------------------------------------------------------- */

static bool find_style(const char *name, enum chat_template_style *style)
{
    for (size_t i = 0; i < sizeof style_names / sizeof style_names[0]; i++)
        if (strcmp(name, style_names[i]) == 0) {
            *style = (enum chat_template_style)i;
            return true;
        }
    return false;
}

enum status chat_template_choose(struct chat_template **out, const struct gguf *file,
                                 const struct vocabulary *vocabulary, const char *name,
                                 struct error *error)
{
    struct chat_template *chosen;
    struct source source;
    enum status status = read_source(file, &source, error);

    *out = NULL;
    if (status != STATUS_OK)
        return status;
    chosen = checked_allocate_zeroed(1, sizeof *chosen);
    if (!chosen)
        return error_set(error, STATUS_NO_MEMORY, "not enough memory for the chat template");
    chosen->vocabulary = vocabulary;
    if (!name || !*name) {
        chosen->style = style_of(&source);
        write_notice(chosen, &source);
    } else if (!find_style(name, &chosen->style)) {
        status = error_set(error, STATUS_USAGE, "there is no chat template \"%.40s\"", name);
        error_action(error, "\"qwen3.5\" or \"chatml\"");
        goto fail;
    }
    chosen->thinks_by_default = chosen->style == TEMPLATE_QWEN35 && !is_quiet(&source);
    status = find_tokens(chosen, error);
    if (status != STATUS_OK)
        goto fail;
    *out = chosen;
    return STATUS_OK;
fail:
    chat_template_free(&chosen);
    return status;
}

void chat_template_free(struct chat_template **chat_template)
{
    free(*chat_template);
    *chat_template = NULL;
}

const char *chat_template_name(const struct chat_template *chat_template)
{
    return style_names[chat_template->style];
}

const char *chat_template_notice(const struct chat_template *chat_template)
{
    return chat_template->notice;
}

bool chat_template_can_think(const struct chat_template *chat_template)
{
    return chat_template->style == TEMPLATE_QWEN35;
}

bool chat_template_thinks_by_default(const struct chat_template *chat_template)
{
    return chat_template->thinks_by_default;
}

const int32_t *chat_template_end_thinking(const struct chat_template *chat_template,
                                          size_t *n_ids)
{
    *n_ids = chat_template->n_end_thinking;
    return chat_template->end_thinking;
}
