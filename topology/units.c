/* units.c - see units.h. Integer arithmetic throughout, so that what is read is what was meant: 0.1ms is
 * 100000 ns. */
#include "topology/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t scale;
};

static const struct unit durations[] = {{"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000},
                                        {"ms", 1000000},      {"us", 1000},       {"ns", 1}};
static const struct unit sizes[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
static const struct unit bandwidths[] = {{"Gbps", 1000000000}, {"Mbps", 1000000}, {"kbps", 1000}, {"bps", 1}};

/* Read digits into *v. => 0, -ERANGE on overflow; *s moves behind them. */
static int digits(const char **s, uint64_t *v)
{
    for (*v = 0; isdigit((unsigned char)**s); (*s)++) {
        unsigned d = (unsigned)(**s - '0');
        if (*v > (UINT64_MAX - d) / 10)
            return -ERANGE;
        *v = *v * 10 + d;
    }
    return 0;
}

int unit_number(const char *s, uint64_t *out)
{
    uint64_t v;
    if (!*s || s[strspn(s, "0123456789")])
        return -EINVAL;
    if (digits(&s, &v))
        return -ERANGE;
    *out = v;
    return 0;
}

/* The part behind the point, in base units. => 0, -ERANGE if finer than one base unit. */
static int fraction_of(const char *frac, size_t n, uint64_t scale, uint64_t *v)
{
    *v = 0;
    while (n && frac[n - 1] == '0')
        n--;
    for (size_t i = 0; i < n; i++) {
        if (scale % 10)
            return -ERANGE;
        scale /= 10;
        *v += scale * (uint64_t)(frac[i] - '0');
    }
    return 0;
}

/* Binary units: 1.5KiB is a whole number of bytes though 1024 is not a power of ten. */
static int fraction_binary(const char *frac, size_t n, uint64_t scale, uint64_t *v)
{
    uint64_t num = 0, den = 1;
    while (n && frac[n - 1] == '0')
        n--;
    if (n > 9)
        return -ERANGE;
    for (size_t i = 0; i < n; i++) {
        num = num * 10 + (uint64_t)(frac[i] - '0');
        den *= 10;
    }
    if (num * scale % den)
        return -ERANGE;
    *v = num * scale / den;
    return 0;
}

static int quantity(const char *s, const struct unit *u, size_t n, uint64_t max, uint64_t *out)
{
    const char *p = s;
    if (!isdigit((unsigned char)*p))
        return -EINVAL;
    uint64_t whole, part = 0;
    int range = digits(&p, &whole);
    p += strspn(p, "0123456789");
    const char *frac = *p == '.' ? p + 1 : p;
    size_t fracs = *p == '.' ? strspn(frac, "0123456789") : 0;
    if (*p == '.' && !fracs)
        return -EINVAL;
    const char *unit = frac + fracs;
    unit += strspn(unit, " ");
    if (!*unit && !range && !whole && !fracs)
        return *out = 0, 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(unit, u[i].name) != 0)
            continue;
        int rc = u[i].scale % 10 ? fraction_binary(frac, fracs, u[i].scale, &part)
                                 : fraction_of(frac, fracs, u[i].scale, &part);
        if (rc || range || whole > max / u[i].scale || whole * u[i].scale > max - part)
            return -ERANGE;
        *out = whole * u[i].scale + part;
        return 0;
    }
    return -EINVAL;
}

static char *format(uint64_t v, const struct unit *u, size_t n, char *buf)
{
    size_t i = 0;
    while (i + 1 < n && (v % u[i].scale || !v))
        i++;
    snprintf(buf, UNIT_STRLEN, "%" PRIu64 "%s", v / u[i].scale, u[i].name);
    return buf;
}

#define COUNT(x) (sizeof(x) / sizeof(x)[0])

int unit_duration(const char *s, int64_t *out)
{
    uint64_t v = 0;
    int rc = quantity(s, durations, COUNT(durations), INT64_MAX, &v);
    if (!rc)
        *out = (int64_t)v;
    return rc;
}

char *unit_format_duration(int64_t ns, char *buf)
{
    return ns ? format((uint64_t)ns, durations, COUNT(durations), buf) : strcpy(buf, "0s");
}

int unit_size(const char *s, uint64_t *out)
{
    return quantity(s, sizes, COUNT(sizes), INT64_MAX, out);
}

