/* `sallyport block`: refuses somebody or something at once, and looks after what is refused. Private to src/cli/block.
 *
 * Each command is a row of the table in block.c. It gets what was asked for already read, and the store opened. */
#ifndef SALLYPORT_CLI_BLOCK_BLOCK_H
#define SALLYPORT_CLI_BLOCK_BLOCK_H

#include "cli/cli.h"
#include "store/block_store.h"

#define BLOCK_ARGUMENTS_MAX 2

struct block_call {
    struct cli_files files;
    struct slice issuer, expires, reason, by, kind; /* ptr NULL: not given */
    bool json, all;
    struct slice arguments[BLOCK_ARGUMENTS_MAX]; /* kind and value, or a number */
    size_t argument_count;
    int64_t now; /* seconds since 1970 */
    const char *command;
    struct cli_config loaded;
    const struct blocks_settings *settings;
    struct block_store *store;
    char by_text[BLOCK_STORE_TEXT]; /* who calls, where --by does not say */
};

/* Prints "sallyport block COMMAND: …" and gives 1. */
int block_fail(const struct block_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, about the store. */
int block_fail_store(const struct block_call *call, struct error error);

/* The commands. Each gives the exit status. */
int block_add(struct block_call *call);
int block_remove(struct block_call *call);
int block_list(struct block_call *call);
int block_init(struct block_call *call);

/* ---- print.c ---- */

void block_print_heading(struct buffer *out);
void block_print_line(const struct block_call *call, const struct block_record *record, struct buffer *out);
void block_print_json(const struct block_call *call, const struct block_record *record, struct buffer *out);

#endif
