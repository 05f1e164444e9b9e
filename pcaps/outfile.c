/* outfile.c - output files that are whole or not there.
 *
 * Purpose. A capture that ends in the middle, or a results.json cut off by a full disk, is worse than none:
 * the next program reads it and believes it. So a file is written as .NAME.PID.tmp beside its place and
 * renamed when every byte is known to be written; rename within a folder is atomic, and a reader sees the old
 * file or the new one.
 *
 * Representation. One buffer, and the first error. The temporary has no open descriptor between flushes: each
 * flush opens it for appending and closes it again. Two system calls per 256 KiB cost nothing, a region-sized
 * run may have ten thousand capture files where a process may have 1024 descriptors, and every close is
 * checked. The buffer is one large allocation that the kernel backs page by page, so quiet files cost little
 * memory. It starts on a page, and what is flushed before the end is whole pages: the kernel then copies from
 * page to page, which is up to half as fast again as copying across their borders; what is left of the last
 * page moves to the front. Most writes are small pieces that an encoder puts into the buffer by itself,
 * through the window.
 *
 * Written straight are things that cannot be renamed over: devices, FIFOs, sockets. /dev/stdout may well be a
 * regular file (after a redirection), which must be continued where the shell has it: descriptors given by
 * name are duplicated, not opened again.
 *
 * Odd cases. A symbolic link keeps being one: the temporary lies beside its target. A dangling link is
 * replaced by the file. An existing file keeps its permission bits; one that may not be written is refused,
 * though its folder would permit the rename. A leftover of a crashed process of the same id is stepped around
 * by a number. A name near the file system's limit is shortened in the temporary's name. There is no fsync:
 * the promise is against failing writes and crashing programs, not against power cuts. Out of memory is an
 * error of the file, not the end of the process. */
#include "pcaps/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct outfile {
    char *path; /* as given */
    char *dest; /* the name to appear under, links resolved; NULL: written straight */
    char *tmp;  /* the name while it is written; NULL likewise */
    int fd;     /* held open only where written straight, else -1 */
    int error;  /* first error, negative errno */
    bool finished;
    uint8_t *buf;
    struct outfile_window window; /* what is free of buf */
};

enum { PAGE = 4096 };
enum { NAME_KEPT = 180, TRIES = 100 }; /* bytes of the name kept in the temporary's; names tried */

void outfile_fail(struct outfile *f, int error)
{
    if (!f->error)
        f->error = error;
}

int outfile_error(const struct outfile *f)
{
    return f->error;
}

const char *outfile_path(const struct outfile *f)
{
    return f->path;
}

struct outfile_window *outfile_window(struct outfile *f)
{
    return &f->window;
}

static size_t used(const struct outfile *f)
{
    return (size_t)(f->window.at - f->buf);
}

static size_t room(const struct outfile *f)
{
    return (size_t)(f->window.end - f->window.at);
}

/* Make the buffer n bytes or more. => whether there was memory; if not it is as it was. */
static bool enlarge(struct outfile *f, size_t n)
{
    const size_t kept = used(f), cap = (n + PAGE - 1) / PAGE * PAGE;
    uint8_t *buf = aligned_alloc(PAGE, cap);
    if (!buf)
        return false;
    if (kept)
        memcpy(buf, f->buf, kept);
    free(f->buf);
    f->buf = buf;
    f->window = (struct outfile_window){buf + kept, buf + cap};
    return true;
}

static void destroy(struct outfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->dest);
    free(f->tmp);
    free(f->buf);
    free(f);
}

/* -- opening ----------------------------------------------------------------------------------------- */

/* => the descriptor that path names ("/dev/stdout", "/dev/fd/7"), -1 if it names none. */
static int named_descriptor(const char *path)
{
    static const char *const folder[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
        size_t n = strlen(folder[i]);
        char *end;
        if (strncmp(path, folder[i], n) != 0 || path[n] < '0' || path[n] > '9')
            continue;
        unsigned long fd = strtoul(path + n, &end, 10);
        if (!*end && fd <= INT_MAX)
            return (int)fd;
    }
    return -1;
}

/* Create f->tmp, which must not exist. mode: permission bits of the file it will replace, 0 if there is none.
 */
static int create(const char *tmp, mode_t mode)
{
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int error = mode && fchmod(fd, mode) < 0 ? -errno : 0;
    if (close(fd) < 0 && !error)
        error = -errno;
    if (error)
        unlink(tmp);
    return error;
}

static int open_temporary(struct outfile *f, mode_t mode)
{
    const char *slash = strrchr(f->dest, '/');
    int folder = slash ? (int)(slash + 1 - f->dest) : 0;
    int error = -EEXIST;
    for (int i = 0; i < TRIES && error == -EEXIST; i++) {
        char tag[16] = "";
        if (i)
            snprintf(tag, sizeof tag, ".%d", i);
        free(f->tmp);
        if (asprintf(&f->tmp, "%.*s.%.*s.%ld%s.tmp", folder, f->dest, NAME_KEPT, f->dest + folder,
                     (long)getpid(), tag) < 0) {
            f->tmp = NULL;
            return -ENOMEM;
        }
        error = create(f->tmp, mode);
    }
    return error;
}

