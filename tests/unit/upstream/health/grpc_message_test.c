#include "unit.h"

#include "upstream/health/grpc_message.h"

#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)

static void test_request(void **state)
{
    (void)state;
    char out[GRPC_HEALTH_REQUEST_MAX];
    assert_int_equal(grpc_health_request(SLICE(""), out), 5);
    assert_memory_equal(out, "\0\0\0\0\0", 5);
    assert_int_equal(grpc_health_request(SLICE("a.B"), out), 10);
    assert_memory_equal(out, "\0\0\0\0\5\x0a\3a.B", 10);
    char name[HEALTH_SERVICE_MAX];
    memset(name, 'n', sizeof name);
    assert_int_equal(grpc_health_request(slice_of(name, 127), out), 5 + 2 + 127);
    assert_memory_equal(out, "\0\0\0\0\x81\x0a\x7fn", 8);
    assert_int_equal(grpc_health_request(slice_of(name, 128), out), 5 + 3 + 128);
    assert_memory_equal(out, "\0\0\0\0\x83\x0a\x80\x01n", 9);
    assert_int_equal(grpc_health_request(slice_of(name, sizeof name), out), sizeof out);
    assert_memory_equal(out, "\0\0\0\1\2\x0a\xff\x01n", 9);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        struct slice body;
        uint64_t status;
    } cases[] = {
        { SLICE_INIT("\0\0\0\0\0"), GRPC_SERVING_UNKNOWN },
        { SLICE_INIT("\0\0\0\0\2\x08\1"), GRPC_SERVING },
        { SLICE_INIT("\0\0\0\0\2\x08\2"), GRPC_NOT_SERVING },
        { SLICE_INIT("\0\0\0\0\2\x08\3"), GRPC_SERVICE_UNKNOWN },
        { SLICE_INIT("\0\0\0\0\2\x08\x63"), 99 },
        /* the last one counts */
        { SLICE_INIT("\0\0\0\0\4\x08\1\x08\2"), GRPC_NOT_SERVING },
        /* more bytes than it takes, and a negative number */
        { SLICE_INIT("\0\0\0\0\3\x08\x81\0"), GRPC_SERVING },
        { SLICE_INIT("\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), UINT64_MAX },
        /* fields that nobody knows, of each kind */
        { SLICE_INIT("\0\0\0\0\x0c\x10\x96\1\x1a\3abc\x08\1\x20\0"), GRPC_SERVING },
        { SLICE_INIT("\0\0\0\0\x0b\x29"
                     "12345678"
                     "\x08\1"),
          GRPC_SERVING },
        { SLICE_INIT("\0\0\0\0\7\x35"
                     "1234"
                     "\x08\1"),
          GRPC_SERVING },
        { SLICE_INIT("\0\0\0\0\x08\xf8\xff\xff\xff\x0f\5\x08\1"), GRPC_SERVING }, /* the largest number */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t status = 1234;
        const char *wrong = grpc_health_parse(cases[i].body, &status);
        if (wrong != NULL || status != cases[i].status) {
            fail_msg("case %zu: %s, %llu", i, wrong != NULL ? wrong : "taken", (unsigned long long)status);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        struct slice body;
        const char *why;
    } cases[] = {
        { SLICE_INIT(""), "no message" },
        { SLICE_INIT("\0\0\0\0"), "no message" },
        { SLICE_INIT("\1\0\0\0\2\x08\1"), "compressed" },
        { SLICE_INIT("\0\0\0\0\2\x08"), "cut off" },
        { SLICE_INIT("\0\xff\xff\xff\xff\x08\1"), "cut off" },
        { SLICE_INIT("\0\0\0\0\2\x08\1\0"), "more than one" },
        { SLICE_INIT("\0\0\0\0\2\x08\1\0\0\0\0\2\x08\1"), "more than one" },
        { SLICE_INIT("\0\0\0\0\1\x08"), "no HealthCheckResponse" },
        { SLICE_INIT("\0\0\0\0\2\x08\x81"), "no HealthCheckResponse" },
        { SLICE_INIT("\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
          "no HealthCheckResponse" },
        { SLICE_INIT("\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), "no HealthCheckResponse" },
        { SLICE_INIT("\0\0\0\0\2\0\1"), "no HealthCheckResponse" },                       /* field 0 */
        { SLICE_INIT("\0\0\0\0\7\x80\x80\x80\x80\x10\x08\1"), "no HealthCheckResponse" }, /* field 2^29 */
        { SLICE_INIT("\0\0\0\0\4\x13\x14\x08\1"), "no HealthCheckResponse" },             /* a group */
        { SLICE_INIT("\0\0\0\0\2\x17\1"), "no HealthCheckResponse" },                     /* wire type 7 */
        { SLICE_INIT("\0\0\0\0\4\x1a\3ab"), "no HealthCheckResponse" }, /* longer than there is */
        { SLICE_INIT("\0\0\0\0\x0b\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), "no HealthCheckResponse" },
        { SLICE_INIT("\0\0\0\0\5\x25"
                     "1234"),
          NULL },
        { SLICE_INIT("\0\0\0\0\4\x25"
                     "123"),
          "no HealthCheckResponse" },
        { SLICE_INIT("\0\0\0\0\x08\x29"
                     "1234567"),
          "no HealthCheckResponse" },
        { SLICE_INIT("\0\0\0\0\3\x0a\1\1"), "no number" }, /* a status that is a text */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t status = 1234;
        const char *wrong = grpc_health_parse(cases[i].body, &status);
        bool right =
            cases[i].why == NULL ? wrong == NULL : wrong != NULL && strstr(wrong, cases[i].why) != NULL;
        if (!right || (wrong != NULL && status != 1234)) {
            fail_msg("case %zu: %s", i, wrong != NULL ? wrong : "taken");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
