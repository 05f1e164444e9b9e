/* address_part.c - a vault's endpoint is three endpoints.
 *
 * Who asks for an endpoint to a Recovery Services vault (group AzureBackup) gets the vault's, of the name
 * asked for, and two more with that name in front: one to the blobs and one to the queues that the backups go
 * to. The file holds one element, and so does the tree: approval, change and removal of the one are those of
 * all three. The model has three, each with its own name, link and addresses, so that routes, records,
 * captures and paths show what Azure shows.
 *
 * Addresses are given to the whole before it is taken apart, in the order of the members: what an endpoint
 * takes does not depend on which part a member is in. The whole keeps the complete list (`takes`), because a
 * later state must find it again.
 *
 * Azure documents that the two names begin with that of the vault's endpoint, not how they end: -blob and
 * -queue are ours. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "dataplane/arena.h"
#include "dataplane/rng.h"
#include "topology/address_int.h"
#include "topology/bind.h"
#include "topology/names.h"
#include "topology/registry.h"
#include "topology/types.h"

enum { PARTS_MAX = 4 };

static const struct resource_type *type_of(const struct private_endpoint *e)
{
    return e->service && e->service->type ? type_find(e->service->type) : NULL;
}

static size_t parts_of(const struct private_endpoint *e, const char *part[PARTS_MAX])
{
    const struct resource_type *t = type_of(e);
    return t ? type_parts(t, names_endpoint_group(e), part, PARTS_MAX) : 0;
}

/* The addresses of the whole whose members are in that part. */
static void take_addresses(struct arena *a, struct private_endpoint *e, const struct private_endpoint *whole,
                           const char *part)
{
    const struct resource_type *t = type_of(whole);
    e->ipConfigurations.at = arena_array(a, whole->takes.n, sizeof *e->ipConfigurations.at);
    e->ipConfigurations.n = 0;
    for (size_t i = 0; i < whole->takes.n; i++)
        if (!strcmp(type_member_part(t, names_endpoint_group(whole), whole->takes.at[i].memberName), part))
            e->ipConfigurations.at[e->ipConfigurations.n++] = whole->takes.at[i];
}

static bool link_taken(const struct model *m, uint32_t link)
{
    for (size_t i = 0; i < m->privateEndpoints.n; i++)
        if (m->privateEndpoints.at[i].linkIdentifier == link)
            return true;
    return !link;
}

/* PE-06: a link of its own, out of its name, as those of endpoints without linkIdentifier are. */
static uint32_t part_link(const struct model *m, const char *name)
{
    char *low = arena_strdup(m->arena, name);
    for (char *p = low; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    uint64_t h = hash_text(low);
    while (link_taken(m, (uint32_t)h))
        h = hash_mix(h);
    return (uint32_t)h;
}

/* Enter the part where flows, expectations and captures look for names. */
static void enter(struct model *m, struct private_endpoint *e, struct diag *d)
{
    bool is_new;
    struct reg *r = registry_add(m->names, kind_thing, e->name, e, e->at, &is_new);
    if (!is_new) {
        diag_error(d, e->at,
                   "private endpoint '%s' brings along one named '%s', and that name is taken (A-13)",
                   e->whole->name, e->name);
        diag_note(d, r->at, "it is here already");
        return;
    }
    r->tag = THING_ENDPOINT;
    registry_add(m->names, &table_endpoint, e->name, e, e->at, &is_new);
}

static void add_part(struct model *m, struct private_endpoint *whole, const char *part, struct diag *d)
{
    struct private_endpoint *e = &m->privateEndpoints.at[m->privateEndpoints.n];
    *e = *whole;
    e->name = arena_printf(m->arena, "%s-%s", whole->name, part);
    e->index = (uint32_t)m->privateEndpoints.n;
    e->whole = whole;
    e->takes.n = 0;
    e->linkIdentifier = part_link(m, e->name);
    take_addresses(m->arena, e, whole, part);
    m->privateEndpoints.n++;
    enter(m, e, d);
}

/* The list has moved: names lead to where its elements are now. */
static void enter_again(struct model *m)
{
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        struct private_endpoint *e = &m->privateEndpoints.at[i];
        struct reg *r = registry_find(m->names, &table_endpoint, e->name);
        if (r)
            r->p = e;
        r = registry_find(m->names, kind_thing, e->name);
        if (r && r->tag == THING_ENDPOINT)
            r->p = e;
    }
}

void address_parts(struct model *m, struct diag *d)
{
    const size_t n = m->privateEndpoints.n;
    const char *part[PARTS_MAX];
    size_t more = 0;
    for (size_t i = 0; i < n; i++)
        more += parts_of(&m->privateEndpoints.at[i], part);
    if (!more)
        return;
    struct private_endpoint *list = arena_array(m->arena, n + more, sizeof *list);
    memcpy(list, m->privateEndpoints.at, n * sizeof *list);
    m->privateEndpoints.at = list;
    enter_again(m);
    for (size_t i = 0; i < n; i++) {
        const size_t k = parts_of(&list[i], part);
        if (!k)
            continue;
        list[i].takes.at = list[i].ipConfigurations.at;
        list[i].takes.n = list[i].ipConfigurations.n;
        for (size_t j = 0; j < k; j++)
            add_part(m, &list[i], part[j], d);
        take_addresses(m->arena, &list[i], &list[i], "");
    }
}
