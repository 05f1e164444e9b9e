/* capture.h - the capture files of one run. Design essay: capture.c.
 *
 * A capture point is a place whose packets can be seen: a NIC, a host, an endpoint, a gateway, a service, the
 * underlay. Packets are Ethernet frames. The caller numbers the points: small numbers, as an array's (below
 * CAPTURE_IDS). */
#ifndef VNETSIM_PCAPS_CAPTURE_H
#define VNETSIM_PCAPS_CAPTURE_H

#include "pcaps/pcapng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_set;

enum { CAPTURE_IDS = 1 << 24 };

enum capfile_format { CAPFILE_PCAPNG, CAPFILE_PCAP };

struct capture_point {
    uint32_t id;
    const char *name;        /* as shown, such as "hq/laptop" */
    const char *description; /* may be NULL */
};

/* One entry of the scenario's `captures`. */
struct capture_spec {
    const char *name;
    const struct capture_point *points;
    size_t n_points;
    enum capfile_format format;
    const char *filter; /* libpcap expression; NULL or "": everything */
};

/* What became of one file, for results.json. */
struct capture_result {
    const char *name; /* of the spec; without specs of the point, or "all" */
    const char *file; /* its name in the folder */
    uint64_t packets;
};

/* Make the folder dir and open the files of all specs under temporary names. Without specs: DIR/all.pcapng
 * here, and DIR/<point>.pcapng as points are declared. userappl: see pcapng_open. Nothing given is kept but
 * by copy.
 * => the set, or NULL with one line of text in err and errno set (EINVAL: a filter expression is wrong); no
 * file is left.
 */
struct capture_set *capture_open(const char *dir, const char *userappl, const struct capture_spec *specs,
                             size_t n, char *err, size_t errlen);

/* Declare a point, at the start or when it appears in the run. Needed without specs only: with them it does
 * nothing (specs bring their points along), nor does declaring a point twice.
 * => 0, or -errno (-ERANGE: id too large). Errors of this and of capture_packet are kept: capture_commit will
 * fail. */
int capture_point(struct capture_set *c, uint32_t id, const char *name, const char *description);

/* Add a name of an address (host order) to all pcapng files; see pcapng_name. */
void capture_name(struct capture_set *c, uint32_t ip, const char *name);

/* => whether any file takes packets of this point: if not, comments need not be made. */
bool capture_wants(const struct capture_set *c, uint32_t id);

/* Give a frame of len bytes, seen at a point, to each file that has the point and whose filter matches. again: the point
 * has shown the same packet before, on its way in; files of a single point leave it out, since stream analysis would take
 * it for a retransmission.
 * comments: as in pcapng_packet; classic pcap has none. A point that no file has is not an error.
 * => 0 or -errno. */
int capture_packet(struct capture_set *c, uint32_t id, int64_t unix_ns, enum pcapng_dir dir, bool again, const uint8_t *data,
                   uint32_t len, const char *const *comments, size_t n_comments);

/* End the run that lasted from start_ns to end_ns (Unix nanoseconds): write all files completely, then give
 * all of them their names. c lives on for its results.
 * => 0, or -errno, a line in err that names the file, and no file of this run left under its name. */
int capture_commit(struct capture_set *c, int64_t start_ns, int64_t end_ns, char *err, size_t errlen);

/* After a successful commit: one entry per file, in the order of specs and points, "all" last.
 * => their number, in *out the array, owned by c. */
size_t capture_results(const struct capture_set *c, const struct capture_result **out);

/* Remove every file that has not been committed. */
void capture_abort(struct capture_set *c);

/* Abort what is not committed, free c; NULL is allowed. */
void capture_free(struct capture_set *c);

#endif
