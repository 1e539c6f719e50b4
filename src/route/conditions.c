#include "route/conditions.h"

#include "base/clock.h"
#include "http/cookie.h"
#include "http/query.h"
#include "relay/names.h"

/* What it is about: the table of what a client sends. */
enum subject {
    SUBJECT_HEADER,
    SUBJECT_QUERY,
    SUBJECT_COOKIE,
    SUBJECT_COUNT,
};

struct pattern {
    struct slice text;
    bool is_prefix; /* more may follow */
};

struct condition {
    enum subject subject;
    struct slice name;
    struct pattern *patterns;
    size_t count;
};

struct route_conditions {
    struct condition *items;
    size_t count;
    struct address_prefix *prefixes;
    size_t prefix_count;
    int64_t after, before; /* CLOCK_REALTIME, ns */
};

static const struct conf_list *list_of(const struct match_settings *match, enum subject subject)
{
    const struct conf_list *const lists[SUBJECT_COUNT] = {
        [SUBJECT_HEADER] = &match->headers,
        [SUBJECT_QUERY] = &match->query,
        [SUBJECT_COOKIE] = &match->cookies,
    };
    return lists[subject];
}

static size_t count_sent(const struct match_settings *match)
{
    return match->headers.count + match->query.count + match->cookies.count;
}

size_t route_condition_count(const struct match_settings *match)
{
    return count_sent(match) + (match->addresses.count > 0) + (match->after.len > 0) +
           (match->before.len > 0);
}

/* ---- what is wrong with them ---- */

static const char *header_problem(struct slice name)
{
    if (!http_token_valid(name)) {
        return "this is no name of a header: letters, digits and signs such as - are";
    }
    switch (header_id_of(name)) {
    case HEADER_COOKIE:
        return "cookies have conditions of their own: match.cookies";
    case HEADER_AUTHORIZATION:
    case HEADER_PROXY_AUTHORIZATION:
    case HEADER_DPOP:
        return "a credential decides by auth, not by match";
    case HEADER_HOST:
        return "match.host is for the host";
    default:
        return NULL;
    }
}

static const char *list_problem(const struct conf_list *list, bool of_headers, const void **ret_where)
{
    const struct condition_settings *items = list->items;
    for (size_t i = 0; i < list->count; i++) {
        *ret_where = &items[i].values;
        const char *problem = of_headers ? header_problem(items[i].name) : NULL;
        if (problem != NULL) {
            return problem;
        }
        for (size_t k = 0; k < items[i].values.count; k++) {
            struct slice value = items[i].values.items[k];
            *ret_where = &items[i].values.items[k];
            ssize_t star = slice_find(value, '*');
            if (value.len == 0) {
                return "an empty value: \"*\" is for whatever it is";
            }
            if (star >= 0 && (size_t)star + 1 < value.len) {
                return "a star stands at the end only, as in \"v2*\", or alone";
            }
        }
    }
    return NULL;
}

static const char *prefixes_problem(const struct conf_strings *addresses, const void **ret_where)
{
    struct address_prefix prefix;
    for (size_t i = 0; i < addresses->count; i++) {
        *ret_where = &addresses->items[i];
        if (!address_prefix_parse(addresses->items[i], &prefix)) {
            return "this is no address and no prefix, as in 10.0.0.0/8, whose other bits are zero";
        }
    }
    return NULL;
}

/* Dates reach farther than nanoseconds do (2262): "9999-12-31" is a way to say never. */
static int64_t to_ns(int64_t seconds)
{
    return seconds > INT64_MAX / NS_PER_S ? INT64_MAX - 1 : seconds * NS_PER_S;
}

/* In ns; where nothing is said, what no time is beyond. */
static bool read_times(const struct match_settings *match, int64_t *ret_after, int64_t *ret_before,
                       const void **ret_where)
{
    int64_t seconds;
    *ret_after = INT64_MIN;
    *ret_before = INT64_MAX;
    *ret_where = &match->after;
    if (match->after.len > 0) {
        if (!clock_parse_date(match->after, &seconds)) {
            return false;
        }
        *ret_after = to_ns(seconds);
    }
    *ret_where = &match->before;
    if (match->before.len > 0) {
        if (!clock_parse_date(match->before, &seconds)) {
            return false;
        }
        *ret_before = to_ns(seconds);
    }
    return true;
}

