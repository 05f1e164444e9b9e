/* net.c - see net.h.
 *
 * Ports: machines, one endpoint or appliance or peer for each of the table's 100 next hops, one host for the
 * whole Internet. Of the next hops, a quarter lead into a peered network (and on through its address map),
 * half to private endpoints, a quarter to appliances; 93.0.0.0/8 leads to the Internet. */
#include "bench/net.h"
#include "bench/gen.h"
#include "dataplane/csum.h"
#include "dataplane/rng.h"
#include "dataplane/wire.h"

#include <errno.h>
#include <string.h>

enum { HOPS = 100, HOSTS = 4096, TRIES = 1 << 14, RULES = 100, OWN = 1, PEERS = 2 };

#define INTERNET IP4(93, 0, 0, 0)
static const struct port_range listens = {IPPROTO_NR_TCP, 443, 443};

#define SERVICES (sizeof service / sizeof *service)

static const uint16_t service[] = {443, 80, 8443, 5432, 1433, 6379, 9092, 22};

ip4 net_nic(uint32_t nic)
{
    return IP4(10, 200, 1, 0) + nic;
}

static struct image_port *add_port(struct image *img, enum port_kind kind, uint32_t realm, ip4 addr)
{
    struct image_port *p = &img->port[img->n_ports++];
    *p = image_port_plain(kind, true, realm, addr);
    p->flow_timeout = 240 * INT64_C(1000000000);
    return p;
}

static void add_address(struct image *img, uint32_t realm, ip4 addr, uint32_t port)
{
    bench_check(exact_set(img->addresses, realm, addr, port), "exact_set");
}

static void add_ports(struct image *img)
{
    img->port = arena_array(img->arena, NET_NICS + HOPS + 1, sizeof *img->port);
    for (uint32_t i = 0; i < NET_NICS; i++) {
        struct image_port *p = add_port(img, PORT_NIC, OWN, net_nic(i));
        p->table = 0;
        p->pool = 0;
        p->has_host = true;
        p->host = (struct host_config){.port = i,
                                       .addr = net_nic(i),
                                       .mac = {2, 0, 0, 0, 0, (uint8_t)i},
                                       .fabric_mac = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc},
                                       .mtu = 1500,
                                       .listens = &listens,
                                       .n_listens = 1};
        add_address(img, OWN, net_nic(i), i);
        for (uint32_t a = 0; a < 4; a++)
            p->acl[a / 2][a % 2] = a;
    }
    for (uint32_t h = 0; h < HOPS; h++)
        add_port(img, h % 4 == 1 || h % 4 == 2 ? PORT_ENDPOINT : PORT_NIC, PEERS, IP4(10, 201, 0, 0) + h)
            ->ip_forwarding = true;
    add_port(img, PORT_INTERNET_HOST, REALM_PUBLIC, INTERNET);
}

static void add_routes(struct net *n)
{
    struct image *img = n->img;
    struct gen_routes g = gen_cloud(1, n->seed);
    struct image_table *t = img->table = arena_alloc(img->arena, sizeof *t);
    img->n_tables = 1;
    t->nexthop = arena_array(img->arena, HOPS + 2, sizeof *t->nexthop);
    t->n = HOPS + 2;
    for (uint32_t h = 0; h <= HOPS; h++)
        t->nexthop[h] = (struct image_nexthop){.action = h == HOPS ? NH_INTERNET
                                                         : h % 4   ? NH_PORT
                                                                   : NH_REALM,
                                               .realm = PEERS,
                                               .port = NET_NICS + h,
                                               .crossing = h % 4 || h == HOPS ? NONE32 : 0};
    bench_check(lpm_build(&t->lpm, g.route, g.n), "lpm_build");
    t->nexthop[HOPS + 1] = (struct image_nexthop){.action = NH_REALM, .realm = OWN, .crossing = NONE32};
    bench_check(lpm_add(t->lpm, INTERNET, 8, HOPS), "lpm_add");
    bench_check(lpm_add(t->lpm, IP4(10, 200, 0, 0), 16, HOPS + 1), "lpm_add");
    n->dst = bench_array(TRIES, sizeof *n->dst);
    gen_addresses(&g, GEN_IN_PREFIX, n->dst, TRIES);
    gen_routes_free(&g);
}

