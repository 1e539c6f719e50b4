/* Users of HTTP Basic: reads their files of hashes, and checks what their tables cannot say. */
#include "auth/password.h"
#include "base/encoding.h"
#include "base/limits.h"
#include "base/map.h"
#include "config/internal.h"
#include "config/values.h"

#include <stdlib.h>

/* A file of hashes that is being read. */
struct reading {
    struct loader *loader;
    struct basic_settings *set;
    struct conf_source *source;
    struct map seen; /* struct basic_user, by name */
    struct basic_user *users;
    size_t count;
    unsigned int weak, first_weak; /* how many hashes are, and the line of the first */
};

/* About a line of the file, as the configuration's own mistakes are told. */
#define tell_line(reading, kind, line, ...)                 \
    diagnostics_add((reading)->loader->diagnostics, (kind), \
                    (struct conf_place){ (reading)->source, (line), 1 }, __VA_ARGS__)

static const struct basic_user_settings *find_settings(const struct basic_settings *set, struct slice name)
{
    return settings_find(set->users.items, set->users.count, sizeof(struct basic_user_settings), name);
}

/* Takes USER and HASH; what may stand behind another colon is a comment. */
static bool split(struct slice line, struct slice *ret_name, struct slice *ret_hash)
{
    struct slice rest = line;
    *ret_hash = SLICE("");
    bool good = slice_find(line, ':') > 0 && slice_next(&rest, ':', ret_name) &&
                basic_user_name_valid(*ret_name) && utf8_valid(*ret_name);
    if (good) {
        slice_next(&rest, ':', ret_hash);
    }
    return good;
}

static struct error add_user(struct reading *reading, struct slice name, struct slice hash,
                             unsigned int number, bool weak)
{
    reading->first_weak = weak && reading->weak == 0 ? number : reading->first_weak;
    reading->weak += weak ? 1 : 0;
    struct basic_user *user = &reading->users[reading->count++];
    *user = (struct basic_user){ .name = name, .hash = hash };
    return map_put(&reading->seen, name, user) ? OK : NO_MEMORY;
}

/* Nothing of a line is shown but a name that stands before a colon: the rest may be a password. */
static struct error read_line(struct reading *reading, struct slice line, unsigned int number)
{
    struct slice name, hash;
    struct password_hash facts = { 0 };
    if (!split(line, &name, &hash)) {
        tell_line(reading, DIAGNOSTIC_ERROR, number, "this is no USER:HASH");
        return OK;
    }
    const char *problem = password_hash_read(hash, &facts);
    if (map_get(&reading->seen, name) != NULL) {
        tell_line(reading, DIAGNOSTIC_ERROR, number, "the user \"%.*s\" has a line above already",
                  SLICE_ARG(name));
    } else if (problem != NULL) {
        tell_line(reading, DIAGNOSTIC_ERROR, number, "the hash of \"%.*s\" %s", SLICE_ARG(name), problem);
    } else if (reading->count == BASIC_USERS_MAX) {
        tell_line(reading, DIAGNOSTIC_ERROR, number, "more than 10000 users");
    } else {
        return add_user(reading, name, hash, number, facts.weak);
    }
    return OK;
}

static struct error read_lines(struct reading *reading, struct slice text)
{
    struct slice line;
    for (unsigned int number = 1; slice_next(&text, '\n', &line); number++) {
        if (slice_ends_with(line, SLICE("\r"))) {
            line.len--;
        }
        if (line.len > 0 && line.ptr[0] != '#') {
            TRY(read_line(reading, line, number));
        }
    }
    return OK;
}

static int compare(const void *a, const void *b)
{
    return slice_compare(((const struct basic_user *)a)->name, ((const struct basic_user *)b)->name);
}

static struct error take_users(struct reading *reading)
{
    struct basic_settings *set = reading->set;
    for (size_t i = 0; i < reading->count; i++) {
        struct basic_user *user = &reading->users[i];
        if (!basic_user_prepare(set, find_settings(set, user->name), user, reading->loader->arena)) {
            return NO_MEMORY;
        }
    }
    qsort(reading->users, reading->count, sizeof *reading->users, compare);
    set->known = reading->users;
    set->known_count = reading->count;
    return OK;
}

static void tell_weak(const struct reading *reading)
{
    if (reading->weak > 0) {
        tell_line(reading, DIAGNOSTIC_WARNING, reading->first_weak,
                  "%u of the hashes can be guessed fast, of which this is the first: make them anew with "
                  "`sallyport basic hash`",
                  reading->weak);
    }
}

static size_t count_lines(struct slice text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == '\n';
    }
    return count < BASIC_USERS_MAX ? count : BASIC_USERS_MAX;
}

static bool begin(struct reading *reading, struct slice text)
{
    struct arena *arena = reading->loader->arena;
    reading->source = arena_calloc(arena, 1, sizeof *reading->source);
    reading->users = arena_calloc(arena, count_lines(text), sizeof *reading->users);
    if (reading->source == NULL || reading->users == NULL) {
        return false;
    }
    *reading->source = (struct conf_source){ .path = reading->set->htpasswd, .order = CONFIG_FILES_MAX };
    return true;
}

static struct error read_users(struct loader *loader, struct basic_settings *set, struct slice text)
{
    struct reading reading = { .loader = loader, .set = set };
    size_t errors = loader->diagnostics->error_count;
    if (!begin(&reading, text)) {
        return NO_MEMORY;
    }
    map_init(&reading.seen);
    struct error error = read_lines(&reading, text);
    map_done(&reading.seen);
    TRY(error);
    tell_weak(&reading);
    if (reading.count == 0 && loader->diagnostics->error_count == errors) {
        tell(loader, &set->htpasswd, loader_object(loader, set), "%.*s holds no user",
             SLICE_ARG(set->htpasswd));
    }
    return take_users(&reading);
}

static struct error read_file(struct loader *loader, struct basic_settings *set)
{
    struct slice text = SLICE_NONE;
    TRY(load_file_text(loader, &set->htpasswd, loader_object(loader, set), BASIC_FILE_MAX, &text));
    return text.len > 0 ? read_users(loader, set, text) : OK; /* else it was told */
}

static void check_users(struct loader *loader, const struct basic_settings *set)
{
    const struct basic_user_settings *users = set->users.items;
    for (size_t i = 0; i < set->users.count; i++) {
        const struct conf_node *node = loader_object(loader, &users[i]);
        const char *problem = basic_user_check(&users[i]);
        problem = problem == NULL ? config_own_limit_problem(users[i].limit) : problem;
        if (problem == NULL && set->known_count > 0 && basic_find_user(set, users[i].name) == NULL) {
            problem = "the file of `htpasswd` has no line of this user";
        }
        if (problem != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
        }
    }
}

struct error check_basic(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->basic_count; i++) {
        struct basic_settings *set = &loader->settings->basic[i];
        const struct basic_user_settings all = { .scopes = set->scopes, .roles = set->roles };
        const char *problem = basic_user_check(&all);
        if (problem != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, loader_object(loader, set), "%s",
                             problem);
        }
        if (!slice_is_empty(set->htpasswd)) { /* else it has been told */
            TRY(read_file(loader, set));
            check_users(loader, set);
        }
    }
    return OK;
}

void check_failure_budget(struct loader *loader)
{
    struct failure_budget_settings *budget = loader->settings->failure_budget;
    const char *problem = budget != NULL ? failure_budget_check(budget) : NULL;
    if (problem != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, loader_object(loader, budget), "%s", problem);
    }
}
