/* node.c - see node.h.
 *
 * libyaml's event parser feeds a recursive builder; every node takes the place of its event. Scalars stay
 * text: what a text means is the schema's business, so `2021`, `'443'` and `None` mean the same quoted or
 * not, and YAML 1.1's ideas about `yes` or `010` never come into play.
 *
 * Aliases share the anchor's nodes, since nodes are never changed. A walk over the tree nevertheless visits
 * shared nodes again and again, so each node's weight (itself and all below, shared ones counted every time)
 * is added up and the whole document may not weigh more than WEIGHT_MAX: a "billion laughs" document fails at
 * once. An alias inside its own anchor is a cycle and an error.
 *
 * Costs: one pass, memory linear in the text. Duplicate keys are found by sorting the keys of a map, n log n.
 *
 * Odd cases: text that is not UTF-8, or holds control characters, is refused before libyaml sees it, since
 * libyaml's own message has no line; an unquoted `*` is alias syntax in YAML and gets a message of its own,
 * as do tabs. */
#include "topology/node.h"

#include "dataplane/arena.h"
#include "topology/diag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX  64
#define WEIGHT_MAX 4000000u
#define SIZE_LIMIT (256u << 20)

struct anchor {
    const char *name;
    struct node *node; /* NULL while it is being built */
    size_t weight;
};

struct builder {
    struct arena *a;
    struct diag *d;
    const char *file;
    const char *text;
    size_t len;
    yaml_parser_t y;
    yaml_event_t e;
    struct anchor *anchor;
    size_t anchors, anchors_cap, weight;
    unsigned depth;
};

struct stack { /* children collected before their number is known */
    struct node **at;
    size_t n, cap;
};

static struct origin place(const struct builder *b, yaml_mark_t m)
{
    return (struct origin){b->file, (uint32_t)m.line + 1, (uint32_t)m.column + 1};
}

/* => the place of byte offset; columns count characters. */
static struct origin place_of(const struct builder *b, size_t offset)
{
    struct origin o = {b->file, 1, 1};
    for (size_t i = 0; i < offset && i < b->len; i++) {
        if (b->text[i] == '\n') {
            o.line++;
            o.col = 1;
        } else if (((unsigned char)b->text[i] & 0xc0) != 0x80) {
            o.col++;
        }
    }
    return o;
}

/* The character that libyaml stumbled over; 0 past the end. Its mark counts characters, not bytes. */
static char at_mark(const struct builder *b, yaml_mark_t m)
{
    size_t i = 0;
    for (size_t chars = 0; i < b->len; i++) {
        if (((unsigned char)b->text[i] & 0xc0) != 0x80 && chars++ == m.index)
            break;
    }
    return i < b->len ? b->text[i] : '\0';
}

static void syntax_error(struct builder *b)
{
    const yaml_parser_t *y = &b->y;
    const char *context = y->context ? y->context : "";
    const char *problem = y->problem ? y->problem : "syntax error";
    char c = at_mark(b, y->problem_mark);
    struct origin at = place(b, y->problem_mark);
    if (y->error == YAML_MEMORY_ERROR)
        arena_oom("yaml");
    if (y->error == YAML_READER_ERROR)
        diag_error(b->d, place_of(b, y->problem_offset), "%s", problem);
    else if (strcmp(context, "while scanning an alias") == 0)
        diag_error(b->d, place(b, y->context_mark), "'*' must be quoted in YAML: write '*'");
    else if (strcmp(context, "while scanning an anchor") == 0)
        diag_error(b->d, place(b, y->context_mark), "a text that begins with '&' must be quoted in YAML");
    else if (c == '\t')
        diag_error(b->d, at, "YAML does not allow a tab here: indent with spaces");
    else if (c && strchr("@`%", c))
        diag_error(b->d, at, "a text that begins with '%c' must be quoted in YAML", c);
    else if (*context && y->context_mark.line != y->problem_mark.line)
        diag_error(b->d, at, "%s, %s that begins in line %zu", problem, context, y->context_mark.line + 1);
    else
        diag_error(b->d, at, "%s%s%s", problem, *context ? ", " : "", context);
}

/* Read the next event into b->e. => false after an error. */
static bool next(struct builder *b)
{
    yaml_event_delete(&b->e);
    if (yaml_parser_parse(&b->y, &b->e))
        return true;
    syntax_error(b);
    memset(&b->e, 0, sizeof b->e);
    return false;
}

