/* address_member.c - the members of private endpoints: which addresses an endpoint has, and what they are for
 * (A-10). */
#include <string.h>
#include <strings.h>

#include "dataplane/arena.h"
#include "topology/address_int.h"
#include "topology/names.h"
#include "topology/suggest.h"
#include "topology/types.h"

struct members {
    const char **at;
    size_t n; /* at least 1; "" alone for a resource without members */
};

/* the names of a vault beyond the eleven have addresses as well. */
static struct members with_given(struct arena *a, const struct private_endpoint *e, struct members l)
{
    struct service_name *names;
    const size_t n = names_of_service(a, e->service, &names);
    struct members all = {arena_array(a, l.n + n, sizeof *all.at), l.n};
    memcpy(all.at, l.at, l.n * sizeof *l.at);
    for (size_t i = 0; i < n; i++)
        if (names[i].own_address && !strcasecmp(names[i].group, names_endpoint_group(e)) &&
            !type_member(all.at, all.n, names[i].member))
            all.at[all.n++] = names[i].member;
    return all;
}

static struct members members_of(struct model *m, const struct private_endpoint *e)
{
    const struct service *s = e->service;
    struct members l;
    if (s) {
        l.n = type_members(m->arena, s->type ? type_find(s->type) : NULL, names_endpoint_group(e), s->name,
                           s->location, s->replicas.at, s->replicas.n, &l.at);
        return with_given(m->arena, e, l);
    }
    l.at = arena_array(m->arena, 1, sizeof *l.at);
    l.at[0] = "";
    l.n = 1;
    return l;
}

static const char *name_all(struct arena *a, struct members l)
{
    const char *s = l.at[0];
    for (size_t i = 1; i < l.n; i++)
        s = arena_printf(a, "%s, %s", s, l.at[i]);
    return s;
}

static const struct node *member_node(const struct private_endpoint *e, size_t i)
{
    const struct node *list = node_get(e->node, "ipConfigurations");
    const struct node *item = list && list->kind == NODE_SEQ && i < list->n ? list->item[i] : NULL;
    return item && item->kind == NODE_MAP ? node_get(item, "memberName") : NULL;
}

/* Which member an entry is for. => its index, or l.n after an error (none where the entry is left from
 * earlier). */
static size_t member_index(struct model *m, const struct private_endpoint *e, size_t entry, struct members l,
                           struct diag *d)
{
    const struct pe_ip *c = &e->ipConfigurations.at[entry];
    const struct node *n = member_node(e, entry);
    struct suggest s = {.word = c->memberName};
    if (type_member(l.at, l.n, c->memberName)) {
        size_t k = 0;
        while (l.at[k] != type_member(l.at, l.n, c->memberName))
            k++;
        return k;
    }
    if (!c->memberName || !*c->memberName) {
        diag_error(
            d, c->at,
            "ipConfigurations of private endpoint '%s': memberName is missing; the members are %s (A-09)",
            e->name, name_all(m->arena, l));
        return l.n;
    }
    for (size_t i = 0; i < l.n; i++)
        suggest_offer(&s, l.at[i]);
    if (c->allocated)
        return l.n; /* a replica that was removed: its address is free again */
    if (!*l.at[0])
        diag_error(d, n ? n->at : c->at, "private endpoint '%s' has no members to name '%s' (A-16)", e->name,
                   c->memberName);
    else if (s.best)
        diag_error(d, n ? n->at : c->at, "unknown member '%s' of private endpoint '%s'; did you mean '%s'?",
                   c->memberName, e->name, s.best);
    else
        diag_error(d, n ? n->at : c->at, "unknown member '%s' of private endpoint '%s'; the members are %s",
                   c->memberName, e->name, name_all(m->arena, l));
    return l.n;
}

void address_members(struct model *m, struct private_endpoint *e, struct diag *d)
{
    struct members l = members_of(m, e);
    struct pe_ip *at = arena_array(m->arena, l.n, sizeof *at);
    for (size_t i = 0; i < l.n; i++)
        at[i] = (struct pe_ip){.memberName = l.at[i], .at = e->at};
    for (size_t i = 0; i < e->ipConfigurations.n; i++) {
        const struct pe_ip *c = &e->ipConfigurations.at[i];
        size_t k = member_index(m, e, i, l, d);
        if (k == l.n)
            continue;
        if (at[k].privateIPAddress) {
            diag_error(d, c->at, "ipConfigurations of private endpoint '%s': two entries for member '%s'",
                       e->name, l.at[k]);
            continue;
        }
        at[k] = *c;
        at[k].memberName = l.at[k];
    }
    e->ipConfigurations.at = at;
    e->ipConfigurations.n = l.n;
}
