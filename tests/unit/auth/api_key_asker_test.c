/* A database that is not there: what is asked is refused, at once from then on, and the thread ends when it is told to. */
#include "auth/api_key_asker.h"

#include "unit.h"

static struct net_loop the_loop;
static struct api_key_digests the_digests = { .count = 1 };
static unsigned int the_answers;

static struct postgres_place *nowhere(void)
{
    struct postgres_settings settings = {
        .host = SLICE("/nonexistent"),
        .database = SLICE("keys"),
        .user = SLICE("reader"),
        .schema = SLICE("sallyport"),
        .connect_timeout = NS_PER_S,
        .statement_timeout = NS_PER_S,
    };
    struct postgres_place *place = NULL;
    assert_null(postgres_check_settings(&settings));
    assert_ok(postgres_place_new(&settings, &place));
    return place;
}

static bool never(void *context, const struct key_record *record)
{
    (void)context;
    (void)record;
    fail();
    return false;
}

static void on_answer(struct net_task *task)
{
    const struct api_key_question *question = (struct api_key_question *)task;
    assert_int_equal(question->error.kind, ERROR_SYSTEM);
    assert_false(question->found);
    the_answers++;
}

static void on_news(struct net_task *task)
{
    const struct api_key_news *news = (struct api_key_news *)task;
    assert_int_equal(news->error.number, ENOENT);
    assert_null(news->changes.numbers);
    net_loop_stop(&the_loop);
}

static struct api_key_question question_of(void)
{
    return (struct api_key_question){
        .answer = { .run = on_answer },
        .loop = &the_loop,
        .digests = &the_digests,
        .visit = never,
    };
}

static void it_refuses_and_ends(void **state)
{
    (void)state;
    struct api_key_source *source = NULL;
    struct api_key_question questions[3] = { question_of(), question_of(), question_of() };
    struct api_key_news news = { .arrival = { .run = on_news }, .loop = &the_loop };
    unsigned int waiting = 0;
    assert_ok(net_loop_init(&the_loop));
    assert_ok(api_key_source_new_remote(nowhere(), NULL, &source));
    assert_true(api_key_source_is_remote(source));
    assert_int_equal(api_key_source_fresh_at(source), 0);
    for (size_t i = 0; i < 3; i++) {
        /* The first try may have failed before. */
        waiting += api_key_source_ask(source, &questions[i]);
    }
    api_key_source_await(source, &news);
    net_loop_run(&the_loop);
    assert_int_equal(the_answers, waiting);
    struct api_key_question late = question_of();
    assert_false(api_key_source_ask(source, &late));
    assert_int_equal(late.error.number, ENOENT);
    /* News that nobody waits for any more do not come. */
    api_key_source_note_use(source, 1, the_digests.items[0], 1);
    api_key_source_unref(source);
    assert_true(api_key_sources_join(10 * NS_PER_S));
    net_loop_done(&the_loop);
}

static void news_are_called_back(void **state)
{
    (void)state;
    struct api_key_source *source = NULL;
    struct api_key_news news = { .arrival = { .run = on_news }, .loop = &the_loop };
    assert_ok(net_loop_init(&the_loop));
    assert_ok(api_key_source_new_remote(nowhere(), NULL, &source));
    assert_false(api_key_source_forget(source, &news));
    api_key_source_await(source, &news);
    if (!api_key_source_forget(source, &news)) {
        net_loop_run(&the_loop); /* they were on their way */
    }
    api_key_source_unref(source);
    assert_true(api_key_sources_join(10 * NS_PER_S));
    net_loop_done(&the_loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_refuses_and_ends),
        cmocka_unit_test(news_are_called_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
