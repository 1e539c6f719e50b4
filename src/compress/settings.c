#include "compress/settings.h"

#include "http/headers.h"

static const struct conf_choice algorithm_choices[] = {
    { "zstd", COMPRESS_ZSTD, "Zstandard (RFC 8878)" },
    { "gzip", COMPRESS_GZIP, "what every client knows (RFC 1952)" },
    { 0 },
};

static const struct conf_choice level_choices[] = {
    { "fast", COMPRESS_FAST, "the least time" },
    { "standard", COMPRESS_STANDARD, "what is worth its time" },
    { "small", COMPRESS_SMALL, "the least bytes, for about twice the time" },
    { 0 },
};

#define OF(member) .offset = offsetof(struct compress_settings, member)

static const struct conf_field compress_fields[] = {
    { "enabled", CONF_BOOL, CONF_LOWER, OF(enabled), .standard = "true",
      .help = "Whether anything is compressed." },
    { "no_secrets_in_responses", CONF_BOOL, CONF_LOWER, OF(no_secrets_in_responses), .standard = "false",
      .help = "Says that no response of the route holds what others may not know. A route whose callers "
              "authenticate is compressed only where that is said: see docs/compression.md." },
    { "algorithms", CONF_FLAGS, CONF_NON_EMPTY | CONF_SUBSET, OF(algorithms), .standard = "[zstd, gzip]",
      .choices = algorithm_choices,
      .help = "What clients may ask for; of those that a client likes alike, zstd is taken." },
    { "types", CONF_STRINGS, CONF_NON_EMPTY | CONF_SUBSET, OF(types),
      .standard = "[text/*, application/json, application/*+json, application/x-ndjson, application/xml, "
                  "application/*+xml, application/yaml, application/javascript, application/wasm, "
                  "image/svg+xml]",
      .help = "Media types of responses that are compressed. Never: event streams and gRPC." },
    { "min_size", CONF_SIZE, CONF_HIGHER, OF(min_size), .standard = "1KiB", .minimum = 0,
      .maximum = INT64_C(1) << 30,
      .help = "A shorter response is sent as it is, where its length is known." },
    { "level", CONF_ENUM, OF(level), .standard = "standard", .choices = level_choices,
      .help = "What matters more, time or size." },
    { 0 },
};

const struct conf_object compress_object = {
    .name = "compress",
    .size = sizeof(struct compress_settings),
    .fields = compress_fields,
    .scalar = "enabled",
    .help = "Compresses responses for clients that ask for it. Never where a secret of the caller and what "
            "somebody else may choose could meet (BREACH).",
};

const char *compress_check_type(struct slice type)
{
    static const char wrong[] =
        "a media type is written as application/json, text/* or application/*+json, without parameters";
    ssize_t slash = slice_find(type, '/');
    if (slash <= 0 || !http_token_valid(slice_part(type, 0, (size_t)slash))) {
        return wrong;
    }
    struct slice subtype = slice_from(type, (size_t)slash + 1);
    bool is_any = subtype.len > 0 && subtype.ptr[0] == '*';
    struct slice rest = is_any ? slice_from(subtype, 1) : subtype;
    if ((is_any && rest.len > 0 && (rest.ptr[0] != '+' || rest.len == 1)) || (!is_any && rest.len == 0) ||
        (rest.len > 0 && !http_token_valid(rest)) || slice_find(rest, '*') >= 0 ||
        slice_find(slice_part(type, 0, (size_t)slash), '*') >= 0) {
        return wrong;
    }
    if (slice_equal_nocase(type, SLICE("text/event-stream")) ||
        slice_starts_with(type, SLICE("application/grpc"))) {
        return "event streams and gRPC are never compressed: leave it out";
    }
    return NULL;
}
