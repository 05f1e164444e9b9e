/* test_tcp.c - the TCP machine alone: the table of states, stories told segment by segment at edge sequence
 * numbers, and two ends over a wire that loses, repeats and reorders. */
#include "dataplane/event.h"
#include "dataplane/mem_int.h"
#include "dataplane/tcp_int.h"
#include "tests/support_mem.h"
#include "tests/support_prop.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

TestSuite(tcp, .fini = support_mem_none_live);

/* -- the table ------------------------------------------------------------------------------------------- */

Test(tcp, every_cell_of_the_table)
{
    /* rows: state; columns SYN, SYN+ACK, ACKED, FIN, CLOSE, RST, EXPIRE; a letter a state, '.' none */
    static const char *want[TCPS_COUNT] = {
        [TCPS_CLOSED] = ".......",      [TCPS_SYN_SENT] = "RE..000",   [TCPS_SYN_RCVD] = "..EC.00",
        [TCPS_ESTABLISHED] = "...C100", [TCPS_FIN_WAIT_1] = "..2X.00", [TCPS_FIN_WAIT_2] = "...T.00",
        [TCPS_CLOSE_WAIT] = "....L00",  [TCPS_CLOSING] = "..T..00",    [TCPS_LAST_ACK] = "..0..00",
        [TCPS_TIME_WAIT] = ".....00",
    };
    static const char letter[TCPS_COUNT + 1] = "0SRE12CXLT";
    for (int s = 0; s < TCPS_COUNT; s++) {
        for (int e = 0; e < TCPE_COUNT; e++) {
            enum tcp_state got = tcp_next((enum tcp_state)s, (enum tcp_event)e);
            enum tcp_state exp =
                want[s][e] == '.' ? (enum tcp_state)s : (enum tcp_state)(strchr(letter, want[s][e]) - letter);
            cr_assert_eq(got, exp, "state %c event %d: %c", letter[s], e, letter[got]);
        }
    }
}

/* -- stories --------------------------------------------------------------------------------------------- */

/* A story is a text of what happens, in order; everything that happens must be told.
 *
 *   >FLAGS,seq,ack,len   the connection sends      <FLAGS,seq,ack,len   it receives
 *   connect accept close abort write,BYTES wait,MS what its user does
 *   opened data peer-closed done refused reset timed-out   what the user hears
 *   =STATE               the state it is in
 *   OPEN OPENED          a client's, a server's handshake
 *
 * FLAGS of S A F R P; numbers are relative, as Wireshark shows them. */
struct story {
    const char *title, *text;
};

#define CLIENT_OPENS "connect >S,0,0,0 <SA,0,1,0 >A,1,1,0 opened"
#define SERVER_OPENS "accept >SA,0,1,0 <A,1,1,0 opened"

