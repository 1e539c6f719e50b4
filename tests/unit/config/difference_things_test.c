/* Every field of every table, changed alone: `diff` has a line about it, or its reason for none stands here. */
#include "loading.h"

#include "config/tables.h"

#define DEPTH_MAX      8
#define NAME_MAX_BYTES 256

/* Of each kind of thing one, as plain as it may be. */
#define EVERYTHING                                                                                        \
    "listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n"                       \
    "issuers: { main: { issuer: https://idp.example.com, audiences: [a], jwks_file: keys.json } }\n"      \
    "introspection: { asked: { endpoint: https://idp.example.com/i, client_id: g, client_secret: "        \
    "\"${file:pepper}\", audiences: a } }\n"                                                              \
    "api_keys: { partners: { keys: { k: { digest: " DIGEST ", pepper: p, consumer: c } }, peppers: { p: " \
    "\"${file:pepper}\" } } }\n"                                                                          \
    "basic: { users: { htpasswd: users } }\n"                                                             \
    "client_certificates: { devices: { identity: dns, allow: device.example } }\n"                        \
    "authorizers: { policy: { contract: forward_auth, url: https://127.0.0.1:9002/ask } }\n"              \
    "resources: { orders: { resource: https://h.example, issuers: main } }\n"                             \
    "upstreams: { svc: { endpoints: [https://127.0.0.1:9001] } }\n"                                       \
    "routes: { r: { match: { host: h.example, path: /r, methods: [POST] }, " WHOLE " } }\n"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What is compared by something else, or nothing to compare. A path, or how it begins where it ends with "*". */
static const struct {
    const char *path, *why;
} silent[] = {
    { ".admin", "its routes tell" },
    { ".admin.listeners", "its routes tell" },
    { ".admin.hosts", "its routes tell" },
    { ".admin.auth*", "its routes tell" },
    { ".admin.read*", "its routes tell" },
    { ".admin.write*", "its routes tell" },
    { ".admin.limits*", "its routes tell" },
    { ".blocks", "what it holds is compared" },
    { ".blocks.file", "what it holds is compared" },
    { ".dpop", "the issuers tell whose tokens may be bound" },
    { "listeners.tls.client_ca", "what it holds is compared" },
    { "listeners.limits.name", "what RateLimit fields call it" },
    { "api_keys.postgres.url", "host, port and database are made of it" },
    { "api_keys.postgres.sslrootcert", "what it holds is compared" },
    { "api_keys.keys.expires", "the date is compared, however it is written" },
    { "basic.htpasswd", "what it holds is compared" },
    { "route.auth.any_of", "nothing is in it" },
    { "route.auth.all_of", "nothing is in it" },
    { "route.auth.token_from", "nothing is in it" },
    { "route.auth.key_from", "nothing is in it" },
    { "route.auth.candidate.any_of", "nothing is in it" },
    { "route.auth.candidate.all_of", "nothing is in it" },
    { "route.auth.candidate.until", "without mode: observe it says nothing" },
    { "route.authorize.roles", "nothing is in it" },
    { "route.authorize.until", "without mode: observe it says nothing" },
    { "route.limits.name", "what RateLimit fields call it" },
    { "route.cors", "nothing is in it" },
};

struct walk {
    struct loading old, new;
    struct arena arena;
    size_t told, wrong;
};

static bool is_silent(const char *path)
{
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        size_t length = strlen(silent[i].path);
        bool begins = length > 0 && silent[i].path[length - 1] == '*';
        if (begins ? strncmp(path, silent[i].path, length - 1) == 0 : strcmp(path, silent[i].path) == 0) {
            return true;
        }
    }
    return false;
}

/* Tuning has lines, too. */
static bool has_lines(struct walk *walk)
{
    struct buffer out;
    buffer_init(&out, 4 * 1024 * 1024);
    config_print_difference(walk->old.config, walk->new.config, &out);
    bool any = !slice_equal(buffer_slice(&out), SLICE("The same access.\n"));
    buffer_done(&out);
    return any;
}

static void expect_lines(struct walk *walk, const char *path)
{
    bool told = has_lines(walk), wanted = !is_silent(path);
    walk->told += told;
    if (told != wanted) {
        printf("%s: %s\n", path, told ? "is told, and stands among the silent" : "no line");
        walk->wrong++;
    }
}

