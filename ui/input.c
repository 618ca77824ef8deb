/*
 * input.c - readline: takes whole keys, holds the edit buffer
 *
 * readline runs through its callback interface on a queue of bytes.  Only whole characters and
 * whole escape sequences are put into the queue, and it is emptied before anything else
 * happens: some of readline's functions read on until they have what they want.  It draws
 * nothing: its redisplay function only notes that the line changed, and its streams lead
 * nowhere.
 *
 * readline's state is global; so is the pointer to the one ui that it edits for.
 */
#include "ui/history.h"
#include "ui/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <readline/history.h>
#include <readline/readline.h>

#define STARVED_MAX                                                                            \
    64 /* bytes that readline may ask for beyond the queue before it sees an end */

static struct ui *active;

struct ui *input_active(void)
{
    return active;
}

/* Hooks of readline ------------------------------------------------------------------------ */

static int next_byte(FILE *stream)
{
    (void)stream;
    struct input *input = &active->input;
    if (input->queue_at < input->queue.n_bytes)
        return (unsigned char)input->queue.bytes[input->queue_at++];
    /* Nothing should read here; Ctrl-G leaves searches and arguments, then comes the end. */
    return ++input->starved > STARVED_MAX ? EOF : 'G' & 0x1F;
}

static int byte_is_there(void)
{
    return active != NULL && active->input.queue_at < active->input.queue.n_bytes;
}

static void line_changed(void)
{
    if (active != NULL) {
        active->input.image.stale = true;
        active->dirty = active->dirty_by_key = true;
    }
}

static void no_preparation(int meta_flag)
{
    (void)meta_flag;
}

static void no_restoration(void)
{
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\n")] == '\0';
}

static void line_is_there(char *line)
{
    if (active == NULL) {
        free(line);
        return;
    }
    if (line == NULL)
        ui_event_add(active, UI_QUIT, NULL, 0);
    else if (!is_blank(line))
        ui_event_add(active, UI_SUBMIT, line, strlen(line));
    view_follow(&active->view);
    free(line);
}

/* Completion ------------------------------------------------------------------------------- */

static void popup_clear(struct popup *popup)
{
    for (size_t i = 0; i < popup->n_candidates; i++) {
        free(popup->candidates[i].text);
        free(popup->candidates[i].shown);
        free(popup->candidates[i].description);
    }
    popup->n_candidates = 0;
    popup->open = false;
}

static void popup_add(void *adder, const char *text, const char *description)
{
    struct popup *popup = adder;
    if (popup->n_candidates == popup->capacity) {
        size_t capacity = popup->capacity * 2 + 16;
        struct candidate *more =
            realloc(popup->candidates, capacity * sizeof *popup->candidates);
        if (more == NULL)
            return;
        popup->candidates = more;
        popup->capacity = capacity;
    }
    struct candidate candidate = {.text = strdup(text), .shown = text_filtered_line(text)};
    if (description != NULL)
        candidate.description = text_filtered_line(description);
    if (candidate.text == NULL || candidate.shown == NULL) {
        free(candidate.text);
        free(candidate.shown);
        free(candidate.description);
        return;
    }
    popup->candidates[popup->n_candidates++] = candidate;
}

static void popup_fill(struct ui *ui, const char *word, size_t start)
{
    struct popup *popup = &ui->input.popup;
    const struct ui_completion *completion = &ui->options.completion;
    popup_clear(popup);
    if (completion->candidates != NULL)
        completion->candidates(completion->context, rl_line_buffer, start, word, popup_add,
                               popup);
}

static char *next_candidate(const char *word, int state)
{
    static size_t at;
    const struct popup *popup = &active->input.popup;
    if (state == 0)
        at = 0;
    while (at < popup->n_candidates) {
        const char *text = popup->candidates[at++].text;
        if (strncmp(text, word, strlen(word)) == 0)
            return strdup(text);
    }
    return NULL;
}

static char **complete(const char *word, int start, int end)
{
    (void)end;
    rl_attempted_completion_over = 1; /* never file names by itself */
    if (active == NULL)
        return NULL;
    popup_fill(active, word, (size_t)start);
    return rl_completion_matches(word, next_candidate);
}

static void show_matches(char **matches, int n_matches, int max_length)
{
    (void)matches;
    (void)max_length;
    if (active != NULL && n_matches > 0) {
        active->input.popup.open = true;
        line_changed();
    }
}

/* The list stays open and narrows while the word is typed on. */
static void popup_follow(struct ui *ui)
{
    int start = rl_point;
    while (start > 0 && strchr(" \t\n", rl_line_buffer[start - 1]) == NULL)
        start--;
    char *word = strndup(rl_line_buffer + start, (size_t)(rl_point - start));
    if (word == NULL || word[0] == '\0')
        popup_clear(&ui->input.popup);
    else
        popup_fill(ui, word, (size_t)start);
    ui->input.popup.open = ui->input.popup.n_candidates > 0;
    free(word);
}

