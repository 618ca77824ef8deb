/*
 * keys.c - bytes of a terminal in, whole keys out (keys.h)
 *
 * Grammar (ECMA-48): ESC [ parameters 0x30-0x3F, intermediates 0x20-0x2F, final 0x40-0x7E; ESC
 * O final; strings ESC ] P X ^ _ up to BEL or ESC \; ESC and a character is Alt.  The mouse
 * report ESC [ M carries three bytes behind its final.  Controls inside a sequence end it.
 */
#include "ui/keys.h"

#include <string.h>

#define ESC '\033'

static const char paste_begin[] = "\033[200~";
static const char paste_end[] = "\033[201~";
#define PASTE_MARK_BYTES 6

/* What the bytes at the start of the input are. */
enum scan { SCAN_PARTIAL, SCAN_KEY, SCAN_DROP, SCAN_NEWLINE, SCAN_PASTE };

void keys_init(struct keys *keys, bool utf8)
{
    *keys = (struct keys){.utf8 = utf8};
}

void keys_release(struct keys *keys)
{
    text_buffer_release(&keys->input);
    text_buffer_release(&keys->paste);
}

void keys_feed(struct keys *keys, const char *bytes, size_t n_bytes, int64_t now_ms)
{
    keys->last_byte_ms = now_ms;
    if (keys->start > 0 && keys->start * 2 >= keys->input.n_bytes) {
        keys->input.n_bytes -= keys->start;
        memmove(keys->input.bytes, keys->input.bytes + keys->start, keys->input.n_bytes);
        keys->start = 0;
    }
    text_buffer_append(&keys->input, bytes, n_bytes);
}

static bool is_bytes(const char *bytes, size_t n_bytes, const char *text)
{
    return strlen(text) == n_bytes && memcmp(bytes, text, n_bytes) == 0;
}

/* A complete control sequence: which ones are keys? */
static enum scan judge_csi(const char *bytes, size_t n_bytes)
{
    char final = bytes[n_bytes - 1];
    bool has_parameters = n_bytes > 3;
    if (is_bytes(bytes, n_bytes, paste_begin))
        return SCAN_PASTE;
    if (is_bytes(bytes, n_bytes, "\033[13;2u") || is_bytes(bytes, n_bytes, "\033[27;2;13~"))
        return SCAN_NEWLINE;
    if (is_bytes(bytes, n_bytes, paste_end))
        return SCAN_DROP;
    /* Private parameters, and intermediates, are in replies and mouse reports only. */
    if (bytes[2] >= '<' && bytes[2] <= '?')
        return SCAN_DROP;
    for (size_t i = 2; i + 1 < n_bytes; i++)
        if (bytes[i] >= 0x20 && bytes[i] <= 0x2F)
            return SCAN_DROP;
    switch (final) {
    case 'c':
    case 'n':
    case 't':
    case 'y': return SCAN_DROP; /* device attributes, status, window reports, modes */
    case 'R': return has_parameters ? SCAN_DROP : SCAN_KEY; /* cursor position, or F3 */
    case 'I':
    case 'O': return has_parameters ? SCAN_KEY : SCAN_DROP; /* focus in and out */
    default: return SCAN_KEY;
    }
}

static enum scan scan_csi(const char *bytes, size_t n_bytes, size_t *length)
{
    size_t i = 2;
    while (i < n_bytes && bytes[i] >= 0x20 && bytes[i] <= 0x3F)
        i++;
    if (i == n_bytes)
        return n_bytes > 64 ? (*length = n_bytes, SCAN_DROP) : SCAN_PARTIAL;
    if (i == 2 && bytes[i] == '[' && i + 1 < n_bytes) { /* function keys of the Linux console */
        *length = i + 2;
        return SCAN_KEY;
    }
    if (i == 2 && bytes[i] == '[')
        return SCAN_PARTIAL;
    if (bytes[i] < 0x40 || bytes[i] > 0x7E) { /* broken: what follows is a key of its own */
        *length = i;
        return SCAN_DROP;
    }
    if (i == 2 && bytes[i] == 'M') {
        *length = 6;
        return n_bytes < 6 ? SCAN_PARTIAL : SCAN_DROP;
    }
    *length = i + 1;
    return judge_csi(bytes, *length);
}

/* Strings: the terminal answers a question that nobody asked. */
static enum scan scan_string(const char *bytes, size_t n_bytes, size_t *length)
{
    for (size_t i = 2; i < n_bytes; i++) {
        if (bytes[i] == '\a' || bytes[i] == 0x18 || bytes[i] == 0x1A) {
            *length = i + 1;
            return SCAN_DROP;
        }
        if (bytes[i] == ESC) {
            if (i + 1 == n_bytes)
                return SCAN_PARTIAL;
            *length = bytes[i + 1] == '\\' ? i + 2 : i;
            return SCAN_DROP;
        }
    }
    *length = n_bytes;
    return n_bytes > KEYS_REPLY_MAX ? SCAN_DROP : SCAN_PARTIAL;
}

static enum scan scan_character(const struct keys *keys, const char *bytes, size_t n_bytes,
                                size_t *length)
{
    unsigned char first = (unsigned char)bytes[0];
    *length = 1;
    if (!keys->utf8 || first < 0x80)
        return SCAN_KEY;
    int expected = text_sequence_length(first);
    if (expected == 0)
        return SCAN_DROP;
    for (int i = 1; i < expected; i++) {
        if ((size_t)i == n_bytes)
            return SCAN_PARTIAL;
        if (!text_continues(first, i, (unsigned char)bytes[i])) {
            *length = (size_t)i;
            return SCAN_DROP;
        }
    }
    *length = (size_t)expected;
    return SCAN_KEY;
}

