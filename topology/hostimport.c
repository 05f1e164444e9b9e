/* hostimport.c - what of a Linux host's network makes an on-premises network; see hostimport.h.
 *
 * Prefixes are what the host can reach without its default route: the prefixes of its addresses and the
 * unicast routes of the main table. Where prefixes nest, the outermost is kept: an on-premises network
 * advertises reachability, and the inner ones add none. Hosts are the host's own addresses, named after their
 * links, and the neighbours that its links have seen, named after their addresses. Both are what flows can
 * start from and go to.
 *
 * Left out, with a note where somebody might miss it: links that are down and all that is on them; default
 * routes, also where they are written as two halves (a VPN client's 0.0.0.0/1 and 128.0.0.0/1), because an
 * advertised default route turns all traffic of the virtual network (forced tunnelling) and must be wished
 * for; other tables than main; routes that lead nowhere. Without a note: loopback, link-local, multicast and
 * reserved addresses, the platform's address (IP4_PLATFORM, to which a host in Azure has a route), IPv6.
 *
 * natIPs is the host's public address on the link of its best default route, else its first public address.
 * Without one there are no natIPs: inventing an address would make traffic arrive that does not in reality.
 *
 * Names come from outside and go into YAML: every text is reduced to letters, digits, '.', '_' and '-' on the
 * way in, so that neither names nor comments can break out of their line. Order and names depend on link
 * indices and addresses only, never on the order of the lists. Cost: n log n. References: rtnetlink(7); rules
 * */
#include "topology/hostimport.h"

#include <ctype.h>
#include <jansson.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 60 /* names become parts of file names */

struct plan {
    struct arena *a;
    const struct host_view *h;
    struct host_import *out;
    void *names; /* tsearch tree of host names, without case */
};

static void __attribute__((format(printf, 2, 3))) note(struct plan *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    struct host_import *o = p->out;
    const char *text = arena_vprintf(p->a, fmt, ap);
    va_end(ap);
    if (o->n_notes && strcmp(o->note[o->n_notes - 1], text) == 0)
        return; /* routes that differ in something that is not said */
    *(const char **)arena_push(p->a, &o->note, &o->n_notes, &o->cap_notes, sizeof *o->note) = text;
}

static const char *ip_text(struct plan *p, ip4 ip)
{
    return ip4_format(ip, arena_alloc(p->a, IP4_STRLEN));
}

static const char *prefix_text(struct plan *p, struct prefix4 x)
{
    return prefix4_format(x, arena_alloc(p->a, PREFIX4_STRLEN));
}

/* => text with anything but letters, digits, '.', '_' and '-' as '-', beginning with a letter or digit. */
static const char *sane(struct arena *a, const char *text, const char *otherwise)
{
    char *s = arena_strndup(a, text, strnlen(text, NAME_MAX_LEN)), *end = s + strlen(s);
    for (char *c = s; *c; c++)
        if (!isascii((unsigned char)*c) || (!isalnum((unsigned char)*c) && !strchr("._-", *c)))
            *c = '-';
    while (*s && !isalnum((unsigned char)*s))
        s++;
    while (end > s && !isalnum((unsigned char)end[-1]))
        *--end = 0;
    return *s ? s : otherwise;
}

/* -- links and addresses -------------------------------------------------------------------------------- */

static const struct host_link *link_of(const struct plan *p, unsigned index)
{
    for (size_t i = 0; i < p->h->n_links; i++)
        if (p->h->link[i].index == index)
            return &p->h->link[i];
    return NULL;
}

static const char *link_name(struct plan *p, unsigned index)
{
    const struct host_link *l = link_of(p, index);
    return l ? sane(p->a, l->name, "link") : arena_printf(p->a, "link-%u", index);
}

static bool link_up(const struct plan *p, unsigned index)
{
    const struct host_link *l = link_of(p, index);
    return !l || l->up;
}

/* => whether a prefix (an address: of length 32) has no place in an on-premises network. */
static bool reserved(struct prefix4 x)
{
    static const struct prefix4 none[] = {{IP4(0, 0, 0, 0), 8},      {IP4(127, 0, 0, 0), 8},
                                          {IP4(169, 254, 0, 0), 16}, {IP4(224, 0, 0, 0), 4},
                                          {IP4(240, 0, 0, 0), 4},    {IP4_PLATFORM, 32}};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (prefix4_covers(none[i], x))
            return true;
    return false;
}

