/* test_payload.c - application data: the same bytes however they are cut, exact sizes, and an outsider's
 * opinion of whole flows on the ports that people use. */
#include "dataplane/host_payload.h"
#include "dataplane/packet.h"
#include "dataplane/wire.h"
#include "tests/support_lan.h"
#include "tests/support_prop.h"
#include "tests/support_tap.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct payload stream(enum payload_kind kind, bool answer, uint64_t first)
{
    struct payload p = {.kind = kind, .answer = answer, .first = first, .later = 64};
    strcpy(p.host, "myregistry.azurecr.io");
    return p;
}

Test(payload, kinds)
{
    cr_assert_eq(payload_kind(IPPROTO_NR_TCP, 80), PAYLOAD_HTTP);
    cr_assert_eq(payload_kind(IPPROTO_NR_TCP, 443), PAYLOAD_TLS);
    cr_assert_eq(payload_kind(IPPROTO_NR_TCP, 22), PAYLOAD_LETTERS);
    cr_assert_eq(payload_kind(IPPROTO_NR_UDP, 53), PAYLOAD_DNS);
    cr_assert_eq(payload_kind(IPPROTO_NR_TCP, 53), PAYLOAD_DNS);
    cr_assert_eq(payload_kind(IPPROTO_NR_UDP, 443), PAYLOAD_ZERO);
}

Test(payload, pieces_make_the_whole)
{
    struct rng r;
    uint8_t *whole = malloc(70000), *piece = malloc(70000);
    prop_seed(&r, "payload pieces");
    for (int i = 0; i < 400; i++) {
        static const uint64_t edge[] = {0,     1,     5,     6,     18,    64,    16384,
                                        16388, 16389, 16390, 16395, 16448, 32778, 32783};
        struct payload p = stream((enum payload_kind)rng_below(&r, 7), rng_below(&r, 2),
                                  rng_below(&r, 2) ? edge[rng_below(&r, 14)] : rng_below(&r, 40000));
        p.refused = p.answer && rng_below(&r, 2) ? REASON_SERVICE_FIREWALL : REASON_NONE;
        size_t total = (size_t)p.first + 200;
        payload_fill(&p, 0, whole, total);
        for (size_t at = 0; at < total;) {
            size_t n = 1 + rng_below(&r, 1460);
            n = n < total - at ? n : total - at;
            memset(piece, 0xee, n + 1);
            payload_fill(&p, at, piece, n);
            cr_assert_eq(memcmp(piece, whole + at, n), 0, "kind %d first %lu at %zu", p.kind,
                         (unsigned long)p.first, at);
            cr_assert_eq(piece[n], 0xee);
            at += n;
        }
    }
    free(whole), free(piece);
}

Test(payload, tls_records_tile_the_message)
{
    uint8_t *b = malloc(60000);
    for (uint64_t size = 6; size < 50000;
         size += size < 200 || (size > 16300 && size < 16500) || size > 32700 ? 1 : 97) {
        struct payload p = stream(PAYLOAD_TLS, true, size);
        payload_fill(&p, 0, b, size);
        uint64_t at = 0;
        while (at < size) {
            cr_assert_geq(size - at, 6, "size %lu", (unsigned long)size);
            uint64_t len = wire_get16(b + at + 3);
            cr_assert(b[at] == 23 && wire_get16(b + at + 1) == 0x0303 && len >= 1 && len <= 16384,
                      "size %lu at %lu", (unsigned long)size, (unsigned long)at);
            at += 5 + len;
        }
        cr_assert_eq(at, size, "size %lu", (unsigned long)size);
    }
    free(b);
}

Test(payload, http_messages_are_exactly_as_long_as_asked)
{
    char b[4096];
    for (uint64_t size = 18; size < 2000; size++) {
        for (int refused = 0; refused < 2; refused++) {
            struct payload p = stream(PAYLOAD_HTTP, true, size);
            p.refused = refused ? REASON_SERVICE_FIREWALL : REASON_NONE;
            payload_fill(&p, 0, (uint8_t *)b, size);
            b[size] = 0;
            char *body = strstr(b, "\r\n\r\n"), *len = strstr(b, "Content-Length: ");
            if (!body) {
                cr_assert_lt(size, 60, "size %lu", (unsigned long)size);
                continue;
            }
            cr_assert_eq(strncmp(b, refused ? "HTTP/1.1 403 " : "HTTP/1.1 200 ", 13), 0);
            cr_assert_eq(strtoul(len + 16, NULL, 10), strlen(body + 4), "size %lu: %s", (unsigned long)size,
                         b);
            if (refused && size > 200)
                cr_assert(strstr(b, "X-Reason: ServiceFirewall\r\n"));
        }
        struct payload q = stream(PAYLOAD_HTTP, false, size);
        payload_fill(&q, 0, (uint8_t *)b, size);
        b[size] = 0;
        cr_assert_eq(strncmp(b, "GET /", 5), 0);
        cr_assert_str_eq(b + size - 4, "\r\n\r\n");
        cr_assert_eq(strstr(b, "\r\n\r\n"), b + size - 4, "one end of the header, size %lu",
                     (unsigned long)size);
        if (size > 100)
            cr_assert(strstr(b, "\r\nHost: myregistry.azurecr.io\r\n"));
    }
}

