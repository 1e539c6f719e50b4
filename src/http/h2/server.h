/* HTTP/2 from clients: h2_server_protocol of http/connection.h is all that others call. */
#ifndef SALLYPORT_HTTP_H2_SERVER_H
#define SALLYPORT_HTTP_H2_SERVER_H

#include "http/connection.h"

struct h2_shared;

/* What the connections of a list shared, after the last one is over; may be NULL. */
void h2_shared_free(struct h2_shared *shared);

#endif
