/* Why a request is denied: the one list. Status, public code, detail code, metric label, log field, documentation and
 * tests come from here. A leaf: every room above net may include it.
 *
 * X(ID, "detail_code", status, grpc, ASKS, "public_code", "title", "help")
 *   detail_code  stable; goes to log, metric and trace only
 *   public_code  stable; what the caller is told. Several details share one where telling them apart helps an attacker
 *   grpc         grpc-status number
 *   asks         what WWW-Authenticate asks for: of enum deny_asks
 *   title        problem+json title
 *   help         a sentence for the reference */
#ifndef SALLYPORT_PIPELINE_DENY_REASONS_H
#define SALLYPORT_PIPELINE_DENY_REASONS_H

#include <stddef.h>

#define DENY_REASONS(X)                                                                                      \
    /* the message */                                                                                        \
    X(BAD_REQUEST, "bad_request", 400, 3, NOTHING, "invalid_request", "Malformed request",                   \
      "The HTTP message broke its syntax or its framing was ambiguous; the connection was closed.")          \
    X(BAD_TARGET, "bad_target", 400, 3, NOTHING, "invalid_request", "Malformed request target",              \
      "The target had a form or a byte that no request target may have.")                                    \
    X(BAD_PATH, "bad_path", 400, 3, NOTHING, "invalid_path", "Path not acceptable",                          \
      "The path held dot segments, encoded or empty segments, parameters, double encoding or bad UTF-8.")    \
    X(BAD_HOST, "bad_host", 400, 3, NOTHING, "invalid_request", "Malformed host",                            \
      "Host or authority was missing, repeated, malformed, or differed from the target's.")                  \
    X(BAD_BODY, "bad_body", 400, 3, NOTHING, "invalid_request", "Malformed body",                            \
      "The body's framing broke.")                                                                           \
    X(UPGRADE_WITH_BODY, "upgrade_with_body", 400, 3, NOTHING, "invalid_request", "Upgrade with a body",     \
      "A request asked for another protocol and carried a body.")                                            \
    X(EXPECTATION_UNKNOWN, "expectation_unknown", 417, 3, NOTHING, "expectation_failed",                     \
      "Expectation not known", "Expect held something other than 100-continue.")                             \
    X(HEAD_TOO_LARGE, "head_too_large", 431, 8, NOTHING, "head_too_large", "Header fields too large",        \
      "The request head passed the listener's limit.")                                                       \
    X(TARGET_TOO_LONG, "target_too_long", 414, 8, NOTHING, "target_too_long", "Request target too long",     \
      "The request target passed the limit.")                                                                \
    X(BODY_TOO_LARGE, "body_too_large", 413, 8, NOTHING, "body_too_large", "Body too large",                 \
      "The body passed the route's limit.")                                                                  \
    X(GRPC_MESSAGE_TOO_LARGE, "grpc_message_too_large", 413, 8, NOTHING, "message_too_large",                \
      "Message too large",                                                                                   \
      "A message of a gRPC call passed the route's `max_grpc_message`; the detail says how long it was.")    \
    X(GRPC_MESSAGE_FLAG, "grpc_message_flag", 400, 3, NOTHING, "invalid_request", "Malformed message",       \
      "A message of a gRPC call began with a flag other than 0 and 1: what follows cannot be told apart.")   \
    X(GRPC_MESSAGE_CUT, "grpc_message_cut", 400, 3, NOTHING, "invalid_request", "Incomplete message",        \
      "The body of a gRPC call ended within a message.")                                                     \
    X(REQUEST_TIMEOUT, "request_timeout", 408, 4, NOTHING, "request_timeout", "Request took too long",       \
      "The client did not send its request within the time limit.")                                          \
    X(GRPC_TIMEOUT_MALFORMED, "grpc_timeout_malformed", 400, 3, NOTHING, "invalid_request",                  \
      "Malformed grpc-timeout",                                                                              \
      "A gRPC call's grpc-timeout stood there more than once, or was not 1 to 8 digits and a unit.")         \
    X(METHOD_NOT_IMPLEMENTED, "method_not_implemented", 501, 12, NOTHING, "method_not_implemented",          \
      "Method not implemented", "CONNECT or TRACE, which the gateway never passes on.")                      \
    X(REWRITE_PATH, "rewrite_path", 400, 3, NOTHING, "invalid_path", "Path not acceptable",                  \
      "The path that the route's filters made of the request's was not canonical, or held what the route "   \
      "does not allow: it was not sent. The detail says what it held.")                                      \
    X(REWRITE_LIMIT, "rewrite_limit", 400, 3, NOTHING, "invalid_path", "Path not acceptable",                \
      "A `rewrite_path` took more steps over the path than one may: its pattern backtracks. Each character " \
      "should have one way to match.")                                                                       \
    /* the door */                                                                                           \
    X(PLAINTEXT, "plaintext", 403, 7, NOTHING, "https_required", "HTTPS required",                           \
      "A plain-HTTP request that cannot be redirected safely: its credential has already leaked, or its "    \
      "method is unsafe.")                                                                                   \
    X(MISDIRECTED, "misdirected", 421, 5, NOTHING, "misdirected_request", "Misdirected request",             \
      "The authority is not served on this TLS connection, or under another client-certificate policy; or "  \
      "the connection came by what its listener is no longer: from outside, or without TLS.")                \
    X(CLIENT_CERTIFICATE_MISSING, "client_certificate_missing", 403, 7, NOTHING,                             \
      "client_certificate_required", "Client certificate required",                                          \
      "The listener's policy demands a client certificate and none was given.")                              \
    X(CLIENT_CERTIFICATE_EXPIRED, "client_certificate_expired", 403, 7, NOTHING,                             \
      "client_certificate_required", "Client certificate expired",                                           \
      "The connection's client certificate has expired since its handshake.")                                \
    X(CLIENT_CERTIFICATE_REVOKED, "client_certificate_revoked", 403, 7, NOTHING,                             \
      "client_certificate_required", "Client certificate revoked",                                           \
      "The connection's client certificate, or a CA of its chain, has been "                                 \
      "revoked since its handshake.")                                                                        \
    X(ADDRESS_BLOCKED, "address_blocked", 403, 7, NOTHING, "forbidden", "Forbidden",                         \
      "The client's address is blocked (docs/blocks.md); the detail says by which block, and why.")          \
    X(CERTIFICATE_BLOCKED, "certificate_blocked", 403, 7, NOTHING, "client_certificate_required",            \
      "Client certificate revoked",                                                                          \
      "The connection's client certificate is blocked, by its fingerprint or its serial number.")            \
    X(CLIENT_CRL_EXPIRED, "client_crl_expired", 503, 14, NOTHING, "authentication_unavailable",              \
      "Authentication temporarily unavailable",                                                              \
      "A revocation list that the client's certificate must be "                                             \
      "looked up in has expired, and no newer one is there.")                                                \
    /* the route */                                                                                          \
    X(ROUTE_BLOCKED, "route_blocked", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",            \
      "The route is blocked: taken out of service by an operator, for all callers.")                         \
    X(NO_ROUTE, "no_route", 404, 12, NOTHING, "not_found", "Not found",                                      \
      "No route serves this host and path on this listener, or none whose conditions hold.")                 \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, 12, NOTHING, "method_not_allowed",                      \
      "Method not allowed", "The path exists; the method does not. Allow says which do.")                    \
    X(CORS_ORIGIN, "cors_origin_denied", 403, 7, NOTHING, "cors_denied", "Cross-origin request denied",      \
      "A preflight named an origin, method or header that the route does not allow.")                        \
    /* who */                                                                                                \
    X(CREDENTIAL_MISSING, "credential_missing", 401, 16, CREDENTIALS, "unauthenticated",                     \
      "Authentication required", "No credential that the route accepts was sent.")                           \
    X(CREDENTIAL_MALFORMED, "credential_malformed", 400, 3, WELL_FORMED, "invalid_request",                  \
      "Malformed credential", "The credential's syntax is broken.")                                          \
    X(CREDENTIAL_REPEATED, "credential_repeated", 400, 3, WELL_FORMED, "invalid_request",                    \
      "Repeated credential", "More than one Authorization field, or a token in two places.")                 \
    X(COOKIE_ORIGIN, "cookie_origin", 403, 7, NOTHING, "origin_denied", "Origin denied",                     \
      "A request that changes something, or a WebSocket handshake, came with a cookie that authenticates, "  \
      "and without Origin or from a page that is neither of the host itself nor of an origin that the "      \
      "route's `cors` (with credentials) or `websocket` names.")                                             \
    X(TOKEN_MALFORMED, "token_malformed", 401, 16, TOKEN, "invalid_token", "Invalid token",                  \
      "The token is no compact JWS, or its JSON is broken, ambiguous or of the wrong shape.")                \
    X(TOKEN_TOO_LARGE, "token_too_large", 401, 16, TOKEN, "invalid_token", "Invalid token",                  \
      "The token is longer than any that is accepted.")                                                      \
    X(TOKEN_ALGORITHM, "token_algorithm", 401, 16, TOKEN, "invalid_token", "Invalid token",                  \
      "The token's alg is none, unknown, not allowed for the issuer, or does not fit the key.")              \
    X(TOKEN_CRITICAL, "token_critical", 401, 16, TOKEN, "invalid_token", "Invalid token",                    \
      "The token's crit names an extension that is not understood.")                                         \
    X(TOKEN_KEY_UNKNOWN, "token_key_unknown", 401, 16, TOKEN, "invalid_token", "Invalid token",              \
      "No key of the issuer fits the token's kid and alg.")                                                  \
    X(TOKEN_SIGNATURE, "token_signature", 401, 16, TOKEN, "invalid_token", "Invalid token",                  \
      "The signature is not the key's.")                                                                     \
    X(TOKEN_ISSUER, "token_issuer", 401, 16, TOKEN, "invalid_token", "Invalid token",                        \
      "The token's iss is none of the route's issuers.")                                                     \
    X(TOKEN_AUDIENCE, "token_audience", 401, 16, TOKEN, "invalid_token", "Invalid token",                    \
      "The token is meant for another audience.")                                                            \
    X(TOKEN_EXPIRED, "token_expired", 401, 16, TOKEN, "invalid_token", "Invalid token",                      \
      "The token's exp has passed.")                                                                         \
    X(TOKEN_NOT_YET, "token_not_yet", 401, 16, TOKEN, "invalid_token", "Invalid token",                      \
      "The token's nbf or iat lies in the future.")                                                          \
    X(TOKEN_LIFETIME, "token_lifetime", 401, 16, TOKEN, "invalid_token", "Invalid token",                    \
      "The token has no exp, or lives longer than max_token_lifetime.")                                      \
    X(TOKEN_KIND, "token_kind", 401, 16, TOKEN, "invalid_token", "Invalid token",                            \
      "The token is an ID, refresh, logout or other token, not an access token.")                            \
    X(TOKEN_CLAIM, "token_claim", 401, 16, TOKEN, "invalid_token", "Invalid token",                          \
      "A claim that the issuer's profile requires is missing or of the wrong type.")                         \
    X(TOKEN_BOUND, "token_bound", 401, 16, BOUND_TOKEN, "invalid_token", "Invalid token",                    \
      "The token is bound to a key (cnf) whose proof was not made on this request.")                         \
    X(DPOP_MISSING, "dpop_proof_missing", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",        \
      "A token came with the scheme DPoP, and no proof with it.")                                            \
    X(DPOP_REPEATED, "dpop_proof_repeated", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",      \
      "More than one DPoP field came with a token.")                                                         \
    X(DPOP_MALFORMED, "dpop_proof_malformed", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",    \
      "The proof is no JWT of the type dpop+jwt, or lacks jti, htm, htu or iat.")                            \
    X(DPOP_ALGORITHM, "dpop_proof_algorithm", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",    \
      "The proof's alg is none of those in `dpop.algorithms`.")                                              \
    X(DPOP_KEY, "dpop_proof_key", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",                \
      "The proof's jwk is missing, holds private members, is too weak or too large, or does not fit its "    \
      "alg.")                                                                                                \
    X(DPOP_OTHER_KEY, "dpop_other_key", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",          \
      "The token is bound to another key than that of the proof.")                                           \
    X(DPOP_SIGNATURE, "dpop_proof_signature", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",    \
      "The proof's signature is not its key's.")                                                             \
    X(DPOP_TARGET, "dpop_proof_target", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",          \
      "The proof's htm or htu is not what was asked for, by one of `dpop.origins`.")                         \
    X(DPOP_TOKEN, "dpop_proof_token", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",            \
      "The proof's ath is missing, or of another token.")                                                    \
    X(DPOP_TIME, "dpop_proof_time", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",              \
      "The proof's iat is too old or too far ahead, or the proof grew old while it was looked at.")          \
    X(DPOP_REPLAYED, "dpop_proof_replayed", 401, 16, PROOF, "invalid_dpop_proof", "Invalid DPoP proof",      \
      "The proof was used before.")                                                                          \
    X(DPOP_NONCE, "dpop_nonce", 401, 16, PROOF, "use_dpop_nonce", "DPoP nonce required",                     \
      "The proof must hold the nonce that DPoP-Nonce tells, and held none or an old one.")                   \
    X(DPOP_FULL, "dpop_proofs_full", 503, 14, NOTHING, "authentication_unavailable",                         \
      "Authentication temporarily unavailable",                                                              \
      "There is no room to remember one more used proof: `dpop_proofs` is too small.")                       \
    X(TOKEN_UNBOUND, "token_unbound", 401, 16, BOUND_TOKEN, "invalid_token", "Invalid token",                \
      "The token is not bound to a key, and came with the scheme DPoP, or its issuer's must be.")            \
    X(TOKEN_BLOCKED, "token_blocked", 401, 16, TOKEN, "invalid_token", "Invalid token",                      \
      "The token is blocked, by its jti or its digest: it was revoked here.")                                \
    X(SUBJECT_BLOCKED, "subject_blocked", 401, 16, TOKEN, "invalid_token", "Invalid token",                  \
      "The token's sub is blocked at its issuer.")                                                           \
    X(SESSION_BLOCKED, "session_blocked", 401, 16, TOKEN, "invalid_token", "Invalid token",                  \
      "The token's sid is blocked at its issuer: its session was ended here.")                               \
    X(API_KEY_BLOCKED, "api_key_blocked", 401, 16, API_KEY, "invalid_api_key", "Invalid API key",            \
      "The key is blocked, by its id.")                                                                      \
    X(CONSUMER_BLOCKED, "consumer_blocked", 403, 7, NOTHING, "forbidden", "Forbidden",                       \
      "The consumer is blocked, with all of its keys.")                                                      \
    X(TOKEN_INACTIVE, "token_inactive", 401, 16, TOKEN, "invalid_token", "Invalid token",                    \
      "The introspection endpoint says that the token is not active: revoked, expired, or none of its own.") \
    X(INTROSPECTION_UNAVAILABLE, "introspection_unavailable", 503, 14, NOTHING,                              \
      "authentication_unavailable", "Authentication temporarily unavailable",                                \
      "The introspection endpoint could not be asked about the token, or did not answer in time.")           \
    X(INTROSPECTION_REFUSED, "introspection_refused", 503, 14, NOTHING, "authentication_unavailable",        \
      "Authentication temporarily unavailable",                                                              \
      "The introspection endpoint does not accept the gateway: client_id, its proof, or what it may ask.")   \
    X(INTROSPECTION_ANSWER, "introspection_answer", 503, 14, NOTHING, "authentication_unavailable",          \
      "Authentication temporarily unavailable",                                                              \
      "The introspection endpoint's answer was no JSON that says whether the token is active.")              \
    X(INTROSPECTION_BUSY, "introspection_busy", 503, 14, NOTHING, "authentication_unavailable",              \
      "Authentication temporarily unavailable",                                                              \
      "Too many tokens were being asked about at the introspection endpoint at once.")                       \
    X(API_KEY_MALFORMED, "api_key_malformed", 401, 16, API_KEY, "invalid_api_key", "Invalid API key",        \
      "What was sent as an API key has not the form of one: mistyped, cut off, or made up.")                 \
    X(API_KEY_UNKNOWN, "api_key_unknown", 401, 16, API_KEY, "invalid_api_key", "Invalid API key",            \
      "No key of the set is this one.")                                                                      \
    X(API_KEY_REVOKED, "api_key_revoked", 401, 16, API_KEY, "invalid_api_key", "Invalid API key",            \
      "The key was revoked.")                                                                                \
    X(API_KEY_EXPIRED, "api_key_expired", 401, 16, API_KEY, "invalid_api_key", "Invalid API key",            \
      "The key's end has passed.")                                                                           \
    X(KEY_STORE_UNAVAILABLE, "key_store_unavailable", 503, 14, NOTHING, "authentication_unavailable",        \
      "Authentication temporarily unavailable",                                                              \
      "The store of API keys could not be read, and the key was not checked before, or too long ago.")       \
    X(BASIC_WRONG, "basic_wrong", 401, 16, PASSWORD, "invalid_credentials", "Invalid credentials",           \
      "No user of the route's sets has this name, or the password is wrong; the detail says which.")         \
    X(BASIC_ENDED, "basic_ended", 401, 16, PASSWORD, "invalid_credentials", "Invalid credentials",           \
      "The password is right, and the user was revoked or has expired.")                                     \
    X(PASSWORDS_BUSY, "passwords_busy", 503, 14, NOTHING, "authentication_unavailable",                      \
      "Authentication temporarily unavailable",                                                              \
      "So many passwords wait to be hashed, of this client's network or in all, that no other was taken.")   \
    X(CERTIFICATE_IDENTITY, "certificate_identity", 403, 7, NOTHING, "client_certificate_required",          \
      "Client certificate not accepted",                                                                     \
      "The client certificate was verified, and none of its names, or "                                      \
      "more than one, is among those that the route lets in; the detail says which. Where another way "      \
      "holds, or could, none is no reason to deny.")                                                         \
    X(ISSUER_UNAVAILABLE, "issuer_unavailable", 503, 14, NOTHING, "authentication_unavailable",              \
      "Authentication temporarily unavailable", "The issuer's keys could not be fetched yet.")               \
    /* external authorizers */                                                                               \
    X(AUTHORIZER_UNAUTHENTICATED, "authorizer_unauthenticated", 401, 16, AUTHORIZER, "unauthenticated",      \
      "Authentication required",                                                                             \
      "The external authorizer answered 401: it knows no caller of this request.")                           \
    X(AUTHORIZER_REDIRECT, "authorizer_redirect", 302, 16, NOTHING, "unauthenticated",                       \
      "Authentication required",                                                                             \
      "The external authorizer sends the caller elsewhere, as to a login; `client_headers` lists Location. " \
      "The status is the authorizer's.")                                                                     \
    X(AUTHORIZER_DENIED, "authorizer_denied", 403, 7, NOTHING, "forbidden", "Forbidden",                     \
      "The external authorizer said no. With `ext_authz` the status is the authorizer's.")                   \
    X(AUTHORIZER_UNREACHABLE, "authorizer_unreachable", 503, 14, NOTHING, "authorization_unavailable",       \
      "Authorization temporarily unavailable",                                                               \
      "There was no connection to the external authorizer, or it ended before the answer was complete.")     \
    X(AUTHORIZER_TIMEOUT, "authorizer_timeout", 503, 14, NOTHING, "authorization_unavailable",               \
      "Authorization temporarily unavailable",                                                               \
      "The external authorizer did not answer within its `timeout`.")                                        \
    X(AUTHORIZER_BUSY, "authorizer_busy", 503, 14, NOTHING, "authorization_unavailable",                     \
      "Authorization temporarily unavailable",                                                               \
      "As many questions to the external authorizer are under way as may, and as many wait.")                \
    X(AUTHORIZER_ERROR, "authorizer_error", 503, 14, NOTHING, "authorization_unavailable",                   \
      "Authorization temporarily unavailable",                                                               \
      "The external authorizer answered by a status that is neither yes nor no.")                            \
    X(AUTHORIZER_ANSWER, "authorizer_answer", 503, 14, NOTHING, "authorization_unavailable",                 \
      "Authorization temporarily unavailable",                                                               \
      "The external authorizer's answer broke HTTP, was too large, or had a field that is to go on twice "   \
      "or "                                                                                                  \
      "with a value that none may have.")                                                                    \
    /* may they */                                                                                           \
    X(SCOPE_MISSING, "scope_missing", 403, 7, SCOPE, "insufficient_scope", "Insufficient scope",             \
      "The token is valid and lacks a scope that the route demands.")                                        \
    X(ROLE_MISSING, "role_missing", 403, 7, NOTHING, "forbidden", "Forbidden",                               \
      "The caller lacks a role that the route demands; roles are read from the issuer's `roles_claim`.")     \
    X(CLAIM_RULE, "claim_rule", 403, 7, NOTHING, "forbidden", "Forbidden",                                   \
      "A claim rule of the route does not hold.")                                                            \
    X(DENY_RULE, "deny_rule", 403, 7, NOTHING, "forbidden", "Forbidden",                                     \
      "A deny rule of the route matched.")                                                                   \
    X(CALLER_KIND, "caller_kind", 403, 7, NOTHING, "forbidden", "Forbidden",                                 \
      "The caller is of none of the `kinds` that the route lets in: a user, a service, and so on.")          \
    X(AUTHENTICATION_WEAK, "authentication_weak", 401, 16, LOGIN, "insufficient_user_authentication",        \
      "Stronger authentication required",                                                                    \
      "The token is valid, and its caller has not logged in as the route's `acr` or `amr` demands, or not "  \
      "within its `max_age`; the challenge says how (RFC 9470).")                                            \
    X(AUTHORIZATION_ERROR, "authorization_error", 403, 7, NOTHING, "forbidden", "Forbidden",                 \
      "The decision could not be made, so it is no.")                                                        \
    /* may it become a tunnel */                                                                             \
    X(WEBSOCKET_HANDSHAKE, "websocket_handshake", 400, 3, NOTHING, "invalid_request",                        \
      "Malformed WebSocket handshake",                                                                       \
      "A route with `websocket` was sent a handshake that breaks RFC 6455; the detail says where.")          \
    X(WEBSOCKET_VERSION, "websocket_version", 426, 3, NOTHING, "websocket_version",                          \
      "WebSocket version not supported", "Sec-WebSocket-Version was not 13.")                                \
    X(WEBSOCKET_ORIGIN, "websocket_origin", 403, 7, NOTHING, "origin_denied", "Origin denied",               \
      "A page of an origin that is neither the host's own nor among the route's `websocket.origins` tried "  \
      "to open a WebSocket.")                                                                                \
    /* how much */                                                                                           \
    X(RATE_LISTENER, "rate_listener", 429, 8, NOTHING, "rate_limited", "Too many requests",                  \
      "A listener-wide limit.")                                                                              \
    X(RATE_CLIENT, "rate_client", 429, 8, NOTHING, "rate_limited", "Too many requests",                      \
      "A limit by address or header, before authentication.")                                                \
    X(RATE_CALLER, "rate_caller", 429, 8, NOTHING, "rate_limited", "Too many requests",                      \
      "A limit by verified caller or claim.")                                                                \
    X(VERIFICATION_RATE, "verification_rate", 429, 8, NOTHING, "too_many_failures",                          \
      "Too many failed authentications",                                                                     \
      "The client's network is over its budget of failed authentications (`failure_budget`), and a "         \
      "credential "                                                                                          \
      "that was not verified before came sooner than its rate allows.")                                      \
    X(ACCOUNT_LOCKED, "account_locked", 429, 8, NOTHING, "too_many_failures",                                \
      "Too many failed authentications",                                                                     \
      "Too many wrong passwords for this user from the client's network (`failure_budget.account`).")        \
    X(LIMIT_FIELD_REPEATED, "limit_field_repeated", 400, 3, NOTHING, "invalid_request",                      \
      "Repeated header field", "A header field that a limit counts by stood there more than once.")          \
    X(OVERLOADED, "overloaded", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",                  \
      "There is too much to do, and the request has waited longer than overload.queue_deadline allows; or "  \
      "no descriptor or memory was left for it.")                                                            \
    X(DRAINING, "draining", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",                      \
      "The gateway is shutting down.")                                                                       \
    X(AUDIT_FULL, "audit_full", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",                  \
      "The audit queue is full, and what cannot be recorded is not allowed.")                                \
    /* the admin API */                                                                                      \
    X(ADMIN_HOST, "admin_host", 403, 7, NOTHING, "forbidden", "Forbidden",                                   \
      "A request to a listener of the admin API under a name that is none of `admin.hosts`: as a page "      \
      "would "                                                                                               \
      "send it whose own name was made to lead there (DNS rebinding).")                                      \
    X(ADMIN_ORIGIN, "admin_origin", 403, 7, NOTHING, "forbidden", "Forbidden",                               \
      "A browser's page asked the admin API: there was an Origin, or Sec-Fetch-Site said so.")               \
    X(ADMIN_MEDIA_TYPE, "admin_media_type", 415, 3, NOTHING, "unsupported_media_type",                       \
      "Unsupported media type",                                                                              \
      "A change was asked of the admin API without Content-Type: application/json.")                         \
    X(ADMIN_BUSY, "admin_busy", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",                  \
      "As many requests to the admin API wait as may.")                                                      \
    X(ADMIN_UNAVAILABLE, "admin_unavailable", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",    \
      "What the admin API was asked for could not be looked up or stored; the detail says why.")             \
    /* the upstream */                                                                                       \
    X(UPSTREAM_CONNECT, "upstream_connect", 502, 14, NOTHING, "bad_gateway", "Bad gateway",                  \
      "No endpoint of the upstream accepted a connection.")                                                  \
    X(UPSTREAM_TLS, "upstream_tls", 502, 14, NOTHING, "bad_gateway", "Bad gateway",                          \
      "The upstream's TLS handshake or certificate failed, or it refused the gateway's certificate.")        \
    X(UPSTREAM_PROTOCOL, "upstream_protocol", 502, 14, NOTHING, "bad_gateway", "Bad gateway",                \
      "The upstream's answer broke HTTP.")                                                                   \
    X(UPSTREAM_CLOSED, "upstream_closed", 502, 14, NOTHING, "bad_gateway", "Bad gateway",                    \
      "The upstream closed the connection before its answer was complete.")                                  \
    X(UPSTREAM_TIMEOUT, "upstream_timeout", 504, 4, NOTHING, "gateway_timeout", "Gateway timeout",           \
      "The upstream did not answer within the route's timeout.")                                             \
    X(UPSTREAM_BUSY, "upstream_busy", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",            \
      "All connections that the upstream allows are in use, and as many requests wait as may; or "           \
      "max_requests are under way.")                                                                         \
    X(UPSTREAM_OPEN, "upstream_open", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",            \
      "The upstream's circuit breaker is open: too many of its requests have failed of late.")               \
    X(UPSTREAM_PENDING, "upstream_pending", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",      \
      "All connections that the upstream allows are in use, and none became free within pending_timeout, "   \
      "or so many wait that none would.")                                                                    \
    X(UPSTREAM_NO_ENDPOINTS, "upstream_no_endpoints", 503, 14, NOTHING, "unavailable",                       \
      "Temporarily unavailable",                                                                             \
      "The upstream's endpoints are discovered, and there is none: none was found yet, or the list is "      \
      "empty.")                                                                                              \
    X(FAULT_INJECTED, "fault_injected", 503, 14, NOTHING, "unavailable", "Temporarily unavailable",          \
      "The route's `fault` says that so many requests are denied: this is a test. Only a program that was "  \
      "built with fault_injection does so.")                                                                 \
    X(GRPC_DEADLINE, "grpc_deadline", 504, 4, NOTHING, "deadline_exceeded", "Deadline exceeded",             \
      "The time that a gRPC call's client had set by grpc-timeout was over.")                                \
    /* ourselves */                                                                                          \
    X(INTERNAL, "internal", 500, 13, NOTHING, "internal_error", "Internal error",                            \
      "Something failed inside the gateway; the request was denied.")

