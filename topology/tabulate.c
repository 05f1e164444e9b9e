/* tabulate.c - see tabulate.h. */
#include "topology/tabulate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/arena.h"

int stream_status(FILE *to)
{
    errno = 0;
    if (fflush(to) == 0 && !ferror(to))
        return 0;
    return errno ? -errno : -EIO;
}

static const char *text(const char *cell)
{
    return cell ? cell : "";
}

/* One line; blanks are held back until something follows them. */
static void line(FILE *to, const char *const *cell, size_t cols, const size_t *width)
{
    size_t pending = 0;
    for (size_t i = 0; i < cols; i++) {
        size_t n = strlen(text(cell[i]));
        if (n)
            fprintf(to, "%*s%s", (int)pending, "", cell[i]);
        pending = (n ? 0 : pending) + width[i] - n + 2;
    }
    fputc('\n', to);
}

static void rule(FILE *to, size_t cols, const size_t *width)
{
    for (size_t i = 0; i < cols; i++) {
        fputs(i ? "  " : "", to);
        for (size_t k = 0; k < width[i]; k++)
            fputc('-', to);
    }
    fputc('\n', to);
}

int tabulate(FILE *to, const char *const *head, size_t cols, const char *const *cell, size_t rows)
{
    struct arena *a = arena_new("table");
    size_t *width = arena_array(a, cols, sizeof *width);
    for (size_t i = 0; i < cols; i++) {
        width[i] = strlen(head[i]) + 2;
        for (size_t r = 0; r < rows; r++)
            if (strlen(text(cell[r * cols + i])) > width[i])
                width[i] = strlen(text(cell[r * cols + i]));
    }
    line(to, head, cols, width);
    rule(to, cols, width);
    for (size_t r = 0; r < rows; r++)
        line(to, cell + r * cols, cols, width);
    arena_free(a);
    return stream_status(to);
}
