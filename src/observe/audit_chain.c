#include "observe/audit_chain.h"

#include "base/decimal.h"
#include "base/encoding.h"
#include "base/log_text.h"
#include "base/random.h"
#include "observe/line.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSTANCE_MAX 128
#define LOOK_BACK    ((size_t)1024 * 1024) /* bytes at a file's end in which its last audit line is looked for */

_Static_assert(sizeof AUDIT_LINE_START + 40 + INSTANCE_MAX + AUDIT_BOOT_SIZE < 256, "head");
_Static_assert(256 + 20 + 16 + AUDIT_HASH_SIZE <= AUDIT_PREFIX_SIZE, "prefix");

struct error audit_chain_init(struct audit_chain *chain, struct slice instance)
{
    *chain = (struct audit_chain){ .sequence = 0 };
    chain->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    chain->context = EVP_MD_CTX_new();
    if (chain->sha256 == NULL || chain->context == NULL) {
        audit_chain_done(chain);
        return FAIL(ERROR_CRYPTO, "SHA-256");
    }
    unsigned char random[AUDIT_BOOT_SIZE / 2];
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, chain->boot);
    memset(chain->previous, '0', sizeof chain->previous);
    char *at = LINE_PUT(chain->head, AUDIT_LINE_START "\"instance\":\"");
    at = log_text_escape(at, instance, INSTANCE_MAX);
    at = LINE_PUT(at, "\",\"boot\":\"");
    memcpy(at, chain->boot, AUDIT_BOOT_SIZE);
    at = LINE_PUT(at + AUDIT_BOOT_SIZE, "\",\"seq\":");
    chain->head_size = (size_t)(at - chain->head);
    return OK;
}

void audit_chain_done(struct audit_chain *chain)
{
    EVP_MD_CTX_free(chain->context);
    EVP_MD_free(chain->sha256);
    chain->context = NULL;
    chain->sha256 = NULL;
}

static bool hash_line(struct audit_chain *chain, struct slice line, char out[AUDIT_HASH_SIZE])
{
    unsigned char digest[AUDIT_HASH_SIZE / 2];
    unsigned int size = sizeof digest;
    if (EVP_DigestInit_ex2(chain->context, chain->sha256, NULL) != 1 ||
        EVP_DigestUpdate(chain->context, line.ptr, line.len) != 1 ||
        EVP_DigestFinal_ex(chain->context, digest, &size) != 1) {
        return false;
    }
    hex_encode(digest, sizeof digest, out);
    return true;
}

size_t audit_chain_line(struct audit_chain *chain, struct slice body, char *out)
{
    memcpy(out, chain->head, chain->head_size);
    char *at = decimal_put(out + chain->head_size, chain->sequence + 1);
    at = LINE_PUT(at, ",\"prev\":\"");
    memcpy(at, chain->previous, AUDIT_HASH_SIZE);
    at = LINE_PUT(at + AUDIT_HASH_SIZE, "\",");
    memcpy(at, body.ptr, body.len);
    size_t size = (size_t)(at - out) + body.len;
    if (!hash_line(chain, slice_of(out, size - 1), chain->previous)) {
        return 0;
    }
    chain->sequence++;
    return size;
}

size_t audit_chain_place(const struct audit_chain *chain, char *out)
{
    memcpy(out, chain->boot, AUDIT_BOOT_SIZE);
    char *at = LINE_PUT(out + AUDIT_BOOT_SIZE, ":");
    at = decimal_put(at, chain->sequence);
    at = LINE_PUT(at, ":");
    memcpy(at, chain->previous, AUDIT_HASH_SIZE);
    return (size_t)(at - out) + AUDIT_HASH_SIZE;
}

static struct slice last_audit_line(struct slice text, bool whole)
{
    while (text.len > 0) {
        ssize_t newline = slice_find_last(text, '\n');
        struct slice line = slice_from(text, (size_t)(newline + 1));
        /* What the window cut at its front is no line. */
        bool complete = newline >= 0 || whole;
        if (complete && line.len > 0 && slice_starts_with(line, SLICE(AUDIT_LINE_START))) {
            return line;
        }
        if (newline < 0) {
            break;
        }
        text = slice_part(text, 0, (size_t)newline);
    }
    return SLICE_NONE;
}

void audit_chain_follow(struct audit_chain *chain, int fd, bool *ret_fragment)
{
    *ret_fragment = false;
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
        return;
    }
    size_t size = status.st_size > (off_t)LOOK_BACK ? LOOK_BACK : (size_t)status.st_size;
    char *text = malloc(size);
    if (text == NULL) {
        return;
    }
    off_t from = status.st_size - (off_t)size;
    ssize_t got = pread(fd, text, size, from);
    if (got == (ssize_t)size) {
        struct slice line = last_audit_line(slice_of(text, size), from == 0);
        if (line.len > 0) {
            hash_line(chain, line, chain->previous);
        }
        *ret_fragment = text[size - 1] != '\n';
    }
    free(text);
}

