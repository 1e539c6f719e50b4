/* The system's resolver, played by the test: libuv's thread pool calls these instead of the C library's. */
#ifndef SALLYPORT_TESTS_RESOLVER_H
#define SALLYPORT_TESTS_RESOLVER_H

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *addresses[4]; /* of every name; none: the look-up fails */
    bool hangs;
    unsigned int asked, answered;
};

static struct resolver resolver = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static inline void resolver_says(const char *first, const char *second)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.addresses[0] = first;
    resolver.addresses[1] = second;
    resolver.hangs = false;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

static inline void resolver_hangs(void)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.hangs = true;
    pthread_mutex_unlock(&resolver.lock);
}

static inline unsigned int resolver_asked(void)
{
    pthread_mutex_lock(&resolver.lock);
    unsigned int asked = resolver.asked;
    pthread_mutex_unlock(&resolver.lock);
    return asked;
}

static struct addrinfo *resolver_item(const char *text, struct addrinfo *next)
{
    struct {
        struct addrinfo info;
        struct sockaddr_in address;
    } *item = calloc(1, sizeof *item);
    item->address = (struct sockaddr_in){ .sin_family = AF_INET };
    inet_pton(AF_INET, text, &item->address.sin_addr);
    item->info = (struct addrinfo){
        .ai_family = AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_addrlen = sizeof item->address,
        .ai_addr = (struct sockaddr *)&item->address,
        .ai_next = next,
    };
    return &item->info;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    (void)node;
    (void)service;
    (void)hints;
    struct addrinfo *list = NULL;
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    while (resolver.hangs) {
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    }
    for (size_t i = 4; i-- > 0;) {
        if (resolver.addresses[i] != NULL) {
            list = resolver_item(resolver.addresses[i], list);
        }
    }
    resolver.answered++;
    pthread_mutex_unlock(&resolver.lock);
    *out = list;
    return list != NULL ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

#endif
