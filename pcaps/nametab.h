/* nametab.h - the names of addresses, for the name resolution blocks of capture files.
 *
 * A list in the order given, without repetitions; entries of one address are linked. Several files may share
 * a table: each remembers how far it has written. Representation and costs: nametab.c. */
#ifndef VNETSIM_PCAPS_NAMETAB_H
#define VNETSIM_PCAPS_NAMETAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nametab;

#define NAMETAB_NONE     UINT32_MAX
#define NAMETAB_NAME_MAX 255u /* bytes kept of a name, as in DNS */

struct nametab_entry {
    uint32_t ip;         /* host order */
    uint32_t prev, next; /* neighbours among the entries of this address, or NAMETAB_NONE; prev < next */
    uint32_t len;        /* bytes of name, 1 to NAMETAB_NAME_MAX */
    const char *name;    /* NUL-terminated, owned by the table */
};

/* => an empty table; never NULL. */
struct nametab *nametab_new(void);

/* Free the table; NULL is allowed. */
void nametab_free(struct nametab *t);

/* Add a name (UTF-8, copied) of an address (host order). Longer ones are cut at a character.
 * => whether it is new; an empty name never is. */
bool nametab_add(struct nametab *t, uint32_t ip, const char *name);

/* => entries so far; they are numbered from 0 in the order given and never change but for next. */
uint32_t nametab_count(const struct nametab *t);

/* => entry i (less than the count); valid until the next nametab_add. */
const struct nametab_entry *nametab_at(const struct nametab *t, uint32_t i);

/* => the largest n <= max such that the first n bytes of the UTF-8 text s (len bytes) end at a character. */
size_t utf8_cut(const char *s, size_t len, size_t max);

#endif
