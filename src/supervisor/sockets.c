#include "supervisor/sockets.h"

#include "base/limits.h"
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- one listener ---- */

static void free_listening(struct listening *listening)
{
    listening_close_from(listening, 0);
    free(listening->name);
    free(listening->new_name);
    free(listening->path);
    free(listening);
}

/* With the file, where it is ours. */
static void discard(struct listening *listening)
{
    if (listening->path != NULL) {
        unix_remove(listening->path, &listening->file);
    }
    free_listening(listening);
}

static char *name_of(const struct listener_settings *settings)
{
    return strndup(settings->name.ptr, settings->name.len);
}

/* "127.0.0.1:80", "[::1]:80" or a path. */
static void describe(const struct listener_settings *settings, char *text, size_t size)
{
    char address[ADDRESS_TEXT_MAX];
    if (settings->path.len > 0) {
        snprintf(text, size, "%.*s", SLICE_ARG(settings->path));
        return;
    }
    address_format(&settings->parsed_address, address);
    bool v4 = address_is_v4(&settings->parsed_address);
    snprintf(text, size, "%s%s%s:%lld", v4 ? "" : "[", address, v4 ? "" : "]", (long long)settings->port);
}

static const char *text_of(int number, bool is_path)
{
    switch (number) {
    case EADDRINUSE:
        return "is in use by another process";
    case EACCES:
        return is_path ? strerror(number) : "a port under 1024 needs root or CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case ENOENT:
        return "its directory does not exist";
    default:
        return strerror(number);
    }
}

static void explain(const struct listener_settings *settings, const struct refusal *refusal, char *text,
                    size_t size)
{
    char where[UNIX_PATH_MAX + ADDRESS_TEXT_MAX];
    describe(settings, where, sizeof where);
    const char *why = refusal->why;
    if (why == NULL) {
        why = text_of(refusal->number, settings->path.len > 0);
    }
    snprintf(text, size, "listener %.*s: %s %s%s", SLICE_ARG(settings->name), where,
             refusal->why == NULL && refusal->number == EADDRINUSE ? "" : "cannot be used: ", why);
}

/* Do we listen on an address that the kernel holds for the same (one of them is any address)? Then the probe would find
 * ourselves. */
static bool overlaps_ours(const struct sockets *sockets, const struct address *address)
{
    for (const struct listening *ours = sockets->first; ours != NULL; ours = ours->next) {
        if (ours->path == NULL && ours->address.port == address->port &&
            (address_is_same(&ours->address, address) || address_is_unspecified(&ours->address) ||
             address_is_unspecified(address))) {
            return true;
        }
    }
    return false;
}

static struct listening *open_listener(struct sockets *sockets, const struct listener_settings *settings,
                                       const struct unix_rights *rights, struct refusal *refusal)
{
    struct listening *listening = calloc(1, sizeof *listening);
    if (listening == NULL) {
        refusal->number = ENOMEM;
        return NULL;
    }
    listening->name = name_of(settings);
    listening->wanted = settings->parsed_address;
    listening->wanted.port = (uint16_t)settings->port;
    listening->is_wanted = listening->fresh = true;
    listening->path = settings->path.len > 0 ? strndup(settings->path.ptr, settings->path.len) : NULL;
    listening->rights = *rights;
    bool opened = false;
    if (listening->name == NULL || (settings->path.len > 0 && listening->path == NULL)) {
        refusal->number = ENOMEM;
    } else if (listening_adopt(listening, &sockets->inherited, sockets->workers, refusal)) {
        opened = refusal->why == NULL;
    } else {
        opened =
            listening_bind(listening, sockets->workers, overlaps_ours(sockets, &listening->wanted), refusal);
    }
    if (!opened) {
        discard(listening);
        return NULL;
    }
    return listening;
}

/* ---- what is open and what is wanted ---- */

/* By a path: where its file is gone, or another's by now, nobody can connect to it. */
static bool stands_at_path(const struct listening *listening, const struct listener_settings *settings)
{
    return listening->path != NULL && slice_equal(slice_from_string(listening->path), settings->path) &&
           (listening->file.inode == 0 || unix_is_there(listening->path, &listening->file));
}

/* By an address; where the port is any one, by its name too. */
static bool stands_at_address(const struct listening *listening, const struct listener_settings *settings)
{
    return listening->path == NULL && listening->wanted.port == settings->port &&
           address_is_same(&listening->wanted, &settings->parsed_address) &&
           (settings->port != 0 || slice_equal(slice_from_string(listening->name), settings->name));
}