/* What a line says about its place in the chain. */
struct audit_place {
    struct slice boot, previous;
    uint64_t sequence;
    struct slice body; /* what stands behind */
};

static bool take(struct slice *rest, struct slice literal)
{
    if (!slice_starts_with(*rest, literal)) {
        return false;
    }
    *rest = slice_from(*rest, literal.len);
    return true;
}

/* To the closing quote of a JSON string, which is dropped too. */
static bool take_string(struct slice *rest, struct slice *ret_text)
{
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->ptr[i] == '\\') {
            i++;
        } else if (rest->ptr[i] == '"') {
            *ret_text = slice_part(*rest, 0, i);
            *rest = slice_from(*rest, i + 1);
            return true;
        }
    }
    return false;
}

static bool read_place(struct slice line, struct audit_place *ret_place)
{
    struct slice rest = line, instance, number;
    struct audit_place place;
    if (!take(&rest, SLICE(AUDIT_LINE_START "\"instance\":\"")) || !take_string(&rest, &instance) ||
        !take(&rest, SLICE(",\"boot\":\"")) || !take_string(&rest, &place.boot) ||
        !take(&rest, SLICE(",\"seq\":")) || !slice_next(&rest, ',', &number) || rest.ptr == NULL ||
        !slice_to_u64(number, &place.sequence) || !take(&rest, SLICE("\"prev\":\"")) ||
        !take_string(&rest, &place.previous) || place.previous.len != AUDIT_HASH_SIZE) {
        return false;
    }
    place.body = rest;
    *ret_place = place;
    return true;
}

/* Processes that relieve each other write to one file for a while, each its own chain. The old one's chain says who relieves
 * it (`relieved`): so nobody can put lines of a process that never was between its own. The new one's says how the old one's
 * ends (`succeeded`): so nothing can be cut off that end. */
#define BOOTS_MAX 16
#define LINES_MAX \
    64 /* a first line follows one of so many: another's may come between the look at the file and the writing */

struct audit_boot {
    struct audit_place last;
    char hash[AUDIT_HASH_SIZE]; /* of its last line */
    size_t first;               /* the number of its first line */
    bool crossed;               /* an older one has gone on behind its first line */
    bool known;                 /* and has named it */
    bool ended;                 /* a newer one has sealed its end */
};

struct verification {
    struct audit_chain hasher;          /* for hash_line only */
    struct audit_boot boots[BOOTS_MAX]; /* the newest first */
    size_t boot_count;
    struct slice named[BOOTS_MAX]; /* by `relieved`, which may come before their first line; a ring */
    size_t named_count;
    char hashes[LINES_MAX][AUDIT_HASH_SIZE]; /* of the lines before, whose ever; a ring */
    size_t hash_count;
    size_t number; /* of the line */
    size_t
        stranger; /* where a process began that wrote between another's lines and that nobody named; 0: nowhere */
    bool cut;     /* the line before was not finished: its writer died */
};

static bool starts_anew(const struct audit_place *place)
{
    for (size_t i = 0; i < place->previous.len; i++) {
        if (place->previous.ptr[i] != '0') {
            return false;
        }
    }
    return place->sequence == 1;
}

static struct audit_boot *find_boot(struct verification *state, struct slice boot)
{
    for (size_t i = 0; i < state->boot_count; i++) {
        if (slice_equal(state->boots[i].last.boot, boot)) {
            return &state->boots[i];
        }
    }
    return NULL;
}

static bool is_hash(struct slice text, const char hash[AUDIT_HASH_SIZE])
{
    return slice_equal(text, slice_of(hash, AUDIT_HASH_SIZE));
}

/* The detail of an event of the gateway itself, where it is that one. */
static bool take_event(struct slice body, struct slice name, struct slice *ret_detail)
{
    struct slice time;
    return take(&body, SLICE(",\"event\":\"")) && take(&body, name) && take(&body, SLICE("\",\"time\":\"")) &&
           take_string(&body, &time) && take(&body, SLICE(",\"detail\":\"")) &&
           take_string(&body, ret_detail);
}

static bool seal(struct verification *state, struct slice detail)
{
    struct slice boot, number;
    uint64_t sequence;
    if (!slice_next(&detail, ':', &boot) || !slice_next(&detail, ':', &number) ||
        !slice_to_u64(number, &sequence)) {
        return false;
    }
    struct audit_boot *sealed = find_boot(state, boot);
    if (sealed == NULL) {
        return true; /* in another file, or long ago */
    }
    sealed->ended = true;
    return sealed->last.sequence == sequence && is_hash(detail, sealed->hash);
}

