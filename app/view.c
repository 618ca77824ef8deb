/*
 * view.c - where the chat shows things: the screen, or labelled lines
 */
#include "app/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Plain lines ---------------------------------------------------------------------------------- */

static const char *plain_label(enum ui_block_kind kind)
{
    switch (kind) {
    case UI_BLOCK_USER: return "you: ";
    case UI_BLOCK_ANSWER: return "model: ";
    case UI_BLOCK_THINKING: return "thinking: ";
    case UI_BLOCK_NOTICE: return "banter: ";
    case UI_BLOCK_ERROR: return "error: ";
    }
    return "";
}

/* The person typed the question on this terminal; hidden thinking is told by its summary. */
static bool plain_prints(const struct view *view, enum ui_block_kind kind)
{
    return kind != UI_BLOCK_USER && (kind != UI_BLOCK_THINKING || view->show_thinking);
}

static void plain_finish(struct view *view)
{
    char tail[8];

    if (view->open_block == 0)
        return;
    if (plain_prints(view, view->open_kind)) {
        size_t n_bytes = ui_filter_finish(&view->filter, tail);
        fwrite(tail, 1, n_bytes, stdout);
        if (view->line_started || n_bytes > 0)
            putchar('\n');
        fflush(stdout);
    }
    view->open_block = 0;
}

static uint32_t plain_add(struct view *view, enum ui_block_kind kind)
{
    plain_finish(view);
    view->open_block = ++view->n_blocks;
    view->open_kind = kind;
    view->line_started = false;
    ui_filter_init(&view->filter);
    if (plain_prints(view, kind)) {
        fputs(plain_label(kind), stdout);
        fflush(stdout);
        view->line_started = true;
    }
    return view->open_block;
}

static void plain_append(struct view *view, uint32_t block, const char *bytes, size_t n_bytes)
{
    /* Something else was said in between: the answer goes on under its label. */
    if (block != view->open_block) {
        plain_add(view, UI_BLOCK_ANSWER);
        view->open_block = block;
    }
    if (!plain_prints(view, view->open_kind))
        return;
    char *text = app_resize(NULL, ui_filter_room(n_bytes), 1);
    size_t n_text = ui_filter_text(&view->filter, bytes, n_bytes, text);
    fwrite(text, 1, n_text, stdout);
    fflush(stdout);
    if (n_text > 0)
        view->line_started = text[n_text - 1] != '\n';
    free(text);
}

static void plain_fold(struct view *view, const char *summary)
{
    if (view->show_thinking || summary == NULL)
        return;
    plain_finish(view);
    printf("status: %s\n", summary);
    fflush(stdout);
}

/* Waiting messages ----------------------------------------------------------------------------- */

static void hide_waiting(struct view *view)
{
    if (view->first_waiting != 0)
        ui_block_remove(view->ui, view->first_waiting);
    view->first_waiting = 0;
}

static void show_waiting(struct view *view)
{
    for (size_t i = 0; view->queue != NULL && i < view->queue->n_texts; i++) {
        const struct text_buffer *text = &view->queue->texts[i];
        uint32_t block = ui_block_add(view->ui, UI_BLOCK_USER, "you (waiting)");
        ui_block_append(view->ui, block, text_string(text), text->n_bytes);
        ui_block_finish(view->ui, block);
        if (i == 0)
            view->first_waiting = block;
    }
}

void view_waiting(struct view *view)
{
    if (view->ui == NULL)
        return;
    hide_waiting(view);
    show_waiting(view);
}

/* Both ----------------------------------------------------------------------------------------- */

uint32_t view_add(struct view *view, enum ui_block_kind kind, const char *heading)
{
    if (view->ui == NULL)
        return plain_add(view, kind);
    hide_waiting(view);
    uint32_t block = ui_block_add(view->ui, kind, heading);
    show_waiting(view);
    return block;
}

void view_append(struct view *view, uint32_t block, const char *bytes, size_t n_bytes)
{
    if (block == 0)
        return;
    if (view->ui != NULL)
        ui_block_append(view->ui, block, bytes, n_bytes);
    else
        plain_append(view, block, bytes, n_bytes);
}

void view_finish(struct view *view, uint32_t block)
{
    if (block == 0)
        return;
    if (view->ui != NULL)
        ui_block_finish(view->ui, block);
    else if (block == view->open_block)
        plain_finish(view);
}

void view_fold(struct view *view, uint32_t block, bool folded, const char *summary)
{
    if (block == 0)
        return;
    if (view->ui != NULL)
        ui_block_fold(view->ui, block, folded, summary);
    else
        plain_fold(view, summary);
}

void view_remove(struct view *view, uint32_t first)
{
    if (view->ui == NULL || first == 0)
        return;
    hide_waiting(view);
    ui_block_remove(view->ui, first);
    show_waiting(view);
}

void view_clear(struct view *view)
{
    if (view->ui == NULL)
        return;
    ui_transcript_clear(view->ui);
    view->first_waiting = 0;
    show_waiting(view);
}

void view_say(struct view *view, enum ui_block_kind kind, const char *format, ...)
{
    struct text_buffer text = {0};
    va_list arguments;

    va_start(arguments, format);
    text_vprintf(&text, format, arguments);
    va_end(arguments);
    uint32_t block = view_add(view, kind, NULL);
    view_append(view, block, text_string(&text), text.n_bytes);
    view_finish(view, block);
    text_release(&text);
}

void view_hint(struct view *view, const char *text)
{
    if (view->ui != NULL)
        ui_hint(view->ui, text);
    else
        view_say(view, UI_BLOCK_NOTICE, "%s", text);
}

void view_print(const char *label, const char *bytes, size_t n_bytes)
{
    struct ui_filter filter;
    char *text = app_resize(NULL, ui_filter_room(n_bytes) + 8, 1);

    ui_filter_init(&filter);
    size_t n_text = ui_filter_text(&filter, bytes, n_bytes, text);
    n_text += ui_filter_finish(&filter, text + n_text);
    fputs(label, stdout);
    fwrite(text, 1, n_text, stdout);
    putchar('\n');
    free(text);
}

int view_columns(const struct view *view)
{
    int n_rows, n_columns = 80;

    if (view->ui != NULL)
        ui_size(view->ui, &n_rows, &n_columns);
    return n_columns;
}
