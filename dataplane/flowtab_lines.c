/* flowtab_lines.c - the lines of a large flow table: three flows in one cache line.
 *
 * Far from every cache a lookup costs what its lines cost, and a bucket of the core has two. A flow is 24
 * bytes (hash, low, value), of which a line of 64 holds but two; yet with 2^23 lines the place of a line says
 * the highest 23 bits of its hashes, provided that every flow is at home, and three flows of 168 bits fit:
 *
 *   line, 64 bytes   bits 0-31 of hash 0, 1, 2 | bits 32-40 of hash 0, 1, 2 and `sent`
 *                    inverse value 0, low 0 | inverse value 1, low 1 | inverse value 2, low 2
 *
 * Who finds the line full goes to the core (flowtab_core.c), and the line counts those it sent there: one
 * flow in eighteen where a table was made for its flows (1.45 a line), one in twelve where lines are full
 * (1.75) and more of them are due. The others are one line, and so are as many of the misses. A count that
 * reached 31 stays there, which costs searches and never an answer.
 *
 * Flows stay where they were put. After long churn that is one in six in the core: to take one of them back
 * whenever a place in its line gets free costs a search there each time, and churn is what large tables have.
 *
 * A free slot has no value (its inverse is 0) and the opposite of its last flow's hash, so that a search for
 * that flow, gone a moment ago, does not look at it twice. */
#include "dataplane/flowtab_lines.h"

#include <errno.h>

#define SLOTS    FLOWTAB_LINE_SLOTS
#define UNIT     (UINT64_C(1) << 16) /* numbers of lines are multiples of it */
#define SIZE_END (UINT64_C(1) << 32)

#define SENT_FLOWS 3 /* the core has room for so many flows of so many lines, and grows when more are sent */
#define SENT_LINES 32

size_t flowtab_lines_room(uint64_t size)
{
    return size / 4 * 7;
}

uint64_t flowtab_lines_for(size_t flows)
{
    const uint64_t lines = flows / 29 * 20, units = lines / UNIT + 1;
    return lines >= SIZE_END - UNIT             ? 0
           : units * UNIT < FLOWTAB_LINES_LEAST ? FLOWTAB_LINES_LEAST
                                                : units * UNIT;
}

uint64_t flowtab_lines_more(uint64_t size)
{
    const uint64_t more = size / UNIT * 5 / 4 * UNIT;
    return !size ? FLOWTAB_LINES_LEAST : more < SIZE_END ? more : 0;
}

int flowtab_part_init(struct flowtab_part *p, uint64_t lines)
{
    struct flowtab_core core;
    struct flowtab_line *line = lines ? mem_array(lines, sizeof *line) : NULL;
    if (line && flowtab_core_init(&core, lines / SENT_LINES * SENT_FLOWS) == 0) {
        *p = (struct flowtab_part){.lines = {.line = line, .size = lines}, .core = core};
        return 0;
    }
    mem_free(line, lines * sizeof *line);
    return -ENOMEM;
}

void flowtab_part_free(struct flowtab_part *p)
{
    mem_free(p->lines.line, p->lines.size * sizeof *p->lines.line);
    flowtab_core_free(&p->core);
    *p = (struct flowtab_part){.lines = {.line = NULL}};
}

size_t flowtab_part_bytes(const struct flowtab_part *p)
{
    return p->lines.size * sizeof *p->lines.line + flowtab_core_bytes(&p->core);
}

/* -- one line -------------------------------------------------------------------------------------------- */

static struct flowtab_line *line_of(const struct flowtab_part *p, uint64_t h)
{
    return &p->lines.line[flowtab_line_home(&p->lines, h)];
}

/* Count one flow in the core more or, with -1, less; a full count can no longer tell. */
static void sent(struct flowtab_line *x, int by)
{
    if (flowtab_line_sent(x) < FLOWTAB_SENT_MAX)
        x->rest += (uint32_t)by << FLOWTAB_SENT_SHIFT;
}

/* -- one flow -------------------------------------------------------------------------------------------- */

int flowtab_part_add(struct flowtab_part *p, uint64_t hash, uint64_t low, uint64_t value)
{
    const struct flowtab_halves k = {hash, low};
    if (!p->lines.line)
        return flowtab_core_set(&p->core, k, value);
    struct flowtab_line *x = line_of(p, k.hash);
    unsigned slot = flowtab_line_free(x);
    if (slot < SLOTS) {
        flowtab_line_put(&p->lines, x, slot, k, value);
        return 0;
    }
    int err = flowtab_core_set(&p->core, k, value);
    if (!err)
        sent(x, 1);
    return err;
}

