#include "observe/line.h"

#include "base/clock.h"
#include "base/decimal.h"
#include "net/address.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define CUT_MARK "\xe2\x80\xa6"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t has_zero_byte(uint64_t word)
{
    return (word - ONES) & ~word & HIGHS;
}

/* Nothing in these eight bytes needs a look: printable ASCII other than quote and backslash. */
static inline bool plain_word(uint64_t word)
{
    uint64_t control = (word - ONES * 0x20) & ~word & HIGHS;
    return ((word & HIGHS) | control | has_zero_byte(word ^ ONES * '"') | has_zero_byte(word ^ ONES * '\\') |
            has_zero_byte(word ^ ONES * 0x7f)) == 0;
}

static inline bool plain_byte(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Bytes of the well-formed UTF-8 sequence at the front (RFC 3629), 0 where there is none. */
static size_t utf8_sequence(const unsigned char *bytes, size_t left)
{
    unsigned char lead = bytes[0];
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xf0 && bytes[1] < 0x90);
    bool surrogate = lead == 0xed && bytes[1] > 0x9f;
    bool beyond = lead == 0xf4 && bytes[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : size;
}

static size_t escape_code(char out[8], unsigned int code)
{
    static const char digits[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'u';
    out[2] = '0';
    out[3] = '0';
    out[4] = digits[code >> 4 & 15];
    out[5] = digits[code & 15];
    return 6;
}

/* One character of the input, escaped. Returns the bytes taken. */
static size_t escape_one(const unsigned char *bytes, size_t left, char out[8], size_t *ret_size)
{
    unsigned char c = bytes[0];
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        *ret_size = 2;
        return 1;
    }
    if (c < 0x20 || c == 0x7f) {
        *ret_size = escape_code(out, c);
        return 1;
    }
    if (c < 0x80) { /* plain, and no room for it */
        out[0] = (char)c;
        *ret_size = 1;
        return 1;
    }
    size_t size = utf8_sequence(bytes, left);
    if (size == 0) {
        memcpy(out, "\\ufffd", 6);
        *ret_size = 6;
        return 1;
    }
    if (c == 0xc2 && bytes[1] < 0xa0) {
        *ret_size = escape_code(out, bytes[1]); /* C1: U+0080 to U+009F */
        return 2;
    }
    memcpy(out, bytes, size);
    *ret_size = size;
    return size;
}

/* Does nothing in these sixteen bytes need a look? */
static inline bool plain_pair(uint64_t a, uint64_t b)
{
#ifdef __SSE2__
    __m128i text = _mm_set_epi64x((long long)b, (long long)a);
    __m128i found = _mm_cmplt_epi8(text, _mm_set1_epi8(0x20)); /* signed: what is not ASCII is below, too */
    found = _mm_or_si128(found, _mm_cmpeq_epi8(text, _mm_set1_epi8('"')));
    found = _mm_or_si128(found, _mm_cmpeq_epi8(text, _mm_set1_epi8('\\')));
    found = _mm_or_si128(found, _mm_cmpeq_epi8(text, _mm_set1_epi8(0x7f)));
    return _mm_movemask_epi8(found) == 0;
#else
    return plain_word(a) && plain_word(b);
#endif
}

static inline uint64_t load(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, bytes, size);
    return word;
}

/* Copies two pieces of a text, which may overlap, if nothing in them needs a look. */
static inline bool put_pieces(char *at, const unsigned char *bytes, size_t second, size_t size)
{
    uint64_t a = load(bytes, size), b = load(bytes + second, size);
    if (size < sizeof a ? !plain_word(a | b << 32) : !plain_pair(a, b)) {
        return false;
    }
    memcpy(at, &a, size);
    memcpy(at + second, &b, size);
    return true;
}

/* Copies from the front what needs no look. Returns how many bytes, perhaps fewer than there are: then the one behind them
 * is to be looked at. */
static size_t put_plain(char *at, const unsigned char *bytes, size_t size)
{
    size_t i = 0;
    while (size - i >= 16 && put_pieces(at + i, bytes + i, 8, 8)) {
        i += 16;
    }
    size_t rest = size - i;
    if ((rest >= 8 && rest < 16 && put_pieces(at + i, bytes + i, rest - 8, 8)) ||
        (rest >= 4 && rest < 8 && put_pieces(at + i, bytes + i, rest - 4, 4))) {
        return size;
    }
    while (i < size && plain_byte(bytes[i])) {
        at[i] = (char)bytes[i];
        i++;
    }
    return i;
}

char *line_escape(char *at, struct slice text, size_t maximum)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    char *limit = at + maximum - (sizeof CUT_MARK - 1);
    size_t i = 0;
    while (i < text.len) {
        size_t plain = put_plain(at, bytes + i,
                                 text.len - i < (size_t)(limit - at) ? text.len - i : (size_t)(limit - at));
        at += plain;
        i += plain;
        if (i == text.len) {
            break;
        }
        char escaped[8];
        size_t size;
        size_t taken = escape_one(bytes + i, text.len - i, escaped, &size);
        if (limit - at < (ptrdiff_t)size) {
            return LINE_PUT(at, CUT_MARK);
        }
        for (size_t k = 0; k < size; k++) {
            *at++ = escaped[k];
        }
        i += taken;
    }
    return at;
}

