#include "auth/basic_credential.h"

#include "auth/basic_settings.h"
#include "auth/credential.h"
#include "auth/password.h"
#include "base/encoding.h"

_Static_assert(BASE64_DECODED_MAX(BASIC_TEXT_MAX) <= BASIC_DECODED_MAX, "room for what it decodes to");

enum deny_reason basic_credential_find(const struct headers *headers, struct slice *ret_text)
{
    const struct header *found = NULL;
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id == HEADER_AUTHORIZATION && found != NULL) {
            /* Which of them counts would be a matter of taste, and the upstream's may differ. */
            return DENY_CREDENTIAL_REPEATED;
        }
        found = headers->items[i].id == HEADER_AUTHORIZATION ? &headers->items[i] : found;
    }
    *ret_text = SLICE_NONE;
    if (found == NULL) {
        return DENY_NONE;
    }
    ssize_t space = slice_find(found->value, ' ');
    struct slice scheme = space < 0 ? found->value : slice_part(found->value, 0, (size_t)space);
    struct slice rest = space < 0 ? SLICE("") : slice_from(found->value, (size_t)space);
    if (!http_token_valid(scheme)) {
        return DENY_CREDENTIAL_MALFORMED;
    }
    while (slice_starts_with(rest, SLICE(" "))) {
        rest = slice_from(rest, 1);
    }
    if (slice_equal_nocase(scheme, SLICE("basic"))) {
        *ret_text = rest.ptr != NULL ? rest : SLICE("");
    }
    return DENY_NONE;
}

static bool has_controls(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

bool basic_credential_decode(struct slice text, char room[BASIC_DECODED_MAX],
                             struct basic_credential *ret_credential)
{
    if (text.len == 0 || text.len > BASIC_TEXT_MAX) {
        return false;
    }
    ssize_t size = base64_decode(text, room);
    struct slice decoded = slice_of(room, size > 0 ? (size_t)size : 0);
    ssize_t colon = slice_find(decoded, ':');
    if (colon <= 0 || has_controls(decoded) || !utf8_valid(decoded)) {
        return false;
    }
    struct basic_credential credential = { slice_part(decoded, 0, (size_t)colon),
                                           slice_from(decoded, (size_t)colon + 1) };
    if (credential.user.len > BASIC_USER_MAX || credential.password.len > PASSWORD_MAX) {
        return false;
    }
    *ret_credential = credential;
    return true;
}

bool basic_challenge(struct buffer *out, struct slice realm)
{
    return credential_put_challenge(out, SLICE("Basic"),
                                    slice_is_empty(realm) ? SLICE("restricted") : realm) &&
           buffer_append(out, SLICE(", charset=\"UTF-8\""));
}
