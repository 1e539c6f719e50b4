#include "route/conditions.h"

#include "base/clock.h"
#include "routes.h"

#define MAX 8

/* Conditions out of "name=value,value" texts. */
struct set {
    struct condition_settings items[3][MAX];
    struct slice values[3][MAX][MAX], prefixes[MAX];
    struct match_settings match;
};

enum {
    HEADERS,
    QUERY,
    COOKIES
};

static void add(struct set *set, int subject, const char *line)
{
    struct conf_list *lists[] = { &set->match.headers, &set->match.query, &set->match.cookies };
    struct slice rest = slice_from_string(line), name, value;
    size_t at = lists[subject]->count++;
    assert_true(slice_next(&rest, '=', &name));
    struct condition_settings *item = &set->items[subject][at];
    *item = (struct condition_settings){ name, { set->values[subject][at], 0 } };
    while (slice_next(&rest, ',', &value)) {
        item->values.items[item->values.count++] = value;
    }
    lists[subject]->items = set->items[subject];
}

static void from(struct set *set, const char *prefix)
{
    set->prefixes[set->match.addresses.count++] = slice_from_string(prefix);
    set->match.addresses.items = set->prefixes;
}

static bool hold(const struct set *set, const struct route_facts *facts)
{
    struct arena arena;
    const void *where;
    const struct route_conditions *conditions;
    arena_init(&arena, 1 << 20);
    assert_null(route_conditions_problem(&set->match, &where));
    assert_ok(route_conditions_new(&set->match, &arena, &conditions));
    bool outcome = route_conditions_hold(conditions, facts);
    arena_done(&arena);
    return outcome;
}

/* Of a request with these fields, "Name: value", ended by NULL. */
static bool hold_of(const struct set *set, const char *query, const char *const *fields)
{
    struct header items[MAX];
    struct headers headers = { items, 0, MAX };
    struct address client;
    assert_true(address_parse(SLICE("192.0.2.1"), &client));
    for (; fields != NULL && *fields != NULL; fields++) {
        struct slice line = slice_from_string(*fields);
        size_t colon = (size_t)slice_find(line, ':');
        struct slice name = slice_part(line, 0, colon);
        assert_true(headers_add(&headers, header_id_of(name), name, slice_from(line, colon + 2)));
    }
    return hold(set, &(struct route_facts){ &headers, slice_from_string(query), &client, 0 });
}

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_headers(void **state)
{
    (void)state;
    struct set set = { 0 };
    add(&set, HEADERS, "X-Version=v2,v3*");
    assert_true(hold_of(&set, "", FIELDS("X-Version: v2")));
    assert_true(hold_of(&set, "", FIELDS("x-vErsion: v3")));
    assert_true(hold_of(&set, "", FIELDS("X-Version: v3.1")));
    assert_false(hold_of(&set, "", FIELDS("X-Version: v2.1")));
    assert_false(hold_of(&set, "", FIELDS("X-Version: V2")));
    assert_false(hold_of(&set, "", FIELDS("X-Version: ")));
    assert_false(hold_of(&set, "", FIELDS("X_Version: v2")));
    assert_false(hold_of(&set, "X-Version=v2", NULL));
    /* Said twice, it says nothing: services differ in which one they would read. */
    assert_false(hold_of(&set, "", FIELDS("X-Version: v2", "X-Version: v2")));
    assert_false(hold_of(&set, "", FIELDS("X-Version: v1", "x-version: v2")));
    assert_false(hold_of(&set, "", FIELDS("X-Version: v2", "X_Version: v1")));
    assert_false(hold_of(&set, "", FIELDS("X_Version: v1", "X-Version: v2")));
    assert_true(hold_of(&set, "", FIELDS("X-Version: v2", "X-Version-Old: v1")));
    add(&set, HEADERS, "X-Any=*");
    assert_false(hold_of(&set, "", FIELDS("X-Version: v2")));
    assert_true(hold_of(&set, "", FIELDS("X-Any: ", "X-Version: v2")));
}

