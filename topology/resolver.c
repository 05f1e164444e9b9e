/* resolver.c - who asks whom for names, and what each DNS server answers.
 *
 * Purpose: the data plane carries questions and answers as packets and knows nothing of zones; here is what
 * it is told. The same functions serve a run, `vnetsim resolve` and expectations: whoever wants to know what
 * a name gives somewhere asks by packets from there.
 *
 *      who asks                        whom
 *      NIC                             its network's dnsServers in order, else 168.63.129.16 (N-03)
 *      on-premises host                its network's resolver
 *      Internet host, service          the public resolver
 *
 *      who is asked                    answers
 *      168.63.129.16                   in the view of the network whose machine asks (N-03, N-07)
 *      public resolver                 the public view
 *      server in a virtual machine     its own zones; its forwarder knows the rest, else the public resolver
 *      on-premises resolver            nothing of its own: dnsForwarders by the longest zone (N-08), else the
 *                                      public resolver
 *
 * 168.63.129.16 answers the machine that puts the question to it: with a custom server between, that is the
 * server, and the client's links do not count (N-07). It is no address on the Internet, so a question from
 * on-premises reaches nobody (N-08).
 *
 * An on-premises host that listens on udp/53 is its network's resolver (the first one is whom the others
 * ask). Where there is none the model puts a machine into the network: at the highest address of its first
 * prefix that no host has and that no virtual network covers.
 *
 * A public address that is named as a DNS server and is nobody's in the model stands for a public resolver;
 * an Internet host there that listens on udp/53 answers like one. */
#include "topology/resolver.h"

#include "topology/names.h"

#include <string.h>

enum { DNS_PORT = 53, IP_UDP = 17 };

const struct vnet *thing_vnet(struct thing t)
{
    switch (t.kind) {
    case THING_NIC:
        return ((const struct nic *)t.p)->subnet->vnet;
    case THING_ENDPOINT:
        return ((const struct private_endpoint *)t.p)->subnet->vnet;
    case THING_GATEWAY:
        return ((const struct gateway *)t.p)->virtualNetwork;
    case THING_NONE:
    case THING_ONPREM_HOST:
    case THING_INTERNET_HOST:
    case THING_SERVICE:
    case THING_LB_FRONTEND:
        break;
    }
    return NULL;
}

/* -- whom to ask ----------------------------------------------------------------------------------------- */

size_t resolver_servers(struct arena *a, const struct model *m, struct thing from, const ip4 **out)
{
    static const ip4 platform = IP4_PLATFORM, public = PUBLIC_RESOLVER;
    const struct vnet *v = thing_vnet(from);
    if (v && v->dnsServers.n) {
        *out = v->dnsServers.at;
        return v->dnsServers.n;
    }
    *out = v ? &platform : &public;
    if (from.kind == THING_ONPREM_HOST) {
        ip4 *own = arena_alloc(a, sizeof *own);
        *own = resolver_onprem(m, ((const struct onprem_host *)from.p)->network, NULL);
        *out = own;
    }
    return 1;
}

static bool serves_dns(const port_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].proto == IP_UDP && l->at[i].first <= DNS_PORT && DNS_PORT <= l->at[i].last)
            return true;
    return false;
}

static bool in_some_vnet(const struct model *m, ip4 addr)
{
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        for (size_t k = 0; k < m->virtualNetworks.at[i].addressPrefixes.n; k++)
            if (prefix4_has(m->virtualNetworks.at[i].addressPrefixes.at[k], addr))
                return true;
    return false;
}

static bool some_host_has(const struct onprem *o, ip4 addr)
{
    for (size_t i = 0; i < o->hosts.n; i++)
        if (o->hosts.at[i].ipAddress == addr)
            return true;
    return false;
}

/* => the highest address of the prefix, but the last, that no host has; 0: none. */
static ip4 highest_free(const struct onprem *o, struct prefix4 p)
{
    const ip4 last = p.addr | (p.len ? ~(UINT32_MAX << (32 - p.len)) : UINT32_MAX);
    for (ip4 a = p.len < 31 ? last - 1 : last; a > p.addr; a--)
        if (!some_host_has(o, a))
            return a;
    return 0;
}

ip4 resolver_onprem(const struct model *m, const struct onprem *o, const struct onprem_host **host)
{
    const struct onprem_host *none;
    ip4 covered = 0;
    host = host ? host : &none;
    *host = NULL;
    for (size_t i = 0; i < o->hosts.n && !*host; i++)
        if (serves_dns(&o->hosts.at[i].listens))
            *host = &o->hosts.at[i];
    if (*host || !o->hosts.n)
        return *host ? (*host)->ipAddress : 0;
    for (size_t i = 0; i < o->addressPrefixes.n; i++) {
        ip4 a = o->addressPrefixes.at[i].len ? highest_free(o, o->addressPrefixes.at[i]) : 0;
        if (a && !in_some_vnet(m, a))
            return a;
        covered = covered ? covered : a;
    }
    return covered ? covered : highest_free(o, (struct prefix4){o->hosts.at[0].ipAddress & 0xffffff00, 24});
}

