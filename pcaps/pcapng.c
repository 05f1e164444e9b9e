/* pcapng.c - writing pcapng files.
 *
 * Purpose. libpcap writes classic pcap only; pcapng carries what the simulation knows: several capture points
 * in one file, directions, the names of addresses, and on each packet a comment that says which rule decided.
 *
 * Representation. A file is one section of blocks, each padded to 32 bits and framed by its length at both
 * ends:
 *
 *     SHB | IDB (one per capture point, before its first packet) | NRB | EPB ... | NRB | EPB ... | ISB ...
 *
 * Blocks are encoded straight into the buffer of the outfile, through its window: an upper bound of the size
 * is reserved, the block encoded, its length put into both ends and the window moved behind it. A packet is a
 * few stores of fixed size and one copy, and calls nothing but for its comments' lengths: that takes a
 * fraction of the time in which the kernel copies the bytes. No packet allocates, unless its comments are
 * larger than the buffer ever was. Section length is "unknown" (-1), so that nothing is rewritten and pipes
 * work. What would differ between machines is left out: hardware, operating system, byte order, the time of
 * writing.
 *
 * Invariants. ifaces[i] has been written as IDB i. Names below `named` have been written. After an error
 * nothing of what is encoded reaches the file, and the file never gets its name.
 *
 * Odd cases. Names are grouped by address within a block; a record takes at most RECORD_ROOM bytes, a block
 * NRB_ROOM, further ones follow. Times before 1970 have no encoding without an offset option and are refused.
 *
 * Reference: draft-ietf-opsawg-pcapng, sections 3.5 (options), 4.1 SHB, 4.2 IDB, 4.3 EPB, 4.5 NRB, 4.6 ISB.
 */
#include "pcaps/pcapng.h"
#include "dataplane/arena.h"
#include "pcaps/outfile.h"
#include "pcaps/put.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { BLOCK_SHB = 0x0a0d0d0a, BLOCK_IDB = 1, BLOCK_NRB = 4, BLOCK_ISB = 5, BLOCK_EPB = 6 };
enum { BYTE_ORDER_MAGIC = 0x1a2b3c4d, NRB_IPV4 = 1, TSRESOL_NS = 9 };
enum { OPT_END = 0, OPT_COMMENT = 1 };
enum { SHB_USERAPPL = 4 };
enum { IF_NAME = 2, IF_DESCRIPTION = 3, IF_TSRESOL = 9, IF_FILTER = 11 };
enum { EPB_FLAGS = 2 };
enum { ISB_STARTTIME = 2, ISB_ENDTIME = 3, ISB_IFRECV = 4, ISB_IFDROP = 5, ISB_FILTERACCEPT = 6 };

enum {
    OPT_MAX = 65535,              /* bytes of an option's value */
    BLOCK_MAX = 16 * 1024 * 1024, /* libpcap and Wireshark take no larger block */
    FIXED_ROOM = 128,             /* more than the fixed fields and number options of any block */
    NRB_ROOM = 128 * 1024,
    RECORD_ROOM = 16 * 1024,
    LENGTHS = 8, /* comments whose lengths are not measured twice */
};

struct iface {
    uint64_t packets;
    int64_t first_ns, last_ns; /* times of its packets, once there is one */
    bool has_stats;
    struct pcapng_stats stats;
};

struct pcapng {
    struct outfile *out;
    struct outfile_window *window; /* out's */
    struct arena *arena;
    struct nametab *names, *own_names; /* own_names: NULL if shared */
    uint32_t named;                    /* entries of names that have been written */
    bool finished;
    uint64_t packets;
    struct iface *ifaces;
    size_t n_ifaces, cap_ifaces;
};

/* -- encoding: each function writes at w and returns the place behind -------------------------------- */

static inline uint8_t *put16(uint8_t *w, uint32_t v)
{
    const uint16_t le = htole16((uint16_t)v);
    memcpy(w, &le, sizeof le);
    return w + sizeof le;
}

static inline uint8_t *put32(uint8_t *w, uint32_t v)
{
    const uint32_t le = htole32(v);
    memcpy(w, &le, sizeof le);
    return w + sizeof le;
}

