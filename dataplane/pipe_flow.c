/* pipe_flow.c - flow records: made, found, kept alive, given back. What they mean is told in pipe.c.
 *
 * Both directions of a flow at a port are a pair, and the flow table has one entry for it: the outbound key.
 *
 *   flow table: outbound key -> pair        pair, 64 bytes:   seen | out: decision, counts | in: the same
 *                                           records, 2 of 64: the keys and all that packets seldom need
 *
 * The entry is the pair's address, so that nothing has to be computed between search and line. A chunk of
 * packets adds the entries of its new pairs when it ends, all at once: what a full bucket of a large table
 * sends on to another one is waited for together.
 *
 * So a packet of a known flow costs one search and one line, and keeps both directions alive with it; a
 * connection costs one entry. A record is there if its half says so (FLOW_USED); a pair is given back with
 * its last record. Pairs and records lie in segments that double, so that adding moves none, and those given
 * back are used again last in, first out: they are still near.
 *
 * Costs: 64 + 2 * 64 bytes a pair, and 40 to 50 in the flow table. */
#include "dataplane/pipe_int.h"

#include "dataplane/mem.h"

#include <stdlib.h>
#include <string.h>

void *pipe_grow(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 256;
    void *more = realloc(at, *cap * size);
    if (!more)
        arena_oom("flow records");
    return more;
}

size_t pipe_flows(const struct pipe *p)
{
    return p->n_records;
}

struct flow_key pipe_key(const struct ctx *c, bool inbound)
{
    return flow_key_make(c->port, inbound, c->info->proto, c->src, c->dst, c->sport, c->dport);
}

/* Both directions are found by the outbound one's key. */
static struct flow_key outbound(struct flow_key key)
{
    return flow_key_dir(key) ? flow_key_reverse(key) : key;
}

/* -- the index, and pairs made while a chunk of packets is under way --------------------------------------- */

static uint32_t made_bit(struct flow_key out)
{
    const uint32_t x = (out.src ^ out.dst * 0x9e3779b1u) + ((uint32_t)out.sport << 16 | out.dport);
    return x * 0x85ebca6bu >> 22;
}

static_assert(PIPE_MADE * 64 == 1u << 10, "bits as many as made_bit has values");

static bool perhaps_made(const struct pipe *p, struct flow_key out)
{
    const uint32_t bit = made_bit(out);
    return p->made[bit / 64] >> bit % 64 & 1;
}

static bool same_key(const struct flow_key *a, const struct flow_key *b)
{
    return a->src == b->src && a->dst == b->dst && a->sport == b->sport && a->dport == b->dport &&
           a->port_proto_dir == b->port_proto_dir;
}

void pipe_index_later(struct pipe *p)
{
    memset(p->made, 0, sizeof p->made);
    p->later = true;
}

static void index_add(struct pipe *p)
{
    if (!p->n_later)
        return;
    if (flowtab_set_bulk(p->index, p->later_key, p->later_place, p->n_later) < p->n_later)
        arena_oom("flow table");
    p->n_later = 0;
}

void pipe_index_now(struct pipe *p)
{
    index_add(p);
    p->later = false;
}

/* The pair is found by that key from here on. */
static void index_set(struct pipe *p, struct flow_key out, const struct flow_pair *pair)
{
    if (!p->later) {
        if (flowtab_set(p->index, out, (uintptr_t)pair) != 0)
            arena_oom("flow table");
        return;
    }
    const uint32_t bit = made_bit(out);
    p->made[bit / 64] |= UINT64_C(1) << bit % 64;
    p->later_key[p->n_later] = out;
    p->later_place[p->n_later++] = (uintptr_t)pair;
    if (p->n_later == PIPE_AHEAD_MAX)
        index_add(p);
}

/* Of those to be added later the same bits speak. */
static uint64_t index_get(const struct pipe *p, struct flow_key out)
{
    for (size_t i = p->n_later && perhaps_made(p, out) ? p->n_later : 0; i-- > 0;)
        if (same_key(&p->later_key[i], &out))
            return p->later_place[i];
    return flowtab_get(p->index, out);
}

static uint32_t pair_of(const struct pipe *p, struct flow_key key)
{
    const uint64_t place = index_get(p, outbound(key));
    return place == FLOW_MISS ? NONE32 : pipe_pair_at(place)->number;
}

static struct flow_state *state_of(const struct pipe *p, uint32_t number)
{
    return pipe_hot(p, number)->flags & FLOW_USED ? pipe_record(p, number) : NULL;
}

struct flow_state *pipe_state_find(const struct pipe *p, struct flow_key key)
{
    const uint32_t pair = pair_of(p, key);
    return pair == NONE32 ? NULL : state_of(p, 2 * pair + flow_key_dir(key));
}