static size_t size_of(enum conf_type type)
{
    switch (type) {
    case CONF_BOOL:
        return sizeof(bool);
    case CONF_ENUM:
        return sizeof(int);
    case CONF_FLAGS:
        return sizeof(uint64_t);
    case CONF_RATE:
        return sizeof(struct conf_rate);
    case CONF_STRING:
    case CONF_SECRET:
    case CONF_FILE:
        return sizeof(struct slice);
    case CONF_STRINGS:
    case CONF_FILES:
        return sizeof(struct conf_strings);
    case CONF_PAIRS:
        return sizeof(struct conf_pairs);
    case CONF_OBJECT:
        return sizeof(void *);
    case CONF_LIST:
    case CONF_MAP:
        return sizeof(struct conf_list);
    default:
        return sizeof(int64_t);
    }
}

static void change_number(const struct conf_field *field, void *value)
{
    static const int64_t second = NS_PER_S;
    int64_t *number = value;
    *number += field->type == CONF_DURATION ? second : 1;
}

static void change_choice(const struct conf_field *field, int *value)
{
    const struct conf_choice *choice = field->choices;
    while (choice->value == *value) {
        choice++;
    }
    *value = choice->value;
}

static void change_leaf(const struct conf_field *field, void *value)
{
    static struct slice strings[] = { SLICE_INIT("changed") };
    static struct conf_pair pairs[] = { { SLICE_INIT("changed"), SLICE_INIT("so") } };
    switch (field->type) {
    case CONF_BOOL:
        *(bool *)value = !*(bool *)value;
        break;
    case CONF_ENUM:
        change_choice(field, value);
        break;
    case CONF_FLAGS:
        *(uint64_t *)value ^= UINT64_C(1) << field->choices->value;
        break;
    case CONF_RATE:
        *(struct conf_rate *)value =
            (struct conf_rate){ ((struct conf_rate *)value)->count + 1, 7 * NS_PER_S };
        break;
    case CONF_STRING:
    case CONF_SECRET:
    case CONF_FILE:
        *(struct slice *)value = SLICE("changed");
        break;
    case CONF_STRINGS:
    case CONF_FILES:
        *(struct conf_strings *)value = (struct conf_strings){ strings, 1 };
        break;
    case CONF_PAIRS:
        *(struct conf_pairs *)value = (struct conf_pairs){ pairs, 1 };
        break;
    default:
        change_number(field, value);
        break;
    }
}

static void walk_object(struct walk *walk, const struct conf_object *object, char *was, char *is,
                        const char *path, unsigned int depth);

/* Makes what is not there on either side, asks what comes of its going, and walks what is in it. */
static void walk_inside(struct walk *walk, const struct conf_field *field, void *was, void *is,
                        const char *path, unsigned int depth)
{
    char before[2][sizeof(struct conf_list)], empty[sizeof(struct conf_list)] = { 0 };
    size_t size = size_of(field->type);
    memcpy(before[0], was, size);
    memcpy(before[1], is, size);
    bool is_object = field->type == CONF_OBJECT;
    void *const sides[] = { was, is };
    for (int side = 0; side < 2; side++) {
        if (memcmp(before[side], empty, size) != 0) {
            continue;
        }
        char *made = arena_calloc(&walk->arena, 1, field->object->size);
        if (is_object) {
            *(void **)sides[side] = made;
        } else {
            *(struct conf_list *)sides[side] = (struct conf_list){ made, 1 };
        }
        if (field->type == CONF_MAP) {
            *(struct slice *)(void *)made = SLICE("made");
        }
    }
    char kept[sizeof(struct conf_list)];
    memcpy(kept, is, size);
    memset(is, 0, size);
    expect_lines(walk, path);
    memcpy(is, kept, size);
    char *items[] = { is_object ? *(char **)was : ((struct conf_list *)was)->items,
                      is_object ? *(char **)is : ((struct conf_list *)is)->items };
    walk_object(walk, field->object, items[0], items[1], path, depth + 1);
    memcpy(was, before[0], size);
    memcpy(is, before[1], size);
}

