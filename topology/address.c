/* address.c - addresses for resources that name none.
 *
 * Purpose: a scenario needs to state only the addresses that matter to it. The others must be the ones that
 * Azure would give where Azure's choice is known (private addresses: the lowest free one, A-01), and must
 * stay what they are when something unrelated changes where it is not (public addresses: a hash of the name,
 * not a position in the file).
 *
 * Private addresses. All addresses in use are collected first as pairs (subnet, address) and sorted, so each
 * subnet has a slice of its own in ascending order. Nothing is freed while a model is completed, hence the
 * lowest free address of a subnet only grows: a cursor per subnet walks its prefixes and its slice together.
 * Cost: O(n log n) for n addresses, whatever the order of requests. An address outside its subnet's usable
 * ones (an error of the file, reported by check.c) is in the slice and does no harm.
 *
 * Public addresses. A pool is a list of address ranges with running counts; a name's hash modulo the pool's
 * size picks one, and the next one that is free is taken. Services draw from their tag. Public IP resources
 * and default outbound addresses draw from AzureCloud.<region> without the ranges of services that have
 * service endpoints, because Azure does not give those to customers and a virtual machine's address under a
 * Storage row would be wrong. Addresses that end in 0 or 255 are avoided for the reader's sake. Order:
 * services, public IP resources, NICs: who comes first keeps its place when two names hash to the same
 * address.
 *
 * Odd cases: members of endpoints (address_member). A later state may lack a member that an earlier one had
 * (a replica was removed): its entry is dropped without a word if it had been allocated, and is an error if
 * the file says it.
 *
 * References, O-06. */
#include "topology/address.h"

#include <stdlib.h>
#include <strings.h>

#include "dataplane/arena.h"
#include "topology/address_int.h"

enum { RESERVED_LOW = 4, RESERVED_HIGH = 1 }; /* */

uint64_t address_capacity(struct prefix4 p)
{
    uint64_t all = (uint64_t)1 << (32 - p.len);
    return all > RESERVED_LOW + RESERVED_HIGH ? all - RESERVED_LOW - RESERVED_HIGH : 0;
}

bool address_in_subnet(const struct subnet *s, ip4 ip)
{
    for (size_t i = 0; i < s->addressPrefixes.n; i++)
        if (prefix4_has(s->addressPrefixes.at[i], ip))
            return true;
    return false;
}

static bool usable_in(struct prefix4 p, ip4 ip)
{
    return prefix4_has(p, ip) && ip - p.addr >= RESERVED_LOW && prefix4_last(p) - ip >= RESERVED_HIGH;
}

bool address_usable(const struct subnet *s, ip4 ip)
{
    for (size_t i = 0; i < s->addressPrefixes.n; i++)
        if (usable_in(s->addressPrefixes.at[i], ip))
            return true;
    return false;
}

ip4 address_default_outbound(const struct model *m, const struct nic *nic)
{
    (void)m;
    return nic->defaultOutboundAddress;
}

/* -- private addresses ----------------------------------------------------------------------------------- */

struct used {
    uint32_t subnet;
    ip4 ip;
};

struct cursor {       /* one per subnet */
    size_t prefix;    /* the prefix that is being filled */
    uint64_t next;    /* its next candidate; 0: not begun. 64 bits: may pass the last address of all */
    size_t used, end; /* rest of the subnet's slice of used[] */
    bool said;        /* that it is full */
};

struct plan {
    struct model *m;
    struct diag *d;
    struct used *used;
    size_t n, cap;
    struct cursor *cursor; /* by subnet id */
};

static void use(struct plan *p, const struct subnet *s, ip4 ip)
{
    if (!s || !ip)
        return;
    struct used *u = arena_push(p->m->arena, &p->used, &p->n, &p->cap, sizeof *p->used);
    *u = (struct used){s->id, ip};
}

static int used_cmp(const void *a, const void *b)
{
    const struct used *x = a, *y = b;
    if (x->subnet != y->subnet)
        return x->subnet < y->subnet ? -1 : 1;
    return x->ip < y->ip ? -1 : x->ip > y->ip;
}

