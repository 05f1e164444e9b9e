/* diag.c - see diag.h.
 *
 * Findings are kept in the order in which they were found and sorted when printed. A set of their hashes
 * (open addressing, never more than half full) keeps an exact repetition out: a state of the timeline repeats
 * what the state before it had to say. File names are copied, so that findings outlive the document they
 * speak of. */
#include "topology/diag.h"

#include "dataplane/arena.h"
#include "dataplane/rng.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct diag *diag_new(struct arena *a)
{
    struct diag *d = arena_alloc(a, sizeof *d);
    d->arena = a;
    return d;
}

/* => the diag's own copy of a file name, equal for equal names; its number goes to *no (0: none). */
static const char *own_file(struct diag *d, const char *file, size_t *no)
{
    *no = 0;
    if (!file)
        return NULL;
    for (size_t i = 0; i < d->files; i++) {
        *no = i + 1;
        if (strcmp(d->file[i], file) == 0)
            return d->file[i];
    }
    const char **slot = arena_push(d->arena, &d->file, &d->files, &d->files_cap, sizeof *slot);
    *slot = arena_strdup(d->arena, file);
    *no = d->files;
    return *slot;
}

static bool same(const struct finding *f, enum severity sev, struct origin at, const char *text)
{
    return f->severity == sev && f->at.file == at.file && f->at.line == at.line && f->at.col == at.col &&
           strcmp(f->text, text) == 0;
}

static size_t slot_of(const struct diag *d, uint64_t h, enum severity sev, struct origin at, const char *text)
{
    size_t i = (size_t)h & (d->slots - 1);
    while (d->slot[i] && !same(&d->at[d->slot[i] - 1], sev, at, text))
        i = (i + 1) & (d->slots - 1);
    return i;
}

static uint64_t hash_finding(enum severity sev, struct origin at, const char *text)
{
    return hash_mix(hash_text(text) ^ ((uint64_t)at.line << 24) ^ at.col ^ ((uint64_t)sev << 60));
}

static void grow(struct diag *d)
{
    if (d->n * 2 < d->slots)
        return;
    d->slots = d->slots ? d->slots * 2 : 64;
    d->slot = arena_array(d->arena, d->slots, sizeof *d->slot);
    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->at[i];
        if (f->severity != SEV_NOTE)
            d->slot[slot_of(d, hash_finding(f->severity, f->at, f->text), f->severity, f->at, f->text)] =
                (uint32_t)i + 1;
    }
}

/* => whether the finding is new. Notes are kept as often as their findings, and dropped with them. */
static bool __attribute__((format(printf, 4, 0)))
add(struct diag *d, enum severity sev, struct origin at, const char *fmt, va_list ap)
{
    size_t file_no;
    const char *text = arena_vprintf(d->arena, fmt, ap);
    at.file = own_file(d, at.file, &file_no);
    if (sev != SEV_NOTE) {
        grow(d);
        size_t i = slot_of(d, hash_finding(sev, at, text), sev, at, text);
        d->repeated = d->slot[i] != 0;
        if (d->repeated)
            return false;
        d->slot[i] = (uint32_t)d->n + 1;
    } else if (d->repeated) {
        return false;
    }
    struct finding *f = arena_push(d->arena, &d->at, &d->n, &d->cap, sizeof *f);
    *f = (struct finding){.severity = sev, .at = at, .text = text};
    return true;
}

void diag_error(struct diag *d, struct origin at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    d->errors += add(d, SEV_ERROR, at, fmt, ap);
    va_end(ap);
}

void diag_warning(struct diag *d, struct origin at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    d->warnings += add(d, SEV_WARNING, at, fmt, ap);
    va_end(ap);
}

void diag_note(struct diag *d, struct origin at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(d, SEV_NOTE, at, fmt, ap);
    va_end(ap);
}

struct place { /* sort key of a finding with the notes behind it */
    size_t file;
    uint32_t line, col;
    size_t index;
};

static int place_cmp(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->col != b->col)
        return a->col < b->col ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static size_t file_number(const struct diag *d, const char *file)
{
    size_t i = 0;
    while (i < d->files && d->file[i] != file)
        i++;
    return file ? i + 1 : 0;
}

static void print_one(const struct finding *f, FILE *to)
{
    static const char *const word[] = {"error", "warning", "note"};
    if (!f->at.file)
        fprintf(to, "vnetsim: ");
    else if (!f->at.line)
        fprintf(to, "%s: ", f->at.file);
    else
        fprintf(to, "%s:%u:%u: ", f->at.file, f->at.line, f->at.col);
    fprintf(to, "%s: %s\n", word[f->severity], f->text);
}

void diag_print(const struct diag *d, FILE *to)
{
    struct place *p = arena_array(d->arena, d->n, sizeof *p);
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->at[i];
        if (f->severity != SEV_NOTE)
            p[n++] = (struct place){file_number(d, f->at.file), f->at.line, f->at.col, i};
    }
    qsort(p, n, sizeof *p, place_cmp);
    for (size_t i = 0; i < n; i++) {
        size_t k = p[i].index;
        print_one(&d->at[k], to);
        while (++k < d->n && d->at[k].severity == SEV_NOTE)
            print_one(&d->at[k], to);
    }
}
