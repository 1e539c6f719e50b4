/* Field lists for the tests of this room. */
#ifndef SALLYPORT_TESTS_RELAY_MESSAGES_H
#define SALLYPORT_TESTS_RELAY_MESSAGES_H

#include "relay/relay.h"
#include "unit.h"

struct fields {
    struct header storage[128];
    struct headers list;
};

static inline void fields_init(struct fields *fields)
{
    fields->list = (struct headers){ fields->storage, 0, 128 };
}

static inline void fields_add(struct fields *fields, const char *name, const char *value)
{
    struct slice text = slice_from_string(name);
    assert_true(headers_add(&fields->list, header_id_of(text), text, slice_from_string(value)));
}

static inline size_t fields_count(const struct headers *list, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        count += slice_equal_nocase(list->items[i].name, slice_from_string(name));
    }
    return count;
}

/* The one field of that name. */
static inline struct slice fields_value(const struct headers *list, const char *name)
{
    if (fields_count(list, name) != 1) {
        fail_msg("%s stands there %zu times", name, fields_count(list, name));
    }
    return headers_find_name(list, slice_from_string(name))->value;
}

#define assert_value(list, name, expected) assert_slice(fields_value((list), (name)), (expected))
#define assert_gone(list, name)                  \
    do {                                         \
        if (fields_count((list), (name)) != 0) { \
            fail_msg("%s got through", (name));  \
        }                                        \
    } while (0)

#endif
