/* What must hold of all bytes after a script, read a second time by connection/message.h:
 *
 * - what an upstream was sent are whole requests, each one that the pipeline admitted and logged, with the method and the body that
 *   its client sent for it, and with no identity that was not proven;
 * - what a client was sent are responses, one for each request in their order, whole unless the log says that they were cut;
 * - a response has the status and the body that the upstream gave to that very request, out of bytes that it sent after it
 *   had got the request. */
#ifndef SALLYPORT_TESTS_FUZZ_CONNECTION_ORACLE_H
#define SALLYPORT_TESTS_FUZZ_CONNECTION_ORACLE_H

#include "connection/loopback.h"

/* Requests that the gateway has begun on this wire: for wire_send. */
size_t oracle_begun(struct wire *wire);

void oracle_check(void);

#endif
