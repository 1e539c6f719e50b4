#include "unit.h"

#include "base/clock.h"
#include "gateway/key_metrics.h"

#define KEY                                                                \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"1\",\"x\":" \
    "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static struct net_loop loop;
static struct key_source *source;

static void on_event(void *context, struct slice issuer, enum key_source_event event, struct slice text)
{
    (void)context, (void)issuer, (void)event, (void)text;
}

static int set_up(void **state)
{
    (void)state;
    assert_ok(net_loop_init(&loop));
    assert_ok(key_source_new(&loop, on_event, NULL, &source));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    key_source_free(source);
    net_loop_done(&loop);
    return 0;
}

static void expect(size_t room, const char *text)
{
    struct buffer out;
    buffer_init(&out, room);
    bool fits = key_metrics_render(source, &out);
    assert_int_equal(fits, text != NULL);
    if (fits && !slice_contains(buffer_slice(&out), slice_from_string(text))) {
        fail_msg("not in: %.*s", SLICE_ARG(buffer_slice(&out)));
    }
    if (fits && text[0] == '\0') {
        assert_int_equal(buffer_length(&out), 0);
    }
    buffer_done(&out);
}

static void issuers_tell_of_their_keys(void **state)
{
    (void)state;
    struct issuer_settings issuers[] = {
        { .name = SLICE_INIT("main"),
          .jwks_url = SLICE_INIT("http://127.0.0.1:1/keys"),
          .jwks_stale = NS_PER_S },
        { .name = SLICE_INIT("a\"b"), .jwks_url = SLICE_INIT("ftp://127.0.0.1:1/keys") },
        { .name = SLICE_INIT("local"), .jwks_file = SLICE_INIT("keys.json") },
    };
    expect(65536, "");
    assert_ok(key_source_set(source, issuers, 3));
    struct key_document document = { issuers[0].name, issuers[0].jwks_url, SLICE(KEY), 0,
                                     loop.now - 2500 * NS_PER_MS };
    key_source_inherit(source, &document);
    expect(65536,
           "sallyport_issuer_has_keys{issuer=\"main\"} 1\nsallyport_issuer_has_keys{issuer=\"a\\\"b\"} 0\n");
    expect(
        65536,
        "# TYPE sallyport_issuer_keys_age_seconds gauge\nsallyport_issuer_keys_age_seconds{issuer=\"main\"} "
        "2.500\n# HELP");
    expect(65536, "sallyport_issuer_fetches_total{issuer=\"main\"} 0\n");
    for (size_t room = 1; room < 1024; room += 64) {
        expect(room, NULL);
    }
    document.fetched_at = loop.now + NS_PER_S; /* from a clock that is not ours */
    issuers[0].name = SLICE("other");
    document.issuer_name = issuers[0].name;
    assert_ok(key_source_set(source, issuers, 3));
    key_source_inherit(source, &document);
    expect(65536, "sallyport_issuer_has_keys{issuer=\"other\"} 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(issuers_tell_of_their_keys, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
