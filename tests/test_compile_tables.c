/* test_compile_tables.c - every state of every shipped scenario, compiled twice: at the borders of all
 * prefixes and ports the fast image, the reference image, and the models' own selection say the same. */
#include "dataplane/arena.h"
#include "tests/support_prop.h"
#include "topology/compile.h"
#include "topology/scenario.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

struct pair { /* one state, compiled both ways */
    struct arena *a;
    struct compiled *fast, *slow;
    const char *what;
    size_t asked, dropped;
};

struct borders {
    ip4 *at;
    size_t n, cap;
};

static void border(struct pair *p, struct borders *b, struct prefix4 x)
{
    const ip4 last = prefix4_last(x), all[4] = {x.addr, last, x.addr - 1, last + 1};
    for (int i = 0; i < 4; i++)
        *(ip4 *)arena_push(p->a, &b->at, &b->n, &b->cap, sizeof *b->at) = all[i];
}

static bool same_hop(const struct image_nexthop *a, const struct image_nexthop *b)
{
    if (!a || !b)
        return a == b;
    return a->action == b->action && a->reason == b->reason && a->realm == b->realm && a->port == b->port &&
           a->crossing == b->crossing && a->link == b->link && a->row == b->row;
}

static void check_route(struct pair *p, uint32_t t, ip4 dst)
{
    const struct eff_table *rows = p->fast->table[t];
    const struct image_nexthop *a = image_lookup(p->fast->image, t, dst),
                               *b = image_lookup(p->slow->image, t, dst);
    char text[IP4_STRLEN];
    cr_assert(same_hop(a, b), "%s: table %u, %s", p->what, t, ip4_format(dst, text));
    if (rows) {
        cr_assert_not_null(a, "%s: table %u, %s", p->what, t, ip4_format(dst, text));
        cr_assert_eq(&rows->row[a->row], routes_select(rows, dst, NULL), "%s: table %u, %s", p->what, t,
                     ip4_format(dst, text));
    }
    p->asked++;
    p->dropped += a && a->action == NH_DROP;
}

static void check_tables(struct pair *p)
{
    const struct image *img = p->fast->image;
    cr_assert_eq(img->n_tables, p->slow->image->n_tables);
    for (uint32_t t = 0; t < img->n_tables; t++) {
        struct borders b = {0};
        const struct eff_table *rows = p->fast->table[t];
        for (size_t i = 0; rows && i < rows->n_all; i++)
            for (size_t k = 0; k < rows->row[i].n_prefix; k++)
                border(p, &b, rows->row[i].prefix[k]);
        for (size_t r = 0; r < img->n_realms; r++)
            for (size_t i = 0; i < img->realm[r].n; i++)
                border(p, &b, img->realm[r].prefix[i]);
        for (size_t i = 0; i < img->n_ports; i++)
            border(p, &b, (struct prefix4){img->port[i].addr, 32});
        for (size_t i = 0; i < b.n; i++)
            check_route(p, t, b.at[i]);
    }
}

/* -- rule sets ------------------------------------------------------------------------------------------- */

/* The network manager's rules have no last one that matches everything (G-16). */
static void check_admin_rule(const struct pair *p, uint32_t acl, const struct acl_key *k, struct acl_hit a, struct acl_hit b)
{
    const struct eff_rule *r = rules_match_admin(p->fast->acl[acl], k->proto, k->src, k->sport, k->dst, k->dport);
    cr_assert_eq(a.hit, r != NULL, "%s: rule set %u", p->what, acl);
    cr_assert_eq(b.hit, r != NULL, "%s: rule set %u", p->what, acl);
    if (!r)
        return;
    cr_assert_eq(a.id, r->index, "%s: rule set %u: %s", p->what, acl, r->name);
    cr_assert_eq(b.id, r->index, "%s: rule set %u: %s", p->what, acl, r->name);
    cr_assert_eq(a.allow, r->access != ACCESS_DENY);
    cr_assert_eq(p->fast->image->acl[acl].ends[a.id], r->access == ACCESS_ALWAYS_ALLOW);
    cr_assert_eq(p->slow->image->acl[acl].ends[a.id], r->access == ACCESS_ALWAYS_ALLOW);
}

static void check_rule(struct pair *p, uint32_t acl, const struct acl_key *k, bool endpoint)
{
    const struct acl_hit a = image_acl_check(p->fast->image, acl, k),
                         b = image_acl_check(p->slow->image, acl, k);
    if (!p->fast->acl[acl]->nsg) {
        check_admin_rule(p, acl, k, a, b);
        return;
    }
    cr_assert(a.hit && b.hit);
    cr_assert_eq(a.id, b.id, "%s: rule set %u: %u, %u", p->what, acl, a.id, b.id);
    cr_assert_eq(a.allow, b.allow);
    p->asked++;
    p->dropped += !a.allow;
    if (endpoint) /* which takes any source port; the model's own match does not */
        return;
    const struct eff_rule *r = rules_match(p->fast->acl[acl], k->proto, k->src, k->sport, k->dst, k->dport);
    cr_assert_eq(a.id, r->index, "%s: rule set %u: %s", p->what, acl, r->name);
    cr_assert_eq(a.allow, r->access == ACCESS_ALLOW);
}

