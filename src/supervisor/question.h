/* How `sallyport upgrade` finds the supervisor of a configuration and learns what became of its request: a socket in the
 * abstract namespace, named by the configuration's path. To connect is the request: nothing is read from whoever asks.
 * Both sides look who the other one is (SO_PEERCRED): the supervisor obeys root and its own user; the command believes
 * root and its own user. One thread. */
#ifndef SALLYPORT_SUPERVISOR_QUESTION_H
#define SALLYPORT_SUPERVISOR_QUESTION_H

#include "base/error.h"
#include "base/slice.h"

#include <sys/types.h>

/* Listens for the supervisor of this configuration. ERROR_STATE: another one serves the same file. */
struct error question_listen(struct slice config, int *ret_fd) MUST_CHECK;
/* The next who asks and may; -1: nobody. */
int question_accept(int fd);
/* Asks the supervisor of this configuration. ERROR_STATE: there is none that we may ask. */
struct error question_ask(struct slice config, int *ret_fd, pid_t *ret_supervisor) MUST_CHECK;

/* "done" or "refused", a space and a text. Ends the conversation. */
void question_answer(int fd, const char *verdict, const char *text);
/* Waits for it. False: the other side went without a word, or does not speak for `timeout_ms`. */
bool question_await(int fd, int timeout_ms, char *out, size_t size);

#endif
