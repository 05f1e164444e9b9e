/* diag.h - findings about the user's input: collected, ordered by place, printed together.
 * One line each: `file:line:column: error: text`, `warning:`, `note:`. */
#ifndef VNETSIM_TOPOLOGY_DIAG_H
#define VNETSIM_TOPOLOGY_DIAG_H

#include "topology/node.h"

#include <stdio.h>

enum severity { SEV_ERROR, SEV_WARNING, SEV_NOTE };

struct finding {
    enum severity severity;
    struct origin at;
    const char *text;
};

struct diag {
    struct arena *arena;
    struct finding *at;
    size_t n, cap, errors, warnings;
    /* private to diag.c */
    const char **file; /* names seen, in order */
    size_t files, files_cap;
    uint32_t *slot;    /* set of findings: index + 1 */
    size_t slots;
    bool repeated;     /* the last finding was a repetition: its notes go too */
};

struct diag *diag_new(struct arena *a);
/* Add a finding; an exact repetition (place and text) is kept once. A note belongs to the finding before it. */
void diag_error(struct diag *d, struct origin at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void diag_warning(struct diag *d, struct origin at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void diag_note(struct diag *d, struct origin at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Print all findings in order of file (first seen), line, column; notes stay behind theirs. */
void diag_print(const struct diag *d, FILE *to);

#endif
