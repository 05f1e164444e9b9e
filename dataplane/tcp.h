/* tcp.h - one TCP connection, RFC 9293: the state machine, without packets, addresses or content. Design
 * essay: tcp.c.
 *
 * Content is never stored: what was written is a count, and a segment names the range of stream bytes it
 * carries, so that whoever builds the packet makes them up (again, when it is sent again). Times are virtual
 * nanoseconds, sequence numbers and windows are in host order. */
#ifndef VNETSIM_DATAPLANE_TCP_H
#define VNETSIM_DATAPLANE_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tcp_state {
    TCPS_CLOSED,
    TCPS_SYN_SENT,
    TCPS_SYN_RCVD,
    TCPS_ESTABLISHED,
    TCPS_FIN_WAIT_1,
    TCPS_FIN_WAIT_2,
    TCPS_CLOSE_WAIT,
    TCPS_CLOSING,
    TCPS_LAST_ACK,
    TCPS_TIME_WAIT,
    TCPS_COUNT,
};

enum tcp_event {
    TCPE_SYN,     /* a SYN without ACK, in SYN-SENT */
    TCPE_SYN_ACK, /* the answer to our SYN */
    TCPE_ACKED,   /* our SYN (SYN-RECEIVED) or our FIN is acknowledged */
    TCPE_FIN,     /* the peer's FIN, all before it received */
    TCPE_CLOSE,   /* the user closes */
    TCPE_RST,     /* a reset that counts */
    TCPE_EXPIRE,  /* gave up waiting */
    TCPE_COUNT,
};

/* => the state after an event; the same one where the event changes nothing. RFC 9293 section 3.3.2,
 * figure 5. */
enum tcp_state tcp_next(enum tcp_state s, enum tcp_event e);

/* What the user hears. The last four end the connection for the user: nothing follows them. */
enum tcp_news {
    TCP_OPENED,
    TCP_DATA,        /* more of the stream arrived in order: see received, message_end */
    TCP_PEER_CLOSED, /* all of the peer's stream is here */
    TCP_DONE,        /* both directions are closed in order (state TIME-WAIT or CLOSED) */
    TCP_REFUSED,     /* a reset answered our SYN */
    TCP_RESET,
    TCP_TIMED_OUT,
};

/* A segment without ports. */
struct tcp_segment {
    uint32_t seq, ack;
    uint8_t flags;   /* TCP_SYN ... of packet.h */
    uint16_t window; /* as on the wire, not scaled */
    uint32_t len;    /* payload bytes */
    uint64_t offset; /* outgoing: stream position of the first of them */
    uint16_t mss;    /* option of a SYN; 0: none */
    int8_t wscale;   /* option of a SYN; -1: none */
};

struct tcp;

struct tcp_ops {
    void (*send)(struct tcp *c, const struct tcp_segment *s);
    void (*wake)(struct tcp *c,
                 int64_t at); /* call tcp_tick then, at the latest; an earlier tick does no harm */
    void (*news)(struct tcp *c, enum tcp_news what); /* may write, close and abort, not free */
};

#define TCP_NEVER INT64_MAX

struct tcp_range { /* received out of order: [start, end) */
    uint32_t start, end;
};

struct tcp {
    const struct tcp_ops *ops;
    enum tcp_state state;
    bool active;  /* we sent the first SYN */
    bool closing; /* the user closed: FIN follows the last byte written */
    int64_t now;

    /* sending: [snd_una, snd_max) is out, snd_nxt goes back to snd_una to send again (go-back-N after a
     * timeout) */
    uint32_t iss, snd_una, snd_nxt, snd_max;
    uint32_t snd_wnd, snd_wl1, snd_wl2;
    uint64_t una_off, written; /* stream position of snd_una; bytes the user wrote */
    uint16_t mss;              /* largest payload to send */
    uint16_t own_mss;          /* what we announce */
    uint8_t snd_scale, rcv_scale;

    /* receiving */
    uint32_t irs, rcv_nxt;
    uint64_t received;          /* stream bytes in order */
    uint32_t fin_seq, push_seq; /* where a FIN, a PSH stood; with the flags below */
    bool fin_seen, push_seen;
    bool message_end;        /* all up to the last PSH is received */
    struct tcp_range *range; /* sorted, disjoint, beyond rcv_nxt */
    unsigned n_range;
    unsigned unacked; /* segments received and not acknowledged yet */

    /* congestion control, bytes (RFC 5681, 6582) */
    uint32_t cwnd, ssthresh, recover;
    unsigned dupacks;
    bool recovering;

    /* timers (RFC 6298); TCP_NEVER: off */
    int64_t srtt, rttvar, rto, rto_at, ack_at;
    int64_t timed_at; /* when the segment that is timed left */
    uint32_t timed_end;
    unsigned backoff;
    int64_t stuck_since;  /* the oldest unacknowledged byte left for the first time, or something was
                             acknowledged */
    int64_t challenge_at; /* when the last answer to a segment out of the window left */
    int64_t progress_at;  /* something new was acknowledged or received */
};

/* Open actively, or answer a SYN. c is the caller's memory, not initialised. iss: our first sequence number;
 * mss: the largest segment we can take (MTU - 40). */
void tcp_connect(struct tcp *c, const struct tcp_ops *ops, int64_t now, uint32_t iss, uint16_t mss);
void tcp_accept(struct tcp *c, const struct tcp_ops *ops, int64_t now, uint32_t iss, uint16_t mss,
                const struct tcp_segment *syn);
/* Give back what c holds; not c itself. */
void tcp_free(struct tcp *c);

/* A segment of the peer arrived / time passed. In CLOSED: nothing happens. */
void tcp_input(struct tcp *c, int64_t now, const struct tcp_segment *s);
void tcp_tick(struct tcp *c, int64_t now);

/* Append n bytes to the stream. / Close after them. / Cut: a reset is sent, no news come. */
void tcp_write(struct tcp *c, int64_t now, uint64_t n);
void tcp_close(struct tcp *c, int64_t now);
void tcp_abort(struct tcp *c, int64_t now);

/* => the reset that answers a segment which belongs to no connection (RFC 9293 section 3.10.7.1); false:
 * none, it is a reset itself. */
bool tcp_reset_for(const struct tcp_segment *s, struct tcp_segment *out);

/* Sequence numbers compare modulo 2^32. */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

#endif
