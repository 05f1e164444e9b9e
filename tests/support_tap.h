/* support_tap.h - frames of a test as a classic capture file, and what tshark makes of it. */
#ifndef VNETSIM_TESTS_SUPPORT_TAP_H
#define VNETSIM_TESTS_SUPPORT_TAP_H

#include "dataplane/packet.h"

#include <stdio.h>

/* Start a capture of Ethernet frames (nanosecond pcap) / add one frame / close. Failure ends the test. */
FILE *tap_open(const char *path);
void tap_frame(FILE *f, int64_t at, const uint8_t *data, size_t len);
void tap_close(FILE *f);

/* => what tshark prints for the file, checksums validated, given further arguments; to be freed. Skips the
 * test where tshark is missing. */
char *tap_tshark(const char *path, const char *args);

/* => the expert findings of a severity and above ("warn", "note", "error"), one a line, "" if none; to be
 * freed. */
char *tap_experts(const char *path, const char *severity);

#endif
