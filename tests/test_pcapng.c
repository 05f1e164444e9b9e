/* test_pcapng.c - our own pcapng writer, read back by an independent walker, by libpcap and by tshark. */
#include "pcaps/pcapng.h"
#include "dataplane/addr.h"
#include "pcaps/outfile.h"
#include "pcaps/pcapin.h"
#include "tests/support_capfile.h"
#include "tests/support_pcapng.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(pcapng, .init = capfile_setup, .fini = capfile_teardown);

/* Ethernet, IPv4 10.0.1.4 -> 10.0.2.5, UDP 5000 -> 5001, one byte of payload; IPv4 checksum right, UDP's
 * unused. */
static const uint8_t frame[] = {0x02, 0, 0,  0, 0,    1,    0x02, 0,    0,  0,    0,    2,  0x08, 0, 0x45,
                                0,    0, 29, 0, 1,    0,    0,    64,   17, 0x63, 0xc6, 10, 0,    1, 4,
                                10,   0, 2,  5, 0x13, 0x88, 0x13, 0x89, 0,  9,    0,    0,  'x'};

static struct pcapng *must_open(const char *file)
{
    struct pcapng *p = pcapng_open(file, "vnetsim 0.1.0", NULL, err, sizeof err);
    cr_assert(p, "%s", err);
    return p;
}

static struct pcapng *open_one(void)
{
    struct pcapng *p = must_open(path);
    cr_assert_eq(pcapng_interface(p, "if0", NULL, NULL, LINK_ETHERNET), 0);
    return p;
}

static void expect_option(const struct ng_block *b, unsigned code, size_t nth, const char *want)
{
    char *got = ng_text(b, code, nth);
    if (want)
        cr_expect(got && strcmp(got, want) == 0, "option %u: '%s', not '%s'", code, got ? got : "(none)",
                  want);
    else
        cr_expect_null(got, "option %u should not be there", code);
    free(got);
}

/* The whole file, byte by byte, for everything a file can hold. Renew only with a reason. */
Test(pcapng, golden_bytes)
{
    static const uint8_t want[] =
        "\x0a\x0d\x0d\x0a\x34\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
        "\x04\0\x0d\0vnetsim 0.1.0\0\0\0\0\0\0\0\x34\0\0\0"
        "\x01\0\0\0\x48\0\0\0\x01\0\0\0\0\0\0\0\x02\0\x03\0nic\0\x03\0\x06\0in hub\0\0"
        "\x09\0\x01\0\x09\0\0\0\x0b\0\x0d\0\0tcp port 443\0\0\0\0\0\0\0\x48\0\0\0"
        "\x04\0\0\0\x20\0\0\0\x01\0\x0c\0\x0a\0\x01\x04vm1-nic\0\0\0\0\0\x20\0\0\0"
        "\x06\0\0\0\x40\0\0\0\0\0\0\0\x51\x72\x86\x18\x01\0\xfa\xed\x05\0\0\0\x06\0\0\0hello\0\0\0"
        "\x02\0\x04\0\x02\0\0\0\x01\0\x03\0R-0\0\x01\0\0\0\0\0\0\0\x40\0\0\0"
        "\x05\0\0\0\x58\0\0\0\0\0\0\0\x51\x72\x86\x18\x02\0\xfa\xed"
        "\x02\0\x08\0\x51\x72\x86\x18\0\0\xfa\xed\x03\0\x08\0\x51\x72\x86\x18\x02\0\xfa\xed"
        "\x04\0\x08\0\x02\x01\0\0\0\0\0\0\x05\0\x08\0\x03\0\0\0\0\0\0\0\x06\0\x08\0\x01\0\0\0\0\0\0\0"
        "\0\0\0\0\x58\0\0\0";
    const char *const comments[] = {"R-0", NULL, ""};
    struct pcapng *p = must_open(path);
    cr_assert_eq(pcapng_interface(p, "nic", "in hub", "tcp port 443", LINK_ETHERNET), 0);
    cr_assert_eq(pcapng_name(p, IP4(10, 0, 1, 4), "vm1-nic"), 0);
    cr_assert_eq(pcapng_packet(p, 0, START + 1, PCAPNG_DIR_OUT, (const uint8_t *)"hello", 5, 6, comments, 3),
                 0);
    cr_assert_eq(pcapng_statistics(p, 0, &(struct pcapng_stats){START, START + 2, 258, 3}), 0);
    cr_expect_eq(pcapng_packets(p), 1);
    cr_assert_eq(pcapng_close(p), 0);
    size_t n;
    uint8_t *got = file_read(path, &n);
    cr_expect_eq(n, sizeof want - 1);
    for (size_t i = 0; i < n && i < sizeof want - 1; i++)
        cr_assert_eq(got[i], want[i], "byte %zu is %02x, not %02x", i, got[i], want[i]);
    free(got);
}