static const struct story stories[] = {
    {"client: request, answer, close",
     "OPEN write,100 >PA,1,1,100 <A,1,101,0 <PA,1,101,50 data >A,101,51,0 close >FA,101,51,0 "
     "=FIN_WAIT_1 <FA,51,102,0 >A,102,52,0 done =TIME_WAIT <FA,51,102,0 >A,102,52,0 =TIME_WAIT"},
    {"client: the close acknowledged first, then the peer's",
     "OPEN close >FA,1,1,0 <A,1,2,0 =FIN_WAIT_2 <FA,1,2,0 >A,2,2,0 done =TIME_WAIT"},
    {"both close at once", "OPEN close >FA,1,1,0 <FA,1,1,0 >A,2,2,0 =CLOSING <A,2,2,0 done =TIME_WAIT"},
    {"server: the peer closes, the answer goes on, then ours",
     "OPENED <PA,1,1,10 data >A,1,11,0 <FA,11,1,0 peer-closed >A,1,12,0 =CLOSE_WAIT write,5 "
     ">PA,1,12,5 close >FA,6,12,0 =LAST_ACK <A,12,7,0 done =CLOSED"},
    {"the last bytes and FIN in one segment", "OPENED <FPA,1,1,10 data peer-closed >A,1,12,0 =CLOSE_WAIT"},
    {"refused", "connect >S,0,0,0 <RA,0,1,0 refused =CLOSED"},
    {"a reset that does not acknowledge our SYN is not for us",
     "connect >S,0,0,0 <RA,0,2,0 <RA,0,0,0 <R,0,1,0 =SYN_SENT"},
    {"an old ACK in SYN-SENT is answered by a reset", "connect >S,0,0,0 <A,7,77,0 >R,77,0,0 =SYN_SENT"},
    {"reset right in sequence cuts",
     "OPEN write,10 >PA,1,1,10 <RA,1,11,0 reset =CLOSED <A,1,11,0 wait,20000"},
    {"RFC 5961: a reset elsewhere in the window is challenged, outside ignored",
     "OPEN <R,2,0,0 >A,1,1,0 <R,0,0,0 <R,-1,0,0 =ESTABLISHED <R,1,0,0 reset"},
    {"RFC 5961: a SYN is challenged, also in sequence",
     "OPEN <S,1,0,0 >A,1,1,0 <SA,0,1,0 >A,1,1,0 =ESTABLISHED"},
    {"simultaneous open",
     "connect >S,0,0,0 <S,0,0,0 >SA,0,1,0 =SYN_RCVD <SA,0,1,0 >SA,0,1,0 <A,1,1,0 opened =ESTABLISHED"},
    {"SYN again after 1, 3 and 7 s, over after 15",
     "connect >S,0,0,0 wait,999 wait,1 >S,0,0,0 wait,1999 wait,1 >S,0,0,0 wait,3999 wait,1 >S,0,0,0 "
     "wait,7999 =SYN_SENT wait,1 timed-out =CLOSED"},
    {"SYN+ACK likewise, and for a repeated SYN",
     "accept >SA,0,1,0 wait,1000 >SA,0,1,0 <S,0,0,0 >SA,0,1,0 wait,2000 >SA,0,1,0 wait,4000 >SA,0,1,0 "
     "wait,8000 timed-out"},
    {"a wrong ACK in SYN-RECEIVED is answered by a reset",
     "accept >SA,0,1,0 <A,1,2,0 >R,2,0,0 =SYN_RCVD <A,1,1,0 opened"},
    {"every second segment is acknowledged, or 40 ms later",
     "OPENED <A,1,1,100 data <A,101,1,100 data >A,1,201,0 <A,201,1,100 data wait,39 wait,1 >A,1,301,0 "
     "wait,1000"},
    {"out of order: a duplicate ACK each, the hole filled acknowledges all",
     "OPENED <A,101,1,100 >A,1,1,0 <PA,301,1,100 >A,1,1,0 <A,1,1,100 data >A,1,201,0 <A,201,1,100 "
     "data >A,1,401,0"},
    {"FIN before the hole is filled counts later",
     "OPENED <FPA,101,1,100 >A,1,1,0 =ESTABLISHED <A,1,1,100 data peer-closed >A,1,202,0 =CLOSE_WAIT"},
    {"overlapping pieces give each byte once",
     "OPENED <A,51,1,100 >A,1,1,0 <A,101,1,100 >A,1,1,0 <A,1,1,60 data >A,1,201,0 <A,1,1,200 "
     ">A,1,201,0 <PA,1,1,210 data >A,1,211,0"},
    {"data beyond the window is cut off and an ACK of the future is not believed",
     "OPEN write,10 >PA,1,1,10 <A,1,12,0 >A,11,1,0 <A,9000000,11,10 >A,11,1,0 <A,1,11,0 wait,20000"},
    {"third duplicate ACK sends again at once, partial ACK the next hole",
     "OPEN write,14600 >A,1,1,1460 >A,1461,1,1460 >A,2921,1,1460 >A,4381,1,1460 >A,5841,1,1460 "
     ">A,7301,1,1460 >A,8761,1,1460 >A,10221,1,1460 >A,11681,1,1460 >PA,13141,1,1460 <A,1,1461,0 "
     "<A,1,1461,0 <A,1,1461,0 <A,1,1461,0 >A,1461,1,1460 <A,1,1461,0 <A,1,5841,0 >A,5841,1,1460 "
     "<A,1,14601,0 wait,20000"},
    {"retransmission timeout backs off to 15 s",
     "OPEN write,10 >PA,1,1,10 wait,199 wait,1 >PA,1,1,10 wait,400 >PA,1,1,10 wait,800 >PA,1,1,10 "
     "wait,1600 >PA,1,1,10 wait,3200 >PA,1,1,10 wait,6400 >PA,1,1,10 wait,2399 =ESTABLISHED wait,1 "
     "timed-out"},
    {"after a timeout the rest follows in slow start",
     "OPEN write,4380 >A,1,1,1460 >A,1461,1,1460 >PA,2921,1,1460 wait,200 >A,1,1,1460 <A,1,1461,0 "
     ">A,1461,1,1460 >PA,2921,1,1460 <A,1,4381,0 wait,20000"},
    {"FIN is sent again too", "OPEN close >FA,1,1,0 wait,200 >FA,1,1,0 <FA,1,2,0 >A,2,2,0 done wait,20000"},
    {"FIN with the last bytes is sent again with them",
     "OPENED write,1470 >A,1,1,1460 >PA,1461,1,10 close >FA,1471,1,0 <A,1,1461,0 wait,200 "
     ">FPA,1461,1,10 <A,1,1472,0 =FIN_WAIT_2 <FA,1,1472,0 >A,1472,2,0 done"},
    {"a peer that never closes is left after 15 s",
     "OPEN close >FA,1,1,0 <A,1,2,0 wait,14999 =FIN_WAIT_2 wait,1 timed-out"},
    {"abort resets", "OPEN abort >RA,1,1,0 =CLOSED wait,20000"},
    {"reset in TIME-WAIT is silent", "OPEN close >FA,1,1,0 <FA,1,2,0 >A,2,2,0 done <R,2,0,0 =CLOSED"},
    {"empty segments out of the window are answered once in a while",
     "OPEN <A,0,1,0 >A,1,1,0 <A,0,1,0 <A,0,1,0 wait,500 <A,0,1,0 >A,1,1,0"},
};

