/* exact.c - a hash table of one cache line a bucket, which grows a little at a time.
 *
 *   bucket, 64 bytes:  key[5] (realm << 32 | addr) | inverse of value[5] | passed
 *
 * A key belongs to its home bucket, chosen by the high bits of its hash. When that is full it goes on in odd
 * steps taken from other bits of the hash: with a power of two of buckets they visit every bucket, and keys
 * of one home part ways at once instead of piling up in the neighbour. Every full bucket that an entry went
 * past counts it in `passed`, in one of eight counts chosen by its hash; a search ends at the first bucket
 * that nobody of its eighth went past. Removal undoes the counts on its way: no tombstones, no moving of
 * entries, and a table that churns forever stays as it was when new. A count that reached 15 stays there,
 * which costs searches and never an answer.
 *
 * Values are kept inverted: EXACT_MISS becomes 0, so memory fresh from the kernel is a table of free slots
 * and need not be touched. A bucket is searched without a branch: each of the five slots contributes its
 * inverse where the key fits, and the answer is the OR of them. A free slot contributes nothing, whatever
 * stale key it holds.
 *
 * Growth. A full table gets a second array of twice the size, and every entry added from then on takes
 * MOVED_AT_ONCE buckets along from the old one, until that is empty and given back: after a sixteenth as many
 * additions as it takes to fill the new array. Homes are the high bits of hashes in both, so moving goes
 * through both from the front to the end. Searches look into the new array and, only while there is an old
 * one, into that, too.
 *
 * Costs: at most 4 entries a bucket on average (4/5 full), 16 to 32 bytes an entry beyond the smallest table,
 * and half of that besides while it grows; a lookup reads one line, rarely two. The table does not shrink.
 *
 * Batches are in exact_bulk.c. */
#include "dataplane/exact.h"
#include "dataplane/exact_int.h"
#include "dataplane/mem.h"

#include <errno.h>

#define PER_LINE      4 /* entries a bucket that a full table has on average */
#define MOVED_AT_ONCE 4 /* buckets that one entry added takes along while the table grows */

/* -- arrays ---------------------------------------------------------------------------------------------- */

static size_t buckets(const struct exact_array *a)
{
    return a->buckets ? a->mask + 1 : 0;
}

/* => the smallest array that holds so many entries; buckets NULL: out of memory. */
static struct exact_array array_for(size_t entries)
{
    unsigned bits = 0;
    while (bits < 60 && ((size_t)PER_LINE << bits) < entries)
        bits++;
    return (struct exact_array){
        .buckets = bits > 48 ? NULL : mem_array((size_t)1 << bits, sizeof(struct exact_bucket)),
        .mask = ((uint64_t)1 << bits) - 1,
        .shift = bits ? 64 - bits : 63};
}

static void array_free(struct exact_array *a)
{
    mem_free(a->buckets, buckets(a) * sizeof *a->buckets);
    *a = (struct exact_array){.buckets = NULL};
}

/* Count one passer-by more or, with -1, less; a full count can no longer tell. */
static void pass(struct exact_bucket *b, uint64_t h, int by)
{
    if (exact_passers(b, h) < EXACT_PASSED_MAX)
        b->passed += (uint32_t)by << (h & 7) * 4;
}

static int free_slot(const struct exact_bucket *b)
{
    for (int i = 0; i < EXACT_SLOTS; i++)
        if (!b->inverse[i])
            return i;
    return -1;
}

/* Add a key that is not in the array, which has room. */
static void insert(struct exact_array *a, uint64_t key, uint32_t inverse)
{
    uint64_t h = hash_u64(key), at = exact_home(a, h);
    int slot;
    while ((slot = free_slot(&a->buckets[at])) < 0) {
        pass(&a->buckets[at], h, 1);
        at = exact_next_of(a, h, at);
    }
    a->buckets[at].key[slot] = key;
    a->buckets[at].inverse[slot] = inverse;
}

/* Take the entry in this slot out. */
static void take_out(struct exact_array *a, struct exact_bucket *b, int slot)
{
    uint64_t h = hash_u64(b->key[slot]), at = exact_home(a, h);
    for (; &a->buckets[at] != b; at = exact_next_of(a, h, at))
        pass(&a->buckets[at], h, -1);
    b->inverse[slot] = 0;
}

