#include "auth/credential.h"

#include "http/cookie.h"
#include "http/query.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* token68 without its padding (RFC 9110 section 11.2; RFC 6750 calls it b64token). */
static inline bool is_b64_char(char c)
{
    return ascii_is_alpha(c) || (c >= '-' && c <= '9') || c == '_' || c == '~' || c == '+';
}

#ifdef __SSE2__
static inline __m128i in_range(__m128i text, char first, char count)
{
    __m128i from_first = _mm_sub_epi8(text, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8((char)(count - 1))), from_first);
}

static inline bool are_b64_chars(const char *at)
{
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i good = _mm_or_si128(in_range(_mm_or_si128(text, _mm_set1_epi8(0x20)), 'a', 26),
                                in_range(text, '-', '9' - '-' + 1));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(text, _mm_set1_epi8('_')));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(text, _mm_set1_epi8('~')));
    good = _mm_or_si128(good, _mm_cmpeq_epi8(text, _mm_set1_epi8('+')));
    return _mm_movemask_epi8(good) == 0xffff;
}
#endif

/* Sixteen characters a step where the processor can: this is the longest field of most requests. */
static size_t skip_b64_chars(struct slice text)
{
    size_t at = 0;
#ifdef __SSE2__
    while (text.len - at >= 16 && are_b64_chars(text.ptr + at)) {
        at += 16;
    }
#endif
    while (at < text.len && is_b64_char(text.ptr[at])) {
        at++;
    }
    return at;
}

bool credential_is_b64token(struct slice text)
{
    size_t chars = skip_b64_chars(text), end = chars;
    while (end < text.len && text.ptr[end] == '=') {
        end++;
    }
    return chars > 0 && end == text.len;
}

/* Bearer or DPoP, and a token: *ret_token. Another scheme: nothing is written. */
static enum deny_reason read_authorization(struct slice value, struct slice *ret_token, bool *ret_dpop)
{
    ssize_t space = slice_find(value, ' ');
    struct slice scheme = space < 0 ? value : slice_part(value, 0, (size_t)space);
    struct slice rest = space < 0 ? SLICE("") : slice_from(value, (size_t)space);
    if (!http_token_valid(scheme)) {
        return DENY_CREDENTIAL_MALFORMED;
    }
    bool is_dpop = slice_equal_nocase(scheme, SLICE("dpop"));
    if (!is_dpop && !slice_equal_nocase(scheme, SLICE("bearer"))) {
        return DENY_NONE;
    }
    while (slice_starts_with(rest, SLICE(" "))) {
        rest = slice_from(rest, 1);
    }
    if (!credential_is_b64token(rest)) {
        return DENY_CREDENTIAL_MALFORMED;
    }
    *ret_token = rest;
    *ret_dpop = is_dpop;
    return DENY_NONE;
}

/* What a place holds: text.ptr NULL: nothing. */
static enum deny_reason read_bearer(const struct headers *headers, struct slice *ret_text, bool *ret_dpop)
{
    const struct header *found = NULL;
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id != HEADER_AUTHORIZATION) {
            continue;
        }
        if (found != NULL) {
            /* Which of them counts would be a matter of taste, and the upstream's may differ. */
            return DENY_CREDENTIAL_REPEATED;
        }
        found = &headers->items[i];
    }
    return found != NULL ? read_authorization(found->value, ret_text, ret_dpop) : DENY_NONE;
}

static enum deny_reason read_header(const struct headers *headers, struct slice name, struct slice *ret_text)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (slice_equal_nocase(headers->items[i].name, name)) {
            *ret_text = headers->items[i].value;
            count++;
        }
    }
    if (count > 0 && ret_text->len == 0) {
        *ret_text = SLICE(""); /* which is something, and wrong */
    }
    return count > 1 ? DENY_CREDENTIAL_REPEATED : DENY_NONE;
}

/* An empty one is how pages clear a cookie: there is none. */
static enum deny_reason read_cookie(const struct headers *headers, struct slice name, struct slice *ret_text)
{
    struct slice value = SLICE_NONE;
    if (cookie_find(headers, name, &value) > 1) {
        return DENY_CREDENTIAL_REPEATED;
    }
    if (value.len > 0) {
        *ret_text = value;
    }
    return DENY_NONE;
}

static enum deny_reason read_query(struct slice query, struct slice name, struct slice *ret_text)
{
    struct query_found found = query_find(query, name);
    if (found.count == 0) {
        return DENY_NONE;
    }
    if (found.count > 1) {
        return DENY_CREDENTIAL_REPEATED;
    }
    *ret_text = found.value;
    return found.clear ? DENY_NONE : DENY_CREDENTIAL_MALFORMED;
}

