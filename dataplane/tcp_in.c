/* tcp_in.c - what a TCP connection makes of an arriving segment, in the order of RFC 9293 section 3.10.7:
 * acceptable or not, RST, SYN, ACK, data, FIN. Design essay: tcp.c.
 *
 * Data out of order waits as ranges of sequence numbers. A FIN and the last PSH are remembered by where they
 * stand and count when everything before them is here. */
#include "dataplane/tcp_int.h"

#include "dataplane/mem.h"

#include <string.h>

/* -- opening --------------------------------------------------------------------------------------------- */

static void take_syn(struct tcp *c, const struct tcp_segment *s)
{
    uint16_t mss = s->mss ? s->mss : TCP_MSS_NONE;
    c->irs = s->seq;
    c->rcv_nxt = s->seq + 1;
    c->mss = mss < c->own_mss ? mss : c->own_mss;
    if (s->wscale < 0)
        c->rcv_scale = 0;
    else
        c->snd_scale = (uint8_t)(s->wscale < 14 ? s->wscale : 14); /* RFC 7323 section 2.3 */
    c->snd_wnd = s->window;                                        /* the window of a SYN is never scaled */
    c->snd_wl1 = s->seq;
    c->snd_wl2 = s->ack;
}

static void take_timeout(struct tcp *c)
{
    int64_t rto = c->srtt + 4 * c->rttvar;
    c->rto = rto < TCP_RTO_MIN ? TCP_RTO_MIN : rto > TCP_RTO_MAX ? TCP_RTO_MAX : rto;
}

/* Our SYN is acknowledged: the connection stands. */
static void establish(struct tcp *c, enum tcp_event e)
{
    uint32_t initial = 10u * c->mss, least = 2u * c->mss > 14600 ? 2u * c->mss : 14600;
    c->cwnd = initial < least ? initial : least; /* RFC 6928 section 2 */
    if (c->timed_at != TCP_NEVER) {
        tcp_rtt_sample(c, c->now - c->timed_at);
        take_timeout(c);
    } else {
        c->rto = TCP_RTO_LATER;
        c->cwnd = c->mss; /* RFC 5681 (3.1): the SYN was lost */
    }
    c->timed_at = c->rto_at = TCP_NEVER;
    c->backoff = 0;
    c->snd_una = c->snd_nxt = c->snd_max = c->iss + 1;
    c->progress_at = c->now;
    tcp_move(c, e);
    if (c->closing)
        tcp_move(c, TCPE_CLOSE);
}

void tcp_accept(struct tcp *c, const struct tcp_ops *ops, int64_t now, uint32_t iss, uint16_t mss,
                const struct tcp_segment *syn)
{
    tcp_init(c, ops, now, iss, mss);
    c->state = TCPS_SYN_RCVD;
    take_syn(c, syn);
    tcp_send_syn(c);
    tcp_arm(c);
}

/* RFC 9293 section 3.10.7.3. */
static void input_syn_sent(struct tcp *c, const struct tcp_segment *s)
{
    bool ack = s->flags & TCP_ACK;
    if (ack && s->ack != c->snd_max) {
        if (!(s->flags & TCP_RST))
            tcp_send(c, s->ack, TCP_RST);
        return;
    }
    if (s->flags & TCP_RST) {
        if (ack)
            tcp_end(c, TCPE_RST, TCP_REFUSED);
        return;
    }
    if (!(s->flags & TCP_SYN))
        return;
    take_syn(c, s);
    if (!ack) {
        tcp_move(c, TCPE_SYN);
        tcp_send_syn(c);
        return;
    }
    establish(c, TCPE_SYN_ACK);
    tcp_send_ack(c); /* on its own, before the user writes: three segments open a connection */
    c->ops->news(c, TCP_OPENED);
}

/* -- acknowledgements ------------------------------------------------------------------------------------ */

