/* buckets.h - the numbers of buckets that hash tables have, and the way of a hash among them; inline.
 *
 * A number is 4, 5, 6 or 7 times a power of two, or less than 4: a table can grow by a seventh to a quarter.
 * Homes are proportional to hashes, so that moving to a larger table goes through both from the front to the
 * end. From home a search goes on in steps of one more than a multiple of 2 * 3 * 5 * 7, which share no
 * factor with any number and hence visit all. */
#ifndef VNETSIM_DATAPLANE_BUCKETS_H
#define VNETSIM_DATAPLANE_BUCKETS_H

#include <stddef.h>
#include <stdint.h>

#define BUCKETS_STRIDE 210u

/* => the least number of buckets, below end, that hold so many entries, `each` in `of` buckets; 0: none. */
static inline uint64_t buckets_for(size_t entries, unsigned each, unsigned of, uint64_t end)
{
    uint64_t size = 1, unit = 1;
    for (; size * each / of < entries && size < end; size += unit)
        unit = size == 8 * unit ? 2 * unit : unit;
    return size < end ? size : 0;
}

/* => where a hash is at home among size < 2^32, by its high half. */
static inline uint64_t buckets_home(uint64_t size, uint64_t hash)
{
    return (hash >> 32) * size >> 32;
}

/* => the next bucket, by the low half; strides: size / BUCKETS_STRIDE. */
static inline uint64_t buckets_next(uint64_t size, uint64_t strides, uint64_t hash, uint64_t at)
{
    uint64_t next = at + ((uint32_t)hash * strides >> 32) * BUCKETS_STRIDE + 1;
    return next < size ? next : next - size;
}

#endif
