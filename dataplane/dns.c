/* dns.c - DNS messages, RFC 1035 section 4; negative answers, RFC 2308.
 *
 * Names are kept in presentation form, labels divided by dots, without the final one; the root is "". A dot
 * or backslash inside a label is written \. and \\, other bytes that do not print \DDD (section 5.1), so that
 * decoding what was encoded, and the reverse, change nothing.
 *
 * Compression (section 4.1.4): the encoder remembers where each name and each suffix of a name went and lets
 * a later one end in a pointer there. Labels are compared with case, because a pointer hands on the case of
 * its target and the case of a name is kept. The decoder follows pointers only backwards, each to before the
 * place where the run of labels that held it began: as in any message that a compressor made, and a loop
 * cannot do that. A name of more than 255 octets is refused, so a message of n bytes costs O(n * 255) at
 * worst.
 *
 * Negative answers carry the SOA of the zone that was asked last, for which the parent of the last name
 * stands: we are not told zone cuts here. A resolver takes its TTL, and caches that long (300 s: scenario
 * contract, section 1); one that answers from its cache says how much of that is left.
 *
 * The transport is UDP without EDNS; a caller that wants RFC 1035's 512 octets gives that as cap. */
#include "dataplane/dns.h"
#include "dataplane/cursor.h"

#include <errno.h>
#include <stdio.h>

enum { HEADER = 12, CLASS_IN = 1, LABEL_MAX = 63, WIRE_NAME_MAX = 255, SUFFIXES = 128, POINTER = 0xc0 };
enum {
    FLAG_QR = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_AA = 0x0400,
    FLAG_RD = 0x0100,
    FLAG_RA = 0x0080,
    FLAG_RCODE = 15
};
enum { SOA_TTL = 300, SOA_SERIAL = 1, SOA_REFRESH = 3600, SOA_RETRY = 300, SOA_EXPIRE = 2419200 };

/* -- names to the wire ----------------------------------------------------------------------------------- */

