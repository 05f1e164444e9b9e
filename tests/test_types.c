/* test_types.c - resource types: the published table of private-link resources row by row, members, names,
 * zones, service-endpoint namespaces. */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support_prop.h"
#include "topology/tags.h"
#include "topology/types.h"
#include "topology/types_int.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct arena *A;

static void setup(void)
{
    A = arena_new("test");
}

static void teardown(void)
{
    arena_free(A);
}

TestSuite(types, .init = setup, .fini = teardown);

/* => texts joined by blanks, for exact comparison. */
static const char *joined(const char *const *texts, size_t n)
{
    const char *s = "";
    for (size_t i = 0; i < n; i++)
        s = arena_printf(A, "%s%s%s", s, i ? " " : "", texts[i]);
    return s;
}

static const char *members(const char *type, const char *group, const char *location, const char *replica)
{
    const char **out;
    size_t n = type_members(A, type_find(type), group, "Thing", location, &replica, replica != NULL, &out);
    return joined(out, n);
}

static const char *zones(const char *type, const char *group)
{
    const char **out;
    size_t n = type_zones(A, type_find(type), group, "West Europe", NULL, 0, &out);
    return joined(out, n);
}

/* "fqdn>group/member>private name@zone", with ! where public DNS redirects. */
static const char *show(const struct service_name *s)
{
    return arena_printf(A, "%s>%s/%s>%s@%s%s", s->fqdn, s->group, s->member,
                        s->privatelink_fqdn ? s->privatelink_fqdn : "", s->zone ? s->zone : "",
                        s->redirect ? "!" : "");
}

static const char *names(const char *type, const char *location, const char *replica)
{
    struct service_name *out;
    size_t n = type_names(A, type_find(type), "Thing", location, &replica, replica != NULL, &out);
    const char **text = arena_array(A, n, sizeof *text);
    for (size_t i = 0; i < n; i++)
        text[i] = show(&out[i]);
    return joined(text, n);
}

static const char *given(const char *type, const char *const *fqdns, size_t n)
{
    struct service_name *out;
    cr_assert_eq(type_names_given(A, type ? type_find(type) : NULL, fqdns, n, &out), n);
    const char **text = arena_array(A, n, sizeof *text);
    for (size_t i = 0; i < n; i++)
        text[i] = show(&out[i]);
    return joined(text, n);
}

static const char *given1(const char *type, const char *fqdn)
{
    return given(type, &fqdn, 1);
}

/* -- the published table ------------------------------------------------------------------------------- */

/* "Private link resource" of "What is Azure Private Endpoint?", row by row: type, sub-resources, and the
 * zones that the DNS page gives them (region West Europe). */
