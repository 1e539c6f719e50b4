/* What the configuration says about HTTP Basic (RFC 7617): who may log in, and as what. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_AUTH_BASIC_SETTINGS_H
#define SALLYPORT_AUTH_BASIC_SETTINGS_H

#include "auth/principal.h"
#include "base/conf_field.h"
#include "limit/limit.h"

#define BASIC_USERS_MAX     10000             /* of a set */
#define BASIC_USER_MAX      128               /* bytes of a user's name */
#define BASIC_FILE_MAX      (4 * 1024 * 1024) /* bytes of a file of hashes */
#define BASIC_IDENTITY_SIZE 16

/* One of `users`: what is said of somebody beside the hash. */
struct basic_user_settings {
    struct slice name;
    struct conf_strings scopes, roles, tags;
    struct conf_rate limit;
    struct slice expires; /* a date; empty: never */
    bool revoked;
};

/* A user, made ready: who has a line in the file. */
struct basic_user {
    struct slice name;
    struct slice hash;                           /* crypt(5); a secret */
    unsigned char identity[BASIC_IDENTITY_SIZE]; /* of name and hash: another password makes it another */
    const struct slice *scopes, *roles;          /* sorted by slice_compare, no duplicates */
    size_t scope_count, role_count;
    const struct json *claims;   /* sub, scope, roles, tags: what rules and headers may read */
    struct limit_settings limit; /* its own; limit.count 0: none */
    int64_t expires;             /* seconds since 1970; INT64_MAX: never */
    bool revoked;
    unsigned char caller_key[PRINCIPAL_KEY_SIZE];
};

/* One of the map `basic`. */
struct basic_settings {
    struct slice name;
    struct slice htpasswd;             /* CONF_FILE: lines of user:hash; watched */
    struct conf_strings scopes, roles; /* that every user has */
    struct conf_list users;            /* of struct basic_user_settings */
    int64_t cache; /* ns that a password that was right is not hashed again; 5 min. 0: never */
    const struct basic_user *known; /* filled in by config: sorted by name */
    size_t known_count;
};

extern const struct conf_object basic_object;

/* What the table cannot say of one of `users`. NULL where all is well; else a static text: what is wrong. */
const char *basic_user_check(const struct basic_user_settings *user);
/* Is it a name that a user may have (RFC 7617: no colon, no control characters; UTF-8), of BASIC_USER_MAX bytes at most? */
bool basic_user_name_valid(struct slice name);

struct arena;
/* Makes a user ready whose name and hash are set; `settings` may be NULL. False without memory. A limit that is none is left out: it has
 * been told, or will be. */
bool basic_user_prepare(const struct basic_settings *set, const struct basic_user_settings *settings,
                        struct basic_user *user, struct arena *arena);

/* NULL: there is none of this name. */
const struct basic_user *basic_find_user(const struct basic_settings *set, struct slice name);
/* Whose hash is computed for a name that nobody has, so that this takes as long as a wrong password of somebody: always the same
 * one's for a name. NULL where the set has no users. */
const struct basic_user *basic_find_decoy(const struct basic_settings *set, struct slice name);

/* Fills in the principal, which lives as long as the snapshot. */
void basic_principal(const struct basic_settings *set, const struct basic_user *user, struct principal *out);

#endif
