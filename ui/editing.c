/*
 * editing.c - functions of readline that are ours, and the keys they are bound to
 *
 * readline edits one line; here the line may hold newlines.  Motions and kills that mean "the
 * line" therefore get versions that stop at newlines, and the history keys move between rows
 * first.  They are put where readline's own are bound after the user's inputrc was read, so
 * that the user's keys follow.  Keys that readline does not know are bound before, so that
 * inputrc has the last word; all names can be used there (inside $if banter).
 */
#include "ui/internal.h"

#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

/* Moving between rows ---------------------------------------------------------------------- */

static int line_start(int at)
{
    while (at > 0 && rl_line_buffer[at - 1] != '\n')
        at--;
    return at;
}

static int line_end(int at)
{
    while (at < rl_end && rl_line_buffer[at] != '\n')
        at++;
    return at;
}

static int previous_row(int count, int key);
static int next_row(int count, int key);

/* One row up or down on the screen; false: there is none. */
static bool move_row(int step)
{
    static int goal_column; /* kept while one such key follows the other */
    struct ui *ui = input_active();
    if (ui == NULL)
        return false;
    ui->input.image.stale = true;
    input_lay_out(ui, ui->screen.n_columns);
    const struct input_image *image = &ui->input.image;
    if (rl_last_func != previous_row && rl_last_func != next_row)
        goal_column = image->cursor_column - image->indent;
    int target = image->cursor_row + step;
    if (target < 0 || target >= image->n_rows)
        return false;
    size_t offset = image->text.n_bytes; /* the empty row behind a last newline */
    if ((size_t)target < image->layout.n_rows)
        offset =
            layout_offset_at(&image->layout, image->text.bytes, (size_t)target, goal_column);
    rl_point = input_byte_of_image(ui, offset);
    return true;
}

static int previous_row(int count, int key)
{
    return move_row(-1) ? 0 : rl_get_previous_history(count, key);
}

static int next_row(int count, int key)
{
    return move_row(1) ? 0 : rl_get_next_history(count, key);
}

/* Lines of a text with newlines ------------------------------------------------------------ */

static int beginning_of_line(int count, int key)
{
    (void)count;
    (void)key;
    rl_point = line_start(rl_point);
    return 0;
}

static int end_of_line(int count, int key)
{
    (void)count;
    (void)key;
    rl_point = line_end(rl_point);
    return 0;
}

static int kill_line(int count, int key)
{
    if (count < 0)
        return rl_backward_kill_line(-count, key);
    int from = rl_point, to = line_end(from);
    if (to == from && to < rl_end)
        to++; /* at the end of a line its newline goes */
    if (to > from)
        rl_kill_text(from, to);
    rl_point = from;
    return 0;
}

static int discard_line(int count, int key)
{
    (void)count;
    (void)key;
    int to = rl_point, from = line_start(to);
    if (from == to && from > 0)
        from--;
    if (to > from)
        rl_kill_text(from, to);
    rl_point = from;
    return 0;
}

static int insert_newline(int count, int key)
{
    (void)key;
    for (int i = 0; i < count; i++)
        rl_insert_text("\n");
    return 0;
}

/* The screen ------------------------------------------------------------------------------- */

static int scroll(long rows)
{
    if (input_active() != NULL)
        ui_scroll(input_active(), rows);
    return 0;
}

static int page_up(int count, int key)
{
    (void)key;
    return scroll(input_active() == NULL ? 0 : -(long)count * ui_page_rows(input_active()));
}

static int page_down(int count, int key)
{
    (void)key;
    return scroll(input_active() == NULL ? 0 : (long)count * ui_page_rows(input_active()));
}

static int row_up(int count, int key)
{
    (void)key;
    return scroll(-(long)count);
}

static int row_down(int count, int key)
{
    (void)key;
    return scroll(count);
}

static int top(int count, int key)
{
    (void)count;
    (void)key;
    return scroll(-1000000000L);
}

static int bottom(int count, int key)
{
    (void)count;
    (void)key;
    return scroll(1000000000L);
}

/* End: follow again when scrolled up, else the end of the line. */
static int end_or_bottom(int count, int key)
{
    struct ui *ui = input_active();
    if (ui != NULL && ui->view.scrolled)
        return bottom(count, key);
    return end_of_line(count, key);
}

static int fold_thinking(int count, int key)
{
    (void)count;
    (void)key;
    struct ui *ui = input_active();
    if (ui != NULL) {
        transcript_toggle_thinking(&ui->transcript);
        ui->dirty = true;
    }
    return 0;
}

static int redraw(int count, int key)
{
    (void)count;
    (void)key;
    if (input_active() != NULL)
        input_active()->redraw_pending = true;
    return 0;
}

static int edit(int count, int key)
{
    (void)count;
    (void)key;
    if (input_active() != NULL)
        ui_event_add(input_active(), UI_EDITOR, rl_line_buffer, (size_t)rl_end);
    return 0;
}

