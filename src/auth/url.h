/* URLs that the configuration names to be asked: private to src/auth. Pure; any thread. */
#ifndef SALLYPORT_AUTH_URL_H
#define SALLYPORT_AUTH_URL_H

#include "base/slice.h"

enum url_problem {
    URL_GOOD,
    URL_CHARACTER, /* it holds white space or a control character */
    URL_SCHEME,    /* it is no https URL */
    URL_HOST,      /* it names no host */
    URL_USER,      /* it holds user information */
    URL_PLAIN,     /* plain http to something other than loopback */
    URL_QUERY,     /* it has a query or a fragment; never told by url_check */
};

/* https to anywhere, or http to loopback. */
enum url_problem url_check(struct slice url);

#endif
