#include "auth/resource.h"

#include "http/uri.h"
#include "json/writer.h"

#define DOCUMENT_MAX 65536

static const struct slice https = SLICE_INIT("https://");

static const struct conf_field resource_fields[] = {
    { .name = "resource",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct resource_settings, resource),
      .help = "Its identifier: the https URL that clients call it by, as in https://api.example.com/orders. "
              "Its host "
              "and path say where the document is." },
    { .name = "issuers",
      .type = CONF_STRINGS,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct resource_settings, issuers),
      .help = "Names of the issuers that clients may get tokens from (authorization_servers)." },
    { .name = "scopes",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct resource_settings, scopes),
      .help = "Scopes that clients may ask them for (scopes_supported)." },
    { .name = "title",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct resource_settings, title),
      .help = "Its name, for people (resource_name)." },
    { .name = "documentation",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct resource_settings, documentation),
      .help = "An https URL for developers (resource_documentation)." },
    { 0 },
};

const struct conf_object resource_object = {
    .name = "resource",
    .size = sizeof(struct resource_settings),
    .fields = resource_fields,
    .help = "A protected resource (RFC 9728): its document is served at its host, and the challenges of the "
            "routes "
            "whose auth names it say where.",
};

/* host[:port] and path of the identifier; an identifier that is none has no authority. */
static void split(struct slice url, struct slice *ret_authority, struct slice *ret_path)
{
    struct slice rest = slice_starts_with(url, https) ? slice_from(url, https.len) : SLICE("");
    ssize_t slash = slice_find(rest, '/');
    *ret_authority = slash < 0 ? rest : slice_part(rest, 0, (size_t)slash);
    *ret_path = slash < 0 || (size_t)slash + 1 == rest.len ? SLICE("") : slice_from(rest, (size_t)slash);
}

static bool is_plain(struct slice url)
{
    bool good = true;
    for (size_t i = 0; i < url.len; i++) {
        char c = url.ptr[i];
        good = good && c > ' ' && c <= '~' && c != '"' && c != '\\' && c != '#';
    }
    return good;
}

const char *resource_check(const struct resource_settings *settings)
{
    struct slice authority, path;
    char lower[URI_AUTHORITY_MAX];
    struct uri_authority parsed;
    split(settings->resource, &authority, &path);
    if (!slice_starts_with(settings->resource, https) || !is_plain(settings->resource) ||
        slice_find(settings->resource, '?') >= 0) {
        return "resource is no https URL without query and fragment";
    }
    if (authority.len == 0 || authority.len > sizeof lower ||
        uri_parse_authority(authority, lower, &parsed) != URI_OK ||
        !slice_equal(slice_part(authority, 0, parsed.host.len), parsed.host)) {
        return "resource names no host, in lower case";
    }
    if (path.len > 0 && !uri_path_is_canonical(path)) {
        return "the path of resource is not written as it is compared: without dots, escapes and double "
               "slashes";
    }
    if (settings->documentation.len > 0 &&
        (!slice_starts_with(settings->documentation, https) || !is_plain(settings->documentation))) {
        return "documentation is no https URL";
    }
    return NULL;
}

struct slice resource_host(const struct resource_settings *settings)
{
    struct slice authority, path;
    split(settings->resource, &authority, &path);
    ssize_t colon = slice_find_last(authority, ':');
    return colon < 0 ? authority : slice_part(authority, 0, (size_t)colon);
}

struct slice resource_path(const struct resource_settings *settings, struct arena *arena)
{
    struct slice authority, path;
    split(settings->resource, &authority, &path);
    return ARENA_CONCAT(arena, SLICE(RESOURCE_WELL_KNOWN), path);
}

struct slice resource_url(const struct resource_settings *settings, struct arena *arena)
{
    struct slice authority, path;
    split(settings->resource, &authority, &path);
    return ARENA_CONCAT(arena, https, authority, SLICE(RESOURCE_WELL_KNOWN), path);
}

static void put_list(struct json_writer *json, struct slice name, const struct slice *items, size_t count)
{
    if (count == 0) {
        return;
    }
    json_name(json, name);
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        json_string(json, items[i]);
    }
    json_array_end(json);
}

struct error resource_document(const struct resource_settings *settings, const struct resource_facts *facts,
                               struct arena *arena, struct slice *ret_text)
{
    struct slice ways[2];
    size_t way_count = 0;
    struct buffer out;
    struct json_writer json;
    if (facts->by_header) {
        ways[way_count++] = SLICE("header");
    }
    if (facts->by_query) {
        ways[way_count++] = SLICE("query");
    }
    buffer_init(&out, DOCUMENT_MAX);
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_member_string(&json, SLICE("resource"), settings->resource);
    put_list(&json, SLICE("authorization_servers"), facts->servers, facts->server_count);
    put_list(&json, SLICE("scopes_supported"), settings->scopes.items, settings->scopes.count);
    put_list(&json, SLICE("bearer_methods_supported"), ways, way_count);
    if (settings->title.len > 0) {
        json_member_string(&json, SLICE("resource_name"), settings->title);
    }
    if (settings->documentation.len > 0) {
        json_member_string(&json, SLICE("resource_documentation"), settings->documentation);
    }
    json_object_end(&json);
    struct slice text = json.failed ? SLICE_NONE : arena_copy(arena, buffer_slice(&out));
    buffer_done(&out);
    if (text.ptr == NULL) {
        return FAIL(ERROR_LIMIT, "the document of a protected resource is too long");
    }
    *ret_text = text;
    return OK;
}
