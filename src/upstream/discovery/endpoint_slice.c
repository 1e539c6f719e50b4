#include "upstream/discovery/endpoint_slice.h"

#include "base/limits.h"
#include "upstream/discovery/found.h"
#include "json/json.h"

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for endpoints")
#define GONE      410
#define TEXT_MAX  256 /* bytes of a name, a zone, a UID */

static struct slice text_of(const struct json *object, struct slice name)
{
    struct slice text = SLICE_NONE;
    (void)json_get_string(object, name, &text);
    return text;
}

/* ---- one slice ---- */

/* TCP is the default. A port without a number means all of them: there is none to connect to. */
static uint16_t number_of(const struct json *port)
{
    struct slice protocol = text_of(port, SLICE("protocol"));
    int64_t number = 0;
    bool is_tcp = protocol.len == 0 || slice_equal(protocol, SLICE("TCP"));
    bool has_number = json_get_integer(port, SLICE("port"), &number) && number >= 1 && number <= 65535;
    return is_tcp && has_number ? (uint16_t)number : 0;
}

/* 0: there is none. */
static uint16_t find_port(const struct json *ports, struct slice wanted, bool *ret_ambiguous)
{
    uint16_t found = 0;
    *ret_ambiguous = false;
    for (size_t i = 0; ports != NULL && ports->type == JSON_ARRAY && i < ports->count; i++) {
        const struct json *port = &ports->items[i];
        uint16_t number = number_of(port);
        if (number != 0 && wanted.len > 0 && slice_equal(text_of(port, SLICE("name")), wanted)) {
            return number;
        }
        if (number != 0 && wanted.len == 0) {
            *ret_ambiguous = found != 0;
            found = found == 0 ? number : found;
            if (*ret_ambiguous) {
                return 0;
            }
        }
    }
    return found;
}

/* Not said is true of `ready` and of `serving`, and false of `terminating`. */
static bool condition(const struct json *conditions, struct slice name, bool otherwise)
{
    const struct json *value = json_get(conditions, name);
    return value != NULL && value->type == JSON_BOOL ? value->boolean : otherwise;
}

static bool is_text(struct slice text)
{
    return text.len <= TEXT_MAX;
}

/* Of several addresses only the first one is meant to be used. */
static bool read_endpoint(const struct json *item, uint16_t port, struct arena *memory,
                          struct slice_endpoint *endpoint)
{
    const struct json *addresses = json_get(item, SLICE("addresses"));
    const struct json *conditions = json_get(item, SLICE("conditions"));
    struct slice zone = text_of(item, SLICE("zone"));
    struct slice uid = text_of(json_get(item, SLICE("targetRef")), SLICE("uid"));
    if (addresses == NULL || addresses->type != JSON_ARRAY || addresses->count == 0 ||
        addresses->items[0].type != JSON_STRING ||
        !address_parse(addresses->items[0].text, &endpoint->address) || found_is_odd(&endpoint->address) ||
        !is_text(zone) || !is_text(uid)) {
        return false;
    }
    endpoint->address.port = port;
    endpoint->ready = condition(conditions, SLICE("ready"), true);
    endpoint->ending = !endpoint->ready && condition(conditions, SLICE("serving"), endpoint->ready) &&
                       condition(conditions, SLICE("terminating"), false);
    endpoint->zone = arena_copy(memory, zone);
    endpoint->uid = arena_copy(memory, uid);
    return true;
}

static struct error read_endpoints(const struct json *list, uint16_t port, struct arena *memory,
                                   struct endpoint_slice *slice)
{
    size_t count = list != NULL && list->type == JSON_ARRAY ? list->count : 0;
    if (count > SLICE_ENDPOINTS_MAX) {
        return FAIL(ERROR_VALUE, "an EndpointSlice has at most 1000 endpoints");
    }
    if (port == 0) {
        slice->portless = count;
        return OK;
    }
    slice->items = arena_calloc(memory, count + 1, sizeof *slice->items);
    if (slice->items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct slice_endpoint *endpoint = &slice->items[slice->count];
        if (!read_endpoint(&list->items[i], port, memory, endpoint)) {
            continue; /* one that is odd takes no other with it */
        }
        if (endpoint->zone.ptr == NULL || endpoint->uid.ptr == NULL) {
            return NO_MEMORY;
        }
        slice->count++;
    }
    return OK;
}

static struct error read_slice(const struct json *object, struct slice port, struct arena *memory,
                               struct endpoint_slice *ret_slice)
{
    struct endpoint_slice slice = { 0 };
    struct slice name = text_of(json_get(object, SLICE("metadata")), SLICE("name"));
    if (name.len == 0 || !is_text(name)) {
        return FAIL(ERROR_VALUE, "an EndpointSlice has a name");
    }
    slice.name = arena_copy(memory, name);
    if (slice.name.ptr == NULL) {
        return NO_MEMORY;
    }
    struct slice type = text_of(object, SLICE("addressType"));
    if (slice_equal(type, SLICE("IPv4")) || slice_equal(type, SLICE("IPv6"))) {
        uint16_t number = find_port(json_get(object, SLICE("ports")), port, &slice.ambiguous);
        TRY(read_endpoints(json_get(object, SLICE("endpoints")), number, memory, &slice));
    }
    *ret_slice = slice;
    return OK;
}

