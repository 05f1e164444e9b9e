/* host_payload.c - application data that look like what their port says.
 *
 * Each byte is a function of the message it belongs to and its place there, so that nothing is stored and
 * what is sent again is the same. HTTP messages are complete (header, body) and exactly as long as asked;
 * where that is too short for a header they are plain letters. TLS data are application-data records (RFC
 * 8446 section 5.1) without a handshake, as a capture that began late shows them. Other ports get letters, or
 * zeros, ones or a mixture: an analyser that knows the port's protocol would call one or the other malformed,
 * and the table below names the one that it takes for data (found by trying them with tshark 4.0). Some
 * protocols accept nothing but themselves: tcp/161, udp/67, udp/520, udp/3544 and the like stay malformed,
 * and so does a message of a byte or two on many ports. */
#include "dataplane/host_payload.h"

#include "dataplane/addr.h"
#include "dataplane/cursor.h"
#include "dataplane/packet.h"
#include "dataplane/proxy.h"

#include <stdio.h>

struct kind_row {
    uint8_t proto;
    uint16_t first, last;
    enum payload_kind kind;
};

static const struct kind_row rows[] = {
    {IPPROTO_NR_TCP, 80, 80, PAYLOAD_HTTP},        {IPPROTO_NR_TCP, 8000, 8000, PAYLOAD_HTTP},
    {IPPROTO_NR_TCP, 8080, 8081, PAYLOAD_HTTP},    {IPPROTO_NR_TCP, 10255, 10255, PAYLOAD_HTTP},
    {IPPROTO_NR_TCP, 443, 443, PAYLOAD_TLS},       {IPPROTO_NR_TCP, 636, 636, PAYLOAD_TLS},
    {IPPROTO_NR_TCP, 853, 853, PAYLOAD_TLS},       {IPPROTO_NR_TCP, 989, 995, PAYLOAD_TLS},
    {IPPROTO_NR_TCP, 5671, 5671, PAYLOAD_TLS},     {IPPROTO_NR_TCP, 6443, 6443, PAYLOAD_TLS},
    {IPPROTO_NR_TCP, 8443, 8443, PAYLOAD_TLS},     {IPPROTO_NR_TCP, 8883, 8883, PAYLOAD_TLS},
    {IPPROTO_NR_TCP, 9093, 9093, PAYLOAD_TLS},     {IPPROTO_NR_TCP, 10250, 10250, PAYLOAD_TLS},
    {IPPROTO_NR_TCP, 123, 123, PAYLOAD_ONES},      {IPPROTO_NR_TCP, 500, 500, PAYLOAD_ZERO},
    {IPPROTO_NR_TCP, 1861, 1861, PAYLOAD_ZERO},    {IPPROTO_NR_TCP, 2404, 2404, PAYLOAD_ZERO},
    {IPPROTO_NR_TCP, 3452, 3452, PAYLOAD_ZERO},    {IPPROTO_NR_TCP, 5683, 5683, PAYLOAD_ZERO},
    {IPPROTO_NR_TCP, 6160, 6160, PAYLOAD_ZERO},    {IPPROTO_NR_TCP, 6668, 6668, PAYLOAD_ZERO},
    {IPPROTO_NR_TCP, 7911, 7911, PAYLOAD_ZERO},    {IPPROTO_NR_TCP, 9956, 9956, PAYLOAD_ZERO},
    {IPPROTO_NR_TCP, 53, 53, PAYLOAD_DNS},         {IPPROTO_NR_TCP, 5353, 5353, PAYLOAD_DNS},
    {IPPROTO_NR_TCP, 0, 65535, PAYLOAD_LETTERS},   {IPPROTO_NR_UDP, 53, 53, PAYLOAD_DNS},
    {IPPROTO_NR_UDP, 123, 123, PAYLOAD_ONES},      {IPPROTO_NR_UDP, 1718, 1719, PAYLOAD_MIXED},
    {IPPROTO_NR_UDP, 1745, 1745, PAYLOAD_MIXED},   {IPPROTO_NR_UDP, 2246, 2246, PAYLOAD_MIXED},
    {IPPROTO_NR_UDP, 2313, 2313, PAYLOAD_MIXED},   {IPPROTO_NR_UDP, 2945, 2945, PAYLOAD_MIXED},
    {IPPROTO_NR_UDP, 3130, 3130, PAYLOAD_MIXED},   {IPPROTO_NR_UDP, 3455, 3455, PAYLOAD_MIXED},
    {IPPROTO_NR_UDP, 3544, 3544, PAYLOAD_MIXED},   {IPPROTO_NR_UDP, 213, 213, PAYLOAD_LETTERS},
    {IPPROTO_NR_UDP, 2157, 2157, PAYLOAD_LETTERS}, {IPPROTO_NR_UDP, 5353, 5353, PAYLOAD_DNS},
    {IPPROTO_NR_UDP, 5355, 5355, PAYLOAD_DNS},     {IPPROTO_NR_UDP, 5683, 5683, PAYLOAD_ONES},
    {IPPROTO_NR_UDP, 0, 65535, PAYLOAD_ZERO},
};

