/* pcapfile.c - classic pcap files.
 *
 * libpcap writes the header, to a stream over our outfile, so that link types and the precision of times are
 * what it says. Packets go straight into the outfile's buffer: sixteen bytes and the data. pcap_dump would
 * take them through a second buffer, and returns nothing, so that a full disk shows at the end only; the
 * outfile keeps the error with its number from the first write on. */
#include "pcaps/pcapfile.h"
#include "pcaps/outfile.h"
#include "pcaps/put.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

struct pcapfile {
    struct outfile *out;
    struct outfile_window *window; /* out's */
    uint64_t packets;
};

/* A packet's header, in the byte order of the machine. */
struct record {
    uint32_t sec, nsec, caplen, len;
};

/* Let libpcap write the file's header. => NULL, or what is wrong (in why, where it is libpcap's word). */
static const char *write_header(struct outfile *out, unsigned linktype, char *why, size_t size)
{
    pcap_t *dead = pcap_open_dead_with_tstamp_precision(linktype_to_dlt(linktype), LINK_SNAPLEN,
                                                        PCAP_TSTAMP_PRECISION_NANO);
    FILE *stream = dead ? outfile_stream(out) : NULL;
    pcap_dumper_t *dump = stream ? pcap_dump_fopen(dead, stream) : NULL;
    const char *error = stream ? NULL : "out of memory";
    if (dump) {
        if (pcap_dump_flush(dump) != 0)
            outfile_fail(out, -EIO);
        pcap_dump_close(dump);
    } else if (stream) { /* an unknown link type: nothing is written, so the stream is still ours */
        snprintf(why, size, "%s", pcap_geterr(dead));
        error = why;
        fclose(stream);
    }
    if (dead)
        pcap_close(dead);
    return error;
}

struct pcapfile *pcapfile_open(const char *path, unsigned linktype, char *err, size_t errlen)
{
    char why[PCAP_ERRBUF_SIZE];
    struct outfile *out = outfile_open(path, err, errlen);
    if (!out)
        return NULL;
    struct pcapfile *p = calloc(1, sizeof *p);
    const char *error = p ? write_header(out, linktype, why, sizeof why) : "out of memory";
    if (!error) {
        p->out = out;
        p->window = outfile_window(out);
        return p;
    }
    snprintf(err, errlen, "cannot create %s: %s", path, error);
    outfile_abort(out);
    free(p);
    errno = ENOMEM;
    return NULL;
}

int pcapfile_packet(struct pcapfile *p, int64_t unix_ns, const uint8_t *data, uint32_t caplen,
                    uint32_t origlen)
{
    const int64_t sec = unix_ns / 1000000000;
    if (unix_ns < 0 || sec > UINT32_MAX) {
        outfile_fail(p->out, -ERANGE);
        return outfile_error(p->out);
    }
    if (caplen > LINK_SNAPLEN)
        caplen = LINK_SNAPLEN;
    const struct record h = {(uint32_t)sec, (uint32_t)(unix_ns % 1000000000), caplen, origlen};
    uint8_t *w = p->window->at;
    if ((size_t)(p->window->end - w) < sizeof h + caplen)
        w = outfile_reserve(p->out, sizeof h + caplen);
    if (!w)
        return outfile_error(p->out);
    memcpy(w, &h, sizeof h);
    put_bytes(w + sizeof h, data, caplen);
    p->window->at = w + sizeof h + caplen;
    p->packets++;
    return outfile_error(p->out);
}

uint64_t pcapfile_packets(const struct pcapfile *p)
{
    return p->packets;
}

int pcapfile_finish(struct pcapfile *p)
{
    return outfile_finish(p->out);
}

int pcapfile_close(struct pcapfile *p)
{
    int error = outfile_commit(p->out);
    free(p);
    return error;
}

void pcapfile_abort(struct pcapfile *p)
{
    if (!p)
        return;
    outfile_abort(p->out);
    free(p);
}
