/* test_packet.c - pool, parse, build, rewrite, fragment. Properties print their seed. */
#include "dataplane/csum.h"
#include "dataplane/mem_int.h"
#include "dataplane/packet.h"
#include "dataplane/wire.h"
#include "tests/support_pool.h"
#include "tests/support_prop.h"
#include "tests/support_tap.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

TestSuite(packet, .init = pool_setup, .fini = pool_teardown);

/* Copy into a block of exactly that size, so that asan sees any read beyond. */
static int parse_exact(const uint8_t *data, size_t len, struct packet_info *in)
{
    uint8_t *d = malloc(len ? len : 1);
    memcpy(d, data, len);
    int rc = packet_parse(d, len, in);
    packet_checksums_ok(d, len);
    free(d);
    return rc;
}

/* -- checksums ------------------------------------------------------------------------------------------- */

static uint16_t csum_slow(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

Test(packet, checksum_of_rfc_1071)
{
    const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}; /* section 3: the sum is ddf2 */
    cr_assert_eq(csum_fold(csum_add(0, data, 8)), (uint16_t)~0xddf2);
    cr_assert_eq(csum_fold(csum_add(csum_add(0, data, 2), data + 2, 6)), (uint16_t)~0xddf2);
    cr_assert_eq(csum_fold(csum_add(0, data, 7)), csum_slow(data, 7));
    cr_assert_eq(csum_fold(0), 0xffff);
}

Test(packet, checksum_is_that_of_the_slow_loop)
{
    struct rng r;
    uint8_t *buf = malloc(65536);
    prop_seed(&r, "checksum");
    for (int i = 0; i < 300; i++) {
        size_t n = i < 200 ? rng_below(&r, 64) : rng_below(&r, 65536);
        unsigned kind = (unsigned)rng_below(&r, 3); /* all ones and all zeros are the borders */
        for (size_t k = 0; k < n; k++)
            buf[k] = kind == 0 ? 0xff : kind == 1 ? 0 : (uint8_t)rng_u64(&r);
        cr_assert_eq(csum_fold(csum_add(0, buf, n)), csum_slow(buf, n), "n %zu kind %u", n, kind);
    }
    memset(buf, 0xff, 65536);
    cr_assert_eq(
        csum_fold(csum_add(csum_pseudo(UINT32_MAX, UINT32_MAX, 255, UINT16_MAX), buf, 65535)),
        csum_fold(csum_add(csum_add(0, buf, 65535), "\xff\xff\xff\xff\xff\xff\xff\xff\0\xff\xff\xff", 12)));
    free(buf);
}

Test(packet, incremental_checksum_is_the_recomputed_one)
{
    struct rng r;
    prop_seed(&r, "incremental checksum");
    static const uint16_t edge[] = {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff};
    for (int i = 0; i < 200000; i++) {
        uint8_t b[8];
        for (int k = 0; k < 4; k++)
            wire_put16(b + 2 * k, rng_below(&r, 3) ? edge[rng_below(&r, 6)] : (uint16_t)rng_u64(&r));
        b[7] |= 1; /* an IP header is never all zero, before or after */
        uint16_t was = csum_fold(csum_add(0, b, 8)), old = wire_get16(b);
        uint16_t new = edge[rng_below(&r, 6)];
        wire_put16(b, new);
        cr_assert_eq(csum_update16(was, old, new), csum_fold(csum_add(0, b, 8)));
    }
}

/* -- pool ------------------------------------------------------------------------------------------------ */

Test(packet, pool_reuses_and_counts)
{
    struct packet *a = packet_new(pool, 60);
    cr_assert_eq(packet_pool_out(pool), 1);
    cr_assert_geq(a->cap, 60);
    cr_assert_eq(a->len, 0);
    cr_assert_eq(a->meta.origin, PORT_NONE);
    cr_assert_eq(a->meta.last_hop, PORT_NONE);
    cr_assert_eq(a->meta.endpoint, PORT_NONE);
    cr_assert_eq(a->meta.identity, IDENTITY_NONE);
    cr_assert_eq(a->meta.flow, 0);
    a->meta.flow = 9;
    a->meta.reply = a->meta.dns = true;
    packet_put(pool, a);
    cr_assert_eq(packet_pool_out(pool), 0);
    size_t blocks = mem_live_blocks();
    struct packet *b = packet_new(pool, 10);
    cr_assert_eq(b, a);
    cr_assert_eq(b->meta.flow, 0);
    cr_assert_not(b->meta.reply || b->meta.dns);
    cr_assert_eq(mem_live_blocks(), blocks);
    packet_put(pool, b);
    packet_put(pool, NULL);
}

Test(packet, pool_has_room_for_any_datagram_and_no_more)
{
    struct packet *a = packet_new(pool, ETH_HLEN + 65535);
    cr_assert(a);
    cr_assert_geq(a->cap, ETH_HLEN + 65535u);
    memset(a->data, 1, a->cap);
    packet_put(pool, a);
    cr_assert_null(packet_new(pool, 1 << 20));
    cr_assert_null(packet_new(pool, SIZE_MAX));
}

