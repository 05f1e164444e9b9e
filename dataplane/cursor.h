/* cursor.h - reading and writing bytes with bounds checked once, here.
 *
 * A cursor that runs over its end turns bad and stays so; reads then give 0 and writes do nothing, so that a
 * codec reads a whole header and asks once. Numbers are in host order, the bytes in network order. */
#ifndef VNETSIM_DATAPLANE_CURSOR_H
#define VNETSIM_DATAPLANE_CURSOR_H

#include "dataplane/wire.h"

#include <stdbool.h>
#include <stddef.h>

struct reader {
    const uint8_t *data; /* borrowed */
    size_t len, at;
    bool bad; /* something lay beyond len */
};

/* => n bytes at the cursor, which moves on; NULL where they are not there. */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
    if (r->bad || n > r->len - r->at) {
        r->bad = true;
        return NULL;
    }
    r->at += n;
    return r->data + r->at - n;
}

static inline uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p ? *p : 0;
}

static inline uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    return p ? wire_get16(p) : 0;
}

static inline uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    return p ? wire_get32(p) : 0;
}

struct writer {
    uint8_t *data; /* borrowed */
    size_t cap, at;
    bool bad; /* something did not fit */
};

/* => room for n bytes at the cursor, which moves on; NULL where there is none. */
static inline uint8_t *writer_take(struct writer *w, size_t n)
{
    if (w->bad || n > w->cap - w->at) {
        w->bad = true;
        return NULL;
    }
    w->at += n;
    return w->data + w->at - n;
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = writer_take(w, 1);
    if (p)
        *p = v;
}

static inline void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = writer_take(w, 2);
    if (p)
        wire_put16(p, v);
}

static inline void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_take(w, 4);
    if (p)
        wire_put32(p, v);
}

static inline void writer_bytes(struct writer *w, const void *src, size_t n)
{
    uint8_t *p = writer_take(w, n);
    if (p && n)
        memcpy(p, src, n);
}

#endif
