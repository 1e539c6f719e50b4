#include "route/filters/location.h"

#include "upstream/settings.h"

struct place {
    struct slice host;
    uint16_t port;
};

/* `port`: where none is named. */
static bool parse_place(struct slice authority, uint16_t port, char out[URI_AUTHORITY_MAX],
                        struct place *ret_place)
{
    struct uri_authority parsed;
    if (authority.len == 0 || authority.len > URI_AUTHORITY_MAX ||
        uri_parse_authority(authority, out, &parsed) != URI_OK) {
        return false;
    }
    *ret_place = (struct place){ parsed.host, parsed.port != 0 ? parsed.port : port };
    return true;
}

/* "//host", and what browsers make one of: they take a backslash for a slash, and leave tabs out wherever they stand. */
static bool names_host(struct slice reference)
{
    size_t at = 1;
    while (at < reference.len && reference.ptr[at] == '\t') {
        at++;
    }
    return at < reference.len && (reference.ptr[at] == '/' || reference.ptr[at] == '\\');
}

static bool is_place(const struct place *place, struct slice authority, uint16_t standard)
{
    char out[URI_AUTHORITY_MAX];
    struct place other;
    return parse_place(authority, standard, out, &other) && slice_equal(place->host, other.host) &&
           place->port == other.port;
}

/* On any port: who made that name up for its upstream means no stranger to read it. */
static bool is_host(const struct place *place, struct slice authority)
{
    char out[URI_AUTHORITY_MAX];
    struct place other;
    return parse_place(authority, 0, out, &other) && slice_equal(place->host, other.host);
}

static bool is_asked_host(const struct filter_origin *origin)
{
    return slice_equal(origin->told, origin->asked);
}

static bool is_endpoint(const struct place *place, const struct upstream_endpoint *endpoint)
{
    if (endpoint->path.len > 0 || place->port != endpoint->port) {
        return false;
    }
    struct address address;
    return endpoint->is_address
               ? address_parse(place->host, &address) && address_is_same(&address, &endpoint->address)
               : slice_equal(place->host, endpoint->host);
}

static enum location_place place_of(const struct place *place, const struct filter_origin *origin,
                                    uint16_t standard)
{
    if (is_place(place, origin->asked, standard)) {
        return LOCATION_ASKED;
    }
    for (size_t i = 0; i < origin->upstream->endpoints.count; i++) {
        if (is_endpoint(place, &origin->upstream->parsed[i])) {
            return LOCATION_INTERNAL;
        }
    }
    return !is_asked_host(origin) && is_host(place, origin->told) ? LOCATION_INTERNAL : LOCATION_ELSEWHERE;
}

/* "scheme://" off the front. */
static bool take_scheme(struct slice *value, uint16_t *ret_port)
{
    static const struct {
        struct slice text;
        uint16_t port;
    } schemes[] = { { SLICE_INIT("https://"), 443 }, { SLICE_INIT("http://"), 80 } };
    for (size_t i = 0; i < 2; i++) {
        if (slice_equal_nocase(slice_part(*value, 0, schemes[i].text.len), schemes[i].text)) {
            *value = slice_from(*value, schemes[i].text.len);
            *ret_port = schemes[i].port;
            return true;
        }
    }
    return false;
}

enum location_place location_find(struct slice value, const struct filter_origin *origin, struct arena *arena,
                                  struct slice *ret_rest)
{
    uint16_t standard = 443;
    *ret_rest = value;
    bool has_scheme = take_scheme(&value, &standard);
    if (slice_starts_with(value, SLICE("//")) && !has_scheme) { /* by the scheme of who reads it */
        value = slice_from(value, 2);
    } else if (slice_starts_with(value, SLICE("/")) && !has_scheme) {
        return names_host(value) ? LOCATION_ELSEWHERE : LOCATION_PATH;
    } else if (!has_scheme) {
        return LOCATION_ELSEWHERE;
    }
    size_t end = 0;
    while (end < value.len && strchr("/?#\\", value.ptr[end]) == NULL) {
        end++;
    }
    char out[URI_AUTHORITY_MAX];
    struct place place;
    if (!parse_place(slice_part(value, 0, end), standard, out, &place)) {
        return LOCATION_ELSEWHERE;
    }
    *ret_rest = slice_from(value, end);
    if (!slice_starts_with(*ret_rest, SLICE("/"))) {
        *ret_rest = ARENA_CONCAT(arena, SLICE("/"), *ret_rest);
    }
    enum location_place found =
        ret_rest->ptr != NULL ? place_of(&place, origin, standard) : LOCATION_ELSEWHERE;
    if (found == LOCATION_ELSEWHERE && !has_scheme && place.port == standard && ret_rest->ptr != NULL) {
        place.port = 80;
        found = place_of(&place, origin, 80);
    }
    return found;
}

struct slice location_reference(struct slice rest, struct arena *arena)
{
    return names_host(rest) ? ARENA_CONCAT(arena, SLICE("/."), rest) : rest;
}

bool filter_hide_location(struct headers *headers, const struct filter_origin *origin, struct arena *arena)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        struct slice rest;
        if (header->id != HEADER_LOCATION ||
            location_find(header->value, origin, arena, &rest) != LOCATION_INTERNAL) {
            continue;
        }
        header->value = location_reference(rest, arena);
        if (header->value.ptr == NULL) {
            return false;
        }
    }
    return true;
}
