#include "cli/dev/tour.h"

#include "base/clock.h"
#include "cli/dev/curl.h"
#include "cli/dev/mint.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUTPUT_MAX (4 * 1024 * 1024)
#define TOKEN_MAX  4096
#define LOG_SHOWN  65536
#define WAIT_LIMIT (15 * NS_PER_S)
#define TOO_LARGE  (128 * 1024)
#define FLOOD      "[1-21]" /* one more than the route's limit */
#define LOG_LINES  3

enum token_kind {
    TOKEN_NONE,
    TOKEN_READ,  /* scope read_orders */
    TOKEN_OTHER, /* another scope */
    TOKEN_WRITE,
    TOKEN_EXPIRED,
    TOKEN_STRANGER, /* signed by a key that the issuer never published */
    TOKEN_UNSIGNED, /* alg none */
    TOKEN_FLOODER,  /* scope read_orders, a caller of its own */
};

struct step {
    const char *shows;
    unsigned int expected;
    enum token_kind token;
    const char *method;
    const char *path;
    bool plain;         /* http */
    bool large;         /* with a body over the limit */
    const char *field;  /* that the answer must have, or NULL */
    const char *inside; /* that the body must hold, or NULL */
};

static const struct step steps[] = {
    { "The right scope: the upstream is reached, and sees the relayed token and the proven identity.", 200,
      TOKEN_READ, "GET", "/orders/42", false, false, NULL, "X-User-Id" },
    { "No token: a challenge, and no word about why.", 401, TOKEN_NONE, "GET", "/orders/42", false, false,
      "www-authenticate", "unauthenticated" },
    { "An expired token.", 401, TOKEN_EXPIRED, "GET", "/orders/42", false, false, "www-authenticate",
      "invalid_token" },
    { "A token signed by a stranger, under the issuer's key id.", 401, TOKEN_STRANGER, "GET", "/orders/42",
      false, false, "www-authenticate", "invalid_token" },
    { "A token with alg none: never accepted.", 401, TOKEN_UNSIGNED, "GET", "/orders/42", false, false,
      "www-authenticate", "invalid_token" },
    { "A valid token without the scope: the challenge names what is missing.", 403, TOKEN_OTHER, "GET",
      "/orders/42", false, false, "www-authenticate", "insufficient_scope" },
    { "A method that no route has: never a laxer route.", 405, TOKEN_READ, "DELETE", "/orders/42", false,
      false, "allow", "method_not_allowed" },
    { "The 21st request of a caller within a minute.", 429, TOKEN_FLOODER, "GET", "/orders/" FLOOD, false,
      false, "retry-after", "rate_limited" },
    { "An encoded slash behind dots: refused before any policy looks at it.", 400, TOKEN_READ, "GET",
      "/orders/..%2fadmin", false, false, NULL, "invalid_path" },
    { "A body of 128 KiB where the route allows 64 KiB.", 413, TOKEN_WRITE, "POST", "/orders", false, true,
      NULL, "body_too_large" },
    { "Plain HTTP: redirected, since nothing secret was sent.", 308, TOKEN_NONE, "GET", "/orders/42", true,
      false, "location", NULL },
};

#define STEP_COUNT (sizeof steps / sizeof steps[0])

static bool mint(const struct dev_set *set, enum token_kind kind, struct buffer *out)
{
    struct dev_claims claims = { .subject = SLICE("alice"), .scope = SLICE("read_orders"), .lifetime = 300 };
    EVP_PKEY *key = set->key;
    switch (kind) {
    case TOKEN_OTHER:
        claims.scope = SLICE("read_invoices");
        break;
    case TOKEN_WRITE:
        claims.scope = SLICE("write_orders");
        break;
    case TOKEN_EXPIRED:
        claims.lifetime = -600;
        break;
    case TOKEN_STRANGER:
        key = set->stranger;
        break;
    case TOKEN_UNSIGNED:
        claims.unsigned_none = true;
        break;
    case TOKEN_FLOODER:
        claims.subject = SLICE("mallory");
        break;
    default:
        break;
    }
    return dev_mint_token(key, &claims, out);
}

/* "Authorization: Bearer …" for curl; freed by the caller. NULL: none. */
static char *authorization(const struct dev_set *set, enum token_kind kind)
{
    if (kind == TOKEN_NONE) {
        return NULL;
    }
    struct buffer text;
    buffer_init(&text, TOKEN_MAX);
    char *header = NULL;
    if (buffer_append(&text, SLICE("Authorization: Bearer ")) && mint(set, kind, &text)) {
        header = strndup(buffer_slice(&text).ptr, buffer_length(&text));
    }
    buffer_done(&text);
    return header;
}

/* `tells`: curl says on standard error why there is no answer. */
static struct error request(const struct dev_set *set, const struct step *step, bool tells,
                            struct buffer *out)
{
    char authority[PATH_MAX];
    char url[PATH_MAX];
    char large[PATH_MAX];
    snprintf(authority, sizeof authority, "%s/ca.pem", set->directory);
    snprintf(url, sizeof url, "%s://localhost:%u%s", step->plain ? "http" : "https",
             step->plain ? set->http_port : set->https_port, step->path);
    snprintf(large, sizeof large, "@%s/large", set->directory);
    const char *arguments[CURL_ARGUMENTS_MAX] = {
        tells ? "-sS" : "-s", "-i",      "--http1.1", "--path-as-is", "--noproxy", "*", "--max-time", "10",
        "--cacert",           authority, "-X",        step->method,   url,
    };
    size_t count = 13;
    char *header = authorization(set, step->token);
    if (header != NULL) {
        arguments[count++] = "-H";
        arguments[count++] = header;
    }
    if (step->large) {
        arguments[count++] = "--data-binary";
        arguments[count++] = large;
    }
    struct error error = dev_curl(arguments, out);
    free(header);
    return error;
}

