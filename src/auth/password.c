#include "auth/password.h"

#include "base/secret.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#define BCRYPT_PASSWORD_MAX 72
#define BCRYPT_COST_MAX     14      /* a second or more */
#define SHA_ROUNDS_MAX      2000000 /* the same */
#define BCRYPT_COST_GOOD    10
#define SHA_ROUNDS_GOOD     100000
#define SHA_ROUNDS_STANDARD 5000
#define MEMORY_GOOD         (4 * 1024 * 1024)

/* ---- what a hash says of itself ---- */

/* The digits of crypt(5), lowest first. */
static int digit_of(char c)
{
    static const struct slice digits =
        SLICE_INIT("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    const char *at = memchr(digits.ptr, c, digits.len);
    return at != NULL ? (int)(at - digits.ptr) : -1;
}

static bool is_all_digits(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (digit_of(text.ptr[i]) < 0) {
            return false;
        }
    }
    return true;
}

/* The end of a hash: "SALT$DIGEST", where the digest is of that many characters. */
static bool is_salt_and_digest(struct slice text, size_t digest)
{
    ssize_t dollar = slice_find(text, '$');
    return dollar >= 0 && is_all_digits(slice_part(text, 0, (size_t)dollar)) &&
           is_all_digits(slice_from(text, (size_t)dollar + 1)) && text.len - (size_t)dollar - 1 == digest;
}

#define CUT_OFF       "is cut off, or was mistyped"
#define TOO_EXPENSIVE "takes more than 64 MiB to verify: make one anew with `sallyport basic hash`"

/* $2y$COST$ and 53 characters. */
static const char *read_bcrypt(struct slice rest, struct password_hash *out)
{
    uint64_t cost = 0;
    if (rest.len != 56 || rest.ptr[2] != '$' || !slice_to_u64(slice_part(rest, 0, 2), &cost) || cost < 4 ||
        !is_all_digits(slice_from(rest, 3))) {
        return CUT_OFF;
    }
    *out = (struct password_hash){ .memory = 8192, .weak = cost < BCRYPT_COST_GOOD };
    return cost > BCRYPT_COST_MAX
               ? "is bcrypt of a cost above 14, which takes seconds to verify: make one anew with "
                 "`sallyport basic hash`"
               : NULL;
}

/* 128 bytes by r by N. */
static const char *take_memory(unsigned int log2_n, uint64_t r, struct password_hash *out)
{
    if (log2_n > 30 || r == 0 || r > 1024 || ((UINT64_C(128) * r) << log2_n) > PASSWORD_MEMORY_MAX) {
        return TOO_EXPENSIVE;
    }
    size_t memory = (size_t)(UINT64_C(128) * r) << log2_n;
    *out = (struct password_hash){ .memory = memory, .weak = memory < MEMORY_GOOD };
    return NULL;
}

/* $y$jNR$SALT$DIGEST, as crypt_gensalt writes it: one character each for the flavour, N and r. Other parameters are none that
 * their memory could be told of. */
static const char *read_yescrypt(struct slice rest, struct password_hash *out)
{
    if (rest.len < 4 || rest.ptr[0] != 'j' || rest.ptr[3] != '$') {
        return "is yescrypt with other parameters than crypt_gensalt gives: make one anew with "
               "`sallyport basic hash`";
    }
    int n = digit_of(rest.ptr[1]), r = digit_of(rest.ptr[2]);
    if (n < 0 || n > 47 || r < 0 || r > 47 || !is_salt_and_digest(slice_from(rest, 4), 43)) {
        return CUT_OFF;
    }
    return take_memory((unsigned int)n + 1, (uint64_t)r + 1, out);
}

static bool read_number(struct slice text, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) {
            return false;
        }
        number |= (uint64_t)digit << (6 * i);
    }
    *ret_number = number;
    return true;
}

/* $7$N, r and p in five characters each, SALT$DIGEST. */
static const char *read_scrypt(struct slice rest, struct password_hash *out)
{
    uint64_t r = 0, p = 0;
    if (rest.len < 11 || digit_of(rest.ptr[0]) < 1 || !read_number(slice_part(rest, 1, 5), &r) ||
        !read_number(slice_part(rest, 6, 5), &p) || !is_salt_and_digest(slice_from(rest, 11), 43)) {
        return CUT_OFF;
    }
    return p == 1 ? take_memory((unsigned int)digit_of(rest.ptr[0]), r, out)
                  : "is scrypt with a p other than 1: make one anew with `sallyport basic hash`";
}

static const char *read_sha(struct slice rest, size_t digest, struct password_hash *out)
{
    static const struct slice word = SLICE_INIT("rounds=");
    uint64_t rounds = SHA_ROUNDS_STANDARD;
    if (slice_starts_with(rest, word)) {
        ssize_t dollar = slice_find(rest, '$');
        if (dollar < 0 || !slice_to_u64(slice_part(rest, word.len, (size_t)dollar - word.len), &rounds)) {
            return CUT_OFF;
        }
        rest = slice_from(rest, (size_t)dollar + 1);
    }
    if (!is_salt_and_digest(rest, digest)) {
        return CUT_OFF;
    }
    *out = (struct password_hash){ .memory = 8192, .weak = rounds < SHA_ROUNDS_GOOD };
    return rounds > SHA_ROUNDS_MAX
               ? "is SHA-crypt of more than 2000000 rounds, which takes seconds to verify: make "
                 "one anew with `sallyport basic hash`"
               : NULL;
}

