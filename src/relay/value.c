#include "relay/value.h"

#include "http/headers.h"

enum expression_kind {
    EXPRESSION_BAD,
    EXPRESSION_TEXT,
    EXPRESSION_SUBJECT,
    EXPRESSION_ISSUER,
    EXPRESSION_CLIENT_ID,
    EXPRESSION_SCOPES,
    EXPRESSION_ROLES,
    EXPRESSION_CLAIM,
};

static enum expression_kind parse(struct slice expression, struct slice *ret_argument)
{
    static const struct {
        struct slice word;
        enum expression_kind kind;
    } words[] = {
        { SLICE_INIT("subject"), EXPRESSION_SUBJECT },     { SLICE_INIT("issuer"), EXPRESSION_ISSUER },
        { SLICE_INIT("client_id"), EXPRESSION_CLIENT_ID }, { SLICE_INIT("scopes"), EXPRESSION_SCOPES },
        { SLICE_INIT("roles"), EXPRESSION_ROLES },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(expression, words[i].word)) {
            return words[i].kind;
        }
    }
    if (principal_claim_reference(expression, ret_argument)) {
        return EXPRESSION_CLAIM;
    }
    if (expression.len >= 2 && expression.ptr[0] == '\'' && expression.ptr[expression.len - 1] == '\'') {
        *ret_argument = slice_part(expression, 1, expression.len - 2);
        return EXPRESSION_TEXT;
    }
    return EXPRESSION_BAD;
}

/* White space at the ends is stripped on the way: the receiver would see another value than the issuer signed. */
static bool is_faithful(struct slice value)
{
    return http_field_value_valid(value) && slice_trim(value).len == value.len;
}

const char *value_expression_problem(struct slice expression)
{
    struct slice argument = SLICE_NONE;
    switch (parse(expression, &argument)) {
    case EXPRESSION_BAD:
        return "a header's value is claims.NAME, subject, issuer, client_id, scopes, roles or 'text'";
    case EXPRESSION_TEXT:
        if (argument.len == 0) {
            return "the text of a header is empty";
        }
        return is_faithful(argument) ? NULL : "the text holds characters that no header value may hold";
    case EXPRESSION_SUBJECT:
    case EXPRESSION_ISSUER:
    case EXPRESSION_CLIENT_ID:
    case EXPRESSION_SCOPES:
    case EXPRESSION_ROLES:
    case EXPRESSION_CLAIM:
        break;
    }
    return NULL;
}

/* One value of a claim that is no array. Null is as good as absent. */
static struct error scalar_of(const struct json *claim, struct slice *ret_value)
{
    switch (claim->type) {
    case JSON_STRING:
    case JSON_NUMBER:
        *ret_value = claim->text;
        return OK;
    case JSON_BOOL:
        *ret_value = claim->boolean ? SLICE("true") : SLICE("false");
        return OK;
    case JSON_NULL:
        *ret_value = SLICE("");
        return OK;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return FAIL(ERROR_VALUE, "a claim for a header is an object or a nested array");
}

/* Joins; an element that holds the first character of the separator would read as two, and fails. */
struct joined {
    char *out;
    size_t len;
    struct slice separator;
};

static struct error join(struct joined *joined, struct slice element)
{
    if (slice_find(element, joined->separator.ptr[0]) >= 0) {
        return FAIL(ERROR_VALUE, "an element of a header's list holds the list's separator");
    }
    if (element.len == 0) {
        return OK;
    }
    if (joined->len > 0) {
        memcpy(joined->out + joined->len, joined->separator.ptr, joined->separator.len);
        joined->len += joined->separator.len;
    }
    memcpy(joined->out + joined->len, element.ptr, element.len);
    joined->len += element.len;
    return OK;
}

static struct error array_of(const struct json *claim, struct arena *arena, struct slice *ret_value)
{
    size_t size = 0;
    for (size_t i = 0; i < claim->count; i++) {
        struct slice element;
        TRY(scalar_of(&claim->items[i], &element));
        size += element.len + 2;
    }
    struct joined joined = { .out = arena_alloc(arena, size), .separator = SLICE(", ") };
    if (joined.out == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a header");
    }
    for (size_t i = 0; i < claim->count; i++) {
        struct slice element;
        TRY(scalar_of(&claim->items[i], &element));
        TRY(join(&joined, element));
    }
    *ret_value = slice_of(joined.out, joined.len);
    return OK;
}

static struct error texts_of(const struct slice *texts, size_t count, struct slice separator,
                             struct arena *arena, struct slice *ret_value)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += texts[i].len + separator.len;
    }
    struct joined joined = { .out = arena_alloc(arena, size), .separator = separator };
    if (joined.out == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a header");
    }
    for (size_t i = 0; i < count; i++) {
        TRY(join(&joined, texts[i]));
    }
    *ret_value = slice_of(joined.out, joined.len);
    return OK;
}

static struct error claim_of(struct slice path, const struct principal *principal, struct arena *arena,
                             struct slice *ret_value)
{
    const struct json *claim = principal_claim(principal, path);
    if (claim == NULL) {
        *ret_value = SLICE("");
        return OK;
    }
    return claim->type == JSON_ARRAY ? array_of(claim, arena, ret_value) : scalar_of(claim, ret_value);
}

static struct error identity_of(enum expression_kind kind, struct slice argument,
                                const struct principal *principal, struct arena *arena,
                                struct slice *ret_value)
{
    *ret_value = SLICE("");
    if (principal == NULL || principal->kind == PRINCIPAL_ANONYMOUS) {
        return OK;
    }
    switch (kind) {
    case EXPRESSION_SUBJECT:
        *ret_value = principal->subject;
        return OK;
    case EXPRESSION_ISSUER:
        *ret_value = principal->issuer;
        return OK;
    case EXPRESSION_CLIENT_ID:
        *ret_value = principal->client_id;
        return OK;
    case EXPRESSION_SCOPES:
        return texts_of(principal->scopes, principal->scope_count, SLICE(" "), arena, ret_value);
    case EXPRESSION_ROLES: /* which may hold spaces */
        return texts_of(principal->roles, principal->role_count, SLICE(", "), arena, ret_value);
    case EXPRESSION_CLAIM:
        return claim_of(argument, principal, arena, ret_value);
    case EXPRESSION_BAD:
    case EXPRESSION_TEXT:
        break;
    }
    return FAIL(ERROR_STATE, "an expression that was not checked");
}

struct error value_of(struct slice expression, const struct principal *principal, struct arena *arena,
                      struct slice *ret_value)
{
    struct slice argument = SLICE_NONE;
    struct slice value = SLICE_NONE;
    enum expression_kind kind = parse(expression, &argument);
    if (kind == EXPRESSION_TEXT) {
        value = argument;
    } else {
        TRY(identity_of(kind, argument, principal, arena, &value));
    }
    if (!is_faithful(value)) {
        return FAIL(ERROR_VALUE, "a value for a header holds characters that no header value may hold");
    }
    *ret_value = value;
    return OK;
}
