/* Request targets: parsed once, made canonical once (RFC 9112 section 3.2, RFC 3986 section 6). Everything that decides
 * reads the canonical form, and the upstream gets nothing else. No allocation; any thread. */
#ifndef SALLYPORT_HTTP_URI_H
#define SALLYPORT_HTTP_URI_H

#include "base/arena.h"
#include "base/slice.h"
#include "http/message.h"

enum uri_result {
    URI_OK,
    URI_BAD_SYNTAX,      /* a byte that may not stand there, a broken percent escape */
    URI_BAD_FORM,        /* authority-form off CONNECT, * off OPTIONS, no leading slash */
    URI_FRAGMENT,        /* '#' */
    URI_DOT_SEGMENT,     /* "." or ".." in any spelling, also before ";" */
    URI_ENCODED_SLASH,   /* %2F, %5C or a backslash, where not allowed */
    URI_EMPTY_SEGMENT,   /* "//" */
    URI_PARAMETER,       /* ";" in a segment */
    URI_DOUBLE_ENCODING, /* %25 followed by two hexadecimal digits */
    URI_CONTROL,         /* an encoded control character or NUL */
    URI_BAD_UTF8,        /* the decoded path is not UTF-8 */
    URI_TOO_LONG,
    URI_BAD_HOST,
};

/* What a route may allow by name; each is refused by default. */
enum uri_allow {
    URI_ALLOW_ENCODED_SLASH = 1, /* %2F stays encoded, everywhere */
    URI_ALLOW_PARAMETERS = 2,    /* ";" */
};

enum uri_form {
    URI_ORIGIN,    /* /path?query */
    URI_ABSOLUTE,  /* http://host/path?query */
    URI_AUTHORITY, /* host:port, CONNECT only */
    URI_ASTERISK,  /* *, OPTIONS only */
};

/* The parts of a target; slices of it. */
struct uri_target {
    enum uri_form form;
    struct slice scheme;    /* absolute-form only */
    struct slice authority; /* absolute- and authority-form */
    struct slice path;      /* raw; "/" for an empty path of absolute-form */
    struct slice query;     /* behind the '?'; ptr NULL where there is no '?' */
};

/* Checks the query and the authority, not yet the path. */
enum uri_result uri_parse_target(struct slice target, enum http_method method, struct uri_target *ret_target);

/* Canonical path into `out` (room for raw.len bytes: it never grows): escapes of every byte that may stand in a segment as
 * it is are decoded, but for ';'; all others are in upper-case hexadecimal. That is more than RFC 3986 section 6.2.2 does,
 * which leaves "%3A" and ":" two paths: servers take them for one, and so must the rules. Canonical again, it stays the
 * same. Refuses what is listed above, by `allow` (enum uri_allow, or-ed); "%5C" and backslashes always. */
enum uri_result uri_canonical_path(struct slice raw, unsigned int allow, char *out, struct slice *ret_path);

/* True only where the path is sure to be its own canonical form, and to need nothing that a route must allow: found in one
 * look at each byte. Most paths are; of the others some may be too. */
bool uri_path_is_canonical(struct slice raw);

/* Does an encoded slash or a parameter stand in it? So that a route that allows one can be asked a second time. */
unsigned int uri_path_needs(struct slice raw);

/* The query is passed on byte for byte: this only checks that every byte may stand in one, and that every '%' begins an
 * escape. Beyond RFC 3986 it takes "[]{}|^`", which the URL Standard and so every browser leaves as they are. */
bool uri_query_valid(struct slice query);

struct uri_authority {
    struct slice host; /* lower-case, without a trailing dot; IPv6 without brackets */
    uint16_t port;     /* 0: not given */
    bool is_ipv6;
};

/* The longest authority: a host, ':' and a port. */
#define URI_AUTHORITY_MAX (HTTP_HOST_MAX + 6)

/* Parses and lowers a Host value or authority (RFC 3986 section 3.2.2; no userinfo, no percent escapes). One spelling per
 * host: IPv6 as in RFC 5952 but without dotted quads; a name that ends in a number must be a plain dotted quad. `out`:
 * room for text.len bytes. */
enum uri_result uri_parse_authority(struct slice text, char *out, struct uri_authority *ret_authority);

/* How host and port (0: none) stand in a Host field: IPv6 in brackets. The host itself where nothing is to be added; ptr NULL:
 * no room. */
struct slice uri_authority_text(struct slice host, uint16_t port, struct arena *arena);

/* Decodes percent escapes of a path segment or a query value for comparison; returns the length. `out`: text.len bytes. */
size_t uri_decode(struct slice text, char *out);

const char *uri_result_text(enum uri_result result);

#endif
