/* host_payload.h - application data of simulated flows: made up on the fly, the same for the same place in a
 * stream, and such that a protocol analyser takes them for what the port says or for plain data, never for
 * something malformed. */
#ifndef VNETSIM_DATAPLANE_HOST_PAYLOAD_H
#define VNETSIM_DATAPLANE_HOST_PAYLOAD_H

#include "dataplane/dns.h"
#include "dataplane/verdict.h"

enum payload_kind {
    PAYLOAD_LETTERS,
    PAYLOAD_ZERO,
    PAYLOAD_ONES,
    PAYLOAD_MIXED,
    PAYLOAD_HTTP,
    PAYLOAD_TLS,
    PAYLOAD_DNS,
    PAYLOAD_PROXY, /* a PROXY header of command LOCAL, nothing else */
    PAYLOAD_PROBE  /* HTTP health probe: a GET for path, behind such a header with proxy */
};

/* => what data of a server port look like. */
enum payload_kind payload_kind(uint8_t proto, uint16_t port);

/* One direction of a connection: a first message, then further ones of `later` bytes each. */
struct payload {
    enum payload_kind kind;
    bool answer;
    enum reason refused; /* answer: why the request was refused; REASON_NONE */
    char host[DNS_NAME_MAX];
    const char *path; /* PAYLOAD_PROBE; borrowed */
    bool proxy;
    uint16_t status; /* answer to one: 200 and the like; 0: as refused says */
    uint64_t first;
    uint32_t later;   /* more than 0 */
    uint32_t segment; /* bytes of a full TCP segment, where messages come in those; 0: unknown */
};

/* => bytes of an HTTP health probe. */
size_t payload_probe_bytes(const char *path, const char *host, bool proxy);

/* => the status of an HTTP answer that begins like these n bytes; 0: that is none. */
unsigned payload_http_status(const uint8_t *data, size_t n);

/* Write bytes [offset, offset + n) of the stream. */
void payload_fill(const struct payload *p, uint64_t offset, uint8_t *out, size_t n);

/* Write one DNS message of about want bytes (padded by EDNS as RFC 7830 describes where it would be shorter):
 * a query for name, or the answer to query, which gives addr or is refused. => bytes written, at most cap; 0:
 * it does not fit. */
size_t payload_dns_query(uint16_t id, const char *name, size_t want, uint8_t *out, size_t cap);
size_t payload_dns_answer(const struct dns_msg *query, ip4 addr, bool refuse, size_t want, uint8_t *out,
                          size_t cap);

#endif
