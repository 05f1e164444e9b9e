/* host.c - a simulated machine: its configuration, its deadlines, and which part takes what arrives.
 *
 * A host owns connections, flows under way, its ARP cache, reassemblies and, as an appliance, state and
 * translations. All reach the outside through struct host_env; packets change hands with every call, nobody
 * holds one twice.
 *
 * Deadlines. env->timer cannot be cancelled, so each thing with deadlines has a hook: a slot number and a
 * generation make the cookie, and a cookie whose slot changed hands is ignored. A deadline that moves later
 * asks for nothing: the timer that fires too early asks again. So a connection has about one timer pending,
 * whatever it does, and because none is asked for more than a second ahead, none outlives its cause by more
 * than that.
 *
 * What is never freed by time (ARP cache) lives as long as the host; TIME-WAIT, reassemblies and appliance
 * state end lazily, when something of the kind happens after their time: they keep no run alive.
 *
 * Own address: packets for it are delivered, after the appliance's reverse translation; with any_addr every
 * destination is the host's own. The rest goes to host_forward. Frames with wrong checksums are dropped as by
 * a real stack. */
#include "dataplane/host_int.h"

#include "dataplane/mem.h"
#include "dataplane/rng.h"
#include "dataplane/wire.h"

#include <errno.h>
#include <string.h>

enum { PORT_FIRST = 49152, PORT_LOWEST = 1024, PORTS = 65536 };

/* -- configuration --------------------------------------------------------------------------------------- */

static int copy_ranges(const struct port_range **at, size_t n)
{
    struct port_range *copy = NULL;
    if (n && !(copy = mem_array(n, sizeof *copy)))
        return -ENOMEM;
    if (n)
        memcpy(copy, *at, n * sizeof *copy);
    *at = copy;
    return 0;
}

static void free_ranges(const struct port_range *r, size_t n)
{
    struct port_range *p;
    memcpy(&p, &r, sizeof p); /* made by copy_ranges, const for readers only */
    mem_free(p, n * sizeof *p);
}

static int copy_forwards(const struct dns_forward **at, size_t n)
{
    struct dns_forward *copy = NULL;
    if (n && !(copy = mem_array(n, sizeof *copy)))
        return -ENOMEM;
    if (n)
        memcpy(copy, *at, n * sizeof *copy);
    *at = copy;
    return 0;
}

static void free_forwards(const struct dns_forward *f, size_t n)
{
    struct dns_forward *p;
    memcpy(&p, &f, sizeof p);
    mem_free(p, n * sizeof *p);
}

static int copy_addresses(const ip4 **at, size_t n)
{
    ip4 *copy = n ? mem_array(n, sizeof *copy) : NULL;
    if (n && !copy)
        return -ENOMEM;
    if (n)
        memcpy(copy, *at, n * sizeof *copy);
    *at = copy;
    return 0;
}

static void free_addresses(const ip4 *a, size_t n)
{
    ip4 *p;
    memcpy(&p, &a, sizeof p);
    mem_free(p, n * sizeof *p);
}

static void config_free(struct host_config *c)
{
    free_addresses(c->also, c->n_also);
    free_forwards(c->forwards, c->n_forwards);
    free_ranges(c->listens, c->n_listens);
    free_ranges(c->appliance.drops, c->appliance.n_drops);
}

/* Fill out with a copy of c. => 0, -ENOMEM (out untouched). */
static int config_copy(struct host_config *out, const struct host_config *c)
{
    struct host_config copy = *c;
    if (copy_ranges(&copy.listens, c->n_listens))
        return -ENOMEM;
    if (copy_ranges(&copy.appliance.drops, c->appliance.n_drops)) {
        free_ranges(copy.listens, copy.n_listens);
        return -ENOMEM;
    }
    if (copy_forwards(&copy.forwards, c->n_forwards)) {
        free_ranges(copy.listens, copy.n_listens);
        free_ranges(copy.appliance.drops, copy.appliance.n_drops);
        return -ENOMEM;
    }
    if (copy_addresses(&copy.also, c->n_also)) {
        free_ranges(copy.listens, copy.n_listens);
        free_ranges(copy.appliance.drops, copy.appliance.n_drops);
        free_forwards(copy.forwards, copy.n_forwards);
        return -ENOMEM;
    }
    *out = copy;
    return 0;
}

