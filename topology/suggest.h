/* suggest.h - the nearest known word, for "did you mean" in diagnostics. */
#ifndef VNETSIM_TOPOLOGY_SUGGEST_H
#define VNETSIM_TOPOLOGY_SUGGEST_H

#include <stddef.h>

#define SUGGEST_MAX 96 /* longer words are never near anything */

/* => how many characters must be inserted, removed, replaced or swapped with their neighbour to turn a into
 * b, letters compared without case (ASCII); SUGGEST_MAX + 1 where either is longer than SUGGEST_MAX.
 * Restricted Damerau-Levenshtein ("optimal string alignment": no part is edited twice). Quadratic in the
 * lengths, no allocation. */
unsigned suggest_distance(const char *a, const char *b);

/* => the candidate nearest to word, NULL if none is near: at most one edit in every three characters of the
 * word, one for shorter words, never a complete rewrite. Equal distances: the first. Borrowed from
 * candidates. */
const char *suggest(const char *word, const char *const *candidates, size_t n);

/* The same, one candidate at a time, for lists that are not arrays of texts: start with {.word = word}, offer
 * each in a stable order, read best (NULL: none near; borrowed from the offers). NULL offers are skipped. */
struct suggest {
    const char *word, *best;
    unsigned distance;
};
void suggest_offer(struct suggest *s, const char *candidate);

#endif
