/* A request and an authorizer, for the tests of what is asked and of what is remembered. */
#ifndef SALLYPORT_TESTS_EXTERNAL_ASKING_H
#define SALLYPORT_TESTS_EXTERNAL_ASKING_H

#include "told.h"

struct asking {
    struct arena arena;
    struct fields fields;
    struct principal principal;
    struct conf_pair pairs[2];
    struct slice by[8], names[8];
    struct decision_cache_settings cache;
    struct authorizer_settings settings;
    struct external_request request;
    struct external_fields found;
};

static inline void asking_init(struct asking *asking)
{
    memset(asking, 0, sizeof *asking);
    arena_init(&asking->arena, 1 << 20);
    fields_init(&asking->fields);
    asking->names[0] = SLICE("Authorization");
    asking->names[1] = SLICE("Cookie");
    asking->names[2] = SLICE("X-Tenant");
    asking->pairs[0] = (struct conf_pair){ SLICE("X-Caller"), SLICE("subject") };
    asking->settings = (struct authorizer_settings){
        .name = SLICE("sso"),
        .url = SLICE("http://127.0.0.1:9000/verify"),
        .request_headers = { asking->names, 3 },
        .identity_headers = { asking->pairs, 1 },
    };
    asking->request = (struct external_request){
        .method = SLICE("POST"),
        .host = SLICE("api.example"),
        .port = 8443,
        .is_tls = true,
        .path = SLICE("/a"),
        .query = SLICE_NONE,
        .headers = &asking->fields.list,
        .principal = &asking->principal,
        .request_id = SLICE("id-1"),
    };
    assert_true(address_parse(SLICE("192.0.2.7"), &asking->request.client));
}

static inline enum deny_reason asking_look(struct asking *asking)
{
    return external_fields_of(&asking->settings, &asking->request, &asking->arena, &asking->found);
}

#endif
