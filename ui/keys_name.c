/*
 * keys_name.c - names of the keys that terminals send as escape sequences (keys.h)
 *
 * What xterm, rxvt, the Linux console and terminals with kitty's protocol send.  A modifier of
 * 1 is none; keys with others are other keys.
 */
#include "ui/keys.h"

/* Numbers before "~": the function keys have gaps, for reasons of the VT220. */
static enum keys_name name_of_number(int value, int *number)
{
    static const unsigned char functions[] = {11, 12, 13, 14, 15, 17, 18, 19, 20, 21,
                                              23, 24, 25, 26, 28, 29, 31, 32, 33, 34};
    for (int i = 0; i < (int)sizeof functions; i++) {
        if (functions[i] == value) {
            *number = i + 1;
            return KEYS_FUNCTION;
        }
    }
    switch (value) {
    case 1:
    case 7: return KEYS_HOME;
    case 4:
    case 8: return KEYS_END;
    case 5: return KEYS_PAGE_UP;
    case 6: return KEYS_PAGE_DOWN;
    default: return KEYS_NAMELESS;
    }
}

static enum keys_name name_of_final(char final, int *number)
{
    switch (final) {
    case 'A': return KEYS_UP;
    case 'B': return KEYS_DOWN;
    case 'C': return KEYS_RIGHT;
    case 'D': return KEYS_LEFT;
    case 'H': return KEYS_HOME;
    case 'F': return KEYS_END;
    case 'Z': return KEYS_BACK_TAB;
    case 'P':
    case 'Q':
    case 'R':
    case 'S': *number = final - 'P' + 1; return KEYS_FUNCTION;
    default: return KEYS_NAMELESS;
    }
}

/* "ESC [ 15 ; 1 ~": the first number, and whether a modifier is held. */
static int read_parameters(const struct keys_token *token, bool *modified)
{
    int values[2] = {0, 1}, n = 0;
    *modified = false;
    for (size_t i = 2; i + 1 < token->n_bytes; i++) {
        char c = token->bytes[i];
        if (c == ';' && n == 0)
            values[++n] = 0;
        else if (c >= '0' && c <= '9' && values[n] < 1000)
            values[n] = values[n] * 10 + (c - '0');
        else
            *modified = true; /* nothing that is known here */
    }
    *modified = *modified || values[1] != 1;
    return values[0];
}

enum keys_name keys_name(const struct keys_token *token, int *number)
{
    *number = 0;
    if (token->type != KEYS_SEQUENCE || token->n_bytes < 3)
        return KEYS_NAMELESS;
    char second = token->bytes[1], final = token->bytes[token->n_bytes - 1];
    if (second == 'O')
        return token->n_bytes == 3 ? name_of_final(final, number) : KEYS_NAMELESS;
    if (second != '[')
        return KEYS_NAMELESS;
    if (token->bytes[2] == '[') { /* the Linux console: ESC [ [ A is F1 */
        if (token->n_bytes != 4 || final < 'A' || final > 'E')
            return KEYS_NAMELESS;
        *number = final - 'A' + 1;
        return KEYS_FUNCTION;
    }
    bool modified;
    int value = read_parameters(token, &modified);
    if (modified)
        return KEYS_NAMELESS;
    return final == '~' ? name_of_number(value, number) : name_of_final(final, number);
}
