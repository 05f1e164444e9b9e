/* cmd_watcher.c - `vnetsim nexthop` and `vnetsim verify-flow`: Network Watcher's answers, before anything is
 * deployed. */
#include "topology/cmd.h"
#include "topology/watcher.h"

#include "dataplane/arena.h"
#include "dataplane/packet.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The arguments of one command, read. */
struct question {
    const struct cmd_args *a;
    ip4 to;
    struct watcher_packet packet;
};

/* Load, find the NIC at the time, and let one of the two answer. => an exit status. */
static int ask(const struct question *q, cmd_printer *print)
{
    const struct cmd_args *a = q->a;
    char text[IP4_STRLEN];
    int64_t at;
    if (cmd_time(a, &at))
        return EXIT_INPUT;
    struct scenario *sc = cmd_load(a, a->pos[0]);
    if (!sc)
        return EXIT_INPUT;
    const struct model *m = scenario_state(sc, scenario_state_at(sc, at));
    const struct nic *nic = cmd_nic(a, m);
    int status = EXIT_INPUT;
    if (nic && a->local && q->packet.local != nic->privateIPAddress)
        status = cmd_usage(a, "--local: %s has the address %s", nic->name,
                           ip4_format(nic->privateIPAddress, text));
    else if (nic)
        status = cmd_answer(a, m, nic, print, q);
    scenario_free(sc);
    return cmd_finish(status);
}

static int print_hop(FILE *to, const struct model *m, const struct nic *nic, const void *ctx)
{
    const struct question *q = ctx;
    struct arena *arena = arena_new("next hop");
    const struct watcher_hop h = watcher_next_hop(arena, m, nic, q->to);
    int rc = watcher_print_hop(to, &h, q->a->json);
    arena_free(arena);
    return rc;
}

static int nexthop(const struct cmd_args *a)
{
    struct question q = {.a = a};
    if (!a->nic || !a->to)
        return cmd_usage(a, "--nic and --to are needed");
    if (ip4_parse(a->to, &q.to) != 0)
        return cmd_usage(a, "--to '%s' is no IPv4 address", a->to);
    return ask(&q, print_hop);
}

/* "10.0.0.4:60000" */
static int read_end(const struct cmd_args *a, const char *option, const char *text, ip4 *ip, uint16_t *port)
{
    char address[IP4_STRLEN] = "", *end = NULL;
    const char *colon = strchr(text, ':');
    const size_t n = colon ? (size_t)(colon - text) : 0;
    if (n && n < sizeof address)
        memcpy(address, text, n);
    const long number = colon && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : -1;
    if (ip4_parse(address, ip) != 0 || number < 0 || number > 65535 || *end)
        return cmd_usage(a, "%s '%s' is not of the form 10.0.0.4:443", option, text);
    *port = (uint16_t)number;
    return 0;
}

static int read_packet(const struct cmd_args *a, struct watcher_packet *p)
{
    if (!a->nic || !a->direction || !a->protocol || !a->local || !a->remote)
        return cmd_usage(a, "--nic, --direction, --protocol, --local and --remote are needed");
    const bool in = !strcasecmp(a->direction, "Inbound"), tcp = !strcasecmp(a->protocol, "tcp");
    if (!in && strcasecmp(a->direction, "Outbound") != 0)
        return cmd_usage(a, "--direction '%s' is not Inbound or Outbound", a->direction);
    if (!tcp && strcasecmp(a->protocol, "udp") != 0)
        return cmd_usage(a, "--protocol '%s' is not tcp or udp", a->protocol);
    p->direction = in ? DIR_INBOUND : DIR_OUTBOUND;
    p->protocol = tcp ? IPPROTO_NR_TCP : IPPROTO_NR_UDP;
    if (read_end(a, "--local", a->local, &p->local, &p->local_port))
        return EXIT_INPUT;
    return read_end(a, "--remote", a->remote, &p->remote, &p->remote_port);
}

static int print_check(FILE *to, const struct model *m, const struct nic *nic, const void *ctx)
{
    const struct question *q = ctx;
    struct arena *arena = arena_new("flow");
    const struct watcher_check c = watcher_verify(arena, m, nic, &q->packet);
    int rc = watcher_print_check(to, &c, q->a->json);
    arena_free(arena);
    return rc;
}

static int verify_flow(const struct cmd_args *a)
{
    struct question q = {.a = a};
    return read_packet(a, &q.packet) ? EXIT_INPUT : ask(&q, print_check);
}

const struct command cmd_nexthop = {
    .name = "nexthop",
    .usage = "SCENARIO --nic NAME --to ADDRESS [--at TIME] [--json]",
    .summary = "Network Watcher's next hop of an address",
    .help = "The answer of `az network watcher show-next-hop`; with --json in its shape (F-04). Types are "
            "Internet, VirtualAppliance,\n"
            "VirtualNetworkGateway, VirtualNetwork, VirtualNetworkPeering, VirtualNetworkServiceEndpoint, "
            "None, and InterfaceEndpoint,\n"
            "which Azure's tool does not list: it has no word for the route to a private endpoint.\n"
            "  --nic NAME    network interface or virtual machine\n"
            "  --to ADDRESS  where the packet goes\n"
            "  --at TIME     in virtual time, after the timeline entries of that time (default 0s)",
    .options = "nta",
    .min_pos = 1,
    .max_pos = 1,
    .run = nexthop,
};

const struct command cmd_verify_flow = {
    .name = "verify-flow",
    .usage = "SCENARIO --nic NAME --direction Outbound|Inbound --protocol tcp|udp --local IP:PORT --remote "
             "IP:PORT [--at TIME] "
             "[--json]",
    .summary = "Network Watcher's IP flow verify: do the security rules let it pass",
    .help = "The answer of `az network watcher test-ip-flow`; with --json in its shape (F-05). The network "
            "manager's "
            "rules are asked first\n"
            "(G-16), then both security groups, in the order of the direction (G-03); the rule is the one "
            "that denies, else "
            "the last that\n"
            "allowed, and empty where none was asked. The exit status is 0 whatever the answer.\n"
            "  --nic NAME        network interface or virtual machine\n"
            "  --direction D     Outbound or Inbound, as the interface sees it\n"
            "  --protocol P      tcp or udp\n"
            "  --local IP:PORT   the interface's private address\n"
            "  --remote IP:PORT  the other end\n"
            "  --at TIME         in virtual time, after the timeline entries of that time (default 0s)",
    .options = "ndplRa",
    .min_pos = 1,
    .max_pos = 1,
    .run = verify_flow,
};
