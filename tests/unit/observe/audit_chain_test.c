#include "unit.h"

#include "observe/audit_chain.h"
#include "observe/logs.h"

#include <sys/mman.h>
#include <unistd.h>

struct log_text {
    char bytes[64 * 1024];
    size_t size;
};

static void write_line(struct audit_chain *chain, struct log_text *log, const char *body)
{
    char full[1024];
    int size = snprintf(full, sizeof full, "\"event\":\"denied\",\"path\":\"%s\"}\n", body);
    log->size += audit_chain_line(chain, slice_of(full, (size_t)size), log->bytes + log->size);
}

static void write_other(struct log_text *log, const char *line)
{
    size_t size = strlen(line);
    memcpy(log->bytes + log->size, line, size);
    log->size += size;
}

static size_t verify(const struct log_text *log)
{
    return log_audit_verify(slice_of(log->bytes, log->size));
}

/* Five lines, two access lines between them. */
static void make_log(struct log_text *log, struct audit_chain *chain)
{
    log->size = 0;
    assert_ok(audit_chain_init(chain, SLICE("edge \"1\"")));
    write_line(chain, log, "/1");
    write_line(chain, log, "/2");
    write_other(log, "{\"log\":\"access\",\"path\":\"/2\"}\n");
    write_line(chain, log, "/3");
    write_other(log, "{\"time\":\"2026-01-02T03:04:05.678Z\",\"event\":\"ready\"}\n");
    write_line(chain, log, "/4 } \\\" {");
    write_line(chain, log, "/5");
}

static char *line_at(struct log_text *log, size_t number)
{
    char *at = log->bytes;
    while (--number > 0) {
        at = strchr(at, '\n') + 1;
    }
    return at;
}

static void drop_line(struct log_text *log, size_t number)
{
    char *at = line_at(log, number);
    char *next = strchr(at, '\n') + 1;
    memmove(at, next, (size_t)(log->bytes + log->size - next));
    log->size -= (size_t)(next - at);
    log->bytes[log->size] = '\0';
}

static struct log_text log_text;

static void a_whole_chain_holds(void **state)
{
    (void)state;
    struct audit_chain chain;
    make_log(&log_text, &chain);
    assert_int_equal(verify(&log_text), 0);
    assert_int_equal(log_audit_verify(SLICE_NONE), 0);
    assert_int_equal(log_audit_verify(SLICE("")), 0);
    assert_int_equal(log_audit_verify(SLICE("nothing of ours\n")), 1);
    assert_int_equal(log_audit_verify(SLICE("{\"log\":\"access\"}\n\n")), 2);
    char start[128];
    snprintf(start, sizeof start,
             "{\"log\":\"audit\",\"instance\":\"edge \\\"1\\\"\",\"boot\":\"%s\",\"seq\":1,\"prev\":\"0000",
             chain.boot);
    assert_memory_equal(log_text.bytes, start, strlen(start));
    audit_chain_done(&chain);
}

static void any_changed_byte_is_found(void **state)
{
    (void)state;
    struct audit_chain chain;
    make_log(&log_text, &chain);
    audit_chain_done(&chain);
    size_t last = (size_t)(line_at(&log_text, 7) - log_text.bytes);
    size_t number = 1;
    for (size_t i = 0; i < last; i++) {
        char before = log_text.bytes[i];
        if (before == '\n') {
            number++;
            continue;
        }
        log_text.bytes[i] = before == 'x' ? 'y' : 'x';
        size_t broken = verify(&log_text);
        /* The first line, made another log's, is as if rotated away; what is no log's line is never ours. */
        bool start = i == 0 || log_text.bytes[i - 1] == '\n' || log_text.bytes[i - 1] == '{';
        bool audit = (number != 3 && number != 5 && i >= 15) || start;
        /* A changed line breaks itself or the next one. */
        if (audit ? broken == 0 || broken < number || broken > number + 2 : broken != 0) {
            fail_msg("byte %zu, line %zu: %zu", i, number, broken);
        }
        log_text.bytes[i] = before;
    }
    assert_int_equal(verify(&log_text), 0);
}

