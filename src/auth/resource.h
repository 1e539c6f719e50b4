/* Protected resources (RFC 9728): what a client that knows nothing but an URL is told of who issues tokens for it. Pure; any thread. */
#ifndef SALLYPORT_AUTH_RESOURCE_H
#define SALLYPORT_AUTH_RESOURCE_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"

#define RESOURCE_WELL_KNOWN "/.well-known/oauth-protected-resource"

/* One of the map `resources`. */
struct resource_settings {
    struct slice name;           /* the map's key */
    struct slice resource;       /* its identifier: an https URL without query and fragment */
    struct conf_strings issuers; /* names; what their `issuer` says are the authorization servers */
    struct conf_strings scopes;
    struct slice title, documentation;
};

extern const struct conf_object resource_object;

/* NULL, or what is wrong: a static text. */
const char *resource_check(const struct resource_settings *settings);

/* The host of a sound identifier, without its port, and where the document is: the well-known path before the resource's own (section
 * 3.1). ptr NULL: no memory. `resource_url`: with scheme and authority. */
struct slice resource_host(const struct resource_settings *settings);
struct slice resource_path(const struct resource_settings *settings, struct arena *arena);
struct slice resource_url(const struct resource_settings *settings, struct arena *arena);

/* What the document says beside the settings. */
struct resource_facts {
    const struct slice *servers; /* issuer identifiers */
    size_t server_count;
    bool by_header, by_query; /* how tokens may be sent (RFC 6750); by cookie is no such way */
};

/* The document (section 3.2), as JSON in `arena`. */
struct error resource_document(const struct resource_settings *settings, const struct resource_facts *facts,
                               struct arena *arena, struct slice *ret_text) MUST_CHECK;

#endif
