/* bench_peers.c - the forwarding core's tables beside other projects', their references and the machine's own
 * limit, one thread, one run:
 *
 *   bench_peers [--quick] [--seed=N] [--only=flow|exact|routes|rules|events|capture|pipeline] DIR
 *
 * Writes results, goals and plots into DIR. Tables and streams come from the seed (VNETSIM_SEED without the
 * flag; 1 without either). A full feed is read from VNETSIM_DATA/rib where that is set. */
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

struct part {
    const char *name;
    void (*fn)(struct bench *b);
};

static void run_parts(struct bench *b, const char *only)
{
    const struct part part[] = {
        {"flow", rows_flow},     {"exact", rows_exact},     {"routes", rows_routes},    {"rules", rows_rules},
        {"events", rows_events}, {"capture", rows_capture}, {"pipeline", rows_pipeline}};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (part[i].fn && (!only || strcmp(only, part[i].name) == 0))
            part[i].fn(b);
}

/* Peers that need DPDK's environment are left out where it does not start. */
static void start_dpdk(size_t mib)
{
    bool reserved = false;
    const char *why = peer_dpdk_start ? peer_dpdk_start(mib, &reserved) : NULL;
    if (why)
        printf("left out, does not start: DPDK: %s\n", why);
    else if (peer_dpdk_start)
        printf("DPDK's memory: %s\n", reserved ? "reserved huge pages" : "transparent huge pages asked for");
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
    const char *only = NULL, *dir = "build/bench", *seed = getenv("VNETSIM_SEED");
    struct bench b = {.rounds = 9};
    void *pad = use_huge_pages(argv);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            b.quick = true;
        else if (strncmp(argv[i], "--only=", 7) == 0)
            only = argv[i] + 7;
        else if (strncmp(argv[i], "--seed=", 7) == 0)
            seed = argv[i] + 7;
        else
            dir = argv[i];
    }
    b.rounds = b.quick ? 5 : 9;
    b.seed = seed ? strtoull(seed, NULL, 0) : 1;
    double start = bench_now();
    printf(
        "first, how many times faster the row's first is; then millions a second, medians (quartiles) of %d "
        "interleaved rounds; every answer checked; seed %llu\n",
        b.rounds, (unsigned long long)b.seed);
    say_left_out();
    start_dpdk(b.quick ? 512 : 2560);
    run_parts(&b, only);
    bench_check(bench_write(&b, dir), dir);
    sum_up(&b, start, dir);
    if (peer_dpdk_stop)
        peer_dpdk_stop();
    free(b.result);
    free(b.goal);
    free(pad);
    return 0;
}
