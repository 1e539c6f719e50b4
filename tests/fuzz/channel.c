/* What the supervisor reads from a gateway that was taken over: datagrams of any bytes, each led by its length in two
 * bytes. The reader takes or refuses them, never waits for what does not come, and its text stays within its buffer. */
#include "supervisor/channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void receive_all(int fd)
{
    static struct channel_reader reader;
    memset(&reader, 0, sizeof reader);
    for (;;) {
        struct channel_message message;
        bool complete;
        struct error error = channel_receive(fd, &reader, &message, &complete);
        if (failed(error) || !complete) {
            CHECK(!failed(error) || error.kind == ERROR_PEER || error.kind == ERROR_STATE);
            break;
        }
        CHECK(message.text.len <= CHANNEL_TEXT_MAX && message.fd_count <= CHANNEL_FDS_MAX);
        for (size_t i = 0; i < message.fd_count; i++) {
            CHECK(message.fds[i] == -1); /* none was sent */
        }
    }
    channel_reader_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int ours, theirs;
    CHECK(!failed(channel_pair(&ours, &theirs)));
    CHECK(fcntl(ours, F_SETFL, O_NONBLOCK) == 0);
    for (int i = 0; i < 16 && size > 2; i++) {
        size_t length = (size_t)(bytes[0] << 8 | bytes[1]);
        bytes += 2;
        size -= 2;
        length = length < size ? length : size;
        (void)!send(theirs, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        bytes += length;
        size -= length;
    }
    receive_all(ours);
    close(ours);
    close(theirs);
    return 0;
}
