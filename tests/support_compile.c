/* support_compile.c - see support_compile.h. */
#include "tests/support_compile.h"

#include <criterion/criterion.h>

#include "dataplane/arena.h"

struct made made_new(const char *text)
{
    struct made m = {.l = load_checked(text), .n = numbering_new()};
    cr_assert_eq(m.l.d->errors, 0, "%s", loaded_findings(&m.l));
    m.c = compile_model(m.l.m, m.n, 0, false);
    m.img = m.c->image;
    return m;
}

void made_free(struct made *m)
{
    compiled_free(m->c);
    numbering_free(m->n);
    loaded_free(&m->l);
}

uint32_t made_port(struct numbering *n, const struct model *m, const char *name)
{
    const struct thing t = model_find(m, name);
    cr_assert_neq(t.kind, THING_NONE, "%s", name);
    return port_of(n, t);
}

const struct image_port *made_at(const struct made *m, const char *name)
{
    return &m->img->port[made_port(m->n, m->l.m, name)];
}

ip4 made_ip(const char *text)
{
    ip4 a;
    cr_assert_eq(ip4_parse(text, &a), 0, "%s", text);
    return a;
}

static const char *hop_text(const struct made *m, const struct image_nexthop *nh)
{
    struct arena *a = m->l.a;
    const char *s = "none";
    if (!nh)
        return s;
    switch (nh->action) {
    case NH_DROP:
        return arena_printf(a, "drop %s", reason_word(nh->reason));
    case NH_REALM:
        s = arena_printf(a, "realm %s", numbers_name(m->n->realm, nh->realm));
        break;
    case NH_PORT:
        s = arena_printf(a, "port %s", numbers_name(m->n->port, nh->port));
        break;
    case NH_INTERNET:
        s = "internet";
        break;
    case NH_SERVICE:
        s = "service";
        break;
    case NH_ONPREM:
        s = arena_printf(a, "onprem %s", numbers_name(m->n->realm, nh->realm));
        break;
    }
    return nh->crossing == NONE32 ? s : arena_printf(a, "%s over peering", s);
}

const struct image_nexthop *made_hop(const struct made *m, const char *from, const char *dst)
{
    return image_route(m->img, made_port(m->n, m->l.m, from), made_ip(dst));
}

const char *made_way(const struct made *m, const char *from, const char *dst)
{
    return hop_text(m, made_hop(m, from, dst));
}
