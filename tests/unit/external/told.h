/* Fields, settings and requests for the tests of this room. */
#ifndef SALLYPORT_TESTS_EXTERNAL_TOLD_H
#define SALLYPORT_TESTS_EXTERNAL_TOLD_H

#include "external/answer.h"
#include "external/request.h"
#include "unit.h"

struct fields {
    struct header storage[64];
    struct headers list;
};

static inline void fields_init(struct fields *fields)
{
    fields->list = (struct headers){ fields->storage, 0, 64 };
}

static inline void fields_add(struct fields *fields, const char *name, const char *value)
{
    struct slice text = slice_from_string(name);
    assert_true(headers_add(&fields->list, header_id_of(text), text, slice_from_string(value)));
}

#define NAMES(...)                                                                                      \
    (struct conf_strings)                                                                               \
    {                                                                                                   \
        (struct slice[]){ __VA_ARGS__ }, sizeof((struct slice[]){ __VA_ARGS__ }) / sizeof(struct slice) \
    }

static inline const struct header *find(const struct headers *headers, const char *name)
{
    return headers_find_name(headers, slice_from_string(name));
}

#endif
