/* Why a request is denied: the one list. Status, public code, detail code, metric label, log field, documentation and
 * tests come from here. A leaf: every room above net may include it.
 *
 * X(ID, "detail_code", status, grpc, "public_code", "title", "help")
 *   detail_code  stable; goes to log, metric and trace only
 *   public_code  stable; what the caller is told. Several details share one where telling them apart helps an attacker
 *   grpc         grpc-status number
 *   title        problem+json title
 *   help         a sentence for the reference */
#ifndef SALLYPORT_PIPELINE_DENY_REASONS_H
#define SALLYPORT_PIPELINE_DENY_REASONS_H

#include <stddef.h>

#define DENY_REASONS(X)                                                                                      \
    /* the message */                                                                                        \
    X(BAD_REQUEST, "bad_request", 400, 3, "invalid_request", "Malformed request",                            \
      "The HTTP message broke its syntax or its framing was ambiguous; the connection was closed.")          \
    X(BAD_TARGET, "bad_target", 400, 3, "invalid_request", "Malformed request target",                       \
      "The target had a form or a byte that no request target may have.")                                    \
    X(BAD_PATH, "bad_path", 400, 3, "invalid_path", "Path not acceptable",                                   \
      "The path held dot segments, encoded or empty segments, parameters, double encoding or bad UTF-8.")    \
    X(BAD_HOST, "bad_host", 400, 3, "invalid_request", "Malformed host",                                     \
      "Host or authority was missing, repeated, malformed, or differed from the target's.")                  \
    X(BAD_BODY, "bad_body", 400, 3, "invalid_request", "Malformed body", "The body's framing broke.")        \
    X(UPGRADE_WITH_BODY, "upgrade_with_body", 400, 3, "invalid_request", "Upgrade with a body",              \
      "A request asked for another protocol and carried a body.")                                            \
    X(EXPECTATION_UNKNOWN, "expectation_unknown", 417, 3, "expectation_failed", "Expectation not known",     \
      "Expect held something other than 100-continue.")                                                      \
    X(HEAD_TOO_LARGE, "head_too_large", 431, 8, "head_too_large", "Header fields too large",                 \
      "The request head passed the listener's limit.")                                                       \
    X(TARGET_TOO_LONG, "target_too_long", 414, 8, "target_too_long", "Request target too long",              \
      "The request target passed the limit.")                                                                \
    X(BODY_TOO_LARGE, "body_too_large", 413, 8, "body_too_large", "Body too large",                          \
      "The body passed the route's limit.")                                                                  \
    X(REQUEST_TIMEOUT, "request_timeout", 408, 4, "request_timeout", "Request took too long",                \
      "The client did not send its request within the time limit.")                                          \
    X(METHOD_NOT_IMPLEMENTED, "method_not_implemented", 501, 12, "method_not_implemented",                   \
      "Method not implemented", "CONNECT or TRACE, which the gateway never passes on.")                      \
    /* the door */                                                                                           \
    X(PLAINTEXT, "plaintext", 403, 7, "https_required", "HTTPS required",                                    \
      "A plain-HTTP request that cannot be redirected safely: its credential has already leaked, or its "    \
      "method is unsafe.")                                                                                   \
    X(MISDIRECTED, "misdirected", 421, 5, "misdirected_request", "Misdirected request",                      \
      "The authority is not served on this TLS connection, or under another client-certificate policy.")     \
    X(CLIENT_CERTIFICATE_MISSING, "client_certificate_missing", 403, 7, "client_certificate_required",       \
      "Client certificate required",                                                                         \
      "The listener's policy demands a client certificate and none was given.")                              \
    X(CLIENT_CERTIFICATE_EXPIRED, "client_certificate_expired", 403, 7, "client_certificate_required",       \
      "Client certificate expired", "The connection's client certificate has expired since its handshake.")  \
    /* the route */                                                                                          \
    X(NO_ROUTE, "no_route", 404, 12, "not_found", "Not found",                                               \
      "No route serves this host and path on this listener.")                                                \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, 12, "method_not_allowed", "Method not allowed",         \
      "The path exists; the method does not. Allow says which do.")                                          \
    X(CORS_ORIGIN, "cors_origin_denied", 403, 7, "cors_denied", "Cross-origin request denied",               \
      "A preflight named an origin, method or header that the route does not allow.")                        \
    /* who */                                                                                                \
    X(CREDENTIAL_MISSING, "credential_missing", 401, 16, "unauthenticated", "Authentication required",       \
      "No credential that the route accepts was sent.")                                                      \
    X(CREDENTIAL_MALFORMED, "credential_malformed", 400, 3, "invalid_request", "Malformed credential",       \
      "The credential's syntax is broken.")                                                                  \
    X(CREDENTIAL_REPEATED, "credential_repeated", 400, 3, "invalid_request", "Repeated credential",          \
      "More than one Authorization field, or a token in two places.")                                        \
    X(TOKEN_MALFORMED, "token_malformed", 401, 16, "invalid_token", "Invalid token",                         \
      "The token is no compact JWS, or its JSON is broken, ambiguous or of the wrong shape.")                \
    X(TOKEN_TOO_LARGE, "token_too_large", 401, 16, "invalid_token", "Invalid token",                         \
      "The token is longer than any that is accepted.")                                                      \
    X(TOKEN_ALGORITHM, "token_algorithm", 401, 16, "invalid_token", "Invalid token",                         \
      "The token's alg is none, unknown, not allowed for the issuer, or does not fit the key.")              \
    X(TOKEN_CRITICAL, "token_critical", 401, 16, "invalid_token", "Invalid token",                           \
      "The token's crit names an extension that is not understood.")                                         \
    X(TOKEN_KEY_UNKNOWN, "token_key_unknown", 401, 16, "invalid_token", "Invalid token",                     \
      "No key of the issuer fits the token's kid and alg.")                                                  \
    X(TOKEN_SIGNATURE, "token_signature", 401, 16, "invalid_token", "Invalid token",                         \
      "The signature is not the key's.")                                                                     \
    X(TOKEN_ISSUER, "token_issuer", 401, 16, "invalid_token", "Invalid token",                               \
      "The token's iss is none of the route's issuers.")                                                     \
    X(TOKEN_AUDIENCE, "token_audience", 401, 16, "invalid_token", "Invalid token",                           \
      "The token is meant for another audience.")                                                            \
    X(TOKEN_EXPIRED, "token_expired", 401, 16, "invalid_token", "Invalid token",                             \
      "The token's exp has passed.")                                                                         \
    X(TOKEN_NOT_YET, "token_not_yet", 401, 16, "invalid_token", "Invalid token",                             \
      "The token's nbf or iat lies in the future.")                                                          \
    X(TOKEN_LIFETIME, "token_lifetime", 401, 16, "invalid_token", "Invalid token",                           \
      "The token has no exp, or lives longer than max_token_lifetime.")                                      \
    X(TOKEN_KIND, "token_kind", 401, 16, "invalid_token", "Invalid token",                                   \
      "The token is an ID, refresh, logout or other token, not an access token.")                            \
    X(TOKEN_CLAIM, "token_claim", 401, 16, "invalid_token", "Invalid token",                                 \
      "A claim that the issuer's profile requires is missing or of the wrong type.")                         \
    X(TOKEN_BOUND, "token_bound", 401, 16, "invalid_token", "Invalid token",                                 \
      "The token is bound to a key (cnf) whose proof was not made on this request.")                         \
    X(ISSUER_UNAVAILABLE, "issuer_unavailable", 503, 14, "authentication_unavailable",                       \
      "Authentication temporarily unavailable", "The issuer's keys could not be fetched yet.")               \
    /* may they */                                                                                           \
    X(SCOPE_MISSING, "scope_missing", 403, 7, "insufficient_scope", "Insufficient scope",                    \
      "The token is valid and lacks a scope that the route demands.")                                        \
    X(CLAIM_RULE, "claim_rule", 403, 7, "forbidden", "Forbidden",                                            \
      "A claim rule of the route does not hold.")                                                            \
    X(AUTHORIZATION_ERROR, "authorization_error", 403, 7, "forbidden", "Forbidden",                          \
      "The decision could not be made, so it is no.")                                                        \
    /* may it become a tunnel */                                                                             \
    X(WEBSOCKET_HANDSHAKE, "websocket_handshake", 400, 3, "invalid_request",                                 \
      "Malformed WebSocket handshake",                                                                       \
      "A route with `websocket` was sent a handshake that breaks RFC 6455; the detail says where.")          \
    X(WEBSOCKET_VERSION, "websocket_version", 426, 3, "websocket_version",                                   \
      "WebSocket version not supported", "Sec-WebSocket-Version was not 13.")                                \
    X(WEBSOCKET_ORIGIN, "websocket_origin", 403, 7, "origin_denied", "Origin denied",                        \
      "A page of an origin that is neither the host's own nor among the route's `websocket.origins` tried "  \
      "to open a WebSocket.")                                                                                \
    /* how much */                                                                                           \
    X(RATE_LISTENER, "rate_listener", 429, 8, "rate_limited", "Too many requests", "A listener-wide limit.") \
    X(RATE_CLIENT, "rate_client", 429, 8, "rate_limited", "Too many requests",                               \
      "A limit by address or header, before authentication.")                                                \
    X(RATE_CALLER, "rate_caller", 429, 8, "rate_limited", "Too many requests",                               \
      "A limit by verified caller or claim.")                                                                \
    X(LIMIT_FIELD_REPEATED, "limit_field_repeated", 400, 3, "invalid_request", "Repeated header field",      \
      "A header field that a limit counts by stood there more than once.")                                   \
    X(OVERLOADED, "overloaded", 503, 14, "unavailable", "Temporarily unavailable",                           \
      "There is too much to do, and the request has waited longer than overload.queue_deadline allows; or "  \
      "no descriptor or memory was left for it.")                                                            \
    X(DRAINING, "draining", 503, 14, "unavailable", "Temporarily unavailable",                               \
      "The gateway is shutting down.")                                                                       \
    X(AUDIT_FULL, "audit_full", 503, 14, "unavailable", "Temporarily unavailable",                           \
      "The audit queue is full, and what cannot be recorded is not allowed.")                                \
    /* the upstream */                                                                                       \
    X(UPSTREAM_CONNECT, "upstream_connect", 502, 14, "bad_gateway", "Bad gateway",                           \
      "No endpoint of the upstream accepted a connection.")                                                  \
    X(UPSTREAM_TLS, "upstream_tls", 502, 14, "bad_gateway", "Bad gateway",                                   \
      "The upstream's TLS handshake or certificate failed.")                                                 \
    X(UPSTREAM_PROTOCOL, "upstream_protocol", 502, 14, "bad_gateway", "Bad gateway",                         \
      "The upstream's answer broke HTTP.")                                                                   \
    X(UPSTREAM_CLOSED, "upstream_closed", 502, 14, "bad_gateway", "Bad gateway",                             \
      "The upstream closed the connection before its answer was complete.")                                  \
    X(UPSTREAM_TIMEOUT, "upstream_timeout", 504, 4, "gateway_timeout", "Gateway timeout",                    \
      "The upstream did not answer within the route's timeout.")                                             \
    X(UPSTREAM_BUSY, "upstream_busy", 503, 14, "unavailable", "Temporarily unavailable",                     \
      "All connections that the upstream allows are in use, and as many requests wait as may.")              \
    X(UPSTREAM_PENDING, "upstream_pending", 503, 14, "unavailable", "Temporarily unavailable",               \
      "All connections that the upstream allows are in use, and none became free within pending_timeout, "   \
      "or so many wait that none would.")                                                                    \
    /* ourselves */                                                                                          \
    X(INTERNAL, "internal", 500, 13, "internal_error", "Internal error",                                     \
      "Something failed inside the gateway; the request was denied.")

enum deny_reason {
    DENY_NONE = 0,
#define DENY_ENUM(id, detail, status, grpc, public_code, title, help) DENY_##id,
    DENY_REASONS(DENY_ENUM)
#undef DENY_ENUM
    DENY_REASON_COUNT,
};

struct deny_info {
    const char *detail;
    unsigned int status;
    unsigned int grpc;
    const char *public_code;
    const char *title;
    const char *help;
};

/* Indexed by enum deny_reason; [DENY_NONE] is all zero. */
extern const struct deny_info deny_infos[DENY_REASON_COUNT];

#endif
