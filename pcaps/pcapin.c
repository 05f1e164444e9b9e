/* pcapin.c - see pcapin.h.
 *
 * libpcap does the reading, with nanosecond precision. What it leaves to us: its times are a struct timeval,
 * of which classic files fill 32 bits (read as signed: times from 2038 to 2106 come out negative) and damaged
 * pcapng files anything. A time that does not fit 64 bits of nanoseconds is an error of the file, not an
 * overflow here. */
#include "pcaps/pcapin.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pcapin {
    pcap_t *pcap;
    char *path;
    uint64_t packets; /* read so far */
    int failed;       /* 0, or the -errno that every further call returns */
    char error[512];
};

struct pcapin *pcapin_open(const char *path, char *err, size_t errlen)
{
    char why[PCAP_ERRBUF_SIZE] = "out of memory";
    struct pcapin *p = calloc(1, sizeof *p);
    FILE *f = fopen(path, "rbe");
    if (!f)
        snprintf(why, sizeof why, "%s", strerror(errno));
    if (p && f)
        p->path = strdup(path);
    if (p && p->path)
        p->pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, why);
    if (p && p->pcap)
        return p;
    snprintf(err, errlen, "%s: %s", path, why);
    if (f)
        fclose(f); /* libpcap closes it with its handle only */
    if (p)
        free(p->path);
    free(p);
    return NULL;
}

static int fail(struct pcapin *p, const char *why)
{
    snprintf(p->error, sizeof p->error, "%s: packet %llu: %s", p->path, (unsigned long long)p->packets + 1,
             why);
    return p->failed = -EIO;
}

/* => 0, or -EIO where the time is out of range. */
static int to_ns(const struct timeval *ts, int64_t *out)
{
    int64_t sec = ts->tv_sec, ns;
    if (sec < 0 && sec >= INT32_MIN)
        sec += INT64_C(1) << 32;
    if (sec < 0 || __builtin_mul_overflow(sec, INT64_C(1000000000), &ns) ||
        __builtin_add_overflow(ns, (int64_t)ts->tv_usec, out))
        return -EIO;
    return 0;
}

int pcapin_next(struct pcapin *p, struct pcapin_packet *out)
{
    struct pcap_pkthdr *h;
    const u_char *data;
    if (p->failed)
        return p->failed;
    int rc = pcap_next_ex(p->pcap, &h, &data);
    if (rc == PCAP_ERROR_BREAK)
        return 0;
    if (rc != 1)
        return fail(p, pcap_geterr(p->pcap));
    if (to_ns(&h->ts, &out->unix_ns) < 0)
        return fail(p, "its time is out of range");
    out->data = data;
    out->caplen = h->caplen;
    out->len = h->len;
    out->linktype = pcapin_linktype(p);
    p->packets++;
    return 1;
}

const char *pcapin_error(const struct pcapin *p)
{
    return p->error;
}

unsigned pcapin_linktype(const struct pcapin *p)
{
    return linktype_from_dlt(pcap_datalink(p->pcap));
}

void pcapin_close(struct pcapin *p)
{
    if (!p)
        return;
    pcap_close(p->pcap);
    free(p->path);
    free(p);
}
