/* The cases of http-desync-guardian: what is Severe or Ambiguous is refused, or has one reading only; what is Compliant
 * passes. Deviations are listed by name, with their reason. */
#include "suite.h"
#include "verdict.h"

#include "http/uri.h"

/* Compliant by that library, refused here. */
static const char *const refused_on_purpose[] = {
    /* Only "chunked", once, is a transfer coding here: a gateway that does not decode gzip must not pass it on as if it
     * had, and combinations are what readers disagree about. */
    "Correct TE OK",
    "Transfer-Encoding: identity and chunked OK",
    "Multiple transfer encoding headers in a single request OK",
    "TE with custom parameters OK",
    "Different Transfer-Encoding headers",
    "Different Transfer-Encoding headers combined",
    "Transfer-Encoding with a param: chunked;custom_param",
    /* Its target has '#', spaces and quotes: no request target by RFC 9112 section 3.2. */
    "Compliant URL",
    /* Two spaces: a request line has single ones, and a target. */
    "Empty URI",
    /* Encoded control characters in a path are refused by the canonical form. */
    "%09 in URI is OK",
    "%0D in URI is OK",
    "%0A in URI is OK",
};

/* Ambiguous by that library, accepted here: the framing is plain by RFC 9112, and the gateway writes its own. */
static const char *const one_reading_only[] = {
    "Get with a body and Content-Length",
    "Get with a body and Transfer-Encoding",
    "Head with a body and Content-Length",
    "Head with a body and Transfer-Encoding",
    "Has a CL in GET",
    "Has a TE in GET",
};

static bool listed(struct slice name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(name, slice_from_string(list[i]))) {
            return true;
        }
    }
    return false;
}

#define LISTED(name, list) listed((name), (list), sizeof(list) / sizeof(list)[0])

static bool target_passes(const struct http_request *request)
{
    char out[HTTP_TARGET_MAX];
    struct uri_target target;
    struct slice path;
    return uri_parse_target(request->target, request->method, &target) == URI_OK &&
           uri_canonical_path(target.path, 0, out, &path) == URI_OK;
}

static bool passes(struct slice text)
{
    static struct header items[HTTP_HEADERS_MAX];
    struct h1_parser parser;
    struct http_request request;
    struct verdict verdict = verdict_split(text, VERDICT_REQUEST, NULL);
    assert_int_not_equal(verdict.result, H1_PARTIAL);
    h1_parser_init_request(&parser, &verdict_limits);
    if (h1_parse(&parser, text.ptr, text.len) != H1_DONE) {
        return false;
    }
    h1_take_request(&parser, text.ptr, items, HTTP_HEADERS_MAX, &request);
    return target_passes(&request);
}

struct counts {
    size_t seen, wrong, deviations;
};

static void visit(struct slice line, void *state)
{
    struct counts *counts = state;
    struct slice text, name = suite_string(line, "name");
    /* `tier` stands for each header too: the message's own comes first. */
    struct slice tier = suite_string(line, "tier");
    if (!suite_bytes(line, "raw_host_b64", &text)) {
        assert_true(suite_bytes(line, "raw_b64", &text));
    }
    bool passed = passes(text), right = true;
    if (slice_equal(tier, SLICE("Compliant"))) {
        bool deviates = LISTED(name, refused_on_purpose);
        right = passed != deviates;
        counts->deviations += deviates;
    } else if (slice_equal(tier, SLICE("Severe"))) {
        right = !passed;
    } else if (slice_equal(tier, SLICE("Ambiguous"))) {
        bool plain = LISTED(name, one_reading_only);
        right = passed == plain;
        counts->deviations += plain;
    }
    if (!right) {
        printf("%.*s: %.*s: %s\n", SLICE_ARG(tier), SLICE_ARG(name), passed ? "passed" : "refused");
        counts->wrong++;
    }
    counts->seen++;
    free((char *)text.ptr);
}

static void test_desync_guardian(void **state)
{
    (void)state;
    struct counts counts = { 0 };
    if (!suite_each("http-desync-guardian/cases.jsonl", visit, &counts)) {
        skip();
    }
    printf("%zu cases, %zu deliberate deviations\n", counts.seen, counts.deviations);
    assert_int_equal(counts.seen, 159);
    assert_int_equal(counts.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_desync_guardian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
