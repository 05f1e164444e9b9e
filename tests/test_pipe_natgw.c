/* test_pipe_natgw.c - stories of a NAT gateway's timers (O-02): idle flows, resets, ports that rest. */
#include "tests/support_world.h"

#include <criterion/criterion.h>

#define OUT(port) "vm> route@1 snat=20.0.0.9:" #port " to web | >web here"
#define OUT_AGAIN(port) "vm> known route@1 snat=20.0.0.9:" #port " to web | >web here"

/* vm goes out by a gateway with two ports. */
static void gateway_world(struct world *w)
{
    world_new(w);
    const uint32_t pool = lab_pool(&w->l, w->hub, "20.0.0.9", 4000, 4001);
    w->l.img->pool[pool].gateway = true;
    w->l.img->pool[pool].timeout = 600 * SECOND; /* of TCP; datagrams have 240 s */
    world_port(w, w->vm)->pool = pool;
    world_port(w, w->vm)->flow_timeout = 0; /* the security group's own idle timeout is another matter */
}

static struct trip segment(struct world *w, uint16_t sport, uint8_t flags)
{
    struct trip t = trip_new(&w->l, w->vm, TCP, "10.0.1.4", sport, "93.184.216.34", 443);
    t.start.info.tcp_flags = flags;
    return t;
}

static struct trip answer(const struct trip *t, uint8_t flags)
{
    struct trip r = trip_reply(t);
    r.start.info.tcp_flags = flags;
    return r;
}

/* A handshake by the given port. */
static void opened(struct world *w, uint16_t sport, struct trip *last)
{
    struct trip t = segment(w, sport, TCP_SYN);
    trip_go(&t);
    cr_assert_eq(t.reason, REASON_NONE, "%s", t.text);
    struct trip r = answer(&t, TCP_SYN | TCP_ACK);
    trip_go(&r);
    cr_assert_eq(r.reason, REASON_NONE, "%s", r.text);
    *last = t;
}

Test(natgw, forgets_idle_connections)
{
    struct world w;
    struct trip t;
    gateway_world(&w);
    opened(&w, 4000, &t);
    struct trip data = segment(&w, 4000, TCP_ACK | TCP_PSH), in = answer(&t, TCP_ACK);
    w.l.now = 600 * SECOND;
    STORY(data, OUT_AGAIN(4000));
    w.l.now += 600 * SECOND;
    STORY(in, "web> dnat=10.0.1.4:4000 to vm | >vm known here"); /* either side keeps it alive */
    w.l.now += 600 * SECOND + 1;
    STORY(in, "web> delivery!NoHost");
    STORY(data, "vm> known route@1 snat!IdleTimeout");
    struct trip again = segment(&w, 4000, TCP_SYN);
    STORY(again, OUT_AGAIN(4000));
    lab_free(&w.l);
}

Test(natgw, knows_no_connection_from_its_middle)
{
    struct world w;
    gateway_world(&w);
    static const uint8_t flags[] = {TCP_ACK, TCP_SYN | TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST, TCP_ACK | TCP_PSH};
    for (size_t i = 0; i < sizeof flags; i++) {
        struct trip t = segment(&w, (uint16_t)(5000 + i), flags[i]);
        STORY(t, "vm> route@1 snat!IdleTimeout");
    }
    struct trip t = segment(&w, 5000, TCP_SYN);
    STORY(t, OUT_AGAIN(4000)); /* nothing was kept for them: 5000 modulo 2 ports */
    lab_free(&w.l);
}

/* => when a port of the gateway is free again after the last packet, in s; the other is taken all the time. */
static void is_free_at(struct world *w, int64_t from, int64_t seconds)
{
    struct trip keep = segment(w, 4001, TCP_SYN), early = segment(w, 6000, TCP_SYN), late = segment(w, 6001, TCP_SYN);
    w->l.now = from + seconds * SECOND - 1;
    trip_go(&keep);
    trip_go(&early);
    cr_assert_eq(early.reason, REASON_SNAT_EXHAUSTED, "%ld s: %s", (long)seconds, early.text);
    w->l.now = from + seconds * SECOND;
    STORY(late, OUT(4000));
}

