#include "upstream/health/checker.h"

#include "base/hash.h"
#include "http/client.h"
#include "http/uri.h"
#include "upstream/health/checker_internal.h"

#include <stdlib.h>

#define SERVICE_ARENA ((size_t)64 * 1024)
#define TARGET_ARENA  ((size_t)16 * 1024)

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for health checks")

/* ---- is it the same question? ---- */

static uint64_t digest_of(const struct tls_client_settings *tls)
{
    if (tls == NULL) {
        return 0;
    }
    const struct slice parts[] = { tls->ca_pem, tls->cert_pem, tls->key_pem, tls->server_name,
                                   tls->spiffe_trust_domain };
    uint64_t digests[sizeof parts / sizeof parts[0] + 2] = { (uint64_t)tls->min_version };
    size_t count = 1;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        digests[count++] = parts[i].len > 0 ? hash_bytes(parts[i].ptr, parts[i].len) : 0;
    }
    for (size_t i = 0; i < tls->spiffe_ids.count; i++) {
        const uint64_t chain[] = { digests[count],
                                   hash_bytes(tls->spiffe_ids.items[i].ptr, tls->spiffe_ids.items[i].len) };
        digests[count] = hash_bytes(chain, sizeof chain);
    }
    return hash_bytes(digests, sizeof digests);
}

static bool asks_the_same(const struct health_service *service, const struct upstream_settings *upstream)
{
    const struct health_settings *was = &service->question.settings, *is = upstream->health;
    return slice_equal(service->name, upstream->name) && slice_equal(was->path, is->path) &&
           (was->grpc.ptr == NULL) == (is->grpc.ptr == NULL) && slice_equal(was->grpc, is->grpc) &&
           was->connect == is->connect && conf_strings_equal(&was->statuses, &is->statuses) &&
           service->question.protocol == upstream->protocol &&
           slice_equal(service->question.host_header, upstream->host_header) &&
           service->tls_digest == digest_of(upstream->tls);
}

static struct health_service *find_service(const struct health_checker *checker,
                                           const struct upstream_settings *upstream)
{
    struct health_service *service = checker->services;
    while (service != NULL && !asks_the_same(service, upstream)) {
        service = service->next;
    }
    return service;
}

static struct health_target *find_target(const struct health_service *service, struct slice url)
{
    struct health_target *target = service != NULL ? service->targets : NULL;
    while (target != NULL && !slice_equal(target->endpoint.url, url)) {
        target = target->next;
    }
    return target;
}

struct error health_checker_mark(const struct health_checker *checker, struct upstream_settings *upstreams,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct upstream_settings *upstream = &upstreams[i];
        const struct health_service *service =
            upstream->health != NULL ? find_service(checker, upstream) : NULL;
        for (size_t k = 0; upstream->health != NULL && k < upstream->endpoints.count; k++) {
            struct upstream_endpoint *endpoint = &upstream->parsed[k];
            const struct health_target *known = find_target(service, endpoint->url);
            endpoint->mark = known != NULL ? health_mark_ref(known->mark) : health_mark_new();
            if (endpoint->mark == NULL) {
                return NO_MEMORY;
            }
        }
    }
    return OK;
}

/* ---- services and targets ---- */

static void free_target(struct health_target *target)
{
    if (target != NULL) {
        health_target_end(target);
        health_mark_unref(target->mark);
        arena_done(&target->memory);
        free(target);
    }
}

static void free_service(struct health_service *service)
{
    if (service == NULL) {
        return;
    }
    while (service->targets != NULL) {
        struct health_target *target = service->targets;
        service->targets = target->next;
        free_target(target);
    }
    tls_client_free(service->question.tls);
    free(service->own);
    arena_done(&service->memory);
    free(service);
}

static void free_services(struct health_service *services)
{
    for (struct health_service *next; services != NULL; services = next) {
        next = services->next;
        free_service(services);
    }
}

