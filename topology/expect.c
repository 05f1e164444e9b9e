/* expect.c - an expectation against a result (scenario contract, section 2). */
#include "topology/results.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Without case; a bare address is a /32. got may be NULL. */
static bool same_text(const char *want, const char *got)
{
    struct prefix4 a, b;
    if (!got)
        return false;
    if (strcasecmp(want, got) == 0)
        return true;
    return prefix4_parse(want, &a) == 0 && prefix4_parse(got, &b) == 0 && prefix4_eq(a, b);
}

/* A name may be a virtual machine's or a bare child's: paths hold display names. */
static const char *display(const struct model *m, const char *name)
{
    const struct thing t = model_find(m, name);
    return t.kind == THING_NONE ? name : thing_name(t);
}

static bool list_has(const json_t *list, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)(uintptr_t)list, i,
                       v) if (same_text(name, json_string_value(v))) return true;
    return false;
}

/* via, notVia: every name is (is not) on the path; one name or a list. */
static bool visits(const struct model *m, const struct node *want, const json_t *path, bool yes)
{
    if (want->kind == NODE_SCALAR)
        return list_has(path, display(m, want->text)) == yes;
    for (size_t i = 0; i < want->n; i++)
        if (list_has(path, display(m, want->item[i]->text)) != yes)
            return false;
    return true;
}

static bool same_path(const struct model *m, const struct node *want, const json_t *got)
{
    if (want->kind != NODE_SEQ || want->n != json_array_size(got))
        return false;
    for (size_t i = 0; i < want->n; i++)
        if (!same_text(display(m, want->item[i]->text), json_string_value(json_array_get(got, i))))
            return false;
    return true;
}

static bool wanted(const struct node *want, const char *text)
{
    for (size_t i = 0; i < want->n; i++)
        if (same_text(want->item[i]->text, text))
            return true;
    return false;
}

/* Addresses in any order: what a name gives is a set. Absent is not empty: there was no name. */
static bool same_set(const struct node *want, const json_t *got)
{
    if (want->kind != NODE_SEQ || !json_is_array(got))
        return false;
    for (size_t i = 0; i < want->n; i++)
        if (!list_has(got, want->item[i]->text))
            return false;
    for (size_t i = 0; i < json_array_size(got); i++)
        if (!wanted(want, json_string_value(json_array_get(got, i))))
            return false;
    return true;
}

static bool record_matches(const struct node *want, const json_t *got)
{
    static const char *const keys[] = {"name", "type", "value"};
    for (size_t i = 0; i < 3; i++) {
        const struct node *n = node_get(want, keys[i]);
        if (n && !same_text(n->text, json_string_value(json_object_get(got, keys[i]))))
            return false;
    }
    const struct node *ttl = node_get(want, "ttl");
    return !ttl || strtoll(ttl->text, NULL, 10) == json_integer_value(json_object_get(got, "ttl"));
}

/* The listed records occur in this order, others may stand between. */
static bool chain_matches(const struct node *want, const json_t *got)
{
    size_t at = 0;
    for (size_t i = 0; i < want->n; i++) {
        while (at < json_array_size(got) && !record_matches(want->item[i], json_array_get(got, at)))
            at++;
        if (at++ >= json_array_size(got))
            return false;
    }
    return true;
}

static bool counts_match(const struct node *want, const json_t *got)
{
    for (size_t i = 0; i < want->n; i++)
        if (strtoll(want->item[i]->text, NULL, 10) !=
            json_integer_value(json_object_get(got, want->key[i]->text)))
            return false;
    return true;
}

bool expect_holds(const struct model *m, const char *key, const struct node *want, const json_t *flow)
{
    const json_t *got = json_object_get(flow, key), *path = json_object_get(flow, "path"),
                 *back = json_object_get(flow, "returnPath");
    if (strcmp(key, "via") == 0 || strcmp(key, "notVia") == 0)
        return visits(m, want, path, key[0] == 'v');
    if (strcmp(key, "returnVia") == 0 || strcmp(key, "returnNotVia") == 0)
        return visits(m, want, back, key[6] == 'V');
    if (strcmp(key, "path") == 0 || strcmp(key, "returnPath") == 0)
        return same_path(m, want, got);
    if (strcmp(key, "resolvedTo") == 0)
        return same_set(want, got);
    if (strcmp(key, "resolvesTo") == 0)
        return same_set(want, json_object_get(flow, "resolvedTo"));
    if (strcmp(key, "chain") == 0)
        return chain_matches(want, got);
    if (strcmp(key, "counts") == 0)
        return counts_match(want, got);
    return want->kind == NODE_SCALAR && got && same_text(want->text, json_string_value(got));
}
