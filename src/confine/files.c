/* Landlock: which files, which ports. Its structures and numbers stand here: the oldest system that this builds on knows
 * only the first of them. */
#include "confine/internal.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define VERSION_FLAG   1U
#define FILE_RULE      1
#define PORT_RULE      2
#define WRITE_FILE     (UINT64_C(1) << 1)
#define READ_FILE      (UINT64_C(1) << 2)
#define READ_DIR       (UINT64_C(1) << 3) /* so that a directory can be synced */
#define REMOVE_FILE    (UINT64_C(1) << 5)
#define MAKE_REG       (UINT64_C(1) << 8)
#define TRUNCATE       (UINT64_C(1) << 14) /* from the third version on; before, it is free */
#define NET_BIND       (UINT64_C(1) << 0)
#define NET_CONNECT    (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT (UINT64_C(1) << 0) /* local sockets without a path */
#define SCOPE_SIGNAL   (UINT64_C(1) << 1) /* signals to processes outside */

/* Every right over files that a version knows: what is handled and not given is forbidden. */
static uint64_t file_rights(int abi)
{
    unsigned int count = 13;   /* the first version */
    count += abi >= 2 ? 1 : 0; /* moving between directories */
    count += abi >= 3 ? 1 : 0; /* cutting */
    count += abi >= 5 ? 1 : 0; /* ioctl of devices */
    return (UINT64_C(1) << count) - 1;
}

struct ruleset {
    uint64_t files, net, scoped;
};

struct __attribute__((packed)) file_rule {
    uint64_t allowed;
    int32_t parent;
};

struct port_rule {
    uint64_t allowed, port;
};

/* What this machine does not have needs no rule. */
static bool allow_path(int ruleset, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return true;
    }
    struct file_rule rule = { rights, fd };
    bool good = syscall(SYS_landlock_add_rule, ruleset, FILE_RULE, &rule, 0) == 0;
    close(fd);
    return good;
}

static bool allow_port(int ruleset, unsigned int port)
{
    struct port_rule rule = { NET_CONNECT, port };
    return syscall(SYS_landlock_add_rule, ruleset, PORT_RULE, &rule, 0) == 0;
}

static bool allow_all(int ruleset, const struct confine_rules *rules, bool connect, uint64_t handled)
{
    bool good = true;
    for (size_t i = 0; i < rules->path_count; i++) {
        good = good && allow_path(ruleset, rules->paths[i], READ_FILE);
    }
    const uint64_t change = WRITE_FILE | READ_FILE | READ_DIR | REMOVE_FILE | MAKE_REG | TRUNCATE;
    for (size_t i = 0; i < rules->written_count; i++) {
        good = good && allow_path(ruleset, rules->written[i], change & handled);
    }
    for (size_t i = 0; connect && i < rules->port_count; i++) {
        for (unsigned int port = rules->ports[i].first; port <= rules->ports[i].last; port++) {
            good = good && allow_port(ruleset, port);
        }
    }
    return good;
}

struct error confine_files(const struct confine_rules *rules, int *ret_abi)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
    if (abi < 1) {
        return FAIL_ERRNO("Landlock");
    }
    bool connect = abi >= 4 && rules->ports != NULL;
    struct ruleset attributes = {
        .files = file_rights((int)abi),
        /* No port is bound here: listening sockets are handed over. */
        .net = abi >= 4 ? NET_BIND | (connect ? NET_CONNECT : 0) : 0,
        .scoped = abi >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0,
    };
    /* An older kernel takes what it does not know as long as it is zero. */
    long fd = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (fd < 0) {
        return FAIL_ERRNO("Landlock");
    }
    bool good = allow_all((int)fd, rules, connect, attributes.files) &&
                syscall(SYS_landlock_restrict_self, (int)fd, 0) == 0;
    struct error error = good ? OK : FAIL_ERRNO("Landlock");
    close((int)fd);
    *ret_abi = good ? (int)abi : *ret_abi;
    return error;
}
