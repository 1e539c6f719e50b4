/* What the configuration says about an upstream service. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_UPSTREAM_SETTINGS_H
#define SALLYPORT_UPSTREAM_SETTINGS_H

#include "base/conf_field.h"
#include "net/address.h"
#include "tls/settings.h"
#include "upstream/balance/maglev.h"
#include "upstream/balance/settings.h"
#include "upstream/breaker.h"
#include "upstream/discovery/settings.h"
#include "upstream/guard.h"
#include "upstream/health/mark.h"
#include "upstream/health/settings.h"
#include "upstream/outlier/mark.h"
#include "upstream/outlier/settings.h"

/* One endpoint as it is written. */
struct upstream_endpoint_settings {
    struct slice url;  /* https://, http:// or h2c:// with host:port, no path; or unix:/path */
    int64_t weight;    /* 1 to 1000; 1 */
    struct slice zone; /* empty: none */
};

/* One endpoint, parsed from its URL by upstream_parse_endpoint; the rest is filled in by config. */
struct upstream_endpoint {
    struct slice url;
    struct slice path; /* of a Unix socket, within `url`; empty: it has a host and port */
    bool tls;
    bool h2c; /* HTTP/2 in the clear, by prior knowledge */
    struct slice
        host; /* as written, lower-case, without brackets; or what a certificate must show, where that is another */
    struct slice name; /* the host as written: what is looked up */
    uint16_t port;
    bool is_address; /* host is an IP address: `address` is set */
    struct address address;
    uint32_t weight;
    uint8_t tier;                 /* 0: in the gateway's zone, or of the lowest priority; then the others */
    struct outlier_mark *outlier; /* what its requests tell, set by the gateway; NULL: they are not counted */
    struct health_mark *mark;     /* what its checks found, set by the gateway; NULL: it is not checked */
};

struct upstream_settings {
    struct slice name;
    struct conf_list endpoints; /* of struct upstream_endpoint_settings; at most ENDPOINTS_MAX */
    struct discovery_settings
        *discover; /* in place of those, which the gateway then fills in; NULL: they are written */
    struct tls_client_settings *tls;
    int protocol;               /* enum http_client_protocol, of https endpoints */
    int balance;                /* enum upstream_balance */
    struct slice hash_by;       /* of BALANCE_HASH */
    int64_t max_load;           /* of BALANCE_HASH: percent of the mean; 0: any */
    int64_t zone_spill;         /* percent: see balance/usable.h; 70 */
    int64_t panic_threshold;    /* the same; 0 */
    struct slice host_header;   /* empty: the client's Host goes on */
    int64_t connect_timeout;    /* ns, TLS handshake included; 5 s */
    int64_t idle_timeout;       /* ns that an idle connection is kept; 30 s */
    int64_t max_connections;    /* per worker and endpoint; 1024 */
    int64_t max_streams;        /* requests at once on one connection, over HTTP/2; 100 */
    int64_t stream_window;      /* bytes of an answer that wait for a slow reader, over HTTP/2; 128 KiB */
    int64_t max_connection_age; /* ns that a connection takes requests, over HTTP/2; 1 h */
    int64_t max_requests;       /* per worker, under way at once; 0: as many as come */
    int64_t max_pending;        /* requests per worker that wait for a connection beyond those; 1024 */
    int64_t pending_timeout;    /* ns that they wait; 1 s */
    int64_t max_idle;           /* idle connections kept per worker and endpoint; 64 */
    int64_t retries;            /* further tries where that is safe; 1 */
    int64_t retry_budget;       /* per cent of its requests that routes may send again; 20 */
    int64_t slow_start;         /* ns; 0: none */
    struct breaker_settings *breaker;  /* NULL: there is none */
    struct outlier_settings *outliers; /* NULL: no endpoint is ejected */
    struct health_settings *health;    /* NULL: its servers are not asked */
    /* filled in by config */
    struct upstream_endpoint *parsed;  /* endpoints.count of them */
    bool has_local;                    /* some endpoint is of tier 0, and some is not */
    struct balance_source hash_source; /* of BALANCE_HASH */
    const struct maglev *maglev;       /* the same */
    struct guard guard;                /* where its endpoints may not be */
};

extern const struct conf_object upstream_object;

/* What an endpoint is to be asked for, where its service says `protocol`: its scheme goes first. */
int upstream_protocol_of(int protocol, const struct upstream_endpoint *endpoint);

/* One server, as far as it can be told from what is written: that two names stand for it is not looked up. */
bool upstream_endpoint_is_same(const struct upstream_endpoint *a, const struct upstream_endpoint *b);
/* The first of them that is that of `index`, which may be itself. */
size_t upstream_endpoint_first(const struct upstream_endpoint *endpoints, size_t index);

/* NULL, or what is wrong. Slices are of `url` or in `arena`. */
struct arena;
const char *upstream_parse_endpoint(struct slice url, struct arena *arena,
                                    struct upstream_endpoint *ret_endpoint);

#endif