static const struct {
    const char *title, *type, *groups[10], *zones;
} published[] = {
    {"Private Link Service", "Microsoft.Network/privateLinkServices", {""}, ""},
    {"Automation",
     "Microsoft.Automation/automationAccounts",
     {"Webhook", "DSCAndHybridWorker"},
     "privatelink.azure-automation.net"},
    {"SQL Database", "Microsoft.Sql/servers", {"sqlServer"}, "privatelink.database.windows.net"},
    {"Synapse Analytics", "Microsoft.Sql/servers", {"sqlServer"}, "privatelink.database.windows.net"},
    {"Storage",
     "Microsoft.Storage/storageAccounts",
     {"blob", "blob_secondary", "table", "table_secondary", "queue", "queue_secondary", "file",
      "file_secondary", "web", "web_secondary"},
     "privatelink.blob.core.windows.net privatelink.table.core.windows.net "
     "privatelink.queue.core.windows.net "
     "privatelink.file.core.windows.net privatelink.web.core.windows.net privatelink.dfs.core.windows.net"},
    {"Data Lake Storage Gen2",
     "Microsoft.Storage/storageAccounts",
     {"blob", "blob_secondary", "dfs", "dfs_secondary"},
     "privatelink.blob.core.windows.net privatelink.table.core.windows.net "
     "privatelink.queue.core.windows.net "
     "privatelink.file.core.windows.net privatelink.web.core.windows.net privatelink.dfs.core.windows.net"},
    {"Cosmos DB",
     "Microsoft.AzureCosmosDB/databaseAccounts",
     {"SQL", "MongoDB", "Cassandra", "Gremlin", "Table"},
     "privatelink.documents.azure.com privatelink.mongo.cosmos.azure.com "
     "privatelink.cassandra.cosmos.azure.com "
     "privatelink.gremlin.cosmos.azure.com privatelink.table.cosmos.azure.com"},
    {"PostgreSQL",
     "Microsoft.DBforPostgreSQL/servers",
     {"postgresqlServer"},
     "privatelink.postgres.database.azure.com"},
    {"MySQL", "Microsoft.DBforMySQL/servers", {"mysqlServer"}, "privatelink.mysql.database.azure.com"},
    {"MariaDB",
     "Microsoft.DBforMariaDB/servers",
     {"mariadbServer"},
     "privatelink.mariadb.database.azure.com"},
    {"IoT Hub",
     "Microsoft.Devices/IotHubs",
     {"iotHub"},
     "privatelink.azure-devices.net privatelink.servicebus.windows.net"},
    {"Key Vault", "Microsoft.KeyVault/vaults", {"vault"}, "privatelink.vaultcore.azure.net"},
    {"Kubernetes",
     "Microsoft.ContainerService/managedClusters",
     {"management"},
     "privatelink.westeurope.azmk8s.io"},
    {"Search", "Microsoft.Search/searchService", {"searchService"}, "privatelink.search.windows.net"},
    {"Container Registry", "Microsoft.ContainerRegistry/registries", {"registry"}, "privatelink.azurecr.io"},
    {"App Configuration",
     "Microsoft.Appconfiguration/configurationStores",
     {"configurationStores"},
     "privatelink.azconfig.io"},
    {"Backup",
     "Microsoft.RecoveryServices/vaults",
     {"vault", "AzureBackup"},
     "privatelink.we.backup.windowsazure.com privatelink.blob.core.windows.net "
     "privatelink.queue.core.windows.net "
     "privatelink.siterecovery.windowsazure.com"},
    {"Event Hub", "Microsoft.EventHub/namespaces", {"namespace"}, "privatelink.servicebus.windows.net"},
    {"Service Bus", "Microsoft.ServiceBus/namespaces", {"namespace"}, "privatelink.servicebus.windows.net"},
    {"Relay", "Microsoft.Relay/namespaces", {"namespace"}, "privatelink.servicebus.windows.net"},
    {"Event Grid topics", "Microsoft.EventGrid/topics", {"topic"}, "privatelink.eventgrid.azure.net"},
    {"Event Grid domains", "Microsoft.EventGrid/domains", {"domain"}, "privatelink.eventgrid.azure.net"},
    {"App Service", "Microsoft.Web/sites", {"sites"}, "privatelink.azurewebsites.net"},
    {"Machine Learning",
     "Microsoft.MachineLearningServices/workspaces",
     {"amlworkspace"},
     "privatelink.api.azureml.ms privatelink.notebooks.azure.net"},
    {"SignalR", "Microsoft.SignalRService/SignalR", {"signalR"}, "privatelink.service.signalr.net"},
    {"Monitor",
     "Microsoft.Insights/privateLinkScopes",
     {"azuremonitor"},
     "privatelink.monitor.azure.com privatelink.oms.opinsights.azure.com "
     "privatelink.ods.opinsights.azure.com "
     "privatelink.agentsvc.azure-automation.net privatelink.blob.core.windows.net"},
    {"Cognitive Services",
     "Microsoft.CognitiveServices/accounts",
     {"account"},
     "privatelink.cognitiveservices.azure.com privatelink.openai.azure.com"},
    {"File Sync", "Microsoft.StorageSync/storageSyncServices", {"afs"}, "privatelink.afs.azure.net"},
};

Test(types, every_published_row)
{
    cr_assert_eq(COUNT(published), 28);
    for (size_t i = 0; i < COUNT(published); i++) {
        const struct resource_type *t = type_find(published[i].type);
        cr_assert_not_null(t, "%s", published[i].title);
        for (size_t j = 0; j < 10 && published[i].groups[j]; j++)
            cr_assert_not_null(type_group(t, published[i].groups[j]), "%s %s", published[i].title,
                               published[i].groups[j]);
        cr_assert_null(type_group(t, "no-such-group"));
        cr_assert_str_eq(zones(published[i].type, NULL), published[i].zones, "%s", published[i].title);
    }
}

Test(types, other_zones_of_the_dns_page)
{
    cr_assert_str_eq(zones("Microsoft.Synapse/workspaces", "SqlOnDemand"),
                     "privatelink.sql.azuresynapse.net");
    cr_assert_str_eq(zones("Microsoft.Synapse/workspaces", "Sql"), "privatelink.sql.azuresynapse.net");
    cr_assert_str_eq(zones("Microsoft.Synapse/workspaces", "Dev"), "privatelink.dev.azuresynapse.net");
    cr_assert_str_eq(zones("Microsoft.Synapse/privateLinkHubs", "Web"), "privatelink.azuresynapse.net");
    cr_assert_str_eq(zones("Microsoft.Cache/Redis", "redisCache"), "privatelink.redis.cache.windows.net");
    cr_assert_str_eq(zones("Microsoft.Storage/storageAccounts", "dfs_secondary"),
                     "privatelink.dfs.core.windows.net");
    cr_assert_str_eq(zones("Microsoft.RecoveryServices/vaults", "AzureBackup"),
                     "privatelink.we.backup.windowsazure.com privatelink.blob.core.windows.net "
                     "privatelink.queue.core.windows.net");
    cr_assert_str_eq(zones("Microsoft.Storage/storageAccounts", "nothing"), "");
    cr_assert_str_eq(zones("Contoso.Things/things", NULL), "");
}

