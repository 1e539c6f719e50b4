/* What to do instead of what has no counterpart. */
#include "cli/import/spring.h"

/* By the first that a name begins with; without what the gateway's properties begin with. */
static const struct {
    struct slice name;
    const char *advice;
} properties[] = {
    { SLICE_INIT("globalcors.addtosimple"),
      "preflights are answered for every route with \"cors\": drop it" },
    { SLICE_INIT("globalcors."), "write \"cors\" in \"defaults\", or at the routes" },
    { SLICE_INIT("httpclient.ssl.useinsecure"),
      "there is no TLS without verification: name the CA in \"tls: { ca: FILE }\" of the upstreams" },
    { SLICE_INIT("httpclient.ssl."),
      "write \"tls\" of the upstreams: ca, and cert and key of the gateway's own" },
    { SLICE_INIT("httpclient.pool."),
      "write max_connections, max_idle, idle_timeout, max_pending and pending_timeout of the upstreams" },
    { SLICE_INIT("httpclient.proxy."), "upstreams are connected to without a proxy" },
    { SLICE_INIT("httpclient.websocket."), "messages are passed on as they come, of any size: drop it" },
    { SLICE_INIT("httpclient.wiretap"), "see docs/operations.md for what is logged" },
    { SLICE_INIT("httpserver."), "see docs/operations.md for what is logged" },
    { SLICE_INIT("discovery.locator.enabled"),
      "no route is made by itself: write one for each service that was reached by its name, with an upstream "
      "that has its servers, or \"discover\" (docs/discovery.md)" },
    { SLICE_INIT("discovery.locator."), "no route is made by itself: see docs/discovery.md" },
    { SLICE_INIT("redisratelimiter."), "write it in \"limits\" of the routes" },
    { SLICE_INIT("filter.secureheaders"), "write it in \"secure_headers\" (docs/filters.md)" },
    { SLICE_INIT("filter.requestratelimiter"), "write it in \"limits\" of the routes" },
    { SLICE_INIT("filter.localresponsecache"), "answers are not cached: put a cache in front" },
    { SLICE_INIT("filter."), "filters are on where a route has them: drop it" },
    { SLICE_INIT("trustedproxies"),
      "write the addresses of the proxies in \"trusted_proxies\" of the listener, and \"forwarded\" "
      "(docs/proxies.md)" },
    { SLICE_INIT("xforwarded."),
      "upstreams are told the client's address and host; whom to believe is \"trusted_proxies\" and "
      "\"forwarded\" of the listener (docs/proxies.md)" },
    { SLICE_INIT("forwarded."), "whom to believe is \"trusted_proxies\" of the listener (docs/proxies.md)" },
    { SLICE_INIT("removehopbyhop."), "fields of one connection never go further: drop it" },
    { SLICE_INIT("metrics."), "a listener with \"status: true\" serves /metrics (docs/operations.md)" },
    { SLICE_INIT("observability."), "a listener with \"status: true\" serves /metrics (docs/operations.md)" },
    { SLICE_INIT("loadbalancer."), "what finds no server is denied by 503: drop it" },
    { SLICE_INIT("failonroutedefinitionerror"), "a configuration with an error is never taken up: drop it" },
    { SLICE_INIT("streamingmediatypes"), "every answer is passed on as it comes: drop it" },
    { SLICE_INIT("enabled"), "a route that is not to serve is left out" },
    { SLICE_INIT("server.ssl.keystore"), "name certificate and key in PEM in \"tls\" of the listener: "
                                         "openssl pkcs12 -in FILE -nodes writes them" },
    { SLICE_INIT("server.ssl.keyalias"), "name certificate and key in PEM in \"tls\" of the listener" },
    { SLICE_INIT("server.ssl.keypassword"),
      "keys are not encrypted: keep them readable to their owner alone" },
    { SLICE_INIT("server.ssl.truststore"), "name the CA in PEM in \"client_ca\" of the listener's \"tls\"" },
    { SLICE_INIT("server.ssl.clientauth"),
      "write \"client_ca\" and \"client_certificate: optional\" or \"required\" in the listener's \"tls\"" },
    { SLICE_INIT("server.ssl.enabledprotocols"), "write \"min_version\" in the listener's \"tls\"" },
    { SLICE_INIT("server.ssl.ciphers"), "write \"ciphers\" in the listener's \"tls\"" },
    { SLICE_INIT("server.ssl."), "see \"tls\" of listeners in docs/configuration.md" },
    { SLICE_INIT("server.http2."),
      "clients choose HTTP/2 or HTTP/1.1: \"protocols\" of the listener says which" },
    { SLICE_INIT("server.forwardheadersstrategy"),
      "write \"trusted_proxies\" and \"forwarded\" of the listener (docs/proxies.md)" },
    { SLICE_INIT("server.shutdown"),
      "it ends gracefully by itself: \"shutdown\" says how long that may take" },
    { SLICE_INIT("server.compression."), "write \"compress\" in \"defaults\" (docs/compression.md)" },
    { SLICE_INIT("server.maxhttprequestheadersize"), "write \"max_head\" of the listener" },
    { SLICE_INIT("server.netty.connectiontimeout"), "write \"timeouts\" of the listener" },
    { SLICE_INIT("server.netty.idletimeout"), "write \"timeouts\" of the listener" },
    { SLICE_INIT("server.error."), "denials are problem+json; \"error_pages\" has others (docs/filters.md)" },
    { SLICE_INIT("spring.security.oauth2.client."), "nobody is logged in here, and there are no sessions: "
                                                    "callers bring a token; see docs/authentication.md" },
    { SLICE_INIT("spring.security.oauth2.resourceserver.opaquetoken."),
      "write an endpoint in \"introspection\", and \"auth: { introspection: NAME }\" "
      "(docs/introspection.md)" },
    { SLICE_INIT("spring.security.oauth2.resourceserver.jwt.publickeylocation"),
      "write its keys as a JSON Web Key Set, and name that in \"jwks_file\" of the issuer" },
    { SLICE_INIT("spring.security.oauth2.resourceserver.jwt.authorit"),
      "scopes are read from scope, scp and roles; other roles by \"roles_claim\" of the issuer" },
    { SLICE_INIT("spring.security.user."),
      "write a set in \"basic\", and \"auth: { basic: NAME }\" (docs/basic.md)" },
    { SLICE_INIT("resilience4j.circuitbreaker."),
      "write \"breaker\" of the upstream: failures, minimum, window, open, probes (docs/resilience.md)" },
    { SLICE_INIT("resilience4j.timelimiter."), "write \"timeout\" of the route" },
    { SLICE_INIT("resilience4j.bulkhead."), "write \"max_requests\" of the upstream (docs/resilience.md)" },
    { SLICE_INIT("resilience4j.thread"), "write \"max_requests\" of the upstream (docs/resilience.md)" },
    { SLICE_INIT("resilience4j.retry."), "write \"retry\" of the route (docs/retries.md)" },
    { SLICE_INIT("resilience4j.ratelimiter."), "write \"limits\" of the route" },
};

