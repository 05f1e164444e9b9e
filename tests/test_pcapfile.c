/* test_pcapfile.c - classic pcap, filter expressions, and reading captures, odd ones too. */
#include "pcaps/pcapfile.h"
#include "pcaps/pcapin.h"
#include "pcaps/pfilter.h"
#include "tests/support_capfile.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(pcapfile, .init = capfile_setup, .fini = capfile_teardown);
TestSuite(pcapin, .init = capfile_setup, .fini = capfile_teardown);

/* Ethernet, IPv4 10.0.1.4 -> 10.0.2.5, UDP 5000 -> 53, one byte of payload. */
static const uint8_t frame[] = {0x02, 0, 0,  0, 0,    1,    0x02, 0,  0,  0,    0,    2,  0x08, 0, 0x45,
                                0,    0, 29, 0, 1,    0,    0,    64, 17, 0x63, 0xc6, 10, 0,    1, 4,
                                10,   0, 2,  5, 0x13, 0x88, 0,    53, 0,  9,    0,    0,  'x'};

static struct pcapfile *must_open(const char *file, unsigned linktype)
{
    struct pcapfile *p = pcapfile_open(file, linktype, err, sizeof err);
    cr_assert(p, "%s", err);
    return p;
}

static struct pcapin *must_read(const char *file)
{
    struct pcapin *in = pcapin_open(file, err, sizeof err);
    cr_assert(in, "%s", err);
    return in;
}

static void expect_no_file(void)
{
    char *list = tmp_list(&tmp);
    cr_expect_str_eq(list, "");
    free(list);
}

/* -- classic pcap ------------------------------------------------------------------------------------ */

Test(pcapfile, what_is_written_is_read)
{
    static const int64_t times[] = {0,
                                    1,
                                    999999999,
                                    1000000000,
                                    START + 123456789,
                                    INT64_C(2147483647) * 1000000000,
                                    INT64_C(2147483648) * 1000000000, /* 2038 */
                                    INT64_C(4294967295) * 1000000000 + 999999999};
    static const unsigned types[] = {LINK_ETHERNET, LINK_RAW, LINK_IPV4, LINK_IPV6};
    for (size_t t = 0; t < 4; t++) {
        struct pcapfile *p = must_open(path, types[t]);
        for (uint32_t i = 0; i < 8; i++)
            cr_expect_eq(pcapfile_packet(p, times[i], frame, i, 100 + i), 0);
        cr_expect_eq(pcapfile_packets(p), 8);
        cr_assert_eq(pcapfile_close(p), 0);
        struct pcapin *in = must_read(path);
        struct pcapin_packet pkt;
        cr_expect_eq(pcapin_linktype(in), types[t]);
        for (uint32_t i = 0; i < 8; i++) {
            cr_assert_eq(pcapin_next(in, &pkt), 1, "%s", pcapin_error(in));
            cr_expect_eq(pkt.unix_ns, times[i], "%lld", (long long)pkt.unix_ns);
            cr_expect(pkt.caplen == i && pkt.len == 100 + i && pkt.linktype == types[t]);
            cr_expect(memcmp(pkt.data, frame, i) == 0);
        }
        cr_expect_eq(pcapin_next(in, &pkt), 0);
        cr_expect_eq(pcapin_next(in, &pkt), 0, "the end is the end");
        cr_expect_str_eq(pcapin_error(in), "");
        pcapin_close(in);
    }
}

Test(pcapfile, header_says_nanoseconds)
{
    size_t n;
    cr_assert_eq(pcapfile_close(must_open(path, LINK_RAW)), 0);
    uint8_t *data = file_read(path, &n);
    uint32_t magic, snaplen, link;
    cr_assert(data && n == 24, "an empty capture is a header");
    memcpy(&magic, data, 4);
    memcpy(&snaplen, data + 16, 4);
    memcpy(&link, data + 20, 4);
    cr_expect(magic == 0xa1b23c4d && snaplen == LINK_SNAPLEN && link == LINK_RAW);
    free(data);
}

