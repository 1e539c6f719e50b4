#include "auth/plan.h"

struct planner {
    struct auth_plan *plan;
    struct arena *arena;
    const char *problem;
};

static struct auth_use *use_of(struct auth_plan *plan, enum auth_method method)
{
    for (size_t i = 0; i < plan->use_count; i++) {
        if (plan->uses[i].method == method) {
            return &plan->uses[i];
        }
    }
    struct auth_use *use = &plan->uses[plan->use_count++];
    *use = (struct auth_use){ .method = method };
    return use;
}

static void add_names(struct planner *planner, struct auth_use *use, const struct conf_strings *names)
{
    struct slice *items = arena_alloc(planner->arena, (use->names.count + names->count) * sizeof *items);
    if (items == NULL) {
        planner->problem = "no memory for the configuration";
        return;
    }
    struct conf_strings all = { items, use->names.count };
    if (use->names.count > 0) {
        memcpy(items, use->names.items, use->names.count * sizeof *items);
    }
    for (size_t i = 0; i < names->count; i++) {
        if (!conf_strings_contain(&all, names->items[i])) {
            items[all.count++] = names->items[i];
        }
    }
    use->names = all;
}

/* Its bit. */
static uint32_t add_way(struct planner *planner, enum auth_method method, const struct conf_strings *names)
{
    struct auth_plan *plan = planner->plan;
    if (plan->way_count == AUTH_WAYS_MAX) {
        planner->problem = "names more than 16 ways";
        return 0;
    }
    add_names(planner, use_of(plan, method), names);
    plan->ways[plan->way_count] = (struct auth_way){ method, names };
    return UINT32_C(1) << plan->way_count++;
}

/* Each method that it names is a way; the bits in *bits, which has room for all of them. */
static size_t add_ways(struct planner *planner, const struct auth_way_settings *settings, uint32_t *bits)
{
    size_t count = 0;
    for (int method = 0; method < AUTH_METHOD_COUNT; method++) {
        if (settings->names[method].count > 0) {
            bits[count++] = add_way(planner, (enum auth_method)method, &settings->names[method]);
        }
    }
    return count;
}

/* Is a method among these ways twice? Then they can never be proven together. */
static bool repeats_method(const struct auth_plan *plan, uint32_t bits)
{
    unsigned int seen = 0;
    for (size_t i = 0; i < plan->way_count; i++) {
        unsigned int method = (bits & (UINT32_C(1) << i)) != 0 ? 1U << plan->ways[i].method : 0;
        if ((seen & method) != 0) {
            return true;
        }
        seen |= method;
    }
    return false;
}

static void add_enough(struct planner *planner, uint32_t bits)
{
    struct auth_plan *plan = planner->plan;
    if (repeats_method(plan, bits)) {
        planner->problem =
            "demands two proofs by one method, and a request has one credential of each: it would "
            "never be met";
    } else if (plan->enough_count == AUTH_ALTERNATIVES_MAX) {
        planner->problem = "comes to more than 64 combinations of ways";
    } else {
        plan->enough[plan->enough_count++] = bits;
    }
}

/* The ways of an entry, by their bits: of one way, or of its list. */
struct entry_ways {
    uint32_t bits[AUTH_WAYS_MAX + AUTH_METHOD_COUNT];
    size_t count;
};

static struct entry_ways add_entry(struct planner *planner, const struct auth_entry_settings *entry)
{
    struct entry_ways ways = { .count = 0 };
    const struct auth_way_settings *inner = entry->inner.items;
    ways.count = add_ways(planner, &entry->way, ways.bits);
    for (size_t i = 0; i < entry->inner.count && planner->problem == NULL; i++) {
        ways.count += add_ways(planner, &inner[i], ways.bits + ways.count);
    }
    return ways;
}

/* Either of them, each of which may be several together. */
static void plan_any(struct planner *planner, const struct conf_list *entries)
{
    const struct auth_entry_settings *entry = entries->items;
    for (size_t i = 0; i < entries->count && planner->problem == NULL; i++) {
        struct entry_ways ways = add_entry(planner, &entry[i]);
        uint32_t all = 0;
        for (size_t k = 0; k < ways.count; k++) {
            all |= ways.bits[k];
        }
        add_enough(planner, all);
    }
}

