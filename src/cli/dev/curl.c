#include "cli/dev/curl.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_SIZE 4096

static void become_curl(const char *const *arguments, int out)
{
    const char *full[CURL_ARGUMENTS_MAX + 2] = { "curl" };
    for (size_t i = 0; i < CURL_ARGUMENTS_MAX && arguments[i] != NULL; i++) {
        full[i + 1] = arguments[i];
    }
    if (dup2(out, STDOUT_FILENO) >= 0) {
        execvp("curl", (char *const *)full);
    }
    _exit(127);
}

struct error dev_curl(const char *const *arguments, struct buffer *out)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return FAIL_ERRNO("pipe to curl");
    }
    pid_t child = fork();
    if (child == 0) {
        become_curl(arguments, ends[1]);
    }
    close(ends[1]);
    ssize_t got = child > 0 ? 1 : 0;
    while (got > 0 && buffer_reserve(out, READ_SIZE)) {
        got = read(ends[0], out->data + out->end, READ_SIZE);
        buffer_commit(out, got > 0 ? (size_t)got : 0);
    }
    close(ends[0]);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return FAIL_ERRNO("curl could not be run");
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? FAIL(ERROR_STATE, "curl is not installed") : OK;
}

unsigned int dev_curl_status(struct slice printed, struct slice *ret_response)
{
    static const struct slice mark = SLICE_INIT("HTTP/1.1 ");
    unsigned int status = 0;
    for (size_t i = 0; i + mark.len + 3 <= printed.len; i++) {
        bool at_line = i == 0 || printed.ptr[i - 1] == '\n' || printed.ptr[i - 1] == '}';
        uint64_t number = 0;
        if (at_line && slice_starts_with(slice_from(printed, i), mark) &&
            slice_to_u64(slice_part(printed, i + mark.len, 3), &number)) {
            status = (unsigned int)number;
            *ret_response = slice_from(printed, i);
        }
    }
    return status;
}

struct slice dev_curl_field(struct slice response, struct slice name)
{
    struct slice line;
    while (slice_next(&response, '\n', &line) && line.len > 1) {
        ssize_t colon = slice_find(line, ':');
        if (colon > 0 && slice_equal_nocase(slice_part(line, 0, (size_t)colon), name)) {
            struct slice value = slice_from(line, (size_t)colon + 1);
            return slice_trim(slice_part(value, 0, value.len - 1));
        }
    }
    return SLICE_NONE;
}

struct slice dev_curl_body(struct slice response)
{
    for (size_t i = 0; i + 4 <= response.len; i++) {
        if (memcmp(response.ptr + i, "\r\n\r\n", 4) == 0) {
            return slice_from(response, i + 4);
        }
    }
    return SLICE_NONE;
}
