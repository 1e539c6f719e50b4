/* What the routes of a team may do: hosts, paths, policies, public routes. */
#include "config/internal.h"

bool host_covers(struct slice a, struct slice b)
{
    if (slice_equal_nocase(a, b) || slice_equal(a, SLICE("*"))) {
        return true;
    }
    if (!slice_starts_with(a, SLICE("*.")) || slice_equal(b, SLICE("*"))) {
        return false;
    }
    struct slice suffix =
        slice_from(a, 1); /* ".example.com" covers one or more labels, or a narrower wildcard */
    struct slice name = slice_starts_with(b, SLICE("*.")) ? slice_from(b, 1) : b;
    return name.len > suffix.len && slice_equal_nocase(slice_from(name, name.len - suffix.len), suffix);
}

static bool is_variable(struct slice segment)
{
    return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

bool path_covers(struct slice a, struct slice b)
{
    struct slice wide, narrow;
    for (;;) {
        bool has_wide = slice_next(&a, '/', &wide), has_narrow = slice_next(&b, '/', &narrow);
        if (has_wide && slice_equal(wide, SLICE("**"))) {
            return true; /* zero or more segments */
        }
        if (!has_wide || !has_narrow) {
            return has_wide == has_narrow;
        }
        bool rest = slice_equal(narrow, SLICE("**"));
        if (rest || (is_variable(wide) ? narrow.len == 0 : !slice_equal(wide, narrow))) {
            return false;
        }
    }
}

static bool any_covers(bool (*covers)(struct slice, struct slice), const struct conf_strings *allowed,
                       struct slice text)
{
    for (size_t i = 0; i < allowed->count; i++) {
        if (covers(allowed->items[i], text)) {
            return true;
        }
    }
    return false;
}

static bool same(struct slice a, struct slice b)
{
    return slice_equal(a, b);
}

struct team_check {
    struct loader *loader;
    const struct team_settings *team;
    const struct conf_node *route_node;
    struct slice rules; /* where the team's rules stand */
};

static void check_strings(const struct team_check *check, const struct conf_strings *strings,
                          const char *what, const struct conf_strings *allowed,
                          bool (*covers)(struct slice, struct slice))
{
    for (size_t i = 0; i < strings->count; i++) {
        const struct slice *item = &strings->items[i];
        if (!any_covers(covers, allowed, *item)) {
            tell(check->loader, item, check->route_node,
                 "%s \"%.*s\" is not among those of team \"%.*s\" (%.*s)", what, SLICE_ARG(*item),
                 SLICE_ARG(check->team->name), SLICE_ARG(check->rules));
        }
    }
}

void check_team(struct loader *loader, const struct route_settings *route, const struct route_source *source)
{
    const struct team_settings *team = source->team;
    if (team == NULL) {
        return;
    }
    const struct team_check check = { loader, team, source->node,
                                      conf_place_text(conf_node_place(loader_object(loader, team)),
                                                      loader->arena) };
    check_strings(&check, &route->match.host, "host", &team->hosts, host_covers);
    check_strings(&check, &route->match.path, "path", &team->paths, path_covers);
    check_strings(&check, &source->route->use, "policy", &team->policies, same);
    if (source->group != NULL) {
        check_strings(&check, &source->group->use, "policy", &team->policies, same);
    }
    const struct auth_settings *auth = route->policy.auth;
    if (auth != NULL && auth->mode == AUTH_NONE && !team->public_routes) {
        tell(loader, &route->policy.auth, source->node, "team \"%.*s\" may have no public routes (%.*s)",
             SLICE_ARG(team->name), SLICE_ARG(check.rules));
    }
}