Test(payload, dns_messages_are_padded)
{
    uint8_t b[2048];
    struct dns_msg q, a;
    for (size_t want = 0; want < 1500; want += 13) {
        size_t n = payload_dns_query(7, "a.example", want, b, sizeof b), least = 12 + 11 + 4;
        cr_assert_eq(n, want < least + 15 ? least : want);
        cr_assert_eq(dns_decode(b, n, &q), 0);
        cr_assert(q.id == 7 && !q.response);
        n = payload_dns_answer(&q, IP4(1, 2, 3, 4), false, want, b, sizeof b);
        cr_assert_eq(n, want < least + 16 + 15 ? least + 16 : want);
        cr_assert_eq(dns_decode(b, n, &a), 0);
        cr_assert(a.id == 7 && a.response && a.n == 1 && a.rr[0].addr == IP4(1, 2, 3, 4));
        n = payload_dns_answer(&q, IP4(1, 2, 3, 4), true, want, b, sizeof b);
        cr_assert_eq(dns_decode(b, n, &a), 0);
        cr_assert(a.rcode == DNS_RCODE_REFUSED && a.n == 0);
    }
    cr_assert_eq(payload_dns_query(7, "a..b", 0, b, sizeof b), 0);
    cr_assert_eq(payload_dns_query(7, "a.b", 0, b, 20), 0);
    cr_assert_eq(payload_dns_query(7, "a.b", 3000, b, sizeof b), 12 + 5 + 4, "no room to pad");
}

Test(payload, dns_over_tcp_tiles_the_stream)
{
    uint8_t *b = malloc(70000);
    for (uint64_t size = 64; size < 60000;
         size += size < 200 || size % 16384 < 80 || size % 16384 > 16370 ? 1 : 191) {
        struct payload p = stream(PAYLOAD_DNS, size & 1, size);
        uint64_t at = 0, ends = 0;
        payload_fill(&p, 0, b, size + 64);
        while (at < size + 64) { /* the first message in pieces, then one of 64 bytes */
            struct dns_msg m;
            size_t len = wire_get16(b + at);
            cr_assert_leq(at + 2 + len, size + 64);
            cr_assert_eq(dns_decode(b + at + 2, len, &m), 0, "size %lu at %lu", (unsigned long)size,
                         (unsigned long)at);
            cr_assert_eq(m.response, p.answer);
            at += 2 + len;
            ends += at == size;
        }
        cr_assert_eq(ends, 1);
    }
    free(b);
}

/* -- tshark ---------------------------------------------------------------------------------------------- */

static const uint16_t tcp_ports[] = {
    20,   21,   22,    23,    25,    53,    80,    88,    110,   111,   123,  135,  137,  138,  139,  143,
    179,  389,  443,   445,   465,   500,   514,   587,   636,   853,   873,  989,  990,  993,  995,  1194,
    1433, 1434, 1521,  1812,  1883,  2049,  2181,  2375,  2376,  2379,  2380, 2404, 3000, 3128, 3260, 3268,
    3269, 3306, 3389,  3478,  4369,  4500,  5000,  5060,  5061,  5222,  5351, 5353, 5432, 5601, 5671, 5672,
    5683, 5701, 5900,  5984,  5985,  5986,  6379,  6380,  6443,  6667,  7001, 7077, 8000, 8008, 8080, 8081,
    8086, 8088, 8140,  8200,  8300,  8443,  8500,  8883,  8888,  9000,  9042, 9090, 9092, 9093, 9100, 9200,
    9418, 9999, 10250, 10255, 11211, 15672, 22623, 25565, 27017, 30000, 50051};
static const uint16_t udp_ports[] = {7,    53,   69,   88,   111,  123,   137,   138,   161,   162,  389,
                                     443,  500,  514,  546,  1194, 1434,  1645,  1701,  1812,  1813, 1900,
                                     2049, 2055, 3478, 3702, 4500, 4789,  5004,  5060,  5351,  5353, 5355,
                                     5683, 6081, 6343, 8125, 8472, 10000, 12345, 27015, 30000, 51820};

