/* bind_value.c - single values: read by kind, complained about by kind, resolved where they are references.
 */
#include "topology/bind_int.h"

#include "topology/regions.h"
#include "topology/suggest.h"
#include "topology/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PUT(type, v)                                                                                         \
    do {                                                                                                     \
        type put_ = (v);                                                                                     \
        memcpy(to, &put_, sizeof put_);                                                                      \
    } while (0)

static int put_number(uint64_t v, void *to, size_t size)
{
    if (size == sizeof(uint16_t))
        PUT(uint16_t, (uint16_t)v);
    else if (size == sizeof(uint32_t))
        PUT(uint32_t, (uint32_t)v);
    else
        PUT(uint64_t, v);
    return 0;
}

static uint64_t number_max(const struct field *f)
{
    if (f->max)
        return f->max;
    size_t size = f->size; /* 0: not stored */
    return size == sizeof(uint16_t) ? UINT16_MAX : size == sizeof(uint32_t) ? UINT32_MAX : UINT64_MAX;
}

static int read_number(const struct field *f, const char *text, void *to, size_t size)
{
    uint64_t v;
    int rc = unit_number(text, &v);
    if (rc)
        return rc;
    return v < f->min || v > number_max(f) ? -ERANGE : put_number(v, to, size);
}

static int read_bool(const char *text, void *to)
{
    bool yes = strcasecmp(text, "true") == 0;
    if (!yes && strcasecmp(text, "false") != 0)
        return -EINVAL;
    PUT(bool, yes);
    return 0;
}

static int read_word(const struct field *f, const char *text, void *to, size_t size)
{
    const struct word *w = word_find(f->words, text);
    if (!w)
        return -EINVAL;
    if (size == sizeof(bool))
        PUT(uint8_t, (uint8_t)w->value);
    else if (size == sizeof(const char *))
        PUT(const char *, w->word);
    else
        PUT(int, w->value);
    return 0;
}

/* "443" or "100-200"; from least up. */
static int read_range(const char *text, unsigned least, uint16_t *first, uint16_t *last)
{
    char one[8];
    const char *dash = strchr(text, '-');
    size_t n = dash ? (size_t)(dash - text) : strlen(text);
    uint64_t a, z;
    if (n >= sizeof one)
        return -EINVAL;
    memcpy(one, text, n);
    one[n] = '\0';
    if (unit_number(one, &a) || (dash && unit_number(dash + 1, &z)))
        return -EINVAL;
    if (!dash)
        z = a;
    if (a < least || z > UINT16_MAX || a > z)
        return -ERANGE;
    *first = (uint16_t)a;
    *last = (uint16_t)z;
    return 0;
}

static int read_ports(const struct field *f, const char *text, void *to)
{
    struct port_spec p = {.last = UINT16_MAX};
    if (strcasecmp(text, "-icmp") == 0 && !f->bare) {
        p.icmp_off = true;
    } else if (strncasecmp(text, "tcp", 3) == 0 || strncasecmp(text, "udp", 3) == 0) {
        p.proto = tolower((unsigned char)*text) == 't' ? 6 : 17;
        int rc = text[3] == '/'        ? read_range(text + 4, 1, &p.first, &p.last)
                 : f->bare && !text[3] ? 0
                                       : -EINVAL;
        if (rc)
            return rc;
    } else if (f->bare && strcasecmp(text, "icmp") == 0) {
        p.proto = 1;
    } else {
        return -EINVAL;
    }
    PUT(struct port_spec, p);
    return 0;
}

static int read_port_match(const char *text, void *to)
{
    struct port_match p = {0, UINT16_MAX};
    int rc = strcmp(text, "*") == 0 ? 0 : read_range(text, 0, &p.first, &p.last);
    if (!rc)
        PUT(struct port_match, p);
    return rc;
}

/* A prefix where it begins like one, else the name of a service tag. */
static int read_prefix_or_tag(const char *text, struct prefix4 *p, const char **tag)
{
    *tag = NULL;
    if (!isalpha((unsigned char)*text) || strchr(text, ':'))
        return prefix4_parse(text, p);
    *tag = text;
    return text[strcspn(text, " /")] ? -EINVAL : 0;
}

