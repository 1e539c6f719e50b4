/* Where configuration files come from: the file system in the supervisor and in commands; a bundle in the gateway.
 *
 * The supervisor reads every file that a configuration names (it may read private keys; the gateway need not), records
 * them, and hands the recording to the gateway as one sealed memory file. So the gateway needs no file access, and both
 * see the same bytes. One thread. */
#ifndef SALLYPORT_CONFIG_FILES_H
#define SALLYPORT_CONFIG_FILES_H

#include "base/arena.h"
#include "base/error.h"

struct config_files;

/* Reads the file system and records. Texts live as long as the object. */
struct error config_files_new(struct config_files **ret_files) MUST_CHECK;
/* Reads from a bundle made by config_files_pack; `fd` is not taken. A file that is not in it does not exist. */
struct error config_files_open(int fd, struct config_files **ret_files) MUST_CHECK;
/* Knows only what is preset: no file system, no environment. For tests and fuzzing. */
struct error config_files_new_memory(struct config_files **ret_files) MUST_CHECK;
void config_files_free(struct config_files *files);

/* Says what a file holds, before it is read; the text is copied. With config_files_new the file need not exist. */
struct error config_files_preset(struct config_files *files, struct slice path, struct slice text) MUST_CHECK;
/* The same for an environment variable. */
struct error config_files_preset_environment(struct config_files *files, struct slice name,
                                             struct slice value) MUST_CHECK;

/* The whole file, at most `maximum` bytes (ERROR_LIMIT beyond). ERROR_SYSTEM with errno where it cannot be read; what is no
 * regular file is not read, since a FIFO or a device would block. A file read twice has the contents of the first time. */
struct error config_files_read(struct config_files *files, struct slice path, size_t maximum,
                               struct slice *ret_text) MUST_CHECK;
/* Paths that match a pattern (glob(7)), sorted. The result is recorded too. */
struct error config_files_glob(struct config_files *files, struct slice pattern, struct arena *arena,
                               struct slice **ret_paths, size_t *ret_count) MUST_CHECK;
/* An environment variable; false where it is not set. Recorded too. */
bool config_files_environment(struct config_files *files, struct slice name, struct slice *ret_value);

/* Everything recorded, as a sealed memfd in `*ret_fd`. */
struct error config_files_pack(const struct config_files *files, int *ret_fd) MUST_CHECK;

/* Marks a file whose change is taken up by itself (jwks_file, secret files). */
void config_files_watch(struct config_files *files, struct slice path);
/* Has any watched file changed on disk since it was read (device, inode, size, mtime)? */
bool config_files_changed(const struct config_files *files);

#endif
