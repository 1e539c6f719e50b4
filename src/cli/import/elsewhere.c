/* Filters of Spring Cloud Gateway that Sallyport calls otherwise: limits, retry, relay, body, and what upstreams have. */
#include "cli/import/spring.h"

static void take_relay(struct import *import, struct import_route *route, struct spring_call *call)
{
    if (call->count > 0) {
        spring_miss(import, route, call,
                    "a token of another client registration: \"relay\" passes on the caller's own token");
    } else if (spring_is_new(import, route, call, "    relay:")) {
        import_put(import, &route->rest, "    relay: { token: forward }\n");
    }
}

static uint64_t number_of(struct slice text, uint64_t otherwise)
{
    uint64_t number = otherwise;
    return text.ptr == NULL || slice_to_u64(text, &number) ? number : 0;
}

/* ---- limits ---- */

static void take_limiter(struct import *import, struct import_route *route, struct spring_call *call)
{
    uint64_t rate = number_of(spring_argument(call, 99, "redisratelimiter.replenishrate"), 0);
    uint64_t burst = number_of(spring_argument(call, 99, "redisratelimiter.burstcapacity"), rate);
    uint64_t each = number_of(spring_argument(call, 99, "redisratelimiter.requestedtokens"), 1);
    struct slice resolver = spring_argument(call, 99, "keyresolver");
    if (rate == 0 || each == 0 || burst < each) {
        spring_miss(import, route, call,
                    "write limits, as in limits: [{ rate: 10/1s, burst: 20, by: caller }]");
        return;
    }
    import_put(import, &route->limits, "%s{ rate: %llu/%llus, burst: %llu, by: caller }",
               buffer_length(&route->limits) > 0 ? ", " : "", (unsigned long long)rate,
               (unsigned long long)each, (unsigned long long)(burst / each));
    if (resolver.len > 0) {
        import_note(import, route, call->place,
                    "what %.*s counts by: \"by: caller\" is written; others are address, claims.NAME, "
                    "header:NAME, route",
                    SLICE_ARG(resolver));
    }
}

static void take_size(struct import *import, struct import_route *route, struct spring_call *call)
{
    struct slice text = spring_argument(call, 0, "maxsize");
    static const struct {
        struct slice unit;
        const char *ours;
    } units[] = { { SLICE_INIT("KB"), "KiB" },
                  { SLICE_INIT("MB"), "MiB" },
                  { SLICE_INIT("GB"), "GiB" },
                  { SLICE_INIT("B"), "B" },
                  { SLICE_INIT(""), "B" } };
    text = text.ptr != NULL ? text : SLICE("5MB");
    if (!spring_is_new(import, route, call, "    body:")) {
        return;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t number = 0;
        if (slice_ends_with(text, units[i].unit) &&
            slice_to_u64(slice_part(text, 0, text.len - units[i].unit.len), &number)) {
            import_put(import, &route->rest, "    body: %llu%s\n", (unsigned long long)number, units[i].ours);
            return;
        }
    }
    spring_miss(import, route, call, "a size is wanted, as in body: 5MiB");
}

/* ---- failures ---- */

static void take_breaker(struct import *import, struct import_route *route, struct spring_call *call)
{
    struct slice name = spring_argument(call, 0, "name");
    struct slice fallback = spring_argument(call, 99, "fallbackuri"), status;
    name = name.len > 0 ? name : route->name;
    route->breaker = spring_breaker(import, route, call, name);
    route->limit = spring_time_limit(import, route, call, name);
    route->limit_of_try = route->retry.attempts > 0; /* filters are within those before them */
    if (fallback.len > 0) {
        import_note(import, route, call->place,
                    "fallbackUri %.*s: write \"fallback\", with another upstream or a response; see "
                    "docs/resilience.md",
                    SLICE_ARG(import_show_uri(import, fallback)));
    }
    while (spring_next_argument(call, "statuscodes", &status)) {
        unsigned int number = spring_status(status);
        if (number < 500 || number == 501) {
            import_note(import, route, call->place,
                        "status %.*s as a failure: those of a breaker are 5xx but 501", SLICE_ARG(status));
        }
    }
}

static void put_retry_status(struct import *import, struct import_route *route, struct spring_call *call,
                             struct buffer *on, struct slice text)
{
    unsigned int status = spring_status(text);
    if (status == 500 || (status >= 502 && status <= 504)) {
        import_put(import, on, ", %u", status);
    } else {
        import_note(import, route, call->place, "Retry after %.*s: after 500, 502, 503 and 504 alone",
                    SLICE_ARG(text));
    }
}

