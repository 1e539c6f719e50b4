#include "unit.h"

#include "observe/ring.h"

#include <pthread.h>
#include <sched.h>

static void put(struct ring *ring, const char *text)
{
    size_t size = strlen(text);
    char *at = ring_room(ring, size, 0);
    assert_non_null(at);
    memcpy(at, text, size);
    ring_publish(ring, size);
}

static void bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct ring ring;
    assert_ok(ring_init(&ring, 0));
    assert_int_equal(ring_peek(&ring).len, 0);
    put(&ring, "one ");
    put(&ring, "two");
    assert_slice(ring_peek(&ring), "one two");
    ring_consume(&ring, 4);
    assert_slice(ring_peek(&ring), "two");
    assert_int_equal(ring_used(&ring), 3);
    ring_consume(&ring, 3);
    assert_int_equal(ring_peek(&ring).len, 0);
    assert_int_equal(ring_used(&ring), 0);
    ring_done(&ring);
}

static void full_is_full(void **state)
{
    (void)state;
    struct ring ring;
    assert_ok(ring_init(&ring, RING_WARM));
    size_t capacity = ring.capacity;
    assert_null(ring_room(&ring, capacity + 1, 0));
    assert_null(ring_room(&ring, 1, capacity));
    assert_null(ring_room(&ring, 1, SIZE_MAX));
    assert_non_null(ring_room(&ring, 1, capacity - 1));
    char *at = ring_room(&ring, capacity, 0);
    assert_non_null(at);
    memset(at, 'x', capacity);
    ring_publish(&ring, capacity);
    assert_null(ring_room(&ring, 1, 0));
    ring_consume(&ring, 10);
    assert_non_null(ring_room(&ring, 10, 0));
    assert_null(ring_room(&ring, 11, 0));
    ring_done(&ring);
}

static void what_crosses_the_end_is_contiguous(void **state)
{
    (void)state;
    struct ring ring;
    assert_ok(ring_init(&ring, RING_WARM));
    char *at = ring_room(&ring, ring.capacity - 3, 0);
    memset(at, '.', ring.capacity - 3);
    ring_publish(&ring, ring.capacity - 3);
    ring_consume(&ring, ring.capacity - 4); /* one byte stays, so the ring does not start anew */
    put(&ring, "abcdef");
    assert_slice(ring_peek(&ring), ".abcdef");
    ring_done(&ring);
}

static void an_empty_ring_starts_again_at_its_front(void **state)
{
    (void)state;
    struct ring ring;
    assert_ok(ring_init(&ring, 4 * RING_WARM));
    char *front = ring_room(&ring, 1, 0);
    char *at = ring_room(&ring, RING_WARM + 1, 0);
    memset(at, '.', RING_WARM + 1);
    ring_publish(&ring, RING_WARM + 1);
    assert_ptr_not_equal(ring_room(&ring, 1, 0), front); /* not empty */
    ring_consume(&ring, RING_WARM + 1);
    assert_ptr_equal(ring_room(&ring, 1, 0), front);
    /* The whole capacity is there at once, though the consumer has not looked yet. */
    assert_non_null(ring_room(&ring, ring.capacity, 0));
    assert_int_equal(ring_used(&ring), 0);
    put(&ring, "again");
    assert_int_equal(ring_used(&ring), 5);
    assert_slice(ring_peek(&ring), "again");
    ring_consume(&ring, 5);
    assert_int_equal(ring_peek(&ring).len, 0);
    put(&ring, "more");
    assert_slice(ring_peek(&ring), "more");
    ring_done(&ring);
}

enum {
    RECORDS = 200000
};

struct record {
    uint32_t number;
    uint32_t padding; /* bytes that follow */
};

static void *produce(void *argument)
{
    struct ring *ring = argument;
    uint32_t seed = 1;
    for (uint32_t number = 0; number < RECORDS; number++) {
        seed = seed * 1664525 + 1013904223;
        struct record record = { number, seed >> 22 };
        size_t size = sizeof record + record.padding;
        char *at;
        while ((at = ring_room(ring, size, 0)) == NULL) {
            sched_yield();
        }
        memcpy(at, &record, sizeof record);
        memset(at + sizeof record, (int)(number & 0xff), record.padding);
        ring_publish(ring, size);
    }
    return NULL;
}

static void order_holds_between_threads(void **state)
{
    (void)state;
    struct ring ring;
    assert_ok(ring_init(&ring, 2 * RING_WARM));
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &ring), 0);
    uint32_t expected = 0;
    while (expected < RECORDS) {
        struct slice all = ring_peek(&ring);
        size_t taken = 0;
        while (taken < all.len) {
            struct record record;
            memcpy(&record, all.ptr + taken, sizeof record);
            assert_int_equal(record.number, expected);
            const char *padding = all.ptr + taken + sizeof record;
            for (uint32_t i = 0; i < record.padding; i++) {
                if ((unsigned char)padding[i] != (expected & 0xff)) {
                    fail_msg("record %u is damaged", expected);
                }
            }
            taken += sizeof record + record.padding;
            expected++;
        }
        if (taken > 0) {
            ring_consume(&ring, taken);
        } else {
            sched_yield();
        }
    }
    pthread_join(producer, NULL);
    assert_int_equal(ring_peek(&ring).len, 0);
    ring_done(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(full_is_full),
        cmocka_unit_test(what_crosses_the_end_is_contiguous),
        cmocka_unit_test(an_empty_ring_starts_again_at_its_front),
        cmocka_unit_test(order_holds_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