/* All of them, each of which may be either of several: multiplied out. */
static void plan_all(struct planner *planner, const struct conf_list *entries)
{
    struct auth_plan *plan = planner->plan;
    const struct auth_entry_settings *entry = entries->items;
    add_enough(planner, 0);
    for (size_t i = 0; i < entries->count && planner->problem == NULL; i++) {
        struct entry_ways ways = add_entry(planner, &entry[i]);
        uint32_t before[AUTH_ALTERNATIVES_MAX];
        size_t count = plan->enough_count;
        memcpy(before, plan->enough, sizeof before);
        plan->enough_count = 0;
        for (size_t k = 0; k < count * ways.count && planner->problem == NULL; k++) {
            add_enough(planner, before[k / ways.count] | ways.bits[k % ways.count]);
        }
    }
}

/* The ways of a method that this name is among. */
static uint32_t ways_of(const struct auth_plan *plan, enum auth_method method, struct slice name)
{
    uint32_t ways = 0;
    for (size_t i = 0; i < plan->way_count; i++) {
        if (plan->ways[i].method == method && conf_strings_contain(plan->ways[i].names, name)) {
            ways |= UINT32_C(1) << i;
        }
    }
    return ways;
}

static void add_sources(struct planner *planner, struct auth_use *use)
{
    use->sources = arena_calloc(planner->arena, use->names.count, sizeof *use->sources);
    if (use->sources == NULL) {
        planner->problem = "no memory for the configuration";
        return;
    }
    for (size_t i = 0; i < use->names.count; i++) {
        use->sources[i].ways = ways_of(planner->plan, use->method, use->names.items[i]);
    }
}

struct auth_plan *auth_plan_new(const struct auth_settings *settings, struct arena *arena,
                                const char **ret_problem)
{
    struct planner planner = { arena_calloc(arena, 1, sizeof *planner.plan), arena, NULL };
    if (planner.plan == NULL) {
        *ret_problem = "no memory for the configuration";
        return NULL;
    }
    if (settings->all_of.count > 0) {
        plan_all(&planner, &settings->all_of);
    } else if (settings->any_of.count > 0) {
        plan_any(&planner, &settings->any_of);
    } else {
        uint32_t bits[AUTH_METHOD_COUNT];
        size_t count = add_ways(&planner, &settings->way, bits);
        for (size_t i = 0; i < count; i++) {
            add_enough(&planner, bits[i]);
        }
    }
    for (size_t i = 0; i < planner.plan->use_count && planner.problem == NULL; i++) {
        add_sources(&planner, &planner.plan->uses[i]);
    }
    *ret_problem = planner.problem;
    return planner.problem == NULL ? planner.plan : NULL;
}

const struct auth_source *auth_use_source(const struct auth_use *use, struct slice name)
{
    for (size_t i = 0; i < use->names.count; i++) {
        if (slice_equal(use->names.items[i], name)) {
            return &use->sources[i];
        }
    }
    return NULL;
}

bool auth_plan_uses(const struct auth_plan *plan, enum auth_method method)
{
    for (size_t i = 0; plan != NULL && i < plan->use_count; i++) {
        if (plan->uses[i].method == method) {
            return true;
        }
    }
    return false;
}

bool auth_plan_needs(const struct auth_plan *plan, enum auth_method method)
{
    uint32_t ways = 0;
    for (size_t i = 0; i < plan->way_count; i++) {
        ways |= plan->ways[i].method == method ? UINT32_C(1) << i : 0;
    }
    for (size_t i = 0; i < plan->enough_count; i++) {
        if ((plan->enough[i] & ways) == 0) {
            return false;
        }
    }
    return true;
}

/* No ways at all are never enough. */
bool auth_plan_is_met(const struct auth_plan *plan, uint32_t proven)
{
    for (size_t i = 0; i < plan->enough_count; i++) {
        if (plan->enough[i] != 0 && (plan->enough[i] & ~proven) == 0) {
            return true;
        }
    }
    return false;
}
