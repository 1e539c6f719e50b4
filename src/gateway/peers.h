/* How many connections each client network has, over all workers. Any thread, no lock, no allocation after peers_new.
 *
 * A table of counters under a keyed hash, in two rows: a network is counted in a cell of each, and the smaller one is its
 * count. So it never counts too little, and too much only where both cells are shared: with C connections open and a limit of
 * L that has a chance of (C / L / PEERS_CELLS)^2, one in ten millions for ten thousand and ten. It cannot be filled. */
#ifndef SALLYPORT_GATEWAY_PEERS_H
#define SALLYPORT_GATEWAY_PEERS_H

#include "base/error.h"
#include "net/address.h"

#include <stdatomic.h>

#define PEERS_CELLS 32768

struct peers {
    _Atomic uint32_t rows[2][PEERS_CELLS];
};

struct error peers_new(struct peers **ret_peers) MUST_CHECK;
void peers_free(struct peers *peers);

/* Counts one more connection of this address's network (IPv4 whole, IPv6 by /64) at this listener. How many there are now,
 * this one included. */
uint32_t peers_add(struct peers *peers, struct slice listener, const struct address *peer);
void peers_remove(struct peers *peers, struct slice listener, const struct address *peer);

#endif
