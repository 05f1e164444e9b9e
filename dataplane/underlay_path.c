/* underlay_path.c - see underlay_path.h. The formulas are in underlay.c. */
#include "dataplane/underlay_path.h"

#include "dataplane/spread.h"

static bool on_host(const struct image_port *p)
{
    return p->kind == PORT_NIC || p->kind == PORT_GATEWAY;
}

/* The answer takes the request's way back. */
static void turn(struct underlay_tunnel *t)
{
    struct underlay_tunnel back = *t;
    back.src = t->dst;
    back.dst = t->src;
    back.from = t->to;
    back.to = t->from;
    back.sender = t->receiver;
    back.receiver = t->sender;
    *t = back;
}

/* The host of a machine, or of the gateway's instance that has the flow. */
static ip4 host_of(const struct image_port *p, const struct packet_info *in, const struct packet_meta *meta)
{
    const uint16_t sport = in->frag_offset ? meta->sport : in->sport,
                   dport = in->frag_offset ? meta->dport : in->dport;
    if (!p->n_instances)
        return p->underlay.host;
    return p->instances[spread_choose(spread_flow(in->proto, in->src, sport, in->dst, dport), p->instances,
                                      p->n_instances)];
}

static void network(const struct image *img, uint32_t from, uint32_t to, const struct packet_info *info,
                    const struct packet_meta *meta, struct underlay_tunnel *t)
{
    const struct image_port *a = &img->port[from], *b = &img->port[to];
    *t = (struct underlay_tunnel){UNDERLAY_NETWORK,
                                  .src = host_of(a, info, meta),
                                  .dst = host_of(b, info, meta),
                                  .key = b->underlay.network,
                                  .sender = from,
                                  .receiver = to,
                                  .endpoint = PORT_NONE};
}

/* From the client's machine to the service at its public address. */
static void service_tunnel(const struct image *img, uint32_t client, uint32_t service, ip4 src, ip4 dst,
                           struct underlay_tunnel *t)
{
    const struct underlay_end *c = &img->port[client].underlay, *s = &img->port[service].underlay;
    const struct underlay_part sip = underlay_part_subnet(c), dip = underlay_part_service(s);
    *t = (struct underlay_tunnel){UNDERLAY_SERVICE_TUNNEL,
                                  .src = c->host,
                                  .dst = dst,
                                  .key = UNDERLAY_KEY,
                                  .from = underlay_link_dst(src, &sip),
                                  .to = underlay_link_dst(dst, &dip),
                                  .sender = client,
                                  .receiver = service,
                                  .endpoint = PORT_NONE};
}

/* From the client's machine to what is behind the endpoint: the mapping gives the whole destination. */
static void private_link(const struct image *img, uint32_t client, uint32_t endpoint, ip4 src,
                         struct underlay_tunnel *t)
{
    const struct image_port *service = &img->port[img->port[endpoint].service];
    const struct underlay_end *c = &img->port[client].underlay, *s = &service->underlay;
    const struct underlay_part sip = underlay_part_link(img->port[endpoint].underlay.link),
                               nic = underlay_part_nic(c);
    const struct underlay_part dip = underlay_part_service(s);
    *t = (struct underlay_tunnel){UNDERLAY_PRIVATE_LINK,
                                  .src = c->host,
                                  .dst = s->host,
                                  .key = UNDERLAY_KEY,
                                  .from = underlay_link_src(src, &sip, &nic),
                                  .to = underlay_link_dst(service->addr, &dip),
                                  .sender = client,
                                  .receiver = img->port[endpoint].service,
                                  .endpoint = endpoint};
}

bool underlay_path(const struct image *img, uint32_t from, uint32_t to, uint8_t link,
                   const struct packet_info *info, const struct packet_meta *meta, struct underlay_tunnel *t)
{
    const struct image_port *a = &img->port[from], *b = &img->port[to];
    if (a->kind == PORT_ENDPOINT && a->service >= img->n_ports) {
        return false; /* one's own service: how it travels is not published */
    } else if (a->kind == PORT_FRONTEND && on_host(b)) { /* no hop either: what the client's host sends */
        if (meta->consumer || meta->last_hop >= img->n_ports || !on_host(&img->port[meta->last_hop]))
            return false;
        network(img, meta->last_hop, to, info, meta, t);
    } else if (a->kind == PORT_ENDPOINT && to == a->service) {
        if (meta->last_hop >= img->n_ports || !on_host(&img->port[meta->last_hop]))
            return false;
        private_link(img, meta->last_hop, from, info->src, t);
    } else if (a->kind == PORT_ENDPOINT && on_host(b)) {
        private_link(img, to, from, info->dst, t);
        turn(t);
    } else if (on_host(a) && b->kind == PORT_SERVICE && meta->identity != IDENTITY_NONE) {
        service_tunnel(img, from, to, info->src, info->dst, t);
    } else if (a->kind == PORT_SERVICE && on_host(b) && meta->identity != IDENTITY_NONE) {
        service_tunnel(img, to, from, info->dst, info->src, t);
        turn(t);
    } else if (on_host(a) && on_host(b) && from != to && link != img->link_internet &&
               link != img->link_backbone) {
        network(img, from, to, info, meta, t);
    } else {
        return false;
    }
    return true;
}
