/* A source of keys with a loop and servers of its own: what the tests of key_source.h share. */
#ifndef SALLYPORT_TESTS_UNIT_AUTH_KEY_SOURCE_FIXTURE_H
#define SALLYPORT_TESTS_UNIT_AUTH_KEY_SOURCE_FIXTURE_H

#include "unit.h"

#include <signal.h>

#include "auth/key_source.h"
#include "base/limits.h"
#include "key_server.h"
#include "tls/pki.h"

#define PATIENCE (20 * NS_PER_S)

static struct net_loop loop;
static struct key_source *source;
static uv_timer_t ticker;
static struct key_server server;

static unsigned int fetched, failed_count, stale, inherited, restored, discovered;
static char last_text[256], last_issuer[64];

static inline void on_event(void *context, struct slice issuer, enum key_source_event event,
                            struct slice text)
{
    assert_ptr_equal(context, &loop);
    fetched += event == KEYS_FETCHED;
    failed_count += event == KEYS_FAILED;
    stale += event == KEYS_STALE;
    inherited += event == KEYS_INHERITED;
    restored += event == KEYS_RESTORED;
    discovered += event == KEYS_DISCOVERED;
    snprintf(last_issuer, sizeof last_issuer, "%.*s", SLICE_ARG(issuer));
    snprintf(last_text, sizeof last_text, "%.*s", SLICE_ARG(text));
}

static inline void on_tick(uv_timer_t *timer)
{
    (void)timer; /* so that no turn waits for ever */
}

static inline void open_all(SSL_CTX *tls)
{
    fetched = failed_count = stale = inherited = restored = discovered = 0;
    last_text[0] = '\0';
    key_server_start(&server, tls);
    assert_ok(net_loop_init(&loop));
    assert_ok(key_source_new(&loop, on_event, &loop, &source));
    uv_timer_init(&loop.uv, &ticker);
    uv_timer_start(&ticker, on_tick, 5, 5);
}

static inline int set_up(void **state)
{
    (void)state;
    open_all(NULL);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    key_source_free(source);
    uv_close((uv_handle_t *)&ticker, NULL);
    net_loop_done(&loop);
    key_server_stop(&server);
    return 0;
}

static inline void turn(void)
{
    uv_run(&loop.uv, UV_RUN_ONCE);
    loop.now = clock_monotonic_ns();
}

/* Turns the loop until the counter has reached the number. */
static inline void wait_for(const unsigned int *counter, unsigned int number)
{
    int64_t until = clock_monotonic_ns() + PATIENCE;
    while (*counter < number && clock_monotonic_ns() < until) {
        turn();
    }
    if (*counter < number) {
        fail_msg("%u of %u came; the last text is \"%s\"", *counter, number, last_text);
    }
}

static inline void run_for(int64_t duration)
{
    int64_t until = clock_monotonic_ns() + duration;
    while (clock_monotonic_ns() < until) {
        turn();
    }
}

static char url_text[4][128];

static inline struct slice url(int slot, const char *format, unsigned short port)
{
    char *text = url_text[slot];
    const char *mark = strchr(format, '%'); /* stands for the port */
    snprintf(text, sizeof url_text[0], "%.*s%d%s", (int)(mark - format), format, port, mark + 1);
    return slice_from_string(text);
}

static inline struct issuer_settings issuer_at(const char *format)
{
    return (struct issuer_settings){ .name = SLICE("main"),
                                     .jwks_url = url(0, format, server.port),
                                     .jwks_refresh = 3600 * NS_PER_S,
                                     .jwks_unknown_kid_interval = 3600 * NS_PER_S,
                                     .jwks_timeout = 10 * NS_PER_S,
                                     .jwks_stale = 3600 * NS_PER_S };
}

static char exported_name[64], exported_source[128], exported_text[4096];
static struct key_document exported;
static unsigned int exported_count;

static inline void keep(void *context, const struct key_document *document)
{
    assert_ptr_equal(context, &exported);
    snprintf(exported_name, sizeof exported_name, "%.*s", SLICE_ARG(document->issuer_name));
    snprintf(exported_source, sizeof exported_source, "%.*s", SLICE_ARG(document->source));
    snprintf(exported_text, sizeof exported_text, "%.*s", SLICE_ARG(document->text));
    exported = (struct key_document){ slice_from_string(exported_name), slice_from_string(exported_source),
                                      slice_from_string(exported_text), document->failing_since };
    exported_count++;
}

static inline void export_all(void)
{
    exported_count = 0;
    key_source_export(source, keep, &exported);
}

/* Another source is another process. */
static inline void begin_anew(void)
{
    key_source_free(source);
    assert_ok(key_source_new(&loop, on_event, &loop, &source));
    inherited = 0;
}

static struct pki ca, other_ca, keys_pki, user;

static inline SSL_CTX *new_tls(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, keys_pki.certificate);
    SSL_CTX_use_PrivateKey(context, keys_pki.key);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.certificate);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

static inline int set_up_tls(void **state)
{
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    pki_make(&other_ca, "Other CA", NULL, NULL, true, 30);
    pki_make(&keys_pki, "keys", "IP:127.0.0.1,DNS:keys.example.com", &ca, false, 30);
    pki_make(&user, "gateway", NULL, &ca, false, 30);
    *state = new_tls();
    open_all(*state);
    return 0;
}

static inline int tear_down_tls(void **state)
{
    tear_down(state);
    SSL_CTX_free(*state);
    pki_done(&ca);
    pki_done(&other_ca);
    pki_done(&keys_pki);
    pki_done(&user);
    return 0;
}

#endif
