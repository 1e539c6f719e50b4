#include "unit.h"

#include "base/clock.h"
#include "gateway/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOW (1000 * NS_PER_S)

static struct worker worker;
static struct worker_listener listener;
static struct timeout_settings timeouts;
static struct listener_settings settings;
static struct tls_server_settings tls;
static struct address_prefix trusted;
static struct address peer;
static struct admission admission;
static void *table;

static int setup(void **state)
{
    (void)state;
    worker = (struct worker){ .loop = { .now = NOW, .long_since = INT64_MAX },
                              .overload = { .deadline = 200 * NS_PER_MS } };
    listener = (struct worker_listener){ .worker = &worker, .connections = 1 };
    timeouts = (struct timeout_settings){ .handshake = 10 * NS_PER_S };
    settings = (struct listener_settings){ .timeouts = &timeouts, .max_connections = 10 };
    admission = (struct admission){ 0 };
    assert_true(address_parse(SLICE("192.0.2.7"), &peer));
    assert_true(address_prefix_parse(SLICE("192.0.2.0/24"), &trusted));
    size_t size = limiter_size(1024);
    table = aligned_alloc(64, (size + 63) / 64 * 64);
    memset(table, 0, size);
    assert_ok(limiter_open(table, size, &worker.limiter));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(table);
    return 0;
}

static enum refusal asked(uint32_t of_address)
{
    struct arrival arrival = { .fd = -1, .client = peer };
    return admission_check(&admission, &listener, &settings, &arrival, of_address);
}

static void trust_the_peer(void)
{
    static struct slice text = SLICE_INIT("192.0.2.0/24");
    settings.trusted = &trusted;
    settings.trusted_proxies = (struct conf_strings){ &text, 1 };
}

static void allow_handshakes(int64_t count, int64_t of_address)
{
    settings.tls = &tls;
    settings.handshakes = (struct conf_rate){ .count = count, .window = NS_PER_S };
    if (of_address > 0) {
        settings.address_handshakes =
            (struct limit_settings){ .rate = { .count = of_address, .window = NS_PER_S },
                                     .by = SLICE("address") };
        assert_null(limit_check_settings(&settings.address_handshakes, SLICE("listener"), 0));
    }
}

static void as_many_as_the_listener_may_have(void **state)
{
    (void)state;
    listener.connections = 9;
    assert_int_equal(asked(1), REFUSAL_NONE);
    listener.connections = 10;
    assert_int_equal(asked(1), REFUSAL_LISTENER_CONNECTIONS);
}

static void as_many_as_an_address_may_have(void **state)
{
    (void)state;
    settings.max_connections_per_address = 3;
    assert_int_equal(asked(3), REFUSAL_NONE);
    assert_int_equal(asked(4), REFUSAL_ADDRESS_CONNECTIONS);
    trust_the_peer();
    assert_int_equal(asked(4), REFUSAL_NONE);
    settings.trusted_proxies.count = 0;
    settings.max_connections_per_address = 0;
    assert_int_equal(asked(1000000), REFUSAL_NONE);
}

static void handshakes_of_one_address(void **state)
{
    (void)state;
    allow_handshakes(1000, 2);
    assert_int_equal(asked(1), REFUSAL_NONE);
    assert_int_equal(asked(1), REFUSAL_NONE);
    assert_int_equal(asked(1), REFUSAL_ADDRESS_HANDSHAKES);
    assert_true(address_parse(SLICE("192.0.2.8"), &peer)); /* another one */
    assert_int_equal(asked(1), REFUSAL_NONE);
    assert_true(address_parse(SLICE("192.0.2.7"), &peer));
    worker.loop.now += NS_PER_S;
    assert_int_equal(asked(1), REFUSAL_NONE);
}

static void a_proxy_and_plaintext_make_as_many_as_they_like(void **state)
{
    (void)state;
    allow_handshakes(1000, 1);
    trust_the_peer();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(asked(1), REFUSAL_NONE);
    }
    settings.trusted_proxies.count = 0;
    settings.tls = NULL;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(asked(1), REFUSAL_NONE);
        assert_int_equal(admission_pause(&admission, &settings, worker.loop.now), 0);
    }
}

/* A fifth of a second's worth at once, then evenly. */
static void handshakes_of_a_worker_are_spread(void **state)
{
    (void)state;
    allow_handshakes(50, 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(admission_pause(&admission, &settings, worker.loop.now), 0);
        assert_int_equal(asked(1), REFUSAL_NONE);
    }
    assert_int_equal(admission_pause(&admission, &settings, worker.loop.now), 20 * NS_PER_MS);
    worker.loop.now += 20 * NS_PER_MS;
    assert_int_equal(admission_pause(&admission, &settings, worker.loop.now), 0);
    assert_int_equal(asked(1), REFUSAL_NONE);
    assert_int_equal(admission_pause(&admission, &settings, worker.loop.now), 20 * NS_PER_MS);
    /* Under another rate no longer than one of its own. */
    settings.handshakes.count = 100;
    assert_int_equal(admission_pause(&admission, &settings, worker.loop.now), 10 * NS_PER_MS);
}

