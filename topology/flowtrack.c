/* flowtrack.c - conversations at NICs.
 *
 * Purpose. A flow log has four things to say of a conversation: B when it begins, C every five minutes with
 * what passed since, E when it ends with the rest, and D where a rule denies it. All four follow from what
 * the packets at a NIC show.
 *
 * Representation. A conversation is keyed as the packet path keys its flow records: port, direction and
 * 5-tuple of the first packet; what comes back has the reversed key. An appliance that forwards a packet
 * therefore has two: one inbound, one outbound. The trace says which rule decided about a first packet, and
 * that a later one needed none.
 *
 * Ends. TCP ends with a reset, or once both sides' FIN is acknowledged; everything ends when it is idle for
 * longer than the network's flow timeout (G-07), at the moment the timeout ran out. A frame that still comes
 * after the end (a repeated FIN) is added to the counts of E, so that the counts of all tuples are always
 * what passed the NIC.
 *
 * Time. There are no timers: a run must not last longer because it is logged. What a conversation missed is
 * made up for when its next packet comes, and at the end of the run; tuples are sorted by time at last. A
 * conversation that is open at the end of the run gets one more C with the rest of its counts.
 *
 * Odd cases. A denied packet is told once per conversation and minute, not once per retransmission. Traffic
 * with the host agent (DNS, metadata) is no group's business (G-14) and is left out, unless a rule spoke.
 * What is dropped before any group was asked (spoofed, not its own) is left out. ICMP has no tuples: the
 * format has none in versions 1 and 2.
 *
 * Cost: one or two hash lookups a packet, a tuple of 56 bytes for every line of the log. */
#include "topology/flowtrack.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"
#include "dataplane/flowtab.h"
#include "topology/explain.h"

enum phase { OPEN, CLOSED, DENIED };

struct conversation {
    struct flow_key key;
    uint32_t flow;
    enum phase phase;
    uint32_t last_tuple; /* CLOSED: its E */
    int64_t last, next_continue, timeout, denied_minute;
    uint64_t packets[2], bytes[2]; /* since the last tuple */
    bool fin[2], fin_acked[2];     /* by direction: 0 from the source */
    uint32_t fin_end[2];           /* sequence number after the FIN */
};

struct flowtrack {
    int64_t start;
    struct arena *arena;
    struct flowtab *index;
    struct conversation *conv;
    size_t n_conv, cap_conv;
    struct track_flow *flow;
    size_t n_flow, cap_flow;
    struct track_tuple *tuple;
    size_t n_tuple, cap_tuple;
};

/* One packet, read. */
struct seen {
    const struct compiled *c;
    uint32_t port;
    int64_t at;
    const struct trace *trace;
    const struct trace_step *rule; /* of the group asked last, or NULL */
    struct packet_info info;
    uint16_t sport, dport;
    uint32_t len;
    bool known; /* belongs to an admitted flow */
};

struct flowtrack *flowtrack_new(int64_t start_unix_ns)
{
    struct arena *a = arena_new("flow logs");
    struct flowtrack *f = arena_alloc(a, sizeof *f);
    f->arena = a;
    f->start = start_unix_ns;
    f->index = flowtab_new(1024);
    if (!f->index)
        arena_oom("flow logs");
    return f;
}

void flowtrack_free(struct flowtrack *f)
{
    if (!f)
        return;
    flowtab_free(f->index);
    free(f->conv);
    free(f->flow);
    free(f->tuple);
    arena_free(f->arena);
}

static void *grow(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 64;
    void *more = realloc(at, *cap * size);
    if (!more)
        arena_oom("flow logs");
    return more;
}

/* -- tuples ---------------------------------------------------------------------------------------------- */

/* A tuple with the counts since the one before, which begin anew. */
static void tell(struct flowtrack *f, struct conversation *v, enum track_state state, int64_t at)
{
    f->tuple = grow(f->tuple, f->n_tuple, &f->cap_tuple, sizeof *f->tuple);
    struct track_tuple *t = &f->tuple[f->n_tuple];
    *t = (struct track_tuple){.at = at, .flow = v->flow, .serial = (uint32_t)f->n_tuple, .state = state};
    v->last_tuple = (uint32_t)f->n_tuple++;
    if (state != TRACK_CONTINUE && state != TRACK_END)
        return;
    memcpy(t->packets, v->packets, sizeof t->packets);
    memcpy(t->bytes, v->bytes, sizeof t->bytes);
    memset(v->packets, 0, sizeof v->packets);
    memset(v->bytes, 0, sizeof v->bytes);
}

