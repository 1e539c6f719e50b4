/* What listens and who issues tokens, by Spring Boot's properties; and values as Spring Boot writes them. */
#include "cli/import/spring.h"

/* ---- values ---- */

#define MONTH_MS (UINT64_C(31) * 86400 * 1000)

bool spring_milliseconds(struct import *import, struct slice text, const char *unit, uint64_t *ret_ms)
{
    static const struct {
        const char *name;
        uint64_t us;
    } units[] = { { "ms", 1000 },      { "us", 1 },       { "ns", 0 },
                  { "s", 1000000 },    { "m", 60000000 }, { "h", UINT64_C(3600000000) },
                  { "d", 86400000000 } };
    struct slice rest = slice_starts_with(text, SLICE("PT")) ? slice_from(text, 2) : text;
    size_t digits = 0;
    while (digits < rest.len && ascii_is_digit(rest.ptr[digits])) {
        digits++;
    }
    uint64_t number = 0;
    if (digits > 9 || !slice_to_u64(slice_part(rest, 0, digits), &number)) {
        return false;
    }
    struct slice own = spring_canonical(import, slice_trim(slice_from(rest, digits)));
    own = own.len > 0 ? own : slice_from_string(unit);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (slice_equal(own, slice_from_string(units[i].name))) {
            uint64_t whole = units[i].us > 0 ? number * units[i].us : number / 1000 + 1;
            *ret_ms = (whole + 999) / 1000;
            return *ret_ms <= MONTH_MS;
        }
    }
    return false;
}

unsigned int spring_status(struct slice text)
{
    static const struct {
        const char *name;
        unsigned int status;
    } names[] = {
        { "OK", 200 },
        { "CREATED", 201 },
        { "ACCEPTED", 202 },
        { "NO_CONTENT", 204 },
        { "MOVED_PERMANENTLY", 301 },
        { "FOUND", 302 },
        { "SEE_OTHER", 303 },
        { "TEMPORARY_REDIRECT", 307 },
        { "PERMANENT_REDIRECT", 308 },
        { "BAD_REQUEST", 400 },
        { "UNAUTHORIZED", 401 },
        { "FORBIDDEN", 403 },
        { "NOT_FOUND", 404 },
        { "METHOD_NOT_ALLOWED", 405 },
        { "REQUEST_TIMEOUT", 408 },
        { "CONFLICT", 409 },
        { "GONE", 410 },
        { "I_AM_A_TEAPOT", 418 },
        { "TOO_MANY_REQUESTS", 429 },
        { "INTERNAL_SERVER_ERROR", 500 },
        { "NOT_IMPLEMENTED", 501 },
        { "BAD_GATEWAY", 502 },
        { "SERVICE_UNAVAILABLE", 503 },
        { "GATEWAY_TIMEOUT", 504 },
    };
    uint64_t number = 0;
    if (slice_to_u64(text, &number)) {
        return number >= 100 && number <= 599 ? (unsigned int)number : 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_nocase(text, slice_from_string(names[i].name))) {
            return names[i].status;
        }
    }
    return 0;
}

/* ---- what listens ---- */

void spring_server(struct import *import)
{
    struct slice port = spring_text(import, NULL, spring_property(import, "server.port"));
    struct slice address = spring_text(import, NULL, spring_property(import, "server.address"));
    struct slice cert = spring_text(import, NULL, spring_property(import, "server.ssl.certificate"));
    struct slice key = spring_text(import, NULL, spring_property(import, "server.ssl.certificateprivatekey"));
    spring_property(import, "server.ssl.enabled");
    uint64_t number = 8080;
    if (port.len > 0 && (!slice_to_u64(port, &number) || number > 65535)) {
        import_note(import, NULL, (struct conf_place){ &import->source, 1, 1 },
                    "server.port %.*s: write listeners.public.port", SLICE_ARG(port));
        number = 8080;
    }
    struct buffer *out = &import->listeners;
    import_put(import, out, "\nlisteners:\n  public:\n    address: ");
    import_put_text(import, out, address.len > 0 ? address : SLICE("0.0.0.0"));
    import_put(import, out, "\n    port: %u\n    tls: { certificates: [{ cert: ", (unsigned int)number);
    import_put_text(import, out, cert.len > 0 ? cert : SLICE("gateway.crt"));
    import_put(import, out, ", key: ");
    import_put_text(import, out, key.len > 0 ? key : SLICE("gateway.key"));
    import_put(import, out, " }] }%s\n",
               cert.len > 0 ? "" : " # tokens are not taken without TLS: name your certificate");
    struct slice name = spring_text(import, NULL, spring_property(import, "spring.application.name"));
    if (name.len > 0) {
        import_put(import, &import->top, "\ninstance: ");
        import_put_text(import, &import->top, name);
        import_put(import, &import->top, "\n");
    }
}

/* ---- who issues tokens ---- */

#define JWT "spring.security.oauth2.resourceserver.jwt."

static void put_texts(struct import *import, const char *key, const struct conf_node *node)
{
    struct buffer items;
    buffer_init(&items, IMPORT_VALUE_MAX);
    struct slice rest = spring_text(import, NULL, node), item;
    while (rest.len > 0 && slice_next(&rest, ',', &item)) {
        import_put_item(import, &items, slice_trim(item));
    }
    for (size_t i = 0; node != NULL && node->type == CONF_NODE_SEQUENCE && i < node->count; i++) {
        import_put_item(import, &items, spring_text(import, NULL, node->items[i]));
    }
    if (buffer_length(&items) > 0) {
        import_put(import, &import->top, "    %s: [%.*s]\n", key, SLICE_ARG(buffer_slice(&items)));
    }
    buffer_done(&items);
}

void spring_security(struct import *import)
{
    const struct conf_node *at = spring_property(import, JWT "issueruri");
    const struct conf_node *keys = spring_property(import, JWT "jwkseturi");
    const struct conf_node *audiences = spring_property(import, JWT "audiences");
    struct slice issuer = spring_text(import, NULL, at), url = spring_text(import, NULL, keys);
    if (issuer.len == 0 && url.len == 0) {
        return;
    }
    import->issuer = SLICE("main");
    struct buffer *out = &import->top;
    import_put(import, out, "\nissuers:\n  main:\n");
    if (issuer.len > 0) {
        import_put(import, out, "    issuer: ");
        import_put_text(import, out, issuer);
        import_put(import, out, "\n");
    } else {
        import_put(import, out, "    issuer: \"\" # the exact iss of its tokens: fill in\n");
        import_note(import, NULL, conf_node_place(keys),
                    "who issues the tokens of jwk-set-uri: name it in issuers.main.issuer");
    }
    if (url.len > 0) {
        import_put(import, out, "    jwks_url: ");
        import_put_text(import, out, url);
        import_put(import, out, "\n");
    }
    if (audiences == NULL) {
        import_put(import, out, "    audiences: [] # for whom its tokens are meant: fill in\n");
        import_note(import, NULL, conf_node_place(at != NULL ? at : keys),
                    "tokens for anybody: name in issuers.main.audiences for whom they must be meant (aud)");
    }
    put_texts(import, "audiences", audiences);
    put_texts(import, "algorithms", spring_property(import, JWT "jwsalgorithms"));
}
