/* What is asked when, and what comes of it. */
#include "base/random.h"
#include "upstream/health/checker_internal.h"

#include <stdlib.h>

#define FIRST_SPREAD    (100 * NS_PER_MS)      /* first checks come within it */
#define FORGOTTEN_AFTER (2 * RESOLVE_LIFETIME) /* a worker knows no older address */

static const struct health_settings *settings_of(const struct health_target *target)
{
    return &target->service->question.settings;
}

static int64_t below(int64_t limit)
{
    uint32_t random;
    random_bytes(&random, sizeof random);
    return limit / 1000 * (int64_t)(random % 1000);
}

/* From nine tenths of it to eleven. */
static int64_t about(int64_t interval)
{
    return interval - interval / 10 + below(interval / 5);
}

static int64_t soon(const struct health_target *target)
{
    int64_t interval = settings_of(target)->interval;
    return target->service->checker->loop->now + below(interval < FIRST_SPREAD ? interval : FIRST_SPREAD);
}

/* ---- what is found ---- */

static bool is_unhealthy(const struct health_target *target)
{
    bool any = false;
    for (const struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        if (spot->current && !spot->tally.unhealthy) {
            return false;
        }
        any = any || spot->current;
    }
    return any || target->naming.unhealthy;
}

bool health_service_update(struct health_service *service)
{
    bool before = service->unhealthy;
    service->unhealthy = service->targets != NULL;
    for (const struct health_target *target = service->targets; target != NULL; target = target->next) {
        service->unhealthy = service->unhealthy && target->unhealthy;
    }
    return service->unhealthy != before;
}

/* True: the service has changed sides with it. */
static bool update(struct health_target *target)
{
    target->unhealthy = is_unhealthy(target);
    health_mark_set(target->mark, target->unhealthy);
    return health_service_update(target->service);
}

/* `spot` NULL: the name. The workers know before it is told. */
static void count(struct health_target *target, struct health_spot *spot, enum health_outcome outcome,
                  const char *detail)
{
    const struct health_settings *settings = settings_of(target);
    struct health_tally *tally = spot != NULL ? &spot->tally : &target->naming;
    char text[ADDRESS_TEXT_MAX];
    target->counts[outcome]++;
    if (!health_tally_count(tally, outcome == HEALTH_PASSED, settings->unhealthy_after,
                            settings->healthy_after)) {
        return;
    }
    struct health_event event = {
        .service = target->service->name,
        .endpoint = target->endpoint.url,
        .unhealthy = tally->unhealthy,
        .outcome = health_outcome_names[outcome],
        .detail = detail,
    };
    if (spot != NULL && spot->key != 0) {
        health_mark_set_address(target->mark, spot->key, tally->unhealthy);
        event.address = slice_of(text, address_format(&spot->server.address, text));
    }
    event.service_changed = update(target);
    target->service->checker->callback(target->service->checker->context, &event);
}

/* ---- checks ---- */

static void plan(struct health_spot *spot)
{
    int64_t now = spot->target->service->checker->loop->now;
    int64_t at = spot->asked_at + about(settings_of(spot->target)->interval);
    spot->next_at = at > now ? at : now;
}

static void on_probed(struct health_probe *probe, enum health_outcome outcome, const char *detail)
{
    struct health_spot *spot = (struct health_spot *)probe;
    struct health_checker *checker = spot->target->service->checker;
    plan(spot);
    count(spot->target, spot, outcome, detail);
    health_schedule(checker);
}

/* What is short here says nothing about the server: it is asked again later, and nothing is counted. */
static void ask(struct health_spot *spot)
{
    struct health_checker *checker = spot->target->service->checker;
    spot->asked_at = checker->loop->now;
    struct error error =
        health_probe_start(&spot->probe, &spot->server, checker->loop, checker->metrics, on_probed);
    if (failed(error)) {
        plan(spot);
        if (!error_is_shortage(error)) {
            char text[128];
            error_describe(error, text, sizeof text);
            count(spot->target, spot, HEALTH_CONNECT, text);
        }
    }
}

/* ---- addresses ---- */

/* A further address of an endpoint that is unhealthy, or the first one of a name that stood for none, is as unhealthy as that,
 * until its first check says otherwise. */
static struct health_spot *add_spot(struct health_target *target, const struct address *address, uint64_t key)
{
    struct health_spot *spot = calloc(1, sizeof *spot);
    if (spot == NULL) {
        return NULL;
    }
    spot->target = target;
    spot->server = (struct health_server){ .question = &target->service->question,
                                           .endpoint = &target->endpoint,
                                           .authority = target->authority,
                                           .address = *address };
    spot->tally.unhealthy = target->unhealthy;
    spot->key = key;
    spot->next_at = soon(target);
    spot->current = true;
    spot->next = target->spots;
    target->spots = spot;
    return spot;
}

static void free_spot(struct health_spot *spot)
{
    health_probe_cancel(&spot->probe);
    if (spot->key != 0 && spot->tally.unhealthy) {
        health_mark_set_address(spot->target->mark, spot->key, false);
    }
    free(spot);
}

static struct health_spot *find_spot(const struct health_target *target, uint64_t key)
{
    struct health_spot *spot = target->spots;
    while (spot != NULL && spot->key != key) {
        spot = spot->next;
    }
    return spot;
}

