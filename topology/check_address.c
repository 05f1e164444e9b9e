/* check_address.c - who has which address: private addresses in their subnets and networks, public ones in
 * the world, hosts in their on-premises networks. */
#include <string.h>

#include "topology/address.h"
#include "topology/check_int.h"

static const char *ip_text(struct check *c, ip4 ip)
{
    char buf[IP4_STRLEN];
    return arena_strdup(c->a, ip4_format(ip, buf));
}

static const char *named(struct check *c, const char *kind, const char *name)
{
    return arena_printf(c->a, "%s '%s'", kind, name);
}

/* -- private --------------------------------------------------------------------------------------------- */

static ip4 first_usable(struct prefix4 p)
{
    return p.addr + 4;
}

/* Inside one of the subnet's prefixes, and not one of the five that Azure keeps. */
static void check_place(struct check *c, const struct subnet *s, ip4 ip, const char *what, struct origin at)
{
    char a[IP4_STRLEN], b[IP4_STRLEN], buf[PREFIX4_STRLEN];
    if (address_usable(s, ip) || !s->addressPrefixes.n)
        return;
    struct prefix4 p = s->addressPrefixes.at[0];
    if (!address_in_subnet(s, ip)) {
        diag_error(c->d, at, "%s of %s is not in subnet '%s/%s' (%s)", ip4_format(ip, a), what, s->vnet->name,
                   s->name, prefix4_format(p, buf));
        return;
    }
    for (size_t i = 0; i < s->addressPrefixes.n; i++)
        if (prefix4_has(s->addressPrefixes.at[i], ip))
            p = s->addressPrefixes.at[i];
    if (address_capacity(p))
        diag_error(
            c->d, at,
            "%s of %s is one of the five addresses that Azure keeps in '%s/%s'; the usable ones are %s to "
            "%s (A-01)",
            ip4_format(ip, a), what, s->vnet->name, s->name, ip_text(c, first_usable(p)),
            ip4_format(prefix4_last(p) - 1, b));
    else
        diag_error(c->d, at, "%s of %s: subnet '%s/%s' (%s) has no usable address (A-01)", ip4_format(ip, a),
                   what, s->vnet->name, s->name, prefix4_format(p, buf));
}

static void private_add(struct check *c, struct unique_list *l, const struct subnet *s, ip4 ip,
                        const char *what, struct origin at)
{
    if (!s || !ip)
        return;
    check_place(c, s, ip, what, at);
    unique_add(c, l, (struct unique){.scope = s->vnet->index, .number = ip, .what = what, .at = at});
}

static void private_nics(struct check *c, struct unique_list *l)
{
    for (size_t i = 0; i < c->m->networkInterfaces.n; i++) {
        const struct nic *x = &c->m->networkInterfaces.at[i];
        private_add(c, l, x->subnet, x->privateIPAddress, named(c, "network interface", x->name),
                    check_at(x->node, "privateIPAddress", x->at));
    }
}

static void private_balancers(struct check *c, struct unique_list *l)
{
    for (size_t i = 0; i < c->m->loadBalancers.n; i++) {
        const struct load_balancer *b = &c->m->loadBalancers.at[i];
        for (size_t k = 0; k < b->frontendIPConfigurations.n; k++) {
            const struct lb_frontend *f = &b->frontendIPConfigurations.at[k];
            private_add(c, l, f->subnet, f->privateIPAddress,
                        arena_printf(c->a, "load-balancer frontend '%s/%s'", b->name, f->name),
                        check_at(f->node, "privateIPAddress", f->at));
        }
    }
    for (size_t i = 0; i < c->m->privateLinkServices.n; i++) {
        const struct pls *s = &c->m->privateLinkServices.at[i];
        for (size_t k = 0; k < s->natIPs.n; k++)
            private_add(c, l, s->subnet, s->natIPs.at[k], named(c, "private link service", s->name),
                        check_item(s->node, "natIPs", k, s->at));
    }
}

static void private_endpoints(struct check *c, struct unique_list *l)
{
    for (size_t i = 0; i < c->m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &c->m->privateEndpoints.at[i];
        for (size_t k = 0; k < e->ipConfigurations.n; k++) {
            const struct pe_ip *ip = &e->ipConfigurations.at[k];
            const char *what = named(c, "private endpoint", e->name);
            if (ip->memberName && *ip->memberName && e->ipConfigurations.n > 1)
                what = arena_printf(c->a, "%s (%s)", what, ip->memberName);
            private_add(c, l, e->subnet, ip->privateIPAddress, what, ip->at.file ? ip->at : e->at);
        }
    }
}

static void check_private(struct check *c)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < c->m->virtualNetworkGateways.n; i++) {
        const struct gateway *g = &c->m->virtualNetworkGateways.at[i];
        for (size_t k = 0; k < g->instances.n; k++)
            private_add(c, &l, address_gateway_subnet(g->virtualNetwork), g->instances.at[k],
                        named(c, "virtual network gateway", g->name), g->at);
    }
    private_nics(c, &l);
    private_balancers(c, &l);
    private_endpoints(c, &l);
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]))
            diag_error(c->d, l.at[i].at, "%s of %s is the address of %s already",
                       ip_text(c, (ip4)l.at[i].number), l.at[i].what, l.at[i - 1].what);
}

/* -- public ---------------------------------------------------------------------------------------------- */

enum public_kind { PUBLIC_RESOURCE, PUBLIC_SERVICE, PUBLIC_HOST, PUBLIC_ONPREM };

