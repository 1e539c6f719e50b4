/* How long what name servers told holds: until its smallest TTL is over (RFC 1035, RFC 2181 section 8). Pure. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_DNS_TTL_H
#define SALLYPORT_UPSTREAM_DISCOVERY_DNS_TTL_H

#include <stdint.h>

/* A TTL, s, as it was sent: one with the highest bit set says 0. */
uint32_t dns_ttl_of(uint32_t sent);
/* The smallest TTL in the answer section of a message, s; 0 where it is malformed, UINT32_MAX where it holds nothing. */
uint32_t dns_answer_ttl(const unsigned char *message, int size);

/* From an answer to the next look, ns: the TTL, s, but no less than a second and, for the addresses of `names` names, what
 * makes a hundred questions a second, and no more than `interval`, ns; and up to a tenth more by `chance`, so that gateways do not ask
 * together. UINT32_MAX: there was no TTL. */
int64_t dns_pause(uint32_t ttl, uint32_t names, int64_t interval, uint32_t chance);
/* The same where there was no answer, or nothing in it. */
int64_t dns_pause_of_nothing(int64_t interval, uint32_t chance);

#endif