struct subnet *address_gateway_subnet(const struct vnet *v)
{
    for (size_t i = 0; v && i < v->subnets.n; i++)
        if (!strcasecmp(v->subnets.at[i].name, "GatewaySubnet"))
            return &v->subnets.at[i];
    return NULL;
}

static void use_endpoints(struct plan *p)
{
    for (size_t i = 0; i < p->m->privateLinkServices.n; i++) {
        const struct pls *s = &p->m->privateLinkServices.at[i];
        for (size_t k = 0; k < s->natIPs.n; k++)
            use(p, s->subnet, s->natIPs.at[k]);
    }
    for (size_t i = 0; i < p->m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &p->m->privateEndpoints.at[i];
        for (size_t k = 0; k < e->ipConfigurations.n; k++)
            use(p, e->subnet, e->ipConfigurations.at[k].privateIPAddress);
    }
}

static void use_model(struct plan *p)
{
    const struct model *m = p->m;
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++) {
        const struct gateway *g = &m->virtualNetworkGateways.at[i];
        for (size_t k = 0; k < g->instances.n; k++)
            use(p, address_gateway_subnet(g->virtualNetwork), g->instances.at[k]);
    }
    for (size_t i = 0; i < m->networkInterfaces.n; i++)
        use(p, m->networkInterfaces.at[i].subnet, m->networkInterfaces.at[i].privateIPAddress);
    for (size_t i = 0; i < m->loadBalancers.n; i++)
        for (size_t k = 0; k < m->loadBalancers.at[i].frontendIPConfigurations.n; k++) {
            const struct lb_frontend *f = &m->loadBalancers.at[i].frontendIPConfigurations.at[k];
            use(p, f->subnet, f->privateIPAddress);
        }
    use_endpoints(p);
}

struct name_id { /* a subnet by its full name, for prior entries */
    const char *name;
    const struct subnet *subnet;
};

static int name_id_cmp(const void *a, const void *b)
{
    return strcasecmp(((const struct name_id *)a)->name, ((const struct name_id *)b)->name);
}

static void use_prior(struct plan *p, const struct address_prior *prior)
{
    struct arena *a = p->m->arena;
    struct name_id *byname = NULL;
    size_t n = 0, cap = 0;
    if (!prior || !prior->n)
        return;
    for (size_t i = 0; i < p->m->virtualNetworks.n; i++) {
        struct vnet *v = &p->m->virtualNetworks.at[i];
        for (size_t k = 0; k < v->subnets.n; k++) {
            struct name_id *x = arena_push(a, &byname, &n, &cap, sizeof *byname);
            *x =
                (struct name_id){arena_printf(a, "%s/%s", v->name, v->subnets.at[k].name), &v->subnets.at[k]};
        }
    }
    if (n)
        qsort(byname, n, sizeof *byname, name_id_cmp);
    for (size_t i = 0; n && i < prior->n; i++) {
        struct name_id key = {prior->at[i].subnet, NULL};
        struct name_id *x = key.name ? bsearch(&key, byname, n, sizeof *byname, name_id_cmp) : NULL;
        if (x)
            use(p, x->subnet, prior->at[i].ip);
    }
}

/* Sort what is used and give each subnet its slice. */
static void open_cursors(struct plan *p)
{
    p->cursor = arena_array(p->m->arena, p->m->subnet_count, sizeof *p->cursor);
    if (p->n)
        qsort(p->used, p->n, sizeof *p->used, used_cmp);
    for (size_t i = 0; i < p->n;) {
        size_t end = i;
        while (end < p->n && p->used[end].subnet == p->used[i].subnet)
            end++;
        p->cursor[p->used[i].subnet].used = i;
        p->cursor[p->used[i].subnet].end = end;
        i = end;
    }
}

/* Prefixes of a subnet need not be in ascending order, the slice is: begin it anew with each prefix. */
static void cursor_begin(const struct plan *p, struct cursor *c, uint32_t subnet, struct prefix4 prefix)
{
    c->next = (uint64_t)prefix.addr + RESERVED_LOW;
    while (c->used > 0 && p->used[c->used - 1].subnet == subnet && p->used[c->used - 1].ip >= prefix.addr)
        c->used--;
}

