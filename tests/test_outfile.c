/* test_outfile.c - atomic output files: whole or not there, and no lost error. */
#include "pcaps/outfile.h"
#include "tests/support_prop.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tmp tmp;
static char err[512];

static void setup(void)
{
    tmp_make(&tmp);
    err[0] = '\0';
}

static void teardown(void)
{
    tmp_remove(&tmp);
}

TestSuite(outfile, .init = setup, .fini = teardown);

static struct outfile *must_open(const char *path)
{
    struct outfile *f = outfile_open(path, err, sizeof err);
    cr_assert(f, "%s", err);
    return f;
}

static void expect_list(const char *want)
{
    char *got = tmp_list(&tmp);
    cr_expect_str_eq(got, want);
    free(got);
}

static void expect_text(const char *path, const char *want)
{
    uint8_t *got = file_read(path, NULL);
    cr_assert(got, "%s is not there", path);
    cr_expect_str_eq((char *)got, want);
    free(got);
}

Test(outfile, commit_gives_the_whole_file)
{
    char *path = tmp_path(&tmp, "a.txt");
    struct outfile *f = must_open(path);
    cr_expect_str_eq(outfile_path(f), path);
    outfile_write(f, "abc", 3);
    outfile_write(f, NULL, 0);
    outfile_printf(f, "-%d-%s\n", 7, "x");
    uint8_t *room = outfile_reserve(f, 100);
    memcpy(room, "END", 3);
    outfile_advance(f, 3);
    cr_expect_null(file_read(path, NULL), "nothing under its name before the commit");
    cr_expect_eq(outfile_commit(f), 0);
    expect_text(path, "abc-7-x\nEND");
    expect_list("a.txt");
    free(path);
}

Test(outfile, abort_leaves_nothing)
{
    char *path = tmp_path(&tmp, "a.txt");
    struct outfile *f = must_open(path);
    for (int i = 0; i < 100000; i++)
        outfile_printf(f, "line %d\n", i); /* so that something is on disk already */
    outfile_abort(f);
    outfile_abort(NULL);
    expect_list("");
    free(path);
}

Test(outfile, abort_after_finish_leaves_nothing)
{
    char *path = tmp_path(&tmp, "a.txt");
    struct outfile *f = must_open(path);
    outfile_write(f, "x", 1);
    cr_expect_eq(outfile_finish(f), 0);
    cr_expect_eq(outfile_finish(f), 0, "finishing twice does nothing");
    outfile_abort(f);
    expect_list("");
    free(path);
}

/* Sizes around the buffer, in pieces of several sizes: no byte lost, doubled or out of order. */
Test(outfile, sizes_around_the_buffer)
{
    static const size_t total[] = {0,
                                   1,
                                   OUTFILE_BUFFER - 1,
                                   OUTFILE_BUFFER,
                                   OUTFILE_BUFFER + 1,
                                   2 * OUTFILE_BUFFER,
                                   3 * OUTFILE_BUFFER + 17};
    static const size_t piece[] = {1, 7, 4096, OUTFILE_BUFFER, OUTFILE_BUFFER + 1, 5 * OUTFILE_BUFFER};
    uint8_t *data = malloc(5 * OUTFILE_BUFFER);
    for (size_t i = 0; i < 5 * OUTFILE_BUFFER; i++)
        data[i] = (uint8_t)(i * 31 + (i >> 8));
    char *path = tmp_path(&tmp, "big");
    for (size_t t = 0; t < sizeof total / sizeof *total; t++) {
        for (size_t k = 0; k < sizeof piece / sizeof *piece; k++) {
            struct outfile *f = must_open(path);
            for (size_t at = 0; at < total[t]; at += piece[k]) {
                size_t n = total[t] - at < piece[k] ? total[t] - at : piece[k];
                if (k % 2) {
                    memcpy(outfile_reserve(f, n), data + at, n);
                    outfile_advance(f, n);
                } else {
                    outfile_write(f, data + at, n);
                }
            }
            cr_assert_eq(outfile_commit(f), 0);
            size_t n;
            uint8_t *got = file_read(path, &n);
            cr_assert(got && n == total[t] && memcmp(got, data, n) == 0, "total %zu in pieces of %zu",
                      total[t], piece[k]);
            free(got);
        }
    }
    free(data);
    free(path);
}

