/* types.c - resource types, their names, members and zones.
 *
 * Purpose. A private endpoint of a registry takes two addresses, one of a storage account one, one of a
 * Backup vault eleven; each address answers for certain public names, through a private zone whose name
 * depends on the service. All of that is data, kept in one table (types_table.c); this file only reads it.
 *
 * Representation. A type has sub-resources (groupId), a sub-resource has name rules. A rule is a row of four
 * patterns:
 *
 *      member                  record                suffix      zone
 *      registry                {name}                azurecr.io  privatelink.azurecr.io
 *      registry_data_{region}  {name}.{region}.data  azurecr.io  privatelink.azurecr.io  (each region)
 *
 * The public name is record.suffix, the private one record.zone: so the redirect of N-01 needs no column of
 * its own, and a key vault (vault.azure.net to privatelink.vaultcore.azure.net) no exception. The members of
 * a sub-resource are the distinct members of its rules, in table order. Patterns are used in both directions:
 * filled in to derive names, and matched to find the rule of a name that a scenario gives.
 *
 * Costs. Everything is linear in the table, some thirty types, and runs at load time only.
 *
 * Odd cases. Names of a Backup vault hold an identifier that nobody can derive, and are not redirected
 * (N-12): they come by fqdns only, also in the private form in which Azure itself reports them. A storage
 * name of a vault fits several members; members are taken in their order, and names beyond them have members
 * and addresses of their own (A-13: up to 25). Groups of one member are named like
 * the group, while ARM says "default" for some types: type_member() accepts both. */
#include "topology/types.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "topology/regions.h"
#include "topology/suggest.h"
#include "topology/types_int.h"

#define NAME_LIMIT 255 /* characters of a DNS name */

