/* Parses texts for tests and compares diagnostics with lines. */
#ifndef SALLYPORT_TESTS_CONFIG_READING_H
#define SALLYPORT_TESTS_CONFIG_READING_H

#include "unit.h"

#include "config/reader.h"
#include "config/yaml.h"

struct reading {
    struct arena arena;
    struct diagnostics diagnostics;
    struct places places;
    struct conf_source source;
    struct conf_node *root;
};

static inline void reading_init(struct reading *reading, struct slice text)
{
    memset(reading, 0, sizeof *reading);
    arena_init(&reading->arena, 64 * 1024 * 1024);
    diagnostics_init(&reading->diagnostics, &reading->arena);
    places_init(&reading->places, &reading->arena);
    reading->source.path = SLICE("dir/c.yaml");
    reading->source.directory = SLICE("dir/");
    assert_ok(yaml_parse(text, &reading->source, &reading->diagnostics, &reading->root));
}

static inline void reading_done(struct reading *reading)
{
    arena_done(&reading->arena);
}

static inline void assert_diagnostics_(const struct diagnostics *diagnostics, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    diagnostics_print(diagnostics, &out);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, expected);
    buffer_done(&out);
}

#define assert_diagnostics(reading, expected) assert_diagnostics_(&(reading)->diagnostics, (expected))

/* The text is refused with exactly these lines. */
static inline void assert_refused(struct slice text, const char *expected)
{
    struct reading reading;
    reading_init(&reading, text);
    assert_diagnostics(&reading, expected);
    assert_int_not_equal(reading.diagnostics.error_count, 0);
    reading_done(&reading);
}

#endif
