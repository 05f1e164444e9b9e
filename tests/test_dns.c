/* test_dns.c - the DNS codec: bytes of RFC 1035, compression, hostile messages, an outsider's reading. */
#include "dataplane/dns.h"
#include "dataplane/wire.h"
#include "tests/support_prop.h"
#include "tests/support_tap.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int decode_exact(const uint8_t *data, size_t len, struct dns_msg *m)
{
    uint8_t *d = malloc(len ? len : 1); /* asan sees a read beyond */
    memcpy(d, data, len);
    int rc = dns_decode(d, len, m);
    free(d);
    return rc;
}

static struct dns_answer_rr rr_a(const char *name, uint32_t ttl, ip4 addr)
{
    struct dns_answer_rr rr = {.type = DNS_TYPE_A, .ttl = ttl, .addr = addr};
    snprintf(rr.name, sizeof rr.name, "%s", name);
    return rr;
}

static struct dns_answer_rr rr_cname(const char *name, uint32_t ttl, const char *target)
{
    struct dns_answer_rr rr = {.type = DNS_TYPE_CNAME, .ttl = ttl};
    snprintf(rr.name, sizeof rr.name, "%s", name);
    snprintf(rr.target, sizeof rr.target, "%s", target);
    return rr;
}

static void assert_same(const struct dns_msg *a, const struct dns_msg *b)
{
    cr_assert_eq(a->id, b->id);
    cr_assert_eq(a->response, b->response);
    cr_assert_eq(a->authoritative, b->authoritative);
    cr_assert_eq(a->recursion_desired, b->recursion_desired);
    cr_assert_eq(a->recursion_available, b->recursion_available);
    cr_assert_eq(a->rcode, b->rcode);
    cr_assert_str_eq(a->qname, b->qname);
    cr_assert_eq(a->qtype, b->qtype);
    cr_assert_eq(a->n, b->n);
    for (unsigned i = 0; i < a->n; i++) {
        cr_assert_str_eq(a->rr[i].name, b->rr[i].name);
        cr_assert_eq(a->rr[i].type, b->rr[i].type);
        cr_assert_eq(a->rr[i].ttl, b->rr[i].ttl);
        cr_assert_eq(a->rr[i].addr, b->rr[i].addr);
        cr_assert_str_eq(a->rr[i].target, b->rr[i].target);
    }
}

static struct dns_msg chain(void)
{
    struct dns_msg m = {.id = 0x1234,
                        .response = true,
                        .recursion_desired = true,
                        .recursion_available = true,
                        .qname = "myregistry.azurecr.io",
                        .qtype = DNS_TYPE_A,
                        .n = 2};
    m.rr[0] = rr_cname("myregistry.azurecr.io", 60, "myregistry.privatelink.azurecr.io");
    m.rr[1] = rr_a("myregistry.privatelink.azurecr.io", 10, IP4(10, 0, 2, 5));
    return m;
}

/* Every byte of a query and of a compressed answer, by RFC 1035 section 4. */
Test(dns, bytes_of_a_query)
{
    static const uint8_t want[] = {0x12, 0x34, 0x01, 0, 0,   1, 0,   0,   0, 0, 0, 0, 3,
                                   'w',  'W',  'w',  1, 'a', 2, 'i', 'o', 0, 0, 1, 0, 1};
    struct dns_msg m = {.id = 0x1234, .recursion_desired = true, .qname = "wWw.a.io", .qtype = DNS_TYPE_A},
                   got;
    uint8_t buf[64];
    cr_assert_eq(dns_encode(&m, buf, sizeof buf), sizeof want);
    cr_assert_arr_eq(buf, want, sizeof want);
    cr_assert_eq(decode_exact(buf, sizeof want, &got), 0);
    assert_same(&m, &got);
}

