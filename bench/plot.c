/* plot.c - SVG plots of the benchmarks' results: bars of every row against its peers (bars.svg), and lookups
 * a second against the size of the table, with the machine's cache sizes marked (sizes.svg). */
#include "bench/bench.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define WIDTH  960
#define LEFT   270 /* where bars begin */
#define BAR    16
#define FONT   "font-family=\"sans-serif\" font-size=\"12\""
#define OURS   "#1f6fb4"
#define LIMIT  "#999999"
#define OTHERS "#d98a3a"

static const char *colour(const char *impl)
{
    return strncmp(impl, "ours", 4) == 0 ? OURS : strncmp(impl, "ceiling", 7) == 0 ? LIMIT : OTHERS;
}

static void head(FILE *f, int width, int height, const char *title)
{
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"12\" y=\"24\" font-family=\"sans-serif\" font-size=\"16\">%s</text>\n",
            width, height, width, height, title);
}

static int finish(FILE *f)
{
    fprintf(f, "</svg>\n");
    int err = ferror(f) ? -EIO : 0;
    return fclose(f) ? -errno : err;
}

/* -- bars ------------------------------------------------------------------------------------------------ */

static double fastest(const struct bench *b, size_t row)
{
    double most = 1e-9;
    for (size_t i = 0; i < b->n_results; i++)
        if (b->result[i].row == row && b->result[i].q3 > most)
            most = b->result[i].q3;
    return most;
}

static void bar(FILE *f, const struct bench_result *r, int y, double scale)
{
    double w = r->median * scale;
    fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" " FONT ">%s</text>\n", LEFT - 8, y + 12, r->impl);
    fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LEFT, y, w, BAR - 3,
            colour(r->impl));
    fprintf(f, "<path d=\"M%.1f %dH%.1f\" stroke=\"black\"/>\n", LEFT + r->q1 * scale, y + BAR / 2 - 1,
            LEFT + r->q3 * scale);
    fprintf(f, "<text x=\"%.1f\" y=\"%d\" " FONT ">%.1f", LEFT + r->q3 * scale + 6, y + 12, r->median);
    if (r->ratio < 0.999 || r->ratio > 1.001)
        fprintf(f, "  (first is %.2f x)", r->ratio);
    fprintf(f, "</text>\n");
}

static int plot_bars(const struct bench *b, const char *path)
{
    FILE *f = fopen(path, "w");
    int y = 40;
    if (!f)
        return -errno;
    head(f, WIDTH, 60 + (int)b->n_results * BAR + (int)b->n_rows * 36,
         "Millions of operations a second, medians; black: quartiles");
    for (size_t i = 0; i < b->n_results; i++) {
        const struct bench_result *r = &b->result[i];
        if (!i || r[-1].row != r->row) {
            y += 32;
            fprintf(f, "<text x=\"12\" y=\"%d\" " FONT " font-weight=\"bold\">%s, %s, %s</text>\n", y - 6,
                    r->what, r->table, r->stream);
        }
        bar(f, r, y, (WIDTH - LEFT - 170) / fastest(b, r->row));
        y += BAR;
    }
    return finish(f);
}

/* -- sizes ----------------------------------------------------------------------------------------------- */

#define HEIGHT 560
#define TOP    50
#define FOOT   70
#define MIN_LG 14.0 /* 16 KiB */
#define MAX_LG 32.0 /* 4 GiB */

static double x_of(double bytes)
{
    double lg = log2(bytes < 1 ? 1 : bytes);
    return 70 + (WIDTH - 340) * (fmin(fmax(lg, MIN_LG), MAX_LG) - MIN_LG) / (MAX_LG - MIN_LG);
}

/* Rates from 1 to 4,096 M/s, logarithmic. */
static double y_of(double rate)
{
    return HEIGHT - FOOT - (HEIGHT - TOP - FOOT) * log2(fmin(fmax(rate, 1), 4096)) / 12;
}

