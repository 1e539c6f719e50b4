#include "compress/head.h"
#include "unit.h"

struct head {
    struct header items[8];
    struct headers headers;
    struct arena arena;
};

static void begin(struct head *head)
{
    head->headers = (struct headers){ head->items, 0, 8 };
    arena_init(&head->arena, 1 << 16);
}

static void put(struct head *head, const char *name, const char *value)
{
    struct slice text = slice_from_string(name);
    assert_true(headers_add(&head->headers, header_id_of(text), text, slice_from_string(value)));
}

static void says(const struct head *head, const char *name, const char *expected)
{
    const struct header *header = headers_find_name(&head->headers, slice_from_string(name));
    if (expected == NULL) {
        assert_null(header);
        return;
    }
    assert_non_null(header);
    assert_slice(header->value, expected);
}

static void tells_the_coding(void **state)
{
    (void)state;
    struct head head;
    begin(&head);
    put(&head, "ETag", "\"a\"");
    put(&head, "Accept-Ranges", "bytes");
    put(&head, "X-Kept", "1");
    assert_true(compress_head_encode(&head.headers, &compress_gzip, &head.arena));
    says(&head, "content-encoding", "gzip");
    says(&head, "etag", "W/\"a\"");
    says(&head, "accept-ranges", NULL);
    says(&head, "x-kept", "1");
    arena_done(&head.arena);
}

static void a_weak_tag_stays(void **state)
{
    (void)state;
    struct head head;
    begin(&head);
    put(&head, "ETag", "W/\"a\"");
    assert_true(compress_head_encode(&head.headers, &compress_zstd, &head.arena));
    says(&head, "etag", "W/\"a\"");
    says(&head, "content-encoding", "zstd");
    arena_done(&head.arena);
}

static void without_room_nothing_is_changed(void **state)
{
    (void)state;
    struct head head;
    begin(&head);
    put(&head, "ETag", "\"a\"");
    head.headers.capacity = 1;
    assert_false(compress_head_encode(&head.headers, &compress_gzip, &head.arena));
    assert_false(compress_head_vary(&head.headers));
    says(&head, "etag", "\"a\"");
    assert_int_equal(head.headers.count, 1);
    arena_done(&head.arena);
}

static void vary_is_said_once(void **state)
{
    (void)state;
    static const char *const said[] = { "Accept-Encoding", "Origin, accept-encoding", "*" };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        struct head head;
        begin(&head);
        put(&head, "Vary", said[i]);
        assert_true(compress_head_vary(&head.headers));
        assert_int_equal(head.headers.count, 1);
        arena_done(&head.arena);
    }
    struct head head;
    begin(&head);
    put(&head, "Vary", "Origin");
    assert_true(compress_head_vary(&head.headers));
    assert_true(compress_head_vary(&head.headers));
    assert_int_equal(head.headers.count, 2);
    assert_slice(head.items[1].value, "Accept-Encoding");
    arena_done(&head.arena);
}

static void not_modified(const char *asked, const char *tag, const char *expected)
{
    struct head head, request;
    begin(&head);
    begin(&request);
    put(&head, "ETag", tag);
    put(&request, "If-None-Match", asked);
    assert_true(compress_head_not_modified(&head.headers, &request.headers, &head.arena));
    says(&head, "etag", expected);
    arena_done(&head.arena);
    arena_done(&request.arena);
}

static void a_304_names_the_tag_that_the_client_has(void **state)
{
    (void)state;
    not_modified("W/\"a\"", "\"a\"", "W/\"a\"");
    not_modified("\"x\", W/\"a,b\" , W/\"a\"", "\"a,b\"", "W/\"a,b\"");
    not_modified("\"a\"", "\"a\"", "\"a\"");
    not_modified("W/\"b\"", "\"a\"", "\"a\"");
    not_modified("*", "\"a\"", "\"a\"");
    not_modified("W/\"a", "\"a\"", "\"a\"");
    not_modified("W/\"a\"", "W/\"a\"", "W/\"a\"");
}

static void asks(const char *if_match, const char *expected)
{
    struct head head;
    begin(&head);
    put(&head, "Accept-Encoding", "gzip, br");
    put(&head, "accept-encoding", "zstd");
    put(&head, "If-Match", if_match);
    put(&head, "If-None-Match", "W/\"a\"");
    put(&head, "If-Range", "W/\"a\"");
    assert_true(compress_head_ask(&head.headers, &head.arena));
    assert_int_equal(head.headers.count, 4);
    says(&head, "accept-encoding", "identity");
    says(&head, "if-match", expected);
    says(&head, "if-none-match", "W/\"a\"");
    says(&head, "if-range", "W/\"a\"");
    arena_done(&head.arena);
}

static void the_upstream_is_asked_for_the_plain_body(void **state)
{
    (void)state;
    asks("W/\"a\"", "\"a\"");
    asks("\"a\"", "\"a\"");
    asks("*", "*");
    asks("\"x\" ,W/\"W/\",W/\"a, W/\"", "\"x\" ,\"W/\",\"a, W/\"");
    asks("W/\"a\", W/\"b", "\"a\", W/\"b");
    asks("W/a", "W/a");
    asks("", "");
}

static void proofs_of_another_body_are_dropped(void **state)
{
    (void)state;
    struct head head;
    begin(&head);
    put(&head, "Content-Digest", "a");
    put(&head, "Server-Timing", "b");
    put(&head, "repr-digest", "c");
    compress_head_trailers(&head.headers);
    assert_int_equal(head.headers.count, 1);
    says(&head, "server-timing", "b");
    arena_done(&head.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_coding),
        cmocka_unit_test(a_weak_tag_stays),
        cmocka_unit_test(without_room_nothing_is_changed),
        cmocka_unit_test(vary_is_said_once),
        cmocka_unit_test(a_304_names_the_tag_that_the_client_has),
        cmocka_unit_test(the_upstream_is_asked_for_the_plain_body),
        cmocka_unit_test(proofs_of_another_body_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
