/* What the files of the key source share: issuers whose keys are fetched, and the last good document of each. One thread, the
 * source's. Private to src/auth. */
#ifndef SALLYPORT_AUTH_KEY_SOURCE_STATE_H
#define SALLYPORT_AUTH_KEY_SOURCE_STATE_H

#include "auth/key_source.h"
#include "auth/key_wanted.h"
#include "fetch/fetch.h"

#define KEY_DOCUMENT_ARENA (16 * 1024 * 1024) /* the tree of a document while it is looked at */

struct key_issuer {
    struct key_issuer *next;
    struct key_source *source;
    struct key_wanted *wanted;
    struct fetch *fetch;   /* one at a time */
    int64_t next_at;       /* of the next fetch by itself */
    int64_t started_at;    /* of the last fetch; INT64_MIN: none yet */
    unsigned int failures; /* since the last good document */
    int64_t failing_since;
    struct slice jwks_uri; /* as discovered; empty: to be discovered */
    int64_t discovered_at;
    char *document; /* the last good one; NULL: none, or no memory for it */
    size_t document_size;
    int64_t fetched_at; /* of it; while has_keys */
    uint64_t fetches, fetch_failures, unknown_kid_fetches;
    bool has_keys; /* a good document came, and its keys were not declared stale */
};

struct key_source {
    struct net_loop *loop;
    struct fetcher *fetcher;
    key_source_callback *callback;
    void *context;
    uv_timer_t timer;
    struct key_issuer *issuers; /* a list */
};

/* NULL: there is none of that name. */
struct key_issuer *key_source_find(const struct key_source *source, struct slice name);
/* The timer, by what is due next. */
void key_source_schedule(struct key_source *source);
/* Tells the source's owner. */
void key_issuer_report(struct key_issuer *issuer, enum key_source_event event, struct slice text);
/* When its keys are too old, where fetches go on failing; INT64_MAX: not as things stand. */
int64_t key_issuer_stale_at(const struct key_issuer *issuer);
/* Copies a document that was found good; without memory there is none. */
void key_issuer_keep(struct key_issuer *issuer, struct slice text);
void key_issuer_forget(struct key_issuer *issuer);
/* NULL for a JSON object with an array `keys` (RFC 7517 section 5); else a static text. The keys themselves are the verifier's business. */
const char *key_document_check(struct slice text);

#endif