/* Make up for the time that passed without a packet. */
static void advance(struct flowtrack *f, struct conversation *v, int64_t now)
{
    if (v->phase != OPEN)
        return;
    const bool idle = now - v->last > v->timeout;
    const int64_t until = idle ? v->last + v->timeout : now;
    for (; v->next_continue <= until; v->next_continue += FLOWTRACK_CONTINUES)
        tell(f, v, TRACK_CONTINUE, v->next_continue);
    if (idle) {
        tell(f, v, TRACK_END, until);
        v->phase = CLOSED;
    }
}

/* -- conversations --------------------------------------------------------------------------------------- */

static struct flow_key key_of(const struct seen *s)
{
    return flow_key_make(s->port, s->trace->inbound, s->info.proto, s->info.src, s->info.dst, s->sport,
                         s->dport);
}

static struct conversation *find(const struct flowtrack *f, struct flow_key key)
{
    const uint64_t i = flowtab_get(f->index, key);
    return i == FLOW_MISS ? NULL : &f->conv[i];
}

static uint32_t add_flow(struct flowtrack *f, const struct seen *s)
{
    f->flow = grow(f->flow, f->n_flow, &f->cap_flow, sizeof *f->flow);
    struct track_flow *w = &f->flow[f->n_flow];
    *w = (struct track_flow){.nic = s->c->thing[s->port].p,
                             .rule = s->rule ? explain_rule(s->c, s->rule->a, s->rule->b) : NULL,
                             .inbound = s->trace->inbound,
                             .proto = s->info.proto,
                             .src = s->info.src,
                             .dst = s->info.dst,
                             .sport = s->sport,
                             .dport = s->dport};
    memcpy(w->mac, s->c->image->port[s->port].host.mac, sizeof w->mac);
    w->stateless = w->inbound && w->proto == IPPROTO_NR_TCP && w->rule && w->rule->nsg &&
                   w->rule->which == RULE_USER && !w->nic->subnet->vnet->flowTimeoutInMinutes;
    return (uint32_t)f->n_flow++;
}

/* A conversation that begins with this packet, in the place of an earlier one of the same key. */
static struct conversation *begin(struct flowtrack *f, const struct seen *s, struct conversation *v)
{
    if (!v) {
        f->conv = grow(f->conv, f->n_conv, &f->cap_conv, sizeof *f->conv);
        v = &f->conv[f->n_conv];
        if (flowtab_set(f->index, key_of(s), f->n_conv++) != 0)
            arena_oom("flow logs");
    }
    *v = (struct conversation){.key = key_of(s),
                               .flow = add_flow(f, s),
                               .last = s->at,
                               .next_continue = s->at + FLOWTRACK_CONTINUES};
    return v;
}

static bool seq_reached(uint32_t ack, uint32_t end)
{
    return (int32_t)(ack - end) >= 0;
}

/* => whether the conversation ends with this segment. */
static bool tcp_ends(struct conversation *v, const struct packet_info *p, int back)
{
    if (p->proto != IPPROTO_NR_TCP || p->frag_offset)
        return false;
    if (p->tcp_flags & TCP_RST)
        return true;
    if (p->tcp_flags & TCP_FIN) {
        v->fin[back] = true;
        v->fin_end[back] = p->seq + p->payload_len + 1;
    }
    if ((p->tcp_flags & TCP_ACK) && v->fin[!back] && seq_reached(p->ack, v->fin_end[!back]))
        v->fin_acked[!back] = true;
    return v->fin_acked[0] && v->fin_acked[1];
}

static void count(struct flowtrack *f, struct conversation *v, const struct seen *s, int back)
{
    if (v->phase == CLOSED) {
        f->tuple[v->last_tuple].packets[back]++;
        f->tuple[v->last_tuple].bytes[back] += s->len;
        return;
    }
    v->packets[back]++;
    v->bytes[back] += s->len;
    v->last = s->at;
    v->timeout = s->c->image->port[s->port].flow_timeout;
    if (tcp_ends(v, &s->info, back)) {
        tell(f, v, TRACK_END, s->at);
        v->phase = CLOSED;
    }
}

/* -- packets --------------------------------------------------------------------------------------------- */

