/* support_mem.h - what every fixture of a table does last. */
#ifndef VNETSIM_TESTS_SUPPORT_MEM_H
#define VNETSIM_TESTS_SUPPORT_MEM_H

/* End failing allocation and end the program where a table block is still live (mem_int.h). It aborts,
 * because Criterion prints a failed assertion of a teardown and still counts the test as passed. */
void support_mem_none_live(void);

#endif
