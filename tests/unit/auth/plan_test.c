#include "unit.h"

#include "auth/plan.h"

static struct slice some[] = { SLICE_INIT("main"), SLICE_INIT("partner"), SLICE_INIT("shop") };
static struct arena arena;

#define NAMES(first, number)                        \
    {                                               \
        .names[AUTH_JWT] = { &some[first], number } \
    }
#define KEYS(first, number)                             \
    {                                                   \
        .names[AUTH_API_KEY] = { &some[first], number } \
    }

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

static const struct auth_plan *plan_of(const struct auth_settings *settings)
{
    const char *problem = NULL;
    const struct auth_plan *plan = auth_plan_new(settings, &arena, &problem);
    if (plan == NULL) {
        fail_msg("%s", problem);
    }
    return plan;
}

static uint32_t ways_of(const struct auth_plan *plan, enum auth_method method, const char *name)
{
    uint32_t ways = 0;
    for (size_t i = 0; i < plan->use_count; i++) {
        const struct auth_source *source =
            plan->uses[i].method == method ? auth_use_source(&plan->uses[i], slice_from_string(name)) : NULL;
        ways |= source != NULL ? source->ways : 0;
    }
    return ways;
}

/* Proven by a token of `issuer` and a key of `set`, is it enough? NULL: there is none. */
static bool is_met(const struct auth_plan *plan, const char *issuer, const char *set)
{
    uint32_t proven = 0;
    if (issuer != NULL) {
        proven |= ways_of(plan, AUTH_JWT, issuer);
    }
    if (set != NULL) {
        proven |= ways_of(plan, AUTH_API_KEY, set);
    }
    return auth_plan_is_met(plan, proven);
}

static void a_way_by_itself(void **state)
{
    (void)state;
    const struct auth_settings settings = { .way = NAMES(0, 2) };
    const struct auth_plan *plan = plan_of(&settings);
    assert_int_equal(plan->use_count, 1);
    assert_int_equal(plan->uses[0].names.count, 2);
    assert_true(is_met(plan, "main", NULL));
    assert_true(is_met(plan, "partner", "main"));
    assert_false(is_met(plan, "shop", NULL));
    assert_false(is_met(plan, NULL, "main"));
    assert_false(is_met(plan, NULL, NULL));
}

static void any_of_several(void **state)
{
    (void)state;
    struct auth_way_settings together[] = { NAMES(1, 1), KEYS(2, 1) };
    struct auth_entry_settings entries[] = { { .way = NAMES(0, 1) }, { .inner = { together, 2 } } };
    const struct auth_settings settings = { .any_of = { entries, 2 } };
    const struct auth_plan *plan = plan_of(&settings);
    assert_int_equal(plan->way_count, 3);
    assert_int_equal(plan->use_count, 2); /* a method is tried once, with all names */
    assert_int_equal(plan->uses[0].method, AUTH_JWT);
    assert_int_equal(plan->uses[0].names.count, 2);
    assert_int_equal(plan->uses[1].names.count, 1);
    assert_true(is_met(plan, "main", NULL));
    assert_true(is_met(plan, "main", "shop"));
    assert_false(is_met(plan, "partner", NULL));
    assert_false(is_met(plan, NULL, "shop"));
    assert_true(is_met(plan, "partner", "shop"));
    assert_false(is_met(plan, "partner", "main"));
    assert_false(is_met(plan, NULL, NULL));
}

static void all_of_several(void **state)
{
    (void)state;
    struct auth_way_settings either[] = { KEYS(1, 1), KEYS(2, 1) };
    struct auth_entry_settings entries[] = { { .inner = { either, 2 } }, { .way = NAMES(0, 1) } };
    const struct auth_settings settings = { .all_of = { entries, 2 } };
    const struct auth_plan *plan = plan_of(&settings);
    assert_int_equal(plan->uses[0].method, AUTH_API_KEY); /* listed first: the caller */
    assert_int_equal(plan->enough_count, 2);
    assert_false(is_met(plan, "main", NULL));
    assert_false(is_met(plan, NULL, "shop"));
    assert_true(is_met(plan, "main", "partner"));
    assert_true(is_met(plan, "main", "shop"));
    assert_false(is_met(plan, "main", "main"));
    assert_false(is_met(plan, NULL, NULL));
}

