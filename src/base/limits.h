/* All maxima in one place: what a peer, a file or a token may make us hold. Each says its unit. */
#ifndef SALLYPORT_BASE_LIMITS_H
#define SALLYPORT_BASE_LIMITS_H

/* Memory */
#define ARENA_BLOCK        (8 * 1024)   /* bytes of an arena's first and usual block */
#define EXCHANGE_ARENA_MAX (512 * 1024) /* bytes that one exchange may take from its arena */
#define CONFIG_ARENA_MAX   (256 * 1024 * 1024)

/* HTTP */
#define HTTP_HEAD_MAX       (32 * 1024) /* bytes of a head, start line and fields: the ceiling */
#define HTTP_TARGET_MAX     (8 * 1024)  /* bytes of a request target */
#define HTTP_HEADERS_MAX    100         /* fields in one head */
#define HTTP_METHOD_MAX     32          /* bytes of a method */
#define HTTP_TRAILERS_MAX   (8 * 1024)  /* bytes of a trailer section */
#define HTTP_CHUNK_LINE_MAX 256         /* bytes of a chunk-size line, extensions included */
/* Bytes of chunk extensions in one body: nobody needs them, a flood of them costs. */
#define HTTP_CHUNK_EXTENSIONS_MAX (16 * 1024)
#define HTTP_HOST_MAX             255         /* bytes of a host name */
#define HTTP_INFORMATIONAL_MAX    16          /* 1xx responses to one request */
#define HTTP_READ_BUFFER          (16 * 1024) /* bytes read at once where a head may come */
#define HTTP_BULK_BUFFER          (64 * 1024) /* bytes read at once of a body */
#define HTTP_SCARCE_BUFFER        (8 * 1024)  /* the same where memory for buffers is scarce */
/* Bytes that wait for a slow reader before the source is told to stop, and at most: one more piece comes. */
#define HTTP_WRITE_HIGH_WATER (64 * 1024)
#define HTTP_WRITE_BUFFER_MAX (HTTP_WRITE_HIGH_WATER + HTTP_BULK_BUFFER + 32 * 1024)
/* Bytes of an unread body that are read and dropped after a denial; the time limit may come first. */
#define HTTP_DRAIN_MAX (1024 * 1024)

/* Connections */
#define PROXY_HEADER_MAX 4096 /* bytes of a PROXY protocol header */
#define UNIX_PATH_MAX    107  /* bytes of a Unix socket's path */

/* HTTP/2 connections of clients */
#define HTTP2_STREAMS_MAX 100 /* requests at once, of one connection */
/* Bytes of request bodies that one stream, and all of a connection, may have on the way to an upstream that does not take
 * them. */
#define HTTP2_STREAM_WINDOW     (64 * 1024)
#define HTTP2_CONNECTION_WINDOW (256 * 1024)
/* Bytes of response bodies that wait on one connection before every source must wait as soon as anything of its own does. */
#define HTTP2_QUEUE_HIGH_WATER (256 * 1024)
#define HTTP2_SESSION_MEMORY_MAX \
    (512 * 1024)                     /* bytes of the protocol's own state: HPACK tables, queues, streams */
#define HTTP2_DYNAMIC_TABLE     4096 /* bytes of an HPACK table, either way */
#define HTTP2_OUTBOUND_ACKS_MAX 64   /* answers to PING and SETTINGS that wait to be written */
#define HTTP2_CONTINUATIONS_MAX 4    /* CONTINUATION frames of one head */
/* Bytes that HPACK may make of one head: what is over the head's limit is decoded still, since the table must stay right. */
#define HTTP2_DECODED_MAX (4 * HTTP_HEAD_MAX)
/* Frames that an honest client sends seldom: so many at once, and so many a second. */
#define HTTP2_RESETS_BURST        200 /* RST_STREAM of requests that were not answered yet */
#define HTTP2_RESETS_RATE         20
#define HTTP2_PROVOKED_BURST      100 /* streams that we reset for what the client did with them */
#define HTTP2_PROVOKED_RATE       10
#define HTTP2_SETTINGS_BURST      20
#define HTTP2_SETTINGS_RATE       1
#define HTTP2_PING_BURST          50
#define HTTP2_PING_RATE           5
#define HTTP2_WINDOW_UPDATE_BURST 1000 /* and one for each HTTP2_WINDOW_UPDATE_BYTES of response bodies */
#define HTTP2_WINDOW_UPDATE_RATE  100
#define HTTP2_WINDOW_UPDATE_BYTES 256
#define HTTP2_EMPTY_DATA_BURST    100 /* DATA without a byte that does not end its stream */
#define HTTP2_EMPTY_DATA_RATE     10
#define HTTP2_PRIORITY_BURST      200 /* PRIORITY and PRIORITY_UPDATE */
#define HTTP2_PRIORITY_RATE       50
#define HTTP2_OTHER_FRAMES_BURST  100 /* GOAWAY, and what has no place here; unknown types are passed over */
#define HTTP2_OTHER_FRAMES_RATE   10
/* WebSocket */
#define WEBSOCKET_KEY_LENGTH 24 /* characters of a handshake's key: 16 bytes in base64 */
#define WEBSOCKET_OFFERS_MAX 32 /* subprotocols, and extensions, that one handshake may offer */

