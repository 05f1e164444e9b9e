/* units.h - quantities as scenario files write them, read and written: each pair is an exact round trip.
 *
 * Readers take the whole text, a decimal number (a fraction is allowed where the unit divides it exactly) and
 * a unit, blanks between them allowed; a bare 0 needs no unit. => 0; -EINVAL: not of that form; -ERANGE: too
 * large, or finer than the base unit. out is untouched after an error. Writers use the largest unit that
 * needs no fraction and return buf, at least UNIT_STRLEN bytes. Cannot fail. */
#ifndef VNETSIM_TOPOLOGY_UNITS_H
#define VNETSIM_TOPOLOGY_UNITS_H

#include <stdint.h>

#define UNIT_STRLEN 40

/* Durations in nanoseconds: ns, us, ms, s, m, h. Never negative. */
int unit_duration(const char *s, int64_t *out);
char *unit_format_duration(int64_t ns, char *buf);

/* Sizes in bytes: B, KiB, MiB, GiB. */
int unit_size(const char *s, uint64_t *out);
char *unit_format_size(uint64_t bytes, char *buf);

/* Bandwidths in bits per second: bps, kbps, Mbps, Gbps (powers of 1000). */
int unit_bandwidth(const char *s, uint64_t *out);
char *unit_format_bandwidth(uint64_t bps, char *buf);

/* A fraction from 0 to 1, in plain decimal notation (0.25). No unit. */
int unit_fraction(const char *s, double *out);
char *unit_format_fraction(double f, char *buf);

/* A plain number: decimal digits only. */
int unit_number(const char *s, uint64_t *out);

/* A moment in UTC, RFC 3339 with Z, to the nanosecond, years 1970 to 2261: nanoseconds since 1970. */
int unit_time(const char *s, int64_t *out);
char *unit_format_time(int64_t unix_ns, char *buf);

#endif
