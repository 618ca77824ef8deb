/*
 * chat.c - engine/chat.h over an open model
 */
#include "engine/chat.h"

#include "engine/model/model_internal.h"
#include "engine/text/template_internal.h"

enum status chat_render(const struct model *model, const struct chat_message *messages,
                        size_t n_messages, enum thinking_mode thinking, bool generation_prompt,
                        struct chat_prompt *out, struct error *error)
{
    return chat_template_render(model_template(model), messages, n_messages, thinking,
                                generation_prompt, out, error);
}

bool chat_thinks_by_default(const struct model *model)
{
    return chat_template_thinks_by_default(model_template(model));
}

bool chat_can_think(const struct model *model)
{
    return chat_template_can_think(model_template(model));
}

enum status chat_splitter_new(struct chat_splitter **out, const struct model *model,
                              bool starts_thinking, struct error *error)
{
    return chat_template_splitter(out, model_template(model), starts_thinking, error);
}

const int32_t *chat_end_thinking_ids(const struct model *model, size_t *n_ids)
{
    return chat_template_end_thinking(model_template(model), n_ids);
}
