/* arena.h - memory that is freed as a whole.
 *
 * An arena owns everything allocated from it. Out of memory ends the process with exit status 3 and a message
 * (arena_oom); code that must survive failing allocation (the tables of the forwarding core) does not use arenas. */
#ifndef VNETSIM_DATAPLANE_ARENA_H
#define VNETSIM_DATAPLANE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* => a new empty arena; name is borrowed (a literal) and used in messages. */
struct arena *arena_new(const char *name);

/* Free the arena and all that came from it; NULL is allowed. */
void arena_free(struct arena *a);

/* => n bytes, zeroed, aligned for any type; never NULL. n may be 0. */
void *arena_alloc(struct arena *a, size_t n);

/* => n * size bytes, zeroed; overflow counts as out of memory. */
void *arena_array(struct arena *a, size_t n, size_t size);

/* => a copy of s (of the first n bytes of s), NUL-terminated, owned by the arena. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);

/* => the formatted text, owned by the arena. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Append one element to a growing array owned by the arena: *at has room for *cap elements, *n are used.
 * => pointer to the new zeroed element; earlier pointers into *at are invalid afterwards. */
void *arena_push(struct arena *a, void *at, size_t *n, size_t *cap, size_t size);

/* => bytes handed out so far. */
size_t arena_used(const struct arena *a);

/* Say "out of memory" and exit(3). Does not return. */
_Noreturn void arena_oom(const char *what);

#endif
