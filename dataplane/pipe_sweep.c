/* pipe_sweep.c - records of flows that fell silent, taken away in small steps.
 *
 * Purpose. A record that idled for longer than its port allows counts as absent (G-07), and nobody may ever
 * ask for it again. Without a sweep a pipe would hold a record of every flow it ever saw.
 *
 * Steps. All pairs are looked at in turn, in the order of their numbers, a few at a time: batches of packets
 * do so when they end (pipe_batch.c), for as many pairs as they made, twice, and a few more. So a round ends
 * before half as many pairs were made as there are, and what is held is at most about twice what lives. The
 * search by number reads 64 bytes a pair, one after the other; the flow table's own sweep would read a line
 * of the table for each flow, and then the pair, which lies anywhere.
 *
 * Rest. A round notes when the first of those that stay may expire. Until then, and until the first of those
 * made since it began may, nothing is looked at. An image may bring other timeouts and ends the rest.
 *
 * What stays. Only records go that nothing depends on any more:
 *   - none of ports without a timeout, such as services';
 *   - not those of load balancers' flows and of translations, which others lead to by number (B-01, PE-21);
 *   - none at an endpoint of a private link service, where one that expired ends its connection (PE-24);
 *   - not those of TCP connections that are flows of the scenario: a change may reset them, however long they
 *     were silent (SE-02, R-14, PE-16, PE-29).
 * How full a port is (M-05) comes out the same, because a full port's expired records are given back at once.
 * What does come out another way: a later image that allows a longer silence finds fewer records.
 *
 * Hence the engine (sim.c), which takes packets one by one, does not sweep: the connections that it runs are
 * the scenario's own and stay anyhow, and it remembers every flow to report on it. Whoever else goes packet
 * by packet calls pipe_sweep.
 *
 * Costs: about 2 ns a pair, and giving back one is a removal from the flow table, in groups whose cache lines
 * are asked for together. */
#include "dataplane/pipe_int.h"

static int64_t later(int64_t t, int64_t ns)
{
    return ns > INT64_MAX - t ? INT64_MAX : t + ns;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void pipe_sweep_image(struct pipe *p, const struct image *img, int64_t now)
{
    struct sweep *s = &p->sweep;
    s->least = INT64_MAX;
    for (size_t i = 0; i < img->n_ports; i++)
        if (img->port[i].flow_timeout)
            s->least = sooner(s->least, img->port[i].flow_timeout);
    s->earliest = INT64_MIN; /* of a round that is under way; it goes on, and another one follows */
    s->quiet_until = s->least == INT64_MAX ? INT64_MAX : p->n_records ? INT64_MIN : later(now, s->least);
}

/* => whether nothing depends on a record once it has expired. */
static bool may_go(const struct image *img, const struct flow_state *r)
{
    const uint32_t port = flow_key_port(r->key);
    const bool resettable = r->flow && !r->answer && flow_key_proto(r->key) == IPPROTO_NR_TCP;
    if (port >= img->n_ports || r->extra != NONE32 || resettable)
        return false;
    const struct image_port *at = &img->port[port];
    return at->flow_timeout && (at->kind != PORT_ENDPOINT || (at->up && !at->pls));
}

/* => whether the pair has expired and may go; if it has not, note when it will. */
static bool is_dead(const struct pipe *p, const struct image *img, const struct flow_pair *pair, int64_t now,
                    int64_t *earliest)
{
    int64_t timeout = p->sweep.least;
    if (!((pair->half[0].flags | pair->half[1].flags) & FLOW_USED))
        return false;
    if (now - pair->seen > timeout) {
        for (unsigned dir = 0; dir < 2; dir++) {
            const struct flow_state *r = pipe_record(p, 2 * pair->number + dir);
            if (!(pair->half[dir].flags & FLOW_USED))
                continue;
            if (!may_go(img, r))
                return false;
            timeout = img->port[flow_key_port(r->key)].flow_timeout;
        }
        if (now - pair->seen > timeout)
            return true;
    }
    *earliest = sooner(*earliest, later(pair->seen, timeout));
    return false;
}

/* The next n pairs of the round. */
static void look(struct pipe *p, const struct image *img, int64_t now, size_t n)
{
    struct flow_pair *dead[PIPE_FREE_GROUP];
    size_t n_dead = 0;
    int64_t earliest = p->sweep.earliest;
    for (; n > 0; n--, p->sweep.at++) {
        struct flow_pair *pair = pipe_pair(p, p->sweep.at);
        if (!is_dead(p, img, pair, now, &earliest))
            continue;
        dead[n_dead++] = pair;
        if (n_dead < PIPE_FREE_GROUP)
            continue;
        pipe_pairs_free(p, dead, n_dead);
        n_dead = 0;
    }
    pipe_pairs_free(p, dead, n_dead);
    p->sweep.earliest = earliest;
}

size_t pipe_sweep(struct pipe *p, const struct image *img, int64_t now, size_t budget)
{
    struct sweep *s = &p->sweep;
    size_t looked = 0;
    pipe_ways(p, img, now);
    while (looked < budget && now > s->quiet_until) {
        const size_t left = budget - looked;
        if (s->at == 0) {
            s->began = now;
            s->earliest = INT64_MAX;
        }
        const size_t n = left < p->n_pairs - s->at ? left : p->n_pairs - s->at;
        look(p, img, now, n);
        looked += n;
        if (s->at < p->n_pairs)
            continue;
        s->at = 0;
        s->quiet_until = sooner(s->earliest, later(s->began, s->least));
    }
    return looked;
}