enum { OUT, NEWS };

struct log_entry {
    int op;
    struct tcp_segment seg;
    enum tcp_news news;
};

static struct {
    struct tcp c;
    struct log_entry log[64];
    unsigned n, read;
    int64_t now, wake;
    uint32_t ours, theirs;
} t;

static void story_send(struct tcp *c, const struct tcp_segment *s)
{
    cr_assert_eq(c, &t.c);
    t.log[t.n++] = (struct log_entry){.op = OUT, .seg = *s};
}

static void story_news(struct tcp *c, enum tcp_news what)
{
    cr_assert_eq(c, &t.c);
    t.log[t.n++] = (struct log_entry){.op = NEWS, .news = what};
}

static void story_wake(struct tcp *c, int64_t at)
{
    (void)c;
    t.wake = at;
}

static const struct tcp_ops story_ops = {.send = story_send, .wake = story_wake, .news = story_news};

/* "PA,1,101,50": flags and relative numbers. ours: the connection's own segment. */
static struct tcp_segment segment_of(const char *w, bool own)
{
    static const char letters[] = "FSRPA";
    struct tcp_segment g = {.window = 65535, .wscale = -1};
    for (; *w != ','; w++)
        g.flags |= (uint8_t)(1 << (strchr(letters, *w) - letters));
    char *end;
    g.seq = (own ? t.ours : t.theirs) + (uint32_t)strtol(w + 1, &end, 10);
    uint32_t ack = (own ? t.theirs : t.ours) + (uint32_t)strtol(end + 1, &end, 10);
    g.ack = g.flags & TCP_ACK ? ack : 0;
    g.len = (uint32_t)strtoul(end + 1, NULL, 10);
    if (g.flags & TCP_SYN)
        g.mss = 1460, g.wscale = 7;
    return g;
}

