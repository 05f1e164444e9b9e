/* names.c - the resolver of the platform: which records answer a question, and where each of them comes from.
 *
 * Purpose: private endpoints are used by name, and most of what goes wrong with them goes wrong here: a zone
 * that is not linked, a record that is missing, a resource without endpoint in a network that hosts the
 * privatelink zone. So an answer is the whole chain, each record with its source.
 *
 * One step looks one name up: in the private zone with the longest matching name that is linked to the
 * network (N-03, N-15), which is authoritative (N-04), or in public DNS. An alias starts the next step with
 * its target, in the same network's view. The chain ends with answers, with NXDOMAIN or NODATA, or after
 * CHAIN_MAX aliases.
 *
 * Public DNS (names_service.c) knows the names of the services by their type's rule or fqdns, and Internet
 * hosts:
 *
 *      without endpoint             with endpoint (N-01, N-02)
 *      store.blob.core.windows.net  store.blob.core.windows.net             CNAME
 *          A                        store.privatelink.blob.core.windows.net CNAME, or a linked zone's A
 *                                   store.westeurope.fe.store.core...       A
 *
 * Whether a resource "has an endpoint" is asked per sub-resource. Pending endpoints do not count: their names
 * appear with the approval (N-16), and a stranger's request must not change what the world resolves. Rejected
 * and disconnected endpoints still count, and keep their records: both go when the endpoint is removed (N-11
 * tells what is left then).
 *
 * Private zones (names_zone.c) hold hand-made records, those of zone groups (N-09; names_register.c: the
 * later endpoint of one resource replaces the earlier, N-10), and machines of networks that register there.
 *
 * NxDomainRedirect (N-05): when a privatelink zone says NXDOMAIN, the rest of the chain is public.
 *
 * Odd cases: empty non-terminals and wildcards as RFC 1034 section 4.3.3 and RFC 4592 have them; a bare label
 * is the name of a virtual machine of the same network (P-14). Names by fqdns of Backup vaults have no public
 * alias (N-12). */
#include "topology/names.h"

#include <string.h>
#include <strings.h>

#include "topology/names_int.h"

enum { CHAIN_MAX = 16 };

void rr_add(struct rr_list *l, struct dns_rr rr)
{
    *(struct dns_rr *)arena_push(l->a, &l->at, &l->n, &l->cap, sizeof *l->at) = rr;
}

char *names_lower(struct arena *a, const char *s)
{
    char *low = arena_strdup(a, s);
    size_t n = strlen(low);
    for (char *p = low; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    if (n > 1 && low[n - 1] == '.')
        low[n - 1] = '\0';
    return low;
}

/* A machine of the network by its bare name, with or without the platform's suffix (P-14). */
static bool machine_lookup(struct rr_list *l, const struct model *m, const struct vnet *v, const char *name,
                           enum record_type type, enum names_status *status)
{
    const char *rest = strchr(name, '.');
    size_t label = rest ? (size_t)(rest - name) : strlen(name);
    if (rest && strcmp(rest, ".internal.cloudapp.net") != 0)
        return false;
    for (size_t i = 0; i < m->networkInterfaces.n; i++) {
        const struct nic *x = &m->networkInterfaces.at[i];
        if (!x->virtualMachine || !x->subnet || x->subnet->vnet != v || strlen(x->virtualMachine) != label ||
            strncasecmp(x->virtualMachine, name, label) != 0)
            continue;
        *status = type == RECORD_A ? NAMES_OK : NAMES_NODATA;
        if (type == RECORD_A)
            rr_add(l, (struct dns_rr){.name = name,
                                      .type = RECORD_A,
                                      .ttl = TTL_REGISTERED,
                                      .addr = x->privateIPAddress,
                                      .source =
                                          arena_printf(l->a, "virtual network %s (%s)", v->name, x->name)});
        return true;
    }
    return false;
}

/* One step. *public is set once the rest of the chain is public. */
static enum names_status step(struct rr_list *l, const struct model *m, const struct vnet *v,
                              const char *name, enum record_type type, bool *public)
{
    const struct private_zone *z = NULL;
    const struct zone_link *link = *public ? NULL : zone_for(m, v, name, &z);
    enum names_status status;
    if (link) {
        status = zone_lookup(l, m, z, name, type);
        bool redirect = link->resolutionPolicy == RESOLVE_NXDOMAIN_REDIRECT &&
                        zone_is_privatelink(z->zoneName) &&
                        (type == RECORD_A || type == RECORD_AAAA || type == RECORD_CNAME);
        if (status != NAMES_NXDOMAIN || !redirect)
            return status;
        *public = true; /* N-05 */
    }
    if (!*public && machine_lookup(l, m, v, name, type, &status))
        return status;
    return public_lookup(l, m, name, type);
}

bool names_held(struct arena *a, const struct model *m, struct private_zone *const *zone, size_t n,
                const char *qname, enum record_type qtype, struct dns_result *out)
{
    struct rr_list l = {.a = a};
    const char *name = names_lower(a, qname);
    const struct private_zone *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (zone_has(zone[i]->zoneName, name) &&
            (!best || strlen(zone[i]->zoneName) > strlen(best->zoneName)))
            best = zone[i];
    if (!best)
        return false;
    *out = (struct dns_result){.status = zone_lookup(&l, m, best, name, qtype)};
    out->rr = l.at;
    out->n = l.n;
    return true;
}

void names_resolve(struct arena *a, const struct model *m, const struct vnet *vnet, const char *qname,
                   enum record_type qtype, struct dns_result *out)
{
    struct rr_list l = {.a = a};
    const char *name = names_lower(a, qname);
    bool public = !vnet;
    *out = (struct dns_result){.status = NAMES_NODATA};
    for (int i = 0; i < CHAIN_MAX; i++) {
        size_t before = l.n;
        out->status = step(&l, m, vnet, name, qtype, &public);
        bool alias = out->status == NAMES_OK && l.n == before + 1 && l.at[before].type == RECORD_CNAME;
        if (!alias || qtype == RECORD_CNAME)
            break;
        name = l.at[before].target;
        out->status = NAMES_NODATA; /* in case this was the last allowed alias */
    }
    out->rr = l.at;
    out->n = l.n;
}
