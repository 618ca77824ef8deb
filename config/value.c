/*
 * value.c - text to values and back, by the schema and not by how the text looks
 *
 * So `no`, `on`, `1e3`, `0x10` and `12:30` never surprise: an integer is decimal digits, a number
 * is a decimal fraction, a boolean is one of six words.  Nothing here depends on the locale.
 */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/internal.h"

/* The start of a text, quoted, for a message. */
static const char *shown(const char *text, char *buffer, size_t n_bytes)
{
    size_t n = strlen(text);

    if (n + 3 <= n_bytes)
        snprintf(buffer, n_bytes, "\"%s\"", text);
    else
        snprintf(buffer, n_bytes, "\"%.*s...\"", (int)(n_bytes - 6), text);
    return buffer;
}

static bool all_digits(const char *text)
{
    if (*text == '\0')
        return false;
    return text[strspn(text, "0123456789")] == '\0';
}

/* [+-] digits [k | M], k and M only for counts of tokens. */
static bool parse_integer(const struct config_option *option, const char *text, int64_t *out)
{
    char digits[24];
    size_t n = strlen(text);
    int64_t factor = 1;
    char *end;

    if (n == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text, n + 1);
    if (option->counts_tokens && strchr("kKM", digits[n - 1]) != NULL) {
        factor = digits[n - 1] == 'M' ? 1048576 : 1024;
        digits[n - 1] = '\0';
    }
    if (!all_digits(digits + (digits[0] == '-' || digits[0] == '+')))
        return false;
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (errno != 0 || *end != '\0' || __builtin_mul_overflow(value, factor, out))
        return false;
    return true;
}

/* [+-] digits [. digits] [e [+-] digits]; a digit on at least one side of the point. */
static bool looks_like_number(const char *text)
{
    size_t n_whole, n_fraction = 0;

    if (*text == '-' || *text == '+')
        text++;
    n_whole = strspn(text, "0123456789");
    text += n_whole;
    if (*text == '.') {
        text++;
        n_fraction = strspn(text, "0123456789");
        text += n_fraction;
    }
    if (n_whole + n_fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+')
            text++;
        return all_digits(text);
    }
    return *text == '\0';
}

static bool parse_number(const char *text, double *out)
{
    if (!looks_like_number(text))
        return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0)
        return false;
    *out = strtod_l(text, NULL, plain);
    freelocale(plain);
    return isfinite(*out);
}

static bool parse_boolean(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "on", "yes"};
    static const char *const no[] = {"false", "off", "no"};

    for (size_t i = 0; i < 3; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

const char *config_number_text(double number, char *buffer, size_t n_bytes)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = (locale_t)0;

    if (plain != (locale_t)0)
        before = uselocale(plain);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buffer, n_bytes, "%.*g", digits, number);
        double back = strtod(buffer, NULL);
        if (back >= number && back <= number)
            break;
    }
    if (plain != (locale_t)0) {
        uselocale(before);
        freelocale(plain);
    }
    return buffer;
}

const char *config_value_expected(const struct config_option *option, char *buffer,
                                  size_t n_bytes)
{
    char low[32], high[32];
    size_t n = 0;

    switch (option->type) {
    case CONFIG_STRING: snprintf(buffer, n_bytes, "text"); break;
    case CONFIG_PATH: snprintf(buffer, n_bytes, "a path"); break;
    case CONFIG_BOOLEAN: snprintf(buffer, n_bytes, "true or false"); break;
    case CONFIG_INTEGER:
        snprintf(buffer, n_bytes, "a whole number in [%.0f, %.0f]", option->minimum,
                 option->maximum);
        break;
    case CONFIG_NUMBER:
        snprintf(buffer, n_bytes, "a number in %c%s, %s%c", option->open_minimum ? '(' : '[',
                 config_number_text(option->minimum, low, sizeof low),
                 config_number_text(option->maximum, high, sizeof high),
                 option->open_maximum ? ')' : ']');
        break;
    case CONFIG_CHOICE:
        buffer[0] = '\0';
        for (const char *const *choice = option->choices; *choice != NULL && n < n_bytes;
             choice++)
            n += (size_t)snprintf(buffer + n, n_bytes - n, "%s%s", n == 0 ? "one of " : ", ",
                                  *choice);
        break;
    }
    return buffer;
}

static bool in_range(const struct config_option *option, double value)
{
    if (value < option->minimum || (option->open_minimum && value <= option->minimum))
        return false;
    return value < option->maximum || (!option->open_maximum && value <= option->maximum);
}

/* Two texts joined by a slash, or a copy of the second alone; NULL: out of memory. */
static char *joined(const char *folder, const char *name)
{
    size_t n_bytes = (folder != NULL ? strlen(folder) + 1 : 0) + strlen(name) + 1;
    char *path = malloc(n_bytes);

    if (path != NULL)
        snprintf(path, n_bytes, "%s%s%s", folder != NULL ? folder : "",
                 folder != NULL ? "/" : "", name);
    return path;
}

static char *expanded_path(const char *text, const char *folder)
{
    if (text[0] == '~' && text[1] == '/')
        return joined(config_home(), text + 2);
    if (text[0] == '/')
        return joined(NULL, text);
    return joined(folder, text);
}

/* Is it one of the choices?  Otherwise what was meant, or NULL. */
static bool is_choice(const struct config_option *option, const char *text,
                      const char **suggestion)
{
    size_t n = 0;

    for (; option->choices[n] != NULL; n++) {
        if (strcmp(option->choices[n], text) == 0)
            return true;
    }
    *suggestion = config_suggest(text, option->choices, n);
    return false;
}

/* The text belongs to an option of type STRING, PATH or CHOICE. */
static bool parse_text(const struct config_option *option, const char *text, const char *folder,
                       struct config_value *out)
{
    if (text[0] == '\0' && option->built_in == NULL) {
        out->text = NULL;
        return true;
    }
    if (option->type == CONFIG_PATH)
        out->text = expanded_path(text, folder);
    else
        out->text = joined(NULL, text);
    return out->text != NULL;
}

bool config_value_parse(const struct config_option *option, const char *text,
                        const char *folder, struct config_value *out, char *what,
                        size_t n_bytes)
{
    const char *suggestion = NULL;
    char expected[160], got[80];
    bool good = false;

    *out = (struct config_value){0};
    switch (option->type) {
    case CONFIG_INTEGER:
        good = parse_integer(option, text, &out->integer) &&
               in_range(option, (double)out->integer);
        break;
    case CONFIG_NUMBER:
        good = parse_number(text, &out->number) && in_range(option, out->number);
        break;
    case CONFIG_BOOLEAN: good = parse_boolean(text, &out->boolean); break;
    case CONFIG_CHOICE:
        good = (text[0] == '\0' && option->built_in == NULL) ||
               is_choice(option, text, &suggestion);
        break;
    case CONFIG_STRING:
    case CONFIG_PATH: good = true; break;
    }
    if (!good) {
        snprintf(what, n_bytes, "\"%s\" must be %s, got %s%s%s%s", option->key,
                 config_value_expected(option, expected, sizeof expected),
                 shown(text, got, sizeof got), suggestion != NULL ? " (did you mean \"" : "",
                 suggestion != NULL ? suggestion : "", suggestion != NULL ? "\"?)" : "");
        return false;
    }
    if (option->type == CONFIG_STRING || option->type == CONFIG_PATH ||
        option->type == CONFIG_CHOICE) {
        if (!parse_text(option, text, folder, out)) {
            snprintf(what, n_bytes, "out of memory");
            return false;
        }
    }
    return true;
}
