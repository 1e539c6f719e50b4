/* rewrite_path: a regular expression over the canonical path (PCRE2). It is interpreted: compiled to machine code it would need
 * memory that is writable and executable, which the process may not have. What a path may cost is bounded whatever the expression:
 * it is tried at the beginning of the path alone, and its steps are counted. */
#include "route/filters/internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define PATTERN_MAX  1024 /* bytes */
#define GROUPS_MAX   31
#define PIECES_MAX   64
#define STEPS_MAX    10000 /* of one match: far beyond what an expression needs that does not backtrack */
#define DEPTH_MAX    2000
#define HEAP_MAX_KIB 512

struct filter_scratch {
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

struct filter_scratch *filter_scratch_new(void)
{
    struct filter_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch == NULL) {
        return NULL;
    }
    scratch->data = pcre2_match_data_create(GROUPS_MAX + 1, NULL);
    scratch->limits = pcre2_match_context_create(NULL);
    if (scratch->data == NULL || scratch->limits == NULL) {
        filter_scratch_free(scratch);
        return NULL;
    }
    pcre2_set_match_limit(scratch->limits, STEPS_MAX);
    pcre2_set_depth_limit(scratch->limits, DEPTH_MAX);
    pcre2_set_heap_limit(scratch->limits, HEAP_MAX_KIB);
    return scratch;
}

void filter_scratch_free(struct filter_scratch *scratch)
{
    if (scratch != NULL) {
        pcre2_match_data_free(scratch->data);
        pcre2_match_context_free(scratch->limits);
        free(scratch);
    }
}

/* A text, or what a group matched. */
struct piece {
    struct slice text; /* where group is 0 */
    uint32_t group;
};

struct rewrite {
    const pcre2_code *code;
    struct piece pieces[PIECES_MAX];
    size_t count;
};

/* ---- compiling ---- */

static void *allocate(size_t size, void *arena)
{
    return arena_alloc(arena, size);
}

static void keep(void *memory, void *arena)
{
    (void)memory; /* it goes with the arena */
    (void)arena;
}

static struct error compile_pattern(struct filter_compiler *compiler, const struct slice *pattern,
                                    struct rewrite *rewrite)
{
    if (pattern->len > PATTERN_MAX) {
        return filter_wrong(compiler, pattern, "longer than %d bytes", PATTERN_MAX);
    }
    pcre2_general_context *general = pcre2_general_context_create(allocate, keep, compiler->arena);
    pcre2_compile_context *context = general != NULL ? pcre2_compile_context_create(general) : NULL;
    if (context == NULL) {
        return FILTER_NO_MEMORY;
    }
    const uint32_t options = PCRE2_ANCHORED | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;
    int number = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern->ptr, pattern->len, options, &number, &offset, context);
    if (code == NULL) {
        PCRE2_UCHAR text[256];
        pcre2_get_error_message(number, text, sizeof text);
        return filter_wrong(compiler, pattern, "not a regular expression: %s, at character %zu",
                            (const char *)text, (size_t)offset + 1);
    }
    uint32_t groups = 0;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups > GROUPS_MAX) {
        return filter_wrong(compiler, pattern, "more than %d groups; (?:…) groups without one", GROUPS_MAX);
    }
    rewrite->code = code;
    return OK;
}

/* "1" or "name". False where there is no such group. */
static bool find_group(const pcre2_code *code, struct slice name, uint32_t *ret_group)
{
    uint64_t number = 0;
    uint32_t groups = 0;
    char text[PATTERN_MAX + 1];
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (!slice_to_u64(name, &number) && name.len < sizeof text) {
        memcpy(text, name.ptr, name.len);
        text[name.len] = '\0';
        int found = pcre2_substring_number_from_name(code, (PCRE2_SPTR)text);
        number = found > 0 ? (uint64_t)found : 0;
    }
    *ret_group = (uint32_t)number;
    return number > 0 && number <= groups;
}

static bool is_digit_at(struct slice text, size_t at)
{
    return at < text.len && ascii_is_digit(text.ptr[at]);
}

/* What stands behind a '$', off `rest`. */
static struct error take_reference(struct filter_compiler *compiler, const struct slice *replacement,
                                   const pcre2_code *code, struct slice *rest, struct piece *piece)
{
    struct slice name;
    size_t taken;
    if (slice_starts_with(*rest, SLICE("$$"))) {
        *piece = (struct piece){ slice_part(*rest, 0, 1), 0 };
        *rest = slice_from(*rest, 2);
        return OK;
    }
    ssize_t end = slice_find(*rest, '}');
    if (slice_starts_with(*rest, SLICE("${")) && end > 0) {
        name = slice_part(*rest, 2, (size_t)end - 2);
        taken = (size_t)end + 1;
    } else {
        taken = 1;
        while (is_digit_at(*rest, taken)) {
            taken++;
        }
        name = slice_part(*rest, 1, taken - 1);
    }
    piece->text = SLICE_NONE;
    if (!find_group(code, name, &piece->group)) {
        return filter_wrong(compiler, replacement,
                            "the pattern has no group \"%.*s\"; a dollar is written \"$$\"", SLICE_ARG(name));
    }
    *rest = slice_from(*rest, taken);
    return OK;
}

/* As others write groups: it would be taken for text that no path may hold. */
static struct error check_notation(struct filter_compiler *compiler, const struct slice *replacement)
{
    for (size_t i = 0; i < replacement->len; i++) {
        char c = replacement->ptr[i];
        if (c == '\\' || (c == '{' && (i == 0 || replacement->ptr[i - 1] != '$'))) {
            return filter_wrong(compiler, replacement, "what a group matched is written $1 or ${name}");
        }
    }
    return OK;
}

