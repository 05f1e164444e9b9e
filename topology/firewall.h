/* firewall.h - whether a platform service takes a request: its own rules, after the network has delivered it.
 * Essay: firewall.c. */
#ifndef VNETSIM_TOPOLOGY_FIREWALL_H
#define VNETSIM_TOPOLOGY_FIREWALL_H

#include "dataplane/arena.h"
#include "topology/model.h"

/* What a service can tell about a request. Members that do not apply are NULL or 0. */
struct caller {
    const struct private_endpoint *endpoint; /* it came through this endpoint; else by the public address */
    ip4 source; /* as the service sees it: public after SNAT, private behind an endpoint of any kind */
    const struct subnet *subnet;   /* the identity that a service endpoint carries (SE-01) */
    const struct service *service; /* the caller is itself a platform service */
    const struct service *asked;   /* the resource that the request names; NULL: the one at the address */
    const char *region;            /* of the caller, where it is in Azure; NULL outside */
    const char *tenant; /* of the caller's network or resource; NULL unknown, which is no mismatch */
};

/* Decide on a request that arrived at the address of s (s->publicIPAddress, or the endpoint's).
 * => REASON_NONE: let in; else one of PUBLIC_ACCESS_DISABLED, PRIVATE_ENDPOINT_ONLY, TENANT_MISMATCH,
 * SERVICE_FIREWALL, WRONG_RESOURCE, ENDPOINT_NOT_APPROVED, ENDPOINT_POLICY_DENY. *rule_text (NULL: not wanted) says what decided,
 * as the scenario calls it: "ipRules 203.0.113.0/24", "virtualNetworkRules hub/clients", "defaultAction
 * Deny"; a literal or owned by a. A pure function of its arguments; cannot fail. Order of the rules: SE-12.
 */
enum reason firewall_decide(struct arena *a, const struct model *m, const struct service *s,
                            const struct caller *c, const char **rule_text);

#endif
