/* pcapin.h - reading captures, pcap and pcapng, through libpcap. */
#ifndef VNETSIM_PCAPS_PCAPIN_H
#define VNETSIM_PCAPS_PCAPIN_H

#include "pcaps/linktype.h"

#include <stddef.h>
#include <stdint.h>

struct pcapin;

struct pcapin_packet {
    int64_t unix_ns;     /* nanoseconds since 1970-01-01 UTC; files of microseconds are converted */
    const uint8_t *data; /* caplen bytes, valid until the next call */
    uint32_t caplen;
    uint32_t len;      /* bytes on the wire; may be less than caplen in files that lie */
    unsigned linktype; /* as in linktype.h */
};

/* Open a capture file for reading.
 * => the file, or NULL and one line of text in err (errlen bytes, at least 1) that names the file. */
struct pcapin *pcapin_open(const char *path, char *err, size_t errlen);

/* Read the next packet into *out.
 * => 1; 0 at the end of the file; -EIO: the file is damaged or not supported there, or cannot be read (see
 * pcapin_error; every later call returns -EIO too). */
int pcapin_next(struct pcapin *p, struct pcapin_packet *out);

/* => after -EIO: one line that names the file, the packet (the first is 1) and what is wrong with it;
 * otherwise "". Lives as long as p. */
const char *pcapin_error(const struct pcapin *p);

/* => the link type of the file's packets: libpcap reads only files where they all have one. */
unsigned pcapin_linktype(const struct pcapin *p);

/* Close and free; NULL is allowed. */
void pcapin_close(struct pcapin *p);

#endif
