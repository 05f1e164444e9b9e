/* flowtab.c - a hash table of buckets of two cache lines.
 *
 *   bucket, 128 bytes:  head | slot 0 | slot 1 | slot 2 | slot 3 | slot 4        slot: key 16, value 8
 *   head, 8 bytes:      tag of slot 0 .. 4, one byte each | passed: six counts of four bits
 *
 * A tag is seven bits of the hash with the high bit set; 0 is a free slot. All five are compared at once in
 * the word, so a miss reads one line and a hit mostly compares one key. Slots fill from the first, which
 * shares the line of the head.
 *
 * A key belongs to its home bucket, from the high half of its hash; when that is full it goes on in steps
 * taken from the low half, which share no factor with the number of buckets. Every full bucket it went past
 * counts it in `passed`, in one of six counts chosen by its hash, and a search ends at a bucket that nobody
 * of its sixth went past. Removal undoes the counts: no tombstones, entries never move, and an emptied table
 * searches like a new one. A count that reached 15 stays there, which costs searches and never an answer.
 *
 * Costs: at most 3.2 flows a bucket on average, because one flow in twenty then lies beyond its home, and
 * with 4 one in ten. 40 to 50 bytes a flow in tables of more than 3 k flows, which grow by a quarter to a
 * third; smaller ones double. The new array is filled before the old one is given up. The table does not
 * shrink.
 *
 * Batches are in flowtab_bulk.c. Single lookups too decide without a branch whether the common search (one
 * tag fits, nobody passed by) hits or misses: half of the packets of a scan miss. */
#include "dataplane/flowtab.h"
#include "dataplane/flowtab_int.h"

#include <errno.h>
#include <stdbool.h>

#define SLOTS         FLOWTAB_SLOTS
#define PER_5_BUCKETS 16 /* flows that a full table has on average */
#define SIZE_END      ((uint64_t)1 << 32)
#define LARGE         (1u << 10) /* buckets from which a table grows by the smallest step */

static inline struct flowtab_probe probe_of(const struct flowtab *t, struct flow_key key)
{
    return flowtab_probe_hash(t, flowtab_hash(key));
}

static uint64_t get_far(const struct flowtab *t, struct flowtab_probe p, struct flow_key key)
{
    unsigned slot;
    const struct flowtab_bucket *b = flowtab_find(t, p, &key, &slot);
    return b ? b->slot[slot].value : FLOW_MISS;
}

/* The first candidate of the home bucket decides, unless it is another key and there may be more. */
static inline uint64_t probe_get(const struct flowtab *t, struct flowtab_probe p, struct flow_key key)
{
    const struct flowtab_bucket *b = &t->buckets[p.at];
    uint64_t c = flowtab_candidates(b->head, p.tags), rest = (c & (c - 1)) | flowtab_passers(b, p);
    const struct flowtab_slot *s = &b->slot[c ? flowtab_candidate_slot(c) : 0];
    uint64_t other = c ? !flowtab_same_key(&s->key, &key) : 1;
    if (__builtin_expect(other && rest, 0))
        return get_far(t, p, key);
    return s->value | -other;
}

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

/* Give t a new empty array of that many buckets. => 0, or -ENOMEM (t untouched). */
static int make_empty(struct flowtab *t, uint64_t size)
{
    struct flowtab_bucket *b = size ? mem_array(size, sizeof *b) : NULL;
    if (!b)
        return -ENOMEM;
    *t = (struct flowtab){
        .buckets = b, .size = size, .strides = size / FLOWTAB_STRIDE, .variant = flowtab_best()};
    return 0;
}

/* Count one passer-by more or, with -1, less; a full count can no longer tell. */
static void pass(struct flowtab_bucket *b, struct flowtab_probe p, int by)
{
    if (flowtab_passers(b, p) < FLOWTAB_PASSED_MAX)
        b->head += (uint64_t)by << p.count_at;
}

/* => the first free slot, or SLOTS. Tags have their high bit set. */
static unsigned free_slot(uint64_t head)
{
    uint64_t c = ~head & FLOWTAB_HIGHS;
    return c ? flowtab_candidate_slot(c) : SLOTS;
}

