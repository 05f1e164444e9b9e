/* types_table.c - the facts about platform services.
 *
 * Sub-resources: the table of private-link resources in "What is Azure Private Endpoint?" (2021), every row of
 * it. Zones: "Azure Private Endpoint DNS configuration" (2021 to 2024), with the older forms of the 2020 page
 * as accepted zones. Service tags: "Azure service tags overview". Namespaces: "Azure virtual network service
 * endpoints" (SE-04, SE-05). Where these are silent:
 *
 * Registry: "Connect privately to an Azure container registry using Azure Private Link": the record of a data
 * endpoint is NAME.REGION.data in privatelink.azurecr.io; the members are those of its ipConfigurations.
 *
 * Cosmos DB: members after hashicorp/terraform-provider-azurerm#13061: the account's name, and NAME-REGION.
 *
 * AzureBackup: "Create and use private endpoints for Azure Backup", sample of DNS entries: the services fc1,
 * fab1, prot1, rec2, ecs1, id1, tel1, wbcm1, and storage of ecs and prot. How the member names are spelt is
 * our choice: no source shows them.
 *
 * Automation: "Use Azure Private Link to securely connect networks to Azure Automation". Event Grid: "Network
 * security for Azure Event Grid resources". File Sync: "Configuring Azure File Sync network endpoints" (Azure
 * gives its four names an address each; here they share that of the group). Machine Learning: "How to use your
 * workspace with a custom DNS server", where {name} stands for the workspace's id. */
#include "topology/types_int.h"

/* clang-format off */

/* A name whose private zone is privatelink.SUFFIX. */
#define NAME(member, record, suffix, flags) {member, record, suffix, "privatelink." suffix, flags}
/* A group with one member, named like the group, and one name in a zone privatelink.SUFFIX. */
#define ONE(group, suffix) \
    {group, NULL, RULES(NAME(group, "{name}", suffix, 0))}
/* A service of a storage account, and its read-only secondary (A-16, PE-29). */
#define STORAGE(service) \
    ONE(service, service ".core.windows.net"), \
    {service "_secondary", NULL, \
     RULES(NAME(service "_secondary", "{name}-secondary", service ".core.windows.net", 0))}
/* An interface of Cosmos DB: the account and one name per region. */
#define COSMOS(group, suffix) \
    {group, NULL, RULES(NAME("{name}", "{name}", suffix, 0), \
                        NAME("{name}-{region}", "{name}-{region}", suffix, RULE_EACH_REGION))}
/* An address of a Backup vault: its service, and the storage behind it (A-13, N-12). */
#define BACKUP(service, digit) \
    NAME("AzureBackup-" service digit, "{any}-" service "{any}", "{geo}.backup.windowsazure.com", \
         RULE_GIVEN | RULE_NO_REDIRECT | RULE_ADDRESS)
#define BACKUP_STORAGE(member, service, part) \
    NAME("AzureBackup-" member "-" service, "{name}", service ".core.windows.net", RULE_GIVEN | RULE_ADDRESS | part)
/* A zone that older documents or other set-ups use for the group. */
#define ALSO(zone) {NULL, NULL, NULL, zone, 0}