/* Append n bytes in one of three ways. */
static void append_by(struct outfile *f, uint64_t way, const uint8_t *data, size_t n)
{
    struct outfile_window *w = outfile_window(f);
    if (way == 0) {
        outfile_write(f, data, n);
    } else if (way == 1) {
        memcpy(outfile_reserve(f, n), data, n);
        outfile_advance(f, n);
    } else {
        uint8_t *at = (size_t)(w->end - w->at) < n ? outfile_reserve(f, n) : w->at;
        memcpy(at, data, n);
        w->at = at + n;
    }
}

Test(outfile, property_pieces_any_way)
{
    enum { MOST = 3 * OUTFILE_BUFFER, ALL = 16 * MOST };
    struct rng r;
    size_t n, total = 0;
    char *path = tmp_path(&tmp, "pieces");
    uint8_t *data = malloc(ALL);
    prop_seed(&r, "pieces any way");
    for (size_t i = 0; i < ALL; i++)
        data[i] = (uint8_t)rng_u64(&r);
    struct outfile *f = must_open(path);
    while (total < ALL) {
        n = rng_below(&r, (uint64_t)1 << rng_below(&r, 20));
        n = n > ALL - total ? ALL - total : n;
        append_by(f, rng_below(&r, 3), data + total, n);
        total += n;
    }
    cr_assert_eq(outfile_commit(f), 0);
    uint8_t *got = file_read(path, &n);
    cr_assert(got && n == ALL && memcmp(got, data, n) == 0);
    free(got);
    free(data);
    free(path);
}

Test(outfile, whole_pages_are_flushed)
{
    char *path = tmp_path(&tmp, "plain"), name[32];
    file_write(path, "", 0);
    int fd = open(path, O_WRONLY);
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    struct outfile *f = must_open(name);
    for (size_t i = 0; i < OUTFILE_BUFFER + 1000; i++)
        append_by(f, i % 3, (const uint8_t *)"abc", 3);
    off_t early = lseek(fd, 0, SEEK_END);
    cr_expect(early >= 2 * (off_t)OUTFILE_BUFFER && early % 4096 == 0, "%lld", (long long)early);
    cr_expect_eq(outfile_commit(f), 0);
    cr_expect_eq(lseek(fd, 0, SEEK_END), 3 * ((off_t)OUTFILE_BUFFER + 1000));
    close(fd);
    free(path);
}

Test(outfile, full_device_is_reported)
{
    struct outfile *f = must_open("/dev/full");
    outfile_write(f, "x", 1);
    cr_expect_eq(outfile_error(f), 0, "still in the buffer");
    cr_expect_eq(outfile_finish(f), -ENOSPC);
    cr_expect_eq(outfile_commit(f), -ENOSPC);
    cr_expect_eq(access("/dev/full", F_OK), 0, "the device is still there");

    f = must_open("/dev/full");
    for (int i = 0; i < 200000; i++)
        outfile_write(f, "abcd", 4);
    cr_expect_eq(outfile_error(f), -ENOSPC, "sticky while writing");
    outfile_fail(f, -EIO);
    cr_expect_eq(outfile_commit(f), -ENOSPC, "the first error is kept");
}

Test(outfile, error_removes_the_temporary_and_keeps_the_old_file)
{
    char *path = tmp_path(&tmp, "kept");
    file_write(path, "old", 3);
    struct outfile *f = must_open(path);
    for (unsigned i = 0; i < OUTFILE_BUFFER; i++)
        outfile_write(f, "new", 3);
    expect_text(path, "old");
    outfile_fail(f, -EMSGSIZE);
    cr_expect_eq(outfile_commit(f), -EMSGSIZE);
    expect_text(path, "old");
    expect_list("kept");

    f = must_open(path);
    outfile_write(f, "new", 3);
    outfile_abort(f);
    expect_text(path, "old");
    expect_list("kept");
    free(path);
}