Test(packet, pool_without_memory)
{
    mem_fail_after(0);
    cr_assert_null(packet_new(pool, 10));
    cr_assert_null(packet_pool_new());
    cr_assert_null(packet_build_arp(pool, 1, ETH.src, 1, ETH.dst, 2));
    cr_assert_eq(packet_pool_out(pool), 0);
    mem_fail_after(MEM_NEVER_FAIL);
}

Test(packet, copy_is_equal_and_apart)
{
    struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64};
    struct packet *a = packet_build_udp(pool, &ETH, &ip, 7, 8, "abc", 3);
    a->meta.flow = 5;
    a->meta.realm = 6;
    struct packet *b = packet_copy(pool, a);
    cr_assert_eq(b->len, a->len);
    cr_assert_arr_eq(b->data, a->data, a->len);
    cr_assert_neq(b->data, a->data);
    cr_assert_eq(memcmp(&a->meta, &b->meta, sizeof a->meta), 0);
    packet_put(pool, a);
    packet_put(pool, b);
}

/* -- build and parse ------------------------------------------------------------------------------------- */

static struct ip_fields random_ip(struct rng *r)
{
    static const ip4 edge[] = {0, 1, UINT32_MAX, IP4(10, 0, 0, 4), IP4(255, 255, 0, 0), IP4(0, 0, 255, 255)};
    struct ip_fields ip = {.src = rng_below(r, 2) ? edge[rng_below(r, 6)] : (ip4)rng_u64(r),
                           .dst = rng_below(r, 2) ? edge[rng_below(r, 6)] : (ip4)rng_u64(r),
                           .ttl = (uint8_t)rng_u64(r),
                           .tos = (uint8_t)rng_u64(r),
                           .id = (uint16_t)rng_u64(r),
                           .df = rng_below(r, 2)};
    return ip;
}

static void assert_ip(const struct packet_info *in, const struct ip_fields *ip, uint8_t proto, size_t len)
{
    cr_assert_eq(in->ethertype, 0x0800);
    cr_assert_eq(in->src, ip->src);
    cr_assert_eq(in->dst, ip->dst);
    cr_assert_eq(in->ttl, ip->ttl);
    cr_assert_eq(in->tos, ip->tos);
    cr_assert_eq(in->ip_id, ip->id);
    cr_assert_eq(in->df, ip->df);
    cr_assert_not(in->mf);
    cr_assert_eq(in->frag_offset, 0);
    cr_assert_eq(in->proto, proto);
    cr_assert_eq(in->ip_len, len);
}

static uint32_t edge_seq(struct rng *r)
{
    static const uint32_t edge[] = {0, 1, UINT32_MAX, 0x7fffffff, 0x80000000};
    return rng_below(r, 2) ? edge[rng_below(r, 5)] : (uint32_t)rng_u64(r);
}

static struct packet *random_packet(struct rng *r, uint8_t proto, const uint8_t *payload, size_t len)
{
    struct ip_fields ip = random_ip(r);
    struct tcp_fields t = {.sport = (uint16_t)rng_u64(r),
                           .dport = (uint16_t)rng_u64(r),
                           .seq = edge_seq(r),
                           .ack = edge_seq(r),
                           .flags = (uint8_t)rng_below(r, 32),
                           .window = (uint16_t)rng_u64(r),
                           .mss = rng_below(r, 2) ? (uint16_t)rng_u64(r) : 0,
                           .wscale = (int8_t)((int)rng_below(r, 16) - 1)};
    switch (proto) {
    case IPPROTO_NR_TCP:
        return packet_build_tcp(pool, &ETH, &ip, &t, payload, len);
    case IPPROTO_NR_UDP:
        return packet_build_udp(pool, &ETH, &ip, t.sport, t.dport, payload, len);
    default:
        return packet_build_icmp(pool, &ETH, &ip, rng_below(r, 2) ? 8 : 0, 0, t.seq, payload, len);
    }
}

