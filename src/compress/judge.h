/* What may be compressed: by the response, and by who asked for it. Pure; any thread.
 *
 * The danger is BREACH: who sees how long encrypted responses are, and can have a guess of his put into a response beside a secret,
 * reads the secret from the lengths. So a response that somebody's credential was shown for is not compressed where a stranger could
 * have made that request: with what browsers send along by themselves. What they do not is for the route to say (settings.h).
 * docs/compression.md tells it whole. */
#ifndef SALLYPORT_COMPRESS_JUDGE_H
#define SALLYPORT_COMPRESS_JUDGE_H

#include "compress/settings.h"
#include "http/message.h"

/* X(ID, "word"): why a response goes as it is, in the order in which it is asked; the word is the metric's label. */
#define COMPRESS_SKIPS(X)           \
    X(STATUS, "status")             \
    X(ENCODED, "encoded")           \
    X(NO_TRANSFORM, "no_transform") \
    X(SIGNED, "signed")             \
    X(TYPE, "type")                 \
    X(SMALL, "small")               \
    X(PRIVATE, "private")           \
    X(CREDENTIAL, "credential")     \
    X(NOT_ACCEPTED, "not_accepted") \
    X(BUSY, "busy")

enum compress_skip {
#define COMPRESS_SKIP_ENUM(id, word) COMPRESS_SKIP_##id,
    COMPRESS_SKIPS(COMPRESS_SKIP_ENUM)
#undef COMPRESS_SKIP_ENUM
    COMPRESS_SKIP_COUNT,
    COMPRESS_NO_SKIP = COMPRESS_SKIP_COUNT, /* nothing speaks against it */
};

struct compress_response {
    unsigned int status;
    const struct headers *headers;
    bool knows_length;
    uint64_t length;
};

/* By the response alone: the same for whoever asks. */
enum compress_skip compress_judge_response(const struct compress_settings *settings,
                                           const struct compress_response *response);

/* Is it somebody's own? Set-Cookie says so always; `private` and `no-store` unless the route says that its responses hold no secret. */
bool compress_is_private(const struct compress_settings *settings, const struct headers *response);

/* Do these fields of a request hold a credential that a browser sends along by itself, whoever made the page? A Bearer token and one of
 * DPoP are none, where the route says that its responses hold no secret. */
bool compress_has_credential(const struct compress_settings *settings, const struct headers *request);

/* Does a media type, with its parameters, fit one of `types`, and is none that must not wait? */
bool compress_type_fits(const struct conf_strings *types, struct slice content_type);

/* A field, or a trailer, that proves the body as its sender has it. */
bool compress_is_proof(struct slice name);

#endif