static struct prefix4 prefix_of(ip4 ip, unsigned len)
{
    return (struct prefix4){.addr = ip & ip4_mask(len), .len = (uint8_t)len};
}

static int address_order(const void *x, const void *y)
{
    const struct host_address *a = x, *b = y;
    if (a->link != b->link)
        return a->link < b->link ? -1 : 1;
    return a->ip < b->ip ? -1 : a->ip > b->ip;
}

static int neighbour_order(const void *x, const void *y)
{
    const struct host_neighbour *a = x, *b = y;
    if (a->ip != b->ip)
        return a->ip < b->ip ? -1 : 1;
    return a->link < b->link ? -1 : a->link > b->link;
}

static int route_order(const void *x, const void *y)
{
    const struct host_route *a = x, *b = y;
    const int by_prefix = prefix4_cmp(&a->to, &b->to);
    if (by_prefix)
        return by_prefix;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    if (a->link != b->link)
        return a->link < b->link ? -1 : 1;
    if (a->via != b->via)
        return a->via < b->via ? -1 : 1;
    return a->unicast - b->unicast;
}

/* => a sorted copy of n elements. */
static void *sorted(struct plan *p, const void *from, size_t n, size_t size,
                    int (*order)(const void *, const void *))
{
    void *copy = arena_array(p->a, n, size);
    if (n) {
        memcpy(copy, from, n * size);
        qsort(copy, n, size, order);
    }
    return copy;
}

/* -- hosts ---------------------------------------------------------------------------------------------- */

static int name_order(const void *x, const void *y)
{
    return strcasecmp(x, y);
}

static void keep(void *name)
{
    (void)name;
}

/* => base, or base-2, base-3, ...: the first that no host has. */
static const char *free_name(struct plan *p, const char *base)
{
    const char *name = base;
    for (unsigned k = 2; tfind(name, &p->names, name_order); k++)
        name = arena_printf(p->a, "%s-%u", base, k);
    if (!tsearch(name, &p->names, name_order))
        arena_oom("host names");
    return name;
}

static void add_prefix(struct plan *p, struct prefix4 x, const char *from)
{
    struct host_import *o = p->out;
    struct import_prefix *q = arena_push(p->a, &o->prefix, &o->n_prefixes, &o->cap_prefixes, sizeof *q);
    *q = (struct import_prefix){.prefix = x, .from = from};
}

static void add_host(struct plan *p, ip4 ip, const char *name, const char *from)
{
    struct host_import *o = p->out;
    struct import_host *q = arena_push(p->a, &o->host, &o->n_hosts, &o->cap_hosts, sizeof *q);
    *q = (struct import_host){.name = free_name(p, name), .ip = ip, .from = from};
    add_prefix(p, prefix_of(ip, 32), from); /* goes again where a wider one covers it */
}

static int ip_order(const void *x, const void *y)
{
    const ip4 a = *(const ip4 *)x, b = *(const ip4 *)y;
    return a < b ? -1 : a > b;
}

/* => whether the address was not there before. */
static bool first_of(ip4 ip, void **seen, const ip4 *stable)
{
    if (tfind(&ip, seen, ip_order))
        return false;
    if (!tsearch(stable, seen, ip_order))
        arena_oom("host addresses");
    return true;
}

static void own_addresses(struct plan *p, void **seen)
{
    const struct host_address *at = sorted(p, p->h->address, p->h->n_addresses, sizeof *at, address_order);
    for (size_t i = 0; i < p->h->n_addresses; i++) {
        const struct host_address *x = &at[i];
        const char *from = link_name(p, x->link);
        if (reserved(prefix_of(x->ip, 32)))
            continue;
        if (!link_up(p, x->link))
            note(p, "left out: address %s of %s, which is down", ip_text(p, x->ip), from);
        else if (!first_of(x->ip, seen, &x->ip))
            note(p, "left out: address %s of %s, which is there already", ip_text(p, x->ip), from);
        else
            add_host(p, x->ip, from, from);
    }
}

