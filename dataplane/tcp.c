/* tcp.c - a TCP connection: states, opening and closing, timers.
 *
 * Purpose: segments that Wireshark finds nothing to say about unless the network lost, delayed or cut
 * something; and when it did, the reaction of a real stack. RFC 9293 with initial windows of RFC 6928,
 * congestion control of RFC 5681 and 6582 (NewReno), timers of RFC 6298, window scaling of RFC 7323, resets
 * of RFC 5961. No SACK, no timestamps, no urgent data, no data in a SYN.
 *
 * Representation. The stream is a count: una_off is the position of snd_una, and positions and sequence
 * numbers advance together, the SYN before position 0 and the FIN at position `written`:
 *
 *      iss   iss+1                                       iss+1+written
 *      SYN   byte 0 . . . una_off . . . . . . . . . . . . FIN
 *                         snd_una   snd_nxt   snd_max
 *
 * tcp_in.c takes segments, tcp_out.c makes them, here are the states. The state changes in one table
 * (tcp_next), read in tcp_move; what an event needs besides is done where the event is found.
 *
 * Windows. The receiver's user takes everything at once, so the announced window is constant (8 MiB) and
 * sending is bounded by cwnd; cwnd in turn stays a segment below the peer's window, so "window full" never
 * shows in a capture.
 *
 * Timers. One deadline for retransmission (also for giving up), one for the delayed ACK; ops->wake asks for
 * the earlier. TIME-WAIT has none: whoever owns the connection forgets it when it likes (the simulation must
 * not run on for it).
 *
 * Giving up: a handshake after 15 s (retries at 1, 3, 7 s), established data after six backoffs or 15 s
 * without progress, a half-closed connection whose peer does not close after 15 s. Nothing is sent then; the
 * peer is unreachable.
 *
 * Costs: about 250 bytes, ranges on demand, everything O(1) but the queue of ranges (O(ranges), bounded). */
#include "dataplane/tcp_int.h"

#include "dataplane/mem.h"

#include <assert.h>
#include <string.h>

enum { CL = TCPS_CLOSED, SS, SR, ES, F1, F2, CW, CI, LA, TW }; /* the states in their order, short */
static_assert((int)TW == (int)TCPS_TIME_WAIT && (int)CW == (int)TCPS_CLOSE_WAIT, "in the order of tcp_state");

/* [state][event]: the next state.
 * ACKED is our SYN or FIN acknowledged, CLOSE the user's, EXPIRE the end of patience. RST and EXPIRE end all.
 */
static const uint8_t next_state[TCPS_COUNT][TCPE_COUNT] = {
    /* SYN SYN+ACK ACKED FIN CLOSE RST EXPIRE */
    {CL, CL, CL, CL, CL, CL, CL}, /* CLOSED: nothing leads out but opening */
    {SR, ES, SS, SS, CL, CL,
     CL}, /* SYN-SENT: a bare SYN is a simultaneous open; a FIN is not looked at yet */
    {SR, SR, ES, CW, SR, CL, CL}, /* SYN-RECEIVED: CLOSE waits until the connection stands (3.10.4) */
    {ES, ES, ES, CW, F1, CL, CL}, /* ESTABLISHED: SYNs are challenged (RFC 5961), here and below */
    {F1, F1, F2, CI, F1, CL, CL}, /* FIN-WAIT-1: both closed at once leads over CLOSING */
    {F2, F2, F2, TW, F2, CL, CL}, /* FIN-WAIT-2: the peer may go on sending */
    {CW, CW, CW, CW, LA, CL, CL}, /* CLOSE-WAIT: we may go on sending */
    {CI, CI, TW, CI, CI, CL, CL}, /* CLOSING */
    {LA, LA, CL, LA, LA, CL, CL}, /* LAST-ACK */
    {TW, TW, TW, TW, TW, CL, CL}, /* TIME-WAIT: repeated FINs are acknowledged, nothing changes */
};

enum tcp_state tcp_next(enum tcp_state s, enum tcp_event e)
{
    return (enum tcp_state)next_state[s][e];
}

void tcp_move(struct tcp *c, enum tcp_event e)
{
    c->state = tcp_next(c->state, e);
    if (c->state == TCPS_CLOSED || c->state == TCPS_TIME_WAIT)
        c->rto_at = c->ack_at = TCP_NEVER;
    if (c->state == TCPS_FIN_WAIT_2)
        c->rto_at = c->now + TCP_GIVE_UP; /* for the peer's FIN */
}

void tcp_end(struct tcp *c, enum tcp_event e, enum tcp_news what)
{
    tcp_move(c, e);
    c->ops->news(c, what);
}

void tcp_arm(struct tcp *c)
{
    int64_t at = c->rto_at < c->ack_at ? c->rto_at : c->ack_at;
    if (at != TCP_NEVER)
        c->ops->wake(c, at);
}

