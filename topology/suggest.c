/* suggest.c - see suggest.h. Three rows of the edit matrix on the stack: a swap looks back two rows. */
#include "topology/suggest.h"

#include <ctype.h>
#include <string.h>

static int lower(char c)
{
    return tolower((unsigned char)c);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Fill row i (i characters of a) from the two rows before it. */
static void row(const char *a, size_t i, const char *b, size_t nb, unsigned *now, const unsigned *one,
                const unsigned *two)
{
    now[0] = (unsigned)i;
    for (size_t j = 1; j <= nb; j++) {
        unsigned d = one[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
        d = least(d, least(one[j], now[j - 1]) + 1);
        if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
            d = least(d, two[j - 2] + 1);
        now[j] = d;
    }
}

unsigned suggest_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    if (na > SUGGEST_MAX || nb > SUGGEST_MAX)
        return SUGGEST_MAX + 1;
    unsigned rows[3][SUGGEST_MAX + 1];
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++)
        row(a, i, b, nb, rows[i % 3], rows[(i + 2) % 3], rows[(i + 1) % 3]);
    return rows[na % 3][nb];
}

/* => the largest distance that still counts as a slip of the pen; a word of one character has none. */
static unsigned tolerance(size_t len)
{
    if (len < 2)
        return 0;
    return len < 6 ? 1 : (unsigned)(len / 3);
}

void suggest_offer(struct suggest *s, const char *candidate)
{
    if (!candidate)
        return;
    size_t n = strlen(s->word), m = strlen(candidate);
    unsigned most = tolerance(n < m ? m : n);
    if ((n < m ? m - n : n - m) > most)
        return;
    unsigned d = suggest_distance(s->word, candidate);
    if (d > most || (s->best && d >= s->distance))
        return;
    s->best = candidate;
    s->distance = d;
}

const char *suggest(const char *word, const char *const *candidates, size_t n)
{
    struct suggest s = {.word = word};
    for (size_t i = 0; i < n; i++)
        suggest_offer(&s, candidates[i]);
    return s.best;
}
