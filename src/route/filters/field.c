#include "route/filters/field.h"

#include "relay/names.h"

/* What may be done with fields that `name_classes` keeps from routes otherwise. */
static const struct {
    enum header_id id;
    enum field_use use;
} allowed[] = {
    { HEADER_COOKIE, FIELD_REQUEST_REMOVE },
    { HEADER_SET_COOKIE, FIELD_RESPONSE_REMOVE },
    { HEADER_CONTENT_TYPE, FIELD_RESPONSE_SET },
    { HEADER_CONTENT_TYPE, FIELD_REQUEST_READ },
};

/* By what they begin with: fields that belong to a protocol within HTTP, or that a key of the route makes. */
static const struct {
    struct slice prefix;
    unsigned int uses; /* bits by enum field_use: refused */
    const char *whose;
} owned[] = {
#define USE(use) (1u << FIELD_##use)
#define WRITTEN  (USE(REQUEST_SET) | USE(REQUEST_REMOVE) | USE(RESPONSE_SET) | USE(RESPONSE_REMOVE))
    { SLICE_INIT("sec-websocket-"), WRITTEN, "the WebSocket handshake's" },
    { SLICE_INIT("grpc-"), WRITTEN, "gRPC's" },
    { SLICE_INIT("access-control-"), USE(RESPONSE_SET), "made by `cors`" },
    { SLICE_INIT("ratelimit"), USE(RESPONSE_SET), "made by `limits`" },
#undef WRITTEN
#undef USE
};

static const unsigned int refused_classes[] = {
    [FIELD_REQUEST_SET] = NAME_DROPPED_FROM_REQUEST | NAME_FIXED,
    [FIELD_REQUEST_REMOVE] = NAME_DROPPED_FROM_REQUEST | NAME_FIXED,
    [FIELD_REQUEST_READ] = NAME_HOP | NAME_CREDENTIAL | NAME_OVERRIDE | NAME_FIXED,
    [FIELD_RESPONSE_SET] = NAME_HOP | NAME_RESPONSE | NAME_FIXED,
    [FIELD_RESPONSE_REMOVE] = NAME_HOP | NAME_RESPONSE | NAME_FIXED,
};

/* Whose a field of these classes is; the first that fits says it best. */
static const char *owner_of(unsigned int classes)
{
    static const struct {
        unsigned int class;
        const char *whose;
    } owners[] = {
        { NAME_HOP, "the protocol's own (framing, connection or Host)" },
        { NAME_CREDENTIAL, "a credential's, which goes no further than `relay` lets it" },
        { NAME_FORWARDED,
          "the gateway's own: it tells the client's address and host, or is stripped from every client" },
        { NAME_OVERRIDE, "one that makes servers see another request than was decided on" },
        { NAME_OURS | NAME_RESPONSE, "set by the gateway itself" },
        { NAME_FIXED, "the message's own (cookies, what describes the body, traces)" },
    };
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        if ((classes & owners[i].class) != 0) {
            return owners[i].whose;
        }
    }
    return "not a filter's";
}

static bool is_allowed(enum header_id id, enum field_use use)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        if (allowed[i].id == id && allowed[i].use == use) {
            return true;
        }
    }
    return false;
}

/* NULL, or whose the field is. */
static const char *whose_is(const struct filter_compiler *compiler, struct slice name, enum field_use use)
{
    enum header_id id = header_id_of(name);
    unsigned int refused = name_classes(id, name) & refused_classes[use];
    if (refused != 0 && !is_allowed(id, use)) {
        return owner_of(refused);
    }
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        bool begins = name.len >= owned[i].prefix.len &&
                      name_same(slice_part(name, 0, owned[i].prefix.len), owned[i].prefix);
        if (begins && (owned[i].uses & 1u << use) != 0) {
            return owned[i].whose;
        }
    }
    if (field_use_is_request(use) && name_is_among(name, compiler->route->identity_headers)) {
        return "set from what was proven (`relay.headers`, an authorizer, a credential's place) on some "
               "route, so that "
               "no other may stand there";
    }
    return NULL;
}

