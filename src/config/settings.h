/* The configuration as the user writes it, after includes, policies, groups and overlays were merged: plain structs, read
 * by the field tables. Lives in the snapshot's arena, immutable once loaded. */
#ifndef SALLYPORT_CONFIG_SETTINGS_H
#define SALLYPORT_CONFIG_SETTINGS_H

#include "auth/api_key_settings.h"
#include "auth/basic_settings.h"
#include "auth/client_certificate.h"
#include "auth/dpop_settings.h"
#include "auth/introspection_settings.h"
#include "auth/resource.h"
#include "auth/settings.h"
#include "authorize/authorize.h"
#include "base/conf_field.h"
#include "block/settings.h"
#include "compress/settings.h"
#include "external/settings.h"
#include "limit/failures.h"
#include "limit/limit.h"
#include "net/address.h"
#include "observe/logs.h"
#include "relay/relay.h"
#include "route/error_page.h"
#include "route/fault.h"
#include "route/filter.h"
#include "route/route.h"
#include "route/secure_headers.h"
#include "route/websocket.h"
#include "tls/settings.h"
#include "upstream/fallback.h"
#include "upstream/hedge.h"
#include "upstream/mirror.h"
#include "upstream/retry.h"
#include "upstream/settings.h"
#include "upstream/split.h"

enum exposure {
    EXPOSURE_EXTERNAL, /* the default: the stricter assumption */
    EXPOSURE_INTERNAL,
};

enum plaintext {
    PLAINTEXT_DENY, /* the default: a listener without tls only redirects */
    PLAINTEXT_ALLOW,
};

/* Whether who connects must begin with a PROXY protocol header. There is no "where one comes": a client could send it. */
enum proxy_protocol_use {
    PROXY_PROTOCOL_NONE,
    PROXY_PROTOCOL_REQUIRED,
};

struct timeout_settings { /* ns; `timeouts` of a listener */
    int64_t proxy_header; /* 5 s */
    int64_t handshake;    /* 10 s */
    int64_t head;         /* 10 s */
    int64_t body;         /* 30 s */
    int64_t idle;         /* 60 s */
    int64_t write;        /* 30 s */
    int64_t drain;        /* 2 s: for an unread body after an early answer */
    int64_t min_rate;     /* bytes a second, CONF_SIZE; 500: what bodies must flow with on average */
};

struct listener_settings {
    struct slice name;
    struct slice address;      /* an IP address; default 0.0.0.0 */
    int64_t port;              /* 0: any free one, shown in the log */
    struct slice path;         /* of a Unix socket, instead of both; empty: none */
    struct slice mode;         /* of its file, octal; default 0660 */
    struct slice owner, group; /* names or numbers; empty: the supervisor's */
    int exposure;              /* enum exposure */
    struct tls_server_settings *tls;
    int plaintext; /* enum plaintext */
    bool redirect_to_https;
    int64_t https_port; /* that redirects name; 443 is left out of the URL */
    bool status;        /* serves /metrics, /healthz, /readyz and nothing else; internal only */
    uint64_t protocols; /* enum http_protocols: by ALPN on a listener with tls */
    bool h2c;           /* HTTP/2 without TLS, by prior knowledge; internal only */
    struct conf_strings trusted_proxies; /* addresses and prefixes */
    int forwarded;                       /* enum forwarded_source */
    int proxy_protocol;                  /* enum proxy_protocol_use */
    struct conf_list limits; /* of struct limit_settings: every request of the listener, before routing */
    struct timeout_settings *timeouts;       /* never NULL once loaded */
    int64_t max_head;                        /* bytes */
    int64_t max_connection_requests;         /* 0: any */
    int64_t max_connection_age;              /* ns; 0: any */
    int64_t max_connections;                 /* per worker */
    int64_t max_connections_per_address;     /* over all workers; 0: any */
    struct conf_rate handshakes;             /* TLS, that each worker begins; count 0: any */
    struct conf_rate handshakes_per_address; /* over all workers */
    /* filled in by config */
    struct address parsed_address;
    unsigned int parsed_mode;
    struct address_prefix *trusted;
    struct limit_settings address_handshakes; /* handshakes_per_address, as a limit; rate.count 0: none */
    unsigned int index;                       /* in snapshot->listeners; bit in route_entry.listeners */
    bool admin;                               /* it serves the admin API, and nothing else */
};

enum route_audit {
    AUDIT_DENIALS, /* the default: every denial */
    AUDIT_ALL,
};

