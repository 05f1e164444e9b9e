/* flowtab.c - the flow table: hashes, with what they need to be keys again, in buckets and in lines.
 *
 * A key is two words, high and low, of which the table keeps the low one and the hash of both: the hash can
 * be undone (hash.h), so (hash, low) is the key in other words, and part of a hash need not be kept where the
 * place of a flow tells it.
 *
 *   up to 10 M flows      buckets of two cache lines, the core           flowtab_core.c
 *   more                  lines of three flows, of which all but few are  flowtab_lines.c
 *                         found with one read; these in a core
 *
 * Both are parts of one kind (lines, perhaps none, and a core). A table that gets lines, or more of them, has
 * a second part: the former one, from which every flow added takes eight lines or buckets along until it is
 * empty and given back. Searches look into the new part and, only while there is one, into the former. The
 * core grows in the same way by itself, inside its part.
 *
 * Costs: 40 to 50 bytes a flow beyond 3 k flows, up to 54 where lines begin; the former part besides while
 * there is one. The table does not shrink.
 *
 * Batches of lookups are in flowtab_core_bulk.c and flowtab_lines_bulk.c. Single lookups decide without a
 * branch whether the common search hits or misses: half of the packets of a scan miss. Adding and removing
 * take a short way where home settles it. Their batches fetch lines before they change them. */
#include "dataplane/flowtab.h"
#include "dataplane/flowtab_int.h"

#include <errno.h>

/* A pair of words handed to a function that is not inlined goes through memory in halves and comes back
 * whole, which waits for every store before; such functions take the words one by one. */
#define INLINE __attribute__((always_inline)) static inline

/* -- growth of lines ------------------------------------------------------------------------------------- */

static bool lined(const struct flowtab *t)
{
    return t->now.lines.line != NULL;
}

static bool growing(const struct flowtab *t)
{
    return t->former.core.now.buckets != NULL;
}

/* Move on by so many units; the last one gives the former part back. => 0, or -ENOMEM: the rest is left. */
static int move_some(struct flowtab *t, uint64_t n)
{
    const uint64_t all = growing(t) ? flowtab_part_units(&t->former) : 0;
    for (; n && t->moved < all; n--, t->moved++)
        if (flowtab_part_move(&t->now, &t->former, t->moved))
            return -ENOMEM;
    if (growing(t) && t->moved == all)
        flowtab_part_free(&t->former);
    return 0;
}

/* Begin to have so many lines. Nothing is growing. => 0, or -ENOMEM (unchanged). */
static int grow(struct flowtab *t, uint64_t lines)
{
    struct flowtab_part bigger;
    if (flowtab_part_init(&bigger, lines))
        return -ENOMEM;
    t->former = t->now;
    t->now = bigger;
    t->room = flowtab_lines_room(bigger.lines.size);
    t->moved = 0;
    return 0;
}

/* End what is growing. => 0, or -ENOMEM (nothing lost). */
static int settle(struct flowtab *t)
{
    return flowtab_core_reserve(&t->now.core, 0) || move_some(t, UINT64_MAX) ? -ENOMEM : 0;
}

int flowtab_reserve(struct flowtab *t, size_t flows)
{
    if (!lined(t) && flows <= t->room)
        return flowtab_core_reserve(&t->now.core, flows);
    if (settle(t) || (flows > t->room && grow(t, flowtab_lines_for(flows))))
        return -ENOMEM;
    return settle(t);
}

/* -- the table ------------------------------------------------------------------------------------------- */

struct flowtab *flowtab_new(size_t hint)
{
    struct flowtab *t = mem_alloc(sizeof *t);
    if (!t)
        return NULL;
    *t = (struct flowtab){.variant = flowtab_best(), .room = FLOWTAB_CORE_FLOWS};
    if (flowtab_core_init(&t->now.core, 0) == 0 && flowtab_reserve(t, hint) == 0)
        return t;
    flowtab_free(t);
    return NULL;
}

void flowtab_free(struct flowtab *t)
{
    if (!t)
        return;
    flowtab_part_free(&t->now);
    flowtab_part_free(&t->former);
    mem_free(t, sizeof *t);
}

size_t flowtab_count(const struct flowtab *t)
{
    return flowtab_part_count(&t->now) + flowtab_part_count(&t->former);
}

size_t flowtab_bytes(const struct flowtab *t)
{
    return sizeof *t + flowtab_part_bytes(&t->now) + flowtab_part_bytes(&t->former);
}

/* -- one flow -------------------------------------------------------------------------------------------- */

/* => whether it is time to have lines, or more. What is growing ends first: lines that are more than full
 * only send more to the core. */
static bool full(const struct flowtab *t)
{
    return flowtab_count(t) >= t->room && !growing(t) && !t->now.core.old.buckets;
}