struct node *node_list(struct arena *a, enum node_kind kind, struct origin at, size_t n)
{
    struct node *x = arena_alloc(a, sizeof *x);
    x->kind = kind;
    x->at = at;
    x->n = n;
    x->item = arena_array(a, n, sizeof(struct node *));
    if (kind == NODE_MAP)
        x->key = arena_array(a, n, sizeof(struct node *));
    return x;
}

struct node *node_scalar(struct arena *a, struct origin at, const char *text)
{
    struct node *x = arena_alloc(a, sizeof *x);
    x->kind = NODE_SCALAR;
    x->at = at;
    x->text = arena_strdup(a, text);
    return x;
}

static bool weigh(struct builder *b, size_t w, struct origin at)
{
    b->weight += w;
    if (b->weight <= WEIGHT_MAX)
        return true;
    diag_error(b->d, at, "the document is too large: its aliases and values unfold to more than %u",
               WEIGHT_MAX);
    return false;
}

static bool core_tag(struct builder *b, const yaml_char_t *tag, struct origin at)
{
    static const char *const core[] = {"str", "int", "float", "bool", "null", "map", "seq", "timestamp"};
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *t = (const char *)tag;
    if (!t || strcmp(t, "!") == 0)
        return true;
    for (size_t i = 0; i < sizeof core / sizeof core[0]; i++) {
        if (strncmp(t, prefix, sizeof prefix - 1) == 0 && strcmp(t + sizeof prefix - 1, core[i]) == 0)
            return true;
    }
    diag_error(b->d, at, "unknown tag '%s'; a text that begins with '!' must be quoted in YAML", t);
    return false;
}

static struct anchor *anchor_find(struct builder *b, const char *name)
{
    for (size_t i = b->anchors; i-- > 0;) {
        if (strcmp(b->anchor[i].name, name) == 0)
            return &b->anchor[i];
    }
    return NULL;
}

/* => the index of a new anchor, SIZE_MAX where the node has none. */
static size_t anchor_begin(struct builder *b, const yaml_char_t *name)
{
    if (!name)
        return SIZE_MAX;
    struct anchor *x = arena_push(b->a, &b->anchor, &b->anchors, &b->anchors_cap, sizeof *x);
    x->name = arena_strdup(b->a, (const char *)name);
    return b->anchors - 1;
}

static struct node *build(struct builder *b);

static struct node *build_alias(struct builder *b, struct origin at)
{
    const char *name = (const char *)b->e.data.alias.anchor;
    const struct anchor *x = anchor_find(b, name);
    if (x && x->node)
        return weigh(b, x->weight, at) ? x->node : NULL;
    if (x)
        diag_error(b->d, at, "alias '*%s' is inside its own anchor", name);
    else
        diag_error(b->d, at,
                   "unknown alias '*%s'; a text that begins with '*' must be quoted in YAML: write '*%s'",
                   name, name);
    return NULL;
}

static struct node *build_scalar(struct builder *b, struct origin at)
{
    const char *s = (const char *)b->e.data.scalar.value;
    if (memchr(s, 0, b->e.data.scalar.length)) {
        diag_error(b->d, at, "the text holds a NUL character");
        return NULL;
    }
    struct node *n = node_scalar(b->a, at, s);
    n->quoted = b->e.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return n;
}

static struct node *build_seq(struct builder *b, struct origin at)
{
    struct stack s = {0};
    while (next(b)) {
        if (b->e.type == YAML_SEQUENCE_END_EVENT) {
            struct node *n = node_list(b->a, NODE_SEQ, at, s.n);
            if (s.n)
                memcpy(n->item, s.at, s.n * sizeof *s.at);
            return n;
        }
        struct node *x = build(b);
        if (!x)
            return NULL;
        struct node **slot = arena_push(b->a, &s.at, &s.n, &s.cap, sizeof *slot);
        *slot = x;
    }
    return NULL;
}

static int key_cmp(const void *x, const void *y)
{
    struct node *const *a = x, *const *b = y;
    int c = strcmp((*a)->text, (*b)->text);
    if (c)
        return c;
    if ((*a)->at.line != (*b)->at.line)
        return (*a)->at.line < (*b)->at.line ? -1 : 1;
    return (*a)->at.col < (*b)->at.col ? -1 : (*a)->at.col > (*b)->at.col;
}

