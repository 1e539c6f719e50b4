#include "pipeline/candidate.h"

/* What a view has of its own: the connection may go before it is decided. The stream is the first member. */
struct view {
    struct http_stream stream;
    struct http_connection_facts facts;
    enum deny_reason enforced; /* what the route's auth said */
};

/* Does it say something about who is calling? Not where nobody could be asked, or nobody was to be. */
static bool is_verdict(enum deny_reason reason)
{
    unsigned int status = deny_infos[reason].status;
    return reason == DENY_NONE || status == 400 || status == 401 || status == 403;
}

static enum candidate_outcome outcome_of(enum deny_reason enforced, enum deny_reason candidate)
{
    if (!is_verdict(candidate)) {
        return CANDIDATE_UNDECIDED;
    }
    if ((enforced == DENY_NONE) == (candidate == DENY_NONE)) {
        return CANDIDATE_AGREES;
    }
    return candidate == DENY_NONE ? CANDIDATE_WOULD_ALLOW : CANDIDATE_WOULD_DENY;
}

/* Out of reach of whatever is still to come back for it. */
static void close_view(struct exchange *view)
{
    view->state = EXCHANGE_OVER;
    view->stream = NULL;
}

void candidate_decided(struct exchange *view)
{
    struct exchange *exchange = view->judges;
    enum deny_reason enforced = ((const struct view *)view->stream)->enforced;
    exchange->candidate = outcome_of(enforced, view->reason);
    if (exchange->candidate == CANDIDATE_WOULD_DENY) {
        stage_would_deny(exchange, view->reason);
    }
    if (exchange->candidate == CANDIDATE_WOULD_DENY || exchange->candidate == CANDIDATE_UNDECIDED) {
        exchange->candidate_reason = view->reason;
    }
    close_view(view);
}

void candidate_lets_go(struct exchange *exchange)
{
    struct exchange *view = exchange->judged_by;
    if (view != NULL && view->stream != NULL && view->stream->connection->tls.client != NULL) {
        close_view(view);
    }
}

void candidate_end(struct exchange *view)
{
    view->judges->judged_by = NULL;
    view->worker->candidates--;
    principal_release(&view->principal);
}

static bool give_stream(struct exchange *view)
{
    const struct exchange *exchange = view->judges;
    struct view *own = arena_calloc(&view->arena, 1, sizeof *own);
    if (own == NULL) {
        return false;
    }
    own->facts = *exchange->stream->connection;
    own->stream = (struct http_stream){ .connection = &own->facts };
    own->enforced = exchange->reason;
    view->stream = &own->stream;
    return true;
}

static void prove(struct exchange *view)
{
    view->state = EXCHANGE_RUNNING;
    if (authenticate_prove(view) == STAGE_WAIT) {
        view->state = EXCHANGE_WAITING;
        return;
    }
    candidate_decided(view);
}

void candidate_judge(struct exchange *exchange)
{
    const struct auth_settings *candidate = exchange_policy(exchange)->auth->candidate;
    if (candidate == NULL) {
        return;
    }
    if (!shadow_observes(&candidate->shadow, exchange->started_real / NS_PER_S)) {
        exchange->candidate = CANDIDATE_ENDED;
        return;
    }
    exchange->candidate = CANDIDATE_UNDECIDED;
    /* A network beyond its budget gets no second look, and a candidate that has to wait holds up no other work. */
    if (exchange->summarised || exchange->worker->candidates >= CANDIDATES_MAX) {
        return;
    }
    struct exchange *view = exchange_view(exchange);
    if (view == NULL) {
        return;
    }
    exchange->worker->candidates++;
    exchange->judged_by = exchange_hold(view);
    if (give_stream(view)) {
        prove(view);
    } else {
        close_view(view);
    }
    exchange_pending_done(view);
}
