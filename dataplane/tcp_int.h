/* tcp_int.h - what the parts of the TCP machine share; tests may look inside. */
#ifndef VNETSIM_DATAPLANE_TCP_INT_H
#define VNETSIM_DATAPLANE_TCP_INT_H

#include "dataplane/packet.h"
#include "dataplane/tcp.h"

#define TCP_MS 1000000ll /* ns */
#define TCP_S  1000000000ll

#define TCP_RTO_FIRST   (1 * TCP_S) /* RFC 6298 (2.1) */
#define TCP_RTO_LATER   (3 * TCP_S) /* (5.7): after a handshake that needed a retransmission */
#define TCP_RTO_MIN     (200 * TCP_MS)
#define TCP_RTO_MAX     (60 * TCP_S) /* (2.5) */
#define TCP_GIVE_UP     (15 * TCP_S) /* without progress */
#define TCP_SYN_RETRIES 3            /* at 1, 3 and 7 s; 8 s later it is over */
#define TCP_RETRIES     6
#define TCP_ACK_DELAY   (40 * TCP_MS) /* RFC 9293 section 3.8.6.3 */

#define TCP_SCALE      7     /* window scale that we announce */
#define TCP_WINDOW     65535 /* always: the user takes everything at once */
#define TCP_WINDOW_SYN 64240 /* not scaled */
#define TCP_MSS_NONE   536   /* RFC 9293 section 3.7.1: the peer announces none */
#define TCP_CWND_MAX   (8u << 20)
#define TCP_RANGES     256 /* kept out of order; more is dropped and sent again */

#define TCP_CHALLENGE                                                                                        \
    (500 * TCP_MS) /* at most one answer in that time to an empty segment out of the window */

/* tcp.c */
void tcp_init(struct tcp *c, const struct tcp_ops *ops, int64_t now, uint32_t iss, uint16_t mss);
void tcp_move(struct tcp *c, enum tcp_event e);
void tcp_end(struct tcp *c, enum tcp_event e, enum tcp_news what);
void tcp_arm(struct tcp *c);

/* tcp_out.c */
void tcp_send(struct tcp *c, uint32_t seq, uint8_t flags);
void tcp_send_ack(struct tcp *c);
void tcp_send_syn(struct tcp *c);
void tcp_send_reset(struct tcp *c, uint32_t seq);
bool tcp_send_one(struct tcp *c, bool probe);
void tcp_resend_first(struct tcp *c);
void tcp_output(struct tcp *c);
uint32_t tcp_receive_window(const struct tcp *c);
void tcp_rtt_sample(struct tcp *c, int64_t r);

#endif
