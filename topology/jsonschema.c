/* jsonschema.c - the grammar for editors, as JSON Schema (draft 7, which YAML language servers read).
 *
 * Made from the tables alone. Lists of maps refer to a definition per table; maps in place are written out.
 * Scalars are texts to the loader, quoted or not, so numbers and booleans are accepted in both forms here
 * too. What a schema cannot say (references, defaults that depend on other keys, words in another case) the
 * loader checks. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "topology/scenario.h"
#include "topology/schema.h"

struct out {
    json_t *defs;
};

static json_t *table_schema(struct out *o, const struct table *t);

static json_t *pattern(const char *regex)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", regex);
}

/* A text that editors may take for a number. */
static json_t *text_or_number(const char *regex)
{
    json_t *text = regex ? pattern(regex) : json_pack("{s:s}", "type", "string");
    return json_pack("{s:[o, {s:s}]}", "anyOf", text, "type", "number");
}

static json_t *number_schema(const struct field *f)
{
    json_t *n = json_pack("{s:s, s:I}", "type", "integer", "minimum", (json_int_t)f->min);
    uint64_t max = f->max                        ? f->max
                   : f->size == sizeof(uint16_t) ? UINT16_MAX
                   : f->size == sizeof(uint32_t) ? UINT32_MAX
                                                 : 0;
    if (max)
        json_object_set_new(n, "maximum", json_integer((json_int_t)max));
    return json_pack("{s:[o, o]}", "anyOf", n, pattern("^[0-9]+$"));
}

static json_t *word_schema(const struct field *f)
{
    json_t *words = json_array();
    for (const struct word *w = f->words; w->word; w++) {
        json_array_append_new(words, json_string(w->word));
        if (w->word[strspn(w->word, "0123456789")] == '\0')
            json_array_append_new(words, json_integer(strtoll(w->word, NULL, 10)));
    }
    return json_pack("{s:o}", "enum", words);
}

#define IP "([0-9]{1,3}\\.){3}[0-9]{1,3}"

/* One value of the row, without its being in a list. */
static json_t *value_schema(struct out *o, const struct field *f)
{
    switch (f->kind) {
    case K_BOOL:
        return json_pack("{s:[b, b, s, s]}", "enum", 1, 0, "true", "false");
    case K_NUMBER:
        return number_schema(f);
    case K_WORD:
        return word_schema(f);
    case K_DURATION:
        return pattern("^(0|[0-9]+(\\.[0-9]+)? *(ns|us|ms|s|m|h))$");
    case K_SIZE:
        return text_or_number("^(0|[0-9]+(\\.[0-9]+)? *(B|KiB|MiB|GiB))$");
    case K_BANDWIDTH:
        return text_or_number("^(0|[0-9]+(\\.[0-9]+)? *(bps|kbps|Mbps|Gbps))$");
    case K_FRACTION:
        return text_or_number("^(0(\\.[0-9]+)?|1(\\.0+)?)$");
    case K_IP:
        return pattern("^" IP "$");
    case K_PREFIX:
        return pattern("^" IP "(/[0-9]{1,2})?$");
    case K_PORTS:
        return pattern(f->bare ? "^(tcp|udp|icmp|(tcp|udp)/[0-9]+(-[0-9]+)?)$"
                               : "^(-icmp|(tcp|udp)/[0-9]+(-[0-9]+)?)$");
    case K_PORT_MATCH:
        return text_or_number("^(\\*|[0-9]+(-[0-9]+)?)$");
    case K_STRUCT:
    case K_EXPECT:
        if (!f->list)
            return table_schema(o, f->sub);
        break;
    case K_PAIRS:
        return json_pack("{s:s, s:{s:[s, s, s]}}", "type", "object", "additionalProperties", "type", "string",
                         "number", "boolean");
    case K_COUNTS:
        return json_pack("{s:s, s:{s:[s, s]}}", "type", "object", "additionalProperties", "type", "integer",
                         "string");
    case K_ANY:
        if (!f->sub)
            return json_object();
        break;
    case K_TIME: /* editors may take it for a date */
    case K_TEXT:
    case K_NAME:
    case K_REGION:
    case K_ADDRESS:
    case K_ROUTE:
    case K_REF:
    case K_TARGET:
        return text_or_number(NULL);
    }
    if (!json_object_get(o->defs, f->sub->what)) {
        json_object_set_new(o->defs, f->sub->what, json_null()); /* its place, and no endless recursion */
        json_object_set_new(o->defs, f->sub->what, table_schema(o, f->sub));
    }
    char ref[128];
    size_t n = (size_t)snprintf(ref, sizeof ref, "#/definitions/");
    for (const char *s = f->sub->what; *s && n + 4 < sizeof ref; s++)
        n += (size_t)snprintf(ref + n, sizeof ref - n, *s == ' ' ? "%%20" : "%c", *s);
    return json_pack("{s:s}", "$ref", ref);
}

static json_t *field_schema(struct out *o, const struct field *f)
{
    json_t *one = value_schema(o, f), *s = one;
    if (f->list) {
        s = json_pack("{s:s, s:O}", "type", "array", "items", one);
        if (f->lenient)
            s = json_pack("{s:[o, O]}", "anyOf", s, one);
        json_decref(one);
    }
    json_t *out = json_pack("{s:s}", "description", f->doc);
    if (f->def)
        json_object_set_new(out, "default", f->list ? json_pack("[s]", f->def) : json_string(f->def));
    json_object_update(out, s);
    json_decref(s);
    return out;
}

static json_t *table_schema(struct out *o, const struct table *t)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < t->n; i++) {
        json_object_set_new(properties, t->field[i].key, field_schema(o, &t->field[i]));
        if (t->field[i].required)
            json_array_append_new(required, json_string(t->field[i].key));
    }
    json_t *s =
        json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
    if (json_array_size(required))
        json_object_set(s, "required", required);
    json_decref(required);
    return s;
}

int schema_print_json(FILE *to)
{
    struct out o = {.defs = json_object()};
    json_t *root = json_pack("{s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#", "title",
                             "vnetsim scenario");
    json_t *body = table_schema(&o, &table_root);
    /* an included file is checked by the same schema: it names no scenario */
    json_object_del(body, "required");
    json_object_update(root, body);
    json_decref(body);
    json_object_set_new(root, "definitions", o.defs);
    errno = 0;
    int rc = json_dumpf(root, to, JSON_INDENT(1));
    json_decref(root);
    putc('\n', to);
    return rc || fflush(to) || ferror(to) ? (errno ? -errno : -EIO) : 0;
}