Test(natgw, ports_rest_after_fin)
{
    struct world w;
    struct trip t, other;
    gateway_world(&w);
    opened(&w, 4000, &t);
    opened(&w, 4001, &other);
    struct trip fin = segment(&w, 4000, TCP_FIN | TCP_ACK), fin2 = answer(&t, TCP_FIN | TCP_ACK), ack = segment(&w, 4000, TCP_ACK);
    STORY(fin, OUT_AGAIN(4000));
    w.l.now = 10 * SECOND; /* half closed: no rest begins */
    STORY(fin2, "web> dnat=10.0.1.4:4000 to vm | >vm known here");
    w.l.now = 11 * SECOND;
    STORY(ack, OUT_AGAIN(4000)); /* the last acknowledgement is not too late, and begins no new rest */
    is_free_at(&w, 10 * SECOND, 65);
    lab_free(&w.l);
}

Test(natgw, ports_rest_after_reset)
{
    struct world w;
    struct trip t, other;
    gateway_world(&w);
    opened(&w, 4000, &t);
    opened(&w, 4001, &other);
    struct trip rst = answer(&t, TCP_RST);
    w.l.now = 5 * SECOND;
    STORY(rst, "web> dnat=10.0.1.4:4000 to vm | >vm known here");
    is_free_at(&w, 5 * SECOND, 16);
    lab_free(&w.l);
}

Test(natgw, half_open_connections_hold_their_port_for_a_while)
{
    struct world w;
    struct trip other;
    gateway_world(&w);
    opened(&w, 4001, &other);
    struct trip syn = segment(&w, 4000, TCP_SYN);
    STORY(syn, OUT(4000));
    w.l.now = 30 * SECOND;
    struct trip t = segment(&w, 6000, TCP_SYN);
    STORY(t, "vm> route@1 snat!SnatExhausted");
    w.l.now++;
    STORY(t, OUT_AGAIN(4000));
    lab_free(&w.l);
}

/* A new connection from the same source port gets another port while the old one rests. */
Test(natgw, a_new_connection_does_not_wait_for_the_old_port)
{
    struct world w;
    struct trip t;
    gateway_world(&w);
    opened(&w, 4000, &t);
    struct trip rst = segment(&w, 4000, TCP_RST), syn = segment(&w, 4000, TCP_SYN), data = segment(&w, 4000, TCP_ACK);
    STORY(rst, OUT_AGAIN(4000));
    STORY(syn, OUT_AGAIN(4001));
    STORY(data, OUT_AGAIN(4001));
    struct trip in = answer(&syn, TCP_SYN | TCP_ACK);
    STORY(in, "web> dnat=10.0.1.4:4000 to vm | >vm known here");
    lab_free(&w.l);
}

Test(natgw, datagrams)
{
    struct world w;
    gateway_world(&w);
    struct trip a = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 4000, "93.184.216.34", 443);
    struct trip b = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 4001, "93.184.216.34", 443);
    struct trip c = trip_new(&w.l, w.vm, UDP, "10.0.1.4", 4002, "93.184.216.34", 443);
    STORY(a, OUT(4000));
    STORY(b, OUT(4001));
    struct trip r = trip_reply(&a);
    w.l.now = 240 * SECOND;
    STORY(r, "web> dnat=10.0.1.4:4000 to vm | >vm known here");
    STORY(b, OUT_AGAIN(4001));
    w.l.now = 480 * SECOND + 1; /* timed out, and nobody is told */
    STORY(r, "web> delivery!NoHost");
    STORY(c, "vm> route@1 snat!SnatExhausted"); /* the ports rest */
    w.l.now = 545 * SECOND;
    STORY(c, "vm> known route@1 snat!SnatExhausted");
    w.l.now++;
    STORY(c, OUT_AGAIN(4000));
    STORY(a, OUT_AGAIN(4001)); /* a new translation */
    lab_free(&w.l);
}

/* Other pools are as they were. */
Test(natgw, is_not_default_outbound_access)
{
    struct world w;
    gateway_world(&w);
    w.l.img->pool[world_port(&w, w.vm)->pool].gateway = false;
    w.l.img->pool[world_port(&w, w.vm)->pool].timeout = 0;
    struct trip t = segment(&w, 4000, TCP_ACK);
    STORY(t, OUT(4000));
    w.l.now = 9999 * SECOND;
    STORY(t, OUT_AGAIN(4000));
    lab_free(&w.l);
}
