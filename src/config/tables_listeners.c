/* What a listener may say. */
#include "config/tables.h"

#include "base/clock.h"
#include "base/limits.h"

#define SECONDS(n) ((n)*NS_PER_S)
#define HOURS(n)   ((n)*3600 * NS_PER_S)
#define KIB(n)     ((n)*INT64_C(1024))

#define OF(type, member) .offset = offsetof(struct type, member)

const struct conf_choice exposure_choices[] = {
    { "external", EXPOSURE_EXTERNAL, "reachable from outside" },
    { "internal", EXPOSURE_INTERNAL, "reachable from inside only" },
    { 0 },
};

static const struct conf_choice plaintext_choices[] = {
    { "deny", PLAINTEXT_DENY, "without TLS it only redirects" },
    { "allow", PLAINTEXT_ALLOW, "serves requests, and takes credentials, without TLS" },
    { 0 },
};

static const struct conf_choice forwarded_choices[] = {
    { "none", FORWARDED_NONE, "the peer is the client" },
    { "x_forwarded", FORWARDED_X_FORWARDED, "X-Forwarded-For from trusted proxies" },
    { "forwarded", FORWARDED_RFC7239, "Forwarded (RFC 7239) from trusted proxies" },
    { 0 },
};

static const struct conf_choice proxy_protocol_choices[] = {
    { "none", PROXY_PROTOCOL_NONE, "connections begin with TLS or HTTP" },
    { "required", PROXY_PROTOCOL_REQUIRED,
      "trusted proxies only, and each connection begins with the header" },
    { 0 },
};

/* Values are the bit numbers of enum http_protocols. */
static const struct conf_choice protocol_choices[] = {
    { "http/1.1", 0, "HTTP/1.1, and HTTP/1.0" },
    { "h2", 1, "HTTP/2" },
    { 0 },
};

static const struct conf_field timeouts_fields[] = {
    { "proxy_header", CONF_DURATION, OF(timeout_settings, proxy_header), .standard = "5s",
      .minimum = NS_PER_MS, .maximum = SECONDS(60),
      .help = "From the connection's start to the end of its PROXY protocol header." },
    { "handshake", CONF_DURATION, OF(timeout_settings, handshake), .standard = "10s", .minimum = NS_PER_MS,
      .maximum = HOURS(1),
      .help = "From the connection's start, or its PROXY protocol header, to the end of the TLS handshake." },
    { "head", CONF_DURATION, OF(timeout_settings, head), .standard = "10s", .minimum = NS_PER_MS,
      .maximum = HOURS(1), .help = "For a request's head, from its first byte." },
    { "body", CONF_DURATION, OF(timeout_settings, body), .standard = "30s", .minimum = NS_PER_MS,
      .maximum = HOURS(1), .help = "Between two pieces of a request's body." },
    { "idle", CONF_DURATION, OF(timeout_settings, idle), .standard = "60s", .minimum = NS_PER_MS,
      .maximum = HOURS(24), .help = "Between two requests of a kept connection." },
    { "write", CONF_DURATION, OF(timeout_settings, write), .standard = "30s", .minimum = NS_PER_MS,
      .maximum = HOURS(1), .help = "For the client to take any byte of a response that waits." },
    { "drain", CONF_DURATION, OF(timeout_settings, drain), .standard = "2s", .minimum = NS_PER_MS,
      .maximum = SECONDS(60), .help = "For the rest of a body that is not read, after an early answer." },
    { "min_rate", CONF_SIZE, OF(timeout_settings, min_rate), .standard = "500B", .minimum = 0,
      .maximum = KIB(1024), .help = "Bytes a second that bodies must flow with on average; 0: any." },
    { 0 },
};

const struct conf_object timeouts_object = {
    .name = "timeouts",
    .size = sizeof(struct timeout_settings),
    .fields = timeouts_fields,
    .help = "How long a listener waits for its clients.",
};

