#include "pair.h"
#include "pki.h"

static struct pki ca, site;
static struct tls_server *server;
static struct tls_client *client;
static struct pair pair;

static int make_all(void **state)
{
    (void)state;
    int index;
    pki_make(&ca, "Test CA", NULL, NULL, true, 30);
    pki_make(&site, "site", "DNS:site.example.com", &ca, false, 30);
    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&site),
                                                    .key_pem = pki_key(&site),
                                                    .client_certificate = -1 };
    const struct tls_server_settings server_settings = { .certificates = { &certificate, 1 } };
    const struct tls_client_settings client_settings = { .ca_pem = pki_cert(&ca) };
    assert_ok(tls_server_new(&server_settings, NULL, SLICE_NONE, &server, &index));
    assert_ok(tls_client_new(&client_settings, &client));
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    tls_server_free(server);
    tls_client_free(client);
    pki_done(&ca);
    pki_done(&site);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    pair_open(&pair);
    assert_ok(tls_accept(server, &pair.server));
    assert_ok(tls_connect(client, &pair.client, SLICE("site.example.com"), SLICE_NONE));
    pair_shake(&pair);
    assert_int_equal(pair.server_result, STREAM_OK);
    assert_int_equal(pair.client_result, STREAM_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pair_done(&pair);
    return 0;
}

#define BODY (3 * 1024 * 1024)

/* Byte `i` of an endless text that repeats at no power of two. */
static char byte_at(size_t i)
{
    return (char)(i % 251);
}

static size_t read_all(struct stream *stream, size_t from)
{
    static char out[50000];
    size_t size, got = 0;
    while (stream->ops->read(stream, out, sizeof out, &size) == STREAM_OK) {
        for (size_t i = 0; i < size; i++) {
            if (out[i] != byte_at(from + got + i)) {
                fail_msg("byte %zu differs", from + got + i);
            }
        }
        got += size;
    }
    return got;
}

/* Parts as a response has them: a head, then pieces of a body, in sizes around that of a record. */
static int cut(const char *body, size_t from, struct iovec parts[8])
{
    static const size_t sizes[] = { 1, 300, 0, 16384, 16383, 40000, 7, 20000 };
    int count = 0;
    for (int i = 0; i < 8 && from < BODY; i++, count++) {
        size_t size = sizes[i] < BODY - from ? sizes[i] : BODY - from;
        parts[i] = (struct iovec){ (void *)(body + from), size };
        from += size;
    }
    return count;
}

static void test_large_bodies_with_back_pressure(void **state)
{
    (void)state;
    char *body = malloc(BODY);
    size_t sent = 0, got = 0, stalls = 0;
    for (size_t i = 0; i < BODY; i++) {
        body[i] = byte_at(i);
    }
    while (sent < BODY) {
        struct iovec parts[8];
        size_t size = 0;
        int count = cut(body, sent, parts);
        enum stream_result result = pair.server.ops->write(&pair.server, parts, count, &size);
        if (result == STREAM_OK) {
            sent += size;
            continue;
        }
        assert_int_equal(result, STREAM_AGAIN);
        stalls++;
        got += read_all(&pair.client, got);
    }
    got += read_all(&pair.client, got);
    assert_int_equal(sent, BODY);
    assert_int_equal(got, BODY);
    assert_true(stalls > 2);
    free(body);
}

static void test_small_parts_share_a_record(void **state)
{
    (void)state;
    struct iovec parts[] = { { "HTTP/1.1 200 OK\r\n\r\n", 19 }, { "", 0 }, { "body", 4 }, { "more", 4 } };
    char text[64], raw[512];
    size_t size;
    assert_int_equal(pair.server.ops->write(&pair.server, parts, 4, &size), STREAM_OK);
    assert_int_equal(size, 27);
    ssize_t length = recv(pair.client.fd, raw, sizeof raw, MSG_PEEK);
    assert_int_equal(length, 27 + 22); /* one record: header, content type, tag */
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_OK);
    assert_slice(slice_of(text, size), "HTTP/1.1 200 OK\r\n\r\nbodymore");
}

/* What was read off the socket with an earlier record raises no readiness: pending must say so. */
static void test_pending(void **state)
{
    (void)state;
    char text[8];
    size_t size;
    assert_int_equal(pair_write(&pair.server, "first record", &size), STREAM_OK);
    assert_int_equal(pair_write(&pair.server, "second", &size), STREAM_OK);
    assert_int_equal(pair_read(&pair.client, text, 5, &size), STREAM_OK);
    assert_memory_equal(text, "first", 5);
    assert_true(pair.client.ops->pending(&pair.client));
    assert_int_equal(pair_read(&pair.client, text, 8, &size), STREAM_OK);
    assert_int_equal(size, 7);
    assert_int_equal(recv(pair.client.fd, text, 1, MSG_PEEK), -1); /* the socket is empty, */
    assert_true(pair.client.ops->pending(&pair.client));           /* the second record is inside */
    assert_int_equal(pair_read(&pair.client, text, 8, &size), STREAM_OK);
    assert_memory_equal(text, "second", 6);
    assert_false(pair.client.ops->pending(&pair.client));
    assert_int_equal(pair_read(&pair.client, text, 8, &size), STREAM_AGAIN);
    assert_false(pair.client.ops->pending(&pair.client));
}