static const struct log_entry *next_entry(const struct story *st, const char *w, int op)
{
    cr_assert_lt(t.read, t.n, "%s, %s: nothing happened", st->title, w);
    const struct log_entry *e = &t.log[t.read++];
    cr_assert_eq(e->op, op, "%s, %s: something else happened", st->title, w);
    return e;
}

static void expect_segment(const struct story *st, const char *w)
{
    struct tcp_segment want = segment_of(w + 1, true), got = next_entry(st, w, OUT)->seg;
    cr_assert_eq(got.flags, want.flags, "%s, %s: flags %x", st->title, w, got.flags);
    cr_assert_eq(got.seq, want.seq, "%s, %s: seq %u", st->title, w, got.seq - t.ours);
    cr_assert_eq(got.ack, want.ack, "%s, %s: ack %u", st->title, w, got.ack - t.theirs);
    cr_assert_eq(got.len, want.len, "%s, %s: len %u", st->title, w, got.len);
    cr_assert_eq(got.mss, want.mss, "%s, %s: mss %u", st->title, w, got.mss);
    cr_assert_eq(got.wscale, want.wscale, "%s, %s: scale %d", st->title, w, got.wscale);
    if (got.len)
        cr_assert_eq((uint32_t)got.offset, got.seq - t.ours - 1, "%s, %s: offset", st->title, w);
}

/* => the place of w among names, -1: not there. */
static int index_of(const char *const *names, int n, const char *w)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], w) == 0)
            return i;
    }
    return -1;
}

static void act(const struct story *st, const char *w)
{
    struct tcp_segment g;
    cr_assert_eq(t.read, t.n, "%s, before %s: more happened than is told", st->title, w);
    if (*w == '<') {
        g = segment_of(w + 1, false);
        tcp_input(&t.c, t.now, &g);
    } else if (strcmp(w, "connect") == 0) {
        tcp_connect(&t.c, &story_ops, t.now, t.ours, 1460);
    } else if (strcmp(w, "accept") == 0) {
        g = segment_of("S,0,0,0", false);
        tcp_accept(&t.c, &story_ops, t.now, t.ours, 1460, &g);
    } else if (strcmp(w, "close") == 0) {
        tcp_close(&t.c, t.now);
    } else if (strcmp(w, "abort") == 0) {
        tcp_abort(&t.c, t.now);
    } else if (strncmp(w, "write,", 6) == 0) {
        tcp_write(&t.c, t.now, strtoull(w + 6, NULL, 10));
    } else if (strncmp(w, "wait,", 5) == 0) {
        t.now += strtoll(w + 5, NULL, 10) * TCP_MS;
        tcp_tick(&t.c, t.now);
    } else {
        cr_assert_fail("%s: what is %s?", st->title, w);
    }
}

static void word(const struct story *st, const char *w)
{
    static const char *const news[] = {"opened",  "data",  "peer-closed", "done",
                                       "refused", "reset", "timed-out"};
    static const char *const state[] = {"CLOSED",     "SYN_SENT",   "SYN_RCVD", "ESTABLISHED", "FIN_WAIT_1",
                                        "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING",  "LAST_ACK",    "TIME_WAIT"};
    int n = index_of(news, 7, w);
    if (n >= 0)
        cr_assert_eq((int)next_entry(st, w, NEWS)->news, n, "%s, %s: other news", st->title, w);
    else if (*w == '>')
        expect_segment(st, w);
    else if (*w == '=')
        cr_assert_eq((int)t.c.state, index_of(state, TCPS_COUNT, w + 1), "%s, %s: state %d", st->title, w,
                     t.c.state);
    else
        act(st, w);
}

static void words(const struct story *st, const char *text)
{
    char copy[2048], *rest = copy;
    cr_assert_lt(strlen(text), sizeof copy);
    strcpy(copy, text);
    for (char *w; (w = strsep(&rest, " "));) {
        if (strcmp(w, "OPEN") == 0)
            words(st, CLIENT_OPENS);
        else if (strcmp(w, "OPENED") == 0)
            words(st, SERVER_OPENS);
        else
            word(st, w);
    }
}

