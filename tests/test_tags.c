/* test_tags.c - service tags: the built-in subset, the reader with good and broken files, coverage against a
 * linear oracle, and the published file where VNETSIM_DATA has it. */
#include <criterion/criterion.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tests/support_prop.h"
#include "topology/regions.h"
#include "topology/tags.h"
#include "topology/tags_builtin.h"
#include "topology/tags_int.h"

static bool linear(const struct tag *t, ip4 a)
{
    for (size_t i = 0; i < t->n; i++)
        if (prefix4_has(t->prefixes4[i], a))
            return true;
    return false;
}

static ip4 addr(const char *s)
{
    ip4 a = 0;
    cr_assert_eq(ip4_parse(s, &a), 0, "%s", s);
    return a;
}

/* Both sides of every border of a tag, where an off-by-one would show. */
static void check_borders(const struct tag *t)
{
    for (size_t i = 0; i < t->n; i++) {
        ip4 first = t->prefixes4[i].addr, last = prefix4_last(t->prefixes4[i]);
        const ip4 probe[] = {first - 1, first, last, last + 1};
        for (size_t j = 0; j < 4; j++)
            cr_assert_eq(tagset_covers(t, probe[j]), linear(t, probe[j]), "%s %08x", t->name, probe[j]);
    }
}

static void check_sound(const struct tagset *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct tag *t = s->tags[i];
        cr_assert_eq(tagset_find(s, t->name), t, "%s", t->name);
        if (i)
            cr_assert(strcasecmp(s->tags[i - 1]->name, t->name) < 0, "%s out of order", t->name);
        for (size_t j = 1; j < t->n; j++)
            cr_assert(prefix4_cmp(&t->prefixes4[j - 1], &t->prefixes4[j]) < 0, "%s: %zu", t->name, j);
        for (size_t j = 1; j < t->n_ranges; j++)
            cr_assert(t->ranges[j - 1].last + 1 < t->ranges[j].first, "%s: %zu", t->name, j);
        if (*t->region)
            cr_assert_eq(tagset_regional(s, t->service, t->region), t, "%s", t->name);
    }
}

/* -- built-in subset ----------------------------------------------------------------------------------- */

Test(tags, builtin_is_sound)
{
    struct arena *a = arena_new("test");
    struct tagset *s = tagset_builtin(a);
    check_sound(s);
    for (size_t i = 0; i < s->n; i++)
        check_borders(s->tags[i]);
    cr_assert_eq(s->change, 376);
    cr_assert_eq(s->n, s->published + 3);
    cr_assert_not_null(strstr(s->source, "20251117"));
    arena_free(a);
}

Test(tags, builtin_serves_every_service_endpoint_namespace)
{
    static const char *const regional[] = {
        "Storage",    "Sql",      "AzureKeyVault", "AzureCosmosDB",
        "ServiceBus", "EventHub", "AppService",    "AzureContainerRegistry"};
    static const char *const global[] = {"AzureActiveDirectory", "CognitiveServicesManagement",
                                         "CognitiveServicesFrontend"};
    static const char *const regions[] = {"westeurope", "northeurope",        "eastus",
                                          "westus",     "germanywestcentral", "swedencentral"};
    struct arena *a = arena_new("test");
    struct tagset *s = tagset_builtin(a);
    for (size_t i = 0; i < sizeof regional / sizeof regional[0]; i++) {
        const struct tag *g = tagset_find(s, regional[i]);
        cr_assert(g && (g->features & TAG_VSE), "%s", regional[i]);
        size_t own = g->n;
        for (size_t j = 0; j < sizeof regions / sizeof regions[0]; j++) {
            const struct tag *t = tagset_regional(s, regional[i], regions[j]);
            const struct tag *cloud = tagset_regional(s, "AzureCloud", regions[j]);
            cr_assert(t && t->n >= 3, "%s.%s", regional[i], regions[j]);
            cr_assert_not_null(cloud);
            cr_assert_eq(t->features & TAG_VSE, 0);
            for (size_t k = 0; k < t->n; k++) {
                ip4 last = prefix4_last(t->prefixes4[k]);
                cr_assert(tagset_covers(g, t->prefixes4[k].addr) && tagset_covers(g, last));
                cr_assert(tagset_covers(cloud, t->prefixes4[k].addr) && tagset_covers(cloud, last), "%s",
                          t->name);
            }
            own -= t->n;
        }
        cr_assert_eq(own, 2, "%s: the union of its regions and two more", regional[i]);
    }
    for (size_t i = 0; i < sizeof global / sizeof global[0]; i++)
        cr_assert(tagset_find(s, global[i]) && tagset_find(s, global[i])->n >= 4, "%s", global[i]);
    arena_free(a);
}

