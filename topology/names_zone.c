/* names_zone.c - what private zones hold, and how they answer. Essay: names.c. */
#include <string.h>
#include <strings.h>

#include "topology/names_int.h"

bool zone_has(const char *zone, const char *name)
{
    size_t len = strlen(zone), n = strlen(name);
    return len <= n && strcasecmp(name + n - len, zone) == 0 && (n == len || name[n - len - 1] == '.');
}

const struct zone_link *zone_for(const struct model *m, const struct vnet *v, const char *name,
                                 const struct private_zone **zone)
{
    const struct zone_link *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < m->privateDnsZones.n; i++) {
        const struct private_zone *z = &m->privateDnsZones.at[i];
        size_t len = strlen(z->zoneName);
        if (len <= longest || !zone_has(z->zoneName, name))
            continue;
        for (size_t k = 0; k < z->virtualNetworkLinks.n; k++)
            if (z->virtualNetworkLinks.at[k].virtualNetwork == v) {
                best = &z->virtualNetworkLinks.at[k];
                *zone = z;
                longest = len;
                break;
            }
    }
    return best;
}

/* -- entries: everything that a zone holds, made one after the other ------------------------------------- */

struct entry {
    const char *record; /* relative to the zone: "www", "@", "*" */
    enum record_type type;
    uint32_t ttl;
    ip4 addr;
    const char *target;
    const char *owner; /* who made it: an endpoint, a machine; NULL: by hand */
};

/* What is asked of a zone. Entries that cannot match are not made. */
struct question {
    struct arena *a;
    const struct model *m;
    const struct private_zone *z;
    const char *record; /* NULL: all entries are wanted */
};
struct entry_list {
    struct entry *at;
    size_t n, cap;
};

static void entry_add(const struct question *q, struct entry_list *l, struct entry e)
{
    if (!q->record || !strcasecmp(q->record, e.record))
        *(struct entry *)arena_push(q->a, &l->at, &l->n, &l->cap, sizeof *l->at) = e;
}

static void hand_made(const struct question *q, struct entry_list *l)
{
    for (size_t i = 0; i < q->z->records.n; i++) {
        const struct dns_record_spec *r = &q->z->records.at[i];
        if (q->record && strcasecmp(q->record, r->name) != 0)
            continue;
        for (size_t k = 0; k < r->values.n; k++) {
            struct entry e = {.record = r->name, .type = r->type, .ttl = r->ttl, .target = r->values.at[k]};
            if (r->type == RECORD_A && ip4_parse(e.target, &e.addr))
                continue;
            if (r->type == RECORD_A)
                e.target = NULL;
            if (r->type == RECORD_CNAME)
                e.target = names_lower(q->a, e.target);
            entry_add(q, l, e);
        }
    }
}

/* Drop what a hand has put there under that name (N-10). */
static void replace_address(struct entry_list *l, const char *record)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].type != RECORD_A || strcasecmp(l->at[i].record, record) != 0)
            l->at[kept++] = l->at[i];
    l->n = kept;
}

static void zone_groups(const struct question *q, struct entry_list *l)
{
    for (size_t i = 0; i < q->m->zoneRegistrations.n; i++) {
        const struct zone_registration *r = &q->m->zoneRegistrations.at[i];
        if (!r->live || r->zone != q->z || (q->record && strcasecmp(r->record, q->record) != 0))
            continue;
        replace_address(l, r->record);
        entry_add(q, l,
                  (struct entry){r->record, RECORD_A, TTL_ZONE_GROUP, r->addr, NULL, r->endpoint->name});
    }
}

static bool has_record(const struct entry_list *l, const char *record)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcasecmp(l->at[i].record, record))
            return true;
    return false;
}

/* Virtual machines of networks that register here (N-15), by their first interface; a record by hand comes
 * first. */
static void registered(const struct question *q, struct entry_list *l)
{
    for (size_t k = 0; k < q->z->virtualNetworkLinks.n; k++) {
        const struct zone_link *link = &q->z->virtualNetworkLinks.at[k];
        for (size_t i = 0; link->registrationEnabled && i < q->m->networkInterfaces.n; i++) {
            const struct nic *x = &q->m->networkInterfaces.at[i];
            if (!x->virtualMachine || !x->subnet || x->subnet->vnet != link->virtualNetwork ||
                (q->record && strcasecmp(q->record, x->virtualMachine) != 0) ||
                has_record(l, x->virtualMachine))
                continue;
            entry_add(q, l,
                      (struct entry){names_lower(q->a, x->virtualMachine), RECORD_A, TTL_REGISTERED,
                                     x->privateIPAddress, NULL, x->name});
        }
    }
}

static struct entry_list entries(const struct question *q)
{
    struct entry_list l = {0};
    hand_made(q, &l);
    zone_groups(q, &l);
    registered(q, &l);
    return l;
}

/* -- answers --------------------------------------------------------------------------------------------- */

/* => whether record is a name of the zone: it has records, or names below it have (an empty non-terminal). */
static bool exists(const struct entry_list *all, const char *record)
{
    size_t n = strlen(record);
    if (!strcmp(record, "@"))
        return true;
    for (size_t i = 0; i < all->n; i++) {
        size_t len = strlen(all->at[i].record);
        if (len >= n && !strcasecmp(all->at[i].record + len - n, record) &&
            (len == n || all->at[i].record[len - n - 1] == '.'))
            return true;
    }
    return false;
}

/* => the wildcard that stands for a name which does not exist: below its closest ancestor that does (RFC
 * 4592). */
static const char *wildcard(struct arena *a, const struct entry_list *all, const char *record)
{
    for (const char *p = strchr(record, '.'); p; p = strchr(p + 1, '.'))
        if (exists(all, p + 1))
            return arena_printf(a, "*.%s", p + 1);
    return "*";
}

static bool answers(const struct entry *e, enum record_type type)
{
    return e->type == type || e->type == RECORD_CNAME;
}

/* Add the entries that answer. => NAMES_OK, or NAMES_NODATA. */
static enum names_status reply(struct rr_list *l, const struct question *q, const struct entry_list *found,
                               const char *name, enum record_type type)
{
    size_t before = l->n;
    for (size_t i = 0; i < found->n; i++) {
        const struct entry *e = &found->at[i];
        if (!answers(e, type))
            continue;
        const char *source =
            arena_printf(l->a, "zone %s record %s%s%s%s", q->z->zoneName, e->record, e->owner ? " (" : "",
                         e->owner ? e->owner : "", e->owner ? ")" : "");
        rr_add(l, (struct dns_rr){name, e->type, e->ttl, e->addr, e->target, source});
        if (e->type == RECORD_CNAME)
            break; /* an alias has one target, and nothing beside it */
    }
    return l->n > before ? NAMES_OK : NAMES_NODATA;
}

enum names_status zone_lookup(struct rr_list *l, const struct model *m, const struct private_zone *z,
                              const char *name, enum record_type type)
{
    struct question q = {l->a, m, z, zone_record(l->a, name, z->zoneName)};
    const char *record = q.record;
    struct entry_list found = entries(&q);
    if (found.n)
        return reply(l, &q, &found, name, type);
    q.record = NULL;
    struct entry_list all = entries(&q);
    if (exists(&all, record))
        return NAMES_NODATA;
    q.record = wildcard(l->a, &all, record);
    found = entries(&q);
    return found.n ? reply(l, &q, &found, name, type) : NAMES_NXDOMAIN;
}
