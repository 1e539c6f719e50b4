/* The chain of audit lines: each carries instance, boot, sequence and the SHA-256 of the audit line before it in the same
 * file, as written, without its newline. Lines of other logs (objects of JSON too) may stand between them.
 *
 * A file's first line names a line that the file may no longer hold (rotation); where nothing came before, prev is 64
 * zeros. The chain has no key: it shows what was lost or edited in passing, and against a writer who recomputes it all it
 * needs a copy elsewhere (ship the log). One thread. */
#ifndef SALLYPORT_OBSERVE_AUDIT_CHAIN_H
#define SALLYPORT_OBSERVE_AUDIT_CHAIN_H

#include "base/error.h"
#include "base/slice.h"

#include <openssl/evp.h>

#define AUDIT_BOOT_SIZE   32 /* hexadecimal digits */
#define AUDIT_LINE_START  "{\"log\":\"audit\","
#define AUDIT_HASH_SIZE   64  /* hexadecimal digits */
#define AUDIT_PREFIX_SIZE 416 /* bytes that audit_chain_line puts before the body, at the most */

struct audit_chain {
    EVP_MD *sha256;
    EVP_MD_CTX *context;
    char head[256]; /* {"log":"audit","instance":…,"boot":…,"seq": */
    size_t head_size;
    char boot[AUDIT_BOOT_SIZE + 1];
    uint64_t sequence; /* of the last line */
    char previous[AUDIT_HASH_SIZE];
};

struct error audit_chain_init(struct audit_chain *chain, struct slice instance) MUST_CHECK;
void audit_chain_done(struct audit_chain *chain);

/* Makes a line of `body` (members, closing brace and newline) at `out`, with room for AUDIT_PREFIX_SIZE more than the
 * body. Returns its size; 0 where OpenSSL failed: then nothing has changed. */
size_t audit_chain_line(struct audit_chain *chain, struct slice body, char *out);

/* "BOOT:SEQUENCE:HASH" of the last line, in at most 128 bytes; its size. */
size_t audit_chain_place(const struct audit_chain *chain, char *out);

/* Goes on behind the last audit line of an existing file. Where the descriptor is no regular file, or cannot be read, or
 * holds no audit line, the chain goes on as it is. *ret_fragment: the file does not end with a newline, so one is due. */
void audit_chain_follow(struct audit_chain *chain, int fd, bool *ret_fragment);

#endif
