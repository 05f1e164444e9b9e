/* mem.h - memory of the tables: allocation that can fail and be made to fail.
 *
 * Every block is zeroed; from 64 bytes on it starts on a cache line; blocks of 2 MiB and more are mapped
 * on their own, aligned for transparent huge pages and advised to use them. Blocks are freed with their
 * size. Tests make allocation fail and watch what is live through mem_int.h. */
#ifndef VNETSIM_DATAPLANE_MEM_H
#define VNETSIM_DATAPLANE_MEM_H

#include <stddef.h>

#define MEM_LINE 64 /* cache line */

/* => bytes of zeroed memory aligned for any type and as said above, owned by the caller; NULL: out of
 * memory. 0 bytes count as 1. */
void *mem_alloc(size_t bytes);

/* => n * size bytes as by mem_alloc; NULL also when the product overflows. */
void *mem_array(size_t n, size_t size);

/* Resize p from old to bytes (more or fewer), keeping the common part and zeroing what is new. p may be NULL
 * with old 0.
 * => the new block (p is gone), or NULL: out of memory, p is as it was. */
void *mem_resize(void *p, size_t old, size_t bytes);

/* Give back a block of that size; NULL is allowed. */
void mem_free(void *p, size_t bytes);

#endif
