/* exact.c - a hash table of one cache line a bucket, which grows a little at a time.
 *
 *   bucket, 64 bytes:  key[5] (realm << 32 | addr) | inverse of value[5] | passed
 *
 * A key belongs to its home bucket, chosen by the high half of its hash. When that is full it goes on in
 * steps taken from the low half, which share no factor with the number of buckets: they visit every bucket,
 * and keys of one home part ways at once instead of piling up in the neighbour. Every full bucket that an
 * entry went past counts it in `passed`, in one of eight counts chosen by its hash; a search ends at the
 * first bucket that nobody of its eighth went past. Removal undoes the counts on its way: no tombstones, no
 * moving of entries, and a table that churns forever stays as it was when new. A count that reached 15 stays
 * there, which costs searches and never an answer.
 *
 * Values are kept inverted: EXACT_MISS becomes 0, so memory fresh from the kernel is a table of free slots
 * and need not be touched. A bucket is searched without a branch: each of the five slots contributes its
 * inverse where the key fits, and the answer is the OR of them. A free slot contributes nothing, whatever
 * stale key it holds.
 *
 * Sizes are 4, 5, 6 or 7 times a power of two: powers of two alone would leave some tables twice as crowded
 * as others. Half of the slots are in use at most, and that is for speed. One entry in 40 then lies beyond
 * its home, one in 11 after long churn; with 4/5 in use it was one in 10 at once, and since such a search
 * costs as much as ten others, or a line from far away, batches took two to three times as long.
 *
 * Growth. A full table gets a second array, half as large again or a little more, and every entry added from
 * then on takes MOVED_AT_ONCE buckets along from the old one, until that is empty and given back: after a
 * fifth as many additions as it takes to fill the new array. Homes are proportional to hashes in both, so
 * moving goes through both from the front to the end. Searches look into the new array and, only while there
 * is an old one, into that, too.
 *
 * Costs: at most 2.5 entries a bucket on average. That is 26 to 32 bytes an entry where the number of entries
 * was foretold, up to 43 where the table grew, and two thirds of that besides while it does. A lookup reads
 * one line, rarely two. The table does not shrink.
 *
 * Batches are in exact_bulk.c. */
#include "dataplane/exact.h"
#include "dataplane/exact_int.h"
#include "dataplane/mem.h"

#include <errno.h>

#define PER_2_BUCKETS 5 /* entries that a full table has on average */
#define SIZE_END      ((uint64_t)1 << 29)
#define MOVED_AT_ONCE 4 /* buckets that one entry added takes along while the table grows */

/* -- arrays ---------------------------------------------------------------------------------------------- */

/* => entries that this many buckets hold: half of the slots. */
static size_t room(uint64_t size)
{
    return size * PER_2_BUCKETS / 2;
}

/* => the smallest size that holds that many, 0: there is none. */
static uint64_t size_for(size_t entries)
{
    return buckets_for(entries, PER_2_BUCKETS, 2, SIZE_END);
}

/* => an empty array of that many buckets; buckets NULL: out of memory, or size 0. */
static struct exact_array array_new(uint64_t size)
{
    return (struct exact_array){.buckets = size ? mem_array(size, sizeof(struct exact_bucket)) : NULL,
                                .size = size,
                                .strides = size / BUCKETS_STRIDE};
}

static void array_free(struct exact_array *a)
{
    mem_free(a->buckets, a->size * sizeof *a->buckets);
    *a = (struct exact_array){.buckets = NULL};
}

/* Count one passer-by more or, with -1, less; a full count can no longer tell. */
static void pass(struct exact_bucket *b, uint64_t h, int by)
{
    if (exact_passers(b, h) < EXACT_PASSED_MAX)
        b->passed += (uint32_t)by << (h & EXACT_CLASS);
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
    for (uint64_t n = 0; n < a->size; n++) {
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
    for (; n && t->moved < t->old.size; n--)
        move_bucket(t, &t->old.buckets[t->moved++]);
    if (t->old.buckets && t->moved == t->old.size)
        array_free(&t->old);
}

/* Begin to grow, having ended what growth there was. => 0, or -ENOMEM (unchanged). */
static int grow(struct exact *t, size_t entries)
{
    struct exact_array bigger = array_new(size_for(entries));
    if (!bigger.buckets)
        return -ENOMEM;
    move_some(t, UINT64_MAX);
    t->old = t->now;
    t->now = bigger;
    t->room = room(bigger.size);
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
    *t = (struct exact){.now = array_new(size_for(capacity_hint)), .variant = exact_best()};
    t->room = room(t->now.size);
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
    if (t->count == t->room && grow(t, t->count + t->count / 2))
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

static __attribute__((noinline)) uint32_t get_anywhere(const struct exact *t, uint64_t h, uint64_t key)
{
    uint32_t v = exact_find_value(&t->now, h, key);
    return t->old.buckets && v == EXACT_MISS ? exact_find_value(&t->old, h, key) : v;
}

/* Most searches end where they begin. */
uint32_t exact_get(const struct exact *t, uint32_t realm, uint32_t addr)
{
    uint64_t key = exact_key(realm, addr), h = hash_u64(key);
    const struct exact_bucket *b = &t->now.buckets[exact_home(&t->now, h)];
    uint32_t v = exact_bucket_get(b, key);
    if (!exact_search_ends(b, h, v) || t->old.buckets)
        return get_anywhere(t, h, key);
    return ~v;
}

size_t exact_count(const struct exact *t)
{
    return t->count;
}

size_t exact_bytes(const struct exact *t)
{
    return sizeof *t + (t->now.size + t->old.size) * sizeof *t->now.buckets;
}
