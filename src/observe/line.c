#include "observe/line.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "base/log_text.h"
#include "net/address.h"

char *line_time(char *at, int64_t real_ns, struct line_clock *clock)
{
    if (real_ns < 0) {
        real_ns = 0;
    }
    int64_t second = real_ns / NS_PER_S;
    if (second != clock->second || clock->text[0] == '\0') {
        char date[CLOCK_RFC3339_SIZE];
        clock_rfc3339(real_ns, date);
        memcpy(clock->text, date, 19);
        clock->second = second;
    }
    unsigned int ms = (unsigned int)(real_ns % NS_PER_S / NS_PER_MS);
    *at++ = '"';
    memcpy(at, clock->text, 19);
    at += 19;
    *at++ = '.';
    *at++ = (char)('0' + ms / 100 % 10);
    *at++ = (char)('0' + ms / 10 % 10);
    *at++ = (char)('0' + ms % 10);
    *at++ = 'Z';
    *at++ = '"';
    return at;
}

/* ,"NAME":"TEXT" where there is a text. */
#define PUT_TEXT(at, name, text, maximum)                            \
    do {                                                             \
        if ((text).len > 0) {                                        \
            (at) = LINE_PUT((at), ",\"" name "\":\"");               \
            (at) = log_text_escape((at), (text), (size_t)(maximum)); \
            *(at)++ = '"';                                           \
        }                                                            \
    } while (0)

#define PUT_NUMBER(at, name, value)              \
    do {                                         \
        (at) = LINE_PUT((at), ",\"" name "\":"); \
        (at) = decimal_put((at), (value));       \
    } while (0)

/* Bytes that each field may take, escapes included. */
enum {
    MAX_ID = 64, /* request and trace */
    MAX_LISTENER = 64,
    MAX_ROUTE = 128,
    MAX_UPSTREAM = 64,
    MAX_ENDPOINT = 128,
    MAX_PROTOCOL = 16, /* of the client and the upstream */
    MAX_METHOD = 32,
    MAX_HOST = 256,
    MAX_PATH = 1024,
    MAX_ACTION = 32,
    MAX_DETAIL = 256,
    MAX_ISSUER = 256,
    MAX_SUBJECT = 256,
    MAX_CLIENT_ID = 128,
    MAX_TLS = 16,
    MAX_USER_AGENT = 256,
    MAX_REASON = 40,
    MAX_AUTHORIZER = 56,
    MAX_OUTCOME = 16,
    MAX_HEDGE = 12,  /* with its name the room of grpc_status: no call is hedged */
    MAX_CLOSED = 32, /* with its name the room of outcome: what the admin API is asked is no tunnel */
    MAX_CODING = 8,
    MAX_NUMBERS = 8 * 20 + 2 + 26, /* of tries; the time */
    MAX_NAMES = 502,
    MAX_ALL = 2 * MAX_ID + MAX_LISTENER + MAX_ROUTE + MAX_UPSTREAM + MAX_ENDPOINT + 2 * MAX_PROTOCOL +
              ADDRESS_TEXT_MAX + MAX_METHOD + MAX_HOST + MAX_PATH + MAX_ACTION + MAX_DETAIL + MAX_ISSUER +
              MAX_SUBJECT + MAX_CLIENT_ID + MAX_TLS + MAX_USER_AGENT + 3 * MAX_REASON + MAX_OUTCOME +
              MAX_AUTHORIZER + MAX_CLOSED + MAX_CODING + MAX_NUMBERS + MAX_NAMES,
};
_Static_assert(MAX_ALL <= LINE_MAX_BODY - 64, "a line of longest fields must fit");