/* Add a key that is not in the table, which has room. */
static inline void insert(struct flowtab *t, struct flowtab_probe p, struct flow_key key, uint64_t value)
{
    unsigned slot;
    while ((slot = free_slot(t->buckets[p.at].head)) == SLOTS) {
        pass(&t->buckets[p.at], p, 1);
        p.at = flowtab_probe_next(t, p);
    }
    struct flowtab_bucket *b = &t->buckets[p.at];
    b->head |= (p.tags & 0xff) << (8 * slot);
    b->slot[slot] = (struct flowtab_slot){key, value};
    t->count++;
}

struct flowtab *flowtab_new(size_t hint)
{
    struct flowtab *t = mem_alloc(sizeof *t);
    if (!t || !make_empty(t, size_for(hint)))
        return t;
    mem_free(t, sizeof *t);
    return NULL;
}

static void free_buckets(struct flowtab *t)
{
    mem_free(t->buckets, t->size * sizeof *t->buckets);
}

void flowtab_free(struct flowtab *t)
{
    if (!t)
        return;
    free_buckets(t);
    mem_free(t, sizeof *t);
}

int flowtab_reserve(struct flowtab *t, size_t flows)
{
    if (flows <= room(t->size))
        return 0;
    struct flowtab bigger;
    struct flow_key key;
    uint64_t value;
    if (make_empty(&bigger, size_for(flows)))
        return -ENOMEM;
    bigger.variant = t->variant;
    for (size_t c = 0; (c = flowtab_next(t, c, &key, &value));)
        insert(&bigger, probe_of(&bigger, key), key, value);
    free_buckets(t);
    *t = bigger;
    return 0;
}

int flowtab_set(struct flowtab *t, struct flow_key key, uint64_t value)
{
    unsigned slot;
    if (value == FLOW_MISS)
        return -ERANGE;
    uint64_t h = flowtab_hash(key);
    struct flowtab_bucket *b = flowtab_find(t, flowtab_probe_hash(t, h), &key, &slot);
    if (b) {
        b->slot[slot].value = value;
        return 0;
    }
    if (t->count == room(t->size) && flowtab_reserve(t, t->size < LARGE ? 2 * t->count + 1 : t->count + 1))
        return -ENOMEM;
    insert(t, flowtab_probe_hash(t, h), key, value);
    return 0;
}

int flowtab_del(struct flowtab *t, struct flow_key key)
{
    unsigned slot;
    struct flowtab_probe p = probe_of(t, key);
    struct flowtab_bucket *b = flowtab_find(t, p, &key, &slot);
    if (!b)
        return -ENOENT;
    for (; &t->buckets[p.at] != b; p.at = flowtab_probe_next(t, p))
        pass(&t->buckets[p.at], p, -1);
    b->head &= ~((uint64_t)0xff << (8 * slot));
    t->count--;
    return 0;
}

uint64_t flowtab_get(const struct flowtab *t, struct flow_key key)
{
    return probe_get(t, probe_of(t, key), key);
}

size_t flowtab_next(const struct flowtab *t, size_t cursor, struct flow_key *key, uint64_t *value)
{
    for (; cursor < t->size * SLOTS; cursor++) {
        const struct flowtab_bucket *b = &t->buckets[cursor / SLOTS];
        size_t slot = cursor % SLOTS;
        if (!(b->head >> (8 * slot) & 0xff))
            continue;
        *key = b->slot[slot].key;
        *value = b->slot[slot].value;
        return cursor + 1;
    }
    return 0;
}

size_t flowtab_sweep(struct flowtab *t, size_t cursor, size_t budget, flowtab_dead *dead, void *ctx)
{
    const size_t places = t->size * SLOTS, end = budget < places - cursor ? cursor + budget : places;
    for (; cursor < end; cursor++) {
        const struct flowtab_bucket *b = &t->buckets[cursor / SLOTS];
        const struct flowtab_slot *s = &b->slot[cursor % SLOTS];
        if (b->head >> (8 * (cursor % SLOTS)) & 0xff && dead(ctx, s->key, s->value))
            flowtab_del(t, s->key);
    }
    return cursor < places ? cursor : 0;
}

size_t flowtab_count(const struct flowtab *t)
{
    return t->count;
}

size_t flowtab_bytes(const struct flowtab *t)
{
    return sizeof *t + t->size * sizeof *t->buckets;
}
