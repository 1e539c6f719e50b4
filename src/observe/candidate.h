/* What came of a candidate beside the enforced `auth` of a route (pipeline/candidate.h), as logs and metrics name it. */
#ifndef SALLYPORT_OBSERVE_CANDIDATE_H
#define SALLYPORT_OBSERVE_CANDIDATE_H

/* X(ID, "name") */
#define CANDIDATE_OUTCOMES_LIST(X)                                                        \
    X(AGREES, "agrees")           /* lets in who is let in, or denies who is denied */    \
    X(WOULD_DENY, "would_deny")   /* who is let in */                                     \
    X(WOULD_ALLOW, "would_allow") /* who is denied */                                     \
    X(UNDECIDED, "undecided")     /* it was not judged, or could not be before the end */ \
    X(ENDED, "ended")             /* its date has come */

enum candidate_outcome {
    CANDIDATE_NONE, /* the route has none, or auth was not reached */
#define CANDIDATE_ENUM(id, name) CANDIDATE_##id,
    CANDIDATE_OUTCOMES_LIST(CANDIDATE_ENUM)
#undef CANDIDATE_ENUM
    CANDIDATE_OUTCOMES,
};

extern const char *const candidate_names[CANDIDATE_OUTCOMES]; /* of CANDIDATE_NONE NULL */

#endif
