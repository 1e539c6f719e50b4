#include "upstream/fallback.h"

#include "http/headers.h"

enum status {
    STATUS_500,
    STATUS_502,
    STATUS_503,
    STATUS_504,
    STATUS_COUNT,
};

static const struct conf_choice statuses[] = {
    { "500", STATUS_500, "" },
    { "502", STATUS_502, "" },
    { "503", STATUS_503, "" },
    { "504", STATUS_504, "" },
    { 0 },
};

static const unsigned int numbers[STATUS_COUNT] = { 500, 502, 503, 504 };

static const struct conf_field fallback_fields[] = {
    { .name = "upstream",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct fallback_settings, upstream),
      .example = "orders-archive",
      .help =
          "Name of the upstream that is asked instead, as long as nothing of the request's body has gone." },
    { .name = "status",
      .type = CONF_INTEGER,
      .offset = offsetof(struct fallback_settings, status),
      .minimum = 200,
      .maximum = 599,
      .help = "Or the status of a response of the gateway's own." },
    { .name = "content_type",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct fallback_settings, content_type),
      .help = "The response's Content-Type." },
    { .name = "body",
      .type = CONF_STRING,
      .flags = CONF_LINES,
      .offset = offsetof(struct fallback_settings, body),
      .help = "The response's body, as it is written here; of one line or several." },
    { .name = "statuses",
      .type = CONF_FLAGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct fallback_settings, statuses),
      .choices = statuses,
      .help = "Answers of the upstream that are as good as none. Default: each answer is one." },
    { 0 },
};

const struct conf_object fallback_object = {
    .name = "fallback",
    .size = sizeof(struct fallback_settings),
    .fields = fallback_fields,
    .scalar = "upstream",
    .help = "Who answers where the upstream gives no answer: it cannot be reached, breaks off or is late "
            "before a response's "
            "head, has no connection left, or its breaker is open. Callers are proven and authorized all the "
            "same.",
};

const char *fallback_check(const struct fallback_settings *settings)
{
    bool says_response = settings->status != 0 || settings->content_type.len > 0 || settings->body.len > 0;
    if (settings->upstream.len > 0 && says_response) {
        return "either an upstream or a response (status, content_type, body)";
    }
    if (settings->upstream.len == 0 && settings->status == 0) {
        return "say who answers: an upstream, or a response's status";
    }
    if (settings->body.len > 0 && (settings->status == 204 || settings->status == 304)) {
        return "a response of this status has no body";
    }
    if (settings->body.len > 0 && settings->content_type.len == 0) {
        return "a body needs its content_type: browsers would guess";
    }
    if (settings->content_type.len > 0 && !http_field_value_valid(settings->content_type)) {
        return "content_type: this cannot stand in a header";
    }
    return settings->content_type.len == 0 || slice_find(settings->content_type, '/') > 0
               ? NULL
               : "content_type: a media type is wanted, as in application/json";
}

bool fallback_covers(const struct fallback_settings *settings, unsigned int status)
{
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (numbers[i] == status) {
            return (settings->statuses & UINT64_C(1) << i) != 0;
        }
    }
    return false;
}
