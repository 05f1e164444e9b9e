/* test_node.c - the document tree: places, kinds, sharing, what is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/arena.h"
#include "topology/diag.h"
#include "topology/node.h"

static struct arena *a;
static struct diag *d;

static void setup(void)
{
    a = arena_new("test");
    d = diag_new(a);
}

static void teardown(void)
{
    arena_free(a);
}

TestSuite(node, .init = setup, .fini = teardown);

static struct node *parse(const char *text)
{
    return node_parse(a, "t", text, strlen(text), d);
}

static void is_at(const struct node *n, uint32_t line, uint32_t col)
{
    cr_assert_str_eq(n->at.file, "t");
    cr_assert_eq(n->at.line, line, "line %u, not %u", n->at.line, line);
    cr_assert_eq(n->at.col, col, "column %u, not %u", n->at.col, col);
}

Test(node, tree_and_places)
{
    const struct node *n = parse("a: 1\nb:\n  - {x: 'y', z: \"w\"}\n  - [p, q]\nc:\n");
    cr_assert_not_null(n);
    cr_assert_eq(d->n, 0);
    cr_assert_eq(n->kind, NODE_MAP);
    cr_assert_eq(n->n, 3);
    is_at(n, 1, 1);
    is_at(node_key(n, "b"), 2, 1);
    const struct node *b = node_get(n, "b");
    cr_assert_eq(b->kind, NODE_SEQ);
    is_at(b, 3, 3);
    is_at(b->item[0], 3, 5);
    const struct node *x = node_get(b->item[0], "x");
    cr_assert_str_eq(x->text, "y");
    cr_assert(x->quoted);
    is_at(x, 3, 9);
    cr_assert_not(node_get(n, "a")->quoted);
    is_at(b->item[1]->item[1], 4, 9);
    cr_assert_null(node_get(n, "A"), "keys compare exactly");
    cr_assert_null(node_get(NULL, "a"));
    cr_assert(node_is_null(node_get(n, "c")));
}

Test(node, columns_count_characters)
{
    const struct node *n = parse("k\xc3\xa9y: {a: \xe2\x82\xac, b: x}\n");
    cr_assert_not_null(n);
    is_at(node_get(n->item[0], "b"), 1, 16);
}

Test(node, json_is_yaml)
{
    const struct node *n =
        parse("{\"a\": [1, 2.5, true, null, \"x\\u0041\\n\\/\"],\n\t\"b\": {\"c\":{}, \"d\":[]}}");
    cr_assert_not_null(n, "tabs are allowed inside brackets");
    const struct node *l = node_get(n, "a");
    cr_assert_eq(l->n, 5);
    cr_assert_str_eq(l->item[1]->text, "2.5");
    cr_assert(node_is_null(l->item[3]));
    cr_assert_str_eq(l->item[4]->text, "xA\n/");
    cr_assert_eq(node_get(node_get(n, "b"), "c")->kind, NODE_MAP);
}

Test(node, nothing_is_only_nothing_unquoted)
{
    const struct node *n = parse("[~, null, '', 'null', Null, '~']");
    const bool null[] = {true, true, false, false, false, false};
    for (size_t i = 0; i < n->n; i++)
        cr_assert_eq(node_is_null(n->item[i]), null[i], "%zu", i);
    cr_assert(node_is_null(NULL));
}

Test(node, aliases_share)
{
    const struct node *n = parse("a: &x {k: v}\nb: *x\n");
    cr_assert_eq(d->n, 0);
    cr_assert_eq(node_get(n, "a"), node_get(n, "b"));
}

static void refused(const char *text, const char *message)
{
    size_t before = d->n;
    parse(text);
    cr_assert_gt(d->n, before, "accepted: %s", text);
    cr_assert_not_null(strstr(d->at[before].text, message), "'%s' says '%s', not '%s'", text,
                       d->at[before].text, message);
}

Test(node, refusals)
{
    refused("a: *\n", "write '*'");
    refused("a: [*, b]\n", "write '*'");
    refused("a: &\n", "'&' must be quoted");
    refused("a: `b\n", "'`' must be quoted");
    refused("a: %b\n", "'%' must be quoted");
    refused("a: !!binary b\n", "unknown tag");
    refused("a: b\n---\nc: d\n", "second document");
    refused("\xff\xfe"
            "a\0",
            "not UTF-8");
    refused("a: \xc0\x80\n", "not UTF-8");
    refused("a: \xed\xa0\x80\n", "not UTF-8");
    refused("a: \xf5\x80\x80\x80\n", "not UTF-8");
    refused("a: \xe2\x82", "not UTF-8");
    refused("a: \x7f\n", "control character");
    refused("a: b\nc: d\na: e\na: f\n", "duplicate key 'a'");
    refused("", "empty");
    refused("a: b: c\n", "mapping values");
}

Test(node, a_shared_list_is_weighed_each_time)
{
    char text[1024];
    size_t n = (size_t)sprintf(text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 8; i++)
        n += (size_t)sprintf(text + n, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
                             i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    refused(text, "too large");
}

Test(node, edits_leave_the_original)
{
    const struct node *n = parse("{a: 1, b: 2}");
    const struct node *w = node_with(a, n, "b", node_scalar(a, n->at, "3"));
    const struct node *v = node_with(a, n, "c", node_scalar(a, n->at, "4")), *u = node_without(a, n, "a");
    cr_assert_str_eq(node_get(n, "b")->text, "2");
    cr_assert_str_eq(node_get(w, "b")->text, "3");
    cr_assert_eq(w->n, 2);
    cr_assert_eq(v->n, 3);
    cr_assert_str_eq(v->key[2]->text, "c");
    cr_assert_eq(u->n, 1);
    cr_assert_null(node_get(u, "a"));
    cr_assert_eq(node_without(a, n, "z")->n, 2);
    const struct node *c = node_copy(a, n);
    cr_assert_neq(c->item[0], n->item[0]);
    cr_assert_str_eq(node_get(c, "b")->text, "2");
}

/* -- findings -------------------------------------------------------------------------------------------- */

static char *printed(void)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    diag_print(d, f);
    fclose(f);
    return text;
}

Test(node, findings_are_sorted_and_kept_once)
{
    struct origin late = {"f", 9, 2}, early = {"f", 2, 30}, other = {"g", 1, 1}, file = {"f", 0, 0};
    diag_error(d, late, "late %d", 1);
    diag_note(d, early, "note of late");
    diag_warning(d, early, "early");
    diag_error(d, late, "late %d", 1);
    diag_note(d, early, "note of the repetition");
    diag_error(d, late, "late 2");
    diag_error(d, other, "other file");
    diag_error(d, file, "whole file");
    diag_error(d, (struct origin){0}, "nowhere");
    cr_assert_eq(d->errors, 5);
    cr_assert_eq(d->warnings, 1);
    char *text = printed();
    cr_assert_str_eq(text, "vnetsim: error: nowhere\n"
                           "f: error: whole file\n"
                           "f:2:30: warning: early\n"
                           "f:9:2: error: late 1\n"
                           "f:2:30: note: note of late\n"
                           "f:9:2: error: late 2\n"
                           "g:1:1: error: other file\n");
    free(text);
}

Test(node, many_findings_are_kept_once_each)
{
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++)
            diag_error(d, (struct origin){"f", i / 7, i % 7}, "text %u", i % 3);
    }
    cr_assert_eq(d->errors, 5000);
    cr_assert_eq(d->n, 5000);
}
