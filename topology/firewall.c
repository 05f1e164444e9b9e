/* firewall.c - the rules of platform services, as one list in order.
 *
 * SE-12 gives the order and this file follows it line by line: private endpoint, public access, default
 * action, subnet identity, public source, trusted service, no. What the order does not say, and is decided
 * here:
 *
 * - Through an endpoint the only questions are whether its connection is approved (the network has asked that
 * already) and whether the request is for the endpoint's own resource (PE-06); no rule of the service is
 * looked at (PE-13).
 * - On the public path one address serves many resources, so the rules are those of the resource that is
 * asked for.
 * - A closed service (public access disabled, PE-14) and one that takes endpoints only (PE-12) close the
 * public path before any rule, trusted services included. PE-12 looks at approved connections: a vault or an
 * account whose requests are still pending, or were all rejected, is as open as before.
 * - A rule for a subnet needs the identity that a service endpoint carries; a rule that is there before the
 * endpoint is on matches nothing (SE-16). A subnet of another tenant is refused by its tenant where it is
 * listed (SE-18).
 * - The policies of the sender's subnet (SE-19) stand before all that: they are the network's, and what they
 * refuse never comes to the service. They judge what went through the endpoint, so the identity is there.
 * - A request with such an identity has a private source, which no address rule can match (SE-03). In a
 * storage account's own region callers have Azure-private addresses even without it, so address rules have no
 * effect (SE-14).
 *
 * Cost: linear in the service's rules. */
#include "topology/firewall.h"

#include <string.h>
#include <strings.h>

#include "topology/endpoint_policy.h"
#include "topology/regions.h"

struct decision {
    struct arena *a;
    const struct model *m;
    const struct service *s;
    const struct caller *c;
    const char **text;
};

static enum reason say(const struct decision *d, enum reason r, const char *text)
{
    if (d->text)
        *d->text = text;
    return r;
}

static bool is_type(const struct service *s, const char *prefix)
{
    return s->type && !strncasecmp(s->type, prefix, strlen(prefix));
}

static enum reason through_endpoint(const struct decision *d)
{
    const struct private_endpoint *e = d->c->endpoint;
    const char *name = d->text ? arena_printf(d->a, "private endpoint %s", e->name) : NULL;
    if (e->status != PE_APPROVED)
        return say(d, REASON_ENDPOINT_NOT_APPROVED, name);
    if (d->c->asked && d->c->asked != e->service)
        return say(d, REASON_WRONG_RESOURCE, name);
    return say(d, REASON_NONE, name);
}

/* => the first approved endpoint of the service, or NULL. */
static const struct private_endpoint *approved_endpoint(const struct model *m, const struct service *s)
{
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        if (e->service == s && e->status == PE_APPROVED)
            return e;
    }
    return NULL;
}

/* => the endpoint because of which the service is closed to the public (PE-12), or NULL. */
static const struct private_endpoint *endpoints_only(const struct model *m, const struct service *s)
{
    const struct network_acls *acls = &s->networkAcls;
    if (is_type(s, "Microsoft.RecoveryServices/vaults"))
        return approved_endpoint(m, s);
    if (is_type(s, "Microsoft.DocumentDB/databaseAccounts") && !acls->ipRules.n &&
        !acls->virtualNetworkRules.n)
        return approved_endpoint(m, s);
    return NULL;
}

static bool tenants_differ(const struct service *s, const char *tenant)
{
    bool crosses = is_type(s, "Microsoft.Storage/") || is_type(s, "Microsoft.KeyVault/"); /* SE-18 */
    return !crosses && tenant && s->tenant && strcasecmp(tenant, s->tenant) != 0;
}

static bool subnet_listed(const struct decision *d)
{
    const struct network_acls *acls = &d->s->networkAcls;
    for (size_t i = 0; d->c->subnet && i < acls->virtualNetworkRules.n; i++)
        if (acls->virtualNetworkRules.at[i] == d->c->subnet)
            return true;
    return false;
}

static const struct prefix4 *source_listed(const struct decision *d)
{
    const struct network_acls *acls = &d->s->networkAcls;
    if (d->c->subnet || !ip4_is_public(d->c->source))
        return NULL;
    for (size_t i = 0; i < acls->ipRules.n; i++)
        if (prefix4_has(acls->ipRules.at[i], d->c->source))
            return &acls->ipRules.at[i];
    return NULL;
}

static bool same_region_storage(const struct decision *d)
{
    return is_type(d->s, "Microsoft.Storage/") && d->c->region && region_same(d->c->region, d->s->location);
}

static bool trusted(const struct decision *d)
{
    const str_list *bypass = &d->s->networkAcls.bypass;
    for (size_t i = 0; d->c->service && d->c->service->trustedService && i < bypass->n; i++)
        if (!strcasecmp(bypass->at[i], "AzureServices"))
            return true;
    return false;
}

static const char *rule_of_prefix(const struct decision *d, const struct prefix4 *p)
{
    char buf[PREFIX4_STRLEN];
    if (!d->text)
        return NULL;
    return arena_printf(d->a, "ipRules %s",
                        p->len == 32 ? ip4_format(p->addr, buf) : prefix4_format(*p, buf));
}

static const char *rule_of_subnet(const struct decision *d)
{
    const struct subnet *s = d->c->subnet;
    return d->text ? arena_printf(d->a, "virtualNetworkRules %s/%s", s->vnet->name, s->name) : NULL;
}

/* Steps 4 to 7 of SE-12, for a service whose default action is Deny. */
static enum reason by_rules(const struct decision *d)
{
    const struct prefix4 *p = source_listed(d);
    if (subnet_listed(d))
        return say(d, tenants_differ(d->s, d->c->tenant) ? REASON_TENANT_MISMATCH : REASON_NONE,
                   rule_of_subnet(d));
    if (p && !same_region_storage(d))
        return say(d, REASON_NONE, rule_of_prefix(d, p));
    if (trusted(d))
        return say(d, REASON_NONE, "bypass AzureServices");
    return say(d, REASON_SERVICE_FIREWALL, "defaultAction Deny");
}

enum reason firewall_decide(struct arena *a, const struct model *m, const struct service *s,
                            const struct caller *c, const char **rule_text)
{
    struct decision d = {a, m, c->asked ? c->asked : s, c, rule_text};
    const struct private_endpoint *e;
    if (c->endpoint)
        return through_endpoint(&d);
    if (c->subnet && !endpoint_policy_allows(a, m, c->subnet, d.s, rule_text))
        return REASON_ENDPOINT_POLICY_DENY;
    if (!d.s->publicNetworkAccess)
        return say(&d, REASON_PUBLIC_ACCESS_DISABLED, "publicNetworkAccess Disabled");
    e = endpoints_only(m, d.s);
    if (e)
        return say(&d, REASON_PRIVATE_ENDPOINT_ONLY,
                   rule_text ? arena_printf(a, "private endpoint %s", e->name) : NULL);
    if (!d.s->networkAcls.present || d.s->networkAcls.defaultAction == ACCESS_ALLOW)
        return say(&d, REASON_NONE, "defaultAction Allow");
    return by_rules(&d);
}