static inline uint8_t *put64(uint8_t *w, uint64_t v)
{
    const uint64_t le = htole64(v);
    memcpy(w, &le, sizeof le);
    return w + sizeof le;
}

/* A time: two 32-bit halves, the upper one first, each little-endian. */
static inline uint8_t *put_time(uint8_t *w, int64_t ns)
{
    return put32(put32(w, (uint32_t)((uint64_t)ns >> 32)), (uint32_t)ns);
}

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

/* n bytes and zeros up to the next multiple of four; up to four zeros more, which the next bytes replace. */
static inline uint8_t *put_padded(uint8_t *w, const void *data, size_t n)
{
    put_bytes(w, data, n);
    put32(w + n, 0);
    return w + padded(n);
}

static uint8_t *put_option(uint8_t *w, unsigned code, const void *value, size_t n)
{
    return put_padded(put16(put16(w, code), (uint32_t)n), value, n);
}

static uint8_t *put_end(uint8_t *w)
{
    return put32(w, OPT_END);
}

/* => bytes of a text's value in an option with room for max; NULL counts as empty. */
static size_t text_len(const char *s, size_t max)
{
    return s ? utf8_cut(s, strlen(s), max) : 0;
}

/* A text option; left out where s is NULL. */
static uint8_t *put_text(uint8_t *w, unsigned code, const char *s)
{
    return s ? put_option(w, code, s, text_len(s, OPT_MAX)) : w;
}

static uint8_t *put_time_option(uint8_t *w, unsigned code, int64_t ns)
{
    return put_time(put16(put16(w, code), 8), ns);
}

static uint8_t *put_count_option(uint8_t *w, unsigned code, uint64_t v)
{
    return put64(put16(put16(w, code), 8), v);
}

/* Begin a block with room for that many bytes of fixed fields and data. => its start; NULL: out of memory. */
static inline uint8_t *block_begin(struct pcapng *p, uint32_t type, size_t room)
{
    uint8_t *b = p->window->at;
    if ((size_t)(p->window->end - b) < FIXED_ROOM + room)
        b = outfile_reserve(p->out, FIXED_ROOM + room);
    if (b)
        put32(b, type);
    return b;
}

/* End the block that began at b; w is the place behind its body. */
static inline void block_end(struct pcapng *p, uint8_t *b, uint8_t *w)
{
    uint32_t total = (uint32_t)(w - b) + 4;
    put32(b + 4, total);
    p->window->at = put32(w, total);
}

/* -- blocks ------------------------------------------------------------------------------------------ */

static void write_section(struct pcapng *p, const char *userappl)
{
    uint8_t *b = block_begin(p, BLOCK_SHB, padded(text_len(userappl, OPT_MAX)));
    if (!b)
        return;
    uint8_t *w = put32(b + 8, BYTE_ORDER_MAGIC);
    w = put16(put16(w, 1), 0); /* version 1.0 */
    w = put64(w, UINT64_MAX);  /* section length unknown */
    w = put_text(w, SHB_USERAPPL, userappl);
    block_end(p, b, put_end(w));
}

struct pcapng *pcapng_open(const char *path, const char *userappl, struct nametab *names, char *err,
                           size_t errlen)
{
    struct outfile *out = outfile_open(path, err, errlen);
    if (!out)
        return NULL;
    struct arena *a = arena_new("pcapng");
    struct pcapng *p = arena_alloc(a, sizeof *p);
    p->arena = a;
    p->out = out;
    p->window = outfile_window(out);
    p->own_names = names ? NULL : nametab_new();
    p->names = names ? names : p->own_names;
    write_section(p, userappl);
    return p;
}

/* The filter option's value: a zero that says "libpcap expression", and the text. */
static uint8_t *put_filter(uint8_t *w, const char *filter)
{
    size_t n = text_len(filter, OPT_MAX - 1);
    if (!filter)
        return w;
    w = put16(put16(w, IF_FILTER), (uint32_t)n + 1);
    *w = 0;
    memcpy(w + 1, filter, n);
    memset(w + 1 + n, 0, padded(n + 1) - (n + 1));
    return w + padded(n + 1);
}