static int read_address(struct bind *b, const char *text, void *to)
{
    struct address_match m = {.kind = MATCH_ANY};
    if (strcmp(text, "*") != 0) {
        int rc = read_prefix_or_tag(text, &m.prefix, &m.tag);
        if (rc)
            return rc;
        m.kind = m.tag ? MATCH_TAG : MATCH_PREFIX;
        if (m.tag)
            m.tag = arena_strdup(b->a, m.tag);
    }
    PUT(struct address_match, m);
    return 0;
}

static int read_route(struct bind *b, const char *text, void *to)
{
    struct prefix4 p = {0};
    const char *tag;
    int rc = read_prefix_or_tag(text, &p, &tag);
    if (rc)
        return rc;
    PUT(struct prefix4, p);
    struct route *r = b->frame ? b->frame->obj : NULL;
    if (r && tag)
        r->tag = arena_strdup(b->a, tag);
    return 0;
}

/* Names become paths and file names: no '/', no control characters, no blanks at the ends. */
static int read_name(const char *text, void *to)
{
    size_t n = strlen(text);
    if (!n || n > 200 || strchr(text, '/') || text[0] == ' ' || text[n - 1] == ' ')
        return -EINVAL;
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < ' ')
            return -EINVAL;
    }
    PUT(const char *, text);
    return 0;
}

int value_read(struct bind *b, const struct field *f, const char *text, void *to, size_t size)
{
    ip4 ip;
    struct prefix4 p;
    int64_t time;
    uint64_t number;
    double fraction;
    int rc = 0;
    switch (f->kind) {
    case K_NAME:
        return read_name(text, to);
    case K_TEXT:
        if (!*text && f->required)
            return -EINVAL;
        PUT(const char *, text);
        return 0;
    case K_BOOL:
        return read_bool(text, to);
    case K_NUMBER:
        return read_number(f, text, to, size);
    case K_WORD:
        return read_word(f, text, to, size);
    case K_DURATION:
    case K_TIME:
        rc = f->kind == K_TIME ? unit_time(text, &time) : unit_duration(text, &time);
        if (!rc)
            PUT(int64_t, time);
        return rc;
    case K_SIZE:
    case K_BANDWIDTH:
        rc = f->kind == K_SIZE ? unit_size(text, &number) : unit_bandwidth(text, &number);
        if (!rc)
            PUT(uint64_t, number);
        return rc;
    case K_FRACTION:
        rc = unit_fraction(text, &fraction);
        if (!rc)
            PUT(double, fraction);
        return rc;
    case K_REGION:
        if (!*text)
            return -EINVAL;
        PUT(const char *, region_canonical(b->a, text));
        return 0;
    case K_IP:
        rc = ip4_parse(text, &ip);
        if (!rc)
            PUT(ip4, ip);
        return rc;
    case K_PREFIX:
        rc = prefix4_parse(text, &p);
        if (!rc)
            PUT(struct prefix4, p);
        return rc;
    case K_PORTS:
        return read_ports(f, text, to);
    case K_PORT_MATCH:
        return read_port_match(text, to);
    case K_ADDRESS:
        return read_address(b, text, to);
    case K_ROUTE:
        return read_route(b, text, to);
    case K_REF:
    case K_TARGET:
    case K_STRUCT:
    case K_PAIRS:
    case K_COUNTS:
    case K_EXPECT:
    case K_ANY:
        break;
    }
    return -EINVAL;
}

size_t value_size(const struct field *f)
{
    if (f->kind == K_STRUCT)
        return f->sub->size;
    if (f->kind == K_IP)
        return sizeof(ip4);
    if (f->kind == K_PREFIX)
        return sizeof(struct prefix4);
    if (f->kind == K_PORTS)
        return sizeof(struct port_spec);
    if (f->kind == K_PORT_MATCH)
        return sizeof(struct port_match);
    if (f->kind == K_ADDRESS)
        return sizeof(struct address_match);
    return sizeof(void *);
}