Test(packet, built_frames_parse_back)
{
    struct rng r;
    uint8_t *pay = malloc(65536);
    prop_seed(&r, "build and parse");
    for (int i = 0; i < 3000; i++) {
        struct ip_fields ip = random_ip(&r);
        struct packet_info in;
        size_t len = i % 50 ? rng_below(&r, 1500) : rng_below(&r, 65500);
        for (size_t k = 0; k < len; k++)
            pay[k] = (uint8_t)rng_u64(&r);
        struct tcp_fields t = {.sport = (uint16_t)rng_u64(&r),
                               .dport = (uint16_t)rng_u64(&r),
                               .seq = edge_seq(&r),
                               .ack = edge_seq(&r),
                               .flags = (uint8_t)rng_below(&r, 32),
                               .window = 77,
                               .mss = rng_below(&r, 2) ? 1460 : 0,
                               .wscale = (int8_t)((int)rng_below(&r, 15) - 1)};
        bool syn = t.flags & TCP_SYN;
        size_t hlen = 20 + (syn && t.mss ? 4 : 0) + (syn && t.wscale >= 0 ? 4 : 0);
        struct packet *p = packet_build_tcp(pool, &ETH, &ip, &t, pay, len < 65400 ? len : 65400);
        cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
        cr_assert(packet_checksums_ok(p->data, p->len));
        size_t got = in.payload_len;
        assert_ip(&in, &ip, 6, 20 + hlen + got);
        cr_assert_eq(got, len < 65400 ? len : 65400);
        cr_assert(in.sport == t.sport && in.dport == t.dport && in.seq == t.seq && in.ack == t.ack);
        cr_assert(in.tcp_flags == t.flags && in.window == 77);
        cr_assert(p->meta.sport == t.sport && p->meta.dport == t.dport);
        cr_assert_eq(memcmp(p->data + in.payload, pay, got), 0);
        uint32_t mss = packet_tcp_option(p->data, &in, WIRE_TCPOPT_MSS, 4);
        uint32_t ws = packet_tcp_option(p->data, &in, WIRE_TCPOPT_WSCALE, 3);
        cr_assert_eq(mss ? wire_get16(p->data + mss) : 0, syn ? t.mss : 0);
        cr_assert_eq(ws ? p->data[ws] : -1, syn ? t.wscale : -1);
        packet_put(pool, p);

        p = packet_build_udp(pool, &ETH, &ip, t.sport, t.dport, pay, len);
        cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
        assert_ip(&in, &ip, 17, 28 + len);
        cr_assert(packet_checksums_ok(p->data, p->len));
        cr_assert_neq(wire_get16(p->data + in.l4 + 6), 0);
        cr_assert(in.sport == t.sport && in.dport == t.dport && in.payload_len == len);
        packet_put(pool, p);

        p = packet_build_icmp(pool, &ETH, &ip, 8, 0, t.seq, pay, len);
        cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
        assert_ip(&in, &ip, 1, 28 + len);
        cr_assert(packet_checksums_ok(p->data, p->len));
        cr_assert(in.icmp_id == t.seq >> 16 && in.icmp_seq == (uint16_t)t.seq && in.icmp_type == 8);
        cr_assert(in.sport == in.icmp_id && in.dport == in.icmp_id && p->meta.sport == in.icmp_id);
        packet_put(pool, p);
    }
    free(pay);
}

Test(packet, too_long_for_ip_is_not_built)
{
    struct ip_fields ip = {.ttl = 1};
    struct tcp_fields t = {.wscale = -1};
    uint8_t *pay = calloc(1, 65536);
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 1, 2, pay, 65507);
    cr_assert(p);
    cr_assert(packet_checksums_ok(p->data, p->len));
    packet_put(pool, p);
    cr_assert_null(packet_build_udp(pool, &ETH, &ip, 1, 2, pay, 65508));
    cr_assert_null(packet_build_tcp(pool, &ETH, &ip, &t, pay, 65496));
    cr_assert_null(packet_build_icmp(pool, &ETH, &ip, 8, 0, 0, pay, SIZE_MAX));
    free(pay);
}

Test(packet, udp_checksum_zero_is_sent_as_all_ones)
{
    struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64};
    uint8_t two[2] = {0, 0};
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 3, 4, two, 2);
    uint16_t sum = wire_get16(p->data + 14 + 20 + 6);
    packet_put(pool, p);
    wire_put16(two, sum); /* now everything else sums to 0xffff */
    p = packet_build_udp(pool, &ETH, &ip, 3, 4, two, 2);
    cr_assert_eq(wire_get16(p->data + 14 + 20 + 6), 0xffff);
    cr_assert(packet_checksums_ok(p->data, p->len));
    struct packet_info in;
    packet_parse(p->data, p->len, &in);
    packet_set_src(p, &in, 5, 3);
    packet_set_src(p, &in, 1, 3);
    cr_assert_eq(wire_get16(p->data + 14 + 20 + 6), 0xffff);
    packet_put(pool, p);
}

Test(packet, truncated_at_every_length)
{
    struct rng r;
    prop_seed(&r, "truncation");
    static const uint8_t proto[] = {6, 17, 1};
    for (int i = 0; i < 60; i++) {
        uint8_t pay[100] = {0};
        struct packet_info in;
        struct packet *p = random_packet(&r, proto[i % 3], pay, rng_below(&r, 100));
        for (uint32_t n = 0; n < p->len; n++)
            cr_assert_eq(parse_exact(p->data, n, &in), -EBADMSG, "%u of %u", n, p->len);
        cr_assert_eq(parse_exact(p->data, p->len, &in), 0);
        packet_put(pool, p);
    }
}

/* Cut short inside the IP length: the transport header does not fit into what IP says is there. */
Test(packet, truncated_by_ip_length)
{
    struct rng r;
    prop_seed(&r, "ip length");
    static const uint8_t proto[] = {6, 17, 1};
    for (int i = 0; i < 30; i++) {
        uint8_t pay[20] = {0};
        struct packet_info in;
        struct packet *p = random_packet(&r, proto[i % 3], pay, 20);
        uint32_t ip_len = p->len - 14;
        for (uint32_t n = 0; n < ip_len; n++) {
            wire_put16(p->data + 14 + WIRE_IP_TLEN, (uint16_t)n);
            int rc = parse_exact(p->data, 14 + (n < 20 ? 20 : n), &in);
            if (n < 20)
                cr_assert_eq(rc, -EINVAL);
            else if (proto[i % 3] == 17)
                cr_assert_eq(rc, n < 28 ? -EBADMSG : -EINVAL, "UDP longer than its packet");
            else if (rc)
                cr_assert_eq(rc, -EBADMSG);
            else
                cr_assert_eq(in.payload + in.payload_len, 14 + n);
        }
        packet_put(pool, p);
    }
}

