/*
 * subcommand_train.c - `banter train`: a model from data, told as it goes
 */
#include <errno.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/interrupt.h"
#include "app/json.h"
#include "app/loss_plot.h"
#include "app/model_text.h"
#include "app/report.h"
#include "app/signals.h"
#include "app/subcommands.h"
#include "app/train_options.h"
#include "app/training_data.h"
#include "config/config.h"
#include "ui/ui.h"

enum { WINDOW_TOKENS = 512, PLOT_LINES = 16, PLOT_COLUMNS = 80 };

struct train {
    struct invocation *invocation;
    struct train_options options;
    struct model *model; /* owned; a vocabulary */
    struct training_data data, held_out;
    struct output output; /* JSON, and the curve */
    bool json, terminal;  /* standard error can draw over a line */
    double told;          /* seconds of the last line */
    double held_out_loss; /* the last one; negative: none */
    struct train_result result;
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int open_vocabulary(struct train *train)
{
    const struct train_settings *s = &train->options.settings;
    const struct model_options options = {
        .level = s->level,
        .n_threads = s->n_threads,
        .vocabulary_only = true,
        .template_name = config_values(train->invocation->store)->template_name,
    };
    const char *path = s->base_path != NULL ? s->base_path : s->vocabulary_path;
    struct error error = {0};
    char name[512];

    /* Its keys stay mapped to the end: for the message when the file is cut meanwhile. */
    ui_filter_line(path, strlen(path), name, sizeof name);
    signals_name_model(name);
    if (model_open(&train->model, path, &options, &error) != STATUS_OK)
        return report_error(&error);
    return 0;
}

static int read_file(struct train *train, struct training_data *data, const char *path)
{
    const struct train_settings *s = &train->options.settings;
    struct error error = {0};

    data->model = train->model;
    data->pass = s->micro_tokens;
    data->window = s->micro_tokens < WINDOW_TOKENS ? s->micro_tokens : WINDOW_TOKENS;
    if (training_data_read(data, path, &error) == STATUS_OK)
        return 0;
    if (error.status == STATUS_NOT_FOUND)
        error.status = STATUS_USAGE; /* "not found" is the model's exit code */
    return report_error(&error);
}

static int read_data(struct train *train)
{
    const struct invocation *invocation = train->invocation;
    const char *first = invocation->values[FLAG_DATA];
    const char *held_out = invocation->values[FLAG_HELD_OUT];
    int code = first != NULL ? read_file(train, &train->data, first) : 0;

    for (size_t i = 0; i < invocation->n_arguments && code == 0; i++)
        code = read_file(train, &train->data, invocation->arguments[i]);
    if (code == 0 && held_out != NULL)
        code = read_file(train, &train->held_out, held_out);
    if (code != 0)
        return code;
    report("%zu sequences with %llu tokens to learn, %zu held out", train->data.n_sequences,
           (unsigned long long)train->data.n_tokens, train->held_out.n_sequences);
    return 0;
}

/* Of a terminal; 0: it does not say, or is none. */
static unsigned columns_of(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void write_duration(char *buffer, size_t n_bytes, double seconds)
{
    unsigned long whole = seconds > 0 && seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;

    if (whole >= 3600)
        snprintf(buffer, n_bytes, "%luh%02lum", whole / 3600, whole / 60 % 60);
    else
        snprintf(buffer, n_bytes, "%lum%02lus", whole / 60, whole % 60);
}

static void write_line(const struct train *train, const struct train_progress *progress,
                       struct text_buffer *line)
{
    char left[32];

    write_duration(left, sizeof left, progress->seconds_left);
    text_printf(line, "step %llu/%llu  loss %.4f", (unsigned long long)progress->step,
                (unsigned long long)progress->n_steps, progress->loss);
    if (progress->mtp_loss >= 0)
        text_printf(line, "  mtp %.4f", progress->mtp_loss);
    if (train->held_out_loss >= 0)
        text_printf(line, "  held out %.4f", train->held_out_loss);
    text_printf(line, "  %.0f tok/s  %s left", progress->tokens_per_second, left);
}

static void tell(struct train *train, const struct train_progress *progress)
{
    double now = seconds_now();
    bool last = progress->step == progress->n_steps;
    struct text_buffer line = {0};

    if (now - train->told < (train->terminal ? 0.1 : 10) && !last &&
        (train->terminal || progress->held_out_loss < 0))
        return;
    train->told = now;
    write_line(train, progress, &line);
    /* A line that wraps could not be drawn over. */
    unsigned columns = columns_of(STDERR_FILENO);
    int shown = columns > 1 && line.n_bytes >= columns ? (int)columns - 1 : (int)line.n_bytes;
    if (train->terminal)
        fprintf(stderr, "\r%.*s\033[K%s", shown, text_string(&line), last ? "\n" : "");
    else
        fprintf(stderr, "%s\n", text_string(&line));
    fflush(stderr);
    text_release(&line);
}

static void print_step(struct train *train, const struct train_progress *progress)
{
    json_t *object = json_object();

    json_put(object, "step", json_integer((json_int_t)progress->step));
    json_put(object, "steps", json_integer((json_int_t)progress->n_steps));
    json_put(object, "loss", json_real(progress->loss));
    json_put(object, "mtp_loss",
             progress->mtp_loss >= 0 ? json_real(progress->mtp_loss) : json_null());
    json_put(object, "held_out_loss",
             progress->held_out_loss >= 0 ? json_real(progress->held_out_loss) : json_null());
    json_put(object, "learning_rate", json_real(progress->rate));
    json_put(object, "gradient_norm", json_real(progress->gradient_norm));
    json_put(object, "tokens", json_integer((json_int_t)progress->n_tokens));
    json_put(object, "tokens_per_second", json_real(progress->tokens_per_second));
    json_put(object, "seconds_left", json_real(progress->seconds_left));
    json_put(object, "saved", json_boolean(progress->saved));
    json_write(&train->output, object);
    json_decref(object);
}

static void on_progress(void *context, const struct train_progress *progress)
{
    struct train *train = context;

    if (progress->held_out_loss >= 0)
        train->held_out_loss = progress->held_out_loss;
    if (train->json)
        print_step(train, progress);
    tell(train, progress);
}

static void plot(struct train *train)
{
    bool ascii = config_values(train->invocation->store)->ascii ||
                 strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    unsigned columns = columns_of(STDOUT_FILENO);
    const struct loss_plot drawing = {
        .points = train->result.curve,
        .n_points = train->result.n_points,
        .width = columns > 0 ? columns : PLOT_COLUMNS,
        .height = PLOT_LINES,
        .ascii = ascii,
    };
    struct text_buffer text = {0};

    loss_plot_draw(&drawing, &text);
    if (train->json)
        fputs(text_string(&text), stderr);
    else
        output_bytes(&train->output, text_string(&text), text.n_bytes);
    text_release(&text);
}

static void tell_end(const struct train *train)
{
    const struct train_result *result = &train->result;
    struct text_buffer line = {0};

    text_add_count(&line, result->n_parameters);
    text_printf(&line, " parameters, %llu step%s, ", (unsigned long long)result->n_steps,
                result->n_steps == 1 ? "" : "s");
    text_add_count(&line, result->n_tokens);
    text_add(&line, " tokens");
    if (result->held_out_loss >= 0)
        text_printf(&line, ", held-out loss %.4f", result->held_out_loss);
    report("%s: %s", train->options.settings.out_path, text_string(&line));
    text_release(&line);
}

/* The line on a terminal has no end yet. */
static void end_line(const struct train *train)
{
    if (train->terminal && train->told > 0 &&
        train->result.n_steps < train->options.settings.n_steps)
        fputc('\n', stderr);
}

static int finish(struct train *train, enum status status, const struct error *error)
{
    const struct train_settings *s = &train->options.settings;

    end_line(train);
    if (status == STATUS_CANCELLED) {
        report("stopped after step %llu; the same command with --resume goes on from %s",
               (unsigned long long)train->result.n_steps, s->checkpoint_path);
        if (train->invocation->values[FLAG_PLOT] != NULL)
            plot(train);
        interrupt_raise();
        return STATUS_FAILED;
    }
    if (status != STATUS_OK)
        return report_error(error);
    if (!train->options.keeps_checkpoint)
        unlink(s->checkpoint_path);
    if (train->invocation->values[FLAG_PLOT] != NULL)
        plot(train);
    tell_end(train);
    return 0;
}

static int run(struct train *train)
{
    struct train_settings *s = &train->options.settings;
    struct error error = {0};

    s->sequences = train->data.sequences;
    s->n_sequences = train->data.n_sequences;
    s->held_out = train->held_out.sequences;
    s->n_held_out = train->held_out.n_sequences;
    s->cancel = interrupt_wanted();
    s->progress = on_progress;
    s->context = train;
    enum status status = train_run(s, &train->result, &error);
    return finish(train, status, &error);
}

/* What would be found out after hours. */
static int check_out(const struct train *train)
{
    const struct train_settings *s = &train->options.settings;
    const char *slash = strrchr(s->out_path, '/');
    struct stat status;
    struct error error = {0};
    char *folder;
    int failure = 0;

    if (strcmp(s->out_path, s->checkpoint_path) == 0)
        return usage_error(train->invocation, "--out and --checkpoint name the same file");
    if (stat(s->out_path, &status) == 0 && !S_ISREG(status.st_mode))
        return usage_error(train->invocation, "--out: %s is no file", s->out_path);
    folder = slash != NULL ? app_copy(s->out_path, (size_t)(slash - s->out_path) + 1)
                           : app_copy("./", 2);
    if (access(folder, W_OK | X_OK) != 0)
        failure = errno;
    free(folder);
    if (failure == 0)
        return 0;
    error_set(&error, STATUS_IO, "%s", strerror(failure));
    error_path(&error, s->out_path);
    return report_error(&error);
}

/* Hours of work are not overwritten by a flag that was forgotten. */
static int check_checkpoint(const struct train *train)
{
    const struct train_settings *s = &train->options.settings;

    if (s->resume || access(s->checkpoint_path, F_OK) != 0)
        return 0;
    return usage_error(train->invocation,
                       "%s is there: --resume goes on from it; remove it to begin again",
                       s->checkpoint_path);
}

static bool draws_over_lines(int fd)
{
    const char *name = getenv("TERM");

    return isatty(fd) == 1 && name != NULL && strcmp(name, "dumb") != 0;
}

int subcommand_train(struct invocation *invocation)
{
    struct train train = {
        .invocation = invocation,
        .json = invocation->values[FLAG_JSON] != NULL,
        .terminal = draws_over_lines(STDERR_FILENO),
        .held_out_loss = -1,
    };
    int code = invocation_load(invocation);

    output_init(&train.output, STDOUT_FILENO, "standard output", true);
    if (code == 0)
        code = train_options_read(&train.options, invocation);
    if (code == 0)
        code = check_out(&train);
    if (code == 0)
        code = check_checkpoint(&train);
    if (code == 0)
        code = open_vocabulary(&train);
    if (code == 0)
        code = read_data(&train);
    if (code == 0) {
        interrupt_catch();
        code = run(&train);
    }
    train_result_release(&train.result);
    training_data_release(&train.data);
    training_data_release(&train.held_out);
    model_close(&train.model);
    train_options_release(&train.options);
    int written = output_exit_code(&train.output);
    return code != 0 ? code : written;
}
