/* What the configuration says about blocks. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_BLOCK_SETTINGS_H
#define SALLYPORT_BLOCK_SETTINGS_H

#include "base/conf_field.h"
#include "block/kind.h"

/* One of the map `blocks` of a file of blocks. */
struct block_entry_settings {
    struct slice name;
    int kind; /* enum block_kind */
    struct slice value, issuer;
    struct slice expires; /* a date, or "never" */
    struct slice reason, by;
    struct block_record record; /* filled in by config: the same, as a store gives it */
};

/* `blocks`. */
struct blocks_settings {
    struct slice store;         /* CONF_FILE: a file of SQLite */
    struct slice file;          /* CONF_FILE: YAML with a map `blocks`; watched */
    struct conf_strings exempt; /* addresses and prefixes */
    /* filled in by config */
    struct conf_list entries; /* of struct block_entry_settings: those of `file` */
    struct address_prefix *exempt_prefixes;
};

/* What a file of blocks holds. */
struct block_file_settings {
    struct conf_list blocks; /* of struct block_entry_settings */
};

extern const struct conf_object blocks_object;
extern const struct conf_object block_file_object;

#define BLOCK_EXEMPT_MAX 64

#endif
