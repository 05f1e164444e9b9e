/* wire_flowlog.c - see wire_flowlog.h.
 *
 * A log of a security group takes the conversations that a rule of that group decided about, at whatever NIC
 * (F-08); one of a virtual network takes those of all its NICs. Private endpoints are no NICs, so their
 * traffic shows at its source only (PE-10). Identifiers that Azure would draw at random are derived from
 * names. */
#include "topology/wire_flowlog.h"

#include "dataplane/arena.h"
#include "pcaps/flowlog.h"
#include "topology/cmd.h"
#include "topology/flowtrack.h"
#include "topology/watcher.h"

#include <string.h>
#include <strings.h>

enum { NAME_LEN = 1024, MEMOS = 256 };

struct memo { /* what a rule is called; rules are many lines' */
    const struct eff_rule *rule;
    const char *acl, *text;
};

struct wire_flowlog {
    struct arena *arena;
    int64_t start;
    struct flowlog_spec *spec;
    size_t n;
    struct flowlog_set *set;
    struct numbers *text;    /* rules and lists, each kept once */
    struct memo memo[MEMOS]; /* by the rule's position, the last one asked for */
    struct flowtrack *track; /* NULL: no log is asked for */
};

/* The same text for the same group, in every log. */
static const char *group_guid(struct wire_flowlog *w, const struct nsg *g)
{
    char name[NAME_LEN], text[WATCHER_GUID_LEN];
    snprintf(name, sizeof name, "networkSecurityGroup/%s/%s/%s", g->subscription, g->resourceGroup, g->name);
    watcher_guid(name, text);
    return numbers_name(w->text, numbers_of(w->text, text));
}

/* G-16: what a network manager's configuration decided is told under its own identifier. */
static const char *manager_guid(struct wire_flowlog *w, const struct admin_rule *r)
{
    const struct admin_config *c = r->collection->config;
    char name[NAME_LEN], text[WATCHER_GUID_LEN];
    snprintf(name, sizeof name, "networkManager/%s/%s/%s/%s", c->manager->subscription,
             c->manager->resourceGroup, c->manager->name, c->name);
    watcher_guid(name, text);
    return numbers_name(w->text, numbers_of(w->text, text));
}

static const char *log_guid(struct wire_flowlog *w, const struct flowlog_spec *s)
{
    char name[NAME_LEN], text[WATCHER_GUID_LEN];
    snprintf(name, sizeof name, "flowLog/%s/%s", s->subscription, s->name);
    watcher_guid(name, text);
    return numbers_name(w->text, numbers_of(w->text, text));
}

static const struct nsg *group_named(const struct model *m, const char *name)
{
    for (size_t i = 0; i < m->networkSecurityGroups.n; i++)
        if (strcasecmp(m->networkSecurityGroups.at[i].name, name) == 0)
            return &m->networkSecurityGroups.at[i];
    return NULL;
}

static struct flowlog_spec spec_of(struct wire_flowlog *w, const struct model *m, const struct flow_log *l)
{
    struct flowlog_spec s = {.name = l->name, .version = l->version, .target = l->target};
    const struct nsg *g = l->version < 4 ? group_named(m, l->target) : NULL;
    const struct vnet *v = l->version < 4 ? NULL : model_vnet(m, l->target);
    s.subscription = g ? g->subscription : v ? v->subscription : m->subscription;
    s.resource_group = g ? g->resourceGroup : v ? v->resourceGroup : m->resourceGroup;
    s.location = g ? g->location : v ? v->location : m->location;
    s.target = g ? g->name : v ? v->name : l->target;
    s.guid = g ? group_guid(w, g) : log_guid(w, &s);
    return s;
}

struct wire_flowlog *wire_flowlog_open(const struct scenario *sc, const char *dir)
{
    struct arena *a = arena_new("flow logs");
    struct wire_flowlog *w = arena_alloc(a, sizeof *w);
    const struct model *m = scenario_state(sc, 0);
    w->arena = a;
    w->start = m->start_unix_ns;
    w->n = m->flowLogs.n;
    w->text = numbers_new(0);
    w->spec = arena_array(a, w->n, sizeof *w->spec);
    for (size_t i = 0; i < w->n; i++)
        w->spec[i] = spec_of(w, m, &m->flowLogs.at[i]);
    w->set = flowlog_new(dir, w->spec, w->n);
    if (w->n)
        w->track = flowtrack_new(w->start);
    return w;
}

