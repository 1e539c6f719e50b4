/* The PROXY protocol's header, versions 1 and 2: how a proxy says, before anything else on a connection, who its client is.
 * Source: "The PROXY protocol, versions 1 & 2" (HAProxy, doc/proxy-protocol.txt). Pure; any thread. */
#ifndef SALLYPORT_NET_PROXY_PROTOCOL_H
#define SALLYPORT_NET_PROXY_PROTOCOL_H

#include "base/error.h"
#include "net/address.h"

enum proxy_protocol_result {
    PROXY_PROTOCOL_MORE, /* a header may still become of it, and all bytes are the header's */
    PROXY_PROTOCOL_DONE,
    PROXY_PROTOCOL_BAD, /* no bytes behind these could make it one */
};

struct proxy_protocol {
    size_t size; /* DONE: bytes of the header; the connection's own bytes follow */
    bool
        announced; /* DONE: `client` is set. False: LOCAL, UNKNOWN or no IP address: the socket's peer is the client */
    struct address client; /* with its port */
    const char *problem;   /* BAD: static text */
};

/* `data`: everything from the connection's first byte on, of either version. Whole headers only, of at most
 * PROXY_HEADER_MAX bytes (version 1: 107). Strict: a checksum (CRC-32C) that is there is verified, other TLVs need only be
 * well-formed; datagrams, and a client's address that is no client's (0.0.0.0, ::), are refused. Whatever LOCAL brings along
 * is ignored, as section 2.2 says, but for a wrong checksum. */
enum proxy_protocol_result proxy_protocol_parse(struct slice data,
                                                struct proxy_protocol *ret_header) MUST_CHECK;

#endif
