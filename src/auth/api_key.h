/* API keys as text, and what is stored of them. Pure; any thread.
 *
 *   sallyport_Ru6inT9AQXT0OOxlgTu78n8K1fPkUO3vfeAl
 *   prefix    30 random characters          checksum
 *
 * The random characters are base62, drawn evenly: 178 bits. The checksum is the CRC-32 (ISO 3309) of all before it as six
 * characters of base62. So a scanner of secrets knows a key when it sees one, and what was mistyped, cut off or made up costs
 * no look-up. The checksum proves nothing: it is no secret how it is made.
 *
 * Stored is HMAC-SHA-256 of the whole text under a pepper that is not in the store: who has the store alone can neither use
 * nor check a key. A slow hash would gain nothing: nobody guesses 178 bits. */
#ifndef SALLYPORT_AUTH_API_KEY_H
#define SALLYPORT_AUTH_API_KEY_H

#include "base/error.h"
#include "base/slice.h"

#include <openssl/sha.h>

#define API_KEY_RANDOM      30 /* characters */
#define API_KEY_CHECKSUM    6  /* characters */
#define API_KEY_PREFIX_MAX  24 /* characters */
#define API_KEY_MAX         (API_KEY_PREFIX_MAX + 1 + API_KEY_RANDOM + API_KEY_CHECKSUM)
#define API_KEY_DIGEST_SIZE 32
#define API_PEPPER_MIN      32 /* bytes of a pepper's secret */

/* Two to API_KEY_PREFIX_MAX of a-z, 0-9 and "_", of which the first is a letter and the last no "_". */
bool api_key_prefix_valid(struct slice prefix);

/* Draws a key; returns its length. `prefix` is valid. The caller wipes `out`. */
size_t api_key_make(struct slice prefix, char out[API_KEY_MAX]);

/* Is it of this prefix and of the form, its checksum included? Takes the same time whatever the characters are. */
bool api_key_is_formed(struct slice text, struct slice prefix);

/* A pepper, made ready: a digest then allocates nothing. A secret like the pepper itself. */
struct api_pepper {
    SHA256_CTX inner, outer;
};

/* False: OpenSSL cannot. `secret` has API_PEPPER_MIN bytes at least. */
bool api_pepper_init(struct api_pepper *pepper, struct slice secret);
void api_pepper_done(struct api_pepper *pepper);

/* HMAC-SHA-256 (RFC 2104). False: it could not be computed; `out` is then undefined. */
bool api_key_digest(const struct api_pepper *pepper, struct slice key,
                    unsigned char out[API_KEY_DIGEST_SIZE]);

#endif
