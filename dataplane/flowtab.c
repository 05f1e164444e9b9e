/* flowtab.c - a hash table of buckets of two cache lines, which grows a little at a time.
 *
 *   bucket, 128 bytes
 *   first line   hash of slot 0 .. 4 | taken | passed | value 0, low 0
 *   second line  value 1, low 1 | value 2, low 2 | value 3, low 3 | value 4, low 4
 *
 * A key is two words, high and low, of which the table keeps the low one and the hash of both: the hash can
 * be undone (hash.h), so (hash, low) is the key in other words. That makes the hash a tag of 64 bits. The
 * first line says which slot to look at, mistaken only where somebody constructs keys of one hash; a miss
 * ends there, and a hit reads at most one line more, at a place known from the beginning. And a flow can be
 * moved without hashing its key again.
 *
 * A key belongs to its home bucket, from the high half of its hash; when that is full it goes on in steps
 * taken from the low half, which share no factor with the number of buckets. Every full bucket it went past
 * counts it in `passed`, in one of eight counts chosen by its hash, and a search ends at a bucket that nobody
 * of its class went past. Removal undoes the counts: no tombstones, entries never move, and an emptied table
 * searches like a new one. A count that reached 15 stays there, which costs searches and never an answer.
 *
 * Growth. A full table gets a second, larger array and every flow added from then on takes MOVED_AT_ONCE
 * buckets along from the old one, until that is empty and given back. Homes are proportional to hashes in
 * both, so moving goes through both arrays from the front to the end. Searches look into the new array and,
 * only while there is an old one, into that, too. An array has room for a seventh more at least than the one
 * before: 16/5 * size / 7 flows are added before it is full, and size / MOVED_AT_ONCE suffice to move all.
 * Removing and replacing move nothing, so that a walk may do both. A new array of 2 MiB and more is mapped
 * and not touched; the kernel clears its pages one by one as they are used.
 *
 * Costs: at most 3.2 flows a bucket on average, because one flow in twenty then lies beyond its home, and
 * with 4 one in ten; after long churn it is one in five, since flows stay where they were put. 40 to 50 bytes
 * a flow in tables of more than 3 k flows, which grow by a seventh to a quarter, and the old array besides
 * while they do; smaller ones double. The table does not shrink.
 *
 * Batches of lookups are in flowtab_bulk.c. Single lookups decide without a branch whether the common search
 * (nobody passed by) hits or misses: half of the packets of a scan miss. Adding and removing take a short
 * way where the home bucket settles it. Their batches fetch buckets before they change them. */
#include "dataplane/flowtab.h"
#include "dataplane/flowtab_int.h"

#include <errno.h>

#define SLOTS         FLOWTAB_SLOTS
#define PER_5_BUCKETS 16 /* flows that a full table has on average */
#define SIZE_END      ((uint64_t)1 << 32)
#define LARGE         (1u << 10) /* buckets from which a table grows by the smallest step */
#define MOVED_AT_ONCE 8          /* buckets that one flow added takes along while the table grows */

/* -- arrays ---------------------------------------------------------------------------------------------- */

/* => flows that this many buckets hold: 64 of 100 slots. */
static size_t room(uint64_t size)
{
    return size * PER_5_BUCKETS / 5;
}

/* => the smallest size that holds that many, 0: there is none. */
static uint64_t size_for(size_t flows)
{
    uint64_t size = 1, unit = 1;
    for (; room(size) < flows && size < SIZE_END; size += unit)
        unit = size == 8 * unit ? 2 * unit : unit;
    return size < SIZE_END ? size : 0;
}

