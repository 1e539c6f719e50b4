/* One filter, or a few, over one request. */
#ifndef SALLYPORT_TESTS_UNIT_ROUTE_FILTERS_H
#define SALLYPORT_TESTS_UNIT_ROUTE_FILTERS_H

#include "../../unit.h"

#include "http/uri.h"
#include "route/filter.h"

#include "auth/principal.h"

#define FILTERS_MAX 16
#define FIELDS_MAX  64

struct filtering {
    struct arena arena;
    struct filter_settings entries[FILTERS_MAX];
    struct conf_list filters;
    struct slice paths[2];
    struct match_settings match;
    struct filter_route route;
    struct filter_chain *chain;
    struct route_variables variables;
    struct conf_pair pairs[FILTERS_MAX];
    size_t pair_count;
    struct slice names[FILTERS_MAX];
    size_t name_count;
    struct header fields[FIELDS_MAX];
    struct headers headers;
    struct filter_run run;
};

static inline int filtering_setup(void **state)
{
    struct filtering *f = calloc(1, sizeof *f);
    arena_init(&f->arena, 1 << 22);
    f->filters = (struct conf_list){ f->entries, 0 };
    f->paths[0] = SLICE("/**");
    f->match.path = (struct conf_strings){ f->paths, 1 };
    f->route.match = &f->match;
    f->run = (struct filter_run){
        .variables = &f->variables, .arena = &f->arena, .scratch = filter_scratch_new(), .path = SLICE("/")
    };
    f->headers = (struct headers){ f->fields, 0, FIELDS_MAX };
    f->run.headers = &f->headers;
    *state = f;
    return 0;
}

static inline int filtering_teardown(void **state)
{
    struct filtering *f = *state;
    filter_scratch_free(f->run.scratch);
    arena_done(&f->arena);
    free(f);
    return 0;
}

#define FILTERING_TEST(name) cmocka_unit_test_setup_teardown(name, filtering_setup, filtering_teardown)

static inline void filtering_add(struct filtering *f, struct filter_settings entry)
{
    f->entries[f->filters.count++] = entry;
}

/* "{name}" of the path is `value`. */
static inline void filtering_variable(struct filtering *f, const char *name, const char *value)
{
    f->variables.items[f->variables.count++] =
        (struct route_variable){ slice_from_string(name), slice_from_string(value) };
}

/* A map of one name. */
static inline struct conf_pairs filtering_pair(struct filtering *f, const char *name, const char *value)
{
    struct conf_pair *pair = &f->pairs[f->pair_count++ % FILTERS_MAX];
    *pair = (struct conf_pair){ slice_from_string(name), slice_from_string(value) };
    return (struct conf_pairs){ pair, 1 };
}

/* A list of one name. */
static inline struct conf_strings filtering_name(struct filtering *f, const char *name)
{
    struct slice *item = &f->names[f->name_count++ % FILTERS_MAX];
    *item = slice_from_string(name);
    return (struct conf_strings){ item, 1 };
}

static inline void filtering_field(struct filtering *f, const char *name, const char *value)
{
    struct slice text = slice_from_string(name);
    assert_true(headers_add(&f->headers, header_id_of(text), text, slice_from_string(value)));
}

/* The fields as "Name: value|Name: value". */
static inline void assert_fields(const struct filtering *f, const char *expected)
{
    char text[4096];
    size_t len = 0;
    for (size_t i = 0; i < f->headers.count; i++) {
        const struct header *header = &f->headers.items[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s: %.*s", i > 0 ? "|" : "",
                                SLICE_ARG(header->name), SLICE_ARG(header->value));
        assert_int_equal(header->id, header_id_of(header->name));
    }
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static inline struct error filtering_compile(struct filtering *f)
{
    const void *wrong = NULL;
    f->route.path_allows = f->run.path_allows;
    return filter_chain_new(&f->filters, &f->route, &f->arena, &f->chain, &wrong);
}

/* What `check` says of the one filter. */
static inline void assert_filter_refused(struct filtering *f, struct filter_settings entry, const char *says)
{
    f->filters.count = 0;
    filtering_add(f, entry);
    struct error error = filtering_compile(f);
    assert_true(failed(error));
    if (strstr(error.what, says) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", error.what, says);
    }
}

static inline enum deny_reason filtering_run(struct filtering *f, const char *path)
{
    assert_ok(filtering_compile(f));
    f->run.path = slice_from_string(path);
    enum deny_reason reason = filter_request(f->chain, &f->run);
    return reason != DENY_NONE ? reason : filter_check_path(&f->run);
}

static inline void assert_path(struct filtering *f, const char *path, const char *expected)
{
    assert_int_equal(filtering_run(f, path), DENY_NONE);
    assert_slice(f->run.path, expected);
}

#endif
