/* Patterns of names in client certificates; for the files of client_certificate only. */
#ifndef SALLYPORT_AUTH_CLIENT_CERTIFICATE_PATTERN_H
#define SALLYPORT_AUTH_CLIENT_CERTIFICATE_PATTERN_H

#include "auth/client_certificate.h"

/* How names of a type are compared with patterns. Both are as tls/client_name.h spells them. */
struct certificate_pattern {
    const char *(*check)(struct slice pattern); /* NULL: good; else what is wrong, static text */
    bool (*matches)(struct slice pattern, struct slice name);
};

extern const struct certificate_pattern certificate_patterns[CERTIFICATE_IDENTITY_COUNT];

#endif
