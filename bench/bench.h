/* bench.h - timing side by side, and what comes of it: rows, goals, plots.
 *
 * A row is one piece of work that several contenders do. Every contender runs once in each round, in turn, so
 * that what disturbs the machine disturbs all of them; the first round warms up and is not counted; every
 * answer of every round is compared with the expected one, outside the time. What is reported first is the
 * ratio of the first contender to each other: the median over the rounds of the ratio within a round.
 * Absolute figures depend on the machine and its neighbours. */
#ifndef VNETSIM_BENCH_BENCH_H
#define VNETSIM_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_ROUNDS_MAX 15
#define BENCH_RUNS       16
#define BENCH_CEILING    "ceiling: random lines"
#define BENCH_MISS       UINT64_MAX

/* One contender; of several with the same name, next to one another, the fastest is reported: does the row's
 * whole work once, answers into out: numbers of 4 or 8 bytes, all ones for a miss. Before it runs out is all
 * ones, so that a lookup which leaves misses alone need not write them. */
struct bench_run {
    const char *name, *how; /* how: the lookup function it chose; NULL: there is one only */
    void (*fn)(void *ctx, void *out);
    void (*finish)(void *ctx, void *out); /* or NULL: after fn, not timed; may give answers, too */
    void *ctx;
    const uint64_t *want; /* NULL: the row's */
    uint64_t (*decode)(const void *out,
                       size_t i); /* an answer not written like that => such a one; or NULL */
    const void *at;               /* an address inside its table, to find out its pages; NULL: not known */
    size_t bytes, width;          /* memory of its table (0: not known); bytes of an answer */
};

struct bench_row {
    const char *what, *table, *stream; /* the three together name the row */
    struct bench_run run[BENCH_RUNS];
    size_t n_runs, work, entries; /* work: operations of a run, and answers */
    size_t answers;               /* if not as many as work; 0: as many */
    int rounds;                   /* if fewer than others; 0: as many */
    bool wall; /* time as a watch shows it, for work that waits; else the thread's own: neighbours do not
                  count */
    const uint64_t *want; /* BENCH_MISS: a miss */
};

/* A row's outcome, one for each contender. */
struct bench_result {
    char what[24], table[40], stream[24], impl[40], how[40], pages[24];
    double median, q1, q3; /* millions a second */
    double ratio;          /* the row's first contender to this one */
    size_t bytes, entries, row;
    uint64_t seed;
};

struct bench_goal {
    char goal[192], want[24], note[48];
    double got;
    uint64_t seed;
    bool met;
};

struct bench {
    int rounds;
    bool quick;
    bool again;       /* a second seed: only rows with goals */
    bool dpdk;        /* runs: its tables take part */
    bool patient;     /* peers that need minutes for a table take part, too */
    const char *feed; /* a file of routes; NULL: none */
    uint64_t seed;    /* of tables and streams */
    struct bench_result *result;
    struct bench_goal *goal;
    size_t n_results, n_goals, n_rows;
};

double bench_now(void);
/* => zeroed memory on huge pages where it is large; the program ends if there is none. */
void *bench_array(size_t n, size_t size);
void bench_free(void *p, size_t n, size_t size);
/* End the program with a message if err (negative errno) is not 0. */
void bench_check(int err, const char *what);

/* Time a row, print it and keep it. A wrong answer ends the program. */
void bench_row(struct bench *b, const struct bench_row *row);
/* Run each contender once and compare its answers, without timing. */
void bench_verify(const struct bench_row *row);

/* The last row's goal: its contender `ours` at least `want` times as fast as each of the contenders whose
 * name begins with `peer` (NULL: any but ours and the ceiling). Not met where their pages differ; nothing is
 * noted where no such peer took part. */
void bench_want(struct bench *b, const char *ours, const char *peer, double want);
/* The last row's goal: its contender `ours` at least `want` millions a second, on the machine as it is. */
void bench_want_rate(struct bench *b, const char *ours, double want);
/* A goal about some other figure: at most `want` of `unit`. */
void bench_want_at_most(struct bench *b, const char *goal, double got, double want, const char *unit);

/* => "2M", "4k" or how much of the 2 MiB around p is on huge pages. */
void bench_pages(const void *p, char *out, size_t size);

/* Write results.jsonl, goals.json and the plots into dir (made if need be). => 0, or -errno. */
int bench_write(const struct bench *b, const char *dir);
int bench_plot(const struct bench *b, const char *dir);

#endif
