/* host_dns.c - a DNS server that forwards and caches: what runs in a virtual machine as a custom DNS server,
 * and on premises as a network's resolver.
 *
 * A question (struct ask) is answered step by step: out of the zones that the server holds (env->dns), else
 * out of its cache, else by the server that its longest matching forward names. An alias in a zone of its own
 * starts the next step with its target. What another server answered is passed on as it is, whole chain and
 * all, except that an alias into a zone of its own is followed there: a server trusts what it holds more than
 * what it is told (N-12). Nothing else of the chain is asked again, so a forward for privatelink names alone
 * is never used for a public name (N-08).
 *
 *      client --question--> ask ---> own zones? cache? -----------------------> answer
 *                            |                                                    ^
 *                            +-- waits for --> fetch, one per name and type ------+   SERVFAIL after 4 s
 *
 * Questions for the same name and type wait for one fetch. So two servers that forward to each other send one
 * packet each and wait, rather than chase a question round for ever. A fetch asks twice, 2 s apart, and gives
 * up 2 s later: before the client, whose patience is 5 s. Its port stays its own for a while where an answer
 * may still come.
 *
 * Cache. By question, the whole answer as it came, as long as the shortest of its records lives; negative
 * answers as long as their SOA says, 300 s (RFC 2308). What is left of a life is what clients are told.
 * Failures are not kept. At most CACHE_MAX answers; the oldest goes. The cache lives as long as the machine,
 * over all changes of the network.
 *
 * Costs: two hash lookups per question; kept answers are stored as messages, a few hundred bytes each. */
#include "dataplane/host_int.h"

#include "dataplane/mem.h"
#include "dataplane/rng.h"

#include <string.h>

enum { FETCH_TRIES = 2, STEPS_MAX = 16, CACHE_MAX = 4096, DNS_CAP = 4096, DNS_PORT = 53 };
#define FETCH_WAIT   (2 * HOST_S)
#define FETCH_LINGER (5 * HOST_S)

struct ask {          /* a question of a client, on its way to an answer */
    struct ask *next; /* that waits for the same fetch, in order of arrival */
    struct tuple t;
    struct packet_meta meta; /* of the answer */
    struct dns_msg msg;      /* question, and answer so far */
    char name[DNS_NAME_MAX]; /* next step: msg.qname, or the target of the last alias */
    unsigned steps;
    bool foreign; /* others had a part in it: not authoritative */
};

struct fetch {
    struct tab_link by_question, by_tuple;
    struct hook hook;
    struct fetch *prev, *next; /* all of the server */
    struct tuple t;
    struct packet_meta meta;
    char name[DNS_NAME_MAX];
    uint16_t type, id;
    unsigned tries;
    struct ask *first, **last;
    bool over; /* lingers: its port takes late answers */
};

struct kept {
    struct tab_link link;
    struct kept *next; /* in order of arrival */
    char name[DNS_NAME_MAX];
    uint16_t type;
    int64_t since, until;
    uint32_t negative_ttl; /* 0: a positive answer */
    size_t len;
    uint8_t wire[];
};

struct dns_service {
    struct tab questions, sockets, cache;
    struct fetch *fetches;
    struct kept *oldest, **newest;
};

static struct fetch *by_question(struct tab_link *l)
{
    return (struct fetch *)(void *)((uint8_t *)l - offsetof(struct fetch, by_question));
}

static struct fetch *by_tuple(struct tab_link *l)
{
    return (struct fetch *)(void *)((uint8_t *)l - offsetof(struct fetch, by_tuple));
}