Test(pcapng, empty_file_is_a_valid_file)
{
    struct ng g;
    cr_assert_eq(pcapng_close(must_open(path)), 0);
    ng_read(&g, path);
    cr_expect_eq(g.n_blocks, 1);
    ng_free(&g);

    struct pcapng *p = open_one();
    cr_assert_eq(pcapng_name(p, 1, "never seen"), 0);
    cr_assert_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    cr_expect_eq(g.n_blocks, 3, "section, interface, statistics; no names without packets");
    struct pcapin *in = pcapin_open(path, err, sizeof err);
    struct pcapin_packet pkt;
    cr_assert(in, "%s", err);
    cr_expect_eq(pcapin_next(in, &pkt), 0);
    pcapin_close(in);
    ng_free(&g);
}

Test(pcapng, interfaces_directions_and_link_types)
{
    static const unsigned types[] = {LINK_ETHERNET, LINK_RAW, LINK_IPV4, LINK_IPV6};
    struct pcapng *p = must_open(path);
    struct ng g;
    size_t n;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pcapng_interface(p, "", i ? "later" : NULL, i == 2 ? "" : NULL, types[i]), i);
    cr_assert_eq(pcapng_packet(p, 2, 5, PCAPNG_DIR_IN, frame, 1, 1, NULL, 0), 0);
    cr_assert_eq(pcapng_interface(p, "x", "added in the run", NULL, types[3]), 3);
    cr_assert_eq(pcapng_packet(p, 3, 6, PCAPNG_DIR_NONE, frame, 1, 1, NULL, 0), 0);
    cr_assert_eq(pcapng_packet(p, 0, INT64_MAX, PCAPNG_DIR_OUT, frame, 1, 9000, NULL, 0), 0);
    cr_assert_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    for (unsigned i = 0; i < 4; i++) {
        const struct ng_block *b = ng_block_of(&g, NG_IDB, i);
        cr_assert(b);
        cr_expect_eq(ng_u16(b->body), types[i]);
        const uint8_t *tsresol = ng_option(b, 9, 0, &n);
        cr_expect(tsresol && n == 1 && *tsresol == 9);
    }
    expect_option(ng_block_of(&g, NG_IDB, 0), 2, 0, "");
    expect_option(ng_block_of(&g, NG_IDB, 0), 3, 0, NULL);
    expect_option(ng_block_of(&g, NG_IDB, 1), 3, 0, "later");
    expect_option(ng_block_of(&g, NG_IDB, 1), 11, 0, NULL);
    expect_option(ng_block_of(&g, NG_IDB, 2), 11, 0, ""); /* a zero and nothing, read as text */
    cr_expect(ng_option(ng_block_of(&g, NG_IDB, 2), 11, 0, &n) && n == 1);
    expect_option(ng_block_of(&g, NG_IDB, 3), 2, 0, "x");
    static const uint32_t want[][2] = {{2, 1}, {3, 0}, {0, 2}};
    for (size_t i = 0; i < 3; i++) {
        const struct ng_block *b = ng_block_of(&g, NG_EPB, i);
        cr_expect_eq(ng_u32(b->body), want[i][0]);
        const uint8_t *flags = ng_option(b, 2, 0, &n);
        if (want[i][1])
            cr_expect(flags && n == 4 && ng_u32(flags) == want[i][1]);
        else
            cr_expect_eq(b->options, b->len, "no options at all, not even their end");
    }
    cr_expect_eq(ng_time(ng_block_of(&g, NG_EPB, 2)->body + 4), INT64_MAX);
    cr_expect_eq(ng_u32(ng_block_of(&g, NG_EPB, 2)->body + 16), 9000);
    ng_free(&g);
}

