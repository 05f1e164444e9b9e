/* rows_pipeline.c - the packet path as a whole: frames of 64 bytes come into buffers, are parsed, find their
 * flow, are rewritten and counted; and connections of six packets that come and go among many that stand. */
#include "bench/net.h"
#include "dataplane/flowtab_int.h"
#include "dataplane/pipe_int.h"
#include "dataplane/rng.h"
#include "dataplane/sim_int.h"

#include <errno.h>
#include <string.h>

#define PACKETS   ((size_t)1 << 16) /* of a run, at least */
#define CONNS     ((size_t)1 << 15)
#define LINGER    INT64_C(1000000) /* ns */
#define BURST_GAP INT64_C(10000)

typedef void batch_fn(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *k, size_t n);

static void batch(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *k, size_t n)
{
    pipe_batch(p, img, now, k, n, NULL);
}

/* -- packets of flows that stand ------------------------------------------------------------------------- */

struct stream {
    const struct net *net;
    struct net_ring ring;
    uint8_t (*frame)[NET_FRAME];
    uint32_t *port; /* twice, and one more for those that come in */
    uint64_t *want;
    size_t n, flows;
    int64_t now;
};

struct stream_run {
    struct stream *s;
    struct pipe *pipe;
    batch_fn *fn;
};

static void stream_run(void *ctx, void *out)
{
    struct stream_run *x = ctx;
    struct stream *s = x->s;
    uint64_t *answer = out;
    for (size_t i = 0; i < s->n; i += NET_BURST) {
        struct pipe_packet *k = s->ring.slot;
        for (size_t j = 0; j < NET_BURST; j++)
            net_receive(&k[j], s->frame[i + j], s->port[i + j] / 2, s->port[i + j] & 1);
        x->fn(x->pipe, s->net->img, s->now++, k, NET_BURST);
        for (size_t j = 0; j < NET_BURST; j++)
            answer[i + j] = net_answer(&k[j]);
    }
}

/* Open all flows, each with its first packet and the answer; there is room for all before. */
static struct pipe *open_flows(const struct net *net, struct net_ring *r, bool public, size_t flows)
{
    struct pipe *p = pipe_new();
    bench_check(p ? flowtab_reserve(p->index, flows + CONNS) : -ENOMEM, "pipe_new");
    for (uint32_t i = 0; i < flows; i += NET_BURST / 2) {
        for (uint32_t j = 0; j < NET_BURST / 2; j++) {
            uint8_t frame[NET_FRAME];
            const struct flow_key k = net_flow(net, public, i + j);
            net_header(frame, k, false, TCP_SYN);
            net_receive(&r->slot[2 * j], frame, flow_key_port(k), false);
            net_header(frame, k, true, TCP_SYN | TCP_ACK);
            net_receive(&r->slot[2 * j + 1], frame, flow_key_port(k), true);
        }
        pipe_batch(p, net->img, 0, r->slot, NET_BURST, NULL);
    }
    bench_check(pipe_flows(p) == 2 * flows ? 0 : -EINVAL, "flows opened");
    return p;
}

/* What each packet gives on its own, its checksums looked at as a whole. */
static void expect(struct stream *s, struct pipe *p)
{
    for (size_t i = 0; i < s->n; i++) {
        struct pipe_packet *k = s->ring.slot;
        net_receive(k, s->frame[i], s->port[i] / 2, s->port[i] & 1);
        net_one_by_one(p, s->net->img, 0, k, 1);
        bench_check(k->reason == REASON_NONE && packet_checksums_ok(k->packet->data, NET_FRAME) ? 0 : -EINVAL,
                    "expected answers");
        s->want[i] = net_answer(k);
    }
}

/* => memory in use by the flow table, and the pairs and records that it leads to. */
static size_t bytes_of(const struct pipe *p)
{
    return flowtab_bytes(p->index) + p->n_pairs * (sizeof **p->pair + 2 * sizeof **p->state);
}

/* An address in the largest segment of pairs. */
static const void *pairs_at(const struct pipe *p)
{
    return p->n_pairs ? pipe_pair(p, p->n_pairs - 1) : NULL;
}