static uint8_t lower(char c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool same_name(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

static uint64_t question_hash(const char *name, uint16_t type)
{
    uint64_t x = type;
    for (; *name; name++)
        x = hash_mix(x ^ lower(*name));
    return x;
}

static struct dns_service *service(struct host *h)
{
    if (!h->dns && (h->dns = mem_alloc(sizeof *h->dns)))
        h->dns->newest = &h->dns->oldest;
    return h->dns;
}

/* -- cache ----------------------------------------------------------------------------------------------- */

static void kept_free(struct dns_service *s, struct kept **at)
{
    struct kept *k = *at;
    tab_del(&s->cache, &k->link);
    *at = k->next;
    if (s->newest == &k->next)
        s->newest = at;
    mem_free(k, sizeof *k + k->len);
}

/* Forget what has lived its time, and the oldest where there are too many. */
static void cache_trim(struct host *h)
{
    struct dns_service *s = h->dns;
    for (struct kept **at = &s->oldest; *at;) {
        if ((*at)->until <= host_now(h) || s->cache.n >= CACHE_MAX)
            kept_free(s, at);
        else
            at = &(*at)->next;
    }
}

/* => how long an answer may be kept, in s: what the shortest-lived of its records says. */
static uint32_t lifetime(const struct dns_msg *m, bool negative)
{
    uint32_t ttl = negative ? m->negative_ttl : UINT32_MAX;
    for (unsigned i = 0; i < m->n; i++)
        if (m->rr[i].ttl < ttl)
            ttl = m->rr[i].ttl;
    return ttl;
}

static bool is_negative(const struct dns_msg *m)
{
    for (unsigned i = 0; i < m->n && m->rcode == DNS_RCODE_NOERROR; i++)
        if (m->rr[i].type == m->qtype)
            return false;
    return true;
}

static void cache_add(struct host *h, const struct fetch *f, const struct dns_msg *m)
{
    uint8_t buf[DNS_CAP];
    const bool negative = is_negative(m);
    const uint32_t ttl = lifetime(m, negative);
    int n = dns_encode(m, buf, sizeof buf);
    struct dns_service *s = h->dns;
    if (n <= 0 || !ttl)
        return;
    cache_trim(h);
    struct kept *k = mem_alloc(sizeof *k + (size_t)n);
    if (!k)
        return;
    memcpy(k->name, f->name, sizeof k->name);
    memcpy(k->wire, buf, (size_t)n);
    k->len = (size_t)n;
    k->type = f->type;
    k->since = host_now(h);
    k->until = k->since + ttl * HOST_S;
    k->negative_ttl = negative ? ttl : 0;
    if (tab_add(&s->cache, &k->link, question_hash(k->name, k->type))) {
        mem_free(k, sizeof *k + k->len);
        return;
    }
    *s->newest = k;
    s->newest = &k->next;
}

/* Fill m with the answer that is kept for the next step of a, its lives shortened. => whether there is one.
 */
static bool cached(struct host *h, const struct ask *a, struct dns_msg *m)
{
    const struct tab_link *l = tab_first(&h->dns->cache, question_hash(a->name, a->msg.qtype));
    for (; l; l = tab_next(l)) {
        const struct kept *k = (const struct kept *)(const void *)l; /* link comes first */
        if (k->type != a->msg.qtype || !same_name(k->name, a->name) || k->until <= host_now(h))
            continue;
        uint32_t age = (uint32_t)((host_now(h) - k->since) / HOST_S);
        if (dns_decode(k->wire, k->len, m))
            return false;
        for (unsigned i = 0; i < m->n; i++)
            m->rr[i].ttl -= age;
        m->negative_ttl = k->negative_ttl ? k->negative_ttl - age : 0;
        return true;
    }
    return false;
}

/* -- answers --------------------------------------------------------------------------------------------- */

static void ask_end(struct host *h, struct ask *a, bool failed)
{
    uint8_t buf[DNS_CAP];
    if (failed) {
        a->msg.n = 0;
        a->msg.rcode = DNS_RCODE_SERVFAIL;
    }
    a->msg.authoritative = !failed && !a->foreign;
    int n = dns_encode(&a->msg, buf, sizeof buf);
    if (n > 0)
        host_udp_answer(h, &a->t, &a->meta, buf, (size_t)n);
    mem_free(a, sizeof *a);
}

/* => whether the server holds the name itself; m is then one step of it. */
static bool own(struct host *h, const char *name, uint16_t type, struct dns_msg *m)
{
    *m = (struct dns_msg){.qtype = type};
    memcpy(m->qname, name, DNS_NAME_MAX);
    return h->env->dns(h->env->ctx, h->c.port, NULL, m);
}

/* Take the records of a step over into the answer. => whether the answer is complete; else a->name is what
 * comes next. */
static bool take(struct host *h, struct ask *a, const struct dns_msg *m, bool foreign)
{
    struct dns_msg other;
    a->foreign |= foreign;
    for (unsigned i = 0; i < m->n && a->msg.n < DNS_MAX_RR; i++) {
        const struct dns_answer_rr *rr = &m->rr[i];
        a->msg.rr[a->msg.n++] = *rr;
        if (rr->type != DNS_TYPE_CNAME || a->msg.qtype == DNS_TYPE_CNAME)
            continue;
        if (!foreign || own(h, rr->target, a->msg.qtype, &other)) {
            memcpy(a->name, rr->target, sizeof a->name);
            return false;
        }
    }
    a->msg.rcode = m->rcode;
    a->msg.negative_ttl = m->negative_ttl;
    return true;
}

static bool wait_for_others(struct host *h, struct ask *a);

/* Go on with a question until it is answered, or waits. */
static void go_on(struct host *h, struct ask *a)
{
    struct dns_msg m;
    while (a->steps++ < STEPS_MAX) {
        const bool mine = own(h, a->name, a->msg.qtype, &m);
        if (mine || cached(h, a, &m)) {
            if (take(h, a, &m, !mine)) {
                ask_end(h, a, false);
                return;
            }
        } else if (wait_for_others(h, a)) {
            return;
        } else {
            break;
        }
    }
    ask_end(h, a, true);
}

void host_dns_ask(struct host *h, const struct tuple *t, const struct packet_meta *meta,
                  const struct dns_msg *query)
{
    struct ask *a = service(h) ? mem_alloc(sizeof *a) : NULL;
    if (!a)
        return;
    a->t = *t;
    a->meta = *meta;
    a->msg = (struct dns_msg){.id = query->id,
                              .response = true,
                              .recursion_available = true,
                              .qtype = query->qtype,
                              .recursion_desired = query->recursion_desired};
    memcpy(a->msg.qname, query->qname, sizeof a->msg.qname);
    memcpy(a->name, query->qname, sizeof a->name);
    go_on(h, a);
}

/* -- asking others --------------------------------------------------------------------------------------- */

/* => whether name is zone or lies below it; "" is above all. */
static bool in_zone(const char *name, const char *zone)
{
    size_t n = strlen(name), z = strlen(zone);
    return !z || (n >= z && same_name(name + n - z, zone) && (n == z || name[n - z - 1] == '.'));
}

/* => whom to ask for a name: the longest zone wins, of equal ones the first; 0: nobody. */
static ip4 forward_for(const struct host *h, const char *name)
{
    const struct dns_forward *best = NULL;
    for (size_t i = 0; i < h->c.n_forwards; i++) {
        const struct dns_forward *f = &h->c.forwards[i];
        if (in_zone(name, f->zone) && (!best || strlen(f->zone) > strlen(best->zone)))
            best = f;
    }
    return best ? best->server : 0;
}

static void fetch_free(struct host *h, struct fetch *f)
{
    tab_del(&h->dns->sockets, &f->by_tuple);
    hook_del(h, &f->hook);
    if (f->prev)
        f->prev->next = f->next;
    else
        h->dns->fetches = f->next;
    if (f->next)
        f->next->prev = f->prev;
    mem_free(f, sizeof *f);
}

/* An answer has come, or (NULL) none will: whoever waits goes on. */
static void fetch_end(struct host *h, struct fetch *f, const struct dns_msg *m)
{
    struct ask *a = f->first;
    tab_del(&h->dns->questions, &f->by_question);
    f->over = true;
    f->first = NULL;
    if (m)
        cache_add(h, f, m);
    if (m && f->tries == 1)
        fetch_free(h, f);
    else
        hook_set(h, &f->hook, host_now(h) + FETCH_LINGER);
    for (struct ask *next; a; a = next) {
        next = a->next;
        if (!m)
            ask_end(h, a, true);
        else if (take(h, a, m, true))
            ask_end(h, a, false);
        else
            go_on(h, a);
    }
}

static void fetch_send(struct host *h, struct fetch *f)
{
    uint8_t buf[512];
    size_t n = payload_dns_query(f->id, f->name, 0, buf, sizeof buf);
    struct dns_msg q;
    if (f->type != DNS_TYPE_A && dns_decode(buf, n, &q) == 0) {
        q.qtype = f->type;
        int len = dns_encode(&q, buf, sizeof buf);
        n = len > 0 ? (size_t)len : 0;
    }
    f->tries++;
    hook_set(h, &f->hook, host_now(h) + FETCH_WAIT);
    if (n)
        host_udp_answer(h, &f->t, &f->meta, buf, n);
}

static void fetch_fire(struct host *h, struct hook *k)
{
    struct fetch *f = (struct fetch *)(void *)((uint8_t *)k - offsetof(struct fetch, hook));
    if (f->over)
        fetch_free(h, f);
    else if (f->tries < FETCH_TRIES)
        fetch_send(h, f);
    else
        fetch_end(h, f, NULL);
}

/* => a fetch that can be found by its question and its port; NULL: no port, no memory. */
static struct fetch *fetch_new(struct host *h, const struct ask *a, ip4 server)
{
    struct dns_service *s = h->dns;
    struct fetch *f = mem_alloc(sizeof *f);
    if (!f)
        return NULL;
    f->t = (struct tuple){.local = h->c.addr, .remote = server, .rport = DNS_PORT, .proto = IPPROTO_NR_UDP};
    f->meta = (struct packet_meta){.flow = a->meta.flow,
                                   .origin = h->c.port,
                                   .last_hop = h->c.port,
                                   .endpoint = PORT_NONE,
                                   .identity = IDENTITY_NONE,
                                   .dns = true};
    memcpy(f->name, a->name, sizeof f->name);
    f->type = a->msg.qtype;
    f->id = (uint16_t)hash_mix((uint64_t)h->c.port << 32 | ++h->counter);
    f->last = &f->first;
    if (!host_port_choose(h, &f->t) || hook_add(h, &f->hook, fetch_fire)) {
        mem_free(f, sizeof *f);
        return NULL;
    }
    f->next = s->fetches;
    if (f->next)
        f->next->prev = f;
    s->fetches = f;
    if (tab_add(&s->sockets, &f->by_tuple, tuple_hash(&f->t)) == 0) {
        if (tab_add(&s->questions, &f->by_question, question_hash(f->name, f->type)) == 0)
            return f;
        tab_del(&s->sockets, &f->by_tuple);
    }
    s->fetches = f->next;
    if (f->next)
        f->next->prev = NULL;
    hook_del(h, &f->hook);
    mem_free(f, sizeof *f);
    return NULL;
}

static struct fetch *fetch_find(const struct host *h, const struct ask *a)
{
    struct tab_link *l = tab_first(&h->dns->questions, question_hash(a->name, a->msg.qtype));
    for (; l; l = tab_next(l)) {
        struct fetch *f = by_question(l);
        if (f->type == a->msg.qtype && same_name(f->name, a->name))
            return f;
    }
    return NULL;
}

/* => whether the question waits already: the client has sent it again. */
static bool asked_before(const struct fetch *f, const struct ask *a)
{
    for (const struct ask *o = f->first; o; o = o->next)
        if (o->msg.id == a->msg.id && tuple_eq(&o->t, &a->t))
            return true;
    return false;
}

/* => false: there is nobody to ask. */
static bool wait_for_others(struct host *h, struct ask *a)
{
    struct fetch *f = fetch_find(h, a);
    if (f && asked_before(f, a)) {
        mem_free(a, sizeof *a);
        return true;
    }
    const bool fresh = !f;
    if (fresh) {
        ip4 server = forward_for(h, a->name);
        f = server ? fetch_new(h, a, server) : NULL;
        if (!f)
            return false;
    }
    a->next = NULL;
    *f->last = a;
    f->last = &a->next;
    if (fresh)
        fetch_send(h, f);
    return true;
}

/* -- what comes back ------------------------------------------------------------------------------------- */

static struct fetch *socket_find(const struct host *h, const struct tuple *t)
{
    struct tab_link *l = h->dns ? tab_first(&h->dns->sockets, tuple_hash(t)) : NULL;
    for (; l; l = tab_next(l)) {
        struct fetch *f = by_tuple(l);
        if (tuple_eq(&f->t, t))
            return f;
    }
    return NULL;
}

bool host_dns_port_used(const struct host *h, const struct tuple *t)
{
    return socket_find(h, t) != NULL;
}

bool host_dns_input(struct host *h, const struct tuple *t, const struct packet *p,
                    const struct packet_info *in)
{
    struct fetch *f = socket_find(h, t);
    struct dns_msg m;
    if (!f)
        return false;
    if (f->over)
        return true;
    if (!p)
        fetch_end(h, f, NULL);
    else if (dns_decode(p->data + in->payload, in->payload_len, &m) == 0 && m.response && m.id == f->id)
        fetch_end(h, f, m.rcode == DNS_RCODE_NOERROR || m.rcode == DNS_RCODE_NXDOMAIN ? &m : NULL);
    return true;
}

void host_dns_free(struct host *h)
{
    struct dns_service *s = h->dns;
    if (!s)
        return;
    while (s->fetches) {
        struct fetch *f = s->fetches;
        for (struct ask *a = f->first, *next; a; a = next) {
            next = a->next;
            mem_free(a, sizeof *a);
        }
        fetch_free(h, f);
    }
    while (s->oldest)
        kept_free(s, &s->oldest);
    tab_free(&s->questions);
    tab_free(&s->sockets);
    tab_free(&s->cache);
    mem_free(s, sizeof *s);
    h->dns = NULL;
}