static void denied(struct flowtrack *f, const struct seen *s)
{
    const int64_t minute = (f->start + s->at) / FLOWTRACK_MINUTE;
    struct conversation *v = find(f, key_of(s));
    if (v && v->phase == OPEN) { /* a changed rule ends it (G-06) */
        advance(f, v, s->at);
        if (v->phase == OPEN)
            tell(f, v, TRACK_END, s->at);
    }
    if (v && v->phase == DENIED && v->denied_minute == minute)
        return;
    v = begin(f, s, v);
    v->phase = DENIED;
    v->denied_minute = minute;
    tell(f, v, TRACK_DENY, s->at);
}

static bool opens(const struct seen *s)
{
    return s->info.proto == IPPROTO_NR_TCP && !s->info.frag_offset &&
           (s->info.tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* A packet that passed. It continues a conversation in its own direction, answers one, or begins one. */
static void passed(struct flowtrack *f, const struct seen *s)
{
    struct conversation *v = find(f, key_of(s)), *answered = find(f, flow_key_reverse(key_of(s)));
    if (v)
        advance(f, v, s->at);
    if (answered)
        advance(f, answered, s->at);
    const bool mine = v && v->phase != DENIED, theirs = answered && answered->phase != DENIED;
    if (theirs && answered->phase == OPEN && !(mine && v->phase == OPEN)) {
        count(f, answered, s, 1);
        return;
    }
    const bool anew = !mine || (v->phase == CLOSED && (opens(s) || !s->known));
    if (anew && s->known && !opens(s)) { /* late, for one that ended; or of one whose begin no NIC showed */
        if (theirs)
            count(f, answered, s, 1);
        return;
    }
    if (anew) {
        const struct eff_rule *before = mine ? f->flow[v->flow].rule : NULL;
        const bool stateless = mine && f->flow[v->flow].stateless;
        v = begin(f, s, v);
        if (s->known) { /* the same addresses and ports once more: the packet path asked no rule again */
            f->flow[v->flow].rule = before;
            f->flow[v->flow].stateless = stateless;
        }
        tell(f, v, TRACK_BEGIN, s->at);
    }
    count(f, v, s, 0);
}

static bool is_host_agent(ip4 a)
{
    return a == IP4_PLATFORM || a == IP4_IMDS;
}

/* What the trace says. => whether the packet is a flow log's business. */
static bool read_trace(struct seen *s)
{
    bool early = false;
    for (size_t i = 0; i < s->trace->n; i++) {
        const struct trace_step *st = &s->trace->step[i];
        if (explain_is_rules(st) && (st->stage != STAGE_ADMIN_RULES || st->b != TRACE_NONE))
            s->rule = st;
        s->known |= st->stage == STAGE_ESTABLISHED || st->stage == STAGE_CHANGE;
        early |= st->reason != REASON_NONE && !s->rule && !s->known &&
                 (s->trace->inbound || st->stage == STAGE_SOURCE_CHECK);
    }
    if (early)
        return false;
    return s->rule || s->known || !is_host_agent(s->trace->inbound ? s->info.src : s->info.dst);
}

void flowtrack_packet(struct flowtrack *f, const struct compiled *c, uint32_t port, int64_t at,
                      const struct packet *p, const struct trace *t)
{
    struct seen s = {.c = c, .port = port, .at = at, .trace = t, .len = p->len};
    if (c->thing[port].kind != THING_NIC || packet_parse(p->data, p->len, &s.info) != 0)
        return;
    if (s.info.proto != IPPROTO_NR_TCP && s.info.proto != IPPROTO_NR_UDP)
        return;
    s.sport = s.info.frag_offset ? p->meta.sport : s.info.sport;
    s.dport = s.info.frag_offset ? p->meta.dport : s.info.dport;
    if (!read_trace(&s))
        return;
    if (s.rule && s.rule->reason != REASON_NONE)
        denied(f, &s);
    else
        passed(f, &s);
}

/* -- the end --------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const struct track_tuple *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->serial < y->serial ? -1 : x->serial > y->serial;
}

void flowtrack_end(struct flowtrack *f, int64_t at)
{
    for (size_t i = 0; i < f->n_conv; i++) {
        struct conversation *v = &f->conv[i];
        advance(f, v, at);
        if (v->phase == OPEN && v->packets[0] + v->packets[1])
            tell(f, v, TRACK_CONTINUE, at);
    }
    if (f->n_tuple)
        qsort(f->tuple, f->n_tuple, sizeof *f->tuple, by_time);
}

size_t flowtrack_tuples(const struct flowtrack *f, const struct track_tuple **out)
{
    *out = f->tuple;
    return f->n_tuple;
}

const struct track_flow *flowtrack_flow(const struct flowtrack *f, uint32_t flow)
{
    return &f->flow[flow];
}
