/* pipe_view.c - see pipe_view.h. */
#include "dataplane/pipe_view.h"

int pipe_view_of(const struct image *img, uint32_t port, const struct packet *p, struct pipe_view *v)
{
    int rc = packet_parse(p->data, p->len, &v->info);
    v->error = rc == 0 && v->info.proto == IPPROTO_NR_ICMP && img->port[port].kind != PORT_SERVICE &&
               packet_parse_inner(p->data, &v->info, &v->quoted) == 0;
    if (v->error) {
        v->answer = v->quoted;
        v->answer.src = v->quoted.dst;
        v->answer.dst = v->quoted.src;
        v->answer.sport = v->quoted.dport;
        v->answer.dport = v->quoted.sport;
        v->answer.tcp_flags = TCP_ACK;
        v->answer.frag_offset = 0;
        v->answer.mf = false;
        v->answer.ip_len = v->info.ip_len;
        v->answer.stands_for_error = true;
    }
    return rc;
}

void pipe_view_apply(struct packet *p, struct pipe_view *v, const struct pipe_decision *d)
{
    struct packet_info *info = &v->info;
    if (d->set_src && (!v->error || info->src == v->answer.src))
        packet_set_src(p, info, d->src, d->sport);
    if (d->set_src && v->error)
        packet_set_inner_dst(p, info, &v->quoted, d->src, d->sport);
    if (d->set_dst)
        packet_set_dst(p, info, d->dst, d->dport);
    if (d->set_dst && v->error)
        packet_set_inner_src(p, info, &v->quoted, d->dst, d->dport);
    if (!v->error)
        packet_shift_seq(p, info, d->seq_add, d->ack_add);
}
