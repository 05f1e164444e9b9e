/* names_service.c - the names of platform services and Internet hosts in public DNS. Essay: names.c. */
#include <string.h>
#include <strings.h>

#include "topology/names_int.h"

static const struct resource_type *type_of(const struct service *s)
{
    return s->type ? type_find(s->type) : NULL;
}

size_t names_of_service(struct arena *a, const struct service *s, struct service_name **out)
{
    const struct resource_type *t = type_of(s);
    struct service_name *rule, *given;
    size_t n = type_names(a, t, s->name, s->location, s->replicas.at, s->replicas.n, &rule);
    size_t k = type_names_given(a, t, s->fqdns.at, s->fqdns.n, &given);
    struct service_name *all = arena_array(a, n + k, sizeof *all);
    if (n)
        memcpy(all, rule, n * sizeof *all);
    if (k)
        memcpy(all + n, given, k * sizeof *all);
    *out = all;
    return n + k;
}

const char *names_endpoint_group(const struct private_endpoint *e)
{
    const struct resource_type *t = e->service ? type_of(e->service) : NULL;
    const struct sub_resource *g;
    if (e->groupIds.n) {
        g = t ? type_group(t, e->groupIds.at[0]) : NULL;
        return g ? g->group : e->groupIds.at[0];
    }
    return t && t->groups[0].group && !t->groups[1].group ? t->groups[0].group : "";
}

bool service_has_endpoint(const struct model *m, const struct service *s, const char *group)
{
    for (size_t i = 0; i < m->privateEndpoints.n; i++) {
        const struct private_endpoint *e = &m->privateEndpoints.at[i];
        if (e->service == s && e->status != PE_PENDING &&
            (!*group || !strcasecmp(names_endpoint_group(e), group)))
            return true;
    }
    return false;
}

/* -- which service --------------------------------------------------------------------------------------- */

static bool same_label(const char *a, const char *b)
{
    size_t n = strcspn(a, ".");
    return n == strcspn(b, ".") && !strncasecmp(a, b, n);
}

/* A cheap test before names are made: all names of a service hold its own name, or begin like one of its
 * fqdns. */
static bool may_own(const struct service *s, const char *name)
{
    if (strcasestr(name, s->name))
        return true;
    for (size_t i = 0; i < s->fqdns.n; i++)
        if (same_label(s->fqdns.at[i], name))
            return true;
    return false;
}

static bool is_front_end(struct arena *a, const struct service *s, const char *name)
{
    return strstr(name, ".fe.") && !strcmp(type_frontend_name(a, type_of(s), s->name, s->location), name);
}

enum name_form { FORM_NONE, FORM_PUBLIC, FORM_PRIVATE, FORM_FRONT_END };

/* => which of the service's names this is; *which is filled in for the public and the private form. */
static enum name_form form_of(struct arena *a, const struct service *s, const char *name,
                              struct service_name *which)
{
    struct service_name *names;
    if (!may_own(s, name))
        return FORM_NONE;
    size_t n = names_of_service(a, s, &names);
    for (size_t i = 0; i < n; i++) {
        *which = names[i];
        if (names[i].privatelink_fqdn && !strcmp(names[i].privatelink_fqdn, name))
            return FORM_PRIVATE;
        if (!strcmp(names[i].fqdn, name))
            return FORM_PUBLIC;
    }
    return is_front_end(a, s, name) ? FORM_FRONT_END : FORM_NONE;
}

bool names_owner(struct arena *a, const struct model *m, const char *fqdn, struct name_owner *out)
{
    const char *name = names_lower(a, fqdn);
    for (size_t i = 0; i < m->services.n; i++) {
        struct service_name which = {0};
        enum name_form form = form_of(a, &m->services.at[i], name, &which);
        if (form == FORM_NONE)
            continue;
        *out = (struct name_owner){&m->services.at[i], "", "", form == FORM_PRIVATE};
        if (form != FORM_FRONT_END) {
            out->group = which.group;
            out->member = which.member;
        }
        return true;
    }
    return false;
}

const struct service *names_service_of(const struct model *m, const char *fqdn)
{
    struct arena *a = arena_new("names");
    struct name_owner owner = {0};
    names_owner(a, m, fqdn, &owner);
    arena_free(a);
    return owner.service;
}

/* -- public DNS ------------------------------------------------------------------------------------------ */

static enum names_status alias(struct rr_list *l, const char *name, const char *target)
{
    rr_add(
        l,
        (struct dns_rr){
            .name = name, .type = RECORD_CNAME, .ttl = TTL_ALIAS, .target = target, .source = "public DNS"});
    return NAMES_OK;
}

static enum names_status address(struct rr_list *l, const char *name, ip4 ip, uint32_t ttl,
                                 enum record_type type)
{
    if (type != RECORD_A || !ip)
        return NAMES_NODATA;
    rr_add(l,
           (struct dns_rr){.name = name, .type = RECORD_A, .ttl = ttl, .addr = ip, .source = "public DNS"});
    return NAMES_OK;
}

static enum names_status service_lookup(struct rr_list *l, const struct model *m, const struct service *s,
                                        const char *name, enum record_type type)
{
    struct service_name which = {0};
    switch (form_of(l->a, s, name, &which)) {
    case FORM_PUBLIC:
        if (which.redirect && service_has_endpoint(m, s, which.group))
            return alias(l, name, which.privatelink_fqdn);
        return address(l, name, s->publicIPAddress, TTL_PUBLIC, type);
    case FORM_PRIVATE:
        if (which.redirect && service_has_endpoint(m, s, which.group))
            return alias(l, name, type_frontend_name(l->a, type_of(s), s->name, s->location));
        return NAMES_NXDOMAIN;
    case FORM_FRONT_END:
        return address(l, name, s->publicIPAddress, TTL_FRONT_END, type);
    case FORM_NONE:
        break;
    }
    return NAMES_NXDOMAIN;
}

static enum names_status host_lookup(struct rr_list *l, const struct model *m, const char *name,
                                     enum record_type type)
{
    enum names_status status = NAMES_NXDOMAIN;
    for (size_t i = 0; i < m->internetHosts.n; i++) {
        const struct internet_host *h = &m->internetHosts.at[i];
        for (size_t k = 0; k < h->names.n; k++)
            if (!strcasecmp(names_lower(l->a, h->names.at[k]), name))
                status = address(l, name, h->ipAddress, TTL_PUBLIC, type);
    }
    return status;
}

enum names_status public_lookup(struct rr_list *l, const struct model *m, const char *name,
                                enum record_type type)
{
    for (size_t i = 0; i < m->services.n; i++) {
        enum names_status status = service_lookup(l, m, &m->services.at[i], name, type);
        if (status != NAMES_NXDOMAIN)
            return status;
    }
    return host_lookup(l, m, name, type);
}
