/*
 * template_text.c - the chat template that banter writes into files of its own
 *
 * For programs that run templates; banter renders the format itself (chat_render.c).  Conversations
 * without tools look as under the template "qwen3.5"; thinking is off unless it is asked for.
 */
#include "engine/text/template.h"

const char chat_template_text[] =
    "{%- for message in messages %}\n"
    "    {%- set text = message.content | trim %}\n"
    "    {%- if message.role == 'assistant' and '</think>' in text and"
    " message.reasoning_content is not string %}\n"
    "        {%- set text = text.split('</think>')[-1].lstrip('\\n') %}\n"
    "    {%- endif %}\n"
    "    {{- '<|im_start|>' + message.role + '\\n' + text + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- '<|im_start|>assistant\\n' }}\n"
    "    {%- if enable_thinking is defined and enable_thinking %}\n"
    "        {{- '<think>\\n' }}\n"
    "    {%- else %}\n"
    "        {{- '<think>\\n\\n</think>\\n\\n' }}\n"
    "    {%- endif %}\n"
    "{%- endif %}\n";
