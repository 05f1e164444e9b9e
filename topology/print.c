/* print.c - the canonical form of a scenario.
 *
 * Two steps. A canonical tree is made from the document with the schema's tables: keys in the order of the
 * rows, values in canonical spelling, what equals its default left out, includes gone (they are merged). The
 * tree is then written by an emitter that knows nothing of scenarios: a map or list stands on one line where
 * that fits the width, else one entry per line. Reading the text again gives the same canonical tree, and so
 * the same model.
 *
 * Texts are written plain where every YAML reader agrees on what they say, in single quotes otherwise, and in
 * double quotes where they hold characters that only an escape can carry. */
#include "dataplane/arena.h"
#include "topology/bind.h"
#include "topology/print.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WIDTH 118

/* -- the canonical tree ---------------------------------------------------------------------------------- */

static struct node *canonical_map(struct arena *a, const struct table *t, const struct node *map);

/* => whether values of the kind are texts to every reader, whatever they look like. */
static bool is_text(enum kind k)
{
    return k == K_TEXT || k == K_NAME || k == K_REF || k == K_TARGET || k == K_PORT_MATCH || k == K_ADDRESS ||
           k == K_PAIRS;
}

static struct node *canonical_value(struct arena *a, const struct field *f, const struct node *v)
{
    bool sub = f->sub && f->sub->n;
    if (v->kind == NODE_MAP && sub)
        return canonical_map(a, f->sub, v);
    if (v->kind == NODE_SCALAR && !sub && f->kind != K_ANY) {
        struct node *s = node_scalar(a, v->at, bind_canonical(a, f, v->text));
        s->quoted = is_text(f->kind);
        return s;
    }
    struct node *c = node_copy(a, v);
    for (size_t i = 0; (f->kind == K_PAIRS || f->kind == K_COUNTS) && i < c->n; i++)
        c->item[i]->quoted = f->kind == K_PAIRS;
    for (size_t i = 0; v->kind == NODE_SEQ && i < v->n; i++)
        c->item[i] = canonical_value(a, f, v->item[i]);
    return c;
}

/* => whether leaving the key out says the same. */
static bool is_default(struct arena *a, const struct field *f, const struct node *v)
{
    if (f->given || f->required)
        return false;
    if (v->kind == NODE_SEQ && v->n == 1 && f->list && f->def && v->item[0]->kind == NODE_SCALAR)
        return strcmp(v->item[0]->text, f->def) == 0;
    if (v->kind != NODE_SCALAR) /* expectations, where emptiness speaks, are not stored and have no size */
        return v->n == 0 && f->size && !f->def && f->kind != K_EXPECT;
    return f->def && strcmp(v->text, bind_canonical(a, f, f->def)) == 0;
}

static struct node *canonical_map(struct arena *a, const struct table *t, const struct node *map)
{
    struct node *c = node_list(a, NODE_MAP, map->at, map->n);
    c->n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct field *f = &t->field[i];
        const struct node *v = node_get(map, f->key);
        if (node_is_null(v) || f->synonym || (t == &table_root && strcmp(f->key, "include") == 0))
            continue;
        struct node *value = canonical_value(a, f, v);
        if (is_default(a, f, value))
            continue;
        c->key[c->n] = node_scalar(a, v->at, f->key);
        c->item[c->n++] = value;
    }
    return c;
}

struct node *print_canonical(struct arena *a, const struct node *document)
{
    return canonical_map(a, &table_root, document);
}

/* -- texts ----------------------------------------------------------------------------------------------- */

/* => the code point at *s, which moves behind it. The text is UTF-8. */
static uint32_t next_char(const unsigned char **s)
{
    uint32_t c = *(*s)++;
    if (c < 0x80)
        return c;
    unsigned more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    for (c &= 0x3fu >> more; more && (**s & 0xc0) == 0x80; more--)
        c = c << 6 | (*(*s)++ & 0x3f);
    return c;
}

static bool needs_escape(uint32_t c)
{
    return c < ' ' || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
           (c & 0xfffe) == 0xfffe || c > 0xffff;
}

static bool is_plain(const char *s)
{
    if (!isalnum((unsigned char)*s) && !strchr("_./", *s))
        return false;
    if (!*s || strcmp(s, "null") == 0)
        return false;
    for (; *s; s++) {
        if (*s == ' ' && s[1] != ' ' && s[1])
            continue;
        if (*s == ':' && isalnum((unsigned char)s[1]))
            continue;
        if (!isalnum((unsigned char)*s) && !strchr("_./+@()=;-", *s))
            return false;
    }
    return true;
}

/* => whether some reader of YAML takes the plain text for a number, a truth value, a time or nothing. */
static bool looks_typed(const char *s)
{
    static const char *const word[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nil"};
    char *end;
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++) {
        if (strcasecmp(s, word[i]) == 0)
            return true;
    }
    (void)strtod(s, &end);
    size_t digits = strspn(s, "0123456789");
    return (end > s && !*end) || (digits && !s[strspn(s, "0123456789:_.")] && strpbrk(s, ":_")) ||
           (digits == 4 && s[4] == '-' && strchr(s + 5, '-') && !s[strspn(s, "0123456789-:.TtZz ")]) ||
           strncasecmp(s, "0o", 2) == 0;
}