int pcapng_interface(struct pcapng *p, const char *name, const char *description, const char *filter,
                     unsigned linktype)
{
    static const uint8_t tsresol = TSRESOL_NS;
    size_t room = padded(text_len(name, OPT_MAX)) + padded(text_len(description, OPT_MAX)) +
                  padded(text_len(filter, OPT_MAX) + 1);
    uint8_t *b = block_begin(p, BLOCK_IDB, room);
    if (outfile_error(p->out) || !b)
        return outfile_error(p->out);
    uint8_t *w = put16(put16(b + 8, linktype), 0);
    w = put32(w, 0); /* no limit of captured bytes */
    w = put_text(w, IF_NAME, name);
    w = put_text(w, IF_DESCRIPTION, description);
    w = put_option(w, IF_TSRESOL, &tsresol, 1);
    w = put_filter(w, filter);
    block_end(p, b, put_end(w));
    arena_push(p->arena, &p->ifaces, &p->n_ifaces, &p->cap_ifaces, sizeof *p->ifaces);
    return (int)p->n_ifaces - 1;
}

int pcapng_name(struct pcapng *p, uint32_t ip, const char *name)
{
    nametab_add(p->names, ip, name);
    return outfile_error(p->out);
}

/* => the entry to write after e: the next of its address, else the next address not yet written since
 * p->named. *head is the entry at which the current address was met. */
static uint32_t name_after(const struct pcapng *p, uint32_t e, uint32_t *head)
{
    uint32_t next = e == NAMETAB_NONE ? e : nametab_at(p->names, e)->next;
    if (next != NAMETAB_NONE)
        return next;
    while (++*head < nametab_count(p->names)) {
        uint32_t prev = nametab_at(p->names, *head)->prev;
        if (prev == NAMETAB_NONE || prev < p->named)
            return *head;
    }
    return NAMETAB_NONE;
}

/* One record: the address of entry *e and as many of its names as fit; *e becomes the entry to go on with. */
static uint8_t *put_names(struct pcapng *p, uint8_t *w, uint32_t *e, uint32_t *head)
{
    const struct nametab_entry *n = nametab_at(p->names, *e);
    uint32_t ip = n->ip;
    uint8_t *value = w + 4, *v = value;
    *v++ = (uint8_t)(ip >> 24);
    *v++ = (uint8_t)(ip >> 16);
    *v++ = (uint8_t)(ip >> 8);
    *v++ = (uint8_t)ip;
    do {
        memcpy(v, n->name, n->len + 1); /* with its NUL */
        v += n->len + 1;
        *e = name_after(p, *e, head);
        n = *e == NAMETAB_NONE ? NULL : nametab_at(p->names, *e);
    } while (n && n->ip == ip && v + n->len + 1 <= value + RECORD_ROOM);
    size_t len = (size_t)(v - value);
    put16(put16(w, NRB_IPV4), (uint32_t)len);
    memset(v, 0, padded(len) - len);
    return value + padded(len);
}

/* Write the names that the file does not have yet. */
static void write_names(struct pcapng *p)
{
    uint32_t head = p->named - 1; /* wraps to the entry before the first */
    uint32_t e = name_after(p, NAMETAB_NONE, &head);
    while (e != NAMETAB_NONE) {
        uint8_t *b = block_begin(p, BLOCK_NRB, NRB_ROOM);
        if (!b)
            return;
        uint8_t *w = b + 8;
        while (e != NAMETAB_NONE && w + 8 + RECORD_ROOM <= b + NRB_ROOM)
            w = put_names(p, w, &e, &head);
        block_end(p, b, put32(w, 0)); /* the record that ends the list */
    }
    p->named = nametab_count(p->names);
}

/* => bytes of the comments' options; the lengths of the first ones. */
static size_t measure(const char *const *comments, size_t n, size_t *len)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t k = text_len(comments[i], OPT_MAX);
        if (i < LENGTHS)
            len[i] = k;
        bytes += 4 + padded(k);
    }
    return bytes;
}

static uint8_t *put_comments(uint8_t *w, const char *const *comments, size_t n, const size_t *len)
{
    for (size_t i = 0; i < n; i++)
        if (comments[i])
            w = put_option(w, OPT_COMMENT, comments[i],
                           i < LENGTHS ? len[i] : text_len(comments[i], OPT_MAX));
    return w;
}

