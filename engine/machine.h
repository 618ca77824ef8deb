/*
 * machine.h - what this machine allows: memory read, int8 and f32 arithmetic
 *
 * The limits that a figure is measured by.  They are rates of a moment, for the rates of a machine
 * that others use too change from one second to the next: a figure is compared with a reading just
 * before and just behind it.
 *
 * Thread: one at a time; the machine's own threads compute and sleep in between.
 */
#ifndef ENGINE_MACHINE_H
#define ENGINE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/kernel_level.h"

struct machine; /* threads, and memory to read */

struct machine_options {
    enum kernel_level level; /* whose instructions compute; one that is supported */
    int n_threads;           /* 0: chosen, as a session does */
    bool small_pages;        /* do not ask for huge pages */
    /*
     * To read; 0: 512 MB, beyond what caches hold, or a quarter of the memory that is free.  A read
     * of these takes some 20 to 40 ms on a machine of today.
     */
    uint64_t buffer_bytes;
};

/* Errors: NO_MEMORY, FAILED (no thread could be started). */
enum status machine_new(struct machine **out, const struct machine_options *options,
                        struct error *error);
void machine_free(struct machine **machine); /* NULL is allowed */

int machine_thread_count(const struct machine *machine);
uint64_t machine_buffer_bytes(const struct machine *machine);
/* Bytes of the buffer that huge pages back, as the system says; 0 where it does not say. */
uint64_t machine_huge_bytes(const struct machine *machine);
/* Was reading faster here when lines were asked for ahead of their use?  machine_read() does so. */
bool machine_reads_ahead(const struct machine *machine);

/*
 * The three limits, of n_threads (1 .. machine_thread_count()) at this moment.
 * read: bytes a second of the whole buffer, each thread its own contiguous part, vector loads.
 * int8, f32: operations a second on registers alone, by the widest instructions of the level; a
 * multiply-add is two operations.  int8 at AVX2 is counted as for 4-bit weights, whose products
 * are summed in 16 bits before they are widened; wider weights cannot reach it.
 */
double machine_read(struct machine *machine, int n_threads);
double machine_int8(struct machine *machine, int n_threads);
double machine_f32(struct machine *machine, int n_threads);

/* What all threads reach now: one read, some milliseconds of int8. */
struct machine_moment {
    double read, int8; /* bytes, operations a second */
};

struct machine_moment machine_moment(struct machine *machine);

#endif
