#include "h1_heads.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const enum http_method methods[] = { METHOD_GET, METHOD_HEAD, METHOD_CONNECT };
    const char *data = (const char *)bytes;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct h1_parser parser, pieces;
        h1_parser_init_response(&parser, &fuzz_limits, methods[i]);
        struct fuzz_verdict whole = fuzz_parse(&parser, data, size, 0, 0);
        for (unsigned int step = 1; step <= 64; step *= 8) {
            h1_parser_init_response(&pieces, &fuzz_limits, methods[i]);
            fuzz_same(whole, fuzz_parse(&pieces, data, size, step, (unsigned int)size));
        }
        if (whole.result != H1_DONE) {
            continue;
        }
        struct header items[HTTP_HEADERS_MAX];
        struct http_response response;
        h1_take_response(&parser, data, items, HTTP_HEADERS_MAX, &response);
        fuzz_headers(&response.headers, data, whole.head_length);
        fuzz_within(response.reason, data, whole.head_length);
        CHECK(response.status >= 100 && response.status <= 599);
        CHECK(response.body != BODY_CLOSE || !response.keep_alive);
        bool bodyless = methods[i] == METHOD_HEAD || response.status < 200 || response.status == 204 ||
                        response.status == 304 || (methods[i] == METHOD_CONNECT && response.status < 300);
        CHECK(bodyless == (response.body == BODY_NONE));
    }
    return 0;
}
