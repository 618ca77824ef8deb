/*
 * image.c - the edit buffer as it is drawn
 *
 * readline does not say where its cursor is on the screen, so it is computed here: the buffer
 * goes through the filter in pieces that end at the cursor and at the mark, and the layout says
 * which row and column that is.  The prompt stands left of the first row and indents the
 * others; what readline shows in its place (a search, a count) runs on into the text.
 */
#include "ui/internal.h"

#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

static bool variable_is(const char *name, const char *value)
{
    const char *now = rl_variable_value(name);
    return now != NULL && strcmp(now, value) == 0;
}

/* Text of readline for a prompt: without what stands between its marks for invisible parts. */
static void append_prompt(struct text_buffer *out, const char *text)
{
    bool visible = true;
    if (text == NULL)
        return;
    size_t n_bytes = strlen(text), n = 0;
    char *kept = malloc(n_bytes + 1);
    if (kept == NULL)
        return;
    for (size_t i = 0; i < n_bytes; i++) {
        if (text[i] == RL_PROMPT_START_IGNORE)
            visible = false;
        else if (text[i] == RL_PROMPT_END_IGNORE)
            visible = true;
        else if (visible)
            kept[n++] = text[i];
    }
    size_t room = ui_filter_room(n) + 1;
    if (text_buffer_reserve(out, room)) {
        ui_filter_line(kept, n, out->bytes + out->n_bytes, room);
        out->n_bytes += strlen(out->bytes + out->n_bytes);
    }
    free(kept);
}

/* "set show-mode-in-prompt on" works by a drawing of readline's own that is not used here. */
static void append_mode(struct text_buffer *out)
{
    if (!variable_is("show-mode-in-prompt", "on"))
        return;
    if (rl_editing_mode == 1)
        append_prompt(out, rl_variable_value("emacs-mode-string"));
    else if (rl_get_keymap() == vi_movement_keymap)
        append_prompt(out, rl_variable_value("vi-cmd-mode-string"));
    else
        append_prompt(out, rl_variable_value("vi-ins-mode-string"));
}

/* Filter bytes [from, to) of the buffer to the end of the text. */
static void append_piece(struct text_buffer *out, struct ui_filter *filter, int from, int to)
{
    size_t n_bytes = to > from ? (size_t)(to - from) : 0;
    if (!text_buffer_reserve(out, ui_filter_room(n_bytes) + 16))
        return;
    out->n_bytes +=
        ui_filter_text(filter, rl_line_buffer + from, n_bytes, out->bytes + out->n_bytes);
    out->n_bytes += ui_filter_finish(filter, out->bytes + out->n_bytes);
}

static bool mark_is_shown(void)
{
#if RL_READLINE_VERSION >= 0x0801
    return rl_mark_active_p() != 0 && rl_mark != rl_point;
#else
    return false;
#endif
}

static void build_text(struct input_image *image)
{
    struct ui_filter filter;
    int low = rl_point < 0 ? 0 : rl_point > rl_end ? rl_end : rl_point, high = low;
    bool marked = mark_is_shown();
    if (marked && rl_mark < low)
        low = rl_mark < 0 ? 0 : rl_mark;
    else if (marked)
        high = rl_mark > rl_end ? rl_end : rl_mark;
    ui_filter_init(&filter);
    append_piece(&image->text, &filter, 0, low);
    image->mark_from = image->text.n_bytes;
    append_piece(&image->text, &filter, low, high);
    image->mark_to = image->text.n_bytes;
    image->point = rl_point == low ? image->mark_from : image->mark_to;
    append_piece(&image->text, &filter, high, rl_end);
}

static void place_cursor(struct input_image *image)
{
    const struct layout *layout = &image->layout;
    image->n_rows = layout->n_rows > 0 ? (int)layout->n_rows : 1;
    image->cursor_row = 0;
    image->cursor_column = image->indent;
    if (layout->n_rows == 0)
        return;
    if (layout->rows[layout->n_rows - 1].ends_in_newline)
        image->n_rows++; /* the row behind it is empty, but it is there */
    size_t row = layout_row_at(layout, image->point);
    int column = layout_column_at(layout, image->text.bytes, row, image->point);
    bool at_end = image->point == image->text.n_bytes;
    if (at_end && (layout->rows[row].ends_in_newline || column >= layout->columns)) {
        row++;
        column = 0;
    }
    if (column >= layout->columns)
        column = layout->columns - 1;
    image->cursor_row = (int)row;
    image->cursor_column = image->indent + column;
    if (image->n_rows <= image->cursor_row)
        image->n_rows = image->cursor_row + 1;
}

void input_lay_out(struct ui *ui, int n_columns)
{
    struct input_image *image = &ui->input.image;
    if (!image->stale && image->n_columns == n_columns)
        return;
    bool is_usual = rl_display_prompt == rl_prompt || rl_prompt == NULL ||
                    strcmp(rl_display_prompt, rl_prompt) == 0;
    image->stale = false;
    image->n_columns = n_columns;
    image->prompt.n_bytes = image->text.n_bytes = 0;
    if (is_usual)
        append_mode(&image->prompt);
    append_prompt(is_usual ? &image->prompt : &image->text, rl_display_prompt);
    image->indent = ui_text_columns(image->prompt.bytes, image->prompt.n_bytes);
    if (image->indent > n_columns / 2) { /* no room for a margin */
        image->prompt.n_bytes = 0;
        image->indent = 0;
    }
    build_text(image);
    layout_reset(&image->layout, n_columns - image->indent);
    layout_append(&image->layout, image->text.bytes, image->text.n_bytes);
    place_cursor(image);
}

int input_byte_of_image(const struct ui *ui, size_t offset)
{
    struct ui_filter filter;
    char piece[64];
    /* Without the prompt that may stand before the text. */
    const struct input_image *image = &ui->input.image;
    size_t shown = 0, before = image->text.n_bytes;
    ui_filter_init(&filter);
    for (int i = 0; i < rl_end; i++)
        shown += ui_filter_text(&filter, rl_line_buffer + i, 1, piece);
    shown += ui_filter_finish(&filter, piece);
    before -= before > shown ? shown : before;
    ui_filter_init(&filter);
    shown = before;
    int at = 0;
    for (int i = 0; i < rl_end && shown < offset; i++) {
        shown += ui_filter_text(&filter, rl_line_buffer + i, 1, piece);
        at = i + 1;
    }
    return shown < offset ? rl_end : at;
}