static void public_add(struct check *c, struct unique_list *l, enum public_kind kind, ip4 ip,
                       const char *what, struct origin at)
{
    if (!ip)
        return;
    if (!ip4_is_public(ip))
        diag_error(c->d, at, "%s of %s is not a public address", ip_text(c, ip), what);
    unique_add(c, l, (struct unique){.number = ip, .what = what, .at = at, .kind = kind});
}

static void public_onprem(struct check *c, struct unique_list *l)
{
    for (size_t i = 0; i < c->m->onPremisesNetworks.n; i++) {
        const struct onprem *o = &c->m->onPremisesNetworks.at[i];
        for (size_t k = 0; k < o->natIPs.n; k++)
            public_add(c, l, PUBLIC_ONPREM, o->natIPs.at[k], named(c, "on-premises network", o->name),
                       check_item(o->node, "natIPs", k, o->at));
    }
}

/* One public address belongs to one thing, except that services of the platform share front ends. */
static void check_public(struct check *c)
{
    const struct model *m = c->m;
    struct unique_list l = {0};
    for (size_t i = 0; i < m->publicIPAddresses.n; i++) {
        const struct public_ip *p = &m->publicIPAddresses.at[i];
        public_add(c, &l, PUBLIC_RESOURCE, p->ipAddress, named(c, "public IP address", p->name),
                   check_at(p->node, "ipAddress", p->at));
    }
    for (size_t i = 0; i < m->services.n; i++) {
        const struct service *s = &m->services.at[i];
        public_add(c, &l, PUBLIC_SERVICE, s->publicIPAddress, named(c, "service", s->name),
                   check_at(s->node, "publicIPAddress", s->at));
    }
    for (size_t i = 0; i < m->internetHosts.n; i++) {
        const struct internet_host *h = &m->internetHosts.at[i];
        public_add(c, &l, PUBLIC_HOST, h->ipAddress, named(c, "Internet host", h->name),
                   check_at(h->node, "ipAddress", h->at));
    }
    public_onprem(c, &l);
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]) &&
            (l.at[i - 1].kind != PUBLIC_SERVICE || l.at[i].kind != PUBLIC_SERVICE))
            diag_error(c->d, l.at[i].at, "%s of %s is the address of %s already",
                       ip_text(c, (ip4)l.at[i].number), l.at[i].what, l.at[i - 1].what);
}

static void user_add(struct check *c, struct unique_list *l, const struct public_ip *p, const char *what,
                     struct origin at)
{
    if (p)
        unique_add(c, l, (struct unique){.number = p->index, .text = p->name, .what = what, .at = at});
}

/* A public IP resource is attached to one thing. */
static void check_public_users(struct check *c)
{
    const struct model *m = c->m;
    struct unique_list l = {0};
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *x = &m->networkInterfaces.at[i];
        user_add(c, &l, x->publicIPAddress, named(c, "network interface", x->name),
                 check_at(x->node, "publicIPAddress", x->at));
    }
    for (size_t i = 0; i < m->natGateways.n; i++) {
        const struct nat_gateway *g = &m->natGateways.at[i];
        for (size_t k = 0; k < g->publicIPAddresses.n; k++)
            user_add(c, &l, g->publicIPAddresses.at[k], named(c, "NAT gateway", g->name),
                     check_item(g->node, "publicIPAddresses", k, g->at));
    }
    for (size_t i = 0; i < m->virtualNetworkGateways.n; i++) {
        const struct gateway *g = &m->virtualNetworkGateways.at[i];
        user_add(c, &l, g->publicIPAddress, named(c, "virtual network gateway", g->name),
                 check_at(g->node, "publicIPAddress", g->at));
    }
    for (size_t i = 0; i < m->loadBalancers.n; i++)
        for (size_t k = 0; k < m->loadBalancers.at[i].frontendIPConfigurations.n; k++) {
            const struct lb_frontend *f = &m->loadBalancers.at[i].frontendIPConfigurations.at[k];
            user_add(c, &l, f->publicIPAddress, named(c, "load-balancer frontend", f->name),
                     check_at(f->node, "publicIPAddress", f->at));
        }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]))
            diag_error(c->d, l.at[i].at, "public IP address '%s' of %s belongs to %s already", l.at[i].text,
                       l.at[i].what, l.at[i - 1].what);
}

/* -- on-premises ----------------------------------------------------------------------------------------- */

static void check_hosts(struct check *c, const struct onprem *o)
{
    struct unique_list l = {0};
    for (size_t i = 0; i < o->hosts.n; i++) {
        const struct onprem_host *h = &o->hosts.at[i];
        struct origin at = check_at(h->node, "ipAddress", h->at);
        bool inside = false;
        for (size_t k = 0; k < o->addressPrefixes.n; k++)
            inside |= prefix4_has(o->addressPrefixes.at[k], h->ipAddress);
        if (!inside)
            diag_error(c->d, at, "%s of host '%s/%s' is not inside an address prefix of '%s'",
                       ip_text(c, h->ipAddress), o->name, h->name, o->name);
        unique_add(c, &l, (struct unique){.number = h->ipAddress, .what = h->name, .at = at});
    }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]))
            diag_error(c->d, l.at[i].at, "%s of host '%s/%s' is the address of host '%s/%s' already",
                       ip_text(c, (ip4)l.at[i].number), o->name, l.at[i].what, o->name, l.at[i - 1].what);
}

void check_addresses(struct check *c)
{
    check_private(c);
    check_public(c);
    check_public_users(c);
    for (size_t i = 0; i < c->m->onPremisesNetworks.n; i++)
        check_hosts(c, &c->m->onPremisesNetworks.at[i]);
}
