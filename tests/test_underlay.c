/* test_underlay.c - overlay addresses against the published examples, packets byte by byte, checksums against sums made
 * anew, identities that stay apart. Properties print their seed. */
#include "dataplane/csum.h"
#include "dataplane/mem_int.h"
#include "dataplane/underlay.h"
#include "dataplane/underlay_path.h"
#include "dataplane/wire.h"
#include "tests/support_pool.h"
#include "tests/support_prop.h"
#include "topology/ids.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(underlay, .init = pool_setup, .fini = pool_teardown);

static struct ip6 six(const char *text)
{
    struct ip6 a;
    cr_assert_eq(inet_pton(AF_INET6, text, a.b), 1, "%s", text);
    return a;
}

static void six_is(struct ip6 got, const char *want)
{
    char text[INET6_ADDRSTRLEN];
    struct ip6 w = six(want);
    inet_ntop(AF_INET6, got.b, text, sizeof text);
    cr_assert(memcmp(got.b, w.b, 16) == 0, "%s is not %s", text, want);
}

static struct underlay_part part(const char *value, const char *mask)
{
    return (struct underlay_part){six(value), six(mask)};
}

#define MASK96 "ffff:ffff:ffff:ffff:ffff:ffff::"
#define MASK128 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* -- formulas ----------------------------------------------------------------------------------------------------- */

Test(underlay, service_tunnel_of_the_published_example)
{
    const struct underlay_part sip = part("fd00:108:0:d204:0:200::", MASK96), dip = part("2603:10e1:100:2::", MASK96);
    six_is(underlay_link_dst(IP4(10, 1, 1, 1), &sip), "fd00:108:0:d204:0:200:a01:101");
    six_is(underlay_link_dst(IP4(50, 1, 2, 1), &dip), "2603:10e1:100:2::3201:201");
}

Test(underlay, private_link_of_the_published_example)
{
    const struct underlay_part nic = part("::cb3a:16e5:ff71:0:0", "::ffff:ffff:ffff:0:0");
    const struct underlay_part sip = part("fd41:108:20:abc:abc::", MASK96);
    const struct underlay_part dip = part("2603:10e1:100:2::3401:203", MASK128);
    six_is(underlay_link_src(IP4(10, 1, 1, 1), &sip, &nic), "fd41:108:20:cb3a:16e5:ff71:a01:101");
    six_is(underlay_link_dst(IP4(10, 1, 0, 8), &dip), "2603:10e1:100:2::3401:203");
}

Test(underlay, values_count_within_their_mask_only)
{
    const struct underlay_part sip = part("fd41::ffff:ffff", "ffff::"), nic = part("ffff:2::ffff", "0:ffff::");
    six_is(underlay_link_src(IP4(10, 1, 1, 1), &sip, &nic), "fd41:2::a01:101");
    six_is(underlay_link_dst(IP4(10, 1, 1, 1), &sip), "fd41::a01:101");
}

Test(underlay, derived_parts)
{
    const struct underlay_end app = {.region = 0x3b, .network = 0x3735fe, .subnet = 0x40a3c9};
    const struct underlay_end store = {.region = 0x12};
    const struct underlay_part subnet = underlay_part_subnet(&app), link = underlay_part_link(0x12345678),
                               nic = underlay_part_nic(&app), service = underlay_part_service(&store);
    six_is(underlay_link_dst(IP4(10, 0, 1, 4), &subnet), "fd3b::3735:fe40:a3c9:a00:104");
    six_is(underlay_link_src(IP4(10, 0, 1, 4), &link, &nic), "fdbb:1234:5678:3735:fe40:a3c9:a00:104");
    six_is(underlay_link_dst(IP4(20, 38, 108, 10), &service), "2001:db8:0:12::1426:6c0a");
}

struct who {
    bool link;
    struct underlay_end e;
};

static struct ip6 prefix_of(const struct who *w)
{
    const struct underlay_part subnet = underlay_part_subnet(&w->e), link = underlay_part_link(w->e.link),
                               nic = underlay_part_nic(&w->e);
    return w->link ? underlay_link_src(0, &link, &nic) : underlay_link_dst(0, &subnet);
}

