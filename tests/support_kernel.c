/* support_kernel.c - see support_kernel.h.
 *
 * Next hops are gateways on the loopback link, "onlink": the kernel then asks nobody whether they can be
 * reached, so that a gateway's address is free to carry a number. Rules choose the table by mark; the
 * kernel's own rules are taken out, so that its table of local addresses has no say. Questions ask for the
 * matched entry (RTM_F_FIB_MATCH), which holds the prefix and the table.
 *
 * libnl keeps the socket. Messages are written by hand and sent many at a time: a round trip each, as libnl's
 * own calls make, would take ten times as long. The kernel works a batch off before the call returns and its
 * answers wait in the socket's buffer, which bounds the batch. */
#include "tests/support_kernel.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH    64u
#define GATEWAYS IP4(1, 0, 0, 0)
#define MAX_ID   (1u << 26)

struct kernel {
    struct nl_sock *sock;
    uint32_t seq; /* of the next message */
    uint32_t n;   /* messages in out */
    int preference;
    size_t used, answers;
    _Alignas(8) char out[BATCH * 128];
    _Alignas(8) char in[1 << 16];
};

/* -- messages -------------------------------------------------------------------------------------------- */

/* => the body of a new message. */
static void *message(struct kernel *k, int type, int flags, size_t body)
{
    struct nlmsghdr *h = (struct nlmsghdr *)(void *)(k->out + k->used);
    cr_assert_leq(k->used + 128, sizeof k->out);
    memset(h, 0, 128);
    *h = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(body),
                           .nlmsg_type = (uint16_t)type,
                           .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                           .nlmsg_seq = k->seq++};
    k->n++;
    return NLMSG_DATA(h);
}

static void put_u32(struct kernel *k, unsigned short type, uint32_t value)
{
    struct nlmsghdr *h = (struct nlmsghdr *)(void *)(k->out + k->used);
    struct rtattr *a = (struct rtattr *)(void *)((char *)h + NLMSG_ALIGN(h->nlmsg_len));
    *a = (struct rtattr){.rta_len = RTA_LENGTH(4), .rta_type = type};
    memcpy(RTA_DATA(a), &value, 4);
    h->nlmsg_len = NLMSG_ALIGN(h->nlmsg_len) + RTA_LENGTH(4);
}

static void end_message(struct kernel *k)
{
    struct nlmsghdr *h = (struct nlmsghdr *)(void *)(k->out + k->used);
    k->used += NLMSG_ALIGN(h->nlmsg_len);
}

/* Send what is written and hand each message's answer to take, by its place in the batch. */
static void flush(struct kernel *k, void (*take)(void *ctx, uint32_t at, struct nlmsghdr *h), void *ctx)
{
    const uint32_t first = k->seq - k->n;
    int fd = nl_socket_get_fd(k->sock);
    cr_assert_geq(nl_sendto(k->sock, k->out, k->used), 0);
    for (uint32_t got = 0; got < k->n;) {
        ssize_t len = recv(fd, k->in, sizeof k->in, 0);
        cr_assert_gt(len, 0, "netlink: %s", strerror(errno));
        unsigned left = (unsigned)len;
        for (struct nlmsghdr *h = (void *)k->in; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left), got++) {
            cr_assert_lt(h->nlmsg_seq - first, k->n, "netlink: an answer to another question");
            take(ctx, h->nlmsg_seq - first, h);
        }
    }
    k->used = k->n = 0;
}

static int error_of(const struct nlmsghdr *h)
{
    return h->nlmsg_type == NLMSG_ERROR ? ((const struct nlmsgerr *)NLMSG_DATA(h))->error : 0;
}

static void must_work(void *ctx, uint32_t at, struct nlmsghdr *h)
{
    (void)at;
    cr_assert_eq(error_of(h), 0, "netlink, %s: %s", *(const char **)ctx, strerror(-error_of(h)));
}

static void flush_done(struct kernel *k, const char *what)
{
    if (k->n)
        flush(k, must_work, &what);
}

/* -- set-up ---------------------------------------------------------------------------------------------- */

/* A socket stays in the namespace that it was opened in, so a child opens it there and hands it over: a
 * process with more than one thread, as a test is, may not enter a user namespace itself. Who made such a
 * namespace may do anything in it. */
