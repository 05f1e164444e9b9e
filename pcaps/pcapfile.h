/* pcapfile.h - writing classic pcap files, with nanosecond times. Same errors as pcapng.h:
 * sticky, and returned by every later call and by the close. The byte order is that of the machine, as
 * everywhere in libpcap. */
#ifndef VNETSIM_PCAPS_PCAPFILE_H
#define VNETSIM_PCAPS_PCAPFILE_H

#include "pcaps/linktype.h"

#include <stddef.h>
#include <stdint.h>

struct pcapfile;

/* Open path (see outfile_open). => the file, or NULL with errno set and one line of text in err. */
struct pcapfile *pcapfile_open(const char *path, unsigned linktype, char *err, size_t errlen);

/* Append one packet: caplen bytes of data, borrowed, of origlen on the wire; more than LINK_SNAPLEN bytes are
 * cut. unix_ns: nanoseconds since 1970-01-01 UTC; the format ends in 2106.
 * => 0 or -errno (-ERANGE: a time that the format cannot hold). */
int pcapfile_packet(struct pcapfile *p, int64_t unix_ns, const uint8_t *data, uint32_t caplen,
                    uint32_t origlen);

/* => packets written so far. */
uint64_t pcapfile_packets(const struct pcapfile *p);

/* Write what is buffered; pcapfile_close (or abort) is still due. => 0 or -errno. */
int pcapfile_finish(struct pcapfile *p);

/* Finish, give the file its name, free p. => 0, or -errno and no file. */
int pcapfile_close(struct pcapfile *p);

/* Remove the file, free p; NULL is allowed. */
void pcapfile_abort(struct pcapfile *p);

#endif
