/* lpm_head.c - where a lookup in the image begins: the pieces into which the address space is cut, each with
 * an entry (drawn in lpm.c).
 *
 *   code[256]    by the first byte:  the piece, without as many of its last bits as are more bits of the
 *                address, 0 to 3; how many
 *   entry[64]    of a piece; depth[64]: how many address bits the piece has used up
 *
 * All of it fits into nine vector registers, so that no lookup loads anything to find its piece. A piece may
 * span many first bytes, all with the same code; the pieces of one byte start at a multiple of their number,
 * so that the address's bits are shifted in behind the code. Which cut is best follows from what the compiler
 * says each point near the top costs: the cheapest cut when every piece costs a fee, the fee being raised
 * until there are no more pieces than places. */
#include "dataplane/addr.h"
#include "dataplane/lpm_int.h"
#include "dataplane/mem.h"

#include <string.h>

#define WHOLE 9u /* a point above the bytes that is a piece; else, of a byte: 1 + bits more; 0: go on */

/* A cut: by point, numbered as in a heap down to the bytes; pieces and their cost. */
struct cut {
    uint8_t pick[512];
    uint64_t cost;                    /* of all pieces, without fees */
    uint32_t next[LPM_HEAD_MORE + 1]; /* the first free piece for a byte with so many bits more */
};

/* => the cost of the points `more` bits below a byte's. */
static uint64_t byte_cost(const uint32_t *top, uint32_t point, unsigned more)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 1u << more; i++)
        sum += top[(point << more) + i];
    return sum;
}

static uint64_t cut_byte(const uint32_t *top, uint32_t point, uint32_t fee, struct cut *c)
{
    uint64_t best = UINT64_MAX;
    for (unsigned more = 0; more <= LPM_HEAD_MORE; more++) {
        uint64_t cost = byte_cost(top, point, more) + ((uint64_t)fee << more);
        if (cost < best) {
            best = cost;
            c->pick[point] = (uint8_t)(1 + more);
        }
    }
    return best;
}

static uint64_t cut_point(const uint32_t *top, uint32_t point, uint32_t fee, struct cut *c)
{
    if (point >= 256)
        return cut_byte(top, point, fee, c);
    uint64_t whole = (uint64_t)top[point] + fee;
    uint64_t apart =
        top[point] ? cut_point(top, 2 * point, fee, c) + cut_point(top, 2 * point + 1, fee, c) : UINT64_MAX;
    c->pick[point] = whole <= apart ? WHOLE : 0;
    return whole <= apart ? whole : apart;
}

static unsigned more_bits(const struct cut *c, uint32_t point)
{
    return c->pick[point] == WHOLE ? 0 : c->pick[point] - 1;
}

/* Count the pieces of bytes with as many bits more into next. */
static void count_pieces(struct cut *c, uint32_t point)
{
    if (c->pick[point]) {
        c->next[more_bits(c, point)] += 1u << more_bits(c, point);
        return;
    }
    count_pieces(c, 2 * point);
    count_pieces(c, 2 * point + 1);
}

/* Give every byte room for its pieces at a multiple of their number: more bits first. => pieces in all. */
static uint32_t place_pieces(struct cut *c)
{
    uint32_t sum = 0;
    memset(c->next, 0, sizeof c->next);
    count_pieces(c, 1);
    for (unsigned more = LPM_HEAD_MORE + 1; more--;) {
        uint32_t n = c->next[more];
        c->next[more] = sum;
        sum += n;
    }
    return sum;
}

static void cut_best(const uint32_t *top, struct cut *c)
{
    for (uint32_t fee = 8; fee < UINT32_MAX / 2; fee += fee / 2) {
        uint64_t cost = cut_point(top, 1, fee, c);
        uint32_t pieces = place_pieces(c);
        c->cost = cost - (uint64_t)fee * pieces;
        if (pieces <= LPM_PIECES)
            return;
    }
}

/* -- emitting -------------------------------------------------------------------------------------------- */

/* What is left to do at a point: its routes in the plan, the hop around them. */
struct range {
    uint32_t lo, hi, hop;
};

/* Take the point's own route out; => the upper half, x becomes the lower. */
static struct range range_halve(struct lpm_plan *p, struct range *x, unsigned depth)
{
    if (x->lo < x->hi && lpm_route_len(p->route[x->lo]) == depth)
        x->hop = lpm_route_hop(p->route[x->lo++]);
    p->at += x->hi - x->lo > 1;
    struct range upper = *x;
    x->hi = upper.lo = lpm_plan_halve(p, x->lo, x->hi, depth);
    return upper;
}

static void emit_piece(struct lpm_image *m, struct range x, unsigned depth, uint32_t at)
{
    uint32_t entry = lpm_plan_emit(m, x.lo, x.hi, depth, x.hop);
    m->head.entry[at] = entry;
    m->head.depth[at] = (uint8_t)depth;
}

/* The 2^more pieces of one byte. */
static void emit_byte(struct lpm_image *m, struct range x, unsigned depth, unsigned more, uint32_t at)
{
    if (!more) {
        emit_piece(m, x, depth, at);
        return;
    }
    struct range upper = range_halve(&m->plan, &x, depth);
    emit_byte(m, x, depth + 1, more - 1, at);
    emit_byte(m, upper, depth + 1, more - 1, at + (1u << (more - 1)));
}

static void emit_point(struct lpm_image *m, struct cut *c, struct range x, unsigned depth, uint32_t point)
{
    if (!c->pick[point]) {
        struct range upper = range_halve(&m->plan, &x, depth);
        emit_point(m, c, x, depth + 1, 2 * point);
        emit_point(m, c, upper, depth + 1, 2 * point + 1);
        return;
    }
    unsigned more = more_bits(c, point);
    uint32_t bytes = 1u << (8 - depth), first = (point << (8 - depth)) & 255, at = c->next[more];
    memset(m->head.code + first, (int)(at >> more | more << LPM_HEAD_SHIFT), bytes);
    emit_byte(m, x, depth, more, at);
    c->next[more] += 1u << more;
}

void lpm_head_clear(struct lpm_head *h)
{
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < LPM_PIECES; i++)
        h->entry[i] = LPM_LEAF;
}

void lpm_head_compile(struct lpm_image *m)
{
    struct lpm_plan *p = &m->plan;
    struct cut c;
    lpm_head_clear(&m->head);
    p->top = mem_array(LPM_TOP, sizeof *p->top);
    m->broken |= !p->top || !lpm_plan_weigh(p, 0, 0);
    if (!m->broken) {
        cut_best(p->top, &c);
        m->first_cost = c.cost;
        emit_point(m, &c, (struct range){.hi = p->n}, 0, 1);
    }
    mem_free(p->top, LPM_TOP * sizeof *p->top);
    p->top = NULL;
}
