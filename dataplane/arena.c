/* arena.c - see arena.h. Blocks double in size up to 1 MiB; a request larger than a block gets one of its
 * own. */
#include "dataplane/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN 4096u
#define BLOCK_MAX (1u << 20)

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char mem[];
};

struct arena {
    const char *name;
    struct block *head;
    size_t used, next_size;
};

_Noreturn void arena_oom(const char *what)
{
    fprintf(stderr, "vnetsim: out of memory (%s)\n", what);
    exit(3);
}

struct arena *arena_new(const char *name)
{
    struct arena *a = calloc(1, sizeof *a);
    if (!a)
        arena_oom(name);
    a->name = name;
    a->next_size = BLOCK_MIN;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->head; b;) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    free(a);
}

static struct block *block_new(struct arena *a, size_t need)
{
    size_t size = a->next_size > need ? a->next_size : need;
    if (a->next_size < BLOCK_MAX)
        a->next_size *= 2;
    struct block *b = size > SIZE_MAX - sizeof *b ? NULL : calloc(1, sizeof *b + size);
    if (!b)
        arena_oom(a->name);
    b->size = size;
    b->next = a->head;
    a->head = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t al = alignof(max_align_t);
    if (n > SIZE_MAX - al)
        arena_oom(a->name);
    n = (n + al - 1) / al * al;
    struct block *b = a->head;
    if (!b || b->size - b->used < n)
        b = block_new(a, n);
    void *p = b->mem + b->used;
    b->used += n;
    a->used += n;
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        arena_oom(a->name);
    return arena_alloc(a, n * size);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    n = strnlen(s, n);
    char *p = arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void *arena_push(struct arena *a, void *at, size_t *n, size_t *cap, size_t size)
{
    void *p;
    memcpy(&p, at, sizeof p);
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        void *bigger = arena_array(a, more, size);
        if (*n)
            memcpy(bigger, p, *n * size);
        memcpy(at, &bigger, sizeof bigger);
        *cap = more;
        p = bigger;
    }
    return (char *)p + size * (*n)++;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
