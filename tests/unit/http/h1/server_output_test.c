#include "http/h1/server_fixture.h"

/* Each piece that is added behind what the client does not take tries to write again: that is no progress of the client. */
static void a_source_that_trickles_does_not_extend_the_write_limit(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/slow"));
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 1 << 30 };
    stream->ops->send_head(stream, &response);
    static char piece[16384];
    while (stream->ops->send_body(stream, slice_of(piece, sizeof piece))) {
    }
    int64_t limit = clock_monotonic_ns() + 2 * NS_PER_S;
    while (fixture->aborts == 0 && clock_monotonic_ns() < limit) {
        stream->ops->flush(stream);
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(fixture->aborts, 1);
}

static void what_has_not_left_can_be_taken_back(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/x"));
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    assert_false(stream->ops->retract(stream)); /* there is nothing */
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, SLICE("theirs"));
    assert_true(stream->ops->retract(stream));
    assert_false(stream->ops->retract(stream));
    assert_int_equal(stream->sent, 0);
    answer(stream, 502, SLICE("ours"), false);
    turn();
    assert_memory_equal(fixture->printed, "HTTP/1.1 502", 12);
    assert_non_null(strstr(fixture->printed, "\r\n\r\nours"));
    assert_null(strstr(fixture->printed, "theirs"));
    assert_null(strstr(fixture->printed, "200"));
    fixture->hold = false;
    say_string(GET("/next")); /* the connection goes on */
    assert_int_equal(fixture->requests, 2);
}

static void what_has_left_cannot_be_taken_back(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/x"));
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    stream->ops->send_head(stream, &response);
    stream->ops->flush(stream);
    assert_false(stream->ops->retract(stream));
    stream->ops->send_body(stream, SLICE("theirs"));
    assert_false(stream->ops->retract(stream));
    stream->ops->send_end(stream, NULL);
    turn();
    assert_non_null(strstr(fixture->printed, "theirs"));
}

/* The first head took back the promise of 100: whether a body comes nobody knows. */
static void an_answer_in_place_of_another_ends_a_connection_whose_body_is_open(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    stream->ops->send_head(stream, &response);
    assert_true(stream->ops->retract(stream));
    stream->ops->discard_body(stream);
    answer(stream, 502, SLICE("ours"), false);
    assert_true(peer_sees_end());
    assert_non_null(strstr(fixture->printed, "Connection: close"));
}

/* Where memory is scarce the source waits with the first byte that the client does not take, and until all of it is gone. */
static void where_memory_is_scarce_little_waits(void **state)
{
    (void)state;
    static _Atomic int64_t bytes;
    static char piece[16384];
    fixture->hold = true;
    bytes = 0;
    buffer_count_in(&bytes);
    for (int scarce = 0; scarce < 2; scarce++) {
        say_string(GET("/slow"));
        struct http_stream *stream = fixture->stream;
        struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 1 << 20 };
        size_t sent = 0, printed = fixture->printed_size;
        buffer_set_budget(scarce ? 2 : INT64_C(1) << 40);
        fixture->writables = 0;
        stream->ops->send_head(stream, &response);
        for (bool more = true; more; sent += sizeof piece) {
            more = stream->ops->send_body(stream, slice_of(piece, sizeof piece));
        }
        if (scarce) {
            assert_in_range(bytes, 1, 2 * sizeof piece);
        } else {
            assert_in_range(bytes, HTTP_WRITE_HIGH_WATER, HTTP_WRITE_BUFFER_MAX);
        }
        /* All that it was sent comes; the source goes on, and the rest passes. */
        while (sent < response.content_length) {
            unsigned int before = fixture->writables;
            for (int i = 0; i < 100 && fixture->writables == before; i++) {
                turn();
            }
            assert_int_equal(fixture->writables, before + 1);
            bool more = true;
            while (more && sent < response.content_length) {
                more = stream->ops->send_body(stream, slice_of(piece, sizeof piece));
                sent += sizeof piece;
            }
            if (more) {
                break;
            }
        }
        stream->ops->send_end(stream, NULL);
        for (int i = 0; i < 100; i++) {
            turn();
        }
        assert_true(fixture->printed_size - printed > response.content_length);
    }
    buffer_set_budget(0);
    buffer_count_in(NULL);
}

/* Also where it is others that hold the memory, and nothing waits here. */
static void where_memory_is_scarce_little_is_read_at_once(void **state)
{
    (void)state;
    static _Atomic int64_t bytes;
    static char body[128 * 1024];
    buffer_count_in(&bytes);
    for (int scarce = 0; scarce < 2; scarce++) {
        bytes = scarce ? 2 : 0;
        buffer_set_budget(scarce ? 2 : INT64_C(1) << 40);
        fixture->received_size = fixture->largest_piece = 0;
        say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 131072\r\n\r\n");
        say(body, sizeof body);
        for (int i = 0; i < 100; i++) {
            turn();
        }
        assert_int_equal(fixture->received_size, sizeof body);
        /* The last 16 KiB may come at once: a head may follow them. */
        assert_in_range(fixture->largest_piece, scarce ? 1 : HTTP_READ_BUFFER + 1,
                        scarce ? HTTP_READ_BUFFER : HTTP_BULK_BUFFER);
    }
    buffer_set_budget(0);
    buffer_count_in(NULL);
}

static void a_cut_answer_is_a_reset(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("GET /until-the-end HTTP/1.0\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, SLICE("half"));
    stream->ops->flush(stream);
    turn();
    assert_non_null(strstr(fixture->printed, "half"));
    http_connections_close_all(&fixture->list);
    assert_int_equal(fixture->aborts, 1);
    char byte;
    errno = 0;
    assert_int_equal(read(fixture->peer, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void a_whole_answer_is_an_orderly_end(void **state)
{
    (void)state;
    say_string("GET /until-the-end HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(fixture->printed, "/until-the-end"));
    assert_true(peer_sees_end());
}

static void a_large_answer_waits_for_a_slow_reader(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/large"));
    struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 64 * 16384 };
    struct http_stream *stream = fixture->stream;
    stream->ops->send_head(stream, &response);
    static char piece[16384];
    bool room = true;
    size_t pieces = 0;
    while (room && pieces < 64) {
        room = stream->ops->send_body(stream, slice_of(piece, sizeof piece));
        pieces++;
    }
    assert_true(pieces < 64); /* told to stop: the socket pair holds a few hundred KiB at the most */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_source_that_trickles_does_not_extend_the_write_limit,
                                        setup_short_write, teardown),
        cmocka_unit_test_setup_teardown(what_has_not_left_can_be_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(where_memory_is_scarce_little_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(where_memory_is_scarce_little_is_read_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_left_cannot_be_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_in_place_of_another_ends_a_connection_whose_body_is_open,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_answer_is_a_reset, setup_tcp, teardown),
        cmocka_unit_test_setup_teardown(a_whole_answer_is_an_orderly_end, setup_tcp, teardown),
        TEST(a_large_answer_waits_for_a_slow_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
