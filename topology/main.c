/* main.c - the program's entry: find the command, read its options, run it. */
#include "topology/cmd.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {&cmd_run,         &cmd_check,   &cmd_routes,
                                                 &cmd_rules,       &cmd_trace,   &cmd_nexthop,
                                                 &cmd_verify_flow, &cmd_resolve, &cmd_import_host};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const struct option options[] = {
    {"out", required_argument, NULL, 'o'},
    {"nic", required_argument, NULL, 'n'},
    {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 't'},
    {"protocol", required_argument, NULL, 'p'},
    {"port", required_argument, NULL, 'P'},
    {"direction", required_argument, NULL, 'd'},
    {"local", required_argument, NULL, 'l'},
    {"remote", required_argument, NULL, 'R'},
    {"at", required_argument, NULL, 'a'},
    {"print", no_argument, NULL, 'c'},
    {"strict", no_argument, NULL, 's'},
    {"reference", no_argument, NULL, 'r'},
    {"json", optional_argument, NULL, 'j'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char version[] = "vnetsim " VNETSIM_VERSION;

static void print_help(FILE *to)
{
    fprintf(to, "%s - a wind tunnel for Azure virtual networks\n\nusage: vnetsim COMMAND [OPTION...] ...\n\n",
            version);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nEvery command takes --json, --quiet and --help. 'vnetsim COMMAND --help' says more; 'vnetsim "
          "--version' names\n"
          "version and build. Scenario files: topology/SCENARIO.md.\n"
          "Exit status: 0 all well, 1 an expectation did not hold, 2 wrong input or usage, 3 the system "
          "failed.\n",
          to);
}

/* => the command that argv begins with, and how many words it takes. */
static const struct command *find(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const char *space = strchr(commands[i]->name, ' ');
        const size_t first = space ? (size_t)(space - commands[i]->name) : strlen(commands[i]->name);
        if (strncmp(argv[0], commands[i]->name, first) != 0 || argv[0][first])
            continue;
        if (!space) {
            *words = 1;
            return commands[i];
        }
        if (argc > 1 && strcmp(argv[1], space + 1) == 0) {
            *words = 2;
            return commands[i];
        }
    }
    return NULL;
}

static int take(struct cmd_args *a, int option)
{
    switch (option) {
    case 'o':
        a->out = optarg;
        break;
    case 'n':
        a->nic = optarg;
        break;
    case 'f':
        a->from = optarg;
        break;
    case 't':
        a->to = optarg;
        break;
    case 'p':
        a->protocol = optarg;
        break;
    case 'P':
        a->port = optarg;
        break;
    case 'd':
        a->direction = optarg;
        break;
    case 'l':
        a->local = optarg;
        break;
    case 'R':
        a->remote = optarg;
        break;
    case 'a':
        a->at = optarg;
        break;
    case 'c':
        a->print = true;
        break;
    case 's':
        a->strict = true;
        break;
    case 'r':
        a->reference = true;
        break;
    case 'j':
        a->json = true;
        a->json_as = optarg;
        break;
    case 'q':
        a->quiet = true;
        break;
    default:
        return -1;
    }
    return 0;
}

static const char *long_name(int letter)
{
    const struct option *o = options;
    while (o->name && o->val != letter)
        o++;
    return o->name ? o->name : "?";
}

static int run(const struct command *c, int argc, char **argv)
{
    char letters[32] = ":jqh";
    size_t n = strlen(letters);
    struct cmd_args a = {.program = "vnetsim", .version = version};
    int o;
    for (const char *l = c->options; *l; l++) {
        letters[n++] = *l;
        if (strchr("onftpPdlRa", *l))
            letters[n++] = ':';
    }
    letters[n] = 0;
    opterr = 0;
    while ((o = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (o == 'h') {
            printf("usage: vnetsim %s %s\n\n%s\n", c->name, c->usage, c->help);
            return cmd_finish(EXIT_OK);
        }
        if (o == ':')
            return cmd_usage(&a, "option '%s' needs a value", argv[optind - 1]);
        if (o == '?')
            return cmd_usage(&a, "'%s' does not take option '%s'", c->name, argv[optind - 1]);
        if (!strchr("jqh", o) && !strchr(c->options, o))
            return cmd_usage(&a, "'%s' does not take option '--%s'", c->name, long_name(o));
        take(&a, o);
    }
    if (a.json_as && (!c->json_as || strcmp(a.json_as, c->json_as) != 0))
        return cmd_usage(&a, "'%s' has no JSON of the shape '%s'", c->name, a.json_as);
    a.pos = (const char *const *)argv + optind;
    a.n_pos = argc - optind;
    if (a.n_pos < c->min_pos || (c->max_pos >= 0 && a.n_pos > c->max_pos))
        return cmd_usage(&a, "usage: vnetsim %s %s", c->name, c->usage);
    return c->run(&a);
}

int main(int argc, char **argv)
{
    const struct cmd_args a = {.program = "vnetsim"};
    int words = 0;
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error to report, not a death */
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_INPUT : cmd_finish(EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s (%s)\n", version, VNETSIM_BUILD);
        return cmd_finish(EXIT_OK);
    }
    const struct command *c = find(argc - 1, argv + 1, &words);
    if (!c)
        return cmd_usage(&a, "unknown command '%s'", argv[1]);
    return run(c, argc - words, argv + words);
}
