#include "gateway/announcement.h"

#include "base/limits.h"
#include "net/proxy_protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

struct announcement {
    uv_poll_t poll;
    struct announcement_list *list;
    struct announcement *previous, *next;
    struct net_loop *loop;
    struct arrival arrival;
    void *owner;
    void (*on_end)(void *owner, const struct arrival *arrival, enum announcement_end end,
                   const char *problem);
    struct deadline deadline;
    size_t size; /* of what was read of it */
    char data[PROXY_HEADER_MAX];
};

static void add(struct announcement_list *list, struct announcement *announcement)
{
    announcement->list = list;
    announcement->next = list->first;
    if (list->first != NULL) {
        list->first->previous = announcement;
    }
    list->first = announcement;
    list->count++;
}

static void drop(struct announcement *announcement)
{
    struct announcement_list *list = announcement->list;
    if (announcement->previous != NULL) {
        announcement->previous->next = announcement->next;
    } else {
        list->first = announcement->next;
    }
    if (announcement->next != NULL) {
        announcement->next->previous = announcement->previous;
    }
    list->count--;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The memory lasts until the handle has closed; the descriptor is free for another handle at once. */
static void end(struct announcement *announcement, enum announcement_end how, const char *problem)
{
    drop(announcement);
    deadline_clear(&announcement->deadline);
    uv_close((uv_handle_t *)&announcement->poll, on_closed);
    announcement->on_end(announcement->owner, &announcement->arrival, how, problem);
}

/* Takes what was looked at off the connection. */
static bool consume(struct announcement *announcement, size_t size)
{
    ssize_t got = recv(announcement->arrival.fd, announcement->data + announcement->size, size, 0);
    announcement->size += size;
    return got == (ssize_t)size;
}

static void take(struct announcement *announcement, const struct proxy_protocol *header)
{
    if (!consume(announcement, header->size - announcement->size)) {
        end(announcement, ANNOUNCEMENT_MISSING, "the connection failed");
        return;
    }
    if (header->announced) {
        announcement->arrival.client = header->client;
        announcement->arrival.announced = true;
    }
    end(announcement, ANNOUNCEMENT_MADE, NULL);
}

/* While the header is incomplete all bytes are its own, and are taken off, so that they wake nobody again; of the piece that
 * completes it only its part is. The parser says BAD before the memory is full. */
static void look(struct announcement *announcement)
{
    char *end_of_data = announcement->data + announcement->size;
    size_t room = sizeof announcement->data - announcement->size;
    ssize_t got = recv(announcement->arrival.fd, end_of_data, room, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        end(announcement, ANNOUNCEMENT_MISSING, "closed before the PROXY protocol header was whole");
        return;
    }
    struct proxy_protocol header;
    switch (proxy_protocol_parse(slice_of(announcement->data, announcement->size + (size_t)got), &header)) {
    case PROXY_PROTOCOL_MORE:
        if (!consume(announcement, (size_t)got)) {
            end(announcement, ANNOUNCEMENT_MISSING, "the connection failed");
        }
        break;
    case PROXY_PROTOCOL_DONE:
        take(announcement, &header);
        break;
    case PROXY_PROTOCOL_BAD:
        end(announcement, ANNOUNCEMENT_BAD, header.problem);
        break;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct announcement *announcement = poll->data;
    net_loop_woken(announcement->loop);
    if (status < 0) {
        end(announcement, ANNOUNCEMENT_MISSING, "the connection failed");
        return;
    }
    look(announcement);
}

static void on_late(struct deadline *deadline)
{
    struct announcement *announcement =
        (struct announcement *)((char *)deadline - offsetof(struct announcement, deadline));
    end(announcement, ANNOUNCEMENT_MISSING, "the PROXY protocol header did not come whole in time");
}

bool announcement_await(struct announcement_list *list, struct net_loop *loop, const struct arrival *arrival,
                        int64_t patience,
                        void (*on_end)(void *owner, const struct arrival *arrival, enum announcement_end end,
                                       const char *problem),
                        void *owner)
{
    struct announcement *announcement = malloc(sizeof *announcement);
    if (announcement == NULL || uv_poll_init_socket(&loop->uv, &announcement->poll, arrival->fd) != 0) {
        free(announcement);
        return false;
    }
    announcement->poll.data = announcement;
    announcement->previous = NULL;
    announcement->loop = loop;
    announcement->arrival = *arrival;
    announcement->owner = owner;
    announcement->on_end = on_end;
    announcement->deadline = (struct deadline){ .expired = on_late };
    announcement->size = 0;
    add(list, announcement);
    deadline_set(&loop->deadlines, &announcement->deadline, loop->now, patience);
    uv_poll_start(&announcement->poll, UV_READABLE, on_readable);
    return true;
}

void announcements_end(struct announcement_list *list, const void *owner)
{
    struct announcement *next;
    for (struct announcement *one = list->first; one != NULL; one = next) {
        next = one->next;
        if (owner == NULL || one->owner == owner) {
            end(one, ANNOUNCEMENT_CALLED_OFF, NULL);
        }
    }
}
