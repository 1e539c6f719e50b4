/* Deny rules: private to src/authorize. No allocation; any thread. */
#ifndef SALLYPORT_AUTHORIZE_DENY_H
#define SALLYPORT_AUTHORIZE_DENY_H

#include "authorize/authorize.h"

/* Does any rule match? What cannot be judged (a rule that authorize_check_deny would refuse, a claim that is an object, a
 * request without its headers) matches. */
bool deny_fires(const struct conf_list *rules, const struct principal *principal,
                const struct authorize_request *request);

#endif
