/* timeline.c - see timeline.h.
 *
 * A change is made on the tree, not on the model, and the whole is bound again: what a changed file would
 * mean is what the changed network means, with the same checks and messages. Trees are copied on write along
 * the path of the change; everything beside it is shared with the state before.
 *
 * A path names alternately a key and, where the key holds a list, an element by its identity (the name; of a
 * peering its remote network, and so on): virtualNetworks/hub/subnets/clients. The schema says which keys
 * there are. The last part may itself hold slashes, where it is a value of a plain list
 * (virtualNetworks/hub/addressPrefixes/10.0.0.0/16).
 *
 * Addresses that an earlier state allocated stand in the tree as derived scalars. They go when the resource
 * moves to another subnet. */
#include "topology/timeline.h"

#include "dataplane/arena.h"
#include "topology/bind.h"
#include "topology/regions.h"
#include "topology/registry.h"
#include "topology/suggest.h"

#include <string.h>
#include <strings.h>

struct edit {
    struct arena *a;
    struct entry *e;
    struct diag *d;
};

/* -- reading --------------------------------------------------------------------------------------------- */

static const char *summary(struct arena *a, const struct entry *e, const char *verb)
{
    const char *s = arena_printf(a, "%s %s", verb, e->change.target);
    if (!e->with)
        return s;
    const struct node *name = e->change.kind == CHANGE_ADD ? node_get(e->with, "name") : NULL;
    if (name && name->kind == NODE_SCALAR)
        return arena_printf(a, "%s: %s", s, name->text);
    for (size_t i = 0; e->with->kind == NODE_MAP && i < e->with->n; i++)
        s = arena_printf(a, "%s%s %s", s, i ? "," : ":", e->with->key[i]->text);
    return s;
}

static bool check_with(const struct entry *e, const char *verb, struct diag *d)
{
    bool wants = e->change.kind == CHANGE_UPDATE || e->change.kind == CHANGE_ADD;
    if (wants && !e->with)
        diag_error(d, e->node->at, "'%s' lacks 'with'", verb);
    else if (!wants && e->with)
        diag_error(d, e->with->at, "'%s' takes no 'with'", verb);
    else if (e->change.kind == CHANGE_UPDATE && e->with->kind != NODE_MAP)
        diag_error(d, e->with->at, "'with' of an update must be a map of the keys to replace");
    else
        return true;
    return false;
}

bool timeline_read(struct arena *a, const struct node *map, struct entry *e, struct diag *d)
{
    struct change_spec s = {0};
    if (!bind_map(a, &table_change, map, &s, d))
        return false;
    const struct {
        const char *verb, *target;
        enum change_kind kind;
    } verb[] = {{"update", s.update, CHANGE_UPDATE},      {"add", s.add, CHANGE_ADD},
                {"remove", s.remove, CHANGE_REMOVE},      {"approve", s.approve, CHANGE_APPROVE},
                {"reject", s.reject, CHANGE_REJECT},      {"disconnect", s.disconnect, CHANGE_DISCONNECT},
                {"failover", s.failover, CHANGE_FAILOVER}};
    const struct node *with = node_get(map, "with");
    size_t found = 0, which = 0;
    for (size_t i = 0; i < sizeof verb / sizeof verb[0]; i++) {
        found += verb[i].target != NULL;
        which = verb[i].target ? i : which;
    }
    if (found != 1) {
        diag_error(d, map->at,
                   "a change has exactly one of update, add, remove, approve, reject, disconnect, failover");
        return false;
    }
    *e = (struct entry){.node = map, .with = node_is_null(with) ? NULL : with};
    e->change = (struct change){
        .at = s.at, .kind = verb[which].kind, .target = verb[which].target, .origin = map->at};
    if (!check_with(e, verb[which].verb, d))
        return false;
    e->change.summary = summary(a, e, verb[which].verb);
    return true;
}

