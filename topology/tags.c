/* tags.c - service tags.
 *
 * Purpose. A service tag is a name for a set of public prefixes. Rules and user-defined routes name it, and a
 * service endpoint puts the prefixes of its service's tags into the effective routes of a subnet (Y-13). All
 * three ask: which prefixes, and is this address one of them?
 *
 * Representation. Each tag keeps its prefixes as published, sorted, because effective routes list them
 * (Y-14), and beside them the ranges that they cover, merged, so that tagset_covers() is one binary search:
 * 13,155 prefixes of AzureCloud become about a thousand ranges. A registry (uthash) finds tags by lower-cased
 * name; an array in the order of these names is what callers iterate over, so that hash order never reaches
 * an output. Everything is the arena's: uthash is told to take its buckets from there and never to free,
 * which costs at most as much again.
 *
 * Regional tags are recognised by the suffix of their name (Storage.WestEurope), not by the published region
 * property, which spells some regions otherwise (germanywc) and is empty for others. Six published suffixes
 * are parts of a service, not regions.
 *
 * Odd cases. Platform tags (AzurePlatformDNS and the like, G-14, N-17) are in no published file: every set
 * gets them. VirtualNetwork, Internet and AzureLoadBalancer are computed from the model and in no set. IPv6
 * prefixes are kept as text.
 *
 * References: "Azure service tags overview"; "What is IP address 168.63.129.16?"; "Azure Instance Metadata
 * Service"; the addresses of AzurePlatformLKM from "Use Azure Firewall to protect Azure Virtual Desktop"
 * (azkms, kms). */
#include "topology/tags.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "topology/regions.h"
#include "topology/suggest.h"
#include "topology/tags_int.h"

/* uthash takes memory from the registry in scope. */
#define uthash_malloc(size)  arena_alloc(reg->arena, size)
#define uthash_free(p, size) ((void)(p))
#include <uthash.h>

struct tag_entry {
    struct tag tag;
    struct prefix4 *prefixes4;
    const char **prefixes6;
    size_t cap4, cap6;
    UT_hash_handle hh; /* key: name in lower case */
};

struct tag_registry {
    struct arena *arena;
    struct tag_entry *by_name;
};

static const char *const computed[] = {"VirtualNetwork", "Internet", "AzureLoadBalancer"};

/* Suffixes of published names that are not regions: AzureFrontDoor.Frontend and the like. */
static const char *const not_regions[] = {"Backend",           "Core",           "FirstParty", "Frontend",
                                          "MicrosoftSecurity", "ServiceEndpoint"};

static bool among(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(word, list[i]))
            return true;
    return false;
}

#define AMONG(word, list) among(word, list, sizeof(list) / sizeof((list)[0]))

bool tag_is_computed(const char *name)
{
    return AMONG(name, computed);
}

/* => the length of the name in lower case in key, 0 if it is empty or too long. */
static size_t make_key(const char *name, char key[TAG_NAME_LIMIT])
{
    size_t n = 0;
    for (; name[n]; n++) {
        if (n + 1 == TAG_NAME_LIMIT)
            return 0;
        key[n] = (char)tolower((unsigned char)name[n]);
    }
    key[n] = '\0';
    return n;
}

/* -- building ------------------------------------------------------------------------------------------ */

struct tagset *tags_new(struct arena *a, const char *source)
{
    struct tagset *s = arena_alloc(a, sizeof *s);
    s->source = source;
    s->cloud = "Public";
    s->registry = arena_alloc(a, sizeof *s->registry);
    s->registry->arena = a;
    return s;
}

static struct tag_entry *find(const struct tagset *s, const char *name)
{
    char key[TAG_NAME_LIMIT];
    size_t n = make_key(name, key);
    struct tag_entry *e = NULL;
    if (n)
        HASH_FIND(hh, s->registry->by_name, key, n, e);
    return e;
}