Test(pcapng, statistics_as_given_or_as_seen)
{
    struct pcapng *p = must_open(path);
    struct ng g;
    size_t n;
    for (int i = 0; i < 3; i++)
        pcapng_interface(p, "i", NULL, NULL, LINK_ETHERNET);
    for (int i = 0; i < 5; i++)
        pcapng_packet(p, 1, START + i, PCAPNG_DIR_IN, frame, sizeof frame, sizeof frame, NULL, 0);
    pcapng_statistics(p, 0, &(struct pcapng_stats){7, 9, UINT64_C(1) << 40, 2});
    cr_assert_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    const struct ng_block *b = ng_block_of(&g, NG_ISB, 0);
    cr_expect_eq(ng_time(b->body + 4), 9);
    cr_expect_eq(ng_time(ng_option(b, 2, 0, &n)), 7);
    cr_expect_eq(ng_time(ng_option(b, 3, 0, &n)), 9);
    cr_expect_eq(ng_u64(ng_option(b, 4, 0, &n)), UINT64_C(1) << 40);
    cr_expect_eq(ng_u64(ng_option(b, 5, 0, &n)), 2);
    cr_expect_eq(ng_u64(ng_option(b, 6, 0, &n)), 0);
    b = ng_block_of(&g, NG_ISB, 1);
    cr_expect_eq(ng_time(ng_option(b, 2, 0, &n)), START);
    cr_expect_eq(ng_time(ng_option(b, 3, 0, &n)), START + 4);
    cr_expect_eq(ng_u64(ng_option(b, 4, 0, &n)), 5);
    cr_expect_eq(ng_u64(ng_option(b, 6, 0, &n)), 5);
    b = ng_block_of(&g, NG_ISB, 2);
    cr_expect_null(ng_option(b, 2, 0, &n), "no packets: no times");
    cr_expect_eq(ng_u64(ng_option(b, 4, 0, &n)), 0);
    ng_free(&g);
}

/* -- texts ------------------------------------------------------------------------------------------- */

Test(pcapng, comment_lengths)
{
    static const size_t lens[] = {0, 1, 2, 3, 4, 5, 255, 65532, 65533, 65534, 65535, 65536, 70000, 300000};
    enum { N = sizeof lens / sizeof *lens };
    char *text = malloc(300001);
    struct pcapng *p = open_one();
    struct ng g;
    size_t n;
    for (size_t i = 0; i < N; i++) {
        memset(text, 'c', lens[i]);
        text[lens[i]] = '\0';
        const char *both[] = {text, "second"};
        cr_assert_eq(pcapng_packet(p, 0, (int64_t)i, PCAPNG_DIR_IN, frame, (uint32_t)i, (uint32_t)i, both, 2),
                     0);
    }
    cr_assert_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    for (size_t i = 0; i < N; i++) {
        const struct ng_block *b = ng_block_of(&g, NG_EPB, i);
        cr_expect(ng_option(b, 1, 0, &n) && n == (lens[i] < 65535 ? lens[i] : 65535), "comment of %zu",
                  lens[i]);
        expect_option(b, 1, 1, "second");
        cr_expect_eq(ng_u32(b->body + 12), i);
        cr_expect(memcmp(b->body + 20, frame, i) == 0);
    }
    ng_free(&g);
    free(text);
}