struct error dev_tour_wait(const struct dev_set *set)
{
    static const struct step probe = { "", 200, TOKEN_OTHER, "GET", "/health", false, false, NULL, NULL };
    int64_t limit = clock_monotonic_ns() + WAIT_LIMIT;
    while (clock_monotonic_ns() < limit) {
        struct buffer printed;
        struct slice response;
        buffer_init(&printed, OUTPUT_MAX);
        struct error error = request(set, &probe, false, &printed);
        unsigned int status = dev_curl_status(buffer_slice(&printed), &response);
        buffer_done(&printed);
        TRY(error);
        if (status == 200) {
            return OK;
        }
        usleep(50000);
    }
    return FAIL(ERROR_STATE, "the gateway did not answer in time");
}

static void print_answer(struct slice response)
{
    static const char *const shown[] = { "www-authenticate", "allow",     "location",
                                         "retry-after",      "ratelimit", "ratelimit-policy",
                                         "x-request-id" };
    struct slice line;
    struct slice rest = response;
    (void)slice_next(&rest, '\n', &line);
    printf("   < %.*s\n", SLICE_ARG(slice_part(line, 0, line.len > 0 ? line.len - 1 : 0)));
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        struct slice value = dev_curl_field(response, slice_from_string(shown[i]));
        if (value.len > 0) {
            printf("   < %s: %.*s\n", shown[i], SLICE_ARG(value));
        }
    }
    struct slice body = dev_curl_body(response);
    if (body.len > 0) {
        printf("     %.*s\n", SLICE_ARG(body));
    }
}

static bool is_expected(const struct step *step, unsigned int status, struct slice response)
{
    return status == step->expected &&
           (step->field == NULL || dev_curl_field(response, slice_from_string(step->field)).len > 0) &&
           (step->inside == NULL || slice_contains(response, slice_from_string(step->inside)));
}

static bool run_step(const struct dev_set *set, const struct step *step, size_t number)
{
    static const char *const tokens[] = {
        [TOKEN_NONE] = "",
        [TOKEN_READ] = " -H \"Authorization: Bearer $READ\"",
        [TOKEN_OTHER] = " -H \"Authorization: Bearer $OTHER\"",
        [TOKEN_WRITE] = " -H \"Authorization: Bearer $WRITE\"",
        [TOKEN_EXPIRED] = " -H \"Authorization: Bearer $EXPIRED\"",
        [TOKEN_STRANGER] = " -H \"Authorization: Bearer $STRANGER\"",
        [TOKEN_UNSIGNED] = " -H \"Authorization: Bearer $UNSIGNED\"",
        [TOKEN_FLOODER] = " -H \"Authorization: Bearer $FLOODER\"",
    };
    printf("\n%2zu. %s\n", number, step->shows);
    printf("   $ curl -X %s%s%s %s://localhost:%u%s\n", step->method, tokens[step->token],
           step->large ? " --data-binary @large" : "", step->plain ? "http" : "https",
           step->plain ? set->http_port : set->https_port, step->path);
    struct buffer printed;
    struct slice response = SLICE_NONE;
    buffer_init(&printed, OUTPUT_MAX);
    struct error error = request(set, step, true, &printed);
    unsigned int status = failed(error) ? 0 : dev_curl_status(buffer_slice(&printed), &response);
    print_answer(response);
    bool expected = is_expected(step, status, response);
    if (!expected) {
        printf("   !! expected %u%s%s%s%s\n", step->expected, step->field != NULL ? " with " : "",
               step->field != NULL ? step->field : "", step->inside != NULL ? " and " : "",
               step->inside != NULL ? step->inside : "");
    }
    fflush(stdout);
    buffer_done(&printed);
    return expected;
}

/* The last lines of a log, once it has at least `least` lines. */
static bool print_log(const struct dev_set *set, const char *name, const char *what, size_t least)
{
    char path[PATH_MAX];
    static char text[LOG_SHOWN];
    snprintf(path, sizeof path, "%s/%s", set->directory, name);
    size_t lines = 0;
    struct slice tail = SLICE_NONE;
    for (int64_t limit = clock_monotonic_ns() + WAIT_LIMIT; lines < least && clock_monotonic_ns() < limit;) {
        FILE *file = fopen(path, "re");
        size_t size = file != NULL ? fread(text, 1, sizeof text, file) : 0;
        if (file != NULL) {
            fclose(file);
        }
        lines = 0;
        for (size_t i = size; i-- > 0;) {
            lines += text[i] == '\n' ? 1 : 0;
            if (lines <= LOG_LINES) {
                tail = slice_of(text + i, size - i);
            }
        }
        if (lines < least) {
            usleep(20000);
        }
    }
    printf("\n%s (%zu lines in %s, the last of them):\n%.*s", what, lines, path, SLICE_ARG(tail));
    return lines >= least;
}

static bool write_large(const struct dev_set *set)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/large", set->directory);
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return false;
    }
    for (int i = 0; i < TOO_LARGE; i++) {
        fputc('x', file);
    }
    return fclose(file) == 0;
}

int dev_tour_run(const struct dev_set *set)
{
    int wrong = write_large(set) ? 0 : 1;
    for (size_t i = 0; i < STEP_COUNT; i++) {
        wrong += run_step(set, &steps[i], i + 1) ? 0 : 1;
    }
    /* Every request has its access line; every denial its audit line. */
    wrong += print_log(set, "access.log", "The access log", STEP_COUNT) ? 0 : 1;
    wrong += print_log(set, "audit.log", "The audit log", STEP_COUNT - 2) ? 0 : 1;
    printf("\n%zu answers, %d of them not as expected.\n", STEP_COUNT, wrong);
    return wrong;
}