/* -- paths ----------------------------------------------------------------------------------------------- */

static struct origin target_place(const struct edit *ed)
{
    static const char *const verb[] = {"update", "add",        "remove",  "approve",
                                       "reject", "disconnect", "failover"};
    return node_get(ed->e->node, verb[ed->e->change.kind])->at;
}

static const char *identity_of(const struct table *t, const struct node *elem)
{
    const struct node *v = t->identity ? node_get(elem, t->identity) : NULL;
    return v && v->kind == NODE_SCALAR ? v->text : NULL;
}

/* => the index of an element, SIZE_MAX after an error. */
static size_t element(const struct edit *ed, const struct field *f, const struct node *seq, const char *name)
{
    struct suggest near = {.word = name};
    for (size_t i = 0; seq && i < seq->n; i++) {
        const char *id = f->kind == K_STRUCT                 ? identity_of(f->sub, seq->item[i])
                         : seq->item[i]->kind == NODE_SCALAR ? seq->item[i]->text
                                                             : NULL;
        if (id && strcasecmp(id, name) == 0)
            return i;
        suggest_offer(&near, id);
    }
    const char *what = f->kind == K_STRUCT ? f->sub->what : f->key;
    if (near.best)
        diag_error(ed->d, target_place(ed), "there is no %s '%s' at that time; did you mean '%s'?", what,
                   name, near.best);
    else
        diag_error(ed->d, target_place(ed), "there is no %s '%s' at that time", what, name);
    return SIZE_MAX;
}

static struct node *copy_of(struct arena *a, const struct node *n, size_t room)
{
    struct node *c = node_list(a, n->kind, n->at, n->n + room);
    c->n = n->n;
    for (size_t i = 0; i < n->n; i++) {
        c->item[i] = n->item[i];
        if (n->kind == NODE_MAP)
            c->key[i] = n->key[i];
    }
    return c;
}

static struct node *without_item(struct arena *a, const struct node *seq, size_t gone)
{
    struct node *c = copy_of(a, seq, 0);
    for (size_t i = gone; i + 1 < c->n; i++)
        c->item[i] = c->item[i + 1];
    c->n--;
    return c;
}

/* A resource that moves to another subnet gives its allocated addresses back. */
static struct node *forget_addresses(struct arena *a, struct node *map)
{
    static const char *const key[] = {"privateIPAddress", "ipConfigurations", "natIPs"};
    for (size_t i = 0; i < sizeof key / sizeof key[0]; i++) {
        const struct node *v = node_get(map, key[i]);
        if (v && v->derived)
            map = node_without(a, map, key[i]);
    }
    return map;
}

static struct node *replace_keys(const struct edit *ed, const struct table *t, struct node *map)
{
    const struct node *with = ed->e->with;
    const char *id = identity_of(t, map);
    if (node_get(with, "subnet"))
        map = forget_addresses(ed->a, map);
    for (size_t i = 0; i < with->n; i++) {
        const char *key = with->key[i]->text;
        if (id && strcmp(key, t->identity) == 0 &&
            (with->item[i]->kind != NODE_SCALAR || strcasecmp(with->item[i]->text, id) != 0)) {
            diag_error(ed->d, with->item[i]->at, "'%s' names the %s and cannot change", key, t->what);
            return NULL;
        }
        size_t before = map->n;
        map = node_with(ed->a, map, key, with->item[i]);
        if (map->n > before)
            map->key[before] = with->key[i]; /* so that messages about the key have the entry's place */
    }
    return map;
}

static struct node *wrong_verb(const struct edit *ed, const char *text)
{
    diag_error(ed->d, target_place(ed), "'%s' is %s", ed->e->change.target, text);
    return NULL;
}

