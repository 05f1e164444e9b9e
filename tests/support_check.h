/* support_check.h - what the checks find in a scenario text, with place and text. Texts start in line 2; line 1
 * is "scenario: t". */
#ifndef VNETSIM_TESTS_SUPPORT_CHECK_H
#define VNETSIM_TESTS_SUPPORT_CHECK_H

#include "tests/support_model.h"

/* The findings of a text are exactly these, one per line, without the file name. line: of the test, for the
 * message. */
void expect_findings(const char *text, const char *want, int line);

#define FINDS(text, want) expect_findings(text, want, __LINE__)
#define FINE(text)        expect_findings(text, "", __LINE__)

/* One network, v; with two subnets, s and t, and interfaces. */
#define VNET(prefixes, subnets)                                                                              \
    "virtualNetworks:\n  - {name: v, addressPrefixes: [" prefixes "], subnets: [\n" subnets "]}\n"
#define NICS(list)                                                                                           \
    VNET("10.0.0.0/16", "{name: s, addressPrefix: 10.0.1.0/24}, {name: t, addressPrefix: 10.0.2.0/24}")      \
    "networkInterfaces:\n" list

#endif
