/* How a room says what may stand in the configuration: tables of fields.
 *
 * The reader, `sallyport check`, the reference documentation, the JSON Schema, the masked dump and "did you mean" all
 * come from these tables. A room exports one `const struct conf_object` per thing that it owns; the room `config` reads
 * located YAML into the room's struct and then calls the room's own functions. Tables are constant: any thread. */
#ifndef SALLYPORT_BASE_CONF_FIELD_H
#define SALLYPORT_BASE_CONF_FIELD_H

#include "base/slice.h"

enum conf_type {
    CONF_BOOL,     /* bool */
    CONF_INTEGER,  /* int64_t */
    CONF_DURATION, /* int64_t, nanoseconds; written "250ms", "30s", "5m", "24h", "7d" */
    CONF_SIZE,     /* int64_t, bytes; written "512B", "64KiB", "1MiB", "1GiB" */
    CONF_STRING,   /* struct slice */
    CONF_SECRET,   /* struct slice: must be ${env:NAME} or ${file:PATH}; masked wherever it is shown */
    CONF_FILE,     /* struct slice: a path, made absolute against the file that it is written in */
    CONF_ENUM,     /* int: `choices` */
    CONF_FLAGS,    /* uint64_t: a list of `choices`, or-ed together as 1 << value */
    CONF_RATE,     /* struct conf_rate; written "1000/1m" */
    CONF_STRINGS,  /* struct conf_strings; a single string stands for a list of one */
    CONF_FILES,    /* struct conf_strings of paths as CONF_FILE */
    CONF_PAIRS,    /* struct conf_pairs: a map of free names to strings */
    CONF_OBJECT,   /* a pointer to the struct of `object`; NULL where absent */
    CONF_LIST,     /* struct conf_list of structs of `object` */
    CONF_MAP,      /* struct conf_list of structs of `object`, whose first member is `struct slice name` */
};

struct conf_rate {
    int64_t count;
    int64_t window; /* nanoseconds */
};

struct conf_strings {
    struct slice *items;
    size_t count;
};

/* Byte for byte. */
static inline bool conf_strings_contain(const struct conf_strings *strings, struct slice text)
{
    for (size_t i = 0; i < strings->count; i++) {
        if (slice_equal(strings->items[i], text)) {
            return true;
        }
    }
    return false;
}
/* The same texts in the same order. */
bool conf_strings_equal(const struct conf_strings *a, const struct conf_strings *b);
/* Its texts become copies in `arena`. False: no memory, and nothing of it is to be read. */
struct arena;
bool conf_strings_copy(struct conf_strings *strings, struct arena *arena);

struct conf_pair {
    struct slice name, value;
};

struct conf_pairs {
    struct conf_pair *items;
    size_t count;
};

struct conf_list {
    void *items; /* an array of structs of the object's size */
    size_t count;
};

struct conf_choice {
    const char *name; /* NULL ends the table */
    int value;
    const char *help;
};

enum conf_flags {
    CONF_REQUIRED = 1 << 0,   /* must be given */
    CONF_FIXED = 1 << 1,      /* a change needs a restart; everything else is taken up by reload */
    CONF_ADDS = 1 << 2,       /* in merging, a list that adds to what came before instead of replacing it */
    CONF_LOWER = 1 << 3,      /* "tighter" means a smaller value: what a locked policy lets a route do */
    CONF_HIGHER = 1 << 4,     /* "tighter" means a larger value */
    CONF_NON_EMPTY = 1 << 5,  /* a string or list that is given must not be empty */
    CONF_SUBSET = 1 << 6,     /* "tighter" means a subset of the list */
    CONF_EMPTY_SAYS = 1 << 7, /* an empty string that is given says something: `ptr` NULL is none */
    CONF_GROUPS = 1 << 8,     /* "${name}" in the string is notation of its own, and no reference */
    CONF_TYPICAL = 1 << 9,    /* stands in examples of its object, as what is required does */
    CONF_NAMES = 1 << 10, /* names a host, a path, a header: no YAML boolean or number, unless in quotes */
    CONF_LINES = 1 << 11, /* may have several lines, and tabs */
};

struct conf_object;

struct conf_field {
    const char *name;
    enum conf_type type;
    unsigned int flags;
    size_t offset;
    const char *standard;     /* the default as one would write it; NULL: none (zero, NULL, empty) */
    int64_t minimum, maximum; /* of integers, durations, sizes and rate counts; both 0: not bounded */
    const struct conf_choice *choices;
    const struct conf_object *object;
    const char *help;    /* one line for the reference; required */
    const char *example; /* for messages, as one would write it; NULL: the default, or what fits the type */
};

struct conf_object {
    const char *name;                /* as the reference calls it: "listener" */
    size_t size;                     /* of the struct */
    const struct conf_field *fields; /* ended by a field without a name */
    const char *scalar;              /* the field that a bare scalar in place of the object sets, or NULL */
    const char *sequence;            /* the field that a bare list in place of the object sets, or NULL */
    const char *help;                /* a sentence or two for the reference */
};

#endif
