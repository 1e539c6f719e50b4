/* Commands about one thing, each called by a verb: `sallyport keys create`, `sallyport block add`. A family is a table of its verbs
 * and one of its options; what all of them have in common is read and done here. */
#ifndef SALLYPORT_CLI_FAMILY_H
#define SALLYPORT_CLI_FAMILY_H

#include "cli/cli.h"

#include <limits.h>
#include <sys/types.h>

#define CLI_ARGUMENTS_MAX 2
#define CLI_NAMES_MAX     64

struct cli_names {
    struct slice items[CLI_NAMES_MAX];
    size_t count;
};

/* What was asked for: the first member of a family's own struct. */
struct cli_call {
    const struct cli_family *family;
    const struct cli_verb *verb;
    struct config_options files;
    struct cli_names overlays; /* that `files` points to */
    bool json;
    struct slice arguments[CLI_ARGUMENTS_MAX]; /* those that are no options */
    size_t argument_count;
    int64_t now; /* seconds since 1970 */
    struct cli_config loaded;
};

struct cli_verb {
    const char *name;
    int (*run)(struct cli_call *call); /* gives the exit status */
    size_t least, most;                /* arguments */
    const char *missing;               /* what is said where there are fewer */
    bool reads_only, makes;            /* of the store that it is about: leaves it as it is; makes it */
    const char *usage;
};

enum cli_option_type {
    CLI_TEXT,  /* struct slice; ptr NULL: not given */
    CLI_FLAG,  /* bool */
    CLI_NAMES, /* struct cli_names: may be given again */
};

struct cli_option {
    const char *name;
    enum cli_option_type type;
    size_t offset; /* in the family's struct */
};

struct cli_family {
    const char *name;
    const struct cli_verb *verbs;
    size_t verb_count;
    const struct cli_option *options; /* beside --config, --overlay and --json */
    size_t option_count;
    void (*explain)(FILE *to); /* what its usage leaves open */
    /* Once the configuration is loaded, without errors: finds what the call is about. 0, or the exit status after the reason was
     * printed. */
    int (*open)(struct cli_call *call);
    void (*close)(struct cli_call *call); /* whatever came of it */
};

/* Reads the arguments into `call`, of which nothing is set but what the family wants to be set, and runs the verb. The exit status. */
int cli_family_run(const struct cli_family *family, struct cli_call *call, int count, char **arguments);

/* How each verb is called. */
void cli_family_usage(const struct cli_family *family, FILE *to);

/* Prints "sallyport FAMILY VERB: …" and gives 1. */
int cli_fail(const struct cli_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, about the store that is called so. */
int cli_fail_store(const struct cli_call *call, struct slice store, struct error error);

/* A store in a file, as the gateway will find it. */
#define CLI_STORE_BUSY_MS 5000
struct cli_store {
    char path[PATH_MAX];
    gid_t group; /* that the gateway reads by; (gid_t)-1: this process's */
};
/* 0, or the exit status after the reason was printed. */
int cli_store_find(const struct cli_call *call, struct slice path, struct cli_store *out);

#endif
