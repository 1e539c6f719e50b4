/* Who the client is, behind proxies that we trust. The list is read from the right: each hop was written by the one that we
 * trusted before it. What stands left of the first untrusted hop is the client's own invention and is never parsed. */
#include "relay/relay.h"

static bool is_trusted(const struct address *address, const struct address_prefix *trusted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (address_in_prefix(address, &trusted[i])) {
            return true;
        }
    }
    return false;
}

static bool is_port(struct slice text)
{
    uint64_t port;
    return text.len <= 5 && slice_to_u64(text, &port) && port <= 65535;
}

/* RFC 7239 section 6.3: "_" and letters, digits, ".", "_", "-". */
static bool is_obfuscated_port(struct slice text)
{
    if (text.len < 2 || !slice_starts_with(text, SLICE("_"))) {
        return false;
    }
    for (size_t i = 1; i < text.len; i++) {
        char c = text.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80"; "2001:db8::1" where `bare`. */
static bool parse_node(struct slice text, bool bare, struct address *ret_address)
{
    bool bracketed = slice_starts_with(text, SLICE("["));
    ssize_t first = slice_find(text, ':');
    ssize_t last = slice_find_last(text, ':');
    if (!bracketed && first != last) {
        return bare && address_parse(text, ret_address) && !address_is_none(ret_address);
    }
    ssize_t bracket = slice_find_last(text, ']');
    if (text.ptr != NULL && last > bracket) {
        struct slice port = slice_of(text.ptr + last + 1, text.len - (size_t)last - 1);
        if ((bracketed && last != bracket + 1) || (!is_port(port) && !is_obfuscated_port(port))) {
            return false;
        }
        text = slice_part(text, 0, (size_t)last);
    }
    return address_parse(text, ret_address) && !address_is_none(ret_address);
}

/* Takes the last element off a list without quoted strings. False where nothing is left. */
static bool take_last_plain(struct slice *list, struct slice *ret_element)
{
    if (list->ptr == NULL) {
        return false;
    }
    ssize_t comma = slice_find_last(*list, ',');
    *ret_element = slice_trim(comma >= 0 ? slice_from(*list, (size_t)comma + 1) : *list);
    *list = comma >= 0 ? slice_part(*list, 0, (size_t)comma) : SLICE_NONE;
    return true;
}

/* The same where quoted strings may hold commas. Scanned from the right, so that an open quote that a client sent cannot
 * swallow what the proxy appended. */
static bool take_last_quoted(struct slice *list, struct slice *ret_element)
{
    if (list->ptr == NULL) {
        return false;
    }
    bool quoted = false;
    size_t at = list->len;
    while (at > 0 && (quoted || list->ptr[at - 1] != ',')) {
        quoted = quoted != (list->ptr[at - 1] == '"');
        at--;
    }
    *ret_element = slice_trim(slice_from(*list, at));
    *list = at > 0 ? slice_part(*list, 0, at - 1) : SLICE_NONE;
    return true;
}

static bool is_quoted_string(struct slice text)
{
    if (text.len < 2 || !slice_starts_with(text, SLICE("\"")) || !slice_ends_with(text, SLICE("\""))) {
        return false;
    }
    struct slice inner = slice_part(text, 1, text.len - 2);
    return slice_find(inner, '"') < 0 && slice_find(inner, '\\') < 0;
}

/* Takes the next "name=value" off an element; semicolons in quoted strings do not end it. */
static struct slice take_pair(struct slice *rest)
{
    bool quoted = false;
    size_t at = 0;
    while (at < rest->len && (quoted || rest->ptr[at] != ';')) {
        quoted = quoted != (rest->ptr[at] == '"');
        at++;
    }
    struct slice pair = slice_trim(slice_part(*rest, 0, at));
    *rest = at < rest->len ? slice_from(*rest, at + 1) : SLICE_NONE;
    return pair;
}

/* The address of an element's one `for` (RFC 7239 section 4). False for anything that is not wholly well-formed. */
static bool parse_forwarded(struct slice element, struct address *ret_address)
{
    bool found = false;
    struct address address;
    while (element.ptr != NULL) {
        struct slice pair = take_pair(&element);
        ssize_t equals = slice_find(pair, '=');
        if (equals < 0) {
            return false;
        }
        struct slice name = slice_part(pair, 0, (size_t)equals);
        struct slice value = slice_of(pair.ptr + equals + 1, pair.len - (size_t)equals - 1);
        bool quoted = is_quoted_string(value);
        if (!http_token_valid(name) || (!quoted && !http_token_valid(value))) {
            return false;
        }
        if (!slice_equal_nocase(name, SLICE("for"))) {
            continue;
        }
        struct slice node = quoted ? slice_of(value.ptr + 1, value.len - 2) : value;
        if (found || !parse_node(node, false, &address)) {
            return false;
        }
        found = true;
    }
    if (found) {
        *ret_address = address;
    }
    return found;
}

static bool take_hop(int source, struct slice *list, struct address *ret_address, bool *ret_bad)
{
    struct slice element;
    if (source == FORWARDED_RFC7239) {
        if (!take_last_quoted(list, &element)) {
            return false;
        }
        *ret_bad = !parse_forwarded(element, ret_address);
        return true;
    }
    if (!take_last_plain(list, &element)) {
        return false;
    }
    *ret_bad = !parse_node(element, true, ret_address);
    return true;
}

struct address relay_client_address(const struct headers *headers, const struct address *peer, int source,
                                    const struct address_prefix *trusted, size_t trusted_count)
{
    struct address client = *peer;
    if (source == FORWARDED_NONE || !is_trusted(peer, trusted, trusted_count)) {
        return client;
    }
    enum header_id id = source == FORWARDED_RFC7239 ? HEADER_FORWARDED : HEADER_X_FORWARDED_FOR;
    for (size_t i = headers->count; i > 0; i--) {
        if (headers->items[i - 1].id != id) {
            continue;
        }
        struct slice list = headers->items[i - 1].value;
        struct address hop;
        bool bad = false;
        while (take_hop(source, &list, &hop, &bad)) {
            if (bad) {
                return client;
            }
            client = hop;
            if (!is_trusted(&hop, trusted, trusted_count)) {
                return client;
            }
        }
    }
    return client;
}