char *line_time(char *at, int64_t real_ns, struct line_clock *clock)
{
    if (real_ns < 0) {
        real_ns = 0;
    }
    int64_t second = real_ns / NS_PER_S;
    if (second != clock->second || clock->text[0] == '\0') {
        char date[CLOCK_RFC3339_SIZE];
        clock_rfc3339(real_ns, date);
        memcpy(clock->text, date, 19);
        clock->second = second;
    }
    unsigned int ms = (unsigned int)(real_ns % NS_PER_S / NS_PER_MS);
    *at++ = '"';
    memcpy(at, clock->text, 19);
    at += 19;
    *at++ = '.';
    *at++ = (char)('0' + ms / 100 % 10);
    *at++ = (char)('0' + ms / 10 % 10);
    *at++ = (char)('0' + ms % 10);
    *at++ = 'Z';
    *at++ = '"';
    return at;
}

/* ,"NAME":"TEXT" where there is a text. */
#define PUT_TEXT(at, name, text, maximum)                        \
    do {                                                         \
        if ((text).len > 0) {                                    \
            (at) = LINE_PUT((at), ",\"" name "\":\"");           \
            (at) = line_escape((at), (text), (size_t)(maximum)); \
            *(at)++ = '"';                                       \
        }                                                        \
    } while (0)

#define PUT_NUMBER(at, name, value)              \
    do {                                         \
        (at) = LINE_PUT((at), ",\"" name "\":"); \
        (at) = decimal_put((at), (value));       \
    } while (0)

/* Bytes that each field may take, escapes included. */
enum {
    MAX_ID = 64, /* request and trace */
    MAX_LISTENER = 64,
    MAX_ROUTE = 128,
    MAX_UPSTREAM = 64,
    MAX_ENDPOINT = 128,
    MAX_PROTOCOL = 16, /* of the client and the upstream */
    MAX_METHOD = 32,
    MAX_HOST = 256,
    MAX_PATH = 1024,
    MAX_DETAIL = 256,
    MAX_ISSUER = 256,
    MAX_SUBJECT = 256,
    MAX_CLIENT_ID = 128,
    MAX_TLS = 16,
    MAX_USER_AGENT = 256,
    MAX_REASON = 64,
    MAX_CLOSED = 32,
    MAX_NUMBERS = 6 * 20 + 26, /* and the time */
    MAX_NAMES = 400,
    MAX_ALL = 2 * MAX_ID + MAX_LISTENER + MAX_ROUTE + MAX_UPSTREAM + MAX_ENDPOINT + 2 * MAX_PROTOCOL +
              ADDRESS_TEXT_MAX + MAX_METHOD + MAX_HOST + MAX_PATH + MAX_DETAIL + MAX_ISSUER + MAX_SUBJECT +
              MAX_CLIENT_ID + MAX_TLS + MAX_USER_AGENT + MAX_REASON + MAX_CLOSED + MAX_NUMBERS + MAX_NAMES,
};
_Static_assert(MAX_ALL <= LINE_MAX_BODY - 64, "a line of longest fields must fit");

static char *put_request(char *at, const struct log_record *record)
{
    static const char *const protocols[] = { "HTTP/1.0", "HTTP/1.1", "HTTP/2" };
    PUT_TEXT(at, "request_id", record->request_id, MAX_ID);
    PUT_TEXT(at, "trace_id", record->trace_id, MAX_ID);
    PUT_TEXT(at, "listener", record->listener, MAX_LISTENER);
    PUT_TEXT(at, "route", record->route, MAX_ROUTE);
    PUT_TEXT(at, "upstream", record->upstream, MAX_UPSTREAM);
    PUT_TEXT(at, "endpoint", record->endpoint, MAX_ENDPOINT);
    PUT_TEXT(at, "upstream_protocol", record->upstream_protocol, MAX_PROTOCOL);
    if (!address_is_none(&record->client)) {
        at = LINE_PUT(at, ",\"client\":\"");
        at += address_format(&record->client, at);
        *at++ = '"';
    }
    PUT_TEXT(at, "method", record->method, MAX_METHOD);
    PUT_TEXT(at, "host", record->host, MAX_HOST);
    PUT_TEXT(at, "path", record->path, MAX_PATH);
    if (record->minor_version < sizeof protocols / sizeof protocols[0]) {
        PUT_TEXT(at, "protocol", slice_from_string(protocols[record->minor_version]), MAX_PROTOCOL);
    }
    return at;
}

char *line_record(char *at, const struct log_record *record, struct line_clock *clock)
{
    at = LINE_PUT(at, "\"time\":");
    at = line_time(at, record->time, clock);
    at = put_request(at, record);
    PUT_NUMBER(at, "status", record->status);
    if (record->reason > DENY_NONE && record->reason < DENY_REASON_COUNT) {
        PUT_TEXT(at, "reason", slice_from_string(deny_infos[record->reason].detail), MAX_REASON);
    }
    PUT_TEXT(at, "detail", record->detail, MAX_DETAIL);
    PUT_TEXT(at, "issuer", record->issuer, MAX_ISSUER);
    PUT_TEXT(at, "subject", record->subject, MAX_SUBJECT);
    PUT_TEXT(at, "client_id", record->client_id, MAX_CLIENT_ID);
    PUT_NUMBER(at, "received", record->received);
    PUT_NUMBER(at, "sent", record->sent);
    PUT_NUMBER(at, "duration_us", (uint64_t)(record->duration > 0 ? record->duration / NS_PER_US : 0));
    if (record->upstream_duration >= 0) {
        PUT_NUMBER(at, "upstream_us", (uint64_t)(record->upstream_duration / NS_PER_US));
    }
    PUT_TEXT(at, "tls", record->tls_version, MAX_TLS);
    PUT_TEXT(at, "user_agent", record->user_agent, MAX_USER_AGENT);
    PUT_TEXT(at, "closed", record->closed, MAX_CLOSED);
    if (record->aborted) {
        at = LINE_PUT(at, ",\"aborted\":true");
    }
    return at;
}
