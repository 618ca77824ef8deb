/*
 * display.c - where the chat shows things: the screen, or labelled lines
 */
#include "app/display.h"

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
static bool plain_prints(const struct display *display, enum ui_block_kind kind)
{
    return kind != UI_BLOCK_USER && (kind != UI_BLOCK_THINKING || display->show_thinking);
}

static void plain_finish(struct display *display)
{
    char tail[8];

    if (display->open_block == 0)
        return;
    if (plain_prints(display, display->open_kind)) {
        size_t n_bytes = ui_filter_finish(&display->filter, tail);
        fwrite(tail, 1, n_bytes, stdout);
        if (display->line_started || n_bytes > 0)
            putchar('\n');
        fflush(stdout);
    }
    display->open_block = 0;
}

static void plain_print_label(const struct display *display)
{
    if (display->open_heading[0] != '\0')
        printf("%s: ", display->open_heading);
    else
        fputs(plain_label(display->open_kind), stdout);
}

static uint32_t plain_add(struct display *display, enum ui_block_kind kind, const char *heading)
{
    bool own = kind == UI_BLOCK_ANSWER && heading != NULL;

    plain_finish(display);
    ui_filter_line(own ? heading : "", own ? strlen(heading) : 0, display->open_heading,
                   sizeof display->open_heading);
    display->open_block = ++display->n_blocks;
    display->open_kind = kind;
    display->line_started = false;
    ui_filter_init(&display->filter);
    if (plain_prints(display, kind)) {
        plain_print_label(display);
        fflush(stdout);
        display->line_started = true;
    }
    return display->open_block;
}

static void plain_append(struct display *display, uint32_t block, const char *bytes,
                         size_t n_bytes)
{
    /* Something else was said in between: the answer goes on under its label. */
    if (block != display->open_block) {
        plain_add(display, UI_BLOCK_ANSWER, NULL);
        display->open_block = block;
    }
    if (!plain_prints(display, display->open_kind))
        return;
    char *text = app_resize(NULL, ui_filter_room(n_bytes), 1);
    size_t n_text = ui_filter_text(&display->filter, bytes, n_bytes, text);
    fwrite(text, 1, n_text, stdout);
    fflush(stdout);
    if (n_text > 0)
        display->line_started = text[n_text - 1] != '\n';
    free(text);
}

static void plain_fold(struct display *display, const char *summary)
{
    if (display->show_thinking || summary == NULL)
        return;
    plain_finish(display);
    printf("status: %s\n", summary);
    fflush(stdout);
}

/* Waiting messages ----------------------------------------------------------------------------- */

static void hide_waiting(struct display *display)
{
    if (display->first_waiting != 0)
        ui_block_remove(display->ui, display->first_waiting);
    display->first_waiting = 0;
}

static void show_waiting(struct display *display)
{
    for (size_t i = 0; display->queue != NULL && i < display->queue->n_texts; i++) {
        const struct text_buffer *text = &display->queue->texts[i];
        uint32_t block = ui_block_add(display->ui, UI_BLOCK_USER, "you (waiting)");
        ui_block_append(display->ui, block, text_string(text), text->n_bytes);
        ui_block_finish(display->ui, block);
        if (i == 0)
            display->first_waiting = block;
    }
}

void display_waiting(struct display *display)
{
    if (display->ui == NULL)
        return;
    hide_waiting(display);
    show_waiting(display);
}

/* Both ----------------------------------------------------------------------------------------- */

uint32_t display_add(struct display *display, enum ui_block_kind kind, const char *heading)
{
    if (display->ui == NULL)
        return plain_add(display, kind, heading);
    hide_waiting(display);
    uint32_t block = ui_block_add(display->ui, kind, heading);
    show_waiting(display);
    return block;
}

void display_append(struct display *display, uint32_t block, const char *bytes, size_t n_bytes)
{
    display_append_marked(display, block, bytes, n_bytes, UI_MARK_NONE);
}

void display_append_marked(struct display *display, uint32_t block, const char *bytes,
                           size_t n_bytes, enum ui_mark mark)
{
    if (block == 0)
        return;
    if (display->ui != NULL)
        ui_block_append_marked(display->ui, block, bytes, n_bytes, mark);
    else
        plain_append(display, block, bytes, n_bytes);
}

void display_finish(struct display *display, uint32_t block)
{
    if (block == 0)
        return;
    if (display->ui != NULL)
        ui_block_finish(display->ui, block);
    else if (block == display->open_block)
        plain_finish(display);
}

void display_fold(struct display *display, uint32_t block, bool folded, const char *summary)
{
    if (block == 0)
        return;
    if (display->ui != NULL)
        ui_block_fold(display->ui, block, folded, summary);
    else
        plain_fold(display, summary);
}

void display_remove(struct display *display, uint32_t first)
{
    if (display->ui == NULL || first == 0)
        return;
    hide_waiting(display);
    ui_block_remove(display->ui, first);
    show_waiting(display);
}

void display_clear(struct display *display)
{
    if (display->ui == NULL)
        return;
    ui_transcript_clear(display->ui);
    display->first_waiting = 0;
    show_waiting(display);
}

void display_say(struct display *display, enum ui_block_kind kind, const char *format, ...)
{
    struct text_buffer text = {0};
    va_list arguments;

    va_start(arguments, format);
    text_vprintf(&text, format, arguments);
    va_end(arguments);
    uint32_t block = display_add(display, kind, NULL);
    /* A table begins below its label. */
    if (display->ui == NULL && strchr(text_string(&text), '\n') != NULL)
        display_append(display, block, "\n", 1);
    display_append(display, block, text_string(&text), text.n_bytes);
    display_finish(display, block);
    text_release(&text);
}

void display_hint(struct display *display, const char *text)
{
    if (display->ui != NULL)
        ui_hint(display->ui, text);
    else
        display_say(display, UI_BLOCK_NOTICE, "%s", text);
}

void display_print(const char *label, const char *bytes, size_t n_bytes)
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

int display_columns(const struct display *display)
{
    int n_rows, n_columns = 80;

    if (display->ui != NULL)
        ui_size(display->ui, &n_rows, &n_columns);
    return n_columns;
}
