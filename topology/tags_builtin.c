/* tags_builtin.c - the built-in subset of service tags; see tags_builtin.h.
 *
 * The prefixes are facts taken from Azure's published service-tag file, change number 376 of 2025-11-17, a
 * few of each tag: the largest, so that addresses given out from them have room. Prefixes of AzureCloud were
 * chosen so that they hold those of the other tags of their region. A global row lists a few prefixes of
 * regions that the subset leaves out; the tag has those of its regional rows besides, as the published one
 * has. Real sets are larger: an address that the subset does not know may well belong to a service, which is
 * why a scenario can name the published file (serviceTags). */
#include "topology/tags_builtin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topology/tags_int.h"

#define REGION  (TAG_API | TAG_NSG | TAG_UDR | TAG_FW)
#define SERVICE (REGION | TAG_VSE)

struct builtin_tag {
    const char *name, *system_service;
    unsigned features;
    const char *prefixes; /* separated by blanks */
};

/* clang-format off */
static const struct builtin_tag builtin[] = {
    {"Storage", "AzureStorage", SERVICE,
     "20.38.116.0/23 20.60.48.0/22"},
    {"Storage.WestEurope", "AzureStorage", REGION,
     "20.38.108.0/23 20.47.18.0/23 20.60.26.0/23 20.60.150.0/23 52.239.140.0/22 "
     "2603:1020:207::/48"},
    {"Storage.NorthEurope", "AzureStorage", REGION,
     "20.33.228.0/23 20.38.102.0/23 20.47.20.0/23 20.60.40.0/23 52.239.136.0/22 "
     "2603:1020:6::/49"},
    {"Storage.EastUS", "AzureStorage", REGION,
     "20.33.224.0/23 20.47.16.0/23 20.60.60.0/22 52.239.152.0/22 52.239.168.0/22 "
     "2603:1030:213::/49"},
    {"Storage.WestUS", "AzureStorage", REGION,
     "20.47.22.0/23 20.60.34.0/23 20.60.52.0/23 20.60.80.0/23 52.239.160.0/22 "
     "2603:1030:a0a::/49"},
    {"Storage.GermanyWestCentral", "AzureStorage", REGION,
     "20.60.22.0/23 20.209.32.0/23 20.209.176.0/23 20.209.242.0/23 57.150.218.0/23 "
     "2603:1020:c05::/48"},
    {"Storage.SwedenCentral", "AzureStorage", REGION,
     "20.60.78.0/23 20.60.234.0/23 20.60.252.0/23 20.209.216.0/23 57.150.58.0/23 "
     "2603:1020:1005::/48"},
    {"Sql", "AzureSQL", SERVICE,
     "4.149.112.128/25 20.18.4.0/25"},
    {"Sql.WestEurope", "AzureSQL", REGION,
     "13.69.116.128/25 20.50.94.0/25 20.50.202.0/25 68.219.168.0/24"},
    {"Sql.NorthEurope", "AzureSQL", REGION,
     "20.166.43.0/25 20.166.45.0/24 52.146.133.128/25 68.219.193.128/25"},
    {"Sql.EastUS", "AzureSQL", REGION,
     "20.42.69.0/25 20.42.75.0/25 52.168.118.0/25 52.179.78.0/24"},
    {"Sql.WestUS", "AzureSQL", REGION,
     "13.86.216.0/25 13.86.216.128/26 13.86.217.0/25 52.159.203.0/25"},
    {"Sql.GermanyWestCentral", "AzureSQL", REGION,
     "4.185.33.128/26 20.52.65.0/26 20.218.188.0/25 51.116.149.128/26"},
    {"Sql.SwedenCentral", "AzureSQL", REGION,
     "20.91.149.128/25 51.12.46.32/27 51.12.46.128/26 135.116.174.0/26"},
    {"AzureKeyVault", "AzureKeyVault", SERVICE,
     "20.65.134.48/28 20.191.166.120/29"},
    {"AzureKeyVault.WestEurope", "AzureKeyVault", REGION,
     "13.69.64.72/30 13.69.111.192/30 20.61.103.224/29 20.61.103.232/30 "
     "2603:1020:206::340/125"},
    {"AzureKeyVault.NorthEurope", "AzureKeyVault", REGION,
     "13.69.227.72/30 13.74.111.148/30 20.50.80.192/30 52.146.137.168/29 "
     "2603:1020:5::340/125"},
    {"AzureKeyVault.EastUS", "AzureKeyVault", REGION,
     "20.42.64.44/30 20.42.73.8/30 20.62.134.224/29 20.88.156.160/29 "
     "2603:1030:210::340/125"},
    {"AzureKeyVault.WestUS", "AzureKeyVault", REGION,
     "20.66.2.28/30 20.66.5.128/29 20.168.162.76/30 40.112.242.144/30 "
     "2603:1030:a07::2a0/125"},
    {"AzureKeyVault.GermanyWestCentral", "AzureKeyVault", REGION,
     "20.52.88.144/29 20.52.88.152/30 51.116.154.64/30 51.116.243.220/30 "
     "2603:1020:c04::340/125"},
    {"AzureKeyVault.SwedenCentral", "AzureKeyVault", REGION,
     "51.12.25.204/30 51.12.28.32/29 51.12.98.0/30 51.12.229.24/30 "
     "2603:1020:1004::10c/126"},
    {"AzureCosmosDB", "AzureCosmosDB", SERVICE,
     "4.149.114.0/25 20.18.5.128/25"},
    {"AzureCosmosDB.WestEurope", "AzureCosmosDB", REGION,
     "13.69.66.0/25 13.69.112.0/25 20.50.93.128/26 68.219.171.128/25"},
    {"AzureCosmosDB.NorthEurope", "AzureCosmosDB", REGION,
     "13.69.226.0/25 13.74.106.0/25 20.166.42.128/26 20.166.46.128/25"},
    {"AzureCosmosDB.EastUS", "AzureCosmosDB", REGION,
     "40.71.10.0/25 40.78.226.0/25 40.79.154.128/26 52.191.41.128/25"},
    {"AzureCosmosDB.WestUS", "AzureCosmosDB", REGION,
     "20.168.162.0/26 40.112.241.0/24 52.159.201.128/26 68.220.35.0/25"},
    {"AzureCosmosDB.GermanyWestCentral", "AzureCosmosDB", REGION,
     "20.218.185.192/26 20.218.188.192/26 20.218.189.0/25 51.116.154.128/26"},
    {"AzureCosmosDB.SwedenCentral", "AzureCosmosDB", REGION,
     "20.91.147.192/26 20.91.150.0/25 20.91.150.128/26 51.12.98.64/26"},
    {"ServiceBus", "AzureServiceBus", SERVICE,
     "48.210.2.0/23 172.215.179.0/24"},
    {"ServiceBus.WestEurope", "AzureServiceBus", TAG_API | TAG_NSG,
     "13.69.111.64/26 20.86.92.0/25 57.153.238.128/25 57.153.239.0/24"},
    {"ServiceBus.NorthEurope", "AzureServiceBus", TAG_API | TAG_NSG,
     "13.69.233.192/26 20.82.244.128/25 172.205.66.0/24 172.205.67.0/25"},
    {"ServiceBus.EastUS", "AzureServiceBus", TAG_API | TAG_NSG,
     "20.42.65.0/26 57.152.109.128/25 57.154.200.128/25 57.154.201.0/24"},
    {"ServiceBus.WestUS", "AzureServiceBus", TAG_API | TAG_NSG,
     "20.66.6.128/25 57.154.142.64/26 57.154.142.128/25 57.154.143.0/24"},
    {"ServiceBus.GermanyWestCentral", "AzureServiceBus", TAG_API | TAG_NSG,
     "4.182.46.0/24 20.52.64.64/26 20.52.91.128/25 51.116.246.128/26"},
    {"ServiceBus.SwedenCentral", "AzureServiceBus", TAG_API | TAG_NSG,
     "51.12.29.128/25 51.12.101.224/28 51.12.229.80/28 51.12.237.80/28"},
    {"EventHub", "AzureEventHub", SERVICE,
     "4.150.33.0/24 20.89.10.0/24"},
    {"EventHub.WestEurope", "AzureEventHub", REGION,
     "13.69.64.0/26 13.69.106.0/26 20.86.89.0/24 68.219.160.128/25"},
    {"EventHub.NorthEurope", "AzureEventHub", REGION,
     "13.69.227.0/26 13.69.239.0/26 20.82.245.0/24 134.149.88.0/23"},
    {"EventHub.EastUS", "AzureEventHub", REGION,
     "20.42.68.64/26 20.42.74.0/26 52.191.45.0/24 172.191.248.0/24"},
    {"EventHub.WestUS", "AzureEventHub", REGION,
     "20.66.7.0/24 20.168.163.64/26 40.112.242.0/25 172.185.82.0/23"},
    {"EventHub.GermanyWestCentral", "AzureEventHub", REGION,
     "20.52.64.128/26 20.52.92.0/24 51.116.242.64/26 51.116.246.192/26"},
    {"EventHub.SwedenCentral", "AzureEventHub", REGION,
     "51.12.30.0/24 51.12.102.64/26 51.12.226.64/26 51.12.234.64/26"},
    {"AppService", "AzureAppService", SERVICE,
     "20.97.36.0/23 20.210.64.0/22"},
    {"AppService.WestEurope", "AzureAppService", REGION,
     "13.69.68.0/23 20.50.2.0/23 20.105.216.0/21 20.105.224.0/20 20.105.243.0/25"},
    {"AppService.NorthEurope", "AzureAppService", REGION,
     "13.69.186.152/32 13.69.228.0/25 20.50.64.0/25 20.107.224.0/21 20.107.239.0/26"},
    {"AppService.EastUS", "AzureAppService", REGION,
     "20.49.104.0/25 20.119.0.0/20 20.119.16.0/21 20.119.27.0/25 40.71.11.128/25"},
    {"AppService.WestUS", "AzureAppService", REGION,
     "20.59.88.0/21 20.59.96.0/22 20.59.100.0/23 20.59.102.0/24 40.82.255.128/25"},
    {"AppService.GermanyWestCentral", "AzureAppService", REGION,
     "20.79.104.0/23 20.79.106.0/24 51.116.145.32/27 51.116.154.224/27 "
     "51.116.242.160/27"},
    {"AppService.SwedenCentral", "AzureAppService", REGION,
     "51.12.31.0/24 51.12.73.224/27 51.12.74.0/25 51.12.98.192/27 51.12.226.160/27"},
    {"AzureContainerRegistry", "AzureContainerRegistry", SERVICE,
     "13.78.111.0/25 20.45.122.144/29"},
    {"AzureContainerRegistry.WestEurope", "AzureContainerRegistry", REGION,
     "13.69.110.0/24 20.61.97.128/25 52.178.18.0/23 172.211.120.0/23"},
    {"AzureContainerRegistry.NorthEurope", "AzureContainerRegistry", REGION,
     "4.207.245.0/24 13.69.236.0/23 13.69.238.0/24 13.74.110.0/24"},
    {"AzureContainerRegistry.EastUS", "AzureContainerRegistry", REGION,
     "20.42.66.0/24 20.42.67.0/24 40.78.231.0/24 57.151.4.0/23"},
    {"AzureContainerRegistry.WestUS", "AzureContainerRegistry", REGION,
     "4.150.255.0/24 20.168.165.0/25 20.189.169.0/24 20.189.171.128/25"},
    {"AzureContainerRegistry.GermanyWestCentral", "AzureContainerRegistry", REGION,
     "20.52.88.64/26 20.218.191.64/26 51.116.158.128/26 51.116.254.128/25"},
    {"AzureContainerRegistry.SwedenCentral", "AzureContainerRegistry", REGION,
     "51.12.25.64/26 51.12.32.0/25 51.12.230.0/25 51.12.238.0/25"},
    {"AzureBackup", "AzureBackup", REGION,
     "13.78.108.64/26 20.45.123.0/26"},
    {"AzureBackup.WestEurope", "AzureBackup", 0,
     "13.69.65.128/25 13.69.107.128/25 20.61.102.128/25 52.236.187.128/25"},
    {"AzureBackup.NorthEurope", "AzureBackup", 0,
     "13.69.228.128/25 13.74.108.0/25 52.138.227.0/25 52.146.136.128/25"},
    {"AzureBackup.EastUS", "AzureBackup", 0,
     "20.62.133.128/25 40.71.12.0/25 40.78.227.128/25 40.79.155.128/25"},
    {"AzureBackup.WestUS", "AzureBackup", 0,
     "13.86.218.0/25 13.86.218.128/26 20.66.4.0/25 20.66.4.128/26"},
    {"AzureBackup.GermanyWestCentral", "AzureBackup", 0,
     "20.52.88.0/26 51.116.155.128/26 51.116.156.192/26 51.116.245.0/26"},
    {"AzureBackup.SwedenCentral", "AzureBackup", 0,
     "51.12.25.128/26 51.12.99.128/26 51.12.227.128/26 51.12.235.128/26"},
    {"AzureMonitor", "AzureMonitor", REGION,
     "4.189.204.0/24 20.49.93.192/26"},
    {"AzureMonitor.WestEurope", "AzureMonitor", TAG_NSG,
     "13.69.109.224/27 20.50.88.224/27 57.153.246.192/26 172.199.21.0/24"},
    {"AzureMonitor.NorthEurope", "AzureMonitor", TAG_NSG,
     "4.207.185.0/24 4.207.252.128/27 4.207.252.192/26 13.69.233.96/27"},
    {"AzureMonitor.EastUS", "AzureMonitor", TAG_NSG,
     "20.42.65.128/25 20.42.73.128/25 20.62.132.0/25 48.194.2.0/24"},
    {"AzureMonitor.WestUS", "AzureMonitor", TAG_NSG,
     "13.86.223.128/26 20.66.2.192/26 20.189.172.0/25 52.190.161.0/24"},
    {"AzureMonitor.GermanyWestCentral", "AzureMonitor", TAG_NSG,
     "4.182.40.96/27 4.182.43.192/26 4.182.44.128/26 4.185.34.128/26"},
    {"AzureMonitor.SwedenCentral", "AzureMonitor", TAG_NSG,
     "20.91.146.64/27 51.12.46.0/27 135.116.175.0/26 135.225.42.192/26"},
    {"AzureCloud", "", TAG_API | TAG_NSG,
     "4.214.0.0/15 13.84.0.0/15"},
    {"AzureCloud.westeurope", "", TAG_API | TAG_NSG,
     "4.175.0.0/16 13.69.0.0/17 13.80.0.0/15 20.38.108.0/23 20.47.18.0/23 "
     "20.50.0.0/18 20.50.88.0/21 20.50.128.0/17 20.60.26.0/23 20.60.150.0/23 "
     "20.61.0.0/16 20.86.0.0/16 20.105.128.0/17 52.178.0.0/17 52.236.128.0/17 "
     "52.239.140.0/22 57.153.0.0/16 68.219.160.0/19 108.142.0.0/15 172.199.0.0/16 "
     "172.211.0.0/16 2603:1020:200::/46"},
    {"AzureCloud.northeurope", "", TAG_API | TAG_NSG,
     "4.207.0.0/16 4.208.0.0/15 13.69.128.0/17 13.74.0.0/16 20.33.228.0/23 "
     "20.38.102.0/23 20.47.20.0/23 20.50.64.0/20 20.50.80.0/21 20.60.40.0/23 "
     "20.82.128.0/17 20.107.128.0/17 20.166.0.0/16 52.138.128.0/17 52.146.128.0/17 "
     "52.239.136.0/22 68.219.192.0/18 134.149.0.0/17 172.205.0.0/17 2603:1020::/47"},
    {"AzureCloud.eastus", "", TAG_API | TAG_NSG,
     "4.156.0.0/15 13.82.0.0/16 20.33.224.0/23 20.42.0.0/17 20.47.16.0/23 "
     "20.49.104.0/21 20.60.60.0/22 20.62.128.0/17 20.88.128.0/18 20.119.0.0/17 "
     "40.71.0.0/16 40.78.224.0/21 40.79.152.0/21 48.194.0.0/17 52.168.0.0/16 "
     "52.179.0.0/17 52.191.0.0/17 52.239.152.0/22 52.239.168.0/22 57.151.0.0/17 "
     "57.152.0.0/17 57.154.192.0/18 172.190.0.0/15 2602:fd5e:1::/63"},
    {"AzureCloud.westus", "", TAG_API | TAG_NSG,
     "4.150.224.0/19 13.64.0.0/16 13.83.0.0/16 13.86.128.0/17 20.47.22.0/23 "
     "20.59.64.0/18 20.60.34.0/23 20.60.52.0/23 20.60.80.0/23 20.66.0.0/17 "
     "20.168.160.0/21 20.189.128.0/18 40.82.248.0/21 40.112.128.0/17 52.159.128.0/17 "
     "52.190.128.0/17 52.239.160.0/22 57.154.128.0/18 68.220.32.0/19 172.184.0.0/15 "
     "2603:1030:a00::/46"},
    {"AzureCloud.germanywc", "", TAG_API | TAG_NSG,
     "4.182.0.0/16 4.185.0.0/16 20.52.64.0/21 20.52.88.0/21 20.60.22.0/23 "
     "20.79.0.0/16 20.209.32.0/23 20.209.176.0/23 20.209.242.0/23 20.218.128.0/17 "
     "51.116.128.0/18 51.116.224.0/19 57.150.218.0/23 2603:1020:c00::/47"},
    {"AzureCloud.swedencentral", "", TAG_API | TAG_NSG,
     "4.165.0.0/16 4.166.0.0/16 4.223.0.0/16 20.60.78.0/23 20.60.234.0/23 "
     "20.60.252.0/23 20.91.128.0/17 20.209.216.0/23 51.12.24.0/21 51.12.32.0/19 "
     "51.12.64.0/19 51.12.96.0/21 51.12.224.0/19 57.150.58.0/23 135.116.0.0/16 "
     "135.225.0.0/16 2603:1020:1000::/47"},
    {"AzureActiveDirectory", "AzureAD", SERVICE,
     "13.71.201.64/26 20.20.32.0/19 20.190.128.0/18 20.231.128.0/19 40.126.0.0/18 "
     "48.213.128.0/20 2603:1006:2000::/48"},
    {"CognitiveServicesManagement", "CognitiveServicesManagement", TAG_API | TAG_NSG | TAG_FW,
     "20.21.86.0/25 20.24.2.0/25 20.26.17.0/25 20.59.86.0/25 20.69.12.0/25 "
     "20.74.197.128/25 2603:1000:4::680/122"},
    {"CognitiveServicesFrontend", "CognitiveServicesFrontend", TAG_API | TAG_NSG,
     "4.171.26.80/28 4.187.64.96/28 4.232.40.128/28 9.160.56.192/28 9.205.48.192/28 "
     "20.17.59.112/28 2603:1000:4:2::300/121"},
    {"AzureFrontDoor.Frontend", "", REGION,
     "13.107.234.0/23 13.107.238.0/23 40.90.64.0/22 150.171.84.0/22 "
     "2603:1000:4::5e0/123"},
};
/* clang-format on */

