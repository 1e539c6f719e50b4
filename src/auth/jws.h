/* Compact JWS (RFC 7515), JSON Web Keys (RFC 7517) and signatures: private to src/auth, its tests and fuzz targets.
 *
 * Nothing here knows claims. One thread per jws_crypto and the keys made with it, but for jws_detached. */
#ifndef SALLYPORT_AUTH_JWS_H
#define SALLYPORT_AUTH_JWS_H

#include <openssl/evp.h>

#include "auth/settings.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "pipeline/deny_reasons.h"
#include "json/json.h"

/* Algorithms */

enum jws_family {
    JWS_RSA_PKCS1,
    JWS_RSA_PSS,
    JWS_ECDSA,
    JWS_EDDSA,
    JWS_HMAC,
};

enum jws_hash {
    JWS_SHA256,
    JWS_SHA384,
    JWS_SHA512,
    JWS_HASH_COUNT,
};

struct jws_algorithm {
    enum jws_family family;
    enum jws_hash hash;    /* not of JWS_EDDSA */
    size_t signature_size; /* bytes; 0: that of the key's modulus */
    bool is_slow;          /* above about 200 us: not on a worker's loop */
};

/* Indexed by enum jwt_algorithm. */
extern const struct jws_algorithm jws_algorithms[JWT_ALGORITHM_COUNT];

/* By its exact name; JWT_ALGORITHM_COUNT for "none" and all that is not in the list. */
enum jwt_algorithm jws_algorithm_of(struct slice name);

/* What a verifier fetches once: looking an algorithm up by name costs as much as using it. */
struct jws_crypto {
    EVP_MD *md[JWS_HASH_COUNT];
    EVP_MD_CTX *digest[JWS_HASH_COUNT];
    EVP_MD_CTX *one_shot; /* for Ed25519 */
    EVP_MAC *hmac;
};

struct error jws_crypto_init(struct jws_crypto *crypto) MUST_CHECK;
void jws_crypto_done(struct jws_crypto *crypto);

#define JWS_DIGEST_MAX 64

/* `out` has room for JWS_DIGEST_MAX bytes. Returns their number; 0 on failure. */
size_t jws_digest(struct jws_crypto *crypto, enum jws_hash hash, struct slice data, unsigned char *out);

/* Messages */

struct jws {
    enum jwt_algorithm algorithm;
    bool has_kid, has_typ;
    struct slice kid, typ;
    struct slice signing_input; /* of the text */
    struct slice payload;       /* decoded */
    struct slice signature;     /* decoded; may be empty, and is then no signature */
    const struct json *header;  /* whole: for proofs, which bring their key along (dpop.h) */
};

/* Takes a compact JWS apart; decoded parts live in `arena`. DENY_NONE, TOKEN_MALFORMED, TOKEN_ALGORITHM (none, unknown),
 * TOKEN_CRITICAL (any crit, b64 other than true) or INTERNAL (memory). Key sources in the header (jku, jwk, x5u, x5c) are not
 * even looked at: keys come from the configuration, but for those of proofs. */
enum deny_reason jws_parse(struct slice text, struct arena *arena, struct jws *out);

/* Keys */

#define JWS_THUMBPRINT_SIZE 32

struct jws_key {
    bool has_kid;
    struct slice kid;
    uint64_t algorithms;                           /* 1 << enum jwt_algorithm: what it may verify */
    unsigned char thumbprint[JWS_THUMBPRINT_SIZE]; /* RFC 7638, SHA-256; of a secret: a digest of it */
    EVP_PKEY *pkey;                                /* NULL: a secret */
    size_t modulus_size;                           /* of RSA, bytes */
    /* Prepared once per algorithm, used again and again. */
    EVP_PKEY_CTX *verify[JWT_ALGORITHM_COUNT];
    EVP_MD_CTX *one_shot;
    EVP_MAC_CTX *mac[JWS_HASH_COUNT];
};

/* A public key of a JWK. ERROR_VALUE where we cannot use it or must not: a private or symmetric key, another kty, crv, use
 * or key_ops, an alg that does not fit, RSA under 2048 bits or with a bad exponent, a point off its curve. */
struct error jws_key_parse(struct jws_crypto *crypto, const struct json *jwk,
                           struct jws_key **ret_key) MUST_CHECK;

/* A shared secret: fits the HS algorithms whose hash is no longer than it (RFC 7518 section 3.2). */
struct error jws_key_from_secret(struct jws_crypto *crypto, struct slice secret,
                                 struct jws_key **ret_key) MUST_CHECK;
void jws_key_free(struct jws_key *key);

static inline bool jws_key_fits(const struct jws_key *key, enum jwt_algorithm algorithm)
{
    return algorithm < JWT_ALGORITHM_COUNT && ((key->algorithms >> algorithm) & 1) != 0;
}

struct jws_key_set {
    size_t count;
    struct jws_key *keys[JWKS_KEYS_MAX];
};

/* The usable keys of a JWKS document; the others are left out. Fails only where the document itself is broken. */
struct error jws_key_set_parse(struct jws_crypto *crypto, struct slice text,
                               struct jws_key_set **ret_set) MUST_CHECK;
void jws_key_set_free(struct jws_key_set *set);

/* Signatures */

/* True only for a signature by this key with this algorithm, which must fit it. */
bool jws_verify(struct jws_crypto *crypto, const struct jws_key *key, enum jwt_algorithm algorithm,
                struct slice signing_input, struct slice signature);

#define JWS_ECDSA_DER_MAX 141 /* bytes of a signature on P-521 */

/* An ECDSA verification that can be carried to another thread: it shares nothing but a counted EVP_PKEY. */
struct jws_detached {
    enum jwt_algorithm algorithm;
    EVP_PKEY *pkey; /* held */
    unsigned char digest[JWS_DIGEST_MAX];
    size_t digest_size;
    unsigned char der[JWS_ECDSA_DER_MAX];
    size_t der_size;
};

/* False, with nothing held: the algorithm is no ECDSA, does not fit the key, or the signature has the wrong size. */
bool jws_detach(struct jws_crypto *crypto, const struct jws_key *key, enum jwt_algorithm algorithm,
                struct slice signing_input, struct slice signature, struct jws_detached *out);
/* Any thread. */
bool jws_detached_verify(const struct jws_detached *detached);
void jws_detached_done(struct jws_detached *detached);

/* A verification context of an RSA or EC key, good for any number of signatures; NULL on failure. */
EVP_PKEY_CTX *jws_prepare(EVP_PKEY *pkey, enum jwt_algorithm algorithm, const EVP_MD *md);

#endif