/* => an empty array of that many buckets; buckets NULL: out of memory, or size 0. */
static struct flowtab_array array_new(uint64_t size)
{
    return (struct flowtab_array){.buckets = size ? mem_array(size, sizeof(struct flowtab_bucket)) : NULL,
                                  .size = size,
                                  .strides = size / FLOWTAB_STRIDE};
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

/* Fill the first free slot. */
static inline void put(struct flowtab_bucket *b, uint64_t h, struct flowtab_rest rest)
{
    unsigned slot = (unsigned)__builtin_ctz(~b->taken);
    b->hash[slot] = h;
    b->rest[slot] = rest;
    b->taken |= 1u << slot;
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
    put(b, h, rest);
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

static void move_bucket(struct flowtab *t, struct flowtab_bucket *b)
{
    for (unsigned taken = b->taken; taken; taken &= taken - 1) {
        unsigned slot = (unsigned)__builtin_ctz(taken);
        insert(&t->now, b->hash[slot], b->rest[slot]);
        take_out(&t->old, b, slot);
    }
}

/* Move on by so many buckets; the last one gives the old array back. */
static void move_some(struct flowtab *t, uint64_t buckets)
{
    for (; buckets && t->moved < t->old.size; buckets--)
        move_bucket(t, &t->old.buckets[t->moved++]);
    if (t->old.buckets && t->moved == t->old.size)
        array_free(&t->old);
}

/* Begin to grow, having ended what growth there was. => 0, or -ENOMEM (unchanged). */
static int grow(struct flowtab *t, size_t flows)
{
    struct flowtab_array bigger = array_new(size_for(flows));
    if (!bigger.buckets)
        return -ENOMEM;
    move_some(t, UINT64_MAX);
    t->old = t->now;
    t->now = bigger;
    t->room = room(bigger.size);
    t->moved = 0;
    return 0;
}

int flowtab_reserve(struct flowtab *t, size_t flows)
{
    if (flows > t->room && grow(t, flows))
        return -ENOMEM;
    move_some(t, UINT64_MAX);
    return 0;
}

/* -- one flow -------------------------------------------------------------------------------------------- */

struct flowtab *flowtab_new(size_t hint)
{
    struct flowtab *t = mem_alloc(sizeof *t);
    if (!t)
        return NULL;
    *t = (struct flowtab){.now = array_new(size_for(hint)), .variant = flowtab_best()};
    t->room = room(t->now.size);
    if (t->now.buckets)
        return t;
    mem_free(t, sizeof *t);
    return NULL;
}

void flowtab_free(struct flowtab *t)
{
    if (!t)
        return;
    array_free(&t->now);
    array_free(&t->old);
    mem_free(t, sizeof *t);
}

/* => the bucket of either array that holds the key, its array and slot. */
static struct flowtab_bucket *find(struct flowtab *t, struct flowtab_halves k, struct flowtab_array **a,
                                   unsigned *slot)
{
    struct flowtab_bucket *b = flowtab_find(*a = &t->now, k, slot);
    return b || !t->old.buckets ? b : flowtab_find(*a = &t->old, k, slot);
}

static __attribute__((noinline)) int set_anywhere(struct flowtab *t, struct flowtab_halves k, uint64_t value)
{
    unsigned slot;
    struct flowtab_array *a;
    struct flowtab_bucket *b = find(t, k, &a, &slot);
    if (b) {
        b->rest[slot].value = value;
        return 0;
    }
    if (t->count == t->room && grow(t, t->now.size < LARGE ? 2 * t->count + 1 : t->count + 1))
        return -ENOMEM;
    insert(&t->now, k.hash, (struct flowtab_rest){value, k.low});
    t->count++;
    if (t->old.buckets)
        move_some(t, MOVED_AT_ONCE);
    return 0;
}

/* Most flows are new, and their home bucket has room. */
static inline int set(struct flowtab *t, struct flowtab_halves k, uint64_t value)
{
    struct flowtab_bucket *b = &t->now.buckets[flowtab_home(&t->now, k.hash)];
    if (value == FLOW_MISS)
        return -ERANGE;
    if ((flowtab_fits(b, k.hash) | flowtab_passers(b, k.hash)) || b->taken == FLOWTAB_ALL_TAKEN ||
        t->old.buckets || t->count == t->room)
        return set_anywhere(t, k, value);
    put(b, k.hash, (struct flowtab_rest){value, k.low});
    t->count++;
    return 0;
}

static __attribute__((noinline)) int del_anywhere(struct flowtab *t, struct flowtab_halves k)
{
    unsigned slot;
    struct flowtab_array *a;
    struct flowtab_bucket *b = find(t, k, &a, &slot);
    if (!b)
        return -ENOENT;
    take_out(a, b, slot);
    t->count--;
    return 0;
}

/* Most flows are in their home bucket. */
static inline int del(struct flowtab *t, struct flowtab_halves k)
{
    struct flowtab_bucket *b = &t->now.buckets[flowtab_home(&t->now, k.hash)];
    unsigned fits = flowtab_fits(b, k.hash);
    if (!fits || b->rest[flowtab_first(fits)].low != k.low)
        return del_anywhere(t, k);
    b->taken &= ~(1u << flowtab_first(fits));
    t->count--;
    return 0;
}

int flowtab_set(struct flowtab *t, struct flow_key key, uint64_t value)
{
    return set(t, flowtab_halves(key), value);
}

int flowtab_del(struct flowtab *t, struct flow_key key)
{
    return del(t, flowtab_halves(key));
}

/* -- many flows ------------------------------------------------------------------------------------------ */

#define GROUP 32u

/* The halves of up to GROUP keys; their home buckets, which will be written, are on their way. */
static void prepare(const struct flowtab *t, struct flowtab_halves *k, const struct flow_key *keys, size_t n)
{
    for (size_t i = 0; i < n && i < GROUP; i++) {
        k[i] = flowtab_halves(keys[i]);
        const struct flowtab_bucket *b = &t->now.buckets[flowtab_home(&t->now, k[i].hash)];
        __builtin_prefetch(b->hash, 1);
        __builtin_prefetch(&b->rest[1], 1);
    }
}

size_t flowtab_set_bulk(struct flowtab *t, const struct flow_key *keys, const uint64_t *values, size_t n)
{
    struct flowtab_halves k[2][GROUP];
    prepare(t, k[0], keys, n);
    for (size_t i = 0; i < n; i++) {
        if (i % GROUP == 0 && n - i > GROUP)
            prepare(t, k[(i / GROUP + 1) % 2], keys + i + GROUP, n - i - GROUP);
        if (set(t, k[i / GROUP % 2][i % GROUP], values[i]))
            return i;
    }
    return n;
}

size_t flowtab_del_bulk(struct flowtab *t, const struct flow_key *keys, size_t n)
{
    struct flowtab_halves k[2][GROUP];
    size_t there = t->count;
    prepare(t, k[0], keys, n);
    for (size_t i = 0; i < n; i++) {
        if (i % GROUP == 0 && n - i > GROUP)
            prepare(t, k[(i / GROUP + 1) % 2], keys + i + GROUP, n - i - GROUP);
        del(t, k[i / GROUP % 2][i % GROUP]);
    }
    return there - t->count;
}

static __attribute__((noinline)) uint64_t get_anywhere(const struct flowtab *t, struct flowtab_halves k)
{
    unsigned slot;
    struct flowtab_array *a;
    const struct flowtab_bucket *b = find((struct flowtab *)(uintptr_t)t, k, &a, &slot);
    return b ? b->rest[slot].value : FLOW_MISS;
}

/* The home bucket decides, without a branch on how, unless the search goes on. */
uint64_t flowtab_get(const struct flowtab *t, struct flow_key key)
{
    struct flowtab_halves k = flowtab_halves(key);
    const struct flowtab_bucket *b = &t->now.buckets[flowtab_home(&t->now, k.hash)];
    unsigned fits = flowtab_fits(b, k.hash);
    const struct flowtab_rest *r = &b->rest[flowtab_first(fits)];
    uint64_t other = (uint64_t)!fits | (r->low != k.low);
    uint64_t more = fits | flowtab_passers(b, k.hash) | (t->old.buckets != NULL);
    if (__builtin_expect((more & -other) != 0, 0))
        return get_anywhere(t, k);
    return r->value | -other;
}

/* -- all flows ------------------------------------------------------------------------------------------- */

/* Places are numbered through: those of the array now, then those of the old one. */
static size_t places(const struct flowtab *t)
{
    return (t->now.size + t->old.size) * SLOTS;
}

/* => the array and bucket of a place, its slot in *slot. */
static struct flowtab_bucket *place(struct flowtab *t, size_t i, struct flowtab_array **a, unsigned *slot)
{
    uint64_t at = i / SLOTS;
    *slot = (unsigned)(i % SLOTS);
    *a = at < t->now.size ? &t->now : &t->old;
    return &(*a)->buckets[at < t->now.size ? at : at - t->now.size];
}

size_t flowtab_next(const struct flowtab *t, size_t cursor, struct flow_key *key, uint64_t *value)
{
    for (; cursor < places(t); cursor++) {
        unsigned slot;
        struct flowtab_array *a;
        const struct flowtab_bucket *b = place((struct flowtab *)(uintptr_t)t, cursor, &a, &slot);
        if (!(b->taken >> slot & 1))
            continue;
        *key = flowtab_key(b->hash[slot], b->rest[slot].low);
        *value = b->rest[slot].value;
        return cursor + 1;
    }
    return 0;
}

size_t flowtab_sweep(struct flowtab *t, size_t cursor, size_t budget, flowtab_dead *dead, void *ctx)
{
    size_t all = places(t), end = cursor < all && budget < all - cursor ? cursor + budget : all;
    for (; cursor < end; cursor++) {
        unsigned slot;
        struct flowtab_array *a;
        struct flowtab_bucket *b = place(t, cursor, &a, &slot);
        if (!(b->taken >> slot & 1) ||
            !dead(ctx, flowtab_key(b->hash[slot], b->rest[slot].low), b->rest[slot].value))
            continue;
        take_out(a, b, slot);
        t->count--;
    }
    return cursor < all ? cursor : 0;
}

size_t flowtab_count(const struct flowtab *t)
{
    return t->count;
}

size_t flowtab_bytes(const struct flowtab *t)
{
    return sizeof *t + (t->now.size + t->old.size) * sizeof *t->now.buckets;
}