Test(tags, builtin_known_addresses)
{
    struct arena *a = arena_new("test");
    struct tagset *s = tagset_builtin(a);
    static const struct {
        const char *tag, *ip;
        bool in;
    } row[] = {
        {"AzureContainerRegistry.WestEurope", "20.61.97.129", true},
        {"AzureContainerRegistry", "20.61.97.129", true},
        {"azurecontainerregistry.northeurope", "20.61.97.129", false},
        {"AzureCloud.westeurope", "20.61.97.129", true},
        {"AzureCloud", "20.61.97.129", true},
        {"AzureContainerRegistry", "20.45.122.144", true},
        {"AzureCloud.westeurope", "20.50.1.4", true},
        {"Storage.WestEurope", "52.239.140.0", true},
        {"Storage.WestEurope", "52.239.143.255", true},
        {"Storage.WestEurope", "52.239.144.0", false},
        {"Storage.WestEurope", "52.239.139.255", false},
        {"Storage", "93.184.216.34", false},
        {"AzureCloud", "10.0.0.4", false},
        {"AzurePlatformDNS", "168.63.129.16", true},
        {"AzurePlatformDNS", "168.63.129.17", false},
        {"AzurePlatformIMDS", "169.254.169.254", true},
        {"AzurePlatformLKM", "23.102.135.246", true},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        const struct tag *t = tagset_find(s, row[i].tag);
        cr_assert_not_null(t, "%s", row[i].tag);
        cr_assert_eq(tagset_covers(t, addr(row[i].ip)), row[i].in, "%s %s", row[i].tag, row[i].ip);
    }
    arena_free(a);
}

Test(tags, names_regions_and_suggestions)
{
    struct arena *a = arena_new("test");
    struct tagset *s = tagset_builtin(a);
    const struct tag *t = tagset_find(s, "STORAGE.westeurope");
    cr_assert_not_null(t);
    cr_assert_str_eq(t->name, "Storage.WestEurope");
    cr_assert_str_eq(t->service, "Storage");
    cr_assert_str_eq(t->region, "westeurope");
    cr_assert_str_eq(t->system_service, "AzureStorage");
    cr_assert_eq(t->count6, 1);
    cr_assert_str_eq(t->prefixes6[0], "2603:1020:207::/48");
    t = tagset_find(s, "Storage");
    cr_assert_str_eq(t->region, "");
    cr_assert_str_eq(t->service, "Storage");
    t = tagset_find(s, "AzureFrontDoor.Frontend");
    cr_assert_str_eq(t->region, "", "a part of a service is not a region");
    cr_assert_str_eq(t->service, "AzureFrontDoor.Frontend");
    t = tagset_regional(s, "azurecloud", "Germany West Central");
    cr_assert_str_eq(t->name, "AzureCloud.germanywc");
    cr_assert_str_eq(t->region, "germanywestcentral");
    cr_assert_eq(tagset_regional(s, "AzureCloud", "germanywc"), t);
    cr_assert_null(tagset_regional(s, "Storage", "Atlantis North"));
    cr_assert_null(tagset_find(s, ""));
    cr_assert_null(tagset_find(s, "Storag"));
    char long_name[400];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    cr_assert_null(tagset_find(s, long_name));
    cr_assert_null(tagset_regional(s, long_name, "westeurope"));
    cr_assert_null(tagset_regional(s, "Storage", long_name));
    cr_assert_str_eq(tagset_suggest(s, "Storge"), "Storage");
    cr_assert_str_eq(tagset_suggest(s, "Storage.WestEuorpe"), "Storage.WestEurope");
    cr_assert_str_eq(tagset_suggest(s, "AzureCloud.germanywestcentral"), "AzureCloud.germanywc");
    cr_assert_str_eq(tagset_suggest(s, "VirtualNetwrk"), "VirtualNetwork");
    cr_assert_null(tagset_suggest(s, "Quux"));
    cr_assert_null(tagset_suggest(s, long_name));
    arena_free(a);
}

