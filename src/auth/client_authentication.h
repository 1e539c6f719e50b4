/* How the gateway proves to an authorization server that it is a client of it (RFC 6749 section 2.3, RFC 7523, RFC 8705). One
 * thread per client. */
#ifndef SALLYPORT_AUTH_CLIENT_AUTHENTICATION_H
#define SALLYPORT_AUTH_CLIENT_AUTHENTICATION_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

/* By the names of the registry of RFC 7591. */
enum client_authentication {
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_POST,
    CLIENT_PRIVATE_KEY_JWT,
    CLIENT_TLS, /* the connection proves it; the form names the client */
};

struct oauth_identity {
    int authentication; /* enum client_authentication */
    struct slice id;
    struct slice secret;          /* of CLIENT_SECRET_… */
    struct slice key_pem, key_id; /* of CLIENT_PRIVATE_KEY_JWT; key_id empty: no kid */
    struct slice audience;        /* of its assertions */
};

#define CLIENT_ASSERTION_LIFE 60 /* seconds from iat to exp */

struct oauth_client;

/* Refers to the identity's slices, all but key_pem, until oauth_client_free. ERROR_VALUE: the key is none, encrypted, too weak, or of a
 * kind that no algorithm of ours signs with. */
struct error oauth_client_new(const struct oauth_identity *identity,
                              struct oauth_client **ret_client) MUST_CHECK;
void oauth_client_free(struct oauth_client *client);

/* Adds to a form what proves the client, and makes the value of Authorization (nothing, where the form says it all). `now`:
 * seconds since 1970. Each assertion has a jti of its own. False: no room, or OpenSSL cannot. */
bool oauth_client_prove(struct oauth_client *client, int64_t now, struct buffer *form,
                        struct buffer *authorization);

/* Adds a parameter to application/x-www-form-urlencoded text (RFC 6749 appendix B). */
bool oauth_add_parameter(struct buffer *form, struct slice name, struct slice value);

#endif