static int open_inside(void)
{
    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return -1;
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

union passed { /* one descriptor, in a message of one byte */
    char room[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static void pass(int to, int fd)
{
    char nothing = 0;
    union passed p = {{0}};
    struct iovec byte = {.iov_base = &nothing, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = p.room, .msg_controllen = sizeof p.room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    sendmsg(to, &m, 0);
}

/* => the socket, or -1. */
static int receive(int from)
{
    char byte;
    int fd = -1;
    union passed p;
    struct iovec room = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &room, .msg_iovlen = 1, .msg_control = p.room, .msg_controllen = sizeof p.room};
    if (recvmsg(from, &m, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&m))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

static int socket_of_namespace(void)
{
    int pair[2], status;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (!child) {
        int inside = open_inside();
        if (inside >= 0)
            pass(pair[1], inside);
        _exit(0);
    }
    close(pair[1]);
    int fd = receive(pair[0]);
    close(pair[0]);
    waitpid(child, &status, 0);
    return fd;
}

static void loopback_up(struct kernel *k)
{
    struct ifinfomsg *m = message(k, RTM_NEWLINK, NLM_F_ACK, sizeof *m);
    *m = (struct ifinfomsg){.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    end_message(k);
    flush_done(k, "the loopback link");
}

/* The kernel's own rules: 0 (local), 32766 (main), 32767 (default). */
static void no_rules(struct kernel *k)
{
    static const uint32_t own[] = {0, 32766, 32767};
    for (size_t i = 0; i < 3; i++) {
        struct fib_rule_hdr *m = message(k, RTM_DELRULE, NLM_F_ACK, sizeof *m);
        m->family = AF_INET;
        put_u32(k, FRA_PRIORITY, own[i]);
        end_message(k);
    }
    flush_done(k, "taking out rules");
}

struct kernel *kernel_new(const char **why)
{
    int room = 1 << 22, fd = socket_of_namespace();
    *why = fd < 0 ? "no privilege for a network namespace" : NULL;
    if (fd < 0)
        return NULL;
    struct kernel *k = calloc(1, sizeof *k);
    cr_assert(k && (k->sock = nl_socket_alloc()));
    k->seq = 1;
    cr_assert_eq(nl_socket_set_fd(k->sock, NETLINK_ROUTE, fd), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    loopback_up(k);
    no_rules(k);
    return k;
}

struct kernel *kernel_needed(const char *test)
{
    const char *why;
    struct kernel *k = kernel_new(&why);
    if (!k) {
        fprintf(stderr, "%s was skipped: %s\n", test, why);
        cr_skip("%s", why);
    }
    return k;
}

void kernel_free(struct kernel *k)
{
    nl_socket_free(k->sock);
    free(k);
}

void kernel_rule(struct kernel *k, uint32_t mark, uint32_t table)
{
    struct fib_rule_hdr *m = message(k, RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, sizeof *m);
    m->family = AF_INET;
    m->action = FR_ACT_TO_TBL;
    put_u32(k, FRA_FWMARK, mark);
    put_u32(k, FRA_TABLE, table);
    put_u32(k, FRA_PRIORITY, (uint32_t)++k->preference);
    end_message(k);
    flush_done(k, "a rule");
}

/* -- routes ---------------------------------------------------------------------------------------------- */

static void route_message(struct kernel *k, const struct kernel_route *r, int type, int flags)
{
    static const unsigned char kind[] = {[KERNEL_VIA] = RTN_UNICAST,
                                         [KERNEL_UNREACHABLE] = RTN_UNREACHABLE,
                                         [KERNEL_BLACKHOLE] = RTN_BLACKHOLE,
                                         [KERNEL_PROHIBIT] = RTN_PROHIBIT,
                                         [KERNEL_THROW] = RTN_THROW};
    bool via = r->way == KERNEL_VIA;
    struct rtmsg *m = message(k, type, NLM_F_ACK | flags, sizeof *m);
    cr_assert_lt(r->id, MAX_ID);
    *m = (struct rtmsg){.rtm_family = AF_INET,
                        .rtm_dst_len = r->to.len,
                        .rtm_table = RT_TABLE_UNSPEC,
                        .rtm_protocol = RTPROT_STATIC,
                        .rtm_scope = RT_SCOPE_UNIVERSE,
                        .rtm_type = kind[r->way],
                        .rtm_flags = via ? RTNH_F_ONLINK : 0};
    put_u32(k, RTA_DST, htonl(r->to.addr));
    put_u32(k, RTA_TABLE, r->table);
    put_u32(k, RTA_PRIORITY, r->metric);
    if (via) {
        put_u32(k, RTA_GATEWAY, htonl(GATEWAYS + r->id));
        put_u32(k, RTA_OIF, 1);
    }
    end_message(k);
}

static void change(struct kernel *k, const struct kernel_route *r, size_t n, int type, int flags,
                   const char *what)
{
    for (size_t i = 0; i < n; i++) {
        route_message(k, &r[i], type, flags);
        if (k->n == BATCH)
            flush_done(k, what);
    }
    flush_done(k, what);
}

void kernel_add(struct kernel *k, const struct kernel_route *r, size_t n)
{
    change(k, r, n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "adding a route");
}

void kernel_del(struct kernel *k, const struct kernel_route *r, size_t n)
{
    change(k, r, n, RTM_DELROUTE, 0, "removing a route");
}

/* -- questions ------------------------------------------------------------------------------------------- */

static enum kernel_way way_of(int error)
{
    switch (-error) {
    case EHOSTUNREACH:
        return KERNEL_UNREACHABLE;
    case EINVAL:
        return KERNEL_BLACKHOLE;
    case EACCES:
        return KERNEL_PROHIBIT;
    case ENETUNREACH:
        return KERNEL_NOWHERE;
    default:
        cr_assert_fail("netlink, asking for a route: %s", strerror(-error));
        return KERNEL_NOWHERE;
    }
}

static void take_answer(void *ctx, uint32_t at, struct nlmsghdr *h)
{
    struct kernel_answer *a = (struct kernel_answer *)ctx + at;
    *a = (struct kernel_answer){.way = h->nlmsg_type == NLMSG_ERROR ? way_of(error_of(h)) : KERNEL_VIA};
    if (a->way != KERNEL_VIA)
        return;
    cr_assert_eq(h->nlmsg_type, RTM_NEWROUTE);
    struct rtmsg *m = NLMSG_DATA(h);
    uint32_t value;
    a->len = m->rtm_dst_len;
    a->id = UINT32_MAX;
    int left = (int)RTM_PAYLOAD(h);
    for (struct rtattr *x = RTM_RTA(m); RTA_OK(x, left); x = RTA_NEXT(x, left)) {
        if (x->rta_type != RTA_GATEWAY && x->rta_type != RTA_TABLE)
            continue;
        memcpy(&value, RTA_DATA(x), 4);
        if (x->rta_type == RTA_GATEWAY)
            a->id = ntohl(value) - GATEWAYS;
        else
            a->table = value;
    }
}

void kernel_ask(struct kernel *k, uint32_t mark, const ip4 *dst, size_t n, struct kernel_answer *out)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert_neq(dst[i], 0);
        struct rtmsg *m = message(k, RTM_GETROUTE, 0, sizeof *m);
        *m = (struct rtmsg){.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_flags = RTM_F_FIB_MATCH};
        put_u32(k, RTA_DST, htonl(dst[i]));
        put_u32(k, RTA_MARK, mark);
        end_message(k);
        if (k->n == BATCH || i + 1 == n)
            flush(k, take_answer, out + i + 1 - k->n);
    }
    k->answers += n;
}

size_t kernel_answers(const struct kernel *k)
{
    return k->answers;
}

/* -- where answers change -------------------------------------------------------------------------------- */

size_t kernel_edges(struct rng *r, struct prefix4 p, ip4 *out)
{
    const ip4 last = prefix4_last(p), bit = p.len ? 1u << (32 - p.len) : 0,
              half = p.len < 32 ? 1u << (31 - p.len) : 0;
    const ip4 inside = p.addr | ((ip4)rng_u64(r) & ~ip4_mask(p.len)), anywhere = (ip4)rng_u64(r);
    const ip4 at[KERNEL_EDGES] = {p.addr,
                                  last,
                                  p.addr - 1,
                                  last + 1,
                                  p.addr ^ bit,
                                  last ^ bit,
                                  p.addr ^ bit << 1,
                                  p.addr | half,
                                  (p.addr | half) - 1,
                                  p.addr ^ 1u,
                                  anywhere,
                                  inside,
                                  inside,
                                  inside,
                                  p.addr,
                                  last};
    for (size_t i = 0; i < KERNEL_EDGES; i++) {
        out[i] = at[i];
        if (i >= KERNEL_EDGES - 4)
            out[i] ^= 1u << rng_below(r, 32);
        if (!out[i])
            out[i] = 1;
    }
    return KERNEL_EDGES;
}
