/* Verification of audit logs: whatever the text, the line it names is one of the text's; and what the writer of the chain
 * writes holds, whatever stands before it. */
#include "base/log_text.h"
#include "observe/audit_chain.h"
#include "observe/line.h"
#include "observe/logs.h"

#include <stdlib.h>

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static size_t count_lines(struct slice text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n';
    }
    return lines + 1;
}

/* Two lines whose texts are the input. */
static void check_written(struct slice input)
{
    static char log[2 * (AUDIT_PREFIX_SIZE + LINE_MAX_BODY)];
    static char body[LINE_MAX_BODY];
    struct audit_chain chain;
    size_t size = 0;
    CHECK(!failed(audit_chain_init(&chain, slice_part(input, 0, 64))));
    for (int i = 0; i < 2; i++) {
        char *at = LINE_PUT(body, "\"event\":\"denied\",\"path\":\"");
        at = log_text_escape(at, input, 1024);
        at = LINE_PUT(at, "\"}\n");
        size_t written = audit_chain_line(&chain, slice_of(body, (size_t)(at - body)), log + size);
        CHECK(written > 0 && written <= AUDIT_PREFIX_SIZE + (size_t)(at - body));
        size += written;
    }
    audit_chain_done(&chain);
    CHECK(count_lines(slice_of(log, size)) == 3);
    CHECK(log_audit_verify(slice_of(log, size)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct slice text = { (const char *)bytes, size };
    CHECK(log_audit_verify(text) <= count_lines(text));
    check_written(text);
    return 0;
}