static const struct conf_field listener_fields[] = {
    { "address", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, address), .standard = "0.0.0.0",
      .help = "The IP address to listen on; \"::\" is every address." },
    { "port", CONF_INTEGER, OF(listener_settings, port), .minimum = 0, .maximum = 65535,
      .help = "The port; 0 is any free one, shown in the log. Required, unless there is a path." },
    { "path", CONF_STRING, CONF_NON_EMPTY | CONF_NAMES, OF(listener_settings, path),
      .help = "The absolute path of a Unix socket to listen on, instead of address and port." },
    { "mode", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, mode), .standard = "0660",
      .help = "The mode of the socket's file, octal: who may write to it may connect." },
    { "owner", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, owner),
      .help = "The user that the socket's file belongs to; default: the one that the supervisor runs as." },
    { "group", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, group),
      .help = "The group that the socket's file belongs to; default: the supervisor's." },
    { "exposure", CONF_ENUM, OF(listener_settings, exposure), .standard = "external",
      .choices = exposure_choices,
      .help = "Who can reach it. Routes with `exposure: internal` never stand on an external listener." },
    { "tls", CONF_OBJECT, OF(listener_settings, tls), .object = &tls_server_object,
      .help = "Certificates and client policies." },
    { "plaintext", CONF_ENUM, OF(listener_settings, plaintext), .standard = "deny",
      .choices = plaintext_choices, .help = "Whether requests are served without TLS." },
    { "redirect_to_https", CONF_BOOL, OF(listener_settings, redirect_to_https), .standard = "false",
      .help = "Answers GET and HEAD without credentials by 308 to https, everything else by 403." },
    { "https_port", CONF_INTEGER, OF(listener_settings, https_port), .standard = "443", .minimum = 1,
      .maximum = 65535, .help = "The port that redirects name." },
    { "status", CONF_BOOL, OF(listener_settings, status), .standard = "false",
      .help = "Serves /metrics, /healthz and /readyz and nothing else; internal listeners only." },
    { "protocols", CONF_FLAGS, CONF_NON_EMPTY, OF(listener_settings, protocols), .standard = "[h2, http/1.1]",
      .choices = protocol_choices,
      .help = "What clients may choose by ALPN where there is TLS; HTTP/2 goes first." },
    { "h2c", CONF_BOOL, OF(listener_settings, h2c), .standard = "false",
      .help = "Takes HTTP/2 without TLS too, from clients that begin with it (prior knowledge); internal "
              "listeners with `plaintext: allow` only." },
    { "trusted_proxies", CONF_STRINGS, OF(listener_settings, trusted_proxies),
      .help = "Addresses and prefixes of proxies that are believed about their clients' addresses; `unix`: "
              "who connects "
              "by the listener's path." },
    { "forwarded", CONF_ENUM, OF(listener_settings, forwarded), .standard = "none",
      .choices = forwarded_choices, .help = "Where the client's address is learned; needs trusted_proxies." },
    { "proxy_protocol", CONF_ENUM, OF(listener_settings, proxy_protocol), .standard = "none",
      .choices = proxy_protocol_choices,
      .help = "The PROXY protocol (version 1 or 2) before TLS and HTTP; needs trusted_proxies, and has no "
              "`forwarded` beside it." },
    { "limits", CONF_LIST, OF(listener_settings, limits), .object = &limit_object,
      .help = "For every request of the listener, before routing; by address or route." },
    { "timeouts", CONF_OBJECT, OF(listener_settings, timeouts), .standard = "{}", .object = &timeouts_object,
      .help = "How long it waits for clients." },
    { "max_head", CONF_SIZE, OF(listener_settings, max_head), .standard = "16KiB", .minimum = KIB(1),
      .maximum = HTTP_HEAD_MAX, .help = "The largest head of a request, start line included." },
    { "max_connection_requests", CONF_INTEGER, OF(listener_settings, max_connection_requests),
      .standard = "0", .minimum = 0, .maximum = 1000000000,
      .help = "Requests on one connection before its client is asked to make another; 0: any number." },
    { "max_connection_age", CONF_DURATION, OF(listener_settings, max_connection_age), .standard = "0s",
      .minimum = 0, .maximum = HOURS(24 * 365),
      .help = "How old a connection may be when a request comes before its client is asked to make another; "
              "0: any age." },
    { "max_connections", CONF_INTEGER, OF(listener_settings, max_connections), .standard = "10000",
      .minimum = 1, .maximum = 1000000, .help = "Open connections, per worker." },
    { "max_connections_per_address", CONF_INTEGER, OF(listener_settings, max_connections_per_address),
      .standard = "10000", .minimum = 0, .maximum = 1000000,
      .help =
          "Open connections of one client address (IPv6: /64), over all workers; trusted_proxies may have "
          "any number. 0: any." },
    { "handshakes", CONF_RATE, OF(listener_settings, handshakes), .standard = "500/1s", .minimum = 1,
      .maximum = 1000000,
      .help = "TLS handshakes that each worker begins; further connections wait to be accepted." },
    { "handshakes_per_address", CONF_RATE, OF(listener_settings, handshakes_per_address),
      .standard = "250/1s", .minimum = 1, .maximum = 1000000,
      .help = "TLS handshakes of one client address (IPv6: /64), over all workers; further connections are "
              "closed at once. Not counted for trusted_proxies." },
    { 0 },
};

const struct conf_object listener_object = {
    .name = "listener",
    .size = sizeof(struct listener_settings),
    .fields = listener_fields,
    .help = "An address and port, or a path, that clients connect to. Without `tls` it must redirect, serve "
            "the status "
            "pages, or "
            "say `plaintext: allow`.",
};
