/* What stands in a bequest, written and read. Control thread. */
#ifndef SALLYPORT_GATEWAY_TESTAMENT_H
#define SALLYPORT_GATEWAY_TESTAMENT_H

#include "auth/key_source.h"
#include "gateway/bequest.h"
#include "tls/tls.h"
#include "upstream/discovery/estate.h"

/* Writes the ticket key, the key sets and the discovered endpoints as they are now. What is beyond the room is left out, endpoints
 * first. `discovery` may be NULL. */
void testament_write(struct bequest *bequest, struct tls_tickets *tickets, const struct key_source *keys,
                     const struct discovery *discovery);

/* Reads what the process before left; nothing where it cannot be read. Wiped by testament_free. */
struct testament;
struct testament *testament_read(int fd);
void testament_free(struct testament *testament);
/* NULL is fine. */
void testament_give_tickets(const struct testament *testament, struct tls_tickets *tickets);
void testament_give_keys(const struct testament *testament, struct key_source *keys);
/* To sources that are open, and of which nothing is known yet. */
void testament_give_endpoints(const struct testament *testament, struct discovery *discovery);

#endif
