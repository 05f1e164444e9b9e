/* rows_pipeline.c - the packet path as a whole: frames of 64 bytes come into buffers, are parsed, find their
 * flow, are rewritten and counted; and connections of six packets that come and go among many that stand. */
#include "bench/net.h"
#include "dataplane/pipe_int.h"
#include "dataplane/rng.h"

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
                            .run = {{.name = "ours", .fn = stream_run, .ctx = &a, .width = 8},
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
        .run = {{.name = "ours", .fn = conns_run, .finish = conns_finish, .ctx = &a, .width = 8},
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

void rows_pipeline(struct bench *b)
{
    struct net net = net_make(b->seed);
    stream_row(b, &net, 1 << 10, false, "1 k flows", 0);
    stream_row(b, &net, 1 << 16, false, "64 k flows", 15);
    stream_row(b, &net, 1 << 16, true, "64 k flows", 0);
    stream_row(b, &net, 1 << 20, false, "1 M flows", 0);
    conns_row(b, &net, 1 << 20, "1 M standing", 0);
    conns_row(b, &net, 1 << 23, "8 M standing", 1.5);
    if (!b->quick)
        conns_row(b, &net, 1 << 25, "32 M standing", 0);
    net_free(&net);
}
