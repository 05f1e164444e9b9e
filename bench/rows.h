/* rows.h - the benchmarks' rows by subject, each in bench/rows_*.c, and what they share. */
#ifndef VNETSIM_BENCH_ROWS_H
#define VNETSIM_BENCH_ROWS_H

#include "bench/bench.h"

void rows_flow(struct bench *b);
void rows_exact(struct bench *b);
void rows_routes(struct bench *b);
void rows_rules(struct bench *b);
void rows_events(struct bench *b);
void rows_capture(struct bench *b);
void rows_pipeline(struct bench *b);

/* The least work of a row with short operations. */
#define LINES_AT_LEAST ((size_t)1 << 18)

/* The machine's limit: independent random reads of cache lines of a table of so many bytes (ceiling.c). */
struct ceiling {
    uint64_t *line, *want;
    uint32_t *index;
    size_t n, lines, bytes;
};

/* n reads. Ends the program without memory. */
struct ceiling ceiling_make(size_t bytes, size_t n, uint64_t seed);
void ceiling_free(struct ceiling *c);
/* Add the ways to read so; the fastest of them is reported. */
void ceiling_add(struct bench_row *row, struct ceiling *c);

#endif