static uint8_t *udp_frame(struct packet **p)
{
    struct ip_fields ip = {.src = IP4(10, 0, 0, 4), .dst = IP4(10, 0, 0, 5), .ttl = 64};
    *p = packet_build_udp(pool, &ETH, &ip, 1000, 2000, "payload!", 8);
    return (*p)->data;
}

Test(packet, impossible_fields)
{
    static const struct {
        const char *title;
        uint32_t at;
        uint8_t value;
        int want;
    } rows[] = {
        {"version 6", 14, 0x65, -EINVAL},
        {"header of 16 bytes", 14, 0x44, -EINVAL},
        {"header of 60 bytes in 36", 14, 0x4f, -EINVAL},
        {"total length 0", 17, 0, -EINVAL},
        {"total length beyond the frame", 17, 37, -EBADMSG},
        {"UDP length 7", 39, 7, -EINVAL},
        {"UDP length beyond the datagram", 39, 17, -EINVAL},
        {"IPv6 frame", 12, 0x86, -EPROTONOSUPPORT},
        {"fragment behind 65535", 20, 0x1f, 0}, /* offset 0x1f00 * 8 + 16 is just inside */
        {"last fragment offset", 20, 0x20, 0},  /* MF: a first fragment */
        {"unknown protocol", 23, 99, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct packet *p;
        struct packet_info in;
        uint8_t *d = udp_frame(&p);
        d[rows[i].at] = rows[i].value;
        cr_assert_eq(parse_exact(d, p->len, &in), rows[i].want, "%s", rows[i].title);
        packet_put(pool, p);
    }
    struct packet *p;
    struct packet_info in;
    uint8_t *d = udp_frame(&p);
    wire_put16(d + 20, 0x1fff); /* offset 65528 and 16 bytes: behind the largest datagram */
    cr_assert_eq(parse_exact(d, p->len, &in), -EINVAL);
    packet_put(pool, p);
}

Test(packet, padding_is_not_payload)
{
    struct packet *p;
    struct packet_info in;
    udp_frame(&p);
    memset(p->data + p->len, 0xee, 10);
    cr_assert_eq(packet_parse(p->data, p->len + 10, &in), 0);
    cr_assert_eq(in.payload_len, 8);
    cr_assert(packet_checksums_ok(p->data, p->len + 10));
    wire_put16(p->data + 38, 12); /* UDP shorter than IP: the rest is no payload either */
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    cr_assert_eq(in.payload_len, 4);
    packet_put(pool, p);
}

Test(packet, checksums_notice_any_flipped_bit)
{
    struct rng r;
    prop_seed(&r, "flipped bits");
    static const uint8_t proto[] = {6, 17, 1};
    for (int i = 0; i < 9; i++) {
        uint8_t pay[30];
        struct packet_info in;
        memset(pay, 0xa5, sizeof pay);
        struct packet *p = random_packet(&r, proto[i % 3], pay, (size_t)(20 + i));
        for (uint32_t bit = 14 * 8; bit < p->len * 8; bit++) {
            p->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            bool frag = packet_parse(p->data, p->len, &in) == 0 && (in.mf || in.frag_offset);
            if (!frag) /* a fragment's IP header is wrong then; also checked: */
                cr_assert_not(packet_checksums_ok(p->data, p->len), "proto %u bit %u", proto[i % 3], bit);
            else
                cr_assert_not(packet_checksums_ok(p->data, p->len));
            p->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        packet_put(pool, p);
    }
}

Test(packet, arp)
{
    struct arp_info a;
    struct packet_info in;
    struct packet *p = packet_build_arp(pool, 1, ETH.src, IP4(10, 0, 0, 4), ETH.dst, IP4(10, 0, 0, 1));
    cr_assert_eq(p->len, 42);
    cr_assert_eq(p->data[0], 0xff);
    cr_assert_eq(packet_parse_arp(p->data, p->len, &a), 0);
    cr_assert(a.op == 1 && a.spa == IP4(10, 0, 0, 4) && a.tpa == IP4(10, 0, 0, 1));
    cr_assert_arr_eq(a.sha, ETH.src, 6);
    cr_assert_eq(packet_parse(p->data, p->len, &in), -EPROTONOSUPPORT);
    cr_assert_eq(in.ethertype, 0x0806);
    cr_assert(packet_checksums_ok(p->data, p->len));
    cr_assert_eq(packet_parse_arp(p->data, 41, &a), -EBADMSG);
    p->data[18] = 8;
    cr_assert_eq(packet_parse_arp(p->data, 42, &a), -EINVAL);
    packet_put(pool, p);
    p = packet_build_arp(pool, 2, ETH.dst, IP4(10, 0, 0, 1), ETH.src, IP4(10, 0, 0, 4));
    cr_assert_eq(packet_parse_arp(p->data, p->len, &a), 0);
    cr_assert_eq(a.op, 2);
    cr_assert_arr_eq(p->data, ETH.src, 6);
    cr_assert_arr_eq(a.tha, ETH.src, 6);
    packet_put(pool, p);
    udp_frame(&p);
    cr_assert_eq(packet_parse_arp(p->data, p->len, &a), -EPROTONOSUPPORT);
    packet_put(pool, p);
}

/* -- rewrites -------------------------------------------------------------------------------------------- */

/* The frame that a rewrite must give: fields changed, checksums made anew. */
static void recompute(struct packet *p)
{
    struct packet_info in;
    cr_assert_eq(packet_parse(p->data, p->len, &in), 0);
    uint8_t *ip = p->data + 14, *t = p->data + in.l4;
    uint16_t n = (uint16_t)(14 + in.ip_len - in.l4);
    uint32_t at = in.proto == 6 ? 16 : in.proto == 17 ? 6 : 2;
    wire_put16(ip + 10, 0);
    wire_put16(ip + 10, csum_slow(ip, 20));
    wire_put16(t + at, 0);
    uint16_t sum = csum_fold(csum_add(in.proto == 1 ? 0 : csum_pseudo(in.src, in.dst, in.proto, n), t, n));
    wire_put16(t + at, in.proto == 17 && !sum ? 0xffff : sum);
}

Test(packet, rewrites_equal_building_anew)
{
    struct rng r;
    prop_seed(&r, "rewrites");
    static const uint8_t proto[] = {6, 17, 1};
    static const ip4 addr[] = {0, UINT32_MAX, IP4(10, 0, 0, 4), 0xffff, 0xffff0000};
    static const uint16_t port[] = {0, 65535, 443, 1};
    for (int i = 0; i < 6000; i++) {
        uint8_t pay[64] = {1}; /* not all zero: RFC 1624 needs a set bit, and so does every real message */
        struct packet_info in, again;
        struct packet *p = random_packet(&r, proto[i % 3], pay, 1 + rng_below(&r, 63));
        if (p->data[14 + WIRE_IP_TTL] == 0 || wire_get32(p->data + 26) == 0) {
            packet_put(pool, p);
            continue;
        }
        packet_parse(p->data, p->len, &in);
        for (int k = 0; k < 3; k++) {
            ip4 a = rng_below(&r, 2) ? addr[rng_below(&r, 5)] : (ip4)rng_u64(&r);
            uint16_t q = rng_below(&r, 2) ? port[rng_below(&r, 4)] : (uint16_t)rng_u64(&r);
            if (rng_below(&r, 2))
                packet_set_src(p, &in, a, q);
            else
                packet_set_dst(p, &in, a, q);
        }
        static const uint32_t add[] = {0, 1, 36, UINT32_MAX, 0u - 36, 0x10000, 0xffff};
        const uint32_t seq = in.seq, ack = in.ack, x = add[rng_below(&r, 7)], y = add[rng_below(&r, 7)];
        packet_shift_seq(p, &in, x, y);
        if (in.proto == 6)
            cr_assert(in.seq == seq + x && in.ack == ack + y);
        cr_assert_eq(packet_dec_ttl(p, &in), p->data[22]);
        struct packet *want = packet_copy(pool, p);
        recompute(want);
        cr_assert_arr_eq(p->data, want->data, p->len);
        packet_parse(p->data, p->len, &again);
        cr_assert_eq(memcmp(&in, &again, sizeof in), 0, "info does not follow the bytes");
        cr_assert(p->meta.sport == in.sport && p->meta.dport == in.dport);
        packet_put(pool, p);
        packet_put(pool, want);
    }
}

Test(packet, udp_without_checksum_stays_without)
{
    struct packet *p;
    struct packet_info in;
    uint8_t *d = udp_frame(&p);
    wire_put16(d + 40, 0);
    packet_parse(d, p->len, &in);
    packet_set_src(p, &in, IP4(1, 2, 3, 4), 5);
    packet_set_dst(p, &in, IP4(5, 6, 7, 8), 9);
    cr_assert_eq(wire_get16(d + 40), 0);
    cr_assert(packet_checksums_ok(d, p->len));
    packet_put(pool, p);
}

Test(packet, ttl_ends_at_zero)
{
    struct packet *p;
    struct packet_info in;
    udp_frame(&p);
    p->data[22] = 1;
    recompute(p);
    packet_parse(p->data, p->len, &in);
    cr_assert_eq(packet_dec_ttl(p, &in), 0);
    cr_assert(packet_checksums_ok(p->data, p->len));
    cr_assert_eq(packet_dec_ttl(p, &in), 0);
    cr_assert_eq(p->data[22], 0);
    packet_put(pool, p);
}

Test(packet, set_eth)
{
    struct packet *p;
    udp_frame(&p);
    packet_set_eth(p, ETH.dst, ETH.src);
    cr_assert_arr_eq(p->data, ETH.src, 6);
    cr_assert_arr_eq(p->data + 6, ETH.dst, 6);
    packet_put(pool, p);
}

Test(packet, mss_is_only_lowered)
{
    static const struct {
        uint8_t flags;
        uint16_t mss, clamp, want;
    } rows[] = {
        {TCP_SYN, 1460, 1350, 1350}, {TCP_SYN | TCP_ACK, 1460, 1350, 1350},
        {TCP_SYN, 1300, 1350, 1300}, {TCP_SYN, 1350, 1350, 1350},
        {TCP_SYN, 65535, 1, 1},      {TCP_SYN, 0, 1350, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64};
        struct tcp_fields t = {.flags = rows[i].flags, .mss = rows[i].mss, .wscale = 7};
        struct packet_info in;
        struct packet *p = packet_build_tcp(pool, &ETH, &ip, &t, NULL, 0);
        packet_parse(p->data, p->len, &in);
        packet_clamp_mss(p, &in, rows[i].clamp);
        uint32_t at = packet_tcp_option(p->data, &in, WIRE_TCPOPT_MSS, 4);
        cr_assert_eq(at ? wire_get16(p->data + at) : 0, rows[i].want, "row %zu", i);
        cr_assert(packet_checksums_ok(p->data, p->len));
        packet_put(pool, p);
    }
}

/* A NOP before the option puts its value across two words of the checksum; broken option lists are left
 * alone. */
Test(packet, mss_at_odd_places_and_broken_options)
{
    struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64};
    struct tcp_fields t = {.flags = TCP_SYN, .mss = 1460, .wscale = 7};
    struct packet_info in;
    struct packet *p = packet_build_tcp(pool, &ETH, &ip, &t, NULL, 0);
    memcpy(p->data + 54, "\x01\x02\x04\x05\xb4\x00\x00\x00", 8);
    recompute(p);
    packet_parse(p->data, p->len, &in);
    packet_clamp_mss(p, &in, 1350);
    cr_assert_eq(wire_get16(p->data + 57), 1350);
    cr_assert(packet_checksums_ok(p->data, p->len));
    static const char broken[][9] = {"\x02\x00\x05\xb4\x00\x00\x00\x00", "\x02\x01\x05\xb4\x00\x00\x00\x00",
                                     "\x08\x0a\x02\x04\x05\xb4\x00\x00", "\x01\x01\x01\x01\x01\x01\x01\x02",
                                     "\x00\x02\x04\x05\xb4\x00\x00\x00", "\x01\x01\x01\x01\x01\x02\x04\x05"};
    for (size_t i = 0; i < 6; i++) {
        memcpy(p->data + 54, broken[i], 8);
        recompute(p);
        packet_parse(p->data, p->len, &in);
        uint8_t *d = malloc(p->len); /* asan: not a byte further */
        memcpy(d, p->data, p->len);
        cr_assert_eq(packet_tcp_option(d, &in, WIRE_TCPOPT_MSS, 4), 0, "options %zu", i);
        free(d);
        packet_clamp_mss(p, &in, 1);
        cr_assert_arr_eq(p->data + 54, broken[i], 8);
    }
    packet_put(pool, p);
}

/* -- fragments ------------------------------------------------------------------------------------------- */

/* Put fragments together by their own offsets. => payload bytes (IP), all of them covered exactly once. */
static size_t assemble(const struct packet *list, uint8_t *out, uint8_t *seen)
{
    size_t end = 0;
    for (const struct packet *f = list; f; f = f->next) {
        struct packet_info in;
        cr_assert_eq(packet_parse(f->data, f->len, &in), 0);
        cr_assert(packet_checksums_ok(f->data, f->len));
        uint32_t n = 14 + in.ip_len - in.l4;
        for (uint32_t i = 0; i < n; i++)
            cr_assert_eq(seen[in.frag_offset + i]++, 0, "overlap");
        memcpy(out + in.frag_offset, f->data + in.l4, n);
        if (!in.mf)
            end = in.frag_offset + n;
    }
    for (size_t i = 0; i < end; i++)
        cr_assert_eq(seen[i], 1, "hole");
    return end;
}

static void put_all(struct packet *list)
{
    for (struct packet *next; list; list = next) {
        next = list->next;
        packet_put(pool, list);
    }
}

Test(packet, fragments_cover_the_datagram)
{
    struct rng r;
    prop_seed(&r, "fragments");
    uint8_t *pay = malloc(65536), *out = malloc(65536), *seen = malloc(65536);
    for (int i = 0; i < 200; i++) {
        struct ip_fields ip = random_ip(&r);
        ip.df = false;
        size_t len = i % 20 ? rng_below(&r, 6000) : 65507 - rng_below(&r, 3);
        uint16_t mtu = (uint16_t)(i % 7 ? 68 + rng_below(&r, 1500) : 28 + rng_below(&r, 8));
        for (size_t k = 0; k < len; k++)
            pay[k] = (uint8_t)rng_u64(&r);
        struct packet *p = packet_build_udp(pool, &ETH, &ip, 4000, 53, pay, len), *list;
        p->meta.flow = 77;
        p->meta.realm = 3;
        int n = packet_fragment(pool, p, mtu, &list);
        size_t room = (mtu - 20u) & ~7u, total = len + 8;
        if (total + 20 <= mtu)
            cr_assert_eq(n, 1);
        else
            cr_assert_eq((size_t)n, total <= mtu - 20u ? 1 : (total - (mtu - 20u) + room - 1) / room + 1);
        int count = 0;
        for (struct packet *f = list; f; f = f->next, count++) {
            cr_assert_leq(f->len, 14u + mtu);
            cr_assert_eq(memcmp(&f->meta, &p->meta, sizeof f->meta), 0,
                         "fragments keep what is known of the packet");
            cr_assert_eq(wire_get16(f->data + 18), ip.id);
            cr_assert_eq(f->data[22], ip.ttl);
        }
        cr_assert_eq(count, n);
        memset(seen, 0, 65536);
        cr_assert_eq(assemble(list, out, seen), total);
        cr_assert_eq(memcmp(out, p->data + 34, total), 0);
        put_all(list);
        packet_put(pool, p);
    }
    free(pay), free(out), free(seen);
}

Test(packet, fragments_can_be_cut_again)
{
    struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64, .id = 9};
    uint8_t pay[4000], out[8192], seen[8192] = {0};
    for (size_t i = 0; i < sizeof pay; i++)
        pay[i] = (uint8_t)(i * 7);
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 1, 2, pay, sizeof pay), *list, *small = NULL,
                  **tail = &small;
    cr_assert_eq(packet_fragment(pool, p, 1500, &list), 3);
    for (struct packet *f = list; f; f = f->next) {
        cr_assert_gt(packet_fragment(pool, f, 576, tail), 1);
        while (*tail)
            tail = &(*tail)->next;
    }
    cr_assert_eq(assemble(small, out, seen), 4008);
    cr_assert_eq(memcmp(out, p->data + 34, 4008), 0);
    put_all(list), put_all(small);
    packet_put(pool, p);
}