static void tell(const struct story *st)
{
    words(st, st->text);
    cr_assert_eq(t.read, t.n, "%s: more happened at the end", st->title);
    tcp_free(&t.c);
}

struct bases {
    uint32_t ours, theirs;
};

ParameterizedTestParameters(tcp, stories)
{
    static struct bases b[] = {{0, 0},
                               {1000, 5000},
                               {UINT32_MAX, UINT32_MAX},
                               {UINT32_MAX - 1, 0x7fffffff},
                               {0x7ffffffe, UINT32_MAX - 100},
                               {UINT32_MAX - 1461, UINT32_MAX - 50},
                               {0x80000000, 1}};
    return cr_make_param_array(struct bases, b, sizeof b / sizeof *b);
}

ParameterizedTest(struct bases *b, tcp, stories)
{
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        memset(&t, 0, sizeof t);
        t.ours = b->ours;
        t.theirs = b->theirs;
        tell(&stories[i]);
    }
    support_mem_none_live();
}

Test(tcp, wakes_when_something_is_due)
{
    memset(&t, 0, sizeof t);
    tcp_connect(&t.c, &story_ops, 5 * TCP_S, 9, 1460);
    cr_assert_eq(t.wake, 6 * TCP_S);
    tcp_input(&t.c, 5 * TCP_S,
              &(struct tcp_segment){.ack = 10, .flags = TCP_SYN | TCP_ACK, .window = 1, .wscale = -1});
    t.wake = 0;
    tcp_write(&t.c, 6 * TCP_S, 1);
    cr_assert_eq(t.wake, 6 * TCP_S + 200 * TCP_MS);
    tcp_free(&t.c);
}

Test(tcp, resets_for_segments_of_no_connection)
{
    struct tcp_segment out;
    struct tcp_segment syn = {.seq = UINT32_MAX, .flags = TCP_SYN};
    cr_assert(tcp_reset_for(&syn, &out));
    cr_assert(out.seq == 0 && out.ack == 0 && out.flags == (TCP_RST | TCP_ACK));
    struct tcp_segment fin = {.seq = 10, .flags = TCP_FIN, .len = 5};
    cr_assert(tcp_reset_for(&fin, &out));
    cr_assert(out.seq == 0 && out.ack == 16 && out.flags == (TCP_RST | TCP_ACK));
    struct tcp_segment ack = {.seq = 10, .ack = 77, .flags = TCP_ACK | TCP_PSH, .len = 5};
    cr_assert(tcp_reset_for(&ack, &out));
    cr_assert(out.seq == 77 && out.flags == TCP_RST);
    struct tcp_segment rst = {.seq = 10, .flags = TCP_RST};
    cr_assert_not(tcp_reset_for(&rst, &out));
}

Test(tcp, options_of_the_peer)
{
    static const struct {
        uint16_t mss, window;
        int8_t wscale;
        uint16_t want_mss;
        uint32_t want_wnd;
        int8_t reply_scale;
    } rows[] = {
        {1460, 1000, 7, 1400, 1000u << 7, 7},     {0, 1000, -1, 536, 1000, -1},   {1350, 5, 0, 1350, 5, 7},
        {9000, 65535, 15, 1400, 65535u << 14, 7}, {536, 1, 14, 536, 1u << 14, 7}, {100, 0, 3, 100, 0, 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&t, 0, sizeof t);
        struct tcp_segment syn = {.seq = 5,
                                  .flags = TCP_SYN,
                                  .mss = rows[i].mss,
                                  .wscale = rows[i].wscale,
                                  .window = rows[i].window};
        tcp_accept(&t.c, &story_ops, 0, 9, 1400, &syn);
        cr_assert_eq(t.log[0].seg.wscale, rows[i].reply_scale);
        cr_assert_eq(t.c.snd_wnd, rows[i].window, "a SYN's window is not scaled");
        tcp_input(&t.c, 0,
                  &(struct tcp_segment){
                      .seq = 6, .ack = 10, .flags = TCP_ACK, .window = rows[i].window, .wscale = -1});
        cr_assert_eq(t.c.mss, rows[i].want_mss);
        cr_assert_eq(t.c.snd_wnd, rows[i].want_wnd);
        cr_assert_eq(tcp_receive_window(&t.c), rows[i].wscale < 0 ? 65535u : 65535u << 7);
        tcp_free(&t.c);
    }
}

