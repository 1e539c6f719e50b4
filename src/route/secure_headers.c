#include "route/secure_headers.h"

#define OF(member) .offset = offsetof(struct secure_headers_settings, member)

static const struct conf_field secure_headers_fields[] = {
    { "enabled", CONF_BOOL, CONF_HIGHER, OF(enabled), .standard = "true", .help = "Whether any is sent." },
    { "overwrite", CONF_BOOL, CONF_HIGHER, OF(overwrite), .standard = "false",
      .help = "Whether they take the place of what the upstream says itself." },
    { "strict_transport_security", CONF_STRING, CONF_NON_EMPTY, OF(strict_transport_security),
      .standard = "max-age=31536000",
      .help = "Strict-Transport-Security: browsers come by https alone; sent over TLS alone. \"off\": not at "
              "all, as with the others." },
    { "content_type_options", CONF_STRING, CONF_NON_EMPTY, OF(content_type_options), .standard = "nosniff",
      .help = "X-Content-Type-Options: browsers do not guess types." },
    { "frame_options", CONF_STRING, CONF_NON_EMPTY, OF(frame_options), .standard = "DENY",
      .help = "X-Frame-Options: who may show the page in a frame." },
    { "referrer_policy", CONF_STRING, CONF_NON_EMPTY, OF(referrer_policy), .standard = "no-referrer",
      .help = "Referrer-Policy: what other services learn of the page's address." },
    { "content_security_policy", CONF_STRING, CONF_NON_EMPTY, OF(content_security_policy),
      .standard = "default-src 'self'; base-uri 'self'; frame-ancestors 'none'; object-src 'none'",
      .help = "Content-Security-Policy: where a page may load from." },
    { 0 },
};

const struct conf_object secure_headers_object = {
    .name = "secure_headers",
    .size = sizeof(struct secure_headers_settings),
    .fields = secure_headers_fields,
    .scalar = "enabled",
    .help =
        "Fields that tell browsers what a page may not do, on every answer of the route, denials too. What "
        "the upstream says itself stands.",
};

static const struct {
    struct slice name;
    size_t offset;
    bool needs_tls;
} rows[] = {
    { SLICE_INIT("Strict-Transport-Security"),
      offsetof(struct secure_headers_settings, strict_transport_security), true },
    { SLICE_INIT("X-Content-Type-Options"), offsetof(struct secure_headers_settings, content_type_options),
      false },
    { SLICE_INIT("X-Frame-Options"), offsetof(struct secure_headers_settings, frame_options), false },
    { SLICE_INIT("Referrer-Policy"), offsetof(struct secure_headers_settings, referrer_policy), false },
    { SLICE_INIT("Content-Security-Policy"),
      offsetof(struct secure_headers_settings, content_security_policy), false },
};

#define ROWS (sizeof rows / sizeof rows[0])

static const struct slice *value_of_row(const struct secure_headers_settings *settings, size_t row)
{
    return (const struct slice *)(const void *)((const char *)settings + rows[row].offset);
}

/* ---- what browsers understand ---- */

static bool is_one_of(struct slice text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_equal_nocase(text, slice_from_string(*words))) {
            return true;
        }
    }
    return false;
}

static const char *check_transport(struct slice value)
{
    struct slice rest = value, part;
    while (slice_next(&rest, ';', &part)) {
        struct slice directive = slice_trim(part);
        uint64_t seconds = 0;
        if (directive.len > 8 && slice_equal_nocase(slice_part(directive, 0, 8), SLICE("max-age=")) &&
            slice_to_u64(slice_from(directive, 8), &seconds)) {
            return NULL;
        }
    }
    return "without max-age browsers ignore it: as in \"max-age=31536000; includeSubDomains\", or \"off\"";
}

static const char *check_types(struct slice value)
{
    return slice_equal_nocase(value, SLICE("nosniff")) ? NULL : "it is \"nosniff\" or \"off\"";
}

static const char *check_frame(struct slice value)
{
    static const char *const words[] = { "DENY", "SAMEORIGIN", NULL };
    return is_one_of(value, words) ? NULL
                                   : "browsers know DENY and SAMEORIGIN, and ignore anything else; other "
                                     "pages are named by frame-ancestors of content_security_policy";
}

/* Of several the last one that a browser knows holds. */
static const char *check_referrer(struct slice value)
{
    static const char *const words[] = { "no-referrer",
                                         "no-referrer-when-downgrade",
                                         "origin",
                                         "origin-when-cross-origin",
                                         "same-origin",
                                         "strict-origin",
                                         "strict-origin-when-cross-origin",
                                         "unsafe-url",
                                         NULL };
    struct slice rest = value, part;
    while (slice_next(&rest, ',', &part)) {
        if (!is_one_of(slice_trim(part), words)) {
            return "no policy that browsers know: as in no-referrer, same-origin or strict-origin, or "
                   "\"off\"";
        }
    }
    return NULL;
}

static const char *check_content(struct slice value)
{
    static const char *const words[] = { "true", "false", "on", "yes", "no", NULL };
    return is_one_of(value, words) ? "a policy is wanted here, as in \"default-src 'self'\", or \"off\""
                                   : NULL;
}

static const char *(*const checks[ROWS])(struct slice value) = { check_transport, check_types, check_frame,
                                                                 check_referrer, check_content };

const char *secure_headers_check_settings(const struct secure_headers_settings *settings,
                                          const struct slice **ret_field)
{
    for (size_t i = 0; i < ROWS; i++) {
        *ret_field = value_of_row(settings, i);
        if (!http_field_value_valid(**ret_field) || slice_trim(**ret_field).len != (*ret_field)->len) {
            return "a value of a header has no control characters, and no white space at its ends";
        }
        bool is_off = slice_equal(**ret_field, SLICE("off"));
        const char *problem = is_off ? NULL : checks[i](**ret_field);
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}

static struct header *find(struct headers *headers, struct slice name)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        if (header->id == HEADER_OTHER && slice_equal_nocase(header->name, name)) {
            return header;
        }
    }
    return NULL;
}

/* Each says one thing: of two, browsers would take the one or the other. */
static void remove_others(struct headers *headers, const struct header *first)
{
    size_t kept = 0;
    for (size_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        if (header != first && header->id == HEADER_OTHER && slice_equal_nocase(header->name, first->name)) {
            continue;
        }
        headers->items[kept++] = *header;
    }
    headers->count = kept;
}

bool secure_headers_decorate(const struct secure_headers_settings *settings, bool is_tls, struct headers *out)
{
    for (size_t i = 0; i < ROWS && settings->enabled; i++) {
        struct slice value = *value_of_row(settings, i);
        if (slice_equal(value, SLICE("off")) || (rows[i].needs_tls && !is_tls)) {
            continue;
        }
        struct header *there = find(out, rows[i].name);
        if (there == NULL) {
            if (!headers_add(out, HEADER_OTHER, rows[i].name, value)) {
                return false;
            }
        } else if (settings->overwrite) {
            there->value = value;
            remove_others(out, there);
        }
    }
    return true;
}