Test(types, spelling)
{
    const struct resource_type *t = type_find("microsoft.storage/STORAGEACCOUNTS");
    cr_assert_not_null(t);
    cr_assert_str_eq(t->name, "Microsoft.Storage/storageAccounts");
    cr_assert_eq(type_find("Microsoft.DocumentDB/databaseAccounts"),
                 type_find("Microsoft.AzureCosmosDB/databaseAccounts"));
    cr_assert_eq(type_find("Microsoft.Search/searchServices"), type_find("Microsoft.Search/searchService"));
    cr_assert_null(type_find("Microsoft.Storage"));
    cr_assert_null(type_find("Microsoft.Storage/storageAccounts/blobServices"));
    cr_assert_null(type_find(""));
    cr_assert_str_eq(type_group(t, "BLOB")->group, "blob");
    cr_assert_null(type_group(t, ""));
    cr_assert_str_eq(type_group(type_find("Microsoft.RecoveryServices/vaults"), "vault")->group,
                     "AzureBackup");
    cr_assert_str_eq(type_suggest("Microsoft.Storage/storageAccount"), "Microsoft.Storage/storageAccounts");
    cr_assert_null(type_suggest("Contoso.Unknown/x"));
    cr_assert_str_eq(type_group_suggest(t, "bolb"), "blob");
    cr_assert_null(type_group_suggest(t, "registry"));
}

Test(types, table_is_sound)
{
    for (size_t i = 0; type_at(i); i++) {
        const struct resource_type *t = type_at(i);
        cr_assert_eq(type_find(t->name), t, "%s: given twice", t->name);
        cr_assert(t->groups[0].group, "%s", t->name);
        cr_assert(!t->endpoint_namespace || namespace_find(t->endpoint_namespace), "%s", t->name);
        for (const struct sub_resource *g = t->groups; g->group; g++) {
            const char **m;
            cr_assert_eq(type_group(t, g->group), g, "%s %s", t->name, g->group);
            cr_assert_geq(type_members(A, t, g->group, "r", "westeurope", NULL, 0, &m), 1);
        }
    }
    cr_assert_eq(type_at(type_count), NULL);
}

/* -- members ------------------------------------------------------------------------------------------- */

Test(types, one_member_named_like_the_group)
{
    for (size_t i = 0; i < COUNT(published); i++) {
        const struct resource_type *t = type_find(published[i].type);
        if (!strcmp(t->name, "Microsoft.ContainerRegistry/registries") ||
            !strcmp(t->name, "Microsoft.DocumentDB/databaseAccounts") ||
            !strcmp(t->name, "Microsoft.RecoveryServices/vaults"))
            continue;
        for (size_t j = 0; j < 10 && published[i].groups[j]; j++)
            cr_assert_str_eq(members(t->name, published[i].groups[j], "westeurope", "northeurope"),
                             published[i].groups[j], "%s", published[i].title);
    }
    cr_assert_str_eq(members("Contoso.Things/things", "stuff", "westeurope", NULL), "stuff");
    cr_assert_str_eq(members("Microsoft.KeyVault/vaults", "stuff", "westeurope", NULL), "stuff");
}

Test(types, registry_members)
{
    const char *type = "Microsoft.ContainerRegistry/registries";
    cr_assert_str_eq(members(type, "registry", "westeurope", NULL), "registry registry_data_westeurope");
    cr_assert_str_eq(members(type, "Registry", "West Europe", "North Europe"),
                     "registry registry_data_westeurope registry_data_northeurope");
    cr_assert_str_eq(members(type, "registry", "westeurope", "West Europe"),
                     "registry registry_data_westeurope", "a replica at home is no second region");
    cr_assert_str_eq(members(type, "registry", "", NULL), "registry");
    cr_assert_str_eq(members(type, "registry", NULL, "eastus"), "registry registry_data_eastus");
}

Test(types, cosmos_members)
{
    const char *type = "Microsoft.DocumentDB/databaseAccounts";
    cr_assert_str_eq(members(type, "Sql", "eastus2", "Central US"), "thing thing-eastus2 thing-centralus");
    cr_assert_str_eq(members(type, "MongoDB", "eastus2", NULL), "thing thing-eastus2");
}

Test(types, backup_members)
{
    const char *eleven =
        "AzureBackup-fc1 AzureBackup-fab1 AzureBackup-prot1 AzureBackup-rec2 AzureBackup-ecs1 "
        "AzureBackup-id1 AzureBackup-tel1 AzureBackup-wbcm1 AzureBackup-ecs-blob "
        "AzureBackup-ecs-queue AzureBackup-prot-blob";
    cr_assert_str_eq(members("Microsoft.RecoveryServices/vaults", "AzureBackup", "westeurope", NULL), eleven);
    cr_assert_str_eq(members("Microsoft.RecoveryServices/vaults", "vault", "westeurope", NULL), eleven);
    cr_assert_str_eq(members("Microsoft.RecoveryServices/vaults", "AzureSiteRecovery", "westeurope", NULL),
                     "AzureSiteRecovery");
}

