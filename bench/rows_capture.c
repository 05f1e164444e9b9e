/* rows_capture.c - writing capture files, beside libpcap and beside writing the same bytes when they are
 * there already.
 *
 * Every contender has a file in memory (memfd) of its own, opened and closed in the time, and writes the same
 * packets of 64 bytes, or, the raw writers, the bytes of our file in pieces of 256 KiB. In the rows "file
 * again" a file has its pages from the round before: what is measured is the way of the bytes. In the rows
 * "new file" the kernel finds and clears a page for every 4 KiB first; that takes longer than the rest, for
 * everybody, and for pcapng's 108 bytes a packet longer than for pcap's 80, so these have no goals.
 *
 * What was written is compared after each round: with libpcap's reading of it, packet by packet, the first
 * time, and the bytes with those of the first time afterwards; classic files are libpcap's, byte for byte. */
#include "bench/rows.h"
#include "dataplane/rng.h"
#include "pcaps/pcapfile.h"
#include "pcaps/pcapng.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PACKETS ((size_t)1 << 18)
#define SIZE    64
#define KINDS   1024 /* different packets */
#define PIECE   ((size_t)256 << 10)
#define START   INT64_C(1767225600000000000)

struct packets {
    uint8_t data[KINDS][SIZE];
};

struct target {
    const struct packets *packets;
    bool comments, again;
    int fd;
    char path[32];
    const struct target *same; /* whose bytes these are to be; NULL: its own of the first time */
    uint8_t *bytes;            /* the whole file's */
    size_t n;
};

static int64_t time_of(size_t i)
{
    return START + (int64_t)i * 1234;
}

static enum pcapng_dir dir_of(size_t i)
{
    return i % 2 ? PCAPNG_DIR_IN : PCAPNG_DIR_OUT;
}

/* -- contenders ------------------------------------------------------------------------------------------ */

static void write_pcapng(void *ctx, void *out)
{
    static const char *const comment[] = {
        "outbound rule AllowVnetOutBound of clients-nsg: allow; route 10.0.0.0/16 to VnetLocal"};
    const struct target *t = ctx;
    char err[256];
    (void)out;
    struct pcapng *p = pcapng_open(t->path, "bench", NULL, err, sizeof err);
    bench_check(p ? pcapng_interface(p, "nic", NULL, NULL, LINK_ETHERNET) : -errno, t->path);
    for (size_t i = 0; i < PACKETS; i++)
        pcapng_packet(p, 0, time_of(i), dir_of(i), t->packets->data[i % KINDS], SIZE, SIZE, comment,
                      t->comments);
    bench_check(pcapng_close(p), "pcapng_close");
}

static void write_pcap(void *ctx, void *out)
{
    const struct target *t = ctx;
    char err[256];
    (void)out;
    struct pcapfile *p = pcapfile_open(t->path, LINK_ETHERNET, err, sizeof err);
    bench_check(p ? 0 : -errno, t->path);
    for (size_t i = 0; i < PACKETS; i++)
        pcapfile_packet(p, time_of(i), t->packets->data[i % KINDS], SIZE, SIZE);
    bench_check(pcapfile_close(p), "pcapfile_close");
}

static void write_libpcap(void *ctx, void *out)
{
    const struct target *t = ctx;
    (void)out;
    pcap_t *dead = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, LINK_SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
    FILE *stream = fdopen(dup(t->fd), "w"); /* by name it would begin with an empty file */
    pcap_dumper_t *p = dead && stream ? pcap_dump_fopen(dead, stream) : NULL;
    bench_check(p ? 0 : -ENOMEM, "pcap_dump_fopen");
    for (size_t i = 0; i < PACKETS; i++) {
        const int64_t ns = time_of(i);
        const struct pcap_pkthdr h = {.ts = {ns / 1000000000, ns % 1000000000}, .caplen = SIZE, .len = SIZE};
        pcap_dump((u_char *)p, &h, t->packets->data[i % KINDS]);
    }
    bench_check(pcap_dump_flush(p) ? -EIO : 0, "pcap_dump");
    pcap_dump_close(p);
    pcap_close(dead);
}

static void write_raw(void *ctx, void *out)
{
    const struct target *t = ctx;
    const uint8_t *from = t->same->bytes;
    (void)out;
    for (size_t n = t->same->n; n;) {
        ssize_t k = write(t->fd, from, n < PIECE ? n : PIECE);
        bench_check(k < 0 ? -errno : 0, "write");
        from += k;
        n -= (size_t)k;
    }
}

/* -- what came of it ------------------------------------------------------------------------------------- */

static size_t read_at(const struct target *t, size_t at, uint8_t *bytes, size_t n)
{
    const ssize_t k = pread(t->fd, bytes, n, (off_t)at);
    bench_check(k < 0 ? -errno : 0, "pread");
    return (size_t)k;
}