/* What `defaults`, policies, groups and routes may all set. */
struct route_policy {
    struct conf_strings listeners;
    int exposure; /* `exposure: internal` forbids every external listener; default external: no rule */
    struct conf_strings
        exposes; /* names of inner routes whose place this one reaches from outside, and may */
    struct slice upstream;
    struct auth_settings *auth;
    struct authorize_settings *authorize;
    struct conf_list limits; /* of struct limit_settings; adds in merging */
    struct cors_settings *cors;
    struct websocket_settings *websocket; /* NULL: none is opened */
    struct relay_settings *relay;
    struct conf_list filters; /* of struct filter_settings; adds in merging */
    bool hide_upstream;       /* answers do not tell what serves them, or by which address; true */
    struct secure_headers_settings *secure_headers; /* NULL: none */
    struct compress_settings *compress;             /* NULL: nothing is compressed */
    struct split_settings *split;                   /* in place of `upstream`; NULL: none */
    struct mirror_settings *mirror;                 /* NULL: none */
    struct fallback_settings *fallback;             /* NULL: none */
    struct retry_settings *retry;                   /* NULL: only what is always safe */
    struct hedge_settings *hedge;                   /* NULL: none */
    struct fault_settings *fault;                   /* NULL: none */
    int64_t timeout;          /* ns from the request's end to the response's head; 15 s */
    int64_t idle_timeout;     /* ns between two pieces of a response body; 60 s */
    int64_t max_stream_age;   /* ns that a WebSocket or an event stream may live; 24 h */
    bool outlive_token;       /* it goes on after the token's exp, and after that of the client certificate */
    int64_t body;             /* bytes, the largest request body; 1 MiB */
    int64_t max_grpc_message; /* bytes, the largest message that a gRPC call may send, as sent; 4 MiB */
    int audit;                /* enum route_audit */
    uint64_t path_allows;     /* enum uri_allow bits: choices encoded_slash, parameters */
};

struct route_settings {
    struct slice name;            /* "group.route", or the route's own at top level */
    struct match_settings match;  /* whole: group and route joined */
    struct slice team;            /* empty: none */
    struct route_policy policy;   /* effective */
    bool admin;                   /* it goes to no upstream: it is the admin API */
    struct filter_chain *filters; /* of the policy, compiled; filled in by config; NULL: none */
};

struct shutdown_settings {
    int64_t drain_delay; /* ns between failing readiness and the end of accepting; 0 */
    int64_t deadline;    /* ns for running exchanges; 30 s */
};

/* How far the gateway process is held to what it needs: see docs/confinement.md. */
enum confinement_mode {
    CONFINEMENT_ENFORCE, /* the default */
    CONFINEMENT_REPORT,
    CONFINEMENT_OFF,
};

struct port_range {
    uint16_t first, last;
};

#define CONNECT_PORTS_MAX 64

struct confinement_settings {
    int mode;                          /* enum confinement_mode */
    struct conf_strings connect_ports; /* "443", "8000-8999"; none: any port */
    /* filled in by config: connect_ports, and 53 for name servers; NULL: any port */
    struct port_range *ports;
    size_t port_count;
    bool local_sockets;              /* some endpoint, or a database, is at the path of a Unix socket */
    struct conf_strings read_paths;  /* directories of stores: a journal stands beside a store */
    struct conf_strings write_paths; /* those of stores that the admin API changes, and jwks_cache */
};

/* `admin`: the admin API. Its two routes are made of it (config/admin.c): `admin.read` and `admin.write`. */
struct admin_settings {
    struct conf_strings listeners, hosts;
    struct auth_settings *auth;
    struct authorize_settings *read, *write; /* who may look, and who may change */
    struct conf_list limits;                 /* of struct limit_settings */
    struct conf_strings api_keys;            /* sets; filled in by config where none is named */
    bool blocks;                             /* it serves blocks, too */
};

struct overload_settings {
    int64_t
        queue_deadline;  /* ns, a request's wait for the gateway and its answer's together; 250 ms; 0: any */
    int64_t retry_after; /* ns that a denied client is not listened to; 1 s */
};

struct settings {
    struct slice instance; /* name in logs; default: the host's name */
    struct slice zone;     /* where the gateway stands; empty: nowhere in particular */
    int64_t workers;       /* 0: one per CPU; at most 256 */
    struct slice user,
        group;           /* to run the gateway process as, where started as root; default nobody, its group */
    int64_t limit_keys;  /* entries of the limiter's table; 65536 */
    int64_t dpop_proofs; /* entries of the table of used proofs; 1048576 */
    int64_t token_cache; /* entries per worker; 4096 */
    int64_t api_key_cache;                          /* the same */
    int64_t basic_cache;                            /* the same; 1024 */
    int64_t buffer_memory;                          /* bytes per worker; 256 MiB */
    struct logs_settings *logs;                     /* never NULL once loaded */
    struct shutdown_settings *shutdown;             /* never NULL once loaded */
    struct confinement_settings *confinement;       /* never NULL once loaded */
    struct overload_settings *overload;             /* never NULL once loaded */
    struct failure_budget_settings *failure_budget; /* never NULL once loaded */
    struct slice jwks_cache;        /* CONF_FILE: directory in which key sets are kept; empty: none are */
    struct dpop_settings *dpop;     /* NULL: nobody may use it */
    struct blocks_settings *blocks; /* NULL: nothing can be blocked */
    struct conf_list error_pages;   /* of struct error_page_settings */
    struct admin_settings *admin;   /* NULL: there is no admin API */
    struct listener_settings *listeners;
    size_t listener_count;
    struct issuer_settings *issuers;
    size_t issuer_count;
    struct introspection_settings *introspection;
    size_t introspection_count;
    struct api_keys_settings *api_keys;
    size_t api_keys_count;
    struct basic_settings *basic;
    size_t basic_count;
    struct client_certificate_settings *client_certificates;
    size_t client_certificate_count;
    struct authorizer_settings *authorizers;
    size_t authorizer_count;
    struct resource_settings *resources;
    size_t resource_count;
    struct upstream_settings *upstreams;
    size_t upstream_count;
    struct route_settings *routes;
    size_t route_count;
};

/* How many sets of API keys have a store in a file. */
static inline size_t settings_key_stores(const struct settings *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        count += settings->api_keys[i].store.len > 0;
    }
    return count;
}

#endif