Test(types, member_that_a_file_means)
{
    static const char *const one[] = {"vault"}, *const two[] = {"registry", "registry_data_westeurope"};
    cr_assert_str_eq(type_member(one, 1, "Vault"), "vault");
    cr_assert_str_eq(type_member(one, 1, "default"), "vault");
    cr_assert_str_eq(type_member(one, 1, ""), "vault");
    cr_assert_str_eq(type_member(one, 1, NULL), "vault");
    cr_assert_null(type_member(one, 1, "registry"));
    cr_assert_str_eq(type_member(two, 2, "REGISTRY_DATA_westeurope"), two[1]);
    cr_assert_null(type_member(two, 2, "default"));
    cr_assert_null(type_member(two, 2, NULL));
    cr_assert_null(type_member(two, 2, "registry_data_eastus"));
}

/* -- names --------------------------------------------------------------------------------------------- */

Test(types, derived_names)
{
    static const struct {
        const char *type, *location, *replica, *names;
    } row[] = {
        {"Microsoft.Sql/servers", "westeurope", NULL,
         "thing.database.windows.net>sqlServer/sqlServer>thing.privatelink.database.windows.net@"
         "privatelink.database.windows.net!"},
        {"Microsoft.KeyVault/vaults", "westeurope", NULL,
         "thing.vault.azure.net>vault/"
         "vault>thing.privatelink.vaultcore.azure.net@privatelink.vaultcore.azure.net!"},
        {"Microsoft.ContainerRegistry/registries", "West Europe", "northeurope",
         "thing.azurecr.io>registry/registry>thing.privatelink.azurecr.io@privatelink.azurecr.io! "
         "thing.westeurope.data.azurecr.io>registry/registry_data_westeurope>"
         "thing.westeurope.data.privatelink.azurecr.io@privatelink.azurecr.io! "
         "thing.northeurope.data.azurecr.io>registry/registry_data_northeurope>"
         "thing.northeurope.data.privatelink.azurecr.io@privatelink.azurecr.io!"},
        {"Microsoft.ContainerRegistry/registries", "", NULL,
         "thing.azurecr.io>registry/registry>thing.privatelink.azurecr.io@privatelink.azurecr.io!"},
        {"Microsoft.Web/sites", "westeurope", NULL,
         "thing.azurewebsites.net>sites/"
         "sites>thing.privatelink.azurewebsites.net@privatelink.azurewebsites.net! "
         "thing.scm.azurewebsites.net>sites/sites>thing.scm.privatelink.azurewebsites.net@"
         "privatelink.azurewebsites.net!"},
        {"Microsoft.ContainerService/managedClusters", "westeurope", NULL,
         "thing.westeurope.azmk8s.io>management/management>thing.privatelink.westeurope.azmk8s.io@"
         "privatelink.westeurope.azmk8s.io!"},
        {"Microsoft.ContainerService/managedClusters", NULL, NULL, ""},
        {"Microsoft.EventGrid/topics", "westus", NULL,
         "thing.westus.eventgrid.azure.net>topic/topic>thing.westus.privatelink.eventgrid.azure.net@"
         "privatelink.eventgrid.azure.net!"},
        {"Microsoft.Automation/automationAccounts", "eastus2", NULL,
         "thing.webhook.eus2.azure-automation.net>Webhook/"
         "Webhook>thing.webhook.eus2.privatelink.azure-automation.net@"
         "privatelink.azure-automation.net! "
         "thing.jrds.eus2.azure-automation.net>DSCAndHybridWorker/DSCAndHybridWorker>"
         "thing.jrds.eus2.privatelink.azure-automation.net@privatelink.azure-automation.net! "
         "thing.agentsvc.eus2.azure-automation.net>DSCAndHybridWorker/DSCAndHybridWorker>"
         "thing.agentsvc.eus2.privatelink.azure-automation.net@privatelink.azure-automation.net!"},
        {"Microsoft.EventHub/namespaces", "westeurope", NULL,
         "thing.servicebus.windows.net>namespace/namespace>thing.privatelink.servicebus.windows.net@"
         "privatelink.servicebus.windows.net!"},
        {"Microsoft.RecoveryServices/vaults", "westeurope", NULL, ""},
        {"Microsoft.Network/privateLinkServices", "westeurope", NULL, ""},
        {"Microsoft.Insights/privateLinkScopes", "westeurope", NULL, ""},
        {"Contoso.Things/things", "westeurope", NULL, ""},
    };
    cr_assert_str_eq(names(row[2].type, "westeurope", "West Europe"), names(row[2].type, "westeurope", NULL),
                     "a replica at home adds no name");
    for (size_t i = 0; i < COUNT(row); i++)
        cr_assert_str_eq(names(row[i].type, row[i].location, row[i].replica), row[i].names, "%s",
                         row[i].type);
}

