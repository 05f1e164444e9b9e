/* flowlog.c - flow logs in Azure's shapes.
 *
 * Layout. A file holds one hour of one network interface: PT1H.json in folders that say which log, which hour
 * and which MAC. In the file a record holds what was collected in one minute, its tuples grouped by rule (and
 * by the list that the rule is from, in version 4). An hour or a minute without a tuple has no file and no
 * record.
 *
 * Time. Collection minutes are those of the clock. A record carries the last moment of its minute, to the 100
 * ns that Azure's time stamps show: so record, tuples and folder always agree about the hour.
 *
 * Tuples. Versions 1 and 2 count seconds and spell the protocol T or U; version 4 counts milliseconds and has
 * the protocol's number. Version 1 has a line when a flow begins or is denied. Version 2 adds the state and
 * leaves the counts of B and of denied flows empty; version 4 writes zeros, and D as a state of its own.
 * Nothing is encrypted here (NX).
 *
 * Folders. A storage account has one folder for each group that is logged, since Azure keeps one log for a
 * group. Where a scenario asks for more (both versions, to compare them), the later ones lie below a folder
 * of the log's own name.
 *
 * Representation. Lines are kept as they come and sorted by (log, hour, MAC, order of arrival) at the end;
 * then one pass writes file after file. Groups appear in the order of their first line, so equal runs give
 * equal bytes. */
#include "pcaps/flowlog.h"

#include "dataplane/arena.h"
#include "pcaps/outfile.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

struct line {
    size_t log, serial;
    int64_t hour; /* since 1970 */
    struct flowlog_place at;
    struct flowlog_tuple tuple;
};

struct flowlog_set {
    struct arena *arena;
    const char *dir;
    const struct flowlog_spec *spec;
    const char **folder; /* by log */
    struct line *line;
    size_t n, cap;
    struct outfile **file;
    size_t n_files, cap_files;
    struct flowlog_result *result;
    size_t n_results, cap_results;
};

void flowlog_free(struct flowlog_set *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_files; i++)
        outfile_abort(s->file[i]);
    free(s->line);
    arena_free(s->arena);
}

void flowlog_add(struct flowlog_set *s, size_t log, const struct flowlog_place *at,
                 const struct flowlog_tuple *t)
{
    char text[FLOWLOG_TUPLE_LEN];
    if (!*flowlog_format(s->spec[log].version, t, text))
        return;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        struct line *more = realloc(s->line, s->cap * sizeof *more);
        if (!more)
            arena_oom("flow logs");
        s->line = more;
    }
    s->line[s->n] = (struct line){log, s->n, t->at / HOUR, *at, *t};
    s->n++;
}

/* -- tuples ---------------------------------------------------------------------------------------------- */

char *flowlog_format(unsigned version, const struct flowlog_tuple *t, char *buf)
{
    char src[IP4_STRLEN], dst[IP4_STRLEN], counts[96] = ",,,";
    const bool counted = t->state == 'C' || t->state == 'E', denied = t->state == 'D';
    ip4_format(t->src, src);
    ip4_format(t->dst, dst);
    if (counted || version == 4)
        snprintf(counts, sizeof counts, "%llu,%llu,%llu,%llu", (unsigned long long)t->packets[0],
                 (unsigned long long)t->bytes[0], (unsigned long long)t->packets[1],
                 (unsigned long long)t->bytes[1]);
    if (version == 4) {
        snprintf(buf, FLOWLOG_TUPLE_LEN, "%lld,%s,%s,%u,%u,%u,%c,%c,NX,%s", (long long)(t->at / 1000000), src,
                 dst, t->sport, t->dport, t->proto, t->inbound ? 'I' : 'O', t->state, counts);
        return buf;
    }
    int n =
        snprintf(buf, FLOWLOG_TUPLE_LEN, "%lld,%s,%s,%u,%u,%c,%c,%c", (long long)(t->at / SECOND), src, dst,
                 t->sport, t->dport, t->proto == 6 ? 'T' : 'U', t->inbound ? 'I' : 'O', denied ? 'D' : 'A');
    if (version == 2)
        snprintf(buf + n, FLOWLOG_TUPLE_LEN - (size_t)n, ",%c,%s", denied ? 'B' : t->state, counts);
    else if (counted)
        buf[0] = 0;
    return buf;
}

/* -- names ----------------------------------------------------------------------------------------------- */