static void stream_row(struct bench *b, const struct net *net, size_t flows, bool public, const char *name,
                       double goal)
{
    struct stream s = {.net = net, .n = flows > PACKETS ? flows : PACKETS, .flows = flows};
    struct rng r;
    net_ring_new(&s.ring);
    s.frame = bench_array(s.n, sizeof *s.frame);
    s.port = bench_array(s.n, sizeof *s.port);
    s.want = bench_array(s.n, sizeof *s.want);
    rng_seed(&r, b->seed, "pipeline");
    struct pipe *ours = open_flows(net, &s.ring, public, flows),
                *single = open_flows(net, &s.ring, public, flows);
    for (size_t i = 0; i < s.n; i++) {
        const struct flow_key k = net_flow(net, public, (uint32_t)rng_below(&r, flows));
        const bool inbound = !public && rng_below(&r, 2);
        net_frame(s.frame[i], k, inbound, TCP_ACK);
        s.port[i] = 2 * flow_key_port(k) + inbound;
    }
    expect(&s, single);
    struct stream_run a = {&s, ours, batch}, c = {&s, single, net_one_by_one};
    struct bench_row row = {.what = "packets, 64 bytes",
                            .table = name,
                            .stream = public ? "out, translated" : "out and in",
                            .work = s.n,
                            .entries = flows,
                            .want = s.want,
                            .n_runs = 2,
                            .run = {{.name = "ours",
                                     .fn = stream_run,
                                     .ctx = &a,
                                     .width = 8,
                                     .at = pairs_at(ours),
                                     .bytes = bytes_of(ours)},
                                    {.name = "ours one by one", .fn = stream_run, .ctx = &c, .width = 8}}};
    bench_row(b, &row);
    if (goal > 0)
        bench_want_rate(b, "ours", goal);
    pipe_free(ours);
    pipe_free(single);
    bench_free(s.frame, s.n, sizeof *s.frame);
    bench_free(s.port, s.n, sizeof *s.port);
    bench_free(s.want, s.n, sizeof *s.want);
    net_ring_free(&s.ring);
}

/* -- the flow table and its full entry ------------------------------------------------------------------- */

struct entry {
    struct pipe *pipe;
    struct flow_key *key; /* outbound */
    uint64_t *want, *place;
    size_t n;
    int64_t now;
};

/* Search, check the decision's epoch, take it, count. */
static void entry_run(void *ctx, void *out)
{
    struct entry *e = ctx;
    uint64_t *answer = out, place[NET_BURST];
    const struct pipe *p = e->pipe;
    e->now++;
    for (size_t i = 0; i < e->n; i += NET_BURST) {
        flowtab_get_bulk(p->index, e->key + i, place, NET_BURST);
        for (size_t j = 0; j < NET_BURST; j++)
            __builtin_prefetch(pipe_pair_at(place[j]), 1);
        for (size_t j = 0; j < NET_BURST; j++) {
            struct flow_pair *pair = pipe_pair_at(place[j]);
            struct flow_hot *h = &pair->half[0];
            pair->seen = e->now;
            if (pipe_count_packet(h, NET_FRAME - ETH_HLEN))
                pipe_count_carry(e->pipe, 2 * pair->number);
            answer[i + j] =
                h->flags & FLOW_DECIDED && h->epoch == 1 ? (uint64_t)h->next << 32 | h->addr : BENCH_MISS;
        }
    }
}

static void entry_alone(void *ctx, void *out)
{
    const struct entry *e = ctx;
    flowtab_get_bulk(e->pipe->index, e->key, out, e->n);
}

static void entry_row(struct bench *b, const struct net *net, size_t flows, const char *name)
{
    struct net_ring ring;
    struct rng r;
    struct entry e = {.n = flows > PACKETS ? flows : PACKETS};
    net_ring_new(&ring);
    e.pipe = open_flows(net, &ring, false, flows);
    e.key = bench_array(e.n, sizeof *e.key);
    e.want = bench_array(e.n, sizeof *e.want);
    e.place = bench_array(e.n, sizeof *e.place);
    rng_seed(&r, b->seed, "entries");
    for (size_t i = 0; i < e.n; i++) {
        e.key[i] = net_flow(net, false, (uint32_t)rng_below(&r, flows));
        e.place[i] = flowtab_get(e.pipe->index, e.key[i]);
        const struct flow_state *s = pipe_record(e.pipe, 2 * pipe_pair_at(e.place[i])->number);
        const struct image_nexthop *nh = &net->img->table[0].nexthop[s->nexthop];
        e.want[i] =
            (uint64_t)(nh->action == NH_PORT ? nh->port
                                             : exact_get(net->img->addresses, nh->realm, e.key[i].dst))
            << 32;
    }
    struct bench_row row = {.what = "flow entry",
                            .table = name,
                            .stream = "verdict and counts",
                            .work = e.n,
                            .entries = flows,
                            .want = e.want,
                            .n_runs = 2,
                            .run = {{.name = "ours",
                                     .how = flowtab_how(e.pipe->index),
                                     .fn = entry_run,
                                     .ctx = &e,
                                     .width = 8,
                                     .at = pairs_at(e.pipe),
                                     .bytes = bytes_of(e.pipe)},
                                    {.name = "ours, its place only",
                                     .how = flowtab_how(e.pipe->index),
                                     .fn = entry_alone,
                                     .ctx = &e,
                                     .want = e.place,
                                     .width = 8,
                                     .bytes = flowtab_bytes(e.pipe->index)}}};
    bench_row(b, &row);
    pipe_free(e.pipe);
    bench_free(e.key, e.n, sizeof *e.key);
    bench_free(e.want, e.n, sizeof *e.want);
    bench_free(e.place, e.n, sizeof *e.place);
    net_ring_free(&ring);
}