static void a_dropped_line_is_found(void **state)
{
    (void)state;
    struct audit_chain chain;
    static const size_t dropped[] = { 2, 4, 6 }, found[] = { 3, 5, 6 };
    for (size_t i = 0; i < 3; i++) {
        make_log(&log_text, &chain);
        audit_chain_done(&chain);
        drop_line(&log_text, dropped[i]);
        assert_int_equal(verify(&log_text), found[i]);
    }
    /* Rotation takes lines off the front: that is no break. */
    make_log(&log_text, &chain);
    audit_chain_done(&chain);
    drop_line(&log_text, 1);
    assert_int_equal(verify(&log_text), 0);
    /* Lines of other logs are not part of it. */
    make_log(&log_text, &chain);
    audit_chain_done(&chain);
    drop_line(&log_text, 3);
    assert_int_equal(verify(&log_text), 0);
}

static void added_and_swapped_lines_are_found(void **state)
{
    (void)state;
    struct audit_chain chain, forged;
    make_log(&log_text, &chain);
    size_t size = log_text.size;
    /* A line of its own chain, in the middle of a boot. */
    assert_ok(audit_chain_init(&forged, SLICE("edge")));
    write_line(&forged, &log_text, "/forged");
    write_line(&forged, &log_text, "/forged");
    audit_chain_done(&forged);
    assert_int_equal(verify(&log_text), 0); /* another start, at the end: nothing is missing */
    write_line(&chain, &log_text, "/6");
    assert_int_equal(verify(&log_text), 8); /* of a process that this one does not know */
    /* The same line twice. */
    log_text.size = size;
    char *last = line_at(&log_text, 7);
    memcpy(log_text.bytes + size, last, size - (size_t)(last - log_text.bytes));
    log_text.size += size - (size_t)(last - log_text.bytes);
    assert_int_equal(verify(&log_text), 8);
    audit_chain_done(&chain);
}

static void a_cut_end_is_found(void **state)
{
    (void)state;
    struct audit_chain chain;
    make_log(&log_text, &chain);
    audit_chain_done(&chain);
    log_text.size -= 1;
    assert_int_equal(verify(&log_text), 7);
    log_text.size -= 5;
    assert_int_equal(verify(&log_text), 7);
    log_text.bytes[log_text.size++] = '\n';
    assert_int_equal(verify(&log_text), 7);
}

static int file_of(const struct log_text *log)
{
    int fd = memfd_create("audit", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, log->bytes, log->size), log->size);
    return fd;
}

/* A new process goes on behind the last line. */
static void a_restart_goes_on(void **state)
{
    (void)state;
    struct audit_chain chain;
    make_log(&log_text, &chain);
    audit_chain_done(&chain);
    write_other(&log_text, "{\"log\":\"access\"}\n");
    int fd = file_of(&log_text);
    assert_ok(audit_chain_init(&chain, SLICE("edge")));
    bool fragment = true;
    audit_chain_follow(&chain, fd, &fragment);
    assert_false(fragment);
    write_line(&chain, &log_text, "/after");
    assert_int_equal(verify(&log_text), 0);
    drop_line(&log_text, 7);
    assert_int_equal(verify(&log_text), 8); /* so it was tied to the last line */
    audit_chain_done(&chain);
    close(fd);
}

/* The process before died in the middle of a line. */
static void a_restart_behind_a_cut_line(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 400; cut++) {
        struct audit_chain chain;
        make_log(&log_text, &chain);
        audit_chain_done(&chain);
        size_t last = log_text.size - (size_t)(line_at(&log_text, 7) - log_text.bytes);
        if (cut >= last) {
            break;
        }
        log_text.size -= cut;
        int fd = file_of(&log_text);
        assert_ok(audit_chain_init(&chain, SLICE("edge")));
        bool fragment = false;
        audit_chain_follow(&chain, fd, &fragment);
        assert_true(fragment);
        write_other(&log_text, "\n");
        write_line(&chain, &log_text, "/after");
        write_line(&chain, &log_text, "/after");
        size_t broken = verify(&log_text);
        /* Where the cut line still says what came before it, all holds; where it does not, it is the one named. Of a
         * line that lost even its first member nothing is known to be missing. */
        bool readable = last - cut >= 15 + 24 + 42 + 8 + 73;
        assert_int_equal(broken, readable || (last - cut < 15 && last - cut > 1) ? 0 : 7);
        audit_chain_done(&chain);
        close(fd);
    }
}

static void a_cut_line_within_a_boot_is_found(void **state)
{
    (void)state;
    struct audit_chain chain;
    make_log(&log_text, &chain);
    log_text.bytes[log_text.size - 2] = '\n'; /* the closing brace goes */
    log_text.size -= 1;
    int fd = file_of(&log_text);
    bool fragment;
    audit_chain_follow(&chain, fd, &fragment);
    write_line(&chain, &log_text, "/6");
    assert_int_equal(verify(&log_text), 8);
    audit_chain_done(&chain);
    close(fd);
}