static void grow(struct tcp *c, uint32_t acked)
{
    uint32_t step = c->mss;
    if (c->cwnd < c->ssthresh)
        step = acked < step ? acked : step; /* slow start, RFC 5681 (2) */
    else
        step = step * step / c->cwnd ? step * step / c->cwnd : 1; /* congestion avoidance, (3) */
    c->cwnd = c->cwnd + step < TCP_CWND_MAX ? c->cwnd + step : TCP_CWND_MAX;
}

/* RFC 6582 section 3.2, step 3: all that was out at the loss is acknowledged, or there is another hole. */
static void recovery_ack(struct tcp *c, uint32_t acked)
{
    uint32_t flight = c->snd_max - c->snd_una;
    if (seq_le(c->recover, c->snd_una)) {
        uint32_t gentle = (flight > c->mss ? flight : c->mss) + c->mss;
        c->cwnd = c->ssthresh < gentle ? c->ssthresh : gentle;
        c->recovering = false;
        return;
    }
    c->cwnd = c->cwnd > acked + c->mss ? c->cwnd - acked : c->mss;
    if (acked >= c->mss)
        c->cwnd += c->mss;
    tcp_resend_first(c);
}

static void new_ack(struct tcp *c, uint32_t ack)
{
    uint32_t acked = ack - c->snd_una;
    bool fin = c->una_off + acked > c->written;
    c->snd_una = ack;
    c->una_off += acked - fin;
    if (seq_lt(c->snd_nxt, ack))
        c->snd_nxt = ack;
    if (c->timed_at != TCP_NEVER && seq_le(c->timed_end, ack)) {
        tcp_rtt_sample(c, c->now - c->timed_at);
        c->timed_at = TCP_NEVER;
    }
    if (c->srtt)
        take_timeout(c); /* ends the backoff, as common stacks do */
    c->backoff = 0;
    c->dupacks = 0;
    c->stuck_since = c->progress_at = c->now;
    c->rto_at = c->snd_una == c->snd_max ? TCP_NEVER : c->now + c->rto; /* RFC 6298 (5.2), (5.3) */
    if (c->recovering)
        recovery_ack(c, acked);
    else
        grow(c, acked);
    if (fin)
        tcp_move(c, TCPE_ACKED);
    if (fin && (c->state == TCPS_TIME_WAIT || c->state == TCPS_CLOSED))
        c->ops->news(c, TCP_DONE);
}

/* RFC 5681 section 3.2 with the guard of RFC 6582 (only what was sent after the last loss starts a recovery).
 */
static void duplicate_ack(struct tcp *c)
{
    uint32_t half = (c->snd_max - c->snd_una) / 2;
    if (c->recovering) {
        c->cwnd += c->mss;
        return;
    }
    if (++c->dupacks != 3 || !seq_lt(c->recover, c->snd_una))
        return;
    c->ssthresh = half > 2u * c->mss ? half : 2u * c->mss;
    c->recover = c->snd_max;
    c->recovering = true;
    tcp_resend_first(c);
    c->cwnd = c->ssthresh + 3u * c->mss;
}

/* => false: the segment acknowledges what was never sent, and counts no further. */
static bool take_ack(struct tcp *c, const struct tcp_segment *s)
{
    uint32_t wnd = (uint32_t)s->window << c->snd_scale;
    if (seq_lt(c->snd_max, s->ack)) {
        tcp_send_ack(c);
        return false;
    }
    if (seq_lt(s->ack, c->snd_una))
        return true;
    bool same = wnd == c->snd_wnd && !s->len && !(s->flags & TCP_FIN);
    if (seq_lt(c->snd_wl1, s->seq) || (c->snd_wl1 == s->seq && seq_le(c->snd_wl2, s->ack))) {
        c->snd_wnd = wnd;
        c->snd_wl1 = s->seq;
        c->snd_wl2 = s->ack;
    }
    if (s->ack != c->snd_una)
        new_ack(c, s->ack);
    else if (same && c->snd_una != c->snd_max)
        duplicate_ack(c);
    return true;
}

/* -- data ------------------------------------------------------------------------------------------------ */