static void who_is_refused_uses_nothing_up(void **state)
{
    (void)state;
    allow_handshakes(5, 1);
    assert_int_equal(asked(1), REFUSAL_NONE);
    worker.loop.now += 200 * NS_PER_MS;
    assert_int_equal(asked(1), REFUSAL_ADDRESS_HANDSHAKES);
    assert_int_equal(admission_pause(&admission, &settings, worker.loop.now), 0);
}

/* The time in the queue before accept, as the kernel tells it. */
static void who_waited_too_long_to_be_accepted(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
    worker.overload.deadline = 20 * NS_PER_MS;
    usleep(60 * 1000); /* the subject */
    int fd = accept(listening, NULL, NULL);
    const int64_t behind = 50 * NS_PER_MS;
#define CHECK(for_)                                   \
    admission_check(&admission, &listener, &settings, \
                    &(struct arrival){ .fd = fd, .client = peer, .behind = (for_) }, 1)
    assert_int_equal(CHECK(behind), REFUSAL_QUEUE_DEADLINE);
    /* A moment ago all were accepted: a hiccup, no queue that stands. */
    assert_int_equal(CHECK(10 * NS_PER_MS), REFUSAL_NONE);
    assert_false(admission_is_late(&worker, 10 * NS_PER_MS));
    assert_true(admission_is_late(&worker, behind));
    /* A handshake has its own time. */
    settings.tls = &tls;
    assert_int_equal(CHECK(behind), REFUSAL_NONE);
    timeouts.handshake = 20 * NS_PER_MS;
    assert_int_equal(CHECK(behind), REFUSAL_QUEUE_DEADLINE);
    worker.overload.deadline = 0;
    assert_int_equal(CHECK(behind), REFUSAL_NONE);
    close(fd);
    close(client);
    close(listening);
}

/* An address that a proxy announced is a client's, even where it is among those of the proxies. */
static void an_announced_client_is_not_trusted(void **state)
{
    (void)state;
    settings.max_connections_per_address = 3;
    trust_the_peer();
    struct arrival arrival = { .fd = -1, .client = peer };
    assert_int_equal(admission_check(&admission, &listener, &settings, &arrival, 4), REFUSAL_NONE);
    arrival.announced = true;
    assert_int_equal(admission_check(&admission, &listener, &settings, &arrival, 4),
                     REFUSAL_ADDRESS_CONNECTIONS);
}

static void who_has_no_address_is_not_counted_for_it(void **state)
{
    (void)state;
    settings.max_connections_per_address = 3;
    struct arrival arrival = { .fd = -1 };
    assert_int_equal(admission_check(&admission, &listener, &settings, &arrival, 4), REFUSAL_NONE);
    assert_int_equal(admission_check_proxy(&listener, &settings, &arrival), REFUSAL_PROXY_UNTRUSTED);
    trust_the_peer();
    assert_int_equal(admission_check_proxy(&listener, &settings, &arrival), REFUSAL_PROXY_UNTRUSTED);
    trusted = address_prefix_none();
    assert_int_equal(admission_check_proxy(&listener, &settings, &arrival), REFUSAL_NONE);
    listener.connections = 10;
    assert_int_equal(admission_check(&admission, &listener, &settings, &arrival, 4),
                     REFUSAL_LISTENER_CONNECTIONS);
}

static void only_trusted_peers_may_announce(void **state)
{
    (void)state;
    struct arrival arrival = { .fd = -1, .client = peer };
    assert_int_equal(admission_check_proxy(&listener, &settings, &arrival), REFUSAL_PROXY_UNTRUSTED);
    trust_the_peer();
    assert_int_equal(admission_check_proxy(&listener, &settings, &arrival), REFUSAL_NONE);
    listener.connections = 10;
    assert_int_equal(admission_check_proxy(&listener, &settings, &arrival), REFUSAL_LISTENER_CONNECTIONS);
}

static void each_refusal_has_its_counter_and_closes(void **state)
{
    (void)state;
    struct metrics *metrics;
    struct buffer text;
    assert_ok(metrics_new(1, &metrics));
    for (enum refusal why = REFUSAL_NONE + 1; why <= REFUSAL_ERROR; why++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        admission_refuse(metrics_writer(metrics, 0), fd, why);
        assert_int_equal(close(fd), -1);
    }
    buffer_init(&text, 1 << 20);
    assert_true(metrics_render(metrics, &text));
    assert_true(buffer_append_char(&text, '\0'));
    unsigned int lines = 0;
    for (const char *at = text.data + text.begin;
         (at = strstr(at, "sallyport_connections_refused_total{reason=")) != NULL; at++) {
        assert_non_null(strstr(at, "} 1\n"));
        lines++;
    }
    assert_int_equal(lines, REFUSAL_ERROR);
    buffer_done(&text);
    metrics_free(metrics);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(as_many_as_the_listener_may_have),
        TEST(as_many_as_an_address_may_have),
        TEST(handshakes_of_one_address),
        TEST(a_proxy_and_plaintext_make_as_many_as_they_like),
        TEST(handshakes_of_a_worker_are_spread),
        TEST(who_is_refused_uses_nothing_up),
        TEST(who_waited_too_long_to_be_accepted),
        TEST(an_announced_client_is_not_trusted),
        TEST(who_has_no_address_is_not_counted_for_it),
        TEST(only_trusted_peers_may_announce),
        TEST(each_refusal_has_its_counter_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
