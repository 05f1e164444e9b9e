/* mem_int.h - failing allocation and leak counts, for tests and benchmarks only. Per thread. */
#ifndef VNETSIM_DATAPLANE_MEM_INT_H
#define VNETSIM_DATAPLANE_MEM_INT_H

#include <stddef.h>
#include <stdint.h>

#define MEM_NEVER_FAIL SIZE_MAX

/* Let n more allocations succeed and every later one fail, until called again; MEM_NEVER_FAIL ends it. */
void mem_fail_after(size_t n);

/* => blocks and bytes that this thread allocated less those that it freed. */
size_t mem_live_blocks(void);
size_t mem_live_bytes(void);

#endif
