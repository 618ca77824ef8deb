/*
 * screen.c - takes the terminal and gives it back
 *
 * Taking: the terminal is opened by its name, so that standard input and output stay free;
 * curses gets it in raw mode, without keypad translation, because readline wants the bytes.
 * Giving back: endwin(), then the saved settings of the line.  For a crash the same is done by
 * ui_emergency_restore() from bytes that were made ready when the terminal was taken.
 */
#include "ui/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>

#define SIZE_MAX_CELLS 1000 /* rows and columns that are believed */

static const char paste_on[] = "\033[?2004h";
static const char paste_off[] = "\033[?2004l";
static const char frame_end[] = "\033[?2026l";

/* Signals whose handlers newterm() would set; the app's stay. */
static const int kept_signals[] = {SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
#define N_KEPT_SIGNALS (sizeof kept_signals / sizeof kept_signals[0])

/* What a crash writes.  Set while the terminal is ours; read by a signal handler. */
static struct {
    volatile sig_atomic_t armed;
    int fd;
    size_t n_bytes;
    char bytes[160];
    struct termios saved;
} emergency;

void ui_emergency_restore(void)
{
    if (!emergency.armed)
        return;
    int saved_errno = errno;
    emergency.armed = 0;
    size_t at = 0;
    while (at < emergency.n_bytes) {
        ssize_t n = write(emergency.fd, emergency.bytes + at, emergency.n_bytes - at);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    tcsetattr(emergency.fd, TCSANOW, &emergency.saved);
    errno = saved_errno;
}

static void emergency_add(const char *bytes)
{
    if (bytes == NULL || bytes == (char *)-1) /* how terminfo says that there is none */
        return;
    size_t n_bytes = strlen(bytes);
    if (n_bytes > sizeof emergency.bytes - emergency.n_bytes)
        return;
    memcpy(emergency.bytes + emergency.n_bytes, bytes, n_bytes);
    emergency.n_bytes += n_bytes;
}

static void arm_emergency(const struct screen *screen)
{
    emergency.n_bytes = 0;
    emergency.fd = screen->fd_out;
    emergency.saved = screen->saved;
    emergency_add(frame_end);
    emergency_add(paste_off);
    emergency_add(tigetstr("sgr0"));
    emergency_add(tigetstr("cnorm"));
    emergency_add(tigetstr("rmcup"));
    emergency_add("\r\n");
    emergency.armed = 1;
}

void screen_write(const struct screen *screen, const char *bytes)
{
    size_t at = 0, n_bytes = strlen(bytes);
    while (!screen->abandoned && at < n_bytes) {
        ssize_t n = write(screen->fd_out, bytes + at, n_bytes - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        at += (size_t)n;
    }
}

/* Taking the terminal ---------------------------------------------------------------------- */

static bool wants_color(enum ui_color color)
{
    const char *no_color = getenv("NO_COLOR");
    if (color != UI_COLOR_AUTO)
        return color == UI_COLOR_ALWAYS;
    return no_color == NULL || no_color[0] == '\0';
}

static void start_colors(struct screen *screen, enum ui_color color)
{
    screen->color = wants_color(color) && has_colors() && start_color() == OK;
    if (!screen->color)
        return;
    int background = use_default_colors() == OK ? -1 : COLOR_BLACK;
    init_pair(PAIR_USER, COLOR_CYAN, (short)background);
    init_pair(PAIR_ANSWER, COLOR_GREEN, (short)background);
    init_pair(PAIR_ERROR, COLOR_RED, (short)background);
    init_pair(PAIR_ACCENT, COLOR_YELLOW, (short)background);
    init_pair(PAIR_NGRAM, COLOR_CYAN, (short)background);
    init_pair(PAIR_DRAFT, COLOR_YELLOW, (short)background);
    init_pair(PAIR_MTP, COLOR_MAGENTA, (short)background);
}

static bool open_files(struct screen *screen, const char *path, struct ui_error *error)
{
    screen->fd_in = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    screen->fd_out = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (screen->fd_in < 0 || screen->fd_out < 0 || !isatty(screen->fd_out)) {
        snprintf(error->what, sizeof error->what, "no terminal: %.80s: %.80s", path,
                 strerror(errno));
        return false;
    }
    int fd_in = fcntl(screen->fd_out, F_DUPFD_CLOEXEC, 0);
    int fd_out = fcntl(screen->fd_out, F_DUPFD_CLOEXEC, 0);
    screen->in = fd_in < 0 ? NULL : fdopen(fd_in, "r");
    screen->out = fd_out < 0 ? NULL : fdopen(fd_out, "w");
    if (screen->in == NULL || screen->out == NULL ||
        tcgetattr(screen->fd_out, &screen->saved) != 0) {
        snprintf(error->what, sizeof error->what, "no terminal: %.80s", strerror(errno));
        return false;
    }
    return true;
}

/* Does the terminal's description know how to move the cursor?  Dumb ones do not. */
static bool check_description(const struct screen *screen, struct ui_error *error)
{
    const char *name = getenv("TERM");
    int found = 0;
    if (name == NULL || name[0] == '\0') {
        snprintf(error->what, sizeof error->what, "TERM is not set");
        return false;
    }
    char shown[64];
    ui_filter_line(name, strlen(name), shown, sizeof shown);
    if (setupterm(name, screen->fd_out, &found) != OK) {
        snprintf(error->what, sizeof error->what, "terminal type \"%s\" is unknown", shown);
        return false;
    }
    const char *move = tigetstr("cup");
    bool good = move != NULL && move != (const char *)-1;
    if (!good)
        snprintf(error->what, sizeof error->what, "terminal type \"%s\" cannot move the cursor",
                 shown);
    del_curterm(cur_term);
    return good;
}

static bool start_curses(struct ui *ui, struct ui_error *error)
{
    struct screen *screen = &ui->screen;
    struct sigaction kept[N_KEPT_SIGNALS];
    for (size_t i = 0; i < N_KEPT_SIGNALS; i++)
        sigaction(kept_signals[i], NULL, &kept[i]);
    use_env(FALSE); /* LINES and COLUMNS may be old; the kernel knows */
    use_tioctl(TRUE);
    screen->terminal = newterm(NULL, screen->out, screen->in);
    for (size_t i = 0; i < N_KEPT_SIGNALS; i++)
        sigaction(kept_signals[i], &kept[i], NULL);
    if (screen->terminal == NULL) {
        snprintf(error->what, sizeof error->what, "the terminal cannot be opened");
        return false;
    }
    set_term(screen->terminal);
    raw();
    noecho();
    nonl();
    intrflush(stdscr, FALSE);
    typeahead(-1); /* never leave a frame half drawn because a key was pressed */
    start_colors(screen, ui->options.color);
    return true;
}

bool screen_probe(struct ui *ui, struct ui_error *error)
{
    struct screen *screen = &ui->screen;
    const char *path = ui->options.terminal != NULL ? ui->options.terminal : "/dev/tty";
    screen->fd_in = screen->fd_out = -1;
    screen->utf8 = text_locale_is_utf8();
    screen->ascii = ui->options.ascii || !screen->utf8;
    return open_files(screen, path, error) && check_description(screen, error);
}

bool screen_open(struct ui *ui, struct ui_error *error)
{
    struct screen *screen = &ui->screen;
    if (!start_curses(ui, error))
        return false;
    screen->taken = true;
    arm_emergency(screen);
    /* It flushes what curses holds back: on a tiny screen half an escape sequence. */
    curs_set(1);
    screen_write(screen, paste_on);
    screen_measure(ui);
    return true;
}

static void give_back(struct screen *screen)
{
    if (!screen->taken)
        return;
    screen->taken = false;
    screen_write(screen, paste_off);
    curs_set(1);
    endwin();
    if (!screen->abandoned)
        tcsetattr(screen->fd_out, TCSADRAIN, &screen->saved);
    emergency.armed = 0;
}

void screen_close(struct ui *ui)
{
    struct screen *screen = &ui->screen;
    give_back(screen);
    if (screen->terminal != NULL)
        delscreen(screen->terminal);
    if (screen->in != NULL)
        fclose(screen->in);
    if (screen->out != NULL)
        fclose(screen->out);
    if (screen->fd_in >= 0)
        close(screen->fd_in);
    if (screen->fd_out >= 0)
        close(screen->fd_out);
    free(screen->drawn);
    *screen = (struct screen){.fd_in = -1, .fd_out = -1};
}

void screen_suspend(struct ui *ui)
{
    give_back(&ui->screen);
}

void screen_resume(struct ui *ui)
{
    struct screen *screen = &ui->screen;
    if (screen->taken || screen->abandoned || screen->terminal == NULL)
        return;
    screen->taken = true;
    emergency.armed = 1;
    reset_prog_mode(); /* the rest of what endwin() undid is redone by the next frame */
    screen_write(screen, paste_on);
    screen_measure(ui);
}

/* Everything that curses still writes goes nowhere. */
void screen_abandon(struct ui *ui)
{
    struct screen *screen = &ui->screen;
    if (screen->abandoned || screen->out == NULL)
        return;
    screen->abandoned = true;
    emergency.armed = 0;
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0)
        return;
    dup3(nowhere, fileno(screen->out), O_CLOEXEC);
    dup3(nowhere, fileno(screen->in), O_CLOEXEC);
    close(nowhere);
}

static int believed(int measured, int fallback)
{
    if (measured < 1)
        measured = fallback;
    return measured < 1 ? 1 : measured > SIZE_MAX_CELLS ? SIZE_MAX_CELLS : measured;
}

void screen_measure(struct ui *ui)
{
    struct screen *screen = &ui->screen;
    struct winsize size = {0};
    if (ioctl(screen->fd_out, TIOCGWINSZ, &size) != 0)
        size = (struct winsize){0};
    int n_rows = believed(size.ws_row, screen->n_rows > 0 ? screen->n_rows : LINES);
    int n_columns = believed(size.ws_col, screen->n_columns > 0 ? screen->n_columns : COLS);
    if (n_rows != LINES || n_columns != COLS)
        resizeterm(n_rows, n_columns);
    struct drawn_row *drawn = calloc((size_t)n_rows * UI_PANE_COUNT, sizeof *drawn);
    if (drawn != NULL) {
        free(screen->drawn);
        screen->drawn = drawn;
        screen->n_rows = n_rows;
        screen->n_columns = n_columns;
    }
}
