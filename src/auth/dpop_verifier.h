/* The verifier of a worker's proofs: private to src/auth. One thread. */
#ifndef SALLYPORT_AUTH_DPOP_VERIFIER_H
#define SALLYPORT_AUTH_DPOP_VERIFIER_H

#include "auth/dpop.h"
#include "auth/dpop_keys.h"
#include "auth/dpop_nonce.h"

#define DPOP_PROOF_MAX 8192        /* bytes of a proof */
#define DPOP_JTI_MAX   1024        /* bytes of a jti */
#define DPOP_TREE_MAX  (64 * 1024) /* bytes that a proof may take while it is looked at */
/* RSA keys that clients think up: a large one costs too much to verify with. */
#define DPOP_MODULUS_MAX  512 /* bytes: 4096 bits */
#define DPOP_EXPONENT_MAX 6   /* characters: 32 bits */

struct dpop_verifier {
    struct jws_crypto crypto;
    struct dpop_keys keys;
    struct dpop_nonce_clock nonces;
    struct arena scratch; /* of the proof under the knife */
};

/* The key in the header of a proof that was read: made anew, the caller's. NULL, with a reason, where it is none to verify with. */
struct jws_key *dpop_read_key(struct dpop_verifier *verifier, const struct jws *jws,
                              const unsigned char thumbprint[JWK_THUMBPRINT_SIZE],
                              enum deny_reason *ret_reason);

#endif