/* What the caller of a route with auth is asked for by WWW-Authenticate. Where it is a token, `error` is the public code. */
enum deny_asks {
    DENY_ASKS_NOTHING,
    DENY_ASKS_CREDENTIALS, /* each that the route accepts, without an error */
    DENY_ASKS_WELL_FORMED, /* the same, in the right syntax */
    DENY_ASKS_TOKEN,       /* another one: RFC 6750 section 3.1 */
    DENY_ASKS_BOUND_TOKEN, /* one that comes as it is bound */
    DENY_ASKS_SCOPE,       /* RFC 6750 section 3.1 */
    DENY_ASKS_LOGIN,       /* RFC 9470 section 3 */
    DENY_ASKS_PROOF,       /* RFC 9449 section 7.1 */
    DENY_ASKS_API_KEY,
    DENY_ASKS_PASSWORD,
    DENY_ASKS_AUTHORIZER, /* whatever the external authorizer asks for */
    DENY_ASKS_COUNT,
};

enum deny_reason {
    DENY_NONE = 0,
#define DENY_ENUM(id, detail, status, grpc, asks, public_code, title, help) DENY_##id,
    DENY_REASONS(DENY_ENUM)
#undef DENY_ENUM
    DENY_REASON_COUNT,
};

struct deny_info {
    const char *detail;
    unsigned int status;
    unsigned int grpc;
    enum deny_asks asks;
    const char *public_code;
    const char *title;
    const char *help;
};

/* Indexed by enum deny_reason; [DENY_NONE] is all zero. */
extern const struct deny_info deny_infos[DENY_REASON_COUNT];

#endif
