/* flowtab.c - a hash table of buckets of two cache lines.
 *
 *   bucket, 128 bytes:  head | slot 0 | slot 1 | slot 2 | slot 3 | slot 4        slot: key 16, value 8
 *   head, 8 bytes:      tag of slot 0 .. 4, one byte each | passed: six counts of four bits
 *
 * A tag is seven bits of the hash with the high bit set; 0 is a free slot. All five are compared at once in
 * the word, so a miss reads one line and a hit mostly compares one key. Slots fill from the first, which
 * shares the line of the head.
 *
 * A key belongs to its home bucket, from the high bits of its hash; when that is full it goes on in odd steps
 * taken from other bits. Every full bucket it went past counts it in `passed`, in one of six counts chosen by
 * its hash, and a search ends at a bucket that nobody of its sixth went past. Removal undoes the counts: no
 * tombstones, entries never move, and an emptied table searches like a new one. A count that reached 15 stays
 * there, which costs searches and never an answer.
 *
 * Costs: at most 4 flows a bucket on average (4/5 full), 32 to 64 bytes a flow beyond the smallest table.
 * Growth doubles: the new array is filled before the old one is given up. The table does not shrink.
 *
 * Batches: AHEAD keys are hashed and their buckets prefetched before they are searched. Whether the common
 * search (one tag fits, nobody passed by) hits or misses is decided without a branch: half of the packets
 * of a scan miss. */
#include "dataplane/flowtab.h"
#include "dataplane/flowtab_int.h"

#include <errno.h>
#include <stdbool.h>

#define SLOTS      FLOWTAB_SLOTS
#define PER_BUCKET 4 /* flows a bucket that a full table has on average */
#define AHEAD      16
#define ONES       0x0101010101u
#define HIGHS      0x8080808080u

/* Where a key is looked for: home, then every step buckets; its tag in all five bytes; where its counts
 * are. */
struct probe {
    uint64_t at, step, tags;
    unsigned count_at;
};

static inline struct probe probe_of(const struct flowtab *t, struct flow_key key)
{
    uint64_t h = flowtab_hash(key);
    unsigned sixth = (unsigned)((h >> 7 & 0xff) * FLOWTAB_COUNTS >> 8);
    return (struct probe){h >> t->shift & t->mask, h >> 7 | 1, ((h & 0x7f) | 0x80) * ONES,
                          FLOWTAB_COUNTS_AT + 4 * sixth};
}

static inline uint64_t probe_next(const struct flowtab *t, struct probe p)
{
    return (p.at + p.step) & t->mask;
}

static inline uint64_t passers(const struct flowtab_bucket *b, struct probe p)
{
    return b->head >> p.count_at & FLOWTAB_PASSED_MAX;
}

static inline bool same_key(struct flow_key x, struct flow_key y)
{
    uint64_t a[2], b[2];
    memcpy(a, &x, sizeof a);
    memcpy(b, &y, sizeof b);
    return !((a[0] ^ b[0]) | (a[1] ^ b[1]));
}

/* => the high bit of each byte whose tag fits, and now and then of the byte above one: candidates, to be
 * compared. */
static inline uint64_t candidates(uint64_t head, uint64_t tags)
{
    uint64_t x = (head ^ tags) & FLOWTAB_TAGS;
    return (x - ONES) & ~x & HIGHS;
}

static inline unsigned candidate_slot(uint64_t c)
{
    return (unsigned)__builtin_ctzll(c) / 8;
}

/* => the slot that holds key in this bucket, or SLOTS. */
static inline unsigned bucket_find(const struct flowtab_bucket *b, uint64_t tags, struct flow_key key)
{
    for (uint64_t c = candidates(b->head, tags); c; c &= c - 1)
        if (same_key(b->slot[candidate_slot(c)].key, key))
            return candidate_slot(c);
    return SLOTS;
}

/* => the bucket that holds key, its slot in *slot, or NULL. */
static struct flowtab_bucket *find(const struct flowtab *t, struct probe p, struct flow_key key,
                                   unsigned *slot)
{
    for (uint64_t n = 0; n <= t->mask; n++) {
        struct flowtab_bucket *b = &t->buckets[p.at];
        *slot = bucket_find(b, p.tags, key);
        if (*slot < SLOTS)
            return b;
        if (!passers(b, p))
            return NULL;
        p.at = probe_next(t, p);
    }
    return NULL;
}

static uint64_t get_far(const struct flowtab *t, struct probe p, struct flow_key key)
{
    unsigned slot;
    const struct flowtab_bucket *b = find(t, p, key, &slot);
    return b ? b->slot[slot].value : FLOW_MISS;
}

/* The first candidate of the home bucket decides, unless it is another key and there may be more. */
static inline uint64_t probe_get(const struct flowtab *t, struct probe p, struct flow_key key)
{
    const struct flowtab_bucket *b = &t->buckets[p.at];
    uint64_t c = candidates(b->head, p.tags), rest = (c & (c - 1)) | passers(b, p);
    const struct flowtab_slot *s = &b->slot[c ? candidate_slot(c) : 0];
    uint64_t other = c ? !same_key(s->key, key) : 1;
    if (__builtin_expect(other && rest, 0))
        return get_far(t, p, key);
    return s->value | -other;
}