/* Life cycle ------------------------------------------------------------------------------- */

static void set_hooks(struct input *input)
{
    rl_readline_name = "banter";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_persistent_signal_handlers = 0;
    rl_change_environment = 0; /* it would export LINES and COLUMNS, which then never change */
    rl_prep_term_function = no_preparation;
    rl_deprep_term_function = no_restoration;
    rl_getc_function = next_byte;
    rl_input_available_hook = byte_is_there;
    rl_redisplay_function = line_changed;
    rl_completion_display_matches_hook = show_matches;
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = " \t\n";
    rl_completion_append_character = ' ';
    rl_instream = input->nothing_in;
    rl_outstream = input->nothing_out;
}

/* What plain reading of lines expects. */
static void reset_hooks(void)
{
    rl_catch_signals = 1;
    rl_prep_term_function = rl_prep_terminal;
    rl_deprep_term_function = rl_deprep_terminal;
    rl_getc_function = rl_getc;
    rl_input_available_hook = NULL;
    rl_redisplay_function = rl_redisplay;
    rl_completion_display_matches_hook = NULL;
    rl_attempted_completion_function = NULL;
    rl_instream = rl_outstream = NULL;
}

/* Once in a process: readline reads the user's inputrc only the first time. */
static void start_readline(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    editing_prepare();
    rl_variable_bind("show-all-if-ambiguous", "on");
    rl_variable_bind("revert-all-at-newline", "on");
    rl_initialize();
    /* readline switches this off because it sees no terminal; then the user's word counts. */
    rl_variable_bind("enable-active-region", "on");
    rl_re_read_init_file(1, 0);
    editing_adopt();
}

/* Whatever inputrc says: these would write to the terminal, or read from it, or sleep. */
static void forbid(void)
{
    rl_variable_bind("bell-style", "none");
    rl_variable_bind("blink-matching-paren", "off");
    rl_completion_query_items = 0;
}

static void load_history(const struct ui *ui)
{
    struct history_list list;
    size_t size = ui->options.history_size > 0 ? ui->options.history_size : 1000;
    using_history();
    clear_history();
    if (ui->options.history_path == NULL ||
        !history_load(ui->options.history_path, size, &list))
        return;
    for (size_t i = 0; i < list.n_entries; i++)
        add_history(list.entries[i]);
    history_release(&list);
}

bool input_open(struct ui *ui, struct ui_error *error)
{
    struct input *input = &ui->input;
    if (active != NULL) {
        snprintf(error->what, sizeof error->what, "the screen is open already");
        return false;
    }
    input->nothing_in = fopen("/dev/null", "re");
    input->nothing_out = fopen("/dev/null", "we");
    if (input->nothing_in == NULL || input->nothing_out == NULL) {
        snprintf(error->what, sizeof error->what, "cannot open /dev/null");
        return false;
    }
    keys_init(&input->keys, ui->screen.utf8);
    layout_init(&input->image.layout, 1);
    active = ui;
    input->open = true;
    set_hooks(input);
    start_readline();
    forbid();
    load_history(ui);
    rl_callback_handler_install(ui->options.prompt, line_is_there);
    return true;
}

void input_close(struct ui *ui)
{
    struct input *input = &ui->input;
    if (input->open) {
        rl_free_line_state();
        rl_callback_sigcleanup();
        rl_callback_handler_remove();
        clear_history();
        reset_hooks();
        active = NULL;
    }
    if (input->nothing_in != NULL)
        fclose(input->nothing_in);
    if (input->nothing_out != NULL)
        fclose(input->nothing_out);
    popup_clear(&input->popup);
    free(input->popup.candidates);
    keys_release(&input->keys);
    text_buffer_release(&input->queue);
    text_buffer_release(&input->image.prompt);
    text_buffer_release(&input->image.text);
    layout_release(&input->image.layout);
    *input = (struct input){0};
}

void input_resized(int n_rows, int n_columns)
{
    rl_set_screen_size(n_rows, n_columns);
}

/* Keys ------------------------------------------------------------------------------------- */

/* Give readline whole keys, and let it take all of them. */
static void feed(struct ui *ui, const char *bytes, size_t n_bytes)
{
    struct input *input = &ui->input;
    input->queue.n_bytes = input->queue_at = 0;
    input->starved = 0;
    text_buffer_append(&input->queue, bytes, n_bytes);
    while (input->queue_at < input->queue.n_bytes)
        rl_callback_read_char();
    line_changed();
}

/* The end of an escape sequence that nothing is bound to would be typed into the line. */
static bool is_bound(const char *bytes, size_t n_bytes)
{
    int type;
    return rl_function_of_keyseq_len(bytes, n_bytes, rl_get_keymap(), &type) != NULL;
}