static char *upper(struct arena *a, const char *text)
{
    char *s = arena_strdup(a, text);
    for (char *c = s; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return s;
}

/* One part of a path: what would lead elsewhere becomes '-'. */
static const char *part(struct arena *a, const char *text)
{
    char *s = arena_strdup(a, text);
    for (char *c = s; *c; c++)
        if (*c == '/' || iscntrl((unsigned char)*c) || (*c == '.' && c == s))
            *c = '-';
    return s;
}

static const char *group_id(struct arena *a, const struct flowlog_spec *s)
{
    return arena_printf(
        a, "/SUBSCRIPTIONS/%s/RESOURCEGROUPS/%s/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/%s",
        upper(a, s->subscription), upper(a, s->resource_group), upper(a, s->target));
}

/* The folders of a log below the folder of the run: container and resource. */
static const char *folder_of(struct arena *a, const struct flowlog_spec *s)
{
    if (s->version == 4)
        return arena_printf(
            a, "insights-logs-flowlogflowevent/flowLogResourceID=/%s_NETWORKWATCHERRG/NETWORKWATCHER_%s_%s",
            part(a, upper(a, s->subscription)), part(a, upper(a, s->location)), part(a, upper(a, s->name)));
    return arena_printf(
        a,
        "insights-logs-networksecuritygroupflowevent/resourceId=/SUBSCRIPTIONS/%s/RESOURCEGROUPS/%s/"
        "PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/%s",
        part(a, upper(a, s->subscription)), part(a, upper(a, s->resource_group)),
        part(a, upper(a, s->target)));
}

static void name_folders(struct flowlog_set *s, size_t n)
{
    s->folder = arena_array(s->arena, n, sizeof *s->folder);
    for (size_t i = 0; i < n; i++) {
        bool taken = false;
        s->folder[i] = folder_of(s->arena, &s->spec[i]);
        for (size_t k = 0; k < i; k++)
            taken |= strcmp(s->folder[k], s->folder[i]) == 0;
        if (taken)
            s->folder[i] = arena_printf(s->arena, "%s/%s", part(s->arena, s->spec[i].name), s->folder[i]);
    }
}

struct flowlog_set *flowlog_new(const char *dir, const struct flowlog_spec *specs, size_t n)
{
    struct arena *a = arena_new("flow logs");
    struct flowlog_set *s = arena_alloc(a, sizeof *s);
    struct flowlog_spec *copy = arena_array(a, n, sizeof *copy);
    if (n)
        memcpy(copy, specs, n * sizeof *copy);
    s->arena = a;
    s->dir = arena_strdup(a, dir);
    s->spec = copy;
    name_folders(s, n);
    return s;
}

static const char *mac_text(struct arena *a, const uint8_t mac[6])
{
    return arena_printf(a, "%02X%02X%02X%02X%02X%02X", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static struct tm utc(int64_t unix_ns)
{
    const time_t seconds = (time_t)(unix_ns / SECOND);
    struct tm t;
    gmtime_r(&seconds, &t);
    return t;
}

static const char *hour_folder(struct arena *a, int64_t hour)
{
    const struct tm t = utc(hour * HOUR);
    return arena_printf(a, "y=%04d/m=%02d/d=%02d/h=%02d/m=00", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                        t.tm_hour);
}

static const char *record_time(struct arena *a, int64_t minute)
{
    const struct tm t = utc(minute * MINUTE);
    return arena_printf(a, "%04d-%02d-%02dT%02d:%02d:59.9999999Z", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                        t.tm_hour, t.tm_min);
}

/* -- records --------------------------------------------------------------------------------------------- */

static void set(json_t *o, const char *key, json_t *value)
{
    if (json_object_set_new(o, key, value) != 0)
        arena_oom("flow logs");
}

static json_t *append(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0)
        arena_oom("flow logs");
    return value;
}

/* => the element of the list whose key has the text, made where there is none; with an empty array under
 * `of`. */
static json_t *group(json_t *list, const char *key, const char *text, const char *of)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *o = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(o, key)), text) == 0)
            return json_object_get(o, of);
    }
    json_t *o = append(list, json_object()), *empty = json_array();
    set(o, key, json_string(text));
    set(o, of, empty);
    return empty;
}

/* The tuples of lines [from, to), under their rules. */
static json_t *flows_of(struct flowlog_set *s, const struct line *from, const struct line *to,
                        unsigned version)
{
    json_t *flows = json_array();
    char text[FLOWLOG_TUPLE_LEN];
    for (const struct line *l = from; l < to; l++) {
        json_t *tuples = version == 4 ? group(group(flows, "aclID", l->at.acl, "flowGroups"), "rule",
                                              l->at.rule, "flowTuples")
                                      : group(group(flows, "rule", l->at.rule, "flows"), "mac",
                                              mac_text(s->arena, l->at.mac), "flowTuples");
        append(tuples, json_string(flowlog_format(version, &l->tuple, text)));
    }
    return flows;
}

static json_t *record_group(struct flowlog_set *s, const struct flowlog_spec *spec, int64_t minute,
                            json_t *flows)
{
    json_t *o = json_object(), *properties = json_object();
    set(o, "time", json_string(record_time(s->arena, minute)));
    set(o, "systemId", json_string(spec->guid));
    set(o, "category", json_string("NetworkSecurityGroupFlowEvent"));
    set(o, "resourceId", json_string(group_id(s->arena, spec)));
    set(o, "operationName", json_string("NetworkSecurityGroupFlowEvents"));
    set(properties, "Version", json_integer(spec->version));
    set(properties, "flows", flows);
    set(o, "properties", properties);
    return o;
}