/* Decide how the path is written, and open it. => 0 or -errno. */
static int open_path(struct outfile *f)
{
    struct stat st;
    size_t n = strlen(f->path);
    int named = named_descriptor(f->path);
    if (named >= 0) {
        f->fd = fcntl(named, F_DUPFD_CLOEXEC, 3);
        return f->fd < 0 ? -errno : 0;
    }
    bool exists = stat(f->path, &st) == 0;
    if (!exists && (errno != ENOENT || n == 0))
        return -errno;
    if (f->path[n - 1] == '/' || (exists && S_ISDIR(st.st_mode)))
        return -EISDIR;
    if (exists && !S_ISREG(st.st_mode)) {
        f->fd = open(f->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return f->fd < 0 ? -errno : 0;
    }
    if (exists && access(f->path, W_OK) < 0)
        return -errno;
    f->dest = exists ? realpath(f->path, NULL) : strdup(f->path);
    return f->dest ? open_temporary(f, exists ? st.st_mode & 0777 : 0) : -errno;
}

struct outfile *outfile_open(const char *path, char *err, size_t errlen)
{
    struct outfile *f = calloc(1, sizeof *f);
    int error = -ENOMEM;
    if (f) {
        f->fd = -1;
        f->path = strdup(path);
        if (f->path && enlarge(f, OUTFILE_BUFFER))
            error = open_path(f);
    }
    if (!error)
        return f;
    snprintf(err, errlen, "cannot create %s: %s", path, strerror(-error));
    if (f)
        destroy(f);
    errno = -error;
    return NULL;
}

/* -- writing ----------------------------------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *data, size_t n)
{
    while (n) {
        ssize_t k = write(fd, data, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return k < 0 ? -errno : -EIO;
        data += k;
        n -= (size_t)k;
    }
    return 0;
}

/* Write n bytes behind what the file has, unless it has failed already. */
static void put(struct outfile *f, const uint8_t *data, size_t n)
{
    if (f->error || n == 0)
        return;
    int fd = f->fd >= 0 ? f->fd : open(f->tmp, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        outfile_fail(f, -errno);
        return;
    }
    int error = write_all(fd, data, n);
    if (error)
        outfile_fail(f, error);
    if (fd != f->fd && close(fd) < 0)
        outfile_fail(f, -errno);
}

/* Write n bytes of the buffer, move the others to its front. */
static void flush(struct outfile *f, size_t n)
{
    const size_t kept = used(f) - n;
    put(f, f->buf, n);
    memmove(f->buf, f->buf + n, kept);
    f->window.at = f->buf + kept;
}

static void flush_pages(struct outfile *f)
{
    flush(f, used(f) / PAGE * PAGE);
}

static void append(struct outfile *f, const void *data, size_t n)
{
    if (n)
        memcpy(f->window.at, data, n);
    f->window.at += n;
}

void outfile_write(struct outfile *f, const void *data, size_t n)
{
    const uint8_t *from = data;
    while (n > room(f)) {
        const size_t k = room(f);
        append(f, from, k);
        flush_pages(f);
        from += k;
        n -= k;
    }
    append(f, from, n);
}

uint8_t *outfile_reserve(struct outfile *f, size_t n)
{
    if (n > room(f))
        flush_pages(f);
    if (n > room(f) && !enlarge(f, used(f) + n)) {
        outfile_fail(f, -ENOMEM);
        return NULL;
    }
    return f->window.at;
}

void outfile_advance(struct outfile *f, size_t n)
{
    f->window.at += n;
}

void outfile_printf(struct outfile *f, const char *fmt, ...)
{
    va_list ap;
    char *text;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        outfile_fail(f, -ENOMEM);
        return;
    }
    outfile_write(f, text, (size_t)n);
    free(text);
}

static ssize_t stream_write(void *cookie, const char *data, size_t n)
{
    struct outfile *f = cookie;
    outfile_write(f, data, n);
    if (!f->error)
        return (ssize_t)n;
    errno = -f->error;
    return 0;
}

FILE *outfile_stream(struct outfile *f)
{
    return fopencookie(f, "w", (cookie_io_functions_t){.write = stream_write});
}

/* -- the end ----------------------------------------------------------------------------------------- */

int outfile_finish(struct outfile *f)
{
    if (f->finished)
        return f->error;
    f->finished = true;
    flush(f, used(f));
    if (f->fd >= 0 && close(f->fd) < 0)
        outfile_fail(f, -errno);
    f->fd = -1;
    return f->error;
}

int outfile_commit(struct outfile *f)
{
    int error = outfile_finish(f);
    if (!error && f->tmp && rename(f->tmp, f->dest) < 0)
        error = -errno;
    if (error && f->tmp)
        unlink(f->tmp);
    destroy(f);
    return error;
}

void outfile_abort(struct outfile *f)
{
    if (!f)
        return;
    if (f->tmp)
        unlink(f->tmp);
    destroy(f);
}

static int make_one(const char *dir)
{
    struct stat st;
    if (mkdir(dir, 0777) == 0)
        return 0;
    int error = -errno; /* EEXIST; or EROFS and the like, where it may exist all the same */
    if (stat(dir, &st) == 0)
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    return error;
}

int outdir_make(const char *dir)
{
    char *path = strdup(dir);
    int error = 0;
    if (!path)
        return -ENOMEM;
    for (char *s = path; *s && !error; s++) {
        if (*s != '/' || s == path)
            continue;
        *s = '\0';
        error = make_one(path);
        *s = '/';
    }
    if (!error)
        error = make_one(path);
    free(path);
    return error;
}
