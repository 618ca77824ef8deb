/*
 * byte_map.h - GPT-2's printable stand-ins for bytes
 *
 * Files write ordinary tokens with one character for each byte: the bytes 33-126, 161-172 and
 * 174-255 stand for themselves as code points, the other 68 in rising order are U+0100 .. U+0143
 * (space is U+0120, line feed U+010A).
 *
 * Thread: pure functions.
 */
#ifndef ENGINE_TEXT_BYTE_MAP_H
#define ENGINE_TEXT_BYTE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byte_map {
    int16_t byte_of[0x144]; /* by code point; -1: stands for no byte */
};

void byte_map_build(struct byte_map *map);
/*
 * Mapped text to bytes; out has room for n_bytes.  false when a character stands for no byte (*out
 * is then undefined).
 */
bool byte_map_decode(const struct byte_map *map, const char *mapped, size_t n_bytes, char *out,
                     size_t *n_out);

#endif