static struct node *append(const struct edit *ed, const struct node *seq)
{
    const struct node *with = ed->e->with;
    size_t more = with->kind == NODE_SEQ ? with->n : 1;
    struct node *c = seq ? copy_of(ed->a, seq, more) : node_list(ed->a, NODE_SEQ, with->at, more);
    size_t n = seq ? seq->n : 0;
    for (size_t i = 0; i < more; i++)
        c->item[n + i] = with->kind == NODE_SEQ ? with->item[i] : node_copy(ed->a, with);
    c->n = n + more;
    return c;
}

static struct node *edit_map(const struct edit *ed, const struct table *t, struct node *map,
                             const char *path);

/* The rest of a path within a list. => the list as it is to be, NULL after an error. */
static struct node *edit_list(const struct edit *ed, const struct field *f, struct node *seq,
                              const char *rest)
{
    enum change_kind kind = ed->e->change.kind;
    if (!rest)
        return kind == CHANGE_ADD ? append(ed, seq) : wrong_verb(ed, "a list: name one of its elements");
    const char *slash = f->kind == K_STRUCT ? strchr(rest, '/') : NULL;
    const char *name = slash ? arena_strndup(ed->a, rest, (size_t)(slash - rest)) : rest;
    size_t i = element(ed, f, seq, name);
    if (i == SIZE_MAX)
        return NULL;
    if (!slash && kind == CHANGE_REMOVE)
        return without_item(ed->a, seq, i);
    if (!slash && kind == CHANGE_ADD)
        return wrong_verb(ed, "one element: add takes the path of a list");
    if (f->kind != K_STRUCT)
        return wrong_verb(ed, "a plain value: it can be added and removed");
    struct node *elem =
        slash ? edit_map(ed, f->sub, seq->item[i], slash + 1) : replace_keys(ed, f->sub, seq->item[i]);
    if (!elem)
        return NULL;
    struct node *c = copy_of(ed->a, seq, 0);
    c->item[i] = elem;
    return c;
}

static struct node *edit_struct(const struct edit *ed, const struct field *f, struct node *v,
                                const char *rest)
{
    struct node *map = v ? v : node_list(ed->a, NODE_MAP, ed->e->node->at, 0);
    if (rest)
        return edit_map(ed, f->sub, map, rest);
    if (ed->e->change.kind == CHANGE_ADD)
        return wrong_verb(ed, "not a list: use update");
    return replace_keys(ed, f->sub, map);
}

static const struct field *key_field(const struct edit *ed, const struct table *t, const char *key)
{
    bool root = t == &table_root;
    const struct field *f = table_field(t, key);
    if (f && (root ? f->section : f->list || f->kind == K_STRUCT))
        return f;
    const char *near = table_suggest(t, key, root);
    if (f)
        wrong_verb(ed, root ? "not part of the network: changes are made to resources and links"
                            : "a single value: update the element that has it");
    else if (near)
        diag_error(ed->d, target_place(ed), "unknown key '%s' in the path; did you mean '%s'?", key, near);
    else
        diag_error(ed->d, target_place(ed), "unknown key '%s' in the path", key);
    return NULL;
}

static struct node *edit_map(const struct edit *ed, const struct table *t, struct node *map, const char *path)
{
    const char *slash = strchr(path, '/'), *rest = slash ? slash + 1 : NULL;
    const char *key = slash ? arena_strndup(ed->a, path, (size_t)(slash - path)) : path;
    const struct field *f = map->kind == NODE_MAP ? key_field(ed, t, key) : NULL;
    if (!f)
        return NULL;
    struct node *v = node_get(map, key);
    if (node_is_null(v))
        v = NULL;
    if (v && v->kind != (f->list ? NODE_SEQ : NODE_MAP))
        return NULL; /* complained about when it was bound */
    if (!f->list && !rest && ed->e->change.kind == CHANGE_REMOVE)
        return node_without(ed->a, map, key);
    struct node *changed = f->list ? edit_list(ed, f, v, rest) : edit_struct(ed, f, v, rest);
    return changed ? node_with(ed->a, map, key, changed) : NULL;
}

