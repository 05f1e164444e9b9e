/* dns.h - DNS messages, RFC 1035: what stub resolvers and servers exchange over UDP. */
#ifndef VNETSIM_DATAPLANE_DNS_H
#define VNETSIM_DATAPLANE_DNS_H

#include "dataplane/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_TYPE_A = 1, DNS_TYPE_CNAME = 5, DNS_TYPE_SOA = 6, DNS_TYPE_AAAA = 28 };
enum { DNS_RCODE_NOERROR = 0, DNS_RCODE_FORMERR = 1, DNS_RCODE_SERVFAIL = 2, DNS_RCODE_NXDOMAIN = 3,
       DNS_RCODE_NOTIMP = 4, DNS_RCODE_REFUSED = 5 };

#define DNS_NAME_MAX 256 /* presentation form with NUL */
#define DNS_MAX_RR   32  /* answers a message can hold here */

struct dns_answer_rr {
    char name[DNS_NAME_MAX]; /* without final dot, case kept */
    uint16_t type;
    uint32_t ttl;
    ip4 addr;                  /* A */
    char target[DNS_NAME_MAX]; /* CNAME */
};

struct dns_msg {
    uint16_t id;
    bool response, authoritative, recursion_desired, recursion_available;
    uint8_t rcode;
    char qname[DNS_NAME_MAX];
    uint16_t qtype;
    uint32_t negative_ttl; /* s that a negative answer may be kept: its SOA's (RFC 2308); encoding: 0 means 300 */
    uint16_t n;
    struct dns_answer_rr rr[DNS_MAX_RR]; /* answer section; records of other types are skipped on decoding */
};

/* => bytes written, or -EMSGSIZE (cap too small), -EINVAL (a name with an empty or too long label). Names are
 * compressed against the question and earlier owners. NXDOMAIN and empty answers carry an SOA in the authority section. */
int dns_encode(const struct dns_msg *m, uint8_t *buf, size_t cap);
/* => 0; -EBADMSG: truncated; -EINVAL: malformed (pointer loops, bad labels). Never reads beyond len. */
int dns_decode(const uint8_t *buf, size_t len, struct dns_msg *out);

#endif