/* Keep [start, end), which begins beyond rcv_nxt. Without room it is dropped: the peer sends it again. */
static void keep_range(struct tcp *c, uint32_t start, uint32_t end)
{
    struct tcp_range *r = c->range;
    unsigned i = 0, j;
    if (!r && !(r = c->range = mem_array(TCP_RANGES, sizeof *r)))
        return;
    while (i < c->n_range && seq_lt(r[i].end, start))
        i++;
    for (j = i; j < c->n_range && seq_le(r[j].start, end); j++) { /* joined by the new one */
        start = seq_lt(r[j].start, start) ? r[j].start : start;
        end = seq_lt(end, r[j].end) ? r[j].end : end;
    }
    if (i == j && c->n_range == TCP_RANGES)
        return;
    memmove(r + i + 1, r + j, (c->n_range - j) * sizeof *r);
    c->n_range -= j - i;
    c->n_range++;
    r[i] = (struct tcp_range){start, end};
}

/* rcv_nxt reached further: take what waits right behind it. */
static void absorb(struct tcp *c)
{
    unsigned n = 0;
    for (; n < c->n_range && seq_le(c->range[n].start, c->rcv_nxt); n++) {
        if (seq_lt(c->rcv_nxt, c->range[n].end))
            c->rcv_nxt = c->range[n].end;
    }
    c->n_range -= n;
    if (n)
        memmove(c->range, c->range + n, c->n_range * sizeof *c->range);
}

static void note_flags(struct tcp *c, const struct tcp_segment *s, uint32_t end)
{
    if (s->flags & TCP_PSH && s->len && (!c->push_seen || seq_lt(c->push_seq, end))) {
        c->push_seen = true;
        c->push_seq = end;
    }
    if (s->flags & TCP_FIN) {
        c->fin_seen = true;
        c->fin_seq = end;
    }
}

/* => whether an ACK must leave at once: something is missing, or was filled, or the sender waits (PSH, FIN).
 */
static bool take_data(struct tcp *c, const struct tcp_segment *s)
{
    uint32_t start = s->seq, end = s->seq + s->len, before = c->rcv_nxt;
    uint32_t limit = c->rcv_nxt + tcp_receive_window(c);
    if (seq_lt(start, c->rcv_nxt))
        start = c->rcv_nxt;
    if (seq_lt(limit, end))
        end = limit;
    else
        note_flags(c, s, end);
    if (!seq_lt(start, end))
        return s->len > 0; /* nothing new */
    c->unacked++;
    if (start != c->rcv_nxt) {
        keep_range(c, start, end);
        tcp_send_ack(c); /* a duplicate ACK for each, RFC 5681 section 4.2 */
        return false;
    }
    bool gap = c->n_range > 0;
    c->rcv_nxt = end;
    absorb(c);
    c->received += c->rcv_nxt - before;
    c->message_end = c->push_seen && seq_le(c->push_seq, c->rcv_nxt);
    if (c->message_end)
        c->push_seen = false;
    c->progress_at = c->now;
    return gap || c->unacked >= 2 || s->flags & (TCP_PSH | TCP_FIN);
}

static void take_fin(struct tcp *c)
{
    c->fin_seen = false;
    c->rcv_nxt++;
    c->progress_at = c->now;
    tcp_move(c, TCPE_FIN);
    if (c->state == TCPS_CLOSE_WAIT) {
        c->unacked++;
        c->ops->news(c, TCP_PEER_CLOSED); /* a user that closes now acknowledges with its own FIN */
        return;
    }
    tcp_send_ack(c);
    if (c->state == TCPS_TIME_WAIT)
        c->ops->news(c, TCP_DONE);
}

static bool takes_data(const struct tcp *c)
{
    return c->state == TCPS_ESTABLISHED || c->state == TCPS_FIN_WAIT_1 || c->state == TCPS_FIN_WAIT_2;
}

