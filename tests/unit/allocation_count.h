/*
 * allocation_count.h - allocations of the whole process, where the C library lets us look
 *
 * Include in the one file of a test program, after cmocka.h: it takes the place of the allocator's
 * functions, and of mmap().
 */
#ifndef TESTS_UNIT_ALLOCATION_COUNT_H
#define TESTS_UNIT_ALLOCATION_COUNT_H

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/model_fixture.h" /* IS_SANITIZED */

static atomic_long n_allocations;

static inline long allocation_count(void)
{
    return atomic_load(&n_allocations);
}

#if IS_SANITIZED
#define skip_uncounted()                                                                       \
    do {                                                                                       \
        print_message("skip: a sanitizer's allocator cannot be counted\n");                    \
        skip();                                                                                \
    } while (0)
#else
#define skip_uncounted() (void)0

void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t n_bytes);
void *__libc_memalign(size_t alignment, size_t n_bytes);

void *malloc(size_t n_bytes)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_malloc(n_bytes);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t n_bytes)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_realloc(memory, n_bytes);
}

void *aligned_alloc(size_t alignment, size_t n_bytes)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_memalign(alignment, n_bytes);
}

int posix_memalign(void **out, size_t alignment, size_t n_bytes)
{
    *out = aligned_alloc(alignment, n_bytes);
    return *out ? 0 : ENOMEM;
}

void *mmap(void *address, size_t n_bytes, int protection, int flags, int file, off_t offset)
{
    atomic_fetch_add(&n_allocations, 1);
    return (void *)syscall(SYS_mmap, address, n_bytes, protection, flags, file, offset);
}
#endif

#endif