char *unit_format_size(uint64_t bytes, char *buf)
{
    return format(bytes, sizes, COUNT(sizes), buf);
}

int unit_bandwidth(const char *s, uint64_t *out)
{
    return quantity(s, bandwidths, COUNT(bandwidths), INT64_MAX, out);
}

char *unit_format_bandwidth(uint64_t bps, char *buf)
{
    return format(bps, bandwidths, COUNT(bandwidths), buf);
}

int unit_fraction(const char *s, double *out)
{
    if (!isdigit((unsigned char)*s) || s[strspn(s, "0123456789.")])
        return -EINVAL;
    char *end;
    double v = strtod(s, &end);
    if (*end)
        return -EINVAL;
    if (v > 1)
        return -ERANGE;
    *out = v;
    return 0;
}

/* The shortest plain decimal that reads back as f. */
char *unit_format_fraction(double f, char *buf)
{
    for (int places = 0; places <= 30; places++) {
        snprintf(buf, UNIT_STRLEN, "%.*f", places, f);
        double back = strtod(buf, NULL);
        if (!(back < f) && !(back > f))
            break;
    }
    return buf;
}

static bool leap(unsigned y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static unsigned month_days(unsigned y, unsigned m)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[m] + (m == 1 && leap(y));
}

/* A number of exactly n digits, then the character behind it. => false if it is not there. */
static bool fixed(const char **s, unsigned n, char behind, unsigned *v)
{
    for (*v = 0; n; n--, (*s)++) {
        if (!isdigit((unsigned char)**s))
            return false;
        *v = *v * 10 + (unsigned)(**s - '0');
    }
    if (behind && **s != behind)
        return false;
    *s += behind != 0;
    return true;
}

/* ".123456789" or nothing, then "Z". */
static bool nanos(const char *s, uint64_t *ns)
{
    *ns = 0;
    if (*s == '.') {
        size_t n = strspn(++s, "0123456789");
        if (!n || n > 9 || fraction_of(s, n, 1000000000, ns))
            return false;
        s += n;
    }
    return (*s == 'Z' || *s == 'z') && !s[1];
}

int unit_time(const char *s, int64_t *out)
{
    unsigned y, mo, d, h, mi, sec;
    uint64_t ns;
    if (!fixed(&s, 4, '-', &y) || !fixed(&s, 2, '-', &mo) || !fixed(&s, 2, 0, &d) || !*s ||
        !strchr("Tt ", *s))
        return -EINVAL;
    s++;
    if (!fixed(&s, 2, ':', &h) || !fixed(&s, 2, ':', &mi) || !fixed(&s, 2, 0, &sec) || !nanos(s, &ns))
        return -EINVAL;
    if (mo < 1 || mo > 12 || d < 1 || d > month_days(y, mo - 1) || h > 23 || mi > 59 || sec > 59)
        return -EINVAL;
    if (y < 1970 || y > 2261)
        return -ERANGE;
    int64_t days = 0;
    for (unsigned i = 1970; i < y; i++)
        days += leap(i) ? 366 : 365;
    for (unsigned i = 0; i + 1 < mo; i++)
        days += month_days(y, i);
    days += d - 1;
    *out = (((days * 24 + h) * 60 + mi) * 60 + sec) * 1000000000 + (int64_t)ns;
    return 0;
}

char *unit_format_time(int64_t unix_ns, char *buf)
{
    int64_t s = unix_ns / 1000000000, days = s / 86400;
    unsigned ns = (unsigned)(unix_ns % 1000000000), y = 1970, m = 0;
    for (; days >= (leap(y) ? 366 : 365); y++)
        days -= leap(y) ? 366 : 365;
    for (; days >= month_days(y, m); m++)
        days -= month_days(y, m);
    s %= 86400;
    int n = snprintf(buf, UNIT_STRLEN, "%04u-%02u-%02uT%02u:%02u:%02u", y, m + 1, (unsigned)days + 1,
                     (unsigned)(s / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    if (ns) {
        n += snprintf(buf + n, UNIT_STRLEN - (size_t)n, ".%09u", ns);
        while (buf[n - 1] == '0')
            n--;
    }
    memcpy(buf + n, "Z", 2);
    return buf;
}
