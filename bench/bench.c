/* bench.c - see bench.h. */
#include "bench/bench.h"
#include "dataplane/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static double read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

double bench_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void bench_check(int err, const char *what)
{
    if (err) {
        fprintf(stderr, "bench: %s: %s\n", what, strerror(-err));
        exit(1);
    }
}

void *bench_array(size_t n, size_t size)
{
    void *p = mem_array(n ? n : 1, size);
    bench_check(p ? 0 : -ENOMEM, "memory");
    return p;
}

void bench_free(void *p, size_t n, size_t size)
{
    mem_free(p, (n ? n : 1) * size);
}

/* -- pages ----------------------------------------------------------------------------------------------- */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Small tables lie in the C library's heap, of which some early part may be on small pages: ask the kernel
 * (6.1 on) to gather the 2 MiB around p into a huge one, for whoever's table it is. */
static void gather(const void *p)
{
    const size_t span = (size_t)2 << 20;
    if (p)
        madvise((void *)((uintptr_t)p & ~(span - 1)), span, MADV_COLLAPSE);
}

/* The kernel reports by mapping; one advice that only the 2 MiB around p get makes them a mapping of their
 * own. */
void bench_pages(const void *p, char *out, size_t size)
{
    const size_t span = (size_t)2 << 20;
    void *around = (void *)((uintptr_t)p & ~(span - 1));
    bool apart = p && madvise(around, span, MADV_DONTFORK) == 0;
    FILE *f = p ? fopen("/proc/self/smaps", "r") : NULL;
    char line[512];
    unsigned long from, to, page = 0, rss = 0, huge = 0, kb;
    bool here = false;
    snprintf(out, size, "not known");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (uintptr_t)p && (uintptr_t)p < to;
        else if (here && sscanf(line, "KernelPageSize: %lu kB", &kb) == 1)
            page = kb;
        else if (here && sscanf(line, "Rss: %lu kB", &kb) == 1)
            rss = kb;
        else if (here && (sscanf(line, "AnonHugePages: %lu kB", &kb) == 1 ||
                          sscanf(line, "ShmemPmdMapped: %lu kB", &kb) == 1))
            huge += kb;
    }
    if (f)
        fclose(f);
    if (apart)
        madvise(around, span, MADV_DOFORK);
    if (page >= 2048 || (rss && huge * 10 >= rss * 9))
        snprintf(out, size, "2M");
    else if (page && huge * 10 <= rss)
        snprintf(out, size, "4k");
    else if (page)
        snprintf(out, size, "%lu%% of it 2M", huge * 100 / rss);
}

/* -- timing ---------------------------------------------------------------------------------------------- */

static int by_size(const void *x, const void *y)
{
    const double *a = x, *b = y;
    return *a < *b ? -1 : *a > *b;
}

/* => the value below which a share q of v lies; sorts v. */
static double quantile(double *v, int n, double q)
{
    qsort(v, (size_t)n, sizeof *v, by_size);
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? v[i] + (at - i) * (v[i + 1] - v[i]) : v[i];
}

static size_t answers(const struct bench_row *row)
{
    return row->answers ? row->answers : row->work;
}

static void verify(const struct bench_row *row, const struct bench_run *run, const void *out)
{
    const uint64_t *want = run->want ? run->want : row->want, *wide = out;
    const uint32_t *narrow = out;
    for (size_t i = 0; i < answers(row); i++) {
        uint64_t got = run->decode               ? run->decode(out, i)
                       : run->width == 8         ? wide[i]
                       : narrow[i] == UINT32_MAX ? BENCH_MISS
                                                 : narrow[i];
        if (got == want[i])
            continue;
        fprintf(stderr, "bench: %s, %s, %s: %s gave a wrong answer (%zu: %llu instead of %llu)\n", row->what,
                row->table, row->stream, run->name, i, (unsigned long long)got, (unsigned long long)want[i]);
        exit(1);
    }
}

/* => millions of operations a second. */
static double run_once(const struct bench_row *row, const struct bench_run *run, void *out)
{
    memset(out, 0xff, answers(row) * 8);
    const clockid_t id = row->wall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    double start = read_clock(id);
    run->fn(run->ctx, out);
    double spent = read_clock(id) - start;
    if (run->finish)
        run->finish(run->ctx, out);
    verify(row, run, out);
    return (double)row->work / spent / 1e6;
}

static struct bench_result *new_result(struct bench *b)
{
    b->result = realloc(b->result, (b->n_results + 1) * sizeof *b->result);
    bench_check(b->result ? 0 : -ENOMEM, "memory");
    return &b->result[b->n_results++];
}

