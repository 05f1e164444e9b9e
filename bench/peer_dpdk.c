/* peer_dpdk.c - DPDK's tables: rte_fib (DIR-24-8, 2-byte next hops; AVX-512 and scalar), rte_lpm, rte_hash
 * (in batches of 64, and one by one). The EAL runs without devices; its memory comes from huge pages reserved
 * for the run, or else is advised to use transparent ones. */
#include "bench/bench.h"
#include "bench/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_log.h>
#include <rte_lpm.h>
#include <rte_malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define BATCH 64u /* RTE_HASH_LOOKUP_BULK_MAX, and what the others are best at */

/* -- start ----------------------------------------------------------------------------------------------- */

#define NR_HUGE "/proc/sys/vm/nr_hugepages"

static long huge_pages(long set)
{
    long n = -1;
    FILE *f = fopen(NR_HUGE, set < 0 ? "r" : "w");
    if (!f)
        return -1;
    if (set >= 0)
        n = fprintf(f, "%ld\n", set) > 0 ? set : -1;
    else if (fscanf(f, "%ld", &n) != 1)
        n = -1;
    return fclose(f) ? -1 : n;
}

/* => pages of 2 MiB in use, by whomever; -1: not known. */
static long huge_used(void)
{
    char line[128];
    long total = -1, spare = -1;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "HugePages_Total: %ld", &total);
        sscanf(line, "HugePages_Free: %ld", &spare);
    }
    if (f)
        fclose(f);
    return total < 0 || spare < 0 ? -1 : total - spare;
}

/* Have mib of spare 2 MiB pages. => false: not root, or there are not so many; nothing changed. */
static bool reserve(long before, size_t mib)
{
    long used = huge_used(), want = used + (long)mib / 2;
    if (before < 0 || used < 0)
        return false;
    if (want <= before)
        return true;
    if (huge_pages(want) < 0)
        return false;
    if (huge_pages(-1) >= want)
        return true;
    huge_pages(before);
    return false;
}

void peer_dpdk_stop(void)
{
    rte_eal_cleanup();
}

/* Without reserved pages the whole heap is one mapping: ask for transparent huge pages. */
static void advise(size_t mib)
{
    void *p = rte_malloc(NULL, 64, 64);
    uintptr_t at = (uintptr_t)p & ~(((uintptr_t)2 << 20) - 1);
    madvise((void *)at, mib << 20, MADV_HUGEPAGE);
    rte_free(p);
}

static int init(size_t mib, bool reserved)
{
    char size[24], name[] = "bench", a1[] = "--no-pci", a2[] = "--in-memory", a3[] = "--no-telemetry",
                   a4[] = "--force-max-simd-bitwidth=512", a5[] = "-m", a6[] = "--no-huge",
                   a7[] = "--log-level=error", a8[] = "--lcores=0", a9[] = "--no-shconf";
    /* the EAL takes no ordinary pages for --in-memory */
    char *argv[] = {name, a1, reserved ? a2 : a9, a3, a4, a7, a8, a5, size, reserved ? NULL : a6, NULL};
    snprintf(size, sizeof size, "%zu", mib);
    return rte_eal_init(reserved ? 9 : 10, argv);
}

/* Pages are reserved for as long as it takes to take them: what the EAL has it keeps, and the kernel gets it
 * back when we end, however that is. Two programs that did so at a time would mistake each other's for spare
 * ones. */
const char *peer_dpdk_start(size_t mib, bool *reserved)
{
    cpu_set_t cpus;
    int lock = open(NR_HUGE, O_RDONLY | O_CLOEXEC);
    if (lock >= 0)
        flock(lock, LOCK_EX);
    long before = huge_pages(-1);
    *reserved = reserve(before, mib);
    sched_getaffinity(0, sizeof cpus, &cpus);
    int n = init(mib, *reserved);
    sched_setaffinity(0, sizeof cpus, &cpus); /* the EAL pins its thread */
    if (*reserved)
        huge_pages(before);
    if (lock >= 0)
        close(lock);
    if (n < 0)
        return rte_strerror(rte_errno);
    if (!*reserved)
        advise(mib);
    return NULL;
}

/* -- memory of a table: what the heap lost by making it -------------------------------------------------- */

size_t peer_dpdk_heap(void)
{
    struct rte_malloc_socket_stats s = {0};
    size_t used = 0;
    for (int socket = 0; socket < 8; socket++)
        if (rte_malloc_get_socket_stats(socket, &s) == 0)
            used += s.heap_allocsz_bytes;
    return used;
}