const struct resource_type type_table[] = {
    {"Microsoft.Network/privateLinkServices", "Private Link service", NULL, NULL, "AzureCloud",
     "cloudapp.azure.com",
     GROUPS({"", NULL, RULES({"", NULL, NULL, NULL, 0})})},
    {"Microsoft.Automation/automationAccounts", "Azure Automation", NULL, NULL, "GuestAndHybridManagement",
     "azure-automation.net",
     GROUPS({"Webhook", NULL, RULES(
                NAME("Webhook", "{name}.webhook.{geo}", "azure-automation.net", 0))},
            {"DSCAndHybridWorker", NULL, RULES(
                NAME("DSCAndHybridWorker", "{name}.jrds.{geo}", "azure-automation.net", 0),
                NAME("DSCAndHybridWorker", "{name}.agentsvc.{geo}", "azure-automation.net", 0))})},
    {"Microsoft.Sql/servers", "Azure SQL Database, Azure Synapse Analytics", NULL, "Microsoft.Sql", "Sql",
     "database.windows.net",
     GROUPS(ONE("sqlServer", "database.windows.net"))},
    {"Microsoft.Storage/storageAccounts", "Azure Storage, Azure Data Lake Storage Gen2", NULL, "Microsoft.Storage",
     "Storage", "store.core.windows.net",
     GROUPS(STORAGE("blob"), STORAGE("table"), STORAGE("queue"), STORAGE("file"), STORAGE("web"), STORAGE("dfs"))},
    {"Microsoft.DocumentDB/databaseAccounts", "Azure Cosmos DB", NAMES("Microsoft.AzureCosmosDB/databaseAccounts"),
     "Microsoft.AzureCosmosDB", "AzureCosmosDB", "cosmos.azure.com",
     GROUPS(COSMOS("Sql", "documents.azure.com"), COSMOS("MongoDB", "mongo.cosmos.azure.com"),
            COSMOS("Cassandra", "cassandra.cosmos.azure.com"), COSMOS("Gremlin", "gremlin.cosmos.azure.com"),
            COSMOS("Table", "table.cosmos.azure.com"))},
    {"Microsoft.DBforPostgreSQL/servers", "Azure Database for PostgreSQL",
     NAMES("Microsoft.DBforPostgreSQL/flexibleServers"), "Microsoft.Sql", "Sql", "postgres.database.azure.com",
     GROUPS(ONE("postgresqlServer", "postgres.database.azure.com"))},
    {"Microsoft.DBforMySQL/servers", "Azure Database for MySQL", NAMES("Microsoft.DBforMySQL/flexibleServers"),
     "Microsoft.Sql", "Sql", "mysql.database.azure.com",
     GROUPS(ONE("mysqlServer", "mysql.database.azure.com"))},
    {"Microsoft.DBforMariaDB/servers", "Azure Database for MariaDB", NULL, "Microsoft.Sql", "Sql",
     "mariadb.database.azure.com",
     GROUPS(ONE("mariadbServer", "mariadb.database.azure.com"))},
    {"Microsoft.Devices/IotHubs", "Azure IoT Hub", NULL, NULL, "AzureIoTHub", "azure-devices.net",
     GROUPS({"iotHub", NULL, RULES(
                NAME("iotHub", "{name}", "azure-devices.net", 0),
                NAME("iotHub", "{name}", "servicebus.windows.net", RULE_GIVEN))})},
    {"Microsoft.KeyVault/vaults", "Azure Key Vault", NULL, "Microsoft.KeyVault", "AzureKeyVault",
     "vaultcore.azure.net",
     GROUPS({"vault", NULL, RULES(
                {"vault", "{name}", "vault.azure.net", "privatelink.vaultcore.azure.net", 0},
                NAME("vault", "{name}", "vaultcore.azure.net", RULE_GIVEN))})},
    {"Microsoft.ContainerService/managedClusters", "Azure Kubernetes Service", NULL, NULL, "AzureCloud",
     "azmk8s.io",
     GROUPS({"management", NULL, RULES(
                NAME("management", "{name}", "{region}.azmk8s.io", 0),
                NAME("management", "{any}", "{region}.azmk8s.io", RULE_GIVEN),
                ALSO("{name}.privatelink.{region}.azmk8s.io"))})},
    {"Microsoft.Search/searchServices", "Azure Search", NAMES("Microsoft.Search/searchService"), NULL,
     "AzureCognitiveSearch", "search.windows.net",
     GROUPS(ONE("searchService", "search.windows.net"))},
    {"Microsoft.ContainerRegistry/registries", "Azure Container Registry", NULL, "Microsoft.ContainerRegistry",
     "AzureContainerRegistry", "azcr.io",
     GROUPS({"registry", NULL, RULES(
                NAME("registry", "{name}", "azurecr.io", 0),
                NAME("registry_data_{region}", "{name}.{region}.data", "azurecr.io", RULE_EACH_REGION),
                ALSO("{region}.data.privatelink.azurecr.io"), ALSO("{region}.privatelink.azurecr.io"))})},
    {"Microsoft.AppConfiguration/configurationStores", "Azure App Configuration", NULL, NULL, "AppConfiguration",
     "azconfig.io",
     GROUPS({"configurationStores", "configurationStore", RULES(
                NAME("configurationStores", "{name}", "azconfig.io", 0))})},
    {"Microsoft.RecoveryServices/vaults", "Azure Backup", NULL, NULL, "AzureBackup", "backup.windowsazure.com",
     GROUPS({"AzureBackup", "vault", RULES(
                BACKUP("fc", "1"), BACKUP("fab", "1"), BACKUP("prot", "1"), BACKUP("rec", "2"), BACKUP("ecs", "1"),
                BACKUP("id", "1"), BACKUP("tel", "1"), BACKUP("wbcm", "1"), BACKUP_STORAGE("ecs", "blob", RULE_BLOB),
                BACKUP_STORAGE("ecs", "queue", RULE_QUEUE), BACKUP_STORAGE("prot", "blob", RULE_BLOB),
                NAME("AzureBackup-fc1", "{any}", "{geo}.backup.windowsazure.com",
                     RULE_GIVEN | RULE_NO_REDIRECT | RULE_ADDRESS))},
            {"AzureSiteRecovery", NULL, RULES(
                NAME("AzureSiteRecovery", "{any}", "siterecovery.windowsazure.com", RULE_GIVEN | RULE_NO_REDIRECT),
                ALSO("{geo}.privatelink.siterecovery.windowsazure.com"))})},
    {"Microsoft.EventHub/namespaces", "Azure Event Hubs", NULL, "Microsoft.EventHub", "EventHub",
     "servicebus.windows.net",
     GROUPS(ONE("namespace", "servicebus.windows.net"))},
    {"Microsoft.ServiceBus/namespaces", "Azure Service Bus", NULL, "Microsoft.ServiceBus", "ServiceBus",
     "servicebus.windows.net",
     GROUPS(ONE("namespace", "servicebus.windows.net"))},
    {"Microsoft.Relay/namespaces", "Azure Relay", NULL, NULL, "ServiceBus", "servicebus.windows.net",
     GROUPS(ONE("namespace", "servicebus.windows.net"))},
    {"Microsoft.EventGrid/topics", "Azure Event Grid", NULL, NULL, "AzureEventGrid", "eventgrid.azure.net",
     GROUPS({"topic", NULL, RULES(
                NAME("topic", "{name}.{region}", "eventgrid.azure.net", 0),
                ALSO("topic.{region}.privatelink.eventgrid.azure.net"))})},
    {"Microsoft.EventGrid/domains", "Azure Event Grid", NULL, NULL, "AzureEventGrid", "eventgrid.azure.net",
     GROUPS({"domain", NULL, RULES(
                NAME("domain", "{name}.{region}", "eventgrid.azure.net", 0),
                ALSO("domain.{region}.privatelink.eventgrid.azure.net"))})},
    {"Microsoft.Web/sites", "Azure App Service", NULL, "Microsoft.Web", "AppService", "azurewebsites.windows.net",
     GROUPS({"sites", NULL, RULES(
                NAME("sites", "{name}", "azurewebsites.net", 0),
                NAME("sites", "{name}.scm", "azurewebsites.net", 0),
                ALSO("scm.privatelink.azurewebsites.net"))})},
    {"Microsoft.MachineLearningServices/workspaces", "Azure Machine Learning", NULL, NULL, "AzureMachineLearning",
     "api.azureml.ms",
     GROUPS({"amlworkspace", NULL, RULES(
                NAME("amlworkspace", "{name}.workspace.{region}", "api.azureml.ms", 0),
                NAME("amlworkspace", "ml-{name}-{region}.{region}", "notebooks.azure.net", 0),
                NAME("amlworkspace", "{any}", "api.azureml.ms", RULE_GIVEN),
                NAME("amlworkspace", "{any}", "notebooks.azure.net", RULE_GIVEN))})},
    {"Microsoft.SignalRService/SignalR", "SignalR", NULL, NULL, "AzureSignalR", "service.signalr.net",
     GROUPS(ONE("signalR", "service.signalr.net"))},
    {"Microsoft.Insights/privateLinkScopes", "Azure Monitor", NULL, NULL, "AzureMonitor", "monitor.azure.com",
     GROUPS({"azuremonitor", NULL, RULES(
                NAME("azuremonitor", "{any}", "monitor.azure.com", RULE_GIVEN),
                NAME("azuremonitor", "{any}", "oms.opinsights.azure.com", RULE_GIVEN),
                NAME("azuremonitor", "{any}", "ods.opinsights.azure.com", RULE_GIVEN),
                NAME("azuremonitor", "{any}", "agentsvc.azure-automation.net", RULE_GIVEN),
                NAME("azuremonitor", "{any}", "blob.core.windows.net", RULE_GIVEN))})},
    {"Microsoft.CognitiveServices/accounts", "Cognitive Services", NULL, "Microsoft.CognitiveServices",
     "CognitiveServicesManagement", "cognitiveservices.azure.com",
     GROUPS({"account", NULL, RULES(
                NAME("account", "{name}", "cognitiveservices.azure.com", 0),
                NAME("account", "{name}", "openai.azure.com", RULE_GIVEN))})},
    {"Microsoft.StorageSync/storageSyncServices", "Azure File Sync", NULL, NULL, "StorageSyncService",
     "afs.azure.net",
     GROUPS({"afs", NULL, RULES(
                NAME("afs", "{name}management.{region}", "afs.azure.net", 0),
                NAME("afs", "{name}syncp.{region}", "afs.azure.net", 0),
                NAME("afs", "{name}syncs.{region}", "afs.azure.net", 0),
                NAME("afs", "{name}monitoring.{region}", "afs.azure.net", 0),
                NAME("afs", "{any}", "afs.azure.net", RULE_GIVEN))})},
    {"Microsoft.Synapse/workspaces", "Azure Synapse Analytics", NULL, "Microsoft.Sql", "Sql", "azuresynapse.net",
     GROUPS({"Sql", NULL, RULES(
                NAME("Sql", "{name}", "sql.azuresynapse.net", 0))},
            {"SqlOnDemand", NULL, RULES(
                NAME("SqlOnDemand", "{name}-ondemand", "sql.azuresynapse.net", 0))},
            {"Dev", NULL, RULES(
                NAME("Dev", "{name}", "dev.azuresynapse.net", 0))})},
    {"Microsoft.Synapse/privateLinkHubs", "Azure Synapse Studio", NULL, NULL, "AzureCloud", "azuresynapse.net",
     GROUPS({"Web", NULL, RULES(
                NAME("Web", "{name}", "azuresynapse.net", RULE_GIVEN))})},
    {"Microsoft.Cache/redis", "Azure Cache for Redis", NULL, NULL, "AzureCloud", "redis.cache.windows.net",
     GROUPS(ONE("redisCache", "redis.cache.windows.net"))},
    {"Microsoft.Databricks/workspaces", "Azure Databricks", NULL, NULL, "AzureDatabricks", "azuredatabricks.net",
     GROUPS({"databricks_ui_api", NULL, RULES(
                NAME("databricks_ui_api", "{any}", "azuredatabricks.net", RULE_GIVEN))},
            {"browser_authentication", NULL, RULES(
                NAME("browser_authentication", "{any}", "azuredatabricks.net", RULE_GIVEN))})},
};