static struct error compile_replacement(struct filter_compiler *compiler, const struct slice *replacement,
                                        struct rewrite *rewrite)
{
    struct slice rest = *replacement;
    while (rest.len > 0) {
        if (rewrite->count == PIECES_MAX) {
            return filter_wrong(compiler, replacement, "more than %d parts", PIECES_MAX);
        }
        struct piece *piece = &rewrite->pieces[rewrite->count++];
        ssize_t dollar = slice_find(rest, '$');
        if (dollar == 0) {
            TRY(take_reference(compiler, replacement, rewrite->code, &rest, piece));
            continue;
        }
        *piece = (struct piece){ slice_part(rest, 0, dollar < 0 ? rest.len : (size_t)dollar), 0 };
        rest = slice_from(rest, piece->text.len);
    }
    return OK;
}

/* The replacement as it looks with "v" for each group: what of it is wrong with any request is wrong now. */
static struct error check_replacement(struct filter_compiler *compiler, const struct slice *replacement,
                                      const struct rewrite *rewrite, struct slice pattern)
{
    bool begins_path = !slice_contains(pattern, SLICE("\\K")); /* which may leave a part in front */
    bool is_text = rewrite->count > 0 && rewrite->pieces[0].group == 0;
    if (begins_path && is_text && !slice_starts_with(rewrite->pieces[0].text, SLICE("/"))) {
        return filter_wrong(compiler, replacement,
                            "the path begins with this, and so with a slash: \"/%.*s\"",
                            SLICE_ARG(*replacement));
    }
    struct slice parts[PIECES_MAX + 1] = { SLICE("") };
    for (size_t i = 0; i < rewrite->count; i++) {
        parts[i + 1] = rewrite->pieces[i].group > 0 ? SLICE("v") : rewrite->pieces[i].text;
    }
    if (rewrite->count == 0 || !slice_starts_with(parts[1], SLICE("/"))) {
        parts[0] = SLICE("/");
    }
    struct slice whole = arena_concat(compiler->arena, parts, rewrite->count + 1);
    return whole.ptr != NULL ? filter_check_path_text(compiler, replacement, whole) : FILTER_NO_MEMORY;
}

/* ---- running ---- */

static struct slice matched(const struct filter_run *run, const PCRE2_SIZE *offsets, int count,
                            uint32_t group)
{
    if (group >= (uint32_t)count || offsets[2 * group] == PCRE2_UNSET ||
        offsets[2 * group] > offsets[2 * group + 1]) {
        return SLICE("");
    }
    return slice_part(run->path, offsets[2 * group], offsets[2 * group + 1] - offsets[2 * group]);
}

static enum deny_reason replace(const struct rewrite *rewrite, struct filter_run *run, int count)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(run->scratch->data);
    struct slice parts[PIECES_MAX + 2];
    parts[0] = slice_part(run->path, 0, offsets[0]);
    for (size_t i = 0; i < rewrite->count; i++) {
        const struct piece *piece = &rewrite->pieces[i];
        parts[i + 1] = piece->group > 0 ? matched(run, offsets, count, piece->group) : piece->text;
    }
    /* \K may have moved the beginning, never beyond the end. */
    parts[rewrite->count + 1] = slice_from(run->path, offsets[1] > offsets[0] ? offsets[1] : offsets[0]);
    run->path = arena_concat(run->arena, parts, rewrite->count + 2);
    if (run->path.ptr != NULL && run->path.len == 0) { /* as where strip_prefix takes all */
        run->path = SLICE("/");
    }
    return run->path.ptr != NULL ? DENY_NONE : filter_no_memory(run);
}

static enum deny_reason rewrite(const void *compiled, struct filter_run *run)
{
    const struct rewrite *rewrite = compiled;
    int count = pcre2_match(rewrite->code, (PCRE2_SPTR)run->path.ptr, run->path.len, 0, PCRE2_NO_UTF_CHECK,
                            run->scratch->data, run->scratch->limits);
    if (count > 0) {
        return replace(rewrite, run, count);
    }
    if (count == PCRE2_ERROR_NOMATCH) {
        return DENY_NONE;
    }
    bool is_limit =
        count == PCRE2_ERROR_MATCHLIMIT || count == PCRE2_ERROR_DEPTHLIMIT || count == PCRE2_ERROR_HEAPLIMIT;
    run->detail = is_limit ? SLICE("the pattern of rewrite_path backtracks too much over this path")
                           : SLICE("the pattern of rewrite_path could not be matched");
    return is_limit ? DENY_REWRITE_LIMIT : DENY_INTERNAL;
}

struct error filter_rewrite_path(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    const struct rewrite_settings *said = settings->rewrite_path;
    if (said->pattern.len == 0 || said->replacement.ptr == NULL) {
        return OK; /* told where it was read */
    }
    struct rewrite *compiled = arena_calloc(compiler->arena, 1, sizeof *compiled);
    if (compiled == NULL) {
        return FILTER_NO_MEMORY;
    }
    TRY(compile_pattern(compiler, &said->pattern, compiled));
    TRY(check_notation(compiler, &said->replacement));
    TRY(compile_replacement(compiler, &said->replacement, compiled));
    TRY(check_replacement(compiler, &said->replacement, compiled, said->pattern));
    return filter_add(compiler, &compiler->chain->request, rewrite, compiled);
}
