#include "upstream/discovery/token.h"

#include "base/secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PREFIX "Bearer "

struct token_look {
    uv_work_t work;
    struct net_loop *loop;
    token_done *done; /* NULL: it is forgotten */
    void *context;
    struct error error;
    size_t len;
    char value[sizeof PREFIX + TOKEN_FILE_MAX];
    char path[];
};

/* What stands in it is one word: it becomes part of a field. */
static struct error check(struct token_look *look)
{
    while (look->len > strlen(PREFIX) && strchr(" \r\n\t", look->value[look->len - 1]) != NULL) {
        look->len--;
    }
    for (size_t i = strlen(PREFIX); i < look->len; i++) {
        if (look->value[i] <= ' ' || look->value[i] > '~') {
            return FAIL(ERROR_VALUE, "the token file holds no token");
        }
    }
    return look->len > strlen(PREFIX) ? OK : FAIL(ERROR_VALUE, "the token file is empty");
}

static struct error read_token(struct token_look *look, int fd)
{
    ssize_t got = 0;
    memcpy(look->value, PREFIX, strlen(PREFIX));
    look->len = strlen(PREFIX);
    while (look->len < sizeof look->value &&
           (got = read(fd, look->value + look->len, sizeof look->value - look->len)) > 0) {
        look->len += (size_t)got;
    }
    if (got < 0) {
        return FAIL_ERRNO("the token file cannot be read");
    }
    return look->len < sizeof look->value ? check(look) : FAIL(ERROR_LIMIT, "the token file is too long");
}

static void run(uv_work_t *work)
{
    struct token_look *look = (struct token_look *)work;
    /* A pipe of that name must not hold us up. */
    int fd = open(look->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        look->error = FAIL_ERRNO("the token file cannot be opened");
        return;
    }
    look->error = read_token(look, fd);
    close(fd);
}

static void look_free(struct token_look *look)
{
    secret_wipe(look->value, sizeof look->value);
    free(look);
}

static void on_done(uv_work_t *work, int status)
{
    struct token_look *look = (struct token_look *)work;
    net_loop_woken(look->loop);
    if (look->done != NULL) {
        look->error = status == 0 ? look->error : FAIL(ERROR_STATE, "the token file was not read");
        look->done(look->context, look->error, slice_of(look->value, look->len));
    }
    look_free(look);
}

struct token_look *token_look(struct net_loop *loop, struct slice path, token_done *done, void *context)
{
    struct token_look *look = calloc(1, sizeof *look + path.len + 1);
    if (look == NULL) {
        return NULL;
    }
    look->loop = loop;
    look->done = done;
    look->context = context;
    memcpy(look->path, path.ptr, path.len);
    if (uv_queue_work(&loop->uv, &look->work, run, on_done) != 0) {
        free(look);
        return NULL;
    }
    return look;
}

void token_forget(struct token_look *look)
{
    if (look != NULL) {
        look->done = NULL;
    }
}