Test(dns, bytes_of_a_compressed_answer)
{
    struct dns_msg m = chain(), got;
    static const uint8_t want[] = {
        0x12, 0x34, 0x81, 0x80, 0,   1,   0,   2,   0,   0,   0,   0,   10,  'm', 'y', 'r', 'e', 'g',  'i',
        's',  't',  'r',  'y',  7,   'a', 'z', 'u', 'r', 'e', 'c', 'r', 2,   'i', 'o', 0,   0,   1,    0,
        1,    0xc0, 12,   0,    5,   0,   1,   0,   0,   0,   60,  0,   25,  10,  'm', 'y', 'r', 'e',  'g',
        'i',  's',  't',  'r',  'y', 11,  'p', 'r', 'i', 'v', 'a', 't', 'e', 'l', 'i', 'n', 'k', 0xc0, 23,
        0xc0, 51,   0,    1,    0,   1,   0,   0,   0,   10,  0,   4,   10,  0,   2,   5};
    uint8_t buf[512];
    cr_assert_eq(dns_encode(&m, buf, sizeof buf), sizeof want);
    cr_assert_arr_eq(buf, want, sizeof want);
    cr_assert_eq(decode_exact(buf, sizeof want, &got), 0);
    assert_same(&m, &got);
}

/* => the SOA's owner of an encoded message with one authority record and no answer but CNAMEs; "" if none. */
static bool has_soa(const uint8_t *buf)
{
    return wire_get16(buf + 8) == 1;
}

Test(dns, negative_answers_carry_a_soa)
{
    struct dns_msg m = {.response = true, .qname = "x.privatelink.azurecr.io", .qtype = DNS_TYPE_A}, got;
    uint8_t buf[512];
    int n = dns_encode(&m, buf, sizeof buf); /* NODATA */
    cr_assert(has_soa(buf));
    /* question: 12..; owner of the SOA is a pointer to the question's second label */
    size_t soa = 12 + strlen(m.qname) + 2 + 4;
    cr_assert_eq(wire_get16(buf + soa), 0xc000 | (12 + 2));
    cr_assert_eq(wire_get16(buf + soa + 2), DNS_TYPE_SOA);
    cr_assert_eq(wire_get32(buf + soa + 6), 300);
    cr_assert_eq(wire_get16(buf + soa + 10), n - (int)soa - 12);
    cr_assert_eq(wire_get32(buf + n - 4), 300);
    cr_assert_eq(decode_exact(buf, (size_t)n, &got), 0);
    assert_same(&m, &got);

    m.rcode = DNS_RCODE_NXDOMAIN;
    n = dns_encode(&m, buf, sizeof buf);
    cr_assert(has_soa(buf));
    cr_assert_eq(decode_exact(buf, (size_t)n, &got), 0);
    cr_assert_eq(got.rcode, DNS_RCODE_NXDOMAIN);

    m = chain(); /* a chain that ends without an address is NODATA too (RFC 2308 section 2.2) */
    m.n = 1;
    dns_encode(&m, buf, sizeof buf);
    cr_assert(has_soa(buf));
    m = chain();
    dns_encode(&m, buf, sizeof buf);
    cr_assert_not(has_soa(buf));
    m = chain();
    m.n = 0;
    m.rcode = DNS_RCODE_SERVFAIL;
    dns_encode(&m, buf, sizeof buf);
    cr_assert_not(has_soa(buf));
    m.rcode = 0;
    m.response = false;
    dns_encode(&m, buf, sizeof buf);
    cr_assert_not(has_soa(buf));
}

