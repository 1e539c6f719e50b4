/* What the configuration says about proofs of possession (DPoP, RFC 9449). Plain data; lives in the snapshot. */
#ifndef SALLYPORT_AUTH_DPOP_SETTINGS_H
#define SALLYPORT_AUTH_DPOP_SETTINGS_H

#include "auth/dpop_target.h"
#include "base/conf_field.h"

/* `dpop` of whoever issues tokens: may they be bound to a key (cnf.jkt, RFC 9449 section 6), or must they? */
enum dpop_mode {
    DPOP_OFF, /* the default: a bound token is refused, whatever it is sent with */
    DPOP_ALLOWED,
    DPOP_REQUIRED,
};

enum dpop_nonces {
    DPOP_NONCES_AFTER_START, /* while proofs may be good that were made before the table of used ones */
    DPOP_NONCES_REQUIRED,
};

struct dpop_settings {
    struct conf_strings origins; /* as written */
    uint64_t algorithms;         /* 1 << enum jwt_algorithm */
    int64_t proof_lifetime;      /* ns */
    int64_t clock_skew;          /* ns */
    int nonces;                  /* enum dpop_nonces */
    int64_t nonce_lifetime;      /* ns */
    /* filled in by config: the origins, one each */
    struct dpop_origin *targets;
};

extern const struct conf_object dpop_object;
/* Of the field `dpop` of whoever issues tokens. */
extern const struct conf_choice dpop_mode_choices[];

#endif
