#include "upstream/balance/settings.h"

#include "http/headers.h"

const char *balance_source_parse(struct slice text, struct balance_source *ret_source)
{
    static const struct {
        struct slice text;
        enum balance_by by;
        bool named;
    } sources[] = {
        { SLICE_INIT("caller"), BALANCE_BY_CALLER, false },
        { SLICE_INIT("address"), BALANCE_BY_ADDRESS, false },
        { SLICE_INIT("header:"), BALANCE_BY_HEADER, true },
        { SLICE_INIT("cookie:"), BALANCE_BY_COOKIE, true },
    };
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct slice rest = slice_from(text, sources[i].text.len < text.len ? sources[i].text.len : text.len);
        if (slice_starts_with(text, sources[i].text) &&
            (sources[i].named ? http_token_valid(rest) : rest.len == 0)) {
            *ret_source = (struct balance_source){ .by = sources[i].by, .name = rest };
            return NULL;
        }
    }
    return "it is caller, address, header:NAME or cookie:NAME";
}
