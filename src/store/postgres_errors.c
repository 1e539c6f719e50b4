#include "store/postgres.h"

#include <ctype.h>

#define STATE_SIZE 5

/* SQLSTATE by its beginning: the longer ones first. Appendix A of PostgreSQL's manual. ERROR_VALUE is what was asked for in vain. */
static const struct problem {
    const char *state;
    enum error_kind kind;
    const char *what;
} problems[] = {
    { "23505", ERROR_VALUE, "a key of this id or digest is there already" },
    { "22021", ERROR_VALUE, "a text is no UTF-8" },
    { "22P05", ERROR_VALUE, "a text has characters that the encoding of the database does not have" },
    { "25006", ERROR_SYSTEM, "the key store cannot be written: the database is read-only, as a standby is" },
    { "28P01", ERROR_STATE, "the database refuses the password of this user" },
    { "28", ERROR_STATE,
      "the database refuses this user (pg_hba.conf at the server says who may come from where, and whether "
      "with TLS)" },
    { "3D000", ERROR_STATE, "there is no such database at this server" },
    { "3F000", ERROR_STATE, POSTGRES_NO_STORE },
    { "42P01", ERROR_STATE, POSTGRES_NO_STORE },
    { "42501", ERROR_STATE,
      "the user of the database has no right to that (docs/api-keys.md tells which rights are needed)" },
    { "42703", ERROR_STATE, "the tables in this schema are another program's, and no key store" },
    { "42P07", ERROR_STATE, "the tables in this schema are another program's, and no key store" },
    { "42883", ERROR_STATE, "the key store lacks a function: restore it from a backup" },
    { "53100", ERROR_SYSTEM, "there is no room for the key store at the server" },
    { "53300", ERROR_STATE, "the database takes no more connections" },
    { "55P03", ERROR_STATE, "the key store is locked by another process" },
    { "40", ERROR_STATE, "the key store was changed by another process at the same time" },
    { "57014", ERROR_STATE, "the key store's database takes too long" },
    { "57P", ERROR_PEER, "the database is starting or shutting down" },
    { "XX", ERROR_STATE, POSTGRES_DAMAGED },
    { "08", ERROR_PEER, "the connection to the key store's database was lost" },
    { "22P02", ERROR_STATE, POSTGRES_DAMAGED },
};

/* What libpq says itself, in the C locale; the first that is found. */
static const struct phrase {
    const char *text;
    enum error_kind kind;
    int number;
    const char *what;
} phrases[] = {
    { "certificate verify failed", ERROR_VALUE, 0,
      "the certificate of the database does not come from sslrootcert, or has expired" },
    { "does not match host name", ERROR_VALUE, 0, "the certificate of the database is another host's" },
    { "does not support SSL", ERROR_VALUE, 0, "the database has no TLS" },
    { "could not read root certificate", ERROR_VALUE, 0, "sslrootcert holds no CA" },
    { "SSL error", ERROR_PEER, 0, "TLS with the database failed" },
    { "could not translate host name", ERROR_PEER, 0, "the database's host has no address" },
    { "no password supplied", ERROR_VALUE, 0, "the database wants a password, and none is named" },
    { "Connection refused", ERROR_SYSTEM, ECONNREFUSED, "the database cannot be reached" },
    { "No such file or directory", ERROR_SYSTEM, ENOENT, "the database cannot be reached" },
    { "Permission denied", ERROR_SYSTEM, EACCES, "the database cannot be reached" },
    { "Operation not permitted", ERROR_SYSTEM, EPERM, "the database cannot be reached" },
    { "No route to host", ERROR_SYSTEM, EHOSTUNREACH, "the database cannot be reached" },
    { "Network is unreachable", ERROR_SYSTEM, ENETUNREACH, "the database cannot be reached" },
    { "Address family not supported", ERROR_SYSTEM, EAFNOSUPPORT, "the database cannot be reached" },
    { "timed out", ERROR_SYSTEM, ETIMEDOUT, "the database cannot be reached" },
    { "channel binding required", ERROR_VALUE, 0, "the database offers no channel binding" },
};

static struct error by_state(const char *state)
{
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        if (strncmp(state, problems[i].state, strlen(problems[i].state)) == 0) {
            return FAIL(problems[i].kind, problems[i].what);
        }
    }
    return FAIL(ERROR_STATE, "the key store's database failed");
}

struct error postgres_result_error(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state != NULL ? by_state(state) : FAIL(ERROR_PEER, "the key store's database was lost");
}

/* "…: FATAL:  28P01", at the end of a line. */
static bool find_state(const char *text, char out[STATE_SIZE + 1])
{
    struct slice rest = slice_from_string(text);
    struct slice line;
    bool found = false;
    while (slice_next(&rest, '\n', &line)) {
        struct slice end =
            line.len > STATE_SIZE + 3 ? slice_from(line, line.len - STATE_SIZE - 3) : SLICE("");
        bool good = slice_starts_with(end, SLICE(":  "));
        for (size_t i = 3; good && i < end.len; i++) {
            good = isupper((unsigned char)end.ptr[i]) || ascii_is_digit(end.ptr[i]);
        }
        if (good) {
            memcpy(out, end.ptr + 3, STATE_SIZE);
            out[STATE_SIZE] = '\0';
            found = true;
        }
    }
    return found;
}

struct error postgres_connection_error(const PGconn *connection)
{
    const char *text = PQerrorMessage(connection);
    char state[STATE_SIZE + 1];
    if (find_state(text, state)) {
        return by_state(state);
    }
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (strstr(text, phrases[i].text) != NULL) {
            return FAIL_NUMBER(phrases[i].kind, phrases[i].number, phrases[i].what);
        }
    }
    return FAIL(ERROR_PEER, "the connection to the key store's database was lost");
}