static struct listening *find(const struct sockets *sockets, const struct listener_settings *settings)
{
    for (struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        if (settings->path.len > 0 ? stands_at_path(listening, settings)
                                   : stands_at_address(listening, settings)) {
            return listening;
        }
    }
    return NULL;
}

static void append(struct sockets *sockets, struct listening *listening)
{
    struct listening **end = &sockets->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = listening;
}

static bool want(struct sockets *sockets, const struct listener_settings *settings, struct refusal *refusal)
{
    struct unix_rights rights = { .mode = 0 };
    refusal->why = settings->path.len > 0 ? unix_find_rights(settings, &rights) : NULL;
    if (refusal->why != NULL) {
        return false;
    }
    struct listening *listening = find(sockets, settings);
    if (listening == NULL) {
        listening = open_listener(sockets, settings, &rights, refusal);
        if (listening == NULL) {
            return false;
        }
        append(sockets, listening);
        return true;
    }
    if (listening->is_wanted) {
        refusal->why = "another listener has the same address and port";
        return false;
    }
    listening->is_wanted = true;
    listening->rights = rights;
    if (!listening_fill_up(listening, sockets->workers)) {
        refusal->number = errno;
        return false;
    }
    if (slice_equal(slice_from_string(listening->name), settings->name)) {
        return true;
    }
    listening->new_name = name_of(settings);
    refusal->number = ENOMEM;
    return listening->new_name != NULL;
}

struct error sockets_open(struct sockets *sockets, const struct settings *settings, char *text, size_t size)
{
    for (struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        listening->is_wanted = listening->fresh = false;
        listening->settled = listening->count;
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        struct refusal refusal = { NULL, 0 };
        if (!want(sockets, &settings->listeners[i], &refusal)) {
            explain(&settings->listeners[i], &refusal, text, size);
            sockets_settle(sockets, false);
            return FAIL(ERROR_SYSTEM, "a listener could not be opened");
        }
    }
    return OK;
}

static void settle_name(struct listening *listening, bool taken_up)
{
    if (taken_up && listening->new_name != NULL) {
        free(listening->name);
        listening->name = listening->new_name;
    } else {
        free(listening->new_name);
    }
    listening->new_name = NULL;
}

static void settle_rights(const struct listening *listening, bool taken_up)
{
    if (!taken_up || listening->path == NULL) {
        return;
    }
    int number = unix_set_rights(listening->path, &listening->file, &listening->rights);
    if (number != 0) {
        log_event(LOG_ERROR, "rights_not_set", LOG_STRING("listener", listening->name),
                  LOG_STRING("path", listening->path), LOG_STRING("reason", strerror(number)));
    }
}

void sockets_settle(struct sockets *sockets, bool taken_up)
{
    for (struct listening **at = &sockets->first; *at != NULL;) {
        struct listening *listening = *at;
        bool keep = taken_up ? listening->is_wanted : !listening->fresh;
        if (keep) {
            listening_close_from(listening, taken_up ? listening->count : listening->settled);
            listening->settled = listening->count;
            listening->fresh = false;
            listening->is_wanted = true;
            settle_name(listening, taken_up);
            settle_rights(listening, taken_up);
            at = &listening->next;
        } else {
            *at = listening->next;
            discard(listening);
        }
    }
}

static char *copy_of(struct slice text)
{
    return text.len > 0 ? strndup(text.ptr, text.len) : NULL;
}

bool sockets_add(struct sockets *sockets, const struct sockets_given *given)
{
    struct listening *listening = calloc(1, sizeof *listening);
    if (listening == NULL) {
        return false;
    }
    listening->name = copy_of(given->name);
    listening->path = copy_of(given->path);
    bool complete = listening->name != NULL && given->count > 0 &&
                    (given->path.len > 0 ? listening->path != NULL
                                         : listening_bound_address(given->fds[0], &listening->address));
    if (!complete) {
        free_listening(listening);
        return false;
    }
    listening->file = given->file;
    listening->wanted = given->wanted;
    memcpy(listening->fds, given->fds, given->count * sizeof *given->fds);
    listening->count = listening->stored = listening->settled = given->count;
    listening->is_wanted = true;
    append(sockets, listening);
    return true;
}

void sockets_close(struct sockets *sockets)
{
    for (struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        listening_close_from(listening, 0);
    }
    inherited_done(&sockets->inherited);
}

void sockets_done(struct sockets *sockets, bool kept)
{
    while (sockets->first != NULL) {
        struct listening *listening = sockets->first;
        sockets->first = listening->next;
        if (kept) {
            free_listening(listening);
        } else {
            discard(listening);
        }
    }
    inherited_done(&sockets->inherited);
}
