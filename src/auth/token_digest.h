/* What a verified token is kept under: the SHA-256 of its whole text. Pure; any thread. */
#ifndef SALLYPORT_AUTH_TOKEN_DIGEST_H
#define SALLYPORT_AUTH_TOKEN_DIGEST_H

#include "base/slice.h"

#define TOKEN_DIGEST_SIZE 32

/* False: the digest could not be computed; `out` is then undefined. */
bool token_digest(struct slice token, unsigned char out[TOKEN_DIGEST_SIZE]);

#endif