/* -- owner's actions ------------------------------------------------------------------------------------- */

/* PE-02: what an owner may do to a connection in a state. => NULL, or why not. */
static const char *refusal(enum change_kind kind, enum pe_status now)
{
    if (now == PE_DISCONNECTED)
        return "the connection is Disconnected: the endpoint must be deleted and made again (PE-02)";
    if (kind == CHANGE_APPROVE && now == PE_REJECTED)
        return "a Rejected connection cannot be approved again: it must be removed and made again (PE-02)";
    if (kind == CHANGE_APPROVE && now == PE_APPROVED)
        return "the connection is Approved already";
    if (kind == CHANGE_REJECT && now == PE_REJECTED)
        return "the connection is Rejected already";
    return NULL;
}

static struct node *act(const struct edit *ed, struct node *root, const struct model *before)
{
    struct change *c = &ed->e->change;
    const struct field *f = table_field(&table_root, "privateEndpoints");
    struct node *seq = node_get(root, f->key);
    const struct reg *e = registry_find(before->names, &table_endpoint, c->target);
    if (e && ((const struct private_endpoint *)e->p)->whole) {
        diag_error(ed->d, target_place(ed),
                   "'%s' came along with '%s', whose connection is its own: act on that one (A-13)",
                   c->target, ((const struct private_endpoint *)e->p)->whole->name);
        return NULL;
    }
    size_t i = element(ed, f, seq && seq->kind == NODE_SEQ ? seq : NULL, c->target);
    if (i == SIZE_MAX || !e)
        return NULL;
    c->refused = refusal(c->kind, ((const struct private_endpoint *)e->p)->status);
    if (c->refused)
        return root;
    const char *status = c->kind == CHANGE_APPROVE  ? "Approved"
                         : c->kind == CHANGE_REJECT ? "Rejected"
                                                    : "Disconnected";
    struct node *list = copy_of(ed->a, seq, 0);
    list->item[i] = node_with(ed->a, seq->item[i], "status", node_scalar(ed->a, ed->e->node->at, status));
    return node_with(ed->a, root, f->key, list);
}

/* PE-29: the account is in its secondary region from now on, under an address of that region. Its name, its
 * endpoints and their addresses stay. */
static struct node *fail_over(const struct edit *ed, struct node *root, const struct model *before)
{
    const char *target = ed->e->change.target;
    const struct field *f = table_field(&table_root, "services");
    struct node *seq = node_get(root, f->key);
    const size_t i = element(ed, f, seq && seq->kind == NODE_SEQ ? seq : NULL, target);
    const struct reg *e = registry_find(before->names, &table_service, target);
    const struct service *s = e ? e->p : NULL;
    if (i == SIZE_MAX || !s)
        return NULL;
    if (!s->type || strncasecmp(s->type, "Microsoft.Storage/", strlen("Microsoft.Storage/")) != 0) {
        diag_error(ed->d, target_place(ed), "'%s' is no storage account: failover is for those (PE-29)",
                   s->name);
        return NULL;
    }
    const char *to = s->replicas.n ? s->replicas.at[0] : region_pair(s->location);
    if (!to) {
        ed->e->change.refused = arena_printf(
            ed->a, "%s has no paired region that '%s' could fail over to (PE-29)", s->location, s->name);
        return root;
    }
    struct node *list = copy_of(ed->a, seq, 0), *one = list->item[i];
    one = node_with(ed->a, one, "location", node_scalar(ed->a, ed->e->node->at, to));
    one = node_without(ed->a, node_without(ed->a, one, "replicas"), "publicIPAddress");
    list->item[i] = one;
    return node_with(ed->a, root, f->key, list);
}

/* -- rules of subnets that are gone ---------------------------------------------------------------------- */

/* => whether a removal of target takes this subnet: "virtualNetworks/NET" or
 * "virtualNetworks/NET/subnets/SUBNET". */