enum payload_kind payload_kind(uint8_t proto, uint16_t port)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].proto == proto && rows[i].first <= port && port <= rows[i].last)
            return rows[i].kind;
    }
    return PAYLOAD_LETTERS;
}

static void plain(enum payload_kind kind, uint64_t at, uint8_t *out, size_t n)
{
    if (kind == PAYLOAD_ZERO || kind == PAYLOAD_ONES || kind == PAYLOAD_DNS) {
        memset(out, kind == PAYLOAD_ONES ? 0xff : 0, n);
        return;
    }
    unsigned letter = (unsigned)(at % 23);
    for (size_t i = 0; i < n; i++, at++) {
        if (kind == PAYLOAD_MIXED || kind == PAYLOAD_TLS)
            out[i] = (uint8_t)(at * 2654435761u >> 7);
        else
            out[i] = (uint8_t)('a' + letter);
        letter = letter == 22 ? 0 : letter + 1;
    }
}

/* -- HTTP ------------------------------------------------------------------------------------------------ */

enum { HTTP_HEAD = 640 };

/* The header of a message of size bytes in all. => its length; 0: no header is short enough. */
static size_t http_request(const struct payload *p, uint64_t size, char head[HTTP_HEAD])
{
    /* the filling goes into the header: a GET has no body */
    int n = snprintf(head, HTTP_HEAD, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", p->host);
    if (n > 0 && (uint64_t)n == size)
        return (size_t)n;
    n = snprintf(head, HTTP_HEAD, "GET / HTTP/1.1\r\nHost: %s\r\nX-Fill: ", p->host);
    if (n > 0 && (uint64_t)n + 5 <= size)
        return (size_t)n;
    n = snprintf(head, HTTP_HEAD, "GET /");
    return size >= 18 ? (size_t)n : 0;
}

static void http_request_fill(const struct payload *p, uint64_t size, uint64_t at, uint8_t *out, size_t n)
{
    char head[HTTP_HEAD];
    size_t len = http_request(p, size, head);
    const char *tail = head[5] ? "\r\n\r\n" : " HTTP/1.0\r\n\r\n";
    uint64_t end = size - strlen(tail);
    if (!len || len == size)
        end = size;
    for (size_t i = 0; i < n; i++, at++)
        out[i] = (uint8_t)(at < len ? head[at] : at >= end ? tail[at - end] : 'a' + (int)(at % 23));
}

/* Write a header that leaves room for exactly the body it announces. A longer length may need the byte that
 * the body would have had, and no length fits; a blank before it does (RFC 9110 section 5.5). => its length;
 * 0: it does not fit. */
static size_t http_head(const char *status, const char *extra, uint64_t size, char head[HTTP_HEAD])
{
    uint64_t body = size;
    for (int blanks = 0, tries = 0; tries < 8; tries++) {
        int n = snprintf(head, HTTP_HEAD, "HTTP/1.1 %s\r\n%sContent-Length:%*s %llu\r\n\r\n", status, extra,
                         blanks, "", (unsigned long long)body);
        if (n < 0 || (uint64_t)n > size)
            return 0;
        if ((uint64_t)n + body == size)
            return (size_t)n;
        blanks = tries > 3 && (uint64_t)n + body + 1 == size;
        body = blanks ? body : size - (uint64_t)n;
    }
    return 0;
}

/* RFC 9110 section 15; what a health page says. */
static const char *http_phrase(unsigned status)
{
    return status == 200   ? "OK"
           : status == 301 ? "Moved Permanently"
           : status == 302 ? "Found"
           : status == 401 ? "Unauthorized"
           : status == 403 ? "Forbidden"
           : status == 404 ? "Not Found"
           : status == 500 ? "Internal Server Error"
           : status == 503 ? "Service Unavailable"
                           : "Status";
}

static size_t http_answer(const struct payload *p, uint64_t size, char head[HTTP_HEAD])
{
    char extra[128] = "Content-Type: application/octet-stream\r\n";
    char given[32];
    const char *status = p->refused ? "403 Forbidden" : "200 OK";
    size_t n = strlen(extra);
    if (p->status) {
        snprintf(given, sizeof given, "%u %s", p->status, http_phrase(p->status));
        status = given;
    }
    if (p->refused)
        snprintf(extra + n, sizeof extra - n, "X-Reason: %s\r\n", reason_word(p->refused));
    n = http_head(status, extra, size, head);
    return n ? n : http_head(status, "", size, head);
}

static void http_answer_fill(const struct payload *p, uint64_t size, uint64_t at, uint8_t *out, size_t n)
{
    char head[HTTP_HEAD];
    size_t len = http_answer(p, size, head);
    for (size_t i = 0; i < n; i++, at++)
        out[i] = (uint8_t)(at < len ? head[at] : 'a' + (int)(at % 23));
}

/* -- HTTP health probes ---------------------------------------------------------------------------------- */

/* => length of the probe's bytes, of which out gets the first HTTP_HEAD. */
static size_t probe_head(const char *path, const char *host, bool proxy, uint8_t out[HTTP_HEAD])
{
    const struct proxy_header local = {.local = true};
    size_t at = proxy ? proxy_write(&local, out) : 0;
    int n =
        snprintf((char *)out + at, HTTP_HEAD - at,
                 "GET %.256s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Load Balancer Agent\r\n\r\n", path, host);
    return at + (size_t)n;
}

size_t payload_probe_bytes(const char *path, const char *host, bool proxy)
{
    uint8_t head[HTTP_HEAD];
    return probe_head(path, host, proxy, head);
}

static void probe_fill(const struct payload *p, uint64_t at, uint8_t *out, size_t n)
{
    uint8_t head[HTTP_HEAD];
    const size_t len = probe_head(p->path, p->host, p->proxy, head);
    for (size_t i = 0; i < n; i++, at++)
        out[i] = at < len ? head[at] : 0;
}

unsigned payload_http_status(const uint8_t *data, size_t n)
{
    static const char begin[] = "HTTP/1.1 ";
    const size_t len = sizeof begin - 1;
    unsigned status = 0;
    if (n < len + 3 || memcmp(data, begin, len) != 0)
        return 0;
    for (size_t i = len; i < len + 3; i++) {
        if (data[i] < '0' || data[i] > '9')
            return 0;
        status = status * 10 + (unsigned)(data[i] - '0');
    }
    return status;
}

/* -- TLS ------------------------------------------------------------------------------------------------- */

enum { TLS_HEAD = 5, TLS_FULL = TLS_HEAD + 16384 };

/* The record that holds byte at: records of full size, the last one shorter; where that would be too short
 * for a record the one before gives it its last bytes. */
static void tls_record(uint64_t full, uint64_t size, uint64_t at, uint64_t *start, uint64_t *len)
{
    const uint64_t least = TLS_HEAD + 1;
    uint64_t tail = size % full, cut = tail && tail < least && size > full ? size - tail - least : size;
    *start = at / full * full;
    if (at >= cut)
        *start = cut;
    *len = (*start < cut ? cut : size) - *start;
    if (*len > full)
        *len = full;
}

/* Records of one segment each, as servers send that want the first bytes early: an analyser then needs no
 * other segment to read one, also where some are lost or come again. */
static uint64_t tls_full(const struct payload *p)
{
    return p->segment > 2 * TLS_HEAD && p->segment < TLS_FULL ? p->segment : TLS_FULL;
}

static void tls_fill(uint64_t full, uint64_t size, uint64_t at, uint8_t *out, size_t n)
{
    while (n) {
        uint64_t start, len;
        tls_record(full, size, at, &start, &len);
        const uint8_t head[TLS_HEAD] = {23, 3, 3, (uint8_t)((len - TLS_HEAD) >> 8),
                                        (uint8_t)(len - TLS_HEAD)};
        size_t part = start + len - at < n ? (size_t)(start + len - at) : n;
        plain(PAYLOAD_TLS, at, out, part);
        for (size_t i = 0; i < part && at + i < start + TLS_HEAD; i++)
            out[i] = head[at + i - start];
        at += part;
        out += part;
        n -= part;
    }
}

/* -- DNS ------------------------------------------------------------------------------------------------- */

enum { OPT_TYPE = 41, OPT_PADDING = 12, OPT_FIXED = 15, OPT_UDP_SIZE = 1232 };
enum { DNS_LEAST = 64, DNS_PIECE = 16384, DNS_HEAD = 640 };

/* An OPT record (RFC 6891) whose padding option (RFC 7830) has fill bytes, without those. */
static void put_opt(struct writer *w, size_t fill)
{
    writer_u8(w, 0); /* the root */
    writer_u16(w, OPT_TYPE);
    writer_u16(w, OPT_UDP_SIZE);
    writer_u32(w, 0);
    writer_u16(w, (uint16_t)(fill + 4));
    writer_u16(w, OPT_PADDING);
    writer_u16(w, (uint16_t)fill);
}

/* Pad the message of n bytes to want. => the new length. */
static size_t pad(uint8_t *out, size_t n, size_t want, size_t cap)
{
    if (want < n + OPT_FIXED || want > cap)
        return n;
    struct writer w = {.data = out, .cap = want, .at = n};
    put_opt(&w, want - n - OPT_FIXED);
    memset(out + w.at, 0, want - w.at);
    wire_put16(out + 10, (uint16_t)(wire_get16(out + 10) + 1)); /* additional records */
    return want;
}

size_t payload_dns_query(uint16_t id, const char *name, size_t want, uint8_t *out, size_t cap)
{
    struct dns_msg m = {.id = id, .recursion_desired = true, .qtype = DNS_TYPE_A};
    snprintf(m.qname, sizeof m.qname, "%s", name);
    int n = dns_encode(&m, out, cap);
    return n < 0 ? 0 : pad(out, (size_t)n, want, cap);
}

size_t payload_dns_answer(const struct dns_msg *query, ip4 addr, bool refuse, size_t want, uint8_t *out,
                          size_t cap)
{
    struct dns_msg m = *query;
    m.response = m.recursion_available = true;
    m.rcode = refuse ? DNS_RCODE_REFUSED : DNS_RCODE_NOERROR;
    m.n = 0;
    if (!refuse && m.qtype == DNS_TYPE_A) {
        m.n = 1;
        m.rr[0] = (struct dns_answer_rr){.type = DNS_TYPE_A, .ttl = 60, .addr = addr};
        snprintf(m.rr[0].name, sizeof m.rr[0].name, "%s", m.qname);
    }
    int n = dns_encode(&m, out, cap);
    return n < 0 ? 0 : pad(out, (size_t)n, want, cap);
}

/* DNS over TCP: messages with their length in front (RFC 1035 section 4.2.2), pieces of 16 KiB, the last one
 * a little longer where little is left. */
static void dns_piece(uint64_t size, uint64_t at, uint64_t *start, uint64_t *len)
{
    uint64_t pieces = size / DNS_PIECE, i = at / DNS_PIECE;
    if (pieces && size % DNS_PIECE < DNS_LEAST)
        pieces--; /* the rest belongs to the last whole one */
    if (i > pieces)
        i = pieces;
    *start = i * DNS_PIECE;
    *len = i == pieces ? size - *start : DNS_PIECE;
}

static int dns_message(const struct payload *p, uint16_t id, const char *name, uint8_t *out, size_t cap)
{
    struct dns_msg m = {.id = id,
                        .response = p->answer,
                        .recursion_desired = true,
                        .recursion_available = p->answer,
                        .rcode = p->refused ? DNS_RCODE_REFUSED : DNS_RCODE_NOERROR,
                        .qtype = DNS_TYPE_A};
    snprintf(m.qname, sizeof m.qname, "%s", name);
    m.n = p->answer && !p->refused;
    m.rr[0] = (struct dns_answer_rr){.type = DNS_TYPE_A, .ttl = 60, .addr = IP4(192, 0, 2, 1)};
    snprintf(m.rr[0].name, sizeof m.rr[0].name, "%s", name);
    return dns_encode(&m, out, cap);
}

/* The front of a message that takes len bytes with its length field; behind it, all is zero. => bytes. */
static size_t dns_head(const struct payload *p, uint16_t id, uint64_t len, uint8_t out[DNS_HEAD])
{
    struct writer w = {.data = out, .cap = DNS_HEAD};
    int n = dns_message(p, id, p->host, out + 2, DNS_HEAD - 2);
    if (n < 0 || (uint64_t)n + 2 + OPT_FIXED > len)
        n = dns_message(p, id, "", out + 2, DNS_HEAD - 2); /* the root, whose name is short */
    writer_u16(&w, (uint16_t)(len - 2));
    w.at += (size_t)n;
    put_opt(&w, (size_t)(len - 2 - (uint64_t)n - OPT_FIXED));
    wire_put16(out + 2 + 10, (uint16_t)(wire_get16(out + 2 + 10) + 1));
    return w.at;
}

static void dns_fill(const struct payload *p, uint64_t nth, uint64_t size, uint64_t at, uint8_t *out,
                     size_t n)
{
    while (n) {
        uint8_t head[DNS_HEAD];
        uint64_t start, len;
        dns_piece(size, at, &start, &len);
        size_t hlen = dns_head(p, (uint16_t)(1 + nth * 31 + start / DNS_PIECE), len, head);
        size_t part = start + len - at < n ? (size_t)(start + len - at) : n;
        for (size_t i = 0; i < part; i++)
            out[i] = at + i - start < hlen ? head[at + i - start] : 0;
        at += part;
        out += part;
        n -= part;
    }
}

/* -- streams --------------------------------------------------------------------------------------------- */

/* nth: which message of the stream this is, from 0. */
static void proxy_fill(uint64_t at, uint8_t *out, size_t n)
{
    uint8_t head[PROXY_MAX];
    const struct proxy_header local = {.local = true};
    size_t len = proxy_write(&local, head);
    for (size_t i = 0; i < n; i++, at++)
        out[i] = at < len ? head[at] : 0;
}

static void message_fill(const struct payload *p, uint64_t nth, uint64_t size, uint64_t at, uint8_t *out,
                         size_t n)
{
    if (p->kind == PAYLOAD_PROXY) {
        proxy_fill(at, out, n);
        return;
    }
    if (p->kind == PAYLOAD_PROBE) {
        probe_fill(p, at, out, n);
        return;
    }
    if (p->kind == PAYLOAD_DNS && size >= DNS_LEAST) {
        dns_fill(p, nth, size, at, out, n);
        return;
    }
    bool behind = p->answer && at >= HTTP_HEAD; /* no header reaches that far */
    if (p->kind == PAYLOAD_HTTP && size >= 18 && !behind) {
        char head[HTTP_HEAD];
        if (p->answer ? http_answer(p, size, head) : http_request(p, size, head)) {
            (p->answer ? http_answer_fill : http_request_fill)(p, size, at, out, n);
            return;
        }
    }
    if (p->kind == PAYLOAD_TLS && size > TLS_HEAD)
        tls_fill(tls_full(p), size, at, out, n);
    else
        plain(p->kind, at, out, n);
}

void payload_fill(const struct payload *p, uint64_t offset, uint8_t *out, size_t n)
{
    while (n) {
        uint64_t size = p->first, at = offset, nth = 0;
        if (offset >= p->first) {
            nth = 1 + (offset - p->first) / p->later;
            size = p->later;
            at = (offset - p->first) % p->later;
        }
        size_t part = size - at < n ? (size_t)(size - at) : n;
        message_fill(p, nth, size, at, out, part);
        offset += part;
        out += part;
        n -= part;
    }
}