bool flowtab_part_replace(struct flowtab_part *p, uint64_t hash, uint64_t low, uint64_t value)
{
    const struct flowtab_halves k = {hash, low};
    if (p->lines.line) {
        struct flowtab_line *x = line_of(p, k.hash);
        unsigned slot = flowtab_line_find(x, k);
        if (slot < SLOTS)
            x->slot[slot].inverse = ~value;
        if (slot < SLOTS || !flowtab_line_sent(x))
            return slot < SLOTS;
    }
    return flowtab_core_replace(&p->core, hash, low, value);
}

int flowtab_part_del(struct flowtab_part *p, uint64_t hash, uint64_t low)
{
    const struct flowtab_halves k = {hash, low};
    if (!p->lines.line)
        return flowtab_core_del(&p->core, k);
    struct flowtab_line *x = line_of(p, k.hash);
    unsigned slot = flowtab_line_find(x, k);
    if (slot < SLOTS) {
        flowtab_line_clear(&p->lines, x, slot);
        return 0;
    }
    int err = flowtab_line_sent(x) ? flowtab_core_del(&p->core, k) : -ENOENT;
    if (!err)
        sent(x, -1);
    return err;
}

/* The line decides, without a branch on how, unless the search goes on. */
uint64_t flowtab_part_get(const struct flowtab_part *p, uint64_t hash, uint64_t low)
{
    const struct flowtab_halves k = {hash, low};
    if (!p->lines.line)
        return flowtab_core_get(&p->core, k);
    const struct flowtab_line *x = line_of(p, k.hash);
    unsigned fits = flowtab_line_fits(x, k.hash), slot = (unsigned)__builtin_ctz(fits | 1u << (SLOTS - 1));
    uint64_t other = (uint64_t)!fits | (x->slot[slot].low != k.low) |
                     (flowtab_line_nine(x, slot) != (k.hash >> 32 & FLOWTAB_NINE));
    uint64_t inverse = x->slot[slot].inverse & (other - 1);
    if (__builtin_expect(inverse || !(fits | flowtab_line_sent(x)), 1))
        return ~inverse;
    slot = flowtab_line_find(x, k);
    return slot < SLOTS ? ~x->slot[slot].inverse : flowtab_core_get(&p->core, k);
}

/* -- all flows ------------------------------------------------------------------------------------------- */

int flowtab_part_move(struct flowtab_part *to, struct flowtab_part *from, uint64_t unit)
{
    const bool in_line = unit < from->lines.size;
    const unsigned n = in_line ? SLOTS : FLOWTAB_SLOTS;
    size_t first =
        in_line ? flowtab_core_places(&from->core) + unit * SLOTS : (unit - from->lines.size) * FLOWTAB_SLOTS;
    for (size_t i = first; i < first + n; i++) {
        struct flowtab_halves k;
        uint64_t value;
        if (!flowtab_part_place(from, i, &k, &value))
            continue;
        if (flowtab_part_add(to, k.hash, k.low, value))
            return -ENOMEM;
        flowtab_part_take(from, i);
    }
    return 0;
}

size_t flowtab_part_places(const struct flowtab_part *p)
{
    return flowtab_core_places(&p->core) + p->lines.size * SLOTS;
}

bool flowtab_part_place(const struct flowtab_part *p, size_t i, struct flowtab_halves *k, uint64_t *value)
{
    const size_t core = flowtab_core_places(&p->core);
    if (i < core) {
        unsigned slot;
        const struct flowtab_bucket *b = flowtab_core_place(&p->core, i, &slot);
        *k = (struct flowtab_halves){b->hash[slot], b->rest[slot].low};
        *value = b->rest[slot].value;
        return b->taken >> slot & 1;
    }
    const uint64_t at = (i - core) / SLOTS;
    const unsigned slot = (unsigned)((i - core) % SLOTS);
    const struct flowtab_line *x = &p->lines.line[at];
    if (!x->slot[slot].inverse)
        return false;
    *k = (struct flowtab_halves){flowtab_line_hash(&p->lines, at, slot), x->slot[slot].low};
    *value = ~x->slot[slot].inverse;
    return true;
}

void flowtab_part_take(struct flowtab_part *p, size_t i)
{
    const size_t core = flowtab_core_places(&p->core);
    if (i >= core) {
        flowtab_line_clear(&p->lines, &p->lines.line[(i - core) / SLOTS], (unsigned)((i - core) % SLOTS));
        return;
    }
    unsigned slot;
    struct flowtab_bucket *b = flowtab_core_place(&p->core, i, &slot);
    if (p->lines.line)
        sent(line_of(p, b->hash[slot]), -1);
    flowtab_core_take(&p->core, b, slot);
}