Test(packet, fragments_refused)
{
    struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64, .df = true};
    uint8_t pay[2000] = {0};
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 1, 2, pay, sizeof pay), *list;
    cr_assert_eq(packet_fragment(pool, p, 2027, &list), -EMSGSIZE);
    cr_assert_null(list);
    cr_assert_eq(packet_fragment(pool, p, 2028, &list), 1);
    cr_assert_arr_eq(list->data, p->data, p->len);
    put_all(list);
    packet_put(pool, p);
    ip.df = false;
    p = packet_build_udp(pool, &ETH, &ip, 1, 2, pay, sizeof pay);
    cr_assert_eq(packet_fragment(pool, p, 27, &list), -EMSGSIZE);
    cr_assert_eq(packet_fragment(pool, p, 0, &list), -EMSGSIZE);
    mem_fail_after(1);
    cr_assert_eq(packet_fragment(pool, p, 68, &list), -ENOMEM);
    cr_assert_null(list);
    mem_fail_after(MEM_NEVER_FAIL);
    cr_assert_eq(packet_pool_out(pool), 1);
    p->len -= 1;
    cr_assert_eq(packet_fragment(pool, p, 68, &list), -EBADMSG);
    packet_put(pool, p);
}

/* RFC 791: options with the copied bit go into every fragment. */
Test(packet, fragments_and_options)
{
    struct ip_fields ip = {.src = 1, .dst = 2, .ttl = 64};
    uint8_t pay[100];
    memset(pay, 7, sizeof pay);
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 1, 2, pay, sizeof pay), *list;
    memmove(p->data + 34 + 8, p->data + 34, 108);
    memcpy(p->data + 34, "\x01\x07\x03\x04\x82\x03\x55\x00",
           8); /* NOP, record route, (copied) security, end */
    p->len += 8;
    p->data[14] = 0x47;
    wire_put16(p->data + 16, (uint16_t)(p->len - 14));
    wire_put16(p->data + 24, 0);
    wire_put16(p->data + 24, csum_slow(p->data + 14, 28));
    cr_assert_eq(packet_fragment(pool, p, 76, &list), 3);
    cr_assert_eq(list->data[14], 0x47);
    cr_assert_arr_eq(list->data + 34, "\x01\x07\x03\x04\x82\x03\x55\x00", 8);
    cr_assert_eq(list->next->data[14], 0x46);
    cr_assert_arr_eq(list->next->data + 34, "\x82\x03\x55\x00", 4);
    uint8_t out[256], seen[256] = {0};
    cr_assert_eq(assemble(list, out, seen), 108);
    cr_assert_eq(memcmp(out, p->data + 42, 108), 0);
    put_all(list);
    packet_put(pool, p);
}