static bool copy_text(struct arena *memory, struct slice *text)
{
    if (text->ptr != NULL) { /* none stays none */
        *text = arena_copy(memory, *text);
        return text->ptr != NULL;
    }
    return true;
}

/* Its host, and its port where that is not the scheme's own. */
static bool name_authority(struct health_target *target)
{
    const struct upstream_endpoint *endpoint = &target->endpoint;
    unsigned int standard = endpoint->tls ? 443 : 80;
    target->authority =
        endpoint->path.len > 0
            ? SLICE("localhost")
            : uri_authority_text(endpoint->host, endpoint->port == standard ? 0 : endpoint->port,
                                 &target->memory);
    return target->authority.ptr != NULL;
}

static struct health_target *new_target(struct health_service *service,
                                        const struct upstream_endpoint *endpoint)
{
    struct health_target *target = calloc(1, sizeof *target);
    if (target == NULL) {
        return NULL;
    }
    target->service = service;
    target->endpoint = *endpoint;
    target->mark = health_mark_ref(endpoint->mark);
    arena_init(&target->memory, TARGET_ARENA);
    if (!copy_text(&target->memory, &target->endpoint.url) ||
        !copy_text(&target->memory, &target->endpoint.path) ||
        !copy_text(&target->memory, &target->endpoint.host) ||
        !copy_text(&target->memory, &target->endpoint.name) || !name_authority(target) ||
        !health_target_begin(target)) {
        free_target(target);
        return NULL;
    }
    return target;
}

static bool copy_question(struct health_service *service, const struct upstream_settings *upstream)
{
    struct health_settings *settings = &service->question.settings;
    *settings = *upstream->health;
    service->name = upstream->name;
    service->question.host_header = upstream->host_header;
    service->question.protocol = upstream->protocol;
    service->tls_digest = digest_of(upstream->tls);
    return copy_text(&service->memory, &service->name) &&
           copy_text(&service->memory, &service->question.host_header) &&
           copy_text(&service->memory, &settings->path) && copy_text(&service->memory, &settings->grpc) &&
           conf_strings_copy(&settings->statuses, &service->memory);
}

static bool copy_guard(struct health_service *service, const struct guard *guard)
{
    service->own = calloc(guard->own_count + 1, sizeof *service->own);
    if (service->own == NULL) {
        return false;
    }
    for (size_t i = 0; i < guard->own_count; i++) {
        service->own[i] = guard->own[i];
    }
    service->question.guard = *guard;
    service->question.guard.own = service->own;
    return true;
}

static struct error add_tls(struct health_service *service, const struct upstream_settings *upstream)
{
    static const struct tls_client_settings none = { 0 };
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        if (upstream->parsed[i].tls) {
            return tls_client_new(upstream->tls != NULL ? upstream->tls : &none, &service->question.tls);
        }
    }
    return OK;
}

static struct error fill(struct health_service *service, const struct upstream_settings *upstream)
{
    struct health_target **last = &service->targets;
    if (!copy_question(service, upstream) || !copy_guard(service, &upstream->guard)) {
        return NO_MEMORY;
    }
    TRY(add_tls(service, upstream));
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        *last = new_target(service, &upstream->parsed[i]);
        if (*last == NULL) {
            return NO_MEMORY;
        }
        last = &(*last)->next;
    }
    return OK;
}

/* All that is wanted, as if it were new. */
static struct error make_services(struct health_checker *checker, const struct upstream_settings *upstreams,
                                  size_t count, struct health_service **ret_services)
{
    struct health_service **last = ret_services;
    for (size_t i = 0; i < count; i++) {
        if (upstreams[i].health == NULL) {
            continue;
        }
        *last = calloc(1, sizeof **last);
        if (*last == NULL) {
            return NO_MEMORY;
        }
        (*last)->checker = checker;
        arena_init(&(*last)->memory, SERVICE_ARENA);
        TRY(fill(*last, &upstreams[i]));
        last = &(*last)->next;
    }
    return OK;
}

