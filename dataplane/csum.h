/* csum.h - the Internet checksum, RFC 1071, and its incremental update, RFC 1624 (equation 3).
 *
 * Sums and checksums are plain numbers: a 16-bit word read from the wire in network order, as wire_get16
 * does. */
#ifndef VNETSIM_DATAPLANE_CSUM_H
#define VNETSIM_DATAPLANE_CSUM_H

#include <stddef.h>
#include <stdint.h>

/* Add n bytes to an unfolded sum; an odd last byte counts as the upper half of a word, so only the last piece
 * of a message may have an odd length. Any length up to 64 KiB and few pieces: the sum cannot overflow. =>
 * the sum. */
uint32_t csum_add(uint32_t sum, const void *data, size_t n);

/* => the one's complement of the folded sum: what goes into the header. */
uint16_t csum_fold(uint32_t sum);

/* => the sum of the IPv4 pseudo header of TCP and UDP; addresses in host order, len of header and payload. */
uint32_t csum_pseudo(uint32_t src, uint32_t dst, uint8_t proto, uint16_t len);

/* => the checksum after one word (two words) of what it covers changed from old to new. */
uint16_t csum_update16(uint16_t check, uint16_t old, uint16_t new);
uint16_t csum_update32(uint16_t check, uint32_t old, uint32_t new);

#endif