static size_t room(const struct flowtab *t)
{
    return (t->mask + 1) * PER_BUCKET;
}

static unsigned bits_for(size_t flows)
{
    unsigned bits = 0;
    while (bits < 60 && ((size_t)PER_BUCKET << bits) < flows)
        bits++;
    return bits;
}

/* Give t a new empty array of 2^bits buckets. => 0, or -ENOMEM (t untouched). */
static int make_empty(struct flowtab *t, unsigned bits)
{
    struct flowtab_bucket *b = bits > 48 ? NULL : mem_array((size_t)1 << bits, sizeof *b);
    if (!b)
        return -ENOMEM;
    *t = (struct flowtab){.buckets = b, .mask = ((uint64_t)1 << bits) - 1, .shift = bits ? 64 - bits : 63};
    return 0;
}

/* Count one passer-by more or, with -1, less; a full count can no longer tell. */
static void pass(struct flowtab_bucket *b, struct probe p, int by)
{
    if (passers(b, p) < FLOWTAB_PASSED_MAX)
        b->head += (uint64_t)by << p.count_at;
}

/* => the first free slot, or SLOTS. Tags have their high bit set. */
static unsigned free_slot(uint64_t head)
{
    uint64_t c = ~head & HIGHS;
    return c ? candidate_slot(c) : SLOTS;
}

/* Add a key that is not in the table, which has room. */
static void insert(struct flowtab *t, struct flow_key key, uint64_t value)
{
    struct probe p = probe_of(t, key);
    unsigned slot;
    while ((slot = free_slot(t->buckets[p.at].head)) == SLOTS) {
        pass(&t->buckets[p.at], p, 1);
        p.at = probe_next(t, p);
    }
    struct flowtab_bucket *b = &t->buckets[p.at];
    b->head |= (p.tags & 0xff) << (8 * slot);
    b->slot[slot] = (struct flowtab_slot){key, value};
    t->count++;
}

struct flowtab *flowtab_new(size_t hint)
{
    struct flowtab *t = mem_alloc(sizeof *t);
    if (!t || !make_empty(t, bits_for(hint)))
        return t;
    mem_free(t, sizeof *t);
    return NULL;
}

static void free_buckets(struct flowtab *t)
{
    mem_free(t->buckets, (t->mask + 1) * sizeof *t->buckets);
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
    if (flows <= room(t))
        return 0;
    struct flowtab bigger;
    struct flow_key key;
    uint64_t value;
    if (make_empty(&bigger, bits_for(flows)))
        return -ENOMEM;
    for (size_t c = 0; (c = flowtab_next(t, c, &key, &value));)
        insert(&bigger, key, value);
    free_buckets(t);
    *t = bigger;
    return 0;
}

int flowtab_set(struct flowtab *t, struct flow_key key, uint64_t value)
{
    unsigned slot;
    if (value == FLOW_MISS)
        return -ERANGE;
    struct flowtab_bucket *b = find(t, probe_of(t, key), key, &slot);
    if (b) {
        b->slot[slot].value = value;
        return 0;
    }
    if (flowtab_reserve(t, t->count + 1))
        return -ENOMEM;
    insert(t, key, value);
    return 0;
}

int flowtab_del(struct flowtab *t, struct flow_key key)
{
    unsigned slot;
    struct probe p = probe_of(t, key);
    struct flowtab_bucket *b = find(t, p, key, &slot);
    if (!b)
        return -ENOENT;
    for (; &t->buckets[p.at] != b; p.at = probe_next(t, p))
        pass(&t->buckets[p.at], p, -1);
    b->head &= ~((uint64_t)0xff << (8 * slot));
    t->count--;
    return 0;
}

uint64_t flowtab_get(const struct flowtab *t, struct flow_key key)
{
    return probe_get(t, probe_of(t, key), key);
}

static inline struct probe prefetch(const struct flowtab *t, struct flow_key key)
{
    struct probe p = probe_of(t, key);
    const char *line = (const char *)&t->buckets[p.at];
    __builtin_prefetch(line);
    __builtin_prefetch(line + MEM_LINE);
    return p;
}

void flowtab_get_bulk(const struct flowtab *t, const struct flow_key *keys, uint64_t *values, size_t n)
{
    struct probe ring[AHEAD];
    size_t i = 0, primed = n < AHEAD ? n : AHEAD;
    for (; i < primed; i++)
        ring[i] = prefetch(t, keys[i]);
    for (i = 0; i + AHEAD < n; i++) {
        values[i] = probe_get(t, ring[i % AHEAD], keys[i]);
        ring[i % AHEAD] = prefetch(t, keys[i + AHEAD]);
    }
    for (; i < n; i++)
        values[i] = probe_get(t, ring[i % AHEAD], keys[i]);
}

size_t flowtab_next(const struct flowtab *t, size_t cursor, struct flow_key *key, uint64_t *value)
{
    for (; cursor < (t->mask + 1) * SLOTS; cursor++) {
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

size_t flowtab_count(const struct flowtab *t)
{
    return t->count;
}

size_t flowtab_bytes(const struct flowtab *t)
{
    return sizeof *t + (t->mask + 1) * sizeof *t->buckets;
}
