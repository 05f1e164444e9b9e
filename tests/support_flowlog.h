/* support_flowlog.h - flow logs for tests: a scenario runs, its logs are written to a temporary folder, and are
 * read back. */
#ifndef VNETSIM_TESTS_SUPPORT_FLOWLOG_H
#define VNETSIM_TESTS_SUPPORT_FLOWLOG_H

#include "dataplane/arena.h"
#include "tests/support_tmp.h"
#include "topology/wire_flowlog.h"

#include <jansson.h>

struct logged {
    struct tmp tmp;
    struct arena *arena;
    struct scenario *sc;
    struct run *run;
    struct wire_flowlog *log;
    json_t *files;          /* as in results.json */
    uint64_t frames, bytes; /* TCP and UDP frames seen at NICs, but what was dropped there */
};

/* Run a scenario text ("scenario: t" is put before it, on a line of its own) / and write its flow logs / the
 * end: frees all and removes the folder. */
void logged_begin(struct logged *s, const char *text);
void logged_run(struct logged *s, const char *text);
void logged_end(struct logged *s);

/* => a JSON file, to be freed / a key's text, owned by o. Failure ends the test. */
json_t *logged_json(const char *path);
const char *logged_text(const json_t *o, const char *key);

/* => the sum of a column (0: packets there, 1 bytes there, 2 packets back, 3 bytes back) over lines of a
 * state. */
uint64_t logged_sum(const char *lines, char state, int column);

/* Two machines in two subnets; the first has a group of its own and one of its subnet. */
#define LINKS "links: {intraVnet: {latency: 1ms, jitter: 0s}, privateLink: {latency: 1ms, jitter: 0s}}\n"
#define NET(timeout)                                                                                         \
    "virtualNetworks:\n"                                                                                     \
    "  - name: hub\n"                                                                                        \
    "    addressPrefixes: [10.0.0.0/16]\n" timeout "    subnets:\n"                                          \
    "      - {name: apps, addressPrefix: 10.0.1.0/24, networkSecurityGroup: apps-nsg}\n"                     \
    "      - {name: plain, addressPrefix: 10.0.2.0/24}\n"                                                    \
    "networkSecurityGroups:\n"                                                                               \
    "  - name: apps-nsg\n"                                                                                   \
    "    securityRules:\n"                                                                                   \
    "      - {name: no-22, priority: 100, direction: Inbound, access: Deny, protocol: Tcp, "                 \
    "destinationPortRange: "                                                                                 \
    "'22'}\n"                                                                                                \
    "  - name: vm-nsg\n"                                                                                     \
    "    securityRules:\n"                                                                                   \
    "      - {name: web, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, "                  \
    "destinationPortRange: "                                                                                 \
    "'443'}\n"                                                                                               \
    "      - {name: no-80, priority: 110, direction: Outbound, access: Deny, protocol: '*', "                \
    "destinationPortRange: "                                                                                 \
    "'80'}\n"                                                                                                \
    "networkInterfaces:\n"                                                                                   \
    "  - {name: vm, subnet: hub/apps, privateIPAddress: 10.0.1.4, networkSecurityGroup: vm-nsg,\n"           \
    "     listens: [tcp/443, tcp/22, udp/53]}\n"                                                             \
    "  - {name: other, subnet: hub/plain, privateIPAddress: 10.0.2.4, listens: [tcp/443, udp/53]}\n" LINKS

#endif
