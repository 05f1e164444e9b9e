/* scenario.c - see scenario.h.
 *
 * A scenario is one document tree and its states. State 0 is the tree as the files have it (include.c); each
 * change makes the next tree (timeline.c), and every tree is bound (bind.c), completed with addresses and
 * checked on its own, into a model with an arena of its own. Trees share what did not change; models share
 * nothing but the document's texts.
 *
 * Findings: the first state's are the file's. A later state repeats them (they are kept once), and what is
 * new in it came from the change: findings whose place is in the timeline entry stand as they are, others are
 * reported at the entry, with a note that leads to the place. Checks run on what could be bound: a tree with
 * bad elements is bound again without them, silently, until nothing is bad.
 *
 * Names in flows, expectations and captures may mean things of any state. They are checked last, against the
 * states.
 *
 * Invariants: state[k].tree is state[k-1].tree with change k applied; addresses once allocated are in all
 * later trees. Costs: states times resources, in time and memory. */
#include "topology/scenario.h"

#include "dataplane/arena.h"
#include "topology/bind.h"
#include "topology/check.h"
#include "topology/include.h"
#include "topology/names.h"
#include "topology/print.h"
#include "topology/registry.h"
#include "topology/scenario_int.h"
#include "topology/tags.h"
#include "topology/timeline.h"

#include <stdlib.h>
#include <string.h>

#define PRUNE_MAX 64 /* rounds: each takes at least one element out */

/* -- findings of later states ---------------------------------------------------------------------------- */

static bool same_place(struct origin a, struct origin b)
{
    return a.line == b.line && a.col == b.col && a.file && b.file && strcmp(a.file, b.file) == 0;
}

static bool within(const struct node *n, struct origin at)
{
    if (same_place(n->at, at))
        return true;
    for (size_t i = 0; n->kind != NODE_SCALAR && i < n->n; i++) {
        if (within(n->item[i], at) || (n->kind == NODE_MAP && same_place(n->key[i]->at, at)))
            return true;
    }
    return false;
}

/* Pass one finding on. => whether it was new. */
static bool forward(struct scenario *s, const struct finding *f, const struct entry *e, struct diag *d)
{
    size_t before = s->seen->n;
    struct origin at = f->at;
    bool elsewhere = e && !within(e->node, f->at);
    if (f->severity == SEV_ERROR)
        diag_error(s->seen, f->at, "%s", f->text);
    else
        diag_warning(s->seen, f->at, "%s", f->text);
    if (s->seen->n == before)
        return false;
    if (elsewhere)
        at = e->node->at;
    if (f->severity == SEV_ERROR)
        diag_error(d, at, "%s%s", elsewhere ? "after this change: " : "", f->text);
    else
        diag_warning(d, at, "%s%s", elsewhere ? "after this change: " : "", f->text);
    if (elsewhere)
        diag_note(d, f->at, "it is here");
    return true;
}

/* Pass on what is new among the findings of a state. e is the change that made it, NULL for the first. */
static void forward_all(struct scenario *s, const struct diag *from, const struct entry *e, struct diag *d)
{
    bool fresh = false;
    for (size_t i = 0; i < from->n; i++) {
        const struct finding *f = &from->at[i];
        if (f->severity != SEV_NOTE)
            fresh = forward(s, f, e, d);
        else if (fresh)
            diag_note(d, f->at, "%s", f->text);
    }
}

/* -- states ---------------------------------------------------------------------------------------------- */

/* Complete and check a model that was bound whole. */
static void complete(struct scenario *s, struct model *m, struct diag *d)
{
    address_assign(m, &s->fixed, d);
    model_check(m, d);
}

/* Check what is left of a tree when its bad elements are taken out. Warnings are kept back: what is missing
 * may be why. */
static void check_rest(struct scenario *s, const struct node *tree, struct bound bound, struct diag *d)
{
    struct arena *a = arena_new("check");
    struct diag *found = diag_new(a);
    for (size_t rounds = 0; bound.n_bad && rounds < PRUNE_MAX; rounds++) {
        tree = bind_prune(a, tree, &bound);
        bound = bind_model(a, tree, s->tags, diag_new(a));
    }
    if (!bound.n_bad)
        complete(s, bound.m, found);
    for (size_t i = 0; i < found->n; i++) {
        if (found->at[i].severity == SEV_ERROR)
            diag_error(d, found->at[i].at, "%s", found->at[i].text);
    }
    arena_free(a);
}

/* an interface whose address has changed is told apart from what it was. */
static void note_addresses(struct model *m, const struct model *before)
{
    for (size_t i = 0; before && i < m->networkInterfaces.n; i++) {
        struct nic *n = &m->networkInterfaces.at[i];
        const struct nic *was = model_nic(before, n->name);
        if (was)
            n->readdressed = was->readdressed + (was->privateIPAddress != n->privateIPAddress);
    }
}

