/* Keys as a worker checks them: known ones without asking, others by a job, and what changes in the store or in time. */
#include "auth/api_key_checker.h"

#include "keys.h"

#include <sqlite3.h>

#define HOUR (3600 * NS_PER_S)

static struct api_pepper_settings the_peppers[2];
static struct api_keys_settings the_settings;
static struct api_key_checker *the_checker;
static struct api_key_source *the_source;
static int64_t now = 5000, now_ns;

static void set_up(bool with_store)
{
    the_peppers[0] = (struct api_pepper_settings){ SLICE("p1"), SLICE(PEPPER) };
    the_peppers[1] = (struct api_pepper_settings){ SLICE("p0"), SLICE(OLD_PEPPER) };
    the_settings = (struct api_keys_settings){
        .name = SLICE("partners"),
        .peppers = { the_peppers, 1 },
        .prefix = SLICE("sallyport"),
        .stale = HOUR,
        .warn_before = 1000 * NS_PER_S,
    };
    now = 5000;
    now_ns = clock_monotonic_ns();
    the_source = NULL;
    assert_ok(api_key_checker_new(64, &the_checker));
    if (with_store) {
        assert_ok(api_key_source_new(slice_from_string(the_path), -1, &the_source));
    }
    assert_ok(api_key_checker_set(the_checker, &the_settings, the_source));
    api_key_checker_sweep(the_checker);
}

static void tear_down(void)
{
    api_key_checker_free(the_checker);
    api_key_source_unref(the_source);
}

static struct api_key_detail detail;

/* As a request: whatever it takes. The key is held. */
static struct api_key *check(struct slice text)
{
    struct api_key_request request = {
        .set_name = SLICE("partners"), .text = text, .now = now, .now_ns = now_ns
    };
    struct api_key *key = NULL;
    struct api_key_job *job = NULL;
    enum api_key_outcome outcome = api_key_check(the_checker, &request, &key, &detail, &job);
    if (outcome == API_KEY_SLOW) {
        api_key_job_run(job);
        outcome = api_key_finish(the_checker, job, now, now_ns, &key, &detail);
    }
    assert_true((outcome == API_KEY_VALID) == (key != NULL));
    assert_true((outcome == API_KEY_DENIED) == (detail.reason != DENY_NONE));
    return key;
}

static void assert_accepts(const struct made_key *made, bool cached)
{
    struct api_key *key = check(key_text(made));
    assert_non_null(key);
    assert_slice(key->record.consumer, "acme");
    assert_int_equal(detail.cached, cached);
    api_key_unref(key);
}

static void assert_denies(struct slice text, enum deny_reason reason, bool cached)
{
    assert_null(check(text));
    assert_int_equal(detail.reason, reason);
    assert_int_equal(detail.cached, cached);
}

static void follow(void)
{
    struct api_key_changes changes;
    assert_ok(api_key_source_look(the_source, &changes));
    api_key_checker_forget(the_checker, slice_from_string(the_path), &changes);
    free(changes.numbers);
}

static void a_key_is_looked_up_once(void **state)
{
    (void)state;
    struct made_key made, other;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &made);
    key_store_close(store);
    set_up(true);
    assert_accepts(&made, false);
    assert_accepts(&made, true);
    assert_int_equal(api_key_cache_count(the_checker), 1);
    struct api_key *key = check(key_text(&made));
    assert_int_equal(key->scope_count, 2);
    assert_slice(key->scopes[0], "read");
    assert_slice(key->scopes[1], "write");
    assert_slice(json_get(key->claims, SLICE("tags"))->items[1].text, "eu");
    api_key_unref(key);
    /* One that nobody made, and one that is none. */
    make_key(&other, PEPPER);
    assert_denies(key_text(&other), DENY_API_KEY_UNKNOWN, false);
    assert_denies(key_text(&other), DENY_API_KEY_UNKNOWN, true);
    now_ns += 11 * NS_PER_S;
    assert_denies(key_text(&other), DENY_API_KEY_UNKNOWN, false);
    other.text[other.len - 1] = other.text[other.len - 1] == 'x' ? 'y' : 'x';
    assert_denies(key_text(&other), DENY_API_KEY_MALFORMED, false);
    assert_denies(SLICE(""), DENY_API_KEY_MALFORMED, false);
    tear_down();
}

static void changes_bite(void **state)
{
    (void)state;
    struct made_key made, spared, late;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &made);
    store_key(store, &spared);
    set_up(true);
    follow();
    assert_accepts(&made, false);
    assert_accepts(&spared, false);
    make_key(&late, PEPPER);
    assert_denies(key_text(&late), DENY_API_KEY_UNKNOWN, false);
    assert_ok(key_store_revoke(store, made.record.id, 4000));
    assert_ok(key_store_add(store, &late.record, 1));
    follow();
    assert_denies(key_text(&made), DENY_API_KEY_REVOKED, false);
    assert_denies(key_text(&made), DENY_API_KEY_REVOKED, true);
    assert_accepts(&spared, true);
    assert_accepts(&late, false);
    key_store_close(store);
    tear_down();
}