/* It becomes part of a URL, whole. */
static struct error read_version(const struct json *metadata, struct arena *memory, struct slice *ret_version)
{
    struct slice version = text_of(metadata, SLICE("resourceVersion"));
    bool good = version.len > 0 && version.len <= RESOURCE_VERSION_MAX;
    for (size_t i = 0; good && i < version.len; i++) {
        char c = version.ptr[i];
        good = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
    }
    if (!good) {
        return FAIL(ERROR_VALUE, "there is no resourceVersion to watch from");
    }
    *ret_version = arena_copy(memory, version);
    return ret_version->ptr != NULL ? OK : NO_MEMORY;
}

/* ---- lists ---- */

struct error endpoint_slice_list(struct slice text, struct slice port, struct arena *scratch,
                                 struct arena *memory, struct slice_list *ret_list)
{
    struct json *object = NULL;
    struct slice_list list = { 0 };
    TRY(json_parse(text, JSON_DEPTH_MAX, scratch, &object, NULL));
    const struct json *items = json_get(object, SLICE("items"));
    const struct json *metadata = json_get(object, SLICE("metadata"));
    if (!slice_equal(text_of(object, SLICE("kind")), SLICE("EndpointSliceList")) ||
        (items != NULL && items->type != JSON_ARRAY && items->type != JSON_NULL)) {
        return FAIL(ERROR_VALUE, "it is no list of EndpointSlices");
    }
    if (text_of(metadata, SLICE("continue")).len > 0) {
        return FAIL(ERROR_VALUE, "the list of EndpointSlices is not whole");
    }
    TRY(read_version(metadata, memory, &list.version));
    size_t count = items != NULL && items->type == JSON_ARRAY ? items->count : 0;
    if (count > SLICES_MAX) {
        return FAIL(ERROR_VALUE, "a service has at most 256 EndpointSlices");
    }
    list.items = arena_calloc(memory, count + 1, sizeof *list.items);
    if (list.items == NULL) {
        return NO_MEMORY;
    }
    for (; list.count < count; list.count++) {
        TRY(read_slice(&items->items[list.count], port, memory, &list.items[list.count]));
    }
    *ret_list = list;
    return OK;
}

/* ---- events ---- */

static struct error read_error(const struct json *status, struct arena *memory, struct slice_event *event)
{
    int64_t code = 0;
    struct slice message = slice_part(text_of(status, SLICE("message")), 0, TEXT_MAX);
    bool is_expired = (json_get_integer(status, SLICE("code"), &code) && code == GONE) ||
                      slice_equal(text_of(status, SLICE("reason")), SLICE("Expired"));
    event->kind = is_expired ? SLICE_EXPIRED : SLICE_ERROR;
    event->message = arena_copy(memory, message.len > 0 ? message : SLICE("it does not say why"));
    return event->message.ptr != NULL ? OK : NO_MEMORY;
}

struct error endpoint_slice_event(struct slice text, struct slice port, struct arena *scratch,
                                  struct arena *memory, struct slice_event *ret_event)
{
    static const struct {
        struct slice name;
        enum slice_event_kind kind;
    } kinds[] = {
        { SLICE_INIT("ADDED"), SLICE_PUT },       { SLICE_INIT("MODIFIED"), SLICE_PUT },
        { SLICE_INIT("DELETED"), SLICE_DELETED }, { SLICE_INIT("BOOKMARK"), SLICE_BOOKMARK },
        { SLICE_INIT("ERROR"), SLICE_ERROR },
    };
    struct json *object = NULL;
    struct slice_event event = { 0 };
    TRY(json_parse(text, JSON_DEPTH_MAX, scratch, &object, NULL));
    const struct json *about = json_get(object, SLICE("object"));
    struct slice type = text_of(object, SLICE("type"));
    size_t index = 0, count = sizeof kinds / sizeof kinds[0];
    while (index < count && !slice_equal(kinds[index].name, type)) {
        index++;
    }
    if (index == count || about == NULL || about->type != JSON_OBJECT) {
        return FAIL(ERROR_VALUE, "it is no event of a watch");
    }
    event.kind = kinds[index].kind;
    if (event.kind == SLICE_ERROR) {
        TRY(read_error(about, memory, &event));
    } else {
        TRY(read_version(json_get(about, SLICE("metadata")), memory, &event.version));
    }
    if (event.kind == SLICE_PUT || event.kind == SLICE_DELETED) {
        TRY(read_slice(about, port, memory, &event.slice));
    }
    *ret_event = event;
    return OK;
}

struct slice endpoint_slice_refusal(struct slice text, struct arena *scratch)
{
    struct json *status = NULL;
    bool is_status = !failed(json_parse(text, JSON_DEPTH_MAX, scratch, &status, NULL)) &&
                     slice_equal(text_of(status, SLICE("kind")), SLICE("Status"));
    return is_status ? text_of(status, SLICE("message")) : SLICE_NONE;
}