static void duplicate_keys(struct builder *b, const struct node *map)
{
    struct node **k = arena_array(b->a, map->n, sizeof *k);
    if (map->n)
        memcpy(k, map->key, map->n * sizeof *k);
    qsort(k, map->n, sizeof *k, key_cmp);
    for (size_t i = 1; i < map->n; i++) {
        if (strcmp(k[i]->text, k[i - 1]->text) == 0) {
            diag_error(b->d, k[i]->at, "duplicate key '%s'", k[i]->text);
            diag_note(b->d, k[i - 1]->at, "it is here already");
        }
    }
}

/* One key and its value onto the stack. */
static bool build_pair(struct builder *b, struct stack *s)
{
    struct origin at = place(b, b->e.start_mark);
    struct node *k = build(b);
    if (!k)
        return false;
    if (k->kind != NODE_SCALAR) {
        diag_error(b->d, at, "a key must be a text");
        return false;
    }
    struct node *v = next(b) ? build(b) : NULL;
    if (!v)
        return false;
    struct node **slot = arena_push(b->a, &s->at, &s->n, &s->cap, sizeof *slot);
    *slot = k;
    slot = arena_push(b->a, &s->at, &s->n, &s->cap, sizeof *slot);
    *slot = v;
    return true;
}

static struct node *build_map(struct builder *b, struct origin at)
{
    struct stack s = {0};
    while (next(b)) {
        if (b->e.type != YAML_MAPPING_END_EVENT) {
            if (!build_pair(b, &s))
                return NULL;
            continue;
        }
        struct node *n = node_list(b->a, NODE_MAP, at, s.n / 2);
        for (size_t i = 0; i < n->n; i++) {
            n->key[i] = s.at[2 * i];
            n->item[i] = s.at[2 * i + 1];
        }
        duplicate_keys(b, n);
        return n;
    }
    return NULL;
}

/* Build the node that b->e begins. => NULL after an error. */
static struct node *build(struct builder *b)
{
    struct origin at = place(b, b->e.start_mark);
    if (b->e.type == YAML_ALIAS_EVENT)
        return build_alias(b, at);
    bool scalar = b->e.type == YAML_SCALAR_EVENT, seq = b->e.type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *tag = scalar ? b->e.data.scalar.tag
                             : seq  ? b->e.data.sequence_start.tag
                                    : b->e.data.mapping_start.tag;
    const yaml_char_t *anchor = scalar ? b->e.data.scalar.anchor
                                : seq  ? b->e.data.sequence_start.anchor
                                       : b->e.data.mapping_start.anchor;
    if (!core_tag(b, tag, at) || !weigh(b, 1, at))
        return NULL;
    if (b->depth == DEPTH_MAX) {
        diag_error(b->d, at, "nested more than %d deep", DEPTH_MAX);
        return NULL;
    }
    size_t before = b->weight, mine = anchor_begin(b, anchor);
    b->depth++;
    struct node *n = scalar ? build_scalar(b, at) : seq ? build_seq(b, at) : build_map(b, at);
    b->depth--;
    if (n && mine != SIZE_MAX) {
        b->anchor[mine].node = n;
        b->anchor[mine].weight = b->weight - before + 1;
    }
    return n;
}

static struct node *build_document(struct builder *b)
{
    if (!next(b) || !next(b)) /* stream start, document start */
        return NULL;
    if (b->e.type != YAML_DOCUMENT_START_EVENT) {
        diag_error(b->d, (struct origin){b->file, 1, 1}, "the file is empty");
        return NULL;
    }
    struct node *root = next(b) ? build(b) : NULL;
    if (!root || !next(b) || !next(b)) /* document end, stream end */
        return NULL;
    if (b->e.type == YAML_DOCUMENT_START_EVENT) {
        diag_error(b->d, place(b, b->e.start_mark), "a second document begins here; a file holds one");
        return NULL;
    }
    return root;
}