static void walk_field(struct walk *walk, const struct conf_field *field, char *was, char *is,
                       const char *above, unsigned int depth)
{
    char path[NAME_MAX_BYTES], kept[sizeof(struct conf_list)];
    snprintf(path, sizeof path, "%s.%s", above, field->name);
    if (field->type == CONF_OBJECT || field->type == CONF_LIST || field->type == CONF_MAP) {
        if (depth < DEPTH_MAX) {
            walk_inside(walk, field, was + field->offset, is + field->offset, path, depth);
        }
        return;
    }
    size_t size = size_of(field->type);
    memcpy(kept, is + field->offset, size);
    change_leaf(field, is + field->offset);
    expect_lines(walk, path);
    memcpy(is + field->offset, kept, size);
}

static void walk_object(struct walk *walk, const struct conf_object *object, char *was, char *is,
                        const char *path, unsigned int depth)
{
    if (has_lines(walk)) {
        fail_msg("%s: nothing is changed, and there are lines", path);
    }
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        walk_field(walk, field, was, is, path, depth);
    }
}

static void walk_init(struct walk *walk)
{
    struct loading *const sides[] = { &walk->old, &walk->new };
    memset(walk, 0, sizeof *walk);
    arena_init(&walk->arena, 64 * 1024 * 1024);
    for (int side = 0; side < 2; side++) {
        loading_init(sides[side]);
        loading_file(sides[side], "users",
                     SLICE("jane:$2y$10$abcdefghijklmnopqrstuu5Lt4xNUgTCjVrfCiHhcZ6pCMMu8nmkW\n"));
        loading_file(sides[side], "c.yaml", SLICE(EVERYTHING));
        struct config *config = loading_load(sides[side], NULL, 0);
        if (config->error_count > 0) {
            assert_told(config, "");
        }
    }
}

static void walk_done(struct walk *walk)
{
    assert_true(walk->told > 300);    /* it did walk */
    assert_int_equal(walk->wrong, 0); /* they have been printed */
    arena_done(&walk->arena);
    loading_done(&walk->old);
    loading_done(&walk->new);
}

#define THINGS(member) offsetof(struct settings, member)

/* Where what a field of the root names has gone. */
static const struct {
    const char *field;
    size_t items;
} things[] = {
    { "listeners", THINGS(listeners) },
    { "issuers", THINGS(issuers) },
    { "introspection", THINGS(introspection) },
    { "api_keys", THINGS(api_keys) },
    { "basic", THINGS(basic) },
    { "client_certificates", THINGS(client_certificates) },
    { "authorizers", THINGS(authorizers) },
    { "resources", THINGS(resources) },
    { "upstreams", THINGS(upstreams) },
};

/* What the load uses up: routes have it, and are walked themselves. */
static bool is_used_up(const char *field)
{
    static const char *const names[] = { "include", "team",   "defaults", "policies",
                                         "teams",   "groups", "routes" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], field) == 0) {
            return true;
        }
    }
    return false;
}

static void walk_things(struct walk *walk, const struct conf_field *field)
{
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
        if (strcmp(things[i].field, field->name) == 0) {
            char *was = *(char **)((char *)&walk->old.config->settings + things[i].items);
            char *is = *(char **)((char *)&walk->new.config->settings + things[i].items);
            walk_object(walk, field->object, was, is, field->name, 1);
            return;
        }
    }
    fail_msg("%s: a list that this test does not know", field->name);
}

static void each_setting_has_its_line(void **state)
{
    (void)state;
    struct walk walk;
    walk_init(&walk);
    char *was = (char *)&walk.old.config->settings, *is = (char *)&walk.new.config->settings;
    for (const struct conf_field *field = config_object.fields; field->name != NULL; field++) {
        if (config_is_of_gateway(field)) {
            walk_field(&walk, field, was, is, "", 1);
        } else if (!is_used_up(field->name)) {
            walk_things(&walk, field);
        }
    }
    struct route_settings *before = walk.old.config->settings.routes,
                          *after = walk.new.config->settings.routes;
    walk_object(&walk, &effective_object, (char *)&before->policy, (char *)&after->policy, "route", 1);
    walk_object(&walk, &match_object, (char *)&before->match, (char *)&after->match, "match", 1);
    walk_done(&walk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_setting_has_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