/* A security group that allows what none of its rules speaks of. */
static void add_rules(struct net *n)
{
    struct image *img = n->img;
    img->acl = arena_array(img->arena, 4, sizeof *img->acl);
    img->n_acls = 4;
    for (uint32_t i = 0; i < 4; i++) {
        struct gen_rules g = gen_nsg(RULES, true, hash_mix(n->seed) + i);
        g.rule[g.n - 1].allow = true;
        img->acl[i].acl = acl_build(g.rule, g.n);
        bench_check(img->acl[i].acl ? 0 : -ENOMEM, "acl_build");
        gen_rules_free(&g);
    }
}

/* => whether the rules let every service be reached at dst. */
static bool allowed(const struct image *img, ip4 dst)
{
    for (size_t i = 0; i < SERVICES; i++) {
        const struct acl_key key = {net_nic(0), dst, 1024, service[i], IPPROTO_NR_TCP};
        if (!acl_classify(img->acl[0].acl, &key).allow || !acl_classify(img->acl[1].acl, &key).allow)
            return false;
    }
    return true;
}

/* Machines of the peers where routes lead there; of the addresses drawn those stay that lead anywhere. */
static void add_machines(struct net *n)
{
    struct image *img = n->img;
    for (uint32_t i = 0; i < TRIES; i++) {
        const struct image_nexthop *nh = image_lookup(img, 0, n->dst[i]);
        if (!nh || nh->action == NH_INTERNET || n->dst[i] >> 28 >= 14 || !allowed(img, n->dst[i]))
            continue;
        if (nh->action == NH_REALM)
            add_address(img, PEERS, n->dst[i], NET_NICS + i % (HOPS / 4) * 4);
        n->dst[n->n_dst++] = n->dst[i];
    }
    for (uint32_t i = 0; i < HOSTS; i++)
        add_address(img, REALM_PUBLIC, INTERNET + 1 + i * 257, NET_NICS + HOPS);
}

static void add_pool(struct image *img)
{
    struct image_pool *p = img->pool = arena_alloc(img->arena, sizeof *p);
    img->n_pools = 1;
    *p = (struct image_pool){.addr = arena_array(img->arena, 16, sizeof *p->addr),
                             .n = 16,
                             .realm = OWN,
                             .first_port = 1024,
                             .last_port = 65535,
                             .timeout = 240 * INT64_C(1000000000),
                             .gateway = true};
    for (uint32_t i = 0; i < 16; i++) {
        p->addr[i] = IP4(20, 0, 0, 16) + i;
        add_address(img, REALM_PUBLIC, p->addr[i], POOL_FLAG | 0);
    }
}

struct net net_make(uint64_t seed)
{
    struct net n = {.img = image_new(1), .seed = seed};
    bench_check(n.img ? 0 : -ENOMEM, "image_new");
    struct image *img = n.img;
    img->realm = arena_array(img->arena, 3, sizeof *img->realm);
    img->n_realms = 3;
    img->realm[OWN].prefix = arena_alloc(img->arena, sizeof *img->realm[OWN].prefix);
    *img->realm[OWN].prefix = (struct prefix4){IP4(10, 200, 0, 0), 16};
    img->realm[OWN].n = 1;
    img->crossing = arena_alloc(img->arena, sizeof *img->crossing);
    img->n_crossings = 1;
    img->link = arena_array(img->arena, 6, sizeof *img->link);
    img->n_links = 6;
    img->link_internet = 1;
    img->link_local = 5;
    img->flow_limit = FLOW_LIMIT;
    img->rule_change_keeps_flows = true;
    img->resolver = img->public_resolver = PORT_NONE;
    add_ports(img);
    add_routes(&n);
    add_rules(&n);
    add_machines(&n);
    add_pool(img);
    return n;
}

void net_free(struct net *n)
{
    bench_free(n->dst, TRIES, sizeof *n->dst);
    image_free(n->img);
}

/* -- flows ----------------------------------------------------------------------------------------------- */

