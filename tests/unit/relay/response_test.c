#include "messages.h"

static void test_response(void **state)
{
    (void)state;
    struct fields in, out;
    fields_init(&in);
    fields_init(&out);
    static const char *const dropped[] = {
        "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "TE",      "Trailer",  "Transfer-Encoding",
        "Upgrade",    "Content-Length",     "X-Request-Id",     "Alt-Svc", "X-Private"
    };
    static const char *const kept[] = { "Date",
                                        "Server",
                                        "Content-Type",
                                        "Content-Encoding",
                                        "ETag",
                                        "Location",
                                        "WWW-Authenticate",
                                        "Cache-Control",
                                        "X_Odd",
                                        "Retry-After",
                                        "Allow",
                                        "X-Forwarded-For" };
    fields_add(&in, "Connection", "keep-alive, X-Private");
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
        fields_add(&in, dropped[i], "v");
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        fields_add(&in, kept[i], "v");
    }
    fields_add(&in, "Set-Cookie", "a=1");
    fields_add(&in, "Set-Cookie", "b=2");
    struct http_response response = { .status = 200, .headers = in.list };
    assert_true(relay_build_response(&response, false, &out.list));
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
        assert_gone(&out.list, dropped[i]);
    }
    assert_gone(&out.list, "Connection");
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        assert_value(&out.list, kept[i], "v");
    }
    assert_int_equal(fields_count(&out.list, "Set-Cookie"), 2);
    out.list.count = 0;
    out.list.capacity = sizeof kept / sizeof kept[0] + 1;
    assert_false(relay_build_response(&response, false, &out.list));
}

static void test_a_response_that_lists_too_much(void **state)
{
    (void)state;
    struct fields in, out;
    fields_init(&in);
    fields_init(&out);
    fields_add(&in, "Connection", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6,7");
    struct http_response response = { .status = 200, .headers = in.list };
    assert_false(relay_build_response(&response, false, &out.list));
}

static void test_trailers(void **state)
{
    (void)state;
    struct fields in, out;
    fields_init(&in);
    fields_init(&out);
    static const char *const dropped[] = {
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Connection",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Content-Type",
        "Content-Encoding",
        "Content-Range",
        "Cache-Control",
        "Expect",
        "Max-Forwards",
        "Pragma",
        "Range",
        "TE",
        "Trailer",
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Age",
        "Expires",
        "Date",
        "Location",
        "Retry-After",
        "Vary",
        "Warning",
        "If-Match",
        "Access-Control-Allow-Origin",
        "X-Forwarded-For",
        "X-Real-IP",
        "X-User",
        "x_user",
        "X.User",
        "X_Other",
        "X-Request-Id",
        "traceparent",
        "tracestate",
        "Via",
        "X-HTTP-Method-Override",
        "Upgrade",
        "Strict-Transport-Security",
        "Content-Security-Policy",
    };
    static const char *const kept[] = { "grpc-status",   "grpc-message", "X-Checksum",
                                        "Server-Timing", "Digest",       "ETag" };
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
        fields_add(&in, dropped[i], "v");
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        fields_add(&in, kept[i], "v");
    }
    struct slice names[] = { SLICE_INIT("X-User") };
    struct conf_strings identity = { names, 1 };
    assert_true(relay_build_trailers(&in.list, &identity, &out.list));
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
        assert_gone(&out.list, dropped[i]);
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        assert_value(&out.list, kept[i], "v");
    }
    out.list.count = 0;
    out.list.capacity = 3;
    assert_false(relay_build_trailers(&in.list, &identity, &out.list));
    out.list.count = 0;
    out.list.capacity = 128;
    assert_true(relay_build_trailers(&in.list, NULL, &out.list));
    assert_value(&out.list, "X-User", "v");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_a_response_that_lists_too_much),
        cmocka_unit_test(test_trailers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