Test(types, storage_has_twelve_names)
{
    static const char *const service[] = {"blob", "table", "queue", "file", "web", "dfs"};
    struct service_name *out;
    const struct resource_type *t = type_find("Microsoft.Storage/storageAccounts");
    cr_assert_eq(type_names(A, t, "ourstore", "westeurope", NULL, 0, &out), 12);
    for (size_t i = 0; i < 6; i++) {
        const char *s = service[i];
        cr_assert_str_eq(
            show(&out[2 * i]),
            arena_printf(A,
                         "ourstore.%s.core.windows.net>%s/%s>ourstore.privatelink.%s.core.windows.net@"
                         "privatelink.%s.core.windows.net!",
                         s, s, s, s, s));
        cr_assert_str_eq(show(&out[2 * i + 1]),
                         arena_printf(A,
                                      "ourstore-secondary.%s.core.windows.net>%s_secondary/%s_secondary>"
                                      "ourstore-secondary.privatelink.%s.core.windows.net@"
                                      "privatelink.%s.core.windows.net!",
                                      s, s, s, s, s));
    }
}

Test(types, cosmos_has_names_of_each_interface)
{
    struct service_name *out;
    const char *replica = "northeurope";
    const struct resource_type *t = type_find("Microsoft.AzureCosmosDB/databaseAccounts");
    cr_assert_eq(type_names(A, t, "db", "westeurope", &replica, 1, &out), 15);
    cr_assert_str_eq(show(&out[0]), "db.documents.azure.com>Sql/db>db.privatelink.documents.azure.com@"
                                    "privatelink.documents.azure.com!");
    cr_assert_str_eq(show(&out[2]),
                     "db-northeurope.documents.azure.com>Sql/db-northeurope>"
                     "db-northeurope.privatelink.documents.azure.com@privatelink.documents.azure.com!");
    cr_assert_str_eq(show(&out[4]), "db-westeurope.mongo.cosmos.azure.com>MongoDB/db-westeurope>"
                                    "db-westeurope.privatelink.mongo.cosmos.azure.com@"
                                    "privatelink.mongo.cosmos.azure.com!");
}

/* Whatever name is derived: its private name is in its zone, which is one of the type's, and its member is
 * one of the group's; and the same name, given, is understood the same way. */
Test(types, derived_names_agree_with_members_zones_and_given_names)
{
    const char *replica = "northeurope";
    for (size_t i = 0; type_at(i); i++) {
        const struct resource_type *t = type_at(i);
        struct service_name *out, *again;
        size_t n = type_names(A, t, "x1", "westeurope", &replica, 1, &out);
        for (size_t j = 0; j < n; j++) {
            const char **m, *fqdn = out[j].fqdn, *private = out[j].privatelink_fqdn;
            size_t n_members = type_members(A, t, out[j].group, "x1", "westeurope", &replica, 1, &m);
            cr_assert_not_null(type_member(m, n_members, out[j].member), "%s", fqdn);
            cr_assert(type_zone_known(t, out[j].group, out[j].zone), "%s", out[j].zone);
            cr_assert(zone_is_privatelink(out[j].zone));
            cr_assert_not_null(zone_record(A, private, out[j].zone), "%s", private);
            cr_assert_null(zone_record(A, fqdn, out[j].zone), "%s", fqdn);
            type_names_given(A, t, &fqdn, 1, &again);
            cr_assert_str_eq(show(&again[0]), show(&out[j]));
            type_names_given(A, t, &private, 1, &again);
            cr_assert_str_eq(again[0].zone, out[j].zone, "%s", private);
            cr_assert_str_eq(again[0].member, out[j].member, "%s", private);
            cr_assert_not(again[0].redirect);
        }
    }
}

Test(types, backup_names_are_given)
{
    static const char *const fqdns[] = {
        "113-ab-pod01-rec2.we.backup.windowsazure.com",
        "113-ab-pod01-id1.privatelink.we.backup.windowsazure.com",
        "113-ab-pod01-prot1c.we.backup.windowsazure.com",
        "Abcpod01ecs114.blob.core.windows.net",
        "abcpod01prot120.blob.core.windows.net",
        "abcpod01ecs114.queue.core.windows.net",
        "vault1.we.backup.windowsazure.com",
        "www.contoso.example",
    };
    cr_assert_str_eq(
        given("Microsoft.RecoveryServices/vaults", fqdns, COUNT(fqdns)),
        "113-ab-pod01-rec2.we.backup.windowsazure.com>AzureBackup/AzureBackup-rec2>"
        "113-ab-pod01-rec2.privatelink.we.backup.windowsazure.com@privatelink.we.backup.windowsazure.com "
        "113-ab-pod01-id1.privatelink.we.backup.windowsazure.com>AzureBackup/AzureBackup-id1>"
        "113-ab-pod01-id1.privatelink.we.backup.windowsazure.com@privatelink.we.backup.windowsazure.com "
        "113-ab-pod01-prot1c.we.backup.windowsazure.com>AzureBackup/AzureBackup-prot1>"
        "113-ab-pod01-prot1c.privatelink.we.backup.windowsazure.com@privatelink.we.backup.windowsazure.com "
        "abcpod01ecs114.blob.core.windows.net>AzureBackup/AzureBackup-ecs-blob>"
        "abcpod01ecs114.privatelink.blob.core.windows.net@privatelink.blob.core.windows.net! "
        "abcpod01prot120.blob.core.windows.net>AzureBackup/AzureBackup-prot-blob>"
        "abcpod01prot120.privatelink.blob.core.windows.net@privatelink.blob.core.windows.net! "
        "abcpod01ecs114.queue.core.windows.net>AzureBackup/AzureBackup-ecs-queue>"
        "abcpod01ecs114.privatelink.queue.core.windows.net@privatelink.queue.core.windows.net! "
        "vault1.we.backup.windowsazure.com>AzureBackup/AzureBackup-fc1>"
        "vault1.privatelink.we.backup.windowsazure.com@privatelink.we.backup.windowsazure.com "
        "www.contoso.example>/>@");
}

