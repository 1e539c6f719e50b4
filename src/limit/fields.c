#include "base/clock.h"
#include "limit/state.h"

struct text {
    char *out;
    size_t len, size;
    bool full;
};

static void put(struct text *text, char c)
{
    if (text->len == text->size) {
        text->full = true;
        return;
    }
    text->out[text->len++] = c;
}

static void put_string(struct text *text, const char *string)
{
    for (; *string != '\0'; string++) {
        put(text, *string);
    }
}

/* sf-string (RFC 9651 section 4.1.6). */
static void put_quoted(struct text *text, struct slice string)
{
    put(text, '"');
    for (size_t i = 0; i < string.len; i++) {
        if (string.ptr[i] == '"' || string.ptr[i] == '\\') {
            put(text, '\\');
        }
        put(text, string.ptr[i]);
    }
    put(text, '"');
}

/* sf-integer: at most 15 digits. */
static void put_number(struct text *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    value = value > UINT64_C(999999999999999) ? UINT64_C(999999999999999) : value;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (at < sizeof digits) {
        put(text, digits[at++]);
    }
}

static uint64_t seconds_rounded_up(int64_t ns)
{
    return ns > 0 ? (uint64_t)((ns + NS_PER_S - 1) / NS_PER_S) : 0;
}

size_t limit_policy_field(const struct limit_key *keys, size_t count, char *out, size_t size)
{
    struct text text = { .out = out, .size = size };
    for (size_t i = 0; i < count; i++) {
        struct rule rule = { 0 };
        rule_init(&rule, keys[i].settings);
        put_string(&text, i > 0 ? ", " : "");
        put_quoted(&text, keys[i].settings->name);
        put_string(&text, ";q=");
        put_number(&text, rule.count);
        put_string(&text, ";w=");
        put_number(&text, seconds_rounded_up(rule.is_rate ? rule.full : rule.window));
    }
    return text.full ? 0 : text.len;
}

size_t limit_state_field(const struct limit_key *keys, const struct limit_answer *answer, char *out,
                         size_t size)
{
    struct text text = { .out = out, .size = size };
    put_quoted(&text, keys[answer->tightest].settings->name);
    put_string(&text, ";r=");
    put_number(&text, answer->remaining);
    put_string(&text, ";t=");
    put_number(&text, seconds_rounded_up(answer->reset));
    return text.full ? 0 : text.len;
}
