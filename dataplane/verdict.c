/* verdict.c - the words of verdict.h. */
#include "dataplane/verdict.h"

#include <string.h>

static const struct {
    const char *word, *sentence;
} verdicts[] = {
    {"", ""},
#define X(name, word, sentence) {word, sentence},
    VERDICTS(X)
#undef X
};

static const struct {
    const char *word, *rules, *sentence;
    enum verdict verdict;
} reasons[] = {
    {"", "-", "", VERDICT_DELIVERED},
#define X(name, word, verdict, rules, sentence) {word, rules, sentence, VERDICT_##verdict},
    REASONS(X)
#undef X
};

const char *verdict_word(enum verdict v)
{
    return verdicts[v].word;
}

const char *reason_word(enum reason r)
{
    return reasons[r].word;
}

enum verdict verdict_from_word(const char *word)
{
    for (int i = 1; i < VERDICT_COUNT; i++)
        if (strcmp(verdicts[i].word, word) == 0)
            return (enum verdict)i;
    return VERDICT_NONE;
}

enum reason reason_from_word(const char *word)
{
    for (int i = 1; i < REASON_COUNT; i++)
        if (strcmp(reasons[i].word, word) == 0)
            return (enum reason)i;
    return REASON_NONE;
}

enum verdict reason_verdict(enum reason r)
{
    return reasons[r].verdict;
}

const char *verdict_sentence(enum verdict v)
{
    return verdicts[v].sentence;
}

const char *reason_sentence(enum reason r)
{
    return reasons[r].sentence;
}

const char *reason_rules(enum reason r)
{
    return reasons[r].rules;
}
