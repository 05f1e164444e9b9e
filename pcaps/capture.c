/* capture.c - the capture files of one run.
 *
 * Purpose. The simulation reports each frame once, with the point where it was seen; which files want it,
 * under which interface number, and whether a filter lets it in, is decided here.
 *
 * Representation. Points are an array by id. Each has a list of sinks, one per file that has the point:
 *
 *     points[id] -> {file 0, interface 2} {file 3, interface 0}     files[i] = filter + pcapng or classic
 * pcap
 *
 * so a frame costs one step per file that wants it. Names of addresses are one table that all pcapng files
 * share; each file writes what it has not yet written, and a file without packets writes none.
 *
 * Without specs the run has all.pcapng, where every point is an interface, and a file per point, where stream
 * analysis is not confused by the same packet seen at several places. That may be thousands of files: see
 * outfile.c for why descriptors do not run out.
 *
 * All or none. The commit first writes all files under their temporary names (here a full disk shows), then
 * renames them. Should a rename fail after others succeeded, those are removed again: a capture of an earlier
 * run that they replaced is lost then, the others stay as they were.
 *
 * File names. '/' becomes '-', control characters '_'; a name that is taken (hq/laptop beside hq-laptop, a
 * NIC called "all") gets -2, -3 and so on, in the order of declaration. */
#include "pcaps/capture.h"
#include "dataplane/arena.h"
#include "pcaps/outfile.h"
#include "pcaps/pcapfile.h"
#include "pcaps/pfilter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    const char *name, *file, *path; /* as in struct capture_result; DIR/file */
    const char *expr;               /* NULL: everything */
    struct pfilter *filter;         /* NULL likewise */
    struct pcapng *ng;              /* one of the two; both NULL once committed or aborted */
    struct pcapfile *classic;
    uint64_t packets;
    size_t points;
};

struct sink {
    size_t file;
    int iface;
    uint64_t offered; /* frames of the point, before the filter */
};

struct point {
    bool declared;
    struct sink *sinks;
    size_t n, cap;
};

struct capture_set {
    struct arena *arena;
    const char *dir, *userappl;
    struct nametab *names;
    bool by_default; /* no specs: files come with the points */
    struct file *files;
    size_t n_files, cap_files;
    struct point *points;
    size_t n_points;
    int error; /* the first, negative errno; its text */
    char text[640];
    struct capture_result *results; /* once committed */
};

enum { NAME_KEPT = 200 }; /* bytes of a name kept in a file's name */

/* Keep the first error. => that error. */
static int fail(struct capture_set *c, int error, const char *text)
{
    if (!c->error) {
        c->error = error;
        snprintf(c->text, sizeof c->text, "%s", text);
    }
    return c->error;
}

static int fail_file(struct capture_set *c, const struct file *f, int error)
{
    char text[sizeof c->text];
    snprintf(text, sizeof text, "cannot write %s: %s", f->path, strerror(-error));
    return fail(c, error, text);
}

/* -- files ------------------------------------------------------------------------------------------- */

/* => name as a part of a file name. */
static char *safe(struct capture_set *c, const char *name)
{
    char *s = arena_strndup(c->arena, name, utf8_cut(name, strlen(name), NAME_KEPT));
    for (char *p = s; *p; p++) {
        if (*p == '/')
            *p = '-';
        else if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '_';
    }
    return s;
}

static bool taken(const struct capture_set *c, const char *file)
{
    for (size_t i = 0; i < c->n_files; i++) {
        if (strcmp(c->files[i].file, file) == 0)
            return true;
    }
    return false;
}

/* => a file name of the set that nobody has yet. */
static const char *new_name(struct capture_set *c, const char *stem, const char *ending)
{
    const char *name = safe(c, stem);
    const char *file = arena_printf(c->arena, "%s.%s", name, ending);
    for (unsigned i = 2; taken(c, file); i++)
        file = arena_printf(c->arena, "%s-%u.%s", name, i, ending);
    return file;
}

static int compile(struct capture_set *c, struct file *f, const char *expr)
{
    char why[256], text[sizeof c->text];
    if (!expr || !*expr)
        return 0;
    f->expr = arena_strdup(c->arena, expr);
    f->filter = pfilter_compile(expr, LINK_ETHERNET, why, sizeof why);
    if (f->filter)
        return 0;
    snprintf(text, sizeof text, "capture '%s': filter '%s': %s", f->name, expr, why);
    return fail(c, -EINVAL, text);
}

