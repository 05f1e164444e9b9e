/* pfilter.h - libpcap filter expressions ("tcp port 443 and host 10.0.2.5"), see pcap-filter(7).
 *
 * Host names in an expression are looked up by this machine's resolver, not in the scenario: addresses are
 * better. Words that need a live device, such as "inbound", are errors. */
#ifndef VNETSIM_PCAPS_PFILTER_H
#define VNETSIM_PCAPS_PFILTER_H

#include "pcaps/linktype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pfilter;

/* Compile an expression for packets of a link type; an empty one matches everything.
 * => the filter, or NULL and libpcap's own words in err (errlen bytes, at least 1). */
struct pfilter *pfilter_compile(const char *expr, unsigned linktype, char *err, size_t errlen);

/* => whether a packet of origlen bytes, caplen of them at data, matches. Cannot fail; reads within caplen
 * only. */
bool pfilter_match(const struct pfilter *f, const uint8_t *data, uint32_t caplen, uint32_t origlen);

/* Free; NULL is allowed. */
void pfilter_free(struct pfilter *f);

#endif