/* => the bucket that holds key and its slot, or NULL. */
static struct exact_bucket *find_in(const struct exact_array *a, uint64_t key, int *slot)
{
    uint64_t h = hash_u64(key), at = exact_home(a, h);
    for (uint64_t n = 0; n <= a->mask; n++) {
        struct exact_bucket *b = &a->buckets[at];
        for (*slot = 0; *slot < EXACT_SLOTS; ++*slot)
            if (b->key[*slot] == key && b->inverse[*slot])
                return b;
        if (!exact_passers(b, h))
            return NULL;
        at = exact_next_of(a, h, at);
    }
    return NULL;
}

/* => the same in either array, *a. */
static struct exact_bucket *find(struct exact *t, uint64_t key, struct exact_array **a, int *slot)
{
    struct exact_bucket *b = find_in(*a = &t->now, key, slot);
    return b || !t->old.buckets ? b : find_in(*a = &t->old, key, slot);
}

/* -- growth ---------------------------------------------------------------------------------------------- */

static void move_bucket(struct exact *t, struct exact_bucket *b)
{
    for (int slot = 0; slot < EXACT_SLOTS; slot++) {
        if (!b->inverse[slot])
            continue;
        insert(&t->now, b->key[slot], b->inverse[slot]);
        take_out(&t->old, b, slot);
    }
}

/* Move on by so many buckets; the last one gives the old array back. */
static void move_some(struct exact *t, uint64_t n)
{
    for (; n && t->moved < buckets(&t->old); n--)
        move_bucket(t, &t->old.buckets[t->moved++]);
    if (t->old.buckets && t->moved == buckets(&t->old))
        array_free(&t->old);
}

/* Begin to grow, having ended what growth there was. => 0, or -ENOMEM (unchanged). */
static int grow(struct exact *t, size_t entries)
{
    struct exact_array bigger = array_for(entries);
    if (!bigger.buckets)
        return -ENOMEM;
    move_some(t, UINT64_MAX);
    t->old = t->now;
    t->now = bigger;
    t->room = buckets(&bigger) * PER_LINE;
    t->moved = 0;
    return 0;
}

int exact_reserve(struct exact *t, size_t entries)
{
    if (entries > t->room && grow(t, entries))
        return -ENOMEM;
    move_some(t, UINT64_MAX);
    return 0;
}

/* -- one entry ------------------------------------------------------------------------------------------- */

struct exact *exact_new(size_t capacity_hint)
{
    struct exact *t = mem_alloc(sizeof *t);
    if (!t)
        return NULL;
    *t = (struct exact){.now = array_for(capacity_hint), .variant = exact_best()};
    t->room = buckets(&t->now) * PER_LINE;
    if (t->now.buckets)
        return t;
    mem_free(t, sizeof *t);
    return NULL;
}

void exact_free(struct exact *t)
{
    if (!t)
        return;
    array_free(&t->now);
    array_free(&t->old);
    mem_free(t, sizeof *t);
}

int exact_set(struct exact *t, uint32_t realm, uint32_t addr, uint32_t value)
{
    uint64_t key = exact_key(realm, addr);
    struct exact_array *a;
    int slot;
    if (value == EXACT_MISS)
        return -ERANGE;
    struct exact_bucket *b = find(t, key, &a, &slot);
    if (b) {
        b->inverse[slot] = ~value;
        return 0;
    }
    if (t->count == t->room && grow(t, t->count + 1))
        return -ENOMEM;
    insert(&t->now, key, ~value);
    t->count++;
    if (t->old.buckets)
        move_some(t, MOVED_AT_ONCE);
    return 0;
}

int exact_del(struct exact *t, uint32_t realm, uint32_t addr)
{
    struct exact_array *a;
    int slot;
    struct exact_bucket *b = find(t, exact_key(realm, addr), &a, &slot);
    if (!b)
        return -ENOENT;
    take_out(a, b, slot);
    t->count--;
    return 0;
}

uint32_t exact_get(const struct exact *t, uint32_t realm, uint32_t addr)
{
    uint64_t key = exact_key(realm, addr), h = hash_u64(key);
    uint32_t v = exact_find_value(&t->now, h, key);
    return v == EXACT_MISS && t->old.buckets ? exact_find_value(&t->old, h, key) : v;
}

size_t exact_count(const struct exact *t)
{
    return t->count;
}

size_t exact_bytes(const struct exact *t)
{
    return sizeof *t + (buckets(&t->now) + buckets(&t->old)) * sizeof *t->now.buckets;
}
