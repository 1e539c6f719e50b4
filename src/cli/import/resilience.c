/* What resilience4j is told, in the same file, of the circuit breakers and time limiters that filters name. */
#include "cli/import/spring.h"

#define BREAKER "circuitbreaker"
#define LIMITER "timelimiter"

struct instance {
    struct import *import;
    struct import_route *route;
    struct conf_place place; /* of the filter that names it */
    const char *kind;
    struct slice name, base; /* canonical; `base` holds what the instance does not say itself */
};

/* ---- looking up ---- */

static const struct conf_node *look_up(const struct instance *instance, const char *group, struct slice name,
                                       const char *key)
{
    struct slice whole = arena_printf(&instance->import->arena, "resilience4j.%s.%s.%.*s.%s", instance->kind,
                                      group, SLICE_ARG(name), key);
    instance->import->full |= whole.ptr == NULL;
    return whole.ptr != NULL ? spring_property(instance->import, whole.ptr) : NULL;
}

/* Its own, or that of what it is based on; NULL: the file does not say. All places count as read. */
static const struct conf_node *find(const struct instance *instance, const char *key)
{
    const struct conf_node *places[] = {
        look_up(instance, "instances", instance->name, key),
        look_up(instance, "backends", instance->name, key), /* as they were called */
        look_up(instance, "configs", instance->base, key),
    };
    const struct conf_node *found = NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        found = found != NULL ? found : places[i];
    }
    return found;
}

static struct slice setting(const struct instance *instance, const char *key)
{
    return spring_text(instance->import, instance->route, find(instance, key));
}

static struct instance instance_of(struct import *import, struct import_route *route, const char *kind,
                                   const struct spring_call *call, struct slice name)
{
    struct instance instance = { import,          route, call->place, kind, spring_canonical(import, name),
                                 SLICE("default") };
    struct slice base = setting(&instance, "baseconfig");
    instance.base = base.len > 0 ? spring_canonical(import, base) : instance.base;
    return instance;
}

/* ---- breakers ---- */

static bool is_within(uint64_t number, uint64_t least, uint64_t most)
{
    return number >= least && number <= most;
}

static void miss(const struct instance *instance, const char *key, struct slice text, const char *instead)
{
    import_note(instance->import, instance->route, instance->place, "%s %.*s of the CircuitBreaker: %s", key,
                SLICE_ARG(text), instead);
}

/* Whole per cent: what is less than one more counts as one more. */
static bool read_percentage(struct slice text, uint64_t *ret_number)
{
    ssize_t dot = slice_find(text, '.');
    struct slice whole = dot >= 0 ? slice_part(text, 0, (size_t)dot) : text;
    struct slice part = dot >= 0 ? slice_from(text, (size_t)dot + 1) : SLICE("0");
    uint64_t number = 0, rest = 0;
    if (!slice_to_u64(whole, &number) || !slice_to_u64(part, &rest) || number > 100) {
        return false;
    }
    *ret_number = number + (rest > 0);
    return true;
}

static void put_failures(const struct instance *instance, struct buffer *out)
{
    struct slice text = setting(instance, "failureratethreshold");
    uint64_t number = 0;
    if (text.len == 0) {
        return;
    }
    if (read_percentage(text, &number) && is_within(number, 1, 100)) {
        import_put(instance->import, out, ", failures: %llu", (unsigned long long)number);
    } else {
        miss(instance, "failureRateThreshold", text, "write \"failures\", 1 to 100 per cent");
    }
}

/* Seconds, or requests: of a window of requests there are never more to look at than it holds. */
static void put_window(const struct instance *instance, struct buffer *out)
{
    struct slice size_text = setting(instance, "slidingwindowsize"),
                 old_size_text = setting(instance, "ringbuffersizeinclosedstate"),
                 minimum_text = setting(instance, "minimumnumberofcalls");
    bool of_time = slice_equal_nocase(setting(instance, "slidingwindowtype"), SLICE("TIME_BASED"));
    uint64_t size = 0, minimum = 0;
    size_text = size_text.len > 0 ? size_text : old_size_text;
    if (size_text.len > 0 && (!slice_to_u64(size_text, &size) || size == 0)) {
        miss(instance, "slidingWindowSize", size_text, "write \"window\", a time");
    }
    if (minimum_text.len > 0 && (!slice_to_u64(minimum_text, &minimum) || minimum == 0)) {
        miss(instance, "minimumNumberOfCalls", minimum_text, "write \"minimum\", 1 to 100000 requests");
    }
    if (size > 0 && !of_time) {
        import_note(
            instance->import, instance->route, instance->place,
            "slidingWindowSize of the CircuitBreaker, the last %llu requests: here it looks back on a time, "
            "\"window\" (10s)",
            (unsigned long long)size);
        minimum = minimum == 0 && size > 100 ? 100 : minimum; /* its default there */
        minimum = minimum == 0 || minimum > size ? size : minimum;
    }
    if (minimum > 0) {
        import_put(instance->import, out, ", minimum: %llu",
                   (unsigned long long)(minimum < 100000 ? minimum : 100000));
    }
    if (size > 0 && of_time) {
        import_put(instance->import, out, ", window: %llus", (unsigned long long)(size < 3600 ? size : 3600));
    }
}

