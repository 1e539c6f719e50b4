/* The steps of a script, done. */
#include "connection/oracle.h"
#include "connection/script.h"
#include "connection/world.h"

#include <string.h>

#define TEXT_ROOM (256 * 1024)

/* A text under construction; what does not fit is left out. */
static char text[TEXT_ROOM];
static size_t text_size;

static void put_bytes(const void *data, size_t size)
{
    size = size < sizeof text - text_size ? size : sizeof text - text_size;
    if (size > 0) {
        memcpy(text + text_size, data, size);
    }
    text_size += size;
}

static void put(const char *part)
{
    put_bytes(part, strlen(part));
}

static void put_length(size_t length)
{
    char field[64];
    put_bytes(field, (size_t)snprintf(field, sizeof field, "Content-Length: %zu\r\n", length));
}

/* ---- who ---- */

/* The who-th of those that are still open, or of all where none is. */
static struct wire *choose(bool upstream, unsigned int who)
{
    struct wire *open[WIRES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < wire_count; i++) {
        if (wires[i].to_upstream == upstream && !wires[i].closed && !wires[i].connecting) {
            open[count++] = &wires[i];
        }
    }
    return count > 0 ? open[who % count] : NULL;
}

static struct wire *client_of(const struct step *step)
{
    struct wire *wire = choose(false, step->who);
    char peer[32];
    if (wire == NULL) {
        snprintf(peer, sizeof peer, "10.1.0.%zu", wire_count);
        wire = loopback_connect(0, peer);
    }
    return wire;
}

static void send_text(struct wire *wire, const void *data, size_t size)
{
    (void)wire_send(wire, data, size, wire->to_upstream ? oracle_begun(wire) : 0);
}

/* ---- requests ---- */

/* Bits of a request's argument: 0-2 method, 3-5 path, 6-8 token, 9-11 body, 12 HTTP/1.0, 13 close, 14 spoofed fields, 15
 * fields of browsers and proxies. */
static void put_head(unsigned int argument)
{
    static const char *const methods[] = { "GET",    "HEAD",    "POST",  "PUT",
                                           "DELETE", "OPTIONS", "PATCH", "PROPFIND" };
    static const char *const paths[] = { "/open/x",    "/hs/x?q=1", "/ed/x",    "/named/x",
                                         "/limited/x", "/cors/x",   "/nowhere", "/open/a%2fb" };
    put(methods[argument & 7]);
    put(" ");
    put(paths[argument >> 3 & 7]);
    put((argument >> 12 & 1) != 0 ? " HTTP/1.0\r\nHost: api.example.com\r\n"
                                  : " HTTP/1.1\r\nHost: api.example.com\r\n");
    const char *token = world_tokens[argument >> 6 & 7];
    if (token != NULL) {
        put("Authorization: Bearer ");
        put(token);
        put("\r\n");
    }
    put((argument >> 13 & 1) != 0 ? "Connection: close\r\n" : "");
    put((argument >> 14 & 1) != 0 ? "X-User-Id: mallory\r\nX_User_Id: mallory\r\nX-Forwarded-For: 1.2.3.4\r\n"
                                    "Connection: X-Request-Id\r\nX-Request-Id: mine\r\nProxy: x\r\n"
                                  : "");
    put((argument >> 15 & 1) != 0
            ? "Origin: https://app.example.com\r\nAccess-Control-Request-Method: GET\r\n"
              "X-Client: 1\r\nTE: trailers\r\nUpgrade: websocket\r\n"
            : "");
}

static void put_chunks(const uint8_t *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        size_t length = size - at < piece ? size - at : piece;
        char line[64];
        put_bytes(line, (size_t)snprintf(line, sizeof line, "%zx;a=b\r\n", length));
        put_bytes(data + at, length);
        put("\r\n");
    }
}

static void put_body(unsigned int kind, const uint8_t *data, size_t size)
{
    switch (kind) {
    case 1:
    case 2:
        put_length(size);
        put(kind == 2 ? "Expect: 100-continue\r\n\r\n" : "\r\n");
        put_bytes(data, size);
        break;
    case 3:
    case 4:
        put("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n");
        put_chunks(data, size, kind == 3 ? 4096 : 7);
        put(kind == 3 ? "0\r\n\r\n" : "0\r\nX-Sum: 1\r\nX-User-Id: mallory\r\n\r\n");
        break;
    case 5: /* the rest may follow */
        put_length(size * 16);
        put("\r\n");
        put_bytes(data, size);
        break;
    case 6:
        put("Transfer-Encoding: chunked\r\n\r\n");
        put_chunks(data, size, 100);
        break;
    case 7: /* fields */
        put_bytes(data, size);
        put("\r\n");
        break;
    default:
        put("\r\n");
    }
}

static void send_request(const struct step *step)
{
    struct wire *wire = client_of(step);
    if (wire == NULL) {
        return;
    }
    text_size = 0;
    put_head(step->argument);
    put_body(step->argument >> 9 & 7, step->text, step->size);
    send_text(wire, text, text_size);
}

/* ---- answers ---- */