/* Text and FIN of an acceptable segment, and the ACK they call for. */
static void input_text(struct tcp *c, const struct tcp_segment *s)
{
    bool now = false;
    if (takes_data(c) && (s->len || s->flags & TCP_FIN)) {
        uint64_t before = c->received;
        now = take_data(c, s);
        if (c->received != before)
            c->ops->news(c, TCP_DATA);
    }
    if (c->state == TCPS_CLOSED)
        return; /* the user cut the connection */
    if (takes_data(c) && c->fin_seen && c->fin_seq == c->rcv_nxt) {
        take_fin(c);
        now = true;
    } else if (s->flags & TCP_FIN && !s->len && c->fin_seen) {
        tcp_send_ack(c); /* a bare FIN behind a hole */
    }
    tcp_output(c);
    if (c->state == TCPS_CLOSED || !c->unacked)
        return;
    if (now)
        tcp_send_ack(c);
    else if (c->ack_at == TCP_NEVER)
        c->ack_at = c->now + TCP_ACK_DELAY;
}

/* -- any segment ----------------------------------------------------------------------------------------- */

static bool in_window(const struct tcp *c, uint32_t seq)
{
    return seq - c->rcv_nxt < tcp_receive_window(c);
}

/* RFC 9293 section 3.10.7.4, first. */
static bool acceptable(const struct tcp *c, const struct tcp_segment *s)
{
    uint32_t n = s->len + (s->flags & TCP_SYN ? 1 : 0) + (s->flags & TCP_FIN ? 1 : 0);
    return in_window(c, s->seq) || (n && in_window(c, s->seq + n - 1));
}

/* Not acceptable: say what we expect. Empty segments are answered now and then only, or two confused ends
 * would answer each other for ever (RFC 5961 section 7). */
static void challenge(struct tcp *c, const struct tcp_segment *s)
{
    bool empty = !s->len && !(s->flags & (TCP_SYN | TCP_FIN));
    if (empty && c->now - c->challenge_at < TCP_CHALLENGE)
        return;
    if (empty)
        c->challenge_at = c->now;
    if (c->state == TCPS_SYN_RCVD && s->flags & TCP_SYN && s->seq == c->irs) {
        c->timed_at = TCP_NEVER;
        tcp_send_syn(c); /* our SYN was lost */
        return;
    }
    tcp_send_ack(c);
}

static void input_synchronized(struct tcp *c, const struct tcp_segment *s)
{
    if (s->flags & TCP_RST) {
        if (s->seq == c->rcv_nxt && c->state == TCPS_TIME_WAIT)
            tcp_move(c, TCPE_RST);
        else if (s->seq == c->rcv_nxt)
            tcp_end(c, TCPE_RST, c->state == TCPS_SYN_RCVD && c->active ? TCP_REFUSED : TCP_RESET);
        else if (in_window(c, s->seq))
            challenge(c, s); /* RFC 5961 section 3.2: only an exact match resets */
        return;
    }
    if (!acceptable(c, s) || s->flags & TCP_SYN) {
        challenge(c, s);
        return;
    }
    if (!(s->flags & TCP_ACK))
        return;
    if (c->state == TCPS_SYN_RCVD) {
        if (s->ack != c->snd_max) {
            tcp_send(c, s->ack, TCP_RST);
            return;
        }
        establish(c, TCPE_ACKED);
        c->snd_wnd = (uint32_t)s->window << c->snd_scale;
        c->snd_wl1 = s->seq;
        c->snd_wl2 = s->ack;
        c->ops->news(c, TCP_OPENED);
    } else if (!take_ack(c, s)) {
        return;
    }
    if (c->state != TCPS_CLOSED)
        input_text(c, s);
}

void tcp_input(struct tcp *c, int64_t now, const struct tcp_segment *s)
{
    c->now = now;
    if (c->state == TCPS_CLOSED)
        return;
    if (c->state == TCPS_SYN_SENT)
        input_syn_sent(c, s);
    else
        input_synchronized(c, s);
    tcp_arm(c);
}