static void put_open(const struct instance *instance, struct buffer *out)
{
    struct slice text = setting(instance, "waitdurationinopenstate");
    uint64_t time = 0;
    if (text.len == 0) {
        return;
    }
    if (spring_milliseconds(instance->import, text, "ms", &time) && is_within(time, 10, 3600000)) {
        spring_put_time(instance->import, out, ", open", time);
    } else {
        miss(instance, "waitDurationInOpenState", text, "write \"open\", 10ms to 1h");
    }
}

static void put_probes(const struct instance *instance, struct buffer *out)
{
    struct slice text = setting(instance, "permittednumberofcallsinhalfopenstate"),
                 old = setting(instance, "ringbuffersizeinhalfopenstate");
    uint64_t number = 0;
    text = text.len > 0 ? text : old;
    if (text.len == 0) {
        return;
    }
    if (slice_to_u64(text, &number) && is_within(number, 1, 1000)) {
        import_put(instance->import, out, ", probes: %llu", (unsigned long long)number);
    } else {
        miss(instance, "permittedNumberOfCallsInHalfOpenState", text, "write \"probes\", 1 to 1000 requests");
    }
}

/* What changes nothing here is read, so that it is not told; slow answers are told as such. */
static void read_rest(const struct instance *instance)
{
    static const char *const without_effect[] = { "registerhealthindicator", "allowhealthindicatortofail",
                                                  "eventconsumerbuffersize", "writablestacktraceenabled",
                                                  "automatictransitionfromopentohalfopenenabled" };
    for (size_t i = 0; i < sizeof without_effect / sizeof without_effect[0]; i++) {
        (void)find(instance, without_effect[i]);
    }
    const struct conf_node *slow = find(instance, "slowcalldurationthreshold"),
                           *rate = find(instance, "slowcallratethreshold");
    slow = slow != NULL ? slow : rate;
    if (slow != NULL) {
        import_note(
            instance->import, instance->route, conf_node_place(slow),
            "slow calls as failures: what is later than \"timeout\" of the route is one, and that alone");
    }
}

struct slice spring_breaker(struct import *import, struct import_route *route, const struct spring_call *call,
                            struct slice name)
{
    struct instance instance = instance_of(import, route, BREAKER, call, name);
    struct buffer out;
    buffer_init(&out, IMPORT_VALUE_MAX);
    put_failures(&instance, &out);
    put_window(&instance, &out);
    put_open(&instance, &out);
    put_probes(&instance, &out);
    read_rest(&instance);
    struct slice settings = buffer_slice(&out);
    struct slice text = settings.len > 0
                            ? arena_printf(&import->arena, "{ %.*s }", SLICE_ARG(slice_from(settings, 2)))
                            : SLICE("{}");
    import->full |= text.ptr == NULL;
    buffer_done(&out);
    return text;
}

/* ---- time limiters ---- */

uint64_t spring_time_limit(struct import *import, struct import_route *route, const struct spring_call *call,
                           struct slice name)
{
    struct instance instance = instance_of(import, route, LIMITER, call, name);
    struct slice text = setting(&instance, "timeoutduration");
    const struct conf_node *off =
        spring_property(import, "spring.cloud.circuitbreaker.resilience4j.disabletimelimiter");
    uint64_t time = 0;
    (void)find(&instance, "cancelrunningfuture");
    if (text.len == 0 || slice_equal(spring_text(import, route, off), SLICE("true"))) {
        return 0;
    }
    if (!spring_milliseconds(import, text, "ms", &time) || time == 0) {
        import_note(import, route, call->place,
                    "timeoutDuration %.*s of the CircuitBreaker: write \"timeout\", at most 1h",
                    SLICE_ARG(text));
        return 0;
    }
    return time;
}
