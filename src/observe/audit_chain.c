#include "observe/audit_chain.h"

#include "base/encoding.h"
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
    at = line_escape(at, instance, INSTANCE_MAX);
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
    char *at = line_unsigned(out + chain->head_size, chain->sequence + 1);
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
    *ret_place = place;
    return true;
}

struct verification {
    struct audit_chain hasher; /* for hash_line only */
    bool any;
    bool cut; /* the line before was not finished: its writer died */
    struct audit_place before;
    char hash[AUDIT_HASH_SIZE]; /* of the line before */
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

static bool line_holds(struct verification *state, struct slice line)
{
    struct audit_place place;
    bool cut = !slice_ends_with(line, SLICE("}"));
    if (!read_place(line, &place)) {
        return false;
    }
    if (state->any) {
        bool same_boot = slice_equal(place.boot, state->before.boot);
        bool linked = slice_equal(place.previous, slice_of(state->hash, AUDIT_HASH_SIZE));
        if (!linked && (same_boot || !starts_anew(&place))) {
            return false;
        }
        if (same_boot && (state->cut || place.sequence <= state->before.sequence)) {
            return false;
        }
    }
    state->any = true;
    state->cut = cut;
    state->before = place;
    return hash_line(&state->hasher, line, state->hash);
}

size_t log_audit_verify(struct slice text)
{
    struct verification state = { .any = false };
    if (failed(audit_chain_init(&state.hasher, SLICE("")))) {
        return 1;
    }
    struct slice line;
    size_t number = 0, broken = 0, last = 0;
    bool ended = slice_ends_with(text, SLICE("\n"));
    while (broken == 0 && slice_next(&text, '\n', &line)) {
        number++;
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
    audit_chain_done(&state.hasher);
    return broken;
}
