#include "route/error_page.h"

#include "base/encoding.h"
#include "http/accept.h"
#include "pipeline/deny_reasons.h"

#define PARTS_MAX 64

static const struct {
    struct slice name, content_type;
} types[] = {
    [ERROR_PAGE_HTML] = { SLICE_INIT("text/html"), SLICE_INIT("text/html; charset=utf-8") },
    [ERROR_PAGE_TEXT] = { SLICE_INIT("text/plain"), SLICE_INIT("text/plain; charset=utf-8") },
    [ERROR_PAGE_JSON] = { SLICE_INIT("application/json"), SLICE_INIT("application/json") },
};

static const struct conf_choice type_choices[] = {
    { "text/html", ERROR_PAGE_HTML, "for browsers; what is told is escaped" },
    { "text/plain", ERROR_PAGE_TEXT, "for terminals" },
    { "application/json", ERROR_PAGE_JSON, "for programs; what is told stands in strings of yours, escaped" },
    { 0 },
};

static const struct conf_field error_page_fields[] = {
    { .name = "codes",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct error_page_settings, codes),
      .help = "Public codes of denials (docs/reasons.md) that it is for; default: any." },
    { .name = "statuses",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct error_page_settings, statuses),
      .help = "Statuses that it is for, as in [404, 5xx]; default: any." },
    { .name = "type",
      .type = CONF_ENUM,
      .offset = offsetof(struct error_page_settings, type),
      .standard = "text/html",
      .choices = type_choices,
      .help = "Its type: clients that name it in Accept get it." },
    { .name = "file",
      .type = CONF_FILE,
      .flags = CONF_REQUIRED,
      .offset = offsetof(struct error_page_settings, file),
      .example = "errors/404.html",
      .help = "The text, UTF-8, of at most 16 KiB; {{status}}, {{title}}, {{code}} and {{request_id}} are "
              "filled in." },
    { 0 },
};

const struct conf_object error_page_object = {
    .name = "error_page",
    .size = sizeof(struct error_page_settings),
    .fields = error_page_fields,
    .help = "The body of the gateway's own denials for clients that ask for another type than problem+json, "
            "which stays what all others get. The first that fits holds.",
};

/* ---- compiling ---- */

enum part_kind {
    PART_TEXT,
    PART_STATUS,
    PART_TITLE,
    PART_CODE,
    PART_REQUEST_ID,
    PART_KINDS,
};

struct error_page_part {
    enum part_kind kind;
    struct slice text;
};

static const struct slice part_names[PART_KINDS] = {
    [PART_STATUS] = SLICE_INIT("status"),
    [PART_TITLE] = SLICE_INIT("title"),
    [PART_CODE] = SLICE_INIT("code"),
    [PART_REQUEST_ID] = SLICE_INIT("request_id"),
};

/* `text`: of the arena. */
static struct error wrong(struct slice text)
{
    return text.ptr != NULL ? FAIL(ERROR_VALUE, text.ptr)
                            : FAIL(ERROR_MEMORY, "no memory for the error pages");
}

/* The position of "{{", or the end. */
static size_t find_braces(struct slice text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.ptr[i] == '{' && text.ptr[i + 1] == '{') {
            return i;
        }
    }
    return text.len;
}

static struct error take_part(struct slice *rest, struct arena *arena, struct error_page_part *part)
{
    size_t at = find_braces(*rest);
    if (at > 0) {
        *part = (struct error_page_part){ PART_TEXT, slice_part(*rest, 0, at) };
        *rest = slice_from(*rest, at);
        return OK;
    }
    ssize_t end = slice_find(*rest, '}');
    struct slice name = slice_trim(slice_part(*rest, 2, end < 2 ? 0 : (size_t)end - 2));
    for (int kind = PART_STATUS; kind < PART_KINDS; kind++) {
        if (end > 0 && slice_equal(name, part_names[kind]) &&
            slice_starts_with(slice_from(*rest, (size_t)end), SLICE("}}"))) {
            *part = (struct error_page_part){ (enum part_kind)kind, SLICE_NONE };
            *rest = slice_from(*rest, (size_t)end + 2);
            return OK;
        }
    }
    return wrong(arena_printf(
        arena, "\"{{%.*s\": what is filled in is {{status}}, {{title}}, {{code}} and {{request_id}}",
        SLICE_ARG(name)));
}

static struct error compile_text(struct error_page_settings *page, struct arena *arena)
{
    struct slice rest = page->text;
    if (!utf8_valid(rest)) {
        return FAIL(ERROR_VALUE, "the text is not UTF-8");
    }
    page->parts = arena_calloc(arena, PARTS_MAX, sizeof *page->parts);
    if (page->parts == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the error pages");
    }
    while (rest.len > 0) {
        if (page->part_count == PARTS_MAX) {
            return FAIL(ERROR_VALUE, "too much is filled in: at most 32 times");
        }
        TRY(take_part(&rest, arena, &page->parts[page->part_count++]));
    }
    return OK;
}

static bool is_status(struct slice text)
{
    bool is_class = text.len == 3 && slice_ends_with(text, SLICE("xx"));
    return text.len == 3 && text.ptr[0] >= '3' && text.ptr[0] <= '5' &&
           (is_class || (ascii_is_digit(text.ptr[1]) && ascii_is_digit(text.ptr[2])));
}

static bool is_code(struct slice text)
{
    for (int reason = 0; reason < DENY_REASON_COUNT; reason++) {
        const char *code = deny_infos[reason].public_code;
        if (code != NULL && slice_equal(slice_from_string(code), text)) {
            return true;
        }
    }
    return false;
}

