/* outfile.h - output files that are whole or not there. Design essay: outfile.c.
 *
 * Errors are sticky: the first -errno is kept, later writes are ignored, and the commit returns it. So a
 * writer need not check each write. Writing to a pipe whose reader is gone gives -EPIPE only where the
 * program ignores SIGPIPE. */
#ifndef VNETSIM_PCAPS_OUTFILE_H
#define VNETSIM_PCAPS_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct outfile;

#define OUTFILE_BUFFER (256u * 1024) /* bytes gathered before they are written */

/* Open path for writing. A regular file (or none yet) is written under a temporary name in the same folder
 * and appears under its own name at the commit only; symbolic links are followed. Devices, FIFOs, sockets and
 * descriptors by name
 * (/dev/stdout, /dev/fd/N) are written straight.
 * => the file, or NULL with errno set and one line of text in err (errlen bytes, at least 1). path is copied.
 */
struct outfile *outfile_open(const char *path, char *err, size_t errlen);

/* Append n bytes, borrowed. Cannot fail here: see outfile_error. */
void outfile_write(struct outfile *f, const void *data, size_t n);

/* Append formatted text. */
void outfile_printf(struct outfile *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Room for n contiguous bytes in the buffer (which grows where n is larger), to be filled by the caller and
 * handed in by outfile_advance (at most n, before any other call). Room is given even after an error, and
 * then goes nowhere.
 * => the place, or NULL: out of memory (-ENOMEM is then the file's error). */
uint8_t *outfile_reserve(struct outfile *f, size_t n);
void outfile_advance(struct outfile *f, size_t n);

/* The free part of the buffer, for writers of many small pieces: as long as a piece fits between at and end
 * it may be put there and at moved behind it, without a call. */
struct outfile_window {
    uint8_t *at, *end;
};

/* => f's window; lives as long as f. Every other function may move it. */
struct outfile_window *outfile_window(struct outfile *f);

/* Make error (negative errno) the file's error if it has none yet: for encoders that cannot go on. */
void outfile_fail(struct outfile *f, int error);

/* => the first error so far (negative errno), 0 if none. Bytes still in the buffer may fail later. */
int outfile_error(const struct outfile *f);

/* => the path as given to outfile_open; lives as long as f. */
const char *outfile_path(const struct outfile *f);

/* => a stream that appends to f, for libraries that want a FILE; NULL with errno set. The caller closes it
 * before f is finished; closing it does not close f. */
FILE *outfile_stream(struct outfile *f);

/* Write out what is buffered and close the descriptor, without giving the file its name yet: the first half
 * of a commit, so that several files can be written completely before the first appears. Nothing may be
 * written afterwards.
 * => 0, or the file's error; f lives on and still needs commit or abort. */
int outfile_finish(struct outfile *f);

/* Finish, give the file its name, free f. A file with an error is removed instead.
 * => 0, or the file's error. */
int outfile_commit(struct outfile *f);

/* Remove the temporary file, if there is one, and free f. NULL is allowed. What was written straight stays
 * written. */
void outfile_abort(struct outfile *f);

/* Make the folder dir and those above it that are missing (mkdir -p).
 * => 0, or -errno (-ENOTDIR: something of that name is not a folder). */
int outdir_make(const char *dir);

#endif