/* A-13: more names than members: further ones have members of their own. Another form of a name is no further name. */
Test(types, more_backup_names_than_members)
{
    static const char *const fqdns[] = {"a.blob.core.windows.net", "b.blob.core.windows.net",
                                        "c.blob.core.windows.net", "v-prot1.we.backup.windowsazure.com",
                                        "v-prot2.we.backup.windowsazure.com",
                                        "v-prot1.privatelink.we.backup.windowsazure.com",
                                        "A.privatelink.blob.core.windows.net", "d.blob.core.windows.net",
                                        "q.queue.core.windows.net", "vault1.we.backup.windowsazure.com"};
    static const char *const member[] = {
        "AzureBackup-ecs-blob", "AzureBackup-prot-blob", "AzureBackup-prot-blob-2", "AzureBackup-prot1",
        "AzureBackup-prot1-2",  "AzureBackup-prot1",     "AzureBackup-ecs-blob",    "AzureBackup-prot-blob-3",
        "AzureBackup-ecs-queue", "AzureBackup-fc1"};
    static const char *const part[] = {"blob", "blob", "blob", "", "", "", "blob", "blob", "queue", ""};
    const struct resource_type *vault = type_find("Microsoft.RecoveryServices/vaults");
    struct service_name *out;
    type_names_given(A, vault, fqdns, COUNT(fqdns), &out);
    for (size_t i = 0; i < COUNT(fqdns); i++) {
        cr_assert_str_eq(out[i].member, member[i], "%s", fqdns[i]);
        cr_assert_str_eq(type_member_part(vault, "AzureBackup", out[i].member), part[i], "%s", fqdns[i]);
    }
}

/* A-13: only a vault's group AzureBackup brings endpoints along. */
Test(types, endpoints_that_come_along)
{
    const char *out[4] = {NULL};
    cr_assert_eq(type_parts(type_find("Microsoft.RecoveryServices/vaults"), "azurebackup", out, 4), 2);
    cr_assert_str_eq(out[0], "blob");
    cr_assert_str_eq(out[1], "queue");
    cr_assert_eq(type_parts(type_find("Microsoft.RecoveryServices/vaults"), "AzureBackup", out, 1), 1);
    cr_assert_eq(type_parts(type_find("Microsoft.RecoveryServices/vaults"), "AzureSiteRecovery", out, 4), 0);
    cr_assert_eq(type_parts(type_find("Microsoft.RecoveryServices/vaults"), "none", out, 4), 0);
    cr_assert_eq(type_parts(type_find("Microsoft.Storage/storageAccounts"), "blob", out, 4), 0);
    cr_assert_str_eq(type_member_part(type_find("Microsoft.Storage/storageAccounts"), "blob", "blob"), "");
}

Test(types, given_names)
{
    cr_assert_str_eq(given1("Microsoft.Storage/storageAccounts", "Other.BLOB.core.windows.net"),
                     "other.blob.core.windows.net>blob/blob>other.privatelink.blob.core.windows.net@"
                     "privatelink.blob.core.windows.net!");
    cr_assert_str_eq(
        given1("Microsoft.CognitiveServices/accounts", "ai.openai.azure.com"),
        "ai.openai.azure.com>account/account>ai.privatelink.openai.azure.com@privatelink.openai.azure.com!");
    cr_assert_str_eq(given1("Microsoft.Insights/privateLinkScopes", "global.in.ai.monitor.azure.com"),
                     "global.in.ai.monitor.azure.com>azuremonitor/azuremonitor>"
                     "global.in.ai.privatelink.monitor.azure.com@privatelink.monitor.azure.com!");
    cr_assert_str_eq(given1("Microsoft.Web/sites", "shop.contoso.example"), "shop.contoso.example>/>@");
    cr_assert_str_eq(given1(NULL, "api.contoso.example"),
                     "api.contoso.example>/>api.privatelink.contoso.example@privatelink.contoso.example!");
    cr_assert_str_eq(
        given1(NULL, "api.privatelink.contoso.example"),
        "api.privatelink.contoso.example>/>api.privatelink.contoso.example@privatelink.contoso.example");
    cr_assert_str_eq(given1(NULL, "host"), "host>/>@");
    cr_assert_str_eq(given1(NULL, ""), ">/>@");
    char *huge = arena_alloc(A, 70000);
    memset(huge, 'a', 69999);
    cr_assert_str_eq(given1("Microsoft.Storage/storageAccounts", huge), arena_printf(A, "%s>/>@", huge));
}

