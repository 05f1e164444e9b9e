/* flowtab_lines.h - the lines of a large flow table: one cache line each, drawn in flowtab_lines.c. Not to be
 * used but by flowtab*.c, tests and benchmarks. */
#ifndef VNETSIM_DATAPLANE_FLOWTAB_LINES_H
#define VNETSIM_DATAPLANE_FLOWTAB_LINES_H

#include "dataplane/flowtab_core.h"

#define FLOWTAB_LINE_SLOTS  3
#define FLOWTAB_LINES_LEAST (UINT64_C(1) << 23) /* so that a line's place gives 23 bits of its hashes */
#define FLOWTAB_NINE        0x1ffu
#define FLOWTAB_SENT_SHIFT  27
#define FLOWTAB_SENT_MAX    31u /* this many or more */

struct flowtab_line {
    uint32_t hash[FLOWTAB_LINE_SLOTS]; /* bits 0 to 31 */
    uint32_t rest;                     /* bits 32 to 40 of each; above: flows sent on to the core */
    struct {
        uint64_t inverse; /* of the value; 0: the slot is free */
        uint64_t low;     /* half of the key */
    } slot[FLOWTAB_LINE_SLOTS];
};

static_assert(sizeof(struct flowtab_line) == MEM_LINE, "a line is one cache line");

struct flowtab_lines {
    struct flowtab_line *line; /* NULL: there are none */
    uint64_t size;             /* lines: FLOWTAB_LINES_LEAST or more, a multiple of 2^16 */
    size_t count;              /* flows in them */
};

static inline uint64_t flowtab_line_home(const struct flowtab_lines *l, uint64_t h)
{
    return buckets_home(l->size, h);
}

static inline uint32_t flowtab_line_nine(const struct flowtab_line *x, unsigned slot)
{
    return x->rest >> 9 * slot & FLOWTAB_NINE;
}

/* => the high half of a hash at home in line i, given its lowest nine bits: no more than 512 of them, one
 * after another, are at home in one line. */
static inline uint64_t flowtab_line_high(const struct flowtab_lines *l, uint64_t i, uint32_t nine)
{
    uint64_t first = ((i << 32) + l->size - 1) / l->size;
    return first + ((nine - first) & FLOWTAB_NINE);
}

/* => the hash in a slot of line i. */
static inline uint64_t flowtab_line_hash(const struct flowtab_lines *l, uint64_t i, unsigned slot)
{
    const struct flowtab_line *x = &l->line[i];
    return flowtab_line_high(l, i, flowtab_line_nine(x, slot)) << 32 | x->hash[slot];
}

/* => how many flows at home in this line are in the core. */
static inline uint32_t flowtab_line_sent(const struct flowtab_line *x)
{
    return x->rest >> FLOWTAB_SENT_SHIFT;
}

/* => a bit for each slot with these 32 bits of a hash, free or not. */
static inline unsigned flowtab_line_fits(const struct flowtab_line *x, uint64_t h)
{
    uint32_t low = (uint32_t)h;
    return (unsigned)(x->hash[0] == low) | (unsigned)(x->hash[1] == low) << 1 |
           (unsigned)(x->hash[2] == low) << 2;
}

/* => the slot that holds the key, or FLOWTAB_LINE_SLOTS. */
static inline unsigned flowtab_line_find(const struct flowtab_line *x, struct flowtab_halves k)
{
    for (unsigned fits = flowtab_line_fits(x, k.hash); fits; fits &= fits - 1) {
        unsigned i = (unsigned)__builtin_ctz(fits);
        if (x->slot[i].low == k.low && x->slot[i].inverse &&
            flowtab_line_nine(x, i) == (k.hash >> 32 & FLOWTAB_NINE))
            return i;
    }
    return FLOWTAB_LINE_SLOTS;
}

/* => the first free slot, or FLOWTAB_LINE_SLOTS; without a branch on which. */
static inline unsigned flowtab_line_free(const struct flowtab_line *x)
{
    return (unsigned)__builtin_ctz((unsigned)!x->slot[0].inverse | (unsigned)!x->slot[1].inverse << 1 |
                                   (unsigned)!x->slot[2].inverse << 2 | 1u << FLOWTAB_LINE_SLOTS);
}

/* Fill a free slot; free one, leaving the opposite of its hash. */
static inline void flowtab_line_put(struct flowtab_lines *l, struct flowtab_line *x, unsigned slot,
                                    struct flowtab_halves k, uint64_t value)
{
    x->hash[slot] = (uint32_t)k.hash;
    x->rest &= ~(FLOWTAB_NINE << 9 * slot);
    x->rest |= (uint32_t)(k.hash >> 32 & FLOWTAB_NINE) << 9 * slot;
    x->slot[slot].inverse = ~value;
    x->slot[slot].low = k.low;
    l->count++;
}

static inline void flowtab_line_clear(struct flowtab_lines *l, struct flowtab_line *x, unsigned slot)
{
    x->slot[slot].inverse = 0;
    x->hash[slot] = ~x->hash[slot];
    l->count--;
}

/* -- lines, and the core behind them (flowtab_lines.c) --------------------------------------------------- */

/* Every flow is in its line, or, having found that full, in the core; without lines, all are in the core. */
struct flowtab_part {
    struct flowtab_lines lines;
    struct flowtab_core core;
};

/* => flows with which so many lines are full, 1.75 each on average. */
size_t flowtab_lines_room(uint64_t size);
/* => how many lines so many flows are best kept in, 1.45 each; how many come after so many (0: the first);
 * 0: too many. */
uint64_t flowtab_lines_for(size_t flows);
uint64_t flowtab_lines_more(uint64_t size);
/* Make an empty part of so many lines. => 0, or -ENOMEM (unchanged). */
int flowtab_part_init(struct flowtab_part *p, uint64_t lines);
void flowtab_part_free(struct flowtab_part *p);
size_t flowtab_part_bytes(const struct flowtab_part *p);

static inline size_t flowtab_part_count(const struct flowtab_part *p)
{
    return p->lines.count + p->core.count;
}

/* Add a flow that is not there. => 0, or -ENOMEM (unchanged). */
int flowtab_part_add(struct flowtab_part *p, uint64_t hash, uint64_t low, uint64_t value);
/* => whether the flow is there, its value being another one then. */
bool flowtab_part_replace(struct flowtab_part *p, uint64_t hash, uint64_t low, uint64_t value);
/* As flowtab_del and flowtab_get. */
int flowtab_part_del(struct flowtab_part *p, uint64_t hash, uint64_t low);
uint64_t flowtab_part_get(const struct flowtab_part *p, uint64_t hash, uint64_t low);

/* Move what one line, or one bucket of the core's (numbered after the lines) holds. => 0, or -ENOMEM: some is
 * left. */
int flowtab_part_move(struct flowtab_part *to, struct flowtab_part *from, uint64_t unit);
static inline uint64_t flowtab_part_units(const struct flowtab_part *p)
{
    return p->lines.size + p->core.now.size;
}

/* Places for flows, numbered through: the core's, then the lines'. => how many; whether a flow is in this
 * one; and take it out. */
size_t flowtab_part_places(const struct flowtab_part *p);
bool flowtab_part_place(const struct flowtab_part *p, size_t i, struct flowtab_halves *k, uint64_t *value);
void flowtab_part_take(struct flowtab_part *p, size_t i);

#endif