static char *lowered(struct arena *a, const char *s)
{
    char *low = arena_strdup(a, s);
    for (char *p = low; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return low;
}

/* -- types --------------------------------------------------------------------------------------------- */

static bool type_is(const struct resource_type *t, const char *name)
{
    if (!strcasecmp(t->name, name))
        return true;
    for (const char *const *p = t->aliases; p && *p; p++)
        if (!strcasecmp(*p, name))
            return true;
    return false;
}

const struct resource_type *type_find(const char *arm_type)
{
    for (size_t i = 0; i < type_count; i++)
        if (type_is(&type_table[i], arm_type))
            return &type_table[i];
    return NULL;
}

const char *type_suggest(const char *arm_type)
{
    struct suggest s = {.word = arm_type};
    for (size_t i = 0; i < type_count; i++) {
        suggest_offer(&s, type_table[i].name);
        for (const char *const *p = type_table[i].aliases; p && *p; p++)
            suggest_offer(&s, *p);
    }
    return s.best;
}

const struct resource_type *type_at(size_t i)
{
    return i < type_count ? &type_table[i] : NULL;
}

const struct sub_resource *type_group(const struct resource_type *t, const char *group)
{
    for (const struct sub_resource *g = t->groups; g->group; g++)
        if (!strcasecmp(g->group, group) || (g->alias && !strcasecmp(g->alias, group)))
            return g;
    return NULL;
}

const char *type_group_suggest(const struct resource_type *t, const char *group)
{
    struct suggest s = {.word = group};
    for (const struct sub_resource *g = t->groups; g->group; g++)
        suggest_offer(&s, g->group);
    return s.best;
}

/* -- walking the rules of a resource ------------------------------------------------------------------- */

/* A resource whose rules are walked: its regions, and the placeholders with its location. */
struct walk {
    struct arena *a;
    const char **regions;
    size_t n_regions;
    struct vars vars;
};

static void use_region(struct vars *v, const char *region)
{
    const struct region *r = region_find(region);
    pattern_set(v, VAR_REGION, region);
    pattern_set(v, VAR_GEO, r && *r->code ? r->code : region);
}

static void add_region(struct walk *w, const char *text)
{
    if (!text || !*text)
        return;
    const char *region = region_canonical(w->a, text);
    for (size_t i = 0; i < w->n_regions; i++)
        if (!strcmp(w->regions[i], region))
            return;
    w->regions[w->n_regions++] = region;
}

static struct walk walk_new(struct arena *a, const char *resource, const char *location,
                            const char *const *replicas, size_t n_replicas)
{
    struct walk w = {.a = a, .regions = arena_array(a, n_replicas + 1, sizeof *w.regions)};
    bool located = location && *location;
    add_region(&w, location);
    for (size_t i = 0; i < n_replicas; i++)
        add_region(&w, replicas[i]);
    pattern_set(&w.vars, VAR_NAME, resource ? lowered(a, resource) : NULL);
    use_region(&w.vars, located ? w.regions[0] : "");
    return w;
}

/* How often a rule applies: once, with the location, or for each region. */
static size_t times(const struct walk *w, const struct name_rule *r)
{
    return r->flags & RULE_EACH_REGION ? w->n_regions : 1;
}

/* => the placeholders of the i-th time. */
static struct vars turn(const struct walk *w, const struct name_rule *r, size_t i)
{
    struct vars v = w->vars;
    if (r->flags & RULE_EACH_REGION)
        use_region(&v, w->regions[i]);
    return v;
}

static bool rule_ends(const struct name_rule *r)
{
    return !r->member && !r->record && !r->zone;
}

/* A growing list of texts without repetition. */
struct texts {
    const char **at;
    size_t n, cap;
};

static void add_text(struct arena *a, struct texts *t, const char *text)
{
    if (!text)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (!strcasecmp(t->at[i], text))
            return;
    *(const char **)arena_push(a, &t->at, &t->n, &t->cap, sizeof text) = text;
}

/* -- members ------------------------------------------------------------------------------------------- */

size_t type_members(struct arena *a, const struct resource_type *t, const char *group, const char *resource,
                    const char *location, const char *const *replicas, size_t n_replicas, const char ***out)
{
    const struct sub_resource *g = t ? type_group(t, group) : NULL;
    struct walk w = walk_new(a, resource, location, replicas, n_replicas);
    struct texts members = {0};
    for (const struct name_rule *r = g ? g->rules : NULL; r && !rule_ends(r); r++)
        for (size_t i = 0; r->member && i < times(&w, r); i++) {
            struct vars v = turn(&w, r, i);
            add_text(a, &members, pattern_fill(a, r->member, &v));
        }
    if (!members.n)
        add_text(a, &members, arena_strdup(a, group));
    *out = members.at;
    return members.n;
}

const char *type_member(const char *const *members, size_t n, const char *given)
{
    for (size_t i = 0; given && i < n; i++)
        if (!strcasecmp(members[i], given))
            return members[i];
    bool any = !given || !*given || !strcasecmp(given, "default");
    return any && n == 1 ? members[0] : NULL;
}

static const struct {
    unsigned flag;
    const char *name;
} parts[] = {{RULE_BLOB, "blob"}, {RULE_QUEUE, "queue"}};

size_t type_parts(const struct resource_type *t, const char *group, const char **out, size_t max)
{
    const struct sub_resource *g = type_group(t, group);
    size_t n = 0;
    for (size_t i = 0; g && i < sizeof parts / sizeof *parts && n < max; i++)
        for (const struct name_rule *r = g->rules; !rule_ends(r); r++)
            if (r->flags & parts[i].flag) {
                out[n++] = parts[i].name;
                break;
            }
    return n;
}

/* => whether member is that of the rule, or a further one of its kind, RULE-2. */
static bool member_of_rule(const struct name_rule *r, const char *member)
{
    const size_t n = r->member ? strlen(r->member) : 0;
    return n && !strncasecmp(member, r->member, n) && (!member[n] || member[n] == '-');
}

const char *type_member_part(const struct resource_type *t, const char *group, const char *member)
{
    const struct sub_resource *g = type_group(t, group);
    for (const struct name_rule *r = g ? g->rules : NULL; r && !rule_ends(r); r++)
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if ((r->flags & parts[i].flag) && member_of_rule(r, member))
                return parts[i].name;
    return "";
}

/* -- names --------------------------------------------------------------------------------------------- */

/* => where the label "privatelink" begins in a name, NULL nowhere. */
static const char *privatelink_label(const char *name)
{
    static const char label[] = "privatelink";
    const size_t n = sizeof label - 1;
    for (const char *p = name; p; p = strchr(p, '.')) {
        p += *p == '.';
        if (!strncasecmp(p, label, n) && (!p[n] || p[n] == '.'))
            return p;
    }
    return NULL;
}

static const char *joined(struct arena *a, const char *record, const char *suffix)
{
    return record && suffix ? arena_printf(a, "%s.%s", record, suffix) : NULL;
}

/* The name of a rule with the placeholders of the moment. => whether there is one. */
static bool derive(struct arena *a, const struct sub_resource *g, const struct name_rule *r,
                   const struct vars *v, struct service_name *out)
{
    if (!r->record || !r->suffix || (r->flags & RULE_GIVEN))
        return false;
    const char *record = pattern_fill(a, r->record, v);
    out->fqdn = joined(a, record, pattern_fill(a, r->suffix, v));
    out->group = g->group;
    out->member = pattern_fill(a, r->member, v);
    out->zone = pattern_fill(a, r->zone, v);
    out->privatelink_fqdn = joined(a, record, out->zone);
    out->redirect = !(r->flags & RULE_NO_REDIRECT);
    return out->fqdn && out->member && out->zone;
}

size_t type_names(struct arena *a, const struct resource_type *t, const char *resource, const char *location,
                  const char *const *replicas, size_t n_replicas, struct service_name **out)
{
    struct walk w = walk_new(a, resource, location, replicas, n_replicas);
    struct service_name *names = NULL, one = {0};
    size_t n = 0, cap = 0;
    for (const struct sub_resource *g = t ? t->groups : NULL; g && g->group; g++)
        for (const struct name_rule *r = g->rules; !rule_ends(r); r++)
            for (size_t i = 0; i < times(&w, r); i++) {
                struct vars v = turn(&w, r, i);
                if (derive(a, g, r, &v, &one))
                    *(struct service_name *)arena_push(a, &names, &n, &cap, sizeof one) = one;
            }
    *out = names;
    return n;
}

/* => whether fqdn is a name of the rule, public or (with *private set) private; v gets the placeholders. */
static bool rule_fits(struct arena *a, const struct name_rule *r, const char *fqdn, struct vars *v,
                      bool *private)
{
    if (!r->record || !r->suffix)
        return false;
    *v = (struct vars){0};
    *private = pattern_match(joined(a, r->record, r->zone), fqdn, v);
    return *private || pattern_match(joined(a, r->record, r->suffix), fqdn, v);
}

/* Names that fit several members take them in turn: used says which rules have had theirs. */
struct fit {
    const struct sub_resource *group;
    const struct name_rule *rule;
    struct vars vars;
    bool private;
};

static bool is_used(const struct name_rule *const *used, size_t n, const struct name_rule *r)
{
    for (size_t i = 0; i < n; i++)
        if (used[i] == r)
            return true;
    return false;
}

/* => how much of a record pattern is fixed text: the more, the more its match says. */
static size_t fixed_text(const char *pattern)
{
    size_t n = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '{')
            pattern = strchr(pattern, '}');
        else
            n++;
    }
    return n;
}