struct tag_entry *tags_entry(struct tagset *s, const char *name)
{
    return find(s, name);
}

const struct tag *tags_tag(const struct tag_entry *e)
{
    return &e->tag;
}

static void split_name(struct arena *a, struct tag *t)
{
    const char *dot = strchr(t->name, '.');
    t->service = t->name;
    t->region = "";
    if (dot && !AMONG(dot + 1, not_regions)) {
        t->service = arena_strndup(a, t->name, (size_t)(dot - t->name));
        t->region = region_canonical(a, dot + 1);
    }
}

struct tag_entry *tags_add(struct tagset *s, const char *name, const char *system, unsigned features,
                           size_t expect)
{
    struct tag_registry *reg = s->registry;
    char key[TAG_NAME_LIMIT];
    size_t n = make_key(name, key);
    if (!n || find(s, name))
        return NULL;
    struct tag_entry *e = arena_alloc(reg->arena, sizeof *e);
    e->tag.name = arena_strdup(reg->arena, name);
    e->tag.system_service = arena_strdup(reg->arena, system);
    e->tag.features = features;
    split_name(reg->arena, &e->tag);
    if (expect) {
        e->prefixes4 = arena_array(reg->arena, expect, sizeof *e->prefixes4);
        e->cap4 = expect;
    }
    const char *kept = arena_strdup(reg->arena, key);
    HASH_ADD_KEYPTR(hh, reg->by_name, kept, n, e);
    s->n++;
    return e;
}

static bool is_prefix6(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr in6;
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    if (n >= sizeof address)
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(AF_INET6, address, &in6) != 1)
        return false;
    if (!slash)
        return true;
    size_t digits = strspn(slash + 1, "0123456789");
    return digits > 0 && digits < 4 && !slash[1 + digits] && atoi(slash + 1) <= 128;
}

const char *tags_prefix(struct tagset *s, struct tag_entry *e, const char *text)
{
    struct arena *a = s->registry->arena;
    if (strchr(text, ':')) {
        if (!is_prefix6(text))
            return "not an IPv6 prefix";
        const char **six = arena_push(a, &e->prefixes6, &e->tag.count6, &e->cap6, sizeof *six);
        *six = arena_strdup(a, text);
        return NULL;
    }
    struct prefix4 p;
    int rc = prefix4_parse(text, &p);
    if (rc)
        return rc == -ERANGE ? "a prefix with bits set beyond its length" : "not an IPv4 prefix";
    *(struct prefix4 *)arena_push(a, &e->prefixes4, &e->tag.n, &e->cap4, sizeof p) = p;
    return NULL;
}

unsigned tags_feature(const char *name)
{
    static const char *const names[] = {"API", "NSG", "UDR", "FW", "VSE"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i]))
            return 1u << i;
    return 0;
}

/* -- finishing ----------------------------------------------------------------------------------------- */

/* Sort the prefixes and drop repeated ones. => how many are left. */
static size_t sort_prefixes(struct prefix4 *p, size_t n)
{
    size_t kept = 0;
    if (n)
        qsort(p, n, sizeof *p, prefix4_cmp);
    for (size_t i = 0; i < n; i++)
        if (!kept || !prefix4_eq(p[kept - 1], p[i]))
            p[kept++] = p[i];
    return kept;
}

/* Merge sorted prefixes into ranges (room for n). => how many ranges. */
static size_t merge_ranges(const struct prefix4 *p, size_t n, struct tag_range *out)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        ip4 last = prefix4_last(p[i]);
        if (m && (out[m - 1].last == UINT32_MAX || p[i].addr <= out[m - 1].last + 1)) {
            if (last > out[m - 1].last)
                out[m - 1].last = last;
        } else {
            out[m++] = (struct tag_range){p[i].addr, last};
        }
    }
    return m;
}