/* => as pair_of, without another search where the one before tells. */
static uint32_t pair_known(const struct ctx *c, struct flow_key key)
{
    const struct flow_key out = outbound(key);
    if (c->key && same_key(c->key, &out) && (c->had != NONE32 || !perhaps_made(c->p, out)))
        return c->had;
    return pair_of(c->p, key);
}

/* => ns that a record of the port at hand may be silent; 0: any time. */
static int64_t timeout_of(const struct ctx *c, const struct flow_state *s)
{
    const int64_t timeout = c->at->flow_timeout;
    if (timeout && s->extra < c->p->n_balanced && c->at->kind == PORT_NIC &&
        timeout < c->p->balanced[s->extra].timeout)
        return c->p->balanced[s->extra].timeout; /* a backend remembers as long as its balancer */
    return timeout;
}

struct flow_state *pipe_state_get(struct ctx *c, struct flow_key key)
{
    c->pair = pair_known(c, key);
    struct flow_state *s = c->pair == NONE32 ? NULL : state_of(c->p, 2 * c->pair + flow_key_dir(key));
    if (!s)
        return NULL;
    const int64_t timeout = timeout_of(c, s);
    const struct flow_pair *pair = pipe_pair(c->p, s->number / 2);
    const int64_t silent = c->now - pair->seen;
    if (pair->half[0].flags & FLOW_CLOSED && silent > c->p->linger)
        return NULL;
    return timeout && silent > timeout ? NULL : s;
}

static struct flow_count *count_of(struct pipe *p, uint32_t port)
{
    if (port >= p->n_counts) {
        const size_t n = (size_t)port * 2 + 16;
        struct flow_count *more = realloc(p->count, n * sizeof *more);
        if (!more)
            arena_oom("flow records");
        memset(more + p->n_counts, 0, (n - p->n_counts) * sizeof *more);
        p->count = more;
        p->n_counts = n;
    }
    return &p->count[port];
}

static void *segment_new(size_t n, size_t size)
{
    void *at = mem_array(n, size);
    if (!at)
        arena_oom("flow records");
    return at;
}

/* => a pair that nobody uses. */
static uint32_t pair_new(struct pipe *p)
{
    p->pairs_made++;
    if (p->n_free)
        return p->free_pair[--p->n_free];
    const unsigned s = pipe_segment(p->n_pairs);
    const size_t n = (size_t)PIPE_SEGMENT_FIRST << s;
    if (s >= PIPE_SEGMENTS)
        arena_oom("flow records");
    if (!p->pair[s]) {
        p->pair[s] = segment_new(n, sizeof *p->pair[s]);
        p->state[s] = segment_new(2 * n, sizeof *p->state[s]);
    }
    p->pair[s][pipe_in_segment(p->n_pairs, s)].number = p->n_pairs;
    return p->n_pairs++;
}

void pipe_records_free(struct pipe *p)
{
    for (unsigned s = 0; s < PIPE_SEGMENTS; s++) {
        const size_t n = (size_t)PIPE_SEGMENT_FIRST << s;
        mem_free(p->pair[s], n * sizeof *p->pair[s]);
        mem_free(p->state[s], 2 * n * sizeof *p->state[s]);
    }
    free(p->free_pair);
}

/* => key's pair, a new one where there is none. */
static uint32_t pair_make(struct pipe *p, struct flow_key key, uint32_t pair)
{
    if (pair == PAIR_UNKNOWN)
        pair = pair_of(p, key);
    if (pair == NONE32) {
        pair = pair_new(p);
        index_set(p, outbound(key), pipe_pair(p, pair));
    }
    return pair;
}

/* Give a record back. => whether its pair has none left. */
static bool record_free(struct pipe *p, struct flow_pair *pair, unsigned dir, struct flow_key key)
{
    p->count[flow_key_port(key)].n[dir]--;
    p->n_records--;
    pair->half[dir].flags &= FLOW_QUEUED;
    return !((pair->half[0].flags | pair->half[1].flags) & FLOW_USED);
}

/* Nothing leads to the pair any more. */
static void pair_free(struct pipe *p, uint32_t pair)
{
    p->freed++;
    p->free_pair = pipe_grow(p->free_pair, p->n_free, &p->cap_free, sizeof *p->free_pair);
    p->free_pair[p->n_free++] = pair;
}

/* => the first record that the pair has. */
static const struct flow_state *first_of(const struct pipe *p, const struct flow_pair *pair)
{
    return pipe_record(p, 2 * pair->number) + !(pair->half[0].flags & FLOW_USED);
}