/* => whether f tells more than best: more of its name is fixed text, or as much and its rule is still unused,
 * or all such rules are used (the last takes the rest). */
static bool fits_better(const struct fit *f, const struct fit *best, const struct name_rule *const *used,
                        size_t n)
{
    if (!best->rule)
        return true;
    size_t new = fixed_text(f->rule->record), old = fixed_text(best->rule->record);
    return new != old ? new > old : is_used(used, n, best->rule);
}

/* => the best fit of a name among the rules of the type; rule NULL: none fits. */
static struct fit best_fit(struct arena *a, const struct resource_type *t, const char *fqdn,
                           const struct name_rule *const *used, size_t n_used)
{
    struct fit best = {0}, f = {0};
    for (f.group = t->groups; f.group->group; f.group++)
        for (f.rule = f.group->rules; !rule_ends(f.rule); f.rule++)
            if (rule_fits(a, f.rule, fqdn, &f.vars, &f.private) && fits_better(&f, &best, used, n_used))
                best = f;
    return best;
}

static void name_of_rule(struct arena *a, struct fit *f, struct service_name *name)
{
    const struct name_rule *r = f->rule;
    name->group = f->group->group;
    name->member = pattern_fill(a, r->member, &f->vars);
    if (!name->member)
        name->member = "";
    name->zone = pattern_fill(a, r->zone, &f->vars);
    name->redirect = !f->private && !(r->flags & RULE_NO_REDIRECT);
    if (f->private) {
        name->privatelink_fqdn = name->fqdn;
    } else {
        const char *suffix = pattern_fill(a, r->suffix, &f->vars);
        name->privatelink_fqdn = joined(a, zone_record(a, name->fqdn, suffix), name->zone);
    }
}

/* A name of a service of unknown type: the label privatelink goes behind the first, unless it is there. */
static void name_of_unknown(struct arena *a, struct service_name *name)
{
    const char *dot = strchr(name->fqdn, '.'), *link = privatelink_label(name->fqdn);
    if (link && link != name->fqdn) {
        name->zone = link;
        name->privatelink_fqdn = name->fqdn;
    }
    if (link || !dot || !dot[1] || dot == name->fqdn)
        return;
    name->zone = arena_printf(a, "privatelink%s", dot);
    name->privatelink_fqdn = arena_printf(a, "%.*s.%s", (int)(dot - name->fqdn), name->fqdn, name->zone);
    name->redirect = true;
}

static bool same_record(const struct service_name *x, const struct service_name *y)
{
    return x->privatelink_fqdn && y->privatelink_fqdn && !strcmp(x->privatelink_fqdn, y->privatelink_fqdn);
}

/* A-13: the last of n names has an address of its own, unless it is another form of an earlier name. The
 * first name of a member has the member's address, further ones have members of their own: MEMBER-2,
 * MEMBER-3, ...
 * => whether it is another form. */
