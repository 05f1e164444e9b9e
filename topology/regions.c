/* regions.c - see regions.h.
 *
 * Names: the suffixes of the regional tags in Azure's published service-tag file (change number 376, November
 * 2025), staging regions left out. Codes: "Geo-code mapping" of the Azure Backup documentation (September
 * 2021); regions that opened later have none there. Paired regions: "Cross-region replication in Azure"
 * (2021); the geo-code page gives the same pairs, and Sweden's. Pairs are directed: brazilsouth,
 * brazilsoutheast, westindia and westus3 point at a region that is paired with another one. Regions without a
 * pair are built on availability zones alone. */
#include "topology/regions.h"

#include <ctype.h>
#include <string.h>

#include "topology/suggest.h"

/* clang-format off */
static const struct region regions[] = {
    {"australiacentral",   "Australia Central",    "acl",  "australiacentral",   "australiacentral2"},
    {"australiacentral2",  "Australia Central 2",  "acl2", "australiacentral2",  "australiacentral"},
    {"australiaeast",      "Australia East",       "ae",   "australiaeast",      "australiasoutheast"},
    {"australiasoutheast", "Australia Southeast",  "ase",  "australiasoutheast", "australiaeast"},
    {"austriaeast",        "Austria East",         "",     "austriaeast",        NULL},
    {"belgiumcentral",     "Belgium Central",      "",     "belgiumcentral",     NULL},
    {"brazilsouth",        "Brazil South",         "brs",  "brazilsouth",        "southcentralus"},
    {"brazilsoutheast",    "Brazil Southeast",     "bse",  "brazilse",           "brazilsouth"},
    {"canadacentral",      "Canada Central",       "cnc",  "canadacentral",      "canadaeast"},
    {"canadaeast",         "Canada East",          "cne",  "canadaeast",         "canadacentral"},
    {"centralindia",       "Central India",        "inc",  "centralindia",       "southindia"},
    {"centralus",          "Central US",           "cus",  "centralus",          "eastus2"},
    {"centraluseuap",      "Central US EUAP",      "ccy",  "centraluseuap",      NULL},
    {"chilecentral",       "Chile Central",        "",     "chilec",             NULL},
    {"eastasia",           "East Asia",            "ea",   "eastasia",           "southeastasia"},
    {"eastus",             "East US",              "eus",  "eastus",             "westus"},
    {"eastus2",            "East US 2",            "eus2", "eastus2",            "centralus"},
    {"eastus2euap",        "East US 2 EUAP",       "ecy",  "eastus2euap",        NULL},
    {"francecentral",      "France Central",       "frc",  "centralfrance",      "francesouth"},
    {"francesouth",        "France South",         "frs",  "southfrance",        "francecentral"},
    {"germanynorth",       "Germany North",        "gn",   "germanyn",           "germanywestcentral"},
    {"germanywestcentral", "Germany West Central", "gwc",  "germanywc",          "germanynorth"},
    {"indonesiacentral",   "Indonesia Central",    "",     "indonesiacentral",   NULL},
    {"israelcentral",      "Israel Central",       "",     "israelcentral",      NULL},
    {"israelnorthwest",    "Israel Northwest",     "",     "israelnorthwest",    NULL},
    {"italynorth",         "Italy North",          "",     "italynorth",         NULL},
    {"japaneast",          "Japan East",           "jpe",  "japaneast",          "japanwest"},
    {"japanwest",          "Japan West",           "jpw",  "japanwest",          "japaneast"},
    {"jioindiacentral",    "Jio India Central",    "jic",  "jioindiacentral",    NULL},
    {"jioindiawest",       "Jio India West",       "jiw",  "jioindiawest",       NULL},
    {"koreacentral",       "Korea Central",        "krc",  "koreacentral",       "koreasouth"},
    {"koreasouth",         "Korea South",          "krs",  "koreasouth",         "koreacentral"},
    {"malaysiasouth",      "Malaysia South",       "",     "malaysiasouth",      NULL},
    {"malaysiawest",       "Malaysia West",        "",     "malaysiawest",       NULL},
    {"mexicocentral",      "Mexico Central",       "",     "mexicocentral",      NULL},
    {"newzealandnorth",    "New Zealand North",    "",     "newzealandnorth",    NULL},
    {"northcentralus",     "North Central US",     "ncus", "northcentralus",     "southcentralus"},
    {"northeurope",        "North Europe",         "ne",   "northeurope",        "westeurope"},
    {"norwayeast",         "Norway East",          "nwe",  "norwaye",            "norwaywest"},
    {"norwaywest",         "Norway West",          "nww",  "norwayw",            "norwayeast"},
    {"polandcentral",      "Poland Central",       "",     "polandcentral",      NULL},
    {"qatarcentral",       "Qatar Central",        "",     "qatarcentral",       NULL},
    {"southafricanorth",   "South Africa North",   "san",  "southafricanorth",   "southafricawest"},
    {"southafricawest",    "South Africa West",    "saw",  "southafricawest",    "southafricanorth"},
    {"southcentralus",     "South Central US",     "scus", "southcentralus",     "northcentralus"},
    {"southeastasia",      "Southeast Asia",       "sea",  "southeastasia",      "eastasia"},
    {"southindia",         "South India",          "ins",  "southindia",         "centralindia"},
    {"spaincentral",       "Spain Central",        "",     "spaincentral",       NULL},
    {"swedencentral",      "Sweden Central",       "sdc",  "swedencentral",      "swedensouth"},
    {"swedensouth",        "Sweden South",         "sds",  "swedensouth",        "swedencentral"},
    {"switzerlandnorth",   "Switzerland North",    "szn",  "switzerlandn",       "switzerlandwest"},
    {"switzerlandwest",    "Switzerland West",     "szw",  "switzerlandw",       "switzerlandnorth"},
    {"taiwannorth",        "Taiwan North",         "",     "taiwannorth",        NULL},
    {"taiwannorthwest",    "Taiwan Northwest",     "",     "taiwannorthwest",    NULL},
    {"uaecentral",         "UAE Central",          "uac",  "uaecentral",         "uaenorth"},
    {"uaenorth",           "UAE North",            "uan",  "uaenorth",           "uaecentral"},
    {"uksouth",            "UK South",             "uks",  "uksouth",            "ukwest"},
    {"ukwest",             "UK West",              "ukw",  "ukwest",             "uksouth"},
    {"westcentralus",      "West Central US",      "wcus", "westcentralus",      "westus2"},
    {"westeurope",         "West Europe",          "we",   "westeurope",         "northeurope"},
    {"westindia",          "West India",           "inw",  "westindia",          "southindia"},
    {"westus",             "West US",              "wus",  "westus",             "eastus"},
    {"westus2",            "West US 2",            "wus2", "westus2",            "westcentralus"},
    {"westus3",            "West US 3",            "wus3", "westus3",            "eastus"},
};
/* clang-format on */

#define N_REGIONS (sizeof regions / sizeof regions[0])

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

bool region_same(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (blank(*a))
            a++;
        while (blank(*b))
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

const struct region *region_find(const char *text)
{
    for (size_t i = 0; i < N_REGIONS; i++)
        if (region_same(text, regions[i].name) || region_same(text, regions[i].cloud))
            return &regions[i];
    return NULL;
}

const char *region_canonical(struct arena *a, const char *text)
{
    const struct region *r = region_find(text);
    if (r)
        return r->name;
    char *s = arena_strdup(a, text), *to = s;
    for (const char *p = text; *p; p++)
        if (!blank(*p))
            *to++ = (char)tolower((unsigned char)*p);
    *to = '\0';
    return s;
}

const char *region_pair(const char *text)
{
    const struct region *r = region_find(text);
    return r ? r->pair : NULL;
}

const char *region_suggest(const char *text)
{
    struct suggest s = {.word = text};
    for (size_t i = 0; i < N_REGIONS; i++)
        suggest_offer(&s, regions[i].name);
    return s.best;
}

const struct region *region_at(size_t i)
{
    return i < N_REGIONS ? &regions[i] : NULL;
}
