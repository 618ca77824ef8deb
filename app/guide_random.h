/*
 * guide_random.h - random choices of the guide's data that are the same on every machine
 *
 * Pure functions of their arguments; any thread.
 */
#ifndef APP_GUIDE_RANDOM_H
#define APP_GUIDE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guide_random {
    uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014): its output function. */
static inline uint64_t guide_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The stream of one sample: neighbours do not depend on each other. */
static inline struct guide_random guide_stream(uint64_t seed, uint64_t index)
{
    return (struct guide_random){guide_mix(seed * 0x9e3779b97f4a7c15u + guide_mix(index + 1))};
}

static inline uint64_t guide_next(struct guide_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    return guide_mix(random->state);
}

/* Below n; n is at least 1. */
static inline size_t guide_below(struct guide_random *random, size_t n)
{
    return (size_t)((guide_next(random) >> 11) % n);
}

static inline bool guide_chance(struct guide_random *random, unsigned percent)
{
    return guide_below(random, 100) < percent;
}

/* FNV-1a, mixed: the rule that holds texts out goes by this. */
static inline uint64_t guide_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return guide_mix(hash);
}

#endif
