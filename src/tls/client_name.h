/* The names that a client's certificate may be known by: which bytes of one are usable, and its one spelling.
 *
 * What is no plain name of its type is no name: NUL bytes, control characters, what is too long (limits.h) and what could be
 * taken for something else. Types never mix: each has its own function. Pure; any thread. */
#ifndef SALLYPORT_TLS_CLIENT_NAME_H
#define SALLYPORT_TLS_CLIENT_NAME_H

#include "base/slice.h"

/* Is it usable? Then its one spelling, as long as the name itself, is written to `out`. */
typedef bool client_name_reader(struct slice name, char *out);

/* A host name of letters, digits, "-" and "_" (RFC 1123; no wildcard, no trailing dot), in lower case. */
client_name_reader client_name_dns;
/* An absolute URI of the characters of RFC 3986, as it stands: no part of it is made equal to another spelling. */
client_name_reader client_name_uri;
/* A mailbox (RFC 5321 section 4.1.2) without quoting; the domain in lower case, what stands before it as it is. */
client_name_reader client_name_email;

/* Is it the SPIFFE ID of a workload (SPIFFE-ID section 2, X509-SVID section 3.1)? "spiffe://trust-domain/path": no port, user
 * information, query, fragment or escape; no empty, "." or ".." segment; at most 2048 bytes, 255 of them the trust domain. */
bool client_name_spiffe(struct slice id, struct slice *ret_trust_domain);
/* Lower-case letters, digits, ".", "-" and "_". */
bool client_name_trust_domain(struct slice name);

#endif