const char *route_conditions_problem(const struct match_settings *match, const void **ret_where)
{
    for (enum subject subject = 0; subject < SUBJECT_COUNT; subject++) {
        const char *problem = list_problem(list_of(match, subject), subject == SUBJECT_HEADER, ret_where);
        if (problem != NULL) {
            return problem;
        }
    }
    const char *problem = prefixes_problem(&match->addresses, ret_where);
    if (problem != NULL) {
        return problem;
    }
    int64_t after, before;
    if (!read_times(match, &after, &before, ret_where)) {
        return "a date is wanted, as 2027-01-31 (UTC) or 2027-01-31T12:00:00Z";
    }
    return after < before ? NULL : "no time is both: `before` must be later than `after`";
}

/* ---- compiling ---- */

static struct error compile_one(const struct condition_settings *settings, enum subject subject,
                                struct arena *arena, struct condition *out)
{
    *out = (struct condition){
        .subject = subject,
        .name = settings->name,
        .patterns = arena_calloc(arena, settings->values.count + 1, sizeof *out->patterns),
    };
    if (out->patterns == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the route table");
    }
    for (size_t i = 0; i < settings->values.count; i++) {
        struct slice text = settings->values.items[i];
        bool is_prefix = slice_ends_with(text, SLICE("*"));
        text.len -= is_prefix;
        out->patterns[out->count++] = (struct pattern){ text, is_prefix };
    }
    return OK;
}

struct error route_conditions_new(const struct match_settings *match, struct arena *arena,
                                  const struct route_conditions **ret_conditions)
{
    struct route_conditions *conditions = arena_calloc(arena, 1, sizeof *conditions);
    size_t sent = count_sent(match);
    const void *where;
    if (conditions == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the route table");
    }
    conditions->items = arena_calloc(arena, sent + 1, sizeof *conditions->items);
    conditions->prefixes = arena_calloc(arena, match->addresses.count + 1, sizeof *conditions->prefixes);
    if (conditions->items == NULL || conditions->prefixes == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the route table");
    }
    for (enum subject subject = 0; subject < SUBJECT_COUNT; subject++) {
        const struct conf_list *list = list_of(match, subject);
        const struct condition_settings *settings = list->items;
        for (size_t i = 0; i < list->count; i++) {
            TRY(compile_one(&settings[i], subject, arena, &conditions->items[conditions->count++]));
        }
    }
    for (size_t i = 0; i < match->addresses.count; i++) {
        if (!address_prefix_parse(match->addresses.items[i],
                                  &conditions->prefixes[conditions->prefix_count++])) {
            return FAIL(ERROR_VALUE, "match.addresses");
        }
    }
    if (!read_times(match, &conditions->after, &conditions->before, &where)) {
        return FAIL(ERROR_VALUE, "match.after or match.before");
    }
    *ret_conditions = conditions;
    return OK;
}

/* ---- deciding ---- */

/* The one value; false: there is none, or more than one. "X_Plan" is an X-Plan to some services, and holds for no condition. */
static bool header_value(const struct headers *headers, struct slice name, struct slice *ret_value)
{
    size_t found = 0;
    bool clear = false;
    for (size_t i = 0; i < headers->count; i++) {
        if (name_same(headers->items[i].name, name)) {
            found++;
            clear = slice_equal_nocase(headers->items[i].name, name);
            *ret_value = headers->items[i].value;
        }
    }
    return found == 1 && clear;
}

static bool value_of(const struct condition *condition, const struct route_facts *facts,
                     struct slice *ret_value)
{
    if (condition->subject == SUBJECT_HEADER) {
        return header_value(facts->headers, condition->name, ret_value);
    }
    if (condition->subject == SUBJECT_COOKIE) {
        return cookie_find(facts->headers, condition->name, ret_value) == 1;
    }
    struct query_found found = query_find(facts->query, condition->name);
    *ret_value = found.value;
    return found.count == 1 && found.clear;
}

static bool fits(const struct pattern *pattern, struct slice value)
{
    return pattern->is_prefix ? slice_starts_with(value, pattern->text) : slice_equal(value, pattern->text);
}