void resolver_each_named(const struct model *m, void (*fn)(void *ctx, ip4 addr), void *ctx)
{
    for (size_t i = 0; i < m->virtualNetworks.n; i++)
        for (size_t k = 0; k < m->virtualNetworks.at[i].dnsServers.n; k++)
            fn(ctx, m->virtualNetworks.at[i].dnsServers.at[k]);
    for (size_t i = 0; i < m->dnsServers.n; i++)
        if (m->dnsServers.at[i].forwarder)
            fn(ctx, m->dnsServers.at[i].forwarder);
    for (size_t i = 0; i < m->onPremisesNetworks.n; i++)
        for (size_t k = 0; k < m->onPremisesNetworks.at[i].dnsForwarders.n; k++)
            fn(ctx, m->onPremisesNetworks.at[i].dnsForwarders.at[k].server);
}

struct wanted {
    ip4 addr;
    bool found;
};

static void compare(void *ctx, ip4 addr)
{
    struct wanted *w = ctx;
    w->found |= addr == w->addr;
}

bool resolver_internet_host(const struct model *m, const struct internet_host *h)
{
    struct wanted w = {h->ipAddress, false};
    if (serves_dns(&h->listens))
        resolver_each_named(m, compare, &w);
    return w.found;
}

/* -- what servers pass on -------------------------------------------------------------------------------- */

static const struct dns_server *server_on(const struct model *m, const struct nic *nic)
{
    for (size_t i = 0; i < m->dnsServers.n; i++)
        if (m->dnsServers.at[i].networkInterface == nic)
            return &m->dnsServers.at[i];
    return NULL;
}

size_t resolver_forwards_nic(struct arena *a, const struct model *m, const struct nic *nic,
                             const struct dns_forward **out)
{
    const struct dns_server *s = server_on(m, nic);
    if (!s)
        return 0;
    struct dns_forward *at = arena_alloc(a, sizeof *at);
    *at = (struct dns_forward){"", s->forwarder ? s->forwarder : PUBLIC_RESOLVER};
    *out = at;
    return 1;
}

size_t resolver_forwards_onprem(struct arena *a, const struct onprem *o, const struct dns_forward **out)
{
    const size_t n = o->dnsForwarders.n;
    struct dns_forward *at = arena_array(a, n + 1, sizeof *at);
    for (size_t i = 0; i < n; i++)
        at[i] =
            (struct dns_forward){names_lower(a, o->dnsForwarders.at[i].zone), o->dnsForwarders.at[i].server};
    at[n] = (struct dns_forward){"", PUBLIC_RESOLVER};
    *out = at;
    return n + 1;
}

bool resolver_onprem_host(const struct onprem_host *h)
{
    return serves_dns(&h->listens);
}

/* -- what they answer themselves ------------------------------------------------------------------------- */

static enum record_type record_of(uint16_t qtype)
{
    switch (qtype) {
    case DNS_TYPE_A:
        return RECORD_A;
    case DNS_TYPE_AAAA:
        return RECORD_AAAA;
    case DNS_TYPE_CNAME:
        return RECORD_CNAME;
    default:
        return RECORD_TXT; /* no type that a message can carry here: aliases, then no data */
    }
}

static void dns_copy(char *to, const char *from)
{
    size_t n = strnlen(from, DNS_NAME_MAX - 1);
    memcpy(to, from, n);
    to[n] = 0;
}

static void fill(struct dns_msg *m, const struct dns_result *res)
{
    m->response = m->recursion_available = true;
    m->rcode = res->status == NAMES_NXDOMAIN ? DNS_RCODE_NXDOMAIN : DNS_RCODE_NOERROR;
    m->n = 0;
    for (size_t i = 0; i < res->n && m->n < DNS_MAX_RR; i++) {
        const struct dns_rr *rr = &res->rr[i];
        if (rr->type != RECORD_A && rr->type != RECORD_CNAME)
            continue;
        struct dns_answer_rr *out = &m->rr[m->n++];
        *out = (struct dns_answer_rr){
            .type = rr->type == RECORD_A ? DNS_TYPE_A : DNS_TYPE_CNAME, .ttl = rr->ttl, .addr = rr->addr};
        dns_copy(out->name, rr->name);
        if (rr->type == RECORD_CNAME)
            dns_copy(out->target, rr->target);
    }
}

bool resolver_answer(struct arena *a, const struct compiled *c, uint32_t port, uint32_t client,
                     struct dns_msg *m, struct dns_result *res)
{
    const struct image *img = c->image;
    const struct thing at = port < img->n_ports ? c->thing[port] : (struct thing){0};
    const struct thing who = client < img->n_ports ? c->thing[client] : (struct thing){0};
    const enum record_type type = record_of(m->qtype);
    if (port == img->resolver) {
        names_resolve(a, c->model, thing_vnet(who), m->qname, type, res);
    } else if (port == img->public_resolver || at.kind == THING_INTERNET_HOST) {
        names_resolve(a, c->model, NULL, m->qname, type, res);
    } else {
        const struct dns_server *s = at.kind == THING_NIC ? server_on(c->model, at.p) : NULL;
        if (!s || !names_held(a, c->model, s->zones.at, s->zones.n, m->qname, type, res))
            return false;
    }
    fill(m, res);
    return true;
}