struct table {
    void *p;
    size_t bytes, key_size;
};

static struct table *wrap(void *p, size_t before, size_t key_size)
{
    struct table *t = p ? malloc(sizeof *t) : NULL;
    if (t)
        *t = (struct table){p, peer_dpdk_heap() - before, key_size};
    return t;
}

static size_t table_bytes(const void *table)
{
    return ((const struct table *)table)->bytes;
}

static const void *table_at(const void *table)
{
    return ((const struct table *)table)->p;
}

static const char *unique(char *name, size_t size)
{
    static unsigned n;
    snprintf(name, size, "bench%u", n++);
    return name;
}

/* -- rte_fib --------------------------------------------------------------------------------------------- */

#define FIB_MISS 0x7fff

static void *fib_make(const struct gen_routes *g, enum rte_fib_lookup_type type)
{
    char name[24];
    size_t before = peer_dpdk_heap();
    struct rte_fib_conf conf = {
        .type = RTE_FIB_DIR24_8, .default_nh = FIB_MISS, .max_routes = (int)g->n + 1024};
    conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_2B;
    conf.dir24_8.num_tbl8 = g->n > 100000 ? 32767 : 8192;
    struct rte_fib *f = rte_fib_create(unique(name, sizeof name), SOCKET_ID_ANY, &conf);
    if (!f)
        return NULL;
    for (size_t i = 0; i < g->n; i++)
        bench_check(rte_fib_add(f, g->route[i].addr, g->route[i].len, g->route[i].nexthop), "rte_fib_add");
    return rte_fib_select_lookup(f, type) ? (rte_fib_free(f), NULL) : wrap(f, before, 4);
}

static void *fib_vector(const struct gen_routes *g, const char **how)
{
    *how = "DIR24_8_VECTOR_AVX512";
    return fib_make(g, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512);
}

static void *fib_scalar(const struct gen_routes *g, const char **how)
{
    *how = "DIR24_8_SCALAR_MACRO";
    return fib_make(g, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO);
}

static void fib_lookup(void *table, const uint32_t *addr, void *hop, size_t n)
{
    struct table *t = table;
    uint64_t *h = hop;
    for (size_t i = 0; i < n; i += 4 * BATCH) {
        size_t k = n - i < 4 * BATCH ? n - i : 4 * BATCH;
        rte_fib_lookup_bulk(t->p, (uint32_t *)(uintptr_t)(addr + i), h + i, (int)k);
    }
}

static uint64_t fib_decode(const void *hop, size_t i)
{
    uint64_t v = ((const uint64_t *)hop)[i];
    return v == FIB_MISS ? BENCH_MISS : v;
}

static void fib_free(void *table)
{
    rte_fib_free(((struct table *)table)->p);
    free(table);
}

static int fib_add(void *table, const struct lpm_route *r)
{
    return rte_fib_add(((struct table *)table)->p, r->addr, r->len, r->nexthop);
}

static int fib_del(void *table, const struct lpm_route *r)
{
    return rte_fib_delete(((struct table *)table)->p, r->addr, r->len);
}

static const struct peer_routes fib_v = {.name = "rte_fib AVX-512",
                                         .family = "rte_fib",
                                         .make = fib_vector,
                                         .add = fib_add,
                                         .del = fib_del,
                                         .lookup = fib_lookup,
                                         .decode = fib_decode,
                                         .free = fib_free,
                                         .bytes = table_bytes,
                                         .at = table_at},
                                fib_s = {.name = "rte_fib scalar",
                                         .family = "rte_fib",
                                         .make = fib_scalar,
                                         .add = fib_add,
                                         .del = fib_del,
                                         .lookup = fib_lookup,
                                         .decode = fib_decode,
                                         .free = fib_free,
                                         .bytes = table_bytes,
                                         .at = table_at};

/* -- rte_lpm --------------------------------------------------------------------------------------------- */

/* It has no route of length 0: two halves of the Internet instead. */
static int lpm_add_route(void *table, const struct lpm_route *r)
{
    struct rte_lpm *l = ((struct table *)table)->p;
    int err = rte_lpm_add(l, r->addr, r->len ? r->len : 1, r->nexthop);
    return err || r->len ? err : rte_lpm_add(l, 1u << 31, 1, r->nexthop);
}

