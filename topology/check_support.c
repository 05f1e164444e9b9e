/* check_support.c - what this version reads and does not simulate: one row each, to be struck out when it
 * does. */
#include <strings.h>

#include "topology/check_int.h"

struct uses {
    const struct model *m;
    struct diag *d;
    const char *what;
    bool any;
};

static void use(struct uses *u, struct origin at)
{
    diag_error(u->d, at, "%s: not simulated by this version; see topology/SCENARIO.md", u->what);
    u->any = true;
}

static void public_link_services(struct uses *u)
{
    for (size_t i = 0; i < u->m->privateLinkServices.n; i++) {
        const struct pls *s = &u->m->privateLinkServices.at[i];
        if (!s->loadBalancerFrontend->subnet)
            use(u, check_at(s->node, "loadBalancerFrontend", s->at));
    }
}

static const struct {
    const char *what;
    void (*find)(struct uses *u);
} unsupported[] = {
    {"loadBalancerFrontend with a public address", public_link_services},
};

bool model_unsupported(const struct model *m, struct diag *d)
{
    struct uses u = {.m = m, .d = d};
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        u.what = unsupported[i].what;
        unsupported[i].find(&u);
    }
    return u.any;
}
