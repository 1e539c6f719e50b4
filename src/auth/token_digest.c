/* OpenSSL's plain functions, which it would rather see replaced by EVP: that allocates on each call and walks through a
 * provider, which is felt when it is all that a known token costs. They are the same code in the end. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "auth/token_digest.h"

#include <openssl/sha.h>

bool token_digest(struct slice token, unsigned char out[TOKEN_DIGEST_SIZE])
{
    SHA256_CTX context;
    return SHA256_Init(&context) == 1 && SHA256_Update(&context, token.ptr, token.len) == 1 &&
           SHA256_Final(out, &context) == 1;
}
