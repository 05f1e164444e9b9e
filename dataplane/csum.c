/* csum.c - see csum.h.
 *
 * Words are added as the machine loads them, eight bytes at a time, and the bytes of the folded sum swapped
 * at the end: the sum does not depend on the order of bytes but for that (RFC 1071, 2B). 2^16 is 1 modulo
 * 0xffff, so upper halves may be added to lower ones at any time.
 *
 * Equation 3 of RFC 1624, HC' = ~(~HC + ~m + m'), gives the same representative of zero as summing anew: a
 * sum of words that are not all zero folds to 1..0xffff, never to 0, and so does the right-hand side. */
#include "dataplane/csum.h"
#include "dataplane/wire.h"

#include <string.h>

static inline uint64_t halves(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return (x >> 32) + (uint32_t)x;
}

/* => the last n bytes, fewer than eight, and zeros behind them. */
static inline uint64_t rest(const uint8_t *p, size_t n)
{
    uint32_t four = 0;
    uint16_t two = 0;
    uint8_t one[2] = {0, 0};
    uint16_t last;
    if (n & 4)
        memcpy(&four, p, 4), p += 4;
    if (n & 2)
        memcpy(&two, p, 2), p += 2;
    if (n & 1)
        one[0] = *p;
    memcpy(&last, one, 2);
    return (uint64_t)four + two + last;
}

uint32_t csum_add(uint32_t sum, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t wide = 0, wide2 = 0;
    for (; n >= 16; n -= 16, p += 16) {
        wide += halves(p);
        wide2 += halves(p + 8);
    }
    if (n >= 8) {
        wide += halves(p);
        n -= 8, p += 8;
    }
    wide += wide2 + rest(p, n);
    wide = (wide & UINT32_MAX) + (wide >> 32);
    wide = (wide & 0xffff) + (wide >> 16);
    wide = (wide & 0xffff) + (wide >> 16);
    wide = (wide & 0xffff) + (wide >> 16);
    const uint16_t folded = (uint16_t)wide;
    return sum + wire_get16((const uint8_t *)&folded);
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

uint16_t csum_fold(uint32_t sum)
{
    return (uint16_t)~fold(sum);
}

uint32_t csum_pseudo(uint32_t src, uint32_t dst, uint8_t proto, uint16_t len)
{
    return (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + proto + len;
}

uint16_t csum_update16(uint16_t check, uint16_t old, uint16_t new)
{
    return csum_fold((uint32_t)(uint16_t)~check + (uint16_t)~old + new);
}

uint16_t csum_update32(uint16_t check, uint32_t old, uint32_t new)
{
    check = csum_update16(check, (uint16_t)(old >> 16), (uint16_t)(new >> 16));
    return csum_update16(check, (uint16_t)old, (uint16_t) new);
}