/* The real thing: the file-size limit makes write fail half-way, with the old file intact. */
Test(outfile, failing_write_half_way_keeps_the_old_file)
{
    char *path = tmp_path(&tmp, "kept");
    file_write(path, "old", 3);
    struct rlimit limit = {OUTFILE_BUFFER + 100, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct outfile *f = must_open(path);
    for (unsigned i = 0; i < OUTFILE_BUFFER; i++)
        outfile_write(f, "new", 3);
    int error = outfile_commit(f);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_expect_eq(error, -EFBIG);
    expect_text(path, "old");
    expect_list("kept");
    free(path);
}

Test(outfile, replacing_keeps_mode_and_link)
{
    char *target = tmp_path(&tmp, "target"), *link = tmp_path(&tmp, "link");
    struct stat st;
    file_write(target, "old", 3);
    cr_assert_eq(chmod(target, 0640), 0);
    cr_assert_eq(symlink("target", link), 0);
    struct outfile *f = must_open(link);
    outfile_write(f, "new", 3);
    cr_assert_eq(outfile_commit(f), 0);
    expect_text(target, "new");
    cr_expect(lstat(link, &st) == 0 && S_ISLNK(st.st_mode), "the link is still a link");
    cr_expect(stat(target, &st) == 0 && (st.st_mode & 0777) == 0640);
    expect_list("link target");
    free(target);
    free(link);
}

Test(outfile, new_file_has_the_mode_of_the_umask)
{
    char *path = tmp_path(&tmp, "new");
    struct stat st;
    mode_t old = umask(027);
    cr_assert_eq(outfile_commit(must_open(path)), 0);
    umask(old);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0640);
    cr_expect_eq(st.st_size, 0);
    free(path);
}

Test(outfile, two_of_one_name_do_not_mix)
{
    char *path = tmp_path(&tmp, "same");
    struct outfile *a = must_open(path), *b = must_open(path);
    outfile_write(a, "aaaa", 4);
    outfile_write(b, "b", 1);
    cr_expect_eq(outfile_commit(a), 0);
    expect_text(path, "aaaa");
    cr_expect_eq(outfile_commit(b), 0);
    expect_text(path, "b");
    expect_list("same");
    free(path);
}

Test(outfile, longest_name_works)
{
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    char *path = tmp_path(&tmp, name);
    struct outfile *f = must_open(path);
    outfile_write(f, "x", 1);
    cr_expect_eq(outfile_commit(f), 0);
    expect_list(name);
    free(path);
}

static void expect_refused(const char *path, int error)
{
    errno = 0;
    err[0] = '\0';
    cr_expect_null(outfile_open(path, err, sizeof err), "%s", path);
    cr_expect_eq(errno, error, "%s: errno %d", path, errno);
    cr_expect(strstr(err, path) && strstr(err, strerror(error)), "message '%s'", err);
}

Test(outfile, what_cannot_be_opened_says_why)
{
    char *file = tmp_path(&tmp, "file"), *below = tmp_path(&tmp, "file/x"), *gone = tmp_path(&tmp, "no/x");
    char *slash = tmp_path(&tmp, "new/");
    file_write(file, "x", 1);
    expect_refused(tmp.dir, EISDIR);
    expect_refused(below, ENOTDIR);
    expect_refused(gone, ENOENT);
    expect_refused(slash, EISDIR);
    expect_refused("", ENOENT);
    expect_refused("/dev/fd/987", EBADF);
    expect_list("file");
    free(file);
    free(below);
    free(gone);
    free(slash);
}

/* Run as nobody where the test runs as root, whom no permission stops. */
Test(outfile, permissions_are_respected, .exit_code = 0)
{
    char *dir = tmp_path(&tmp, "ro"), *path = tmp_path(&tmp, "ro/x"), *kept = tmp_path(&tmp, "kept");
    file_write(kept, "old", 3);
    cr_assert_eq(mkdir(dir, 0555), 0);
    cr_assert_eq(chmod(kept, 0444), 0);
    cr_assert_eq(chmod(tmp.dir, 0777), 0);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(9);
        bool a = !outfile_open(path, err, sizeof err) && errno == EACCES;
        bool b = !outfile_open(kept, err, sizeof err) && errno == EACCES;
        _exit(!a + 2 * !b);
    }
    int status;
    waitpid(child, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    expect_text(kept, "old");
    free(dir);
    free(path);
    free(kept);
}

