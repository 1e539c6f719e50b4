/* Answers of introspection endpoints: whatever comes, it is nonsense, or says yes or no; and who passes by a yes has an audience of
 * ours and no binding that was not proven. */
#include <stdlib.h>
#include <string.h>

#include "auth/dpop_settings.h"
#include "auth/introspection_answer.h"
#include "base/clock.h"
#include "base/limits.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static void check_active(const struct json *payload)
{
    static struct slice names[] = { SLICE_INIT("orders") };
    static const struct introspection_settings settings = { .audiences = { names, 1 },
                                                            .clock_skew = 30 * NS_PER_S };
    static const struct introspection_settings bound = { .audiences = { names, 1 }, .dpop = DPOP_ALLOWED };
    static const struct introspection_moment moment = { .now = 1700000000 };
    struct claims claims;
    const struct json *active = json_get(payload, SLICE("active"));
    CHECK(active != NULL && active->type == JSON_BOOL && active->boolean);
    claims_read_payload(payload, &claims);
    CHECK(!claims.wrong_type && claims_scopes(payload, NULL, 0) <= JWT_SCOPES_MAX);
    enum deny_reason reason = introspection_check(&claims, &settings, &moment);
    CHECK(reason != DENY_INTERNAL);
    /* With a proof of a key, nobody passes who is not bound to it. */
    static const unsigned char key[32] = { 0 };
    const struct introspection_moment proven = { .now = moment.now, .proof_key = key };
    CHECK(introspection_check(&claims, &bound, &proven) != DENY_NONE ||
          (claims.binding == CLAIMS_BOUND_KEY && memcmp(claims.thumbprint, key, sizeof key) == 0));
    if (reason == DENY_NONE) {
        CHECK(json_get(payload, SLICE("cnf")) == NULL && json_get(payload, SLICE("aud")) != NULL);
        CHECK(!claims.has_expires || claims.expires + 30 > moment.now);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct json *payload = NULL;
    arena_init(&arena, JWT_TREE_MAX);
    enum deny_reason reason = introspection_answer_read(slice_of((const char *)data, size), &arena, &payload);
    CHECK((reason == DENY_NONE) == (payload != NULL));
    CHECK(reason == DENY_NONE || reason == DENY_TOKEN_INACTIVE || reason == DENY_INTROSPECTION_ANSWER ||
          reason == DENY_INTERNAL);
    if (reason == DENY_NONE) {
        check_active(payload);
    }
    arena_done(&arena);
    return 0;
}
