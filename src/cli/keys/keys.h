/* `sallyport keys`: makes API keys and looks after them. Private to src/cli/keys.
 *
 * Each command is a row of the table in keys.c. It gets what was asked for already read: the set that is meant, and its store
 * where it wants one. */
#ifndef SALLYPORT_CLI_KEYS_KEYS_H
#define SALLYPORT_CLI_KEYS_KEYS_H

#include "cli/cli.h"

#define KEYS_NAMES_MAX 64

struct keys_call {
    struct cli_files files;
    struct slice set, consumer, description, limit, expires, overlap, expiring; /* ptr NULL: not given */
    struct slice scopes[KEYS_NAMES_MAX], tags[KEYS_NAMES_MAX];
    size_t scope_count, tag_count;
    bool json;
    struct slice argument; /* the id, or the file */
    int64_t now;           /* seconds since 1970 */
    const char *command;
    struct cli_config loaded;
    const struct api_keys_settings *settings;
    struct postgres_place *place; /* of the store; NULL: it is a file */
    struct key_store *store;      /* NULL: the set is kept in files */
};

/* Prints "sallyport keys COMMAND: …" and gives 1. */
int keys_fail(const struct keys_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, about the store. */
int keys_fail_store(const struct keys_call *call, struct error error);

/* The commands. Each gives the exit status. */
int keys_create(struct keys_call *call);
int keys_list(struct keys_call *call);
int keys_show(struct keys_call *call);
int keys_rotate(struct keys_call *call);
int keys_revoke(struct keys_call *call);
int keys_expire(struct keys_call *call);
int keys_import(struct keys_call *call);

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