/* A request has one token: two cannot be demanded of it. */
static void what_can_never_be_met_is_refused(void **state)
{
    (void)state;
    struct auth_way_settings together[] = { NAMES(1, 1), NAMES(2, 1) };
    struct auth_entry_settings entries[] = { { .way = NAMES(0, 1) }, { .inner = { together, 2 } } };
    const struct auth_settings settings[] = { { .any_of = { entries, 2 } }, { .all_of = { entries, 2 } } };
    for (size_t i = 0; i < 2; i++) {
        const char *problem = NULL;
        assert_null(auth_plan_new(&settings[i], &arena, &problem));
        assert_string_equal(problem, "demands two proofs by one method, and a request has one credential of "
                                     "each: it would never be met");
    }
}

static void what_no_alternative_does_without(void **state)
{
    (void)state;
    struct auth_entry_settings entries[2] = { { .way = NAMES(0, 1) }, { .way = KEYS(0, 1) } };
    struct auth_settings settings = { .any_of = { entries, 2 } };
    const char *problem = NULL;
    const struct auth_plan *any = auth_plan_new(&settings, &arena, &problem);
    assert_non_null(any);
    assert_false(auth_plan_needs(any, AUTH_JWT));
    assert_false(auth_plan_needs(any, AUTH_API_KEY));
    settings = (struct auth_settings){ .all_of = { entries, 2 } };
    const struct auth_plan *all = auth_plan_new(&settings, &arena, &problem);
    assert_non_null(all);
    assert_true(auth_plan_needs(all, AUTH_JWT) && auth_plan_needs(all, AUTH_API_KEY));
    assert_false(auth_plan_needs(all, AUTH_CERTIFICATE));
    settings = (struct auth_settings){ .way = NAMES(0, 3) };
    assert_true(auth_plan_needs(auth_plan_new(&settings, &arena, &problem), AUTH_JWT));
}

static void too_many_are_refused(void **state)
{
    (void)state;
    static struct auth_entry_settings entries[AUTH_WAYS_MAX + 1];
    static struct auth_way_settings tokens[8], keys[8];
    for (size_t i = 0; i <= AUTH_WAYS_MAX; i++) {
        entries[i].way = (struct auth_way_settings)NAMES(0, 1);
    }
    const char *problem = NULL;
    struct auth_settings settings = { .any_of = { entries, AUTH_WAYS_MAX } };
    assert_non_null(auth_plan_new(&settings, &arena, &problem));
    settings.any_of.count++;
    assert_null(auth_plan_new(&settings, &arena, &problem));
    assert_string_equal(problem, "names more than 16 ways");
    /* As many combinations as 16 ways of two methods can be. */
    for (size_t i = 0; i < 8; i++) {
        tokens[i] = (struct auth_way_settings)NAMES(0, 1);
        keys[i] = (struct auth_way_settings)KEYS(0, 1);
    }
    entries[0] = (struct auth_entry_settings){ .inner = { tokens, 8 } };
    entries[1] = (struct auth_entry_settings){ .inner = { keys, 8 } };
    settings = (struct auth_settings){ .all_of = { entries, 2 } };
    assert_non_null(auth_plan_new(&settings, &arena, &problem));
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    arena_done(&arena);
    for (size_t maximum = 0; maximum < sizeof(struct auth_plan) + 16; maximum += 64) {
        arena_init(&arena, maximum);
        const char *problem = NULL;
        const struct auth_settings settings = { .way = NAMES(0, 3) };
        assert_null(auth_plan_new(&settings, &arena, &problem));
        assert_non_null(problem);
        arena_done(&arena);
    }
    arena_init(&arena, 1 << 16);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_way_by_itself),
        TEST(any_of_several),
        TEST(all_of_several),
        TEST(what_can_never_be_met_is_refused),
        TEST(too_many_are_refused),
        TEST(without_memory_there_is_none),
        TEST(what_no_alternative_does_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
