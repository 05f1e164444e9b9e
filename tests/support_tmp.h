/* support_tmp.h - a temporary folder for one test, and the files in it. */
#ifndef VNETSIM_TESTS_SUPPORT_TMP_H
#define VNETSIM_TESTS_SUPPORT_TMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tmp {
    char dir[64];
};

/* Make an empty folder / remove it with all that is in it. */
void tmp_make(struct tmp *t);
void tmp_remove(struct tmp *t);

/* Skip a test ("suite::name"), whose teardown would not run: remove the folder, and say so in the words that
 * tests/run.sh counts. */
void tmp_skip(struct tmp *t, const char *test, const char *why);

/* => DIR/name, to be freed. */
char *tmp_path(const struct tmp *t, const char *name);

/* => the names in the folder (hidden ones too) in strcmp order, joined by blanks; to be freed. */
char *tmp_list(const struct tmp *t);

/* => the whole file and a NUL, to be freed; NULL if it cannot be read. n may be NULL. */
uint8_t *file_read(const char *path, size_t *n);

void file_write(const char *path, const void *data, size_t n);

/* => what a shell command prints on standard output, to be freed; its exit status in rc. */
char *command_output(int *rc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* => whether a program is installed. */
bool program_exists(const char *name);

#endif
