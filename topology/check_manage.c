/* check_manage.c - what stands above networks: subscriptions. */
#include <strings.h>

#include "topology/check_int.h"
#include "topology/routes.h"

#define SMTP                  25u
#define APPLIANCES_ON_THE_WAY 8

/* -- TCP port 25 (G-15) ---------------------------------------------------------------------------------- */

/* => the public address that a flow goes to, as far as the file tells without asking DNS; 0: none. */
static ip4 outside(const struct model *m, const char *to)
{
    const struct thing t = model_find(m, to);
    ip4 ip;
    if (t.kind == THING_INTERNET_HOST)
        return ((const struct internet_host *)t.p)->ipAddress;
    if (ip4_parse(to, &ip) == 0)
        return ip4_is_public(ip) ? ip : 0;
    for (size_t i = 0; t.kind == THING_NONE && i < m->internetHosts.n; i++)
        for (size_t k = 0; k < m->internetHosts.at[i].names.n; k++)
            if (strcasecmp(m->internetHosts.at[i].names.at[k], to) == 0)
                return m->internetHosts.at[i].ipAddress;
    return 0;
}

/* => the interface by which the flow leaves Azure for the Internet; NULL: it does not. */
static const struct nic *leaves_by(struct arena *a, const struct model *m, const struct nic *nic, ip4 to)
{
    for (unsigned i = 0; i < APPLIANCES_ON_THE_WAY && nic; i++) {
        const struct eff_route *row = routes_select(routes_effective(a, m, nic->subnet), to, NULL);
        if (!row || row->type == NH_TYPE_INTERNET)
            return row ? nic : NULL;
        nic = row->type == NH_TYPE_VIRTUAL_APPLIANCE ? row->appliance : NULL;
    }
    return NULL;
}

void model_check_smtp(const struct model *m, const struct flow *f, struct diag *d)
{
    if (f->protocol != FLOW_TCP || f->destinationPort != SMTP || !f->from || !f->to)
        return;
    const struct thing from = model_find(m, f->from);
    const ip4 to = from.kind == THING_NIC ? outside(m, f->to) : 0;
    struct arena *a = arena_new("check");
    const struct nic *nic = to ? leaves_by(a, m, from.p, to) : NULL;
    if (nic && !model_subscription(m, nic->subscription))
        diag_warning(d, check_at(f->node, "destinationPort", f->at),
                     "flow '%s' leaves for TCP port 25 of the Internet by '%s': most subscriptions may not, and what "
                     "'%s' was bought as is not said under 'subscriptions', so it passes (G-15)",
                     f->name, nic->name, nic->subscription);
    arena_free(a);
}
