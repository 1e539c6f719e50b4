/* What the configuration says about a database of PostgreSQL. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_STORE_POSTGRES_SETTINGS_H
#define SALLYPORT_STORE_POSTGRES_SETTINGS_H

#include "base/conf_field.h"

struct arena;

/* How the server proves itself, by libpq's words. Those that only try ("prefer", "allow") are not offered. */
enum postgres_sslmode {
    POSTGRES_SSL_UNSAID, /* verify-full; on this machine, where no CA is named: disable */
    POSTGRES_SSL_VERIFY_FULL,
    POSTGRES_SSL_VERIFY_CA,
    POSTGRES_SSL_REQUIRE,
    POSTGRES_SSL_DISABLE,
};

struct postgres_settings {
    struct slice url;  /* instead of host, port, database: taken apart by postgres_check_settings */
    struct slice host; /* a name, an address, or the directory of a Unix socket, which begins with "/" */
    int64_t port;      /* 5432 */
    struct slice database;
    struct slice user;
    struct slice password; /* ptr NULL: none */
    struct slice schema;
    int sslmode;
    struct slice sslrootcert; /* CONF_FILE */
    struct slice root_pem;    /* its contents; filled in by config */
    int64_t connect_timeout;  /* ns */
    int64_t statement_timeout;
};

extern const struct conf_object postgres_object;

/* Completes what a URL says, and checks what the table cannot say. NULL where all is well; else a static text: what is wrong. */
const char *postgres_check_settings(struct postgres_settings *settings);
/* The same of root_pem, once it was read. */
const char *postgres_check_root(const struct postgres_settings *settings);

/* Does it not leave this machine: a Unix socket, or a loopback address? */
bool postgres_is_local(const struct postgres_settings *settings);
bool postgres_is_socket(const struct postgres_settings *settings);
/* What is meant where nothing is said. Never POSTGRES_SSL_UNSAID. */
enum postgres_sslmode postgres_sslmode_of(const struct postgres_settings *settings);

#endif
