/* connected.h - what network managers connect (Y-20): peerings from hub to spokes, connected groups of
 * meshes. Design essay: connected.c. Memory from the arena given. */
#ifndef VNETSIM_TOPOLOGY_CONNECTED_H
#define VNETSIM_TOPOLOGY_CONNECTED_H

#include "dataplane/arena.h"
#include "topology/model.h"

/* Once while a model is bound. The first before links are paired: it takes out those that
 * deleteExistingPeering removes, adds those of hubs and spokes, and keeps the registry of links. The second
 * after that: model.connectedGroups, and each network's. References that did not resolve (NULL) are skipped.
 */
void connected_peerings(struct arena *a, struct model *m);
void connected_groups(struct arena *a, struct model *m);

/* Another network of a connected group, and what of its space the group carries. */
struct connected_link {
    const struct connected_group *group;
    const struct vnet *remote;
    prefix_list space;
};
/* => what a network reaches by connected groups: groups and members in file order, a network once per group.
 */
size_t connected_links(struct arena *a, const struct vnet *v, struct connected_link **out);
/* Why a mesh that a network is in does not lead to an address although a network with it is in that mesh,
 * too: another region, or the address overlaps. => a sentence without full stop, or NULL: nothing of the
 * kind. */
const char *connected_absent(struct arena *a, const struct model *m, const struct vnet *v, ip4 ip);
/* => whether two networks share a group that carries ip, an address of there. */
bool connected_exposes(const struct vnet *here, const struct vnet *there, ip4 ip);

#endif
