/* What the configuration says about API keys. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_AUTH_API_KEY_SETTINGS_H
#define SALLYPORT_AUTH_API_KEY_SETTINGS_H

#include "base/conf_field.h"
#include "store/key_store.h"
#include "store/postgres_settings.h"

#define API_PEPPERS_MAX  4      /* of a set; each costs a wrong key one look-up more */
#define API_KEY_FILE_MAX 100000 /* keys in a file */

/* One of `peppers`. */
struct api_pepper_settings {
    struct slice name; /* its id: stands beside each digest that was made with it */
    struct slice secret;
};

/* One of `keys`, in the configuration or in a file of its own. */
struct api_key_entry_settings {
    struct slice name;   /* its id */
    struct slice digest; /* 64 hexadecimal characters */
    struct slice pepper;
    struct slice consumer;
    struct slice description;
    struct conf_strings scopes, tags;
    struct conf_rate limit;
    struct slice created, expires; /* dates */
    bool revoked;
    struct key_record record; /* filled in by config: the same, as a store gives it */
};

/* One of the map `api_keys`: keys that are made, kept and checked alike. */
struct api_keys_settings {
    struct slice name;
    struct slice store;                 /* CONF_FILE: a file of SQLite */
    struct postgres_settings *postgres; /* NULL: not kept in a database */
    struct slice file;                  /* CONF_FILE: YAML with a map `keys`; watched */
    struct conf_list keys;    /* of struct api_key_entry_settings; those of `file` too, filled in by config */
    struct conf_list peppers; /* of struct api_pepper_settings */
    struct slice pepper;      /* the id of the one for new keys; empty: the only one */
    struct slice prefix;
    struct slice header;
    int64_t stale;       /* ns that keys stay good while the store cannot be asked; 1 h */
    int64_t warn_before; /* ns before its end that the use of a key is reported; 14 d */
};

/* What a file of keys holds. */
struct api_key_file_settings {
    struct conf_list keys; /* of struct api_key_entry_settings */
};

extern const struct conf_object api_keys_object;
extern const struct conf_object api_key_file_object;

/* What the table cannot say. NULL where all is well; else a static text: what is wrong. */
const char *api_keys_check_settings(const struct api_keys_settings *settings);

struct arena;
/* Fills in entry->record, whose slices live in the entry or in the arena. NULL where all is well; else a static text. */
const char *api_key_entry_check(const struct api_keys_settings *settings,
                                struct api_key_entry_settings *entry, struct arena *arena);

/* A store of either kind: its keys are changed while gateways run. */
static inline bool api_keys_have_store(const struct api_keys_settings *settings)
{
    return settings->store.len > 0 || settings->postgres != NULL;
}

/* The pepper for new keys; NULL where none is named. */
const struct api_pepper_settings *api_keys_pepper(const struct api_keys_settings *settings);
const struct api_pepper_settings *api_keys_find_pepper(const struct api_keys_settings *settings,
                                                       struct slice id);

/* A name that scopes, tags, consumers and ids of peppers may have: visible ASCII without '"', "\\" and ",", at most KEY_RECORD_TEXT
 * bytes. */
bool api_key_name_valid(struct slice name);

#endif