/* Near misses: each differs from the one before in one bit of one member, or in nothing. */
Test(underlay, identities_have_prefixes_of_their_own)
{
    struct rng r;
    prop_seed(&r, "underlay identities");
    struct who last = {.e = {.region = 1, .network = 0x1000, .subnet = 1}};
    for (int i = 0; i < 20000; i++) {
        struct who w = last;
        switch (rng_below(&r, 6)) {
        case 0:
            w.e.region ^= (uint8_t)(1 << rng_below(&r, 7));
            break;
        case 1:
            w.e.network ^= 1u << rng_below(&r, 24);
            break;
        case 2:
            w.e.subnet ^= 1u << rng_below(&r, 24);
            break;
        case 3:
            w.e.link ^= w.link ? 1u << rng_below(&r, 32) : 0;
            break;
        case 4:
            w.link = !w.link;
            w.e.link = 0; /* the one that could look like a service tunnel */
            break;
        default:
            break;
        }
        const bool same = w.link == last.link && w.e.region == last.e.region && w.e.network == last.e.network &&
                          w.e.subnet == last.e.subnet && (!w.link || w.e.link == last.e.link);
        const struct ip6 a = prefix_of(&w), b = prefix_of(&last);
        cr_assert_eq(memcmp(a.b, b.b, 12) == 0, same);
        cr_assert_eq(a.b[0], 0xfd); /* unique local */
        last = w;
    }
}

Test(underlay, names_get_numbers_that_stay)
{
    struct ids *n = ids_new(10, 14), *m = ids_new(10, 14);
    uint32_t got[5];
    for (uint32_t i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "Net-%u", i);
        got[i] = ids_of(n, name);
        cr_assert(got[i] >= 10 && got[i] <= 14);
        for (uint32_t k = 0; k < i; k++)
            cr_assert_neq(got[k], got[i]);
    }
    cr_assert_eq(ids_of(n, "net-3"), got[3]); /* without case */
    cr_assert_eq(ids_of(m, "NET-0"), got[0]); /* by the name alone */
    uint32_t more = ids_of(n, "one-too-many");
    cr_assert(more >= 10 && more <= 14);
    cr_assert_eq(ids_of(n, "one-too-many"), more);
    cr_assert_eq(ids_of(n, "net-4"), got[4]);
    ids_free(n);
    ids_free(m);
    ids_free(NULL);
}

/* -- packets ------------------------------------------------------------------------------------------------------ */

static struct packet *wrap(const struct packet *p, const struct underlay_tunnel *t)
{
    struct packet_info in;
    struct packet *o = NULL;
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    cr_assert_eq(underlay_wrap(pool, p, &in, t, &o), 0);
    return o;
}

static struct underlay_tunnel tunnel(enum underlay_kind kind, ip4 src, ip4 dst, uint32_t key, const char *from,
                                     const char *to)
{
    return (struct underlay_tunnel){.kind = kind, .src = src, .dst = dst, .key = key, .from = six(from), .to = six(to)};
}

static const struct underlay_tunnel *published(void)
{
    static struct underlay_tunnel t;
    t = tunnel(UNDERLAY_SERVICE_TUNNEL, IP4(40, 1, 2, 1), IP4(50, 1, 2, 1), 100, "fd00:108:0:d204:0:200:a01:101",
               "2603:10e1:100:2::3201:201");
    return &t;
}

/* The checksum of TCP or UDP over IPv6, made anew (RFC 8200, 8.1). */
static bool sum6_ok(const uint8_t *ip6, uint8_t proto, uint32_t l4, uint32_t len)
{
    uint32_t sum = csum_add(0, ip6 + 8, 32) + proto + len;
    return csum_fold(csum_add(sum, ip6 + l4, len)) == 0;
}

