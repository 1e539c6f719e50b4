/* Hashes of passwords, as crypt(5) writes them: bcrypt, yescrypt, scrypt, SHA-crypt. Verified and made by libxcrypt, the C
 * library's libcrypt on Debian.
 *
 * What is quick to guess whatever the password (MD5, SHA-1, DES) and what is no hash at all is refused, and so is what would
 * cost more memory or time than a request may. Pure but for password_make, which draws salt; any thread. */
#ifndef SALLYPORT_AUTH_PASSWORD_H
#define SALLYPORT_AUTH_PASSWORD_H

#include "base/error.h"
#include "base/slice.h"

#define PASSWORD_MAX        256                /* bytes of a password */
#define PASSWORD_HASH_MAX   256                /* bytes of a hash, as text */
#define PASSWORD_MEMORY_MAX (64 * 1024 * 1024) /* bytes that one verification may take */

/* What is known of a hash by its text. */
struct password_hash {
    size_t memory; /* bytes that a verification takes, about */
    bool weak;     /* cheap enough to be guessed fast: better made anew */
};

/* NULL where it can be verified; else a static text that follows the word "hash": what is wrong, and what to do. */
const char *password_hash_read(struct slice text, struct password_hash *ret_hash);

/* Takes tens of milliseconds and `memory`: never on a loop. A failure is want of memory, not a wrong password. bcrypt looks at
 * 72 bytes only, so a longer password never matches there. Takes the same time whether it matches or not. */
struct error password_verify(struct slice hash, struct slice password, bool *ret_matches) MUST_CHECK;

enum password_method {
    PASSWORD_YESCRYPT, /* 16 MiB */
    PASSWORD_BCRYPT,   /* cost 12: for files that others read too */
};

/* Ends with NUL. */
struct error password_make(struct slice password, enum password_method method,
                           char out[PASSWORD_HASH_MAX]) MUST_CHECK;

#endif