static json_t *record_vnet(struct flowlog_set *s, const struct flowlog_spec *spec, int64_t minute,
                           const uint8_t mac[6], json_t *flows)
{
    struct arena *a = s->arena;
    json_t *o = json_object(), *records = json_object();
    set(o, "time", json_string(record_time(a, minute)));
    set(o, "flowLogVersion", json_integer(4));
    set(o, "flowLogGUID", json_string(spec->guid));
    set(o, "macAddress", json_string(mac_text(a, mac)));
    set(o, "category", json_string("FlowLogFlowEvent"));
    set(o, "flowLogResourceID",
        json_string(
            arena_printf(a,
                         "/SUBSCRIPTIONS/%s/RESOURCEGROUPS/NETWORKWATCHERRG/PROVIDERS/MICROSOFT.NETWORK/"
                         "NETWORKWATCHERS/NETWORKWATCHER_%s/FLOWLOGS/%s",
                         upper(a, spec->subscription), upper(a, spec->location), upper(a, spec->name))));
    set(o, "targetResourceID",
        json_string(arena_printf(
            a, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/virtualNetworks/%s",
            spec->subscription, spec->resource_group, spec->target)));
    set(o, "operationName", json_string("FlowLogFlowEvent"));
    set(records, "flows", flows);
    set(o, "flowRecords", records);
    return o;
}

/* -- files ----------------------------------------------------------------------------------------------- */

static int by_file(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->log != y->log)
        return x->log < y->log ? -1 : 1;
    if (x->hour != y->hour)
        return x->hour < y->hour ? -1 : 1;
    const int mac = memcmp(x->at.mac, y->at.mac, sizeof x->at.mac);
    return mac ? mac : x->serial < y->serial ? -1 : x->serial > y->serial;
}

static bool same_file(const struct line *x, const struct line *y)
{
    return x->log == y->log && x->hour == y->hour && memcmp(x->at.mac, y->at.mac, sizeof x->at.mac) == 0;
}

static json_t *content(struct flowlog_set *s, const struct line *from, const struct line *to)
{
    const struct flowlog_spec *spec = &s->spec[from->log];
    json_t *records = json_array(), *o = json_object();
    while (from < to) {
        const int64_t minute = from->tuple.at / MINUTE;
        const struct line *end = from;
        while (end < to && end->tuple.at / MINUTE == minute)
            end++;
        json_t *flows = flows_of(s, from, end, spec->version);
        append(records, spec->version == 4 ? record_vnet(s, spec, minute, from->at.mac, flows)
                                           : record_group(s, spec, minute, flows));
        from = end;
    }
    set(o, "records", records);
    return o;
}

static int dump(const char *buffer, size_t size, void *data)
{
    outfile_write(data, buffer, size);
    return 0;
}

/* Write the file of lines [from, to) completely. */
static int write_file(struct flowlog_set *s, const struct line *from, const struct line *to, char *err,
                      size_t errlen)
{
    struct arena *a = s->arena;
    const char *below = arena_printf(a, "%s/%s/macAddress=%s", s->folder[from->log],
                                     hour_folder(a, from->hour), mac_text(a, from->at.mac));
    const char *path = arena_printf(a, "%s/%s/PT1H.json", s->dir, below);
    int rc = outdir_make(arena_printf(a, "%s/%s", s->dir, below));
    if (rc) {
        snprintf(err, errlen, "%s: %s", path, strerror(-rc));
        return rc;
    }
    struct outfile *f = outfile_open(path, err, errlen);
    if (!f)
        return -errno;
    *(struct outfile **)arena_push(a, &s->file, &s->n_files, &s->cap_files, sizeof f) = f;
    json_t *o = content(s, from, to);
    if (json_dump_callback(o, dump, f, JSON_INDENT(4)) != 0)
        outfile_fail(f, -ENOMEM);
    json_decref(o);
    outfile_write(f, "\n", 1);
    rc = outfile_finish(f);
    if (rc)
        snprintf(err, errlen, "%s: %s", path, strerror(-rc));
    struct flowlog_result *r = arena_push(a, &s->result, &s->n_results, &s->cap_results, sizeof *r);
    *r = (struct flowlog_result){s->spec[from->log].name, arena_printf(a, "%s/PT1H.json", below)};
    return rc;
}

int flowlog_finish(struct flowlog_set *s, char *err, size_t errlen)
{
    int rc = 0;
    if (s->n)
        qsort(s->line, s->n, sizeof *s->line, by_file);
    for (size_t i = 0, end; i < s->n && !rc; i = end) {
        for (end = i; end < s->n && same_file(&s->line[i], &s->line[end]);)
            end++;
        rc = write_file(s, &s->line[i], &s->line[end], err, errlen);
    }
    return rc;
}

int flowlog_commit(struct flowlog_set *s, char *err, size_t errlen)
{
    int rc = 0;
    for (size_t i = 0; i < s->n_files && !rc; i++) {
        struct outfile *f = s->file[i];
        s->file[i] = NULL;
        rc = outfile_commit(f);
        if (rc)
            snprintf(err, errlen, "%s/%s: %s", s->dir, s->result[i].file, strerror(-rc));
    }
    return rc;
}

size_t flowlog_results(const struct flowlog_set *s, const struct flowlog_result **out)
{
    *out = s->result;
    return s->n_results;
}