static void must(bool ok, const char *what, const char *which)
{
    if (ok)
        return;
    fprintf(stderr, "vnetsim: built-in service tags: %s: %s\n", what, which);
    abort();
}

/* Add the prefixes of a row to e, and to the tag of all regions where all is not NULL. */
static void add_prefixes(struct tagset *s, struct tag_entry *e, struct tag_entry *all, const char *list)
{
    char text[64];
    for (const char *p = list; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        must(n < sizeof text, "prefix too long", p);
        memcpy(text, p, n);
        text[n] = '\0';
        must(!tags_prefix(s, e, text), "not a prefix", text);
        if (all)
            tags_prefix(s, all, text);
        p += n;
    }
}

struct tagset *tagset_builtin(struct arena *a)
{
    struct tagset *s = tags_new(a, "built-in subset of " TAGS_BUILTIN_FILE);
    struct tag_entry *all = NULL;
    s->change = TAGS_BUILTIN_CHANGE;
    for (size_t i = 0; i < sizeof builtin / sizeof builtin[0]; i++) {
        const struct builtin_tag *b = &builtin[i];
        struct tag_entry *e = tags_add(s, b->name, b->system_service, b->features, 0);
        must(e != NULL, "name given twice", b->name);
        bool regional = *tags_tag(e)->region != '\0';
        must(!regional || (all && !strcmp(tags_tag(all)->name, tags_tag(e)->service)),
             "not below its service", b->name);
        add_prefixes(s, e, regional ? all : NULL, b->prefixes);
        if (!regional)
            all = e;
    }
    return tags_finish(s);
}
