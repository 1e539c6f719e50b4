#include "loading.h"

#define LISTENER "listeners: { a: { port: 8080, plaintext: allow } }\n"

static void what_has_no_effect_is_refused(void **state)
{
    (void)state;
    /* clang-format off */
    assert_text_tells(LISTENER
            "upstreams:\n"
            "  a: { endpoints: http://127.0.0.1:1, balance: fastest }\n"
            "  b: { endpoints: http://127.0.0.1:1, balance: hash }\n"
            "  c: { endpoints: http://127.0.0.1:1, balance: hash, hash_by: session }\n"
            "  d: { endpoints: http://127.0.0.1:1, hash_by: caller }\n"
            "  e: { endpoints: http://127.0.0.1:1, max_load: 150 }\n"
            "  f: { endpoints: http://127.0.0.1:1, balance: hash, hash_by: \"header:X User\", max_load: 100 }\n"
            "  g: { endpoints: [{ url: \"http://127.0.0.1:1\", weight: 2 }], balance: p2c }\n"
            "  h: { endpoints: [{ weight: 2 }, { url: \"http://127.0.0.1:1\", weight: 0 }], balance: weighted }\n"
            "  j: { endpoints: http://127.0.0.1:1, zone_spill: 50 }\n"
            "  k: { endpoints: [{ url: \"http://127.0.0.1:1\", zone: a }, http://127.0.0.1:2], zone_spill: 50 }\n"
            "  l: { endpoints: [http://127.0.0.1:1, http://127.0.0.1:2], outliers: { failures: 0, min_requests: 5, ejection: 10m } }\n"
            "  m: { endpoints: http://127.0.0.1:1, outliers: {} }\n"
            "  i: { endpoints: { url: \"http://127.0.0.1:1\" } }\n",
            "c.yaml:1:1: warning: there are no routes: every request is answered 404\n"
            "c.yaml:1:31: warning: listeners.a.plaintext: credentials will come in plain text from outside\n"
            "c.yaml:3:39: error: upstreams.a.balance: one of round_robin, weighted, least_requests, p2c, hash is wanted here, not \"fastest\"\n"
            "c.yaml:4:39: error: upstreams.b.balance: hash_by is missing: by what? As in `hash_by: caller` or `hash_by: cookie:session`\n"
            "c.yaml:5:54: error: upstreams.c.hash_by: it is caller, address, header:NAME or cookie:NAME, as in cookie:session\n"
            "c.yaml:6:39: error: upstreams.d.hash_by: a key has no effect here: write `balance: hash`\n"
            "c.yaml:7:39: error: upstreams.e.max_load: it has no effect here: write `balance: hash`\n"
            "c.yaml:8:54: error: upstreams.f.hash_by: it is caller, address, header:NAME or cookie:NAME, as in cookie:session\n"
            "c.yaml:8:80: error: upstreams.f.max_load: one endpoint has to be allowed more than the mean: from 101 on, as in 150; or 0: any\n"
            "c.yaml:9:49: error: upstreams.g.endpoints[0].weight: weights have no effect here: write `balance: weighted`\n"
            "c.yaml:10:20: error: upstreams.h.endpoints[0]: url is missing: every endpoint needs it, as in \"url: https://10.0.0.5:9001\"\n"
            "c.yaml:10:64: error: upstreams.h.endpoints[1].weight: a whole number from 1 to 1000 is wanted here, not \"0\", as in \"weight: 1\"\n"
            "c.yaml:11:39: error: upstreams.j.zone_spill: no endpoint has a zone: it has no effect; as in `endpoints: [{ url: https://10.0.0.5:9001, zone: a }]`\n"
            "c.yaml:12:49: warning: upstreams.k.endpoints[0].zone: zones have no effect: this gateway has none; say at the top where it stands, as in `zone: a`\n"
            "c.yaml:13:61: error: upstreams.l.outliers: the longest ejection is at least as long as the first one, `ejection`: say `max_ejection`, too\n"
            "c.yaml:13:73: error: upstreams.l.outliers.failures: nothing would ever eject an endpoint: leave `failures` at 5, or say a `success_gap`, as in 20\n"
            "c.yaml:13:86: error: upstreams.l.outliers.min_requests: it has no effect without `success_gap`, as in 20\n"
            "c.yaml:14:39: warning: upstreams.m.outliers: there is one endpoint: it is never ejected, since no other one could take its requests\n"
            "c.yaml:15:8: error: upstreams.i.endpoints: a text or a list of texts is wanted here, not a map, as in \"endpoints: [https://10.0.0.5:9001]\"\n");
    /* clang-format on */
}

static void zones_are_those_of_the_gateway_or_not(void **state)
{
    (void)state;
    struct loading loading;
    const struct upstream_settings *upstreams =
        load_text(&loading, "zone: a\n" LISTENER "upstreams:\n"
                            "  one: { endpoints: [{ url: \"http://127.0.0.1:1\", zone: a }, { url: "
                            "\"http://127.0.0.1:2\", zone: b }, "
                            "http://127.0.0.1:3], zone_spill: 50, panic_threshold: 30 }\n"
                            "  other: { endpoints: [{ url: \"http://127.0.0.1:1\", zone: b }] }\n"
                            "  same: { endpoints: [{ url: \"http://127.0.0.1:1\", zone: a }] }\n")
            ->settings.upstreams;
    assert_true(upstreams[0].has_local);
    assert_int_equal(upstreams[0].parsed[0].tier, 0);
    assert_int_equal(upstreams[0].parsed[1].tier, 1);
    assert_int_equal(upstreams[0].parsed[2].tier, 1);
    assert_int_equal(upstreams[0].zone_spill, 50);
    assert_int_equal(upstreams[0].panic_threshold, 30);
    assert_false(upstreams[1].has_local || upstreams[2].has_local);
    assert_int_equal(upstreams[1].zone_spill, 70);
    loading_done(&loading);
}

static void what_is_said_is_taken(void **state)
{
    (void)state;
    struct loading loading;
    loading_init(&loading);
    loading_file(
        &loading, "c.yaml",
        SLICE(LISTENER
              "upstreams:\n"
              "  a: { endpoints: [{ url: \"http://127.0.0.1:1\", weight: 3 }, \"http://127.0.0.1:2\"], "
              "balance: weighted }\n"
              "  b: { endpoints: http://127.0.0.1:1, balance: hash, hash_by: cookie:sid, max_load: 125 }\n"
              "  c: { endpoints: [http://127.0.0.1:1], balance: hash, hash_by: header:X-User }\n"
              "  d: { endpoints: [http://127.0.0.1:1] }\n"));
    loading_load(&loading, NULL, 0);
    const struct upstream_settings *upstreams = loading.config->settings.upstreams;
    assert_int_equal(upstreams[0].balance, BALANCE_WEIGHTED);
    assert_int_equal(upstreams[0].parsed[0].weight, 3);
    assert_int_equal(upstreams[0].parsed[1].weight, 1);
    assert_slice(upstreams[0].parsed[1].url, "http://127.0.0.1:2");
    assert_int_equal(upstreams[1].hash_source.by, BALANCE_BY_COOKIE);
    assert_slice(upstreams[1].hash_source.name, "sid");
    assert_int_equal(upstreams[1].max_load, 125);
    assert_int_equal(upstreams[2].hash_source.by, BALANCE_BY_HEADER);
    assert_int_equal(upstreams[3].balance, BALANCE_ROUND_ROBIN);
    loading_done(&loading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_effect_is_refused),
        cmocka_unit_test(zones_are_those_of_the_gateway_or_not),
        cmocka_unit_test(what_is_said_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
