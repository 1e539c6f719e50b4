/* A key set that was fetched, as it is kept on a disk, so that a gateway which starts while it cannot be fetched has one: the text
 * of a record, and back. A JSON Web Key Set (RFC 7517) with members of our own: whose keys they are, where they were fetched
 * from, and when, by two clocks.
 *
 * Of each key stand there only the members that verify a signature: nothing private or symmetric, whatever was published.
 * Any thread; nothing here touches a file. */
#ifndef SALLYPORT_AUTH_JWKS_RECORD_H
#define SALLYPORT_AUTH_JWKS_RECORD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/limits.h"

#define JWKS_RECORD_MAX  JWKS_TEXT_MAX /* bytes of a record */
#define JWKS_BOOT_SIZE   36            /* characters of what Linux calls a boot by */
#define JWKS_RECORD_TREE (16 * 1024 * 1024)

/* Now, in whole seconds. A wall clock can be set back; the time since the boot cannot, and says nothing after another one. */
struct jwks_clocks {
    int64_t real;              /* since 1970 */
    int64_t since_boot;        /* asleep or not */
    char boot[JWKS_BOOT_SIZE]; /* which one; all zero where it is not told */
};
void jwks_clocks_read(struct jwks_clocks *out);

struct jwks_record {
    struct slice issuer;        /* the exact iss */
    struct slice source;        /* as of struct key_document */
    struct jwks_clocks fetched; /* when */
    struct slice text; /* a key set: the one that was fetched, or the record itself, which is one too */
};

/* ERROR_LIMIT: it is longer than JWKS_RECORD_MAX. ERROR_VALUE: the text is no key set, or holds no key that is good to keep. */
struct error jwks_record_write(const struct jwks_record *record, struct buffer *out) MUST_CHECK;
/* Slices of `out` point into the text and the arena. Failed: it is none. Whether its keys are good, the verifier finds out. */
struct error jwks_record_read(struct slice text, struct arena *arena, struct jwks_record *out) MUST_CHECK;

/* Seconds since it was fetched, by the clock that says more: one that was set back makes no record younger. -1: by one of them it has
 * not been fetched yet. */
int64_t jwks_record_age(const struct jwks_record *record, const struct jwks_clocks *now);

#endif