static void keep(struct bench *b, const struct bench_row *row, const struct bench_run *run, double *rate,
                 double *ratio, int rounds)
{
    struct bench_result *r = new_result(b);
    *r = (struct bench_result){
        .bytes = run->bytes, .entries = row->entries, .row = b->n_rows, .seed = b->seed};
    snprintf(r->what, sizeof r->what, "%s", row->what);
    snprintf(r->table, sizeof r->table, "%s", row->table);
    snprintf(r->stream, sizeof r->stream, "%s", row->stream);
    snprintf(r->impl, sizeof r->impl, "%s", run->name);
    snprintf(r->how, sizeof r->how, "%s", run->how ? run->how : "");
    bench_pages(run->at, r->pages, sizeof r->pages);
    r->ratio = quantile(ratio, rounds, 0.5);
    r->q1 = quantile(rate, rounds, 0.25);
    r->median = quantile(rate, rounds, 0.5);
    r->q3 = quantile(rate, rounds, 0.75);
}

static bool pages_differ(const struct bench_result *x, const struct bench_result *y)
{
    return *x->pages != 'n' && *y->pages != 'n' && strcmp(x->pages, y->pages) != 0;
}

static void print_row(const struct bench_result *r, size_t n)
{
    printf("\n%s, %s, %s\n", r->what, r->table, r->stream);
    for (size_t i = 0; i < n; i++) {
        char ratio[24] = "      ";
        if (i)
            snprintf(ratio, sizeof ratio, "%5.2fx", r[i].ratio);
        const bool slow = r[i].median < 1;
        const double unit = slow ? 1000 : 1;
        printf("  %s  %-24s %8.1f %c/s (%.1f to %.1f)", ratio, r[i].impl, r[i].median * unit,
               slow ? 'k' : 'M', r[i].q1 * unit, r[i].q3 * unit);
        if (r[i].bytes)
            printf("  %.2f MiB", (double)r[i].bytes / (1 << 20));
        if (r[i].bytes && r[i].entries)
            printf(", %.1f bytes an entry", (double)r[i].bytes / (double)r[i].entries);
        printf("  pages %s%s%s%s\n", r[i].pages, pages_differ(&r[0], &r[i]) ? " (PAGE SIZES DIFFER)" : "",
               *r[i].how ? "  by " : "", r[i].how);
    }
    fflush(stdout);
}

/* Of the last two results, if they are of this row (from result `first` on) and of one name, the faster. */
static void drop_slower(struct bench *b, size_t first)
{
    struct bench_result *r = b->result + b->n_results - 2;
    if (b->n_results < first + 2 || strcmp(r[0].impl, r[1].impl) != 0)
        return;
    if (r[1].median > r[0].median)
        r[0] = r[1];
    b->n_results--;
}

void bench_row(struct bench *b, const struct bench_row *row)
{
    double rate[BENCH_RUNS][BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX], first[BENCH_ROUNDS_MAX];
    const int rounds = row->rounds ? row->rounds : b->rounds;
    const size_t kept = b->n_results;
    void *out = bench_array(answers(row), 8);
    for (size_t i = 0; i < row->n_runs; i++)
        gather(row->run[i].at);
    for (int round = -1; round < rounds; round++)
        for (size_t i = 0; i < row->n_runs; i++)
            rate[i][round < 0 ? 0 : round] = run_once(row, &row->run[i], out);
    memcpy(first, rate[0], sizeof first);
    for (size_t i = 0; i < row->n_runs; i++) {
        for (int round = 0; round < rounds; round++)
            ratio[round] = first[round] / rate[i][round];
        keep(b, row, &row->run[i], rate[i], ratio, rounds);
        drop_slower(b, kept);
    }
    b->n_rows++;
    print_row(b->result + kept, b->n_results - kept);
    bench_free(out, answers(row), 8);
}

void bench_verify(const struct bench_row *row)
{
    void *out = bench_array(answers(row), 8);
    for (size_t i = 0; i < row->n_runs; i++)
        run_once(row, &row->run[i], out);
    bench_free(out, answers(row), 8);
}

/* -- goals ----------------------------------------------------------------------------------------------- */

static struct bench_goal *new_goal(struct bench *b)
{
    b->goal = realloc(b->goal, (b->n_goals + 1) * sizeof *b->goal);
    bench_check(b->goal ? 0 : -ENOMEM, "memory");
    b->goal[b->n_goals] = (struct bench_goal){.seed = b->seed};
    return &b->goal[b->n_goals++];
}

static void print_goal(const struct bench_goal *g)
{
    printf("  goal %s: %s, got %.3g%s%s%s\n", g->met ? "met" : "NOT MET", g->want, g->got,
           *g->note ? " (" : "", g->note, *g->note ? ")" : "");
}

