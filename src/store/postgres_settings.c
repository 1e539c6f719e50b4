#include "store/postgres_settings.h"

#include "base/clock.h"
#include "net/authority.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define OF(member)        .offset = offsetof(struct postgres_settings, member)
#define PORT_STANDARD     5432
#define DATABASE_NAME_MAX 63 /* bytes of a name in PostgreSQL */
#define SCHEMA_MAX        40 /* the channel of its notices has a longer name */

static const struct conf_choice sslmodes[] = {
    { "verify-full", POSTGRES_SSL_VERIFY_FULL,
      "TLS, a certificate of sslrootcert, and the host's name in it" },
    { "verify-ca", POSTGRES_SSL_VERIFY_CA, "TLS and a certificate of sslrootcert, whoever's it is" },
    { "require", POSTGRES_SSL_REQUIRE, "TLS with whoever answers" },
    { "disable", POSTGRES_SSL_DISABLE, "no TLS" },
    { 0 },
};

static const struct conf_field fields[] = {
    { "url", CONF_STRING, CONF_NON_EMPTY, OF(url),
      .help = "postgresql://user@host:5432/database; instead of host, port, database and user. No password "
              "and no parameters stand in it." },
    { "host", CONF_STRING, CONF_NON_EMPTY | CONF_NAMES, OF(host),
      .help = "A name or an address; or the directory of a Unix socket, as /run/postgresql." },
    { "port", CONF_INTEGER, OF(port), .minimum = 1, .maximum = 65535,
      .help = "Default: 5432. Of a Unix socket it is the end of its name." },
    { "database", CONF_STRING, CONF_NON_EMPTY, OF(database), .help = "Its name." },
    { "user", CONF_STRING, CONF_NON_EMPTY, OF(user),
      .help = "The role to log in as. Gateways need one that may read only." },
    { "password", CONF_SECRET, CONF_NON_EMPTY, OF(password), .help = "Of the role." },
    { "schema", CONF_STRING, CONF_NON_EMPTY, OF(schema), .standard = "sallyport",
      .help = "Where the tables stand; made by `sallyport keys create`. a-z, 0-9, _; up to 40." },
    { "sslmode", CONF_ENUM, OF(sslmode), .choices = sslmodes,
      .help = "How the server proves itself. Default: verify-full; `disable` for a Unix socket, and for a "
              "loopback address without sslrootcert." },
    { "sslrootcert", CONF_FILE, CONF_NON_EMPTY, OF(sslrootcert),
      .help = "PEM file of the CAs that the server's certificate may come from; the system's are in "
              "/etc/ssl/certs/ca-certificates.crt." },
    { "connect_timeout", CONF_DURATION, OF(connect_timeout), .standard = "5s", .minimum = 100 * NS_PER_MS,
      .maximum = 60 * NS_PER_S, .help = "How long a connection may take, log-in included." },
    { "statement_timeout", CONF_DURATION, OF(statement_timeout), .standard = "2s", .minimum = 100 * NS_PER_MS,
      .maximum = 60 * NS_PER_S,
      .help = "How long a gateway waits for an answer; then the store counts as unavailable." },
    { 0 },
};

const struct conf_object postgres_object = {
    .name = "PostgreSQL",
    .size = sizeof(struct postgres_settings),
    .fields = fields,
    .scalar = "url",
    .help = "A database of PostgreSQL, shared by any number of gateways.",
};

/* ---- a URL ---- */

/* "user@" and what comes before the path. */
static const char *take_authority(struct postgres_settings *settings, struct slice authority)
{
    ssize_t at = slice_find_last(authority, '@');
    if (at >= 0) {
        struct slice user = slice_part(authority, 0, (size_t)at);
        if (slice_find(user, ':') >= 0) {
            return "a password does not stand in a URL: name it by `password`";
        }
        if (!slice_is_empty(settings->user)) {
            return "the user is named twice, in url and by `user`";
        }
        settings->user = user;
        authority = slice_from(authority, (size_t)at + 1);
    }
    struct slice host;
    uint16_t port = 0;
    const char *problem = authority_split(authority, &host, &port);
    if (problem != NULL) {
        return problem;
    }
    bool bracketed = slice_starts_with(host, SLICE("["));
    settings->host = bracketed ? slice_part(host, 1, host.len - 2) : host;
    settings->port = port;
    return NULL;
}

static const char *take_url(struct postgres_settings *settings)
{
    struct slice rest = settings->url;
    if (!slice_is_empty(settings->host) || !slice_is_empty(settings->database) || settings->port != 0) {
        return "url stands instead of host, port and database";
    }
    if (slice_starts_with(rest, SLICE("postgresql://"))) {
        rest = slice_from(rest, strlen("postgresql://"));
    } else if (slice_starts_with(rest, SLICE("postgres://"))) {
        rest = slice_from(rest, strlen("postgres://"));
    } else {
        return "url is written postgresql://user@host:5432/database";
    }
    if (slice_find(rest, '?') >= 0 || slice_find(rest, '#') >= 0) {
        return "url has no parameters: sslmode and the others are settings of their own";
    }
    if (slice_find(rest, '%') >= 0) {
        return "url has no \"%\": write host, database and user by themselves";
    }
    ssize_t slash = slice_find_last(rest, '/');
    size_t end = slash >= 0 ? (size_t)slash : rest.len;
    settings->database = slice_from(rest, end + 1);
    return take_authority(settings, slice_part(rest, 0, end));
}

