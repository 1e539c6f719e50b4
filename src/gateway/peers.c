#include "gateway/peers.h"

#include "base/hash.h"

#include <stdlib.h>

struct error peers_new(struct peers **ret_peers)
{
    struct peers *peers = calloc(1, sizeof *peers);
    if (peers == NULL) {
        return FAIL(ERROR_MEMORY, "table of client addresses");
    }
    *ret_peers = peers;
    return OK;
}

void peers_free(struct peers *peers)
{
    free(peers);
}

static void find(struct peers *peers, struct slice listener, const struct address *peer,
                 _Atomic uint32_t *out[2])
{
    struct {
        uint64_t listener;
        unsigned char network[sizeof peer->bytes];
    } key = { .listener = hash_bytes(listener.ptr, listener.len) };
    struct address network = address_network(peer);
    memcpy(key.network, network.bytes, sizeof key.network);
    uint64_t hash = hash_bytes(&key, sizeof key);
    out[0] = &peers->rows[0][hash % PEERS_CELLS];
    out[1] = &peers->rows[1][(hash >> 32) % PEERS_CELLS];
}

uint32_t peers_add(struct peers *peers, struct slice listener, const struct address *peer)
{
    _Atomic uint32_t *cells[2];
    find(peers, listener, peer, cells);
    uint32_t first = atomic_fetch_add_explicit(cells[0], 1, memory_order_relaxed) + 1;
    uint32_t second = atomic_fetch_add_explicit(cells[1], 1, memory_order_relaxed) + 1;
    return first < second ? first : second;
}

void peers_remove(struct peers *peers, struct slice listener, const struct address *peer)
{
    _Atomic uint32_t *cells[2];
    find(peers, listener, peer, cells);
    atomic_fetch_sub_explicit(cells[0], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(cells[1], 1, memory_order_relaxed);
}