static __attribute__((noinline)) int set_lined(struct flowtab *t, uint64_t hash, uint64_t low, uint64_t value)
{
    if (flowtab_part_replace(&t->now, hash, low, value) ||
        (growing(t) && flowtab_part_replace(&t->former, hash, low, value)))
        return 0;
    if (full(t) && grow(t, flowtab_lines_more(t->now.lines.size)))
        return -ENOMEM;
    if (flowtab_part_add(&t->now, hash, low, value))
        return -ENOMEM;
    move_some(t, FLOWTAB_MOVED_AT_ONCE); /* what finds no memory now is moved later */
    return 0;
}

INLINE struct flowtab_line *line_of(const struct flowtab *t, struct flowtab_halves k)
{
    return &t->now.lines.line[flowtab_line_home(&t->now.lines, k.hash)];
}

/* Most flows are new, and their line has room. */
INLINE int set_line(struct flowtab *t, struct flowtab_halves k, uint64_t value)
{
    struct flowtab_line *x = line_of(t, k);
    unsigned slot = flowtab_line_free(x);
    if ((flowtab_line_fits(x, k.hash) | flowtab_line_sent(x)) || slot == FLOWTAB_LINE_SLOTS || growing(t) ||
        flowtab_part_count(&t->now) >= t->room)
        return set_lined(t, k.hash, k.low, value);
    flowtab_line_put(&t->now.lines, x, slot, k, value);
    return 0;
}

INLINE int set(struct flowtab *t, struct flowtab_halves k, uint64_t value)
{
    if (value == FLOW_MISS)
        return -ERANGE;
    return lined(t)                       ? set_line(t, k, value)
           : t->now.core.count >= t->room ? set_lined(t, k.hash, k.low, value)
                                          : flowtab_core_set(&t->now.core, k, value);
}

static __attribute__((noinline)) int del_lined(struct flowtab *t, uint64_t hash, uint64_t low)
{
    int err = flowtab_part_del(&t->now, hash, low);
    return err && growing(t) ? flowtab_part_del(&t->former, hash, low) : err;
}

/* Most flows are in their line, few others there have these bits of their hash. */
INLINE int del_line(struct flowtab *t, struct flowtab_halves k)
{
    struct flowtab_line *x = line_of(t, k);
    unsigned slot = flowtab_line_find(x, k);
    if (slot == FLOWTAB_LINE_SLOTS)
        return del_lined(t, k.hash, k.low);
    flowtab_line_clear(&t->now.lines, x, slot);
    return 0;
}

INLINE int del(struct flowtab *t, struct flowtab_halves k)
{
    return lined(t) ? del_line(t, k) : flowtab_core_del(&t->now.core, k);
}

int flowtab_set(struct flowtab *t, struct flow_key key, uint64_t value)
{
    return set(t, flowtab_halves(key), value);
}

int flowtab_del(struct flowtab *t, struct flow_key key)
{
    return del(t, flowtab_halves(key));
}

static __attribute__((noinline)) uint64_t get_lined(const struct flowtab *t, uint64_t hash, uint64_t low)
{
    uint64_t value = flowtab_part_get(&t->now, hash, low);
    return value == FLOW_MISS && growing(t) ? flowtab_part_get(&t->former, hash, low) : value;
}

uint64_t flowtab_get(const struct flowtab *t, struct flow_key key)
{
    struct flowtab_halves k = flowtab_halves(key);
    return lined(t) ? get_lined(t, k.hash, k.low) : flowtab_core_get(&t->now.core, k);
}

/* -- many flows ------------------------------------------------------------------------------------------ */

#define GROUP 32u
#define ALL   (2 * GROUP)

#define FAR_BUCKETS (1u << 16) /* 8 MiB of them: nearer ones are sooner read than asked for */

/* Keys of a batch in the making, the halves of key i at i % ALL. Their homes, which will be written, are on
 * their way. */
struct ahead {
    const struct flowtab_part *part;
    struct flowtab_halves k[ALL];
};

/* Hash up to GROUP keys from i on. */
static void prepare(struct ahead *x, const struct flow_key *keys, size_t i, size_t n)
{
    const struct flowtab_part *p = x->part;
    for (size_t end = n - i < GROUP ? n : i + GROUP; i < end; i++) {
        struct flowtab_halves k = x->k[i % ALL] = flowtab_halves(keys[i]);
        if (p->lines.line)
            __builtin_prefetch(&p->lines.line[flowtab_line_home(&p->lines, k.hash)], 1);
        else
            flowtab_core_fetch(&p->core, k.hash);
    }
}

/* Their homes are there, and what is full, or sent flows on, will need more: of lines the core, of buckets
 * the next one. Inline, or the compiler takes them for functions without effect and leaves them out. */
INLINE void prepare_core(const struct ahead *x, size_t i, size_t n)
{
    const struct flowtab_part *p = x->part;
    for (size_t end = n - i < GROUP ? n : i + GROUP; i < end; i++) {
        const uint64_t hash = x->k[i % ALL].hash;
        const struct flowtab_line *line = &p->lines.line[flowtab_line_home(&p->lines, hash)];
        if (flowtab_line_sent(line) || flowtab_line_free(line) == FLOWTAB_LINE_SLOTS)
            flowtab_core_fetch(&p->core, hash);
    }
}

