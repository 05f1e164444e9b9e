/* put.h - the copy of a packet into a buffer: mostly headers and short packets, for which the call of a
 * function takes as long as the copy itself. */
#ifndef VNETSIM_PCAPS_PUT_H
#define VNETSIM_PCAPS_PUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PUT_PIECE = 16, PUT_MANY = 8 }; /* bytes moved at once; pieces from which memcpy is faster */

/* Copy n bytes, which do not overlap their place; from may be NULL where n is 0. */
static inline void put_bytes(uint8_t *to, const uint8_t *from, size_t n)
{
    if (n < PUT_PIECE || n > PUT_PIECE * PUT_MANY) {
        if (n)
            memcpy(to, from, n);
        return;
    }
    for (size_t i = 0; i < n - PUT_PIECE; i += PUT_PIECE)
        memcpy(to + i, from + i, PUT_PIECE);
    memcpy(to + n - PUT_PIECE, from + n - PUT_PIECE,
           PUT_PIECE); /* the last piece may overlap the one before */
}

#endif
