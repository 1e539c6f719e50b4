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

/* WebSocket */
#define WEBSOCKET_KEY_LENGTH 24 /* characters of a handshake's key: 16 bytes in base64 */
#define WEBSOCKET_OFFERS_MAX 32 /* subprotocols, and extensions, that one handshake may offer */

/* Paths and routes */
#define ROUTE_VARIABLES_MAX 16  /* {variables} in one path pattern */
#define ROUTE_SEGMENTS_MAX  128 /* segments of a path */

/* JSON */
#define JSON_DEPTH_MAX  64 /* nesting */
#define JSON_TEXT_MAX   (8 * 1024 * 1024)
#define JSON_NUMBER_MAX 1024 /* bytes of a number as written */

/* Tokens and keys */
#define JWT_TEXT_MAX       (16 * 1024)   /* bytes of a compact token */
#define JWT_SCOPES_MAX     256           /* scopes and roles of one token */
#define JWT_TREE_MAX       (1024 * 1024) /* bytes that a token may take while it is looked at */
#define JWT_CACHED_MAX     (16 * 1024) /* bytes of a token that is kept; a larger one is verified each time */
#define JWT_KEYS_TRIED_MAX 8           /* keys that one token is tried with */
#define JWKS_TEXT_MAX      (1024 * 1024) /* bytes of a key set document */
#define JWKS_KEYS_MAX      100           /* keys in a set */

/* Configuration */
#define CONFIG_FILE_MAX  (16 * 1024 * 1024)
#define CONFIG_FILES_MAX 4096
#define CONFIG_DEPTH_MAX 32 /* nesting of YAML */

#endif