static void a_key_ends_by_itself(void **state)
{
    (void)state;
    struct made_key made;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    make_key(&made, PEPPER);
    made.record.expires = 6000;
    assert_ok(key_store_add(store, &made.record, 1));
    key_store_close(store);
    set_up(true);
    now = 5999;
    assert_accepts(&made, false);
    now = 6000;
    assert_denies(key_text(&made), DENY_API_KEY_EXPIRED, true);
    tear_down();
}

/* A look-up that read the store before a change must not be kept after it was told. */
static void an_old_look_up_is_not_kept(void **state)
{
    (void)state;
    struct made_key made;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &made);
    set_up(true);
    follow();
    struct api_key_request request = {
        .set_name = SLICE("partners"), .text = key_text(&made), .now = now, .now_ns = now_ns
    };
    struct api_key *key = NULL;
    struct api_key_job *job = NULL;
    assert_int_equal(api_key_check(the_checker, &request, &key, &detail, &job), API_KEY_SLOW);
    api_key_job_run(job);
    assert_ok(key_store_revoke(store, made.record.id, 4000));
    follow();
    assert_int_equal(api_key_finish(the_checker, job, now, now_ns, &key, &detail), API_KEY_VALID);
    api_key_unref(key);
    assert_int_equal(api_key_cache_count(the_checker), 0);
    assert_denies(key_text(&made), DENY_API_KEY_REVOKED, false);
    key_store_close(store);
    tear_down();
}

/* Moved away: what was checked goes on for `stale`, what was not is answered by "nobody knows". Put back: all is well. */
static void a_dead_store_leaves_known_keys(void **state)
{
    (void)state;
    struct made_key known, unknown;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &known);
    store_key(store, &unknown);
    key_store_close(store);
    set_up(true);
    follow();
    assert_accepts(&known, false);
    char aside[160];
    snprintf(aside, sizeof aside, "%s.aside", the_path);
    assert_int_equal(rename(the_path, aside), 0);
    struct api_key_changes changes;
    assert_fails(api_key_source_look(the_source, &changes), ERROR_SYSTEM);
    assert_accepts(&known, true);
    assert_denies(key_text(&unknown), DENY_KEY_STORE_UNAVAILABLE, false);
    now_ns = clock_monotonic_ns() + HOUR - NS_PER_S;
    assert_accepts(&known, true);
    now_ns += 2 * NS_PER_S;
    assert_denies(key_text(&known), DENY_KEY_STORE_UNAVAILABLE, true);
    assert_int_equal(rename(aside, the_path), 0);
    now_ns = clock_monotonic_ns();
    follow();
    assert_accepts(&known, true); /* nothing has changed: it was not forgotten */
    assert_accepts(&unknown, false);
    tear_down();
}

static void a_locked_store_is_left_alone(void **state)
{
    (void)state;
    struct made_key made;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &made);
    key_store_close(store);
    set_up(true);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(the_path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_denies(key_text(&made), DENY_KEY_STORE_UNAVAILABLE, false);
    /* Who comes right after it does not wait. */
    int64_t began = clock_monotonic_ns();
    for (int i = 0; i < 20; i++) {
        assert_denies(key_text(&made), DENY_KEY_STORE_UNAVAILABLE, false);
    }
    assert_true(clock_monotonic_ns() - began < NS_PER_S);
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(other);
    follow();
    assert_accepts(&made, false);
    tear_down();
}

/* Another store in its place, restored or made anew: nothing that was known of the first holds. */
static void another_store_is_another(void **state)
{
    (void)state;
    struct made_key made, other;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &made);
    key_store_close(store);
    set_up(true);
    follow();
    assert_accepts(&made, false);
    assert_int_equal(unlink(the_path), 0);
    store = open_store(KEY_STORE_CREATE);
    store_key(store, &other);
    key_store_close(store);
    follow();
    assert_denies(key_text(&made), DENY_API_KEY_UNKNOWN, false);
    assert_accepts(&other, false);
    tear_down();
}

static void peppers_rotate(void **state)
{
    (void)state;
    struct made_key old, new;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    make_key(&old, OLD_PEPPER);
    old.record.pepper_id = SLICE("p0");
    assert_ok(key_store_add(store, &old.record, 1));
    store_key(store, &new);
    key_store_close(store);
    set_up(true);
    assert_denies(key_text(&old), DENY_API_KEY_UNKNOWN, false);
    the_settings.peppers.count = 2;
    the_settings.pepper = SLICE("p1");
    assert_ok(api_key_checker_set(the_checker, &the_settings, the_source));
    assert_accepts(&old, false);
    assert_accepts(&old, true);
    assert_accepts(&new, false);
    /* The same again changes nothing; without the old pepper its keys are gone. */
    assert_ok(api_key_checker_set(the_checker, &the_settings, the_source));
    assert_accepts(&old, true);
    the_settings.peppers.count = 1;
    assert_ok(api_key_checker_set(the_checker, &the_settings, the_source));
    assert_denies(key_text(&old), DENY_API_KEY_UNKNOWN, false);
    assert_accepts(&new, false);
    tear_down();
}