Test(underlay, published_tunnels_byte_by_byte)
{
    static const uint8_t want[] = {
        0x02, 0x00, 0x32, 0x01, 0x02, 0x01, 0x02, 0x00, 0x28, 0x01, 0x02, 0x01, 0x08, 0x00, /* outer Ethernet */
        0x45, 0x00, 0x00, 0x5c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x2f, 0xdc, 0x6f,             /* IPv4: DF, TTL 64, GRE */
        0x28, 0x01, 0x02, 0x01, 0x32, 0x01, 0x02, 0x01,                                     /* 40.1.2.1 > 50.1.2.1 */
        0x20, 0x00, 0x65, 0x58, 0x00, 0x00, 0x64, 0x00,                                     /* GRE: key, VSID 100 */
        0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x00, 0x0d, 0x3a, 0x01, 0x02, 0x03, 0x86, 0xdd, /* the frame, now IPv6 */
        0x60, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x11, 0x40,                                     /* 10 bytes, UDP, 64 hops */
        0xfd, 0x00, 0x01, 0x08, 0x00, 0x00, 0xd2, 0x04, 0x00, 0x00, 0x02, 0x00, 0x0a, 0x01, 0x01, 0x01,
        0x26, 0x03, 0x10, 0xe1, 0x01, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x32, 0x01, 0x02, 0x01,
        0x9c, 0x40, 0x01, 0xbb, 0x00, 0x0a,                                                 /* UDP 40000 > 443 */
    };
    const struct ip_fields ip = {IP4(10, 1, 1, 1), IP4(50, 1, 2, 1), 64, 0, 7, false};
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 40000, 443, "hi", 2), *o = wrap(p, published());
    cr_assert_eq(o->len, sizeof want + 4);
    for (size_t i = 0; i < sizeof want; i++)
        cr_assert_eq(o->data[i], want[i], "byte %zu: %02x, not %02x", i, o->data[i], want[i]);
    cr_assert_arr_eq(o->data + sizeof want + 2, "hi", 2);
    cr_assert(sum6_ok(o->data + 56, IPPROTO_NR_UDP, 40, 10));
    packet_put(pool, o);

    struct underlay_tunnel t = tunnel(UNDERLAY_PRIVATE_LINK, IP4(55, 1, 2, 3), IP4(50, 1, 2, 3), 100,
                                      "fd41:108:20:cb3a:16e5:ff71:a01:101", "2603:10e1:100:2::3401:203");
    o = wrap(p, &t);
    cr_assert_eq(wire_get32(o->data + 26), IP4(55, 1, 2, 3));
    cr_assert_eq(wire_get32(o->data + 30), IP4(50, 1, 2, 3));
    cr_assert_arr_eq(o->data + 64, t.from.b, 16);
    cr_assert_arr_eq(o->data + 80, t.to.b, 16);
    cr_assert(sum6_ok(o->data + 56, IPPROTO_NR_UDP, 40, 10));
    packet_put(pool, o);
    packet_put(pool, p);
}

Test(underlay, networks_carry_the_frame_as_it_is)
{
    const struct ip_fields ip = {IP4(10, 0, 1, 4), IP4(10, 1, 1, 4), 63, 0xb9, 7, true};
    struct packet *p = packet_build_icmp(pool, &ETH, &ip, WIRE_ICMP_ECHO, 0, 1 << 16 | 1, "ping", 4);
    const struct underlay_tunnel t = {UNDERLAY_NETWORK, .src = IP4(198, 18, 0, 1), .dst = IP4(198, 18, 0, 2), .key = 0xabcdef};
    struct packet *o = wrap(p, &t);
    cr_assert_eq(o->len, 42 + p->len);
    cr_assert_eq(o->data[15], 0xb9); /* class of service */
    cr_assert_eq(wire_get32(o->data + 38), 0xabcdef00);
    cr_assert_arr_eq(o->data + 42, p->data, p->len);
    cr_assert(packet_checksums_ok(o->data, o->len));
    packet_put(pool, o);
    packet_put(pool, p);
}

Test(underlay, only_what_services_take_is_turned)
{
    const struct ip_fields ip = {IP4(10, 1, 1, 1), IP4(50, 1, 2, 1), 64, 0, 7, false};
    struct packet *p = packet_build_icmp(pool, &ETH, &ip, WIRE_ICMP_ECHO, 0, 1, NULL, 0), *o = NULL;
    struct packet_info in;
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    cr_assert_eq(underlay_wrap(pool, p, &in, published(), &o), -EPROTONOSUPPORT);
    cr_assert_null(o);
    packet_put(pool, p);
    uint8_t *big = calloc(1, 65536);
    p = packet_build_udp(pool, &ETH, &ip, 1, 2, big, 65000);
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    cr_assert_eq(underlay_wrap(pool, p, &in, published(), &o), 0);
    packet_put(pool, o);
    packet_put(pool, p);
    p = packet_build_udp(pool, &ETH, &ip, 1, 2, big, 65480);
    cr_assert(p); /* such a datagram can be built */
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    cr_assert_eq(underlay_wrap(pool, p, &in, published(), &o), -EMSGSIZE);
    packet_put(pool, p);
    free(big);
}

