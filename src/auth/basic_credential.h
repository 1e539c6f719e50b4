/* The credential of HTTP Basic in a request (RFC 7617 section 2). Pure. */
#ifndef SALLYPORT_AUTH_BASIC_CREDENTIAL_H
#define SALLYPORT_AUTH_BASIC_CREDENTIAL_H

#include "base/buffer.h"
#include "http/headers.h"
#include "pipeline/deny_reasons.h"

#define BASIC_TEXT_MAX    1020 /* characters of base64 */
#define BASIC_DECODED_MAX 768  /* bytes that they come to */

struct basic_credential {
    struct slice user, password;
};

/* `*ret_text`: what follows the scheme, not decoded; ptr NULL: there is no Authorization field, or of another scheme. Else
 * CREDENTIAL_REPEATED (two fields) or CREDENTIAL_MALFORMED (no scheme). */
enum deny_reason basic_credential_find(const struct headers *headers, struct slice *ret_text);

/* Decodes `text` into `room`, where *ret_credential lives; the caller wipes all of it. False: it is no strict base64, longer than
 * any that is accepted, without colon, without a user's name, no UTF-8, or holds control characters. */
bool basic_credential_decode(struct slice text, char room[BASIC_DECODED_MAX],
                             struct basic_credential *ret_credential);

/* The value of WWW-Authenticate: a realm is demanded (section 2); `realm` empty is "restricted". */
bool basic_challenge(struct buffer *out, struct slice realm);

#endif
