#include "supervisor/unix_socket.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_MAX_LENGTH 64

/* ---- rights ---- */

/* By name or number. */
static bool find_owner(const char *name, uid_t *ret_uid)
{
    uint64_t number;
    if (slice_to_u64(slice_from_string(name), &number)) {
        *ret_uid = (uid_t)number;
        return number < UINT32_MAX;
    }
    const struct passwd *entry = getpwnam(name);
    if (entry != NULL) {
        *ret_uid = entry->pw_uid;
    }
    return entry != NULL;
}

static bool find_group(const char *name, gid_t *ret_gid)
{
    uint64_t number;
    if (slice_to_u64(slice_from_string(name), &number)) {
        *ret_gid = (gid_t)number;
        return number < UINT32_MAX;
    }
    const struct group *entry = getgrnam(name);
    if (entry != NULL) {
        *ret_gid = entry->gr_gid;
    }
    return entry != NULL;
}

static bool copy_name(struct slice name, char out[NAME_MAX_LENGTH])
{
    return snprintf(out, NAME_MAX_LENGTH, "%.*s", SLICE_ARG(name)) < NAME_MAX_LENGTH;
}

const char *unix_find_rights(const struct listener_settings *settings, struct unix_rights *ret_rights)
{
    char name[NAME_MAX_LENGTH];
    struct unix_rights rights = { .mode = settings->parsed_mode, .uid = (uid_t)-1, .gid = (gid_t)-1 };
    if (settings->owner.len > 0 && (!copy_name(settings->owner, name) || !find_owner(name, &rights.uid))) {
        return "`owner` names no user of this machine";
    }
    if (settings->group.len > 0 && (!copy_name(settings->group, name) || !find_group(name, &rights.gid))) {
        return "`group` names no group of this machine";
    }
    *ret_rights = rights;
    return NULL;
}

/* ---- the file ---- */

static bool look_at(const char *path, struct stat *ret_facts)
{
    return lstat(path, ret_facts) == 0;
}

bool unix_has_file(const char *path)
{
    struct stat facts;
    return look_at(path, &facts) && S_ISSOCK(facts.st_mode);
}

bool unix_is_there(const char *path, const struct unix_file *file)
{
    struct stat facts;
    return file->inode != 0 && look_at(path, &facts) && facts.st_dev == file->device &&
           facts.st_ino == file->inode;
}

int unix_set_rights(const char *path, const struct unix_file *file, const struct unix_rights *rights)
{
    struct stat facts;
    if (!unix_is_there(path, file) || !look_at(path, &facts)) {
        return 0;
    }
    bool owned = (rights->uid == (uid_t)-1 || rights->uid == facts.st_uid) &&
                 (rights->gid == (gid_t)-1 || rights->gid == facts.st_gid);
    bool set = (facts.st_mode & 0777) == rights->mode || chmod(path, rights->mode) == 0;
    return set && (owned || lchown(path, rights->uid, rights->gid) == 0) ? 0 : errno;
}

void unix_remove(const char *path, const struct unix_file *file)
{
    if (unix_is_there(path, file)) {
        (void)unlink(path);
    }
}

/* ---- binding ---- */

static int make_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* The file is born with its mode: nobody can be quicker. */
static int bind_file(const char *path, mode_t mode)
{
    struct sockaddr_storage address;
    socklen_t size = address_path_to_sockaddr(slice_from_string(path), &address);
    int fd = make_socket();
    if (fd < 0) {
        return -1;
    }
    mode_t usual = umask(~mode & 0777);
    int status = bind(fd, (struct sockaddr *)&address, size);
    int number = errno;
    umask(usual);
    if (status != 0) {
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

/* What a connection attempt says: 0, or an errno. */
static int knock(const char *path)
{
    struct sockaddr_storage address;
    socklen_t size = address_path_to_sockaddr(slice_from_string(path), &address);
    int fd = make_socket();
    if (fd < 0) {
        return errno;
    }
    int number = connect(fd, (struct sockaddr *)&address, size) == 0 ? 0 : errno;
    close(fd);
    return number;
}

/* Removes what stands in the way, where that is a socket that nobody listens on. */
static bool remove_dead(const char *path, struct refusal *refusal)
{
    struct stat facts;
    if (!look_at(path, &facts)) {
        return errno == ENOENT;
    }
    if (!S_ISSOCK(facts.st_mode)) {
        refusal->why = "there is a file already that is no socket";
        return false;
    }
    int number = knock(path);
    if (number == ECONNREFUSED) {
        unix_remove(path, &(struct unix_file){ facts.st_dev, facts.st_ino });
        return true;
    }
    /* EAGAIN: its queue is full; EPROTOTYPE: it is one of datagrams. Else it is not known, and the file not ours to take. */
    bool live = number == 0 || number == EAGAIN || number == EPROTOTYPE;
    refusal->number = live ? EADDRINUSE : number;
    return false;
}

int unix_bind(const char *path, const struct unix_rights *rights, struct unix_file *ret_file,
              struct refusal *refusal)
{
    struct stat facts;
    int fd = bind_file(path, rights->mode);
    if (fd < 0 && errno == EADDRINUSE) {
        if (!remove_dead(path, refusal)) {
            return -1;
        }
        fd = bind_file(path, rights->mode);
    }
    if (fd < 0) {
        refusal->number = errno;
        return -1;
    }
    if (lchown(path, rights->uid, rights->gid) != 0 || !look_at(path, &facts)) {
        refusal->number = errno;
        refusal->why =
            errno == EPERM ? "only root may give it another owner, or a group that is not its own" : NULL;
        (void)unlink(path);
        close(fd);
        return -1;
    }
    *ret_file = (struct unix_file){ facts.st_dev, facts.st_ino };
    return fd;
}

bool unix_is_bound_to(int fd, const char *path)
{
    struct sockaddr_storage wanted, bound = { .ss_family = AF_UNSPEC };
    socklen_t wanted_size = address_path_to_sockaddr(slice_from_string(path), &wanted);
    socklen_t size = sizeof bound;
    return getsockname(fd, (struct sockaddr *)&bound, &size) == 0 && size == wanted_size &&
           memcmp(&bound, &wanted, size) == 0;
}