static char *put_request(char *at, const struct log_record *record)
{
    static const char *const protocols[] = { "HTTP/1.0", "HTTP/1.1", "HTTP/2" };
    PUT_TEXT(at, "request_id", record->request_id, MAX_ID);
    PUT_TEXT(at, "trace_id", record->trace_id, MAX_ID);
    PUT_TEXT(at, "listener", record->listener, MAX_LISTENER);
    PUT_TEXT(at, "route", record->route, MAX_ROUTE);
    PUT_TEXT(at, "upstream", record->upstream, MAX_UPSTREAM);
    PUT_TEXT(at, "endpoint", record->endpoint, MAX_ENDPOINT);
    PUT_TEXT(at, "upstream_protocol", record->upstream_protocol, MAX_PROTOCOL);
    if (!address_is_none(&record->client)) {
        at = LINE_PUT(at, ",\"client\":\"");
        at += address_format(&record->client, at);
        *at++ = '"';
    }
    PUT_TEXT(at, "method", record->method, MAX_METHOD);
    PUT_TEXT(at, "host", record->host, MAX_HOST);
    PUT_TEXT(at, "path", record->path, MAX_PATH);
    if (record->minor_version < sizeof protocols / sizeof protocols[0]) {
        PUT_TEXT(at, "protocol", slice_from_string(protocols[record->minor_version]), MAX_PROTOCOL);
    }
    return at;
}

/* Where it agrees, or is over, there is nothing to tell. */
static char *put_candidate(char *at, const struct log_record *record)
{
    enum candidate_outcome outcome = record->candidate;
    if (outcome == CANDIDATE_WOULD_DENY || outcome == CANDIDATE_WOULD_ALLOW ||
        outcome == CANDIDATE_UNDECIDED) {
        PUT_TEXT(at, "candidate", slice_from_string(candidate_names[outcome]), MAX_OUTCOME);
    }
    if (record->candidate_reason > DENY_NONE && record->candidate_reason < DENY_REASON_COUNT) {
        PUT_TEXT(at, "candidate_reason", slice_from_string(deny_infos[record->candidate_reason].detail),
                 MAX_REASON);
    }
    return at;
}

char *line_record(char *at, const struct log_record *record, struct line_clock *clock)
{
    at = LINE_PUT(at, "\"time\":");
    at = line_time(at, record->time, clock);
    at = put_request(at, record);
    PUT_NUMBER(at, "status", record->status);
    if (record->grpc_status >= 0) {
        PUT_NUMBER(at, "grpc_status", (uint64_t)record->grpc_status);
    }
    if (record->reason > DENY_NONE && record->reason < DENY_REASON_COUNT) {
        PUT_TEXT(at, "reason", slice_from_string(deny_infos[record->reason].detail), MAX_REASON);
    }
    PUT_TEXT(at, "action", record->action, MAX_ACTION);
    PUT_TEXT(at, "outcome", record->outcome, MAX_OUTCOME);
    if (record->would_deny > DENY_NONE && record->would_deny < DENY_REASON_COUNT) {
        PUT_TEXT(at, "would_deny", slice_from_string(deny_infos[record->would_deny].detail), MAX_REASON);
    }
    at = put_candidate(at, record);
    PUT_TEXT(at, "detail", record->detail, MAX_DETAIL);
    PUT_TEXT(at, "issuer", record->issuer, MAX_ISSUER);
    PUT_TEXT(at, "subject", record->subject, MAX_SUBJECT);
    PUT_TEXT(at, "client_id", record->client_id, MAX_CLIENT_ID);
    PUT_TEXT(at, "authorizer", record->authorizer, MAX_AUTHORIZER);
    if (record->authorizer.len > 0 && record->authorizer_duration >= 0) {
        PUT_NUMBER(at, "authorizer_us", (uint64_t)(record->authorizer_duration / NS_PER_US));
    }
    PUT_NUMBER(at, "received", record->received);
    PUT_NUMBER(at, "sent", record->sent);
    if (record->coding.len > 0) {
        PUT_TEXT(at, "coding", record->coding, MAX_CODING);
        PUT_NUMBER(at, "plain", record->plain);
    }
    PUT_NUMBER(at, "duration_us", (uint64_t)(record->duration > 0 ? record->duration / NS_PER_US : 0));
    if (record->tries > 0) {
        PUT_NUMBER(at, "tries", record->tries);
    }
    PUT_TEXT(at, "hedge", record->hedge, MAX_HEDGE);
    if (record->upstream_duration >= 0) {
        PUT_NUMBER(at, "upstream_us", (uint64_t)(record->upstream_duration / NS_PER_US));
    }
    PUT_TEXT(at, "tls", record->tls_version, MAX_TLS);
    PUT_TEXT(at, "user_agent", record->user_agent, MAX_USER_AGENT);
    PUT_TEXT(at, "closed", record->closed, MAX_CLOSED);
    if (record->aborted) {
        at = LINE_PUT(at, ",\"aborted\":true");
    }
    return at;
}