static bool is_named(const struct verification *state, struct slice boot)
{
    for (size_t i = 0; i < state->named_count && i < BOOTS_MAX; i++) {
        if (slice_equal(state->named[i], boot)) {
            return true;
        }
    }
    return false;
}

/* What a line says of other processes. */
static bool agrees(struct verification *state, struct slice body)
{
    struct slice detail;
    if (take_event(body, SLICE("relieved"), &detail)) {
        struct audit_boot *boot = find_boot(state, detail);
        state->named[state->named_count++ % BOOTS_MAX] = detail;
        if (boot != NULL) {
            boot->known = true;
        }
    }
    return !take_event(body, SLICE("succeeded"), &detail) || seal(state, detail);
}

/* Those that began after it have its line behind their first one. */
static void cross_newer(struct verification *state, const struct audit_boot *own)
{
    for (struct audit_boot *newer = state->boots; newer != own; newer++) {
        newer->crossed = true;
    }
}

static void look_for_stranger(struct verification *state, const struct audit_boot *boot)
{
    if (boot->crossed && !boot->known && (state->stranger == 0 || boot->first < state->stranger)) {
        state->stranger = boot->first;
    }
}

/* A line follows one before it: of its own process, or the last of the file when it was opened. The first of a process may
 * start anew. */
static bool follows(struct verification *state, const struct audit_place *place, const struct audit_boot *own)
{
    bool linked = own != NULL && is_hash(place->previous, own->hash);
    for (size_t i = 0; i < state->hash_count && i < LINES_MAX && !linked; i++) {
        linked = is_hash(place->previous, state->hashes[i]);
    }
    if (own == NULL) {
        return linked || state->hash_count == 0 || starts_anew(place);
    }
    return linked && !own->ended && place->sequence > own->last.sequence;
}

static struct audit_boot *add_boot(struct verification *state, struct slice boot)
{
    if (state->boot_count == BOOTS_MAX) {
        look_for_stranger(state, &state->boots[BOOTS_MAX - 1]);
    }
    size_t kept = state->boot_count < BOOTS_MAX - 1 ? state->boot_count : BOOTS_MAX - 1;
    memmove(&state->boots[1], &state->boots[0], kept * sizeof state->boots[0]);
    state->boot_count = kept + 1;
    state->boots[0] = (struct audit_boot){ .first = state->number, .known = is_named(state, boot) };
    return &state->boots[0];
}

static bool line_holds(struct verification *state, struct slice line)
{
    struct audit_place place;
    if (!read_place(line, &place)) {
        return false;
    }
    struct audit_boot *own = find_boot(state, place.boot);
    if (!follows(state, &place, own) || (own != NULL && state->cut) || !agrees(state, place.body)) {
        return false;
    }
    if (own != NULL) {
        cross_newer(state, own);
    } else {
        own = add_boot(state, place.boot);
    }
    own->last = place;
    state->cut = !slice_ends_with(line, SLICE("}"));
    char *hash = state->hashes[state->hash_count++ % LINES_MAX];
    if (!hash_line(&state->hasher, line, hash)) {
        return false;
    }
    memcpy(own->hash, hash, AUDIT_HASH_SIZE);
    return true;
}

size_t log_audit_verify(struct slice text)
{
    struct verification state = { .number = 0 };
    if (failed(audit_chain_init(&state.hasher, SLICE("")))) {
        return 1;
    }
    struct slice line;
    size_t number = 0, broken = 0, last = 0;
    bool ended = slice_ends_with(text, SLICE("\n"));
    while (broken == 0 && slice_next(&text, '\n', &line)) {
        state.number = ++number;
        bool unfinished = text.ptr == NULL && !ended;
        if (slice_starts_with(line, SLICE(AUDIT_LINE_START))) {
            last = number;
            broken = unfinished || !line_holds(&state, line) ? number : 0;
        } else if (!slice_starts_with(line, SLICE("{\"")) && (line.len > 0 || text.ptr != NULL)) {
            broken = number; /* no line of any log of ours */
        }
    }
    if (broken == 0 && state.cut) {
        broken = last; /* a cut line with nothing behind it */
    }
    for (size_t i = 0; i < state.boot_count; i++) {
        look_for_stranger(&state, &state.boots[i]);
    }
    if (state.stranger != 0 && (broken == 0 || state.stranger < broken)) {
        broken = state.stranger;
    }
    audit_chain_done(&state.hasher);
    return broken;
}
