/* What an authorizer has answered: a decision, and of its fields those that the configuration lists. One piece of memory with
 * references, of one thread: the cache, and requests that it decides, each hold one. */
#ifndef SALLYPORT_EXTERNAL_ANSWER_H
#define SALLYPORT_EXTERNAL_ANSWER_H

#include "auth/principal.h"
#include "external/settings.h"
#include "http/message.h"
#include "pipeline/deny_reasons.h"

/* Bytes of the body of an answer, which nobody looks at. */
#define EXTERNAL_BODY_MAX (64 * 1024)
/* Fields of an answer that go on, either way. */
#define EXTERNAL_FIELDS_MAX 32
/* Bytes of an answer that may be remembered. */
#define EXTERNAL_KEPT_MAX 4096
/* Roles that roles_header may list, and bytes of a subject. */
#define EXTERNAL_ROLES_MAX   256
#define EXTERNAL_SUBJECT_MAX 512

struct external_answer {
    unsigned int references;
    enum deny_reason
        reason; /* NONE: yes. AUTHORIZER_UNAUTHENTICATED, _REDIRECT, _DENIED: no. Else: there is no answer */
    unsigned int status;     /* that a no's client is told */
    const char *detail;      /* for the log, in the answer's own memory; NULL: none */
    struct header *upstream; /* of a yes */
    size_t upstream_count;
    struct header *client;
    size_t client_count;
    struct slice subject; /* of a yes; empty: it named nobody */
    struct slice *roles;  /* sorted by slice_compare, no duplicates */
    size_t role_count;
    unsigned char caller_key[PRINCIPAL_KEY_SIZE]; /* where it named somebody: so that no request makes it */
    bool may_be_kept;
};

/* Judges a head. NULL: no memory. A field that is listed stands there once (Set-Cookie and WWW-Authenticate may be several) and
 * holds nothing that no field may hold; what is not listed is left out. */
struct external_answer *external_answer_new(const struct authorizer_settings *settings,
                                            const struct http_response *response);
/* There is no answer; `detail`, which may be NULL, is copied. NULL: no memory. */
struct external_answer *external_answer_failed(enum deny_reason reason, const char *detail);

struct external_answer *external_answer_ref(struct external_answer *answer);
void external_answer_unref(struct external_answer *answer); /* NULL: nothing */

#endif
