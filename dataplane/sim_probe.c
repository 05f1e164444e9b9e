/* sim_probe.c - health probes of load balancers (B-03): TCP connections from 168.63.129.16 to each backend,
 * opened and closed, with or without an HTTP request in between (B-10), in real packets that pass the
 * backend's security groups.
 *
 * The platform's resolver has that address already, so its machine probes. To it a probe is a flow like
 * others, with a number that no flow of a scenario has; its packets carry the target's number instead of a
 * flow's. */
#include "dataplane/host_payload.h"
#include "dataplane/proxy.h"
#include "dataplane/sim_int.h"

#include <stdio.h>
#include <string.h>

static struct host *prober(const struct sim *s)
{
    return s->img->resolver < s->n_hosts ? s->host[s->img->resolver] : NULL;
}

static void begin(void *ctx, uint32_t target, uint64_t row)
{
    struct sim *s = ctx;
    if (prober(s))
        host_stop(prober(s), PROBE_FLOW | target);
    pipe_health(s->pipe, target, health_well(s->health, target));
    sim_push(s, s->now, EV_PROBE, target, row, NULL);
}

void sim_probe_image(struct sim *s, bool first)
{
    health_image(s->health, s->img, first, begin, s);
}

static void publish(struct sim *s, uint32_t target)
{
    pipe_health(s->pipe, target, health_well(s->health, target));
}

void sim_probe(struct sim *s, uint32_t target, uint64_t row)
{
    bool pending;
    struct host *h = prober(s);
    bool go = health_next(s->health, target, row, &pending);
    if (pending && h)
        host_stop(h, PROBE_FLOW | target);
    publish(s, target);
    if (!go || !h)
        return;
    sim_push(s, s->now + s->img->target[target].interval, EV_PROBE, target, row, NULL);
    host_start(h, PROBE_FLOW | target);
}

void sim_probe_trace(struct sim *s, const struct packet *p, enum reason why)
{
    if (why == REASON_NONE || why == REASON_LINK_LOSS)
        return;
    health_lost(s->health, p->meta.probe - 1);
    publish(s, p->meta.probe - 1);
}

const struct flow_spec *sim_probe_spec(struct sim *s, uint32_t flow)
{
    const struct image_target *t = &s->img->target[flow & ~PROBE_FLOW];
    const struct image_port *at = &s->img->port[t->port];
    char host[IP4_STRLEN + 8];
    const size_t n = strlen(ip4_format(at->addr, host));
    snprintf(host + n, sizeof host - n, ":%u", t->tcp_port);
    s->probe = (struct flow_spec){.id = flow,
                                  .addr = at->addr,
                                  .proto = IPPROTO_NR_TCP,
                                  .dport = t->tcp_port,
                                  .request_bytes = t->path    ? payload_probe_bytes(t->path, host, t->proxy)
                                                   : t->proxy ? PROXY_LOCAL_LEN
                                                              : 0,
                                  .http = t->path,
                                  .realm = at->realm,
                                  .probe = (flow & ~PROBE_FLOW) + 1,
                                  .proxy = t->proxy};
    return &s->probe;
}

void sim_probe_done(struct sim *s, uint32_t flow, enum flow_outcome what)
{
    /* a connection that was opened is enough, however it ended; by HTTP, only the answer is */
    const bool by_http = s->img->target[flow & ~PROBE_FLOW].path != NULL;
    health_outcome(s->health, flow & ~PROBE_FLOW, what == FLOW_OK || (what == FLOW_RESET && !by_http));
    publish(s, flow & ~PROBE_FLOW);
}