void pipe_pairs_free(struct pipe *p, struct flow_pair *const *pair, size_t n)
{
    struct flow_key key[PIPE_FREE_GROUP];
    if (!n)
        return;
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(first_of(p, pair[i]));
    for (size_t i = 0; i < n; i++) {
        const struct flow_key first = first_of(p, pair[i])->key;
        key[i] = outbound(first);
        if (!record_free(p, pair[i], flow_key_dir(first), first))
            record_free(p, pair[i], 1, first);
    }
    index_add(p);
    flowtab_del_bulk(p->index, key, n);
    for (size_t i = 0; i < n; i++)
        pair_free(p, pair[i]->number);
}

static void give_back(struct pipe *p, uint32_t number)
{
    const struct flow_key key = pipe_record(p, number)->key;
    if (!record_free(p, pipe_pair(p, number / 2), number & 1, key))
        return;
    index_add(p);
    flowtab_del(p->index, outbound(key));
    pair_free(p, number / 2);
}

/* Give the expired records of the port back. */
static void sweep(struct ctx *c, struct flow_count *count)
{
    struct pipe *p = c->p;
    int64_t first = c->now + c->at->flow_timeout; /* when one of those that stay may expire */
    for (uint32_t i = 0; i < 2 * p->n_pairs; i++) {
        const struct flow_pair *pair = pipe_pair(p, i / 2);
        const struct flow_state *s = pipe_record(p, i);
        if (!(pair->half[i & 1].flags & FLOW_USED) || flow_key_port(s->key) != c->port)
            continue;
        const int64_t until = pair->seen + timeout_of(c, s);
        if (c->now > until)
            give_back(p, i);
        else
            first = until < first ? until : first;
    }
    count->full_until = first + 1;
    c->pair = PAIR_UNKNOWN; /* it may have been among them */
    c->key = NULL;
}

bool pipe_has_room(struct ctx *c)
{
    const uint32_t limit = c->img->flow_limit;
    struct flow_count *count = count_of(c->p, c->port);
    if (!limit || (count->n[0] < limit && count->n[1] < limit))
        return true;
    if (c->at->flow_timeout && c->now >= count->full_until)
        sweep(c, count);
    if (count->n[0] < limit && count->n[1] < limit)
        return true;
    c->d->reason = REASON_FLOW_LIMIT;
    trace_add(&c->d->trace, STAGE_FLOW_TABLE, REASON_FLOW_LIMIT);
    return false;
}

/* A new record in a half; flags: what else is to be said of that. */
static inline struct flow_state *put(const struct ctx *c, struct flow_count *count, struct flow_pair *pair,
                                     struct flow_state *s, struct flow_key key, bool answer, uint8_t flags)
{
    struct flow_hot *h = &pair->half[flow_key_dir(key)];
    const bool more = !(h->flags & FLOW_USED);
    count->n[flow_key_dir(key)] += more;
    c->p->n_records += more;
    *h = (struct flow_hot){.flags = FLOW_USED | flags};
    *s = (struct flow_state){.key = key,
                             .nexthop = NONE32,
                             .rules_epoch = c->img->epoch,
                             .flow = c->meta->flow,
                             .last_hop = c->meta->last_hop,
                             .via = NONE32,
                             .pool = NONE32,
                             .extra = NONE32,
                             .number = 2 * pair->number + flow_key_dir(key),
                             .answer = answer};
    return s;
}

struct flow_state *pipe_state_put(const struct ctx *c, struct flow_key key, bool answer)
{
    const uint32_t i = pair_make(c->p, key, PAIR_UNKNOWN);
    struct flow_pair *pair = pipe_pair(c->p, i);
    const unsigned dir = flow_key_dir(key);
    const uint8_t kept =
        (uint8_t)(pair->half[dir].flags & FLOW_QUEUED) | (dir ? pair->half[0].flags & FLOW_CLOSED : 0);
    pair->seen = c->now;
    return put(c, count_of(c->p, c->port), pair, pipe_record(c->p, 2 * i + dir), key, answer, kept);
}

struct flow_state *pipe_state_pair(struct ctx *c, bool inbound)
{
    const struct flow_key key = pipe_key(c, inbound);
    const uint32_t i = pair_make(c->p, key, c->pair);
    struct flow_pair *pair = pipe_pair(c->p, i);
    struct flow_state *first = pipe_record(c->p, 2 * i);
    struct flow_count *count = count_of(c->p, c->port);
    const uint8_t queued = pair->half[0].flags & FLOW_QUEUED;
    pair->seen = c->now;
    put(c, count, pair, first + !inbound, flow_key_reverse(key), true, inbound ? queued : 0);
    return c->record = put(c, count, pair, first + inbound, key, false, inbound ? 0 : queued);
}

struct flow_state *pipe_state_touch(struct ctx *c, bool inbound)
{
    struct flow_state *s = pipe_state_get(c, pipe_key(c, inbound));
    if (!s || (!c->img->rule_change_keeps_flows && !s->answer && s->rules_epoch != c->img->epoch))
        return NULL;
    struct flow_pair *pair = pipe_pair(c->p, s->number / 2);
    pair->seen = c->now;
    return c->record = s;
}