/* The number is spread over machine, source port and service; so no two numbers share the five values. */
struct flow_key net_flow(const struct net *n, bool public, uint32_t i)
{
    const uint32_t nic = i % NET_NICS, rest = i / NET_NICS;
    const uint64_t h = hash_mix(n->seed + i);
    const ip4 dst = public ? INTERNET + 1 + (uint32_t)(h % HOSTS) * 257 : n->dst[h % n->n_dst];
    return flow_key_make(nic, 0, IPPROTO_NR_TCP, net_nic(nic), dst, (uint16_t)(1024 + rest % 60000),
                         service[rest / 60000 % SERVICES]);
}

void net_header(uint8_t *frame, struct flow_key flow, bool inbound, uint8_t flags)
{
    const struct flow_key k = inbound ? flow_key_reverse(flow) : flow;
    uint8_t *ip = frame + ETH_HLEN, *t = ip + WIRE_IP_HLEN;
    memset(frame, 0, NET_FRAME);
    wire_put16(frame + WIRE_ETH_TYPE, WIRE_ETHERTYPE_IPV4);
    ip[WIRE_IP_VHL] = 0x45;
    ip[WIRE_IP_TTL] = 64;
    ip[WIRE_IP_PROTO] = flow_key_proto(k);
    wire_put16(ip + WIRE_IP_TLEN, NET_FRAME - ETH_HLEN);
    wire_put32(ip + WIRE_IP_SRC, k.src);
    wire_put32(ip + WIRE_IP_DST, k.dst);
    wire_put16(t + WIRE_TCP_SPORT, k.sport);
    wire_put16(t + WIRE_TCP_DPORT, k.dport);
    t[WIRE_TCP_OFF] = 5 << 4;
    t[WIRE_TCP_FLAGS] = flags;
}

void net_frame(uint8_t *frame, struct flow_key flow, bool inbound, uint8_t flags)
{
    const struct flow_key k = inbound ? flow_key_reverse(flow) : flow;
    const uint16_t len = NET_FRAME - ETH_HLEN - WIRE_IP_HLEN;
    uint8_t *ip = frame + ETH_HLEN, *t = ip + WIRE_IP_HLEN;
    net_header(frame, flow, inbound, flags);
    wire_put16(ip + WIRE_IP_SUM, csum_fold(csum_add(0, ip, WIRE_IP_HLEN)));
    wire_put16(t + WIRE_TCP_SUM,
               csum_fold(csum_add(csum_pseudo(k.src, k.dst, flow_key_proto(k), len), t, len)));
}

uint64_t net_answer(const struct pipe_packet *k)
{
    uint16_t ip, l4;
    memcpy(&ip, k->packet->data + 24, sizeof ip);
    memcpy(&l4, k->packet->data + 50, sizeof l4);
    return (uint64_t)k->next << 40 | (uint64_t)k->reason << 32 | (uint32_t)ip << 16 | l4;
}

void net_ring_new(struct net_ring *r)
{
    r->pool = packet_pool_new();
    for (size_t i = 0; i < NET_BURST; i++) {
        struct packet *p = packet_new(r->pool, NET_FRAME);
        bench_check(p ? 0 : -ENOMEM, "packets");
        p->len = NET_FRAME;
        r->slot[i] = (struct pipe_packet){.packet = p};
    }
}

void net_ring_free(struct net_ring *r)
{
    for (size_t i = 0; i < NET_BURST; i++)
        packet_put(r->pool, r->slot[i].packet);
    packet_pool_free(r->pool);
}

void net_one_by_one(struct pipe *p, const struct image *img, int64_t now, struct pipe_packet *k, size_t n)
{
    for (; n > 0; n--, k++) {
        struct pipe_view v;
        struct pipe_decision d;
        bench_check(pipe_view_of(img, k->port, k->packet, &v), "parse");
        (k->inbound ? pipe_in : pipe_out)(p, img, now, k->port, pipe_view_flow(&v), &k->packet->meta, &d);
        pipe_view_apply(k->packet, &v, &d);
        k->reason = d.reason;
        k->next = d.next;
    }
}
