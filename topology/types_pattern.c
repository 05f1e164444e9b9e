/* types_pattern.c - the patterns of the table of types: filling in and matching. See types_int.h.
 *
 * Matching takes the shortest text for each placeholder first and goes back where the rest does not fit. A
 * pattern has at most three placeholders and a name at most 255 characters, so that this stays cheap. */
#include "topology/types_int.h"

#include <ctype.h>
#include <string.h>

void pattern_set(struct vars *v, int which, const char *text)
{
    v->v[which].at = text;
    v->v[which].n = text ? strlen(text) : 0;
}

/* p is at a '{'. => which placeholder; *len its length with the braces. */
static int placeholder(const char *p, size_t *len)
{
    *len = (size_t)(strchr(p, '}') - p) + 1;
    return p[1] == 'n' ? VAR_NAME : p[1] == 'r' ? VAR_REGION : p[1] == 'g' ? VAR_GEO : VAR_ANY;
}

/* Fill a pattern in. to may be NULL: count only. => length, 0 if a value is missing. */
static size_t fill(const char *p, const struct vars *v, char *to)
{
    size_t n = 0, len;
    while (*p) {
        if (*p != '{') {
            if (to)
                to[n] = *p;
            n++;
            p++;
            continue;
        }
        int which = placeholder(p, &len);
        if (!v->v[which].n)
            return 0;
        if (to)
            memcpy(to + n, v->v[which].at, v->v[which].n);
        n += v->v[which].n;
        p += len;
    }
    return n;
}

const char *pattern_fill(struct arena *a, const char *pattern, const struct vars *v)
{
    size_t n = fill(pattern, v, NULL);
    if (!n && *pattern)
        return NULL;
    char *s = arena_alloc(a, n + 1);
    fill(pattern, v, s);
    return s;
}

static bool same_char(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

bool pattern_match(const char *p, const char *s, struct vars *v)
{
    for (; *p && *p != '{'; p++, s++)
        if (!same_char(*p, *s))
            return false;
    if (!*p)
        return !*s;
    size_t len;
    int which = placeholder(p, &len);
    for (size_t n = 1; s[n - 1] && (which == VAR_ANY || s[n - 1] != '.'); n++) {
        if (!pattern_match(p + len, s + n, v))
            continue;
        v->v[which].at = s;
        v->v[which].n = n;
        return true;
    }
    return false;
}
