/* When a request is sent again: what the route allows, and what the upstream can bear.
 *
 * Some requests are always safe to send again, and are, up to `retries` of the upstream: one whose connection could not be opened, one
 * that the upstream refused unseen, one on a kept connection that was dead already (RFC 9110 section 9.2.2). Everything else is the
 * route's to allow, by `retry`: only before the client was answered a byte, only while nothing of the body has gone, and only methods
 * that are idempotent, or named. Each draws on its upstream's budget, a share of the requests that it is sent: when everything
 * fails, tries are not what keeps it down. */
#ifndef SALLYPORT_UPSTREAM_RETRY_H
#define SALLYPORT_UPSTREAM_RETRY_H

#include "base/conf_field.h"
#include "http/message.h"

/* X(ID, "name", "help") */
#define RETRY_EVENTS(X)                                                            \
    X(CONNECT, "connect", "no server of the upstream could be reached")            \
    X(RESET, "reset", "the connection ended before the response's head was whole") \
    X(TIMEOUT, "timeout", "no response's head within try_timeout")                 \
    X(500, "500", "")                                                              \
    X(502, "502", "")                                                              \
    X(503, "503", "")                                                              \
    X(504, "504", "")

enum retry_event {
#define RETRY_ENUM(id, name, help) RETRY_ON_##id,
    RETRY_EVENTS(RETRY_ENUM)
#undef RETRY_ENUM
    RETRY_EVENT_COUNT,
};

/* `retry` of a route. */
struct retry_settings {
    uint64_t on;         /* 1 << enum retry_event; 0: connect, reset, 503 */
    int64_t attempts;    /* further tries */
    int64_t try_timeout; /* ns for each, until the response's head; 0: what the route's timeout leaves */
    int64_t backoff;     /* ns; see retry_delay */
    struct conf_strings methods; /* empty: the idempotent ones */
};

extern const struct conf_object retry_object;

/* RFC 9110 section 9.2.2, of the methods that we know. */
bool retry_is_idempotent(enum http_method method);

/* NULL, or what is wrong: a static text. `timeout`: the route's. */
const char *retry_check(const struct retry_settings *settings, int64_t timeout);

/* Does the route allow it? Not asked: how many tries there were. */
bool retry_allows(const struct retry_settings *settings, enum retry_event event, enum http_method method,
                  struct slice method_text);
/* What an answer of this status is; RETRY_EVENT_COUNT: nothing to try again for. */
enum retry_event retry_event_of(unsigned int status);

/* ns before try number `number` (1: the first further one): at random between nothing and `backoff`, twice as much for each further
 * one, ten times at most; so that those that failed together do not come back together. */
int64_t retry_delay(const struct retry_settings *settings, unsigned int number, uint64_t random);

/* What a worker may still send again to one upstream. */
struct retry_budget {
    int64_t left; /* hundredths of a request */
};

#define RETRY_RESERVE 3   /* requests that may be sent again before any was sent */
#define RETRY_SAVED   100 /* that can be saved up */

/* `percent` of 0 is for none at all. */
void retry_budget_init(struct retry_budget *budget, int64_t percent);
/* A request is sent for the first time. */
void retry_budget_pay_in(struct retry_budget *budget, int64_t percent);
/* False: there is not enough. */
bool retry_budget_take(struct retry_budget *budget);

#endif