/* The window of the peer is never filled up; a closed one is probed. */
Test(tcp, small_windows)
{
    memset(&t, 0, sizeof t);
    struct tcp_segment syn = {.flags = TCP_SYN, .mss = 1000, .window = 4500, .wscale = -1};
    struct tcp_segment ack = {.seq = 1, .ack = 1, .flags = TCP_ACK, .window = 4500, .wscale = -1};
    tcp_accept(&t.c, &story_ops, 0, 0, 1000, &syn);
    tcp_input(&t.c, 0, &ack);
    t.n = 0;
    tcp_write(&t.c, 0, 10000);
    cr_assert_eq(t.n, 3, "3000 of 4500 bytes: a segment stays free");
    ack.ack = 3001, ack.window = 0;
    tcp_input(&t.c, TCP_MS, &ack);
    cr_assert_eq(t.n, 3);
    tcp_tick(&t.c, 299 * TCP_MS);
    cr_assert_eq(t.n, 4);
    cr_assert_eq(t.log[3].seg.len, 1);
    cr_assert_eq(t.log[3].seg.seq, 3001);
    ack.ack = 3002, ack.window = 3000;
    t.n = 0;
    tcp_input(&t.c, 300 * TCP_MS, &ack);
    cr_assert_eq(t.n, 2);
    cr_assert_eq(t.log[0].seg.seq, 3002);
    tcp_free(&t.c);
}

/* Without memory for what is out of order it is dropped, and taken when it comes again. */
Test(tcp, out_of_order_without_memory)
{
    memset(&t, 0, sizeof t);
    struct tcp_segment s = {.flags = TCP_SYN, .mss = 1460, .window = 65535, .wscale = 7};
    tcp_accept(&t.c, &story_ops, 0, 0, 1460, &s);
    s = (struct tcp_segment){.seq = 1, .ack = 1, .flags = TCP_ACK, .window = 65535, .wscale = -1};
    tcp_input(&t.c, 0, &s);
    s.len = 10, s.seq = 11;
    mem_fail_after(0);
    tcp_input(&t.c, 0, &s);
    mem_fail_after(MEM_NEVER_FAIL);
    s.seq = 1;
    tcp_input(&t.c, 0, &s);
    cr_assert_eq(t.c.received, 10);
    s.seq = 11;
    tcp_input(&t.c, 0, &s);
    cr_assert_eq(t.c.received, 20);
    tcp_free(&t.c);
}

/* Holes everywhere: the queue has an end, and the stream comes out right all the same. */
Test(tcp, more_holes_than_are_kept)
{
    memset(&t, 0, sizeof t);
    struct tcp_segment s = {.flags = TCP_SYN, .mss = 1460, .window = 65535, .wscale = 7};
    tcp_accept(&t.c, &story_ops, 0, 0, 1460, &s);
    s = (struct tcp_segment){.seq = 1, .ack = 1, .flags = TCP_ACK, .window = 65535, .wscale = -1, .len = 1};
    for (uint32_t i = 0; i < 2 * TCP_RANGES; i++) {
        t.n = 0;
        s.seq = 2 + 2 * i; /* every second byte */
        tcp_input(&t.c, 0, &s);
    }
    cr_assert_eq(t.c.n_range, TCP_RANGES);
    for (uint32_t i = 0; i <= 2 * TCP_RANGES; i++) {
        t.n = 0;
        s.seq = 1 + 2 * i;
        tcp_input(&t.c, 0, &s);
    }
    cr_assert_eq(t.c.received, 2 * TCP_RANGES + 1, "the kept half is joined, the rest waits for its holes");
    tcp_free(&t.c);
}