Test(underlay, udp_without_checksum_gets_one)
{
    const struct ip_fields ip = {IP4(10, 1, 1, 1), IP4(50, 1, 2, 1), 64, 0, 7, false};
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 5000, 53, "abc", 3);
    wire_put16(p->data + 34 + WIRE_UDP_SUM, 0);
    struct packet *o = wrap(p, published());
    cr_assert_neq(wire_get16(o->data + 96 + WIRE_UDP_SUM), 0);
    cr_assert(sum6_ok(o->data + 56, IPPROTO_NR_UDP, 40, 11));
    packet_put(pool, o);
    packet_put(pool, p);
}

Test(underlay, options_go_and_padding_stays_behind)
{
    const struct ip_fields ip = {IP4(10, 1, 1, 1), IP4(50, 1, 2, 1), 64, 0, 7, false};
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 5000, 53, "abcd", 4), *q = packet_new(pool, 100);
    memcpy(q->data, p->data, 34);
    memset(q->data + 34, WIRE_IPOPT_NOP, 4);
    memcpy(q->data + 38, p->data + 34, 12);
    q->data[14] = 0x46;
    wire_put16(q->data + 16, 36);
    q->len = 60; /* Ethernet padding */
    memset(q->data + 50, 0xee, 10);
    struct packet *o = wrap(q, published());
    cr_assert_eq(o->len, 56 + 40 + 12);
    cr_assert_eq(wire_get16(o->data + 60), 12);
    cr_assert_arr_eq(o->data + 104, "abcd", 4);
    cr_assert(sum6_ok(o->data + 56, IPPROTO_NR_UDP, 40, 12));
    packet_put(pool, o);
    packet_put(pool, q);
    packet_put(pool, p);
}

/* Fragments keep their place, and put together again they carry a right checksum. */
Test(underlay, fragments_get_a_header)
{
    uint8_t data[4000], whole[4008];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    const struct ip_fields ip = {IP4(10, 1, 1, 1), IP4(50, 1, 2, 1), 64, 0, 0xbeef, false};
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 5000, 53, data, sizeof data), *f;
    int n = packet_fragment(pool, p, 1500, &f);
    cr_assert_eq(n, 3);
    uint8_t header[40];
    for (size_t at = 0; f;) {
        struct packet *next = f->next, *o = wrap(f, published());
        const uint8_t *six_at = o->data + 56, *frag = six_at + 40;
        const uint32_t len = wire_get16(six_at + 4) - 8u;
        cr_assert_eq(six_at[6], 44);
        cr_assert_eq(frag[0], IPPROTO_NR_UDP);
        cr_assert_eq(wire_get16(frag + 2), at | (next != NULL));
        cr_assert_eq(wire_get32(frag + 4), 0xbeef);
        memcpy(whole + at, frag + 8, len);
        memcpy(header, six_at, 40);
        at += len;
        packet_put(pool, o);
        packet_put(pool, f);
        f = next;
        cr_assert(f || at == sizeof whole);
    }
    const uint32_t sum = csum_add(csum_add(0, header + 8, 32) + IPPROTO_NR_UDP + (uint32_t)sizeof whole, whole, sizeof whole);
    cr_assert_eq(csum_fold(sum), 0);
    cr_assert_arr_eq(whole + 8, data, sizeof data);
    packet_put(pool, p);
}

static struct ip6 any6(struct rng *r)
{
    struct ip6 a;
    for (int i = 0; i < 16; i++)
        a.b[i] = rng_below(r, 3) ? (uint8_t)rng_u64(r) : rng_below(r, 2) ? 0xff : 0;
    return a;
}

