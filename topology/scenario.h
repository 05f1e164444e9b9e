/* scenario.h - a scenario file, loaded: its document, its states over virtual time, and the way to print it. */
#ifndef VNETSIM_TOPOLOGY_SCENARIO_H
#define VNETSIM_TOPOLOGY_SCENARIO_H

#include "topology/diag.h"
#include "topology/model.h"

struct scenario;

enum change_kind { CHANGE_UPDATE, CHANGE_ADD, CHANGE_REMOVE, CHANGE_APPROVE, CHANGE_REJECT, CHANGE_DISCONNECT,
                   CHANGE_FAILOVER };

struct change { /* one timeline entry */
    int64_t at; /* ns */
    enum change_kind kind;
    const char *target; /* path or name as written */
    struct origin origin;
    const char *summary; /* "update virtualNetworks/hub/subnets/clients: serviceEndpoints" */
    const char *refused; /* NULL, or why Azure refuses it: nothing changed (PE-02) */
};

/* Load a file with its includes, apply the timeline entry by entry, and bind and check every state. All findings go to
 * d. path "-" is standard input. => NULL when d has errors; else owned by the caller. */
struct scenario *scenario_load(const char *path, struct diag *d);
/* The same from memory; text is borrowed for the call, name is used in messages, includes are relative to it. */
struct scenario *scenario_parse(const char *name, const char *text, size_t len, struct diag *d);
void scenario_free(struct scenario *s);

/* The changes in the order in which they happen (by time, then file order). State k is the model after the first k
 * changes; state 0 is the file as it stands. */
size_t scenario_changes(const struct scenario *s, const struct change **out);
const struct model *scenario_state(const struct scenario *s, size_t k);
/* => the number of changes with at <= t: index of the state that holds at t, after all changes of that time. */
size_t scenario_state_at(const struct scenario *s, int64_t t);

/* Print the canonical form: same model when loaded again, keys in schema order, defaults left out, includes merged. */
int scenario_print(const struct scenario *s, FILE *to);

/* Print the JSON Schema for editors, made from the same tables that the loader uses. */
int schema_print_json(FILE *to);

#endif
