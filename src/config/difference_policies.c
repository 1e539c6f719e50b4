/* What the policies of the same requests differ in, in sentences. */
#include "config/difference.h"

void difference_strings(struct difference *difference, struct slice subject, enum change kind,
                        const struct conf_strings *some, const struct conf_strings *others, const char *what,
                        const char *verb)
{
    for (size_t i = 0; i < some->count; i++) {
        if (!conf_strings_contain(others, some->items[i])) {
            difference_tell(difference, kind, subject, "%s %.*s %s", what, SLICE_ARG(some->items[i]), verb);
        }
    }
}

static const struct conf_strings no_strings;
static const struct scope_settings no_scopes;
static const struct conf_list no_list;

/* What `authorize` demands of who has authenticated. */
static void print_demands(const struct authorize_settings *authorize, struct buffer *text)
{
    if (authorize->scopes != NULL) {
        buffer_append(text, SLICE(" and "));
        print_scopes("scope", authorize->scopes, text);
    }
    if (authorize->roles != NULL) {
        buffer_append(text, SLICE(" and "));
        print_scopes("role", authorize->roles, text);
    }
    const struct claim_settings *rules = authorize->claims.items;
    for (size_t i = 0; i < authorize->claims.count; i++) {
        buffer_append(text, SLICE(" whose "));
        print_claim(&rules[i], text);
    }
    if (authorize->external.len > 0) {
        buffer_printf(text, " whom the authorizer %.*s lets pass", SLICE_ARG(authorize->external));
    }
    if (authorize->kinds != 0 || authorize_asks_strength(authorize) ||
        authorize->shadow.mode == SHADOW_OBSERVE) {
        buffer_append(text, SLICE(" and "));
        print_caller(authorize, text);
    }
    const struct deny_settings *denied = authorize->deny.items;
    for (size_t i = 0; i < authorize->deny.count; i++) {
        buffer_append(text, SLICE(" except where "));
        print_deny(&denied[i], text);
    }
}

struct slice difference_callers(struct difference *difference, const struct route_policy *policy)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    if (policy->auth == NULL || policy->auth->mode == AUTH_NONE) {
        buffer_append(&text, SLICE("ANYBODY"));
    } else {
        buffer_append(&text, SLICE("callers with "));
        print_auth(policy->auth, &text);
        if (policy->authorize != NULL) {
            print_demands(policy->authorize, &text);
        }
    }
    struct slice callers = difference_take(difference, &text);
    buffer_done(&text);
    return callers;
}

static int mode_of(const struct route_policy *policy)
{
    return policy->auth != NULL ? policy->auth->mode : AUTH_NONE;
}

static struct slice auth_text(struct difference *difference, const struct auth_settings *auth)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    struct auth_settings ways = *auth;
    ways.mode = AUTH_REQUIRED; /* that is compared by itself */
    print_auth(&ways, &text);
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