/* Bits of an answer's argument: 0-2 status, 3-5 framing, 6 close, 7 HTTP/1.0, 8 fields of one hop, 9 a large field. */
static void send_answer(const struct step *step)
{
    static const char *const statuses[] = { "200 OK",           "204 No Content",
                                            "304 Not Modified", "404 Not Found",
                                            "500 Broken",       "103 Early Hints",
                                            "100 Continue",     "101 Switching Protocols" };
    struct wire *wire = choose(true, step->who);
    unsigned int argument = step->argument;
    if (wire == NULL) {
        return;
    }
    text_size = 0;
    put((argument >> 7 & 1) != 0 ? "HTTP/1.0 " : "HTTP/1.1 ");
    put(statuses[argument & 7]);
    put("\r\n");
    put((argument >> 6 & 1) != 0 ? "Connection: close\r\n" : "");
    put((argument >> 8 & 1) != 0
            ? "Keep-Alive: 3\r\nProxy-Authenticate: x\r\nX-Request-Id: theirs\r\nServer: x\r\n"
            : "");
    for (int i = (argument >> 9 & 1) != 0 ? 200 : 0; i > 0; i--) {
        put("X-Large: 0123456789012345678901234567890123456789\r\n");
    }
    bool bodiless = (argument & 7) == 1 || (argument & 7) == 2 || (argument & 7) >= 5;
    size_t size = step->size;
    switch (bodiless ? 4 : argument >> 3 & 7) {
    case 0:
        put_length(size);
        put("\r\n");
        put_bytes(step->text, size);
        break;
    case 1:
        put("Transfer-Encoding: chunked\r\n\r\n");
        put_chunks(step->text, size, 1000);
        put("0\r\nX-Sum: 1\r\nX-User-Id: mallory\r\n\r\n");
        break;
    case 2:
        put("\r\n");
        put_bytes(step->text, size);
        break;
    case 3:
        put_length(size);
        put("Transfer-Encoding: chunked\r\n\r\n");
        put_bytes(step->text, size);
        break;
    case 4:
        put("\r\n");
        break;
    case 5: /* the rest may follow */
        put_length(size * 16);
        put("\r\n");
        put_bytes(step->text, size);
        break;
    case 6: /* more than it says */
        put_length(size / 2);
        put("\r\n");
        put_bytes(step->text, size);
        break;
    default:
        put("Transfer-Encoding: chunked\r\n\r\n");
        put_chunks(step->text, size, 7);
    }
    send_text(wire, text, text_size);
}

/* ---- the rest ---- */

/* What is taken for a request if bodies are miscounted. */
static void fill(struct wire *wire, size_t size)
{
    static const char request[] = "GET /open/smuggled HTTP/1.1\r\nHost: api.example.com\r\nX: ";
    static char pattern[4096];
    if (wire == NULL) {
        return;
    }
    memset(pattern, 'x', sizeof pattern);
    memcpy(pattern, request, sizeof request - 1);
    memcpy(pattern + sizeof pattern - 4, "\r\n\r\n", 4);
    text_size = 0;
    while (text_size < size && text_size < sizeof text) {
        put_bytes(pattern, sizeof pattern < size - text_size ? sizeof pattern : size - text_size);
    }
    send_text(wire, text, text_size);
}

static void open_client(const struct step *step)
{
    char peer[32];
    snprintf(peer, sizeof peer, "10.1.0.%zu", wire_count);
    (void)loopback_connect(step->argument % 3, peer);
}

static void hang_up(const struct step *step, enum step_code code)
{
    struct wire *wire = choose((step->argument & 1) != 0, step->who);
    if (wire != NULL) {
        wire->in_end = wire->in_end || code != STEP_RESET;
        wire->gone = wire->gone || code == STEP_CLOSE;
        wire->broken = wire->broken || code == STEP_RESET;
    }
}

static void open_window(const struct step *step)
{
    struct wire *wire = choose((step->argument & 1) != 0, step->who);
    if (wire != NULL) {
        size_t size = (size_t)(step->argument >> 1);
        wire->window = size >= 32760 ? SIZE_MAX : size < 256 ? size : size * 16;
    }
}

static void send_raw(struct wire *wire, const struct step *step)
{
    if (wire != NULL) {
        send_text(wire, (const char *)step->text, step->size);
    }
}

static void play(const struct step *step)
{
    enum step_code code = (enum step_code)((step->code & ~STEP_AT_ONCE) % STEP_CODES);
    switch (code) {
    case STEP_OPEN:
        open_client(step);
        break;
    case STEP_REQUEST:
        send_request(step);
        break;
    case STEP_CLIENT_RAW:
        send_raw(client_of(step), step);
        break;
    case STEP_CLIENT_FILL:
        fill(choose(false, step->who), (size_t)step->argument * 16);
        break;
    case STEP_ANSWER:
        send_answer(step);
        break;
    case STEP_UPSTREAM_RAW:
        send_raw(choose(true, step->who), step);
        break;
    case STEP_UPSTREAM_FILL:
        fill(choose(true, step->who), (size_t)step->argument * 16);
        break;
    case STEP_END:
    case STEP_CLOSE:
    case STEP_RESET:
        hang_up(step, code);
        break;
    case STEP_WINDOW:
        open_window(step);
        break;
    case STEP_TIME:
        if ((step->who & 1) != 0) {
            loopback_turn_cost = (step->argument & 255) * NS_PER_MS;
        } else {
            loopback_advance((int64_t)step->argument * 4 * NS_PER_MS);
        }
        break;
    case STEP_CONNECT:
        connect_mode = (enum connect_mode)(step->argument % CONNECT_MODES);
        upstream_records = (step->argument / CONNECT_MODES & 1) != 0;
        break;
    case STEP_WORK:
        loopback_work((step->argument & 1) == 0);
        break;
    case STEP_RELOAD:
        world_reload();
        break;
    case STEP_DRAIN:
        world_drain();
        break;
    case STEP_LOGS:
    default:
        world_logs_stuck = !world_logs_stuck;
    }
}

void script_play(const struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        play(&script->steps[i]);
        if ((script->steps[i].code & STEP_AT_ONCE) == 0) {
            world_turn(4);
        }
    }
    if (connect_mode == CONNECT_HANGS) {
        world_turn(1);
    }
}