/* All of 5xx beside those that are named, unless `series` says otherwise: that is its default there. */
static void put_retry_statuses(struct import *import, struct import_route *route, struct spring_call *call,
                               struct buffer *on)
{
    struct buffer named;
    buffer_init(&named, IMPORT_VALUE_MAX);
    struct slice text = spring_argument(call, 1, "statuses");
    bool server_errors = !spring_has_argument(call, "series");
    if (text.len > 0) {
        put_retry_status(import, route, call, &named, text);
    }
    while (spring_next_named(call, "statuses", &text)) {
        put_retry_status(import, route, call, &named, text);
    }
    while (spring_next_named(call, "series", &text)) {
        if (slice_equal(text, SLICE("SERVER_ERROR"))) {
            server_errors = true;
        } else if (text.len > 0) {
            import_note(import, route, call->place,
                        "Retry after the series %.*s: after 500, 502, 503 and 504 alone", SLICE_ARG(text));
        }
    }
    import_put(import, on, "%.*s",
               SLICE_ARG(server_errors ? SLICE(", 500, 502, 503, 504") : buffer_slice(&named)));
    buffer_done(&named);
}

/* Exceptions are for connections that end, and for time-outs: both as here. */
static void tell_retry_exceptions(struct import *import, struct import_route *route, struct spring_call *call)
{
    static const char *const known[] = { "java.io.IOException",
                                         "java.util.concurrent.TimeoutException",
                                         "java.net.ConnectException",
                                         "java.net.SocketTimeoutException",
                                         "org.springframework.cloud.gateway.support.TimeoutException",
                                         "io.netty.handler.timeout.ReadTimeoutException" };
    struct slice text;
    while (spring_next_named(call, "exceptions", &text)) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            is_known |= slice_equal(text, slice_from_string(known[i]));
        }
        if (!is_known && text.len > 0) {
            import_note(import, route, call->place,
                        "Retry after %.*s: after connections that end, and after time-outs", SLICE_ARG(text));
        }
    }
}

/* The time doubles here, up to ten times the first. */
static uint64_t take_backoff(struct import *import, struct import_route *route, struct spring_call *call)
{
    uint64_t first = 0, most = 0, factor = 2;
    (void)spring_milliseconds(import, spring_argument(call, 3, "backoff.firstbackoff"), "ms", &first);
    struct slice most_text = spring_argument(call, 4, "backoff.maxbackoff");
    factor = number_of(spring_argument(call, 5, "backoff.factor"), factor);
    (void)spring_argument(call, 6, "backoff.basedonpreviousvalue");
    bool is_ten_times =
        most_text.len == 0 || (spring_milliseconds(import, most_text, "ms", &most) && most >= 10 * first);
    if (factor != 2 || !is_ten_times) {
        import_note(
            import, route, call->place,
            "how the backoff of Retry grows: a time by chance, of up to \"backoff\" at first, then twice "
            "as much before each further try, ten times at most");
    }
    return first;
}

static void take_retry(struct import *import, struct import_route *route, struct spring_call *call)
{
    uint64_t attempts = number_of(spring_argument(call, 0, "retries"), 3);
    if (attempts == 0 || attempts > 10 || route->retry.attempts > 0) {
        spring_miss(import, route, call,
                    route->retry.attempts > 0 ? "there is one already" : "it is sent again 1 to 10 times");
        return;
    }
    struct buffer on, methods;
    buffer_init(&on, IMPORT_VALUE_MAX);
    buffer_init(&methods, IMPORT_VALUE_MAX);
    put_retry_statuses(import, route, call, &on);
    struct slice text = spring_argument(call, 2, "methods");
    if (text.len > 0) {
        import_put_item(import, &methods, text);
    }
    while (spring_next_named(call, "methods", &text)) {
        import_put_item(import, &methods, text);
    }
    tell_retry_exceptions(import, route, call);
    bool has_methods = buffer_length(&methods) > 0;
    route->retry = (struct import_retry){
        .attempts = attempts,
        .on = arena_copy(&import->arena, buffer_slice(&on)),
        .methods = has_methods ? arena_copy(&import->arena, buffer_slice(&methods)) : SLICE("GET"),
        .backoff = take_backoff(import, route, call),
    };
    import->full |= route->retry.on.ptr == NULL || route->retry.methods.ptr == NULL;
    buffer_done(&on);
    buffer_done(&methods);
}

#define HOUR_MS (UINT64_C(3600) * 1000)

/* For all tries, and for what lies between them. */
static uint64_t whole_time(const struct import_retry *retry, uint64_t each)
{
    uint64_t whole = each, wait = retry->backoff;
    for (uint64_t i = 0; i < retry->attempts && whole < HOUR_MS; i++) {
        whole += each + (wait < 10 * retry->backoff ? wait : 10 * retry->backoff);
        wait *= 2;
    }
    return whole < HOUR_MS ? whole : HOUR_MS;
}

