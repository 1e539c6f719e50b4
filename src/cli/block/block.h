/* `sallyport block`: refuses somebody or something at once, and looks after what is refused. Private to src/cli/block.
 *
 * Each verb is a row of the table in block.c. It gets what was asked for already read, and the store opened. */
#ifndef SALLYPORT_CLI_BLOCK_BLOCK_H
#define SALLYPORT_CLI_BLOCK_BLOCK_H

#include "cli/family.h"
#include "store/block_store.h"

struct block_call {
    struct cli_call base;                           /* its arguments: kind and value, or a number */
    struct slice issuer, expires, reason, by, kind; /* ptr NULL: not given */
    bool all;
    const struct blocks_settings *settings;
    struct block_store *store;
    char by_text[BLOCK_STORE_TEXT]; /* who calls, where --by does not say */
};

static inline struct block_call *block_call_of(struct cli_call *base)
{
    return (struct block_call *)base;
}

/* cli_fail_store, about this store. */
int block_fail_store(const struct block_call *call, struct error error);

int block_add(struct cli_call *base);
int block_remove(struct cli_call *base);
int block_list(struct cli_call *base);
int block_init(struct cli_call *base);

/* ---- print.c ---- */

void block_print_heading(struct buffer *out);
void block_print_line(const struct block_call *call, const struct block_record *record, struct buffer *out);
void block_print_json(const struct block_call *call, const struct block_record *record, struct buffer *out);

#endif
