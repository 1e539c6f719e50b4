#include "base/clock.h"
#include "base/decimal.h"
#include "limit/state.h"

#include <assert.h>

/* One member: a name, escaped, and two parameters. */
#define MEMBER_MAX (2 * LIMIT_NAME_MAX + 2 + sizeof ";q=;w=, " + 2 * DECIMAL_MAX)

static bool needs_escape(char c)
{
    return c == '"' || c == '\\';
}

/* sf-string (RFC 9651 section 4.1.6). */
static char *put_quoted(char *at, struct slice string)
{
    assert(string.len <= LIMIT_NAME_MAX); /* the configuration's reader has seen to it */
    *at++ = '"';
    for (size_t i = 0; i < string.len; i++) {
        if (needs_escape(string.ptr[i])) {
            *at++ = '\\';
        }
        *at++ = string.ptr[i];
    }
    *at++ = '"';
    return at;
}

/* ;NAME=VALUE, the value an sf-integer: at most 15 digits. */
static char *put_parameter(char *at, char name, uint64_t value)
{
    const uint64_t most = UINT64_C(999999999999999);
    memcpy(at, (const char[]){ ';', name, '=' }, 3);
    return decimal_put(at + 3, value < most ? value : most);
}

static uint64_t seconds_rounded_up(int64_t ns)
{
    return ns > 0 ? (uint64_t)((ns + NS_PER_S - 1) / NS_PER_S) : 0;
}

/* Behind the `len` bytes that are there. Returns the new length, 0 where there is no room. */
static size_t append(char *out, size_t len, size_t size, const char *member, const char *end)
{
    size_t more = (size_t)(end - member);
    if (more > size - len) {
        return 0;
    }
    memcpy(out + len, member, more);
    return len + more;
}

size_t limit_policy_field(const struct limit_key *keys, size_t count, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        char member[MEMBER_MAX] __attribute__((uninitialized));
        struct rule rule = { 0 };
        rule_init(&rule, keys[i].settings);
        char *at = member;
        if (i > 0) {
            *at++ = ',';
            *at++ = ' ';
        }
        at = put_quoted(at, keys[i].settings->name);
        at = put_parameter(at, 'q', rule.count);
        at = put_parameter(at, 'w', seconds_rounded_up(rule.is_rate ? rule.full : rule.window));
        len = append(out, len, size, member, at);
        if (len == 0) {
            return 0;
        }
    }
    return len;
}

size_t limit_state_field(const struct limit_key *keys, const struct limit_answer *answer, char *out,
                         size_t size)
{
    char member[MEMBER_MAX] __attribute__((uninitialized));
    char *at = put_quoted(member, keys[answer->tightest].settings->name);
    at = put_parameter(at, 'r', answer->remaining);
    at = put_parameter(at, 't', seconds_rounded_up(answer->reset));
    return append(out, 0, size, member, at);
}