/* ---- configurations ---- */

static struct health_target *take_target(struct health_target **list, struct slice url)
{
    for (; *list != NULL; list = &(*list)->next) {
        struct health_target *target = *list;
        if (slice_equal(target->endpoint.url, url)) {
            *list = target->next;
            return target;
        }
    }
    return NULL;
}

static void move_target(struct health_target *target, struct health_service *service)
{
    target->service = service;
    for (struct health_spot *spot = target->spots; spot != NULL; spot = spot->next) {
        spot->server.question = &service->question;
    }
}

/* The known service goes on, since probes that are under way read its question: with new numbers, a new guard, the targets that are
 * new, and of its own those that are still wanted. */
static void go_on(struct health_service *known, struct health_service *fresh)
{
    struct health_settings *was = &known->question.settings;
    const struct health_settings *is = &fresh->question.settings;
    was->interval = is->interval;
    was->timeout = is->timeout;
    was->unhealthy_after = is->unhealthy_after;
    was->healthy_after = is->healthy_after;
    struct address *own = known->own;
    known->own = fresh->own;
    fresh->own = own;
    known->question.guard = fresh->question.guard;
    struct health_target *before = known->targets;
    known->targets = fresh->targets;
    fresh->targets = before;
    for (struct health_target **place = &known->targets; *place != NULL; place = &(*place)->next) {
        struct health_target *new = *place, *old = take_target(&fresh->targets, new->endpoint.url);
        if (old == NULL) {
            move_target(new, known);
            continue;
        }
        *place = old;
        old->next = new->next;
        free_target(new);
        health_target_hasten(old);
    }
    known->next = fresh->next;
    free_service(fresh);
    health_service_update(known);
}

static struct health_service *take_service(struct health_service **list,
                                           const struct upstream_settings *upstream)
{
    for (; *list != NULL; list = &(*list)->next) {
        struct health_service *service = *list;
        if (asks_the_same(service, upstream)) {
            *list = service->next;
            return service;
        }
    }
    return NULL;
}

struct error health_checker_set(struct health_checker *checker, const struct upstream_settings *upstreams,
                                size_t count)
{
    struct health_service *services = NULL;
    struct error error = make_services(checker, upstreams, count, &services);
    if (failed(error)) {
        free_services(services);
        return error;
    }
    struct health_service **place = &services;
    for (size_t i = 0; i < count; i++) {
        if (upstreams[i].health == NULL) {
            continue;
        }
        struct health_service *known = take_service(&checker->services, &upstreams[i]);
        if (known != NULL) {
            go_on(known, *place);
            *place = known;
        }
        place = &(*place)->next;
    }
    free_services(checker->services);
    checker->services = services;
    health_schedule(checker);
    return OK;
}

/* ---- life ---- */

struct error health_checker_new(struct net_loop *loop, struct metrics_worker *metrics,
                                health_callback *callback, void *context, struct health_checker **ret_checker)
{
    struct health_checker *checker = calloc(1, sizeof *checker);
    if (checker == NULL) {
        return NO_MEMORY;
    }
    checker->loop = loop;
    checker->metrics = metrics;
    checker->callback = callback;
    checker->context = context;
    uv_timer_init(&loop->uv, &checker->timer);
    checker->timer.data = checker;
    *ret_checker = checker;
    return OK;
}

void health_checker_stop(struct health_checker *checker)
{
    if (checker == NULL) {
        return;
    }
    checker->stopped = true;
    health_schedule(checker);
    for (struct health_service *service = checker->services; service != NULL; service = service->next) {
        for (struct health_target *target = service->targets; target != NULL; target = target->next) {
            health_target_stop(target);
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void health_checker_free(struct health_checker *checker)
{
    if (checker != NULL) {
        free_services(checker->services);
        uv_close((uv_handle_t *)&checker->timer, on_closed);
    }
}