/* Cut at a character: the border falls on each byte of a four-byte character in turn. */
Test(pcapng, long_texts_are_cut_at_a_character)
{
    for (size_t shift = 0; shift < 4; shift++) {
        char *text = malloc(70001);
        memset(text, 'a', shift);
        for (size_t i = shift; i + 4 <= 70000; i += 4)
            memcpy(text + i, "\xf0\x9f\x8c\x80", 5);
        struct pcapng *p = must_open(path);
        struct ng g;
        const char *comments[] = {text};
        cr_assert_eq(pcapng_interface(p, text, text, text, LINK_ETHERNET), 0);
        cr_assert_eq(pcapng_packet(p, 0, 0, PCAPNG_DIR_NONE, frame, 1, 1, comments, 1), 0);
        cr_assert_eq(pcapng_close(p), 0);
        ng_read(&g, path);
        size_t n, whole = 65535 - (65535 - shift) % 4;
        cr_expect(ng_option(ng_block_of(&g, NG_EPB, 0), 1, 0, &n) && n == whole, "shift %zu: %zu", shift, n);
        cr_expect(ng_option(ng_block_of(&g, NG_IDB, 0), 2, 0, &n) && n == whole);
        cr_expect(ng_option(ng_block_of(&g, NG_IDB, 0), 3, 0, &n) && n == whole);
        whole = 65534 - (65534 - shift) % 4;
        cr_expect(ng_option(ng_block_of(&g, NG_IDB, 0), 11, 0, &n) && n == whole + 1,
                  "a filter has a byte less");
        ng_free(&g);
        free(text);
    }
}