const struct service_endpoint_namespace namespace_table[] = {
    {"Microsoft.Storage",              {"Storage"},                     NAMESPACE_PAIRED},
    {"Microsoft.Storage.Global",       {"Storage"},                     NAMESPACE_ALL},
    {"Microsoft.Sql",                  {"Sql"},                         NAMESPACE_OWN},
    {"Microsoft.KeyVault",             {"AzureKeyVault"},               NAMESPACE_ALL},
    {"Microsoft.AzureCosmosDB",        {"AzureCosmosDB"},               NAMESPACE_ALL},
    {"Microsoft.ServiceBus",           {"ServiceBus"},                  NAMESPACE_ALL},
    {"Microsoft.EventHub",             {"EventHub"},                    NAMESPACE_ALL},
    {"Microsoft.Web",                  {"AppService"},                  NAMESPACE_ALL},
    {"Microsoft.ContainerRegistry",    {"AzureContainerRegistry"},      NAMESPACE_ALL},
    {"Microsoft.AzureActiveDirectory", {"AzureActiveDirectory"},        NAMESPACE_ALL},
    {"Microsoft.CognitiveServices",    {"CognitiveServicesManagement", "CognitiveServicesFrontend"},
                                                                        NAMESPACE_ALL},
};

/* clang-format on */

const size_t type_count = sizeof type_table / sizeof type_table[0];
const size_t namespace_count = sizeof namespace_table / sizeof namespace_table[0];
