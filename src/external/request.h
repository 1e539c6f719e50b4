/* What an authorizer is asked, and what a decision is remembered by: by allow-list, so that nothing passes by chance. Pure; any
 * thread. */
#ifndef SALLYPORT_EXTERNAL_REQUEST_H
#define SALLYPORT_EXTERNAL_REQUEST_H

#include "auth/principal.h"
#include "external/settings.h"
#include "http/message.h"
#include "net/address.h"
#include "pipeline/deny_reasons.h"

/* What is known of a request. */
struct external_request {
    struct slice method;
    struct slice host; /* canonical */
    uint16_t port;     /* that the client named, 0: none */
    bool is_tls;
    struct slice path, query; /* canonical path; query.ptr NULL: none */
    struct address client;
    const struct headers *headers;     /* as received */
    const struct principal *principal; /* as proven so far */
    struct slice request_id;
    struct slice traceparent; /* empty: none */
};

/* What of it is sent, found once: of the client's fields those of `request_headers` that are not of one connection, and the
 * identity as `identity_headers` tell it. */
struct external_fields {
    struct headers client, identity;
};

/* A question, as http/client.h takes it. Its slices are of the request, the settings or the arena. */
struct external_question {
    enum http_method method;
    struct slice method_text;
    struct slice target;
    struct slice host;
    struct headers headers;
    enum http_body body; /* never more than an empty one */
};

/* DENY_NONE; CREDENTIAL_REPEATED: which of two Authorization fields counts would be a matter of taste; AUTHORIZATION_ERROR: a
 * value of the identity has no faithful form, or Connection lists too many names; INTERNAL: no memory. */
enum deny_reason external_fields_of(const struct authorizer_settings *settings,
                                    const struct external_request *request, struct arena *arena,
                                    struct external_fields *ret_fields);

/* False: no memory. */
bool external_question_of(const struct authorizer_settings *settings, const struct external_request *request,
                          const struct external_fields *fields, struct arena *arena,
                          struct external_question *ret_question);

/* The SHA-256 of all that `cache.by` names, each part told apart from the next by its length. False: it could not be made, and
 * nothing may be remembered. */
#define EXTERNAL_KEY_SIZE 32
bool external_key_of(const struct authorizer_settings *settings, const struct external_request *request,
                     const struct external_fields *fields, unsigned char out[EXTERNAL_KEY_SIZE]);

#endif
