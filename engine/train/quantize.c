/*
 * quantize.c - a model file in other tensor types
 */
#include "engine/quantize.h"

#include <stddef.h>

const char *const quantize_mix_names[] = {"F32",    "F16",    "BF16", "Q8_0", "Q6_K",
                                          "Q5_K_M", "Q4_K_M", "Q4_0", NULL};
