/* endpoint_policy.h - service endpoint policies: which resources a subnet's service endpoint leads to (SE-19). */
#ifndef VNETSIM_TOPOLOGY_ENDPOINT_POLICY_H
#define VNETSIM_TOPOLOGY_ENDPOINT_POLICY_H

#include "dataplane/arena.h"
#include "topology/model.h"

/* Decide on a request that went through a service endpoint of the subnet to the resource. Policies count for the services
 * that their definitions name; where none names the resource's service, all of it can be reached; else what any of them
 * lists. An entry of serviceResources lists a resource by its name, its resource group's or its subscription's, or by an
 * ARM id of one of these; a word that names a service of the scenario means that one alone. NAME-secondary is the
 * read-only secondary of NAME. Classic storage accounts cannot be listed.
 * => whether the request may pass. *rule_text (NULL: not wanted; untouched without any policy for the service) says what
 * decided: "serviceEndpointPolicies only-ours, definition Microsoft.Storage: ourstore", or "...: not listed"; owned by a. */
bool endpoint_policy_allows(struct arena *a, const struct model *m, const struct subnet *s, const struct service *resource,
                            const char **rule_text);

#endif
