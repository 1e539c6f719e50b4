/* IP addresses, prefixes and socket addresses. No allocation; any thread. */
#ifndef SALLYPORT_NET_ADDRESS_H
#define SALLYPORT_NET_ADDRESS_H

#include "base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* An IP address, always as 16 bytes: IPv4 in its v4-mapped form, so that one address has one value. All zero is no address:
 * that of who connects by a Unix socket. (As IPv6's "::" it is nobody's either, RFC 4291 section 2.5.2.) */
struct address {
    unsigned char bytes[16];
    uint16_t port; /* host order, 0 where it does not matter */
};

struct address_prefix {
    struct address address;
    unsigned int bits; /* 0 to 128, of the 16-byte form */
};

/* Initializers: how many bits, and the bytes that they are of; the others are 0. */
#define ADDRESS_PREFIX_V4(bits_, ...)                                                    \
    {                                                                                    \
        .address = { .bytes = { [10] = 0xff, 0xff, __VA_ARGS__ } }, .bits = 96 + (bits_) \
    }
#define ADDRESS_PREFIX_V6(bits_, ...)                            \
    {                                                            \
        .address = { .bytes = { __VA_ARGS__ } }, .bits = (bits_) \
    }

#define ADDRESS_TEXT_MAX 46

bool address_is_v4(const struct address *address);
/* 0.0.0.0 or "::": any address to a listener, nobody's to a peer. */
bool address_is_unspecified(const struct address *address);
/* 127.0.0.0/8 or ::1: nobody outside this machine. */
bool address_is_loopback(const struct address *address);
/* Whatever their ports are. */
bool address_is_same(const struct address *a, const struct address *b);
bool address_is_none(const struct address *address);
bool address_from_sockaddr(const struct sockaddr *from, struct address *ret_address);
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *out);
/* Of a Unix socket; at most UNIX_PATH_MAX bytes, and no NUL among them. */
socklen_t address_path_to_sockaddr(struct slice path, struct sockaddr_storage *out);

/* Dotted quad or IPv6 (without zone; brackets allowed). False on anything else. The port becomes 0. */
bool address_parse(struct slice text, struct address *ret_address);

/* An address that anybody on the Internet may be behind: none of those that the IANA's special-purpose registries (RFC 6890)
 * keep for private networks, one link, this machine, documentation, benchmarks, multicast or later. NAT64 (RFC 6052) and
 * v4-mapped ones are what the IPv4 address within is. */
bool address_is_public(const struct address *address);

/* "10.0.0.0/8", "2001:db8::/32" or a bare address. False where bits beyond the prefix are set. */
bool address_prefix_parse(struct slice text, struct address_prefix *ret_prefix);
/* What holds of no address alone. */
struct address_prefix address_prefix_none(void);
/* No address is in no other prefix, ::/0 included. */
bool address_in_prefix(const struct address *address, const struct address_prefix *prefix);
/* IPv4 within IPv6 for translation is what it stands for (RFC 6052 section 2.1), any other address itself. */
struct address address_within(const struct address *address);

/* Writes the address without port: v4-mapped ones as dotted quad. Returns its length; NUL-terminated. */
size_t address_format(const struct address *address, char out[ADDRESS_TEXT_MAX]);

/* The same of a peer or client; "unknown" (RFC 7239 section 6.2) of one that has no address. */
size_t address_format_peer(const struct address *address, char out[ADDRESS_TEXT_MAX]);

/* What limits count by: the whole address for IPv4, the /64 for IPv6. The port becomes 0. */
struct address address_network(const struct address *address);

#endif
