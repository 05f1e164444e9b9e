/* scenario_names.c - names in flows, expectations and captures: whether they mean something, and at that
 * time. */
#include "topology/bind.h"
#include "topology/check.h"
#include "topology/registry.h"
#include "topology/scenario_int.h"

#include <string.h>
#include <strings.h>

enum scope { ANY_TIME = -1 };

struct checking {
    struct scenario *s;
    struct diag *d;
};

static bool in_state(const struct scenario *s, size_t k, const char *name, bool nic_only)
{
    struct thing t = model_find(s->state[k].model, name);
    return nic_only ? t.kind == THING_NIC : t.kind != THING_NONE;
}

static const char *suggestion(const struct scenario *s, const char *name)
{
    for (size_t k = 0; k < s->n_states; k++) {
        const char *near = model_suggest(s->state[k].model, name);
        if (near)
            return near;
    }
    return NULL;
}

/* Complain unless name is a thing of some state, or of state k. */
static void check_thing(struct checking *c, const char *name, struct origin at, int64_t when, bool nic_only)
{
    const struct scenario *s = c->s;
    if (when >= 0 && in_state(s, scenario_state_at(s, when), name, nic_only))
        return;
    bool ever = false, ambiguous = false, other = false;
    for (size_t k = 0; k < s->n_states; k++) {
        ever |= in_state(s, k, name, nic_only);
        other |= in_state(s, k, name, false);
        ambiguous |= model_ambiguous(s->state[k].model, name);
    }
    const char *near = ever || ambiguous || other ? NULL : suggestion(s, name);
    if (ever && when >= 0)
        diag_error(c->d, at, "'%s' does not exist at that time", name);
    else if (ever)
        return;
    else if (ambiguous)
        diag_error(c->d, at, "'%s' means several things: write network/host, or the interface", name);
    else if (other)
        diag_error(c->d, at, "'%s' is not a network interface", name);
    else if (near)
        diag_error(c->d, at, "unknown name '%s'; did you mean '%s'?", name, near);
    else
        diag_error(c->d, at, "unknown name '%s': it is no interface, host, service or private endpoint",
                   name);
}

static struct origin value_place(const struct node *map, const char *key, struct origin fallback)
{
    const struct node *v = node_get(map, key);
    return v ? v->at : fallback;
}

static void check_names_in(struct checking *c, const struct node *list)
{
    for (size_t i = 0; list && list->kind == NODE_SEQ && i < list->n; i++) {
        if (list->item[i]->kind == NODE_SCALAR)
            check_thing(c, list->item[i]->text, list->item[i]->at, ANY_TIME, false);
    }
}

/* A reference to an element of a table in any state. */
static void check_reference(struct checking *c, const struct table *t, const struct node *n)
{
    const struct scenario *s = c->s;
    if (node_is_null(n) || n->kind != NODE_SCALAR)
        return;
    const char *near = NULL;
    for (size_t k = 0; k < s->n_states; k++) {
        if (registry_find(s->state[k].model->names, t, n->text))
            return;
        near = near ? near : registry_suggest(s->state[k].model->names, t, n->text);
    }
    if (near)
        diag_error(c->d, n->at, "unknown %s '%s'; did you mean '%s'?", t->what, n->text, near);
    else
        diag_error(c->d, n->at, "unknown %s '%s'", t->what, n->text);
}

static void check_flow(struct checking *c, const struct flow *f)
{
    static const char *const lists[] = {"path", "via", "notVia", "returnPath", "returnVia", "returnNotVia"};
    if (f->from)
        check_thing(c, f->from, value_place(f->node, "from", f->at), f->at_time, false);
    check_reference(c, &table_service, node_get(f->node, "resource"));
    if (!f->expect.present)
        return;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        check_names_in(c, node_get(f->expect.node, lists[i]));
    check_reference(c, &table_nsg, node_get(f->expect.node, "networkSecurityGroup"));
}

static void check_expectation(struct checking *c, const struct expectation *e)
{
    if (e->nic)
        check_thing(c, e->nic, value_place(e->node, "nic", e->at_origin), e->at, true);
    if (e->from)
        check_thing(c, e->from, value_place(e->node, "from", e->at_origin), e->at, false);
}

static void check_capture(struct checking *c, const struct capture *p)
{
    const struct node *list = node_get(p->node, "at");
    for (size_t i = 0; list && list->kind == NODE_SEQ && i < list->n; i++) {
        const struct node *n = list->item[i];
        if (n->kind == NODE_SCALAR && strcasecmp(n->text, "underlay") != 0)
            check_thing(c, n->text, n->at, ANY_TIME, false);
    }
}

void scenario_check_names(struct scenario *s, struct diag *d)
{
    struct checking c = {s, d};
    const struct model *m = s->state[0].model;
    for (size_t i = 0; i < m->flows.n; i++)
        check_flow(&c, &m->flows.at[i]);
    for (size_t i = 0; i < m->flows.n && !d->errors; i++) /* G-15 */
        model_check_smtp(s->state[scenario_state_at(s, m->flows.at[i].at_time)].model, &m->flows.at[i], d);
    for (size_t i = 0; i < m->expect.n; i++)
        check_expectation(&c, &m->expect.at[i]);
    for (size_t i = 0; i < m->captures.n; i++)
        check_capture(&c, &m->captures.at[i]);
}
