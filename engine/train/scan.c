/*
 * scan.c - how much memory the scans of a sequence need
 */
#include "engine/train/scan_internal.h"

size_t delta_scan_state(uint32_t n_key, uint32_t n_value)
{
    return delta_layout_of(n_key, n_value, 1).n_state;
}

size_t delta_scan_scratch(uint32_t n_key, uint32_t n_value, uint32_t chunk)
{
    return delta_layout_of(n_key, n_value, chunk).total;
}

size_t attention_scan_scratch(uint32_t n_dim, uint32_t n_tokens)
{
    return attention_layout_of(n_dim, n_tokens).total;
}