Test(tags, computed_tags_are_known_and_in_no_set)
{
    struct arena *a = arena_new("test");
    struct tagset *s = tagset_builtin(a);
    static const char *const names[] = {"VirtualNetwork", "internet", "AZURELOADBALANCER"};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(tag_is_computed(names[i]));
        cr_assert_null(tagset_find(s, names[i]));
    }
    cr_assert_not(tag_is_computed("Storage"));
    cr_assert_not(tag_is_computed("Internet2"));
    cr_assert_not(tag_is_computed(""));
    arena_free(a);
}

/* -- coverage against the oracle ----------------------------------------------------------------------- */

/* Prefixes that nest, touch and repeat, near a few bases including both ends of the address space. */
static struct prefix4 near_prefix(struct rng *r)
{
    static const ip4 base[] = {0, IP4(10, 0, 0, 0), IP4(20, 60, 0, 0), IP4(255, 255, 0, 0)};
    unsigned len = (unsigned)(14 + rng_below(r, 19));
    ip4 at = base[rng_below(r, 4)] + (ip4)rng_below(r, 1 << 16);
    return (struct prefix4){at & ip4_mask(len), (uint8_t)len};
}

Test(tags, covers_agrees_with_linear_search)
{
    struct rng r;
    prop_seed(&r, "tags");
    for (int round = 0; round < 60; round++) {
        struct arena *a = arena_new("test");
        struct tagset *s = tags_new(a, "test");
        struct tag_entry *e = tags_add(s, "T", "", 0, 0);
        size_t n = (size_t)rng_below(&r, 60);
        struct prefix4 last = {0, 32};
        for (size_t i = 0; i < n; i++) {
            char text[PREFIX4_STRLEN];
            last = i && rng_below(&r, 8) == 0 ? last : near_prefix(&r);
            cr_assert_null(tags_prefix(s, e, prefix4_format(last, text)));
        }
        const struct tag *t = tagset_find(tags_finish(s), "T");
        check_sound(s);
        check_borders(t);
        for (int i = 0; i < 200; i++) {
            ip4 x = near_prefix(&r).addr;
            cr_assert_eq(tagset_covers(t, x), linear(t, x), "round %d: %08x", round, x);
        }
        arena_free(a);
    }
}

Test(tags, whole_space_and_nothing)
{
    struct arena *a = arena_new("test");
    struct tagset *s = tags_new(a, "test");
    struct tag_entry *all = tags_add(s, "All", "", 0, 0);
    cr_assert_not_null(tags_add(s, "None", "", 0, 0));
    cr_assert_null(tags_prefix(s, all, "128.0.0.0/1"));
    cr_assert_null(tags_prefix(s, all, "0.0.0.0/0"));
    cr_assert_null(tags_prefix(s, all, "255.255.255.255/32"));
    tags_finish(s);
    const struct tag *t = tagset_find(s, "all"), *none = tagset_find(s, "none");
    cr_assert_eq(t->n, 3);
    cr_assert_eq(t->n_ranges, 1);
    cr_assert(tagset_covers(t, 0) && tagset_covers(t, UINT32_MAX));
    cr_assert(!tagset_covers(none, 0) && !tagset_covers(none, UINT32_MAX));
    arena_free(a);
}

/* -- reading files ------------------------------------------------------------------------------------- */