/* -- what packets leave with their records --------------------------------------------------------------- */

bool pipe_keeps(enum port_kind kind, bool inbound)
{
    switch (kind) {
    case PORT_NIC:
    case PORT_ENDPOINT:
        return true;
    case PORT_SERVICE:
    case PORT_RESOLVER:
        return inbound;
    case PORT_GATEWAY:
        return !inbound;
    case PORT_INTERNET_HOST:
    case PORT_ONPREM_HOST:
    case PORT_FRONTEND:
    case PORT_PLS:
        break;
    }
    return false;
}

/* TCP and UDP as they come, out of reach of what looks at single packets. A machine's public address is part
 * of the way in, not of the decision: pipe_batch.c. */
static bool is_kept(const struct ctx *c, bool inbound)
{
    const struct packet_info *in = c->info;
    const struct pipe_decision *d = c->d;
    return !c->varies && c->record->extra == NONE32 && d->reason == REASON_NONE && !d->absorbed &&
           !d->insert && !d->watch && !d->seq_add && !d->ack_add &&
           (!d->set_dst || (inbound && c->at->kind == PORT_NIC)) && pipe_keeps(c->at->kind, inbound) &&
           !in->stands_for_error && !in->mf && !in->frag_offset &&
           (in->proto == IPPROTO_NR_TCP || in->proto == IPPROTO_NR_UDP);
}

static void keep(const struct ctx *c, struct flow_hot *h)
{
    const struct pipe_decision *d = c->d;
    const bool nat = c->nat != NONE32;
    h->flags |= FLOW_DECIDED;
    h->flags |= nat ? FLOW_NAT : d->set_src ? FLOW_SNAT : 0;
    h->flags |= c->identity ? FLOW_IDENTITY : 0;
    h->epoch = c->img->epoch;
    h->next = d->next;
    h->link = d->link;
    h->addr = nat ? c->nat : d->src;
    h->port = d->sport;
}

/* The checks on the way in are the same as on the way out (P-08), and an answer needs no rule (G-05). */
void pipe_decide_answers(const struct ctx *c, const struct flow_state *s)
{
    struct flow_hot *h = pipe_hot(c->p, s->number ^ 1);
    h->flags |= FLOW_DECIDED;
    h->epoch = c->img->epoch;
    h->next = c->port;
}

void pipe_decided(struct ctx *c, bool inbound)
{
    struct pipe *p = c->p;
    struct pipe_count *n = &p->count_of[c->d->reason];
    n->packets++;
    n->bytes += c->info->ip_len;
    if (!c->record)
        return;
    struct flow_hot *h = pipe_hot(p, c->record->number);
    h->flags &= (uint8_t) ~(FLOW_DECIDED | FLOW_SNAT | FLOW_NAT | FLOW_IDENTITY);
    if (is_kept(c, inbound))
        keep(c, h);
    if (c->d->reason != REASON_NONE)
        return;
    if (pipe_count_packet(h, c->info->ip_len))
        pipe_count_carry(p, c->record->number);
    if (c->info->proto == IPPROTO_NR_TCP && !c->info->frag_offset)
        pipe_note_close(p, pipe_pair(p, c->record->number / 2), inbound, c->info->tcp_flags, c->now);
}

void pipe_count_carry(struct pipe *p, uint32_t number)
{
    struct flow_hot *h = pipe_hot(p, number);
    struct flow_state *s = pipe_record(p, number);
    const uint64_t bytes = h->count & ((UINT64_C(1) << COUNT_SHIFT) - 1);
    s->packets += (uint32_t)(h->count >> COUNT_SHIFT) / (uint32_t)COUNT_PACKETS;
    s->bytes += (uint32_t)(bytes / COUNT_BYTES);
    h->count &= ~(UINT64_C(1) << 63 | (bytes & ~(COUNT_BYTES - 1)));
}

const struct pipe_count *pipe_counts(const struct pipe *p)
{
    return p->count_of;
}

bool pipe_flow_count(const struct pipe *p, uint32_t port, unsigned dir, const struct packet_info *in,
                     struct pipe_count *out)
{
    const struct flow_state *s =
        pipe_state_find(p, flow_key_make(port, dir, in->proto, in->src, in->dst, in->sport, in->dport));
    if (!s)
        return false;
    const struct flow_hot *h = pipe_hot(p, s->number);
    *out = (struct pipe_count){s->packets * COUNT_PACKETS + (h->count >> COUNT_SHIFT),
                               s->bytes * COUNT_BYTES + (h->count & ((UINT64_C(1) << COUNT_SHIFT) - 1))};
    return true;
}
