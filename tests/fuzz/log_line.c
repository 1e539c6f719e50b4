/* Log lines: whatever a client sends, a line is one line of JSON in UTF-8, with the members that it should have, within its
 * maximum, and nothing in it makes a terminal or a reader of lines act. */
#include "base/encoding.h"
#include "observe/line.h"
#include "json/json.h"

#include <stdlib.h>

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static void check_line(struct slice line)
{
    struct arena arena;
    struct json *json = NULL;
    struct slice method;
    arena_init(&arena, (size_t)1 << 20);
    CHECK(utf8_valid(line));
    for (size_t at = 0; at < line.len;) {
        uint32_t point;
        at += utf8_sequence(slice_from(line, at), &point);
        CHECK(point >= 0x20 && (point < 0x7f || point > 0x9f)); /* C0, DEL, C1 */
        CHECK(point < 0x2028 || point > 0x202e);                /* separators, embeddings, overrides */
        CHECK(point < 0x2066 || point > 0x2069);                /* isolates */
        CHECK(point != 0x061c && point != 0x200e && point != 0x200f);
    }
    CHECK(!failed(json_parse(line, 2, &arena, &json, NULL)));
    CHECK(json->type == JSON_OBJECT);
    CHECK(json_get_string(json, SLICE("method"), &method) && slice_equal(method, SLICE("GET")));
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char line[LINE_MAX_BODY];
    struct line_clock clock = { 0 };
    struct slice text = { (const char *)bytes, size };
    struct log_record record = {
        .time = size > 0 ? (int64_t)bytes[0] << 52 : 0,
        .request_id = text,
        .client = { .bytes = { 0x20, 1 } },
        .method = SLICE("GET"),
        .host = text,
        .path = text,
        .minor_version = size > 0 ? bytes[0] : 0,
        .reason = size > 0 ? (enum deny_reason)(bytes[0] % DENY_REASON_COUNT) : DENY_NONE,
        .detail = text,
        .subject = text,
        .user_agent = text,
        .grpc_status = size > 0 ? bytes[0] - 1 : -1,
        .upstream_duration = -1,
    };
    char *at = LINE_PUT(line, "{");
    at = line_record(at, &record, &clock);
    at = LINE_PUT(at, "}");
    CHECK((size_t)(at - line) <= LINE_MAX_BODY);
    check_line(slice_of(line, (size_t)(at - line)));
    return 0;
}
