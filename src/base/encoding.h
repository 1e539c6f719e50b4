/* Encodings of bytes as text. No allocation; any thread. */
#ifndef SALLYPORT_BASE_ENCODING_H
#define SALLYPORT_BASE_ENCODING_H

#include "base/slice.h"

/* Bytes that `len` characters of base64 can decode to, at the most. */
#define BASE64_DECODED_MAX(len) ((len) / 4 * 3 + 3)
/* Characters that `size` bytes encode to, padding included. */
#define BASE64_ENCODED_MAX(size) (((size) + 2) / 3 * 4)

/* base64url without padding, strict (RFC 7515 section 2, RFC 4648 section 3.5): no padding, no white space, and the
 * unused bits of the last character must be zero, so that one value has one spelling. Returns the number of bytes, or -1.
 * `out` has room for BASE64_DECODED_MAX(text.len). */
ssize_t base64url_decode(struct slice text, void *out);

/* Returns the number of characters; `out` has room for BASE64_ENCODED_MAX(size). Not NUL-terminated. */
size_t base64url_encode(const void *bytes, size_t size, char *out);

/* Standard base64 with required padding (RFC 4648 section 4), otherwise as above. */
ssize_t base64_decode(struct slice text, void *out);
size_t base64_encode(const void *bytes, size_t size, char *out);

/* Lower-case hexadecimal: 2 * size characters, not NUL-terminated. */
void hex_encode(const void *bytes, size_t size, char *out);

/* 0 to 15, or -1. */
int hex_digit(char c);

/* Bytes of the well-formed UTF-8 sequence (RFC 3629: no surrogates, no overlong form, nothing above U+10FFFF) at the front
 * of a text that is not empty, with its code point; 1 for ASCII. 0 where there is none, *ret_point untouched. */
size_t utf8_sequence(struct slice text, uint32_t *ret_point);

/* True where the whole text is such sequences. */
bool utf8_valid(struct slice text);

#endif
