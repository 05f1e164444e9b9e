/* test_flowlog_shape.c - flow logs beside the published samples: the same keys, types and forms of lines; and
 * a property over traffic with losses: each line has its place in a conversation, each frame is counted
 * once. */
#include "tests/support_flowlog.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* -- shapes ---------------------------------------------------------------------------------------------- */

/* A text with what differs from line to line replaced: numbers N, addresses A, protocol P, direction F. */
static const char *pattern(struct arena *a, const char *tuple)
{
    const char *out = "";
    int field = 0;
    for (const char *at = tuple;; field++) {
        const size_t n = strcspn(at, ",");
        const char *text = arena_strndup(a, at, n);
        ip4 ip;
        const bool digits = n && strspn(text, "0123456789") == n;
        const char *as = digits ? "N" : ip4_parse(text, &ip) == 0 ? "A" : text;
        if (field == 5 && !digits)
            as = *text == 'T' || *text == 'U' ? "P" : text;
        if (field == 6)
            as = *text == 'I' || *text == 'O' ? "F" : text;
        out = arena_printf(a, "%s%s%s", out, field ? "," : "", as);
        if (!at[n])
            return out;
        at += n + 1;
    }
}

/* Digits and hexadecimal letters as 0, for times and identifiers. */
static const char *digits(struct arena *a, const char *text)
{
    char *s = arena_strdup(a, text);
    for (char *c = s; *c; c++)
        if (isxdigit((unsigned char)*c))
            *c = '0';
    return s;
}

static json_t *patterns(struct arena *a, const json_t *tuples)
{
    json_t *set = json_object(), *t;
    size_t i;
    json_array_foreach(tuples, i, t) json_object_set_new(set, pattern(a, json_string_value(t)), json_true());
    return set;
}

/* Key by key, in order: ours has what the sample has, nothing else, of the same types. Lists are alike where
 * each of our elements is like the sample's first; tuples have no form that no tuple of the sample has. */
static void alike(struct arena *a, const char *where, const json_t *ours, const json_t *sample,
                  const json_t *forms)
{
    cr_assert_eq(json_typeof(ours), json_typeof(sample), "%s", where);
    if (json_is_object(ours)) {
        void *x = json_object_iter((json_t *)(uintptr_t)ours),
             *y = json_object_iter((json_t *)(uintptr_t)sample);
        cr_assert_eq(json_object_size(ours), json_object_size(sample), "%s", where);
        for (; x; x = json_object_iter_next((json_t *)(uintptr_t)ours, x),
                  y = json_object_iter_next((json_t *)(uintptr_t)sample, y)) {
            const char *key = json_object_iter_key(x);
            cr_assert_str_eq(key, json_object_iter_key(y), "%s", where);
            alike(a, arena_printf(a, "%s/%s", where, key), json_object_iter_value(x),
                  json_object_iter_value(y), forms);
        }
    } else if (json_is_array(ours)) {
        for (size_t i = 0; i < json_array_size(ours); i++)
            alike(a, where, json_array_get(ours, i), json_array_get(sample, 0), forms);
    } else if (json_is_string(ours)) {
        const char *text = json_string_value(ours), *key = strrchr(where, '/') + 1;
        if (strcmp(key, "flowTuples") == 0)
            cr_assert_not_null(json_object_get(forms, pattern(a, text)), "no published tuple is like %s",
                               text);
        else if (strcmp(key, "time") == 0 || strcmp(key, "systemId") == 0 ||
                 strcmp(key, "flowLogGUID") == 0 || strcmp(key, "mac") == 0 ||
                 strcmp(key, "macAddress") == 0 || strcmp(key, "aclID") == 0)
            cr_assert_str_eq(digits(a, text), digits(a, json_string_value(sample)), "%s", where);
        else if (strcmp(key, "category") == 0 || strcmp(key, "operationName") == 0)
            cr_assert_str_eq(text, json_string_value(sample), "%s", where);
    } else {
        cr_assert(json_equal(ours, sample), "%s", where);
    }
}

/* All tuples of a published file. */
static void gather(const json_t *o, json_t *into)
{
    const char *key;
    json_t *v;
    size_t i;
    json_t *changing = (json_t *)(uintptr_t)o;
    json_object_foreach(changing, key, v)
    {
        if (strcmp(key, "flowTuples") == 0)
            json_array_extend(into, v);
        else
            gather(v, into);
    }
    json_array_foreach(o, i, v) gather(v, into);
}

/* What no group was asked about has no identifier that could be compared. */
static bool of_no_group(const json_t *o)
{
    char *text = json_dumps(o, 0);
    const bool is = strstr(text, "\"unspecified\"") != NULL;
    free(text);
    return is;
}

static void like_sample(const char *name, const char *log)
{
    const char *data = getenv("VNETSIM_DATA");
    struct logged s;
    size_t i;
    json_t *f;
    char path[1024];
    if (!data) {
        fprintf(stderr, "shape::%s was skipped: VNETSIM_DATA is not set\n", log);
        cr_skip("VNETSIM_DATA is not set");
    }
    snprintf(path, sizeof path, "%s/flowlogs/%s", data, name);
    json_t *sample = logged_json(path), *tuples = json_array();
    gather(sample, tuples);
    logged_run(&s,
              "flowLogs: [{name: one, target: apps-nsg, version: 1}, {name: two, target: apps-nsg}, {name: "
              "net, target: hub}]\n" NET(
                  "    flowTimeoutInMinutes: 4\n") "flows:\n"
                                                   "  - {at: 1s, from: vm, to: other, destinationPort: 443, "
                                                   "count: 3, interval: 50s}\n"
                                                   "  - {at: 2s, from: other, to: vm, destinationPort: 22}\n"
                                                   "  - {at: 3s, from: vm, to: other, protocol: udp, "
                                                   "destinationPort: 53}\n"
                                                   "expect: [{at: 5m, nic: vm, noRoute: {addressPrefix: "
                                                   "192.0.2.0/24}}]\n");
    json_t *forms = patterns(s.arena, tuples);
    size_t files = 0;
    json_array_foreach(s.files, i, f)
    {
        if (strcmp(logged_text(f, "name"), log) != 0)
            continue;
        json_t *ours = logged_json(arena_printf(s.arena, "%s/%s", s.tmp.dir, logged_text(f, "file")));
        if (!of_no_group(ours)) {
            alike(s.arena, "", ours, sample, forms);
            files++;
        }
        json_decref(ours);
    }
    cr_assert_gt(files, 0);
    json_decref(forms);
    json_decref(tuples);
    json_decref(sample);
    logged_end(&s);
}