Test(dns, names_accepted_and_refused)
{
    char label63[64], label64[65], long253[256], long255[260];
    memset(label63, 'a', 63), label63[63] = 0;
    memset(label64, 'a', 64), label64[64] = 0;
    snprintf(long253, sizeof long253, "%s.%s.%s.%.61s", label63, label63, label63, label63);
    snprintf(long255, sizeof long255, "%s.%s.%s.%.62s", label63, label63, label63, label63);
    const struct {
        const char *name;
        int want; /* 0, or the error */
    } rows[] = {
        {"", 0},
        {"a", 0},
        {"a.b", 0},
        {label63, 0},
        {label64, -EINVAL},
        {long253, 0},
        {long255, -EINVAL},
        {".", -EINVAL},
        {".a", -EINVAL},
        {"a..b", -EINVAL},
        {"a\\.b.c", 0},
        {"a\\", -EINVAL},
        {"\\999", -EINVAL},
        {"\\000.x", 0},
        {"\\255", 0},
        {"_sip._tcp.x", 0},
        {"\\\\", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_msg m = {.qtype = DNS_TYPE_A}, got;
        uint8_t buf[600];
        snprintf(m.qname, sizeof m.qname, "%s", rows[i].name);
        int n = dns_encode(&m, buf, sizeof buf);
        if (rows[i].want) {
            cr_assert_eq(n, rows[i].want, "row %zu %s", i, rows[i].name);
            continue;
        }
        cr_assert_gt(n, 0, "row %zu %s", i, rows[i].name);
        cr_assert_eq(decode_exact(buf, (size_t)n, &got), 0);
        assert_same(&m, &got);
    }
    struct dns_msg m = {.qname = "a.b.", .qtype = DNS_TYPE_A}, got;
    uint8_t buf[64];
    int n = dns_encode(&m, buf, sizeof buf);
    cr_assert_eq(decode_exact(buf, (size_t)n, &got), 0);
    cr_assert_str_eq(got.qname, "a.b");
}

Test(dns, too_little_room)
{
    struct dns_msg m = chain();
    uint8_t want[512];
    int n = dns_encode(&m, want, sizeof want);
    for (int cap = 0; cap < n; cap++) {
        uint8_t *buf = malloc((size_t)cap + 1);
        cr_assert_eq(dns_encode(&m, buf, (size_t)cap), -EMSGSIZE, "cap %d", cap);
        free(buf);
    }
    cr_assert_eq(dns_encode(&m, want, (size_t)n), n);
    m.n = DNS_MAX_RR + 1;
    cr_assert_eq(dns_encode(&m, want, sizeof want), -EINVAL);
    m = chain();
    m.rr[1].type = DNS_TYPE_AAAA;
    cr_assert_eq(dns_encode(&m, want, sizeof want), -EINVAL);
}

Test(dns, truncated_at_every_length)
{
    struct dns_msg m = chain(), got;
    uint8_t buf[512];
    int n = dns_encode(&m, buf, sizeof buf);
    for (int len = 0; len < n; len++)
        cr_assert_eq(decode_exact(buf, (size_t)len, &got), -EBADMSG, "%d of %d", len, n);
    m.rcode = DNS_RCODE_NXDOMAIN;
    m.n = 0;
    n = dns_encode(&m, buf, sizeof buf);
    for (int len = 0; len < n; len++)
        cr_assert_eq(decode_exact(buf, (size_t)len, &got), -EBADMSG, "%d of %d", len, n);
}

#define HEAD(qd, an) 0, 1, 0x80, 0, 0, qd, 0, an, 0, 0, 0, 0
#define Q            1, 'a', 0, 0, 1, 0, 1

Test(dns, malformed)
{
    static const struct {
        const char *title;
        int want;
        size_t len;
        uint8_t data[64];
    } rows[] = {
        {"pointer to itself", -EINVAL, 18, {HEAD(1, 0), 0xc0, 12, 0, 1, 0, 1}},
        {"pointer forwards", -EINVAL, 20, {HEAD(1, 0), 0xc0, 14, 1, 'a', 0, 1, 0, 1}},
        {"two pointers at each other", -EINVAL, 23, {HEAD(1, 0), 1, 'a', 0xc0, 16, 0xc0, 12, 0, 1, 0, 1, 0}},
        {"pointer to the start of its own labels", -EINVAL, 20, {HEAD(1, 0), 1, 'a', 0xc0, 12, 0, 1, 0, 1}},
        {"pointer into the header", -EINVAL, 18, {HEAD(1, 0), 0xc0, 0, 0, 1, 0, 1}},
        {"label type 01", -EINVAL, 18, {HEAD(1, 0), 0x41, 'a', 0, 1, 0, 1}},
        {"label type 10", -EINVAL, 18, {HEAD(1, 0), 0x81, 'a', 0, 1, 0, 1}},
        {"class CHAOS", -EINVAL, 19, {HEAD(1, 0), 1, 'a', 0, 0, 1, 0, 3}},
        {"two questions", -EINVAL, 26, {HEAD(2, 0), Q, Q}},
        {"opcode STATUS", -EINVAL, 19, {0, 1, 0x10, 0, 0, 1, 0, 0, 0, 0, 0, 0, Q}},
        {"A of 3 bytes", -EINVAL, 34, {HEAD(1, 1), Q, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 3, 1, 2, 3}},
        {"CNAME that ends before its length",
         -EINVAL,
         35,
         {HEAD(1, 1), Q, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 4, 0xc0, 12, 0, 0}},
        {"CNAME longer than its length",
         -EINVAL,
         35,
         {HEAD(1, 1), Q, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 2, 1, 'b', 0, 0}},
        {"CNAME that points at itself",
         -EINVAL,
         33,
         {HEAD(1, 1), Q, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 31}},
        {"data beyond the end",
         -EBADMSG,
         33,
         {HEAD(1, 1), Q, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 5, 1, 2, 3, 4}},
        {"answers announced and not there", -EBADMSG, 19, {HEAD(1, 255), Q}},
        {"no question", 0, 12, {HEAD(0, 0)}},
        {"AAAA is skipped", 0, 47, {HEAD(1, 1), Q, 0xc0, 12, 0, 28, 0, 1, 0,  0,  0,  1,  0,  16, 1,
                                    2,          3, 4,    5,  6, 7,  8, 9, 10, 11, 12, 13, 14, 15, 16}},
        {"A of class CHAOS is skipped",
         0,
         35,
         {HEAD(1, 1), Q, 0xc0, 12, 0, 1, 0, 3, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_msg m;
        cr_assert_eq(decode_exact(rows[i].data, rows[i].len, &m), rows[i].want, "%s", rows[i].title);
        if (!rows[i].want)
            cr_assert_eq(m.n, 0, "%s", rows[i].title);
    }
}

Test(dns, name_of_more_than_255_octets)
{
    /* pointers make one out of pieces: 63 + 63 + 63 + 63 octets and more */
    uint8_t buf[512] = {0, 1, 0x80, 0, 0, 1, 0, 0};
    size_t at = 12;
    for (int i = 0; i < 4; i++) {
        buf[at] = 63;
        memset(buf + at + 1, 'a', 63);
        at += 64;
    }
    buf[at++] = 0;
    wire_put32(buf + at, 1 << 16 | 1);
    struct dns_msg m;
    cr_assert_eq(decode_exact(buf, at + 4, &m), -EINVAL);
    buf[12 + 3 * 64] = 61; /* 3 * 64 + 62 + 1 = 255: the longest */
    buf[12 + 3 * 64 + 62] = 0;
    wire_put32(buf + 12 + 3 * 64 + 63, 1 << 16 | 1);
    cr_assert_eq(decode_exact(buf, 12 + 3 * 64 + 63 + 4, &m), 0);
    cr_assert_eq(strlen(m.qname), 253);
}

Test(dns, more_answers_than_there_is_room_for)
{
    struct dns_msg m = {.response = true, .qname = "a", .qtype = DNS_TYPE_A, .n = DNS_MAX_RR}, got;
    uint8_t buf[2048];
    for (unsigned i = 0; i < DNS_MAX_RR; i++)
        m.rr[i] = rr_a("a", i, i);
    int n = dns_encode(&m, buf, sizeof buf);
    memcpy(buf + n, buf + n - 16, 16);
    wire_put16(buf + 6, DNS_MAX_RR + 1);
    cr_assert_eq(decode_exact(buf, (size_t)n + 16, &got), 0);
    cr_assert_eq(got.n, DNS_MAX_RR);
    cr_assert_eq(got.rr[DNS_MAX_RR - 1].ttl, DNS_MAX_RR - 1);
}

/* -- properties ------------------------------------------------------------------------------------------ */

/* Few distinct labels, mixed case, so that suffixes repeat; now and then bytes that need escapes. */
static void random_name(struct rng *r, char *out)
{
    static const char *label[] = {"a",       "A",   "www",   "privatelink", "core",
                                  "windows", "net", "x\\.y", "\\000",       "\\\\"};
    unsigned n = (unsigned)rng_below(r, 6);
    size_t at = 0;
    out[0] = 0;
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, DNS_NAME_MAX - at, "%s%s", i ? "." : "", label[rng_below(r, 10)]);
}

Test(dns, random_messages_round_trip)
{
    struct rng r;
    prop_seed(&r, "dns round trip");
    for (int i = 0; i < 3000; i++) {
        struct dns_msg m = {.id = (uint16_t)rng_u64(&r),
                            .response = rng_below(&r, 2),
                            .authoritative = rng_below(&r, 2),
                            .recursion_desired = rng_below(&r, 2),
                            .recursion_available = rng_below(&r, 2),
                            .rcode = (uint8_t)rng_below(&r, 16),
                            .qtype = rng_below(&r, 3) ? 1 : 5,
                            .n = (uint16_t)rng_below(&r, 8)},
                       got;
        uint8_t buf[8192];
        random_name(&r, m.qname);
        for (unsigned k = 0; k < m.n; k++) {
            char a[DNS_NAME_MAX], b[DNS_NAME_MAX];
            random_name(&r, a), random_name(&r, b);
            m.rr[k] = rng_below(&r, 2) ? rr_a(a, (uint32_t)rng_u64(&r), (ip4)rng_u64(&r))
                                       : rr_cname(a, (uint32_t)rng_u64(&r), b);
        }
        int n = dns_encode(&m, buf, sizeof buf);
        cr_assert_gt(n, 0);
        cr_assert_eq(decode_exact(buf, (size_t)n, &got), 0);
        assert_same(&m, &got);
        for (int k = 0; k < 20; k++) { /* mutated: any answer but a crash */
            uint8_t bad[8192];
            memcpy(bad, buf, (size_t)n);
            bad[rng_below(&r, (uint64_t)n)] ^= (uint8_t)(1 << rng_below(&r, 8));
            int rc = decode_exact(bad, (size_t)n, &got);
            cr_assert(rc == 0 || rc == -EBADMSG || rc == -EINVAL);
        }
    }
}

/* -- corpus and outsider --------------------------------------------------------------------------------- */

Test(dns, corpus)
{
    unsigned files = 0;
    DIR *d = opendir("tests/corpus/dns");
    cr_assert(d, "run from the top of the tree");
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        size_t n;
        struct dns_msg m, again;
        uint8_t buf[65536];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "tests/corpus/dns/%s", e->d_name);
        uint8_t *data = file_read(path, &n);
        cr_assert(data);
        int rc = decode_exact(data, n, &m);
        free(data);
        files++;
        bool good = strncmp(e->d_name, "ok-", 3) == 0; /* the name tells what the decoder must say */
        cr_assert_eq(rc == 0, good, "%s: %d", e->d_name, rc);
        if (rc)
            continue;
        int len = dns_encode(&m, buf, sizeof buf);
        cr_assert_gt(len, 0, "%s", e->d_name);
        cr_assert_eq(dns_decode(buf, (size_t)len, &again), 0);
        assert_same(&m, &again);
    }
    closedir(d);
    cr_assert_geq(files, 10);
}