static struct slice candidate_text(struct difference *difference, const struct auth_settings *auth)
{
    struct buffer text;
    if (auth->candidate == NULL) {
        return SLICE("none");
    }
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    print_auth(auth->candidate, &text);
    print_shadow(&auth->candidate->shadow, &text);
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

/* Who gains by lists that changed is not computed: both are shown, under both heads. */
static bool same_places(const struct auth_place_settings *was, const struct auth_place_settings *is)
{
    static const struct auth_place_settings none;
    was = was != NULL ? was : &none;
    is = is != NULL ? is : &none;
    return slice_equal(was->header, is->header) && slice_equal(was->cookie, is->cookie) &&
           slice_equal(was->query, is->query);
}

static void compare_ways(struct difference *difference, struct slice subject,
                         const struct auth_settings *before, const struct auth_settings *after)
{
    if (before->any_of.count + before->all_of.count + after->any_of.count + after->all_of.count > 0 ||
        !same_places(before->token_from, after->token_from) ||
        !same_places(before->key_from, after->key_from)) {
        struct slice was = auth_text(difference, before), is = auth_text(difference, after);
        for (int kind = CHANGE_GAINS; kind <= CHANGE_LOSES && !slice_equal(was, is); kind++) {
            difference_tell(difference, (enum change)kind, subject,
                            "is called with %.*s now, before with %.*s", SLICE_ARG(is), SLICE_ARG(was));
        }
        return;
    }
    for (int method = 0; method < AUTH_METHOD_COUNT; method++) {
        const struct conf_strings *was = &before->way.names[method], *is = &after->way.names[method];
        const char *what = auth_method_infos[method].proof;
        difference_strings(difference, subject, CHANGE_GAINS, is, was, what, "is accepted now");
        difference_strings(difference, subject, CHANGE_LOSES, was, is, what, "is not accepted any more");
    }
}

/* It lets nobody in and keeps nobody out. */
static void compare_candidates(struct difference *difference, struct slice subject,
                               const struct auth_settings *before, const struct auth_settings *after)
{
    struct slice was = candidate_text(difference, before), is = candidate_text(difference, after);
    if (!slice_equal(was, is)) {
        difference_tell(difference, CHANGE_OTHER, subject, "the candidate of auth is %.*s, was %.*s",
                        SLICE_ARG(is), SLICE_ARG(was));
    }
}

/* False where one side is public: then there is no rule to compare. */
static bool compare_auth(struct difference *difference, struct slice subject,
                         const struct route_policy *before, const struct route_policy *after)
{
    int was = mode_of(before), is = mode_of(after);
    if (was == AUTH_NONE && is == AUTH_NONE) {
        return false;
    }
    if (is == AUTH_NONE) {
        struct slice callers = difference_callers(difference, before);
        difference_tell(difference, CHANGE_GAINS, subject,
                        "PUBLIC now: anybody may call it, before only %.*s", SLICE_ARG(callers));
        return false;
    }
    if (was == AUTH_NONE) {
        struct slice callers = difference_callers(difference, after);
        difference_tell(difference, CHANGE_LOSES, subject, "was public; now only %.*s may call it",
                        SLICE_ARG(callers));
        return false;
    }
    if (was != is) {
        difference_tell(difference, is == AUTH_OPTIONAL ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        is == AUTH_OPTIONAL ? "a token is optional now: without one the caller is anonymous"
                                            : "a token is needed now; it was optional");
    }
    compare_ways(difference, subject, before->auth, after->auth);
    static const char *const challenges[] = { "realm", "resource" };
    for (size_t i = 0; i < sizeof challenges / sizeof *challenges; i++) {
        difference_field(difference, subject, "auth.",
                         conf_field_find(&auth_object, slice_from_string(challenges[i])), before->auth,
                         after->auth);
    }
    compare_candidates(difference, subject, before->auth, after->auth);
    return true;
}

/* `what`: "scope" or "role". */
static void compare_scopes(struct difference *difference, struct slice subject, const char *what,
                           const struct scope_settings *before, const struct scope_settings *after)
{
    before = before != NULL ? before : &no_scopes;
    after = after != NULL ? after : &no_scopes;
    difference_strings(difference, subject, CHANGE_GAINS, &before->all, &after->all, what,
                       "is not needed any more");
    difference_strings(difference, subject, CHANGE_LOSES, &after->all, &before->all, what, "is needed now");
    if (before->any.count > 0 && after->any.count > 0) {
        difference_strings(difference, subject, CHANGE_GAINS, &after->any, &before->any, what,
                           "is one of those that are enough now");
        difference_strings(difference, subject, CHANGE_LOSES, &before->any, &after->any, what,
                           "is not one of those that are enough any more");
    } else if (before->any.count > 0 || after->any.count > 0) {
        struct buffer text;
        buffer_init(&text, DIFFERENCE_TEXT_MAX);
        bool loosened = after->any.count == 0;
        print_strings(loosened ? &before->any : &after->any, &text);
        struct slice list = difference_take(difference, &text);
        buffer_done(&text);
        difference_tell(difference, loosened ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        loosened ? "none of the %ss %.*s is needed any more"
                                 : "one of the %ss %.*s is needed now",
                        what, SLICE_ARG(list));
    }
}

static struct slice claim_text(struct difference *difference, const struct claim_settings *rule)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    print_claim(rule, &text);
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

/* The texts of a list's items. */
static struct conf_strings claim_texts(struct difference *difference, const struct conf_list *list)
{
    const struct claim_settings *rules = list->items;
    struct conf_strings texts = { arena_calloc(&difference->arena, list->count + 1, sizeof(struct slice)),
                                  0 };
    for (size_t i = 0; texts.items != NULL && i < list->count; i++) {
        texts.items[texts.count++] = claim_text(difference, &rules[i]);
    }
    return texts;
}

static struct conf_strings deny_texts(struct difference *difference, const struct conf_list *list)
{
    const struct deny_settings *rules = list->items;
    struct conf_strings texts = { arena_calloc(&difference->arena, list->count + 1, sizeof(struct slice)),
                                  0 };
    for (size_t i = 0; texts.items != NULL && i < list->count; i++) {
        struct buffer text;
        buffer_init(&text, DIFFERENCE_TEXT_MAX);
        print_deny(&rules[i], &text);
        texts.items[texts.count++] = difference_take(difference, &text);
        buffer_done(&text);
    }
    return texts;
}

static struct slice caller_text(struct difference *difference, const struct authorize_settings *authorize)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    if (authorize == NULL || !print_caller(authorize, &text)) {
        buffer_append(&text, SLICE("no kind or login"));
    }
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

static void compare_authorize(struct difference *difference, struct slice subject,
                              const struct authorize_settings *was, const struct authorize_settings *is)
{
    compare_scopes(difference, subject, "scope", was != NULL ? was->scopes : NULL,
                   is != NULL ? is->scopes : NULL);
    compare_scopes(difference, subject, "role", was != NULL ? was->roles : NULL,
                   is != NULL ? is->roles : NULL);
    struct conf_strings before = claim_texts(difference, was != NULL ? &was->claims : &no_list);
    struct conf_strings after = claim_texts(difference, is != NULL ? &is->claims : &no_list);
    difference_strings(difference, subject, CHANGE_GAINS, &before, &after, "the rule that",
                       "does not hold any more");
    difference_strings(difference, subject, CHANGE_LOSES, &after, &before, "the rule that", "holds now");
    before = deny_texts(difference, was != NULL ? &was->deny : &no_list);
    after = deny_texts(difference, is != NULL ? &is->deny : &no_list);
    difference_strings(difference, subject, CHANGE_GAINS, &before, &after, "a caller whose",
                       "is not denied any more");
    difference_strings(difference, subject, CHANGE_LOSES, &after, &before, "a caller whose", "is denied now");
    struct slice asked_was = was != NULL ? was->external : SLICE_NONE,
                 asked_is = is != NULL ? is->external : SLICE_NONE;
    if (!slice_equal(asked_was, asked_is) && asked_was.len > 0) {
        difference_tell(difference, CHANGE_GAINS, subject, "the authorizer %.*s is not asked any more",
                        SLICE_ARG(asked_was));
    }
    if (!slice_equal(asked_was, asked_is) && asked_is.len > 0) {
        difference_tell(difference, CHANGE_LOSES, subject, "the authorizer %.*s must let it pass now",
                        SLICE_ARG(asked_is));
    }
    struct slice demanded = caller_text(difference, was), demands = caller_text(difference, is);
    for (int kind = CHANGE_GAINS; kind <= CHANGE_LOSES && !slice_equal(demanded, demands); kind++) {
        difference_tell(difference, (enum change)kind, subject, "demands %.*s of a caller now, before %.*s",
                        SLICE_ARG(demands), SLICE_ARG(demanded));
    }
    bool any_was = was != NULL && was->any_caller, any_is = is != NULL && is->any_caller;
    if (any_is && !any_was) {
        difference_tell(difference, CHANGE_GAINS, subject, "every authenticated caller may call it now");
    }
}

static void compare_lists(struct difference *difference, struct slice subject, const struct conf_strings *was,
                          const struct conf_strings *is, const char *what)
{
    difference_strings(difference, subject, CHANGE_GAINS, is, was, what, "are allowed now");
    difference_strings(difference, subject, CHANGE_LOSES, was, is, what, "are not allowed any more");
}

/* Without a list they allow what the route takes. */
static void compare_preflights(struct difference *difference, struct slice subject,
                               const struct conf_strings *was, const struct conf_strings *is)
{
    if ((was->count > 0) == (is->count > 0)) {
        compare_lists(difference, subject, was, is, "preflights for method");
        return;
    }
    difference_tell(difference, CHANGE_OTHER, subject, "preflights allow %s now, before %s",
                    is->count > 0 ? "the methods of a list" : "the route's methods",
                    was->count > 0 ? "those of a list" : "the route's methods");
}

static void compare_cors(struct difference *difference, struct slice subject, const struct cors_settings *was,
                         const struct cors_settings *is)
{
    difference_strings(difference, subject, CHANGE_GAINS, is != NULL ? &is->origins : &no_strings,
                       was != NULL ? &was->origins : &no_strings, "pages of origin",
                       "may read responses now");
    difference_strings(difference, subject, CHANGE_LOSES, was != NULL ? &was->origins : &no_strings,
                       is != NULL ? &is->origins : &no_strings, "pages of origin",
                       "may not read responses any more");
    static const struct cors_settings nothing;
    const struct cors_settings *before = was != NULL ? was : &nothing, *after = is != NULL ? is : &nothing;
    compare_lists(difference, subject, &before->headers, &after->headers,
                  "pages of other origins with header");
    compare_lists(difference, subject, &before->expose, &after->expose,
                  "pages of other origins that read the response's header");
    bool sent = was != NULL && was->credentials, sends = is != NULL && is->credentials;
    if (sent != sends) {
        difference_tell(difference, sends ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        sends ? "browsers may send credentials from other origins now"
                              : "browsers may not send credentials from other origins any more");
    }
    static const char *const told[] = { "origins", "credentials", "headers", "expose", "methods", NULL };
    if (was != NULL && is != NULL) {
        compare_preflights(difference, subject, &was->methods, &is->methods);
        difference_fields(difference, subject, "cors.", &cors_object, was, is, told);
    }
}

static void compare_websocket(struct difference *difference, struct slice subject,
                              const struct websocket_settings *was, const struct websocket_settings *is)
{
    if ((was != NULL) != (is != NULL)) {
        difference_tell(difference, is != NULL ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        is != NULL ? "WebSockets are opened now" : "WebSockets are not opened any more");
    }
    difference_strings(difference, subject, CHANGE_GAINS, is != NULL ? &is->origins : &no_strings,
                       was != NULL ? &was->origins : &no_strings, "pages of origin",
                       "may open WebSockets now");
    difference_strings(difference, subject, CHANGE_LOSES, was != NULL ? &was->origins : &no_strings,
                       is != NULL ? &is->origins : &no_strings, "pages of origin",
                       "may not open WebSockets any more");
    static const char *const told[] = { "origins", NULL };
    if (was != NULL && is != NULL) {
        difference_fields(difference, subject, "websocket.", &websocket_object, was, is, told);
    }
}

static void compare_path_allows(struct difference *difference, struct slice subject, uint64_t was,
                                uint64_t is)
{
    const struct conf_field *field = conf_field_find(&effective_object, SLICE("path_allows"));
    for (const struct conf_choice *choice = field->choices; choice->name != NULL; choice++) {
        uint64_t bit = UINT64_C(1) << choice->value;
        if ((was & bit) != (is & bit)) {
            difference_tell(difference, (is & bit) != 0 ? CHANGE_GAINS : CHANGE_LOSES, subject,
                            (is & bit) != 0 ? "paths may hold %s now" : "paths may not hold %s any more",
                            choice->name);
        }
    }
}

void difference_policies(struct difference *difference, struct slice subject,
                         const struct route_policy *before, const struct route_policy *after)
{
    if (compare_auth(difference, subject, before, after)) {
        compare_authorize(difference, subject, before->authorize, after->authorize);
    }
    difference_limits(difference, subject, &before->limits, &after->limits);
    difference_larger(difference, subject, "the largest request body", before->body, after->body);
    difference_larger(difference, subject, "the largest message of a gRPC call", before->max_grpc_message,
                      after->max_grpc_message);
    compare_path_allows(difference, subject, before->path_allows, after->path_allows);
    compare_cors(difference, subject, before->cors, after->cors);
    compare_websocket(difference, subject, before->websocket, after->websocket);
    difference_strings(difference, subject, CHANGE_GAINS, &after->exposes, &before->exposes, "what route",
                       "keeps inside may be reached from outside now");
    difference_strings(difference, subject, CHANGE_LOSES, &before->exposes, &after->exposes, "what route",
                       "keeps inside may not be reached from outside any more");
    if (before->outlive_token != after->outlive_token) {
        difference_tell(difference, after->outlive_token ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        after->outlive_token ? "streams go on when what they were opened with has expired"
                                             : "streams end when what they were opened with expires");
    }
    static const char *const others[] = { "upstream",      "split",          "relay",    "filters",
                                          "hide_upstream", "secure_headers", "retry",    "mirror",
                                          "hedge",         "fallback",       "audit",    "timeout",
                                          "idle_timeout",  "max_stream_age", "compress", "fault",
                                          "exposure" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        difference_field(difference, subject, "",
                         conf_field_find(&effective_object, slice_from_string(others[i])), before, after);
    }
}
