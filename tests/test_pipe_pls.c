/* test_pipe_pls.c - private link services in the packet path, as stories: translation there and back,
 * consumers whose addresses are equal, idle time, ports, the PROXY header and what it does to sequence
 * numbers. */
#include "tests/support_world.h"

#include "dataplane/proxy.h"

#include <criterion/criterion.h>
#include <string.h>

/* Endpoints pe (hub) and pe2 (other, which uses the hub's addresses again) lead to a service in the spoke. */
struct service {
    struct world w;
    uint32_t fe, be, nat, pe2;
    struct image_pls *pls;
    struct image_rule *rule;
};

static void setup(struct service *x)
{
    memset(x, 0, sizeof *x);
    world_new(&x->w);
    struct lab *l = &x->w.l;
    struct arena *a = l->img->arena;
    x->fe = lab_port(l, "fe", PORT_FRONTEND, x->w.spoke, "10.1.3.100");
    x->be = lab_port(l, "be", PORT_NIC, x->w.spoke, "10.1.3.4");
    x->nat = lab_port(l, "nat", PORT_PLS, x->w.spoke, "10.1.5.4");
    x->pe2 = lab_port(l, "pe2", PORT_ENDPOINT, x->w.other, "10.0.2.5");
    l->img->port[x->be].table = x->w.spoke_t;
    l->img->port[x->fe].flow_timeout = 0;
    struct image_frontend *f = arena_alloc(a, sizeof *f);
    x->rule = f->rule = arena_alloc(a, sizeof *f->rule);
    f->n = 1;
    *f->rule = (struct image_rule){
        .proto = TCP, .frontend_port = 443, .backend_port = 7443, .timeout = 240 * SECOND, .n = 1};
    f->rule->backend = arena_alloc(a, sizeof *f->rule->backend);
    f->rule->backend[0] = (struct image_backend){x->be, NONE32};
    l->img->port[x->fe].frontend = f;
    const uint32_t pool = lab_pool(l, x->w.spoke, "10.1.5.4", 2000, 2003);
    exact_del(l->img->addresses, REALM_PUBLIC, lab_ip("10.1.5.4"));
    l->img->pool[pool].timeout = 300 * SECOND;
    l->img->port[x->nat].pool = pool;
    x->pls = arena_alloc(a, sizeof *x->pls);
    *x->pls = (struct image_pls){.port = x->nat, .pool = pool, .frontend = x->fe};
    for (int i = 0; i < 2; i++) {
        struct image_port *p = world_port(&x->w, i ? x->pe2 : x->w.pe);
        p->pls = x->pls;
        p->service = PORT_NONE;
        p->flow_timeout = 300 * SECOND;
        p->underlay.link = 0x12345678;
    }
    world_port(&x->w, x->pe2)->table = x->w.other_t;
    lab_route(l, x->w.other_t, "10.0.2.5/32", nh_port(x->pe2, NONE32)); /* @2 */
}

static void done(struct service *x)
{
    lab_free(&x->w.l);
}

static struct trip from(struct service *x, uint32_t port, const char *src, uint16_t sport, uint8_t flags)
{
    struct trip t = trip_new(&x->w.l, port, TCP, src, sport, "10.0.2.5", 443);
    t.start.info.tcp_flags = flags;
    return t;
}

static struct trip answer(const struct trip *t)
{
    struct trip b = trip_reply(t);
    b.start.info.tcp_flags = TCP_ACK;
    return b;
}

/* PE-21 */
Test(pipe_pls, there_and_back)
{
    struct service x;
    setup(&x);
    struct trip t = from(&x, x.w.vm, "10.0.1.4", 50000, TCP_SYN);
    STORY(t, "vm> route@3 to pe | >pe pe pls dnat=10.1.3.100:443 snat=10.1.5.4:2000 to fe | "
             ">fe lb=be dnat=10.1.3.4:7443 to be | >be here");
    struct trip b = answer(&t);
    STORY(b, "be> known snat=10.1.3.100:443 route@0 to nat | >nat snat=10.0.2.5:443 dnat=10.0.1.4:50000 pls "
             "to pe | "
             ">pe here | pe> pe route@0 to vm | >vm known here");
    done(&x);
}

/* Two consumers with one address, one port, one endpoint address: the record at the endpoint tells them
 * apart. */
Test(pipe_pls, equal_consumers)
{
    struct service x;
    setup(&x);
    struct trip t = from(&x, x.w.vm, "10.0.1.4", 2001, TCP_SYN),
                u = from(&x, x.w.twin, "10.0.1.4", 2001, TCP_SYN);
    trip_go(&t);
    trip_go(&u);
    cr_assert_eq(t.now.info.sport, 2001, "%s", t.text);
    cr_assert_eq(u.now.info.sport, 2002, "%s", u.text);
    struct trip bt = answer(&t), bu = answer(&u);
    trip_go(&bu);
    trip_go(&bt);
    cr_assert_eq(bt.now.at, x.w.vm, "%s", bt.text);
    cr_assert_eq(bu.now.at, x.w.twin, "%s", bu.text);
    done(&x);
}