Test(dns, tshark_finds_nothing_malformed)
{
    struct tmp dir;
    tmp_make(&dir);
    char *path = tmp_path(&dir, "dns.pcap");
    FILE *f = tap_open(path);
    struct packet_pool *pool = packet_pool_new();
    const struct eth_fields eth = {{2}, {4}};
    struct dns_msg q = {
        .id = 0x1234, .recursion_desired = true, .qname = "myregistry.azurecr.io", .qtype = DNS_TYPE_A};
    struct dns_msg m[] = {q, chain(), q, q, q};
    m[2].response = m[3].response = m[4].response = true;
    m[2].rcode = DNS_RCODE_NXDOMAIN;
    m[3].n = 1;
    m[3].rr[0] = rr_cname("myregistry.azurecr.io", 60, "com");
    m[4].rcode = DNS_RCODE_REFUSED;
    for (int i = 0; i < 5; i++) {
        uint8_t buf[512];
        m[i].id = (uint16_t)(m[i].id + i / 2);
        struct ip_fields ip = {.src = m[i].response ? 2 : 1, .dst = m[i].response ? 1 : 2, .ttl = 64};
        int n = dns_encode(&m[i], buf, sizeof buf);
        cr_assert_gt(n, 0);
        struct packet *p = packet_build_udp(pool, &eth, &ip, m[i].response ? 53 : 50000,
                                            m[i].response ? 50000 : 53, buf, (size_t)n);
        tap_frame(f, i, p->data, p->len);
        packet_put(pool, p);
    }
    tap_close(f);
    packet_pool_free(pool);
    char *experts = tap_experts(path, "warn");
    cr_assert_str_eq(experts, "");
    free(experts);
    char *got =
        tap_tshark(path, "-T fields -E 'separator=|' -e dns.resp.name -e dns.cname -e dns.a -e dns.soa.mname "
                         "-e dns.flags.rcode");
    cr_assert_str_eq(
        got, "||||\n"
             "myregistry.azurecr.io,myregistry.privatelink.azurecr.io|myregistry.privatelink.azurecr.io|"
             "10.0.2.5||0\n"
             "azurecr.io|||ns1.azurecr.io|3\n"
             "myregistry.azurecr.io,<Root>|com||ns1|0\n"
             "||||5\n");
    free(got);
    free(path);
    tmp_remove(&dir);
}
