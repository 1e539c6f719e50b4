/* Asked before a credential is verified that was not verified before: whoever verifies need not know who may ask. */
#ifndef SALLYPORT_AUTH_GATE_H
#define SALLYPORT_AUTH_GATE_H

#include "pipeline/deny_reasons.h"

struct verification_gate {
    enum deny_reason (*pass)(void *context); /* NULL: there is no gate */
    void *context;
};

/* DENY_NONE: go on; else it is refused, for this reason. */
static inline enum deny_reason verification_gate_pass(const struct verification_gate *gate)
{
    return gate->pass != NULL ? gate->pass(gate->context) : DENY_NONE;
}

#endif
