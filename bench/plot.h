/* plot.h - SVG plots of the benchmarks' results: what bench_plot consists of. Only results of the first seed
 * are drawn. */
#ifndef VNETSIM_BENCH_PLOT_H
#define VNETSIM_BENCH_PLOT_H

#include "bench/bench.h"

#define PLOT_FONT "font-family=\"sans-serif\" font-size=\"12\""
#define PLOT_GRID "#e6e6e6"

/* => a new file DIR/name.svg with a title and room for width by height, NULL: errno says why. */
FILE *plot_open(const char *dir, const char *name, int width, int height, const char *title);
/* => 0, or -errno. */
int plot_close(FILE *f);
/* anchor: "start", "middle", "end". A white edge keeps text readable where it crosses lines. */
void plot_text(FILE *f, double x, double y, const char *anchor, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* => ours blue, the ceiling grey, others by their names. */
const char *plot_colour(const char *impl);
/* => whether the result is to be drawn. */
bool plot_takes(const struct bench *b, const struct bench_result *r);

/* DIR/bars-WHAT.svg for each kind of table: every row, every contender. DIR/peers.svg: ours against the best
 * peer, row by row. DIR/sizes-WHAT.svg: lookups a second against the memory of the table. => 0, or -errno. */
int plot_bars(const struct bench *b, const char *dir);
int plot_peers(const struct bench *b, const char *dir);
int plot_sizes(const struct bench *b, const char *dir);

#endif
