#include "unit.h"

#include "gateway/testament.h"

#include <sys/mman.h>
#include <unistd.h>

static int fd;
static struct bequest *bequest;
static struct net_loop loop;
static struct key_source *source;
static unsigned int inherited;

static const struct issuer_settings issuer = { .name = SLICE_INIT("main"),
                                               .jwks_url = SLICE_INIT("http://127.0.0.1:1/keys"),
                                               .jwks_refresh = 3600 * NS_PER_S,
                                               .jwks_timeout = NS_PER_S,
                                               .jwks_stale = 3600 * NS_PER_S };

static void on_event(void *context, struct slice name, enum key_source_event event, struct slice text)
{
    (void)context;
    (void)name;
    (void)text;
    inherited += event == KEYS_INHERITED;
}

static int setup(void **state)
{
    (void)state;
    inherited = 0;
    fd = memfd_create("bequest", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)BEQUEST_SIZE), 0);
    assert_ok(bequest_new(fd, &bequest));
    assert_ok(net_loop_init(&loop));
    assert_ok(key_source_new(&loop, on_event, NULL, &source));
    assert_ok(key_source_set(source, &issuer, 1));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    key_source_free(source);
    net_loop_done(&loop);
    bequest_free(bequest);
    close(fd);
    return 0;
}

#define KEY                                                                                \
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"1\",\"x\":\"11qYAYKxCrfVS_" \
    "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

static void a_ticket_key_and_a_key_set_come_through(void **state)
{
    (void)state;
    struct tls_tickets *tickets;
    unsigned char key[TLS_TICKET_KEY_SIZE];
    assert_ok(tls_tickets_new(&tickets));
    tls_tickets_export(tickets, key);
    testament_write(bequest, tickets, source, NULL); /* no key set yet */
    struct testament *testament = testament_read(fd);
    assert_non_null(testament);
    testament_give_keys(testament, source);
    assert_int_equal(inherited, 0);
    testament_free(testament);

    struct key_document document = { issuer.name, issuer.jwks_url, SLICE(KEY), 0 };
    key_source_inherit(source, &document);
    assert_int_equal(inherited, 1);
    testament_write(bequest, tickets, source, NULL);
    testament = testament_read(fd);
    assert_non_null(testament);
    struct key_source *next;
    assert_ok(key_source_new(&loop, on_event, NULL, &next));
    assert_ok(key_source_set(next, &issuer, 1));
    testament_give_keys(testament, next);
    assert_int_equal(inherited, 2);
    testament_give_keys(NULL, next);
    key_source_free(next);
    testament_free(testament);

    struct buffer text;
    buffer_init(&text, BEQUEST_SIZE);
    assert_true(bequest_read(fd, &text));
    assert_memory_equal(buffer_slice(&text).ptr, key, sizeof key);
    buffer_done(&text);
    tls_tickets_free(tickets);
}

/* A process that was taken over may leave anything: any cut, and any number in place of a size. */
static void what_is_no_testament_is_nothing(void **state)
{
    (void)state;
    struct tls_tickets *tickets;
    struct buffer text;
    struct key_document document = { issuer.name, issuer.jwks_url, SLICE(KEY), 0 };
    assert_ok(tls_tickets_new(&tickets));
    assert_null(testament_read(fd));
    assert_true(bequest_write(bequest, SLICE("too short for a ticket key")));
    assert_null(testament_read(fd));
    key_source_inherit(source, &document);
    testament_write(bequest, tickets, source, NULL);
    buffer_init(&text, BEQUEST_SIZE);
    assert_true(bequest_read(fd, &text));
    struct slice whole = buffer_slice(&text);
    inherited = 0;
    for (size_t size = TLS_TICKET_KEY_SIZE; size < whole.len + 4; size++) {
        struct key_source *next;
        char copy[1024];
        assert_true(whole.len <= sizeof copy);
        memcpy(copy, whole.ptr, whole.len);
        if (size >= whole.len) {
            static const uint32_t large = UINT32_MAX;
            size_t field = size - whole.len; /* one of the head's sizes */
            memcpy(copy + TLS_TICKET_KEY_SIZE + (field % 3) * sizeof large, &large, sizeof large);
        }
        assert_true(bequest_write(bequest, slice_of(copy, size < whole.len ? size : whole.len)));
        struct testament *testament = testament_read(fd);
        assert_non_null(testament);
        assert_ok(key_source_new(&loop, on_event, NULL, &next));
        assert_ok(key_source_set(next, &issuer, 1));
        testament_give_keys(testament, next);
        assert_int_equal(inherited, 0);
        key_source_free(next);
        testament_free(testament);
    }
    buffer_done(&text);
    tls_tickets_free(tickets);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_ticket_key_and_a_key_set_come_through),
        TEST(what_is_no_testament_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