/* PE-04 */
Test(pipe_pls, nothing_else_leads_back)
{
    struct service x;
    setup(&x);
    struct trip t = from(&x, x.w.vm, "10.0.1.4", 2001, TCP_SYN);
    trip_go(&t);
    struct trip u = trip_new(&x.w.l, x.w.sp, TCP, "10.1.1.4", 443, "10.1.5.4", 2001);
    STORY(u, "sp> route@0 to nat | >nat pls!EndpointReverseInitiation");
    struct trip v = trip_new(&x.w.l, x.be, TCP, "10.1.3.4", 9000, "10.1.5.4", 2001);
    STORY(v, "be> route@0 to nat | >nat pls!EndpointReverseInitiation");
    done(&x);
}

/* Ports: four of them; a fifth connection has to wait until one was idle for five minutes. */
Test(pipe_pls, ports_run_out)
{
    struct service x;
    setup(&x);
    for (uint16_t i = 0; i < 4; i++) {
        struct trip t = from(&x, x.w.vm, "10.0.1.4", (uint16_t)(50000 + i), TCP_SYN);
        trip_go(&t);
        cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
    }
    struct trip u = from(&x, x.w.vm, "10.0.1.4", 50010, TCP_SYN);
    trip_go(&u);
    cr_assert_eq(u.reason, REASON_SNAT_EXHAUSTED);
    x.w.l.now += 200 * SECOND;
    struct trip busy = from(&x, x.w.vm, "10.0.1.4", 50001, TCP_ACK);
    trip_go(&busy);
    cr_assert_eq(busy.reason, REASON_NONE);
    x.w.l.now += 101 * SECOND;
    trip_go(&u);
    cr_assert_eq(u.reason, REASON_NONE, "%s", u.text);
    cr_assert_neq(u.now.info.sport, busy.now.info.sport);
    done(&x);
}

/* PE-24: after five silent minutes a connection is forgotten; a new one may begin with the same ports. */
Test(pipe_pls, idle)
{
    struct service x;
    setup(&x);
    x.rule->timeout = 3600 * SECOND; /* the balancer has more patience */
    struct trip t = from(&x, x.w.vm, "10.0.1.4", 50000, TCP_SYN);
    trip_go(&t);
    t.start.info.tcp_flags = TCP_ACK;
    x.w.l.now += 300 * SECOND;
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
    x.w.l.now += 301 * SECOND;
    t.start.meta.flow = 2;
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_FLOW_EXPIRED, "%s", t.text);
    t.start.info.tcp_flags = TCP_SYN;
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
    done(&x);
}

Test(pipe_pls, gate_comes_first)
{
    struct service x;
    setup(&x);
    world_port(&x.w, x.w.pe)->gate = REASON_ENDPOINT_NOT_APPROVED;
    struct trip t = from(&x, x.w.vm, "10.0.1.4", 50000, TCP_SYN);
    STORY(t, "vm> route@3 to pe | >pe pe!EndpointNotApproved");
    done(&x);
}

/* -- PE-23 ----------------------------------------------------------------------------------------------- */

/* One packet into the frontend as it comes from the endpoint; the header that it brings along, or none. */
static struct pipe_decision into(struct service *x, struct trip *t)
{
    struct pipe_decision d, first;
    struct packet_info in = t->start.info;
    struct packet_meta m = t->start.meta;
    pipe_out(x->w.l.pipe, x->w.l.img, x->w.l.now, t->start.at, &in, &m, &first);
    pipe_in(x->w.l.pipe, x->w.l.img, x->w.l.now, first.next, &in, &m, &first);
    in.src = first.src, in.sport = first.sport;
    in.dst = first.dst, in.dport = first.dport;
    pipe_in(x->w.l.pipe, x->w.l.img, x->w.l.now, x->fe, &in, &m, &d);
    cr_assert_eq(d.reason, REASON_NONE);
    return d;
}

static struct trip segment(struct service *x, uint8_t flags, uint32_t seq, uint32_t len)
{
    struct trip t = from(x, x->w.vm, "10.0.1.4", 50000, flags);
    t.start.info.seq = seq;
    t.start.info.payload_len = len;
    return t;
}

static struct pipe_decision back(struct service *x, uint8_t flags, uint32_t ack, uint32_t len)
{
    struct pipe_decision d;
    struct packet_info in = {.src = lab_ip("10.1.3.4"),
                             .dst = lab_ip("10.1.5.4"),
                             .proto = TCP,
                             .sport = 7443,
                             .dport = 2000,
                             .tcp_flags = flags,
                             .ack = ack,
                             .payload_len = len};
    struct packet_meta m = {
        .flow = 1, .origin = x->be, .endpoint = PORT_NONE, .identity = IDENTITY_NONE, .reply = true};
    pipe_out(x->w.l.pipe, x->w.l.img, x->w.l.now, x->be, &in, &m, &d);
    cr_assert_eq(d.reason, REASON_NONE);
    return d;
}