Test(types, frontends)
{
    const struct resource_type *t = type_find("Microsoft.ContainerRegistry/registries");
    cr_assert_str_eq(type_frontend_name(A, t, "MyRegistry", "West Europe"),
                     "myregistry.westeurope.fe.azcr.io");
    cr_assert_str_eq(type_frontend_name(A, t, "my registry", ""), "my-registry.fe.azcr.io");
    cr_assert_str_eq(type_frontend_name(A, NULL, "api", "eastus"), "api.eastus.fe.cloudapp.azure.com");
}

/* -- zones --------------------------------------------------------------------------------------------- */

Test(types, known_zones)
{
    const struct resource_type *acr = type_find("Microsoft.ContainerRegistry/registries");
    const struct resource_type *store = type_find("Microsoft.Storage/storageAccounts");
    const struct resource_type *vault = type_find("Microsoft.RecoveryServices/vaults");
    cr_assert(type_zone_known(acr, "registry", "privatelink.azurecr.io"));
    cr_assert(type_zone_known(acr, NULL, "PrivateLink.AzureCR.io"));
    cr_assert(type_zone_known(acr, "registry", "westeurope.data.privatelink.azurecr.io"));
    cr_assert(type_zone_known(acr, "registry", "westeurope.privatelink.azurecr.io"));
    cr_assert_not(type_zone_known(acr, "registry", "azurecr.io"));
    cr_assert_not(type_zone_known(acr, "registry", "privatelink.azurecr.io.example"));
    cr_assert_not(type_zone_known(acr, "registry", "a.b.privatelink.azurecr.io"));
    cr_assert_not(type_zone_known(acr, "registry", ".privatelink.azurecr.io"));
    cr_assert(type_zone_known(store, "blob", "privatelink.blob.core.windows.net"));
    cr_assert_not(type_zone_known(store, "blob", "privatelink.file.core.windows.net"));
    cr_assert(type_zone_known(store, NULL, "privatelink.file.core.windows.net"));
    cr_assert_not(type_zone_known(store, "nothing", "privatelink.file.core.windows.net"));
    cr_assert(type_zone_known(vault, "AzureBackup", "privatelink.wcus.backup.windowsazure.com"));
    cr_assert(type_zone_known(vault, "vault", "privatelink.queue.core.windows.net"));
    cr_assert_not(type_zone_known(vault, "AzureBackup", "privatelink.backup.windowsazure.com"));
}

Test(types, zone_names_and_records)
{
    cr_assert(zone_is_privatelink("privatelink.azurecr.io"));
    cr_assert(zone_is_privatelink("westeurope.PRIVATELINK.azurecr.io"));
    cr_assert(zone_is_privatelink("a.privatelink"));
    cr_assert_not(zone_is_privatelink("azurecr.io"));
    cr_assert_not(zone_is_privatelink("privatelinks.azurecr.io"));
    cr_assert_not(zone_is_privatelink("myprivatelink.azurecr.io"));
    cr_assert_not(zone_is_privatelink(""));
    cr_assert_str_eq(zone_record(A, "r.westeurope.data.privatelink.azurecr.io", "privatelink.azurecr.io"),
                     "r.westeurope.data");
    cr_assert_str_eq(zone_record(A, "R.privatelink.azurecr.io", "PrivateLink.azurecr.io"), "R");
    cr_assert_str_eq(zone_record(A, "privatelink.azurecr.io", "privatelink.azurecr.io"), "@");
    cr_assert_null(zone_record(A, "xprivatelink.azurecr.io", "privatelink.azurecr.io"));
    cr_assert_null(zone_record(A, ".privatelink.azurecr.io", "privatelink.azurecr.io"));
    cr_assert_null(zone_record(A, "azurecr.io", "privatelink.azurecr.io"));
}

/* -- patterns: filling in and matching undo each other --------------------------------------------------- */

static const char *word(struct rng *r)
{
    static const char letters[] = "ab-";
    char *s = arena_alloc(A, 8);
    size_t n = 1 + (size_t)rng_below(r, 5);
    for (size_t i = 0; i < n; i++)
        s[i] = letters[rng_below(r, 3)];
    return s;
}

Test(types, patterns_round_trip)
{
    static const char *const pattern[] = {"{name}", "{name}.{region}.data", "ml-{name}-{region}.{region}",
                                          "{any}-fc{any}", "{name}.{geo}.x"};
    struct rng r;
    prop_seed(&r, "patterns");
    for (int i = 0; i < 4000; i++) {
        struct vars v = {0}, got = {0};
        const char *p = pattern[rng_below(&r, COUNT(pattern))];
        pattern_set(&v, VAR_NAME, word(&r));
        pattern_set(&v, VAR_REGION, word(&r));
        pattern_set(&v, VAR_GEO, word(&r));
        pattern_set(&v, VAR_ANY, word(&r));
        const char *s = pattern_fill(A, p, &v);
        cr_assert(pattern_match(p, s, &got), "%s %s", p, s);
        cr_assert_not(pattern_match(p, arena_printf(A, "%s.", s), &got) && p[1] != 'a', "%s %s", p, s);
    }
    struct vars none = {0};
    cr_assert_null(pattern_fill(A, "{name}.x", &none));
    cr_assert_str_eq(pattern_fill(A, "", &none), "");
    cr_assert_not(pattern_match("{name}.x", ".x", &none));
    cr_assert_not(pattern_match("{name}.x", "a.b.x", &none));
    cr_assert(pattern_match("{any}.x", "a.b.x", &none));
}