static void a_set_that_is_gone_takes_its_keys_along(void **state)
{
    (void)state;
    struct made_key made;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &made);
    key_store_close(store);
    set_up(true);
    assert_accepts(&made, false);
    api_key_checker_sweep(the_checker);
    assert_int_equal(api_key_cache_count(the_checker), 0);
    assert_denies(key_text(&made), DENY_INTERNAL, false);
    tear_down();
}

static void keys_of_the_settings(void **state)
{
    (void)state;
    enum {
        KEYS = 50
    };
    static struct made_key made[KEYS + 1];
    static struct api_key_entry_settings entries[KEYS];
    for (int i = 0; i <= KEYS; i++) {
        make_key(&made[i], PEPPER);
        if (i < KEYS) {
            entries[i].record = made[i].record;
        }
    }
    entries[7].record.revoked = 1;
    set_up(false);
    the_settings.keys = (struct conf_list){ entries, KEYS };
    assert_ok(api_key_checker_set(the_checker, &the_settings, NULL));
    for (int i = 0; i < KEYS; i++) {
        if (i == 7) {
            assert_denies(key_text(&made[i]), DENY_API_KEY_REVOKED, false);
        } else {
            assert_accepts(&made[i], false);
            assert_accepts(&made[i], true);
        }
    }
    assert_denies(key_text(&made[KEYS]), DENY_API_KEY_UNKNOWN, false);
    /* A file that was edited. */
    the_settings.keys.count = 1;
    assert_ok(api_key_checker_set(the_checker, &the_settings, NULL));
    assert_accepts(&made[0], false);
    assert_denies(key_text(&made[1]), DENY_API_KEY_UNKNOWN, false);
    /* No store is asked: nothing gets stale. */
    now_ns += 1000 * HOUR;
    assert_accepts(&made[0], true);
    tear_down();
}

static void uses_are_noted_once_a_minute(void **state)
{
    (void)state;
    struct made_key made;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &made);
    set_up(true);
    api_key_source_unref(the_source);
    char used[160];
    snprintf(used, sizeof used, "%s-used", the_path);
    int fd = open(used, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_ok(api_key_source_new(slice_from_string(the_path), fd, &the_source));
    assert_ok(api_key_checker_set(the_checker, &the_settings, the_source));
    struct api_key *key = check(key_text(&made));
    struct api_key_use *use = api_key_use_due(the_checker, key, now, now_ns);
    assert_non_null(use);
    assert_null(api_key_use_due(the_checker, key, now, now_ns));
    api_key_use_run(use);
    api_key_use_done(the_checker, use);
    now_ns += 61 * NS_PER_S;
    use = api_key_use_due(the_checker, key, now + 61, now_ns);
    assert_non_null(use);
    api_key_use_run(use);
    api_key_use_done(the_checker, use);
    api_key_unref(key);
    key_store_close(store);
    int64_t when[4] = { 0 };
    fd = open(used, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, when, sizeof when), sizeof when);
    close(fd);
    assert_int_equal(when[3], now + 61);
    tear_down();
}

static void what_is_to_be_renewed_is_reported(void **state)
{
    (void)state;
    struct made_key plain, ending, superseded;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &plain);
    make_key(&ending, PEPPER);
    ending.record.expires = 6500;
    make_key(&superseded, PEPPER);
    superseded.record.superseded = 4000;
    assert_ok(key_store_add(store, &ending.record, 1));
    assert_ok(key_store_add(store, &superseded.record, 1));
    key_store_close(store);
    set_up(true);
    struct api_key *key = check(key_text(&plain));
    assert_int_equal(api_key_notice_due(the_checker, key, now, now_ns), API_KEY_NOTICE_NONE);
    api_key_unref(key);
    key = check(key_text(&superseded));
    assert_int_equal(api_key_notice_due(the_checker, key, now, now_ns), API_KEY_NOTICE_SUPERSEDED);
    assert_int_equal(api_key_notice_due(the_checker, key, now, now_ns), API_KEY_NOTICE_NONE);
    now_ns += HOUR;
    assert_int_equal(api_key_notice_due(the_checker, key, now, now_ns), API_KEY_NOTICE_SUPERSEDED);
    api_key_unref(key);
    key = check(key_text(&ending));
    assert_int_equal(api_key_notice_due(the_checker, key, 5499, now_ns), API_KEY_NOTICE_NONE);
    assert_int_equal(api_key_notice_due(the_checker, key, 5500, now_ns), API_KEY_NOTICE_EXPIRING);
    api_key_unref(key);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_looked_up_once, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(changes_bite, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_key_ends_by_itself, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(an_old_look_up_is_not_kept, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_dead_store_leaves_known_keys, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_locked_store_is_left_alone, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(another_store_is_another, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(peppers_rotate, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_set_that_is_gone_takes_its_keys_along, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(keys_of_the_settings, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(uses_are_noted_once_a_minute, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(what_is_to_be_renewed_is_reported, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