/* Open one file of the set. stem: its name without the ending. => 0, *index its place; or -errno. */
static int add_file(struct capture_set *c, const char *name, const char *stem, enum capfile_format format,
                    const char *filter, size_t *index)
{
    char err[sizeof c->text];
    const char *file = new_name(c, stem, format == CAPFILE_PCAP ? "pcap" : "pcapng");
    *index = c->n_files;
    struct file *f = arena_push(c->arena, &c->files, &c->n_files, &c->cap_files, sizeof *f);
    f->name = arena_strdup(c->arena, name);
    f->file = file;
    f->path = arena_printf(c->arena, "%s/%s", c->dir, file);
    int error = compile(c, f, filter);
    if (error)
        return error;
    if (format == CAPFILE_PCAP)
        f->classic = pcapfile_open(f->path, LINK_ETHERNET, err, sizeof err);
    else
        f->ng = pcapng_open(f->path, c->userappl, c->names, err, sizeof err);
    return f->ng || f->classic ? 0 : fail(c, -errno, err);
}

/* => the point of that id, made if needed; NULL: id too large (and c has failed). */
static struct point *point_at(struct capture_set *c, uint32_t id)
{
    if (id >= CAPTURE_IDS) {
        fail(c, -ERANGE, "too many capture points");
        return NULL;
    }
    if (id >= c->n_points) {
        size_t n = c->n_points ? c->n_points : 64;
        while (n <= id)
            n *= 2;
        struct point *more = arena_array(c->arena, n, sizeof *more);
        if (c->n_points)
            memcpy(more, c->points, c->n_points * sizeof *more);
        c->points = more;
        c->n_points = n;
    }
    return &c->points[id];
}

/* Let a file take the packets of a point. => 0 or -errno. */
static int connect_point(struct capture_set *c, size_t file, uint32_t id, const char *name,
                         const char *description)
{
    struct point *at = point_at(c, id);
    struct file *f = &c->files[file];
    int iface = 0;
    if (!at)
        return c->error;
    for (size_t i = 0; i < at->n; i++) {
        if (at->sinks[i].file == file) /* a spec that lists a point twice */
            return 0;
    }
    if (f->ng)
        iface = pcapng_interface(f->ng, name, description, f->expr, LINK_ETHERNET);
    if (iface < 0)
        return fail_file(c, f, iface);
    struct sink *s = arena_push(c->arena, &at->sinks, &at->n, &at->cap, sizeof *s);
    s->file = file;
    s->iface = iface;
    c->files[file].points++;
    at->declared = true;
    return 0;
}

/* -- opening ----------------------------------------------------------------------------------------- */

/* => whether a classic capture needs a file for each of its points. */
static bool split(const struct capture_spec *s)
{
    for (size_t i = 1; i < s->n_points; i++) {
        if (s->points[i].id != s->points[0].id)
            return s->format == CAPFILE_PCAP;
    }
    return false;
}

/* => whether point number i of the spec stands there before, too. */
static bool repeated(const struct capture_spec *s, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (s->points[k].id == s->points[i].id)
            return true;
    }
    return false;
}

static int open_spec(struct capture_set *c, const struct capture_spec *s)
{
    size_t file = 0;
    bool each = split(s);
    int error = each ? 0 : add_file(c, s->name, s->name, s->format, s->filter, &file);
    for (size_t i = 0; i < s->n_points && !error; i++) {
        const struct capture_point *p = &s->points[i];
        if (repeated(s, i))
            continue;
        if (each)
            error = add_file(c, s->name, arena_printf(c->arena, "%s-%s", s->name, p->name), s->format,
                             s->filter, &file);
        if (!error)
            error = connect_point(c, file, p->id, p->name, p->description);
    }
    return error;
}

struct capture_set *capture_open(const char *dir, const char *userappl, const struct capture_spec *specs,
                             size_t n, char *err, size_t errlen)
{
    struct arena *a = arena_new("captures");
    struct capture_set *c = arena_alloc(a, sizeof *c);
    size_t all;
    *c = (struct capture_set){.arena = a,
                          .dir = arena_strdup(a, dir),
                          .userappl = arena_strdup(a, userappl),
                          .names = nametab_new(),
                          .by_default = n == 0};
    int error = outdir_make(dir);
    if (error)
        fail(c, error, arena_printf(a, "cannot make folder %s: %s", dir, strerror(-error)));
    for (size_t i = 0; i < n && !c->error; i++)
        open_spec(c, &specs[i]);
    if (n == 0 && !c->error)
        add_file(c, "all", "all", CAPFILE_PCAPNG, NULL, &all);
    if (!c->error)
        return c;
    error = c->error;
    snprintf(err, errlen, "%s", c->text);
    capture_free(c);
    errno = -error;
    return NULL;
}