static bool number_member(struct arena *a, struct service_name *names, const struct name_rule *const *used,
                          size_t n)
{
    struct service_name *last = &names[n - 1];
    size_t before = 0;
    last->own_address = true;
    for (size_t i = 0; i + 1 < n; i++) {
        if (used[i] && (used[i]->flags & RULE_ADDRESS) && same_record(&names[i], last)) {
            last->member = names[i].member;
            return true;
        }
        before += used[i] == used[n - 1];
    }
    if (before)
        last->member = arena_printf(a, "%s-%zu", last->member, before + 1);
    return false;
}

size_t type_names_given(struct arena *a, const struct resource_type *t, const char *const *fqdns, size_t n,
                        struct service_name **out)
{
    struct service_name *names = arena_array(a, n, sizeof *names);
    const struct name_rule **used = arena_array(a, n, sizeof *used);
    for (size_t i = 0; i < n; i++) {
        names[i].fqdn = lowered(a, fqdns[i]);
        names[i].group = names[i].member = "";
        if (!t) {
            name_of_unknown(a, &names[i]);
            continue;
        }
        if (strlen(fqdns[i]) > NAME_LIMIT)
            continue;
        struct fit f = best_fit(a, t, names[i].fqdn, used, i);
        used[i] = f.rule;
        if (f.rule)
            name_of_rule(a, &f, &names[i]);
        if (f.rule && (f.rule->flags & RULE_ADDRESS) && number_member(a, names, used, i + 1))
            used[i] = NULL;
    }
    *out = names;
    return n;
}

const char *type_frontend_name(struct arena *a, const struct resource_type *t, const char *resource,
                               const char *location)
{
    char *label = lowered(a, resource);
    for (char *p = label; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-')
            *p = '-';
    const char *region = location && *location ? region_canonical(a, location) : "";
    return arena_printf(a, "%s%s%s.fe.%s", label, *region ? "." : "", region,
                        t ? t->frontend : "cloudapp.azure.com");
}

/* -- zones --------------------------------------------------------------------------------------------- */

size_t type_zones(struct arena *a, const struct resource_type *t, const char *group, const char *location,
                  const char *const *replicas, size_t n_replicas, const char ***out)
{
    struct walk w = walk_new(a, NULL, location, replicas, n_replicas);
    struct texts zones = {0};
    const struct sub_resource *only = t && group ? type_group(t, group) : NULL;
    for (const struct sub_resource *g = t ? t->groups : NULL; g && g->group; g++)
        for (const struct name_rule *r = g->rules; (!group || g == only) && !rule_ends(r); r++)
            if (r->record && r->zone)
                add_text(a, &zones, pattern_fill(a, r->zone, &w.vars));
    *out = zones.at;
    return zones.n;
}

bool type_zone_known(const struct resource_type *t, const char *group, const char *zone)
{
    const struct sub_resource *only = group ? type_group(t, group) : NULL;
    struct vars ignored;
    for (const struct sub_resource *g = t->groups; g->group; g++)
        for (const struct name_rule *r = g->rules; (!group || g == only) && !rule_ends(r); r++)
            if (r->zone && strlen(zone) <= NAME_LIMIT && pattern_match(r->zone, zone, &ignored))
                return true;
    return false;
}

bool zone_is_privatelink(const char *zone)
{
    return privatelink_label(zone) != NULL;
}

const char *zone_record(struct arena *a, const char *fqdn, const char *zone)
{
    size_t n = strlen(fqdn), m = strlen(zone);
    if (n < m || strcasecmp(fqdn + n - m, zone) != 0)
        return NULL;
    if (n == m)
        return "@";
    return n > m + 1 && fqdn[n - m - 1] == '.' ? arena_strndup(a, fqdn, n - m - 1) : NULL;
}

/* -- service-endpoint namespaces ----------------------------------------------------------------------- */

const struct service_endpoint_namespace *namespace_find(const char *name)
{
    for (size_t i = 0; i < namespace_count; i++)
        if (!strcasecmp(namespace_table[i].name, name))
            return &namespace_table[i];
    return NULL;
}

const char *namespace_suggest(const char *name)
{
    struct suggest s = {.word = name};
    for (size_t i = 0; i < namespace_count; i++)
        suggest_offer(&s, namespace_table[i].name);
    return s.best;
}

const struct service_endpoint_namespace *namespace_at(size_t i)
{
    return i < namespace_count ? &namespace_table[i] : NULL;
}

size_t namespace_regions(struct arena *a, const struct service_endpoint_namespace *ns, const char *own,
                         const char *out[2])
{
    if (ns->scope == NAMESPACE_ALL)
        return 0;
    out[0] = region_canonical(a, own);
    if (ns->scope == NAMESPACE_OWN)
        return 1;
    out[1] = region_pair(own);
    return out[1] ? 2 : 1;
}
