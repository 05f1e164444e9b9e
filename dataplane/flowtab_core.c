/* flowtab_core.c - the buckets of the flow table: a hash table of two cache lines a bucket, which grows a
 * little at a time.
 *
 *   bucket, 128 bytes
 *   first line   hash of slot 0 .. 4 | taken | passed | value 0, low 0
 *   second line  value 1, low 1 | value 2, low 2 | value 3, low 3 | value 4, low 4
 *
 * The hash is a tag of 64 bits: the first line says which slot to look at, mistaken only where somebody
 * constructs keys of one hash; a miss ends there, and a hit reads at most one line more, at a place known
 * from the beginning. And a flow can be moved without hashing its key again.
 *
 * A key belongs to its home bucket, from the high half of its hash; when that is full it goes on in steps
 * taken from the low half, which share no factor with the number of buckets. Every full bucket it went past
 * counts it in `passed`, in one of eight counts chosen by its hash, and a search ends at a bucket that nobody
 * of its class went past. Removal undoes the counts: no tombstones, entries never move, and an emptied table
 * searches like a new one. A count that reached 15 stays there, which costs searches and never an answer.
 *
 * Growth. A full table gets a second, larger array and every flow added from then on takes
 * FLOWTAB_MOVED_AT_ONCE buckets along from the old one, until that is empty and given back. Homes are
 * proportional to hashes in both, so moving goes through both arrays from the front to the end. Searches look
 * into the new array and, only while there is an old one, into that, too. An array has room for a seventh
 * more at least than the one before: 16/5 * size / 7 flows are added before it is full, and size /
 * FLOWTAB_MOVED_AT_ONCE suffice to move all. Removing and replacing move nothing, so that a walk may do both.
 * A new array of 2 MiB and more is mapped and not touched; the kernel clears its pages one by one as they are
 * used.
 *
 * Costs: at most 3.2 flows a bucket on average, because one flow in twenty then lies beyond its home, and
 * with 4 one in ten; after long churn it is one in five, since flows stay where they were put. 40 to 50 bytes
 * a flow in tables of more than 3 k flows, which grow by a seventh to a quarter, and the old array besides
 * while they do; smaller ones double. The table does not shrink. */
#include "dataplane/flowtab_core.h"

#include <errno.h>

#define SLOTS         FLOWTAB_SLOTS
#define PER_5_BUCKETS 16 /* flows that a full table has on average */
#define SIZE_END      ((uint64_t)1 << 32)
#define LARGE         (1u << 10) /* buckets from which a table grows by the smallest step */

/* -- arrays ---------------------------------------------------------------------------------------------- */

/* => flows that this many buckets hold: 64 of 100 slots. */
static size_t room(uint64_t size)
{
    return size * PER_5_BUCKETS / 5;
}

/* => the smallest size that holds that many, 0: there is none. */
static uint64_t size_for(size_t flows)
{
    return buckets_for(flows, PER_5_BUCKETS, 5, SIZE_END);
}

/* => an empty array of that many buckets; buckets NULL: out of memory, or size 0. */
static struct flowtab_array array_new(uint64_t size)
{
    return (struct flowtab_array){.buckets = size ? mem_array(size, sizeof(struct flowtab_bucket)) : NULL,
                                  .size = size,
                                  .strides = size / BUCKETS_STRIDE};
}

static void array_free(struct flowtab_array *a)
{
    mem_free(a->buckets, a->size * sizeof *a->buckets);
    *a = (struct flowtab_array){.buckets = NULL};
}

/* Count one passer-by more or, with -1, less; a full count can no longer tell. */
static void pass(struct flowtab_bucket *b, uint64_t h, int by)
{
    if (flowtab_passers(b, h) < FLOWTAB_PASSED_MAX)
        b->passed += (uint32_t)by << (h & FLOWTAB_CLASS);
}

/* Add a flow that is not in the array, which has room. */
static inline void insert(struct flowtab_array *a, uint64_t h, struct flowtab_rest rest)
{
    uint64_t at = flowtab_home(a, h);
    struct flowtab_bucket *b;
    while (b = &a->buckets[at], b->taken == FLOWTAB_ALL_TAKEN) {
        pass(b, h, 1);
        at = flowtab_next_of(a, h, at);
    }
    flowtab_bucket_put(b, h, rest);
}

/* Take the flow in this slot out. */
static inline void take_out(struct flowtab_array *a, struct flowtab_bucket *b, unsigned slot)
{
    uint64_t h = b->hash[slot], at = flowtab_home(a, h);
    for (; &a->buckets[at] != b; at = flowtab_next_of(a, h, at))
        pass(&a->buckets[at], h, -1);
    b->taken &= ~(1u << slot);
}

/* -- growth ---------------------------------------------------------------------------------------------- */

