/* test_regions.c - names, codes, pairs; both directions of every pair. */
#include <criterion/criterion.h>
#include <string.h>

#include "topology/regions.h"

Test(regions, spellings)
{
    struct arena *a = arena_new("test");
    static const struct {
        const char *text, *name;
    } row[] = {
        {"westeurope", "westeurope"},       {"West Europe", "westeurope"},
        {"WESTEUROPE", "westeurope"},       {" west  europe ", "westeurope"},
        {"East US 2", "eastus2"},           {"germanywc", "germanywestcentral"},
        {"centralfrance", "francecentral"}, {"Atlantis North", "atlantisnorth"},
        {"AtlantisNorth", "atlantisnorth"}, {"", ""},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        cr_assert_str_eq(region_canonical(a, row[i].text), row[i].name, "%s", row[i].text);
    cr_assert_null(region_find("Atlantis North"));
    cr_assert_null(region_find("west"));
    cr_assert_null(region_find("westeurope2"));
    cr_assert_not_null(region_find("West Europe"));
    arena_free(a);
}

Test(regions, same)
{
    cr_assert(region_same("West Europe", "westeurope"));
    cr_assert(region_same("Atlantis North", "atlantisnorth "));
    cr_assert(region_same("", " "));
    cr_assert_not(region_same("westeurope", "westeurope2"));
    cr_assert_not(region_same("westeurope2", "westeurope"));
    cr_assert_not(region_same("westus", "eastus"));
}

/* Every pair of the source, as it is written there. */
Test(regions, pairs)
{
    static const char *const both[][2] = {
        {"eastasia", "southeastasia"},
        {"australiaeast", "australiasoutheast"},
        {"australiacentral", "australiacentral2"},
        {"canadacentral", "canadaeast"},
        {"northeurope", "westeurope"},
        {"francecentral", "francesouth"},
        {"germanywestcentral", "germanynorth"},
        {"centralindia", "southindia"},
        {"japaneast", "japanwest"},
        {"koreacentral", "koreasouth"},
        {"eastus", "westus"},
        {"eastus2", "centralus"},
        {"northcentralus", "southcentralus"},
        {"westus2", "westcentralus"},
        {"norwayeast", "norwaywest"},
        {"southafricanorth", "southafricawest"},
        {"switzerlandnorth", "switzerlandwest"},
        {"ukwest", "uksouth"},
        {"uaenorth", "uaecentral"},
        {"swedencentral", "swedensouth"},
    };
    static const char *const one[][2] = {{"brazilsouth", "southcentralus"},
                                         {"brazilsoutheast", "brazilsouth"},
                                         {"westindia", "southindia"},
                                         {"westus3", "eastus"}};
    const size_t n_both = sizeof both / sizeof both[0], n_one = sizeof one / sizeof one[0];
    for (size_t i = 0; i < n_both; i++) {
        cr_assert_str_eq(region_pair(both[i][0]), both[i][1]);
        cr_assert_str_eq(region_pair(both[i][1]), both[i][0]);
    }
    for (size_t i = 0; i < n_one; i++) {
        cr_assert_str_eq(region_pair(one[i][0]), one[i][1]);
        cr_assert_str_neq(region_pair(one[i][1]), one[i][0]);
    }
    size_t paired = 0;
    for (size_t i = 0; region_at(i); i++)
        paired += region_at(i)->pair != NULL;
    cr_assert_eq(paired, 2 * n_both + n_one, "no pair beyond the source's");
    cr_assert_str_eq(region_pair("West Europe"), "northeurope");
    cr_assert_null(region_pair("polandcentral"));
    cr_assert_null(region_pair("atlantis"));
}

Test(regions, table_is_sound)
{
    for (size_t i = 0; region_at(i); i++) {
        const struct region *r = region_at(i);
        cr_assert_eq(region_find(r->name), r);
        cr_assert_eq(region_find(r->display), r, "%s", r->display);
        cr_assert_eq(region_find(r->cloud), r, "%s", r->cloud);
        cr_assert(!r->pair || (region_find(r->pair) && !region_same(r->pair, r->name)), "%s", r->name);
        if (i)
            cr_assert(strcmp(region_at(i - 1)->name, r->name) < 0, "%s out of order", r->name);
        for (size_t j = 0; j < i; j++)
            cr_assert(!*r->code || strcmp(r->code, region_at(j)->code) != 0, "code %s twice", r->code);
    }
    cr_assert_str_eq(region_find("westeurope")->code, "we");
    cr_assert_str_eq(region_find("northeurope")->code, "ne");
    cr_assert_str_eq(region_find("westcentralus")->code, "wcus");
}

Test(regions, suggestion)
{
    cr_assert_str_eq(region_suggest("westeuorpe"), "westeurope");
    cr_assert_str_eq(region_suggest("norteurope"), "northeurope");
    cr_assert_null(region_suggest("atlantis"));
}
