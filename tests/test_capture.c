/* test_capture.c - the set of capture files of a run: which file gets which packet, and all files or none. */
#include "pcaps/capture.h"
#include "dataplane/addr.h"
#include "pcaps/pcapin.h"
#include "tests/support_pcapng.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define START INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */

static struct tmp tmp;
static char err[640];

static void setup(void)
{
    tmp_make(&tmp);
    err[0] = '\0';
}

static void teardown(void)
{
    tmp_remove(&tmp);
}

TestSuite(capture, .init = setup, .fini = teardown);

/* Ethernet, IPv4, UDP to that port. */
static void make_frame(uint8_t f[43], uint8_t port)
{
    static const uint8_t udp[43] = {0x02, 0, 0,  0, 0,    1,    0x02, 0,  0,  0,    0,    2,  0x08, 0, 0x45,
                                    0,    0, 29, 0, 1,    0,    0,    64, 17, 0x63, 0xc6, 10, 0,    1, 4,
                                    10,   0, 2,  5, 0x13, 0x88, 0,    0,  0,  9,    0,    0,  'x'};
    memcpy(f, udp, sizeof udp);
    f[37] = port;
}

static struct capture_set *must_open(const struct capture_spec *specs, size_t n)
{
    struct capture_set *c = capture_open(tmp.dir, "vnetsim 0.1.0", specs, n, err, sizeof err);
    cr_assert(c, "%s", err);
    return c;
}

static void send(struct capture_set *c, uint32_t id, uint8_t port)
{
    static const char *const comment[] = {"seen"};
    uint8_t f[43];
    make_frame(f, port);
    cr_assert_eq(capture_packet(c, id, START + port, PCAPNG_DIR_OUT, false, f, sizeof f, comment, 1), 0);
}

static void expect_list(const char *want)
{
    char *got = tmp_list(&tmp);
    cr_expect_str_eq(got, want);
    free(got);
}

/* The ports of a file's packets, in order, joined by blanks: what was in it. */
static void expect_ports(const char *file, const char *want)
{
    char *path = tmp_path(&tmp, file), got[256] = "";
    struct pcapin *in = pcapin_open(path, err, sizeof err);
    struct pcapin_packet pkt;
    int rc;
    cr_assert(in, "%s", err);
    while ((rc = pcapin_next(in, &pkt)) == 1) {
        size_t n = strlen(got);
        snprintf(got + n, sizeof got - n, "%s%d", n ? " " : "", pkt.data[37]);
        cr_expect_eq(pkt.unix_ns, START + pkt.data[37]);
        cr_expect(pkt.caplen == 43 && pkt.len == 43);
    }
    cr_expect_eq(rc, 0, "%s", pcapin_error(in));
    cr_expect_str_eq(got, want, "%s: '%s', not '%s'", file, got, want);
    pcapin_close(in);
    free(path);
}

static void expect_results(const struct capture_set *c, const char *want)
{
    const struct capture_result *r;
    char got[512] = "";
    size_t n = capture_results(c, &r);
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(got);
        snprintf(got + at, sizeof got - at, "%s%s:%s:%llu", i ? " " : "", r[i].name, r[i].file,
                 (unsigned long long)r[i].packets);
    }
    cr_expect_str_eq(got, want);
}

static void must_commit(struct capture_set *c)
{
    cr_assert_eq(capture_commit(c, START, START + 1000, err, sizeof err), 0, "%s", err);
}