Test(pcapfile, long_packets_are_cut)
{
    uint8_t *data = calloc(1, LINK_SNAPLEN + 1);
    struct pcapfile *p = must_open(path, LINK_ETHERNET);
    struct pcapin_packet pkt;
    cr_expect_eq(pcapfile_packet(p, 0, data, LINK_SNAPLEN + 1, LINK_SNAPLEN + 1), 0);
    cr_expect_eq(pcapfile_packet(p, 1, NULL, 0, 5), 0);
    cr_assert_eq(pcapfile_close(p), 0);
    struct pcapin *in = must_read(path);
    cr_assert_eq(pcapin_next(in, &pkt), 1, "%s", pcapin_error(in));
    cr_expect(pkt.caplen == LINK_SNAPLEN && pkt.len == LINK_SNAPLEN + 1);
    cr_assert_eq(pcapin_next(in, &pkt), 1);
    cr_expect(pkt.caplen == 0 && pkt.len == 5);
    pcapin_close(in);
    free(data);
}

/* Both writers, byte for byte. */
Test(pcapfile, property_same_bytes_as_libpcap)
{
    enum { MOST = 70000 };
    struct rng r;
    size_t n, m;
    char *theirs = tmp_path(&tmp, "theirs.pcap");
    uint8_t *data = malloc(MOST);
    pcap_t *dead = pcap_open_dead_with_tstamp_precision(LINK_IPV6, LINK_SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
    pcap_dumper_t *dump = pcap_dump_open(dead, theirs);
    struct pcapfile *p = must_open(path, LINK_IPV6);
    prop_seed(&r, "same bytes as libpcap");
    for (size_t i = 0; i < MOST; i++)
        data[i] = (uint8_t)rng_u64(&r);
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t size = i < 300 ? i : (uint32_t)rng_below(&r, rng_below(&r, 50) ? 1600 : MOST);
        int64_t at = (int64_t)rng_below(&r, UINT64_C(4294967296) * 1000000000);
        struct pcap_pkthdr h = {.ts = {at / 1000000000, at % 1000000000}, .caplen = size, .len = size + i};
        pcap_dump((u_char *)dump, &h, data);
        cr_assert_eq(pcapfile_packet(p, at, data, size, size + i), 0);
    }
    pcap_dump_close(dump);
    pcap_close(dead);
    cr_assert_eq(pcapfile_close(p), 0);
    uint8_t *want = file_read(theirs, &n), *got = file_read(path, &m);
    cr_assert(want && got && n == m && memcmp(want, got, n) == 0);
    free(want);
    free(got);
    free(data);
    free(theirs);
}

Test(pcapfile, full_device)
{
    struct pcapfile *p = must_open("/dev/full", LINK_ETHERNET);
    cr_expect_eq(pcapfile_packet(p, 0, frame, sizeof frame, sizeof frame), 0, "still in a buffer");
    cr_expect_eq(pcapfile_finish(p), -ENOSPC);
    cr_expect_eq(pcapfile_close(p), -ENOSPC);
    p = must_open("/dev/full", LINK_ETHERNET);
    int error = 0;
    for (int i = 0; i < 20000; i++)
        error = pcapfile_packet(p, 0, frame, sizeof frame, sizeof frame);
    cr_expect_eq(error, -ENOSPC, "said while the run goes on");
    cr_expect_eq(pcapfile_close(p), -ENOSPC);
    p = must_open("/dev/full", LINK_ETHERNET);
    pcapfile_abort(p);
}

Test(pcapfile, times_out_of_range)
{
    static const int64_t bad[] = {-1, INT64_MIN, INT64_C(4294967296) * 1000000000, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        struct pcapfile *p = must_open(path, LINK_ETHERNET);
        cr_expect_eq(pcapfile_packet(p, bad[i], frame, 1, 1), -ERANGE);
        cr_expect_eq(pcapfile_packet(p, 0, frame, 1, 1), -ERANGE, "sticky");
        cr_expect_eq(pcapfile_close(p), -ERANGE);
        expect_no_file();
    }
}

Test(pcapfile, abort_and_failed_open_leave_nothing)
{
    char *gone = tmp_path(&tmp, "no/a.pcap");
    cr_expect_null(pcapfile_open(gone, LINK_ETHERNET, err, sizeof err));
    cr_expect(strstr(err, gone) && strstr(err, "No such file"), "%s", err);
    struct pcapfile *p = must_open(path, LINK_ETHERNET);
    pcapfile_packet(p, 0, frame, sizeof frame, sizeof frame);
    pcapfile_abort(p);
    pcapfile_abort(NULL);
    p = must_open(path, LINK_ETHERNET);
    cr_expect_eq(pcapfile_finish(p), 0);
    pcapfile_abort(p);
    expect_no_file();
    free(gone);
}

