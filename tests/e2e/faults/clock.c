/* Linked into a program for tests only: its clocks are moved by two numbers (seconds for the date, seconds for the time that
 * only runs forward) in the file "clock" beside the program, which a test changes while it runs. So a clock jumps for one
 * process and not for the machine, whatever its user, and for every library in it. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t nothing[2];
static const volatile int64_t *moved = nothing;
static int (*real_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find_file(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "clock");
    char *name = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    if (name == NULL) {
        return;
    }
    memcpy(name + 1, "clock", sizeof "clock");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *file = fd >= 0 ? mmap(NULL, sizeof nothing, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (file != MAP_FAILED) {
        moved = file;
    }
    if (fd >= 0) {
        close(fd);
    }
}

int clock_gettime(clockid_t id, struct timespec *out)
{
    if (real_clock == NULL) {
        *(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    }
    int status = real_clock(id, out);
    if (status == 0) {
        out->tv_sec += (time_t)(id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? moved[0] : moved[1]);
    }
    return status;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int status = clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return status;
}