Test(underlay, checksums_hold_whatever_the_addresses)
{
    struct rng r;
    prop_seed(&r, "underlay checksums");
    for (int i = 0; i < 20000; i++) {
        uint8_t data[32];
        const size_t n = rng_below(&r, sizeof data + 1);
        for (size_t k = 0; k < n; k++)
            data[k] = rng_below(&r, 2) ? 0xff : (uint8_t)rng_u64(&r);
        const struct ip_fields ip = {(ip4)rng_u64(&r), (ip4)rng_u64(&r), 64, 0, 1, true};
        const struct tcp_fields tcp = {(uint16_t)rng_u64(&r), 443, (uint32_t)rng_u64(&r), 0, TCP_ACK, 1000, 0, -1};
        const bool udp = rng_below(&r, 2);
        struct packet *p = udp ? packet_build_udp(pool, &ETH, &ip, tcp.sport, 53, data, n)
                               : packet_build_tcp(pool, &ETH, &ip, &tcp, data, n);
        struct underlay_tunnel t = {UNDERLAY_PRIVATE_LINK, .src = 1, .dst = 2, .key = 100, .from = any6(&r), .to = any6(&r)};
        struct packet *o = wrap(p, &t);
        const uint32_t len = (uint32_t)n + (udp ? 8 : 20);
        cr_assert(sum6_ok(o->data + 56, udp ? IPPROTO_NR_UDP : IPPROTO_NR_TCP, 40, len));
        cr_assert(!udp || wire_get16(o->data + 96 + WIRE_UDP_SUM) != 0);
        /* and a wrong checksum stays wrong */
        p->data[34 + (udp ? WIRE_UDP_SUM : WIRE_TCP_SUM)] ^= 0x10;
        struct packet *bad = wrap(p, &t);
        if (!udp || wire_get16(p->data + 34 + WIRE_UDP_SUM))
            cr_assert(!sum6_ok(bad->data + 56, udp ? IPPROTO_NR_UDP : IPPROTO_NR_TCP, 40, len));
        packet_put(pool, bad);
        packet_put(pool, o);
        packet_put(pool, p);
    }
}

/* -- which packets ------------------------------------------------------------------------------------------------ */

enum { APP, PEER, GATE, LINK, STORE, WEB, SITE, DNS, PORTS };

static struct image *little_image(void)
{
    struct image *img = image_new(0);
    img->n_ports = PORTS;
    img->port = arena_array(img->arena, PORTS, sizeof *img->port);
    const enum port_kind kind[PORTS] = {PORT_NIC, PORT_NIC, PORT_GATEWAY, PORT_ENDPOINT, PORT_SERVICE, PORT_INTERNET_HOST,
                                        PORT_ONPREM_HOST, PORT_RESOLVER};
    for (uint32_t i = 0; i < PORTS; i++)
        img->port[i] = (struct image_port){.kind = kind[i], .service = PORT_NONE,
                                           .underlay = {.host = IP4(198, 18, 0, i), .region = 1, .network = 0x1000 + i,
                                                        .subnet = 5, .link = 0}};
    img->port[LINK].service = STORE;
    img->port[LINK].underlay.link = 0xaabbccdd;
    img->port[STORE].addr = IP4(20, 0, 0, 1);
    img->link_internet = 1;
    img->link_backbone = 2;
    return img;
}

static bool path(const struct image *img, uint32_t from, uint32_t to, uint8_t link, uint32_t last, uint32_t identity,
                 struct underlay_tunnel *t)
{
    const bool answer = img->port[from].kind == PORT_SERVICE || img->port[to].kind == PORT_NIC;
    const struct packet_info in = {.src = answer ? IP4(20, 0, 0, 1) : IP4(10, 0, 0, 4),
                                   .dst = answer ? IP4(10, 0, 0, 4) : IP4(20, 0, 0, 1)};
    const struct packet_meta meta = {.last_hop = last, .identity = identity, .endpoint = PORT_NONE};
    return underlay_path(img, from, to, link, &in, &meta, t);
}