/* => the whole file's bytes. */
static uint8_t *contents(const struct target *t, size_t *n)
{
    *n = (size_t)lseek(t->fd, 0, SEEK_END);
    uint8_t *bytes = bench_array(*n, 1);
    for (size_t at = 0, k; at < *n; at += k) {
        k = read_at(t, at, bytes + at, *n - at);
        bench_check(k ? 0 : -EIO, "pread");
    }
    return bytes;
}

/* Let libpcap read the file. => whether the packets are those that were to be written. */
static bool reads_right(const struct target *t)
{
    char err[PCAP_ERRBUF_SIZE];
    const u_char *data;
    struct pcap_pkthdr *h;
    size_t i = 0;
    pcap_t *p = pcap_open_offline_with_tstamp_precision(t->path, PCAP_TSTAMP_PRECISION_NANO, err);
    bool right = p && pcap_datalink(p) == DLT_EN10MB;
    for (; right && pcap_next_ex(p, &h, &data) == 1; i++)
        right = i < PACKETS && h->caplen == SIZE && h->len == SIZE &&
                h->ts.tv_sec * INT64_C(1000000000) + h->ts.tv_usec == time_of(i) &&
                memcmp(data, t->packets->data[i % KINDS], SIZE) == 0;
    if (p)
        pcap_close(p);
    return right && i == PACKETS;
}

static bool has_bytes(const struct target *t, const uint8_t *bytes, size_t n)
{
    static uint8_t part[PIECE];
    size_t k;
    bool same = lseek(t->fd, 0, SEEK_END) == (off_t)n;
    for (size_t at = 0; same && at < n; at += k) {
        k = read_at(t, at, part, sizeof part);
        same = k > 0 && k <= n - at && memcmp(part, bytes + at, k) == 0;
    }
    return same;
}

/* Check the file and make it ready for the next round. */
static void finish(void *ctx, void *out)
{
    struct target *t = ctx;
    const struct target *want = t->same ? t->same : t;
    bool right = true;
    if (!want->bytes) {
        right = reads_right(t);
        t->bytes = contents(t, &t->n);
    }
    *(uint64_t *)out = right && has_bytes(t, want->bytes, want->n);
    bench_check(!t->again && ftruncate(t->fd, 0) ? -errno : 0, "ftruncate");
    lseek(t->fd, 0, SEEK_SET);
}

static void open_target(struct target *t, const struct packets *packets, bool comments, bool again,
                        const struct target *same)
{
    *t = (struct target){.packets = packets, .comments = comments, .again = again, .same = same};
    t->fd = memfd_create("capture", MFD_CLOEXEC);
    bench_check(t->fd < 0 ? -errno : 0, "memfd_create");
    snprintf(t->path, sizeof t->path, "/dev/fd/%d", t->fd);
}

static void close_target(struct target *t)
{
    close(t->fd);
    if (t->bytes)
        bench_free(t->bytes, t->n, 1);
}

/* -- rows ------------------------------------------------------------------------------------------------ */

enum { OURS, RAW, LIBPCAP, CLASSIC, TARGETS };

static void capture_row(struct bench *b, const struct packets *packets, bool comments, bool again)
{
    static const uint64_t right = 1;
    static const struct {
        const char *name;
        void (*fn)(void *ctx, void *out);
        int same;
    } contender[] = {{"ours, pcapng", write_pcapng, -1},
                     {"raw write of the same", write_raw, OURS},
                     {"pcap_dump", write_libpcap, -1},
                     {"ours, pcap", write_pcap, LIBPCAP}};
    struct target target[TARGETS];
    struct bench_row row = {.what = "captures",
                            .table = comments ? "64 bytes, comments" : "64 bytes",
                            .stream = again ? "file again" : "new file",
                            .work = PACKETS,
                            .answers = 1,
                            .want = &right,
                            .n_runs = comments ? 2 : TARGETS};
    for (size_t i = 0; i < row.n_runs; i++) {
        const int same = contender[i].same;
        open_target(&target[i], packets, comments, again, same < 0 ? NULL : &target[same]);
        row.run[i] = (struct bench_run){.name = contender[i].name,
                                        .fn = contender[i].fn,
                                        .finish = finish,
                                        .ctx = &target[i],
                                        .width = 8};
    }
    bench_row(b, &row);
    if (again && !comments) {
        bench_want(b, "ours, pcapng", "raw write", 0.7);
        bench_want(b, "ours, pcapng", "pcap_dump", 1.8);
    }
    for (size_t i = 0; i < row.n_runs; i++)
        close_target(&target[i]);
}

void rows_capture(struct bench *b)
{
    struct packets *packets = bench_array(1, sizeof *packets);
    struct rng r;
    rng_seed(&r, b->seed, "captures");
    for (size_t i = 0; i < KINDS; i++)
        for (size_t k = 0; k < SIZE; k++)
            packets->data[i][k] = (uint8_t)rng_u64(&r);
    capture_row(b, packets, false, true);
    if (!b->again) {
        capture_row(b, packets, true, true);
        capture_row(b, packets, false, false);
        capture_row(b, packets, true, false);
    }
    bench_free(packets, 1, sizeof *packets);
}