static bool of_endpoint(const struct image *img, uint32_t acl)
{
    for (size_t i = 0; i < img->n_ports; i++)
        if (img->port[i].kind == PORT_ENDPOINT && img->port[i].up && img->port[i].acl[1][1] == acl)
            return true;
    return false;
}

/* Addresses and ports at which some rule of the set changes its mind. */
static void rule_borders(struct pair *p, const struct eff_rules *r, struct borders *addr, struct borders *l4)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct eff_side *side[2] = {&r->rule[i].source, &r->rule[i].destination};
        for (int s = 0; s < 2; s++) {
            for (size_t k = 0; k < side[s]->set.n && k < 40; k++)
                border(p, addr, side[s]->set.at[k]);
            for (size_t k = 0; k < side[s]->n_port; k++) {
                const ip4 edge[] = {side[s]->port[k].first, side[s]->port[k].last,
                                    side[s]->port[k].first - 1u, side[s]->port[k].last + 1u};
                for (int e = 0; e < 4; e++)
                    *(ip4 *)arena_push(p->a, &l4->at, &l4->n, &l4->cap, sizeof *l4->at) = edge[e];
            }
        }
    }
}

static void check_rules(struct pair *p, struct rng *rng)
{
    static const uint8_t proto[] = {IPPROTO_NR_TCP, IPPROTO_NR_UDP, IPPROTO_NR_ICMP, IPPROTO_NR_ESP};
    const struct image *img = p->fast->image;
    cr_assert_eq(img->n_acls, p->slow->image->n_acls);
    for (uint32_t acl = 0; acl < img->n_acls; acl++) {
        struct borders addr = {0}, l4 = {0};
        const bool endpoint = of_endpoint(img, acl);
        rule_borders(p, p->fast->acl[acl], &addr, &l4);
        for (size_t i = 0; i < 2000; i++) {
            struct acl_key k = {.src = addr.at[rng_below(rng, addr.n)],
                                .dst = addr.at[rng_below(rng, addr.n)],
                                .proto = proto[rng_below(rng, 4)]};
            if (acl_has_ports(k.proto)) {
                k.sport = (uint16_t)l4.at[rng_below(rng, l4.n)];
                k.dport = (uint16_t)l4.at[rng_below(rng, l4.n)];
            }
            check_rule(p, acl, &k, endpoint);
        }
    }
}

/* -- all scenarios --------------------------------------------------------------------------------------- */

static void check_addresses(const struct pair *p)
{
    const struct image *a = p->fast->image, *b = p->slow->image;
    cr_assert_eq(a->n_ports, b->n_ports);
    cr_assert_eq(exact_count(a->addresses), exact_count(b->addresses));
    for (size_t i = 0; i < a->n_ports; i++) {
        const struct image_port *x = &a->port[i], *y = &b->port[i];
        cr_assert_eq(x->table, y->table);
        cr_assert_eq(memcmp(x->acl, y->acl, sizeof x->acl), 0);
        if (!x->up || x->kind == PORT_RESOLVER || !x->addr)
            continue;
        cr_assert_eq(exact_get(a->addresses, x->realm, x->addr), i, "%s: %s", p->what,
                     port_name(p->fast->numbering, (uint32_t)i));
    }
}

static void check_state(const struct model *m, const char *what, struct rng *rng, size_t *asked,
                        size_t *dropped)
{
    struct numbering *n = numbering_new();
    struct pair p = {
        arena_new("borders"), compile_model(m, n, 0, false), compile_model(m, n, 0, true), what, 0, 0};
    cr_assert(!p.fast->image->reference && p.slow->image->reference);
    check_addresses(&p);
    check_tables(&p);
    check_rules(&p, rng);
    *asked += p.asked;
    *dropped += p.dropped;
    compiled_free(p.fast);
    compiled_free(p.slow);
    numbering_free(n);
    arena_free(p.a);
}

Test(tables, fast_reference_and_selection_agree_on_shipped_scenarios)
{
    glob_t g;
    struct rng rng;
    size_t asked = 0, dropped = 0;
    prop_seed(&rng, "borders");
    cr_assert_eq(glob("topology/scenarios/*.yaml", 0, NULL, &g), 0);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        struct arena *a = arena_new("test");
        struct diag *d = diag_new(a);
        const struct change *c;
        struct scenario *s = scenario_load(g.gl_pathv[i], d);
        cr_assert_not_null(s, "%s", g.gl_pathv[i]);
        const size_t n = scenario_changes(s, &c);
        for (size_t k = 0; k <= n; k++)
            check_state(scenario_state(s, k), g.gl_pathv[i], &rng, &asked, &dropped);
        scenario_free(s);
        arena_free(a);
    }
    globfree(&g);
    cr_assert_gt(asked, 10000);
    cr_assert(dropped > asked / 100 && dropped < asked, "%zu of %zu", dropped, asked);
}
