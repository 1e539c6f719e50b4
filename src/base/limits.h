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
