/* The OpenAPI document, from the table of operations and the tables of their bodies. */
#include "admin/internal.h"

static void member(struct json_writer *json, const char *name, const char *text)
{
    json_member_string(json, slice_from_string(name), slice_from_string(text));
}

static void member_raw(struct json_writer *json, const char *name, const char *text)
{
    json_name(json, slice_from_string(name));
    json_raw(json, slice_from_string(text));
}

static void begin(struct json_writer *json, const char *name)
{
    json_name(json, slice_from_string(name));
    json_object_begin(json);
}

static void reference(struct json_writer *json, const char *schema)
{
    struct buffer text;
    buffer_init(&text, 128);
    buffer_printf(&text, "#/components/schemas/%s", schema);
    json_member_string(json, SLICE("$ref"), buffer_slice(&text));
    buffer_done(&text);
}

/* ---- what may be said ---- */

static void write_object(struct json_writer *json, const struct conf_object *object);

static void write_schema(struct json_writer *json, const struct conf_field *field)
{
    switch (field->type) {
    case CONF_BOOL:
        member(json, "type", "boolean");
        break;
    case CONF_STRINGS:
        member(json, "type", "array");
        member_raw(json, "items", "{\"type\":\"string\"}");
        break;
    case CONF_MAP:
        member(json, "type", "object");
        json_name(json, SLICE("additionalProperties"));
        write_object(json, field->object);
        break;
    case CONF_RATE:
        member(json, "type", "string");
        member(json, "pattern", "^[0-9]+/[0-9a-z]+$");
        break;
    case CONF_DURATION:
        member(json, "type", "string");
        member(json, "pattern", "^(0|([0-9]+(us|ms|s|m|h|d))+)$");
        break;
    default:
        member(json, "type", "string");
        break;
    }
}

static void write_required(struct json_writer *json, const struct conf_object *object)
{
    json_name(json, SLICE("required"));
    json_array_begin(json);
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if ((field->flags & CONF_REQUIRED) != 0) {
            json_string(json, slice_from_string(field->name));
        }
    }
    json_array_end(json);
}

static void write_object(struct json_writer *json, const struct conf_object *object)
{
    json_object_begin(json);
    member(json, "type", "object");
    member(json, "description", object->help);
    begin(json, "properties");
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        begin(json, field->name);
        write_schema(json, field);
        member(json, "description", field->help);
        json_object_end(json);
    }
    json_object_end(json);
    write_required(json, object);
    json_member_bool(json, SLICE("additionalProperties"), false);
    json_object_end(json);
}

static void write_parameters(struct json_writer *json, const struct admin_operation *row)
{
    json_name(json, SLICE("parameters"));
    json_array_begin(json);
    if (strstr(row->path, "{id}") != NULL) {
        json_raw(json, SLICE("{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
                             "\"string\"}}"));
    }
    for (const struct conf_field *field = row->query != NULL ? row->query->fields : NULL;
         field != NULL && field->name != NULL; field++) {
        json_object_begin(json);
        member(json, "name", field->name);
        member(json, "in", "query");
        member(json, "description", field->help);
        begin(json, "schema");
        write_schema(json, field);
        json_object_end(json);
        json_object_end(json);
    }
    json_array_end(json);
}

/* ---- what comes of it ---- */

static const struct refusal {
    const char *status, *help;
    bool always; /* else of changes, and of what has an id */
} refusals[] = {
    { "400", "Something is wrong with the request; `detail` says what.", true },
    { "401", "No credential, or a wrong one.", true },
    { "403", "The caller may not; or a browser's page asked; or the Host is not one of the API's.", true },
    { "404", "There is no such key, set or block; or this API serves no blocks.", true },
    { "409", "A key of this id or digest is there already; or the block store is full.", false },
    { "413", "The body is too long.", false },
    { "415", "The body is not said to be application/json.", false },
    { "429", "More requests than `limits` let pass: try again after Retry-After.", true },
    { "503", "The store cannot be asked, or there is too much to do: try again after Retry-After.", true },
};

