/* support_image.c - see support_image.h. */
#include "tests/support_image.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *room(struct lab *l, size_t size)
{
    return arena_array(l->img->arena, LAB_MAX, size);
}

void lab_new(struct lab *l)
{
    *l = (struct lab){.img = image_new(0), .pipe = pipe_new()};
    cr_assert(l->img && l->pipe);
    struct image *img = l->img;
    img->port = room(l, sizeof *img->port);
    img->table = room(l, sizeof *img->table);
    img->acl = room(l, sizeof *img->acl);
    img->crossing = room(l, sizeof *img->crossing);
    img->realm = room(l, sizeof *img->realm);
    img->pool = room(l, sizeof *img->pool);
    img->link = room(l, sizeof *img->link);
    img->n_links = 6;
    img->link_internet = 1;
    img->link_backbone = 2;
    img->link_private = 3;
    img->link_gateway = 4;
    img->link_local = 5;
    img->n_realms = 1; /* the public one */
    img->realm[REALM_PUBLIC].pool = img->realm[REALM_PUBLIC].table = NONE32;
    img->rule_change_keeps_flows = true;
    img->resolver = img->public_resolver = PORT_NONE;
}

void lab_free(struct lab *l)
{
    pipe_free(l->pipe);
    image_free(l->img);
}

ip4 lab_ip(const char *text)
{
    ip4 a;
    cr_assert_eq(ip4_parse(text, &a), 0, "address %s", text);
    return a;
}

static struct prefix4 prefix(const char *text)
{
    struct prefix4 p;
    cr_assert_eq(prefix4_parse(text, &p), 0, "prefix %s", text);
    return p;
}

uint32_t lab_realm(struct lab *l, const char *prefixes)
{
    struct image_realm *r = &l->img->realm[l->img->n_realms];
    char *copy = arena_strdup(l->img->arena, prefixes), *rest = copy;
    r->prefix = room(l, sizeof *r->prefix);
    r->pool = r->table = NONE32;
    for (char *p; (p = strtok_r(rest, " ", &rest));)
        r->prefix[r->n++] = prefix(p);
    cr_assert_lt(l->img->n_realms, LAB_MAX);
    return (uint32_t)l->img->n_realms++;
}

static void map(struct lab *l, uint32_t realm, ip4 addr, uint32_t value)
{
    cr_assert_eq(exact_set(l->img->addresses, realm, addr, value), 0);
}

uint32_t lab_port(struct lab *l, const char *name, enum port_kind kind, uint32_t realm, const char *addr)
{
    const uint32_t n = (uint32_t)l->img->n_ports++;
    cr_assert_lt(n, LAB_MAX);
    l->name[n] = name;
    l->img->port[n] = image_port_plain(kind, true, realm, lab_ip(addr));
    l->img->port[n].flow_timeout = 240 * INT64_C(1000000000);
    map(l, realm, l->img->port[n].addr, n);
    return n;
}

uint32_t lab_pool(struct lab *l, uint32_t realm, const char *addr, uint16_t first, uint16_t last)
{
    const uint32_t n = (uint32_t)l->img->n_pools++;
    struct image_pool *p = &l->img->pool[n];
    cr_assert_lt(n, LAB_MAX);
    *p = (struct image_pool){.n = 1, .realm = realm, .first_port = first, .last_port = last};
    p->addr = arena_alloc(l->img->arena, sizeof *p->addr);
    p->addr[0] = lab_ip(addr);
    map(l, REALM_PUBLIC, p->addr[0], POOL_FLAG | n);
    return n;
}

uint32_t lab_crossing(struct lab *l, enum reason closed, bool forwarded)
{
    cr_assert_lt(l->img->n_crossings, LAB_MAX);
    l->img->crossing[l->img->n_crossings] = (struct image_crossing){closed, forwarded};
    return (uint32_t)l->img->n_crossings++;
}

/* -- routes ---------------------------------------------------------------------------------------------- */

uint32_t lab_table(struct lab *l)
{
    struct image_table *t = &l->img->table[l->img->n_tables];
    cr_assert_lt(l->img->n_tables, LAB_MAX);
    t->lpm = lpm_new();
    t->ref = lpm_ref_new();
    t->nexthop = room(l, sizeof *t->nexthop);
    cr_assert(t->lpm && t->ref);
    return (uint32_t)l->img->n_tables++;
}

uint32_t lab_route(struct lab *l, uint32_t table, const char *text, struct image_nexthop nh)
{
    struct image_table *t = &l->img->table[table];
    const struct prefix4 p = prefix(text);
    cr_assert_lt(t->n, LAB_MAX);
    nh.row = (uint32_t)t->n;
    t->nexthop[t->n] = nh;
    cr_assert_eq(lpm_add(t->lpm, p.addr, p.len, nh.row), 0);
    cr_assert_eq(lpm_ref_add(t->ref, p.addr, p.len, nh.row), 0);
    return (uint32_t)t->n++;
}

