/* bench.h - timing side by side: every contender of a row runs once in each round, in turn, so that what
 * disturbs the machine disturbs all of them; figures are medians over the rounds after one round of
 * warming up; and every answer is compared with the expected one, in every round. Ratios within a run
 * count, absolute figures do not. */
#ifndef VNETSIM_BENCH_BENCH_H
#define VNETSIM_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_ROUNDS 5
#define BENCH_RUNS   4

/* One contender: does the row's whole work once, answers into out. */
struct bench_run {
    const char *name;
    void (*fn)(void *ctx, void *out);
};

/* One row: work is the number of operations a run does, want the bytes that out must hold afterwards. */
struct bench_row {
    const char *label;
    struct bench_run run[BENCH_RUNS]; /* ends with a NULL name; the first is compared with the others */
    void *ctx, *out;
    const void *want;
    size_t out_size, work;
    int (*cmp)(const void *out, const void *want, size_t out_size); /* 0: the same; NULL: compare bytes */
};

static inline double bench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static inline int bench_cmp(const void *x, const void *y)
{
    const double *a = x, *b = y;
    return *a < *b ? -1 : *a > *b;
}

static inline double bench_median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, bench_cmp);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static inline void *bench_array(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) {
        fprintf(stderr, "bench: out of memory\n");
        exit(3);
    }
    return p;
}

/* Run one contender. => seconds; a wrong answer ends the program. */
static inline double bench_once(const struct bench_row *row, const struct bench_run *run)
{
    memset(row->out, 0x5a, row->out_size);
    double start = bench_now();
    run->fn(row->ctx, row->out);
    double spent = bench_now() - start;
    if ((row->cmp ? row->cmp : memcmp)(row->out, row->want, row->out_size) != 0) {
        fprintf(stderr, "bench: %s: %s gave a wrong answer\n", row->label, run->name);
        exit(1);
    }
    return spent;
}

/* Time a row and print it: millions of operations a second, and the first contender's ratio to each other. */
static inline void bench_row(const struct bench_row *row)
{
    double spent[BENCH_RUNS][BENCH_ROUNDS + 1], rate[BENCH_RUNS];
    int n = 0;
    while (n < BENCH_RUNS && row->run[n].name)
        n++;
    for (int round = 0; round <= BENCH_ROUNDS; round++)
        for (int i = 0; i < n; i++)
            spent[i][round] = bench_once(row, &row->run[i]);
    printf("%-38s", row->label);
    for (int i = 0; i < n; i++) {
        rate[i] = (double)row->work / bench_median(spent[i] + 1, BENCH_ROUNDS) / 1e6;
        printf("  %s %.*f", row->run[i].name, rate[i] < 10 ? 2 : 1, rate[i]);
    }
    for (int i = 1; i < n; i++)
        printf("%s %.1fx %s", i == 1 ? "  |" : ",", rate[0] / rate[i], row->run[i].name);
    printf("\n");
    fflush(stdout);
}

#endif
