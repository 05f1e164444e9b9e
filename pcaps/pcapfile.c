/* pcapfile.c - classic pcap files.
 *
 * libpcap writes to a stream over our outfile. pcap_dump returns nothing, so a full disk shows at the stream
 * only; here the outfile keeps the error with its number, and the end checks flush and ferror besides. */
#include "pcaps/pcapfile.h"
#include "pcaps/outfile.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

struct pcapfile {
    struct outfile *out;
    pcap_t *dead;
    pcap_dumper_t *dump; /* NULL once finished */
    uint64_t packets;
};

enum { STREAM_BUFFER = 64 * 1024 };

static struct pcapfile *give_up(struct pcapfile *p, const char *path, const char *why, char *err,
                                size_t errlen)
{
    snprintf(err, errlen, "cannot create %s: %s", path, why);
    pcapfile_abort(p);
    errno = ENOMEM;
    return NULL;
}

struct pcapfile *pcapfile_open(const char *path, unsigned linktype, char *err, size_t errlen)
{
    struct outfile *out = outfile_open(path, err, errlen);
    if (!out)
        return NULL;
    struct pcapfile *p = calloc(1, sizeof *p);
    if (!p) {
        outfile_abort(out);
        return give_up(NULL, path, "out of memory", err, errlen);
    }
    p->out = out;
    p->dead = pcap_open_dead_with_tstamp_precision(linktype_to_dlt(linktype), LINK_SNAPLEN,
                                                   PCAP_TSTAMP_PRECISION_NANO);
    FILE *stream = outfile_stream(out);
    if (!p->dead || !stream || setvbuf(stream, NULL, _IOFBF, STREAM_BUFFER) != 0) {
        if (stream)
            fclose(stream);
        return give_up(p, path, "out of memory", err, errlen);
    }
    p->dump = pcap_dump_fopen(p->dead, stream);
    if (!p->dump) { /* an unknown link type: the buffered header cannot fail, so the stream is still ours */
        fclose(stream);
        return give_up(p, path, pcap_geterr(p->dead), err, errlen);
    }
    return p;
}

int pcapfile_packet(struct pcapfile *p, int64_t unix_ns, const uint8_t *data, uint32_t caplen,
                    uint32_t origlen)
{
    int64_t sec = unix_ns / 1000000000;
    struct pcap_pkthdr h = {.caplen = caplen < LINK_SNAPLEN ? caplen : LINK_SNAPLEN, .len = origlen};
    if (unix_ns < 0 || sec > UINT32_MAX) {
        outfile_fail(p->out, -ERANGE);
        return outfile_error(p->out);
    }
    h.ts.tv_sec = sec;
    h.ts.tv_usec = unix_ns % 1000000000; /* nanoseconds, by the precision of the handle */
    pcap_dump((u_char *)p->dump, &h, data);
    p->packets++;
    return outfile_error(p->out);
}

uint64_t pcapfile_packets(const struct pcapfile *p)
{
    return p->packets;
}

/* Close the stream, noting its errors where the outfile has none of its own. */
static void end_stream(struct pcapfile *p)
{
    if (!p->dump)
        return;
    FILE *stream = pcap_dump_file(p->dump);
    if (fflush(stream) != 0 || ferror(stream))
        outfile_fail(p->out, -EIO);
    pcap_dump_close(p->dump);
    p->dump = NULL;
}

int pcapfile_finish(struct pcapfile *p)
{
    end_stream(p);
    return outfile_finish(p->out);
}

static void destroy(struct pcapfile *p)
{
    if (p->dead)
        pcap_close(p->dead);
    free(p);
}

int pcapfile_close(struct pcapfile *p)
{
    pcapfile_finish(p);
    int error = outfile_commit(p->out);
    destroy(p);
    return error;
}

void pcapfile_abort(struct pcapfile *p)
{
    if (!p)
        return;
    end_stream(p);
    outfile_abort(p->out);
    destroy(p);
}