/* -- namespaces ---------------------------------------------------------------------------------------- */

Test(types, namespaces)
{
    static const struct {
        const char *name, *tags;
        enum namespace_scope scope;
    } row[] = {
        {"Microsoft.Storage", "Storage", NAMESPACE_PAIRED},
        {"Microsoft.Storage.Global", "Storage", NAMESPACE_ALL},
        {"Microsoft.Sql", "Sql", NAMESPACE_OWN},
        {"Microsoft.KeyVault", "AzureKeyVault", NAMESPACE_ALL},
        {"Microsoft.AzureCosmosDB", "AzureCosmosDB", NAMESPACE_ALL},
        {"Microsoft.ServiceBus", "ServiceBus", NAMESPACE_ALL},
        {"Microsoft.EventHub", "EventHub", NAMESPACE_ALL},
        {"Microsoft.Web", "AppService", NAMESPACE_ALL},
        {"Microsoft.ContainerRegistry", "AzureContainerRegistry", NAMESPACE_ALL},
        {"Microsoft.AzureActiveDirectory", "AzureActiveDirectory", NAMESPACE_ALL},
        {"Microsoft.CognitiveServices", "CognitiveServicesManagement CognitiveServicesFrontend",
         NAMESPACE_ALL},
    };
    struct tagset *set = tagset_builtin(A);
    for (size_t i = 0; i < COUNT(row); i++) {
        const struct service_endpoint_namespace *ns = namespace_find(row[i].name);
        size_t n = 0;
        cr_assert_not_null(ns, "%s", row[i].name);
        cr_assert_eq(ns, namespace_at(i));
        while (ns->tags[n])
            cr_assert_not_null(tagset_find(set, ns->tags[n++]));
        cr_assert_str_eq(joined(ns->tags, n), row[i].tags);
        cr_assert_eq(ns->scope, row[i].scope, "%s", row[i].name);
    }
    cr_assert_null(namespace_at(COUNT(row)));
    cr_assert_eq(namespace_find("microsoft.keyvault"), namespace_find("Microsoft.KeyVault"));
    cr_assert_null(namespace_find("Microsoft.Compute"));
    cr_assert_str_eq(namespace_suggest("Microsoft.Storge"), "Microsoft.Storage");
}

Test(types, namespace_regions)
{
    const char *out[2] = {NULL, NULL};
    cr_assert_eq(namespace_regions(A, namespace_find("Microsoft.Storage"), "West Europe", out), 2);
    cr_assert_str_eq(out[0], "westeurope");
    cr_assert_str_eq(out[1], "northeurope");
    cr_assert_eq(namespace_regions(A, namespace_find("Microsoft.Storage"), "polandcentral", out), 1);
    cr_assert_str_eq(out[0], "polandcentral");
    cr_assert_eq(namespace_regions(A, namespace_find("Microsoft.Storage"), "brazilsouth", out), 2);
    cr_assert_str_eq(out[1], "southcentralus");
    cr_assert_eq(namespace_regions(A, namespace_find("Microsoft.Sql"), "westeurope", out), 1);
    cr_assert_str_eq(out[0], "westeurope");
    cr_assert_eq(namespace_regions(A, namespace_find("Microsoft.KeyVault"), "westeurope", out), 0);
    cr_assert_eq(namespace_regions(A, namespace_find("Microsoft.Storage.Global"), "westeurope", out), 0);
}

/* The service tags of the table are names that Azure publishes. */
Test(types, tags_are_published)
{
    char path[PATH_MAX], err[256] = "";
    const char *data = getenv("VNETSIM_DATA");
    snprintf(path, sizeof path, "%s/servicetags/ServiceTags_Public_20251117.json.xz", data ? data : "");
    if (!data || access(path, R_OK)) {
        fprintf(stderr, "types::tags_are_published was skipped: %s\n",
                data ? path : "VNETSIM_DATA is not set");
        cr_skip("no published service-tag file");
    }
    struct tagset *s = tagset_load(A, path, err, sizeof err);
    cr_assert_not_null(s, "%s", err);
    for (size_t i = 0; type_at(i); i++)
        cr_assert_not_null(tagset_find(s, type_at(i)->tag), "%s", type_at(i)->tag);
    for (size_t i = 0; namespace_at(i); i++)
        for (size_t j = 0; namespace_at(i)->tags[j]; j++)
            cr_assert_not_null(tagset_find(s, namespace_at(i)->tags[j]));
}