/* -- connections ----------------------------------------------------------------------------------------- */

enum { SEGMENTS = 6 };

static const struct {
    bool inbound;
    uint8_t flags;
} segment[SEGMENTS] = {{false, TCP_SYN},           {true, TCP_SYN | TCP_ACK}, {false, TCP_ACK | TCP_PSH},
                       {false, TCP_FIN | TCP_ACK}, {true, TCP_FIN | TCP_ACK}, {false, TCP_ACK}};

struct conns {
    const struct net *net;
    struct pipe *pipe;
    struct net_ring ring;
    uint8_t (*frame)[NET_FRAME]; /* bursts of one segment of NET_BURST connections each */
    uint32_t *port;
    uint64_t *want;
    int64_t now;
    size_t standing;
};

struct conns_run {
    struct conns *c;
    batch_fn *fn;
};

static void conns_run(void *ctx, void *out)
{
    struct conns_run *x = ctx;
    struct conns *c = x->c;
    struct pipe_packet *k = c->ring.slot;
    uint64_t *answer = out;
    memset(answer, 0, CONNS * sizeof *answer);
    for (size_t i = 0; i < CONNS; i += NET_BURST) {
        for (size_t s = 0; s < SEGMENTS; s++) {
            for (size_t j = 0; j < NET_BURST; j++)
                net_receive(&k[j], c->frame[i * SEGMENTS + s * NET_BURST + j], c->port[i + j],
                            segment[s].inbound);
            x->fn(c->pipe, c->net->img, c->now += BURST_GAP, k, NET_BURST);
            for (size_t j = 0; j < NET_BURST; j++)
                answer[i + j] = (answer[i + j] << 7 | answer[i + j] >> 57) ^ net_answer(&k[j]);
        }
        pipe_tidy(c->pipe, c->now, 2 * NET_BURST);
    }
    pipe_tidy(c->pipe, c->now += 2 * LINGER, CONNS);
}

static void conns_finish(void *ctx, void *out)
{
    const struct conns_run *x = ctx;
    (void)out;
    bench_check(pipe_flows(x->c->pipe) == 2 * x->c->standing ? 0 : -EINVAL, "connections that stand");
}

static void conns_frames(struct conns *c, uint32_t from)
{
    for (uint32_t i = 0; i < CONNS; i++) {
        const struct flow_key k = net_flow(c->net, false, from + i);
        c->port[i] = flow_key_port(k);
        for (size_t s = 0; s < SEGMENTS; s++)
            net_frame(c->frame[i / NET_BURST * NET_BURST * SEGMENTS + s * NET_BURST + i % NET_BURST], k,
                      segment[s].inbound, segment[s].flags);
    }
}

static void conns_row(struct bench *b, const struct net *net, size_t standing, const char *name, double goal)
{
    struct conns c = {.net = net, .standing = standing};
    net_ring_new(&c.ring);
    c.frame = bench_array(CONNS * SEGMENTS, sizeof *c.frame);
    c.port = bench_array(CONNS, sizeof *c.port);
    c.want = bench_array(CONNS, sizeof *c.want);
    conns_frames(&c, (uint32_t)standing);
    struct conns_run a = {&c, batch}, s = {&c, net_one_by_one};
    c.pipe = open_flows(net, &c.ring, false, 0);
    pipe_linger(c.pipe, LINGER);
    c.standing = 0;
    conns_run(&s, c.want);
    conns_finish(&s, NULL);
    pipe_free(c.pipe);
    c.standing = standing;
    c.pipe = open_flows(net, &c.ring, false, standing);
    pipe_linger(c.pipe, LINGER);
    struct bench_row row = {
        .what = "connections",
        .table = name,
        .stream = "six packets each",
        .work = CONNS,
        .entries = standing,
        .want = c.want,
        .n_runs = 2,
        .run = {{.name = "ours",
                 .fn = conns_run,
                 .finish = conns_finish,
                 .ctx = &a,
                 .width = 8,
                 .at = pairs_at(c.pipe),
                 .bytes = bytes_of(c.pipe)},
                {.name = "ours one by one", .fn = conns_run, .finish = conns_finish, .ctx = &s, .width = 8}}};
    bench_row(b, &row);
    if (goal > 0)
        bench_want_rate(b, "ours", goal);
    pipe_free(c.pipe);
    bench_free(c.frame, CONNS * SEGMENTS, sizeof *c.frame);
    bench_free(c.port, CONNS, sizeof *c.port);
    bench_free(c.want, CONNS, sizeof *c.want);
    net_ring_free(&c.ring);
}

