/* pipe_change.c - which connections the change from one image to the next resets. */
#include "dataplane/pipe_int.h"

#include <errno.h>
#include <stdlib.h>

static bool takes_service_endpoint(const struct image *img, uint32_t port, ip4 dst)
{
    if (port >= img->n_ports || img->port[port].kind != PORT_NIC || !img->port[port].up)
        return false;
    const struct image_nexthop *nh = image_route(img, port, dst);
    return nh && nh->action == NH_SERVICE;
}

/* The tag of an appliance resets the flows to private endpoints that it passes on (PE-16). */
static bool gains_tag(const struct image *before, const struct image *after, uint32_t port)
{
    return port < before->n_ports && port < after->n_ports && !before->port[port].return_last_hop &&
           after->port[port].return_last_hop;
}

static bool cuts(const struct image *before, const struct image *after, const struct flow_state *s)
{
    const uint32_t port = flow_key_port(s->key);
    if (!s->flow || s->answer || flow_key_proto(s->key) != IPPROTO_NR_TCP || port >= before->n_ports ||
        port >= after->n_ports || !after->port[port].up)
        return false;                            /* what is gone resets nothing */
    if (before->port[port].kind == PORT_SERVICE) /* it is elsewhere now: PE-29 */
        return before->port[port].underlay.region != after->port[port].underlay.region;
    if (before->port[port].kind == PORT_ENDPOINT)
        return before->port[port].high_scale != after->port[port].high_scale ||
               gains_tag(before, after, s->last_hop);
    return !flow_key_dir(s->key) && takes_service_endpoint(before, port, s->key.dst) !=
                                        takes_service_endpoint(after, port, s->key.dst);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int pipe_cut_by_change(struct pipe *p, const struct image *before, const struct image *after,
                       uint32_t **flows)
{
    size_t n = 0, kept = 0;
    uint32_t *list = malloc((2 * (size_t)p->n_pairs + 1) * sizeof *list);
    if (!list)
        return -ENOMEM;
    for (uint32_t i = 0; i < 2 * p->n_pairs; i++)
        if (pipe_hot(p, i)->flags & FLOW_USED && cuts(before, after, pipe_record(p, i)))
            list[n++] = pipe_record(p, i)->flow;
    qsort(list, n, sizeof *list, by_number);
    for (size_t i = 0; i < n; i++)
        if (!kept || list[kept - 1] != list[i])
            list[kept++] = list[i];
    *flows = list;
    return (int)kept;
}
