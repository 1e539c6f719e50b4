/* What the configuration says about external authorizers: services of others that are asked, for each request, whether it may
 * pass. Plain data; lives in the snapshot. docs/external-authorizer.md tells it whole. */
#ifndef SALLYPORT_EXTERNAL_SETTINGS_H
#define SALLYPORT_EXTERNAL_SETTINGS_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "tls/settings.h"
#include "upstream/settings.h"

/* How it is asked. */
enum authorizer_contract {
    AUTHORIZER_FORWARD_AUTH, /* GET of its URL, the request in X-Forwarded-*: Traefik's ForwardAuth, nginx's auth_request */
    AUTHORIZER_EXT_AUTHZ, /* the request's own method, host and path behind the URL's: Envoy's ext_authz over HTTP */
};

/* What a decision is remembered by, beside headers. */
enum decision_part {
    DECISION_CREDENTIAL, /* Authorization and Cookie, where they are sent, and the identity that we tell */
    DECISION_METHOD,
    DECISION_HOST, /* and port, and whether it came by TLS */
    DECISION_PATH,
    DECISION_QUERY,
    DECISION_ADDRESS,
    DECISION_PARTS,
};
extern const struct slice decision_part_names[DECISION_PARTS];

/* `cache` of an authorizer. */
struct decision_cache_settings {
    int64_t duration;       /* ns, `for` */
    struct conf_strings by; /* names of parts, and header:NAME */
    int64_t entries;        /* per worker */
    /* filled in by authorizer_prepare */
    unsigned int parts;          /* 1 << enum decision_part */
    struct conf_strings headers; /* NAMEs */
};

/* One of the map `authorizers`. */
struct authorizer_settings {
    struct slice name; /* the map's key */
    int contract;      /* enum authorizer_contract */
    struct slice url;
    struct tls_client_settings *tls;
    int64_t timeout;                       /* ns, from the question to the whole answer */
    struct conf_strings request_headers;   /* of the client's, what it is sent */
    struct conf_pairs identity_headers;    /* of ours: as `relay.headers` */
    struct conf_strings upstream_headers;  /* of its yes, what goes on to the upstream */
    struct conf_strings client_headers;    /* of its answers, what goes to the client */
    struct slice subject_header;           /* of its yes, where it says who is calling; empty: it does not */
    struct slice roles_header;             /* and what their roles are */
    struct decision_cache_settings *cache; /* NULL: it is asked for each request */
    int64_t max_connections, max_pending;  /* per worker */
    /* filled in by authorizer_prepare */
    struct slice target;              /* of questions, or the prefix of it; "" where the URL has no path */
    struct slice authority;           /* as in the URL */
    struct slice issuer;              /* of its principals: "authorizer:NAME" */
    struct upstream_settings service; /* for its connections; no endpoint where the URL is none */
};

extern const struct conf_object authorizer_object;

/* Reads what is written as text once, and fills in the rest. Before authorizer_check_settings, which tells what is wrong. */
struct error authorizer_prepare(struct authorizer_settings *settings, struct arena *arena) MUST_CHECK;

/* What is wrong with the URL: static text, or NULL. */
const char *authorizer_url_problem(struct slice url, int contract);
/* What is wrong with a header's name, by the list that it stands in. */
const char *authorizer_request_header_problem(struct slice name);
const char *authorizer_identity_header_problem(struct slice name);
const char *authorizer_upstream_header_problem(struct slice name);
const char *authorizer_client_header_problem(struct slice name);
const char *authorizer_told_header_problem(struct slice name); /* subject_header, roles_header */
/* What is wrong with an entry of `cache.by`. */
const char *authorizer_cache_problem(const struct authorizer_settings *settings, struct slice part);

/* Is `name` among `names`, without case? */
bool external_names_hold(const struct conf_strings *names, struct slice name);

#endif
