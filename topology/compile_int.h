/* compile_int.h - the parts of compilation, shared by compile*.c.
 *
 *   compile.c         numbers, and the order of everything
 *   compile_routes.c  route tables
 *   compile_rules.c   rule sets
 *   compile_ports.c   ports, their machines and their way out
 *   compile_lb.c      load balancers, their way out, private link services
 */
#ifndef VNETSIM_TOPOLOGY_COMPILE_INT_H
#define VNETSIM_TOPOLOGY_COMPILE_INT_H

#include "topology/compile.h"

struct work {
    struct compiled *c;
    struct numbering *r;
    const struct model *m;
    struct image *img;
    uint32_t *subnet_table; /* by subnet id */
    uint32_t *vnet_table;   /* by network, for endpoints */
    uint32_t *onprem_table; /* by on-premises network */
    /* by NIC, what load balancers mean for it: the way out, and whether there is no other (O-10) */
    const struct image_share **share;
    uint32_t *share_pool;
    bool *in_standard_pool;
    size_t cap_tables, cap_acls, cap_crossings, cap_table_notes, cap_acl_notes, cap_crossing_notes;
    size_t n_table_notes, n_acl_notes, n_crossing_notes, cap_rules, n_rules;
};

#define THING(k, x) ((struct thing){THING_##k, (x)})
#define PLS_IDLE    (INT64_C(300) * 1000000000) /* ns: PE-24 */

/* compile.c */
uint32_t compile_number(struct numbers *n, const char *kind, const char *name);
uint32_t compile_realm(struct work *w, const struct vnet *v);
void compile_address(struct work *w, uint32_t realm, ip4 addr, uint32_t value);
uint32_t compile_onprem_realm(struct work *w, const struct onprem *o);
/* => the number under which a subnet is known to services. */
uint32_t compile_identity(struct work *w, const struct subnet *s);

/* compile_routes.c: indices of tables, each made when first asked for */
/* own: as the gateway itself sees the rows; NULL: as everybody else. */
uint32_t compile_table(struct work *w, const struct eff_table *rows, const struct gateway *own);
uint32_t compile_subnet_table(struct work *w, const struct subnet *s);
uint32_t compile_vnet_table(struct work *w, const struct vnet *v);
uint32_t compile_onprem_table(struct work *w, const struct onprem *o);

/* compile_rules.c */
/* => the rule set of a group at a place; NONE32: no group. endpoint: as private endpoints see it, whatever
 * the source port (PE-09). */
uint32_t compile_acl(struct work *w, const struct nsg *nsg, const struct subnet *s, enum direction d,
                     bool endpoint);

/* => the network manager's rules at a place (G-16); NONE32: none. */
uint32_t compile_admin(struct work *w, const struct subnet *s, enum direction d);

/* compile_ports.c */
/* => the port of a thing, all defaults; its host is added by the caller. */
struct image_port *compile_port(struct work *w, struct thing t, enum port_kind kind, uint32_t realm,
                                ip4 addr);
void compile_nic(struct work *w, const struct nic *nic);
void compile_service(struct work *w, const struct service *s);
void compile_endpoint(struct work *w, const struct private_endpoint *e);
void compile_gateway(struct work *w, const struct gateway *g);
void compile_onprem(struct work *w, const struct onprem *o);
void compile_internet(struct work *w, const struct internet_host *h);
void compile_resolver(struct work *w, uint32_t port, ip4 addr);
uint32_t compile_onprem_resolver(struct work *w, const struct onprem *o);

/* compile_lb.c */
void compile_lb_numbers(struct work *w);
/* Before the NICs: what each has of its load balancers' ports. */
void compile_shares(struct work *w);
/* After them: frontends, private link services, probes. */
void compile_balancers(struct work *w);
const struct image_pls *compile_pls(struct work *w, const struct pls *s);

#endif