const char *bind_canonical(struct arena *a, const struct field *f, const char *text)
{
    struct bind b = {.a = a};
    union {
        uint64_t u;
        int64_t i;
        double d;
        bool yes;
        const char *s;
        unsigned char room[64];
    } v = {0};
    char *buf = arena_alloc(a, UNIT_STRLEN);
    if (f->kind == K_WORD)
        return word_find(f->words, text) ? word_find(f->words, text)->word : text;
    if (value_read(&b, f, text, &v, sizeof v.u))
        return text;
    switch (f->kind) {
    case K_BOOL:
        return v.yes ? "true" : "false";
    case K_NUMBER:
        return arena_printf(a, "%" PRIu64, v.u);
    case K_DURATION:
        return unit_format_duration(v.i, buf);
    case K_SIZE:
        return unit_format_size(v.u, buf);
    case K_BANDWIDTH:
        return unit_format_bandwidth(v.u, buf);
    case K_FRACTION:
        return unit_format_fraction(v.d, buf);
    case K_TIME:
        return unit_format_time(v.i, buf);
    case K_REGION:
        return v.s;
    case K_TEXT:
    case K_NAME:
    case K_WORD:
    case K_IP:
    case K_PREFIX:
    case K_PORTS:
    case K_PORT_MATCH:
    case K_ADDRESS:
    case K_ROUTE:
    case K_REF:
    case K_TARGET:
    case K_STRUCT:
    case K_PAIRS:
    case K_COUNTS:
    case K_EXPECT:
    case K_ANY:
        break;
    }
    return text;
}

/* -- complaints ------------------------------------------------------------------------------------------ */

static const char *all_words(struct bind *b, const struct word *w)
{
    const char *s = w->word;
    for (w++; w->word; w++)
        s = arena_printf(b->a, "%s%s%s", s, w[1].word ? ", " : " or ", w->word);
    return s;
}

static void complain_word(struct bind *b, const struct field *f, const struct node *n)
{
    struct suggest near = {.word = n->text};
    size_t count = 0;
    for (const struct word *w = f->words; w->word; w++, count++)
        suggest_offer(&near, w->word);
    if (near.best)
        bind_fail(b, n->at, "unknown value '%s' of '%s'; did you mean '%s'?", n->text, f->key, near.best);
    else if (count > 12)
        bind_fail(b, n->at, "unknown value '%s' of '%s'", n->text, f->key);
    else
        bind_fail(b, n->at, "unknown value '%s' of '%s': it takes %s", n->text, f->key,
                  all_words(b, f->words));
}

static void complain_prefix(struct bind *b, const struct field *f, const struct node *n, int why)
{
    char buf[PREFIX4_STRLEN];
    struct prefix4 p;
    if (why == -ERANGE && prefix4_parse(n->text, &p) == -ERANGE)
        bind_fail(b, n->at, "'%s' has host bits set; did you mean %s?", n->text, prefix4_format(p, buf));
    else if (strchr(n->text, ':'))
        bind_fail(b, n->at, "'%s' of '%s' is IPv6; the model is IPv4", n->text, f->key);
    else if (f->kind == K_IP)
        bind_fail(b, n->at, "'%s' of '%s' is not an IPv4 address", n->text, f->key);
    else if (f->kind == K_PREFIX)
        bind_fail(b, n->at, "'%s' of '%s' is not an IPv4 prefix", n->text, f->key);
    else
        bind_fail(b, n->at, "'%s' of '%s' is neither an IPv4 prefix nor a service tag%s", n->text, f->key,
                  f->kind == K_ADDRESS ? " nor '*'" : "");
}

static const char *form_of(const struct field *f)
{
    switch (f->kind) {
    case K_DURATION:
        return "a duration with its unit, such as 250us, 10ms, 5s or 4m";
    case K_SIZE:
        return "a size with its unit, such as 100B, 2KiB or 1MiB";
    case K_BANDWIDTH:
        return "a bandwidth with its unit, such as 100Mbps or 10Gbps";
    case K_FRACTION:
        return "a fraction from 0 to 1";
    case K_TIME:
        return "a moment in UTC, such as 2026-01-01T00:00:00Z";
    case K_PORTS:
        return f->bare ? "tcp/PORT, udp/FIRST-LAST, tcp, udp or icmp" : "tcp/PORT, udp/FIRST-LAST or '-icmp'";
    case K_PORT_MATCH:
        return "'*', a port or FIRST-LAST";
    case K_NUMBER:
        return "a number";
    case K_BOOL:
        return "true or false";
    case K_NAME:
        return "a name without '/' and control characters, 1 to 200 characters long";
    case K_TEXT:
    case K_WORD:
    case K_REGION:
    case K_IP:
    case K_PREFIX:
    case K_ADDRESS:
    case K_ROUTE:
    case K_REF:
    case K_TARGET:
    case K_STRUCT:
    case K_PAIRS:
    case K_COUNTS:
    case K_EXPECT:
    case K_ANY:
        break;
    }
    return "a text that is not empty";
}

