/*
 * template_internal.h - the inside of struct chat_template, for the renderer and the splitter
 */
#ifndef ENGINE_TEXT_TEMPLATE_INTERNAL_H
#define ENGINE_TEXT_TEMPLATE_INTERNAL_H

#include "engine/chat.h"
#include "engine/text/template.h"
#include "engine/text/vocabulary.h"

enum chat_template_style { TEMPLATE_QWEN35, TEMPLATE_CHATML };

enum { TEMPLATE_NOTICE_BYTES = 160, TEMPLATE_END_IDS = 8 };

struct chat_template {
    enum chat_template_style style;
    const struct vocabulary *vocabulary; /* borrows */
    bool thinks_by_default;
    int32_t end_of_thinking; /* the token </think>; -1: none */
    const char *missing;     /* a control token that the vocabulary lacks; NULL: none */
    int32_t end_thinking[TEMPLATE_END_IDS];
    size_t n_end_thinking;
    char notice[TEMPLATE_NOTICE_BYTES];
};

/* chat_render() and chat_splitter_new() (engine/chat.h) without a struct model. */
enum status chat_template_render(const struct chat_template *chat_template,
                                 const struct chat_message *messages, size_t n_messages,
                                 enum thinking_mode thinking, bool generation_prompt,
                                 struct chat_prompt *out, struct error *error);
enum status chat_template_splitter(struct chat_splitter **out,
                                   const struct chat_template *chat_template,
                                   bool starts_thinking, struct error *error);

#endif
