/* Fields of an answer that tell browsers what a page may not do (RFC 6797, Content Security Policy, Referrer Policy, the Fetch
 * standard). Pure; any thread. */
#ifndef SALLYPORT_ROUTE_SECURE_HEADERS_H
#define SALLYPORT_ROUTE_SECURE_HEADERS_H

#include "base/conf_field.h"
#include "http/headers.h"

/* `secure_headers`: values as they are sent, or "off". */
struct secure_headers_settings {
    bool enabled;
    bool overwrite;                         /* in place of what the upstream says itself */
    struct slice strict_transport_security; /* over TLS alone */
    struct slice content_type_options;
    struct slice frame_options;
    struct slice referrer_policy;
    struct slice content_security_policy;
};

extern const struct conf_object secure_headers_object;

/* NULL, or what is wrong; *ret_field: with which. */
const char *secure_headers_check_settings(const struct secure_headers_settings *settings,
                                          const struct slice **ret_field);

/* Adds them to an answer, a denial too. What the answer says already stands, unless `overwrite`. False: no room. */
bool secure_headers_decorate(const struct secure_headers_settings *settings, bool is_tls,
                             struct headers *out);

#endif