struct shape {
    uint64_t request, response;
    int64_t keep;
    enum reason admit;
};

/* Run a flow of that shape to each port one after the other, into a capture. */
static void capture_flows(const char *path, uint8_t proto, const uint16_t *port, size_t n_ports,
                          const struct shape *shape)
{
    struct lan *n = lan_new();
    for (int i = 0; i < 2; i++) {
        struct host_config c = lan_config(n);
        lan_add(n, &c);
    }
    n->tap = tap_open(path);
    n->admit = shape->admit;
    for (size_t i = 0; i < n_ports; i++) {
        uint32_t f = lan_flow(n, proto, 1, port[i]);
        n->flow[f].spec.request_bytes = shape->request;
        n->flow[f].spec.response_bytes = shape->response;
        n->flow[f].spec.keep_open = shape->keep;
        n->flow[f].spec.name = NULL;
        lan_start(n, 0, f);
        lan_run(n);
        cr_assert_eq(n->flow[f].outcome, FLOW_OK, "port %u: %d", port[i], n->flow[f].outcome);
    }
    tap_close(n->tap);
    lan_free(n);
}

static void assert_clean(uint8_t proto, const uint16_t *port, size_t n_ports, const struct shape *shape)
{
    struct tmp dir;
    if (!program_exists("tshark"))
        cr_skip_test("tshark is not installed");
    tmp_make(&dir);
    char *path = tmp_path(&dir, "flows.pcap");
    capture_flows(path, proto, port, n_ports, shape);
    char *experts = tap_experts(path, "warn");
    char *who =
        tap_tshark(path, "-Y '_ws.malformed || _ws.expert.severity >= 0x00600000' -T fields -e tcp.dstport "
                         "-e tcp.srcport -e udp.dstport -e udp.srcport -e _ws.col.Protocol");
    cr_assert_str_eq(experts, "", "%lu and %lu bytes: %s%s", (unsigned long)shape->request,
                     (unsigned long)shape->response, experts, who);
    free(experts), free(who), free(path);
    tmp_remove(&dir);
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

Test(payload, tshark_on_tcp_ports)
{
    static const struct shape shapes[] = {{100, 1024, 0, REASON_NONE},
                                          {2048, 40000, 0, REASON_NONE},
                                          {64, 64, 2500 * LAN_MS, REASON_NONE},
                                          {300, 5000, 0, REASON_SERVICE_FIREWALL}};
    for (size_t i = 0; i < COUNT(shapes); i++)
        assert_clean(IPPROTO_NR_TCP, tcp_ports, COUNT(tcp_ports), &shapes[i]);
}

Test(payload, tshark_on_udp_ports)
{
    static const struct shape shapes[] = {{100, 1024, 0, REASON_NONE},
                                          {40, 200, 2500 * LAN_MS, REASON_NONE},
                                          {3000, 5000, 0, REASON_NONE},
                                          {300, 5000, 0, REASON_SERVICE_FIREWALL}};
    for (size_t i = 0; i < COUNT(shapes); i++)
        assert_clean(IPPROTO_NR_UDP, udp_ports, COUNT(udp_ports), &shapes[i]);
}

/* The window must never look full, however much is under way. */
Test(payload, tshark_on_a_large_transfer)
{
    static const uint16_t port[] = {8443};
    assert_clean(IPPROTO_NR_TCP, port, 1, &(const struct shape){5000000, 25000000, 0, REASON_NONE});
}

Test(payload, tshark_reads_http_and_tls)
{
    struct tmp dir;
    static const uint16_t ports[] = {80, 443};
    if (!program_exists("tshark"))
        cr_skip_test("tshark is not installed");
    tmp_make(&dir);
    char *path = tmp_path(&dir, "flows.pcap");
    capture_flows(path, IPPROTO_NR_TCP, ports, 2, &(const struct shape){200, 30000, 0, REASON_NONE});
    char *got = tap_tshark(path, "-Y 'http || tls.record' -T fields -e http.request.method -e http.host "
                                 "-e http.response.code -e http.content_length -e tls.record.length");
    char want[1024] = "GET\t10.0.0.5\t\t\t\n\t\t200\t29918\t\n\t\t\t\t195\n"; /* a TLS record for each segment: */
    for (int i = 0; i < 30000 / 1460; i++)
        strcat(want, "\t\t\t\t1455\n");
    strcat(want, "\t\t\t\t795\n");
    cr_assert_str_eq(got, want);
    free(got), free(path);
    tmp_remove(&dir);
}
