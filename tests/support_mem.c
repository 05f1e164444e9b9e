/* support_mem.c - see support_mem.h. */
#include "tests/support_mem.h"
#include "dataplane/mem_int.h"

#include <stdio.h>
#include <stdlib.h>

void support_mem_none_live(void)
{
    mem_fail_after(MEM_NEVER_FAIL);
    if (!mem_live_blocks() && !mem_live_bytes())
        return;
    fprintf(stderr, "leak: %zu blocks, %zu bytes\n", mem_live_blocks(), mem_live_bytes());
    abort();
}
