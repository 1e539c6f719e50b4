/* Fetches JWKS documents from jwks_url, or from where the issuer's metadata says, on the control thread, with libcurl on its
 * loop.
 *
 * Per issuer: refreshed every jwks_refresh (with jitter), at once where an unknown kid asks for it (throttled by
 * jwks_unknown_kid_interval, single-flight), retried with backoff on failure; the last good document stays good while
 * fetches fail for less than jwks_stale. Metadata is read anew at each refresh and after each failure, and not for an unknown
 * kid; where it fails, so does the fetch. No redirects; https only (http to loopback); proxy variables ignored; size and time capped. */
#ifndef SALLYPORT_AUTH_KEY_SOURCE_H
#define SALLYPORT_AUTH_KEY_SOURCE_H

#include "auth/settings.h"
#include "base/error.h"
#include "net/loop.h"

struct key_source;

enum key_source_event {
    KEYS_FETCHED, /* `text`: a JSON object with an array `keys`; whether a key is usable the verifier finds out */
    KEYS_FAILED,     /* `text`: why; the old keys stay */
    KEYS_INHERITED,  /* `text` as in KEYS_FETCHED: key_source_inherit; a fetch is on its way nevertheless */
    KEYS_RESTORED,   /* the same: key_source_restore */
    KEYS_STALE,      /* the old keys are too old: drop them */
    KEYS_DISCOVERED, /* `text`: another jwks_uri than before, which is fetched now; nothing is settled yet */
};

/* Slices are good during the call. The callback may call key_source_unknown_kid, but neither set nor free. */
typedef void key_source_callback(void *context, struct slice issuer_name, enum key_source_event event,
                                 struct slice text);

struct error key_source_new(struct net_loop *loop, key_source_callback *callback, void *context,
                            struct key_source **ret_source) MUST_CHECK;
/* Cancels what is under way. The loop must run one turn more before it is done. */
void key_source_free(struct key_source *source);

/* The issuers whose keys are fetched from now on; each new one at once, known ones with an unchanged URL keep their
 * state (one that fails is tried at once). Everything is copied. On failure nothing has changed. */
struct error key_source_set(struct key_source *source, const struct issuer_settings *issuers,
                            size_t count) MUST_CHECK;

/* The last good document of an issuer, from one process to the next on the same machine. */
struct key_document {
    struct slice issuer_name, source,
        text;              /* `source`: where it came from, of no other use than to be the same there */
    int64_t failing_since; /* monotonic; 0: the last fetch went well */
    int64_t fetched_at;    /* monotonic */
    struct slice issuer;   /* the exact iss */
};

/* Tells `each` of all issuers that have one; slices are good during the call. From within the callback too. */
void key_source_export(const struct key_source *source,
                       void (*each)(void *context, const struct key_document *document), void *context);
/* Of the issuer of that name. False: it has none. */
bool key_source_document(const struct key_source *source, struct slice issuer_name, struct key_document *out);
/* After key_source_set: good for an issuer of that name and source that has no keys yet, for as long as it would have been in
 * the process before; its `issuer` does not count. Checked like one that was fetched. */
void key_source_inherit(struct key_source *source, const struct key_document *document);
/* The same of one that was fetched `age` seconds ago, by a process that is gone: whether fetches went well since, nobody knows, so it
 * is good for jwks_stale from then on. Its times do not count; its `issuer` must be the same, too. NULL: it was taken; else a
 * static text: why not. */
const char *key_source_restore(struct key_source *source, const struct key_document *document, int64_t age);

/* How it is with the keys of an issuer. The counts are of this process. */
struct key_health {
    struct slice issuer_name;
    bool has_keys;
    int64_t age; /* ns since the document of its keys was fetched, by whichever process; 0 without keys */
    uint64_t fetches, failures;
    uint64_t unknown_kid_fetches; /* that an unknown kid hastened */
};

/* Tells `each` of all issuers whose keys are fetched, until it says false. */
void key_source_tell(const struct key_source *source,
                     bool (*each)(void *context, const struct key_health *health), void *context);

/* A token named a kid that is in no key: looks again as soon as the throttle allows, once for all that ask until then. */
void key_source_unknown_kid(struct key_source *source, struct slice issuer_name);

#endif
