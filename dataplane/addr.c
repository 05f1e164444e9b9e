/* addr.c - see addr.h. */
#include "dataplane/addr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int prefix4_cmp(const void *a, const void *b)
{
    const struct prefix4 *x = a, *y = b;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    return (int)x->len - (int)y->len;
}

/* Read one decimal number of at most three digits without leading zeros. => digits read, 0 if none or too
 * large. */
static size_t number(const char *s, unsigned max, unsigned *out)
{
    unsigned v = 0;
    size_t n = 0;
    while (n < 3 && s[n] >= '0' && s[n] <= '9')
        v = v * 10 + (unsigned)(s[n++] - '0');
    if (n == 0 || v > max || (n > 1 && s[0] == '0'))
        return 0;
    *out = v;
    return n;
}

/* => characters read, 0 if s does not begin with an address. */
static size_t quad(const char *s, ip4 *out)
{
    ip4 a = 0;
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        unsigned v;
        if (i && s[at++] != '.')
            return 0;
        size_t n = number(s + at, 255, &v);
        if (!n)
            return 0;
        at += n;
        a = a << 8 | v;
    }
    *out = a;
    return at;
}

int ip4_parse(const char *s, ip4 *out)
{
    ip4 a;
    size_t n = quad(s, &a);
    if (!n || s[n])
        return -EINVAL;
    *out = a;
    return 0;
}

int prefix4_parse(const char *s, struct prefix4 *out)
{
    ip4 a;
    unsigned len = 32;
    size_t n = quad(s, &a);
    if (!n)
        return -EINVAL;
    if (s[n]) {
        size_t m = s[n] == '/' ? number(s + n + 1, 32, &len) : 0;
        if (!m || s[n + 1 + m])
            return -EINVAL;
    }
    *out = (struct prefix4){a & ip4_mask(len), (uint8_t)len};
    return out->addr == a ? 0 : -ERANGE;
}

char *ip4_format(ip4 a, char *buf)
{
    snprintf(buf, IP4_STRLEN, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
    return buf;
}

char *prefix4_format(struct prefix4 p, char *buf)
{
    snprintf(buf, PREFIX4_STRLEN, "%u.%u.%u.%u/%u", p.addr >> 24, p.addr >> 16 & 255, p.addr >> 8 & 255,
             p.addr & 255, p.len & 63u);
    return buf;
}

bool ip4_is_public(ip4 a)
{
    static const struct prefix4 no[] = {
        {IP4(0, 0, 0, 0), 8},      {IP4(10, 0, 0, 0), 8},     {IP4(100, 64, 0, 0), 10},
        {IP4(127, 0, 0, 0), 8},    {IP4(169, 254, 0, 0), 16}, {IP4(172, 16, 0, 0), 12},
        {IP4(192, 168, 0, 0), 16}, {IP4(224, 0, 0, 0), 3},    {IP4_PLATFORM, 32},
    };
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (prefix4_has(no[i], a))
            return false;
    return true;
}
