#include "pipeline/failure_summary.h"

#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

static struct net_loop loop;
static struct logs *logs;
static int audit;

static void begin(struct failure_summary *summary)
{
    audit = memfd_create("audit", 0);
    const struct logs_options options = { .instance = SLICE("test"),
                                          .access_fd = -1,
                                          .audit_fd = dup(audit),
                                          .access_queue = 65536,
                                          .audit_queue = 1 << 20,
                                          .producers = 1 };
    assert_ok(logs_new(&options, &logs));
    assert_ok(net_loop_init(&loop));
    failure_summary_init(summary, &loop, logs_queue(logs, 0));
}

/* What was written, NUL-terminated; the caller frees it. */
static char *end(struct failure_summary *summary)
{
    deadline_clear(&summary->deadline);
    net_loop_stop(&loop);
    net_loop_run(&loop);
    net_loop_done(&loop);
    assert_int_equal(logs_free(logs), 0);
    off_t size = lseek(audit, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(audit, text, (size_t)size, 0), size);
    close(audit);
    return text;
}

static struct address v4(unsigned char last)
{
    return (struct address){ .bytes = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last } };
}

static void counts_by_network_and_reason(void **state)
{
    (void)state;
    struct failure_summary summary;
    struct address one = { .bytes = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1 } };
    struct address same = { .bytes = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 2 } };
    struct address other = v4(7);
    begin(&summary);
    assert_true(failure_summary_flush(&summary)); /* nothing to tell */
    failure_summary_add(&summary, &one, DENY_BASIC_WRONG);
    failure_summary_add(&summary, &same, DENY_BASIC_WRONG);
    failure_summary_add(&summary, &one, DENY_VERIFICATION_RATE);
    failure_summary_add(&summary, &other, DENY_TOKEN_SIGNATURE);
    assert_true(summary.deadline.class != NULL);
    assert_true(failure_summary_flush(&summary));
    assert_true(failure_summary_flush(&summary)); /* once */
    char *text = end(&summary);
    assert_non_null(strstr(text, "2001:db8:0:1::/64: 3 in 0s: basic_wrong 2, verification_rate 1\""));
    assert_non_null(strstr(text, "192.0.2.7: 1 in 0s: token_signature 1\""));
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, 2);
    free(text);
}

static void what_has_no_place_of_its_own_is_told_together(void **state)
{
    (void)state;
    struct failure_summary summary;
    static const enum deny_reason reasons[] = { DENY_TOKEN_KIND,   DENY_TOKEN_CLAIM,   DENY_TOKEN_BOUND,
                                                DENY_TOKEN_ISSUER, DENY_TOKEN_EXPIRED, DENY_TOKEN_LIFETIME };
    begin(&summary);
    for (unsigned int i = 0; i < FAILURE_SUMMARY_NETWORKS + 6; i++) {
        struct address network = v4((unsigned char)i);
        failure_summary_add(&summary, &network, reasons[i % 6]);
    }
    assert_true(failure_summary_flush(&summary));
    assert_int_equal(summary.count, 0);
    char *text = end(&summary);
    assert_non_null(strstr(text, "other places: 6 in 0s:"));
    assert_non_null(strstr(text, ", others 2\""));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_network_and_reason),
        cmocka_unit_test(what_has_no_place_of_its_own_is_told_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