/* => the length of the UTF-8 character at s, 0 if it is none or a control character that YAML forbids. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (!n || n > left)
        return 0;
    if (n == 1)
        return s[0] >= ' ' ? s[0] != 0x7f : s[0] == '\t' || s[0] == '\n' || s[0] == '\r';
    uint32_t c = s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

static bool check_text(struct builder *b)
{
    const unsigned char *s = (const unsigned char *)b->text;
    for (size_t i = 0, n; i < b->len; i += n) {
        n = utf8_len(s + i, b->len - i);
        if (n)
            continue;
        if (s[i] < 0x80)
            diag_error(b->d, place_of(b, i), "control character 0x%02x: this is not a text file", s[i]);
        else
            diag_error(b->d, place_of(b, i), "byte 0x%02x is not UTF-8", s[i]);
        return false;
    }
    return true;
}

struct node *node_parse(struct arena *a, const char *name, const char *text, size_t len, struct diag *d)
{
    struct builder b = {.a = a, .d = d, .file = arena_strdup(a, name), .text = text, .len = len};
    if (!check_text(&b))
        return NULL;
    if (!yaml_parser_initialize(&b.y))
        arena_oom("yaml");
    yaml_parser_set_encoding(&b.y, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.y, (const unsigned char *)text, len);
    struct node *root = build_document(&b);
    yaml_event_delete(&b.e);
    yaml_parser_delete(&b.y);
    return root;
}

/* Read all of f. => malloc'd text, or NULL with errno set (EFBIG: too large). */
static char *read_all(FILE *f, size_t *len)
{
    size_t cap = 65536, n = 0, got;
    char *s = malloc(cap);
    while (s && (got = fread(s + n, 1, cap - n, f)) > 0) {
        n += got;
        if (n < cap)
            continue;
        char *more = cap < SIZE_LIMIT ? realloc(s, cap *= 2) : NULL;
        if (!more) {
            free(s);
            errno = EFBIG;
            return NULL;
        }
        s = more;
    }
    if (!s)
        arena_oom("file");
    if (ferror(f)) {
        free(s);
        return NULL;
    }
    *len = n;
    return s;
}

struct node *node_load(struct arena *a, const char *path, struct diag *d)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "<stdin>" : path;
    struct origin at = {name, 0, 0};
    errno = 0;
    FILE *f = standard ? stdin : fopen(path, "rb");
    size_t len = 0;
    char *text = f ? read_all(f, &len) : NULL;
    if (!text)
        diag_error(d, at, "cannot read the file: %s", strerror(errno));
    if (f && !standard)
        fclose(f);
    struct node *root = text ? node_parse(a, name, text, len, d) : NULL;
    free(text);
    return root;
}

static size_t index_of(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return SIZE_MAX;
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->key[i]->text, key) == 0)
            return i;
    }
    return SIZE_MAX;
}

struct node *node_get(const struct node *map, const char *key)
{
    size_t i = index_of(map, key);
    return i == SIZE_MAX ? NULL : map->item[i];
}

struct node *node_key(const struct node *map, const char *key)
{
    size_t i = index_of(map, key);
    return i == SIZE_MAX ? NULL : map->key[i];
}

bool node_is_null(const struct node *n)
{
    return !n || (n->kind == NODE_SCALAR && !n->quoted &&
                  (!*n->text || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0));
}

struct node *node_copy(struct arena *a, const struct node *n)
{
    if (n->kind == NODE_SCALAR) {
        struct node *s = node_scalar(a, n->at, n->text);
        s->quoted = n->quoted;
        s->derived = n->derived;
        return s;
    }
    struct node *c = node_list(a, n->kind, n->at, n->n);
    for (size_t i = 0; i < n->n; i++) {
        c->item[i] = node_copy(a, n->item[i]);
        if (n->kind == NODE_MAP)
            c->key[i] = node_copy(a, n->key[i]);
    }
    return c;
}

struct node *node_with(struct arena *a, const struct node *map, const char *key, struct node *value)
{
    size_t i = index_of(map, key), n = map ? map->n : 0;
    struct node *c = node_list(a, NODE_MAP, map ? map->at : value->at, i == SIZE_MAX ? n + 1 : n);
    if (n) {
        memcpy(c->item, map->item, n * sizeof *c->item);
        memcpy(c->key, map->key, n * sizeof *c->key);
    }
    if (i == SIZE_MAX)
        c->key[i = n] = node_scalar(a, value->at, key);
    c->item[i] = value;
    return c;
}

struct node *node_without(struct arena *a, const struct node *map, const char *key)
{
    size_t gone = index_of(map, key), n = 0;
    struct node *c = node_list(a, NODE_MAP, map->at, map->n - (gone != SIZE_MAX));
    for (size_t i = 0; i < map->n; i++) {
        if (i == gone)
            continue;
        c->key[n] = map->key[i];
        c->item[n++] = map->item[i];
    }
    return c;
}
