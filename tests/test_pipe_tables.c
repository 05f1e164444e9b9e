/* test_pipe_tables.c - random packets through random images: the fast tables decide as the reference
 * ones do, whatever the image; and only answers pass where rules deny everything. */
#include "tests/support_world.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

/* -- the fast tables against the slow ones --------------------------------------------------------------- */

static const char *const addresses[] = {
    "10.0.1.4",       "10.0.1.5",      "10.0.9.4",        "10.1.1.4",     "10.0.2.5",        "20.61.97.129",
    "20.150.0.4",     "93.184.216.34", "10.0.255.4",      "192.168.1.10", "168.63.129.16",   "192.0.0.53",
    "20.0.0.9",       "20.0.0.10",     "198.51.100.7",    "20.50.1.4",    "10.0.0.0",        "10.0.255.255",
    "10.1.0.0",       "10.1.255.255",  "9.255.255.255",   "10.2.0.0",     "255.255.255.255", "0.0.0.0",
    "20.150.255.255", "20.151.0.0",    "169.254.169.254", "172.16.0.1",
};
#define N_ADDRESSES (sizeof addresses / sizeof addresses[0])

static const char *const prefixes[] = {
    "0.0.0.0/0",   "10.0.0.0/8",     "10.0.0.0/16",   "10.0.0.0/15",     "10.0.1.0/24",
    "10.0.1.4/32", "10.0.1.4/31",    "10.0.2.5/32",   "10.1.0.0/16",     "10.1.1.0/28",
    "20.0.0.0/8",  "20.150.0.0/16",  "20.150.0.4/30", "93.184.216.0/24", "0.0.0.0/1",
    "128.0.0.0/1", "192.168.0.0/16", "10.0.9.0/24",   "20.61.97.128/25", "168.63.129.16/32",
};
#define N_PREFIXES (sizeof prefixes / sizeof prefixes[0])

static uint32_t pick(struct rng *r, uint32_t n)
{
    return (uint32_t)rng_below(r, n);
}

