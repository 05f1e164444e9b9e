/* bind_finish.h - what the tables of schema.c cannot say about one element: defaults that depend on other
 * members, keys that exclude each other. Called by the binder after the fields of the element are set (those
 * that failed are not). */
#ifndef VNETSIM_TOPOLOGY_BIND_FINISH_H
#define VNETSIM_TOPOLOGY_BIND_FINISH_H

struct bind;
struct node;

typedef void finish_fn(struct bind *b, void *obj, const struct node *map);

finish_fn finish_subnet, finish_nic, finish_route, finish_rule, finish_public_ip, finish_frontend,
    finish_probe, finish_lb_rule, finish_lb, finish_pls, finish_service, finish_pe_ip, finish_endpoint,
    finish_zone, finish_record, finish_gateway, finish_flow_log, finish_flow, finish_expect_route,
    finish_expectation, finish_chain, finish_root, finish_admin_address, finish_admin_rule,
    finish_connectivity;

#endif
