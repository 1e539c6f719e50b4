/* What may be written and is most likely not meant: as other gateways write it, it would be something else. */
#include "config/internal.h"

#include "http/message.h"

/* "/orders/:id" of Express, Kong and Rails is text here. */
static void warn_of_colons(struct loader *loader, const struct match_settings *match,
                           const struct conf_node *node)
{
    for (size_t i = 0; i < match->path.count; i++) {
        struct slice rest = match->path.items[i], segment;
        while (slice_next(&rest, '/', &segment)) {
            if (segment.len > 1 && segment.ptr[0] == ':' && ascii_is_alpha(segment.ptr[1])) {
                warn(loader, &match->path.items[i], node,
                     "\"%.*s\" stands for itself: a segment of any text is written {%.*s}",
                     SLICE_ARG(segment), SLICE_ARG(slice_from(segment, 1)));
            }
        }
    }
}

/* "GETT" */
static void warn_of_methods(struct loader *loader, const struct match_settings *match,
                            const struct conf_node *node)
{
    static const char *const known[] = { "GET",      "HEAD", "POST", "PUT",  "DELETE", "PATCH", "OPTIONS",
                                         "PROPFIND", "LOCK", "COPY", "MOVE", "MKCOL",  "QUERY", "REPORT" };
    for (size_t i = 0; i < match->methods.count; i++) {
        struct suggestion suggestion;
        suggestion_init(&suggestion, match->methods.items[i]);
        bool is_known = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            suggestion_offer(&suggestion, slice_from_string(known[k]));
            is_known |= slice_equal(match->methods.items[i], slice_from_string(known[k]));
        }
        if (!is_known && suggestion.distance == 1) {
            warn(loader, &match->methods.items[i], node, "this is no usual method%.*s",
                 SLICE_ARG(suggestion_text(&suggestion, loader->arena)));
        }
    }
}

static bool is_expression(struct slice value)
{
    static const struct slice parts[] = { SLICE_INIT(".+"), SLICE_INIT("\\d"), SLICE_INIT("\\w"),
                                          SLICE_INIT("["),  SLICE_INIT("("),   SLICE_INIT("|") };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (slice_contains(value, parts[i])) {
            return true;
        }
    }
    return slice_starts_with(value, SLICE("^")) || (value.len > 1 && slice_ends_with(value, SLICE("$")));
}

static void warn_of_expressions(struct loader *loader, const struct conf_list *conditions,
                                const struct conf_node *node)
{
    const struct condition_settings *items = conditions->items;
    for (size_t i = 0; i < conditions->count; i++) {
        for (size_t k = 0; k < items[i].values.count; k++) {
            if (is_expression(items[i].values.items[k])) {
                warn(loader, &items[i].values.items[k], node,
                     "this is compared as it stands, and is no expression: write what may be there, as in "
                     "[v1, v2], "
                     "or \"v*\" for what begins so");
            }
        }
    }
}

/* { name: X-A, value: b } would be two fields, "name" and "value". */
static void warn_of_pairs(struct loader *loader, const struct conf_pairs *pairs, const struct conf_node *node)
{
    bool has_name = false, has_value = false;
    for (size_t i = 0; i < pairs->count; i++) {
        has_name |= slice_equal_nocase(pairs->items[i].name, SLICE("name"));
        has_value |= slice_equal_nocase(pairs->items[i].name, SLICE("value"));
    }
    if (has_name && has_value) {
        warn(loader, pairs, node,
             "two are named here, \"name\" and \"value\": one is written as in { X-Gateway: edge }");
    }
}

static void warn_of_filters(struct loader *loader, const struct route_settings *route,
                            const struct conf_node *node)
{
    const struct filter_settings *filters = route->policy.filters.items;
    for (size_t i = 0; i < route->policy.filters.count; i++) {
        const struct conf_pairs *const pairs[] = {
            &filters[i].add_request_header, &filters[i].set_request_header, &filters[i].add_request_parameter,
            &filters[i].add_response_header, &filters[i].set_response_header
        };
        for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
            warn_of_pairs(loader, pairs[k], node);
        }
    }
}

void check_meanings(struct loader *loader, const struct route_settings *route, const struct conf_node *node)
{
    const struct match_settings *match = &route->match;
    warn_of_colons(loader, match, node);
    warn_of_methods(loader, match, node);
    warn_of_expressions(loader, &match->headers, node);
    warn_of_expressions(loader, &match->query, node);
    warn_of_expressions(loader, &match->cookies, node);
    warn_of_filters(loader, route, node);
}