/* Translation of a fragmented datagram: put together again it must be the translated datagram. */
Test(packet, rewritten_fragments_make_the_rewritten_datagram)
{
    struct ip_fields ip = {.src = IP4(10, 0, 0, 4), .dst = IP4(10, 0, 0, 5), .ttl = 64};
    uint8_t pay[3000], out[8192], seen[8192] = {0};
    memset(pay, 0x3c, sizeof pay);
    struct packet *p = packet_build_udp(pool, &ETH, &ip, 5000, 6000, pay, sizeof pay), *list;
    cr_assert_eq(packet_fragment(pool, p, 1500, &list), 3);
    for (struct packet *f = list; f; f = f->next) {
        struct packet_info in;
        packet_parse(f->data, f->len, &in);
        packet_set_src(f, &in, IP4(192, 0, 2, 1), 7777);
        cr_assert_eq(f->meta.sport, 7777);
        cr_assert_eq(f->meta.dport, 6000);
    }
    struct packet_info in;
    packet_parse(p->data, p->len, &in);
    packet_set_src(p, &in, IP4(192, 0, 2, 1), 7777);
    cr_assert_eq(assemble(list, out, seen), 3008);
    cr_assert_eq(memcmp(out, p->data + 34, 3008), 0);
    put_all(list);
    packet_put(pool, p);
}