struct host *host_new(const struct host_env *env, const struct host_config *c)
{
    struct host *h = mem_alloc(sizeof *h);
    if (!h)
        return NULL;
    if (config_copy(&h->c, c)) {
        mem_free(h, sizeof *h);
        return NULL;
    }
    h->env = env;
    h->loop_tail = &h->loop;
    h->free_slot = UINT32_MAX;
    h->next_port = PORT_FIRST;
    h->next_low = PORT_LOWEST;
    h->ip_id = (uint16_t)hash_mix(c->port);
    return h;
}

int host_reconfigure(struct host *h, const struct host_config *c)
{
    struct host_config fresh;
    if (config_copy(&fresh, c))
        return -ENOMEM;
    config_free(&h->c);
    h->c = fresh;
    return 0;
}

void host_free(struct host *h)
{
    if (!h)
        return;
    host_tcp_free(h);
    while (h->run_first)
        host_run_free(h->run_first);
    for (struct packet *p = h->loop, *next; p; p = next) {
        next = p->next;
        packet_put(h->env->pool, p);
    }
    host_arp_free(h);
    host_reassembly_free(h);
    host_forward_free(h);
    host_dns_free(h);
    tab_free(&h->conns);
    tab_free(&h->flows);
    tab_free(&h->runs);
    tab_free(&h->arp);
    mem_free(h->slot, h->cap_slot * sizeof *h->slot);
    config_free(&h->c);
    mem_free(h, sizeof *h);
}

size_t host_connections(const struct host *h)
{
    return h->open.n;
}

/* -- deadlines ------------------------------------------------------------------------------------------- */

int64_t host_now(const struct host *h)
{
    return h->env->now(h->env->ctx);
}

static int more_slots(struct host *h)
{
    uint32_t cap = h->cap_slot ? 2 * h->cap_slot : 8;
    struct hook_slot *s = mem_resize(h->slot, h->cap_slot * sizeof *s, cap * sizeof *s);
    if (!s)
        return -ENOMEM;
    h->slot = s;
    h->cap_slot = cap;
    return 0;
}

int hook_add(struct host *h, struct hook *k, void (*fire)(struct host *h, struct hook *k))
{
    uint32_t i = h->free_slot;
    if (i != UINT32_MAX) {
        h->free_slot = h->slot[i].next_free;
    } else {
        if (h->n_slot == h->cap_slot && more_slots(h))
            return -ENOMEM;
        i = h->n_slot++;
    }
    h->slot[i].hook = k;
    *k = (struct hook){.fire = fire, .due = HOST_NEVER, .armed = HOST_NEVER, .slot = i};
    return 0;
}

void hook_del(struct host *h, struct hook *k)
{
    struct hook_slot *s = &h->slot[k->slot];
    s->hook = NULL;
    s->gen++;
    s->next_free = h->free_slot;
    h->free_slot = k->slot;
}

void hook_set(struct host *h, struct hook *k, int64_t at)
{
    int64_t poll = at == HOST_NEVER ? at : host_now(h) + HOST_POLL;
    k->due = at;
    if (at > poll)
        at = poll;
    if (at >= k->armed)
        return;
    k->armed = at;
    h->env->timer(h->env->ctx, h->c.port, at, (uint64_t)h->slot[k->slot].gen << 32 | k->slot);
}

void host_timer(struct host *h, uint64_t cookie)
{
    uint32_t i = (uint32_t)cookie;
    if (i >= h->n_slot || !h->slot[i].hook || h->slot[i].gen != cookie >> 32)
        return;
    struct hook *k = h->slot[i].hook;
    int64_t now = host_now(h);
    if (k->armed <= now)
        k->armed = HOST_NEVER;
    if (k->due <= now) {
        k->due = HOST_NEVER;
        k->fire(h, k);
    } else if (k->due != HOST_NEVER) {
        hook_set(h, k, k->due);
    }
    host_loop(h);
    host_tcp_reap(h);
}

/* -- tuples and ports ------------------------------------------------------------------------------------ */

