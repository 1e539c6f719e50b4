#include "base/error.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

void error_describe(struct error error, char *out, size_t size)
{
    const char *what = error.what != NULL ? error.what : "unknown error";
    if (error.kind == ERROR_SYSTEM) {
        char reason[128];
        /* The GNU strerror_r returns the text; it may or may not use the buffer. */
        snprintf(out, size, "%s: %s", what, strerror_r(error.number, reason, sizeof reason));
    } else if (error.kind == ERROR_CRYPTO && error.number != 0) {
        const char *reason = ERR_reason_error_string((unsigned long)(unsigned int)error.number);
        snprintf(out, size, "%s: %s", what, reason != NULL ? reason : "OpenSSL error");
    } else {
        snprintf(out, size, "%s", what);
    }
}

bool error_is_shortage(struct error error)
{
    return error.kind == ERROR_MEMORY ||
           (error.kind == ERROR_SYSTEM && (error.number == EMFILE || error.number == ENFILE ||
                                           error.number == ENOMEM || error.number == ENOBUFS));
}