static void neighbours(struct plan *p, void **seen)
{
    const struct host_neighbour *at =
        sorted(p, p->h->neighbour, p->h->n_neighbours, sizeof *at, neighbour_order);
    for (size_t i = 0; i < p->h->n_neighbours; i++) {
        const struct host_neighbour *x = &at[i];
        if (x->known && link_up(p, x->link) && !reserved(prefix_of(x->ip, 32)) &&
            first_of(x->ip, seen, &x->ip))
            add_host(p, x->ip, arena_printf(p->a, "neigh-%s", ip_text(p, x->ip)), link_name(p, x->link));
    }
}

/* -- prefixes ------------------------------------------------------------------------------------------- */

static void connected(struct plan *p)
{
    const struct host_address *at = sorted(p, p->h->address, p->h->n_addresses, sizeof *at, address_order);
    for (size_t i = 0; i < p->h->n_addresses; i++) {
        const struct prefix4 x = prefix_of(at[i].peer ? at[i].peer : at[i].ip, at[i].len);
        if (link_up(p, at[i].link) && x.len > 1 && !reserved(x))
            add_prefix(p, x, link_name(p, at[i].link));
    }
}

/* A default route, or half of one. */
static void default_route(struct plan *p, const struct host_route *r)
{
    note(p,
         "left out: default route %s by %s%s%s; to draw all traffic here, add 0.0.0.0/0 to addressPrefixes",
         prefix_text(p, r->to), r->link ? link_name(p, r->link) : "no link", r->via ? " via " : "",
         r->via ? ip_text(p, r->via) : "");
}

static void routes(struct plan *p)
{
    const struct host_route *at = sorted(p, p->h->route, p->h->n_routes, sizeof *at, route_order);
    size_t elsewhere = 0;
    for (size_t i = 0; i < p->h->n_routes; i++) {
        const struct host_route *r = &at[i];
        const bool main_table = r->table == HOST_TABLE_MAIN;
        elsewhere += !main_table && r->unicast;
        if (!main_table || (r->to.len > 1 && reserved(r->to)) || !link_up(p, r->link))
            continue;
        if (!r->unicast)
            note(p, "left out: route %s, which leads nowhere", prefix_text(p, r->to));
        else if (r->to.len <= 1)
            default_route(p, r);
        else
            add_prefix(p, r->to,
                       r->via ? arena_printf(p->a, "%s via %s", link_name(p, r->link), ip_text(p, r->via))
                              : link_name(p, r->link));
    }
    if (elsewhere)
        note(p, "left out: %zu routes of other tables than main", elsewhere);
}

static int prefix_order(const void *x, const void *y)
{
    const struct import_prefix *a = x, *b = y;
    const int by_prefix = prefix4_cmp(&a->prefix, &b->prefix);
    return by_prefix ? by_prefix : strcmp(a->from, b->from);
}

/* Sort, and keep what no other covers: outer prefixes sort before what they hold. */
static void outermost(struct host_import *o)
{
    size_t kept = 0;
    if (o->n_prefixes)
        qsort(o->prefix, o->n_prefixes, sizeof *o->prefix, prefix_order);
    for (size_t i = 0; i < o->n_prefixes; i++)
        if (!kept || !prefix4_covers(o->prefix[kept - 1].prefix, o->prefix[i].prefix))
            o->prefix[kept++] = o->prefix[i];
    o->n_prefixes = kept;
}

/* -- the way to the Internet ---------------------------------------------------------------------------- */

/* => the link of the best default route of the main table, 0: none. */
static unsigned default_link(const struct plan *p)
{
    const struct host_route *best = NULL;
    for (size_t i = 0; i < p->h->n_routes; i++) {
        const struct host_route *r = &p->h->route[i];
        if (r->table == HOST_TABLE_MAIN && r->unicast && r->to.len == 0 && link_up(p, r->link) &&
            (!best || route_order(r, best) < 0))
            best = r;
    }
    return best ? best->link : 0;
}

static void nat_address(struct plan *p)
{
    const struct host_address *at = sorted(p, p->h->address, p->h->n_addresses, sizeof *at, address_order);
    const unsigned out = default_link(p);
    for (int pass = 0; pass < 2 && !p->out->nat_ip; pass++)
        for (size_t i = 0; i < p->h->n_addresses && !p->out->nat_ip; i++)
            if (ip4_is_public(at[i].ip) && link_up(p, at[i].link) && (pass == 1 || at[i].link == out))
                p->out->nat_ip = at[i].ip;
    if (!p->out->nat_ip && p->out->n_hosts)
        note(p,
             "no public address, so no natIPs: what is forwarded here towards the Internet ends here (R-20)");
}