/* -- ICMP errors ----------------------------------------------------------------------------------------- */

Test(packet, quoted_datagram)
{
    struct ip_fields out = {.src = IP4(10, 0, 0, 4), .dst = IP4(10, 0, 0, 5), .ttl = 64};
    struct ip_fields back = {.src = IP4(10, 0, 0, 5), .dst = IP4(10, 0, 0, 4), .ttl = 64};
    struct packet *p = packet_build_udp(pool, &ETH, &out, 5000, 6000, "0123456789", 10);
    for (size_t quote = 28; quote <= 38; quote += 5) {
        struct packet_info in, inner;
        struct packet *e = packet_build_icmp(pool, &ETH, &back, 3, 3, 0, p->data + 14, quote);
        cr_assert_eq(packet_parse(e->data, e->len, &in), 0);
        cr_assert(in.sport == 0 && in.dport == 0);
        cr_assert_eq(packet_parse_inner(e->data, &in, &inner), 0);
        cr_assert(inner.src == out.src && inner.dst == out.dst && inner.sport == 5000 && inner.dport == 6000);
        packet_set_inner_src(e, &in, &inner, IP4(172, 16, 9, 9), 1);
        packet_set_inner_dst(e, &in, &inner, UINT32_MAX, 65535);
        cr_assert(packet_checksums_ok(e->data, e->len));
        cr_assert_eq(csum_slow(e->data + 42, 20), 0, "the quoted header's own checksum");
        cr_assert_eq(packet_parse_inner(e->data, &in, &inner), 0);
        cr_assert(inner.src == IP4(172, 16, 9, 9) && inner.dst == UINT32_MAX && inner.sport == 1 &&
                  inner.dport == 65535);
        packet_put(pool, e);
    }
    for (size_t quote = 0; quote < 28; quote++) {
        struct packet_info in, inner;
        struct packet *e = packet_build_icmp(pool, &ETH, &back, 3, 3, 0, p->data + 14, quote);
        packet_parse(e->data, e->len, &in);
        cr_assert_eq(packet_parse_inner(e->data, &in, &inner), -EBADMSG);
        packet_put(pool, e);
    }
    struct packet_info in, inner;
    packet_parse(p->data, p->len, &in);
    cr_assert_eq(packet_parse_inner(p->data, &in, &inner), -EPROTONOSUPPORT);
    packet_put(pool, p);
}

