/* addr.h - IPv4 addresses and prefixes as plain integers in host order. */
#ifndef VNETSIM_DATAPLANE_ADDR_H
#define VNETSIM_DATAPLANE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t ip4; /* host order; 0 is "no address" wherever an address is optional */

struct prefix4 {
    ip4 addr; /* bits beyond len are zero */
    uint8_t len;
};

#define IP4(a, b, c, d) (((ip4)(a) << 24) | ((ip4)(b) << 16) | ((ip4)(c) << 8) | (ip4)(d))
#define IP4_STRLEN      16 /* "255.255.255.255" and NUL */
#define PREFIX4_STRLEN  19 /* the same with "/32" */

/* Addresses of the host agent, the same in every virtual network (G-14, R-26). */
#define IP4_PLATFORM IP4(168, 63, 129, 16)
#define IP4_IMDS     IP4(169, 254, 169, 254)

static inline ip4 ip4_mask(unsigned len)
{
    return len ? UINT32_MAX << (32 - len) : 0;
}

static inline ip4 prefix4_last(struct prefix4 p)
{
    return p.addr | ~ip4_mask(p.len);
}

static inline bool prefix4_has(struct prefix4 p, ip4 a)
{
    return (a & ip4_mask(p.len)) == p.addr;
}

/* => whether every address of inner is in outer (equal counts). */
static inline bool prefix4_covers(struct prefix4 outer, struct prefix4 inner)
{
    return outer.len <= inner.len && prefix4_has(outer, inner.addr);
}

static inline bool prefix4_overlap(struct prefix4 a, struct prefix4 b)
{
    return prefix4_covers(a, b) || prefix4_covers(b, a);
}

static inline bool prefix4_eq(struct prefix4 a, struct prefix4 b)
{
    return a.addr == b.addr && a.len == b.len;
}

/* Order by address, then by length (shorter first). => <0, 0, >0; for qsort. */
int prefix4_cmp(const void *a, const void *b);

/* Parse dotted decimal, the whole of s, no leading zeros. => 0, or -EINVAL (out untouched). */
int ip4_parse(const char *s, ip4 *out);

/* Parse "a.b.c.d/len"; a bare address is /32. => 0, -EINVAL (not a prefix), or -ERANGE (host bits set:
 * out holds the prefix with them cleared, so that a message can suggest it). */
int prefix4_parse(const char *s, struct prefix4 *out);

/* Format into buf (at least IP4_STRLEN, PREFIX4_STRLEN). => buf. */
char *ip4_format(ip4 a, char *buf);
char *prefix4_format(struct prefix4 p, char *buf);

/* => whether a is routed in the public Internet: not RFC 1918, not 100.64/10, loopback, link-local, multicast, 0/8
 * or 240/4. Documentation prefixes count as public (scenario contract). 168.63.129.16 does not count. */
bool ip4_is_public(ip4 a);

#endif