static enum scan scan_escape(const struct keys *keys, const char *bytes, size_t n_bytes,
                             size_t *length)
{
    if (n_bytes == 1)
        return SCAN_PARTIAL;
    switch (bytes[1]) {
    case '[': return scan_csi(bytes, n_bytes, length);
    case 'O': *length = 3; return n_bytes < 3 ? SCAN_PARTIAL : SCAN_KEY;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_': return scan_string(bytes, n_bytes, length);
    case ESC: /* Esc, and then something that starts with ESC */ *length = 1; return SCAN_KEY;
    default: {
        enum scan scan = scan_character(keys, bytes + 1, n_bytes - 1, length);
        *length += 1;
        return scan;
    }
    }
}

bool keys_clean_paste(const char *bytes, size_t n_bytes, struct text_buffer *out)
{
    out->n_bytes = 0;
    if (n_bytes > SIZE_MAX / 8 || !text_buffer_reserve(out, n_bytes * 3 + 1))
        return false;
    size_t at = 0;
    while (at < n_bytes) {
        uint32_t c = 0;
        size_t used = text_decode(bytes + at, n_bytes - at, &c);
        at += used;
        if (c == '\r') {
            if (at < n_bytes && bytes[at] == '\n')
                at++;
            c = '\n';
        }
        if ((c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0))
            continue;
        out->n_bytes += text_encode(c, out->bytes + out->n_bytes);
    }
    return true;
}

static void consume(struct keys *keys, size_t n_bytes)
{
    keys->start += n_bytes;
    if (keys->start >= keys->input.n_bytes)
        keys->start = keys->input.n_bytes = 0;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Inside a paste: wait for its end mark.  Half of a mark may stand at the end of what has
 * come. */
static bool next_of_paste(struct keys *keys, int64_t now_ms, struct keys_token *token)
{
    const char *bytes = keys->input.bytes + keys->start;
    size_t n_bytes = keys->input.n_bytes - keys->start;
    size_t from = keys->scanned > PASTE_MARK_BYTES ? keys->scanned - PASTE_MARK_BYTES : 0;
    const char *end =
        n_bytes == 0 ? NULL : memmem(bytes + from, n_bytes - from, paste_end, PASTE_MARK_BYTES);
    keys->scanned = n_bytes;
    bool is_late = now_ms - keys->last_byte_ms >= KEYS_PASTE_MS;
    if (end == NULL && !is_late) {
        if (n_bytes > KEYS_PASTE_MAX + PASTE_MARK_BYTES) {
            /* Keep the tail, where half an end mark may stand. */
            memmove(keys->input.bytes + keys->start + KEYS_PASTE_MAX,
                    bytes + n_bytes - PASTE_MARK_BYTES, PASTE_MARK_BYTES);
            keys->input.n_bytes = keys->start + KEYS_PASTE_MAX + PASTE_MARK_BYTES;
            keys->scanned = KEYS_PASTE_MAX;
            keys->paste_cut = true;
        }
        return false;
    }
    size_t n_pasted = end != NULL ? (size_t)(end - bytes) : n_bytes;
    keys_clean_paste(bytes, min_size(n_pasted, KEYS_PASTE_MAX), &keys->paste);
    *token = (struct keys_token){KEYS_PASTE, keys->paste.bytes, keys->paste.n_bytes};
    keys->in_paste = false;
    consume(keys, end != NULL ? n_pasted + PASTE_MARK_BYTES : n_bytes);
    return true;
}

/* Nothing more came: a lone ESC is a key, ESC [ and ESC O are Alt and a character, the rest was
 * never finished. */
static enum scan judge_late(const char *bytes, size_t n_bytes, size_t *length)
{
    *length = n_bytes;
    if (bytes[0] == ESC && n_bytes <= 2)
        return SCAN_KEY;
    return SCAN_DROP;
}

static int patience_ms(const struct keys *keys)
{
    if (keys->in_paste)
        return KEYS_PASTE_MS;
    bool is_lone =
        keys->input.n_bytes - keys->start == 1 && keys->input.bytes[keys->start] == ESC;
    return is_lone ? KEYS_ESCAPE_MS : KEYS_SEQUENCE_MS;
}

bool keys_next(struct keys *keys, int64_t now_ms, struct keys_token *token)
{
    for (;;) {
        if (keys->in_paste)
            return next_of_paste(keys, now_ms, token);
        size_t n_bytes = keys->input.n_bytes - keys->start;
        size_t length = 0;
        if (n_bytes == 0)
            return false;
        const char *bytes = keys->input.bytes + keys->start;
        enum scan scan = bytes[0] == ESC ? scan_escape(keys, bytes, n_bytes, &length)
                                         : scan_character(keys, bytes, n_bytes, &length);
        if (scan == SCAN_PARTIAL) {
            if (now_ms - keys->last_byte_ms < patience_ms(keys))
                return false;
            scan = judge_late(bytes, n_bytes, &length);
        }
        consume(keys, length);
        switch (scan) {
        case SCAN_PASTE:
            keys->in_paste = true;
            keys->paste_cut = false;
            keys->scanned = 0;
            break;
        case SCAN_NEWLINE:
            *token = (struct keys_token){KEYS_NEWLINE, bytes, length};
            return true;
        case SCAN_KEY:
            *token = (struct keys_token){KEYS_CHARACTER, bytes, length};
            if (bytes[0] == ESC)
                token->type = length == 1 ? KEYS_ESCAPE : KEYS_SEQUENCE;
            return true;
        default: break;
        }
    }
}

int keys_timeout_ms(const struct keys *keys, int64_t now_ms)
{
    if (keys->start == keys->input.n_bytes && !keys->in_paste)
        return -1;
    int64_t left = keys->last_byte_ms + patience_ms(keys) - now_ms;
    return left > 0 ? (int)left : 0;
}