/* -- an outsider ----------------------------------------------------------------------------------------- */

Test(packet, tshark_agrees)
{
    struct tmp dir;
    tmp_make(&dir);
    char *path = tmp_path(&dir, "built.pcap");
    FILE *f = tap_open(path);
    struct ip_fields ip = {.src = IP4(10, 0, 0, 4), .dst = IP4(10, 0, 0, 5), .ttl = 64, .id = 1};
    struct tcp_fields t = {.sport = 49152,
                           .dport = 12345,
                           .seq = 1,
                           .flags = TCP_SYN,
                           .window = 64240,
                           .mss = 1460,
                           .wscale = 7};
    uint8_t pay[3000];
    memset(pay, 'x', sizeof pay);
    struct packet *p[] = {packet_build_tcp(pool, &ETH, &ip, &t, NULL, 0),
                          packet_build_icmp(pool, &ETH, &ip, 8, 0, 7 << 16 | 1, pay, 56),
                          packet_build_arp(pool, 1, ETH.src, ip.src, (const uint8_t[6]){0}, ip.dst),
                          packet_build_udp(pool, &ETH, &ip, 50000, 50001, pay, 3000)};
    struct packet *list;
    packet_fragment(pool, p[3], 1500, &list);
    for (int i = 0; i < 3; i++)
        tap_frame(f, i, p[i]->data, p[i]->len);
    for (struct packet *q = list; q; q = q->next)
        tap_frame(f, 10, q->data, q->len);
    tap_close(f);
    for (int i = 0; i < 4; i++)
        packet_put(pool, p[i]);
    put_all(list);
    char *experts = tap_experts(path, "warn");
    cr_assert_str_eq(experts, "");
    free(experts);
    char *got =
        tap_tshark(path, "-T fields -E separator=, -e tcp.options.mss_val -e tcp.options.wscale.shift "
                         "-e icmp.ident -e arp.opcode -e udp.length");
    cr_assert_str_eq(got, "1460,7,,,\n,,7,,\n,,,1,\n,,,,\n,,,,\n,,,,3008\n");
    free(got);
    free(path);
    tmp_remove(&dir);
}
