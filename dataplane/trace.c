/* trace.c - the words of trace.h. */
#include "dataplane/trace.h"

const char *stage_word(enum stage s)
{
    static const char *const word[] = {
#define X(name, text) text,
        STAGES(X)
#undef X
    };
    return word[s];
}
