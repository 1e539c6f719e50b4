/* What `basic` may hold. */
#include "auth/basic_settings.h"

#include "base/clock.h"

#define SET(member)      .offset = offsetof(struct basic_settings, member)
#define USER(member)     .offset = offsetof(struct basic_user_settings, member)
#define HOURS_MAX(hours) (INT64_C(hours) * 3600 * NS_PER_S)

static const struct conf_field user_fields[] = {
    { "scopes", CONF_STRINGS, USER(scopes), .help = "What it may do, beside the scopes of all." },
    { "roles", CONF_STRINGS, USER(roles), .help = "Its roles, beside those of all." },
    { "tags", CONF_STRINGS, USER(tags), .help = "What it is; read as claims.tags." },
    { "limit", CONF_RATE, USER(limit), .minimum = 1, .maximum = INT64_C(1000000000),
      .help = "Requests that it may make in a window, over all routes." },
    { "expires", CONF_STRING, CONF_NON_EMPTY, USER(expires),
      .help = "From when on it is not let in, as in 2027-01-31 or 2027-01-31T12:00:00Z; default: never." },
    { "revoked", CONF_BOOL, USER(revoked), .standard = "false", .help = "It is not let in." },
    { 0 },
};

static const struct conf_object user_object = {
    .name = "user",
    .size = sizeof(struct basic_user_settings),
    .fields = user_fields,
    .help = "What is said of a user beside its password.",
};

static const struct conf_field basic_fields[] = {
    { "htpasswd", CONF_FILE, CONF_REQUIRED | CONF_NON_EMPTY, SET(htpasswd),
      .help = "A file with lines of USER:HASH, read again when it changes. Hashes are yescrypt, bcrypt, "
              "scrypt or "
              "SHA-crypt, as `sallyport basic hash` and `htpasswd -B` make them." },
    { "scopes", CONF_STRINGS, CONF_SUBSET, SET(scopes), .help = "What all of its users may do." },
    { "roles", CONF_STRINGS, CONF_SUBSET, SET(roles), .help = "Roles that all of its users have." },
    { "users", CONF_MAP, SET(users), .object = &user_object,
      .help = "What single users have beside that, by their names in the file." },
    { "cache", CONF_DURATION, SET(cache), .standard = "5m", .minimum = 0, .maximum = HOURS_MAX(24),
      .help = "How long a password that was right is not hashed again; 0s: each request pays for it." },
    { 0 },
};

const struct conf_object basic_object = {
    .name = "Basic users",
    .size = sizeof(struct basic_settings),
    .fields = basic_fields,
    .help = "A set of users who log in with a name and a password (RFC 7617).",
};

/* ---- checks ---- */

bool basic_user_name_valid(struct slice name)
{
    bool good = name.len > 0 && name.len <= BASIC_USER_MAX && slice_find(name, ':') < 0;
    for (size_t i = 0; good && i < name.len; i++) {
        good = (unsigned char)name.ptr[i] >= ' ' && name.ptr[i] != 0x7f;
    }
    return good;
}

/* As scopes of other methods are: they stand in lists with spaces. */
static bool are_names(const struct conf_strings *names)
{
    for (size_t i = 0; i < names->count; i++) {
        struct slice name = names->items[i];
        bool good = name.len > 0;
        for (size_t k = 0; good && k < name.len; k++) {
            good = name.ptr[k] > ' ' && name.ptr[k] <= '~' && name.ptr[k] != '"' && name.ptr[k] != '\\' &&
                   name.ptr[k] != ',';
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

const char *basic_user_check(const struct basic_user_settings *user)
{
    int64_t expires = 0;
    if (!are_names(&user->scopes) || !are_names(&user->roles) || !are_names(&user->tags)) {
        return "scopes, roles and tags are names of printable ASCII without spaces, quotes and commas";
    }
    if (!slice_is_empty(user->expires) && !clock_parse_date(user->expires, &expires)) {
        return "a date is written 2027-01-31 or 2027-01-31T12:00:00Z";
    }
    return NULL;
}
