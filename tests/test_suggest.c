/* test_suggest.c - nearest word: known distances, the limits of "near", an oracle for the edit distance. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/rng.h"
#include "topology/suggest.h"

Test(suggest, known_distances)
{
    static const struct {
        const char *a, *b;
        unsigned d;
    } row[] = {
        {"", "", 0},        {"", "abc", 3},           {"abc", "", 3},
        {"abc", "abc", 0},  {"abc", "ABC", 0},        {"abc", "acb", 1},
        {"abc", "abcd", 1}, {"abc", "ab", 1},         {"abc", "axc", 1},
        {"ca", "abc", 3},   {"kitten", "sitting", 3}, {"adressPrefix", "addressPrefix", 1},
        {"ab", "ba", 1},    {"abcd", "badc", 2},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        cr_assert_eq(suggest_distance(row[i].a, row[i].b), row[i].d, "%s %s", row[i].a, row[i].b);
        cr_assert_eq(suggest_distance(row[i].b, row[i].a), row[i].d, "%s %s", row[i].b, row[i].a);
    }
}

Test(suggest, nearest_word)
{
    static const char *const keys[] = {"name",       "addressPrefix", "addressPrefixes",
                                       "routeTable", "natGateway",    "at"};
    const size_t n = sizeof keys / sizeof keys[0];
    cr_assert_str_eq(suggest("adressPrefix", keys, n), "addressPrefix");
    cr_assert_str_eq(suggest("adressPrefixes", keys, n), "addressPrefixes");
    cr_assert_str_eq(suggest("ROUTETABEL", keys, n), "routeTable");
    cr_assert_str_eq(suggest("nmae", keys, n), "name");
    cr_assert_str_eq(suggest("name", keys, n), "name");
    cr_assert_null(suggest("subnet", keys, n));
    cr_assert_null(suggest("x", keys, n));
    cr_assert_null(suggest("", keys, n));
    cr_assert_null(suggest("xy", keys, n), "two wrong characters of two are another word");
    cr_assert_null(suggest("name", keys, 0));
}

Test(suggest, first_of_equals_and_no_null)
{
    static const char *const c[] = {NULL, "rulex", "ruley"};
    cr_assert_str_eq(suggest("rulez", c, 3), "rulex");
}

Test(suggest, long_words_are_far)
{
    char a[SUGGEST_MAX + 2], b[SUGGEST_MAX + 2];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    a[SUGGEST_MAX] = b[SUGGEST_MAX] = '\0';
    b[SUGGEST_MAX - 1] = 'b';
    cr_assert_eq(suggest_distance(a, b), 1);
    a[SUGGEST_MAX] = 'a';
    a[SUGGEST_MAX + 1] = '\0';
    cr_assert_eq(suggest_distance(a, b), SUGGEST_MAX + 1);
    const char *const c[] = {b};
    cr_assert_null(suggest(a, c, 1));
}

/* The definition, by recursion: slow and obvious. */
static unsigned oracle(const char *a, size_t i, const char *b, size_t j)
{
    if (!i || !j)
        return (unsigned)(i + j);
    unsigned d = oracle(a, i - 1, b, j - 1) + (a[i - 1] != b[j - 1]);
    unsigned x = oracle(a, i - 1, b, j) + 1, y = oracle(a, i, b, j - 1) + 1;
    d = x < d ? x : d;
    d = y < d ? y : d;
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        unsigned z = oracle(a, i - 2, b, j - 2) + 1;
        d = z < d ? z : d;
    }
    return d;
}

static void word(struct rng *r, char *to)
{
    size_t n = (size_t)rng_below(r, 6);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + rng_below(r, 3));
    to[n] = '\0';
}

Test(suggest, distance_agrees_with_definition)
{
    const char *env = getenv("VNETSIM_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 0) : 1;
    struct rng r;
    rng_seed(&r, seed, "suggest");
    for (int i = 0; i < 3000; i++) {
        char a[8], b[8];
        word(&r, a);
        word(&r, b);
        cr_assert_eq(suggest_distance(a, b), oracle(a, strlen(a), b, strlen(b)), "VNETSIM_SEED=%llu: %s %s",
                     (unsigned long long)seed, a, b);
    }
}
