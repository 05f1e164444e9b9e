/* watcher.h - what Azure's Network Watcher answers about one NIC without sending a packet: the next hop of an
 * address (F-04) and whether the security groups let a packet pass (F-05). Pure functions over effective
 * routes and rules.
 *
 * Addresses and ports in host order; memory from the arena given; the model is borrowed. Nothing here fails
 * but the printers: 0, or a negative errno when writing failed. */
#ifndef VNETSIM_TOPOLOGY_WATCHER_H
#define VNETSIM_TOPOLOGY_WATCHER_H

#include <stdio.h>

#include "topology/routes.h"
#include "topology/rules.h"

struct watcher_hop {
    const char *type;            /* watcher_type_word; never NULL */
    ip4 address;                 /* 0: none */
    const char *route_table;     /* "System Route", or the ARM id of the user route */
    const struct eff_route *row; /* NULL: an address of the host agent, which no route leads to */
};

/* => the next hop of packets to an address that leave the NIC. */
struct watcher_hop watcher_next_hop(struct arena *a, const struct model *m, const struct nic *nic, ip4 to);
int watcher_print_hop(FILE *to, const struct watcher_hop *h, bool json);

/* => a next hop type in the words of next hop's documentation (RULES.md 3.3), which are not those of
 * effective routes: VirtualNetwork, VirtualNetworkPeering; InterfaceEndpoint and ConnectedGroup, which it leaves
 * out, stay as they are. A literal. */
const char *watcher_type_word(enum nexthop_type t);

struct watcher_packet { /* as seen from the NIC */
    enum direction direction;
    uint8_t protocol; /* IP protocol number */
    ip4 local, remote;
    uint16_t local_port, remote_port;
};

struct watcher_check {
    bool allow;
    const struct eff_rule *rule; /* that denies, else of the group asked last; NULL: no group was asked */
};

/* => what the network manager's rules (G-16) and then the security groups say to a first packet: outbound the NIC's, then the subnet's; inbound the other
 * way round (G-03). Traffic with the host agent passes by groups without platform rules (G-14); without any
 * group all passes, but what comes from the Internet to a Standard public address (G-19). */
struct watcher_check watcher_verify(struct arena *a, const struct model *m, const struct nic *nic,
                                    const struct watcher_packet *p);
int watcher_print_check(FILE *to, const struct watcher_check *c, bool json);

/* => "defaultSecurityRules/DenyAllInBound", "securityRules/web", "securityAdminRules/no-ssh": a rule as IP flow verify names it. */
const char *watcher_rule_name(struct arena *a, const struct eff_rule *r);

/* An identifier in the form of Azure's GUIDs, derived from a text: the same in every run. */
#define WATCHER_GUID_LEN 37
void watcher_guid(const char *of, char *out);

#endif
