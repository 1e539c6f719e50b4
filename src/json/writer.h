/* Writes compact JSON onto a buffer. Commas are placed by the writer; a full buffer is remembered in `failed`, so that
 * only the end need be checked. One thread. Strings that are not UTF-8 are written with U+FFFD for each bad byte. */
#ifndef SALLYPORT_JSON_WRITER_H
#define SALLYPORT_JSON_WRITER_H

#include "base/buffer.h"

struct json;

struct json_writer {
    struct buffer *out;
    bool comma;  /* one is due before the next value */
    bool failed; /* the buffer was full */
};

void json_writer_init(struct json_writer *writer, struct buffer *out);
void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_name(struct json_writer *writer, struct slice name);
void json_string(struct json_writer *writer, struct slice text);
void json_integer(struct json_writer *writer, int64_t value);
void json_unsigned(struct json_writer *writer, uint64_t value);
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
/* Text that is JSON already. */
void json_raw(struct json_writer *writer, struct slice text);
/* A whole tree. */
void json_value(struct json_writer *writer, const struct json *value);

/* A member in one call. */
void json_member_string(struct json_writer *writer, struct slice name, struct slice text);
void json_member_integer(struct json_writer *writer, struct slice name, int64_t value);
void json_member_bool(struct json_writer *writer, struct slice name, bool value);

#endif
