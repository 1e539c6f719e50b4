/* `discover` of an upstream: where its endpoints are found, in place of a list of them. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_SETTINGS_H
#define SALLYPORT_UPSTREAM_DISCOVERY_SETTINGS_H

#include "base/conf_field.h"
#include "net/address.h"
#include "tls/settings.h"

#define DISCOVERY_RESOLVERS_MAX 8
#define DISCOVERY_TAGS_MAX      8

enum discovery_kind {
    DISCOVERY_FILE,       /* file:///path: a JSON list, looked at once a second */
    DISCOVERY_DNS,        /* dns://name:port: A and AAAA records */
    DISCOVERY_SRV,        /* dns+srv://name: SRV records (RFC 2782), and the addresses of their targets */
    DISCOVERY_CONSUL,     /* consul+https://host:port/service: Consul's HTTP API */
    DISCOVERY_KUBERNETES, /* k8s://namespace/service:port: EndpointSlices */
};

enum discovery_scheme {
    DISCOVERY_HTTPS,
    DISCOVERY_HTTP,
    DISCOVERY_H2C,
};

struct discovery_settings {
    struct slice from;
    int scheme;                    /* enum discovery_scheme; a file's are whole */
    int64_t interval;              /* ns between two looks at most, of DNS; 30 s */
    struct conf_strings resolvers; /* address:port, of DNS; empty: the system's */
    /* of what is watched: Consul and Kubernetes */
    int64_t wait;            /* ns that one question stays open; 1 min */
    struct slice token_file; /* CONF_FILE, read before each question; empty: none */
    struct tls_client_settings *tls;
    struct slice api;        /* of Kubernetes: https://host:port */
    struct slice datacenter; /* of Consul; empty: the agent's */
    struct conf_strings tags;
    bool stale; /* any server of Consul may answer */
    /* filled in by discovery_parse */
    enum discovery_kind kind;
    struct slice path; /* of a file */
    struct slice name; /* that is asked for, lower-case */
    struct slice
        identity;  /* that certificates must show: `name` without the labels of service and protocol */
    uint16_t port; /* of DISCOVERY_DNS */
    struct slice service, space, port_name; /* of what is watched */
    struct slice base;                      /* of Consul: https://host:port */
    struct address servers[DISCOVERY_RESOLVERS_MAX];
    size_t server_count;
};

extern const struct conf_object discovery_object;

/* NULL, or what is wrong with `from`: a static text. Fills in what is read from it; slices are of `from`, or in `arena`. */
struct arena;
const char *discovery_parse(struct discovery_settings *settings, struct arena *arena);
/* The same of `api`. */
const char *discovery_parse_api(const struct discovery_settings *settings);
/* The same of resolvers->items[index]. */
const char *discovery_parse_resolver(struct discovery_settings *settings, size_t index);

/* Is it told by a server that says by itself what changes? */
bool discovery_is_watched(const struct discovery_settings *settings);
/* "https", "http" or "h2c". */
const char *discovery_scheme_name(int scheme);

#endif