const char *spring_advice_property(struct slice name)
{
    static const struct slice prefixes[] = { SLICE_INIT("spring.cloud.gateway.server.webflux."),
                                             SLICE_INIT("spring.cloud.gateway.server.webmvc."),
                                             SLICE_INIT("spring.cloud.gateway.mvc."),
                                             SLICE_INIT("spring.cloud.gateway.") };
    struct slice rest = name;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0] && rest.len == name.len; i++) {
        rest = slice_starts_with(name, prefixes[i]) ? slice_from(name, prefixes[i].len) : rest;
    }
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (slice_starts_with(rest, properties[i].name)) {
            return properties[i].advice;
        }
    }
    return NULL;
}

#define OF_BODIES "bodies are passed on as they are: the service is to do it"
#define OF_FIELDS \
    "a field is set or removed as a whole: set_request_header, set_response_header, remove_response_header"

/* Of Spring's own, which guard nothing. */
const char *spring_advice_filter(struct slice name)
{
    static const struct {
        const char *name, *advice;
    } filters[] = {
        { "AddRequestHeadersIfNotPresent",
          "one that is not there yet is not told from one that is: set_request_header replaces, "
          "add_request_header adds" },
        { "CacheRequestBody", "bodies stream, and nothing reads them twice: drop it" },
        { "FallbackHeaders", "a fallback is not told why: the access log is, in \"detail\"" },
        { "Hystrix", "write \"breaker\" of the upstream, and \"fallback\" (docs/resilience.md)" },
        { "JsonToGrpc", "gRPC is passed on as gRPC (docs/grpc.md): the service is to take JSON, or the "
                        "client to send gRPC" },
        { "LoadBalancer",
          "write the servers in \"endpoints\" of an upstream, or \"discover\" (docs/discovery.md)" },
        { "LocalResponseCache", "answers are not cached: put a cache in front" },
        { "ModifyRequestBody", OF_BODIES },
        { "ModifyResponseBody", OF_BODIES },
        { "RateLimit", "write limits, as in limits: [{ rate: 10/1s, burst: 20, by: caller }]" },
        { "RemoveJsonAttributesResponseBody", OF_BODIES },
        { "RequestHeaderSize", "write \"max_head\" of the listener, which bounds all fields together" },
        { "RequestHeaderToRequestUri", "where a request goes is never the client's to say: write a route "
                                       "with an upstream for each place" },
        { "RewriteRequestParameter", "a parameter is replaced as a whole: add_request_parameter" },
        { "RewriteResponseHeader", OF_FIELDS },
        { "SaveSession", "there are no sessions: drop it" },
        { "SetRequestUri", "where a request goes is the route's upstream: write a route for each place" },
        { "UriTemplate", "write set_path" },
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (slice_equal(name, slice_from_string(filters[i].name))) {
            return filters[i].advice;
        }
    }
    return NULL;
}