void spring_put_time(struct import *import, struct buffer *out, const char *key, uint64_t ms)
{
    bool is_whole = ms % 1000 == 0;
    import_put(import, out, "%s: %llu%s", key, (unsigned long long)(is_whole ? ms / 1000 : ms),
               is_whole ? "s" : "ms");
}

/* Of two times, of which 0 is none. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b > 0 && b < a) ? b : a;
}

/* `each`: of a try, in ms; 0: none is said. */
static void put_retry(struct import *import, struct import_route *route, const struct import_retry *retry,
                      uint64_t each)
{
    import_put(import, &route->rest,
               "    retry: { on: [connect, reset%s%.*s], attempts: %llu, methods: [%.*s]",
               each > 0 ? ", timeout" : "", SLICE_ARG(retry->on), (unsigned long long)retry->attempts,
               SLICE_ARG(retry->methods));
    if (each > 0) {
        spring_put_time(import, &route->rest, ", try_timeout", each);
    }
    if (retry->backoff > 0) {
        spring_put_time(import, &route->rest, ", backoff", retry->backoff);
    }
    import_put(import, &route->rest, " }\n");
}

void spring_put_timing(struct import *import, struct import_route *route, uint64_t inherited)
{
    bool is_own = route->retry.attempts > 0;
    const struct import_retry *retry = is_own ? &route->retry : &import->defaults.retry;
    uint64_t limit = route->limit > 0 ? route->limit : import->defaults.limit;
    uint64_t each = route->timeout > 0 ? route->timeout : inherited;
    if (route->limit_of_try) {
        each = earlier(each, limit);
        limit = 0;
    }
    each = each < HOUR_MS ? each : HOUR_MS;
    uint64_t whole = retry->attempts > 0 && each > 0 ? whole_time(retry, each) : each;
    whole = earlier(whole, limit < HOUR_MS ? limit : HOUR_MS);
    bool is_timed = route->timeout > 0 || route->limit > 0;
    if (is_own || (is_timed && retry->attempts > 0)) {
        /* A route has its times beside those of `defaults`, key by key. */
        bool is_left = route != &import->defaults && import->defaults.retry.attempts > 0 &&
                       import->defaults.timeout > 0 && whole > 1;
        put_retry(import, route, retry, each < whole ? each : is_left ? whole - 1 : 0);
    }
    if (whole > 0 && (is_timed || is_own)) {
        spring_put_time(import, &route->rest, "    timeout", whole);
        import_put(import, &route->rest, "\n");
    }
}

/* ---- what browsers are told ---- */

/* Spring's own defaults, where they are wider than ours. */
static void take_secure(struct import *import, struct import_route *route, struct spring_call *call)
{
    if (!spring_is_new(import, route, call, "    secure_headers:")) {
        return;
    }
    import_put(import, &route->rest,
               "    secure_headers:\n"
               "      strict_transport_security: max-age=631138519\n"
               "      content_security_policy: \"default-src 'self' https:; font-src 'self' https: data:; "
               "img-src 'self' https: data:; "
               "object-src 'none'; script-src https:; style-src 'self' https: 'unsafe-inline'\"\n");
}

static void take_location(struct import *import, struct import_route *route, struct spring_call *call)
{
    struct slice mode = spring_argument(call, 0, "stripversionmode"),
                 header = spring_argument(call, 1, "locationheadername");
    struct slice host = spring_argument(call, 2, "hostvalue");
    spring_argument(call, 3, "protocolsregex");
    bool is_location = header.len == 0 || slice_equal_nocase(header, SLICE("Location"));
    if (host.len > 0 || !is_location || slice_equal(mode, SLICE("ALWAYS_STRIP"))) {
        spring_miss(import, route, call,
                    "a Location at the upstream's address becomes a reference to the same path by itself; "
                    "rewrite_location replaces its beginning");
        return;
    }
    bool is_whole = route == &import->defaults; /* which must not hold a comment alone */
    import_put_comment(import, is_whole ? &import->top : &route->rest, is_whole ? 0 : 4,
                       SLICE("RewriteLocationResponseHeader: hide_upstream does so by itself"));
}

bool spring_filter_elsewhere(struct import *import, struct import_route *route, struct spring_call *call)
{
    static const struct {
        const char *name;
        void (*take)(struct import *import, struct import_route *route, struct spring_call *call);
    } filters[] = {
        { "TokenRelay", take_relay },
        { "RequestRateLimiter", take_limiter },
        { "CircuitBreaker", take_breaker },
        { "Retry", take_retry },
        { "RequestSize", take_size },
        { "SecureHeaders", take_secure },
        { "RewriteLocationResponseHeader", take_location },
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (slice_equal(call->name, slice_from_string(filters[i].name))) {
            filters[i].take(import, route, call);
            return true;
        }
    }
    return false;
}
