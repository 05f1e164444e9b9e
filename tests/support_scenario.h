/* support_scenario.h - scenarios for tests: loaded, with their errors as text, printed. */
#ifndef VNETSIM_TESTS_SUPPORT_SCENARIO_H
#define VNETSIM_TESTS_SUPPORT_SCENARIO_H

#include "topology/scenario.h"

/* Load a file without any finding. Free with scenario_free. */
struct scenario *sc_load(const char *path);

/* Load a text, called "t", without errors (warnings pass). Free with scenario_free. */
struct scenario *sc_parse(const char *text);

/* => the findings of a text that does not load, as printed; to be freed. */
char *sc_errors(const char *text);

/* => what scenario_print writes; to be freed. */
char *sc_printed(const struct scenario *s);

#endif