static const char *read_sha512(struct slice rest, struct password_hash *out)
{
    return read_sha(rest, 86, out);
}

static const char *read_sha256(struct slice rest, struct password_hash *out)
{
    return read_sha(rest, 43, out);
}

#define ANEW ": make one anew with `sallyport basic hash`, or `htpasswd -B`"

static const struct known {
    struct slice prefix;
    const char *(*read)(struct slice rest, struct password_hash *out); /* NULL: refused */
    const char *problem;
} known[] = {
    { SLICE_INIT("$2y$"), read_bcrypt, NULL },
    { SLICE_INIT("$2b$"), read_bcrypt, NULL },
    { SLICE_INIT("$2a$"), read_bcrypt, NULL },
    { SLICE_INIT("$y$"), read_yescrypt, NULL },
    { SLICE_INIT("$7$"), read_scrypt, NULL },
    { SLICE_INIT("$6$"), read_sha512, NULL },
    { SLICE_INIT("$5$"), read_sha256, NULL },
    { SLICE_INIT("$apr1$"), NULL, "is MD5 of htpasswd, which is guessed fast" ANEW },
    { SLICE_INIT("$1$"), NULL, "is MD5, which is guessed fast" ANEW },
    { SLICE_INIT("{SHA}"), NULL, "is SHA-1 without salt, which is guessed at once" ANEW },
    { SLICE_INIT("{SSHA}"), NULL, "is SHA-1, which is guessed fast" ANEW },
    { SLICE_INIT("{PLAIN}"), NULL, "is the password itself" ANEW },
    { SLICE_INIT("$argon2"), NULL, "is Argon2, which libcrypt does not know" ANEW },
    { SLICE_INIT("$2x$"), NULL, "is bcrypt of a broken version" ANEW },
};

const char *password_hash_read(struct slice text, struct password_hash *ret_hash)
{
    if (text.len >= PASSWORD_HASH_MAX) {
        return "is longer than any hash";
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_starts_with(text, known[i].prefix)) {
            return known[i].read != NULL ? known[i].read(slice_from(text, known[i].prefix.len), ret_hash)
                                         : known[i].problem;
        }
    }
    return "is DES, the password itself, or of a kind that is not known" ANEW;
}

/* ---- libcrypt ---- */

/* Strings of C, for libcrypt, and its memory: all of it is a secret. */
struct work {
    struct crypt_data data;
    char password[PASSWORD_MAX + 1];
    char hash[PASSWORD_HASH_MAX];
};

static struct work *new_work(struct slice password, struct slice hash)
{
    struct work *work = calloc(1, sizeof *work);
    if (work != NULL && password.len > 0) {
        memcpy(work->password, password.ptr, password.len);
    }
    if (work != NULL && hash.len > 0) {
        memcpy(work->hash, hash.ptr, hash.len);
    }
    return work;
}

static void free_work(struct work *work)
{
    if (work != NULL) {
        secret_wipe(work, sizeof *work);
        free(work);
    }
}

static bool fits(struct slice hash, struct slice password)
{
    return hash.len < PASSWORD_HASH_MAX && password.len <= PASSWORD_MAX &&
           slice_find(password, '\0') < 0; /* libcrypt would stop there */
}

struct error password_verify(struct slice hash, struct slice password, bool *ret_matches)
{
    if (!fits(hash, password)) {
        return FAIL(ERROR_LIMIT, "a password or its hash is too long");
    }
    struct work *work = new_work(password, hash);
    const char *made =
        work != NULL ? crypt_rn(work->password, work->hash, &work->data, (int)sizeof work->data) : NULL;
    if (made == NULL) {
        free_work(work);
        return FAIL(ERROR_MEMORY, "libcrypt could not verify a password");
    }
    bool cut = slice_starts_with(hash, SLICE("$2")) && password.len > BCRYPT_PASSWORD_MAX;
    bool matches = secret_equal(slice_from_string(made), hash) && !cut;
    free_work(work);
    *ret_matches = matches;
    return OK;
}

static const struct maker {
    const char *prefix;
    unsigned long cost; /* 0: libcrypt's choice */
} makers[] = {
    [PASSWORD_YESCRYPT] = { "$y$", 0 },
    [PASSWORD_BCRYPT] = { "$2y$", 12 },
};

struct error password_make(struct slice password, enum password_method method, char out[PASSWORD_HASH_MAX])
{
    if (!fits(SLICE(""), password)) {
        return FAIL(ERROR_LIMIT, "a password has at most 256 bytes, and no NUL");
    }
    if (method == PASSWORD_BCRYPT && password.len > BCRYPT_PASSWORD_MAX) {
        return FAIL(ERROR_LIMIT, "bcrypt looks at 72 bytes of a password only");
    }
    struct work *work = new_work(password, SLICE(""));
    const char *made = NULL;
    if (work != NULL && crypt_gensalt_rn(makers[method].prefix, makers[method].cost, NULL, 0, work->hash,
                                         (int)sizeof work->hash) != NULL) {
        made = crypt_rn(work->password, work->hash, &work->data, (int)sizeof work->data);
    }
    size_t len = made != NULL ? strlen(made) : PASSWORD_HASH_MAX;
    if (len < PASSWORD_HASH_MAX) {
        memcpy(out, made, len + 1);
    }
    free_work(work);
    return len < PASSWORD_HASH_MAX ? OK : FAIL(ERROR_SYSTEM, "libcrypt could not make a hash");
}