Test(pcapng, packets_of_every_size)
{
    enum { MOST = LINK_SNAPLEN + 5 };
    static const uint32_t large[] = {1514, 65549, LINK_SNAPLEN - 1, LINK_SNAPLEN, MOST};
    enum { SMALL = 300, N = SMALL + sizeof large / sizeof *large };
    uint32_t sizes[N];
    uint8_t *data = malloc(MOST);
    for (uint32_t i = 0; i < SMALL; i++)
        sizes[i] = i;
    memcpy(sizes + SMALL, large, sizeof large);
    for (uint32_t i = 0; i < MOST; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    struct pcapng *p = open_one();
    struct ng g;
    for (size_t i = 0; i < N; i++)
        cr_assert_eq(
            pcapng_packet(p, 0, START, PCAPNG_DIR_IN, sizes[i] ? data : NULL, sizes[i], MOST, NULL, 0), 0);
    cr_assert_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    struct pcapin *in = pcapin_open(path, err, sizeof err);
    struct pcapin_packet pkt;
    cr_assert(in, "%s", err);
    for (size_t i = 0; i < N; i++) {
        const struct ng_block *b = ng_block_of(&g, NG_EPB, i);
        uint32_t want = sizes[i] < LINK_SNAPLEN ? sizes[i] : LINK_SNAPLEN;
        cr_expect(ng_u32(b->body + 12) == want && ng_u32(b->body + 16) == MOST);
        cr_expect(memcmp(b->body + 20, data, want) == 0);
        for (uint32_t at = want; at % 4; at++)
            cr_expect_eq(b->body[20 + at], 0, "padding is zeros");
        cr_assert_eq(pcapin_next(in, &pkt), 1, "%s", pcapin_error(in));
        cr_expect(pkt.caplen == want && pkt.len == MOST && pkt.unix_ns == START);
        cr_expect(memcmp(pkt.data, data, want) == 0);
    }
    cr_expect_eq(pcapin_next(in, &pkt), 0);
    pcapin_close(in);
    ng_free(&g);
    free(data);
}

/* -- names ------------------------------------------------------------------------------------------- */

static void expect_names(const char *want)
{
    struct ng g;
    ng_read(&g, path);
    char *got = ng_names(&g);
    cr_expect_str_eq(got, want);
    free(got);
    ng_free(&g);
}

static void packet(struct pcapng *p)
{
    cr_assert_eq(pcapng_packet(p, 0, START, PCAPNG_DIR_IN, frame, sizeof frame, sizeof frame, NULL, 0), 0);
}

Test(pcapng, names_are_grouped_in_order_without_repetition)
{
    struct pcapng *p = open_one();
    pcapng_name(p, IP4(10, 0, 0, 9), "nine");
    pcapng_name(p, IP4(10, 0, 0, 1), "one");
    pcapng_name(p, IP4(10, 0, 0, 9), "neuf");
    pcapng_name(p, IP4(10, 0, 0, 9), "nine");
    pcapng_name(p, IP4(10, 0, 0, 1), "");
    pcapng_name(p, IP4(10, 0, 0, 1), "One");
    pcapng_name(p, 0, "zero");
    pcapng_name(p, UINT32_MAX, "all");
    packet(p);
    packet(p);
    pcapng_name(p, IP4(10, 0, 0, 9), "nine"); /* nothing new: no block */
    packet(p);
    pcapng_name(p, IP4(10, 0, 0, 2), "two");
    pcapng_name(p, IP4(10, 0, 0, 9), "neun");
    pcapng_name(p, IP4(10, 0, 0, 2), "deux");
    packet(p);
    pcapng_name(p, IP4(10, 0, 0, 9), "at the close");
    cr_assert_eq(pcapng_close(p), 0);
    expect_names("10.0.0.9=nine,neuf 10.0.0.1=one,One 0.0.0.0=zero 255.255.255.255=all|"
                 "10.0.0.2=two,deux 10.0.0.9=neun|10.0.0.9=at the close|");
    struct ng g;
    ng_read(&g, path);
    static const uint32_t order[] = {NG_SHB, NG_IDB, NG_NRB, NG_EPB, NG_EPB,
                                     NG_EPB, NG_NRB, NG_EPB, NG_NRB, NG_ISB};
    cr_assert_eq(g.n_blocks, sizeof order / sizeof *order);
    for (size_t i = 0; i < g.n_blocks; i++)
        cr_expect_eq(g.block[i].type, order[i], "block %zu is %x", i, g.block[i].type);
    ng_free(&g);
}

Test(pcapng, long_names_are_cut_at_a_character)
{
    char text[400];
    memset(text, 'n', sizeof text);
    memcpy(text + 254, "\xc3\xa4 and more", 12);
    struct pcapng *p = open_one();
    struct ng g;
    pcapng_name(p, 1, text);
    packet(p);
    cr_assert_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    char *got = ng_names(&g);
    cr_expect_eq(strlen(got), strlen("0.0.0.1=|") + 254);
    free(got);
    ng_free(&g);
}

/* Many addresses (several blocks) and many names of one (several records): all there, in order, once. */
Test(pcapng, many_names)
{
    enum { HOSTS = 20000, NAMES = 3000 };
    struct pcapng *p = open_one();
    struct ng g;
    char name[200];
    for (uint32_t i = 0; i < HOSTS; i++) {
        snprintf(name, sizeof name, "host-%u", i);
        cr_assert_eq(pcapng_name(p, i * 65537, name), 0);
        if (i < NAMES) {
            snprintf(name, sizeof name, "%0*u.blob.core.windows.net", (int)(i % 150) + 1, i);
            cr_assert_eq(pcapng_name(p, 42, name), 0);
        }
    }
    packet(p);
    cr_assert_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    cr_expect_gt(ng_count(&g, NG_NRB), 3);
    uint32_t host = 0, names = 0;
    for (size_t i = 0; ng_block_of(&g, NG_NRB, i); i++) {
        const uint8_t *r = ng_block_of(&g, NG_NRB, i)->body;
        for (; ng_u16(r); r += 4 + (ng_u16(r + 2) + 3) / 4 * 4) {
            uint32_t ip = IP4(r[4], r[5], r[6], r[7]);
            const char *s = (const char *)r + 8, *end = (const char *)r + 4 + ng_u16(r + 2);
            for (; s < end; s += strlen(s) + 1) {
                if (ip == 42) {
                    snprintf(name, sizeof name, "%0*u.blob.core.windows.net", (int)(names % 150) + 1, names);
                    names++;
                } else {
                    cr_assert_eq(ip, host * 65537);
                    snprintf(name, sizeof name, "host-%u", host++);
                }
                cr_assert_str_eq(s, name);
            }
        }
    }
    cr_expect_eq(host, HOSTS);
    cr_expect_eq(names, NAMES);
    ng_free(&g);
}

Test(pcapng, files_share_a_table)
{
    struct nametab *names = nametab_new();
    char *other = tmp_path(&tmp, "b.pcapng");
    struct pcapng *a = pcapng_open(path, "v", names, err, sizeof err);
    struct pcapng *b = pcapng_open(other, "v", names, err, sizeof err);
    cr_assert(a && b);
    pcapng_interface(a, "a", NULL, NULL, LINK_ETHERNET);
    pcapng_interface(b, "b", NULL, NULL, LINK_ETHERNET);
    pcapng_name(a, 1, "one");
    packet(a);
    pcapng_name(b, 1, "uno");
    nametab_add(names, 2, "two");
    packet(b);
    packet(a);
    cr_assert_eq(pcapng_close(a), 0);
    cr_assert_eq(pcapng_close(b), 0);
    nametab_free(names);
    expect_names("0.0.0.1=one|0.0.0.1=uno 0.0.0.2=two|");
    free(path);
    path = other;
    expect_names("0.0.0.1=one,uno 0.0.0.2=two|");
}

/* -- errors ------------------------------------------------------------------------------------------ */

Test(pcapng, full_device)
{
    struct pcapng *p = must_open("/dev/full");
    cr_assert_eq(pcapng_interface(p, "x", NULL, NULL, LINK_ETHERNET), 0);
    cr_expect_eq(pcapng_packet(p, 0, 0, PCAPNG_DIR_IN, frame, 1, 1, NULL, 0), 0, "still in the buffer");
    cr_expect_eq(pcapng_close(p), -ENOSPC);

    p = must_open("/dev/full");
    cr_assert_eq(pcapng_interface(p, "x", NULL, NULL, LINK_ETHERNET), 0);
    int error = 0;
    for (int i = 0; i < 10000; i++)
        error = pcapng_packet(p, 0, 0, PCAPNG_DIR_IN, frame, sizeof frame, sizeof frame, NULL, 0);
    cr_expect_eq(error, -ENOSPC, "said while the run goes on");
    cr_expect_eq(pcapng_interface(p, "y", NULL, NULL, LINK_ETHERNET), -ENOSPC);
    cr_expect_eq(pcapng_name(p, 1, "n"), -ENOSPC);
    cr_expect_eq(pcapng_finish(p), -ENOSPC);
    cr_expect_eq(pcapng_close(p), -ENOSPC);
}

static void expect_no_file(void)
{
    char *list = tmp_list(&tmp);
    cr_expect_str_eq(list, "");
    free(list);
}

Test(pcapng, wrong_calls_spoil_the_file)
{
    static const struct {
        int iface;
        int64_t ns;
        int error;
    } rows[] = {{1, 0, -EINVAL}, {-1, 0, -EINVAL}, {0, -1, -ERANGE}, {0, INT64_MIN, -ERANGE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pcapng *p = open_one();
        cr_expect_eq(pcapng_packet(p, rows[i].iface, rows[i].ns, PCAPNG_DIR_IN, frame, 1, 1, NULL, 0),
                     rows[i].error);
        cr_expect_eq(pcapng_packet(p, 0, 0, PCAPNG_DIR_IN, frame, 1, 1, NULL, 0), rows[i].error, "sticky");
        cr_expect_eq(pcapng_close(p), rows[i].error);
        expect_no_file();
    }
    struct pcapng *p = open_one();
    cr_expect_eq(pcapng_statistics(p, 1, &(struct pcapng_stats){0}), -EINVAL);
    pcapng_abort(p);
    p = open_one();
    cr_expect_eq(pcapng_statistics(p, 0, &(struct pcapng_stats){.start_ns = -1}), -ERANGE);
    pcapng_abort(p);
    expect_no_file();
}

Test(pcapng, block_limit)
{
    enum { N = 256 };
    char *text = malloc(65536);
    const char *comments[N];
    memset(text, 'c', 65535);
    text[65535] = '\0';
    for (size_t i = 0; i < N; i++)
        comments[i] = text;
    struct pcapng *p = open_one();
    struct ng g;
    cr_expect_eq(pcapng_packet(p, 0, 0, PCAPNG_DIR_IN, frame, 1, 1, comments, N - 1), 0, "just below 16 MiB");
    cr_expect_eq(pcapng_close(p), 0);
    ng_read(&g, path);
    cr_expect_lt(ng_block_of(&g, NG_EPB, 0)->len, 16u << 20);
    ng_free(&g);
    struct pcapin *in = pcapin_open(path, err, sizeof err);
    struct pcapin_packet pkt;
    cr_assert(in);
    cr_expect_eq(pcapin_next(in, &pkt), 1, "libpcap takes it: %s", pcapin_error(in));
    pcapin_close(in);
    unlink(path);
    p = open_one();
    cr_expect_eq(pcapng_packet(p, 0, 0, PCAPNG_DIR_IN, frame, 1, 1, comments, N), -EMSGSIZE);
    cr_expect_eq(pcapng_close(p), -EMSGSIZE);
    expect_no_file();
    free(text);
}

Test(pcapng, abort_and_failed_open_leave_nothing)
{
    char *gone = tmp_path(&tmp, "no/a.pcapng");
    cr_expect_null(pcapng_open(gone, "v", NULL, err, sizeof err));
    cr_expect(strstr(err, gone) && strstr(err, "No such file"), "%s", err);
    struct pcapng *p = open_one();
    packet(p);
    cr_expect_eq(pcapng_finish(p), 0);
    pcapng_abort(p);
    pcapng_abort(NULL);
    expect_no_file();
    free(gone);
}

/* -- random files ------------------------------------------------------------------------------------ */

enum { RANDOM_PACKETS = 3000 };

/* Write a random file; every choice comes from the seed, so that a second call writes the same one. */
static void write_random(const char *file, const char *label)
{
    struct rng r;
    prop_seed(&r, label);
    struct pcapng *p = must_open(file);
    uint8_t data[3000];
    char text[2][64];
    int ifaces = 0;
    int64_t now = START;
    for (int i = 0; i < RANDOM_PACKETS; i++) {
        if (ifaces == 0 || rng_below(&r, 500) == 0)
            cr_assert_eq(pcapng_interface(p, "if", "d", NULL, LINK_ETHERNET), ifaces++);
        while (rng_below(&r, 20) == 0) {
            snprintf(text[0], sizeof text[0], "n%u", (unsigned)rng_below(&r, 50));
            pcapng_name(p, (uint32_t)rng_below(&r, 30), text[0]);
        }
        uint32_t n = (uint32_t)rng_below(&r, rng_below(&r, 4) ? 80 : sizeof data);
        for (uint32_t k = 0; k < n; k++)
            data[k] = (uint8_t)(i + k);
        const char *comments[2] = {text[0], rng_below(&r, 8) ? text[1] : NULL};
        for (int k = 0; k < 2; k++) {
            size_t len = rng_below(&r, sizeof text[k]);
            memset(text[k], 'a' + k, len);
            text[k][len] = '\0';
        }
        now += (int64_t)rng_below(&r, 1000000);
        cr_assert_eq(pcapng_packet(p, (int)rng_below(&r, (uint32_t)ifaces), now,
                                   (enum pcapng_dir)rng_below(&r, 3), data, n, n + 1, comments,
                                   rng_below(&r, 3)),
                     0);
    }
    cr_assert_eq(pcapng_close(p), 0);
}

Test(pcapng, random_files_are_well_formed_and_repeatable)
{
    char *other = tmp_path(&tmp, "b.pcapng");
    struct ng g;
    size_t n;
    write_random(path, "pcapng");
    write_random(other, "pcapng");
    ng_read(&g, path);
    uint8_t *again = file_read(other, &n);
    cr_expect(n == g.n && memcmp(again, g.data, n) == 0, "the same calls, the same bytes");
    cr_expect_eq(ng_count(&g, NG_EPB), RANDOM_PACKETS);
    struct pcapin *in = pcapin_open(path, err, sizeof err);
    struct pcapin_packet pkt;
    cr_assert(in, "%s", err);
    for (size_t i = 0; i < g.n_blocks; i++) {
        const uint8_t *b = g.block[i].body;
        if (g.block[i].type != NG_EPB)
            continue;
        cr_assert_eq(pcapin_next(in, &pkt), 1, "%s", pcapin_error(in));
        cr_assert(pkt.unix_ns == (int64_t)ng_time(b + 4) && pkt.caplen == ng_u32(b + 12) &&
                  pkt.len == ng_u32(b + 16));
        cr_assert(memcmp(pkt.data, b + 20, pkt.caplen) == 0);
        cr_assert(pkt.len == pkt.caplen + 1 && pkt.linktype == LINK_ETHERNET);
    }
    cr_expect_eq(pcapin_next(in, &pkt), 0);
    pcapin_close(in);
    ng_free(&g);
    free(again);
    free(other);
}

/* -- Wireshark's reader ------------------------------------------------------------------------------ */

#define TSHARK "tshark -o nameres.network_name:TRUE -o nameres.use_external_name_resolver:FALSE "

static void need_tshark(const char *test)
{
    if (!program_exists("tshark"))
        skip(test, "tshark is not installed");
}

Test(pcapng, tshark_sees_what_was_written)
{
    need_tshark("pcapng::tshark_sees_what_was_written");
    static const char *const comments[] = {"outbound rule DenyAll of clients-nsg: drop",
                                           "gr\xc3\xbc\xc3\x9f"};
    struct pcapng *p = must_open(path);
    pcapng_interface(p, "vm1-nic", "hub/clients", "udp", LINK_ETHERNET);
    pcapng_interface(p, "hq/laptop", NULL, NULL, LINK_ETHERNET);
    pcapng_name(p, IP4(10, 0, 1, 4), "vm1.example.org");
    pcapng_name(p, IP4(10, 0, 2, 5), "registry.azurecr.io");
    pcapng_packet(p, 0, START + 1, PCAPNG_DIR_OUT, frame, sizeof frame, sizeof frame, comments, 2);
    pcapng_name(p, IP4(10, 0, 1, 4), "later.example.org");
    pcapng_packet(p, 1, START + 123456789, PCAPNG_DIR_IN, frame, sizeof frame, sizeof frame, NULL, 0);
    cr_assert_eq(pcapng_close(p), 0);
    int rc;
    char *out = command_output(
        &rc,
        TSHARK "-r '%s' -T fields -e frame.time_epoch -e frame.interface_name -e frame.interface_description "
               "-e frame.packet_flags_direction -e ip.src_host -e ip.dst_host -e frame.comment 2>'%s/stderr'",
        path, tmp.dir);
    cr_expect_eq(rc, 0);
    cr_expect_str_eq(
        out, "1767225600.000000001\tvm1-nic\thub/clients\t0x00000002\tvm1.example.org\tregistry.azurecr.io\t"
             "outbound rule DenyAll of clients-nsg: drop,gr\xc3\xbc\xc3\x9f\n"
             "1767225600.123456789\thq/laptop\t\t0x00000001\tlater.example.org\tregistry.azurecr.io\t\n");
    free(out);
    out = command_output(&rc, TSHARK "-r '%s' -Y 'ip.src_host == \"vm1.example.org\"' 2>/dev/null | wc -l",
                         path);
    cr_expect_eq(atoi(out), 1, "names can be filtered by");
    free(out);
}

Test(pcapng, tshark_takes_odd_and_random_files)
{
    need_tshark("pcapng::tshark_takes_odd_and_random_files");
    int rc;
    cr_assert_eq(pcapng_close(open_one()), 0);
    char *out = command_output(&rc, TSHARK "-r '%s' 2>'%s/stderr'", path, tmp.dir);
    cr_expect(rc == 0 && !*out, "an empty file");
    free(out);
    write_random(path, "pcapng-tshark");
    out =
        command_output(&rc, TSHARK "-r '%s' -T fields -e frame.number 2>'%s/stderr' | wc -l", path, tmp.dir);
    cr_expect_eq(atoi(out), RANDOM_PACKETS);
    free(out);
    out = command_output(&rc, "grep -iE 'error|corrupt|damaged|cut short|appears' '%s/stderr'", tmp.dir);
    cr_expect_str_eq(out, "");
    free(out);
}

Test(pcapng, capinfos_reports_the_program)
{
    if (!program_exists("capinfos"))
        skip("pcapng::capinfos_reports_the_program", "capinfos is not installed");
    struct pcapng *p = open_one();
    int rc;
    packet(p);
    cr_assert_eq(pcapng_close(p), 0);
    char *out = command_output(&rc, "capinfos '%s' 2>/dev/null", path);
    cr_expect_eq(rc, 0);
    cr_expect(strstr(out, "Capture application: vnetsim 0.1.0"));
    cr_expect(strstr(out, "nanoseconds (9)"));
    cr_expect(strstr(out, "Number of packets = 1"));
    free(out);
}
