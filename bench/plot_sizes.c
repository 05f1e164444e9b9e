/* plot_sizes.c - lookups a second against the memory of the table, the machine's cache sizes marked (plot.h).
 */
#include "bench/plot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH  960
#define HEIGHT 560
#define LEFT   70
#define RIGHT  (WIDTH - 190) /* the legend follows */
#define TOP    56
#define BOTTOM (HEIGHT - 90)
#define POINTS 32

/* What is plotted: one stream of one kind of table. */
struct chart {
    const char *what, *stream;
    double x0, x1, y0, y1; /* binary logarithms of bytes and M/s */
};

/* Figures that others measured on another machine, for scale. */
struct elsewhere {
    const char *what, *who;
    double mib, rate;
};
static const struct elsewhere elsewhere[] = {{"routes", "liblpm", 0.12, 5.3}, {"routes", "DXR", 0.12, 20},
                                             {"routes", "poptrie", 1.06, 43}, {"routes", "DXR", 3.6, 18},
                                             {"routes", "poptrie", 4.4, 49},  {"routes", "liblpm", 30, 1.3}};
#define N_ELSEWHERE (sizeof elsewhere / sizeof *elsewhere)
#define ELSEWHERE_SAYS                                                                                       \
    "x  figures of others, from another machine (Xeon with AVX-512): a cloud-shaped table of 3,405 routes, " \
    "and a full BGP feed"

static double x_of(const struct chart *c, double bytes)
{
    return LEFT + (RIGHT - LEFT) * (log2(bytes) - c->x0) / (c->x1 - c->x0);
}

static double y_of(const struct chart *c, double rate)
{
    return BOTTOM - (BOTTOM - TOP) * (log2(rate) - c->y0) / (c->y1 - c->y0);
}

static bool takes(const struct bench *b, const struct chart *c, const struct bench_result *r)
{
    return plot_takes(b, r) && r->bytes && strcmp(r->what, c->what) == 0 && strcmp(r->stream, c->stream) == 0;
}

static void widen(struct chart *c, double bytes, double rate)
{
    c->x0 = fmin(c->x0, floor(log2(bytes) / 2 - 0.1) * 2);
    c->x1 = fmax(c->x1, ceil(log2(bytes) / 2 + 0.1) * 2);
    c->y0 = fmin(c->y0, floor(log2(rate)));
    c->y1 = fmax(c->y1, ceil(log2(rate)));
}

/* -- the frame ------------------------------------------------------------------------------------------- */

static void axes(FILE *f, const struct chart *c)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB"};
    for (int lg = (int)c->x0; lg <= (int)c->x1; lg += 2) {
        double x = x_of(c, ldexp(1, lg));
        fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"" PLOT_GRID "\"/>\n", x, TOP, BOTTOM);
        plot_text(f, x, BOTTOM + 18, "middle", "%d %s", 1 << (lg % 10), unit[lg / 10]);
    }
    for (int lg = (int)c->y0; lg <= (int)c->y1; lg++) {
        double y = y_of(c, ldexp(1, lg));
        fprintf(f, "<path d=\"M%d %.1fH%d\" stroke=\"" PLOT_GRID "\"/>\n", LEFT, y, RIGHT);
        plot_text(f, LEFT - 8, y + 4, "end", "%g", ldexp(1, lg));
    }
    plot_text(f, LEFT, BOTTOM + 42, "start",
              "across: memory of the table; up: M lookups a second, median and quartiles");
}

/* => the first line of a file that describes cache number index; "" if there is none. */
static const char *cache_says(int index, const char *what, char line[64])
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, what);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(line, 64, f))
        *line = '\0';
    if (f)
        fclose(f);
    return line;
}

/* => bytes of the first processor's cache for data of that level, 0: not known. */
static double cache_size(int level)
{
    char line[64];
    for (int i = 0; i < 8; i++)
        if (atoi(cache_says(i, "level", line)) == level && *cache_says(i, "type", line) != 'I')
            return 1024.0 * atoi(cache_says(i, "size", line));
    return 0;
}

static void caches(FILE *f, const struct chart *c)
{
    for (int level = 1; level <= 3; level++) {
        const double bytes = cache_size(level), x = x_of(c, fmax(bytes, 1));
        if (log2(fmax(bytes, 1)) < c->x0 || log2(bytes) > c->x1)
            continue;
        fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"#666666\" stroke-dasharray=\"5 4\"/>\n", x, TOP - 4,
                BOTTOM);
        plot_text(f, x, TOP - 8, "middle", "level %d", level);
    }
}