static bool chance(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

static struct image_nexthop random_hop(struct world *w, struct rng *r)
{
    static const enum reason why[] = {REASON_ROUTE_NONE, REASON_NO_PEERING, REASON_ENDPOINT_ROUTE_INVALID};
    const uint32_t x = chance(r, 50) ? NONE32 : pick(r, (uint32_t)w->l.img->n_crossings);
    switch (pick(r, 6)) {
    case 0:
        return nh_drop(why[pick(r, 3)]);
    case 1:
        return nh_realm(1 + pick(r, (uint32_t)w->l.img->n_realms - 1), x);
    case 2:
        return nh_port(pick(r, (uint32_t)w->l.img->n_ports), x);
    case 3:
        return nh_service();
    case 4:
        return nh_onprem(w->hq);
    default:
        return nh_internet();
    }
}

static void random_rules(struct rng *r, char *out, size_t size)
{
    static const char *const proto[] = {"*", "tcp", "udp", "icmp"}, *const dport[] = {"*", "80", "443", "0",
                                                                                      "65535"};
    size_t at = 0;
    out[0] = 0;
    for (uint32_t i = pick(r, 6); i-- > 0 && at < size;)
        at += (size_t)snprintf(out + at, size - at, "%s %s %s %s %s;", chance(r, 60) ? "allow" : "deny",
                               proto[pick(r, 4)], chance(r, 30) ? "*" : prefixes[pick(r, N_PREFIXES)],
                               chance(r, 30) ? "*" : prefixes[pick(r, N_PREFIXES)], dport[pick(r, 5)]);
}

static void random_world(struct world *w, struct rng *r)
{
    static const bool ends[2][6] = {{true, false, true, false, true, false}, {false, true, true, false, false, true}};
    char rules[1024];
    world_new(w);
    struct image *img = w->l.img;
    const uint32_t pool[] = {lab_pool(&w->l, w->hub, "20.0.0.9", 1024, 1026),
                             lab_pool(&w->l, w->other, "20.0.0.10", 7, 9),
                             lab_pool(&w->l, w->hq, "198.51.100.7", 1, 65535), NONE32};
    for (size_t i = 0; i < 3; i++) {
        img->pool[i].carries_icmp = chance(r, 50);
        img->pool[i].carries_fragments = chance(r, 50);
    }
    for (uint32_t t = 0; t < img->n_tables; t++)
        for (uint32_t i = pick(r, 12); i-- > 0;)
            lab_route(&w->l, t, prefixes[pick(r, N_PREFIXES)], random_hop(w, r));
    for (uint32_t i = 0; i < 6; i++) {
        random_rules(r, rules, sizeof rules);
        const uint32_t acl = lab_acl(&w->l, rules);
        img->acl[acl].platform = chance(r, 30);
        img->acl[acl].ends = ends[pick(r, 2)];
    }
    for (uint32_t i = 0; i < 2; i++)
        img->crossing[i] =
            (struct image_crossing){chance(r, 20) ? REASON_NO_PEERING : REASON_NONE, chance(r, 50)};
    img->realm[w->hq].pool = pool[2 + pick(r, 2)];
    img->endpoint_return_last_hop = chance(r, 50);
    img->rule_change_keeps_flows = chance(r, 50);
    if (chance(r, 50))
        world_public_vm(w);
    for (uint32_t p = 0; p < img->n_ports; p++) {
        if (img->port[p].kind == PORT_NIC || img->port[p].kind == PORT_ENDPOINT)
            for (int k = 0; k < 4; k++)
                img->port[p].acl[k / 2][k % 2] = chance(r, 60) ? NONE32 : pick(r, (uint32_t)img->n_acls);
        for (int k = 0; k < 2 && img->port[p].kind == PORT_NIC; k++) /* G-16 */
            img->port[p].admin[k] = chance(r, 70) ? NONE32 : pick(r, (uint32_t)img->n_acls);
        img->port[p].smtp_blocked = chance(r, 50);
        img->port[p].pool = pool[pick(r, 4)];
        img->port[p].up = chance(r, 95);
        img->port[p].ip_forwarding = chance(r, 40);
        img->port[p].inbound_closed = chance(r, 30);
    }
}

static struct trip random_trip(struct world *w, struct rng *r)
{
    static const uint8_t proto[] = {TCP, TCP, TCP, UDP, UDP, ICMP, IPPROTO_NR_ESP};
    static const uint16_t ports[] = {0, 80, 443, 1024, 40000, 65535};
    const uint32_t from = pick(r, (uint32_t)w->l.img->n_ports);
    char own[IP4_STRLEN];
    ip4_format(world_port(w, from)->addr, own);
    struct trip t =
        trip_new(&w->l, from, proto[pick(r, 7)], chance(r, 85) ? own : addresses[pick(r, N_ADDRESSES)],
                 ports[pick(r, 6)], addresses[pick(r, N_ADDRESSES)], ports[pick(r, 6)]);
    t.start.meta.flow = pick(r, 5);
    if (chance(r, 10))
        t.start.info.frag_offset = 8;
    t.start.info.mf = chance(r, 5);
    if (t.start.info.frag_offset)
        t.start.info.sport = t.start.info.dport = 0;
    return t;
}

/* What every decision must keep to, whatever the image. */
static void check_sane(const struct trip *t)
{
    const struct pipe_decision *d = &t->last;
    size_t drops = 0, translated = 0;
    for (size_t i = 0; i < d->trace.n; i++) {
        drops += d->trace.step[i].reason != REASON_NONE;
        translated += (d->trace.step[i].stage == STAGE_SNAT || d->trace.step[i].stage == STAGE_DNAT) &&
                      d->trace.step[i].reason == REASON_NONE;
    }
    cr_assert_eq(drops, d->reason != REASON_NONE, "%s", t->text);
    cr_assert_eq(translated, (size_t)d->set_src + d->set_dst, "%s", t->text);
    cr_assert_gt(d->trace.n, 0, "%s", t->text);
    cr_assert_lt(d->next, t->l->img->n_ports, "%s", t->text);
    if (d->reason == REASON_NONE)
        cr_assert_eq(d->trace.step[d->trace.n - 1].stage, STAGE_DELIVERY, "%s", t->text);
}

/* The same packet through both: the image with its fast tables, and with the reference ones and records of
 * its own. */
static void go_both(struct trip *fast, struct trip *slow, struct pipe *reference)
{
    struct lab *l = fast->l;
    struct pipe *own = l->pipe;
    trip_go(fast);
    check_sane(fast);
    l->img->reference = true;
    l->pipe = reference;
    trip_go(slow);
    l->img->reference = false;
    l->pipe = own;
    cr_assert_str_eq(fast->text, slow->text);
    cr_assert_eq(fast->last.next, slow->last.next);
    cr_assert_eq(fast->now.meta.endpoint, slow->now.meta.endpoint);
    cr_assert_eq(fast->now.meta.identity, slow->now.meta.identity);
    cr_assert_eq(fast->now.meta.last_hop, slow->now.meta.last_hop);
}

static void play(struct world *w, struct rng *r, struct pipe *reference, size_t *delivered)
{
    for (int k = 0; k < 60; k++) {
        struct trip fast = random_trip(w, r), slow = fast;
        go_both(&fast, &slow, reference);
        w->l.now += (int64_t)rng_below(r, 100) * SECOND;
        if (fast.reason == REASON_NONE) {
            ++*delivered;
            struct trip back = trip_reply(&fast), back2 = trip_reply(&slow);
            go_both(&back, &back2, reference);
        }
        if (chance(r, 5)) {
            lab_route(&w->l, pick(r, 6), prefixes[pick(r, N_PREFIXES)], random_hop(w, r));
            world_change(w);
        }
    }
    cr_assert_eq(pipe_flows(w->l.pipe), pipe_flows(reference));
}

Test(property, fast_and_reference_tables_decide_alike)
{
    struct rng r;
    size_t delivered = 0;
    prop_seed(&r, "pipe");
    for (int i = 0; i < 400; i++) {
        struct world w;
        random_world(&w, &r);
        struct pipe *reference = pipe_new();
        play(&w, &r, reference, &delivered);
        pipe_free(reference);
        lab_free(&w.l);
    }
    cr_assert_gt(delivered, 1000); /* else the images are no test */
}

/* What was let through is answered, whatever the rules; nothing else is let in where rules deny everything.
 */
Test(property, only_answers_pass_closed_doors)
{
    struct rng r;
    size_t answered = 0;
    prop_seed(&r, "answers");
    for (int i = 0; i < 4000; i++) {
        struct world w;
        world_new(&w);
        const uint32_t shut = lab_acl(&w.l, "");
        world_port(&w, w.vm)->acl[1][pick(&r, 2)] = shut;
        world_port(&w, w.vm2)->acl[0][pick(&r, 2)] = shut;
        const uint16_t a = (uint16_t)rng_u64(&r), b = (uint16_t)rng_u64(&r);
        struct trip t = trip_new(&w.l, w.vm, chance(&r, 50) ? TCP : UDP, "10.0.1.4", a, "10.0.1.5", b);
        trip_go(&t);
        cr_assert_eq(t.reason, REASON_NONE);
        struct trip back = trip_reply(&t);
        const uint16_t bit = chance(&r, 50) ? (uint16_t)(1u << pick(&r, 16)) : 0;
        if (chance(&r, 50))
            back.start.info.sport = back.start.meta.sport ^= bit;
        else
            back.start.info.dport = back.start.meta.dport ^= bit;
        trip_go(&back);
        cr_assert_eq(back.reason, bit ? REASON_NSG_DENY : REASON_NONE, "%s", back.text);
        answered += !bit;
        lab_free(&w.l);
    }
    cr_assert_gt(answered, 1000);
}
