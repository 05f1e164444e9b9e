/* model.c - see model.h: what names mean. The registry is filled by the binder (bind.c). */
#include "topology/model.h"

#include "dataplane/arena.h"
#include "topology/bind.h"
#include "topology/registry.h"

static const struct reg *lookup(const struct model *m, const char *name)
{
    const struct reg *e = registry_find(m->names, kind_thing, name);
    if (!e)
        e = registry_find(m->names, kind_more, name);
    if (!e)
        e = registry_find(m->names, kind_bare, name);
    return e;
}

struct thing model_find(const struct model *m, const char *name)
{
    const struct reg *e = lookup(m, name);
    if (!e || e->ambiguous)
        return (struct thing){THING_NONE, NULL};
    return (struct thing){(enum thing_kind)e->tag, e->p};
}

bool model_ambiguous(const struct model *m, const char *name)
{
    const struct reg *e = lookup(m, name);
    return e && e->ambiguous;
}

const char *model_suggest(const struct model *m, const char *name)
{
    const char *const kinds[] = {kind_thing, kind_bare, kind_more};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *near = registry_suggest(m->names, kinds[i], name);
        if (near)
            return near;
    }
    return NULL;
}

const char *thing_name(struct thing t)
{
    switch (t.kind) {
    case THING_NIC:
        return ((const struct nic *)t.p)->name;
    case THING_ONPREM_HOST:
        return ((const struct onprem_host *)t.p)->path;
    case THING_INTERNET_HOST:
        return ((const struct internet_host *)t.p)->name;
    case THING_SERVICE:
        return ((const struct service *)t.p)->name;
    case THING_ENDPOINT:
        return ((const struct private_endpoint *)t.p)->name;
    case THING_GATEWAY:
        return ((const struct gateway *)t.p)->name;
    case THING_LB_FRONTEND:
        return ((const struct lb_frontend *)t.p)->path;
    case THING_NONE:
        break;
    }
    return "";
}

static void *find(const struct model *m, const struct table *t, const char *name)
{
    const struct reg *e = registry_find(m->names, t, name);
    return e ? e->p : NULL;
}

struct nic *model_nic(const struct model *m, const char *name)
{
    return find(m, &table_nic, name);
}

struct vnet *model_vnet(const struct model *m, const char *name)
{
    return find(m, &table_vnet, name);
}

struct subnet *model_subnet(const struct model *m, const char *subnet_name)
{
    return find(m, &table_subnet, subnet_name);
}

struct subscription *model_subscription(const struct model *m, const char *name)
{
    return name ? find(m, &table_subscription, name) : NULL;
}

bool subscription_blocks_smtp(const struct subscription *s)
{
    return s->offer != OFFER_EA && s->offer != OFFER_MCA_E && !s->port25Exempt;
}