/* -- two ends over a bad wire ---------------------------------------------------------------------------- */

struct end {
    struct tcp c; /* first: an end is found by its connection */
    unsigned id;
    uint64_t goal, answer; /* bytes to receive before answering, bytes of the answer */
    bool opened, done;
    enum tcp_news last;
};

static struct {
    struct end end[2];
    struct evq *q;
    struct rng rng;
    int64_t now;
    double loss, dup, reorder;
    uint64_t segments, hash;
    uint32_t iss[2];
} w;

static struct end *end_of(struct tcp *c)
{
    return (struct end *)(void *)c;
}

static void wire_send(struct tcp *c, const struct tcp_segment *s)
{
    struct end *e = end_of(c);
    if (s->len)
        cr_assert_eq((uint32_t)s->offset, s->seq - w.iss[e->id] - 1);
    cr_assert_leq(s->len, 1460);
    cr_assert_leq(s->offset + s->len, c->written);
    w.segments++;
    w.hash = hash_mix(w.hash ^ s->seq ^ (uint64_t)s->ack << 32 ^ s->len ^ (uint64_t)w.now << 8 ^ s->flags);
    for (unsigned copies = 1 + (rng_unit(&w.rng) < w.dup); copies; copies--) {
        int64_t delay =
            10 * TCP_MS + (rng_unit(&w.rng) < w.reorder ? (int64_t)rng_below(&w.rng, 30 * TCP_MS) : 0);
        if (rng_unit(&w.rng) < w.loss)
            continue;
        struct tcp_segment *copy = malloc(sizeof *copy);
        *copy = *s;
        evq_push(w.q, w.now + delay, 1, 1 - e->id, 0, copy);
    }
}

static void wire_wake(struct tcp *c, int64_t at)
{
    evq_push(w.q, at, 2, end_of(c)->id, 0, NULL);
}

static void wire_news(struct tcp *c, enum tcp_news what)
{
    struct end *e = end_of(c);
    cr_assert_not(e->done, "nothing follows the end");
    if (what == TCP_OPENED && e->id == 0)
        tcp_write(c, w.now, e->answer);
    if (what == TCP_DATA) {
        cr_assert_leq(c->received, e->goal);
        if (c->received == e->goal && e->id == 0) {
            cr_assert(c->message_end, "the answer ends with PSH");
            tcp_close(c, w.now);
        } else if (c->received == e->goal) {
            tcp_write(c, w.now, e->answer);
        }
    }
    if (what == TCP_PEER_CLOSED)
        tcp_close(c, w.now);
    e->last = what;
    e->done = what >= TCP_DONE;
}

static const struct tcp_ops wire_ops = {.send = wire_send, .wake = wire_wake, .news = wire_news};

static void wire_deliver(struct event *ev)
{
    struct end *e = &w.end[ev->a];
    struct tcp_segment *s = ev->p;
    w.now = ev->at;
    if (ev->kind == 2) {
        tcp_tick(&e->c, w.now);
        return;
    }
    if (e->id == 1 && !e->opened && s->flags == TCP_SYN) {
        e->opened = true;
        tcp_accept(&e->c, &wire_ops, w.now, w.iss[1], 1460, s);
    } else if (e->opened) {
        tcp_input(&e->c, w.now, s);
    }
    free(s);
}

static void wire_run(uint64_t seed, uint64_t request, uint64_t answer, double loss, double dup,
                     double reorder)
{
    memset(&w, 0, sizeof w);
    rng_seed(&w.rng, seed, "wire");
    w.loss = loss, w.dup = dup, w.reorder = reorder;
    w.q = evq_new();
    w.iss[0] = (uint32_t)rng_u64(&w.rng);
    w.iss[1] = rng_below(&w.rng, 2) ? (uint32_t)rng_u64(&w.rng)
                                    : UINT32_MAX - (uint32_t)rng_below(&w.rng, answer + 2);
    w.end[1].id = 1;
    w.end[0].goal = w.end[1].answer = answer;
    w.end[1].goal = w.end[0].answer = request;
    w.end[0].opened = true;
    tcp_connect(&w.end[0].c, &wire_ops, 0, w.iss[0], 1460);
    struct event ev;
    for (unsigned n = 0; evq_pop(w.q, &ev); n++) {
        cr_assert_lt(n, 2000000, "seed %lu does not come to an end", (unsigned long)seed);
        wire_deliver(&ev);
    }
    evq_free(w.q);
    tcp_free(&w.end[0].c);
    tcp_free(&w.end[1].c);
}