/* The same of a value in percent-escapes. */
static bool fits_encoded(const struct pattern *pattern, struct slice rest)
{
    size_t at = 0;
    while (rest.len > 0 && at < pattern->text.len) {
        if (query_take_byte(&rest) != pattern->text.ptr[at++]) {
            return false;
        }
    }
    return at == pattern->text.len && (rest.len == 0 || pattern->is_prefix);
}

static bool holds(const struct condition *condition, const struct route_facts *facts)
{
    if (facts->headers == NULL && condition->subject != SUBJECT_QUERY) {
        return true; /* a preflight */
    }
    struct slice value;
    if (!value_of(condition, facts, &value)) {
        return false;
    }
    for (size_t i = 0; i < condition->count; i++) {
        const struct pattern *pattern = &condition->patterns[i];
        if (condition->subject == SUBJECT_QUERY ? fits_encoded(pattern, value) : fits(pattern, value)) {
            return true;
        }
    }
    return false;
}

static bool is_from(const struct route_conditions *conditions, const struct address *client)
{
    for (size_t i = 0; i < conditions->prefix_count; i++) {
        if (address_in_prefix(client, &conditions->prefixes[i])) {
            return true;
        }
    }
    return conditions->prefix_count == 0;
}

bool route_conditions_hold(const struct route_conditions *conditions, const struct route_facts *facts)
{
    for (size_t i = 0; i < conditions->count; i++) {
        if (!holds(&conditions->items[i], facts)) {
            return false;
        }
    }
    return facts->now >= conditions->after && facts->now < conditions->before &&
           is_from(conditions, facts->client);
}

/* ---- two of them ---- */

static bool values_meet(struct slice a, struct slice b)
{
    bool a_is_prefix = slice_ends_with(a, SLICE("*")), b_is_prefix = slice_ends_with(b, SLICE("*"));
    a.len -= a_is_prefix;
    b.len -= b_is_prefix;
    return slice_equal(a, b) || (a_is_prefix && slice_starts_with(b, a)) ||
           (b_is_prefix && slice_starts_with(a, b));
}

static bool strings_meet(const struct conf_strings *a, const struct conf_strings *b,
                         bool (*meet)(struct slice, struct slice))
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            if (meet(a->items[i], b->items[k])) {
                return true;
            }
        }
    }
    return false;
}

/* Each holds for one value only: where these differ for one name, both cannot hold. */
static bool lists_exclude(const struct conf_list *a, const struct conf_list *b, bool of_headers)
{
    const struct condition_settings *some = a->items, *others = b->items;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            bool same = of_headers ? slice_equal_nocase(some[i].name, others[k].name)
                                   : slice_equal(some[i].name, others[k].name);
            if (same && !strings_meet(&some[i].values, &others[k].values, values_meet)) {
                return true;
            }
        }
    }
    return false;
}

static bool prefixes_meet(struct slice a, struct slice b)
{
    struct address_prefix wide, narrow;
    if (!address_prefix_parse(a, &wide) || !address_prefix_parse(b, &narrow)) {
        return true;
    }
    return wide.bits <= narrow.bits ? address_in_prefix(&narrow.address, &wide)
                                    : address_in_prefix(&wide.address, &narrow);
}

/* By what no client can choose: where it is, and when. */
static bool are_apart(const struct match_settings *a, const struct match_settings *b)
{
    int64_t a_after, a_before, b_after, b_before;
    const void *where;
    if (a->addresses.count > 0 && b->addresses.count > 0 &&
        !strings_meet(&a->addresses, &b->addresses, prefixes_meet)) {
        return true;
    }
    return read_times(a, &a_after, &a_before, &where) && read_times(b, &b_after, &b_before, &where) &&
           (a_before <= b_after || b_before <= a_after);
}

bool route_conditions_exclude(const struct match_settings *a, const struct match_settings *b)
{
    for (enum subject subject = 0; subject < SUBJECT_COUNT; subject++) {
        if (lists_exclude(list_of(a, subject), list_of(b, subject), subject == SUBJECT_HEADER)) {
            return true;
        }
    }
    return are_apart(a, b);
}

bool route_conditions_leave_choice(const struct match_settings *a, const struct match_settings *b)
{
    return count_sent(a) + count_sent(b) > 0 && !are_apart(a, b);
}
