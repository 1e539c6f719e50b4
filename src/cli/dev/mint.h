/* The development issuer's key: mints access tokens and publishes itself as a JWKS. */
#ifndef SALLYPORT_CLI_DEV_MINT_H
#define SALLYPORT_CLI_DEV_MINT_H

#include "base/buffer.h"
#include "base/error.h"

#include <openssl/evp.h>

#define DEV_ISSUER   "https://issuer.dev.invalid"
#define DEV_AUDIENCE "orders"

/* RSA, 2048 bits; freed with EVP_PKEY_free. */
struct error dev_mint_new_key(EVP_PKEY **ret_key) MUST_CHECK;

/* {"keys":[…]} with the public key. False: no room. */
bool dev_mint_jwks(EVP_PKEY *key, struct buffer *out);

struct dev_claims {
    struct slice subject, scope;
    int64_t lifetime;   /* seconds from now; negative: expired already */
    bool unsigned_none; /* alg none and an empty signature */
};

/* A compact RS256 token (RFC 7515). False: no room, or OpenSSL failed. */
bool dev_mint_token(EVP_PKEY *key, const struct dev_claims *claims, struct buffer *out);

#endif
