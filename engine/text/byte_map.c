/*
 * byte_map.c - GPT-2's printable stand-ins for bytes
 */
#include "engine/text/byte_map.h"

#include "engine/text/utf8.h"

static bool stands_for_itself(uint32_t byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

void byte_map_build(struct byte_map *map)
{
    uint32_t next = 0x100;

    for (uint32_t code_point = 0; code_point < 0x144; code_point++)
        map->byte_of[code_point] = -1;
    for (uint32_t byte = 0; byte < 256; byte++)
        map->byte_of[stands_for_itself(byte) ? byte : next++] = (int16_t)byte;
}

bool byte_map_decode(const struct byte_map *map, const char *mapped, size_t n_bytes, char *out,
                     size_t *n_out)
{
    size_t n = 0;

    for (size_t at = 0; at < n_bytes;) {
        struct utf8_step step = utf8_read(mapped + at, n_bytes - at);
        if (step.state != UTF8_VALID || step.code_point >= 0x144 ||
            map->byte_of[step.code_point] < 0)
            return false;
        out[n++] = (char)map->byte_of[step.code_point];
        at += step.n_bytes;
    }
    *n_out = n;
    return true;
}