void wire_flowlog_packet(struct wire_flowlog *w, const struct compiled *c, uint32_t port, int64_t at,
                         const struct packet *p, const struct trace *t)
{
    if (w->track)
        flowtrack_packet(w->track, c, port, at, p, t);
}

static bool takes(const struct flowlog_spec *s, const struct track_flow *f, enum track_state state)
{
    if (s->version == 4)
        return strcasecmp(f->nic->subnet->vnet->name, s->target) == 0;
    if (!f->rule || !f->rule->nsg || strcasecmp(f->rule->nsg->name, s->target) != 0)
        return false;
    return !f->stateless || state == TRACK_BEGIN || state == TRACK_DENY; /* G-07 */
}

static const struct memo *memo_of(struct wire_flowlog *w, const struct eff_rule *r)
{
    struct memo *m = &w->memo[r->index % MEMOS];
    char name[NAME_LEN];
    if (m->rule == r)
        return m;
    *m = (struct memo){.rule = r, .acl = r->nsg ? group_guid(w, r->nsg) : manager_guid(w, r->admin)};
    /* kept by group: two groups may spell the name of a rule differently */
    snprintf(name, sizeof name, "%s/%s%s", m->acl,
             r->admin                ? ""
             : r->which == RULE_USER ? "UserRule_"
                                     : "DefaultRule_",
             r->name);
    m->text = numbers_name(w->text, numbers_of(w->text, name)) + strlen(m->acl) + 1;
    return m;
}

static struct flowlog_place place_of(struct wire_flowlog *w, const struct track_flow *f)
{
    struct flowlog_place p = {.acl = "unspecified", .rule = "unspecified"};
    memcpy(p.mac, f->mac, sizeof p.mac);
    if (f->rule) {
        const struct memo *m = memo_of(w, f->rule);
        p.acl = m->acl;
        p.rule = m->text;
    }
    return p;
}

static void add(struct wire_flowlog *w, const struct track_tuple *t)
{
    static const char state[] = {
        [TRACK_BEGIN] = 'B', [TRACK_CONTINUE] = 'C', [TRACK_END] = 'E', [TRACK_DENY] = 'D'};
    const struct track_flow *f = flowtrack_flow(w->track, t->flow);
    struct flowlog_tuple out = {.at = w->start + t->at,
                                .src = f->src,
                                .dst = f->dst,
                                .sport = f->sport,
                                .dport = f->dport,
                                .proto = f->proto,
                                .inbound = f->inbound,
                                .state = state[t->state]};
    memcpy(out.packets, t->packets, sizeof out.packets);
    memcpy(out.bytes, t->bytes, sizeof out.bytes);
    for (size_t i = 0; i < w->n; i++) {
        if (!takes(&w->spec[i], f, t->state))
            continue;
        const struct flowlog_place at = place_of(w, f);
        flowlog_add(w->set, i, &at, &out);
    }
}

int wire_flowlog_finish(struct wire_flowlog *w, int64_t end)
{
    char err[512] = "";
    const struct track_tuple *t;
    if (!w->track)
        return EXIT_OK;
    flowtrack_end(w->track, end);
    const size_t n = flowtrack_tuples(w->track, &t);
    for (size_t i = 0; i < n; i++)
        add(w, &t[i]);
    if (flowlog_finish(w->set, err, sizeof err) == 0)
        return EXIT_OK;
    fprintf(stderr, "vnetsim: %s\n", err);
    return EXIT_SYSTEM;
}

json_t *wire_flowlog_commit(struct wire_flowlog *w)
{
    char err[512] = "";
    const struct flowlog_result *r;
    if (flowlog_commit(w->set, err, sizeof err) != 0) {
        fprintf(stderr, "vnetsim: %s\n", err);
        return NULL;
    }
    json_t *list = json_array();
    const size_t n = flowlog_results(w->set, &r);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", r[i].name, "file", r[i].file));
    return list;
}

void wire_flowlog_free(struct wire_flowlog *w)
{
    if (!w)
        return;
    flowlog_free(w->set);
    flowtrack_free(w->track);
    numbers_free(w->text);
    arena_free(w->arena);
}
