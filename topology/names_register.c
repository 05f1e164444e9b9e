/* names_register.c - what zone groups have written into private zones, over time. Essay: names.c.
 *
 * A zone group writes the addresses of its endpoint when it comes to be, or changes; it does not watch over
 * them (N-09). Of two endpoints of one resource that write into one zone the later write stands (N-10), and
 * when the endpoint that wrote it goes, its record goes with it: the earlier endpoint's does not come back.
 * So what a zone holds cannot be seen from a network alone, it takes the one before. Each model therefore
 * lists the registrations of its endpoints, and which of them still stand:
 *
 *      as before       same endpoint, zone, name and address: stands if it stood
 *      fresh           was not there, or had another address: stands, and no other of that name in that zone
 *      gone            in no list (N-11)
 *
 * A record set by hand that comes or changes later is the later write, too. In the first state everything is
 * fresh, in file order, and records by hand are older. Costs: a sort of the registrations. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "topology/names_int.h"

typedef struct zone_registration reg;

struct reg_list {
    struct arena *a;
    reg *at;
    size_t n, cap;
};

static ip4 member_address(const struct private_endpoint *e, const char *member)
{
    for (size_t i = 0; i < e->ipConfigurations.n; i++)
        if (!*member || !strcasecmp(e->ipConfigurations.at[i].memberName, member))
            return e->ipConfigurations.at[i].privateIPAddress;
    return 0;
}

/* What an endpoint writes into one zone of its group. */
static void write_zone(struct reg_list *l, struct private_endpoint *e, struct private_zone *z)
{
    struct service_name *names;
    const char *group = names_endpoint_group(e);
    const size_t n = names_of_service(l->a, e->service, &names);
    for (size_t i = 0; i < n; i++) {
        const char *record =
            names[i].privatelink_fqdn ? zone_record(l->a, names[i].privatelink_fqdn, z->zoneName) : NULL;
        const ip4 ip = member_address(e, names[i].member);
        if (!record || !ip || (*names[i].group && strcasecmp(names[i].group, group) != 0))
            continue;
        *(reg *)arena_push(l->a, &l->at, &l->n, &l->cap, sizeof *l->at) =
            (reg){.zone = z, .endpoint = e, .record = record, .addr = ip};
    }
}

static void write_all(struct reg_list *l, struct model *m)
{
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        struct private_endpoint *e = &m->privateEndpoints.at[i];
        if (!e->service || e->status == PE_PENDING) /* N-16: nothing while pending */
            continue;
        for (size_t k = 0; k < e->privateDnsZoneGroup.n; k++)
            if (zone_is_privatelink(
                    e->privateDnsZoneGroup.at[k]->zoneName)) /* the group's names are all below one */
                write_zone(l, e, e->privateDnsZoneGroup.at[k]);
    }
}

/* -- by name: zone, record, endpoint --------------------------------------------------------------------- */

static int same_record(const reg *a, const reg *b)
{
    const int zone = strcasecmp(a->zone->name, b->zone->name);
    return zone ? zone : strcasecmp(a->record, b->record);
}

static int by_name(const void *x, const void *y)
{
    const reg *a = *(reg *const *)x, *b = *(reg *const *)y;
    const int record = same_record(a, b), endpoint = strcasecmp(a->endpoint->name, b->endpoint->name);
    return record ? record : endpoint;
}

static int by_file(const void *x, const void *y)
{
    const reg *a = *(reg *const *)x, *b = *(reg *const *)y;
    const int record = same_record(a, b);
    return record ? record
                  : (a->endpoint->index > b->endpoint->index) - (a->endpoint->index < b->endpoint->index);
}

static reg **sorted(struct arena *a, reg *at, size_t n, int (*order)(const void *, const void *))
{
    reg **list = arena_array(a, n, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = &at[i];
    if (n)
        qsort(list, n, sizeof *list, order);
    return list;
}

/* -- what stands ----------------------------------------------------------------------------------------- */

static const struct dns_record_spec *by_hand(const struct private_zone *z, const char *record)
{
    for (size_t i = 0; i < z->records.n; i++)
        if (z->records.at[i].type == RECORD_A && !strcasecmp(z->records.at[i].name, record))
            return &z->records.at[i];
    return NULL;
}

/* => whether a hand has written that name since the state before. */
static bool hand_wrote(const reg *r, const struct model *before)
{
    const struct private_zone *old = NULL;
    for (size_t i = 0; i < before->privateDnsZones.n && !old; i++)
        if (!strcasecmp(before->privateDnsZones.at[i].name, r->zone->name))
            old = &before->privateDnsZones.at[i];
    if (!old || old->node == r->zone->node)
        return false;
    const struct dns_record_spec *now = by_hand(r->zone, r->record), *was = by_hand(old, r->record);
    if (!now || !was || now->values.n != was->values.n)
        return now != NULL;
    for (size_t i = 0; i < now->values.n; i++)
        if (strcmp(now->values.at[i], was->values.at[i]) != 0)
            return true;
    return false;
}

/* Registrations of one name, in file order: carry over what stood, then let the last fresh one win. */
static void settle(reg **at, size_t n, reg *const *old, size_t n_old, const struct model *before)
{
    const reg *fresh = NULL;
    for (size_t i = 0; i < n; i++) {
        reg *const *was = n_old ? bsearch(&at[i], old, n_old, sizeof *old, by_name) : NULL;
        if (was && (*was)->addr == at[i]->addr)
            at[i]->live = (*was)->live;
        else
            fresh = at[i];
    }
    const bool hand = !fresh && before && hand_wrote(at[0], before);
    for (size_t i = 0; i < n && (fresh || hand); i++)
        at[i]->live = at[i] == fresh;
}

void names_register(struct model *m, const struct model *before)
{
    struct reg_list l = {.a = m->arena};
    struct arena *a = arena_new("registrations");
    const size_t n_old = before ? before->zoneRegistrations.n : 0;
    write_all(&l, m);
    reg **old = sorted(a, n_old ? before->zoneRegistrations.at : NULL, n_old, by_name),
        **now = sorted(a, l.at, l.n, by_file);
    for (size_t i = 0, end; i < l.n; i = end) {
        for (end = i + 1; end < l.n && same_record(now[i], now[end]) == 0; end++)
            ;
        settle(now + i, end - i, old, n_old, before);
    }
    m->zoneRegistrations.at = l.at;
    m->zoneRegistrations.n = l.n;
    arena_free(a);
}