Test(capture, default_is_a_file_per_point_and_all)
{
    struct capture_set *c = must_open(NULL, 0);
    cr_expect_eq(capture_point(c, 0, "vm1-nic", "hub/clients"), 0);
    cr_expect_eq(capture_point(c, 1, "hq/laptop", NULL), 0);
    cr_expect_eq(capture_point(c, 2, "quiet", NULL), 0);
    cr_expect_eq(capture_point(c, 0, "vm1-nic", "again"), 0, "twice is once");
    capture_name(c, IP4(10, 0, 1, 4), "vm1");
    send(c, 0, 1);
    send(c, 1, 2);
    cr_expect_eq(capture_point(c, 7, "late", NULL), 0, "a point that appears in the run");
    send(c, 7, 3);
    send(c, 0, 4);
    send(c, 5, 5); /* declared nowhere: nobody looks */
    cr_expect(capture_wants(c, 0) && capture_wants(c, 7));
    cr_expect_not(capture_wants(c, 5));
    cr_expect_not(capture_wants(c, 123456789));
    must_commit(c);
    expect_results(c, "vm1-nic:vm1-nic.pcapng:2 hq/laptop:hq-laptop.pcapng:1 quiet:quiet.pcapng:0 "
                      "late:late.pcapng:1 all:all.pcapng:4");
    capture_free(c);
    expect_list("all.pcapng hq-laptop.pcapng late.pcapng quiet.pcapng vm1-nic.pcapng");
    expect_ports("all.pcapng", "1 2 3 4");
    expect_ports("vm1-nic.pcapng", "1 4");
    expect_ports("hq-laptop.pcapng", "2");
    expect_ports("late.pcapng", "3");
    expect_ports("quiet.pcapng", "");

    char *path = tmp_path(&tmp, "all.pcapng");
    struct ng g;
    ng_read(&g, path);
    static const uint32_t iface[] = {0, 1, 3, 0};
    static const char *const names[] = {"vm1-nic", "hq/laptop", "quiet", "late"};
    static const uint64_t received[] = {2, 1, 0, 1};
    for (size_t i = 0; i < 4; i++) {
        size_t len;
        cr_expect_eq(ng_u32(ng_block_of(&g, NG_EPB, i)->body), iface[i]);
        char *name = ng_text(ng_block_of(&g, NG_IDB, i), 2, 0);
        cr_expect_str_eq(name, names[i]);
        free(name);
        const struct ng_block *isb = ng_block_of(&g, NG_ISB, i);
        cr_expect_eq(ng_time(ng_option(isb, 2, 0, &len)), START);
        cr_expect_eq(ng_time(ng_option(isb, 3, 0, &len)), START + 1000);
        cr_expect_eq(ng_u64(ng_option(isb, 4, 0, &len)), received[i]);
    }
    char *text = ng_names(&g);
    cr_expect_str_eq(text, "10.0.1.4=vm1|");
    free(text);
    text = ng_text(ng_block_of(&g, NG_EPB, 0), 1, 0);
    cr_expect_str_eq(text, "seen");
    free(text);
    ng_free(&g);
    free(path);
}

Test(capture, specs_choose_points_formats_and_filters)
{
    static const struct capture_point a = {0, "a", "first"}, b = {1, "net/b", NULL}, d = {9, "d", NULL};
    const struct capture_point ab[] = {a, b, a}, aa[] = {a, a}, bd[] = {b, d};
    const struct capture_spec specs[] = {
        {"both", ab, 3, CAPFILE_PCAPNG, NULL},      {"dns", ab, 2, CAPFILE_PCAPNG, "udp port 53"},
        {"one", aa, 2, CAPFILE_PCAP, ""},           {"two", bd, 2, CAPFILE_PCAP, "not udp port 53"},
        {"nothing", NULL, 0, CAPFILE_PCAPNG, NULL}, {"none", NULL, 0, CAPFILE_PCAP, NULL},
    };
    struct capture_set *c = must_open(specs, 6);
    cr_expect_eq(capture_point(c, 0, "a", NULL), 0, "no file of its own: specs rule");
    cr_expect_eq(capture_point(c, 50, "other", NULL), 0);
    for (uint8_t i = 50; i < 55; i++) {
        send(c, 0, i);
        send(c, 1, i);
        send(c, 50, i);
    }
    cr_expect_not(capture_wants(c, 50));
    cr_expect(capture_wants(c, 9));
    must_commit(c);
    expect_results(
        c, "both:both.pcapng:10 dns:dns.pcapng:2 one:one.pcap:5 two:two-net-b.pcap:4 two:two-d.pcap:0 "
           "nothing:nothing.pcapng:0 none:none.pcap:0");
    capture_free(c);
    expect_list("both.pcapng dns.pcapng none.pcap nothing.pcapng one.pcap two-d.pcap two-net-b.pcap");
    expect_ports("both.pcapng", "50 50 51 51 52 52 53 53 54 54");
    expect_ports("dns.pcapng", "53 53");
    expect_ports("one.pcap", "50 51 52 53 54");
    expect_ports("two-net-b.pcap", "50 51 52 54");
    expect_ports("two-d.pcap", "");
    char *path = tmp_path(&tmp, "dns.pcapng");
    struct ng g;
    size_t n;
    ng_read(&g, path);
    cr_expect_eq(ng_count(&g, NG_IDB), 2);
    const uint8_t *filter = ng_option(ng_block_of(&g, NG_IDB, 1), 11, 0, &n);
    cr_expect(filter && n == 12 && memcmp(filter, "\0udp port 53", 12) == 0);
    cr_expect_eq(ng_u64(ng_option(ng_block_of(&g, NG_ISB, 1), 4, 0, &n)), 5, "received before the filter");
    cr_expect_eq(ng_u64(ng_option(ng_block_of(&g, NG_ISB, 1), 6, 0, &n)), 1, "accepted by it");
    ng_free(&g);
    free(path);
}