Test(shape, version_1)
{
    like_sample("msdocs-nsg-flow-log-v1.json", "one");
}

Test(shape, version_2)
{
    like_sample("msdocs-nsg-flow-log-v2.json", "two");
}

Test(shape, version_4)
{
    like_sample("msdocs-vnet-flow-log-v4.json", "net");
}

/* -- any traffic ----------------------------------------------------------------------------------------- */

struct life {        /* of one conversation at one NIC, as the log tells it */
    const char *who; /* file, 5-tuple and direction */
    char last;
    long long at;
};

/* B opens, C and E need an open one, times do not go back. */
static void check_life(struct logged *s, struct life *l, size_t *n, const char *file, const char *tuple)
{
    const char *field[13];
    char *copy = arena_strdup(s->arena, tuple), *rest = copy;
    for (int i = 0; i < 13; i++)
        field[i] = strsep(&rest, ",");
    const char *who = arena_printf(s->arena, "%s %s %s %s %s %s %s", file, field[1], field[2], field[3],
                                   field[4], field[5], field[6]);
    const char state = field[7][0];
    const long long at = atoll(field[0]);
    size_t i = 0;
    while (i < *n && strcmp(l[i].who, who) != 0)
        i++;
    if (i == *n)
        l[(*n)++] = (struct life){who, 'E', 0};
    cr_assert(state == 'B' || state == 'D' ? l[i].last == 'E' || l[i].last == 'D'
                                           : l[i].last == 'B' || l[i].last == 'C',
              "%s", tuple);
    cr_assert_geq(at, l[i].at, "%s", tuple);
    l[i].last = state;
    l[i].at = at;
}

static const char *without_hour(struct arena *a, const char *file)
{
    return strrchr(arena_strdup(a, file), '=');
}

/* Random conversations over lossy links: the counts of all lines are what passed the NICs, whatever was lost.
 */
Test(property, every_frame_is_counted_once)
{
    struct rng rng;
    prop_seed(&rng, "flow logs");
    for (int round = 0; round < 8; round++) {
        struct logged s;
        struct life life[512];
        size_t n = 0, i, k, j, g, h;
        struct arena *a = arena_new("scenario");
        const char *flows = "flows:\n";
        for (int f = 0; f < 30; f++)
            flows = arena_printf(a,
                                 "%s  - {at: %us, from: %s, to: %s, protocol: %s, destinationPort: %u, "
                                 "sourcePort: %u, keepOpen: %us, responseBytes: %uB}\n",
                                 flows, (unsigned)rng_below(&rng, 600), f % 2 ? "vm" : "other",
                                 f % 2 ? "other" : "vm", rng_below(&rng, 3) ? "tcp" : "udp",
                                 (unsigned[]){443, 53, 80, 22}[rng_below(&rng, 4)],
                                 40000 + (unsigned)rng_below(&rng, 30), (unsigned)rng_below(&rng, 700),
                                 (unsigned)rng_below(&rng, 20000));
        logged_run(&s, arena_printf(a, "seed: %u\nflowLogs: [{name: net, target: hub}]\n%s%s%s",
                                   (unsigned)rng_below(&rng, 1000), NET(""), flows,
                                   "timeline: [{at: 300s, update: links/intraVnet, with: {loss: 0.05}}]\n"));
        uint64_t packets = 0, bytes = 0;
        json_t *f, *record, *flow, *group, *tuple;
        json_array_foreach(s.files, i, f)
        {
            json_t *o = logged_json(arena_printf(s.arena, "%s/%s", s.tmp.dir, logged_text(f, "file")));
            const char *mac = without_hour(s.arena, logged_text(f, "file"));
            json_array_foreach(json_object_get(o, "records"), k, record)
                json_array_foreach(json_object_get(json_object_get(record, "flowRecords"), "flows"), j, flow)
                    json_array_foreach(json_object_get(flow, "flowGroups"), g, group)
                        json_array_foreach(json_object_get(group, "flowTuples"), h, tuple)
            {
                const char *text = json_string_value(tuple);
                cr_assert_lt(n, 511);
                check_life(&s, life, &n, mac, text);
                const char *line_text = arena_printf(s.arena, "%s\n", text);
                for (const char *c = "CE"; *c; c++) {
                    packets += logged_sum(line_text, *c, 0) + logged_sum(line_text, *c, 2);
                    bytes += logged_sum(line_text, *c, 1) + logged_sum(line_text, *c, 3);
                }
            }
            json_decref(o);
        }
        cr_assert_eq(packets, s.frames, "round %d: %lu in the log, %lu seen", round, (unsigned long)packets,
                     (unsigned long)s.frames);
        cr_assert_eq(bytes, s.bytes, "round %d", round);
        cr_assert_gt(s.frames, 100);
        logged_end(&s);
        arena_free(a);
    }
}