uint64_t tuple_hash(const struct tuple *t)
{
    uint64_t ends = hash_mix((uint64_t)t->local << 32 | t->remote);
    return hash_mix(ends ^ ((uint64_t)t->proto << 32 | (uint64_t)t->lport << 16 | t->rport));
}

bool tuple_eq(const struct tuple *a, const struct tuple *b)
{
    return a->local == b->local && a->remote == b->remote && a->lport == b->lport && a->rport == b->rport &&
           a->proto == b->proto;
}

static bool conn_used(const struct host *h, const struct tuple *t)
{
    for (struct tab_link *l = tab_first(&h->conns, tuple_hash(t)); l; l = tab_next(l)) {
        const struct conn *c = conn_by_tuple(l);
        if (tuple_eq(&c->t, t))
            return true;
    }
    return false;
}

bool host_port_used(const struct host *h, const struct tuple *t)
{
    return host_run_find(h, t) || conn_used(h, t) || host_dns_port_used(h, t);
}

/* Look for a free port among the n from *next on, a cycle over [first, 65535]. */
static bool choose_from(struct host *h, struct tuple *t, uint16_t *next, uint16_t first, unsigned n)
{
    while (n--) {
        t->lport = *next;
        *next = *next == UINT16_MAX ? first : (uint16_t)(*next + 1);
        if (!host_port_used(h, t) && !host_forward_uses(h, t))
            return true;
    }
    return false;
}

bool host_port_choose(struct host *h, struct tuple *t)
{
    return choose_from(h, t, &h->next_port, PORT_FIRST, 64) ||
           choose_from(h, t, &h->next_low, PORT_LOWEST, PORTS);
}

/* -- what arrives ---------------------------------------------------------------------------------------- */

bool host_is_own(const struct host *h, ip4 a)
{
    for (size_t i = 0; i < h->c.n_also; i++)
        if (h->c.also[i] == a)
            return true;
    return h->c.any_addr || a == h->c.addr;
}

bool port_ranges_have(const struct port_range *r, size_t n, uint8_t proto, uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        if (r[i].proto == proto && (proto == IPPROTO_NR_ICMP || (r[i].first <= port && port <= r[i].last)))
            return true;
    }
    return false;
}

bool host_listens(const struct host *h, uint8_t proto, uint16_t port)
{
    if (proto == IPPROTO_NR_TCP && h->c.listens_all_tcp)
        return true;
    if (proto == IPPROTO_NR_UDP && port == 53 && h->c.dns_server)
        return true;
    return port_ranges_have(h->c.listens, h->c.n_listens, proto, port);
}

struct packet_meta host_answer_meta(const struct host *h, const struct packet_meta *m)
{
    struct packet_meta a = *m;
    a.reply = !m->reply;
    a.origin = a.last_hop = h->c.port;
    return a;
}

void host_deliver(struct host *h, struct packet *p, const struct packet_info *in)
{
    if (in->proto == IPPROTO_NR_TCP)
        host_tcp_input(h, p, in);
    else if (in->proto == IPPROTO_NR_UDP)
        host_udp_input(h, p, in);
    else if (in->proto == IPPROTO_NR_ICMP)
        host_icmp_input(h, p, in);
}

static void input_ip(struct host *h, struct packet *p, struct packet_info *in)
{
    if (!host_is_own(h, in->dst)) {
        host_forward(h, p, in);
        return;
    }
    if (h->nat && host_forward_back(h, p, in))
        return;
    if (in->mf || in->frag_offset) {
        p = host_reassemble(h, p, in);
        if (!p || packet_parse(p->data, p->len, in) || !packet_checksums_ok(p->data, p->len)) {
            packet_put(h->env->pool, p);
            return;
        }
    }
    host_deliver(h, p, in);
    packet_put(h->env->pool, p);
}

void host_input(struct host *h, struct packet *p)
{
    struct packet_info in;
    int rc = packet_parse(p->data, p->len, &in);
    if (rc == 0 && packet_checksums_ok(p->data, p->len)) {
        input_ip(h, p, &in);
    } else {
        if (rc == -EPROTONOSUPPORT && in.ethertype == WIRE_ETHERTYPE_ARP)
            host_arp_input(h, p);
        packet_put(h->env->pool, p);
    }
    host_loop(h);
    host_tcp_reap(h);
}