Test(capture, names_that_make_one_file_name)
{
    struct capture_set *c = must_open(NULL, 0);
    static const char *const points[] = {"hq/laptop", "hq-laptop", "hq-laptop-2", "all", "../x",
                                         "\x1b[0m",   ""};
    for (uint32_t i = 0; i < 7; i++)
        cr_assert_eq(capture_point(c, i, points[i], NULL), 0);
    char longest[600];
    memset(longest, 'n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    cr_assert_eq(capture_point(c, 20, longest, NULL), 0);
    cr_assert_eq(capture_point(c, 21, longest, NULL), 0);
    for (uint32_t i = 0; i < 7; i++)
        send(c, i, (uint8_t)i);
    must_commit(c);
    const struct capture_result *r;
    static const char *const want[] = {"hq-laptop.pcapng", "hq-laptop-2.pcapng", "hq-laptop-2-2.pcapng",
                                       "all-2.pcapng",     "..-x.pcapng",        "_[0m.pcapng",
                                       ".pcapng"};
    cr_assert_eq(capture_results(c, &r), 10);
    for (size_t i = 0; i < 7; i++) {
        char port[4];
        cr_expect_str_eq(r[i].file, want[i]);
        cr_expect_str_eq(r[i].name, points[i]);
        snprintf(port, sizeof port, "%zu", i);
        expect_ports(r[i].file, port);
    }
    capture_free(c);
}

Test(capture, folder_is_made)
{
    char *deep = tmp_path(&tmp, "out/of/run");
    struct capture_set *c = capture_open(deep, "v", NULL, 0, err, sizeof err);
    cr_assert(c, "%s", err);
    must_commit(c);
    capture_free(c);
    char *all = tmp_path(&tmp, "out/of/run/all.pcapng");
    cr_expect_eq(access(all, R_OK), 0);
    free(all);
    free(deep);
}

/* -- errors ------------------------------------------------------------------------------------------ */

Test(capture, wrong_filter_is_the_users_mistake)
{
    static const struct capture_point a = {0, "a", NULL};
    const struct capture_spec specs[] = {{"good", &a, 1, CAPFILE_PCAPNG, NULL},
                                         {"client", &a, 1, CAPFILE_PCAPNG, "tcp prot 443"}};
    cr_expect_null(capture_open(tmp.dir, "v", specs, 2, err, sizeof err));
    cr_expect_eq(errno, EINVAL);
    cr_expect(strstr(err, "capture 'client': filter 'tcp prot 443': ") && strstr(err, "syntax error"), "%s",
              err);
    expect_list("");
}

Test(capture, folder_that_cannot_be)
{
    char *file = tmp_path(&tmp, "f");
    file_write(file, "x", 1);
    cr_expect_null(capture_open(file, "v", NULL, 0, err, sizeof err));
    cr_expect_eq(errno, ENOTDIR);
    cr_expect(strstr(err, file), "%s", err);
    free(file);
}

Test(capture, abort_leaves_nothing)
{
    struct capture_set *c = must_open(NULL, 0);
    capture_point(c, 0, "a", NULL);
    send(c, 0, 1);
    capture_free(c);
    expect_list("");
    c = must_open(NULL, 0);
    capture_abort(c);
    cr_expect_eq(capture_packet(c, 0, 0, PCAPNG_DIR_IN, false, NULL, 0, NULL, 0), -ECANCELED);
    cr_expect_eq(capture_commit(c, 0, 0, err, sizeof err), -ECANCELED);
    capture_free(c);
    capture_free(NULL);
    expect_list("");
}

/* One of three files is a full device: the others must not look whole, and the old one stays. */
Test(capture, full_disk_leaves_no_file)
{
    char *b = tmp_path(&tmp, "b.pcapng"), *old = tmp_path(&tmp, "c.pcapng");
    cr_assert_eq(symlink("/dev/full", b), 0);
    file_write(old, "old", 3);
    struct capture_set *c = must_open(NULL, 0);
    capture_point(c, 0, "a", NULL);
    capture_point(c, 1, "b", NULL);
    capture_point(c, 2, "c", NULL);
    for (uint32_t i = 0; i < 3; i++)
        send(c, i, 1);
    cr_expect_eq(capture_commit(c, START, START, err, sizeof err), -ENOSPC);
    cr_expect(strstr(err, b) && strstr(err, "No space left on device"), "%s", err);
    const struct capture_result *r;
    cr_expect_eq(capture_results(c, &r), 0);
    capture_free(c);
    expect_list("b.pcapng c.pcapng");
    uint8_t *text = file_read(old, NULL);
    cr_expect_str_eq((char *)text, "old");
    free(text);
    free(b);
    free(old);
}

Test(capture, error_in_the_run_is_told_and_kept)
{
    char *all = tmp_path(&tmp, "all.pcapng");
    cr_assert_eq(symlink("/dev/full", all), 0);
    struct capture_set *c = must_open(NULL, 0);
    uint8_t f[43];
    make_frame(f, 1);
    capture_point(c, 0, "a", NULL);
    int error = 0;
    for (int i = 0; i < 10000 && !error; i++)
        error = capture_packet(c, 0, START, PCAPNG_DIR_IN, false, f, sizeof f, NULL, 0);
    cr_expect_eq(error, -ENOSPC);
    cr_expect_eq(capture_point(c, 1, "b", NULL), -ENOSPC);
    cr_expect_eq(capture_commit(c, START, START, err, sizeof err), -ENOSPC);
    cr_expect(strstr(err, all), "%s", err);
    capture_free(c);
    expect_list("all.pcapng");
    free(all);
}

/* A folder takes the place of the last file before the commit: those renamed before it are withdrawn. */
Test(capture, failing_rename_withdraws_the_others)
{
    char *b = tmp_path(&tmp, "b.pcapng");
    struct capture_set *c = must_open(NULL, 0);
    capture_point(c, 0, "a", NULL);
    capture_point(c, 1, "b", NULL);
    cr_assert_eq(mkdir(b, 0700), 0);
    cr_expect_eq(capture_commit(c, START, START, err, sizeof err), -EISDIR);
    cr_expect(strstr(err, b), "%s", err);
    capture_free(c);
    expect_list("b.pcapng");
    free(b);
}

Test(capture, wrong_points_and_times)
{
    struct capture_set *c = must_open(NULL, 0);
    cr_expect_eq(capture_point(c, CAPTURE_IDS, "x", NULL), -ERANGE);
    cr_expect_eq(capture_commit(c, 0, 0, err, sizeof err), -ERANGE);
    capture_free(c);
    expect_list("");
    c = must_open(NULL, 0);
    cr_expect_eq(capture_point(c, CAPTURE_IDS - 1, "x", NULL), 0);
    cr_expect_eq(capture_commit(c, -5, 0, err, sizeof err), -ERANGE, "a run before 1970");
    capture_free(c);
    expect_list("");
}

/* A run with more points than the process may have descriptors. */
Test(capture, thousands_of_points)
{
    enum { POINTS = 2000 };
    struct rlimit limit = {60, 60};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    struct capture_set *c = must_open(NULL, 0);
    char name[32];
    for (uint32_t i = 0; i < POINTS; i++) {
        snprintf(name, sizeof name, "nic-%u", i);
        cr_assert_eq(capture_point(c, i, name, NULL), 0);
        capture_name(c, i, name);
    }
    send(c, 1999, 77);
    must_commit(c);
    const struct capture_result *r;
    cr_expect_eq(capture_results(c, &r), POINTS + 1);
    capture_free(c);
    expect_ports("nic-1999.pcapng", "77");
    expect_ports("nic-0.pcapng", "");
    expect_ports("all.pcapng", "77");
}

Test(capture, two_runs_are_equal)
{
    char *path = tmp_path(&tmp, "all.pcapng");
    uint8_t *got[2];
    size_t n[2];
    for (int k = 0; k < 2; k++) {
        struct capture_set *c = must_open(NULL, 0);
        for (uint32_t i = 0; i < 20; i++) {
            char name[16];
            snprintf(name, sizeof name, "p%u", i);
            capture_point(c, i, name, NULL);
            capture_name(c, i % 7, name);
            send(c, i, (uint8_t)i);
        }
        must_commit(c);
        capture_free(c);
        got[k] = file_read(path, &n[k]);
    }
    cr_expect(n[0] == n[1] && memcmp(got[0], got[1], n[0]) == 0);
    free(got[0]);
    free(got[1]);
    free(path);
}

Test(capture, tshark_reads_all_points)
{
    if (!program_exists("tshark"))
        tmp_skip(&tmp, "capture::tshark_reads_all_points", "tshark is not installed");
    struct capture_set *c = must_open(NULL, 0);
    int rc;
    capture_point(c, 0, "vm1-nic", NULL);
    capture_point(c, 1, "hq/laptop", NULL);
    capture_name(c, IP4(10, 0, 1, 4), "vm1.example.org");
    send(c, 0, 53);
    send(c, 1, 54);
    must_commit(c);
    capture_free(c);
    char *out =
        command_output(&rc,
                       "tshark -o nameres.network_name:TRUE -o nameres.use_external_name_resolver:FALSE "
                       "-r '%s/all.pcapng' -T fields -e frame.interface_name -e ip.src_host "
                       "-e udp.dstport -e frame.comment 2>/dev/null",
                       tmp.dir);
    cr_expect_str_eq(out, "vm1-nic\tvm1.example.org\t53\tseen\nhq/laptop\tvm1.example.org\t54\tseen\n");
    free(out);
}