/* Where nothing is needed the home is fetched again, which costs less than a branch. */
INLINE void prepare_next(const struct ahead *x, size_t i, size_t n)
{
    const struct flowtab_array *a = &x->part->core.now;
    for (size_t end = n - i < GROUP ? n : i + GROUP; i < end; i++) {
        const uint64_t hash = x->k[i % ALL].hash, home = flowtab_home(a, hash);
        const struct flowtab_bucket *b = &a->buckets[home];
        const uint64_t more = -(uint64_t)((b->taken == FLOWTAB_ALL_TAKEN) | (flowtab_passers(b, hash) != 0));
        b = &a->buckets[home ^ ((home ^ flowtab_next_of(a, hash, home)) & more)];
        __builtin_prefetch(b->hash, 1);
        __builtin_prefetch(&b->rest[1], 1);
    }
}

INLINE void prepare_ahead(struct ahead *x, const struct flow_key *keys, size_t i, size_t n)
{
    if (i % GROUP)
        return;
    if (!i)
        prepare(x, keys, 0, n);
    if (n - i > GROUP)
        prepare(x, keys, i + GROUP, n);
    if (x->part->lines.line)
        prepare_core(x, i, n);
    else if (x->part->core.now.size > FAR_BUCKETS)
        prepare_next(x, i, n);
}

size_t flowtab_set_bulk(struct flowtab *t, const struct flow_key *keys, const uint64_t *values, size_t n)
{
    struct ahead x;
    x.part = &t->now;
    for (size_t i = 0; i < n; i++) {
        prepare_ahead(&x, keys, i, n);
        if (set(t, x.k[i % ALL], values[i]))
            return i;
    }
    return n;
}

size_t flowtab_del_bulk(struct flowtab *t, const struct flow_key *keys, size_t n)
{
    struct ahead x;
    size_t there = flowtab_count(t);
    x.part = &t->now;
    for (size_t i = 0; i < n; i++) {
        prepare_ahead(&x, keys, i, n);
        del(t, x.k[i % ALL]);
    }
    return there - flowtab_count(t);
}

void flowtab_get_missed(flowtab_get_fn *get, const void *where, enum flowtab_variant v,
                        const struct flow_key *keys, uint64_t *values, size_t n)
{
    enum { PART = 128 };
    struct flow_key missed[PART];
    uint64_t value[PART];
    for (size_t from = 0, to; from < n; from = to) {
        size_t k = 0;
        uint32_t at[PART];
        to = n - from < PART ? n : from + PART;
        for (size_t i = from; i < to; i++) {
            missed[k] = keys[i];
            at[k] = (uint32_t)(i - from);
            k += values[i] == FLOW_MISS;
        }
        get(where, v, missed, value, k);
        for (size_t i = 0; i < k; i++)
            values[from + at[i]] = value[i];
    }
}

void flowtab_get_bulk(const struct flowtab *t, const struct flow_key *keys, uint64_t *values, size_t n)
{
    flowtab_part_get_bulk(&t->now, t->variant, keys, values, n);
    if (growing(t))
        flowtab_get_missed(flowtab_part_get_bulk, &t->former, t->variant, keys, values, n);
}

/* -- all flows ------------------------------------------------------------------------------------------- */

/* Places are numbered through, the new part's first. */
static bool place(const struct flowtab *t, size_t i, struct flowtab_halves *k, uint64_t *value)
{
    const size_t now = flowtab_part_places(&t->now);
    return i < now ? flowtab_part_place(&t->now, i, k, value)
                   : flowtab_part_place(&t->former, i - now, k, value);
}

static size_t places(const struct flowtab *t)
{
    return flowtab_part_places(&t->now) + flowtab_part_places(&t->former);
}

size_t flowtab_next(const struct flowtab *t, size_t cursor, struct flow_key *key, uint64_t *value)
{
    const size_t all = places(t);
    struct flowtab_halves k;
    uint64_t v;
    while (cursor < all && !place(t, cursor, &k, &v))
        cursor++;
    if (cursor >= all)
        return 0;
    *key = flowtab_key(k.hash, k.low);
    *value = v;
    return cursor + 1;
}

size_t flowtab_sweep(struct flowtab *t, size_t cursor, size_t budget, flowtab_dead *dead, void *ctx)
{
    const size_t now = flowtab_part_places(&t->now), all = places(t);
    size_t end = cursor < all && budget < all - cursor ? cursor + budget : all;
    for (; cursor < end; cursor++) {
        struct flowtab_halves k;
        uint64_t value;
        if (!place(t, cursor, &k, &value) || !dead(ctx, flowtab_key(k.hash, k.low), value))
            continue;
        if (cursor < now)
            flowtab_part_take(&t->now, cursor);
        else
            flowtab_part_take(&t->former, cursor - now);
    }
    return cursor < all ? cursor : 0;
}