static void insert(const char *text, size_t n_bytes)
{
    char *copy = strndup(text, n_bytes);
    if (copy == NULL)
        return;
    rl_begin_undo_group();
    rl_insert_text(copy);
    rl_end_undo_group();
    free(copy);
}

/* An Alt key that nothing is bound to.  In vi mode it is Esc and a character, typed fast or
 * joined on the way. */
static void feed_unbound(struct ui *ui, const char *bytes, size_t n_bytes)
{
    bool is_alt = n_bytes == 2 || ((unsigned char)bytes[1] & 0x80) != 0;
    if (!is_alt || rl_editing_mode != 0)
        return;
    feed(ui, bytes, 1);
    feed(ui, bytes + 1, n_bytes - 1);
}

/* In a search the first line of a paste is what is searched for. */
static void paste(struct ui *ui, const char *text, size_t n_bytes)
{
    if (!RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH)) {
        insert(text, n_bytes);
        return;
    }
    size_t n = 0;
    while (n < n_bytes && (unsigned char)text[n] >= 0x20)
        n++;
    feed(ui, text, n);
}

void input_clear(struct ui *ui)
{
    rl_free_line_state();
    rl_callback_sigcleanup();
    rl_callback_handler_remove();
    rl_replace_line("", 1);
    if (rl_editing_mode == 0)
        rl_vi_insertion_mode(1, 0);
    rl_callback_handler_install(ui->options.prompt, line_is_there);
    line_changed();
}

static void control_key(struct ui *ui, char key)
{
    if (key == ('Z' & 0x1F)) {
        ui_event_add(ui, UI_SUSPEND, NULL, 0);
    } else if (ui->busy) {
        ui_event_add(ui, UI_INTERRUPT, NULL, 0);
    } else {
        bool was_empty = rl_end == 0 && !RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH);
        input_clear(ui);
        if (was_empty)
            ui_event_add(ui, UI_INTERRUPT, NULL, 0);
    }
}

static bool is_typing(const struct keys_token *key)
{
    unsigned char first = (unsigned char)key->bytes[0];
    return key->type == KEYS_CHARACTER && (first > 0x20 || first == '\b');
}

void input_key(struct ui *ui, const struct keys_token *key)
{
    bool popup_was_open = ui->input.popup.open;
    int number;
    ui->input.popup.open = false;
    line_changed();
    switch (key->type) {
    case KEYS_ESCAPE:
        if (popup_was_open) /* the key closed the list, and that is all */
            break;
        if (ui->busy)
            ui_event_add(ui, UI_INTERRUPT, NULL, 0);
        else
            feed(ui, key->bytes, key->n_bytes);
        break;
    case KEYS_NEWLINE: insert("\n", 1); break;
    case KEYS_PASTE: paste(ui, key->bytes, key->n_bytes); break;
    case KEYS_SEQUENCE:
        if (is_bound(key->bytes, key->n_bytes)) /* inputrc has the last word */
            feed(ui, key->bytes, key->n_bytes);
        else if (keys_name(key, &number) == KEYS_FUNCTION)
            ui_event_add_number(ui, UI_FUNCTION, number);
        else
            feed_unbound(ui, key->bytes, key->n_bytes);
        break;
    case KEYS_CHARACTER:
        if (key->bytes[0] == ('C' & 0x1F) || key->bytes[0] == ('Z' & 0x1F))
            control_key(ui, key->bytes[0]);
        else
            feed(ui, key->bytes, key->n_bytes);
        if (popup_was_open && is_typing(key))
            popup_follow(ui);
        break;
    }
    if (ui->input.queue.capacity > 1u << 16)
        text_buffer_release(&ui->input.queue);
}

void input_replace(struct ui *ui, const char *text, size_t n_bytes)
{
    struct text_buffer clean = {0};
    (void)ui;
    input_clear(ui);
    if (keys_clean_paste(text, n_bytes, &clean)) {
        insert(clean.bytes, clean.n_bytes);
        rl_point = rl_end;
    }
    text_buffer_release(&clean);
    line_changed();
}

void input_remember(struct ui *ui, const char *text, size_t n_bytes)
{
    if (!history_wants(text, n_bytes))
        return;
    char *copy = strndup(text, n_bytes);
    if (copy == NULL)
        return;
    /* The older equal entry goes, so that the keys never show the same line twice. */
    HIST_ENTRY **list = history_list();
    for (int i = 0; list != NULL && list[i] != NULL; i++) {
        if (strcmp(list[i]->line, copy) == 0) {
            free_history_entry(remove_history(i));
            break;
        }
    }
    add_history(copy);
    using_history();
    free(copy);
    if (ui->options.history_path != NULL)
        history_append(ui->options.history_path, text, n_bytes);
}
