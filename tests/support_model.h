/* support_model.h - models for tests: scenario text, bound, with its addresses. */
#ifndef VNETSIM_TESTS_SUPPORT_MODEL_H
#define VNETSIM_TESTS_SUPPORT_MODEL_H

#include "topology/address.h"
#include "topology/diag.h"
#include "topology/model.h"
#include "topology/tags.h"

struct loaded {
    struct arena *a;
    struct diag *d;
    struct model *m; /* NULL where binding failed */
};

/* Bind a scenario text ("scenario: t" is put before it, on a line of its own) and assign addresses; with
 * model_check. */
struct loaded load_text(const char *text);
struct loaded load_checked(const char *text);
void loaded_free(struct loaded *l);

/* => the findings as printed, one per line, without the file name; owned by l. */
const char *loaded_findings(const struct loaded *l);

/* => before, n items and after; in an item # is its number, @ the same from 1000 on, % an address of 10.0.0.0/8
 * made of it, and ^ a /24. To be freed. */
char *text_many(const char *before, size_t n, const char *item, const char *after);

#endif