static void assert_transferred(uint64_t seed)
{
    cr_assert_eq(w.end[0].last, TCP_DONE, "seed %lu: %d", (unsigned long)seed, w.end[0].last);
    cr_assert_eq(w.end[0].c.received, w.end[0].goal);
    cr_assert_eq(w.end[1].c.received, w.end[1].goal);
    cr_assert_eq(w.end[0].c.state, TCPS_TIME_WAIT);
}

Test(tcp, clean_wire)
{
    static const uint64_t size[] = {1, 64, 1460, 1461, 14600, 100000, 3000000};
    for (size_t i = 0; i < 7; i++) {
        wire_run(i, size[i], size[6 - i], 0, 0, 0);
        assert_transferred(i);
        cr_assert_eq(w.end[1].c.state, TCPS_CLOSED);
        uint64_t data = (size[i] + 1459) / 1460 + (size[6 - i] + 1459) / 1460;
        cr_assert_leq(w.segments, 7 + data + data / 2 + 10, "nothing is sent twice");
    }
}

Test(tcp, duplicates_and_disorder_harm_nothing)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        wire_run(seed, 1 + seed * 500, 1 + (seed * 7919) % 60000, 0, 0.3, 0.3);
        assert_transferred(seed);
    }
}

Test(tcp, property_loss)
{
    struct rng r;
    prop_seed(&r, "tcp loss");
    unsigned done = 0, late = 0;
    for (int i = 0; i < 300; i++) {
        uint64_t seed = rng_u64(&r);
        wire_run(seed, 1 + rng_below(&r, 5000), 1 + rng_below(&r, 100000), rng_unit(&r) * 0.2,
                 rng_unit(&r) * 0.1, rng_unit(&r) * 0.2);
        if (w.end[0].last == TCP_DONE) {
            assert_transferred(seed);
            done++;
        } else {
            cr_assert_eq(w.end[0].last, TCP_TIMED_OUT, "seed %lu: %d", (unsigned long)seed, w.end[0].last);
            late++;
        }
    }
    cr_assert_geq(done, 285, "%u of 300 gave up", late);
}

Test(tcp, loss_of_any_one_segment_is_repaired)
{
    wire_run(1, 3000, 20000, 0, 0, 0);
    uint64_t total = w.segments;
    for (uint64_t seed = 0; seed < total * 3; seed++) { /* loss so rare that often exactly one is hit */
        wire_run(seed, 3000, 20000, 1.0 / (double)total, 0, 0);
        assert_transferred(seed);
    }
}

Test(tcp, same_seed_same_segments)
{
    wire_run(42, 5000, 200000, 0.1, 0.05, 0.1);
    uint64_t hash = w.hash, n = w.segments;
    wire_run(42, 5000, 200000, 0.1, 0.05, 0.1);
    cr_assert(w.hash == hash && w.segments == n);
    wire_run(43, 5000, 200000, 0.1, 0.05, 0.1);
    cr_assert_neq(w.hash, hash);
}

Test(tcp, timers_do_not_outlive_the_connection)
{
    wire_run(1, 100, 1000, 0, 0, 0);
    cr_assert_lt(w.now, 1500 * TCP_MS, "the last event is %ld ns", (long)w.now);
}

Test(tcp, sequence_wraps_within_one_transfer)
{
    for (uint32_t back = 0; back < 6000; back += 977) {
        wire_run(back * 2, 100, 5000, 0.05, 0.05, 0.2);
        assert_transferred(back);
    }
}