/* Names and keys --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    rl_command_func_t *function;
} functions[] = {
    {"banter-newline", insert_newline},
    {"banter-previous-row", previous_row},
    {"banter-next-row", next_row},
    {"banter-beginning-of-line", beginning_of_line},
    {"banter-end-of-line", end_of_line},
    {"banter-kill-line", kill_line},
    {"banter-discard-line", discard_line},
    {"banter-page-up", page_up},
    {"banter-page-down", page_down},
    {"banter-row-up", row_up},
    {"banter-row-down", row_down},
    {"banter-top", top},
    {"banter-bottom", bottom},
    {"banter-end", end_or_bottom},
    {"banter-fold-thinking", fold_thinking},
    {"banter-redraw", redraw},
    {"edit-and-execute-command", edit},
    {"vi-edit-and-execute-command", edit},
};

enum map { MAP_EMACS = 1, MAP_INSERT = 2, MAP_COMMAND = 4, MAP_TYPING = 3, MAP_ALL = 7 };

static const struct {
    const char *keys;
    int maps;
    rl_command_func_t *function;
} bindings[] = {
    {"\\C-j", MAP_TYPING, insert_newline},
    {"\\e\\C-m", MAP_TYPING, insert_newline},
    {"\\e\\C-j", MAP_TYPING, insert_newline},
    {"\\C-l", MAP_ALL, redraw},
    {"\\e[5~", MAP_ALL, page_up},
    {"\\e[6~", MAP_ALL, page_down},
    {"\\e[1;5A", MAP_ALL, row_up},
    {"\\e[1;5B", MAP_ALL, row_down},
    {"\\eOa", MAP_ALL, row_up}, /* rxvt */
    {"\\eOb", MAP_ALL, row_down},
    {"\\e<", MAP_ALL, top},
    {"\\e>", MAP_ALL, bottom},
    {"\\et", MAP_ALL, fold_thinking},
    {"\\C-x\\C-e", MAP_EMACS, edit},
    {"v", MAP_COMMAND, edit},
    {"\\ep", MAP_EMACS, rl_history_search_backward},
    {"\\en", MAP_EMACS, rl_history_search_forward},
    {"\\C-r", MAP_INSERT, rl_reverse_search_history},
    {"\\C-s", MAP_INSERT, rl_forward_search_history},
    {"\\e[1;5C", MAP_ALL, rl_forward_word},
    {"\\e[1;5D", MAP_ALL, rl_backward_word},
    {"\\e[3~", MAP_ALL, rl_delete},
    {"\\e[H", MAP_ALL, rl_beg_of_line},
    {"\\e[1~", MAP_ALL, rl_beg_of_line},
    {"\\eOH", MAP_ALL, rl_beg_of_line},
    {"\\e[F", MAP_ALL, end_or_bottom},
    {"\\e[4~", MAP_ALL, end_or_bottom},
    {"\\eOF", MAP_ALL, end_or_bottom},
    {"\\e[A", MAP_ALL, rl_get_previous_history},
    {"\\eOA", MAP_ALL, rl_get_previous_history},
    {"\\e[B", MAP_ALL, rl_get_next_history},
    {"\\eOB", MAP_ALL, rl_get_next_history},
    {"\\e[C", MAP_ALL, rl_forward_char},
    {"\\eOC", MAP_ALL, rl_forward_char},
    {"\\e[D", MAP_ALL, rl_backward_char},
    {"\\eOD", MAP_ALL, rl_backward_char},
};

void editing_prepare(void)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        rl_add_defun(functions[i].name, functions[i].function, -1);
    for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++) {
        if (bindings[i].maps & MAP_EMACS)
            rl_bind_keyseq_in_map(bindings[i].keys, bindings[i].function,
                                  emacs_standard_keymap);
        if (bindings[i].maps & MAP_INSERT)
            rl_bind_keyseq_in_map(bindings[i].keys, bindings[i].function, vi_insertion_keymap);
        if (bindings[i].maps & MAP_COMMAND)
            rl_bind_keyseq_in_map(bindings[i].keys, bindings[i].function, vi_movement_keymap);
    }
}

/* Put `ours` on every key of `map` that runs `theirs`. */
static void adopt(Keymap map, rl_command_func_t *theirs, rl_command_func_t *ours)
{
    char **keys = rl_invoking_keyseqs_in_map(theirs, map);
    for (size_t i = 0; keys != NULL && keys[i] != NULL; i++) {
        rl_bind_keyseq_in_map(keys[i], ours, map);
        free(keys[i]);
    }
    free(keys);
}

void editing_adopt(void)
{
    static const struct {
        rl_command_func_t *theirs, *ours;
    } pairs[] = {
        {rl_get_previous_history, previous_row},
        {rl_get_next_history, next_row},
        {rl_beg_of_line, beginning_of_line},
        {rl_end_of_line, end_of_line},
        {rl_kill_line, kill_line},
        {rl_unix_line_discard, discard_line},
        {rl_backward_kill_line, discard_line},
        {rl_clear_screen, redraw},
    };
    /* What a system-wide inputrc usually binds to the End key; the key means the end of the
     * transcript when that is scrolled up. */
    static const char *const end_keys[] = {"\\e[F", "\\eOF", "\\e[4~", "\\e[8~"};
    Keymap maps[] = {emacs_standard_keymap, vi_insertion_keymap, vi_movement_keymap};
    for (size_t i = 0; i < sizeof end_keys / sizeof end_keys[0]; i++) {
        for (size_t j = 0; j < sizeof maps / sizeof maps[0]; j++) {
            int type;
            if (rl_function_of_keyseq(end_keys[i], maps[j], &type) == rl_end_of_line)
                rl_bind_keyseq_in_map(end_keys[i], end_or_bottom, maps[j]);
        }
    }
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        for (size_t j = 0; j < sizeof maps / sizeof maps[0]; j++)
            adopt(maps[j], pairs[i].theirs, pairs[i].ours);
}
