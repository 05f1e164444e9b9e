/* pcapng.h - writing pcapng files (draft-ietf-opsawg-pcapng), little-endian on every machine. Design essay:
 * pcapng.c.
 *
 * The same calls give the same bytes, whatever the machine, the time and the place. Errors are sticky as in
 * outfile.h: every call after the first failure returns that -errno, and so does the close. Texts are UTF-8;
 * one of more than 65535 bytes is cut at a character. Times are nanoseconds since 1970-01-01 UTC, from 0
 * (-ERANGE below it). */
#ifndef VNETSIM_PCAPS_PCAPNG_H
#define VNETSIM_PCAPS_PCAPNG_H

#include "pcaps/linktype.h"
#include "pcaps/nametab.h"

#include <stddef.h>
#include <stdint.h>

struct pcapng;

/* As seen from the capture point: into the NIC or host, or out of it. */
enum pcapng_dir { PCAPNG_DIR_NONE, PCAPNG_DIR_IN, PCAPNG_DIR_OUT };

/* What an interface statistics block says about one interface. */
struct pcapng_stats {
    int64_t start_ns, end_ns; /* when capturing began and ended */
    uint64_t received;        /* packets that passed the point, before any filter */
    uint64_t dropped;         /* packets that could not be captured */
};

/* Open path (see outfile_open) and write the section header. userappl: the program, such as "vnetsim 0.1.0",
 * copied. names: a table shared with other files, borrowed until the close; NULL: a table of its own.
 * => the file, or NULL with errno set and one line of text in err. */
struct pcapng *pcapng_open(const char *path, const char *userappl, struct nametab *names, char *err,
                           size_t errlen);

/* Declare a capture point, any time before its first packet. description and filter (what was captured, a
 * libpcap expression) may be NULL.
 * => its interface id (0, 1, ...), or -errno. */
int pcapng_interface(struct pcapng *p, const char *name, const char *description, const char *filter,
                     unsigned linktype);

/* Add a name of an address (host order) to the file's table. Names stand in one block before the first
 * packet; later ones in further blocks before the next packet or at the close. A file without packets has
 * none. Of several names of an address Wireshark shows the last: give the one to be shown last.
 * => 0 or -errno. */
int pcapng_name(struct pcapng *p, uint32_t ip, const char *name);

/* Append one packet: caplen bytes of data, borrowed, of a packet of origlen bytes on the wire; more than
 * LINK_SNAPLEN bytes are cut. comments: n_comments texts; NULL ones are left out.
 * => 0 or -errno (-EINVAL no such interface, -EMSGSIZE more than 16 MiB with its comments). */
int pcapng_packet(struct pcapng *p, int iface, int64_t unix_ns, enum pcapng_dir dir, const uint8_t *data,
                  uint32_t caplen, uint32_t origlen, const char *const *comments, size_t n_comments);

/* Give the statistics of one interface, written at the close. Without them they are taken from the packets
 * written.
 * => 0 or -errno. */
int pcapng_statistics(struct pcapng *p, int iface, const struct pcapng_stats *stats);

/* => packets written so far. */
uint64_t pcapng_packets(const struct pcapng *p);

/* Write the statistics and everything buffered; pcapng_close (or abort) is still due. See outfile_finish.
 * => 0 or -errno. */
int pcapng_finish(struct pcapng *p);

/* Finish, give the file its name, free p. => 0, or -errno and no file. */
int pcapng_close(struct pcapng *p);

/* Remove the file, free p; NULL is allowed. */
void pcapng_abort(struct pcapng *p);

#endif
