/* check_names.c - DNS names: of services and hosts, of private zones and their records. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "topology/check_int.h"
#include "topology/names.h"
#include "topology/types.h"

/* -- DNS names ------------------------------------------------------------------------------------------- */

/* => whether s has the form of a DNS name; with wild, its first label may be '*'. */
static bool dns_name(const char *s, bool wild)
{
    size_t label = 0, total = strlen(s);
    if (total && s[total - 1] == '.')
        total--;
    if (!total || total > 253)
        return false;
    for (size_t i = 0; i <= total; i++) {
        char ch = i < total ? s[i] : '.';
        bool star = wild && ch == '*' && i == 0 && (total == 1 || s[1] == '.');
        if (ch == '.' ? label == 0 || label > 63
                      : !star && !strchr("abcdefghijklmnopqrstuvwxyz"
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_",
                                         ch))
            return false;
        label = ch == '.' ? 0 : label + 1;
    }
    return true;
}

/* A public name means one thing. */
static void check_public_names(struct check *c)
{
    const struct model *m = c->m;
    struct unique_list l = {0};
    for (size_t i = 0; i < m->services.n; i++) {
        const struct service *s = &m->services.at[i];
        struct service_name *names;
        size_t n = names_of_service(c->a, s, &names);
        for (size_t k = 0; k < s->fqdns.n; k++)
            if (!dns_name(s->fqdns.at[k], false))
                diag_error(c->d, check_item(s->node, "fqdns", k, s->at),
                           "'%s' in fqdns of '%s' is not a DNS name", s->fqdns.at[k], s->name);
        for (size_t k = 0; k < n; k++)
            unique_add(c, &l,
                       (struct unique){.text = names[k].fqdn, .what = s->name, .at = s->at, .kind = (int)i});
    }
    for (size_t i = 0; i < m->internetHosts.n; i++) {
        const struct internet_host *h = &m->internetHosts.at[i];
        for (size_t k = 0; k < h->names.n; k++) {
            struct origin at = check_item(h->node, "names", k, h->at);
            if (!dns_name(h->names.at[k], false))
                diag_error(c->d, at, "'%s' in names of '%s' is not a DNS name", h->names.at[k], h->name);
            unique_add(c, &l,
                       (struct unique){.text = names_lower(c->a, h->names.at[k]),
                                       .what = h->name,
                                       .at = at,
                                       .kind = -1 - (int)i});
        }
    }
    unique_sort(&l);
    for (size_t i = 1; i < l.n; i++)
        if (unique_same(&l.at[i - 1], &l.at[i]) && l.at[i - 1].kind != l.at[i].kind)
            diag_error(c->d, l.at[i].at, "the name %s of '%s' belongs to '%s' already", l.at[i].text,
                       l.at[i].what, l.at[i - 1].what);
}

/* -- private zones --------------------------------------------------------------------------------------- */

static void check_links(struct check *c)
{
    const struct model *m = c->m;
    struct unique_list links = {0}, registering = {0};
    for (size_t i = 0; i < m->privateDnsZones.n; i++) {
        const struct private_zone *z = &m->privateDnsZones.at[i];
        for (size_t k = 0; k < z->virtualNetworkLinks.n; k++) {
            const struct zone_link *x = &z->virtualNetworkLinks.at[k];
            struct origin at = check_item(z->node, "virtualNetworkLinks", k, z->at);
            if (!x->virtualNetwork)
                continue;
            unique_add(
                c, &links,
                (struct unique){
                    .scope = x->virtualNetwork->index, .text = z->zoneName, .what = z->name, .at = at});
            if (x->registrationEnabled)
                unique_add(c, &registering,
                           (struct unique){.number = x->virtualNetwork->index, .what = z->name, .at = at});
            if (x->resolutionPolicy == RESOLVE_NXDOMAIN_REDIRECT && !zone_is_privatelink(z->zoneName))
                diag_warning(
                    c->d, at,
                    "NxDomainRedirect has no effect in zone '%s': it is for privatelink zones (N-05)",
                    z->zoneName);
        }
    }
    unique_sort(&links);
    unique_sort(&registering);
    for (size_t i = 1; i < links.n; i++)
        if (unique_same(&links.at[i - 1], &links.at[i]))
            diag_error(c->d, links.at[i].at,
                       "virtual network '%s' is linked to a zone '%s' already (zone resource '%s') "
                       "(N-15)",
                       m->virtualNetworks.at[links.at[i].scope].name, links.at[i].text, links.at[i - 1].what);
    for (size_t i = 1; i < registering.n; i++)
        if (unique_same(&registering.at[i - 1], &registering.at[i]))
            diag_error(c->d, registering.at[i].at,
                       "virtual network '%s' registers in zone '%s' already: one is allowed "
                       "(N-15)",
                       m->virtualNetworks.at[registering.at[i].number].name, registering.at[i - 1].what);
}