/* Those that the name stands for no longer go when no worker knows them any more, or where they would be too many. */
static void forget_spots(struct health_target *target)
{
    int64_t now = target->service->checker->loop->now;
    size_t kept = 0;
    for (struct health_spot **place = &target->spots; *place != NULL;) {
        struct health_spot *spot = *place;
        if (spot->current ||
            (now - spot->seen_at <= FORGOTTEN_AFTER && kept < HEALTH_ADDRESSES_MAX - RESOLVE_ADDRESSES_MAX)) {
            kept += spot->current ? 0 : 1;
            place = &spot->next;
        } else {
            *place = spot->next;
            free_spot(spot);
        }
    }
}

static void take_addresses(struct health_target *target)
{
    int64_t now = target->service->checker->loop->now;
    for (struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        spot->current = false;
    }
    for (size_t i = 0; i < target->names.count; i++) {
        const struct address *address = &target->names.addresses[i];
        uint64_t key = health_key_of(address);
        struct health_spot *spot = find_spot(target, key);
        spot = spot != NULL ? spot : add_spot(target, address, key);
        if (spot != NULL) { /* without memory: the next look-up brings it again */
            spot->current = true;
            spot->seen_at = now;
        }
    }
    forget_spots(target);
    for (struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        health_mark_set_address(target->mark, spot->key, spot->tally.unhealthy);
    }
    target->naming = (struct health_tally){ .unhealthy = target->spots == NULL && target->naming.unhealthy };
    update(target);
}

/* ---- names ---- */

static void plan_name(struct health_target *target)
{
    int64_t interval = settings_of(target)->interval;
    target->name_at = target->service->checker->loop->now +
                      about(interval < RESOLVE_LIFETIME ? interval : RESOLVE_LIFETIME);
}

static void on_resolved(struct resolved *names, bool found)
{
    struct health_target *target =
        (struct health_target *)((char *)names - offsetof(struct health_target, names));
    if (found) {
        take_addresses(target);
    } else {
        count(target, NULL, HEALTH_NAME, "host name not resolved");
    }
    health_schedule(target->service->checker);
}

/* Looked up anew as often as workers do; as long as there is no address, each time. */
static void look_at_name(struct health_target *target)
{
    struct resolved *names = &target->names;
    bool known = resolved_known(names);
    plan_name(target);
    if (names->job != NULL && !known) {
        count(target, NULL, HEALTH_NAME, "looking up the host takes too long");
    }
    if (!known || resolved_stale(names, target->service->checker->loop->now)) {
        /* Joins one that is under way. Without memory: the next time. */
        (void)resolved_start(names, target->endpoint.name, on_resolved);
    }
}

/* ---- the clock ---- */

static void tend(struct health_target *target, int64_t now)
{
    if (target->name_at <= now) {
        look_at_name(target);
    }
    for (struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        if (!spot->probe.running && spot->next_at <= now) {
            ask(spot);
        }
    }
}

void health_on_timer(uv_timer_t *timer)
{
    struct health_checker *checker = timer->data;
    net_loop_woken(checker->loop);
    for (struct health_service *service = checker->services; service != NULL; service = service->next) {
        for (struct health_target *target = service->targets; target != NULL; target = target->next) {
            tend(target, checker->loop->now);
        }
    }
    health_schedule(checker);
}

static int64_t next_of(const struct health_target *target)
{
    int64_t next = target->name_at;
    for (const struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        next = !spot->probe.running && spot->next_at < next ? spot->next_at : next;
    }
    return next;
}

void health_schedule(struct health_checker *checker)
{
    int64_t next = INT64_MAX;
    for (const struct health_service *service = checker->services; service != NULL; service = service->next) {
        for (const struct health_target *target = service->targets; target != NULL; target = target->next) {
            int64_t own = next_of(target);
            next = own < next ? own : next;
        }
    }
    if (checker->stopped || next == INT64_MAX) {
        uv_timer_stop(&checker->timer);
        return;
    }
    int64_t wait = next - checker->loop->now;
    uv_update_time(&checker->loop->uv);
    uv_timer_start(&checker->timer, health_on_timer,
                   wait > 0 ? (uint64_t)((wait + NS_PER_MS - 1) / NS_PER_MS) : 0, 0);
}

/* ---- life ---- */

bool health_target_begin(struct health_target *target)
{
    target->name_at = INT64_MAX;
    if (target->endpoint.is_address) {
        return add_spot(target, &target->endpoint.address, 0) != NULL;
    }
    resolved_init(&target->names, target->service->checker->loop);
    target->name_at = soon(target);
    return true;
}

void health_target_stop(struct health_target *target)
{
    resolved_done(&target->names);
    for (struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        health_probe_cancel(&spot->probe);
    }
}

void health_target_end(struct health_target *target)
{
    health_target_stop(target);
    while (target->spots != NULL) {
        struct health_spot *spot = target->spots;
        target->spots = spot->next;
        free_spot(spot);
    }
}

void health_target_hasten(struct health_target *target)
{
    int64_t latest = target->service->checker->loop->now + about(settings_of(target)->interval);
    target->name_at = target->name_at != INT64_MAX && target->name_at > latest ? latest : target->name_at;
    for (struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        spot->next_at = spot->next_at < latest ? spot->next_at : latest;
    }
}