struct host_import *hostimport_plan(struct arena *a, const struct host_view *h)
{
    struct plan p = {.a = a, .h = h, .out = arena_alloc(a, sizeof *p.out)};
    void *seen = NULL;
    const char *host = sane(a, h->name, "host");
    p.out->name = sane(a, arena_strndup(a, host, strcspn(host, ".")), "host");
    own_addresses(&p, &seen);
    neighbours(&p, &seen);
    connected(&p);
    routes(&p);
    outermost(p.out);
    nat_address(&p);
    tdestroy(seen, keep);
    tdestroy(p.names, keep);
    return p.out;
}

/* -- printing ------------------------------------------------------------------------------------------- */

/* => whether YAML readers, also older ones, take a sane name for something else than text. */
static bool needs_quotes(const char *s)
{
    static const char *const word[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++)
        if (strcasecmp(s, word[i]) == 0)
            return true;
    return !isalpha((unsigned char)*s);
}

static void print_name(const char *key, const char *s, FILE *to)
{
    const char *q = needs_quotes(s) ? "'" : "";
    fprintf(to, "%s: %s%s%s", key, q, s, q);
}

static void print_yaml(const struct host_import *p, FILE *to)
{
    char buf[PREFIX4_STRLEN];
    fprintf(to,
            "# The network of the Linux host %s as an on-premises network.\n"
            "# To use it: a virtual network gateway with `connections: [%s]`, `listens` at hosts that "
            "answer, and flows.\n",
            p->name, p->name);
    print_name("scenario", p->name, to);
    fprintf(to, "\ndescription: imported from the host %s\n\n", p->name);
    for (size_t i = 0; i < p->n_notes; i++)
        fprintf(to, "# %s\n", p->note[i]);
    if (!p->n_prefixes) {
        fputs("# nothing to import: the host has no usable IPv4 address or route\n", to);
        return;
    }
    fputs("onPremisesNetworks:\n", to);
    print_name("  - name", p->name, to);
    fputs("\n    addressPrefixes:\n", to);
    for (size_t i = 0; i < p->n_prefixes; i++)
        fprintf(to, "      - %s  # %s\n", prefix4_format(p->prefix[i].prefix, buf), p->prefix[i].from);
    fputs("    bgp: false\n", to);
    if (p->nat_ip)
        fprintf(to, "    natIPs: [%s]\n", ip4_format(p->nat_ip, buf));
    if (p->n_hosts)
        fputs("    hosts:\n", to);
    for (size_t i = 0; i < p->n_hosts; i++) {
        print_name("      - {name", p->host[i].name, to);
        fprintf(to, ", ipAddress: %s}  # %s\n", ip4_format(p->host[i].ip, buf), p->host[i].from);
    }
}

static json_t *json_network(const struct host_import *p)
{
    char buf[PREFIX4_STRLEN];
    json_t *prefixes = json_array(), *hosts = json_array();
    json_t *net = json_pack("{s:s, s:o, s:b}", "name", p->name, "addressPrefixes", prefixes, "bgp", 0);
    for (size_t i = 0; i < p->n_prefixes; i++)
        json_array_append_new(prefixes, json_string(prefix4_format(p->prefix[i].prefix, buf)));
    if (p->nat_ip)
        json_object_set_new(net, "natIPs", json_pack("[s]", ip4_format(p->nat_ip, buf)));
    for (size_t i = 0; i < p->n_hosts; i++)
        json_array_append_new(hosts, json_pack("{s:s, s:s}", "name", p->host[i].name, "ipAddress",
                                               ip4_format(p->host[i].ip, buf)));
    json_object_set_new(net, "hosts", hosts);
    return net;
}

static void print_json(const struct host_import *p, FILE *to)
{
    json_t *o =
        json_pack("{s:s, s:s+}", "scenario", p->name, "description", "imported from the host ", p->name);
    json_t *nets = json_array();
    if (p->n_prefixes)
        json_array_append_new(nets, json_network(p));
    json_object_set_new(o, "onPremisesNetworks", nets);
    json_dumpf(o, to, JSON_INDENT(2));
    fputc('\n', to);
    json_decref(o);
}

void hostimport_print(const struct host_import *p, bool json, FILE *to)
{
    if (json)
        print_json(p, to);
    else
        print_yaml(p, to);
}
