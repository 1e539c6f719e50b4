/* One request: what was asked for, read; carried out; what came of it. */
#include "admin/internal.h"

#include "admin/body.h"
#include "base/secret.h"
#include "http/uri.h"

#include <stdarg.h>
#include <stdlib.h>

#define JOB_ARENA_MAX (16 * 1024 * 1024) /* a body's tree takes several times the body */
#define DEPTH_MAX     4
#define TEXT_MAX      1024

struct admin_job {
    struct slice query;
    struct buffer body;
    struct admin_call call;
};

static bool copy(struct arena *arena, struct slice text, struct slice *out)
{
    *out = text.ptr != NULL ? arena_copy(arena, text) : SLICE_NONE;
    return text.ptr == NULL || out->ptr != NULL;
}

struct admin_job *admin_job_new(const struct admin_request *request)
{
    struct admin_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return NULL;
    }
    struct admin_call *call = &job->call;
    call->settings = request->settings;
    call->operation = request->operation;
    call->now = request->now;
    arena_init(&call->arena, JOB_ARENA_MAX);
    buffer_init(&job->body, ADMIN_BODY_MAX);
    buffer_init(&call->out, ADMIN_ANSWER_MAX);
    json_writer_init(&call->json, &call->out);
    char *id = arena_alloc(&call->arena, request->id.len + 1);
    if (id == NULL || !copy(&call->arena, request->query, &job->query) ||
        !copy(&call->arena, request->request_id, &call->request_id) ||
        !copy(&call->arena, request->caller, &call->caller)) {
        admin_job_free(job);
        return NULL;
    }
    call->id = slice_of(id, uri_decode(request->id, id));
    return job;
}

/* A key stands in an answer, the first and only time. */
static void wipe(struct buffer *buffer)
{
    if (buffer->data != NULL) {
        secret_wipe(buffer->data, buffer->capacity);
    }
    buffer_done(buffer);
}

void admin_job_free(struct admin_job *job)
{
    if (job != NULL) {
        buffer_done(&job->body);
        wipe(&job->call.out);
        arena_done(&job->call.arena);
        free(job);
    }
}

bool admin_job_body(struct admin_job *job, struct slice data)
{
    return buffer_append(&job->body, data);
}

/* ---- how a call ends ---- */

__attribute__((format(printf, 2, 0))) static void tell(struct admin_call *call, const char *format,
                                                       va_list arguments)
{
    char text[TEXT_MAX];
    int size = vsnprintf(text, sizeof text, format, arguments);
    size_t len = size < 0 ? 0 : (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
    struct slice copied = arena_copy(&call->arena, slice_of(text, len));
    call->what = copied.ptr != NULL ? copied : SLICE("");
}

void admin_tell(struct admin_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(call, format, arguments);
    va_end(arguments);
}

static const char *title_of(unsigned int status)
{
    return status == 404 ? "Not found" : status == 409 ? "Conflict" : "Invalid request";
}

void admin_problem(struct admin_call *call, unsigned int status, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(call, format, arguments);
    va_end(arguments);
    call->status = status;
    call->problem = true;
    buffer_clear(&call->out);
    json_writer_init(&call->json, &call->out);
    json_object_begin(&call->json);
    json_member_string(&call->json, SLICE("type"), SLICE("about:blank"));
    json_member_string(&call->json, SLICE("title"), slice_from_string(title_of(status)));
    json_member_integer(&call->json, SLICE("status"), status);
    json_member_string(&call->json, SLICE("code"), slice_from_string(code));
    json_member_string(&call->json, SLICE("detail"), call->what);
    json_member_string(&call->json, SLICE("request_id"), call->request_id);
    json_object_end(&call->json);
}

void admin_fail(struct admin_call *call, struct error error)
{
    char why[256];
    error_describe(error, why, sizeof why);
    admin_tell(call, "%.*s%s%s", SLICE_ARG(call->what), call->what.len > 0 ? ": " : "", why);
    call->status = 0;
    buffer_clear(&call->out);
}

/* ---- what was asked for ---- */

static const char *read_query(struct admin_job *job)
{
    struct admin_call *call = &job->call;
    static const struct conf_field nothing[] = { { 0 } };
    static const struct conf_object none = { .name = "query", .size = 1, .fields = nothing };
    const struct conf_object *object = call->operation->query != NULL ? call->operation->query : &none;
    const char *problem = NULL;
    const struct json *tree = query_parse(job->query, &call->arena, &problem);
    void *out = arena_calloc(&call->arena, 1, object->size);
    if (tree == NULL || out == NULL) {
        return problem;
    }
    call->query = out;
    problem = body_read(object, tree, &call->arena, out);
    return problem == NULL || object != &none ? problem : "this operation takes no parameters";
}

static const char *read_body(struct admin_job *job)
{
    struct admin_call *call = &job->call;
    const struct conf_object *object = call->operation->body;
    struct json *tree = NULL;
    if (object == NULL) {
        return NULL;
    }
    struct error error = json_parse(buffer_slice(&job->body), DEPTH_MAX, &call->arena, &tree, NULL);
    if (failed(error)) {
        return error.kind == ERROR_MEMORY ? "the body has too many values" : "the body is no JSON";
    }
    void *out = arena_calloc(&call->arena, 1, object->size);
    if (out == NULL) {
        return "the body has too many values";
    }
    call->body = out;
    return body_read(object, tree, &call->arena, out);
}

void admin_job_give_time(struct admin_job *job, int64_t deadline)
{
    job->call.deadline = deadline;
}

void admin_job_run(struct admin_job *job)
{
    struct admin_call *call = &job->call;
    if (call->deadline > 0 && clock_monotonic_ns() >= call->deadline) {
        admin_fail(call, FAIL(ERROR_STATE, "others before it took too long"));
        return;
    }
    const char *problem = read_query(job);
    problem = problem == NULL ? read_body(job) : problem;
    if (problem != NULL) {
        admin_problem(call, 400, "invalid_request", "%s", problem);
    } else {
        call->operation->run(call);
    }
    if (call->json.failed) {
        admin_fail(call, FAIL(ERROR_LIMIT, "the answer is too long"));
    }
}

void admin_job_answer(const struct admin_job *job, struct admin_answer *out)
{
    const struct admin_call *call = &job->call;
    *out = (struct admin_answer){
        .status = call->status,
        .changes = admin_operation_changes(call->operation),
        .type = call->problem ? SLICE("application/problem+json") : SLICE("application/json"),
        .body = buffer_slice(&call->out),
        .location = call->location,
        .what = call->what,
    };
}
