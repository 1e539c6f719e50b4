#include "unit.h"

#include "gateway/peers.h"

#include <pthread.h>

static struct peers *peers;

static int setup(void **state)
{
    (void)state;
    assert_ok(peers_new(&peers));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peers_free(peers);
    return 0;
}

static struct address at(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_from_string(text), &address));
    return address;
}

static void each_address_is_counted(void **state)
{
    (void)state;
    struct address first = at("192.0.2.1"), second = at("192.0.2.2");
    assert_int_equal(peers_add(peers, SLICE("public"), &first), 1);
    assert_int_equal(peers_add(peers, SLICE("public"), &first), 2);
    assert_int_equal(peers_add(peers, SLICE("public"), &second), 1);
    peers_remove(peers, SLICE("public"), &first);
    assert_int_equal(peers_add(peers, SLICE("public"), &first), 2);
}

static void at_each_listener(void **state)
{
    (void)state;
    struct address address = at("192.0.2.1");
    assert_int_equal(peers_add(peers, SLICE("public"), &address), 1);
    assert_int_equal(peers_add(peers, SLICE("mesh"), &address), 1);
}

/* Whoever has one IPv6 address has 2^64 of them. */
static void ipv6_counts_by_64_bits(void **state)
{
    (void)state;
    struct address first = at("2001:db8::1"), second = at("2001:db8::2"), other = at("2001:db8:0:1::1");
    first.port = 1;
    second.port = 2;
    assert_int_equal(peers_add(peers, SLICE("public"), &first), 1);
    assert_int_equal(peers_add(peers, SLICE("public"), &second), 2);
    assert_int_equal(peers_add(peers, SLICE("public"), &other), 1);
    peers_remove(peers, SLICE("public"), &second);
    assert_int_equal(peers_add(peers, SLICE("public"), &first), 2);
}

/* Never too few, and hardly ever too many. */
static void a_crowd_is_told_apart(void **state)
{
    (void)state;
    unsigned int more = 0;
    for (unsigned int i = 0; i < 10000; i++) {
        struct address address = at("10.0.0.0");
        address.bytes[14] = (unsigned char)(i >> 8);
        address.bytes[15] = (unsigned char)i;
        uint32_t count = peers_add(peers, SLICE("public"), &address);
        assert_true(count >= 1);
        more += count > 4;
    }
    assert_int_equal(more, 0);
}

#define THREADS 4
#define ROUNDS  20000

static void *come_and_go(void *argument)
{
    struct address address = at("192.0.2.1");
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t count = peers_add(peers, SLICE("public"), &address);
        if (count < 1 || count > THREADS) {
            return argument;
        }
        peers_remove(peers, SLICE("public"), &address);
    }
    return NULL;
}

static void by_all_workers_together(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, peers), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    struct address address = at("192.0.2.1");
    assert_int_equal(peers_add(peers, SLICE("public"), &address), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_address_is_counted), TEST(at_each_listener),        TEST(ipv6_counts_by_64_bits),
        TEST(a_crowd_is_told_apart),   TEST(by_all_workers_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
