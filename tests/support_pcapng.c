/* support_pcapng.c - see support_pcapng.h. */
#include "tests/support_pcapng.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t ng_u16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

uint32_t ng_u32(const uint8_t *p)
{
    return ng_u16(p) | ng_u16(p + 2) << 16;
}

uint64_t ng_u64(const uint8_t *p)
{
    return ng_u32(p) | (uint64_t)ng_u32(p + 4) << 32;
}

uint64_t ng_time(const uint8_t *p)
{
    return ng_u32(p + 4) | (uint64_t)ng_u32(p) << 32;
}

static size_t pad4(size_t n)
{
    return n + (4 - n % 4) % 4;
}

static void check_zero(const uint8_t *p, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        cr_assert_eq(p[i], 0, "padding is not zero");
}

/* Options fill the body from b->options to its end; the last is the end of options, if there are any. */
static void check_options(const struct ng_block *b)
{
    size_t at = b->options;
    cr_assert(at <= b->len, "the fixed part is cut");
    if (at == b->len)
        return;
    for (;;) {
        cr_assert(at + 4 <= b->len, "options without an end");
        unsigned code = ng_u16(b->body + at);
        size_t n = ng_u16(b->body + at + 2);
        at += 4;
        if (code == 0) {
            cr_assert_eq(n, 0);
            cr_assert_eq(at, b->len, "bytes behind the options");
            return;
        }
        cr_assert(at + pad4(n) <= b->len, "option %u is cut", code);
        check_zero(b->body, at + n, at + pad4(n));
        at += pad4(n);
    }
}

/* => the offset behind the records. */
static size_t check_records(const struct ng_block *b)
{
    size_t at = 0;
    for (;;) {
        cr_assert(at + 4 <= b->len, "records without an end");
        unsigned type = ng_u16(b->body + at);
        size_t n = ng_u16(b->body + at + 2);
        at += 4;
        if (type == 0) {
            cr_assert_eq(n, 0);
            return at;
        }
        cr_assert_eq(type, 1, "only IPv4 records");
        cr_assert(n >= 6 && at + pad4(n) <= b->len, "a record is cut");
        cr_assert_eq(b->body[at + n - 1], 0, "names end with NUL");
        check_zero(b->body, at + n, at + pad4(n));
        at += pad4(n);
    }
}

static void check_block(const struct ng *g, struct ng_block *b, size_t *ifaces, size_t *stats)
{
    cr_assert((b->type == NG_SHB) == (b == g->block), "one section header, at the start");
    cr_assert(*stats == 0 || b->type == NG_ISB, "statistics come last");
    if (b->type == NG_SHB) {
        cr_assert(b->len >= 16 && ng_u32(b->body) == 0x1a2b3c4d && ng_u16(b->body + 4) == 1);
        cr_assert(ng_u16(b->body + 6) == 0 && ng_u64(b->body + 8) == UINT64_MAX);
        b->options = 16;
    } else if (b->type == NG_IDB) {
        cr_assert(b->len >= 8 && ng_u16(b->body + 2) == 0 && ng_u32(b->body + 4) == 0);
        b->options = 8;
        ++*ifaces;
    } else if (b->type == NG_EPB) {
        cr_assert(b->len >= 20 && ng_u32(b->body) < *ifaces, "undeclared interface");
        size_t n = ng_u32(b->body + 12);
        b->options = 20 + pad4(n);
        cr_assert(b->options <= b->len, "packet is cut");
        check_zero(b->body, 20 + n, b->options);
    } else if (b->type == NG_NRB) {
        b->options = check_records(b);
    } else {
        cr_assert_eq(b->type, NG_ISB, "unknown block %x", b->type);
        cr_assert(b->len >= 12 && ng_u32(b->body) == (*stats)++,
                  "one statistics block per interface, in order");
        b->options = 12;
    }
    check_options(b);
}

void ng_read(struct ng *g, const char *path)
{
    size_t ifaces = 0, stats = 0, cap = 0;
    memset(g, 0, sizeof *g);
    g->data = file_read(path, &g->n);
    cr_assert(g->data, "cannot read %s", path);
    for (size_t at = 0; at < g->n;) {
        cr_assert(at + 12 <= g->n, "a block is cut");
        size_t len = ng_u32(g->data + at + 4);
        cr_assert(len >= 12 && len % 4 == 0 && at + len <= g->n, "block length %zu at %zu", len, at);
        cr_assert_eq(ng_u32(g->data + at + len - 4), len, "lengths differ");
        if (g->n_blocks == cap) {
            cap = cap ? cap * 2 : 64;
            g->block = realloc(g->block, cap * sizeof *g->block);
            cr_assert(g->block);
        }
        g->block[g->n_blocks++] =
            (struct ng_block){.type = ng_u32(g->data + at), .body = g->data + at + 8, .len = len - 12};
        at += len;
    }
    for (size_t i = 0; i < g->n_blocks; i++)
        check_block(g, &g->block[i], &ifaces, &stats);
    cr_assert_eq(stats, ifaces, "one statistics block per interface");
}

void ng_free(struct ng *g)
{
    free(g->data);
    free(g->block);
}

const struct ng_block *ng_block_of(const struct ng *g, uint32_t type, size_t nth)
{
    for (size_t i = 0; i < g->n_blocks; i++) {
        if (g->block[i].type == type && nth-- == 0)
            return &g->block[i];
    }
    return NULL;
}

size_t ng_count(const struct ng *g, uint32_t type)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_blocks; i++)
        n += g->block[i].type == type;
    return n;
}

const uint8_t *ng_option(const struct ng_block *b, unsigned code, size_t nth, size_t *len)
{
    for (size_t at = b->options; at < b->len;) {
        unsigned c = ng_u16(b->body + at);
        *len = ng_u16(b->body + at + 2);
        if (c == 0)
            break;
        if (c == code && nth-- == 0)
            return b->body + at + 4;
        at += 4 + pad4(*len);
    }
    return NULL;
}

char *ng_text(const struct ng_block *b, unsigned code, size_t nth)
{
    size_t n;
    const uint8_t *v = ng_option(b, code, nth, &n);
    return v ? strndup((const char *)v, n) : NULL;
}

char *ng_names(const struct ng *g)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    cr_assert(f);
    for (size_t i = 0; i < g->n_blocks; i++) {
        const uint8_t *r = g->block[i].body;
        if (g->block[i].type != NG_NRB)
            continue;
        for (bool first = true; ng_u16(r); first = false) {
            size_t len = ng_u16(r + 2);
            fprintf(f, "%s%u.%u.%u.%u", first ? "" : " ", r[4], r[5], r[6], r[7]);
            for (size_t at = 4; at < len; at += strlen((const char *)r + 4 + at) + 1)
                fprintf(f, "%c%s", at == 4 ? '=' : ',', (const char *)r + 4 + at);
            r += 4 + pad4(len);
        }
        fputc('|', f);
    }
    fclose(f);
    return text;
}