static void test_query(void **state)
{
    (void)state;
    struct set set = { 0 };
    add(&set, QUERY, "plan=gold & more,silver*");
    assert_true(hold_of(&set, "a=1&plan=gold%20%26%20more", NULL));
    assert_true(hold_of(&set, "plan=silver-plus&b", NULL));
    assert_true(hold_of(&set, "plan=%73ilver", NULL));
    assert_false(hold_of(&set, "plan=gold", NULL));
    assert_false(hold_of(&set, "plan", NULL));
    assert_false(hold_of(&set, "Plan=silver", NULL));
    assert_false(hold_of(&set, "", FIELDS("plan: silver")));
    /* What a service may read in two ways. */
    assert_false(hold_of(&set, "plan=silver&plan=silver", NULL));
    assert_false(hold_of(&set, "plan=silver&PLAN=bronze", NULL));
    assert_false(hold_of(&set, "plan=silver;x=1", NULL));
    assert_false(hold_of(&set, "plan[0]=silver", NULL));
}

static void test_cookies(void **state)
{
    (void)state;
    struct set set = { 0 };
    add(&set, COOKIES, "tier=beta");
    assert_true(hold_of(&set, "", FIELDS("Cookie: a=1; tier=beta")));
    assert_false(hold_of(&set, "", FIELDS("Cookie: tier=betas")));
    assert_false(hold_of(&set, "", FIELDS("Cookie: Tier=beta")));
    assert_false(hold_of(&set, "", FIELDS("Cookie: tier=beta; tier=beta")));
    assert_false(hold_of(&set, "", FIELDS("Cookie: tier=beta", "Cookie: tier=alpha")));
}

static void test_addresses_and_time(void **state)
{
    (void)state;
    struct set set = { 0 };
    struct address inside, outside;
    assert_true(address_parse(SLICE("10.1.2.3"), &inside));
    assert_true(address_parse(SLICE("192.0.2.1"), &outside));
    from(&set, "2001:db8::/32");
    from(&set, "10.0.0.0/8");
    assert_true(hold(&set, &(struct route_facts){ .client = &inside }));
    assert_false(hold(&set, &(struct route_facts){ .client = &outside }));
    set.match.after = SLICE("1970-01-02");
    set.match.before = SLICE("1970-01-03T00:00:00Z");
    const int64_t day = 86400 * NS_PER_S;
    assert_false(hold(&set, &(struct route_facts){ .client = &inside, .now = day - 1 }));
    assert_true(hold(&set, &(struct route_facts){ .client = &inside, .now = day }));
    assert_true(hold(&set, &(struct route_facts){ .client = &inside, .now = 2 * day - 1 }));
    assert_false(hold(&set, &(struct route_facts){ .client = &inside, .now = 2 * day }));
}

static void test_times_that_are_far_away(void **state)
{
    (void)state;
    struct set set = { 0 };
    const struct route_facts facts = { .now = INT64_C(4000000000) * NS_PER_S };
    set.match.before = SLICE("9999-12-31");
    assert_true(hold(&set, &facts));
    set.match = (struct match_settings){ .after = SLICE("9999-12-31") };
    assert_false(hold(&set, &facts));
}

/* It asks about a request whose headers it has not; its own place and query are that request's. */
static void test_preflights(void **state)
{
    (void)state;
    struct set set = { 0 };
    struct address client;
    assert_true(address_parse(SLICE("10.1.2.3"), &client));
    add(&set, HEADERS, "X-Version=v2");
    add(&set, COOKIES, "tier=beta");
    assert_true(hold(&set, &(struct route_facts){ .client = &client }));
    add(&set, QUERY, "plan=gold");
    assert_false(hold(&set, &(struct route_facts){ .client = &client }));
    assert_true(hold(&set, &(struct route_facts){ .client = &client, .query = SLICE("plan=gold") }));
}

static void assert_problem(const struct set *set, const void *where, const char *text)
{
    const void *found = NULL;
    const char *problem = route_conditions_problem(&set->match, &found);
    assert_non_null(problem);
    assert_non_null(strstr(problem, text));
    assert_ptr_equal(found, where);
}

