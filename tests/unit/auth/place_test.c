#include "unit.h"

#include "auth/api_key_settings.h"
#include "auth/plan.h"

static struct arena arena;
static struct slice some[] = { SLICE_INIT("main"), SLICE_INIT("partner") };

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

#define AT(...)                   \
    &(struct auth_place_settings) \
    {                             \
        __VA_ARGS__               \
    }

static const struct auth_use *use_with(struct auth_settings *settings, enum auth_method method,
                                       struct auth_place_settings *of_main,
                                       struct auth_place_settings *of_partner)
{
    struct issuer_settings issuers[] = { { .name = some[0], .token_from = of_main },
                                         { .name = some[1], .token_from = of_partner } };
    struct api_keys_settings sets[] = { { .name = some[0], .header = SLICE_INIT("X-API-Key") },
                                        { .name = some[1], .header = SLICE_INIT("x-api-key") } };
    const char *problem = NULL;
    settings->way.names[method] = (struct conf_strings){ some, 2 };
    struct auth_plan *plan = auth_plan_new(settings, &arena, &problem);
    assert_non_null(plan);
    for (size_t i = 0; i < 2; i++) {
        plan->uses[0].sources[i].settings = method == AUTH_API_KEY ? (void *)&sets[i] : (void *)&issuers[i];
    }
    assert_true(auth_places_set(plan, settings, &arena));
    return &plan->uses[0];
}

static void assert_place(const struct auth_place *place, enum auth_place_kind kind, const char *name,
                         size_t names)
{
    assert_int_equal(place->kind, kind);
    assert_slice(place->name, name);
    assert_int_equal(place->names.count, names);
}

static void nothing_said_is_authorization(void **state)
{
    (void)state;
    struct auth_settings settings = { 0 };
    const struct auth_use *use = use_with(&settings, AUTH_JWT, NULL, NULL);
    assert_int_equal(use->places.count, 1);
    assert_place(&use->places.items[0], AUTH_PLACE_BEARER, "Authorization", 2);
}

static void an_issuer_has_places_of_its_own(void **state)
{
    (void)state;
    struct auth_settings settings = { 0 };
    const struct auth_use *use =
        use_with(&settings, AUTH_JWT, NULL, AT(.header = SLICE("authorization"), .cookie = SLICE("t")));
    assert_int_equal(use->places.count, 2);
    assert_place(&use->places.items[0], AUTH_PLACE_BEARER, "Authorization", 2);
    assert_place(&use->places.items[1], AUTH_PLACE_COOKIE, "t", 1);
    assert_slice(use->places.items[1].names.items[0], "partner");
}

static void a_route_says_for_all(void **state)
{
    (void)state;
    struct auth_settings settings = { .token_from =
                                          AT(.query = SLICE("access_token"), .header = SLICE("X-Token")) };
    const struct auth_use *use = use_with(&settings, AUTH_JWT, AT(.cookie = SLICE("t")), NULL);
    assert_int_equal(use->places.count, 2);
    assert_place(&use->places.items[0], AUTH_PLACE_HEADER, "X-Token", 2);
    assert_place(&use->places.items[1], AUTH_PLACE_QUERY, "access_token", 2);
}

static void keys_stand_in_the_header_of_their_set(void **state)
{
    (void)state;
    struct auth_settings settings = { 0 };
    const struct auth_use *use = use_with(&settings, AUTH_API_KEY, NULL, NULL);
    assert_int_equal(use->places.count, 1); /* headers have no case */
    assert_place(&use->places.items[0], AUTH_PLACE_HEADER, "X-API-Key", 2);
    struct auth_settings other = { .key_from = AT(.cookie = SLICE("key")) };
    use = use_with(&other, AUTH_API_KEY, NULL, NULL);
    assert_int_equal(use->places.count, 1);
    assert_place(&use->places.items[0], AUTH_PLACE_COOKIE, "key", 2);
}

static void names_are_looked_at(void **state)
{
    (void)state;
    static const struct {
        struct auth_place_settings place;
        bool in_issuer;
        const char *problem;
    } rows[] = {
        { { .header = SLICE_INIT("Authorization") }, true, NULL },
        { { .header = SLICE_INIT("X-Token"), .cookie = SLICE_INIT("__Host-t") }, true, NULL },
        { { .query = SLICE_INIT("access_token") }, false, NULL },
        { { .query = SLICE_INIT("access_token") },
          true,
          "a query is for a route to say, in its auth: what stands in a URL ends up in histories" },
        { { .query = SLICE_INIT("a b") }, false, "query is no plain name: letters, digits, _, - and ." },
        { { .query = SLICE_INIT("a[]") }, false, "query is no plain name: letters, digits, _, - and ." },
        { { .cookie = SLICE_INIT("a=b") }, false, "cookie is no name of a cookie" },
        { { .header = SLICE_INIT("X Token") }, false, "header is no name of a header" },
        { { .header = SLICE_INIT("X_Token") }, false, "header is no name of a header" },
        { { .header = SLICE_INIT("Cookie") }, false, "header is one that means something else" },
        { { .header = SLICE_INIT("") }, false, "names no place: header, cookie or query is missing" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *problem = auth_place_check(&rows[i].place, rows[i].in_issuer);
        if (rows[i].problem == NULL) {
            assert_null(problem);
        } else {
            assert_non_null(problem);
            assert_string_equal(problem, rows[i].problem);
        }
    }
}

static void places_are_the_same_by_kind_and_name(void **state)
{
    (void)state;
    const struct auth_place header = { .kind = AUTH_PLACE_HEADER, .name = SLICE("X-T") };
    const struct auth_place lower = { .kind = AUTH_PLACE_HEADER, .name = SLICE("x-t") };
    const struct auth_place cookie = { .kind = AUTH_PLACE_COOKIE, .name = SLICE("X-T") };
    const struct auth_place other = { .kind = AUTH_PLACE_COOKIE, .name = SLICE("x-t") };
    assert_true(auth_place_same(&header, &lower));
    assert_false(auth_place_same(&header, &cookie));
    assert_false(auth_place_same(&cookie, &other));
    assert_true(auth_place_same(&cookie, &cookie));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_authorization),
        cmocka_unit_test(an_issuer_has_places_of_its_own),
        cmocka_unit_test(a_route_says_for_all),
        cmocka_unit_test(keys_stand_in_the_header_of_their_set),
        cmocka_unit_test(names_are_looked_at),
        cmocka_unit_test(places_are_the_same_by_kind_and_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
