/* tcp_out.c - what a TCP connection sends, and the retransmission timeout's estimator. Design essay: tcp.c.
 */
#include "dataplane/tcp_int.h"

uint32_t tcp_receive_window(const struct tcp *c)
{
    return (uint32_t)TCP_WINDOW << c->rcv_scale;
}

static void emit(struct tcp *c, struct tcp_segment *s)
{
    bool syn = s->flags & TCP_SYN;
    s->window = syn ? TCP_WINDOW_SYN : s->flags & TCP_RST ? 0 : TCP_WINDOW;
    if (s->flags & TCP_ACK) {
        s->ack = c->rcv_nxt;
        c->unacked = 0;
        c->ack_at = TCP_NEVER;
    }
    c->ops->send(c, s);
}

void tcp_send(struct tcp *c, uint32_t seq, uint8_t flags)
{
    struct tcp_segment s = {.seq = seq, .flags = flags, .wscale = -1};
    emit(c, &s);
}

void tcp_send_ack(struct tcp *c)
{
    /* behind everything sent, also while an older part is sent again: an ACK is not part of the stream */
    tcp_send(c, c->snd_max, TCP_ACK);
}

void tcp_send_syn(struct tcp *c)
{
    struct tcp_segment s = {
        .seq = c->iss, .flags = TCP_SYN, .mss = c->own_mss, .wscale = (int8_t)c->rcv_scale};
    if (c->state == TCPS_SYN_RCVD)
        s.flags |= TCP_ACK;
    if (c->rcv_scale == 0)
        s.wscale = -1; /* the peer offers none, so we may not (RFC 7323 section 2.2) */
    c->snd_nxt = c->iss + 1;
    emit(c, &s);
}

void tcp_send_reset(struct tcp *c, uint32_t seq)
{
    tcp_send(c, seq, TCP_RST | TCP_ACK);
}

/* The peer's window less one segment, so that it never looks full. */
static uint32_t send_window(const struct tcp *c)
{
    uint32_t wnd = c->snd_wnd > 2u * c->mss ? c->snd_wnd - c->mss : c->snd_wnd;
    return wnd < c->cwnd ? wnd : c->cwnd;
}

static void sent(struct tcp *c, uint32_t n)
{
    bool fresh = seq_lt(c->snd_max, c->snd_nxt + n);
    if (c->snd_una == c->snd_max)
        c->stuck_since = c->now;
    c->snd_nxt += n;
    if (!fresh) {
        c->timed_at = TCP_NEVER; /* Karn */
    } else if (c->timed_at == TCP_NEVER) {
        c->timed_at = c->now;
        c->timed_end = c->snd_nxt;
    }
    if (fresh)
        c->snd_max = c->snd_nxt;
    if (c->rto_at == TCP_NEVER)
        c->rto_at = c->now + c->rto; /* RFC 6298 (5.1) */
}

/* Send the segment at snd_nxt if there is one and the windows let it; probe: one byte even into a closed
 * window.
 * => whether something was sent. A piece smaller than a segment waits while something is out (RFC
 * 9293 3.8.6.2.1), unless it is the last of what was written: that leaves at once. */
bool tcp_send_one(struct tcp *c, bool probe)
{
    uint32_t flight = c->snd_nxt - c->snd_una, wnd = send_window(c);
    uint64_t pos = c->una_off + flight;
    if (pos > c->written)
        return false; /* the FIN is out too */
    uint64_t left = c->written - pos;
    uint32_t room = wnd > flight ? wnd - flight : 0, len = left < c->mss ? (uint32_t)left : c->mss;
    if (len > room) {
        if (flight && !probe)
            return false;
        len = room ? room : probe ? 1 : 0;
    }
    bool last = len == left, fin = last && c->closing;
    if (!len && !fin)
        return false;
    struct tcp_segment s = {.seq = c->snd_nxt, .flags = TCP_ACK, .len = len, .offset = pos, .wscale = -1};
    s.flags |= (uint8_t)((len && last ? TCP_PSH : 0) | (fin ? TCP_FIN : 0));
    sent(c, len + fin);
    emit(c, &s);
    return true;
}

void tcp_resend_first(struct tcp *c)
{
    uint32_t nxt = c->snd_nxt;
    c->snd_nxt = c->snd_una;
    tcp_send_one(c, true);
    if (seq_lt(c->snd_nxt, nxt))
        c->snd_nxt = nxt;
}

void tcp_output(struct tcp *c)
{
    if (c->state < TCPS_ESTABLISHED || c->state == TCPS_FIN_WAIT_2 || c->state == TCPS_TIME_WAIT)
        return;
    while (tcp_send_one(c, false))
        ;
    /* a closed window with nothing out: ask again and again (RFC 9293 section 3.8.6.1) */
    if (c->snd_una == c->snd_max && c->written > c->una_off && c->rto_at == TCP_NEVER) {
        c->stuck_since = c->now;
        c->rto_at = c->now + c->rto;
    }
}

/* RFC 6298 section 2 with alpha 1/8, beta 1/4. */
void tcp_rtt_sample(struct tcp *c, int64_t r)
{
    if (c->srtt == 0) {
        c->srtt = r ? r : 1;
        c->rttvar = r / 2;
    } else {
        int64_t off = c->srtt > r ? c->srtt - r : r - c->srtt;
        c->rttvar += (off - c->rttvar) / 4;
        c->srtt += (r - c->srtt) / 8;
    }
}