/* Half a record is inside: a read would not succeed, so nobody may be told to try it again and again. */
static void test_half_a_record_is_not_pending(void **state)
{
    (void)state;
    char raw[512], text[32];
    size_t size;
    assert_int_equal(pair_write(&pair.server, "hello", &size), STREAM_OK);
    ssize_t length = recv(pair.client.fd, raw, sizeof raw, 0);
    assert_int_equal(length, 27);
    assert_int_equal(send(pair.server.fd, raw, 10, 0), 10);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_AGAIN);
    assert_false(pair.client.ops->pending(&pair.client));
    assert_int_equal(send(pair.server.fd, raw + 10, 17, 0), 17);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_OK);
    assert_slice(slice_of(text, size), "hello");
}

/* The first request may come in one segment with the end of the handshake. */
static void test_data_behind_the_handshake(void **state)
{
    (void)state;
    struct pair late;
    char text[32];
    size_t size;
    pair_open(&late);
    assert_ok(tls_accept(server, &late.server));
    assert_ok(tls_connect(client, &late.client, SLICE("site.example.com"), SLICE_NONE));
    assert_int_equal(late.client.ops->handshake(&late.client), STREAM_AGAIN);
    assert_int_equal(late.server.ops->handshake(&late.server), STREAM_AGAIN);
    assert_int_equal(late.client.ops->handshake(&late.client), STREAM_OK);
    assert_int_equal(pair_write(&late.client, "request", &size), STREAM_OK);
    assert_int_equal(late.server.ops->handshake(&late.server), STREAM_OK);
    assert_true(late.server.ops->pending(&late.server));
    assert_int_equal(pair_read(&late.server, text, sizeof text, &size), STREAM_OK);
    assert_slice(slice_of(text, size), "request");
    pair_done(&late);
}

static void test_orderly_end(void **state)
{
    (void)state;
    char text[32];
    size_t size;
    assert_int_equal(pair_write(&pair.server, "bye", &size), STREAM_OK);
    assert_int_equal(pair.server.ops->shutdown(&pair.server), STREAM_OK);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_OK);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_END);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_END);
    assert_int_equal(pair_write(&pair.client, "still", &size), STREAM_OK); /* half-closed */
    assert_int_equal(pair_read(&pair.server, text, sizeof text, &size), STREAM_OK);
    assert_slice(slice_of(text, size), "still");
}

/* Somebody on the way can end a TCP connection, but not say close_notify. */
static void test_a_cut_is_no_end(void **state)
{
    (void)state;
    char text[32];
    size_t size;
    assert_int_equal(pair_write(&pair.server, "part of an answer", &size), STREAM_OK);
    assert_int_equal(shutdown(pair.server.fd, SHUT_WR), 0);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_OK);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_FAILED);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_FAILED);
    assert_int_equal(pair.client.ops->shutdown(&pair.client), STREAM_OK); /* harmless */
}

static void test_a_changed_record_is_fatal(void **state)
{
    (void)state;
    char raw[512], text[32];
    size_t size;
    assert_int_equal(pair_write(&pair.server, "hello", &size), STREAM_OK);
    ssize_t length = recv(pair.client.fd, raw, sizeof raw, 0);
    raw[length - 1] ^= 1;
    assert_int_equal(send(pair.server.fd, raw, (size_t)length, 0), length);
    assert_int_equal(pair_read(&pair.client, text, sizeof text, &size), STREAM_FAILED);
    assert_int_equal(pair_write(&pair.client, "x", &size), STREAM_FAILED);
    assert_non_null(strstr(tls_failure(&pair.client), "bad record mac"));
}

static void test_writing_to_a_peer_that_is_gone(void **state)
{
    (void)state;
    size_t size;
    enum stream_result result = STREAM_OK;
    stream_close(&pair.client, NULL);
    for (int i = 0; i < 10 && result == STREAM_OK; i++) {
        result = pair_write(&pair.server, "anybody there", &size);
    }
    assert_int_equal(result, STREAM_FAILED); /* and no SIGPIPE */
}

/* While a handshake waits for the socket to become readable, whoever wants to write must not spin on writability. */
static void test_what_is_watched_during_a_handshake(void **state)
{
    (void)state;
    struct pair early;
    pair_open(&early);
    assert_ok(tls_accept(server, &early.server));
    stream_want(&early.server, STREAM_READABLE | STREAM_WRITABLE);
    assert_int_equal(early.server.watched, UV_READABLE | UV_WRITABLE);
    assert_int_equal(early.server.ops->handshake(&early.server), STREAM_AGAIN);
    assert_int_equal(early.server.watched, UV_READABLE);
    assert_ok(tls_connect(client, &early.client, SLICE("site.example.com"), SLICE_NONE));
    pair_shake(&early);
    assert_int_equal(early.server.watched, UV_READABLE | UV_WRITABLE);
    pair_done(&early);
}

static void test_reading_goes_through_the_handshake(void **state)
{
    (void)state;
    struct pair early;
    char text[8];
    size_t size;
    pair_open(&early);
    assert_ok(tls_accept(server, &early.server));
    assert_int_equal(pair_read(&early.server, text, sizeof text, &size), STREAM_AGAIN);
    assert_int_equal(pair_write(&early.server, "x", &size), STREAM_FAILED);
    pair_done(&early);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_large_bodies_with_back_pressure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_small_parts_share_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_record_is_not_pending, set_up, tear_down),
        cmocka_unit_test(test_data_behind_the_handshake),
        cmocka_unit_test_setup_teardown(test_orderly_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cut_is_no_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_changed_record_is_fatal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writing_to_a_peer_that_is_gone, set_up, tear_down),
        cmocka_unit_test(test_what_is_watched_during_a_handshake),
        cmocka_unit_test(test_reading_goes_through_the_handshake),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