#define GOOD                                                                                                 \
    "{\"changeNumber\": 7, \"cloud\": \"Public\", \"values\": [\n"                                           \
    " {\"name\": \"B.WestEurope\", \"properties\": {\"region\": \"\", \"systemService\": \"BB\",\n"          \
    "  \"addressPrefixes\": [\"20.0.1.0/24\", \"20.0.0.0/24\", \"20.0.1.0/24\", \"2603::/16\"],\n"           \
    "  \"networkFeatures\": [\"NSG\", \"VSE\", \"Later\"]}},\n"                                              \
    " {\"name\": \"Internet\", \"properties\": {\"addressPrefixes\": [\"1.0.0.0/8\"]}},\n"                   \
    " {\"name\": \"a\", \"properties\": {\"addressPrefixes\": [], \"networkFeatures\": null}}]}\n"

struct file {
    char path[64];
};

static struct file write_file(const void *data, size_t n, const char *suffix)
{
    struct file f;
    snprintf(f.path, sizeof f.path, "/tmp/vnetsim-tags-XXXXXX%s", suffix);
    int fd = mkstemps(f.path, (int)strlen(suffix));
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, data, n), (ssize_t)n);
    close(fd);
    return f;
}

static size_t xz(const char *text, uint8_t *out, size_t room)
{
    size_t n = 0;
    lzma_ret rc = lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text, strlen(text), out,
                                          &n, room);
    cr_assert_eq(rc, LZMA_OK);
    return n;
}

static void check_good(const struct tagset *s, const char *err)
{
    cr_assert_not_null(s, "%s", err);
    check_sound(s);
    cr_assert_eq(s->change, 7);
    cr_assert_eq(s->published, 2);
    cr_assert_eq(s->n, 5);
    cr_assert_str_eq(s->tags[0]->name, "a");
    const struct tag *t = tagset_find(s, "b.westeurope");
    cr_assert_eq(t->n, 2, "the repeated prefix is dropped");
    cr_assert_eq(t->prefixes4[0].addr, IP4(20, 0, 0, 0));
    cr_assert_eq(t->prefixes4[1].addr, IP4(20, 0, 1, 0));
    cr_assert_eq(t->n_ranges, 1);
    cr_assert_eq(t->count6, 1);
    cr_assert_str_eq(t->prefixes6[0], "2603::/16");
    cr_assert_eq(t->features, TAG_NSG | TAG_VSE);
    cr_assert_str_eq(t->region, "westeurope", "from the name; the property is empty");
    cr_assert_str_eq(t->system_service, "BB");
    cr_assert_null(tagset_find(s, "Internet"));
    cr_assert_not_null(tagset_find(s, "AzurePlatformDNS"));
}

Test(tags, reads_plain_compressed_and_marked)
{
    uint8_t packed[4096];
    char bom[sizeof GOOD + 3] = "\xef\xbb\xbf" GOOD, err[256] = "";
    size_t n = xz(GOOD, packed, sizeof packed);
    struct file f[] = {write_file(GOOD, strlen(GOOD), ".json"), write_file(packed, n, ".json.xz"),
                       write_file(packed, n, ".json"), write_file(bom, strlen(bom), ".json")};
    for (size_t i = 0; i < sizeof f / sizeof f[0]; i++) {
        struct arena *a = arena_new("test");
        check_good(tagset_load(a, f[i].path, err, sizeof err), err);
        unlink(f[i].path);
        arena_free(a);
    }
}

/* => the message for a file of this content, without the path in front of it. */
static const char *message(const void *data, size_t n, const char *suffix, char *err, size_t errlen)
{
    struct arena *a = arena_new("test");
    struct file f = write_file(data, n, suffix);
    err[0] = '\0';
    cr_assert_null(tagset_load(a, f.path, err, errlen));
    unlink(f.path);
    arena_free(a);
    cr_assert_eq(strncmp(err, f.path, strlen(f.path)), 0, "%s", err);
    return err + strlen(f.path);
}

#define VALUE(text)     "{\"values\": [" text "]}"
#define TAG(name, list) "{\"name\": \"" name "\", \"properties\": {\"addressPrefixes\": " list "}}"

