/* csum.c - see csum.h.
 *
 * Equation 3 of RFC 1624, HC' = ~(~HC + ~m + m'), gives the same representative of zero as summing anew: a
 * sum of words that are not all zero folds to 1..0xffff, never to 0, and so does the right-hand side. */
#include "dataplane/csum.h"
#include "dataplane/wire.h"

uint32_t csum_add(uint32_t sum, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t wide = sum;
    for (; n >= 4; n -= 4, p += 4)
        wide += wire_get32(p);
    if (n >= 2) {
        wide += wire_get16(p);
        n -= 2, p += 2;
    }
    if (n)
        wide += (uint32_t)p[0] << 8;
    /* 2^16 = 1 modulo 0xffff, so upper halves may be added to lower ones */
    wide = (wide & UINT32_MAX) + (wide >> 32);
    return (uint32_t)((wide & 0xffff) + (wide >> 16 & 0xffff) + (wide >> 32));
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
