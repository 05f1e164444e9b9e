/* support_capfile.h - the fixture of tests that write capture files: a folder for them, and the path of one in
 * it, made before each test and removed after it. The one file of a program that includes it states its suites
 * with capfile_setup and capfile_teardown. */
#ifndef VNETSIM_TESTS_SUPPORT_CAPFILE_H
#define VNETSIM_TESTS_SUPPORT_CAPFILE_H

#include "tests/support_tmp.h"

#include <stdlib.h>

#define START INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */

static struct tmp tmp;
static char *path;
static char err[512];

static void capfile_setup(void)
{
    tmp_make(&tmp);
    path = tmp_path(&tmp, "a.pcap");
}

static void capfile_teardown(void)
{
    free(path);
    tmp_remove(&tmp);
}

/* Skip a test, whose teardown would not run. */
static void skip(const char *test, const char *why)
{
    free(path);
    tmp_skip(&tmp, test, why);
}

#endif