static void test_problems(void **state)
{
    (void)state;
    static const struct {
        int subject;
        const char *line, *text;
    } cases[] = {
        { HEADERS, "X Version=1", "no name of a header" },
        { HEADERS, "Cookie=a", "match.cookies" },
        { HEADERS, "authorization=Bearer*", "decides by auth" },
        { HEADERS, "Host=a", "match.host" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct set set = { 0 };
        add(&set, cases[i].subject, cases[i].line);
        assert_problem(&set, &set.items[cases[i].subject][0].values, cases[i].text);
    }
    struct set set = { 0 };
    add(&set, QUERY, "a=x*y");
    assert_problem(&set, &set.values[QUERY][0][0], "at the end only");
    set = (struct set){ 0 };
    add(&set, COOKIES, "a=x,");
    set.items[COOKIES][0].values.count = 2;
    set.values[COOKIES][0][1] = SLICE("");
    assert_problem(&set, &set.values[COOKIES][0][1], "an empty value");
    set = (struct set){ 0 };
    from(&set, "10.0.0.0/8");
    from(&set, "10.0.0.1/8");
    assert_problem(&set, &set.prefixes[1], "no prefix");
    set = (struct set){ .match = { .after = SLICE("2027-02-30") } };
    assert_problem(&set, &set.match.after, "a date is wanted");
    set = (struct set){ .match = { .after = SLICE("2027-01-02"), .before = SLICE("2027-01-02") } };
    assert_problem(&set, &set.match.before, "later than");
}

/* ---- which of several ---- */

static struct route_entry entry(unsigned int id, const struct set *set)
{
    return (struct route_entry){
        .id = id, .host = SLICE("a"), .path = SLICE("/x"), .listeners = 1, .match = &set->match
    };
}

static bool is_ambiguous(const struct set *a, const struct set *b)
{
    struct arena arena;
    struct route_table *table;
    size_t index, other;
    arena_init(&arena, 1 << 20);
    struct route_entry entries[] = { entry(0, a), entry(1, b) };
    struct error error = route_table_new(entries, 2, &arena, &table, &index, &other);
    assert_true(!failed(error) || (index == 1 && other == 0));
    arena_done(&arena);
    return failed(error);
}

static void test_order(void **state)
{
    (void)state;
    struct set none = { 0 }, one = { 0 }, two = { 0 }, urgent = { .match = { .priority = 5 } };
    add(&one, HEADERS, "X-A=1");
    add(&two, HEADERS, "X-A=1");
    add(&two, QUERY, "b=2");
    add(&urgent, COOKIES, "c=3");
    struct route_entry entries[] = { entry(0, &none), entry(1, &one), entry(2, &two), entry(3, &urgent) };
    struct arena arena;
    struct route_table *table;
    size_t index, other;
    arena_init(&arena, 1 << 20);
    assert_ok(route_table_new(entries, 4, &arena, &table, &index, &other));
    struct header items[] = { { SLICE("x-a"), SLICE("1"), HEADER_OTHER },
                              { SLICE("Cookie"), SLICE("c=3"), HEADER_COOKIE } };
    struct address client;
    assert_true(address_parse(SLICE("10.1.2.3"), &client));
    static const struct {
        size_t first, count;
        const char *query;
        unsigned int id;
    } cases[] = {
        { 0, 2, "b=2", 3 }, { 0, 1, "b=2", 2 }, { 0, 1, "b=3", 1 }, { 1, 0, "b=2", 0 }, { 1, 1, "", 3 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct headers headers = { items + cases[i].first, cases[i].count, 2 };
        struct route_facts facts = { &headers, slice_from_string(cases[i].query), &client, 0 };
        struct route_match match;
        route_find(table, 0, SLICE("a"), SLICE("/x"), METHOD_GET, SLICE("GET"), &facts, &match);
        assert_found(match, cases[i].id);
    }
    arena_done(&arena);
}

/* The path exists, and the method: it is neither 405 nor a less specific route. */
static void test_where_none_holds(void **state)
{
    (void)state;
    struct set one = { 0 }, none = { 0 };
    add(&one, HEADERS, "X-A=1");
    struct route_entry entries[] = { entry(0, &one), entry(1, &none) };
    entries[1].path = SLICE("/**");
    static struct slice get = SLICE_INIT("GET");
    const struct conf_strings methods = { &get, 1 };
    entries[0].methods = &methods;
    struct arena arena;
    struct route_table *table;
    struct route_match match;
    size_t index, other;
    struct headers headers = { NULL, 0, 0 };
    struct address client = { .port = 0 };
    struct route_facts facts = { &headers, SLICE_NONE, &client, 0 };
    arena_init(&arena, 1 << 20);
    assert_ok(route_table_new(entries, 2, &arena, &table, &index, &other));
    route_find(table, 0, SLICE("a"), SLICE("/x"), METHOD_GET, SLICE("GET"), &facts, &match);
    assert_outcome(match, ROUTE_NO_CONDITION);
    route_find(table, 0, SLICE("a"), SLICE("/x"), METHOD_POST, SLICE("POST"), &facts, &match);
    assert_outcome(match, ROUTE_NO_METHOD);
    assert_slice(match.allow, "GET, HEAD");
    route_find(table, 0, SLICE("a"), SLICE("/x"), METHOD_GET, SLICE("GET"), NULL, &match);
    assert_outcome(match, ROUTE_NO_CONDITION);
    arena_done(&arena);
}

static void test_ambiguity(void **state)
{
    (void)state;
    struct set a = { 0 }, b = { 0 }, none = { 0 };
    assert_true(is_ambiguous(&none, &none));
    add(&a, HEADERS, "X-A=1");
    assert_false(is_ambiguous(&a, &none));
    assert_true(is_ambiguous(&a, &a));
    add(&b, QUERY, "b=1");
    assert_true(is_ambiguous(&a, &b)); /* a request may hold both */
    b.match.priority = 1;
    assert_false(is_ambiguous(&a, &b));
    none.match.priority = 1; /* then nothing would come to the other */
    assert_true(is_ambiguous(&a, &none));
    /* Of one header there is one value. */
    b = (struct set){ 0 };
    add(&b, HEADERS, "x-a=2,3*");
    assert_false(is_ambiguous(&a, &b));
    b.values[HEADERS][0][1] = SLICE("1*");
    assert_true(is_ambiguous(&a, &b));
    b.values[HEADERS][0][1] = SLICE("*");
    assert_true(is_ambiguous(&a, &b));
    /* Places and times apart. */
    a = (struct set){ 0 };
    b = (struct set){ 0 };
    from(&a, "10.0.0.0/8");
    from(&b, "10.1.0.0/16");
    assert_true(is_ambiguous(&a, &b));
    b.prefixes[0] = SLICE("11.0.0.0/8");
    assert_false(is_ambiguous(&a, &b));
    a = (struct set){ .match = { .before = SLICE("2027-01-01") } };
    b = (struct set){ .match = { .after = SLICE("2027-01-01") } };
    assert_false(is_ambiguous(&a, &b));
    b.match.after = SLICE("2026-12-31");
    assert_true(is_ambiguous(&a, &b));
}

static void test_who_chooses(void **state)
{
    (void)state;
    struct set sent = { 0 }, inside = { 0 }, outside = { 0 }, none = { 0 };
    add(&sent, HEADERS, "X-A=1");
    from(&inside, "10.0.0.0/8");
    from(&outside, "11.0.0.0/8");
    assert_true(route_conditions_leave_choice(&sent.match, &none.match));
    assert_true(route_conditions_leave_choice(&inside.match, &sent.match));
    assert_false(route_conditions_leave_choice(&inside.match, &none.match));
    assert_false(route_conditions_leave_choice(&inside.match, &outside.match));
    add(&outside, COOKIES, "c=1");
    assert_false(
        route_conditions_leave_choice(&inside.match, &outside.match)); /* it cannot be in both places */
    assert_true(route_conditions_leave_choice(&outside.match, &none.match));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_addresses_and_time),
        cmocka_unit_test(test_times_that_are_far_away),
        cmocka_unit_test(test_preflights),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_where_none_holds),
        cmocka_unit_test(test_ambiguity),
        cmocka_unit_test(test_who_chooses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