struct image_nexthop nh_drop(enum reason r)
{
    return (struct image_nexthop){.action = NH_DROP, .reason = r, .crossing = NONE32};
}

struct image_nexthop nh_realm(uint32_t realm, uint32_t crossing)
{
    return (struct image_nexthop){.action = NH_REALM, .realm = realm, .crossing = crossing};
}

struct image_nexthop nh_port(uint32_t port, uint32_t crossing)
{
    return (struct image_nexthop){.action = NH_PORT, .port = port, .crossing = crossing};
}

struct image_nexthop nh_internet(void)
{
    return (struct image_nexthop){.action = NH_INTERNET, .crossing = NONE32};
}

struct image_nexthop nh_service(void)
{
    return (struct image_nexthop){.action = NH_SERVICE, .crossing = NONE32};
}

struct image_nexthop nh_onprem(uint32_t realm)
{
    return (struct image_nexthop){.action = NH_ONPREM, .realm = realm, .crossing = NONE32, .link = 4};
}

/* -- rule sets ------------------------------------------------------------------------------------------- */

static const struct prefix4 *one_prefix(struct lab *l, const char *text, size_t *n)
{
    if (strcmp(text, "*") == 0)
        return NULL;
    struct prefix4 *p = arena_alloc(l->img->arena, sizeof *p);
    *p = prefix(text);
    *n = 1;
    return p;
}

static uint8_t proto_of(const char *text)
{
    static const struct {
        const char *word;
        uint8_t proto;
    } words[] = {{"*", 0}, {"tcp", IPPROTO_NR_TCP}, {"udp", IPPROTO_NR_UDP}, {"icmp", IPPROTO_NR_ICMP}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, text) == 0)
            return words[i].proto;
    cr_assert_fail("protocol %s", text);
    return 0;
}

static struct acl_rule rule_of(struct lab *l, char *text, uint32_t id)
{
    char *word[5] = {0}, *rest = text;
    for (int i = 0; i < 5; i++)
        cr_assert(word[i] = strtok_r(rest, " ", &rest), "rule %s", text);
    struct acl_rule r = {.proto = proto_of(word[1]), .allow = strcmp(word[0], "allow") == 0, .id = id};
    cr_assert(r.allow || strcmp(word[0], "deny") == 0, "rule %s", word[0]);
    r.src = one_prefix(l, word[2], &r.n_src);
    r.dst = one_prefix(l, word[3], &r.n_dst);
    if (strcmp(word[4], "*") != 0) {
        struct acl_range *range = arena_alloc(l->img->arena, sizeof *range);
        range->first = range->last = (uint16_t)atoi(word[4]);
        r.dport = range;
        r.n_dport = 1;
    }
    return r;
}

uint32_t lab_acl(struct lab *l, const char *rules)
{
    struct acl_rule *list = room(l, sizeof *list);
    struct image_acl *a = &l->img->acl[l->img->n_acls];
    char *rest = arena_strdup(l->img->arena, rules);
    uint32_t n = 0;
    for (char *one; (one = strtok_r(rest, ";", &rest)); n++)
        list[n] = rule_of(l, one, n);
    a->acl = acl_build(list, n);
    a->ref = acl_ref_build(list, n);
    cr_assert(a->acl && a->ref && l->img->n_acls < LAB_MAX);
    return (uint32_t)l->img->n_acls++;
}

/* -- packets --------------------------------------------------------------------------------------------- */

struct trip trip_new(struct lab *l, uint32_t port, uint8_t proto, const char *src, uint16_t sport,
                     const char *dst, uint16_t dport)
{
    if (proto == IPPROTO_NR_ICMP) /* an echo: one identifier for both */
        dport = sport;
    return (struct trip){.l = l,
                         .start = {.at = port,
                                   .info = {.ethertype = 0x0800,
                                            .src = lab_ip(src),
                                            .dst = lab_ip(dst),
                                            .proto = proto,
                                            .ttl = 64,
                                            .sport = sport,
                                            .dport = dport},
                                   .meta = {.flow = 1,
                                            .origin = port,
                                            .last_hop = port,
                                            .endpoint = PORT_NONE,
                                            .identity = IDENTITY_NONE,
                                            .sport = sport,
                                            .dport = dport}}};
}

struct trip trip_reply(const struct trip *t)
{
    struct trip r = {.l = t->l, .start = t->now};
    struct packet_info *i = &r.start.info;
    struct packet_meta *m = &r.start.meta;
    cr_assert_eq(t->reason, REASON_NONE, "no answer to a dropped packet: %s", t->text);
    i->src = t->now.info.dst;
    i->dst = t->now.info.src;
    i->sport = m->sport = t->now.info.dport;
    i->dport = m->dport = t->now.info.sport;
    i->mf = false;
    i->frag_offset = 0;
    m->origin = m->last_hop = t->now.at;
    m->reply = !t->now.meta.reply;
    return r;
}

