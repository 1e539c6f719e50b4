/* The commands of the program. Each takes its own arguments (without the command's name) and gives the exit status.
 * 2 means that the command was not understood, but for `diff`, where it also means that a configuration has errors. */
#ifndef SALLYPORT_CLI_CLI_H
#define SALLYPORT_CLI_CLI_H

#include "base/buffer.h"
#include "config/config.h"

#include <stdio.h>

struct cli_command {
    const char *name; /* NULL ends a table */
    int (*run)(int count, char **arguments);
    const char *arguments; /* for the usage; NULL: the command is internal and not shown */
    const char *help;
    void (*more)(FILE *to); /* usage beyond `arguments`; NULL: there is no more */
};

extern const struct cli_command cli_commands[]; /* in main.c */

#define CLI_MISUSE 2

int cli_run(int count, char **arguments);
int cli_upgrade(int count, char **arguments);
int cli_rehearse(int count, char **arguments);
int cli_gateway(int count, char **arguments);
int cli_check(int count, char **arguments);
int cli_dev(int count, char **arguments);
int cli_diff(int count, char **arguments);
int cli_import(int count, char **arguments);
int cli_docs(int count, char **arguments);
int cli_block(int count, char **arguments);
int cli_keys(int count, char **arguments);
int cli_basic(int count, char **arguments);
int cli_audit(int count, char **arguments);
int cli_version(int count, char **arguments);
int cli_help(int count, char **arguments);

/* "usage: sallyport NAME ARGUMENTS", or what `more` prints. */
void cli_print_usage(const struct cli_command *command, FILE *to);
void cli_keys_usage(FILE *to);
void cli_block_usage(FILE *to);
/* NULL: there is none of that name that is shown. */
const struct cli_command *cli_find_command(const char *name);
/* Says that there is none of that name, and which one may be meant; CLI_MISUSE. */
int cli_no_command(const char *name);

/* Prints what was wrong and the usage of a command to standard error; CLI_MISUSE. */
int cli_misuse(const char *command, const char *wrong, const char *argument);

/* The value of an option `--name VALUE` or `--name=VALUE` at `*at`, which is moved to its last argument. NULL where it is
 * another one, or where the value is missing: then `*ret_missing` is true. */
const char *cli_option_value(const char *name, int count, char **arguments, int *at, bool *ret_missing);

/* A configuration as it is named on the command line: [--config] FILE [--overlay FILE]... */
struct cli_files {
    struct config_options options;
    struct slice overlays[64];
};

/* 0, or the exit status after the reason was printed. */
int cli_read_files(const char *command, int count, char **arguments, struct cli_files *out);

/* A loaded configuration and what it was read from. */
struct cli_config {
    struct config_files *files;
    struct config *config;
};

/* Loads, and prints the diagnostics to standard error. False where nothing could be loaded; errors are counted in
 * config->error_count. To be ended with cli_config_done in any case. */
bool cli_config_load(struct cli_config *out, const struct config_options *options);
void cli_config_done(struct cli_config *config);

/* Masks what stands behind `from` (base/log_text.h): what others wrote makes no terminal act, nor shows in another order. */
void cli_mask(struct buffer *text, size_t from);

/* All of the buffer; the exit status `status`, or 1 where it could not be written. Ends the buffer. */
int cli_print(struct buffer *text, FILE *to, int status);

#define CLI_OUTPUT_MAX ((size_t)256 * 1024 * 1024)

#endif