static void write_event(struct audit_chain *chain, struct log_text *log, const char *event,
                        const char *detail)
{
    char full[1024];
    int size =
        snprintf(full, sizeof full, "\"event\":\"%s\",\"time\":\"now\",\"detail\":\"%s\"}\n", event, detail);
    log->size += audit_chain_line(chain, slice_of(full, (size_t)size), log->bytes + log->size);
}

/* Lines 1 to 7 are the old one's; 8 the new one's first, tied to 7 (or starting anew); 9 the old one's, 10 names the new one (or
 * both before the new one's first, 10); 11 new, 12 the old one's last; 13 seals it. */
static void make_relief(bool follows, bool names, bool seals, bool early)
{
    struct audit_chain old, new;
    char place[128];
    bool fragment;
    make_log(&log_text, &old);
    assert_ok(audit_chain_init(&new, SLICE("edge")));
    if (follows) {
        int fd = file_of(&log_text);
        audit_chain_follow(&new, fd, &fragment);
        close(fd);
    }
    if (early) {
        write_line(&old, &log_text, "/old"); /* since the new one looked */
        write_event(&old, &log_text, "relieved", names ? new.boot : "0123456789abcdef0123456789abcdef");
        write_line(&new, &log_text, "/new");
    } else {
        write_line(&new, &log_text, "/new");
        write_line(&old, &log_text, "/old");
        write_event(&old, &log_text, "relieved", names ? new.boot : "0123456789abcdef0123456789abcdef");
    }
    write_line(&new, &log_text, "/new");
    write_line(&old, &log_text, "/last");
    if (seals) {
        place[audit_chain_place(&old, place)] = '\0';
        write_event(&new, &log_text, "succeeded", place);
    }
    audit_chain_done(&old);
    audit_chain_done(&new);
}

static void one_process_relieves_another(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool follows = i & 1, early = i & 2;
        make_relief(follows, true, true, early);
        assert_int_equal(verify(&log_text), 0);
        /* Nothing can go from between, */
        for (size_t line = 8; line <= 11; line++) {
            make_relief(follows, true, true, early);
            drop_line(&log_text, line);
            size_t broken = verify(&log_text);
            /* Where nobody knows the new process, it is the one that is told. */
            if (broken > line + 2 || broken < 8) {
                fail_msg("without line %zu: %zu", line, broken);
            }
        }
        /* nor from the old one's end, though nothing of its own comes behind it; */
        make_relief(follows, true, true, early);
        drop_line(&log_text, 12);
        assert_int_equal(verify(&log_text), 12);
        make_relief(follows, true, false, early);
        drop_line(&log_text, 12);
        assert_int_equal(verify(&log_text), 0);
        /* and one that was never named did not write there. */
        make_relief(follows, false, true, early);
        assert_int_equal(verify(&log_text), early ? 10 : 8);
    }
}

static void what_cannot_be_read_is_not_followed(void **state)
{
    (void)state;
    struct audit_chain chain;
    assert_ok(audit_chain_init(&chain, SLICE("edge")));
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    bool fragment = true;
    audit_chain_follow(&chain, ends[1], &fragment);
    assert_false(fragment);
    audit_chain_follow(&chain, -1, &fragment);
    struct log_text empty = { .size = 0 };
    int fd = file_of(&empty);
    audit_chain_follow(&chain, fd, &fragment);
    assert_false(fragment);
    for (size_t i = 0; i < AUDIT_HASH_SIZE; i++) {
        assert_int_equal(chain.previous[i], '0');
    }
    close(fd);
    close(ends[0]);
    close(ends[1]);
    audit_chain_done(&chain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_chain_holds),          cmocka_unit_test(any_changed_byte_is_found),
        cmocka_unit_test(a_dropped_line_is_found),      cmocka_unit_test(added_and_swapped_lines_are_found),
        cmocka_unit_test(a_cut_end_is_found),           cmocka_unit_test(a_restart_goes_on),
        cmocka_unit_test(a_restart_behind_a_cut_line),  cmocka_unit_test(a_cut_line_within_a_boot_is_found),
        cmocka_unit_test(one_process_relieves_another), cmocka_unit_test(what_cannot_be_read_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