Test(underlay, path_of_each_pair)
{
    struct image *img = little_image();
    struct underlay_tunnel t;
    cr_assert(path(img, APP, PEER, 0, APP, IDENTITY_NONE, &t));
    cr_assert(t.kind == UNDERLAY_NETWORK && t.key == 0x1000 + PEER && t.src == IP4(198, 18, 0, APP) &&
              t.dst == IP4(198, 18, 0, PEER));
    cr_assert(path(img, GATE, APP, 0, GATE, IDENTITY_NONE, &t) && t.kind == UNDERLAY_NETWORK);
    cr_assert(path(img, APP, STORE, 2, APP, 3, &t));
    cr_assert(t.kind == UNDERLAY_SERVICE_TUNNEL && t.key == 100 && t.dst == IP4(20, 0, 0, 1));
    six_is(t.from, "fd01::10:0:5:a00:4");
    six_is(t.to, "2001:db8:0:1::1400:1");
    cr_assert(path(img, STORE, APP, 2, STORE, 3, &t));
    cr_assert(t.src == IP4(20, 0, 0, 1) && t.dst == IP4(198, 18, 0, APP) && t.sender == STORE && t.receiver == APP);
    six_is(t.to, "fd01::10:0:5:a00:4");
    cr_assert(path(img, LINK, STORE, 3, GATE, IDENTITY_NONE, &t));
    cr_assert(t.kind == UNDERLAY_PRIVATE_LINK && t.src == IP4(198, 18, 0, GATE) && t.dst == IP4(198, 18, 0, STORE) &&
              t.endpoint == LINK);
    six_is(t.from, "fd81:aabb:ccdd:10:200:5:a00:4");
    six_is(t.to, "2001:db8:0:1::1400:1");
    cr_assert(path(img, LINK, APP, 0, STORE, IDENTITY_NONE, &t));
    cr_assert(t.src == IP4(198, 18, 0, STORE) && t.dst == IP4(198, 18, 0, APP) && t.sender == STORE);
    six_is(t.to, "fd81:aabb:ccdd:10:0:5:a00:4");
    const uint32_t plain[][3] = {{APP, LINK, 0}, {STORE, LINK, 3}, {APP, STORE, 2}, {APP, WEB, 1}, {WEB, APP, 1},
                                 {APP, PEER, 1}, {APP, PEER, 2}, {APP, APP, 0}, {SITE, GATE, 4}, {GATE, SITE, 4},
                                 {APP, DNS, 0}, {LINK, SITE, 0}};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        cr_assert_not(path(img, plain[i][0], plain[i][1], (uint8_t)plain[i][2], APP, IDENTITY_NONE, &t), "pair %zu", i);
    cr_assert_not(path(img, LINK, STORE, 3, SITE, IDENTITY_NONE, &t));
    cr_assert_not(path(img, LINK, STORE, 3, PORT_NONE, IDENTITY_NONE, &t));
    image_free(img);
}

/* R-28, Y-11: each flow takes one instance of an active-active gateway, its answers come from the same. */
Test(underlay, instances_of_a_gateway)
{
    struct image *img = little_image();
    static const uint32_t host[2] = {IP4(198, 18, 9, 1), IP4(198, 18, 9, 2)};
    struct packet_meta meta = {.last_hop = APP, .identity = IDENTITY_NONE, .endpoint = PORT_NONE};
    struct underlay_tunnel t, back;
    unsigned n[2] = {0};
    img->port[GATE].instances = host;
    img->port[GATE].n_instances = 2;
    for (uint16_t port = 40000; port < 40200; port++) {
        const struct packet_info out = {.proto = IPPROTO_NR_TCP, .src = IP4(10, 0, 0, 4), .dst = IP4(192, 168, 1, 10),
                                        .sport = port, .dport = 443};
        const struct packet_info in = {.proto = IPPROTO_NR_TCP, .src = out.dst, .dst = out.src, .sport = 443, .dport = port};
        const struct packet_info later = {.proto = IPPROTO_NR_TCP, .src = out.src, .dst = out.dst, .frag_offset = 1480};
        meta.sport = port, meta.dport = 443;
        cr_assert(underlay_path(img, APP, GATE, 0, &out, &meta, &t));
        cr_assert(t.dst == host[0] || t.dst == host[1]);
        cr_assert_eq(t.src, IP4(198, 18, 0, APP));
        n[t.dst == host[1]]++;
        cr_assert(underlay_path(img, APP, GATE, 0, &later, &meta, &back));
        cr_assert_eq(back.dst, t.dst, "its fragments go along");
        cr_assert(underlay_path(img, GATE, APP, 0, &in, &meta, &back));
        cr_assert_eq(back.src, t.dst);
    }
    cr_expect(n[0] > 70 && n[1] > 70, "%u and %u", n[0], n[1]);
    image_free(img);
}