void value_complain(struct bind *b, const struct field *f, const struct node *n, int why)
{
    if (f->kind == K_WORD)
        complain_word(b, f, n);
    else if (f->kind == K_IP || f->kind == K_PREFIX || f->kind == K_ADDRESS || f->kind == K_ROUTE)
        complain_prefix(b, f, n, why);
    else if (f->kind == K_NUMBER && why == -ERANGE)
        bind_fail(b, n->at, "'%s' takes a number from %" PRIu64 " to %" PRIu64 ", not %s", f->key, f->min,
                  number_max(f), n->text);
    else if (why == -ERANGE)
        bind_fail(b, n->at, "'%s' of '%s' is out of range", n->text, f->key);
    else
        bind_fail(b, n->at, "'%s' takes %s, not '%s'", f->key, form_of(f), n->text);
}

/* -- references ------------------------------------------------------------------------------------------ */

/* => the path of the parent in which a bare name is looked up, or NULL: a rule of a load balancer names that
 * balancer's children, a subnet peering the subnets of its two networks, a configuration the groups of its
 * network manager. */
static const char *scope_of(struct bind *b, const struct field *f)
{
    const struct frame *fr = b->frame;
    if (fr->t == &table_peering && strcmp(f->key, "remoteSubnetNames") == 0) {
        const struct peering *p = fr->obj;
        return p->remoteVirtualNetwork ? p->remoteVirtualNetwork->name : NULL;
    }
    if (f->target == &table_network_group) {
        while (fr && fr->t != &table_network_manager)
            fr = fr->up;
        return fr ? fr->path : NULL;
    }
    bool child = f->target == &table_frontend || f->target == &table_pool || f->target == &table_probe;
    if (f->target == &table_subnet && fr->t != &table_peering)
        return NULL;
    if (f->target == &table_subnet || (child && fr->up && fr->up->t == &table_lb))
        return fr->up->path;
    return NULL;
}

static void unknown(struct bind *b, const struct field *f, const struct node *n, const char *path)
{
    const char *near = registry_suggest(b->m->names, f->target, path);
    size_t scope = strlen(path) - strlen(n->text); /* leave out what the user may leave out */
    bool inside = near && strncasecmp(near, path, scope) == 0;
    if (inside)
        bind_fail(b, n->at, "unknown %s '%s'; did you mean '%s'?", f->target->what, n->text, near + scope);
    else if (scope)
        bind_fail(b, n->at, "unknown %s '%s' of '%.*s'", f->target->what, n->text, (int)scope - 1, path);
    else if (f->target == &table_subnet && !strchr(n->text, '/'))
        bind_fail(b, n->at, "unknown subnet '%s': write network/subnet", n->text);
    else
        bind_fail(b, n->at, "unknown %s '%s'", f->target->what, n->text);
}

void *ref_resolve(struct bind *b, const struct field *f, const struct node *n)
{
    if (f->target == &table_subnet && b->frame->t == &table_peering &&
        strcmp(f->key, "remoteSubnetNames") == 0 && !scope_of(b, f))
        return NULL; /* the remote network itself is unknown, and has been complained about */
    const char *scope = scope_of(b, f), *path = n->text;
    if (scope && !strchr(path, '/'))
        path = arena_printf(b->a, "%s/%s", scope, n->text);
    const struct reg *e = registry_find(b->m->names, f->target, path);
    size_t len = scope ? strlen(scope) : 0;
    if (e && (!scope || (strncasecmp(path, scope, len) == 0 && path[len] == '/')))
        return e->p;
    if (e)
        bind_fail(b, n->at, "%s '%s' does not belong to '%s'", f->target->what, n->text, scope);
    else
        unknown(b, f, n, path);
    return NULL;
}

void ref_target(struct bind *b, const struct node *n)
{
    struct private_endpoint *pe = b->frame->obj;
    struct registry *all = b->m->names;
    const struct reg *s = registry_find(all, &table_service, n->text),
                     *p = registry_find(all, &table_pls, n->text),
                     *alias = registry_find(all, kind_alias, n->text);
    if (s && p) {
        bind_fail(b, n->at, "'%s' is a service and a private link service", n->text);
    } else if (s) {
        pe->service = s->p;
    } else if (p || alias) {
        pe->pls = p ? p->p : alias->p;
        pe->byAlias = !p;
    } else {
        const char *near = registry_suggest(all, &table_service, n->text);
        if (!near)
            near = registry_suggest(all, &table_pls, n->text);
        bind_fail(b, n->at, "unknown service or private link service '%s'%s%s%s", n->text,
                  near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
}
