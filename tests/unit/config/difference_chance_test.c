/* Two configurations by chance, and what the route table itself says of every request: no change of access is left untold. */
#include "loading.h"

#include "config/snapshot.h"

#define PAIRS      400
#define ROUTES_MAX 6
#define TEXT_MAX   4096

static const char *const hosts[] = { "h.ex", "i.ex", "*.ex", "*" };
static const char *const methods[] = { "", ", methods: [GET]", ", methods: [POST]",
                                       ", methods: [GET, POST]" };

struct written {
    char path[64];
    const char *host, *methods;
    bool is_open;
};

struct routes {
    struct written items[ROUTES_MAX];
    size_t count;
};

/* The same in every run. */
static uint64_t state;

static size_t draw(size_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(state >> 33) % below;
}

static void draw_path(char out[64])
{
    static const char *const texts[] = { "/a", "/b" }, *const variables[] = { "/{x}", "/{y}", "/{z}" };
    static const char *const ends[] = { "", "/", "/**", "" };
    size_t depth = draw(4), size = 0;
    for (size_t i = 0; i < depth; i++) {
        const char *segment = draw(3) == 0 ? variables[i] : texts[draw(2)];
        size += (size_t)snprintf(out + size, 64 - size, "%s", segment);
    }
    size += (size_t)snprintf(out + size, 64 - size, "%s", ends[draw(4)]);
    if (size == 0) {
        snprintf(out, 64, "/");
    }
}

static void draw_route(struct written *out)
{
    draw_path(out->path);
    out->host = hosts[draw(4)];
    out->methods = methods[draw(4)];
    out->is_open = draw(2) == 0;
}

static void change(struct routes *routes)
{
    struct written *one = &routes->items[draw(routes->count)];
    switch (draw(4)) {
    case 0:
        *one = routes->items[--routes->count];
        break;
    case 1:
        draw_route(&routes->items[routes->count++]);
        break;
    case 2:
        one->is_open = !one->is_open;
        break;
    default:
        one->methods = methods[draw(4)];
    }
}

static void write_routes(const struct routes *routes, char out[TEXT_MAX])
{
    size_t size =
        (size_t)snprintf(out, TEXT_MAX,
                         BASE "defaults: { upstream: svc, limits: [{ limit: 1/1s, by: address }] }\nroutes:\n"
                              "  spare: { match: { host: spare.example, path: /spare }, auth: none }\n");
    for (size_t i = 0; i < routes->count; i++) {
        const struct written *route = &routes->items[i];
        size += (size_t)snprintf(out + size, TEXT_MAX - size,
                                 "  r%zu: { match: { host: \"%s\", path: \"%s\"%s }, auth: %s }\n", i,
                                 route->host, route->path, route->methods,
                                 route->is_open ? "none" : "{ jwt: main }, authorize: any_caller");
    }
}

/* ---- what the table says ---- */

static const char *const asked_hosts[] = { "h.ex", "i.ex", "x.h.ex", "k.other" };
static const char *const asked_methods[] = { "GET", "POST", "PUT" };

/* 0: nobody; 1: with a token; 2: anybody. */
static int access_of(const struct snapshot *snapshot, struct slice host, struct slice path,
                     struct slice method)
{
    struct route_match match;
    route_find(snapshot->table, 0, host, path, http_method_of(method), method, NULL, &match);
    if (match.outcome != ROUTE_FOUND) {
        return 0;
    }
    return snapshot->routes[match.id].settings->policy.auth->mode == AUTH_NONE ? 2 : 1;
}

struct verdict {
    bool gains, loses;
    char example[128];
};

static void ask(const struct snapshot *before, const struct snapshot *after, const char *path,
                struct verdict *out)
{
    for (size_t h = 0; h < sizeof asked_hosts / sizeof *asked_hosts; h++) {
        for (size_t m = 0; m < sizeof asked_methods / sizeof *asked_methods; m++) {
            struct slice host = slice_from_string(asked_hosts[h]),
                         method = slice_from_string(asked_methods[m]);
            int was = access_of(before, host, slice_from_string(path), method);
            int is = access_of(after, host, slice_from_string(path), method);
            out->gains = out->gains || is > was;
            out->loses = out->loses || is < was;
            if (is != was) {
                snprintf(out->example, sizeof out->example, "%s %s%s: %d, then %d", asked_methods[m],
                         asked_hosts[h], path, was, is);
            }
        }
    }
}

/* All paths of these segments, three deep, with a slash at the end and without. */
static void ask_all(const struct snapshot *before, const struct snapshot *after, struct verdict *out)
{
    static const char *const segments[] = { "", "/a", "/b", "/q" };
    ask(before, after, "/", out);
    for (size_t i = 1; i < 64; i++) {
        char path[16];
        int size =
            snprintf(path, sizeof path, "%s%s%s", segments[i % 4], segments[i / 4 % 4], segments[i / 16]);
        ask(before, after, path, out);
        path[size] = '/';
        path[size + 1] = '\0';
        ask(before, after, path, out);
    }
}

static void compare(const struct loading *old, const struct loading *new, const char *before,
                    const char *after)
{
    struct snapshot *was, *is;
    struct verdict verdict = { false, false, "" };
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    bool differs = config_print_difference(old->config, new->config, &out);
    assert_ok(snapshot_new(old->config, &was));
    assert_ok(snapshot_new(new->config, &is));
    ask_all(was, is, &verdict);
    if ((verdict.gains && !slice_contains(buffer_slice(&out), SLICE("Gains access"))) ||
        (verdict.loses && !slice_contains(buffer_slice(&out), SLICE("Loses access"))) ||
        ((verdict.gains || verdict.loses) && !differs)) {
        fail_msg("untold: %s\n%s\n%s\n%.*s", verdict.example, before, after, SLICE_ARG(buffer_slice(&out)));
    }
    buffer_done(&out);
    snapshot_unref(was);
    snapshot_unref(is);
}

static void no_change_of_access_is_left_untold(void **unused)
{
    (void)unused;
    size_t compared = 0;
    state = 1;
    for (int pair = 0; pair < PAIRS; pair++) {
        static char before[TEXT_MAX], after[TEXT_MAX];
        struct routes routes = { .count = 1 + draw(ROUTES_MAX - 2) };
        for (size_t i = 0; i < routes.count; i++) {
            draw_route(&routes.items[i]);
        }
        write_routes(&routes, before);
        change(&routes);
        write_routes(&routes, after);
        struct loading old, new;
        load_text(&old, before);
        load_text(&new, after);
        if (old.config->error_count == 0 &&
            new.config->error_count == 0) { /* two may take the same requests */
            compare(&old, &new, before, after);
            old.config = new.config = NULL; /* the snapshots had them */
            compared++;
        }
        loading_done(&old);
        loading_done(&new);
    }
    assert_true(compared > PAIRS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(no_change_of_access_is_left_untold) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
