/* A "*" stands for one whole part and is never a character of a name: so no pattern lets in more than its reader sees. */
#include "auth/client_certificate_pattern.h"

#include "base/encoding.h"
#include "base/limits.h"
#include "tls/client_name.h"

static const struct slice star = SLICE_INIT("*");

static bool has_star(struct slice text)
{
    return slice_find(text, '*') >= 0;
}

/* Is it usable, and written as it is compared? */
static bool is_spelt(struct slice name, client_name_reader *read)
{
    char out[TLS_CLIENT_NAME_MAX];
    return name.len <= sizeof out && read(name, out) && slice_equal(slice_of(out, name.len), name);
}

static bool is_same(struct slice pattern, struct slice name)
{
    return slice_equal(pattern, name);
}

/* ---- host names: *.example.com ---- */

static const char *check_dns(struct slice pattern)
{
    struct slice host = slice_starts_with(pattern, SLICE("*.")) ? slice_from(pattern, 2) : pattern;
    return is_spelt(host, client_name_dns)
               ? NULL
               : "a host name in lower case is wanted here, with `*` as its whole first label or with none";
}

static bool matches_dns(struct slice pattern, struct slice name)
{
    ssize_t dot = slice_find(name, '.');
    if (!slice_starts_with(pattern, SLICE("*."))) {
        return slice_equal(pattern, name);
    }
    return dot > 0 && slice_equal(slice_from(name, (size_t)dot), slice_from(pattern, 1));
}

/* ---- URIs and SPIFFE IDs: spiffe://example.org/ns/<star>/sa/web ---- */

/* Where the path begins: behind "scheme://authority". Without an authority there are no segments. */
static size_t path_of(struct slice uri)
{
    ssize_t colon = slice_find(uri, ':');
    if (colon < 0 || !slice_starts_with(slice_from(uri, (size_t)colon), SLICE("://"))) {
        return uri.len;
    }
    ssize_t slash = slice_find(slice_from(uri, (size_t)colon + 3), '/');
    return slash < 0 ? uri.len : (size_t)colon + 3 + (size_t)slash + 1;
}

/* Unreserved characters only (RFC 3986 section 2.3): an escape could hide a slash, and a query is no part of a path. */
static bool is_plain_segment(struct slice segment)
{
    for (size_t i = 0; i < segment.len; i++) {
        char c = segment.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '.' && c != '_' && c != '~') {
            return false;
        }
    }
    return segment.len > 0 && !slice_equal(segment, SLICE(".")) && !slice_equal(segment, SLICE(".."));
}

static bool matches_uri(struct slice pattern, struct slice name)
{
    size_t path = path_of(pattern);
    if (!slice_equal(slice_part(pattern, 0, path), slice_part(name, 0, path))) {
        return false;
    }
    struct slice patterns = slice_from(pattern, path), segments = slice_from(name, path), wanted, segment;
    while (slice_next(&patterns, '/', &wanted)) {
        if (!slice_next(&segments, '/', &segment)) {
            return false;
        }
        bool fits = slice_equal(wanted, star) ? is_plain_segment(segment) : slice_equal(wanted, segment);
        if (!fits) {
            return false;
        }
    }
    return segments.ptr == NULL;
}

/* With each "*" in place of a segment; false where one stands elsewhere. */
static bool fill_stars(struct slice pattern, char out[TLS_CLIENT_NAME_MAX])
{
    size_t path = path_of(pattern);
    struct slice rest = slice_from(pattern, path), segment;
    if (pattern.len > TLS_CLIENT_NAME_MAX || has_star(slice_part(pattern, 0, path))) {
        return false;
    }
    memcpy(out, pattern.ptr, pattern.len);
    while (slice_next(&rest, '/', &segment)) {
        if (has_star(segment) && !slice_equal(segment, star)) {
            return false;
        }
        if (slice_equal(segment, star)) {
            out[segment.ptr - pattern.ptr] = 'x';
        }
    }
    return true;
}

static const char *check_uri(struct slice pattern)
{
    char out[TLS_CLIENT_NAME_MAX];
    return fill_stars(pattern, out) && is_spelt(slice_of(out, pattern.len), client_name_uri)
               ? NULL
               : "a URI is wanted here, with `*` as a whole segment of its path or with none";
}

static const char *check_spiffe(struct slice pattern)
{
    char out[TLS_CLIENT_NAME_MAX];
    struct slice domain;
    return fill_stars(pattern, out) && client_name_spiffe(slice_of(out, pattern.len), &domain)
               ? NULL
               : "a SPIFFE ID is wanted here (spiffe://trust-domain/path), with `*` as a whole segment of "
                 "its "
                 "path or with none";
}

/* ---- mailboxes: *@example.com ---- */

static const char *check_email(struct slice pattern)
{
    bool any = slice_starts_with(pattern, SLICE("*@"));
    bool good = any ? is_spelt(slice_from(pattern, 2), client_name_dns)
                    : !has_star(pattern) && is_spelt(pattern, client_name_email);
    return good
               ? NULL
               : "a mailbox with its domain in lower case is wanted here, or `*@` and a domain for any of it";
}

static bool matches_email(struct slice pattern, struct slice name)
{
    ssize_t at = slice_find(name, '@');
    if (!slice_starts_with(pattern, SLICE("*@"))) {
        return slice_equal(pattern, name);
    }
    return at > 0 && slice_equal(slice_from(name, (size_t)at), slice_from(pattern, 1));
}

/* ---- whole ones only ---- */

static const char *check_subject(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if ((unsigned char)pattern.ptr[i] < ' ' || (unsigned char)pattern.ptr[i] >= 0x7f) {
            return "a subject as `openssl x509 -subject -nameopt RFC2253` prints it is wanted here";
        }
    }
    return pattern.len > 0 && pattern.len <= TLS_CLIENT_DN_MAX ? NULL : "the subject is empty or too long";
}

static const char *check_fingerprint(struct slice pattern)
{
    bool good = pattern.len == CERTIFICATE_FINGERPRINT_LENGTH;
    for (size_t i = 0; good && i < pattern.len; i++) {
        good = hex_digit(pattern.ptr[i]) >= 0 && ascii_lower(pattern.ptr[i]) == pattern.ptr[i];
    }
    return good ? NULL
                : "the SHA-256 of a certificate is wanted here: 64 hexadecimal digits in lower case, without "
                  "colons";
}

const struct certificate_pattern certificate_patterns[CERTIFICATE_IDENTITY_COUNT] = {
    [CERTIFICATE_SPIFFE] = { check_spiffe, matches_uri },
    [CERTIFICATE_DNS] = { check_dns, matches_dns },
    [CERTIFICATE_URI] = { check_uri, matches_uri },
    [CERTIFICATE_EMAIL] = { check_email, matches_email },
    [CERTIFICATE_SUBJECT] = { check_subject, is_same },
    [CERTIFICATE_FINGERPRINT] = { check_fingerprint, is_same },
};
