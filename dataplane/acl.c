/* acl.c - the classifier: lookups. It is compiled in acl_build.c.
 *
 * Each of five dimensions (source and destination address, source and destination port, protocol) maps its
 * part of the key to a class: the set of rules that this part would let match. The first rule in all five
 * sets is the answer (after Lakshman and Stiliadis, SIGCOMM 1998).
 *
 *   address   longest-prefix match over all listed prefixes; a prefix's class holds its own rules and those
 *             of every prefix around it, so that the most specific one knows them all
 *   port      binary search in the intervals between the ranges' borders; one class more for protocols
 *             without ports
 *   protocol  a table of 256
 *
 *   row of a class:  summary | word 0 | word 1 | ...
 *                    bit r of the words: rule r; bit i of the summary: word i is not zero
 *
 * The five summaries are ANDed first; only words that can be non-zero in all of them are looked at, in order,
 * so the search mostly ends with the first word that it reads. Equal sets are stored once: tens of thousands
 * of prefixes of a service tag that no rule tells apart share one row, and a prefix of the same class as the
 * one around it is not stored at all.
 *
 * Costs: two prefix lookups, two short binary searches, five lines of rows or more. Memory is (rules / 8 +
 * rules / 512) bytes for each distinct set, 1000 rules 136 bytes, and the prefixes' tables (lpm.c). */
#include "dataplane/acl.h"
#include "dataplane/acl_int.h"

#define LANES 32
#define DIMS  5

/* => the class of a port, by halving. */
static inline uint32_t port_class(const struct acl_ports *d, uint16_t port)
{
    size_t at = 0;
    for (size_t len = d->n, half; len > 1; len -= half) {
        half = len / 2;
        at += d->start[at + half] <= port ? half : 0;
    }
    return d->class[at];
}

static inline uint64_t and_all(const uint64_t *const row[DIMS], size_t i)
{
    return row[0][i] & row[1][i] & row[2][i] & row[3][i] & row[4][i];
}

static inline struct acl_hit first_common(const struct acl *a, const uint64_t *const row[DIMS])
{
    for (size_t s = 0; s < a->rows.summary; s++)
        for (uint64_t sum = and_all(row, s); sum; sum &= sum - 1) {
            size_t i = s * 64 + (size_t)__builtin_ctzll(sum);
            uint64_t common = and_all(row, a->rows.summary + i);
            if (common)
                return a->verdict[i * 64 + (size_t)__builtin_ctzll(common)];
        }
    return (struct acl_hit){.hit = false};
}

static inline uint32_t addr_class(const struct acl_addrs *d, uint32_t found)
{
    return found == LPM_MISS ? d->other : found;
}

/* 1 to LANES keys; each stage runs over all of them before the next. */
static inline void classify(const struct acl *a, const struct acl_key *keys, struct acl_hit *hits, size_t n)
{
    uint32_t src[LANES], dst[LANES], src_class[LANES], dst_class[LANES];
    const uint64_t *row[LANES][DIMS];
    size_t k = 0;
    do {
        src[k] = keys[k].src;
        dst[k] = keys[k].dst;
    } while (++k < n);
    lpm_lookup_bulk(a->src.classes, src, src_class, n);
    lpm_lookup_bulk(a->dst.classes, dst, dst_class, n);
    for (size_t i = 0; i < n; i++) {
        const struct acl_key *key = &keys[i];
        bool ports = acl_has_ports(key->proto);
        row[i][0] = acl_row(a, addr_class(&a->src, src_class[i]));
        row[i][1] = acl_row(a, addr_class(&a->dst, dst_class[i]));
        row[i][2] = acl_row(a, ports ? port_class(&a->sport, key->sport) : a->sport.none);
        row[i][3] = acl_row(a, ports ? port_class(&a->dport, key->dport) : a->dport.none);
        row[i][4] = acl_row(a, a->proto[key->proto]);
        for (int d = 0; d < DIMS; d++)
            __builtin_prefetch(row[i][d]);
    }
    for (size_t i = 0; i < n; i++)
        hits[i] = first_common(a, row[i]);
}

struct acl_hit acl_classify(const struct acl *a, const struct acl_key *key)
{
    struct acl_hit hit;
    classify(a, key, &hit, 1);
    return hit;
}

void acl_classify_bulk(const struct acl *a, const struct acl_key *keys, struct acl_hit *hits, size_t n)
{
    for (; n >= LANES; n -= LANES, keys += LANES, hits += LANES)
        classify(a, keys, hits, LANES);
    if (n)
        classify(a, keys, hits, n);
}

size_t acl_bytes(const struct acl *a)
{
    return sizeof *a + lpm_bytes(a->src.classes) + lpm_bytes(a->dst.classes) +
           (a->sport.cap + a->dport.cap) * (sizeof *a->sport.start + sizeof *a->sport.class) +
           a->rows.cap * a->rows.stride * sizeof *a->rows.word + a->n * sizeof *a->verdict;
}