static void seal(struct arena *a, struct tag_entry *e)
{
    struct tag *t = &e->tag;
    t->n = sort_prefixes(e->prefixes4, t->n);
    struct tag_range *ranges = arena_array(a, t->n, sizeof *ranges);
    t->n_ranges = merge_ranges(e->prefixes4, t->n, ranges);
    t->prefixes4 = e->prefixes4;
    t->prefixes6 = e->prefixes6;
    t->ranges = ranges;
}

static void add_platform_tags(struct tagset *s)
{
    static const struct {
        const char *name, *prefixes[3];
    } platform[] = {
        {"AzurePlatformDNS", {"168.63.129.16/32"}},
        {"AzurePlatformIMDS", {"169.254.169.254/32"}},
        {"AzurePlatformLKM", {"20.118.99.224/32", "23.102.135.246/32", "40.83.235.53/32"}},
    };
    for (size_t i = 0; i < sizeof platform / sizeof platform[0]; i++) {
        struct tag_entry *e = tags_add(s, platform[i].name, "", TAG_NSG, 0);
        for (size_t j = 0; e && j < 3 && platform[i].prefixes[j]; j++)
            tags_prefix(s, e, platform[i].prefixes[j]);
    }
}

static int by_key(const struct tag_entry *a, const struct tag_entry *b)
{
    return strcmp(a->hh.key, b->hh.key);
}

struct tagset *tags_finish(struct tagset *s)
{
    struct tag_registry *reg = s->registry;
    s->published = s->n;
    add_platform_tags(s);
    HASH_SORT(reg->by_name, by_key);
    const struct tag **tags = arena_array(reg->arena, s->n, sizeof *tags);
    size_t i = 0;
    for (struct tag_entry *e = reg->by_name; e; e = e->hh.next) {
        seal(reg->arena, e);
        tags[i++] = &e->tag;
    }
    s->tags = tags;
    return s;
}

/* -- asking -------------------------------------------------------------------------------------------- */

const struct tag *tagset_find(const struct tagset *s, const char *name)
{
    struct tag_entry *e = find(s, name);
    return e ? &e->tag : NULL;
}

static const struct tag *find_suffixed(const struct tagset *s, const char *service, const char *suffix)
{
    char name[TAG_NAME_LIMIT];
    int n = snprintf(name, sizeof name, "%s.%s", service, suffix);
    return n > 0 && (size_t)n < sizeof name ? tagset_find(s, name) : NULL;
}

const struct tag *tagset_regional(const struct tagset *s, const char *service, const char *region)
{
    const struct region *r = region_find(region);
    if (r) {
        const struct tag *t = find_suffixed(s, service, r->name);
        return t ? t : find_suffixed(s, service, r->cloud);
    }
    char plain[TAG_NAME_LIMIT];
    size_t n = 0;
    for (const char *p = region; *p && n + 1 < sizeof plain; p++)
        if (*p != ' ' && *p != '\t')
            plain[n++] = *p;
    plain[n] = '\0';
    return find_suffixed(s, service, plain);
}

const char *tagset_suggest(const struct tagset *s, const char *name)
{
    const char *dot = strchr(name, '.');
    char service[TAG_NAME_LIMIT];
    if (dot && (size_t)(dot - name) < sizeof service) {
        memcpy(service, name, (size_t)(dot - name));
        service[dot - name] = '\0';
        const struct tag *t = tagset_regional(s, service, dot + 1);
        if (t)
            return t->name;
    }
    struct suggest near = {.word = name};
    for (size_t i = 0; i < sizeof computed / sizeof computed[0]; i++)
        suggest_offer(&near, computed[i]);
    for (size_t i = 0; i < s->n; i++)
        suggest_offer(&near, s->tags[i]->name);
    return near.best;
}

bool tagset_covers(const struct tag *t, ip4 a)
{
    size_t lo = 0, hi = t->n_ranges; /* the first range that begins beyond a is in [lo, hi] */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t->ranges[mid].first <= a)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && a <= t->ranges[lo - 1].last;
}