void tcp_init(struct tcp *c, const struct tcp_ops *ops, int64_t now, uint32_t iss, uint16_t mss)
{
    memset(c, 0, sizeof *c);
    c->ops = ops;
    c->now = c->stuck_since = c->progress_at = now;
    c->iss = c->snd_una = c->snd_nxt = iss;
    c->snd_max = iss + 1;
    c->own_mss = mss;
    c->mss = TCP_MSS_NONE < mss ? TCP_MSS_NONE : mss;
    c->rcv_scale = TCP_SCALE;
    c->rto = TCP_RTO_FIRST;
    c->rto_at = now + c->rto;
    c->ack_at = TCP_NEVER;
    c->timed_at = now;
    c->timed_end = iss + 1;
    c->ssthresh = TCP_CWND_MAX;
    c->recover = iss;
    c->challenge_at = now - TCP_CHALLENGE;
}

void tcp_connect(struct tcp *c, const struct tcp_ops *ops, int64_t now, uint32_t iss, uint16_t mss)
{
    tcp_init(c, ops, now, iss, mss);
    c->active = true;
    c->state = TCPS_SYN_SENT;
    tcp_send_syn(c);
    tcp_arm(c);
}

void tcp_free(struct tcp *c)
{
    if (c->range)
        mem_free(c->range, TCP_RANGES * sizeof *c->range);
    c->range = NULL;
    c->n_range = 0;
}

void tcp_write(struct tcp *c, int64_t now, uint64_t n)
{
    c->now = now;
    if (c->closing || c->state == TCPS_CLOSED)
        return;
    c->written += n;
    tcp_output(c);
    tcp_arm(c);
}

void tcp_close(struct tcp *c, int64_t now)
{
    c->now = now;
    if (c->closing)
        return;
    c->closing = true;
    tcp_move(c, TCPE_CLOSE);
    tcp_output(c);
    tcp_arm(c);
}

void tcp_abort(struct tcp *c, int64_t now)
{
    c->now = now;
    if (c->state >= TCPS_SYN_RCVD && c->state != TCPS_TIME_WAIT)
        tcp_send_reset(c, c->snd_nxt);
    tcp_move(c, TCPE_RST);
}

bool tcp_reset_for(const struct tcp_segment *s, struct tcp_segment *out)
{
    *out = (struct tcp_segment){.flags = TCP_RST, .wscale = -1};
    if (s->flags & TCP_RST)
        return false;
    if (s->flags & TCP_ACK) {
        out->seq = s->ack;
        return true;
    }
    out->flags |= TCP_ACK;
    out->ack = s->seq + s->len + (s->flags & TCP_SYN ? 1 : 0) + (s->flags & TCP_FIN ? 1 : 0);
    return true;
}

/* -- timers ---------------------------------------------------------------------------------------------- */

static bool handshaking(const struct tcp *c)
{
    return c->state == TCPS_SYN_SENT || c->state == TCPS_SYN_RCVD;
}

static bool is_over(const struct tcp *c)
{
    if (handshaking(c))
        return c->backoff >= TCP_SYN_RETRIES;
    if (c->state == TCPS_FIN_WAIT_2)
        return true;
    return c->backoff >= TCP_RETRIES || c->now - c->stuck_since >= TCP_GIVE_UP;
}

/* RFC 5681 (4): half of what was out; once per loss, not for each timeout of it. */
static void shrink(struct tcp *c)
{
    uint32_t flight = c->snd_max - c->snd_una, half = flight / 2;
    if (c->backoff == 0)
        c->ssthresh = half > 2u * c->mss ? half : 2u * c->mss;
    c->cwnd = c->mss;
    c->recover = c->snd_max;
    c->recovering = false;
    c->dupacks = 0;
}

static void retransmit_timeout(struct tcp *c)
{
    c->rto_at = TCP_NEVER;
    if (is_over(c)) {
        tcp_end(c, TCPE_EXPIRE, TCP_TIMED_OUT);
        return;
    }
    c->timed_at = TCP_NEVER;                         /* Karn: no sample from what is sent twice */
    if (!handshaking(c) && c->snd_una != c->snd_max) /* a probe into a closed window is no loss */
        shrink(c);
    c->backoff++;
    c->rto = c->rto * 2 < TCP_RTO_MAX ? c->rto * 2 : TCP_RTO_MAX; /* (5.5) */
    c->rto_at = c->now + c->rto;
    if (handshaking(c)) {
        tcp_send_syn(c);
        return;
    }
    if (c->rto_at > c->stuck_since + TCP_GIVE_UP)
        c->rto_at = c->stuck_since + TCP_GIVE_UP;
    c->snd_nxt = c->snd_una;
    if (!tcp_send_one(c, true))
        c->rto_at = TCP_NEVER;
    tcp_output(c);
}

void tcp_tick(struct tcp *c, int64_t now)
{
    c->now = now;
    if (now >= c->ack_at)
        tcp_send_ack(c);
    if (now >= c->rto_at)
        retransmit_timeout(c);
    tcp_arm(c);
}