static void opened(struct service *x, uint32_t isn)
{
    setup(x);
    x->pls->proxy = true;
    struct trip t = segment(x, TCP_SYN, isn, 0);
    STORY(t, "vm> route@3 to pe | >pe pe pls dnat=10.1.3.100:443 snat=10.1.5.4:2000 to fe | "
             ">fe lb=be dnat=10.1.3.4:7443 to be | >be here"); /* nothing yet */
    struct pipe_decision d = back(x, TCP_SYN | TCP_ACK, isn + 1, 0);
    cr_assert(!d.ack_add && !d.absorbed);
}

static void header_is(const struct pipe_decision *d, uint32_t seq, bool before)
{
    struct proxy_header h;
    cr_assert_eq(d->insert_len, PROXY_LEN);
    cr_assert_eq(proxy_read(d->insert, d->insert_len, &h), PROXY_LEN);
    cr_assert_eq(h.src, lab_ip("10.0.1.4"));
    cr_assert_eq(h.dst, lab_ip("10.0.2.5"));
    cr_assert(h.sport == 50000 && h.dport == 443 && h.has_link && h.link == 0x12345678);
    cr_assert_eq(d->insert_seq, seq);
    cr_assert_eq(d->insert_before, before);
}

/* Near every border of the sequence space. */
Test(pipe_pls, header_after_the_handshake)
{
    static const uint32_t isns[] = {0, 1000, 0xfffffff0, 0xffffffff, 0x7fffffff};
    for (size_t i = 0; i < sizeof isns / sizeof isns[0]; i++) {
        const uint32_t isn = isns[i];
        struct service x;
        opened(&x, isn);
        struct trip t = segment(&x, TCP_ACK, isn + 1, 0);
        struct pipe_decision d = into(&x, &t);
        header_is(&d, isn + 1, false);
        cr_expect_eq(d.seq_add, 0, "the handshake's last segment stays where it is");
        d = back(&x, TCP_ACK, isn + 1 + 36, 0);
        cr_expect(d.absorbed, "the consumer sent nothing that could be acknowledged");
        t = segment(&x, TCP_ACK | TCP_PSH, isn + 1, 100);
        d = into(&x, &t);
        cr_expect(!d.insert && d.seq_add == 36, "once is enough");
        d = back(&x, TCP_ACK | TCP_PSH, isn + 1 + 36 + 100, 50);
        cr_expect(!d.absorbed && d.ack_add == 0u - 36);
        d = back(&x, TCP_ACK, isn + 1 + 36, 0);
        cr_expect(!d.absorbed && d.ack_add == 0u - 36, "now it asks for the first byte again");
        done(&x);
    }
}

Test(pipe_pls, header_before_data)
{
    struct service x;
    opened(&x, 1000);
    struct trip t = segment(&x, TCP_ACK | TCP_PSH, 1001, 100); /* the handshake's last segment was lost */
    struct pipe_decision d = into(&x, &t);
    header_is(&d, 1001, true);
    cr_expect_eq(d.seq_add, 36);
    done(&x);
}

Test(pipe_pls, no_header_for_a_reset)
{
    struct service x;
    opened(&x, 1000);
    struct trip t = segment(&x, TCP_RST | TCP_ACK, 1001, 0);
    struct pipe_decision d = into(&x, &t);
    cr_expect(!d.insert && !d.seq_add);
    done(&x);
}

Test(pipe_pls, reset_by_the_backend)
{
    struct service x;
    opened(&x, 1000);
    struct trip t = segment(&x, TCP_ACK, 1001, 0);
    into(&x, &t);
    struct pipe_decision d = back(&x, TCP_RST | TCP_ACK, 1001 + 36, 0);
    cr_expect(!d.absorbed && d.ack_add == 0u - 36);
    done(&x);
}

/* The same ports again: a new connection has a header of its own. */
Test(pipe_pls, header_for_each_connection)
{
    struct service x;
    opened(&x, 1000);
    struct trip t = segment(&x, TCP_ACK, 1001, 0);
    into(&x, &t);
    t = segment(&x, TCP_SYN, 500000, 0);
    struct pipe_decision d = into(&x, &t);
    cr_expect(!d.insert && !d.seq_add);
    t = segment(&x, TCP_ACK, 500001, 0);
    d = into(&x, &t);
    header_is(&d, 500001, false);
    done(&x);
}

Test(pipe_pls, only_through_the_service)
{
    struct service x;
    opened(&x, 1000);
    struct trip t = trip_new(&x.w.l, x.w.sp, TCP, "10.1.1.4", 50000, "10.1.3.100", 443);
    t.start.info.tcp_flags = TCP_SYN;
    trip_go(&t);
    t.start.info.tcp_flags = TCP_ACK;
    t.start.info.payload_len = 10;
    STORY(t, "sp> known route@0 to fe | >fe dnat=10.1.3.4:7443 to be | >be known here");
    done(&x);
}