/* Bind the tree of state k and add it. */
static void add_state(struct scenario *s, struct node *tree, const struct entry *e, struct diag *d)
{
    struct state *st = &s->state[s->n_states++];
    struct diag *found = diag_new(s->a);
    st->arena = arena_new("model");
    struct bound b = bind_model(st->arena, tree, s->tags, found);
    st->model = b.m;
    if (b.m->serviceTags)
        b.m->serviceTags = include_path(st->arena, s->path, b.m->serviceTags);
    if (b.n_bad)
        check_rest(s, tree, b, found);
    else if (tree->kind == NODE_MAP)
        complete(s, b.m, found);
    const struct model *before = s->n_states > 1 ? s->state[s->n_states - 2].model : NULL;
    if (!b.n_bad && tree->kind == NODE_MAP) {
        names_register(b.m, before);
        note_addresses(b.m, before);
    }
    st->tree = b.n_bad ? tree : timeline_keep(s->a, tree, b.m);
    forward_all(s, found, e, d);
}

/* -- the timeline ---------------------------------------------------------------------------------------- */

static int entry_cmp(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    if (a->change.at != b->change.at)
        return a->change.at < b->change.at ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void read_timeline(struct scenario *s, struct diag *d)
{
    const struct node *list = node_get(s->document, "timeline");
    if (node_is_null(list))
        return;
    if (list->kind != NODE_SEQ) {
        diag_error(d, list->at, "'timeline' must be a list");
        return;
    }
    s->entry = arena_array(s->a, list->n, sizeof *s->entry);
    for (size_t i = 0; i < list->n; i++) {
        struct entry *e = &s->entry[s->n_entries];
        if (timeline_read(s->a, list->item[i], e, d))
            e->order = s->n_entries++;
    }
    qsort(s->entry, s->n_entries, sizeof *s->entry, entry_cmp);
}

static void make_states(struct scenario *s, struct diag *d)
{
    s->state = arena_array(s->a, s->n_entries + 1, sizeof *s->state);
    s->change = arena_array(s->a, s->n_entries, sizeof *s->change);
    s->fixed = scenario_fixed(s);
    add_state(s, s->document, NULL, d);
    for (size_t k = 0; k < s->n_entries; k++) {
        struct entry *e = &s->entry[k];
        struct state *before = &s->state[s->n_states - 1];
        struct node *tree = timeline_apply(s->a, before->tree, before->model, e, d);
        add_state(s, tree ? tree : before->tree, e, d);
        s->change[k] = e->change;
    }
}

/* -- the public face ------------------------------------------------------------------------------------- */

static struct tagset *load_tags(struct scenario *s, struct diag *d)
{
    const struct node *n = node_get(s->document, "serviceTags");
    if (node_is_null(n) || n->kind != NODE_SCALAR)
        return tagset_builtin(s->a);
    char err[512];
    struct tagset *t = tagset_load(s->a, include_path(s->a, s->path, n->text), err, sizeof err);
    if (!t)
        diag_error(d, n->at, "%s", err);
    return t ? t : tagset_builtin(s->a);
}

static struct scenario *load(const char *path, const char *text, size_t len, struct diag *d)
{
    struct arena *a = arena_new("scenario");
    struct scenario *s = arena_alloc(a, sizeof *s);
    size_t before = d->errors;
    s->a = a;
    s->path = arena_strdup(a, path);
    s->seen = diag_new(a);
    s->document = text ? include_parse(a, s->path, text, len, d) : include_load(a, s->path, d);
    if (s->document) {
        s->tags = load_tags(s, d);
        read_timeline(s, d);
        make_states(s, d);
        if (s->document->kind == NODE_MAP)
            scenario_check_names(s, d);
    }
    if (s->document && d->errors == before)
        return s;
    scenario_free(s);
    return NULL;
}

struct scenario *scenario_load(const char *path, struct diag *d)
{
    return load(path, NULL, 0, d);
}

struct scenario *scenario_parse(const char *name, const char *text, size_t len, struct diag *d)
{
    return load(name, text, len, d);
}

void scenario_free(struct scenario *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_states; i++)
        arena_free(s->state[i].arena);
    arena_free(s->a);
}

size_t scenario_changes(const struct scenario *s, const struct change **out)
{
    *out = s->change;
    return s->n_entries;
}

const struct model *scenario_state(const struct scenario *s, size_t k)
{
    return s->state[k].model;
}

size_t scenario_state_at(const struct scenario *s, int64_t t)
{
    size_t k = 0;
    while (k < s->n_entries && s->entry[k].change.at <= t)
        k++;
    return k;
}

int scenario_print(const struct scenario *s, FILE *to)
{
    return print_document(s->document, to);
}