Test(tags, broken_content_is_told_with_its_place)
{
    static const struct {
        const char *text, *message;
    } row[] = {
        {"", ":1:0: '[' or '{' expected near end of file"},
        {"{\n \"values\": [\n  {\"name\": }\n]}", ":3:12: unexpected token near '}'"},
        {"{\n \"values\": [", ":2:12: ']' expected near end of file"},
        {"{\"values\": [],\n\"values\": []}", ":2:8: duplicate object key near '\"values\"'"},
        {"[]", ": no list 'values': not a service-tag file"},
        {"{\"values\": {}}", ": no list 'values': not a service-tag file"},
        {VALUE("3"), ": values[0] has no name"},
        {VALUE(TAG("A", "[]") ", {\"properties\": {}}"), ": values[1] has no name"},
        {VALUE("{\"name\": \"A\"}"), ": tag A has no list properties.addressPrefixes"},
        {VALUE(TAG("A", "\"1.2.3.4\"")), ": tag A has no list properties.addressPrefixes"},
        {VALUE(TAG("A", "[7]")), ": tag A: addressPrefixes[0]: not a text"},
        {VALUE(TAG("A", "[\"1.2.3.0/24\", \"1.2.3/24\"]")),
         ": tag A: addressPrefixes[1] '1.2.3/24': not an IPv4 prefix"},
        {VALUE(TAG("A", "[\"1.2.3.4/24\"]")),
         ": tag A: addressPrefixes[0] '1.2.3.4/24': a prefix with bits set beyond its length"},
        {VALUE(TAG("A", "[\"1::/129\"]")), ": tag A: addressPrefixes[0] '1::/129': not an IPv6 prefix"},
        {VALUE(TAG("A", "[\"1::/\"]")), ": tag A: addressPrefixes[0] '1::/': not an IPv6 prefix"},
        {VALUE(TAG("A", "[\"1::g/16\"]")), ": tag A: addressPrefixes[0] '1::g/16': not an IPv6 prefix"},
        {VALUE(TAG("A", "[]") "," TAG("a", "[]")), ": values[1]: there is a tag a already"},
        {VALUE(TAG("", "[]")), ": values[0]: the name is empty or longer than 127 characters"},
        {VALUE("{\"name\": \"A\", \"properties\": {\"addressPrefixes\": [], \"networkFeatures\": 1}}"),
         ": tag A: networkFeatures is not a list"},
    };
    char err[400];
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        cr_assert_str_eq(message(row[i].text, strlen(row[i].text), ".json", err, sizeof err), row[i].message,
                         "%s", row[i].text);
}

Test(tags, broken_compression)
{
    uint8_t packed[4096];
    char err[256];
    size_t n = xz(GOOD, packed, sizeof packed);
    for (size_t cut = 6; cut < n; cut += 7)
        cr_assert_str_eq(message(packed, cut, ".json.xz", err, sizeof err),
                         ": the compressed file is truncated", "%zu of %zu bytes", cut, n);
    cr_assert_str_eq(message(GOOD, strlen(GOOD), ".xz", err, sizeof err), ": not an xz file");
    packed[n / 2] ^= 0x40;
    cr_assert_str_eq(message(packed, n, ".xz", err, sizeof err), ": the compressed file is damaged");
}

Test(tags, missing_file_and_small_buffer)
{
    struct arena *a = arena_new("test");
    char err[256], tiny[9];
    cr_assert_null(tagset_load(a, "/nonexistent/tags.json", err, sizeof err));
    cr_assert_str_eq(err, "/nonexistent/tags.json: cannot open: No such file or directory");
    cr_assert_null(tagset_load(a, "/tmp", err, sizeof err));
    cr_assert_str_eq(err, "/tmp: cannot read: Is a directory");
    cr_assert_null(tagset_load(a, "/nonexistent/tags.json", tiny, sizeof tiny));
    cr_assert_str_eq(tiny, "/nonexis");
    arena_free(a);
}

/* -- the published file ---------------------------------------------------------------------------------- */

/* Load the published file; where there is none, skip the test, and say so in the words that tests/run.sh
 * counts. */
