/* flowlog.h - flow logs as Azure's Network Watcher leaves them in a storage account: network security group
 * flow logs version 1 and 2 (F-07), virtual network flow logs version 4 (F-09), under the paths of their
 * blobs (F-10). Design essay: flowlog.c. */
#ifndef VNETSIM_PCAPS_FLOWLOG_H
#define VNETSIM_PCAPS_FLOWLOG_H

#include "dataplane/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flowlog_set;

/* One flow log resource. Texts are borrowed for the life of the set. */
struct flowlog_spec {
    const char *name;
    unsigned version; /* 1, 2: target is a network security group; 4: a virtual network */
    const char *subscription, *resource_group; /* of the target */
    const char *target;                        /* its name */
    const char *location;                      /* its region: version 4 */
    const char *guid;                          /* systemId of the group, flowLogGUID of the log */
};

/* One line of a log. Addresses and ports in host order. */
struct flowlog_tuple {
    int64_t at; /* Unix nanoseconds */
    ip4 src, dst;
    uint16_t sport, dport;
    uint8_t proto; /* TCP, UDP */
    bool inbound;
    char state;                    /* 'B', 'C', 'E'; 'D': denied */
    uint64_t packets[2], bytes[2]; /* from source to destination, and back; C and E */
};

/* Where a line belongs: borrowed until the set is freed. */
struct flowlog_place {
    uint8_t mac[6];
    const char *acl;  /* GUID of what decided: version 4 */
    const char *rule; /* "DefaultRule_DenyAllInBound", "UserRule_web" */
};

/* => a set of logs that will be written into dir (copied); never NULL. */
struct flowlog_set *flowlog_new(const char *dir, const struct flowlog_spec *specs, size_t n);

/* Add a line to a log (index into specs). Lines of one log come in the order of time. */
void flowlog_add(struct flowlog_set *s, size_t log, const struct flowlog_place *at,
                 const struct flowlog_tuple *t);

/* What the line looks like in a log of that version; buf holds FLOWLOG_TUPLE_LEN bytes. => buf. Version 1 has
 * no states: only B and D have lines there, C and E give "". */
#define FLOWLOG_TUPLE_LEN 192
char *flowlog_format(unsigned version, const struct flowlog_tuple *t, char *buf);

/* Write all files completely, without their names yet; then give them their names.
 * => 0, or -errno with a line in err that names the file; nothing of the set is left under its name then,
 * except what was committed before a name could not be given. */
int flowlog_finish(struct flowlog_set *s, char *err, size_t errlen);
int flowlog_commit(struct flowlog_set *s, char *err, size_t errlen);

struct flowlog_result {
    const char *name; /* of the log */
    const char *file; /* path below dir */
};

/* After flowlog_finish: => the number of files, by log, then hour, then MAC; in *out the array, owned by the
 * set. */
size_t flowlog_results(const struct flowlog_set *s, const struct flowlog_result **out);

/* Remove what was not committed; NULL is allowed. */
void flowlog_free(struct flowlog_set *s);

#endif