static int lpm_del_route(void *table, const struct lpm_route *r)
{
    struct rte_lpm *l = ((struct table *)table)->p;
    int err = rte_lpm_delete(l, r->addr, r->len ? r->len : 1);
    return err || r->len ? err : rte_lpm_delete(l, 1u << 31, 1);
}

static void *lpm_make(const struct gen_routes *g, const char **how)
{
    char name[24];
    size_t before = peer_dpdk_heap();
    struct rte_lpm_config conf = {.max_rules = (uint32_t)g->n + 1024,
                                  .number_tbl8s = g->n > 100000 ? 32768 : 8192};
    struct rte_lpm *l = rte_lpm_create(unique(name, sizeof name), SOCKET_ID_ANY, &conf);
    struct table *t = wrap(l, before, 4);
    *how = "rte_lpm_lookup_bulk";
    for (size_t i = 0; t && i < g->n; i++)
        bench_check(lpm_add_route(t, &g->route[i]), "rte_lpm_add");
    return t;
}

static void lpm_get(void *table, const uint32_t *addr, void *hop, size_t n)
{
    struct table *t = table;
    uint32_t *h = hop;
    for (size_t i = 0; i < n; i += BATCH)
        rte_lpm_lookup_bulk(t->p, addr + i, h + i, (unsigned)(n - i < BATCH ? n - i : BATCH));
}

static uint64_t lpm_decode(const void *hop, size_t i)
{
    uint32_t v = ((const uint32_t *)hop)[i];
    return v & RTE_LPM_LOOKUP_SUCCESS ? v & 0xffffff : BENCH_MISS;
}

static void lpm_done(void *table)
{
    rte_lpm_free(((struct table *)table)->p);
    free(table);
}

static const struct peer_routes lpm_p = {.name = "rte_lpm",
                                         .family = "rte_lpm",
                                         .most = 100000, /* adding is quadratic */
                                         .make = lpm_make,
                                         .add = lpm_add_route,
                                         .del = lpm_del_route,
                                         .lookup = lpm_get,
                                         .decode = lpm_decode,
                                         .free = lpm_done,
                                         .bytes = table_bytes,
                                         .at = table_at};

const struct peer_routes *const peer_routes_dpdk[] = {&fib_v, &fib_s, &lpm_p, NULL};

/* -- rte_hash -------------------------------------------------------------------------------------------- */

/* An eighth more than asked for, so that nothing is refused: the number of buckets is the next power of two.
 */
static void *hash_make(size_t n, size_t key_size)
{
    char name[24];
    size_t before = peer_dpdk_heap();
    struct rte_hash_parameters p = {.name = unique(name, sizeof name),
                                    .entries = (uint32_t)(n + n / 8),
                                    .key_len = (uint32_t)key_size,
                                    .hash_func = rte_hash_crc,
                                    .socket_id = SOCKET_ID_ANY};
    return wrap(rte_hash_create(&p), before, key_size);
}

static int hash_add(void *table, const void *key, uint64_t value)
{
    return rte_hash_add_key_data(((struct table *)table)->p, key, (void *)(uintptr_t)value);
}

static int hash_del(void *table, const void *key)
{
    int at = rte_hash_del_key(((struct table *)table)->p, key);
    return at < 0 ? at : 0;
}

static void hash_bulk(void *table, const void *keys, uint64_t *value, size_t n)
{
    struct table *t = table;
    const char *key = keys;
    const void *at[BATCH];
    for (size_t i = 0; i < n; i += BATCH) {
        unsigned k = (unsigned)(n - i < BATCH ? n - i : BATCH);
        uint64_t hits;
        for (unsigned j = 0; j < k; j++)
            at[j] = key + (i + j) * t->key_size;
        rte_hash_lookup_bulk_data(t->p, at, k, &hits, (void **)(value + i));
    }
}

static void hash_single(void *table, const void *keys, uint64_t *value, size_t n)
{
    struct table *t = table;
    const char *key = keys;
    for (size_t i = 0; i < n; i++)
        rte_hash_lookup_data(t->p, key + i * t->key_size, (void **)(value + i));
}

static void hash_free(void *table)
{
    rte_hash_free(((struct table *)table)->p);
    free(table);
}

static const struct peer_keys hash_b = {"rte_hash bulk", hash_make, hash_add,    hash_del,
                                        hash_bulk,       hash_free, table_bytes, table_at},
                              hash_s = {"rte_hash single", NULL, NULL, NULL, hash_single, NULL, NULL, NULL};

const struct peer_keys *const peer_keys_dpdk[] = {&hash_b, &hash_s, NULL};