static void move_bucket(struct flowtab_core *c, struct flowtab_bucket *b)
{
    for (unsigned taken = b->taken; taken; taken &= taken - 1) {
        unsigned slot = (unsigned)__builtin_ctz(taken);
        insert(&c->now, b->hash[slot], b->rest[slot]);
        take_out(&c->old, b, slot);
    }
}

/* Move on by so many buckets; the last one gives the old array back. */
static void move_some(struct flowtab_core *c, uint64_t buckets)
{
    for (; buckets && c->moved < c->old.size; buckets--)
        move_bucket(c, &c->old.buckets[c->moved++]);
    if (c->old.buckets && c->moved == c->old.size)
        array_free(&c->old);
}

/* Begin to grow, having ended what growth there was. => 0, or -ENOMEM (unchanged). */
static int grow(struct flowtab_core *c, size_t flows)
{
    struct flowtab_array bigger = array_new(size_for(flows));
    if (!bigger.buckets)
        return -ENOMEM;
    move_some(c, UINT64_MAX);
    c->old = c->now;
    c->now = bigger;
    c->room = room(bigger.size);
    c->moved = 0;
    return 0;
}

int flowtab_core_reserve(struct flowtab_core *c, size_t flows)
{
    if (flows > c->room && grow(c, flows))
        return -ENOMEM;
    move_some(c, UINT64_MAX);
    return 0;
}

int flowtab_core_init(struct flowtab_core *c, size_t flows)
{
    struct flowtab_array a = array_new(size_for(flows));
    if (!a.buckets)
        return -ENOMEM;
    *c = (struct flowtab_core){.now = a, .room = room(a.size)};
    return 0;
}

void flowtab_core_free(struct flowtab_core *c)
{
    array_free(&c->now);
    array_free(&c->old);
}

size_t flowtab_core_bytes(const struct flowtab_core *c)
{
    return (c->now.size + c->old.size) * sizeof *c->now.buckets;
}

/* -- one flow -------------------------------------------------------------------------------------------- */

/* => the bucket of either array that holds the key, its array and slot. */
static struct flowtab_bucket *find(struct flowtab_core *c, uint64_t hash, uint64_t low,
                                   struct flowtab_array **a, unsigned *slot)
{
    const struct flowtab_halves k = {hash, low};
    struct flowtab_bucket *b = flowtab_find(*a = &c->now, k, slot);
    return b || !c->old.buckets ? b : flowtab_find(*a = &c->old, k, slot);
}

bool flowtab_core_replace(struct flowtab_core *c, uint64_t hash, uint64_t low, uint64_t value)
{
    unsigned slot;
    struct flowtab_array *a;
    struct flowtab_bucket *b = find(c, hash, low, &a, &slot);
    if (b)
        b->rest[slot].value = value;
    return b != NULL;
}

int flowtab_core_set_anywhere(struct flowtab_core *c, uint64_t hash, uint64_t low, uint64_t value)
{
    if (flowtab_core_replace(c, hash, low, value))
        return 0;
    if (c->count == c->room && grow(c, c->now.size < LARGE ? 2 * c->count + 1 : c->count + 1))
        return -ENOMEM;
    insert(&c->now, hash, (struct flowtab_rest){value, low});
    c->count++;
    if (c->old.buckets)
        move_some(c, FLOWTAB_MOVED_AT_ONCE);
    return 0;
}

int flowtab_core_del_anywhere(struct flowtab_core *c, uint64_t hash, uint64_t low)
{
    unsigned slot;
    struct flowtab_array *a;
    struct flowtab_bucket *b = find(c, hash, low, &a, &slot);
    if (!b)
        return -ENOENT;
    take_out(a, b, slot);
    c->count--;
    return 0;
}

uint64_t flowtab_core_get_anywhere(const struct flowtab_core *c, uint64_t hash, uint64_t low)
{
    unsigned slot;
    struct flowtab_array *a;
    const struct flowtab_bucket *b = find((struct flowtab_core *)(uintptr_t)c, hash, low, &a, &slot);
    return b ? b->rest[slot].value : FLOW_MISS;
}

/* -- all flows ------------------------------------------------------------------------------------------- */

size_t flowtab_core_places(const struct flowtab_core *c)
{
    return (c->now.size + c->old.size) * SLOTS;
}

struct flowtab_bucket *flowtab_core_place(const struct flowtab_core *c, size_t i, unsigned *slot)
{
    uint64_t at = i / SLOTS;
    *slot = (unsigned)(i % SLOTS);
    return at < c->now.size ? &c->now.buckets[at] : &c->old.buckets[at - c->now.size];
}

void flowtab_core_take(struct flowtab_core *c, struct flowtab_bucket *b, unsigned slot)
{
    bool now = b >= c->now.buckets && b < c->now.buckets + c->now.size;
    take_out(now ? &c->now : &c->old, b, slot);
    c->count--;
}
