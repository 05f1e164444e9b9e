/* ceiling.c - the machine's limit (rows.h): the sum of what a table of that size could answer if a lookup
 * were one read of one cache line, known beforehand. Several ways to ask for them, since which is fastest
 * depends on the machine and the size: plain reads in a loop, whose overlap is left to the processor; the
 * same with prefetches 32 or 128 reads ahead, the arrays of places and answers fetched ahead, too; gathers of
 * eight (AVX-512). */
#include "bench/rows.h"
#include "dataplane/rng.h"

#if defined __x86_64__
#include <immintrin.h>
#endif

enum { STREAM = 1024 }; /* reads ahead that places and answers are fetched */

static void plain(void *ctx, void *out)
{
    const struct ceiling *c = ctx;
    uint64_t *value = out;
    for (size_t i = 0; i < c->n; i++)
        value[i] = c->line[(size_t)c->index[i] * 8];
}

__attribute__((always_inline)) static inline void ahead(const struct ceiling *c, uint64_t *value, size_t by)
{
    size_t i = 0;
    for (; i + by + 16 < c->n; i += 16) {
        __builtin_prefetch(&c->index[i + STREAM]);
        __builtin_prefetch(&value[i + STREAM / 2], 1);
        __builtin_prefetch(&value[i + STREAM / 2 + 8], 1);
        for (size_t k = i; k < i + 16; k++) {
            __builtin_prefetch(&c->line[(size_t)c->index[k + by] * 8]);
            value[k] = c->line[(size_t)c->index[k] * 8];
        }
    }
    for (; i < c->n; i++)
        value[i] = c->line[(size_t)c->index[i] * 8];
}

static void ahead_32(void *ctx, void *out)
{
    ahead(ctx, out, 32);
}

static void ahead_128(void *ctx, void *out)
{
    ahead(ctx, out, 128);
}

#if defined __x86_64__
__attribute__((target("avx512f"))) static void gather(void *ctx, void *out)
{
    const struct ceiling *c = ctx;
    uint64_t *value = out;
    size_t i = 0;
    for (; i + 8 <= c->n; i += 8) {
        __m512i at = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)&c->index[i]));
        __m512i v = _mm512_i64gather_epi64(_mm512_slli_epi64(at, 3), c->line, 8);
        _mm512_storeu_si512(&value[i], v);
    }
    for (; i < c->n; i++)
        value[i] = c->line[(size_t)c->index[i] * 8];
}
#endif

struct ceiling ceiling_make(size_t bytes, size_t n, uint64_t seed)
{
    struct rng r;
    struct ceiling c = {.n = n, .lines = bytes / 64 + 1, .bytes = bytes};
    c.line = bench_array(c.lines, 64);
    c.want = bench_array(n, sizeof *c.want);
    c.index = bench_array(n, sizeof *c.index);
    rng_seed(&r, seed, "ceiling");
    for (size_t i = 0; i < c.lines; i++)
        c.line[i * 8] = i;
    for (size_t i = 0; i < n; i++)
        c.want[i] = c.index[i] = (uint32_t)rng_below(&r, c.lines);
    return c;
}

void ceiling_free(struct ceiling *c)
{
    bench_free(c->line, c->lines, 64);
    bench_free(c->want, c->n, sizeof *c->want);
    bench_free(c->index, c->n, sizeof *c->index);
}

static void add(struct bench_row *row, struct ceiling *c, const char *how, void (*fn)(void *, void *))
{
    row->run[row->n_runs++] = (struct bench_run){.name = BENCH_CEILING,
                                                 .how = how,
                                                 .fn = fn,
                                                 .ctx = c,
                                                 .want = c->want,
                                                 .at = c->line,
                                                 .bytes = c->bytes,
                                                 .width = 8};
}

void ceiling_add(struct bench_row *row, struct ceiling *c)
{
    add(row, c, "plain reads", plain);
    add(row, c, "prefetch, 32 ahead", ahead_32);
    add(row, c, "prefetch, 128 ahead", ahead_128);
#if defined __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        add(row, c, "AVX-512 gather", gather);
#endif
}