/* What callers are told where the log says this; NULL: it says no such thing. */
static const char *public_code_of(struct slice detail)
{
    for (int reason = 0; reason < DENY_REASON_COUNT; reason++) {
        const struct deny_info *info = &deny_infos[reason];
        if (info->detail != NULL && slice_equal(slice_from_string(info->detail), detail)) {
            return info->public_code;
        }
    }
    return NULL;
}

struct error error_page_compile(struct error_page_settings *page, struct arena *arena, const void **ret_wrong)
{
    for (size_t i = 0; i < page->codes.count; i++) {
        *ret_wrong = &page->codes.items[i];
        const char *meant = public_code_of(page->codes.items[i]);
        if (!is_code(page->codes.items[i]) && meant != NULL) {
            return wrong(arena_printf(arena, "\"%.*s\" stands in logs alone: what callers are told is \"%s\"",
                                      SLICE_ARG(page->codes.items[i]), meant));
        }
        if (!is_code(page->codes.items[i])) {
            return wrong(arena_printf(arena, "there is no public code \"%.*s\": docs/reasons.md has all",
                                      SLICE_ARG(page->codes.items[i])));
        }
    }
    for (size_t i = 0; i < page->statuses.count; i++) {
        *ret_wrong = &page->statuses.items[i];
        if (!is_status(page->statuses.items[i])) {
            return wrong(arena_printf(arena, "\"%.*s\" is no status of a denial, as 404 and 5xx are",
                                      SLICE_ARG(page->statuses.items[i])));
        }
    }
    *ret_wrong = &page->file;
    return compile_text(page, arena);
}

/* ---- finding ---- */

static bool is_for_status(const struct conf_strings *statuses, unsigned int status)
{
    for (size_t i = 0; i < statuses->count; i++) {
        const char *text = statuses->items[i].ptr;
        bool any = text[1] == 'x';
        if ((unsigned int)(text[0] - '0') == status / 100 &&
            (any || (unsigned int)((text[1] - '0') * 10 + text[2] - '0') == status % 100)) {
            return true;
        }
    }
    return statuses->count == 0;
}

static bool is_for(const struct error_page_settings *page, const struct error_page_facts *facts)
{
    return is_for_status(&page->statuses, facts->status) &&
           (page->codes.count == 0 || conf_strings_contain(&page->codes, facts->code));
}

const struct error_page_settings *error_page_find(const struct conf_list *pages,
                                                  const struct error_page_facts *facts,
                                                  const struct headers *request)
{
    const struct error_page_settings *items = pages->items;
    if (pages->count == 0 || headers_find(request, HEADER_ACCEPT) == NULL) {
        return NULL;
    }
    struct accept_quality problem = accept_quality_of(request, SLICE("application/problem+json"));
    for (size_t i = 0; i < pages->count; i++) {
        struct accept_quality own = accept_quality_of(request, types[items[i].type].name);
        if (is_for(&items[i], facts) && own.named && own.value > 0 && own.value >= problem.value) {
            return &items[i];
        }
    }
    return NULL;
}

/* ---- filling in ---- */

/* What a type reads as its own syntax, and what stands for it: HTML section 13.1.2, in texts and attributes; RFC 8259 section 7. */
struct escape {
    char c;
    struct slice text;
};

#define ESCAPE_LONGEST 6

static const struct escape html_escapes[] = { { '&', SLICE_INIT("&amp;") },  { '<', SLICE_INIT("&lt;") },
                                              { '>', SLICE_INIT("&gt;") },   { '"', SLICE_INIT("&quot;") },
                                              { '\'', SLICE_INIT("&#39;") }, { 0, SLICE_INIT("") } };
static const struct escape json_escapes[] = { { '"', SLICE_INIT("\\\"") },
                                              { '\\', SLICE_INIT("\\\\") },
                                              { 0, SLICE_INIT("") } };
static const struct escape no_escapes[] = { { 0, SLICE_INIT("") } };

static const struct escape *const escapes[] = {
    [ERROR_PAGE_HTML] = html_escapes,
    [ERROR_PAGE_TEXT] = no_escapes,
    [ERROR_PAGE_JSON] = json_escapes,
};

/* Control characters have no place in any of the types. ptr NULL: no memory. */
static struct slice escaped(struct slice text, const struct escape *table, struct arena *arena)
{
    char *out = arena_alloc(arena, ESCAPE_LONGEST * text.len + 1);
    size_t length = 0;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        const struct escape *escape = table;
        while (escape->c != 0 && escape->c != text.ptr[i]) {
            escape++;
        }
        struct slice piece = escape->c != 0 ? escape->text : slice_part(text, i, 1);
        if ((unsigned char)text.ptr[i] >= 0x20) {
            memcpy(out + length, piece.ptr, piece.len);
            length += piece.len;
        }
    }
    return slice_of(out, length);
}

struct slice error_page_fill(const struct error_page_settings *page, const struct error_page_facts *facts,
                             struct arena *arena)
{
    const struct slice values[PART_KINDS] = {
        [PART_STATUS] = arena_printf(arena, "%u", facts->status),
        [PART_TITLE] = escaped(facts->title, escapes[page->type], arena),
        [PART_CODE] = escaped(facts->code, escapes[page->type], arena),
        [PART_REQUEST_ID] = escaped(facts->request_id, escapes[page->type], arena),
    };
    struct slice pieces[PARTS_MAX];
    for (size_t i = 0; i < page->part_count; i++) {
        const struct error_page_part *part = &page->parts[i];
        pieces[i] = part->kind == PART_TEXT ? part->text : values[part->kind];
        if (pieces[i].ptr == NULL) {
            return SLICE_NONE;
        }
    }
    return arena_concat(arena, pieces, page->part_count);
}

struct slice error_page_content_type(const struct error_page_settings *page)
{
    return types[page->type].content_type;
}