static void axes(FILE *f)
{
    static const char *const unit[] = {"KiB", "MiB", "GiB"};
    for (int lg = (int)MIN_LG; lg <= (int)MAX_LG; lg += 2) {
        double x = x_of(ldexp(1, lg));
        fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"#eeeeee\"/>\n", x, TOP, HEIGHT - FOOT);
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" " FONT ">%d %s</text>\n", x,
                HEIGHT - FOOT + 18, 1 << (lg % 10), unit[lg / 10 - 1]);
    }
    for (int rate = 1; rate <= 4096; rate *= 4) {
        fprintf(f, "<path d=\"M70 %.1fH%d\" stroke=\"#eeeeee\"/>\n", y_of(rate), WIDTH - 270);
        fprintf(f, "<text x=\"62\" y=\"%.1f\" text-anchor=\"end\" " FONT ">%d</text>\n", y_of(rate) + 4,
                rate);
    }
    fprintf(f,
            "<text x=\"70\" y=\"%d\" " FONT
            ">memory of the table; vertical: M lookups a second, hits</text>\n",
            HEIGHT - FOOT + 40);
}

static void caches(FILE *f)
{
    const struct {
        const char *name;
        long bytes;
    } cache[] = {{"level 1", sysconf(_SC_LEVEL1_DCACHE_SIZE)},
                 {"level 2", sysconf(_SC_LEVEL2_CACHE_SIZE)},
                 {"level 3", sysconf(_SC_LEVEL3_CACHE_SIZE)}};
    for (size_t i = 0; i < sizeof cache / sizeof *cache; i++)
        if (cache[i].bytes > 0)
            fprintf(f,
                    "<path d=\"M%.1f %dV%d\" stroke=\"#888888\" stroke-dasharray=\"5 4\"/>\n"
                    "<text x=\"%.1f\" y=\"%d\" " FONT " fill=\"#555555\">%s</text>\n",
                    x_of((double)cache[i].bytes), TOP, HEIGHT - FOOT, x_of((double)cache[i].bytes) + 4,
                    TOP + 12, cache[i].name);
}

static bool is_size(const struct bench_result *r)
{
    return r->bytes && strcmp(r->stream, "hits") == 0;
}

/* The points of one implementation of one kind of table, joined in the order of the rows. */
static void line(FILE *f, const struct bench *b, size_t first, int serial)
{
    static const char *const shade[] = {"#1f6fb4", "#d98a3a", "#3a9a4b", "#b03a8a", "#7a5ac0",
                                        "#a8322a", "#5f7f7f", "#b59a1f", "#333333"};
    const char *c = shade[serial % 9];
    const struct bench_result *like = &b->result[first];
    char pen = 'M';
    fprintf(f, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s d=\"", c,
            *like->what == 'e' ? " stroke-dasharray=\"2 3\"" : "");
    for (size_t i = first; i < b->n_results; i++) {
        const struct bench_result *r = &b->result[i];
        if (!is_size(r) || strcmp(r->impl, like->impl) || strcmp(r->what, like->what))
            continue;
        fprintf(f, "%c%.1f %.1fh2h-4h2", pen, x_of((double)r->bytes), y_of(r->median));
        pen = 'L';
    }
    fprintf(f, "\"/>\n<path d=\"M%d %dh16\" stroke=\"%s\" stroke-width=\"3\"%s/>\n", WIDTH - 262,
            TOP + 20 * serial, c, *like->what == 'e' ? " stroke-dasharray=\"2 3\"" : "");
    fprintf(f, "<text x=\"%d\" y=\"%d\" " FONT ">%s, %s</text>\n", WIDTH - 240, TOP + 4 + 20 * serial,
            like->what, like->impl);
}

/* => whether an earlier result is of the same implementation of the same kind. */
static bool drawn(const struct bench *b, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (is_size(&b->result[k]) && strcmp(b->result[k].impl, b->result[i].impl) == 0 &&
            strcmp(b->result[k].what, b->result[i].what) == 0)
            return true;
    return false;
}

static int plot_sizes(const struct bench *b, const char *path)
{
    FILE *f = fopen(path, "w");
    int serial = 0;
    if (!f)
        return -errno;
    head(f, WIDTH, HEIGHT, "Lookups a second against the memory of the table");
    axes(f);
    caches(f);
    for (size_t i = 0; i < b->n_results; i++)
        if (is_size(&b->result[i]) && !drawn(b, i))
            line(f, b, i, serial++);
    return finish(f);
}

int bench_plot(const struct bench *b, const char *dir)
{
    char path[512];
    snprintf(path, sizeof path, "%s/bars.svg", dir);
    int err = plot_bars(b, path);
    snprintf(path, sizeof path, "%s/sizes.svg", dir);
    return err ? err : plot_sizes(b, path);
}
