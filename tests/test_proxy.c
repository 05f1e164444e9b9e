/* test_proxy.c - the PROXY protocol, version 2: bytes as haproxy's doc/proxy-protocol.txt has them, and the
 * arithmetic of sequence numbers around a header that was put in on the way. */
#include "dataplane/proxy.h"
#include "dataplane/rng.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const uint8_t sig[12] = "\r\n\r\n\0\r\nQUIT\n";

static const struct proxy_header example = {.src = IP4(10, 0, 1, 4),
                                            .dst = IP4(10, 0, 2, 5),
                                            .sport = 49153,
                                            .dport = 443,
                                            .has_link = true,
                                            .link = 0x12345678};

/* Section 2.2, and PE-23 for the private type 0xEE: its length in network order, the identifier in little
 * endian. */
Test(proxy, bytes)
{
    static const uint8_t want[PROXY_LEN] = {
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, /* signature */
        0x21,                                                                   /* version 2, PROXY */
        0x11,                                                                   /* TCP over IPv4 */
        0x00, 0x14,                                                             /* 12 + 8 bytes follow */
        10,   0,    1,    4,    10,   0,    2,    5,    0xc0, 0x01, 0x01, 0xbb, /* who, to whom */
        0xee, 0x00, 0x05, 0x01, 0x78, 0x56, 0x34, 0x12};
    uint8_t got[PROXY_MAX];
    cr_assert_eq(proxy_write(&example, got), sizeof want);
    cr_assert_arr_eq(got, want, sizeof want);
    cr_assert_arr_eq(got, sig, sizeof sig);
}

Test(proxy, bytes_of_a_probe)
{
    static const uint8_t want[PROXY_LOCAL_LEN] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
                                                  0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0x00, 0x00};
    const struct proxy_header local = {.local = true, .src = 1, .has_link = true, .link = 7};
    struct proxy_header back;
    uint8_t got[PROXY_MAX];
    cr_assert_eq(proxy_write(&local, got), sizeof want);
    cr_assert_arr_eq(got, want, sizeof want);
    cr_assert_eq(proxy_read(got, sizeof want, &back), PROXY_LOCAL_LEN);
    cr_assert(back.local && !back.has_link && !back.src);
}

Test(proxy, round_trip)
{
    struct rng r;
    prop_seed(&r, "PROXY headers");
    for (int i = 0; i < 2000; i++) {
        struct proxy_header h = {.src = (ip4)rng_u64(&r),
                                 .dst = (ip4)rng_u64(&r),
                                 .sport = (uint16_t)rng_u64(&r),
                                 .dport = (uint16_t)rng_u64(&r),
                                 .has_link = rng_below(&r, 2)},
                            back;
        uint8_t b[PROXY_MAX];
        if (h.has_link)
            h.link = (uint32_t)rng_u64(&r);
        size_t n = proxy_write(&h, b);
        cr_assert_eq(proxy_read(b, n, &back), (int)n);
        cr_assert(back.src == h.src && back.dst == h.dst && back.sport == h.sport && back.dport == h.dport &&
                  back.has_link == h.has_link && back.link == h.link && !back.local);
        size_t cut = (size_t)rng_below(&r, n);
        if (cut)
            cr_assert_eq(proxy_read(b, cut, &back), -EAGAIN, "cut at %zu", cut);
    }
}

Test(proxy, other_streams)
{
    struct proxy_header h;
    uint8_t b[PROXY_MAX];
    cr_expect_eq(proxy_read((const uint8_t *)"GET / HTTP/1.1\r\n", 16, &h), 0);
    cr_expect_eq(proxy_read((const uint8_t *)"\r\n\r\nx", 5, &h), 0);
    cr_expect_eq(proxy_read((const uint8_t *)"\r\n\r", 3, &h), -EAGAIN);
    cr_expect_eq(proxy_read((const uint8_t *)"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", 34, &h), 0,
                 "version 1 is another");
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{12, 0x11}, {12, 0x22}, {13, 0x12}, {13, 0x21}, {15, 4}, {30, 6}, {30, 4}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        proxy_write(&example, b);
        b[wrong[i].at] = wrong[i].value;
        cr_expect_eq(proxy_read(b, PROXY_LEN, &h), -EINVAL, "row %zu", i);
    }
    proxy_write(&example, b); /* another TLV, then ours */
    b[15] = 23;
    memmove(b + 31, b + 28, 8);
    memcpy(b + 28, "\x04\0\0", 3);
    cr_expect_eq(proxy_read(b, 39, &h), 39);
    cr_expect(h.has_link && h.link == example.link);
}

/* Around every border of the sequence space. */
Test(proxy, shift)
{
    static const uint32_t bases[] = {1, 1000, 0, 0xffffffff, 0xfffffff0, 0x7fffffff, 0x80000000, 0xffffffdc};
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        const uint32_t base = bases[i];
        struct proxy_shift s = {.wanted = true, .base = base, .len = 36};
        cr_expect_eq(proxy_seq_add(&s, false), 0);
        cr_expect_eq(proxy_ack_add(&s, base), 0);
        s.sent = true;
        cr_expect_eq(proxy_seq_add(&s, false), 36);
        cr_expect_eq(proxy_seq_add(&s, true), 0, "a SYN keeps its place");
        cr_expect_eq(base + proxy_ack_add(&s, base), base);
        cr_expect_eq(base - 1 + proxy_ack_add(&s, base - 1), base - 1);
        cr_expect_eq(base + 20 + proxy_ack_add(&s, base + 20), base,
                     "a part of the header is none of the consumer's");
        cr_expect_not(s.acked);
        cr_expect_eq(base + 36 + proxy_ack_add(&s, base + 36), base);
        cr_expect(s.acked);
        cr_expect_eq(base + 136 + proxy_ack_add(&s, base + 136), base + 100);
        const uint32_t far = base + 36 + 3000000000u; /* 3 GB on */
        cr_expect_eq(far + proxy_ack_add(&s, far), base + 3000000000u);
    }
}
