/* endpoint_policy.c - see endpoint_policy.h. */
#include "topology/endpoint_policy.h"

#include <string.h>
#include <strings.h>

#include "topology/types.h"

#define CLASSIC "Microsoft.ClassicStorage/"
#define STORAGE "Microsoft.Storage"

static bool is_classic(const struct service *s)
{
    return s->type && !strncasecmp(s->type, CLASSIC, strlen(CLASSIC));
}

/* => the service-endpoint namespace of a resource, or NULL. */
static const char *namespace_of(const struct service *s)
{
    const struct resource_type *t = s->type ? type_find(s->type) : NULL;
    if (t)
        return t->endpoint_namespace;
    return is_classic(s) ? STORAGE : NULL;
}

static bool same_text(const char *a, const char *b, size_t n)
{
    return a && strlen(a) == n && !strncasecmp(a, b, n);
}

/* => whether text names the resource, or the account whose secondary it is. */
static bool names_it(const struct service *s, const char *text, size_t n)
{
    static const char suffix[] = "-secondary";
    const size_t len = strlen(s->name), tail = sizeof suffix - 1;
    if (same_text(s->name, text, n))
        return true;
    return len > tail && n == len - tail && !strcasecmp(s->name + n, suffix) &&
           !strncasecmp(s->name, text, n);
}

/* The segment behind /KEY/ in an ARM id. => its length, 0: not there. */
static size_t segment(const char *id, const char *key, const char **at)
{
    const size_t n = strlen(key);
    for (const char *p = id; p; p = strchr(p + 1, '/'))
        if (*p == '/' && !strncasecmp(p + 1, key, n) && p[1 + n] == '/') {
            *at = p + n + 2;
            return strcspn(*at, "/");
        }
    return 0;
}

static bool id_lists(const char *id, const struct service *s)
{
    const char *at;
    size_t n = segment(id, "subscriptions", &at);
    if (!n || !same_text(s->subscription, at, n))
        return false;
    n = segment(id, "resourceGroups", &at);
    if (n && !same_text(s->resourceGroup, at, n))
        return false;
    if (!segment(id, "providers", &at))
        return true;
    return names_it(s, strrchr(id, '/') + 1, strlen(strrchr(id, '/') + 1));
}

static bool word_lists(const struct model *m, const char *word, const struct service *s)
{
    const struct thing t = model_find(m, word);
    const size_t n = strlen(word);
    if (t.kind == THING_SERVICE || names_it(s, word, n))
        return names_it(s, word, n);
    return same_text(s->resourceGroup, word, n) || same_text(s->subscription, word, n);
}

/* => the entry of a definition that lists the resource, or NULL. */
static const char *entry_of(const struct model *m, const struct se_policy_definition *d,
                            const struct service *s)
{
    for (size_t i = 0; i < d->serviceResources.n; i++) {
        const char *text = d->serviceResources.at[i];
        if (text[0] == '/' ? id_lists(text, s) : word_lists(m, text, s))
            return text;
    }
    return NULL;
}

/* The definitions for storage hold for both its endpoints, of the region and of all regions. */
static bool same_service(const char *definition, const char *namespace)
{
    const size_t n = strlen(STORAGE);
    if (!strncasecmp(definition, STORAGE, n) && (!definition[n] || !strcasecmp(definition + n, ".Global")))
        return !strcasecmp(namespace, STORAGE);
    return !strcasecmp(definition, namespace);
}

static void say(struct arena *a, const char **text, const struct se_policy *p,
                const struct se_policy_definition *d, const char *what)
{
    if (text)
        *text = arena_printf(a, "serviceEndpointPolicies %s, definition %s: %s", p->name, d->service, what);
}

bool endpoint_policy_allows(struct arena *a, const struct model *m, const struct subnet *s,
                            const struct service *resource, const char **rule_text)
{
    const char *namespace = namespace_of(resource);
    bool any = false;
    for (size_t i = 0; namespace && i < s->serviceEndpointPolicies.n; i++) {
        const struct se_policy *p = s->serviceEndpointPolicies.at[i];
        for (size_t k = 0; k < p->definitions.n; k++) {
            const struct se_policy_definition *d = &p->definitions.at[k];
            if (!same_service(d->service, namespace))
                continue;
            const char *entry = is_classic(resource) ? NULL : entry_of(m, d, resource);
            if (entry || !any)
                say(a, rule_text, p, d, entry ? entry : "not listed");
            if (entry)
                return true;
            any = true;
        }
    }
    return !any;
}
