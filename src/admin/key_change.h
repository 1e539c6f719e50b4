/* Making and changing API keys, for whoever asks: `sallyport keys` and the admin API. What may be asked for is decided here, so that
 * both say the same.
 *
 * Blocks where there is a store: never on a loop. Any thread. Times are seconds since 1970; 0: never. */
#ifndef SALLYPORT_ADMIN_KEY_CHANGE_H
#define SALLYPORT_ADMIN_KEY_CHANGE_H

#include "auth/api_key.h"
#include "auth/api_key_settings.h"
#include "base/error.h"

#define KEY_CHANGE_ID_MAX 64 /* characters of an id that the caller chooses */

/* What a new key, or a changed one, is to be. */
struct key_wish {
    struct slice id;       /* of the new one; empty: drawn. [0-9A-Za-z_-]{1,64} */
    struct slice consumer; /* ptr NULL: not given */
    struct slice description;
    const struct slice *scopes, *tags;
    size_t scope_count, tag_count;
    struct conf_rate limit; /* count 0: none of its own */
    bool has_expires;
    int64_t expires;
    int64_t overlap; /* ns that a rotated key goes on */
};

#define KEY_OVERLAP_STANDARD "24h"

/* A new key, and what is stored of it. A secret: key_made_wipe. Its record's slices point into it and into what was asked for, so it
 * is not copied. */
struct key_made {
    char id[KEY_ID_SIZE];
    char key[API_KEY_MAX];
    size_t key_len;
    char scopes[KEY_RECORD_TEXT + 1], tags[KEY_RECORD_TEXT + 1];
    /* of a successor: its predecessor's */
    char consumer[KEY_RECORD_TEXT], description[KEY_RECORD_TEXT];
    struct key_record record;
};

/* Why not. */
struct key_fault {
    enum {
        KEY_FAULT_NONE,
        KEY_FAULT_WISH,   /* `member` of what was asked for `what`; without a member `what` says all */
        KEY_FAULT_ABSENT, /* there is no such key, or it is revoked: `what` */
        KEY_FAULT_TAKEN,  /* one of this id or digest is there */
        KEY_FAULT_STORE,  /* `error` */
        KEY_FAULT_OURS,   /* `what`: no memory, no digest */
    } kind;
    const char *member, *what; /* static texts */
    struct error error;
};

/* A new key. `store` NULL: the set is kept in files, and it is only made. */
struct key_fault key_create(struct key_store *store, const struct api_keys_settings *set,
                            const struct key_wish *wish, int64_t now, struct key_made *made) MUST_CHECK;
/* A successor of the same rights, and an end for `id` after wish->overlap. It lives as long as the one before was made for, unless
 * the wish has an end. Of the wish count id, overlap and expires. */
struct key_fault key_rotate(struct key_store *store, const struct api_keys_settings *set, struct slice id,
                            const struct key_wish *wish, int64_t now, struct key_made *made) MUST_CHECK;
struct key_fault key_revoke(struct key_store *store, struct slice id, int64_t now) MUST_CHECK;
struct key_fault key_expire(struct key_store *store, struct slice id, int64_t when) MUST_CHECK;
/* Takes over keys by their digests, all or none. Their records are complete (api_key_entry_check). */
struct key_fault key_import(struct key_store *store, const struct conf_list *entries, int64_t now) MUST_CHECK;

void key_made_wipe(struct key_made *made);

#endif
