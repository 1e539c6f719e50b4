/* Our reader against jansson: what both accept must be the same tree, and what only one accepts must have a reason. */
#include "unit.h"

#include "base/buffer.h"
#include "base/limits.h"
#include "json/json.h"
#include "json/oracle.h"

/* A tree as text that shows type and exact value of everything. */
static void describe(const struct json *value, struct buffer *out)
{
    static const char *const marks[] = { "n", "b", "", "s", "[", "{" };
    bool fits = buffer_append(out, slice_from_string(marks[value->type]));
    switch (value->type) {
    case JSON_BOOL:
        fits = fits && buffer_append_char(out, value->boolean ? '1' : '0');
        break;
    case JSON_NUMBER:
        fits = fits && (value->is_integer ? buffer_printf(out, "i%lld;", (long long)value->integer)
                                          : buffer_printf(out, "r%a;", value->number));
        break;
    case JSON_STRING:
        fits = fits && buffer_printf(out, "%zu:", value->text.len) && buffer_append(out, value->text);
        break;
    default:
        break;
    }
    for (size_t i = 0; value->type == JSON_ARRAY && i < value->count; i++) {
        describe(&value->items[i], out);
    }
    for (size_t i = 0; value->type == JSON_OBJECT && i < value->count; i++) {
        const struct json_member *member = &value->members[i];
        fits = fits && buffer_printf(out, "%zu:", member->name.len) && buffer_append(out, member->name);
        describe(&member->value, out);
    }
    fits = fits && (value->type < JSON_ARRAY || buffer_append_char(out, ']'));
    assert_true(fits);
}

/* True where both accept it. */
static bool compare(struct slice text)
{
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct json *ours = NULL;
    bool accepted = !failed(json_parse(text, JSON_DEPTH_MAX, &arena, &ours, NULL));
    struct buffer mine, theirs;
    buffer_init(&mine, 65536);
    buffer_init(&theirs, 65536);
    enum oracle_verdict verdict = oracle_describe(text, &theirs);
    bool both = accepted && verdict == ORACLE_ACCEPTS;
    if (both) {
        describe(ours, &mine);
    }
    if ((verdict != ORACLE_CANNOT && accepted != (verdict == ORACLE_ACCEPTS)) ||
        (both && !slice_equal(buffer_slice(&mine), buffer_slice(&theirs)))) {
        fail_msg("not the same: %.*s (we %s it, jansson says %.*s)", SLICE_ARG(text),
                 accepted ? "accept" : "refuse", SLICE_ARG(buffer_slice(&theirs)));
    }
    buffer_done(&mine);
    buffer_done(&theirs);
    arena_done(&arena);
    return both;
}

static const char *const documents[] = {
    "{\"iss\":\"https://"
    "idp.example.com\",\"sub\":\"u1\",\"aud\":[\"a\",\"b\"],\"exp\":1700000000,\"n\":-1.25e-3}",
    "[0,-0,1,10,1.0,1e5,1E-5,0.1,123456789012345678,-9223372036854775808,true,false,null,\"\",[],{}]",
    "{\"a\\u0041\\n\":\"\\ud834\\udd1e\\\"\\\\\\/"
    "\",\"\xc3\xa9\":\"\xe2\x82\xac\xf0\x9d\x84\x9e\",\"x\":{\"y\":[[[1]]]}}",
    " \t\r\n[ { \"a\" : 1 , \"b\" : [ ] } ] \n",
};

static void agrees_on_whole_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        assert_true(compare(slice_from_string(documents[i])));
    }
}

static void agrees_on_every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        for (size_t len = 0; len < strlen(documents[i]); len++) {
            compare(slice_of(documents[i], len));
        }
    }
}

/* Numbers from a fixed seed: a failure can be repeated. */
static uint32_t next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void agrees_on_mutations(void **state)
{
    (void)state;
    static const char interesting[] = "{}[]:,\"\\u0123eE+-.dD8tfn \t\x01\x7f\xc3\xa9\xed\xa0\xff";
    uint32_t seed = 20240607;
    int both = 0;
    for (int round = 0; round < 20000; round++) {
        char text[256];
        const char *from = documents[next(&seed) % (sizeof documents / sizeof *documents)];
        size_t len = strlen(from);
        memcpy(text, from, len);
        for (uint32_t changes = 1 + next(&seed) % 3; changes > 0; changes--) {
            text[next(&seed) % len] = interesting[next(&seed) % (sizeof interesting - 1)];
        }
        both += compare(slice_of(text, len)) ? 1 : 0;
    }
    assert_true(both > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_on_whole_documents),
        cmocka_unit_test(agrees_on_every_truncation),
        cmocka_unit_test(agrees_on_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