static struct tagset *load_published(struct arena *a, const char *test)
{
    char path[PATH_MAX], err[256] = "";
    const char *data = getenv("VNETSIM_DATA");
    snprintf(path, sizeof path, "%s/servicetags/ServiceTags_Public_20251117.json.xz", data ? data : "");
    if (!data || access(path, R_OK)) {
        fprintf(stderr, "tags::%s was skipped: %s\n", test, data ? path : "VNETSIM_DATA is not set");
        cr_skip("no published service-tag file");
    }
    struct tagset *s = tagset_load(a, path, err, sizeof err);
    cr_assert_not_null(s, "%s", err);
    return s;
}

Test(tags, published_file)
{
    struct arena *a = arena_new("test");
    struct tagset *s = load_published(a, "published_file");
    size_t n4 = 0, n6 = 0, vse = 0;
    cr_assert_eq(s->change, TAGS_BUILTIN_CHANGE);
    cr_assert_eq(s->published, 3041);
    cr_assert_eq(s->n, 3044);
    check_sound(s);
    for (size_t i = 0; i < s->n; i++) {
        n4 += s->tags[i]->n;
        n6 += s->tags[i]->count6;
        vse += (s->tags[i]->features & TAG_VSE) != 0;
    }
    cr_assert_eq(n4 - 5, 71348, "without the five of the platform tags: %zu", n4);
    cr_assert_eq(n4 - 5 + n6, 95823);
    cr_assert_eq(vse, 9);
    cr_assert_eq(tagset_find(s, "Storage.WestEurope")->n, 97);
    cr_assert_str_eq(tagset_regional(s, "AzureCloud", "germanywestcentral")->name, "AzureCloud.germanywc");
    cr_assert_str_eq(tagset_regional(s, "Storage", "germanywestcentral")->name, "Storage.GermanyWestCentral");
    arena_free(a);
}

Test(tags, published_coverage)
{
    struct arena *a = arena_new("test");
    struct tagset *s = load_published(a, "published_coverage");
    struct rng r;
    prop_seed(&r, "published");
    const struct tag *cloud = tagset_find(s, "AzureCloud"), *storage = tagset_find(s, "Storage");
    check_borders(storage);
    for (int i = 0; i < 3000; i++) {
        struct prefix4 p = cloud->prefixes4[rng_below(&r, cloud->n)];
        const ip4 probe[] = {p.addr - 1, p.addr, prefix4_last(p) + 1, (ip4)rng_u64(&r)};
        for (size_t j = 0; j < 4; j++)
            cr_assert_eq(tagset_covers(cloud, probe[j]), linear(cloud, probe[j]), "%08x", probe[j]);
    }
    arena_free(a);
}

/* Whatever the built-in subset says, the published file says too. */
Test(tags, builtin_is_a_subset_of_the_published_file)
{
    struct arena *a = arena_new("test");
    struct tagset *s = load_published(a, "builtin_is_a_subset_of_the_published_file"), *b = tagset_builtin(a);
    for (size_t i = 0; i < b->n; i++) {
        const struct tag *t = b->tags[i], *real = tagset_find(s, t->name);
        cr_assert_not_null(real, "%s", t->name);
        cr_assert_str_eq(real->name, t->name);
        cr_assert_str_eq(real->system_service, t->system_service, "%s", t->name);
        cr_assert_eq(real->features, t->features, "%s", t->name);
        for (size_t k = 0; k < t->n; k++)
            cr_assert(tagset_covers(real, t->prefixes4[k].addr) &&
                          tagset_covers(real, prefix4_last(t->prefixes4[k])),
                      "%s %08x", t->name, t->prefixes4[k].addr);
    }
    arena_free(a);
}

Test(tags, regions_of_the_published_file)
{
    struct arena *a = arena_new("test");
    struct tagset *s = load_published(a, "regions_of_the_published_file");
    for (size_t i = 0; region_at(i); i++) {
        cr_assert_not_null(tagset_regional(s, "AzureCloud", region_at(i)->name), "%s", region_at(i)->name);
        cr_assert_not_null(tagset_regional(s, "Storage", region_at(i)->name), "%s", region_at(i)->name);
    }
    arena_free(a);
}
