/* bench_peers.c - the forwarding core's tables beside other projects', their references and the machine's own
 * limit, one thread, one run:
 *
 *   bench_peers [--quick] [--seed=N] [--feed=FILE] [--patient] [--only=PART] DIR
 *
 * Writes results, goals and plots into DIR. Tables and streams come from the seed (VNETSIM_SEED without the
 * flag; 1 without either); a full run then evaluates every goal with the next seed, too. A full feed is read
 * from FILE, or from VNETSIM_DATA/rib where that is set. --patient: with peers that need minutes to fill a
 * table. Parts: flow, exact, routes, rules, events, capture, pipeline. */
#include "bench/peer.h"
#include "bench/rows.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say_left_out(void)
{
    const struct {
        const char *name;
        bool there;
    } peer[] = {{"DPDK (libdpdk-dev)", peer_dpdk_start != NULL},
                {"liburcu (liburcu-dev)", peer_keys_lfht != NULL},
                {"Concurrency Kit (libck-dev)", peer_keys_ck != NULL},
                {"uthash (uthash-dev)", peer_keys_uthash != NULL}};
    for (size_t i = 0; i < sizeof peer / sizeof *peer; i++)
        if (!peer[i].there)
            printf("left out, not installed when this was built: %s; make deps-bench installs it\n",
                   peer[i].name);
}

/* The C library's memory on huge pages too, for our small tables as for the peers' that use it.
 * => what keeps the heap's first pages, which are no huge ones, from being used. */
static void *use_huge_pages(char **argv)
{
    if (getenv("GLIBC_TUNABLES"))
        return malloc((size_t)4 << 20);
    setenv("GLIBC_TUNABLES",
           "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:"
           "glibc.malloc.top_pad=67108864:glibc.malloc.trim_threshold=4294967296",
           1);
    execv("/proc/self/exe", argv);
    return NULL;
}

static const struct part {
    const char *name;
    void (*fn)(struct bench *b);
} parts[] = {{"flow", rows_flow},        {"exact", rows_exact},   {"routes", rows_routes},
             {"rules", rows_rules},      {"events", rows_events}, {"capture", rows_capture},
             {"pipeline", rows_pipeline}};

#define PARTS (sizeof parts / sizeof *parts)

static void run_parts(struct bench *b, const char *only)
{
    for (size_t i = 0; i < PARTS; i++)
        if (!only || strcmp(only, parts[i].name) == 0)
            parts[i].fn(b);
}

static void usage(FILE *to)
{
    fputs("usage: bench_peers [--quick] [--seed=N] [--feed=FILE] [--patient] [--only=PART] DIR\n"
          "results, goals and plots go into DIR; PART is one of:",
          to);
    for (size_t i = 0; i < PARTS; i++)
        fprintf(to, " %s", parts[i].name);
    fputc('\n', to);
}

static bool is_part(const char *name)
{
    for (size_t i = 0; i < PARTS; i++)
        if (strcmp(name, parts[i].name) == 0)
            return true;
    return false;
}

struct options {
    const char *only, *dir, *seed;
};

/* => whether the arguments can be used. */
static bool take_arguments(struct bench *b, struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--quick") == 0)
            b->quick = true;
        else if (strcmp(arg, "--patient") == 0)
            b->patient = true;
        else if (strncmp(arg, "--only=", 7) == 0 && is_part(arg + 7))
            o->only = arg + 7;
        else if (strncmp(arg, "--seed=", 7) == 0 && arg[7])
            o->seed = arg + 7;
        else if (strncmp(arg, "--feed=", 7) == 0 && arg[7])
            b->feed = arg + 7;
        else if (arg[0] != '-' && !o->dir)
            o->dir = arg;
        else
            return false;
    }
    return o->dir != NULL;
}

/* => how much of a goal's name says what it is about: all but which peer was the best. */
static size_t subject(const char *goal)
{
    const char *peer = strstr(goal, " / ");
    return peer ? (size_t)(peer - goal) : strlen(goal);
}

/* Whether what is met depends on the seed. */
static void compare_seeds(const struct bench *b)
{
    size_t same = 0, both = 0;
    printf("\ngoals with two seeds\n");
    for (size_t i = 0; i < b->n_goals; i++)
        for (size_t k = i + 1; k < b->n_goals; k++) {
            const struct bench_goal *x = &b->goal[i], *y = &b->goal[k];
            size_t n = subject(x->goal);
            if (x->seed == y->seed || n != subject(y->goal) || strncmp(x->goal, y->goal, n) != 0 ||
                strcmp(x->want, y->want) != 0)
                continue;
            both++;
            same += x->met == y->met;
            printf("  %s  %.*s: want %s, got %.3g and %.3g\n",
                   x->met != y->met ? "THEY DIFFER "
                   : x->met         ? "both met    "
                                    : "both not met",
                   (int)n, x->goal, x->want, x->got, y->got);
        }
    printf("  %zu of %zu have the same verdict\n", same, both);
}

/* Peers that need DPDK's environment are left out where it does not start. */
static bool start_dpdk(size_t mib)
{
    bool reserved = false;
    const char *why = peer_dpdk_start ? peer_dpdk_start(mib, &reserved) : NULL;
    if (why)
        printf("left out, does not start: DPDK: %s\n", why);
    else if (peer_dpdk_start)
        printf("DPDK's memory: %s\n", reserved ? "reserved huge pages" : "transparent huge pages asked for");
    return peer_dpdk_start && !why;
}

static void sum_up(const struct bench *b, double start, const char *dir)
{
    size_t met = 0;
    for (size_t i = 0; i < b->n_goals; i++)
        met += b->goal[i].met;
    printf("\n%zu of %zu goals met; %.1f s; figures and plots in %s\n", met, b->n_goals, bench_now() - start,
           dir);
}

int main(int argc, char **argv)
{
    struct options o = {.seed = getenv("VNETSIM_SEED")};
    struct bench b = {.quick = false};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (!take_arguments(&b, &o, argc, argv)) {
        usage(stderr);
        return 2;
    }
    void *pad = use_huge_pages(argv);
    b.rounds = b.quick ? 5 : 9;
    b.seed = o.seed ? strtoull(o.seed, NULL, 0) : 1;
    double start = bench_now();
    printf(
        "first, how many times faster the row's first is; then millions a second, medians (quartiles) of %d "
        "interleaved rounds; every answer checked; seed %llu\n",
        b.rounds, (unsigned long long)b.seed);
    say_left_out();
    b.dpdk = start_dpdk(b.quick ? 512 : 2560);
    run_parts(&b, o.only);
    if (!b.quick) {
        b.again = true;
        b.seed++;
        printf("\n-- once more what has goals, seed %llu\n", (unsigned long long)b.seed);
        run_parts(&b, o.only);
        compare_seeds(&b);
    }
    bench_check(bench_write(&b, o.dir), o.dir);
    sum_up(&b, start, o.dir);
    if (b.dpdk)
        peer_dpdk_stop();
    free(b.result);
    free(b.goal);
    free(pad);
    return 0;
}
