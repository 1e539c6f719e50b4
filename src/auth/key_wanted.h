/* What was configured about an issuer whose keys are fetched, copied: for key_source.c only. */
#ifndef SALLYPORT_AUTH_KEY_WANTED_H
#define SALLYPORT_AUTH_KEY_WANTED_H

#include "auth/settings.h"
#include "base/arena.h"

/* A configuration may go while its issuers go on. */
struct key_wanted {
    struct arena arena;
    struct slice name;
    struct slice source; /* where keys come from, as one text: another text, other keys */
    struct slice url;    /* of the keys; of the issuer's metadata, where it discovers */
    struct slice issuer; /* the exact iss: where it discovers, what the metadata must be of */
    bool discovers;
    struct tls_client_settings *tls; /* NULL: the system's */
    int64_t refresh, unknown_kid_interval, timeout, stale;
};

/* NULL without memory. */
struct key_wanted *key_wanted_new(const struct issuer_settings *settings);
/* NULL is fine. */
void key_wanted_free(struct key_wanted *wanted);

#endif