/* -- the whole simulator --------------------------------------------------------------------------------- */

enum { SIM_FLOWS = 1 << 13 };

struct run {
    const struct net *net;
    size_t packets, events;
};

struct start {
    struct sim *sim;
    uint32_t flow, from;
    struct flow_spec spec;
};

static void start_flow(void *arg)
{
    const struct start *s = arg;
    sim_start(s->sim, s->flow, s->from, &s->spec);
}

/* Machines ask one another, 10 us apart, for 4,000 bytes each over TCP; nobody looks on. */
static void sim_all(void *ctx, void *out)
{
    struct run *x = ctx;
    uint64_t *verdict = out;
    const struct sim_ops none = {0};
    struct event last;
    struct sim *sim = sim_new(1, &none);
    struct start *start = bench_array(SIM_FLOWS, sizeof *start);
    bench_check(sim ? 0 : -ENOMEM, "sim_new");
    sim_set_image(sim, x->net->img);
    for (uint32_t i = 0; i < SIM_FLOWS; i++) {
        const uint32_t to = (i % NET_NICS + 1 + i / NET_NICS % (NET_NICS - 1)) % NET_NICS;
        start[i] = (struct start){.sim = sim, .flow = sim_flow(sim), .from = i % NET_NICS};
        start[i].spec = (struct flow_spec){.addr = net_nic(to),
                                           .proto = IPPROTO_NR_TCP,
                                           .dport = 443,
                                           .request_bytes = 400,
                                           .response_bytes = 4000};
        sim_call(sim, i * INT64_C(10000), start_flow, &start[i]);
    }
    sim_run(sim, INT64_MAX);
    x->packets = 0;
    for (int r = 0; r < REASON_COUNT; r++)
        x->packets += sim_counters(sim)[r];
    for (uint32_t i = 0; i < SIM_FLOWS; i++)
        verdict[i] = sim_result(sim, start[i].flow)->verdict;
    bench_check(evq_push(sim->events, INT64_MAX, 0, 0, 0, NULL), "evq_push");
    while (evq_pop(sim->events, &last)) /* timers that nobody waits for */
        x->events = last.seq;
    sim_free(sim);
    bench_free(start, SIM_FLOWS, sizeof *start);
}

static void sim_row(struct bench *b, const struct net *net)
{
    struct run x = {.net = net};
    uint64_t *want = bench_array(SIM_FLOWS, sizeof *want), *got = bench_array(SIM_FLOWS, sizeof *got);
    char name[40];
    sim_all(&x, got);
    for (size_t i = 0; i < SIM_FLOWS; i++)
        want[i] = VERDICT_DELIVERED;
    snprintf(name, sizeof name, "8 k flows, %zu k events", x.events / 1000);
    struct bench_row row = {.what = "simulator",
                            .table = name,
                            .stream = "packets at ports",
                            .work = x.packets,
                            .answers = SIM_FLOWS,
                            .want = want,
                            .n_runs = 1,
                            .run = {{.name = "ours", .fn = sim_all, .ctx = &x, .width = 8}}};
    bench_row(b, &row);
    bench_free(want, SIM_FLOWS, sizeof *want);
    bench_free(got, SIM_FLOWS, sizeof *got);
}

void rows_pipeline(struct bench *b)
{
    struct net net = net_make(b->seed);
    stream_row(b, &net, 1 << 16, false, "64 k flows", 15);
    conns_row(b, &net, 1 << 23, "8 M standing", 1.5);
    if (!b->again) {
        stream_row(b, &net, 1 << 10, false, "1 k flows", 0);
        stream_row(b, &net, 1 << 16, true, "64 k flows", 0);
        stream_row(b, &net, 1 << 20, false, "1 M flows", 0);
        entry_row(b, &net, 1 << 16, "64 k flows");
        entry_row(b, &net, 1 << 20, "1 M flows");
        conns_row(b, &net, 1 << 20, "1 M standing", 0);
        if (!b->quick)
            conns_row(b, &net, 1 << 25, "32 M standing", 0);
        sim_row(b, &net);
    }
    net_free(&net);
}
