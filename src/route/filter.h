/* Route filters: what a route makes of a request on its way to the upstream, and of the answer on its way back.
 *
 * `filters` is a list, each entry one filter, run in the order that they are written; those of farther layers (defaults,
 * policies, groups) come first. They are compiled when the configuration is loaded and run after everything that decides: who
 * may do what was decided on the path as the client sent it, in its canonical form. What a filter makes must be canonical
 * itself, and what security owns (framing, identity, forwarded addresses, credentials, the request id) is out of its reach:
 * `check` refuses it by name.
 *
 * A chain is immutable: any thread. A run belongs to one exchange, and allocates in its arena alone. */
#ifndef SALLYPORT_ROUTE_FILTER_H
#define SALLYPORT_ROUTE_FILTER_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "http/headers.h"
#include "pipeline/deny_reasons.h"
#include "route/route.h"
#include "upstream/settings.h"

/* `rewrite_path`: a regular expression of PCRE2, and what stands in place of its first match. */
struct rewrite_settings {
    struct slice pattern, replacement;
};

/* `redirect_to`: answered by the gateway itself. */
struct redirect_settings {
    struct slice
        location; /* "/path?query" or "https://host/path?query", in which variables of the path may stand */
    int status;   /* 301, 302, 303, 307, 308 */
    bool keep_query; /* what the client sent goes along, behind the location's own */
};

/* One entry of `filters`: exactly one of these is said. */
struct filter_settings {
    int64_t strip_prefix; /* segments */
    struct slice prefix_path, set_path;
    struct rewrite_settings *rewrite_path;
    struct conf_pairs add_request_header, set_request_header, map_request_header, dedupe_request_header;
    struct conf_strings remove_request_header;
    struct conf_pairs add_request_parameter;
    struct conf_strings remove_request_parameter;
    bool preserve_host_header;
    struct slice set_host_header;
    struct conf_pairs add_response_header, set_response_header, dedupe_response_header, rewrite_location;
    struct conf_strings remove_response_header;
    int64_t set_status;
    struct redirect_settings *redirect_to;
};

extern const struct conf_object filter_object;

/* What the filters of one route are compiled for. */
struct filter_route {
    const struct match_settings *match;          /* the whole of it */
    unsigned int path_allows;                    /* enum uri_allow, or-ed */
    const struct conf_strings *identity_headers; /* that any route sets from what was proven; NULL: none */
};

struct filter_chain;
struct principal;

/* The chain of `filters` (struct filter_settings) in `arena`, which must outlive it. Where an entry is wrong, the error's text
 * says what, and *ret_wrong is the field in it, or the entry itself. */
struct error filter_chain_new(const struct conf_list *filters, const struct filter_route *route,
                              struct arena *arena, struct filter_chain **ret_chain,
                              const void **ret_wrong) MUST_CHECK;

/* What regular expressions work in, of one thread: nothing is allocated for a request. NULL: no memory. */
struct filter_scratch;
struct filter_scratch *filter_scratch_new(void);
void filter_scratch_free(struct filter_scratch *scratch);

/* Where an answer comes from: what a Location may name that leads back to the same service. */
struct filter_origin {
    const struct upstream_settings *upstream;
    struct slice told;  /* the authority that the upstream was told as Host */
    struct slice asked; /* the one that the client asked for */
};

/* One exchange's way through a chain. */
struct filter_run {
    const struct route_variables *variables;
    const struct principal *principal; /* who is calling; NULL: anonymous */
    struct arena *arena;
    struct filter_scratch *scratch;
    unsigned int path_allows; /* enum uri_allow, or-ed: of the route */
    /* in and out */
    struct slice path;
    struct slice query;                 /* behind the '?'; ptr NULL: none */
    const struct filter_origin *origin; /* of an answer */
    struct headers *headers;            /* of the request for the upstream, or of its answer */
    /* of the filters among themselves */
    struct slice stripped; /* the beginning of the client's path that has gone */
    /* out */
    unsigned int status;   /* in and out, of an answer; of a request, that of a redirect, or 0 */
    struct slice location; /* of a redirect: the request goes no further */
    bool preserve_host;    /* the upstream is told the client's own Host, whatever it says itself */
    struct slice host;     /* what it is told instead; empty: nothing is said */
    /* out, of a failure: why, safe to log, static or in the arena */
    struct slice detail;
};

/* How many fields those of the request, or of the answer, may add to `headers`: for their owner to leave room. */
size_t filter_request_fields(const struct filter_chain *chain);
size_t filter_response_fields(const struct filter_chain *chain);

/* Does it answer every request by a redirect, so that there need be no upstream? */
bool filter_redirects(const struct filter_chain *chain);

/* Runs those of the request, up to a redirect. DENY_NONE: `path`, `query` and `headers` are what the upstream is sent, once the path is checked. */
enum deny_reason filter_request(const struct filter_chain *chain, struct filter_run *run);

/* An internal address of the upstream in the answer's Location goes: a reference to the same path, which the client resolves against
 * what it asked for, is left. False: no memory. */
bool filter_hide_location(struct headers *headers, const struct filter_origin *origin, struct arena *arena);

/* Runs those of the answer on its `headers`. Not on answers of the gateway's own. */
enum deny_reason filter_response(const struct filter_chain *chain, struct filter_run *run);

/* Refuses a path for the upstream that is not in its canonical form, or holds what the route does not allow: whatever made it, what
 * is sent has one reading. */
enum deny_reason filter_check_path(struct filter_run *run);

/* What is removed from the fields of a request or an answer is removed from its trailers, too. */
void filter_trailers(const struct filter_chain *chain, bool of_request, struct headers *trailers);

#endif
