/* mem.c - see mem.h.
 *
 * The only state is what tests look at: a countdown and two counts, one set for each thread. They are written
 * by allocation, which packet code never does.
 *
 * Large blocks come from mmap and not from the C library: it hands them out unaligned, so that the first
 * and last 2 MiB never become huge pages, and it may recycle heap memory that would have to be cleared. */
#include "dataplane/mem.h"
#include "dataplane/mem_int.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static _Thread_local size_t fail_after = MEM_NEVER_FAIL, live_blocks, live_bytes;

void mem_fail_after(size_t n)
{
    fail_after = n;
}

size_t mem_live_blocks(void)
{
    return live_blocks;
}

size_t mem_live_bytes(void)
{
    return live_bytes;
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* bytes: a multiple of HUGE_PAGE. Map one page more than asked, cut off what lies outside the aligned
 * middle. */
static void *map_huge(size_t bytes)
{
    size_t span = bytes + HUGE_PAGE;
    unsigned char *m = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return NULL;
    size_t head = round_up((uintptr_t)m, HUGE_PAGE) - (uintptr_t)m, tail = span - bytes - head;
    if (head)
        munmap(m, head);
    if (tail)
        munmap(m + head + bytes, tail);
    madvise(m + head, bytes, MADV_HUGEPAGE); /* advice only: small pages are slower, not wrong */
    return m + head;
}

static void *alloc_small(size_t bytes)
{
    if (bytes < MEM_LINE)
        return calloc(1, bytes + !bytes);
    void *p = aligned_alloc(MEM_LINE, round_up(bytes, MEM_LINE));
    if (p)
        memset(p, 0, bytes);
    return p;
}

void *mem_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    if (fail_after != MEM_NEVER_FAIL && fail_after-- == 0) {
        fail_after = 0;
        return NULL;
    }
    void *p = bytes >= HUGE_PAGE ? map_huge(round_up(bytes, HUGE_PAGE)) : alloc_small(bytes);
    if (p) {
        live_blocks++;
        live_bytes += bytes;
    }
    return p;
}

void *mem_array(size_t n, size_t size)
{
    return size && n > SIZE_MAX / size ? NULL : mem_alloc(n * size);
}

void *mem_resize(void *p, size_t old, size_t bytes)
{
    void *q = mem_alloc(bytes);
    if (q && p) {
        memcpy(q, p, old < bytes ? old : bytes);
        mem_free(p, old);
    }
    return q;
}

void mem_free(void *p, size_t bytes)
{
    if (!p)
        return;
    live_blocks--;
    live_bytes -= bytes;
    if (bytes >= HUGE_PAGE)
        munmap(p, round_up(bytes, HUGE_PAGE));
    else
        free(p);
}