/* => whether this result of the last row is a peer that the goal is about. */
static bool is_peer(const struct bench_result *r, const char *ours, const char *peer)
{
    return peer ? strncmp(r->impl, peer, strlen(peer)) == 0
                : strncmp(r->impl, "ours", 4) != 0 && strcmp(r->impl, ours) != 0 &&
                      strncmp(r->impl, "ceiling", 7) != 0;
}

void bench_want(struct bench *b, const char *ours, const char *peer, double want)
{
    const struct bench_result *us = NULL, *best = NULL;
    for (size_t i = b->n_results; i-- > 0 && b->result[i].row == b->n_rows - 1;) {
        const struct bench_result *r = &b->result[i];
        if (strcmp(r->impl, ours) == 0)
            us = r;
        else if (is_peer(r, ours, peer) && (!best || r->ratio < best->ratio))
            best = r;
    }
    if (!us || !best)
        return;
    struct bench_goal *g = new_goal(b);
    snprintf(g->goal, sizeof g->goal, "%s, %s, %s: %s / %s", us->what, us->table, us->stream, ours,
             best->impl);
    snprintf(g->want, sizeof g->want, ">= %.1f", want);
    g->got = best->ratio / us->ratio;
    g->met = g->got >= want && !pages_differ(us, best);
    if (pages_differ(us, best))
        snprintf(g->note, sizeof g->note, "pages differ: %.12s, %.12s", us->pages, best->pages);
    print_goal(g);
}

void bench_want_rate(struct bench *b, const char *ours, double want)
{
    for (size_t i = b->n_results; i-- > 0 && b->result[i].row == b->n_rows - 1;) {
        const struct bench_result *r = &b->result[i];
        if (strcmp(r->impl, ours) != 0)
            continue;
        struct bench_goal *g = new_goal(b);
        snprintf(g->goal, sizeof g->goal, "%s, %s, %s: %s", r->what, r->table, r->stream, ours);
        snprintf(g->want, sizeof g->want, ">= %.1f M/s", want);
        g->got = r->median;
        g->met = g->got >= want;
        print_goal(g);
    }
}

void bench_want_at_most(struct bench *b, const char *goal, double got, double want, const char *unit)
{
    struct bench_goal *g = new_goal(b);
    snprintf(g->goal, sizeof g->goal, "%s", goal);
    snprintf(g->want, sizeof g->want, "<= %.3g %.10s", want, unit);
    g->got = got;
    g->met = got <= want;
    printf("  %s", goal);
    print_goal(g);
}

/* -- files ----------------------------------------------------------------------------------------------- */

static int close_checked(FILE *f)
{
    int err = ferror(f) ? -EIO : 0;
    return fclose(f) ? -errno : err;
}

static int write_results(const struct bench *b, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return -errno;
    for (size_t i = 0; i < b->n_results; i++) {
        const struct bench_result *r = &b->result[i];
        fprintf(
            f,
            "{\"what\": \"%s\", \"table\": \"%s\", \"stream\": \"%s\", \"impl\": \"%s\", \"median_mops\": "
            "%.3f, \"q1\": %.3f, \"q3\": %.3f, \"bytes\": %zu, \"entries\": %zu, \"first_to_this\": %.3f, "
            "\"pages\": \"%s\", \"how\": \"%s\", \"seed\": %llu}\n",
            r->what, r->table, r->stream, r->impl, r->median, r->q1, r->q3, r->bytes, r->entries, r->ratio,
            r->pages, r->how, (unsigned long long)r->seed);
    }
    return close_checked(f);
}

static int write_goals(const struct bench *b, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return -errno;
    fprintf(f, "[");
    for (size_t i = 0; i < b->n_goals; i++) {
        const struct bench_goal *g = &b->goal[i];
        fprintf(f,
                "%s\n  {\"goal\": \"%s\", \"want\": \"%s\", \"got\": %.3f, \"met\": %s, \"note\": \"%s\", "
                "\"seed\": %llu}",
                i ? "," : "", g->goal, g->want, g->got, g->met ? "true" : "false", g->note,
                (unsigned long long)g->seed);
    }
    fprintf(f, "\n]\n");
    return close_checked(f);
}

int bench_write(const struct bench *b, const char *dir)
{
    char path[512];
    if (mkdir(dir, 0777) && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof path, "%s/results.jsonl", dir);
    int err = write_results(b, path);
    snprintf(path, sizeof path, "%s/goals.json", dir);
    if (!err)
        err = write_goals(b, path);
    return err ? err : bench_plot(b, dir);
}