static const char *escaped(struct arena *a, const char *text)
{
    size_t room = strlen(text) * 10 + 3; /* \U and eight digits for a byte at most */
    char *out = arena_alloc(a, room), *o = out;
    *o++ = '"';
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        uint32_t c = next_char(&p);
        if (c == '"' || c == '\\')
            *o++ = '\\';
        if (c >= 0x80 || needs_escape(c))
            o += snprintf(o, room - (size_t)(o - out), "\\U%08x", c);
        else
            *o++ = (char)c;
    }
    *o = '"';
    return out;
}

static const char *scalar_text(struct arena *a, const struct node *n)
{
    if (!n->quoted && node_is_null(n))
        return "null";
    if (is_plain(n->text) && !(n->quoted && looks_typed(n->text)))
        return n->text;
    for (const unsigned char *p = (const unsigned char *)n->text; *p;) {
        if (needs_escape(next_char(&p)))
            return escaped(a, n->text);
    }
    size_t quotes = 0, len = strlen(n->text);
    for (const char *p = n->text; *p; p++)
        quotes += *p == '\'';
    char *out = arena_alloc(a, len + quotes + 3), *o = out;
    *o++ = '\'';
    for (const char *p = n->text; *p; p++) {
        *o++ = *p;
        if (*p == '\'')
            *o++ = '\'';
    }
    *o = '\'';
    return out;
}

/* -- the emitter ----------------------------------------------------------------------------------------- */

struct emitter {
    struct arena *a;
    FILE *to;
};

struct line { /* a text that may grow to the width and no further */
    char text[WIDTH + 1];
    size_t n;
    bool full;
};

static void put(struct line *l, const char *s)
{
    size_t n = strlen(s);
    if (l->full || l->n + n > WIDTH) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->n, s, n + 1);
    l->n += n;
}

/* Write n on one line, as far as there is room. */
static void flow(struct arena *a, struct line *l, const struct node *n)
{
    if (n->kind == NODE_SCALAR) {
        put(l, scalar_text(a, n));
        return;
    }
    put(l, n->kind == NODE_SEQ ? "[" : "{");
    for (size_t i = 0; i < n->n && !l->full; i++) {
        if (i)
            put(l, ", ");
        if (n->kind == NODE_MAP) {
            put(l, scalar_text(a, n->key[i]));
            put(l, ": ");
        }
        flow(a, l, n->item[i]);
    }
    put(l, n->kind == NODE_SEQ ? "]" : "}");
}

/* => whether n fits on a line of which `used` columns are taken; l holds it then. */
static bool fits(struct arena *a, struct line *l, const struct node *n, size_t used)
{
    *l = (struct line){.n = 0};
    flow(a, l, n);
    return !l->full && used + l->n <= WIDTH;
}

static void block(struct emitter *e, const struct node *n, size_t indent);

/* A value behind "key:" or "-", on the same line where it fits. */
static void value(struct emitter *e, const struct node *n, size_t indent, size_t used)
{
    struct line l;
    if (n->kind == NODE_SCALAR) {
        fprintf(e->to, " %s\n", scalar_text(e->a, n));
    } else if (fits(e->a, &l, n, used + 1)) {
        fprintf(e->to, " %s\n", l.text);
    } else {
        putc('\n', e->to);
        block(e, n, indent);
    }
}

static void block_map(struct emitter *e, const struct node *n, size_t indent, bool first_inline)
{
    for (size_t i = 0; i < n->n; i++) {
        const char *key = scalar_text(e->a, n->key[i]);
        fprintf(e->to, "%*s%s:", i || !first_inline ? (int)indent : 0, "", key);
        value(e, n->item[i], indent + 2, indent + strlen(key) + 1);
    }
}

static void block(struct emitter *e, const struct node *n, size_t indent)
{
    if (n->kind == NODE_MAP) {
        block_map(e, n, indent, false);
        return;
    }
    for (size_t i = 0; i < n->n; i++) {
        const struct node *x = n->item[i];
        struct line l;
        fprintf(e->to, "%*s-", (int)indent, "");
        if (x->kind == NODE_MAP && !fits(e->a, &l, x, indent + 2)) {
            putc(' ', e->to);
            block_map(e, x, indent + 2, true);
        } else {
            value(e, x, indent + 2, indent + 1);
        }
    }
}

/* The root: one key per line or block, lists of maps with one element per line. */
static void document(struct emitter *e, const struct node *root)
{
    for (size_t i = 0; i < root->n; i++) {
        const struct node *v = root->item[i];
        fprintf(e->to, "%s:", root->key[i]->text);
        if (v->kind == NODE_SEQ && v->n && v->item[0]->kind == NODE_MAP) {
            putc('\n', e->to);
            block(e, v, 2);
        } else {
            value(e, v, 2, strlen(root->key[i]->text) + 1);
        }
    }
}

int print_document(const struct node *root, FILE *to)
{
    struct arena *a = arena_new("print");
    struct emitter e = {a, to};
    document(&e, print_canonical(a, root));
    arena_free(a);
    errno = 0;
    return fflush(to) || ferror(to) ? (errno ? -errno : -EIO) : 0;
}
