/* What can be blocked, and how it is named. One list: commands, files, log lines, metrics and documentation come from it.
 *
 * X(ID, "name", has_issuer, DENY reason, "help") */
#ifndef SALLYPORT_BLOCK_KIND_H
#define SALLYPORT_BLOCK_KIND_H

#include "base/slice.h"
#include "net/address.h"
#include "pipeline/deny_reasons.h"
#include "store/block_store.h"

#define BLOCK_KINDS(X)                                                                                     \
    X(ADDRESS, "address", false, ADDRESS_BLOCKED,                                                          \
      "a client's address or network: 203.0.113.7, 2001:db8::/48")                                         \
    X(API_KEY, "api_key", false, API_KEY_BLOCKED, "an API key, by its id")                                 \
    X(CERTIFICATE, "certificate", false, CERTIFICATE_BLOCKED,                                              \
      "a client certificate, by the SHA-256 of its DER form, 64 hexadecimal characters")                   \
    X(CONSUMER, "consumer", false, CONSUMER_BLOCKED, "a consumer, with all of its API keys")               \
    X(JTI, "jti", true, TOKEN_BLOCKED, "a token, by its jti and its issuer")                               \
    X(ROUTE, "route", false, ROUTE_BLOCKED, "a route, by its name, as in orders.read")                     \
    X(SERIAL, "serial", true, CERTIFICATE_BLOCKED,                                                         \
      "a client certificate, by its serial number (hexadecimal) and its issuer's name as RFC 4514 writes " \
      "it")                                                                                                \
    X(SID, "sid", true, SESSION_BLOCKED, "a session at an issuer: all tokens with this sid")               \
    X(SUB, "sub", true, SUBJECT_BLOCKED, "a subject of an issuer: all tokens with this sub")               \
    X(TOKEN, "token", false, TOKEN_BLOCKED, "a token, by the SHA-256 of its text, 64 hexadecimal characters")

enum block_kind {
#define BLOCK_KIND_ENUM(id, name, has_issuer, reason, help) BLOCK_##id,
    BLOCK_KINDS(BLOCK_KIND_ENUM)
#undef BLOCK_KIND_ENUM
    BLOCK_KIND_COUNT,
};

struct block_kind_info {
    struct slice name;
    bool has_issuer; /* its values are an issuer's: of tokens its iss, of certificates its name */
    enum deny_reason reason;
    const char *help;
};

/* Indexed by enum block_kind. */
extern const struct block_kind_info block_kind_infos[BLOCK_KIND_COUNT];

/* False: there is none of this name. */
bool block_kind_find(struct slice name, enum block_kind *ret_kind);

/* What is blocked, in the one form that is stored and compared. */
struct block_target {
    enum block_kind kind;
    struct slice issuer; /* empty: of a kind without one */
    struct slice value;
    struct address_prefix prefix; /* of an address */
    unsigned char digest[32];     /* of a token or certificate */
    char text[BLOCK_STORE_TEXT];  /* where `value` may lie */
};

/* Makes a target of what people write: digests with or without "sha256:" and colons, serial numbers with or without "0x", colons
 * and leading zeros. NULL, or a static text that says what is wrong. `issuer` is borrowed, and `value` may be. Pure. */
const char *block_target_read(enum block_kind kind, struct slice issuer, struct slice value,
                              struct block_target *out);

/* One line of text that a log may show: no control characters, not empty, of BLOCK_STORE_TEXT bytes at most. */
bool block_text_valid(struct slice text);

#endif
