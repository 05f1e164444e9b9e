/* plot_bars.c - bars: every contender of every row, and ours against the best peer (plot.h). */
#include "bench/plot.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define WIDTH 960
#define LEFT  200 /* where bars begin */
#define BAR   17
#define HEAD  34 /* a row's title and the space above it */

/* => whether a result begins a row. */
static bool begins(const struct bench *b, size_t i)
{
    return !i || b->result[i - 1].row != b->result[i].row;
}

static size_t end_of_row(const struct bench *b, size_t i)
{
    size_t k = i + 1;
    while (k < b->n_results && !begins(b, k))
        k++;
    return k;
}

/* => whether nothing of the same kind stands before it. */
static bool first_of_kind(const struct bench *b, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(b->result[k].what, b->result[i].what) == 0)
            return false;
    return true;
}

/* -- every contender ------------------------------------------------------------------------------------- */

static double fastest(const struct bench_result *r, size_t n)
{
    double most = 1e-9;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, r[i].q3);
    return most;
}

static void bar(FILE *f, const struct bench_result *r, int y, double scale)
{
    const bool slow = r->median < 1;
    plot_text(f, LEFT - 8, y + 12, "end", "%s", r->impl);
    fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LEFT, y,
            r->median * scale, BAR - 3, plot_colour(r->impl));
    fprintf(f, "<path d=\"M%.1f %dH%.1f\" stroke=\"black\"/>\n", LEFT + r->q1 * scale, y + BAR / 2 - 1,
            LEFT + r->q3 * scale);
    char ratio[40] = "";
    if (r->ratio < 0.999 || r->ratio > 1.001)
        snprintf(ratio, sizeof ratio, "   (first is %.2f x)", r->ratio);
    plot_text(f, LEFT + r->q3 * scale + 6, y + 12, "start", "%.1f %s%s", slow ? r->median * 1000 : r->median,
              slow ? "k/s" : "M/s", ratio);
}

/* => the height of a kind's rows; drawn where f is not NULL. */
static int draw_kind(const struct bench *b, const char *what, FILE *f)
{
    int y = 40;
    for (size_t i = 0; i < b->n_results; i++) {
        const struct bench_result *r = &b->result[i];
        if (!begins(b, i) || !plot_takes(b, r) || strcmp(r->what, what) != 0)
            continue;
        const size_t n = end_of_row(b, i) - i;
        if (f)
            fprintf(f, "<text x=\"16\" y=\"%d\" " PLOT_FONT " font-weight=\"bold\">%s, %s</text>\n",
                    y + HEAD - 8, r->table, r->stream);
        y += HEAD;
        for (size_t k = 0; k < n; k++, y += BAR)
            if (f)
                bar(f, &r[k], y, (WIDTH - LEFT - 220) / fastest(r, n));
    }
    return y + 20;
}

int plot_bars(const struct bench *b, const char *dir)
{
    for (size_t i = 0; i < b->n_results; i++) {
        char name[40], title[96];
        const char *what = b->result[i].what;
        if (!first_of_kind(b, i))
            continue;
        snprintf(name, sizeof name, "bars %s", what);
        snprintf(title, sizeof title, "%s: operations a second, medians; black: quartiles", what);
        FILE *f = plot_open(dir, name, WIDTH, draw_kind(b, what, NULL), title);
        if (!f)
            return -errno;
        draw_kind(b, what, f);
        int err = plot_close(f);
        if (err)
            return err;
    }
    return 0;
}

/* -- ours against the best peer -------------------------------------------------------------------------- */

#define NAMES 430 /* where the axis begins */
#define LEAST 0.1
#define MOST  100.0

static double x_of(double ratio)
{
    return NAMES + (WIDTH - NAMES - 60) * log(fmin(fmax(ratio, LEAST), MOST) / LEAST) / log(MOST / LEAST);
}

static bool is_peer(const struct bench_result *r)
{
    return strncmp(r->impl, "ours", 4) != 0 && strncmp(r->impl, "ceiling", 7) != 0;
}

/* => the peer that comes nearest to the row's first, NULL: none. */
static const struct bench_result *best_peer(const struct bench_result *r, size_t n)
{
    const struct bench_result *best = NULL;
    for (size_t i = 1; i < n; i++)
        if (is_peer(&r[i]) && (!best || r[i].ratio < best->ratio))
            best = &r[i];
    return best;
}

/* => what the row's goal wants of ours against that peer, 0: it has none. */
static double wanted(const struct bench *b, const struct bench_result *r, const struct bench_result *peer)
{
    char name[160];
    double want;
    int n =
        snprintf(name, sizeof name, "%s, %s, %s: %s / %s", r->what, r->table, r->stream, r->impl, peer->impl);
    for (size_t i = 0; i < b->n_goals; i++)
        if (n < (int)sizeof name && strcmp(b->goal[i].goal, name) == 0 &&
            sscanf(b->goal[i].want, ">= %lf", &want) == 1)
            return want;
    return 0;
}

static void ratio_row(FILE *f, const struct bench *b, const struct bench_result *r,
                      const struct bench_result *peer, int y)
{
    const double x = x_of(peer->ratio), want = wanted(b, r, peer);
    plot_text(f, NAMES - 10, y + 12, "end", "%s, %s, %s: %s", r->what, r->table, r->stream, peer->impl);
    fprintf(f, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", fmin(x, x_of(1)), y,
            fabs(x - x_of(1)), BAR - 3, peer->ratio >= 1 ? "#1f6fb4" : "#d9731f");
    if (want > 0)
        fprintf(f, "<path d=\"M%.1f %dv%d\" stroke=\"black\" stroke-width=\"2\"/>\n", x_of(want), y - 1,
                BAR - 1);
    plot_text(f, fmax(x, x_of(fmax(want, 1))) + 6, y + 12, "start", "%.2f", peer->ratio);
}

static void ratio_axis(FILE *f, int from, int to)
{
    static const double tick[] = {0.1, 0.3, 1, 3, 10, 30, 100};
    for (size_t i = 0; i < sizeof tick / sizeof *tick; i++) {
        fprintf(f, "<path d=\"M%.1f %dV%d\" stroke=\"%s\"/>\n", x_of(tick[i]), from, to,
                tick[i] > 0.99 && tick[i] < 1.01 ? "#555555" : PLOT_GRID);
        plot_text(f, x_of(tick[i]), from - 6, "middle", "%g", tick[i]);
    }
}

int plot_peers(const struct bench *b, const char *dir)
{
    size_t rows = 0;
    int y = 76;
    for (size_t i = 0; i < b->n_results; i++)
        rows +=
            begins(b, i) && plot_takes(b, &b->result[i]) && best_peer(&b->result[i], end_of_row(b, i) - i);
    FILE *f = plot_open(dir, "peers", WIDTH, y + (int)rows * BAR + 16,
                        "Ours, times as fast as the best peer of the row; black mark: the goal");
    if (!f)
        return -errno;
    ratio_axis(f, y - 6, y + (int)rows * BAR);
    for (size_t i = 0; i < b->n_results; i++) {
        const struct bench_result *r = &b->result[i];
        const struct bench_result *peer = begins(b, i) ? best_peer(r, end_of_row(b, i) - i) : NULL;
        if (!peer || !plot_takes(b, r))
            continue;
        ratio_row(f, b, r, peer, y);
        y += BAR;
    }
    return plot_close(f);
}
