#include "admin/when.h"

#include "base/clock.h"
#include "config/units.h"

bool when_parse(struct slice text, int64_t now, int64_t *ret_seconds)
{
    int64_t duration = 0;
    if (slice_equal(text, SLICE("never")) || slice_equal(text, SLICE("now"))) {
        *ret_seconds = text.len == 3 ? now : 0;
        return true;
    }
    if (units_parse_duration(text, &duration)) {
        *ret_seconds = now + duration / NS_PER_S;
        return true;
    }
    return clock_parse_date(text, ret_seconds);
}

bool when_parse_end(struct slice text, int64_t now, int64_t *ret_seconds)
{
    return when_parse(text, now, ret_seconds) && (*ret_seconds == 0 || *ret_seconds > now);
}

struct slice when_text(int64_t seconds, char out[WHEN_TEXT])
{
    if (seconds <= 0 || seconds > CLOCK_DATE_MAX) {
        return SLICE("-");
    }
    clock_print_date(seconds, out);
    return slice_of(out, CLOCK_DATE_SIZE - 1);
}

void when_write_json(struct json_writer *writer, struct slice name, int64_t seconds)
{
    char text[WHEN_TEXT];
    json_name(writer, name);
    if (seconds > 0) {
        json_string(writer, when_text(seconds, text));
    } else {
        json_null(writer);
    }
}