static void write_responses(struct json_writer *json, const struct admin_operation *row)
{
    char status[8];
    snprintf(status, sizeof status, "%u", row->status);
    begin(json, "responses");
    begin(json, status);
    member(json, "description", "Done.");
    begin(json, "content");
    begin(json, "application/json");
    begin(json, "schema");
    reference(json, row->schema);
    for (int i = 0; i < 4; i++) {
        json_object_end(json);
    }
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (refusals[i].always || row->body != NULL) {
            begin(json, refusals[i].status);
            member(json, "description", refusals[i].help);
            member_raw(json, "content",
                       "{\"application/problem+json\":{\"schema\":{\"$ref\":\"#/components/schemas/"
                       "Problem\"}}}");
            json_object_end(json);
        }
    }
    json_object_end(json);
}

static void write_operation(struct json_writer *json, const struct admin_operation *row)
{
    begin(json, row->method == METHOD_POST ? "post" : "get");
    member(json, "operationId", row->name);
    member(json, "summary", row->help);
    write_parameters(json, row);
    if (row->body != NULL) {
        begin(json, "requestBody");
        json_member_bool(json, SLICE("required"), true);
        begin(json, "content");
        begin(json, "application/json");
        json_name(json, SLICE("schema"));
        write_object(json, row->body);
        json_object_end(json);
        json_object_end(json);
        json_object_end(json);
    }
    write_responses(json, row);
    json_object_end(json);
}

static void write_paths(struct json_writer *json, const struct admin_resource *resource)
{
    const char *path = NULL;
    for (const struct admin_operation *row = resource->operations; row->name != NULL; row++) {
        if (path == NULL || strcmp(path, row->path) != 0) {
            if (path != NULL) {
                json_object_end(json);
            }
            begin(json, row->path);
            path = row->path;
        }
        write_operation(json, row);
    }
    json_object_end(json);
}

static const char problem[] =
    "\"Problem\":{\"type\":\"object\",\"description\":\"RFC 9457.\",\"properties\":{\"type\":{\"type\":"
    "\"string\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},\"code\":{\"type\":"
    "\"string\",\"description\":\"Stable.\"},\"detail\":{\"type\":\"string\",\"description\":\"For a "
    "person.\"},\"request_id\":{\"type\":\"string\",\"description\":\"By which the logs know the "
    "request.\"}}}";

void admin_print_openapi(struct buffer *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    member(&json, "openapi", "3.1.0");
    begin(&json, "info");
    member(&json, "title", "Sallyport admin API");
    member(&json, "version", "1");
    member(&json, "description",
           "Written by `sallyport docs openapi` from the table that the program itself reads. How callers "
           "prove who they are is the gateway's configuration: client certificates, tokens, or both.");
    json_object_end(&json);
    begin(&json, "paths");
    for (const struct admin_resource *const *resource = admin_resources; *resource != NULL; resource++) {
        write_paths(&json, *resource);
    }
    json_object_end(&json);
    begin(&json, "components");
    begin(&json, "schemas");
    json_raw(&json, slice_from_string(problem));
    for (const struct admin_resource *const *resource = admin_resources; *resource != NULL; resource++) {
        buffer_append_char(out, ',');
        buffer_append(out, slice_from_string((*resource)->schemas));
    }
    json_object_end(&json);
    begin(&json, "securitySchemes");
    json_raw(&json, SLICE("\"certificate\":{\"type\":\"mutualTLS\"},\"token\":{\"type\":\"http\",\"scheme\":"
                          "\"bearer\",\"bearerFormat\":\"JWT\"}"));
    json_object_end(&json);
    json_object_end(&json);
    json_name(&json, SLICE("security"));
    json_raw(&json, SLICE("[{\"certificate\":[]},{\"token\":[]}]"));
    json_object_end(&json);
    buffer_append_char(out, '\n');
}
