/* Two configurations, and exactly what `diff` says about them. */
#ifndef SALLYPORT_TESTS_CONFIG_DIFFERING_H
#define SALLYPORT_TESTS_CONFIG_DIFFERING_H

#include "loading.h"

static inline void assert_differs(const char *before, const char *after, const char *expected)
{
    struct loading old, new;
    load_text(&old, before);
    load_text(&new, after);
    assert_int_equal(old.config->error_count, 0);
    assert_int_equal(new.config->error_count, 0);
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    bool differs = config_print_difference(old.config, new.config, &out);
    buffer_append_char(&out, '\0');
    if (strcmp(out.data, expected) != 0) {
        printf("--- is:\n%s--- wanted:\n%s---\n", out.data, expected);
        fail();
    }
    assert_int_equal(differs, strcmp(expected, "The same access.\n") != 0);
    buffer_done(&out);
    loading_done(&old);
    loading_done(&new);
}

/* One route with a policy. */
#define ONE(policy)                                                                                     \
    BASE "routes: { r: { match: { host: h.example, path: /r, methods: [POST] }, upstream: svc, " policy \
         " } }\n"
#define SUBJECT "  POST h.example/r on public (external), route r: "
#define LIMITS  "limits: [{ limit: 10/1s, by: address }]"
#define USER    "auth: { jwt: main }, authorize: { scopes: [a, b] }, " LIMITS

#endif
