#include "upstream/discovery/consul_answer.h"

#include "base/limits.h"
#include "net/name.h"
#include "json/json.h"

#define NO_MEMORY  FAIL(ERROR_MEMORY, "no memory for endpoints")
#define WEIGHT_MAX 65535 /* Consul's */
#define ZONE_MAX   256   /* bytes */

/* Maintenance of a service or a node is a check, too, and critical. */
static bool passes(const struct json *checks)
{
    for (size_t i = 0; checks != NULL && checks->type == JSON_ARRAY && i < checks->count; i++) {
        struct slice status = SLICE_NONE;
        if (!json_get_string(&checks->items[i], SLICE("Status"), &status) ||
            !slice_equal(status, SLICE("passing"))) {
            return false;
        }
    }
    return true;
}

static struct slice text_of(const struct json *object, struct slice name)
{
    struct slice text = SLICE_NONE;
    (void)json_get_string(object, name, &text);
    return text;
}

/* A service stands where it says, or else where its node does. */
static struct slice zone_of(const struct json *node, const struct json *service)
{
    const struct slice places[] = {
        text_of(json_get(service, SLICE("Locality")), SLICE("Zone")),
        text_of(json_get(service, SLICE("Meta")), SLICE("zone")),
        text_of(json_get(node, SLICE("Locality")), SLICE("Zone")),
        text_of(json_get(node, SLICE("Meta")), SLICE("zone")),
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].len > 0) {
            return places[i].len <= ZONE_MAX ? places[i] : SLICE_NONE;
        }
    }
    return SLICE_NONE;
}

static uint32_t weight_of(const struct json *service)
{
    int64_t weight = 1;
    (void)json_get_integer(json_get(service, SLICE("Weights")), SLICE("Passing"), &weight);
    weight = weight < 0 ? 0 : weight;
    return (uint32_t)(weight > WEIGHT_MAX ? WEIGHT_MAX : weight);
}

/* False where it can be no endpoint; on true, url.ptr NULL is no room. */
static bool place(const struct json *node, const struct json *service, const struct found_frame *frame,
                  struct arena *memory, struct found_endpoint *ret_endpoint)
{
    struct address address;
    int64_t port = 0;
    struct slice text = text_of(service, SLICE("Address"));
    text = text.len > 0 ? text : text_of(node, SLICE("Address"));
    if (!json_get_integer(service, SLICE("Port"), &port) || port < 1 || port > 65535) {
        return false;
    }
    if (address_parse(text, &address)) {
        address.port = (uint16_t)port;
        *ret_endpoint = found_at(frame, &address, memory);
        return !found_is_odd(&address);
    }
    if (!name_is_host(text)) { /* external services may be at a name */
        return false;
    }
    *ret_endpoint = (struct found_endpoint){
        .url = arena_printf(memory, "%s://%.*s:%u", frame->scheme, SLICE_ARG(text), (unsigned int)port),
        .host = frame->host,
    };
    return true;
}

static struct error take(const struct json *list, const struct found_frame *frame, struct arena *memory,
                         struct found_endpoints *found)
{
    size_t passing = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct json *item = &list->items[i];
        const struct json *node = json_get(item, SLICE("Node"));
        const struct json *service = json_get(item, SLICE("Service"));
        struct found_endpoint *endpoint = &found->items[found->count];
        if (node == NULL || service == NULL) {
            return FAIL(ERROR_VALUE, "it is no answer of Consul about a service");
        }
        if (!passes(json_get(item, SLICE("Checks")))) {
            continue;
        }
        passing++;
        if (!place(node, service, frame, memory, endpoint)) {
            continue;
        }
        struct slice zone = arena_copy(memory, zone_of(node, service));
        endpoint->weight = weight_of(service);
        endpoint->zone = zone;
        if (endpoint->url.ptr == NULL || zone.ptr == NULL) {
            return NO_MEMORY;
        }
        found->count++;
    }
    return passing > 0 && found->count == 0
               ? FAIL(ERROR_VALUE, "no instance has a port and an address that a server can have")
               : OK;
}

struct error consul_answer_parse(struct slice text, const struct found_frame *frame, struct arena *scratch,
                                 struct arena *memory, struct found_endpoints *ret_found)
{
    struct json *list = NULL;
    TRY(json_parse(text, JSON_DEPTH_MAX, scratch, &list, NULL));
    if (list->type != JSON_ARRAY) {
        return FAIL(ERROR_VALUE, "it is no answer of Consul about a service");
    }
    struct found_endpoints found = { .items = arena_calloc(memory, list->count + 1, sizeof *found.items) };
    if (found.items == NULL) {
        return NO_MEMORY;
    }
    TRY(take(list, frame, memory, &found));
    found_scale_weights(&found);
    found_settle(&found);
    if (found.count > ENDPOINTS_MAX) {
        return FAIL(ERROR_VALUE, "more instances than a service may have endpoints, 1024");
    }
    *ret_found = found;
    return OK;
}
