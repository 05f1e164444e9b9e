/* support_tap.c - see support_tap.h. */
#include "tests/support_tap.h"
#include "tests/support_tmp.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

FILE *tap_open(const char *path)
{
    const uint32_t head[6] = {0xa1b23c4d, 4u << 16 | 2, 0, 0, 262144, 1};
    FILE *f = fopen(path, "wb");
    cr_assert(f, "%s cannot be written", path);
    cr_assert_eq(fwrite(head, sizeof head, 1, f), 1);
    return f;
}

void tap_frame(FILE *f, int64_t at, const uint8_t *data, size_t len)
{
    const uint32_t head[4] = {(uint32_t)(at / 1000000000), (uint32_t)(at % 1000000000), (uint32_t)len,
                              (uint32_t)len};
    cr_assert_eq(fwrite(head, sizeof head, 1, f), 1);
    cr_assert_eq(fwrite(data, 1, len, f), len);
}

void tap_close(FILE *f)
{
    cr_assert_eq(fclose(f), 0);
}

char *tap_tshark(const char *path, const char *args)
{
    int rc;
    if (!program_exists("tshark"))
        cr_skip_test("tshark is not installed");
    char *out = command_output(&rc,
                               "tshark -n -r '%s' -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE "
                               "-o udp.check_checksum:TRUE %s 2>/dev/null",
                               path, args);
    cr_assert_eq(rc, 0, "tshark %s: exit %d", args, rc);
    return out;
}

char *tap_experts(const char *path, const char *severity)
{
    char args[64];
    snprintf(args, sizeof args, "-q -z expert,%s", severity);
    char *out = tap_tshark(path, args), *p = out;
    while (*p == '\n')
        p++;
    memmove(out, p, strlen(p) + 1);
    return out;
}
