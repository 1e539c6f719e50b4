#include "external/answer.h"

#include <stdlib.h>

/* ---- memory ---- */

struct external_answer *external_answer_ref(struct external_answer *answer)
{
    answer->references++;
    return answer;
}

void external_answer_unref(struct external_answer *answer)
{
    if (answer != NULL && --answer->references == 0) {
        free(answer);
    }
}

struct external_answer *external_answer_failed(enum deny_reason reason, const char *detail)
{
    size_t size = detail != NULL ? strlen(detail) + 1 : 0;
    struct external_answer *answer = calloc(1, sizeof *answer + size);
    if (answer != NULL) {
        *answer = (struct external_answer){ .references = 1,
                                            .reason = reason,
                                            .status = deny_infos[reason].status };
        answer->detail = size > 0 ? memcpy(answer + 1, detail, size) : NULL;
    }
    return answer;
}

/* ---- yes or no ---- */

static bool is_redirect(unsigned int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Statuses of a no that say something of the message or the connection between us and the authorizer: to the client they would be
 * untrue. */
static bool is_about_us(unsigned int status)
{
    return status == 407 || status == 408 || status == 421 || status == 426 || status == 431;
}

static enum deny_reason decide_ext_authz(unsigned int status, struct external_answer *verdict)
{
    if (status == 200) {
        return DENY_NONE;
    }
    if (status < 400 || status >= 500) {
        return DENY_AUTHORIZER_ERROR;
    }
    verdict->status = is_about_us(status) ? 403 : status;
    return DENY_AUTHORIZER_DENIED;
}

static enum deny_reason decide_forward_auth(unsigned int status, struct external_answer *verdict)
{
    verdict->status = 403;
    if (status >= 200 && status < 300) {
        return DENY_NONE;
    }
    return status == 403 ? DENY_AUTHORIZER_DENIED : DENY_AUTHORIZER_ERROR;
}

static void decide(const struct authorizer_settings *settings, const struct http_response *response,
                   struct external_answer *verdict)
{
    static const char not_listed[] = "it redirects, and client_headers does not list Location";
    unsigned int status = response->status;
    if (status == 401) {
        verdict->reason = DENY_AUTHORIZER_UNAUTHENTICATED;
        verdict->status = 401;
    } else if (is_redirect(status)) {
        bool listed = external_names_hold(&settings->client_headers, SLICE("Location"));
        bool placed = headers_count(&response->headers, HEADER_LOCATION) == 1;
        verdict->reason = listed && placed ? DENY_AUTHORIZER_REDIRECT : DENY_AUTHORIZER_DENIED;
        verdict->status = listed && placed ? status : 403;
        verdict->detail = listed ? NULL : not_listed;
    } else {
        verdict->reason = settings->contract == AUTHORIZER_EXT_AUTHZ ? decide_ext_authz(status, verdict)
                                                                     : decide_forward_auth(status, verdict);
    }
    if (verdict->reason == DENY_AUTHORIZER_ERROR) {
        verdict->status = deny_infos[DENY_AUTHORIZER_ERROR].status;
        verdict->detail = status >= 500 ? "it answered by a status of 500 or above"
                                        : "it answered by a status that is neither yes nor no";
    }
}

/* ---- its fields ---- */

static bool is_named(struct slice name, const char *other)
{
    return slice_equal_nocase(name, slice_from_string(other));
}

static bool may_repeat(struct slice name)
{
    return is_named(name, "Set-Cookie") || is_named(name, "WWW-Authenticate");
}

/* What belongs to a no, and would make no sense beside the upstream's answer. */
static bool is_of_denials(struct slice name)
{
    return is_named(name, "Location") || is_named(name, "WWW-Authenticate");
}

/* What is found in a head before it is copied. */
struct found {
    struct header upstream[EXTERNAL_FIELDS_MAX], client[EXTERNAL_FIELDS_MAX];
    size_t upstream_count, client_count;
    struct slice subject, roles;
    size_t size; /* bytes of names and values */
    const char *problem;
};

static bool stands_before(const struct header *items, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_nocase(items[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void add(struct found *found, struct header *items, size_t *count, const struct header *field)
{
    if (*count == EXTERNAL_FIELDS_MAX) {
        found->problem = "more of its fields are to go on than may";
        return;
    }
    if (!may_repeat(field->name) && stands_before(items, *count, field->name)) {
        found->problem = "a field that is to go on stands there more than once";
        return;
    }
    items[(*count)++] = *field;
    found->size += field->name.len + field->value.len;
}

/* One value, for a name or a list. */
static void note(struct found *found, struct slice *value, const struct header *field)
{
    if (value->ptr != NULL) {
        found->problem = "subject_header or roles_header stands there more than once";
        return;
    }
    *value = field->value;
    found->size += field->value.len;
}

static void look_at(const struct authorizer_settings *settings, bool allowed, const struct header *field,
                    struct found *found)
{
    bool upstream = allowed && external_names_hold(&settings->upstream_headers, field->name);
    bool client = external_names_hold(&settings->client_headers, field->name) &&
                  !(allowed && is_of_denials(field->name));
    bool subject = allowed && settings->subject_header.len > 0 &&
                   slice_equal_nocase(settings->subject_header, field->name);
    bool roles =
        allowed && settings->roles_header.len > 0 && slice_equal_nocase(settings->roles_header, field->name);
    if (!upstream && !client && !subject && !roles) {
        return;
    }
    /* The parser has seen to it; but what passes here is believed by the upstream. */
    if (!http_field_value_valid(field->value)) {
        found->problem = "a field that is to go on holds what no field may";
        return;
    }
    if (upstream) {
        add(found, found->upstream, &found->upstream_count, field);
    }
    if (client) {
        add(found, found->client, &found->client_count, field);
    }
    if (subject) {
        note(found, &found->subject, field);
    }
    if (roles) {
        note(found, &found->roles, field);
    }
}

static size_t count_roles(struct slice list)
{
    size_t count = 0;
    struct slice role;
    while (http_list_next(&list, &role)) {
        count++;
    }
    return count;
}

/* ---- the copy ---- */

/* A piece of the answer's memory, handed out from the front. */
struct room {
    char *at;
};

static struct slice copy_text(struct room *room, struct slice text)
{
    char *at = room->at;
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    room->at += text.len;
    return slice_of(at, text.len);
}

static void copy_fields(struct room *room, struct header *to, const struct header *from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = (struct header){ .name = copy_text(room, from[i].name),
                                 .value = copy_text(room, from[i].value),
                                 .id = from[i].id };
    }
}

/* Of a text that is the answer's own. */
static void split_roles(struct external_answer *answer, struct slice list)
{
    struct slice role;
    while (http_list_next(&list, &role)) {
        answer->roles[answer->role_count++] = role;
    }
    answer->role_count = slices_sort(answer->roles, answer->role_count);
}

static bool make_caller_key(const struct authorizer_settings *settings, struct external_answer *answer)
{
    const struct principal principal = { .kind = PRINCIPAL_EXTERNAL,
                                         .issuer = settings->issuer,
                                         .subject = answer->subject };
    return answer->subject.len == 0 || principal_caller_key(&principal, answer->caller_key);
}

static struct external_answer *copy(const struct authorizer_settings *settings,
                                    const struct external_answer *verdict, const struct found *found)
{
    size_t roles = count_roles(found->roles);
    size_t size = sizeof(struct external_answer) +
                  (found->upstream_count + found->client_count) * sizeof(struct header) +
                  roles * sizeof(struct slice) + found->size;
    struct external_answer *answer = malloc(size);
    if (answer == NULL) {
        return NULL;
    }
    *answer = *verdict;
    answer->references = 1;
    answer->upstream = (struct header *)(answer + 1);
    answer->upstream_count = found->upstream_count;
    answer->client = answer->upstream + found->upstream_count;
    answer->client_count = found->client_count;
    answer->roles = (struct slice *)(answer->client + found->client_count);
    struct room room = { (char *)(answer->roles + roles) };
    copy_fields(&room, answer->upstream, found->upstream, found->upstream_count);
    copy_fields(&room, answer->client, found->client, found->client_count);
    answer->subject = copy_text(&room, found->subject);
    split_roles(answer, copy_text(&room, found->roles));
    if (!make_caller_key(settings, answer)) {
        free(answer);
        return NULL;
    }
    answer->may_be_kept = answer->reason == DENY_NONE && size <= EXTERNAL_KEPT_MAX &&
                          !stands_before(answer->client, answer->client_count, SLICE("Set-Cookie"));
    return answer;
}

struct external_answer *external_answer_new(const struct authorizer_settings *settings,
                                            const struct http_response *response)
{
    struct external_answer verdict = { .reason = DENY_AUTHORIZER_ERROR };
    __attribute__((uninitialized)) struct found found;
    found.upstream_count = found.client_count = found.size = 0;
    found.subject = found.roles = SLICE_NONE;
    found.problem = NULL;
    decide(settings, response, &verdict);
    if (verdict.reason == DENY_AUTHORIZER_ERROR) {
        return external_answer_failed(verdict.reason, verdict.detail);
    }
    for (size_t i = 0; i < response->headers.count && found.problem == NULL; i++) {
        look_at(settings, verdict.reason == DENY_NONE, &response->headers.items[i], &found);
    }
    if (found.subject.len > EXTERNAL_SUBJECT_MAX || count_roles(found.roles) > EXTERNAL_ROLES_MAX) {
        found.problem = "the caller's name is too long, or their roles are too many";
    }
    return found.problem == NULL ? copy(settings, &verdict, &found)
                                 : external_answer_failed(DENY_AUTHORIZER_ANSWER, found.problem);
}
