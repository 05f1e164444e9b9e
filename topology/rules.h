/* rules.h - effective security rules: what a network security group means at one place, in evaluation order,
 * with every tag and group written out as prefixes. Rules: section 7 (G) of topology/RULES.md. Design essay:
 * rules.c.
 *
 * Memory from the arena given; the model is borrowed. Nothing here fails. */
#ifndef VNETSIM_TOPOLOGY_RULES_H
#define VNETSIM_TOPOLOGY_RULES_H

#include <stdio.h>

#include "topology/tagspace.h"

/* The defaults of every group (G-02), inbound then outbound, by priority. */
enum default_rule {
    RULE_USER, /* not a default */
    RULE_ALLOW_VNET_IN,
    RULE_ALLOW_LB_IN,
    RULE_DENY_ALL_IN,
    RULE_ALLOW_VNET_OUT,
    RULE_ALLOW_INTERNET_OUT,
    RULE_DENY_ALL_OUT,
};

struct eff_side {            /* one end of a rule; matches if any prefix and any port range match (G-17) */
    struct prefix_set set;   /* empty (a group without members): the rule never matches; leave it out where an
                              * empty list means any */
    bool any;                /* '*': set is 0.0.0.0/0 */
    bool tagged, grouped;    /* names a tag; names application security groups */
    const char *const *text; /* as written: prefixes, tags, "*", names of groups */
    size_t n_text;
    const struct port_match *port; /* at least one */
    size_t n_port;
};

struct eff_rule {
    uint32_t index;   /* position in evaluation order: priority, then file order */
    const char *name; /* bare: storage, DenyAllOutBound */
    enum default_rule which;
    const struct nsg *nsg;          /* NULL: a security admin rule */
    const struct admin_rule *admin; /* the network manager's; or NULL */
    const char *group;              /* the group's name; of admin rules "manager/configuration/collection" */
    const struct security_rule *rule; /* or NULL: a default */
    uint32_t priority;
    enum direction direction;
    enum access access;
    uint8_t protocol; /* IP protocol number, 0: any */
    struct eff_side source, destination;
    struct origin origin; /* of the rule; of the group for defaults */
};

struct eff_rules {          /* one group at one place in one direction */
    const struct nsg *nsg;  /* NULL: security admin rules */
    struct route_view view; /* where it is seen from: VirtualNetwork depends on it */
    const struct nic *nic;  /* the group is the NIC's; NULL: the subnet's */
    enum direction direction;
    const struct eff_rule *rule;
    size_t n;
};

/* => the rules of a group in evaluation order, the defaults last; n is never 0. */
const struct eff_rules *rules_effective(struct arena *a, const struct model *m, const struct nsg *nsg,
                                        struct route_view v, enum direction d);

/* => the security admin rules of a network as one of its subnets sees them (G-16): of the managers in file
 * order, each one's by priority. NULL: none, or the subnet is one of those that Azure leaves out (gateways,
 * Azure Firewall, Bastion, Route Server). */
const struct eff_rules *rules_admin(struct arena *a, const struct model *m, struct route_view v,
                                    enum direction d);
/* => whether the network is in a group that the collection applies to. */
bool rules_applies(const struct admin_collection *k, const struct vnet *v);
/* => the first admin rule that matches, or NULL. */
const struct eff_rule *rules_match_admin(const struct eff_rules *r, uint8_t proto, ip4 src, uint16_t sport,
                                         ip4 dst, uint16_t dport);

/* The first rule that matches (G-01): linear, the reference. proto: IP protocol number; ports 0 where it has
 * none (a rule that asks for ports then matches only with the full range). => never NULL: DenyAll* ends the
 * list. */
const struct eff_rule *rules_match(const struct eff_rules *r, uint8_t proto, ip4 src, uint16_t sport, ip4 dst,
                                   uint16_t dport);

/* => whether the ports leave none out: what protocols without ports need to match. */
bool rules_all_ports(const struct eff_side *s);

/* Platform traffic (DHCP, DNS, metadata, probes) passes by all rules but those that name its tag (G-14,
 * N-17).
 * => whether either end of the rule names AzurePlatformDNS, AzurePlatformIMDS or AzurePlatformLKM. */
enum platform_tag { PLATFORM_DNS, PLATFORM_IMDS, PLATFORM_LKM };
bool rules_touch_platform(const struct eff_rule *r, enum platform_tag which);

/* What an outbound group says about an address of the platform (168.63.129.16, 169.254.169.254): the rules
 * whose destination names its tag, then the default AllowVnetOutBound, which lets the rest pass: no other
 * rule touches it (G-14, N-17), whatever its prefixes. n is 1 where no rule names the tag: the group is not
 * asked. */
const struct eff_rules *rules_for_agent(struct arena *a, const struct eff_rules *r, ip4 agent);

/* All rules that a NIC's packets meet: inbound the admin rules, subnet, NIC, outbound the admin rules, NIC,
 * subnet (G-03, G-16); missing ones left out. */
struct nic_rules {
    const struct nic *nic;
    const struct eff_rules *at[6];
    size_t n;
};
const struct nic_rules *rules_of_nic(struct arena *a, const struct model *m, const struct nic *nic);

/* Print as `az network nic list-effective-nsg` does (F-11), or as a table in evaluation order with the place
 * of each definition. => 0, or a negative errno when writing failed. */
int rules_print_json(FILE *to, const struct nic_rules *r);
int rules_print_table(FILE *to, const struct nic_rules *r);

#endif