static bool takes_subnet(struct arena *a, const char *target, const struct subnet *s)
{
    const char *net = arena_printf(a, "virtualNetworks/%s", s->vnet->name);
    return strcasecmp(target, net) == 0 ||
           strcasecmp(target, arena_printf(a, "%s/subnets/%s", net, s->name)) == 0;
}

/* The service's map without the rules of subnets that the removal takes (SE-17). */
static struct node *without_rules(const struct edit *ed, struct node *service, const struct model *before)
{
    struct node *acls = node_get(service, "networkAcls");
    struct node *rules = acls && acls->kind == NODE_MAP ? node_get(acls, "virtualNetworkRules") : NULL;
    const size_t n = rules && rules->kind == NODE_SEQ ? rules->n : 0;
    struct node *left = rules;
    for (size_t i = n; i-- > 0;) {
        const struct node *text = rules->item[i];
        const struct subnet *s = text->kind == NODE_SCALAR ? model_subnet(before, text->text) : NULL;
        if (s && takes_subnet(ed->a, ed->e->change.target, s))
            left = without_item(ed->a, left, i);
    }
    return left == rules ? service
                         : node_with(ed->a, service, "networkAcls",
                                     node_with(ed->a, acls, "virtualNetworkRules", left));
}

/* A service keeps no rule of a subnet that does not exist any more; its other rules stand (SE-17). */
static struct node *forget_rules(const struct edit *ed, struct node *root, const struct model *before)
{
    struct node *services = root ? node_get(root, "services") : NULL;
    if (!services || services->kind != NODE_SEQ || !before)
        return root;
    struct node *list = copy_of(ed->a, services, 0);
    for (size_t i = 0; i < list->n; i++)
        if (list->item[i]->kind == NODE_MAP)
            list->item[i] = without_rules(ed, list->item[i], before);
    return node_with(ed->a, root, "services", list);
}

struct node *timeline_apply(struct arena *a, struct node *root, const struct model *before, struct entry *e,
                            struct diag *d)
{
    const struct edit ed = {a, e, d};
    if (e->change.kind == CHANGE_FAILOVER)
        return fail_over(&ed, root, before);
    if (e->change.kind >= CHANGE_APPROVE)
        return act(&ed, root, before);
    root = edit_map(&ed, &table_root, root, e->change.target);
    return e->change.kind == CHANGE_REMOVE ? forget_rules(&ed, root, before) : root;
}

/* -- addresses that stay --------------------------------------------------------------------------------- */

static struct node *derived(struct arena *a, struct origin at, ip4 ip)
{
    char buf[IP4_STRLEN];
    struct node *n = node_scalar(a, at, ip4_format(ip, buf));
    n->derived = true;
    return n;
}

/* => the map of a resource with an allocated address written into it; the same map where nothing is to be
 * written. */
static struct node *keep_one(struct arena *a, struct node *map, const char *key, bool allocated, ip4 ip)
{
    return allocated && ip && !node_get(map, key) ? node_with(a, map, key, derived(a, map->at, ip)) : map;
}

static struct node *keep_nic(struct arena *a, struct node *map, const void *p)
{
    const struct nic *n = p;
    return keep_one(a, map, "privateIPAddress", n->allocated, n->privateIPAddress);
}

static struct node *keep_public(struct arena *a, struct node *map, const void *p)
{
    const struct public_ip *n = p;
    return keep_one(a, map, "ipAddress", n->allocated, n->ipAddress);
}

static struct node *keep_service(struct arena *a, struct node *map, const void *p)
{
    const struct service *n = p;
    return keep_one(a, map, "publicIPAddress", n->allocated, n->publicIPAddress);
}

static struct node *keep_pls(struct arena *a, struct node *map, const void *p)
{
    const struct pls *n = p;
    if (node_get(map, "natIPs") || !n->natIPs.n)
        return map;
    struct node *seq = node_list(a, NODE_SEQ, map->at, n->natIPs.n);
    seq->derived = true;
    for (size_t i = 0; i < seq->n; i++)
        seq->item[i] = derived(a, map->at, n->natIPs.at[i]);
    return node_with(a, map, "natIPs", seq);
}