int capture_point(struct capture_set *c, uint32_t id, const char *name, const char *description)
{
    size_t file;
    if (c->error || !c->by_default || (id < c->n_points && c->points[id].declared))
        return c->error;
    if (!point_at(c, id))
        return c->error;
    int error = add_file(c, name, name, CAPFILE_PCAPNG, NULL, &file);
    if (!error)
        error = connect_point(c, file, id, name, description);
    return error ? error : connect_point(c, 0, id, name, description);
}

void capture_name(struct capture_set *c, uint32_t ip, const char *name)
{
    nametab_add(c->names, ip, name);
}

/* -- packets ----------------------------------------------------------------------------------------- */

bool capture_wants(const struct capture_set *c, uint32_t id)
{
    return id < c->n_points && c->points[id].n;
}

int capture_packet(struct capture_set *c, uint32_t id, int64_t unix_ns, enum pcapng_dir dir, bool again,
                   const uint8_t *data, uint32_t len, const char *const *comments, size_t n_comments)
{
    if (c->error || !capture_wants(c, id))
        return c->error;
    struct point *p = &c->points[id];
    for (size_t i = 0; i < p->n; i++) {
        struct sink *s = &p->sinks[i];
        struct file *f = &c->files[s->file];
        int error;
        if (again && f->points == 1)
            continue;
        s->offered++;
        if (f->filter && !pfilter_match(f->filter, data, len, len))
            continue;
        if (f->ng)
            error = pcapng_packet(f->ng, s->iface, unix_ns, dir, data, len, len, comments, n_comments);
        else
            error = pcapfile_packet(f->classic, unix_ns, data, len, len);
        f->packets++;
        if (error)
            fail_file(c, f, error);
    }
    return c->error;
}

/* -- the end ----------------------------------------------------------------------------------------- */

static void give_statistics(struct capture_set *c, int64_t start_ns, int64_t end_ns)
{
    for (size_t i = 0; i < c->n_points; i++) {
        for (size_t k = 0; k < c->points[i].n; k++) {
            const struct sink *s = &c->points[i].sinks[k];
            struct pcapng_stats stats = {.start_ns = start_ns, .end_ns = end_ns, .received = s->offered};
            if (c->files[s->file].ng)
                pcapng_statistics(c->files[s->file].ng, s->iface, &stats);
        }
    }
}

static int finish_file(struct file *f)
{
    return f->ng ? pcapng_finish(f->ng) : pcapfile_finish(f->classic);
}

static int publish_file(struct file *f)
{
    int error = f->ng ? pcapng_close(f->ng) : pcapfile_close(f->classic);
    f->ng = NULL;
    f->classic = NULL;
    return error;
}

/* Remove the first n files, which had got their names already; devices and the like stay. */
static void withdraw(struct capture_set *c, size_t n)
{
    struct stat st;
    for (size_t i = 0; i < n; i++) {
        if (stat(c->files[i].path, &st) == 0 && S_ISREG(st.st_mode))
            unlink(c->files[i].path);
    }
}

static void make_results(struct capture_set *c)
{
    struct capture_result *r = c->results = arena_array(c->arena, c->n_files, sizeof *r);
    size_t first = c->by_default ? 1 : 0; /* file 0 is "all" then, shown last */
    for (size_t i = 0; i < c->n_files; i++) {
        const struct file *f = &c->files[(i + first) % c->n_files];
        r[i] = (struct capture_result){.name = f->name, .file = f->file, .packets = f->packets};
    }
}

int capture_commit(struct capture_set *c, int64_t start_ns, int64_t end_ns, char *err, size_t errlen)
{
    int error;
    if (!c->error)
        give_statistics(c, start_ns, end_ns);
    for (size_t i = 0; i < c->n_files && !c->error; i++) {
        error = finish_file(&c->files[i]);
        if (error)
            fail_file(c, &c->files[i], error);
    }
    for (size_t i = 0; i < c->n_files && !c->error; i++) {
        error = publish_file(&c->files[i]);
        if (error) {
            fail_file(c, &c->files[i], error);
            withdraw(c, i);
        }
    }
    if (c->error) {
        capture_abort(c);
        snprintf(err, errlen, "%s", c->text);
        return c->error;
    }
    make_results(c);
    return 0;
}

size_t capture_results(const struct capture_set *c, const struct capture_result **out)
{
    *out = c->results;
    return c->results ? c->n_files : 0;
}

void capture_abort(struct capture_set *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        struct file *f = &c->files[i];
        pcapng_abort(f->ng);
        pcapfile_abort(f->classic);
        f->ng = NULL;
        f->classic = NULL;
    }
    fail(c, -ECANCELED, "the captures were aborted");
}

void capture_free(struct capture_set *c)
{
    if (!c)
        return;
    capture_abort(c);
    for (size_t i = 0; i < c->n_files; i++)
        pfilter_free(c->files[i].filter);
    nametab_free(c->names);
    arena_free(c->arena);
}