struct encoder {
    struct writer w;
    uint16_t suffix[SUFFIXES]; /* where names and their suffixes start */
    unsigned n;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Presentation form to uncompressed wire form. => octets with the final zero, or -EINVAL. */
static int name_to_wire(const char *s, uint8_t out[WIRE_NAME_MAX])
{
    size_t at = 0, label = 0; /* label: where the length octet of the current one is */
    if (!*s) {
        out[0] = 0;
        return 1;
    }
    for (out[at++] = 0;; s++) {
        if (!*s || *s == '.') {
            if (!out[label])
                return -EINVAL;
            label = at;
            if (at == WIRE_NAME_MAX)
                return -EINVAL;
            out[at++] = 0;
            if (!*s || !s[1])
                return (int)at; /* a final dot is allowed */
            continue;
        }
        unsigned c = (uint8_t)*s;
        if (c == '\\') {
            if (is_digit(s[1]) && is_digit(s[2]) && is_digit(s[3])) {
                c = (unsigned)((s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0'));
                s += 3;
            } else {
                c = (uint8_t) * ++s;
            }
            if (c > UINT8_MAX || !*s)
                return -EINVAL;
        }
        if (out[label] == LABEL_MAX || at == WIRE_NAME_MAX)
            return -EINVAL;
        out[label]++;
        out[at++] = (uint8_t)c;
    }
}

/* => whether the name at offset at of what was written so far is name (both end at a zero octet). */
static bool same_name(const uint8_t *msg, size_t at, const uint8_t *name)
{
    for (;;) {
        while ((msg[at] & POINTER) == POINTER)
            at = wire_get16(msg + at) & 0x3fff;
        if (msg[at] != name[0] || memcmp(msg + at + 1, name + 1, name[0]) != 0)
            return false;
        if (!name[0])
            return true;
        at += (size_t)msg[at] + 1;
        name += (size_t)name[0] + 1;
    }
}

static bool find_suffix(const struct encoder *e, const uint8_t *name, uint16_t *at)
{
    for (unsigned i = 0; i < e->n; i++) {
        if (same_name(e->w.data, e->suffix[i], name)) {
            *at = e->suffix[i];
            return true;
        }
    }
    return false;
}

/* => 0 or -EINVAL; too little room shows in the writer. */
static int put_name(struct encoder *e, const char *s)
{
    uint8_t wire[WIRE_NAME_MAX];
    uint16_t pointer, fresh[SUFFIXES];
    unsigned n = 0;
    int len = name_to_wire(s, wire);
    if (len < 0)
        return len;
    const uint8_t *l = wire;
    for (; *l && !find_suffix(e, l, &pointer); l += *l + 1) {
        if (e->w.at < 0x4000 && n < SUFFIXES)
            fresh[n++] = (uint16_t)e->w.at;
        writer_bytes(&e->w, l, (size_t)*l + 1);
    }
    if (*l)
        writer_u16(&e->w, (uint16_t)(POINTER << 8 | pointer));
    else
        writer_u8(&e->w, 0);
    for (unsigned i = 0; i < n && e->n < SUFFIXES && !e->w.bad; i++)
        e->suffix[e->n++] = fresh[i];
    return 0;
}

/* -- records to the wire --------------------------------------------------------------------------------- */

static int put_rr_head(struct encoder *e, const char *owner, uint16_t type, uint32_t ttl)
{
    int rc = put_name(e, owner);
    writer_u16(&e->w, type);
    writer_u16(&e->w, CLASS_IN);
    writer_u32(&e->w, ttl);
    return rc;
}

/* Fill in the two octets of a length, reserved at at, after its record's data. */
static void set_length(struct encoder *e, size_t at)
{
    if (!e->w.bad)
        wire_put16(e->w.data + at, (uint16_t)(e->w.at - at - 2));
}

static int put_rr(struct encoder *e, const struct dns_answer_rr *rr)
{
    if (rr->type != DNS_TYPE_A && rr->type != DNS_TYPE_CNAME)
        return -EINVAL;
    int rc = put_rr_head(e, rr->name, rr->type, rr->ttl);
    size_t length = e->w.at;
    writer_u16(&e->w, 0);
    if (rr->type == DNS_TYPE_A)
        writer_u32(&e->w, rr->addr);
    else if (!rc)
        rc = put_name(e, rr->target);
    set_length(e, length);
    return rc;
}

/* "label.zone", or the zone where that would be too long. */
static int put_in_zone(struct encoder *e, const char *label, const char *zone)
{
    char name[DNS_NAME_MAX + 16];
    uint8_t wire[WIRE_NAME_MAX];
    snprintf(name, sizeof name, "%s%s%s", label, *zone ? "." : "", zone);
    return put_name(e, name_to_wire(name, wire) < 0 ? zone : name);
}

/* => the name behind the first label. */
static const char *parent(const char *name)
{
    for (; *name && *name != '.'; name++) {
        if (*name == '\\' && name[1])
            name++;
    }
    return *name ? name + 1 : name;
}

static int put_soa(struct encoder *e, const char *zone, uint32_t ttl)
{
    int rc = put_rr_head(e, zone, DNS_TYPE_SOA, ttl);
    size_t length = e->w.at;
    writer_u16(&e->w, 0);
    if (!rc)
        rc = put_in_zone(e, "ns1", zone);
    if (!rc)
        rc = put_in_zone(e, "hostmaster", zone);
    writer_u32(&e->w, SOA_SERIAL);
    writer_u32(&e->w, SOA_REFRESH);
    writer_u32(&e->w, SOA_RETRY);
    writer_u32(&e->w, SOA_EXPIRE);
    writer_u32(&e->w, SOA_TTL); /* minimum: how long the negative answer may be kept */
    set_length(e, length);
    return rc;
}

/* => the zone of a negative answer's SOA: the parent of the name at the end of the chain; NULL: the answer is
 * positive or an error. */
static const char *negative_zone(const struct dns_msg *m)
{
    if (!m->response || (m->rcode != DNS_RCODE_NOERROR && m->rcode != DNS_RCODE_NXDOMAIN))
        return NULL;
    const char *last = m->qname;
    for (unsigned i = 0; i < m->n; i++) {
        if (m->rcode == DNS_RCODE_NOERROR && m->rr[i].type == m->qtype)
            return NULL;
        if (m->rr[i].type == DNS_TYPE_CNAME)
            last = m->rr[i].target;
    }
    return parent(last);
}

int dns_encode(const struct dns_msg *m, uint8_t *buf, size_t cap)
{
    struct encoder e = {.w = {.data = buf, .cap = cap}};
    const char *zone = negative_zone(m);
    if (m->n > DNS_MAX_RR)
        return -EINVAL;
    writer_u16(&e.w, m->id);
    writer_u16(&e.w, (uint16_t)((m->response ? FLAG_QR : 0) | (m->authoritative ? FLAG_AA : 0) |
                                (m->recursion_desired ? FLAG_RD : 0) |
                                (m->recursion_available ? FLAG_RA : 0) | (m->rcode & FLAG_RCODE)));
    writer_u16(&e.w, 1);
    writer_u16(&e.w, m->n);
    writer_u16(&e.w, zone ? 1 : 0);
    writer_u16(&e.w, 0);
    int rc = put_name(&e, m->qname);
    writer_u16(&e.w, m->qtype);
    writer_u16(&e.w, CLASS_IN);
    for (unsigned i = 0; !rc && i < m->n; i++)
        rc = put_rr(&e, &m->rr[i]);
    if (!rc && zone)
        rc = put_soa(&e, zone, m->negative_ttl ? m->negative_ttl : SOA_TTL);
    if (rc)
        return rc;
    return e.w.bad ? -EMSGSIZE : (int)e.w.at;
}

/* -- from the wire --------------------------------------------------------------------------------------- */

/* One octet of a label in presentation form. => characters written, 0: no room. */
static size_t put_escaped(char *out, size_t room, uint8_t c)
{
    char esc[5] = {(char)c};
    if (c == '.' || c == '\\')
        snprintf(esc, sizeof esc, "\\%c", c);
    else if (c <= ' ' || c > '~')
        snprintf(esc, sizeof esc, "\\%03u", c);
    size_t n = strlen(esc);
    if (n >= room)
        return 0;
    memcpy(out, esc, n);
    return n;
}

/* Follow the pointer whose first octet was just read, for the first time when *back is 0: it must lead to
 * before limit, where the current run of labels began. => 0, -EBADMSG, -EINVAL. */
static int follow(struct reader *r, uint8_t first, size_t *limit, size_t *back)
{
    size_t to = (size_t)(first & 0x3f) << 8 | reader_u8(r);
    if (r->bad)
        return -EBADMSG;
    if (to >= *limit || to < HEADER)
        return -EINVAL;
    if (!*back)
        *back = r->at;
    *limit = r->at = to;
    return 0;
}

/* Read the name at the cursor, which moves behind it. => 0, -EBADMSG, -EINVAL. */
static int get_name(struct reader *r, char out[DNS_NAME_MAX])
{
    size_t limit = r->at, back = 0, wire = 1, n = 0;
    for (;;) {
        uint8_t len = reader_u8(r);
        if (r->bad)
            return -EBADMSG;
        if ((len & POINTER) == POINTER) {
            int rc = follow(r, len, &limit, &back);
            if (rc)
                return rc;
            continue;
        }
        if (len & POINTER || (wire += len ? len + 1u : 0) > WIRE_NAME_MAX)
            return -EINVAL;
        if (!len)
            break;
        const uint8_t *label = reader_take(r, len);
        if (!label)
            return -EBADMSG;
        if (n && n + 1 < DNS_NAME_MAX)
            out[n++] = '.';
        for (unsigned i = 0; i < len; i++) {
            size_t put = put_escaped(out + n, DNS_NAME_MAX - n, label[i]);
            if (!put)
                return -EINVAL; /* so many escapes that it does not fit */
            n += put;
        }
    }
    out[n] = '\0';
    if (back)
        r->at = back;
    return 0;
}

/* Read one record; *rr is filled where it is an A or CNAME of class IN. => 1 filled, 0 another, -EBADMSG,
 * -EINVAL. */
static int get_rr(struct reader *r, struct dns_answer_rr *rr)
{
    int rc = get_name(r, rr->name);
    if (rc)
        return rc;
    rr->type = reader_u16(r);
    uint16_t class = reader_u16(r);
    rr->ttl = reader_u32(r);
    size_t len = reader_u16(r), start = r->at;
    const uint8_t *data = reader_take(r, len);
    if (!data)
        return -EBADMSG;
    if (class != CLASS_IN || (rr->type != DNS_TYPE_A && rr->type != DNS_TYPE_CNAME))
        return 0;
    if (rr->type == DNS_TYPE_A) {
        rr->addr = len == 4 ? wire_get32(data) : 0;
        rr->target[0] = '\0';
        return len == 4 ? 1 : -EINVAL;
    }
    rr->addr = 0;
    struct reader name = {.data = r->data, .len = start + len, .at = start};
    rc = get_name(&name, rr->target);
    if (rc || name.at != start + len)
        return -EINVAL; /* the record ends inside its name, or behind it */
    return 1;
}

static int get_question(struct reader *r, unsigned count, struct dns_msg *out)
{
    out->qname[0] = '\0';
    out->qtype = 0;
    if (count == 0)
        return 0;
    if (count > 1)
        return -EINVAL;
    int rc = get_name(r, out->qname);
    out->qtype = reader_u16(r);
    uint16_t class = reader_u16(r);
    if (rc || r->bad)
        return rc ? rc : -EBADMSG;
    return class == CLASS_IN ? 0 : -EINVAL;
}

int dns_decode(const uint8_t *buf, size_t len, struct dns_msg *out)
{
    struct reader r = {.data = buf, .len = len};
    struct dns_answer_rr other;
    out->id = reader_u16(&r);
    uint16_t flags = reader_u16(&r);
    unsigned questions = reader_u16(&r), answers = reader_u16(&r);
    unsigned authority = answers + reader_u16(&r), all = authority + reader_u16(&r);
    if (r.bad)
        return -EBADMSG;
    if (flags & FLAG_OPCODE)
        return -EINVAL;
    out->response = flags & FLAG_QR;
    out->authoritative = flags & FLAG_AA;
    out->recursion_desired = flags & FLAG_RD;
    out->recursion_available = flags & FLAG_RA;
    out->rcode = flags & FLAG_RCODE;
    out->negative_ttl = 0;
    out->n = 0;
    int rc = get_question(&r, questions, out);
    for (unsigned i = 0; rc >= 0 && i < all; i++) {
        bool keep = i < answers && out->n < DNS_MAX_RR;
        rc = get_rr(&r, keep ? &out->rr[out->n] : &other);
        if (keep && rc > 0)
            out->n++;
        if (rc == 0 && i >= answers && i < authority && other.type == DNS_TYPE_SOA)
            out->negative_ttl = other.ttl;
    }
    return rc < 0 ? rc : 0;
}
