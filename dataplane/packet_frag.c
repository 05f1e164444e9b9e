/* packet_frag.c - IPv4 fragmentation, RFC 791 section 3.2 ("An Example Fragmentation Procedure").
 *
 * Every fragment keeps identification, TTL, TOS and the metadata, ports included: what looks at fragments
 * needs no virtual reassembly. Options with the copied bit go into every fragment, the others into the first
 * only. A fragment can be cut again: its offset and MF bit carry over. Padding behind the IP length is left
 * out. */
#include "dataplane/csum.h"
#include "dataplane/packet.h"
#include "dataplane/wire.h"

#include <errno.h>

struct cut {
    const uint8_t *ip;    /* header of the whole */
    uint32_t hlen, hlen2; /* header length of the first fragment, of the others */
    uint8_t opt2[40];     /* options of the others */
    uint16_t base;        /* fragment offset of the whole, bytes */
    bool mf;              /* of the whole */
};

static void copied_options(struct cut *c)
{
    uint32_t n = 0;
    for (uint32_t at = WIRE_IP_HLEN; at < c->hlen && c->ip[at] != WIRE_IPOPT_END;) {
        uint32_t len = c->ip[at] == WIRE_IPOPT_NOP ? 1 : at + 1 < c->hlen ? c->ip[at + 1] : 0;
        if (len == 0 || at + len > c->hlen)
            break; /* malformed: no more options */
        if (c->ip[at] & WIRE_IPOPT_COPIED) {
            memcpy(c->opt2 + n, c->ip + at, len);
            n += len;
        }
        at += len;
    }
    while (n % 4)
        c->opt2[n++] = WIRE_IPOPT_END;
    c->hlen2 = WIRE_IP_HLEN + n;
}

/* One fragment: n payload bytes from offset off of the whole. */
static struct packet *cut_one(struct packet_pool *pool, const struct packet *p, const struct cut *c,
                              uint32_t off, uint32_t n, bool more)
{
    uint32_t hlen = off ? c->hlen2 : c->hlen;
    struct packet *f = packet_new(pool, ETH_HLEN + hlen + n);
    if (!f)
        return NULL;
    uint8_t *ip = f->data + ETH_HLEN;
    f->len = ETH_HLEN + hlen + n;
    f->meta = p->meta;
    memcpy(f->data, p->data, ETH_HLEN + WIRE_IP_HLEN);
    memcpy(ip + WIRE_IP_HLEN, off ? c->opt2 : c->ip + WIRE_IP_HLEN, hlen - WIRE_IP_HLEN);
    memcpy(ip + hlen, c->ip + c->hlen + off, n);
    ip[WIRE_IP_VHL] = (uint8_t)(0x40 | hlen / 4);
    wire_put16(ip + WIRE_IP_TLEN, (uint16_t)(hlen + n));
    uint16_t df = wire_get16(ip + WIRE_IP_FRAG) & WIRE_IP_DF;
    wire_put16(ip + WIRE_IP_FRAG, (uint16_t)(df | (more || c->mf ? WIRE_IP_MF : 0) | (c->base + off) / 8));
    wire_put16(ip + WIRE_IP_SUM, 0);
    wire_put16(ip + WIRE_IP_SUM, csum_fold(csum_add(0, ip, hlen)));
    return f;
}

static void put_list(struct packet_pool *pool, struct packet *list)
{
    for (struct packet *next; list; list = next) {
        next = list->next;
        packet_put(pool, list);
    }
}

int packet_fragment(struct packet_pool *pool, const struct packet *p, uint16_t mtu, struct packet **out)
{
    struct packet_info in;
    *out = NULL;
    int rc = packet_parse(p->data, p->len, &in), count = 0;
    if (rc)
        return rc;
    struct cut c = {.ip = p->data + ETH_HLEN, .hlen = in.l4 - ETH_HLEN, .base = in.frag_offset, .mf = in.mf};
    copied_options(&c);
    uint32_t total = in.ip_len - c.hlen, off = 0;
    bool fits = in.ip_len <= mtu;
    if (!fits && (in.df || mtu < c.hlen + 8))
        return -EMSGSIZE;
    struct packet **tail = out;
    do {
        uint32_t room = (mtu - (off ? c.hlen2 : c.hlen)) & ~7u, left = total - off;
        uint32_t n = fits || left <= mtu - (off ? c.hlen2 : c.hlen) ? left : room;
        struct packet *f = cut_one(pool, p, &c, off, n, off + n < total);
        if (!f) {
            put_list(pool, *out);
            *out = NULL;
            return -ENOMEM;
        }
        *tail = f;
        tail = &f->next;
        off += n;
        count++;
    } while (off < total);
    return count;
}
