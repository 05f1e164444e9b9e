/* tabulate.h - plain text tables in the layout of Azure's command line (F-02): columns apart by two blanks, a
 * dashed rule under the head, every column as wide as its widest cell and two more than its title at least,
 * no blanks at line ends. */
#ifndef VNETSIM_TOPOLOGY_TABULATE_H
#define VNETSIM_TOPOLOGY_TABULATE_H

#include <stddef.h>
#include <stdio.h>

/* Print a table; cell holds rows * cols texts, row by row, NULL meaning empty. Widths count bytes.
 * => 0, or a negative errno when writing failed. */
int tabulate(FILE *to, const char *const *head, size_t cols, const char *const *cell, size_t rows);

/* => 0, or the negative errno of what was written to the stream so far, buffered output included. */
int stream_status(FILE *to);

#endif