/* ---- checks ---- */

static bool is_name(struct slice text)
{
    bool good = text.len > 0 && text.len <= DATABASE_NAME_MAX;
    for (size_t i = 0; good && i < text.len; i++) {
        good = (unsigned char)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f;
    }
    return good;
}

/* One host: libpq would take a list. */
static bool is_host(struct slice host)
{
    bool good = host.len > 0 && host.len < 256;
    bool path = slice_starts_with(host, SLICE("/"));
    for (size_t i = 0; good && i < host.len; i++) {
        char c = host.ptr[i];
        good =
            path ? c >= ' ' && c != ',' : ascii_is_alpha(c) || ascii_is_digit(c) || strchr("-._:", c) != NULL;
    }
    return good;
}

static bool is_schema(struct slice schema)
{
    bool good = schema.len > 0 && schema.len <= SCHEMA_MAX && !ascii_is_digit(schema.ptr[0]) &&
                !slice_starts_with(schema, SLICE("pg_"));
    for (size_t i = 0; good && i < schema.len; i++) {
        char c = schema.ptr[i];
        good = (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '_';
    }
    return good;
}

bool postgres_is_socket(const struct postgres_settings *settings)
{
    return slice_starts_with(settings->host, SLICE("/"));
}

bool postgres_is_local(const struct postgres_settings *settings)
{
    char text[64];
    struct in_addr v4;
    struct in6_addr v6;
    if (postgres_is_socket(settings) || slice_equal_nocase(settings->host, SLICE("localhost"))) {
        return true;
    }
    if (settings->host.len >= sizeof text) {
        return false;
    }
    memcpy(text, settings->host.ptr, settings->host.len);
    text[settings->host.len] = '\0';
    return (inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127) ||
           (inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

enum postgres_sslmode postgres_sslmode_of(const struct postgres_settings *settings)
{
    if (settings->sslmode != POSTGRES_SSL_UNSAID) {
        return (enum postgres_sslmode)settings->sslmode;
    }
    bool free = postgres_is_socket(settings) ||
                (postgres_is_local(settings) && slice_is_empty(settings->sslrootcert));
    return free ? POSTGRES_SSL_DISABLE : POSTGRES_SSL_VERIFY_FULL;
}

static const char *check_tls(const struct postgres_settings *settings)
{
    enum postgres_sslmode mode = postgres_sslmode_of(settings);
    bool verifies = mode == POSTGRES_SSL_VERIFY_FULL || mode == POSTGRES_SSL_VERIFY_CA;
    bool has_root = !slice_is_empty(settings->sslrootcert);
    if (postgres_is_socket(settings) && (mode != POSTGRES_SSL_DISABLE || has_root)) {
        return "there is no TLS on a Unix socket: leave sslmode and sslrootcert out";
    }
    if (verifies && !has_root) {
        return "sslrootcert is missing: without it nobody knows whose certificates are good (the system's "
               "CAs are in /etc/ssl/certs/ca-certificates.crt)";
    }
    return !verifies && has_root ? "sslrootcert is not looked at with this sslmode" : NULL;
}

const char *postgres_check_settings(struct postgres_settings *settings)
{
    const char *problem = slice_is_empty(settings->url) ? NULL : take_url(settings);
    if (problem != NULL) {
        return problem;
    }
    settings->port = settings->port == 0 ? PORT_STANDARD : settings->port;
    if (slice_is_empty(settings->host) || slice_is_empty(settings->database) ||
        slice_is_empty(settings->user)) {
        return "a database is named by host, database and user, or by url and all of them in it";
    }
    if (!is_host(settings->host)) {
        return "host is one name, one address, or the directory of a Unix socket";
    }
    if (!is_name(settings->database) || !is_name(settings->user)) {
        return "database and user are names of up to 63 bytes";
    }
    if (!is_schema(settings->schema)) {
        return "schema is 1 to 40 of a-z, 0-9 and _, and begins with a letter other than \"pg_\" does";
    }
    if (settings->password.len > 0 && memchr(settings->password.ptr, '\0', settings->password.len) != NULL) {
        return "the password has a zero byte in it";
    }
    return check_tls(settings);
}

const char *postgres_check_root(const struct postgres_settings *settings)
{
    BIO *bio = BIO_new_mem_buf(settings->root_pem.ptr, (int)settings->root_pem.len);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool good = certificate != NULL;
    X509_free(certificate);
    BIO_free(bio);
    ERR_clear_error();
    return good ? NULL : "sslrootcert holds no certificate in PEM";
}