struct error field_compile(struct filter_compiler *compiler, const void *at, struct slice name,
                           enum field_use use, struct field *ret_field)
{
    if (!http_token_valid(name)) {
        return filter_wrong(compiler, at, "\"%.*s\" is not a header name", SLICE_ARG(name));
    }
    if (slice_find(name, '_') >= 0) {
        return filter_wrong(compiler, at, "%.*s: header names with \"_\" are ambiguous: write \"-\"",
                            SLICE_ARG(name));
    }
    const char *whose = whose_is(compiler, name, use);
    if (whose != NULL) {
        return filter_wrong(compiler, at, "%.*s is %s: no filter may %s it", SLICE_ARG(name), whose,
                            use == FIELD_REQUEST_READ ? "copy" : "set or remove");
    }
    *ret_field = (struct field){ .id = header_id_of(name), .folds = field_use_is_request(use), .name = name };
    return OK;
}

struct error field_compile_value(struct filter_compiler *compiler, const struct conf_pair *pair,
                                 enum field_use use, struct field *ret_field)
{
    TRY(field_compile(compiler, &pair->value, pair->name, use, ret_field));
    if (pair->value.len == 0 || slice_trim(pair->value).len != pair->value.len ||
        !http_field_value_valid(pair->value)) {
        return filter_wrong(
            compiler, &pair->value,
            "%.*s: a value is not empty, and has no control characters and no white space at its ends",
            SLICE_ARG(pair->name));
    }
    return template_compile(compiler, &pair->value, pair->value,
                            field_use_is_request(use) ? TEMPLATE_PATH_ONLY : TEMPLATE_OF_CALLER,
                            &ret_field->value);
}

struct error field_add_pairs(struct filter_compiler *compiler, const struct conf_pairs *pairs,
                             enum field_use use, filter_step *step)
{
    struct filter_chain *chain = compiler->chain;
    struct field *fields = arena_calloc(compiler->arena, pairs->count, sizeof *fields);
    if (fields == NULL) {
        return FILTER_NO_MEMORY;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        bool request = field_use_is_request(use);
        TRY(field_compile_value(compiler, &pairs->items[i], use, &fields[i]));
        TRY(filter_add(compiler, request ? &chain->request : &chain->response, step, &fields[i]));
        *(request ? &chain->request_fields : &chain->response_fields) += 1;
    }
    return OK;
}

bool field_is(const struct field *field, const struct header *header)
{
    /* What we know by number is that and nothing else; only its other spellings, and unknown names, are texts to compare. */
    if (header->id != HEADER_OTHER) {
        return header->id == field->id;
    }
    if (header->name.len != field->name.len || (field->id != HEADER_OTHER && !field->folds)) {
        return false;
    }
    return field->folds ? name_same(header->name, field->name)
                        : slice_equal_nocase(header->name, field->name);
}

bool field_replace(const struct field *field, struct headers *headers, const struct header *replacement)
{
    size_t kept = 0;
    bool placed = false;
    for (size_t i = 0; i < headers->count; i++) {
        if (!field_is(field, &headers->items[i])) {
            if (kept != i) {
                headers->items[kept] = headers->items[i];
            }
            kept++;
        } else if (replacement != NULL && !placed) {
            headers->items[kept++] = *replacement;
            placed = true;
        }
    }
    headers->count = kept;
    return placed;
}

enum deny_reason field_value(const struct field *field, struct filter_run *run, struct slice *ret_value)
{
    enum deny_reason reason = template_fill(&field->value, run, ret_value);
    if (reason != DENY_NONE || ret_value->ptr == NULL || field->value.count == 1 ||
        http_field_value_valid(*ret_value)) {
        return reason;
    }
    run->detail = SLICE("a filter's value for a header holds characters that no header value may hold");
    return DENY_AUTHORIZATION_ERROR;
}

enum deny_reason field_put(const struct field *field, struct slice value, struct filter_run *run)
{
    if (headers_add(run->headers, field->id, field->name, value)) {
        return DENY_NONE;
    }
    run->detail = SLICE("too many header fields for a filter's own");
    return DENY_INTERNAL;
}
