/* support_pcapng.h - a small reader of pcapng files that shares nothing with the writer and trusts nothing.
 */
#ifndef VNETSIM_TESTS_SUPPORT_PCAPNG_H
#define VNETSIM_TESTS_SUPPORT_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

enum { NG_SHB = 0x0a0d0d0a, NG_IDB = 1, NG_NRB = 4, NG_ISB = 5, NG_EPB = 6 };

struct ng_block {
    uint32_t type;
    const uint8_t *body; /* behind type and length */
    size_t len;          /* without the trailing length */
    size_t options;      /* offset of the options in body */
};

struct ng {
    uint8_t *data;
    size_t n;
    struct ng_block *block;
    size_t n_blocks;
};

/* Read path and check it: one little-endian section, block lengths at both ends, multiples of four, zero
 * padding, options that end where the block ends, interfaces declared before they are used, one statistics
 * block each at the end. Fails the test where something is wrong. */
void ng_read(struct ng *g, const char *path);
void ng_free(struct ng *g);

uint32_t ng_u16(const uint8_t *p);
uint32_t ng_u32(const uint8_t *p);
uint64_t ng_u64(const uint8_t *p);
uint64_t ng_time(const uint8_t *p);

/* => block number nth (from 0) of a type; NULL if there are not so many. */
const struct ng_block *ng_block_of(const struct ng *g, uint32_t type, size_t nth);
size_t ng_count(const struct ng *g, uint32_t type);

/* => the value of option number nth (from 0) of a code, its length in len; NULL if there are not so many. */
const uint8_t *ng_option(const struct ng_block *b, unsigned code, size_t nth, size_t *len);

/* => the option's value as text, to be freed; NULL if it is absent. */
char *ng_text(const struct ng_block *b, unsigned code, size_t nth);

/* => all names of all name resolution blocks as "a.b.c.d=name,name a.b.c.d=name|" ("|" ends a block); to be
 * freed. */
char *ng_names(const struct ng *g);

#endif