static void count(struct pcapng *p, struct iface *f, int64_t unix_ns)
{
    if (f->packets++ == 0)
        f->first_ns = unix_ns;
    f->last_ns = unix_ns;
    p->packets++;
}

/* Make error the file's. => the file's first error. */
static int fail(struct pcapng *p, int error)
{
    outfile_fail(p->out, error);
    return outfile_error(p->out);
}

int pcapng_packet(struct pcapng *p, int iface, int64_t unix_ns, enum pcapng_dir dir, const uint8_t *data,
                  uint32_t caplen, uint32_t origlen, const char *const *comments, size_t n_comments)
{
    size_t len[LENGTHS];
    if (iface < 0 || (size_t)iface >= p->n_ifaces)
        return fail(p, -EINVAL);
    if (unix_ns < 0)
        return fail(p, -ERANGE);
    if (p->named < nametab_count(p->names))
        write_names(p);
    if (caplen > LINK_SNAPLEN)
        caplen = LINK_SNAPLEN;
    const size_t room = padded(caplen) + measure(comments, n_comments, len);
    if (room > BLOCK_MAX - FIXED_ROOM)
        return fail(p, -EMSGSIZE);
    uint8_t *b = block_begin(p, BLOCK_EPB, room);
    if (!b)
        return outfile_error(p->out);
    uint8_t *w = put_time(put32(b + 8, (uint32_t)iface), unix_ns);
    w = put_padded(put32(put32(w, caplen), origlen), data, caplen);
    const uint8_t *options = w;
    if (dir != PCAPNG_DIR_NONE)
        w = put32(put16(put16(w, EPB_FLAGS), 4), dir == PCAPNG_DIR_IN ? 1 : 2);
    w = put_comments(w, comments, n_comments, len);
    block_end(p, b, w == options ? w : put_end(w));
    count(p, &p->ifaces[iface], unix_ns);
    return outfile_error(p->out);
}

/* -- the end ----------------------------------------------------------------------------------------- */

int pcapng_statistics(struct pcapng *p, int iface, const struct pcapng_stats *stats)
{
    if (iface < 0 || (size_t)iface >= p->n_ifaces)
        return fail(p, -EINVAL);
    if (stats->start_ns < 0 || stats->end_ns < 0)
        return fail(p, -ERANGE);
    p->ifaces[iface].stats = *stats;
    p->ifaces[iface].has_stats = true;
    return outfile_error(p->out);
}

uint64_t pcapng_packets(const struct pcapng *p)
{
    return p->packets;
}

static void write_statistics(struct pcapng *p, uint32_t iface)
{
    const struct iface *f = &p->ifaces[iface];
    struct pcapng_stats s = f->stats;
    if (!f->has_stats)
        s = (struct pcapng_stats){.start_ns = f->first_ns, .end_ns = f->last_ns, .received = f->packets};
    uint8_t *b = block_begin(p, BLOCK_ISB, 0);
    if (!b)
        return;
    uint8_t *w = put_time(put32(b + 8, iface), s.end_ns);
    if (f->has_stats || f->packets) {
        w = put_time_option(w, ISB_STARTTIME, s.start_ns);
        w = put_time_option(w, ISB_ENDTIME, s.end_ns);
    }
    w = put_count_option(w, ISB_IFRECV, s.received);
    w = put_count_option(w, ISB_IFDROP, s.dropped);
    w = put_count_option(w, ISB_FILTERACCEPT, f->packets);
    block_end(p, b, put_end(w));
}

int pcapng_finish(struct pcapng *p)
{
    if (p->finished)
        return outfile_error(p->out);
    p->finished = true;
    if (p->packets && p->named < nametab_count(p->names))
        write_names(p);
    for (size_t i = 0; i < p->n_ifaces; i++)
        write_statistics(p, (uint32_t)i);
    return outfile_finish(p->out);
}

static void destroy(struct pcapng *p)
{
    nametab_free(p->own_names);
    arena_free(p->arena);
}

int pcapng_close(struct pcapng *p)
{
    pcapng_finish(p);
    int error = outfile_commit(p->out);
    destroy(p);
    return error;
}

void pcapng_abort(struct pcapng *p)
{
    if (!p)
        return;
    outfile_abort(p->out);
    destroy(p);
}