Test(pcapfile, tshark_reads_it)
{
    if (!program_exists("tshark"))
        skip("pcapfile::tshark_reads_it", "tshark is not installed");
    int rc;
    struct pcapfile *p = must_open(path, LINK_ETHERNET);
    pcapfile_packet(p, START + 7, frame, sizeof frame, sizeof frame);
    cr_assert_eq(pcapfile_close(p), 0);
    char *out =
        command_output(&rc, "tshark -r '%s' -T fields -e frame.time_epoch -e udp.dstport 2>/dev/null", path);
    cr_expect_str_eq(out, "1767225600.000000007\t53\n");
    free(out);
}

/* -- filters ----------------------------------------------------------------------------------------- */

static bool matches(const char *expr, unsigned linktype, const uint8_t *data, uint32_t caplen, uint32_t len)
{
    struct pfilter *f = pfilter_compile(expr, linktype, err, sizeof err);
    cr_assert(f, "%s: %s", expr, err);
    bool yes = pfilter_match(f, data, caplen, len);
    pfilter_free(f);
    return yes;
}

Test(pfilter, expressions_match)
{
    static const struct {
        const char *expr;
        bool yes;
    } rows[] = {{"", true},
                {"udp", true},
                {"tcp", false},
                {"udp port 53", true},
                {"udp src port 53", false},
                {"host 10.0.2.5", true},
                {"src host 10.0.2.5", false},
                {"net 10.0.2.0/24 and not port 54", true},
                {"greater 43", true},
                {"greater 44", false},
                {"ether src 02:00:00:00:00:02", true},
                {"udp[8] = 0x78", true},
                {"ip6", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect_eq(matches(rows[i].expr, LINK_ETHERNET, frame, sizeof frame, sizeof frame), rows[i].yes,
                     "%s", rows[i].expr);
}

Test(pfilter, link_types_and_cut_packets)
{
    cr_expect(matches("udp port 53", LINK_RAW, frame + 14, sizeof frame - 14, sizeof frame - 14));
    cr_expect(matches("udp port 53", LINK_IPV4, frame + 14, sizeof frame - 14, sizeof frame - 14));
    cr_expect_not(matches("udp", LINK_IPV6, frame + 14, sizeof frame - 14, sizeof frame - 14));
    uint8_t *exact = malloc(20); /* so that the sanitizer sees a read behind it */
    memcpy(exact, frame, 20);
    cr_expect_not(matches("udp port 53", LINK_ETHERNET, exact, 20, sizeof frame), "its ports are not there");
    cr_expect(matches("ip", LINK_ETHERNET, exact, 20, sizeof frame));
    cr_expect(matches("greater 43", LINK_ETHERNET, exact, 20, sizeof frame), "length on the wire");
    cr_expect_not(matches("ip", LINK_ETHERNET, exact, 0, 0));
    free(exact);
}

Test(pfilter, errors_are_libpcaps_words)
{
    static const char *const bad[] = {"tcp prot 443", "port 99999", "host 10.0.0.300 and", "(", "inbound"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err[0] = '\0';
        cr_expect_null(pfilter_compile(bad[i], LINK_ETHERNET, err, sizeof err), "%s", bad[i]);
        cr_expect_gt(strlen(err), 5, "%s: '%s'", bad[i], err);
    }
    cr_expect_null(pfilter_compile("(", LINK_ETHERNET, err, sizeof err));
    cr_expect(strstr(err, "syntax error"), "%s", err);
    char tiny[4];
    cr_expect_null(pfilter_compile("(", LINK_ETHERNET, tiny, sizeof tiny));
    cr_expect_eq(strlen(tiny), 3);
    pfilter_free(NULL);
}

/* -- reading ----------------------------------------------------------------------------------------- */

Test(pcapin, what_cannot_be_opened_says_why)
{
    static const char rubbish[] = "this is not a capture file at all, is it?";
    char *gone = tmp_path(&tmp, "gone");
    cr_expect_null(pcapin_open(gone, err, sizeof err));
    cr_expect(strstr(err, gone) && strstr(err, "No such file"), "%s", err);
    cr_expect_null(pcapin_open(tmp.dir, err, sizeof err));
    cr_expect(strstr(err, "directory"), "%s", err);
    file_write(path, rubbish, sizeof rubbish);
    cr_expect_null(pcapin_open(path, err, sizeof err));
    cr_expect(strstr(err, path) && strstr(err, "unknown file format"), "%s", err);
    file_write(path, "", 0);
    cr_expect_null(pcapin_open(path, err, sizeof err));
    cr_expect(strstr(err, "truncated"), "%s", err);
    pcapin_close(NULL);
    free(gone);
}

/* A good file cut at every byte: the packets before the cut, then a clear error or, at a packet's border, the
 * end. */
Test(pcapin, cut_files_name_the_packet)
{
    struct pcapfile *p = must_open(path, LINK_ETHERNET);
    size_t n;
    for (int i = 0; i < 3; i++)
        pcapfile_packet(p, START + i, frame, sizeof frame, sizeof frame);
    cr_assert_eq(pcapfile_close(p), 0);
    uint8_t *data = file_read(path, &n);
    size_t record = 16 + sizeof frame;
    cr_assert_eq(n, 24 + 3 * record);
    for (size_t cut = 24; cut <= n; cut++) {
        struct pcapin_packet pkt;
        char want[160];
        file_write(path, data, cut);
        struct pcapin *in = must_read(path);
        size_t whole = (cut - 24) / record;
        for (size_t i = 0; i < whole; i++)
            cr_assert_eq(pcapin_next(in, &pkt), 1);
        if ((cut - 24) % record == 0) {
            cr_expect_eq(pcapin_next(in, &pkt), 0);
        } else {
            snprintf(want, sizeof want, "%s: packet %zu: ", path, whole + 1);
            cr_expect_eq(pcapin_next(in, &pkt), -EIO);
            cr_expect_eq(pcapin_next(in, &pkt), -EIO, "and again");
            cr_expect(strncmp(pcapin_error(in), want, strlen(want)) == 0 &&
                          strstr(pcapin_error(in), "truncated"),
                      "%s", pcapin_error(in));
        }
        pcapin_close(in);
    }
    free(data);
}

Test(pcapin, microseconds_become_nanoseconds)
{
    static const uint32_t file[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1, 1767225600, 123456, 4, 4, 0};
    struct pcapin_packet pkt;
    file_write(path, file, sizeof file);
    struct pcapin *in = must_read(path);
    cr_assert_eq(pcapin_next(in, &pkt), 1, "%s", pcapin_error(in));
    cr_expect_eq(pkt.unix_ns, START + 123456000);
    pcapin_close(in);
}

static uint32_t swap(uint32_t v)
{
    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

Test(pcapin, other_byte_order)
{
    uint32_t file[] = {0xa1b23c4d, 2 << 16 | 4, 0, 0, 65535, 1, 1767225600, 123456789, 4, 60, 0};
    struct pcapin_packet pkt;
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        file[i] = swap(file[i]);
    file_write(path, file, sizeof file);
    struct pcapin *in = must_read(path);
    cr_assert_eq(pcapin_next(in, &pkt), 1, "%s", pcapin_error(in));
    cr_expect(pkt.unix_ns == START + 123456789 && pkt.caplen == 4 && pkt.len == 60);
    pcapin_close(in);
}

/* A pcapng file whose clock has whole seconds and whose times are beyond any calendar. */
Test(pcapin, impossible_times_are_errors)
{
    static const uint32_t file[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1,           UINT32_MAX, UINT32_MAX, 28, 1,
                                    32,         1,  0,          1 << 16 | 9, 0,          0,          32, 6,
                                    32,         0,  0x7fffffff, 0xffffffff,  0,          0,          32};
    struct pcapin_packet pkt;
    file_write(path, file, sizeof file);
    struct pcapin *in = must_read(path);
    cr_expect_eq(pcapin_next(in, &pkt), -EIO);
    cr_expect(strstr(pcapin_error(in), "packet 1: its time is out of range"), "%s", pcapin_error(in));
    pcapin_close(in);
}

/* Read a file to its end or its error. => packets read, -1 if it cannot be opened; either way with a clear
 * text. */
static int read_all(const char *file)
{
    struct pcapin_packet pkt;
    err[0] = '\0';
    struct pcapin *in = pcapin_open(file, err, sizeof err);
    unsigned sum = 0;
    int n = 0, rc;
    if (!in) {
        cr_assert(strncmp(err, file, strlen(file)) == 0 && strlen(err) > strlen(file) + 5, "%s", err);
        return -1;
    }
    while ((rc = pcapin_next(in, &pkt)) == 1) {
        for (uint32_t i = 0; i < pkt.caplen; i++)
            sum += pkt.data[i]; /* touch every byte, for the sanitizer */
        n++;
    }
    cr_assert(rc == 0 || rc == -EIO);
    cr_assert_eq(rc == 0, !*pcapin_error(in), "an error has a text, the end has none");
    cr_assert(sum || !sum);
    pcapin_close(in);
    return n;
}

/* Damage a good file of each kind at random places: no crash, packets or a text. */
Test(pcapin, damaged_files_do_no_harm)
{
    struct rng r;
    size_t n;
    prop_seed(&r, "pcapin");
    struct pcapfile *p = must_open(path, LINK_ETHERNET);
    for (int i = 0; i < 5; i++)
        pcapfile_packet(p, START + i, frame, sizeof frame, sizeof frame);
    cr_assert_eq(pcapfile_close(p), 0);
    uint8_t *good = file_read(path, &n), *bad = malloc(n);
    int errors = 0;
    for (int round = 0; round < 500; round++) {
        memcpy(bad, good, n);
        for (uint64_t k = 1 + rng_below(&r, 4); k; k--)
            bad[rng_below(&r, n)] = (uint8_t)rng_u64(&r);
        file_write(path, bad, n - rng_below(&r, 2) * rng_below(&r, n));
        errors += read_all(path) != 5;
    }
    cr_expect_gt(errors, 50, "the damage shows");
    free(good);
    free(bad);
}

/* -- files of others --------------------------------------------------------------------------------- */

/* => the data folder of that name, to be freed; skips the test where it is not there. */
static char *data_folder(const char *test, const char *name)
{
    const char *root = getenv("VNETSIM_DATA");
    char *dir;
    if (!root || !*root)
        skip(test, "VNETSIM_DATA is not set");
    cr_assert(asprintf(&dir, "%s/%s", root, name) >= 0);
    if (access(dir, R_OK) != 0)
        skip(test, "VNETSIM_DATA has no such folder");
    return dir;
}

/* Read every file below dir. => the number of files; *readable those that gave packets or an honest end. */
static int read_folder(const char *dir, int *readable)
{
    int rc, files = 0;
    char *list = command_output(&rc, "find '%s' -type f | LC_ALL=C sort", dir), *save = NULL;
    *readable = 0;
    for (char *f = strtok_r(list, "\n", &save); f; f = strtok_r(NULL, "\n", &save)) {
        files++;
        *readable += read_all(f) >= 0;
    }
    free(list);
    return files;
}

Test(pcapin, odd_files_of_others)
{
    char *dir = data_folder("pcapin::odd_files_of_others", "pcaps/format");
    int readable, files = read_folder(dir, &readable);
    cr_expect_gt(files, 20);
    cr_expect_gt(readable, 15);
    static const struct {
        const char *file;
        int packets;
    } rows[] = {{"pcapng-test-generator/output_le/basic/test001.pcapng", 4},
                {"pcapng-test-generator/output_be/basic/test001.pcapng", 4},
                {"pcapng-test-generator/output_be/basic/test009.pcapng", 2},
                {"libpcap/shb-option-too-long.pcapng", -1},
                {"timestamp_invalid_nano.pcap", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *file;
        cr_assert(asprintf(&file, "%s/%s", dir, rows[i].file) >= 0);
        cr_expect_eq(read_all(file), rows[i].packets, "%s", rows[i].file);
        free(file);
    }
    free(dir);
}

Test(pcapin, captures_of_others)
{
    char *dir = data_folder("pcapin::captures_of_others", "pcaps/replay");
    int readable, files = read_folder(dir, &readable);
    cr_expect_gt(files, 5);
    cr_expect_gt(readable, files / 2);
    free(dir);
}
