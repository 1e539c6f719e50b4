/* How blocks are shown. */
#include "cli/block/block.h"

#include "admin/block_json.h"
#include "admin/when.h"

void block_print_heading(struct buffer *out)
{
    buffer_printf(out, "%-8s  %-11s  %-32s  %-20s  %-12s  %s\n", "NUMBER", "KIND", "VALUE", "EXPIRES", "BY",
                  "REASON");
}

void block_print_line(const struct block_call *call, const struct block_record *record, struct buffer *out)
{
    char number[24] = "file", expires[WHEN_TEXT];
    size_t from = buffer_length(out);
    if (record->number > 0) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)record->number);
    }
    struct slice state = block_state(record, call->base.now);
    bool over = !slice_equal(state, SLICE("in force"));
    buffer_printf(out, "%-8s  %-11.*s  %-32.*s  %-20.*s  %-12.*s  %.*s", number, SLICE_ARG(record->kind),
                  SLICE_ARG(record->value),
                  SLICE_ARG(record->expires > 0 ? when_text(record->expires, expires) : SLICE("never")),
                  SLICE_ARG(record->by), SLICE_ARG(record->reason));
    if (record->issuer.len > 0) {
        buffer_printf(out, " (issuer %.*s)", SLICE_ARG(record->issuer));
    }
    if (over) {
        buffer_printf(out, " [%.*s]", SLICE_ARG(state));
    }
    buffer_append_char(out, '\n');
    cli_mask(out, from);
}

void block_print_json(const struct block_call *call, const struct block_record *record, struct buffer *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    block_write_json(&writer, record, call->base.now);
}