static void check_value(struct check *c, const struct private_zone *z, const struct dns_record_spec *r,
                        size_t k)
{
    const char *v = r->values.at[k], *want = NULL;
    struct in6_addr six;
    if (r->type == RECORD_AAAA && inet_pton(AF_INET6, v, &six) != 1)
        want = "an IPv6 address";
    else if ((r->type == RECORD_CNAME || r->type == RECORD_PTR) && !dns_name(v, false))
        want = "a DNS name";
    if (want)
        diag_error(c->d, check_item(r->node, "values", k, r->at),
                   "'%s' of record '%s' in zone '%s' is not %s", v, r->name, z->name, want);
}

static void check_record(struct check *c, const struct private_zone *z, const struct dns_record_spec *r)
{
    if (strcmp(r->name, "@") != 0 && !dns_name(r->name, true))
        diag_error(c->d, check_at(r->node, "name", r->at),
                   "'%s' in zone '%s' is not a record name: labels relative to the "
                   "zone, @ or *",
                   r->name, z->name);
    for (size_t k = 0; k < r->values.n; k++)
        check_value(c, z, r, k);
    if (r->type == RECORD_CNAME && !strcmp(r->name, "@"))
        diag_error(c->d, r->at, "record '@' in zone '%s' cannot be a CNAME", z->name);
}

static void check_records(struct check *c, const struct private_zone *z)
{
    struct unique_list names = {0};
    if (!dns_name(z->zoneName, false))
        diag_error(c->d, check_at(z->node, node_get(z->node, "zoneName") ? "zoneName" : "name", z->at),
                   "'%s' is not a DNS name", z->zoneName);
    for (size_t i = 0; i < z->records.n; i++) {
        const struct dns_record_spec *r = &z->records.at[i];
        check_record(c, z, r);
        unique_add(c, &names, (struct unique){.text = r->name, .kind = (int)r->type, .at = r->at});
    }
    unique_sort(&names);
    for (size_t i = 1; i < names.n; i++)
        if (unique_same(&names.at[i - 1], &names.at[i]) && names.at[i - 1].kind != names.at[i].kind &&
            (names.at[i - 1].kind == RECORD_CNAME || names.at[i].kind == RECORD_CNAME))
            diag_error(c->d, names.at[i].at,
                       "record '%s' in zone '%s': a CNAME cannot stand beside other records",
                       names.at[i].text, z->name);
}

/* N-13: the zone whose private form ("privatelink." before it) belongs to a service. */
static void check_base_zone(struct check *c, const struct private_zone *z)
{
    const char *private_form = arena_printf(c->a, "privatelink.%s", z->zoneName);
    const struct resource_type *t;
    if (zone_is_privatelink(z->zoneName))
        return;
    for (size_t i = 0; (t = type_at(i)); i++)
        if (z->virtualNetworkLinks.n && type_zone_known(t, NULL, private_form)) {
            diag_warning(c->d, z->at,
                         "zone '%s' hides the public names of every resource of %s from the linked networks; "
                         "the zone for private endpoints is '%s' (N-13)",
                         z->zoneName, t->title, private_form);
            return;
        }
}

static void check_servers(struct check *c)
{
    for (size_t i = 0; i < c->m->dnsServers.n; i++)
        for (size_t k = 0; k < i; k++) {
            const struct dns_server *s = &c->m->dnsServers.at[i], *o = &c->m->dnsServers.at[k];
            if (s->networkInterface == o->networkInterface)
                diag_error(c->d, check_at(s->node, "networkInterface", s->at),
                           "network interface '%s' has a DNS server already, '%s'", s->networkInterface->name,
                           o->name);
        }
}

void check_names(struct check *c)
{
    check_public_names(c);
    check_servers(c);
    check_links(c);
    for (size_t i = 0; i < c->m->privateDnsZones.n; i++) {
        check_records(c, &c->m->privateDnsZones.at[i]);
        check_base_zone(c, &c->m->privateDnsZones.at[i]);
    }
}
