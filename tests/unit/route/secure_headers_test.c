#include "route/secure_headers.h"
#include "unit.h"

static const struct secure_headers_settings standard = {
    .enabled = true,
    .strict_transport_security = SLICE_INIT("max-age=1"),
    .content_type_options = SLICE_INIT("nosniff"),
    .frame_options = SLICE_INIT("DENY"),
    .referrer_policy = SLICE_INIT("no-referrer"),
    .content_security_policy = SLICE_INIT("off"),
};

struct answer {
    struct header items[8];
    struct headers headers;
};

static void init(struct answer *answer)
{
    answer->headers = (struct headers){ answer->items, 0, 8 };
}

static void assert_says(const struct answer *answer, const char *name, const char *expected)
{
    const struct header *header = headers_find_name(&answer->headers, slice_from_string(name));
    if (expected == NULL) {
        assert_null(header);
        return;
    }
    assert_non_null(header);
    assert_slice(header->value, expected);
}

static void adds_what_is_on(void **state)
{
    (void)state;
    struct answer answer;
    init(&answer);
    assert_true(secure_headers_decorate(&standard, true, &answer.headers));
    assert_says(&answer, "strict-transport-security", "max-age=1");
    assert_says(&answer, "x-content-type-options", "nosniff");
    assert_says(&answer, "x-frame-options", "DENY");
    assert_says(&answer, "referrer-policy", "no-referrer");
    assert_says(&answer, "content-security-policy", NULL);
    struct secure_headers_settings off = standard;
    off.enabled = false;
    init(&answer);
    assert_true(secure_headers_decorate(&off, true, &answer.headers));
    assert_int_equal(answer.headers.count, 0);
}

static void hsts_is_for_tls(void **state)
{
    (void)state;
    struct answer answer;
    init(&answer);
    assert_true(secure_headers_decorate(&standard, false, &answer.headers));
    assert_says(&answer, "strict-transport-security", NULL);
    assert_int_equal(answer.headers.count, 3);
}

static void the_upstreams_own_stands(void **state)
{
    (void)state;
    struct answer answer;
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        struct secure_headers_settings settings = standard;
        settings.overwrite = overwrite;
        init(&answer);
        headers_add(&answer.headers, HEADER_OTHER, SLICE("x-frame-options"), SLICE("SAMEORIGIN"));
        headers_add(&answer.headers, HEADER_OTHER, SLICE("ETag"), SLICE("1"));
        headers_add(&answer.headers, HEADER_OTHER, SLICE("X-Frame-Options"), SLICE("ALLOWALL"));
        assert_true(secure_headers_decorate(&settings, false, &answer.headers));
        assert_says(&answer, "x-frame-options", overwrite ? "DENY" : "SAMEORIGIN");
        assert_says(&answer, "etag", "1");
        assert_int_equal(answer.headers.count, overwrite ? 4 : 5);
    }
}

static void no_room_is_told(void **state)
{
    (void)state;
    struct answer answer;
    init(&answer);
    answer.headers.capacity = 2;
    assert_false(secure_headers_decorate(&standard, true, &answer.headers));
}

static void values_are_checked(void **state)
{
    (void)state;
    const struct slice *field = NULL;
    struct secure_headers_settings settings = standard;
    assert_null(secure_headers_check_settings(&settings, &field));
    settings.frame_options = SLICE("DENY\r\nX: y");
    assert_non_null(secure_headers_check_settings(&settings, &field));
    assert_ptr_equal(field, &settings.frame_options);
}

/* What browsers do not understand they ignore, and nobody notices. */
static void values_are_understood(void **state)
{
    (void)state;
    static const struct {
        struct secure_headers_settings settings;
        bool good;
    } rows[] = {
        { { .strict_transport_security = SLICE_INIT("true") }, false },
        { { .strict_transport_security = SLICE_INIT("includeSubDomains; Max-Age=1") }, true },
        { { .content_type_options = SLICE_INIT("true") }, false },
        { { .frame_options = SLICE_INIT("ALLOWALL") }, false },
        { { .frame_options = SLICE_INIT("sameorigin") }, true },
        { { .frame_options = SLICE_INIT("off") }, true },
        { { .referrer_policy = SLICE_INIT("none") }, false },
        { { .referrer_policy = SLICE_INIT("no-referrer, strict-origin") }, true },
        { { .content_security_policy = SLICE_INIT("false") }, false },
        { { .content_security_policy = SLICE_INIT("upgrade-insecure-requests") }, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct secure_headers_settings settings = rows[i].settings;
        struct slice *const fields[] = { &settings.strict_transport_security, &settings.content_type_options,
                                         &settings.frame_options, &settings.referrer_policy,
                                         &settings.content_security_policy };
        for (size_t k = 0; k < sizeof fields / sizeof fields[0]; k++) {
            *fields[k] = fields[k]->len > 0 ? *fields[k] : SLICE("off");
        }
        const struct slice *field = NULL;
        assert_int_equal(secure_headers_check_settings(&settings, &field) == NULL, rows[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_what_is_on),          cmocka_unit_test(hsts_is_for_tls),
        cmocka_unit_test(the_upstreams_own_stands), cmocka_unit_test(no_room_is_told),
        cmocka_unit_test(values_are_checked),       cmocka_unit_test(values_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