/* Paths and routes */
#define ROUTE_VARIABLES_MAX 16  /* {variables} in one path pattern */
#define ROUTE_SEGMENTS_MAX  128 /* segments of a path */

/* HTTP/2 connections to upstreams */
/* Bytes that all streams of one may have on the way: given back as they come, so that a slow reader holds up nobody. */
#define HTTP2_UPSTREAM_CONNECTION_WINDOW (4 * 1024 * 1024)
#define HTTP2_UPSTREAM_TABLE             4096 /* bytes of an HPACK table, either way */
#define HTTP2_UPSTREAM_ACKS_MAX          64   /* answers to PING and SETTINGS that wait to be written */
/* Bytes that HPACK may make of one head: what is over its limit is decoded still, since the table must stay right. */
#define HTTP2_UPSTREAM_DECODED_MAX (4 * HTTP_HEAD_MAX)
/* Frames that carry nothing: so many at once, so many a second, and so many more for each call and each so many bytes sent. */
#define HTTP2_EMPTY_FRAMES_MAX      1000
#define HTTP2_EMPTY_FRAMES_RATE     100
#define HTTP2_UPSTREAM_CALL_FRAMES  20
#define HTTP2_UPSTREAM_UPDATE_BYTES 512
#define HTTP2_STRAY_DATA_MAX \
    (64 * 1024) /* bytes for streams that are over, and a window more for each call */

/* JSON */
#define JSON_DEPTH_MAX  64 /* nesting */
#define JSON_TEXT_MAX   (8 * 1024 * 1024)
#define JSON_NUMBER_MAX 1024 /* bytes of a number as written */

/* Tokens and keys */
#define JWT_TEXT_MAX           (16 * 1024)   /* bytes of a compact token */
#define JWT_SCOPES_MAX         256           /* scopes of one token; and roles */
#define JWT_TREE_MAX           (1024 * 1024) /* bytes that a token may take while it is looked at */
#define JWT_CACHED_MAX         (16 * 1024) /* bytes of a token that is kept; a larger one is verified each time */
#define JWT_KEYS_TRIED_MAX     8           /* keys that one token is tried with */
#define JWKS_TEXT_MAX          (1024 * 1024) /* bytes of a key set document */
#define INTROSPECTION_TEXT_MAX (64 * 1024)   /* bytes of an answer about a token */
#define JWKS_KEYS_MAX          100           /* keys in a set */
#define CANDIDATES_MAX         64            /* of `auth`, under way in a worker; beyond: undecided */

/* Client certificates */
#define TLS_CLIENT_NAMES_MAX  64         /* subject alternative names; a certificate with more has none */
#define TLS_CLIENT_NAMES_SIZE (8 * 1024) /* bytes of them all; the same */
#define TLS_CLIENT_NAME_MAX   2048       /* bytes of one: the longest SPIFFE ID */
#define TLS_CLIENT_DN_MAX     4096       /* bytes of a subject or issuer as text */
#define TLS_CRLS_MAX          64         /* revocation lists of one client policy */
#define TLS_CRL_FILE_MAX      (4 * 1024 * 1024) /* bytes; each handshake hashes the list of each CA in the chain */

/* Compression of responses */
#define COMPRESS_ENCODERS_MAX 64          /* in use at once, in a worker; beyond: bodies go as they are */
#define COMPRESS_HELD_MAX     (24 * 1024) /* bytes of a body that an encoder may keep for later */

/* Blocks */
#define BLOCKS_MAX        100000              /* in force at once, of a store; and of a file */
#define BLOCKS_MEMORY_MAX (256 * 1024 * 1024) /* bytes of all of them, texts included */

/* Configuration */
#define CONFIG_FILE_MAX     (16 * 1024 * 1024)
#define CONFIG_FILES_MAX    4096
#define CONFIG_DEPTH_MAX    32   /* nesting of YAML */
#define ENDPOINTS_MAX       1024 /* of one upstream */
#define ENDPOINT_WEIGHT_MAX 1000
#define LISTENERS_MAX       64 /* bits of route_entry.listeners */

#endif
