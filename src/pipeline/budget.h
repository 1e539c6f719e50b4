/* The budget of failed authentications (docs/failure-budgets.md), as methods and the stage `authenticate` use it.
 *
 * What was verified before passes without asking. Before anything is verified that costs something, a method asks
 * budget_verify: it takes one failure off the budget of the client's network, which the stage gives back where it was none. A
 * network whose budget is spent gets verifications at a rate, and no ban: so that who shares it is not locked out.
 * On the exchange's thread. */
#ifndef SALLYPORT_PIPELINE_BUDGET_H
#define SALLYPORT_PIPELINE_BUDGET_H

#include "auth/gate.h"
#include "pipeline/exchange.h"

/* A token or a key is about to be verified. DENY_NONE: go on; else the reason, and exchange->retry_after is set. Asked again for
 * the same exchange it costs nothing more. */
enum deny_reason budget_verify(struct exchange *exchange);

/* The same of a password: `user` of the set `set` has a budget of its own with each network. */
enum deny_reason budget_verify_password(struct exchange *exchange, struct slice set, struct slice user);

/* budget_verify as a gate; good for as long as the exchange. */
struct verification_gate budget_gate(struct exchange *exchange);

/* What came of it, once: `reason` of the denial, or DENY_NONE. */
void budget_settle(struct exchange *exchange, enum deny_reason reason);

#endif