/* => the lowest free address of the subnet, or 0: none. */
static ip4 take(struct plan *p, const struct subnet *s)
{
    struct cursor *c = &p->cursor[s->id];
    for (; c->prefix < s->addressPrefixes.n; c->prefix++, c->next = 0) {
        struct prefix4 prefix = s->addressPrefixes.at[c->prefix];
        if (!c->next)
            cursor_begin(p, c, s->id, prefix);
        for (; c->next + RESERVED_HIGH <= prefix4_last(prefix); c->next++) {
            while (c->used < c->end && p->used[c->used].ip < c->next)
                c->used++;
            if (c->used == c->end || p->used[c->used].ip != c->next)
                return (ip4)c->next++;
        }
    }
    return 0;
}

/* => an address for a resource at its place, or 0 after an error (said once per resource). */
static ip4 give(struct plan *p, const struct subnet *s, struct origin at, const char *kind, const char *name)
{
    if (!s)
        return 0;
    ip4 ip = take(p, s);
    uint64_t room = 0;
    if (!ip) {
        for (size_t i = 0; i < s->addressPrefixes.n; i++)
            room += address_capacity(s->addressPrefixes.at[i]);
        diag_error(p->d, at, "no address is left in subnet '%s/%s' for %s '%s': it has %llu usable (A-01)",
                   s->vnet->name, s->name, kind, name, (unsigned long long)room);
    }
    return ip;
}

static void give_gateways(struct plan *p)
{
    for (size_t i = 0; i < p->m->virtualNetworkGateways.n; i++) {
        struct gateway *g = &p->m->virtualNetworkGateways.at[i];
        size_t want = g->activeActive ? 2 : 1, had = g->instances.n;
        ip4 *at = arena_array(p->m->arena, want, sizeof *at);
        for (size_t k = 0; k < want; k++)
            at[k] = k < had ? g->instances.at[k]
                            : give(p, address_gateway_subnet(g->virtualNetwork), g->at,
                                   "virtual network gateway", g->name);
        g->instances.at = at;
        g->instances.n = want;
    }
}

static void give_machines(struct plan *p)
{
    for (size_t i = 0; i < p->m->networkInterfaces.n; i++) {
        struct nic *x = &p->m->networkInterfaces.at[i];
        if (x->privateIPAddress)
            continue;
        x->privateIPAddress = give(p, x->subnet, x->at, "network interface", x->name);
        x->allocated = true;
    }
    for (size_t i = 0; i < p->m->loadBalancers.n; i++)
        for (size_t k = 0; k < p->m->loadBalancers.at[i].frontendIPConfigurations.n; k++) {
            struct lb_frontend *f = &p->m->loadBalancers.at[i].frontendIPConfigurations.at[k];
            if (!f->subnet || f->privateIPAddress)
                continue;
            f->privateIPAddress = give(p, f->subnet, f->at, "load-balancer frontend", f->name);
            f->allocated = true;
        }
    for (size_t i = 0; i < p->m->privateLinkServices.n; i++) {
        struct pls *s = &p->m->privateLinkServices.at[i];
        if (s->natIPs.n || !s->subnet)
            continue;
        s->natIPs.at = arena_array(p->m->arena, 1, sizeof *s->natIPs.at);
        s->natIPs.n = 1;
        s->natIPs.at[0] = give(p, s->subnet, s->at, "private link service", s->name);
    }
}

static void give_endpoints(struct plan *p)
{
    for (size_t i = 0; i < p->m->privateEndpoints.n; i++) {
        struct private_endpoint *e = &p->m->privateEndpoints.at[i];
        if (!e->subnet || (!e->service && !e->pls))
            continue;
        address_members(p->m, e, p->d);
        for (size_t k = 0; k < e->ipConfigurations.n; k++) {
            struct pe_ip *c = &e->ipConfigurations.at[k];
            if (c->privateIPAddress)
                continue;
            c->privateIPAddress = give(p, e->subnet, e->at, "private endpoint", e->name);
            c->allocated = true;
        }
    }
}

void address_assign(struct model *m, const struct address_prior *prior, struct diag *d)
{
    struct plan p = {.m = m, .d = d};
    use_model(&p);
    use_prior(&p, prior);
    open_cursors(&p);
    give_gateways(&p);
    give_machines(&p);
    give_endpoints(&p);
    address_parts(m, d);
    address_public(m, prior, d);
}
