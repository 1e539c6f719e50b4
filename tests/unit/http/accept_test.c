#include "http/accept.h"
#include "unit.h"

static struct accept_quality asked(const char *accept, const char *type)
{
    struct header items[2];
    struct headers headers = { items, 0, 2 };
    if (accept != NULL) {
        headers_add(&headers, HEADER_ACCEPT, SLICE("Accept"), slice_from_string(accept));
    }
    return accept_quality_of(&headers, slice_from_string(type));
}

static void is(const char *accept, const char *type, unsigned int value, bool named)
{
    struct accept_quality quality = asked(accept, type);
    if (quality.value != value || quality.named != named) {
        fail_msg("%s in \"%s\": %u, %d", type, accept, quality.value, quality.named);
    }
}

static void the_most_specific_range_decides(void **state)
{
    (void)state;
    is(NULL, "text/html", 1000, false);
    is("*/*", "text/html", 1000, false);
    is("text/html", "text/html", 1000, true);
    is("TEXT/HTML;level=1;q=0.5", "text/html", 500, true);
    is("text/*;q=0.25, */*", "text/html", 250, true);
    is("text/html;q=0, text/*", "text/html", 0, true);
    is("application/json", "text/html", 0, false);
    is("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html", 1000, true);
    is("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/problem+json", 800,
       false);
    is("text/htmlx, textx/*", "text/html", 0, false);
    is("", "text/html", 0, false);
}

static void weights_are_thousandths(void **state)
{
    (void)state;
    is("text/html;q=1", "text/html", 1000, true);
    is("text/html;q=1.000", "text/html", 1000, true);
    is("text/html; q=0.333", "text/html", 333, true);
    static const char *const wrong[] = { "text/html;q=2", "text/html;q=1.001", "text/html;q=-1",
                                         "text/html;q=0.3333", "text/html;q=x" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        is(wrong[i], "text/html", 0, true);
    }
}

/* A list without end is not read without end. */
static void only_the_first_ranges_count(void **state)
{
    (void)state;
    char text[ACCEPT_RANGES_MAX * 4 + 32] = "";
    for (int i = 0; i < ACCEPT_RANGES_MAX; i++) {
        memcpy(text + (size_t)i * 4, "a/b,", 5);
    }
    memcpy(text + ACCEPT_RANGES_MAX * 4, "text/html", 10);
    is(text, "text/html", 0, false);
    is(text + 4, "text/html", 1000, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_range_decides),
        cmocka_unit_test(weights_are_thousandths),
        cmocka_unit_test(only_the_first_ranges_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
