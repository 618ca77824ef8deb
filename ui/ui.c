/*
 * ui.c - the public functions: events, frame clock, what changed
 *
 * Nothing is drawn when something changes; it is noted, and ui_draw() draws when the frame
 * clock says so: FRAME_MS after the last frame, or KEY_FRAME_MS when a key did it, so that
 * typing does not wait for the stream.  Without a change there is no frame and no time-out.
 *
 * Keys are handled one at a time, and none while an event waits to be taken: what a key means
 * may depend on what the app does with the event before it.
 */
#include "ui/internal.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MS     33
#define KEY_FRAME_MS 3
#define HINT_MS      6000
#define READ_MAX     (1u << 16) /* bytes taken from the terminal in one go */

int64_t ui_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Life cycle ------------------------------------------------------------------------------- */

static char *copy_of(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

bool ui_open(struct ui **out, const struct ui_options *options, struct ui_error *error)
{
    struct ui_error ignored;
    if (error == NULL)
        error = &ignored;
    *out = NULL;
    /* Widths and the character set come from the locale; a program that set none gets one. */
    const char *locale = setlocale(LC_CTYPE, NULL);
    if (locale == NULL || strcmp(locale, "C") == 0)
        setlocale(LC_CTYPE, "");
    struct ui *ui = calloc(1, sizeof *ui);
    if (ui == NULL) {
        snprintf(error->what, sizeof error->what, "out of memory");
        return false;
    }
    ui->screen.fd_in = ui->screen.fd_out = -1;
    ui->options = *options;
    ui->prompt = copy_of(options->prompt != NULL ? options->prompt : "> ");
    ui->history_path = copy_of(options->history_path);
    ui->options.prompt = ui->prompt;
    ui->options.history_path = ui->history_path;
    ui->status.phase = UI_PHASE_NO_MODEL;
    ui->status.first_token = ui->status.remaining = -1;
    transcript_init(&ui->transcript, options->show_thinking);
    ui->keys_ended = options->keys_path == NULL;
    if (ui->prompt == NULL ||
        (options->keys_path != NULL &&
         !keys_script_load(&ui->script, options->keys_path, error)) ||
        !screen_probe(ui, error) || !input_open(ui, error) || !screen_open(ui, error)) {
        ui_close(&ui);
        return false;
    }
    input_resized(ui->screen.n_rows, ui->screen.n_columns);
    ui->dirty = ui->dirty_by_key = true;
    ui->redraw_pending = true;
    *out = ui;
    return true;
}

void ui_close(struct ui **ui_pointer)
{
    struct ui *ui = *ui_pointer;
    if (ui == NULL)
        return;
    *ui_pointer = NULL;
    screen_close(ui);
    input_close(ui);
    views_close(ui);
    transcript_release(&ui->transcript);
    keys_script_release(&ui->script);
    for (size_t i = ui->event_at; i < ui->n_events; i++)
        free(ui->events[i].text);
    free(ui->events);
    free(ui->prompt);
    free(ui->history_path);
    free(ui);
}

void ui_suspend(struct ui *ui)
{
    screen_suspend(ui);
}

void ui_resume(struct ui *ui)
{
    screen_resume(ui);
    input_resized(ui->screen.n_rows, ui->screen.n_columns);
    ui->redraw_pending = ui->dirty = ui->dirty_by_key = true;
}

void ui_resized(struct ui *ui)
{
    ui->resize_pending = ui->dirty = true;
}

void ui_abandon(struct ui *ui)
{
    screen_abandon(ui);
}

/* Events and keys -------------------------------------------------------------------------- */

static void add_event(struct ui *ui, const struct ui_event *event)
{
    if (ui->n_events == ui->event_capacity) {
        size_t capacity = ui->event_capacity * 2 + 8;
        struct ui_event *events = realloc(ui->events, capacity * sizeof *events);
        if (events == NULL) {
            free(event->text);
            return;
        }
        ui->events = events;
        ui->event_capacity = capacity;
    }
    ui->events[ui->n_events++] = *event;
}

void ui_event_add(struct ui *ui, enum ui_event_type type, const char *text, size_t n_bytes)
{
    struct ui_event event = {.type = type, .n_bytes = n_bytes};
    if (text != NULL) {
        event.text = malloc(n_bytes + 1);
        if (event.text == NULL)
            return;
        memcpy(event.text, text, n_bytes);
        event.text[n_bytes] = '\0';
    }
    add_event(ui, &event);
}

void ui_event_add_number(struct ui *ui, enum ui_event_type type, int number)
{
    struct ui_event event = {.type = type, .number = number};
    add_event(ui, &event);
}

int ui_fd(const struct ui *ui)
{
    return ui->screen.abandoned ? -1 : ui->screen.fd_in;
}

/* The terminal is gone, whether or not the kernel said so by a signal. */
static void lose_terminal(struct ui *ui)
{
    ui_abandon(ui);
    ui_event_add(ui, UI_QUIT, NULL, 0);
}

static void read_terminal(struct ui *ui)
{
    char bytes[4096];
    size_t n_read = 0;
    if (ui->screen.abandoned || !ui->screen.taken)
        return;
    while (n_read < READ_MAX) {
        ssize_t n = read(ui->screen.fd_in, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            lose_terminal(ui);
            return;
        }
        keys_feed(&ui->input.keys, bytes, (size_t)n, ui_now_ms());
        n_read += (size_t)n;
    }
}

static bool has_events(const struct ui *ui)
{
    return ui->event_at < ui->n_events;
}

static bool is_idle(const struct ui *ui)
{
    return !ui->busy && !has_events(ui);
}

/* One key, or one step of the script; false: nothing to do now. */
static bool handle_one(struct ui *ui)
{
    struct keys_token key;
    int64_t now = ui_now_ms();
    if (keys_next(&ui->input.keys, now, &key)) {
        ui->hint[0] = '\0';
        if (views_take_keys(ui))
            views_key(ui, &key);
        else
            input_key(ui, &key);
        if (key.type == KEYS_PASTE && ui->input.keys.paste_cut)
            ui_hint(ui, "The paste was longer than 8 MB; its end was left out.");
        return true;
    }
    if (ui->keys_ended)
        return false;
    if (keys_script_step(&ui->script, &ui->input.keys, is_idle(ui), now))
        return true;
    if (keys_script_is_done(&ui->script) && keys_timeout_ms(&ui->input.keys, now) < 0) {
        ui->keys_ended = true;
        ui_event_add(ui, UI_KEYS_END, NULL, 0);
    }
    return false;
}

static void handle_keys(struct ui *ui)
{
    while (!has_events(ui) && !ui->screen.abandoned && ui->screen.taken && handle_one(ui))
        ;
}

void ui_read(struct ui *ui)
{
    read_terminal(ui);
    handle_keys(ui);
}

bool ui_next_event(struct ui *ui, struct ui_event *event)
{
    handle_keys(ui);
    if (!has_events(ui))
        return false;
    *event = ui->events[ui->event_at++];
    if (ui->event_at == ui->n_events)
        ui->event_at = ui->n_events = 0;
    return true;
}

static void lower(int *timeout, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    if (*timeout < 0 || ms < *timeout)
        *timeout = ms > 60000 ? 60000 : (int)ms;
}

static int64_t frame_due_ms(const struct ui *ui)
{
    return ui->drawn_ms + (ui->dirty_by_key ? KEY_FRAME_MS : FRAME_MS);
}

int ui_timeout_ms(const struct ui *ui)
{
    int timeout = -1;
    int64_t now = ui_now_ms();
    if (has_events(ui))
        return 0;
    if (!ui->screen.taken || ui->screen.abandoned)
        return -1;
    int keys = keys_timeout_ms(&ui->input.keys, now);
    if (keys >= 0)
        lower(&timeout, keys);
    if (!ui->keys_ended) {
        int script = keys_script_timeout_ms(&ui->script, is_idle(ui), now);
        if (script >= 0)
            lower(&timeout, script);
        else if (keys_script_is_done(&ui->script) && keys < 0)
            lower(&timeout, 0);
    }
    if (ui->dirty)
        lower(&timeout, frame_due_ms(ui) - now);
    if (ui->hint[0] != '\0')
        lower(&timeout, ui->hint_until_ms - now);
    return timeout;
}

void ui_set_busy(struct ui *ui, bool busy)
{
    ui->busy = busy;
}

void ui_input_set(struct ui *ui, const char *text, size_t n_bytes)
{
    input_replace(ui, text, n_bytes);
}

void ui_history_add(struct ui *ui, const char *text, size_t n_bytes)
{
    input_remember(ui, text, n_bytes);
}

/* Transcript ------------------------------------------------------------------------------- */

uint32_t ui_block_add(struct ui *ui, enum ui_block_kind kind, const char *heading)
{
    ui->dirty = true;
    return transcript_add(&ui->transcript, kind, heading);
}

void ui_block_append(struct ui *ui, uint32_t block, const char *bytes, size_t n_bytes)
{
    ui->dirty = true;
    transcript_append(&ui->transcript, block, bytes, n_bytes);
}

void ui_block_append_marked(struct ui *ui, uint32_t block, const char *bytes, size_t n_bytes,
                            enum ui_mark mark)
{
    ui->dirty = true;
    transcript_append_marked(&ui->transcript, block, bytes, n_bytes, mark);
}

void ui_show_marks(struct ui *ui, bool show)
{
    if (ui->show_marks == show)
        return;
    ui->show_marks = show;
    ui->forget_drawn = ui->dirty = ui->dirty_by_key = true;
}

void ui_block_finish(struct ui *ui, uint32_t block)
{
    ui->dirty = true;
    transcript_finish(&ui->transcript, block);
}

void ui_block_fold(struct ui *ui, uint32_t block, bool folded, const char *summary)
{
    ui->dirty = true;
    transcript_fold(&ui->transcript, block, folded, summary);
}

void ui_block_remove(struct ui *ui, uint32_t first)
{
    ui->dirty = true;
    transcript_remove(&ui->transcript, first);
}

void ui_transcript_clear(struct ui *ui)
{
    transcript_remove(&ui->transcript, 1);
    view_follow(&ui->view);
    ui->dirty = true;
}

void ui_scroll(struct ui *ui, long rows)
{
    transcript_update(&ui->transcript);
    view_scroll(&ui->view, &ui->transcript, ui->screen.arrangement.regions.transcript, rows);
    ui->dirty = ui->dirty_by_key = true;
}

int ui_page_rows(const struct ui *ui)
{
    int half = ui->screen.arrangement.regions.transcript / 2;
    return half > 1 ? half : 1;
}

/* Status and frames ------------------------------------------------------------------------ */

void ui_set_status(struct ui *ui, const struct ui_status *status)
{
    bool starts = status->phase == UI_PHASE_GENERATING && ui->status.phase != status->phase;
    if (starts)
        spark_clear(&ui->spark);
    if (status->phase == UI_PHASE_GENERATING)
        spark_note(&ui->spark, status->rate_now, ui_now_ms());
    ui->status = *status;
    ui->dirty = true;
}

void ui_hint(struct ui *ui, const char *text)
{
    ui_filter_line(text, strlen(text), ui->hint, sizeof ui->hint);
    ui->hint_until_ms = ui_now_ms() + HINT_MS;
    ui->dirty = ui->dirty_by_key = true;
}

void ui_draw_now(struct ui *ui)
{
    if (!ui->screen.taken || ui->screen.abandoned)
        return;
    bool whole = ui->redraw_pending;
    if (ui->resize_pending) {
        screen_measure(ui);
        input_resized(ui->screen.n_rows, ui->screen.n_columns);
        whole = true;
    }
    ui->resize_pending = ui->redraw_pending = false;
    ui->dirty = ui->dirty_by_key = false;
    screen_draw(ui, whole);
    ui->drawn_ms = ui_now_ms();
}

void ui_draw(struct ui *ui)
{
    /* An Esc that was alone long enough counts even when no time-out came because of the
     * stream. */
    handle_keys(ui);
    int64_t now = ui_now_ms();
    if (ui->hint[0] != '\0' && now >= ui->hint_until_ms) {
        ui->hint[0] = '\0';
        ui->dirty = true;
    }
    if (ui->dirty && now >= frame_due_ms(ui))
        ui_draw_now(ui);
}

void ui_size(const struct ui *ui, int *n_rows, int *n_columns)
{
    *n_rows = ui->screen.n_rows;
    *n_columns = ui->screen.n_columns;
}
