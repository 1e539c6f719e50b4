/* `sallyport keys`: makes API keys and looks after them. Private to src/cli/keys.
 *
 * Each verb is a row of the table in keys.c. It gets what was asked for already read: the set that is meant, and its store
 * where it has one. */
#ifndef SALLYPORT_CLI_KEYS_KEYS_H
#define SALLYPORT_CLI_KEYS_KEYS_H

#include "cli/family.h"

struct keys_call {
    struct cli_call base;
    struct slice set, consumer, description, limit, expires, overlap, expiring; /* ptr NULL: not given */
    struct cli_names scopes, tags;
    const struct api_keys_settings *settings;
    struct postgres_place *place; /* of the store; NULL: it is a file */
    struct key_store *store;      /* NULL: the set is kept in files */
};

static inline struct keys_call *keys_call_of(struct cli_call *base)
{
    return (struct keys_call *)base;
}

/* cli_fail_store, about this store. */
int keys_fail_store(const struct keys_call *call, struct error error);

int keys_create(struct cli_call *base);
int keys_list(struct cli_call *base);
int keys_show(struct cli_call *base);
int keys_rotate(struct cli_call *base);
int keys_revoke(struct cli_call *base);
int keys_expire(struct cli_call *base);
int keys_import(struct cli_call *base);

/* ---- print.c ---- */

/* One key in full: as text, a name and a value a line; as JSON, an object. `key` is the secret itself, shown once, or empty. */
void keys_print(const struct keys_call *call, const struct key_record *record, struct slice key,
                struct buffer *out);
/* A line of the list. */
void keys_print_heading(struct buffer *out);
void keys_print_line(const struct keys_call *call, const struct key_record *record, struct buffer *out);
/* As it stands in a file of keys. */
void keys_print_entry(const struct key_record *record, struct buffer *out);

#endif