static struct node *keep_frontends(struct arena *a, struct node *map, const void *p)
{
    const struct load_balancer *lb = p;
    const struct node *seq = node_get(map, "frontendIPConfigurations");
    struct node *c = NULL;
    for (size_t i = 0; seq && i < lb->frontendIPConfigurations.n; i++) {
        const struct lb_frontend *f = &lb->frontendIPConfigurations.at[i];
        struct node *now = keep_one(a, seq->item[i], "privateIPAddress", f->allocated, f->privateIPAddress);
        if (now != seq->item[i]) {
            c = c ? c : copy_of(a, seq, 0);
            c->item[i] = now;
        }
    }
    return c ? node_with(a, map, "frontendIPConfigurations", c) : map;
}

/* => the entry of the file's list that gave this address, or a new one. */
static struct node *keep_member(struct arena *a, struct node *map, const struct node *old,
                                const struct pe_ip *ip)
{
    struct node *at = derived(a, map->at, ip->privateIPAddress);
    for (size_t i = 0; old && i < old->n; i++) {
        const struct node *given = node_get(old->item[i], "privateIPAddress");
        if (given && given->kind == NODE_SCALAR && strcmp(given->text, at->text) == 0)
            return old->item[i];
    }
    struct node *one = node_with(a, NULL, "privateIPAddress", at);
    return *ip->memberName ? node_with(a, one, "memberName", node_scalar(a, map->at, ip->memberName)) : one;
}

static struct node *keep_endpoint(struct arena *a, struct node *map, const void *p)
{
    const struct private_endpoint *pe = p;
    const struct pe_ip *ip = pe->takes.n ? pe->takes.at : pe->ipConfigurations.at;
    const size_t n = pe->takes.n ? pe->takes.n : pe->ipConfigurations.n;
    const struct node *old = node_get(map, "ipConfigurations");
    struct node *seq = node_list(a, NODE_SEQ, old ? old->at : map->at, n);
    seq->derived = !old || old->derived;
    bool changed = !old || old->n != seq->n;
    for (size_t i = 0; i < seq->n; i++) {
        seq->item[i] = keep_member(a, map, old, &ip[i]);
        changed |= !changed && seq->item[i] != old->item[i];
    }
    return changed && seq->n ? node_with(a, map, "ipConfigurations", seq) : map;
}

typedef struct node *keep_fn(struct arena *a, struct node *map, const void *p);

/* One section: items of the tree and elements of the model correspond one to one in a tree that was bound
 * whole. */
static struct node *keep_section(struct arena *a, struct node *root, const char *key, const void *elems,
                                 size_t n, size_t size, keep_fn *keep)
{
    const struct node *seq = node_get(root, key);
    struct node *c = NULL;
    for (size_t i = 0; seq && i < n && i < seq->n; i++) {
        struct node *now = keep(a, seq->item[i], (const char *)elems + i * size);
        if (now != seq->item[i]) {
            c = c ? c : copy_of(a, seq, 0);
            c->item[i] = now;
        }
    }
    return c ? node_with(a, root, key, c) : root;
}

struct node *timeline_keep(struct arena *a, struct node *root, const struct model *m)
{
#define KEEP(section, keep)                                                                                  \
    root = keep_section(a, root, #section, m->section.at, m->section.n, sizeof *m->section.at, keep)
    KEEP(networkInterfaces, keep_nic);
    KEEP(publicIPAddresses, keep_public);
    KEEP(services, keep_service);
    KEEP(loadBalancers, keep_frontends);
    KEEP(privateLinkServices, keep_pls);
    KEEP(privateEndpoints, keep_endpoint);
#undef KEEP
    return root;
}