/* -- lines ----------------------------------------------------------------------------------------------- */

static int by_bytes(const void *x, const void *y)
{
    const struct bench_result *a = *(const struct bench_result *const *)x,
                              *b = *(const struct bench_result *const *)y;
    return a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

/* => the results of one contender in that chart, small tables first. */
static size_t points(const struct bench *b, const struct chart *c, const char *impl,
                     const struct bench_result *out[POINTS])
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_results && n < POINTS; i++)
        if (takes(b, c, &b->result[i]) && strcmp(b->result[i].impl, impl) == 0)
            out[n++] = &b->result[i];
    qsort(out, n, sizeof *out, by_bytes);
    return n;
}

static void line(FILE *f, const struct bench *b, const struct chart *c, const char *impl, int serial)
{
    const struct bench_result *at[POINTS];
    const size_t n = points(b, c, impl, at);
    const char *colour = plot_colour(impl),
               *dash = *impl == 'c' && impl[1] == 'e' ? " stroke-dasharray=\"6 3\"" : "";
    const int y = TOP + 10 + 22 * serial;
    fprintf(f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s d=\"", colour, dash);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%c%.1f %.1f", i ? 'L' : 'M', x_of(c, (double)at[i]->bytes), y_of(c, at[i]->median));
    fprintf(f, "\"/>\n");
    for (size_t i = 0; i < n; i++) {
        const double x = x_of(c, (double)at[i]->bytes);
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x, y_of(c, at[i]->median),
                colour);
        fprintf(f, "<path d=\"M%.1f %.1fV%.1f\" stroke=\"%s\"/>\n", x, y_of(c, at[i]->q1), y_of(c, at[i]->q3),
                colour);
    }
    fprintf(f, "<path d=\"M%d %dh22\" stroke=\"%s\" stroke-width=\"3\"%s/>\n", RIGHT + 16, y, colour, dash);
    plot_text(f, RIGHT + 44, y + 4, "start", "%s", impl);
}

static void others(FILE *f, const struct chart *c)
{
    bool any = false;
    for (size_t i = 0; i < N_ELSEWHERE; i++) {
        const struct elsewhere *e = &elsewhere[i];
        const double x = x_of(c, e->mib * (1 << 20)), y = y_of(c, e->rate);
        if (strcmp(e->what, c->what) != 0)
            continue;
        fprintf(f, "<path d=\"M%.1f %.1fl8 8m0 -8l-8 8\" stroke=\"black\" stroke-width=\"2\"/>\n", x - 4,
                y - 4);
        plot_text(f, x, y + 18, "middle", "%s", e->who);
        any = true;
    }
    if (any)
        plot_text(f, LEFT, BOTTOM + 62, "start", ELSEWHERE_SAYS);
}

static bool drawn(const struct bench *b, const struct chart *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (takes(b, c, &b->result[k]) && strcmp(b->result[k].impl, b->result[i].impl) == 0)
            return true;
    return false;
}

static int plot_chart(const struct bench *b, struct chart *c, const char *dir)
{
    char name[40], title[96];
    int serial = 0;
    for (size_t i = 0; i < b->n_results; i++)
        if (takes(b, c, &b->result[i]))
            widen(c, (double)b->result[i].bytes, b->result[i].median);
    if (c->x0 > c->x1)
        return 0;
    for (size_t i = 0; i < N_ELSEWHERE; i++)
        if (strcmp(elsewhere[i].what, c->what) == 0)
            widen(c, elsewhere[i].mib * (1 << 20), elsewhere[i].rate * 0.7); /* its name */
    snprintf(name, sizeof name, "sizes %s", c->what);
    snprintf(title, sizeof title, "%s, %s: lookups a second against the memory of the table", c->what,
             c->stream);
    FILE *f = plot_open(dir, name, WIDTH, HEIGHT, title);
    if (!f)
        return -errno;
    axes(f, c);
    caches(f, c);
    for (size_t i = 0; i < b->n_results; i++)
        if (takes(b, c, &b->result[i]) && !drawn(b, c, i))
            line(f, b, c, b->result[i].impl, serial++);
    others(f, c);
    return plot_close(f);
}

int plot_sizes(const struct bench *b, const char *dir)
{
    struct chart chart[] = {{"flow table", "hits", 99, 0, 99, -99},
                            {"exact match", "hits", 99, 0, 99, -99},
                            {"routes", "in-prefix", 99, 0, 99, -99}};
    int err = 0;
    for (size_t i = 0; !err && i < sizeof chart / sizeof *chart; i++)
        err = plot_chart(b, &chart[i], dir);
    return err;
}
