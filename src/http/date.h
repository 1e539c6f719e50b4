/* The Date of a response: IMF-fixdate (RFC 9110 section 5.6.7), formatted once a second and thread. */
#ifndef SALLYPORT_HTTP_DATE_H
#define SALLYPORT_HTTP_DATE_H

#include "base/slice.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT"; good until this thread's next call for another second. */
struct slice http_date(int64_t real_ns);

#endif