Test(outfile, fifo_is_written_straight)
{
    char *path = tmp_path(&tmp, "fifo");
    char got[8] = "";
    cr_assert_eq(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDWR); /* so that nothing blocks */
    struct outfile *f = must_open(path);
    outfile_write(f, "hello", 5);
    cr_expect_eq(outfile_commit(f), 0);
    cr_expect_eq(read(reader, got, sizeof got), 5);
    cr_expect_str_eq(got, "hello");
    close(reader);
    expect_list("fifo");
    free(path);
}

Test(outfile, pipe_without_reader_is_an_error)
{
    int fd[2];
    char path[32];
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe(fd), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", fd[1]);
    struct outfile *f = must_open(path);
    close(fd[0]);
    outfile_write(f, "x", 1);
    cr_expect_eq(outfile_commit(f), -EPIPE);
    cr_expect_eq(close(fd[1]), 0, "the caller's descriptor stays open");
}

/* A redirected standard output is a regular file: continued where it is, never replaced. */
Test(outfile, redirected_stdout_is_continued)
{
    char *path = tmp_path(&tmp, "out");
    int saved = dup(STDOUT_FILENO);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert_eq(write(fd, "head ", 5), 5);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    struct outfile *f = outfile_open("/dev/stdout", err, sizeof err);
    int error = -1;
    if (f) {
        outfile_write(f, "body", 4);
        error = outfile_commit(f);
    }
    cr_assert_eq(write(fd, " tail", 5), 5);
    dup2(saved, STDOUT_FILENO);
    cr_expect_eq(error, 0, "%s", err);
    expect_text(path, "head body tail");
    expect_list("out");
    free(path);
}

Test(outfile, vanished_temporary_is_an_error)
{
    char *path = tmp_path(&tmp, "x");
    int rc;
    struct outfile *f = must_open(path);
    free(command_output(&rc, "rm '%s'/.*.tmp", tmp.dir));
    outfile_write(f, "x", 1);
    cr_expect_eq(outfile_commit(f), -ENOENT);
    expect_list("");
    free(path);
}

/* Far more files than descriptors: none is held between flushes. */
Test(outfile, many_files_need_few_descriptors)
{
    enum { FILES = 300 };
    struct rlimit limit = {40, 40};
    struct outfile *f[FILES];
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        char *path = tmp_path(&tmp, name);
        f[i] = must_open(path);
        outfile_printf(f[i], "%d", i);
        free(path);
    }
    for (int i = 0; i < FILES; i++)
        cr_expect_eq(outfile_commit(f[i]), 0);
    char *path = tmp_path(&tmp, "f299");
    expect_text(path, "299");
    free(path);
}

Test(outfile, stream_appends_and_keeps_the_error)
{
    char *path = tmp_path(&tmp, "s");
    struct outfile *f = must_open(path);
    FILE *s = outfile_stream(f);
    cr_assert(s);
    cr_expect_eq(fprintf(s, "%s %d", "stream", 5), 8);
    cr_expect_eq(fclose(s), 0);
    outfile_write(f, "!", 1);
    cr_expect_eq(outfile_commit(f), 0);
    expect_text(path, "stream 5!");
    free(path);

    f = must_open("/dev/full");
    s = outfile_stream(f);
    char *block = calloc(1, OUTFILE_BUFFER + 1);
    size_t n = fwrite(block, 1, OUTFILE_BUFFER + 1, s);
    cr_expect(n < OUTFILE_BUFFER + 1 || fflush(s) != 0, "the stream sees the error");
    fclose(s);
    free(block);
    cr_expect_eq(outfile_commit(f), -ENOSPC);
}

Test(outfile, outdir_makes_all_parents)
{
    char *deep = tmp_path(&tmp, "a/b//c/"), *file = tmp_path(&tmp, "f"), *below = tmp_path(&tmp, "f/x");
    struct stat st;
    cr_expect_eq(outdir_make(deep), 0);
    cr_expect(stat(deep, &st) == 0 && S_ISDIR(st.st_mode));
    cr_expect_eq(outdir_make(deep), 0, "again is fine");
    file_write(file, "x", 1);
    cr_expect_eq(outdir_make(file), -ENOTDIR);
    cr_expect_eq(outdir_make(below), -ENOTDIR);
    cr_expect_eq(outdir_make(""), -ENOENT);
    cr_expect_eq(outdir_make("/"), 0);
    cr_expect_eq(outdir_make("."), 0);
    free(deep);
    free(file);
    free(below);
}