static enum deny_reason read_place(const struct auth_place *place, const struct headers *headers,
                                   struct slice query, struct slice *ret_text, bool *ret_dpop)
{
    switch (place->kind) {
    case AUTH_PLACE_BEARER:
        return read_bearer(headers, ret_text, ret_dpop);
    case AUTH_PLACE_HEADER:
        return read_header(headers, place->name, ret_text);
    case AUTH_PLACE_COOKIE:
        return read_cookie(headers, place->name, ret_text);
    case AUTH_PLACE_QUERY:
        return read_query(query, place->name, ret_text);
    }
    return DENY_INTERNAL;
}

enum deny_reason credential_find(const struct auth_places *places, const struct headers *headers,
                                 struct slice query, struct credential *ret_credential)
{
    struct credential credential = { .place = NULL, .text = SLICE("") };
    for (size_t i = 0; i < places->count; i++) {
        struct slice text = SLICE_NONE;
        bool is_dpop = false;
        enum deny_reason reason = read_place(&places->items[i], headers, query, &text, &is_dpop);
        if (reason == DENY_NONE && text.ptr != NULL && credential.place != NULL) {
            reason = DENY_CREDENTIAL_REPEATED; /* RFC 6750 section 2: one method in each request */
        }
        if (reason != DENY_NONE) {
            return reason;
        }
        if (text.ptr != NULL) {
            credential = (struct credential){ &places->items[i], text, is_dpop };
        }
    }
    *ret_credential = credential;
    return DENY_NONE;
}

enum deny_reason credential_token(struct credential *credential)
{
    static const struct slice scheme = SLICE_INIT("bearer ");
    struct slice text = credential->text;
    if (credential->place->kind == AUTH_PLACE_BEARER) {
        return DENY_NONE; /* it was looked at when it was told from other schemes */
    }
    if (credential->place->kind == AUTH_PLACE_HEADER &&
        slice_equal_nocase(slice_part(text, 0, scheme.len), scheme)) {
        text = slice_trim(slice_from(text, scheme.len));
    }
    credential->text = text;
    return credential_is_b64token(text) ? DENY_NONE : DENY_CREDENTIAL_MALFORMED;
}

/* '{' is 'e' and one of the last sixteen characters of the alphabet, whatever stands behind it. */
bool credential_is_jws(struct slice token)
{
    bool begins = token.len > 1 && token.ptr[0] == 'e' &&
                  ((token.ptr[1] >= 'w' && token.ptr[1] <= 'z') || ascii_is_digit(token.ptr[1]) ||
                   token.ptr[1] == '-' || token.ptr[1] == '_');
    ssize_t first = begins ? slice_find(token, '.') : -1;
    if (first < 0) {
        return false;
    }
    struct slice rest = slice_from(token, (size_t)first + 1);
    ssize_t second = slice_find(rest, '.');
    return second >= 0 && slice_find(slice_from(rest, (size_t)second + 1), '.') < 0;
}

/* A quoted-string (RFC 9110 section 5.6.4). What no challenge may hold becomes '?': RFC 6750 section 3 allows visible ASCII
 * and spaces, without '"' and '\'. */
static bool put_parameter(struct buffer *out, bool *first, const char *name, struct slice value)
{
    if (slice_is_empty(value)) {
        return true;
    }
    if (!buffer_printf(out, "%s%s=\"", *first ? " " : ", ", name)) {
        return false;
    }
    *first = false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool allowed = c >= ' ' && c <= '~' && c != '"' && c != '\\';
        if (!buffer_append_char(out, allowed ? c : '?')) {
            return false;
        }
    }
    return buffer_append_char(out, '"');
}

static bool put_challenge(struct buffer *out, struct slice scheme, const struct challenge *challenge,
                          struct slice algs)
{
    bool first = true;
    return buffer_append(out, scheme) && put_parameter(out, &first, "realm", challenge->realm) &&
           put_parameter(out, &first, "error", challenge->error) &&
           put_parameter(out, &first, "error_description", challenge->description) &&
           put_parameter(out, &first, "scope", challenge->scope) &&
           put_parameter(out, &first, "acr_values", challenge->acr_values) &&
           put_parameter(out, &first, "max_age", challenge->max_age) &&
           put_parameter(out, &first, "resource_metadata", challenge->resource_metadata) &&
           put_parameter(out, &first, "algs", algs);
}

bool credential_challenge(struct buffer *out, const struct challenge *challenge)
{
    return put_challenge(out, SLICE("Bearer"), challenge, SLICE_NONE);
}

bool credential_dpop_challenge(struct buffer *out, const struct challenge *challenge, struct slice algs)
{
    return put_challenge(out, SLICE("DPoP"), challenge, algs);
}

bool credential_put_challenge(struct buffer *out, struct slice scheme, struct slice realm)
{
    bool first = true;
    return buffer_append(out, scheme) && put_parameter(out, &first, "realm", realm);
}
