/* plot.c - see plot.h: what the plots share. */
#include "bench/plot.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

FILE *plot_open(const char *dir, const char *name, int width, int height, const char *title)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s/%s.svg", dir, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    for (char *c = path + strlen(dir); *c; c++)
        *c = *c == ' ' ? '-' : *c;
    FILE *f = fopen(path, "w");
    if (f)
        fprintf(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"16\" y=\"26\" font-family=\"sans-serif\" font-size=\"16\">%s</text>\n",
            width, height, width, height, title);
    return f;
}

int plot_close(FILE *f)
{
    fprintf(f, "</svg>\n");
    int err = ferror(f) ? -EIO : 0;
    return fclose(f) ? -errno : err;
}

void plot_text(FILE *f, double x, double y, const char *anchor, const char *fmt, ...)
{
    va_list ap;
    fprintf(f,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" " PLOT_FONT
            " stroke=\"white\" stroke-width=\"3\" paint-order=\"stroke\">",
            x, y, anchor);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fprintf(f, "</text>\n");
}

const char *plot_colour(const char *impl)
{
    static const struct {
        const char *begins, *colour;
    } known[] = {{"ours batch", "#1f6fb4"}, {"ours single", "#7db3e0"},  {"ours linear", "#b8c9d9"},
                 {"ours", "#1f6fb4"},       {"ceiling", "#999999"},      {"rte_fib AVX", "#d9731f"},
                 {"rte_fib", "#eeb27a"},    {"rte_lpm", "#a8322a"},      {"rte_hash bulk", "#d9731f"},
                 {"rte_hash", "#eeb27a"},   {"rte_acl AVX-", "#d9731f"}, {"rte_acl AVX2", "#eeb27a"},
                 {"rte_acl", "#a8322a"},    {"cds_lfht", "#3a9a4b"},     {"ck_ht", "#7a5ac0"},
                 {"uthash", "#b03a8a"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(impl, known[i].begins, strlen(known[i].begins)) == 0)
            return known[i].colour;
    return "#d98a3a";
}

bool plot_takes(const struct bench *b, const struct bench_result *r)
{
    return r->seed == b->result[0].seed;
}

int bench_plot(const struct bench *b, const char *dir)
{
    int err = plot_bars(b, dir);
    if (!err)
        err = plot_peers(b, dir);
    return err ? err : plot_sizes(b, dir);
}