static void say(struct trip *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct trip *t, const char *fmt, ...)
{
    const size_t n = strlen(t->text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->text + n, sizeof t->text - n, fmt, ap);
    va_end(ap);
}

static void say_number(struct trip *t, const char *word, uint32_t n)
{
    if (n == TRACE_NONE)
        say(t, " %s-", word);
    else
        say(t, " %s%u", word, n);
}

static void say_step(struct trip *t, const struct trace *tr, const struct trace_step *s)
{
    static const char *const word[STAGE_COUNT] = {
        [STAGE_SOURCE_CHECK] = "source",
        [STAGE_ADDRESS_CHECK] = "address",
        [STAGE_PUBLIC_ADDRESS] = "public",
        [STAGE_ESTABLISHED] = "known",
        [STAGE_ADMIN_RULES] = "admin#",
        [STAGE_NIC_NSG] = "nic#",
        [STAGE_SUBNET_NSG] = "subnet#",
        [STAGE_FLOW_TABLE] = "table",
        [STAGE_ROUTE] = "route@",
        [STAGE_PEERING] = "peering",
        [STAGE_PLATFORM] = "platform",
        [STAGE_SNAT] = "snat",
        [STAGE_DNAT] = "dnat",
        [STAGE_BALANCER] = "lb",
        [STAGE_LINK_SERVICE] = "pls",
        [STAGE_PROXY] = "proxy",
        [STAGE_ENDPOINT] = "pe",
        [STAGE_SERVICE_IDENTITY] = "identity",
        [STAGE_DELIVERY] = "delivery",
        [STAGE_GUEST] = "guest",
        [STAGE_LINK] = "link",
        [STAGE_SERVICE] = "service",
        [STAGE_CHANGE] = "change",
    };
    char buf[IP4_STRLEN];
    if (s->stage == STAGE_ADMIN_RULES || s->stage == STAGE_NIC_NSG || s->stage == STAGE_SUBNET_NSG || s->stage == STAGE_ROUTE)
        say_number(t, word[s->stage], s->b);
    else if (s->stage == STAGE_BALANCER && s->a != TRACE_NONE)
        say(t, " lb=%s", t->l->name[s->a]);
    else if (s->stage == STAGE_DELIVERY && s->a == tr->port)
        say(t, " here");
    else if (s->stage == STAGE_DELIVERY && s->a != TRACE_NONE)
        say(t, " to %s", t->l->name[s->a]);
    else if ((s->stage == STAGE_SNAT || s->stage == STAGE_DNAT) && s->addr)
        say(t, " %s=%s:%u", word[s->stage], ip4_format(s->addr, buf), s->l4port);
    else
        say(t, " %s", word[s->stage]);
    if (s->reason)
        say(t, "!%s", reason_word((enum reason)s->reason));
}

/* One decision: tell it, and do to the packet what the engine does. */
static void step(struct trip *t, bool inbound)
{
    struct pipe_decision *d = &t->last;
    struct packet_info *i = &t->now.info;
    struct packet_meta *m = &t->now.meta;
    (inbound ? pipe_in : pipe_out)(t->l->pipe, t->l->img, t->l->now, t->now.at, i, m, d);
    say(t, "%s", *t->text ? " | " : "");
    say(t, inbound ? ">%s" : "%s>", t->l->name[t->now.at]);
    for (size_t k = 0; k < d->trace.n; k++)
        say_step(t, &d->trace, &d->trace.step[k]);
    cr_assert_eq(d->reason, trace_reason(&d->trace), "%s", t->text);
    t->reason = d->reason;
    if (d->set_src) {
        i->src = d->src;
        i->sport = m->sport = d->sport;
    }
    if (d->set_dst) {
        i->dst = d->dst;
        i->dport = m->dport = d->dport;
    }
    i->seq += d->seq_add;
    i->ack += d->ack_add;
    if (i->proto == IPPROTO_NR_ICMP && (d->set_src || d->set_dst)) /* one identifier for both */
        i->sport = i->dport = m->sport = m->dport = d->set_src ? d->sport : d->dport;
}

const char *trip_on(struct trip *t)
{
    t->text[0] = 0;
    step(t, false);
    for (int hops = 0; hops < 8 && t->reason == REASON_NONE; hops++) {
        t->now.at = t->last.next;
        step(t, true);
        if (t->reason != REASON_NONE)
            break;
        const enum port_kind kind = t->l->img->port[t->now.at].kind;
        if (t->last.next != t->now.at)
            continue;
        if (kind != PORT_ENDPOINT && kind != PORT_GATEWAY)
            break;
        step(t, false);
    }
    return t->text;
}

const char *trip_go(struct trip *t)
{
    t->now = t->start;
    return trip_on(t);
}
