#include "unit.h"

#include "config/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    char directory[64];
    struct config_files *files;
    struct arena arena;
};

static struct slice path_of(struct world *world, const char *name)
{
    return arena_printf(&world->arena, "%s/%s", world->directory, name);
}

static void put(struct world *world, const char *name, const char *text)
{
    FILE *file = fopen(path_of(world, name).ptr, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    snprintf(world->directory, sizeof world->directory, "/tmp/sallyport-files-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    arena_init(&world->arena, 1 << 20);
    assert_ok(config_files_new(&world->files));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    char names[] = "a.yaml\0b.yaml\0key.json\0late.json\0fifo\0teams/x/routes.yaml\0teams/y/routes.yaml\0";
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
        unlink(path_of(world, name).ptr);
    }
    rmdir(path_of(world, "teams/x").ptr);
    rmdir(path_of(world, "teams/y").ptr);
    rmdir(path_of(world, "teams").ptr);
    rmdir(world->directory);
    config_files_free(world->files);
    arena_done(&world->arena);
    free(world);
    return 0;
}

static void test_a_file_keeps_the_contents_of_its_first_reading(void **state)
{
    struct world *world = *state;
    struct slice text;
    put(world, "a.yaml", "routes: {}\n");
    assert_ok(config_files_read(world->files, path_of(world, "a.yaml"), 100, &text));
    assert_slice(text, "routes: {}\n");
    put(world, "a.yaml", "changed");
    assert_ok(config_files_read(world->files, path_of(world, "a.yaml"), 100, &text));
    assert_slice(text, "routes: {}\n");
}

static void test_a_missing_file_stays_missing(void **state)
{
    struct world *world = *state;
    struct slice text = SLICE("untouched");
    struct error error = config_files_read(world->files, path_of(world, "a.yaml"), 100, &text);
    assert_int_equal(error.kind, ERROR_SYSTEM);
    assert_int_equal(error.number, ENOENT);
    put(world, "a.yaml", "now it is there");
    error = config_files_read(world->files, path_of(world, "a.yaml"), 100, &text);
    assert_int_equal(error.number, ENOENT);
    assert_slice(text, "untouched");
}

static void test_size_is_capped(void **state)
{
    struct world *world = *state;
    struct slice text;
    put(world, "a.yaml", "12345");
    assert_fails(config_files_read(world->files, path_of(world, "a.yaml"), 4, &text), ERROR_LIMIT);
    assert_ok(config_files_read(world->files, path_of(world, "a.yaml"), 5, &text));
    assert_int_equal(text.len, 5);
    /* Read once, the cap of a later reader still holds. */
    assert_fails(config_files_read(world->files, path_of(world, "a.yaml"), 4, &text), ERROR_LIMIT);
    /* A file whose size is not known beforehand. */
    assert_ok(config_files_read(world->files, SLICE("/proc/self/status"), 1 << 16, &text));
    assert_true(text.len > 100);
    assert_fails(config_files_read(world->files, SLICE("/proc/self/maps"), 16, &text), ERROR_LIMIT);
}

static void test_what_is_no_file_is_refused_without_waiting(void **state)
{
    struct world *world = *state;
    struct slice text;
    assert_int_equal(mkfifo(path_of(world, "fifo").ptr, 0600), 0);
    struct error error = config_files_read(world->files, path_of(world, "fifo"), 100, &text);
    assert_int_equal(error.number, EINVAL);
    error = config_files_read(world->files, slice_from_string(world->directory), 100, &text);
    assert_int_equal(error.number, EISDIR);
    assert_fails(config_files_read(world->files, SLICE("/dev/zero"), 100, &text), ERROR_SYSTEM);
    assert_fails(config_files_read(world->files, SLICE("/etc/passwd\0.yaml"), 100, &text), ERROR_SYSTEM);
    assert_fails(config_files_read(world->files, SLICE(""), 100, &text), ERROR_SYSTEM);
}

static void make_teams(struct world *world)
{
    assert_int_equal(mkdir(path_of(world, "teams").ptr, 0700), 0);
    assert_int_equal(mkdir(path_of(world, "teams/y").ptr, 0700), 0);
    assert_int_equal(mkdir(path_of(world, "teams/x").ptr, 0700), 0);
    put(world, "teams/y/routes.yaml", "team: y\n");
    put(world, "teams/x/routes.yaml", "team: x\n");
}

static void test_glob_is_sorted_and_recorded(void **state)
{
    struct world *world = *state;
    struct slice *paths, pattern = path_of(world, "teams/*/routes.yaml");
    size_t count;
    make_teams(world);
    assert_ok(config_files_glob(world->files, pattern, &world->arena, &paths, &count));
    assert_int_equal(count, 2);
    assert_slice(paths[0], path_of(world, "teams/x/routes.yaml").ptr);
    assert_slice(paths[1], path_of(world, "teams/y/routes.yaml").ptr);
    unlink(path_of(world, "teams/x/routes.yaml").ptr);
    assert_ok(config_files_glob(world->files, pattern, &world->arena, &paths, &count));
    assert_int_equal(count, 2);
    assert_ok(config_files_glob(world->files, path_of(world, "none/*.yaml"), &world->arena, &paths, &count));
    assert_int_equal(count, 0);
}

static void test_environment(void **state)
{
    struct world *world = *state;
    struct slice value = SLICE("untouched");
    setenv("SALLYPORT_FILES_TEST", "first", 1);
    unsetenv("SALLYPORT_FILES_TEST_ABSENT");
    assert_true(config_files_environment(world->files, SLICE("SALLYPORT_FILES_TEST"), &value));
    assert_slice(value, "first");
    setenv("SALLYPORT_FILES_TEST", "second", 1);
    assert_true(config_files_environment(world->files, SLICE("SALLYPORT_FILES_TEST"), &value));
    assert_slice(value, "first");
    assert_false(config_files_environment(world->files, SLICE("SALLYPORT_FILES_TEST_ABSENT"), &value));
    setenv("SALLYPORT_FILES_TEST_ABSENT", "late", 1);
    assert_false(config_files_environment(world->files, SLICE("SALLYPORT_FILES_TEST_ABSENT"), &value));
    assert_slice(value, "first");
    assert_false(config_files_environment(world->files, SLICE(""), &value));
}

static void record_everything(struct world *world)
{
    struct slice text, *paths;
    size_t count;
    make_teams(world);
    put(world, "a.yaml", "routes: {}\n");
    put(world, "b.yaml", "");
    setenv("SALLYPORT_FILES_TEST", "value", 1);
    assert_ok(config_files_read(world->files, path_of(world, "a.yaml"), 100, &text));
    assert_ok(config_files_read(world->files, path_of(world, "b.yaml"), 100, &text));
    assert_fails(config_files_read(world->files, path_of(world, "late.json"), 100, &text), ERROR_SYSTEM);
    assert_true(config_files_environment(world->files, SLICE("SALLYPORT_FILES_TEST"), &text));
    assert_ok(config_files_glob(world->files, path_of(world, "teams/*/*"), &world->arena, &paths, &count));
}

static void test_a_bundle_holds_what_was_read_and_nothing_else(void **state)
{
    struct world *world = *state;
    struct config_files *bundle;
    struct slice text, *paths;
    size_t count;
    int fd;
    record_everything(world);
    assert_ok(config_files_pack(world->files, &fd));
    put(world, "a.yaml", "changed");
    put(world, "late.json", "created");
    setenv("SALLYPORT_FILES_TEST", "changed", 1);
    assert_ok(config_files_open(fd, &bundle));
    close(fd);

    assert_ok(config_files_read(bundle, path_of(world, "a.yaml"), 100, &text));
    assert_slice(text, "routes: {}\n");
    assert_fails(config_files_read(bundle, path_of(world, "a.yaml"), 4, &text), ERROR_LIMIT);
    assert_ok(config_files_read(bundle, path_of(world, "b.yaml"), 100, &text));
    assert_int_equal(text.len, 0);
    struct error error = config_files_read(bundle, path_of(world, "late.json"), 100, &text);
    assert_int_equal(error.number, ENOENT);
    assert_fails(config_files_read(bundle, SLICE("/etc/hostname"), 1000, &text), ERROR_SYSTEM);
    assert_true(config_files_environment(bundle, SLICE("SALLYPORT_FILES_TEST"), &text));
    assert_slice(text, "value");
    assert_false(config_files_environment(bundle, SLICE("PATH"), &text));
    assert_ok(config_files_glob(bundle, path_of(world, "teams/*/*"), &world->arena, &paths, &count));
    assert_int_equal(count, 2);
    assert_slice(paths[1], path_of(world, "teams/y/routes.yaml").ptr);
    assert_ok(config_files_glob(bundle, path_of(world, "*"), &world->arena, &paths, &count));
    assert_int_equal(count, 0);
    config_files_watch(bundle, path_of(world, "a.yaml"));
    assert_false(config_files_changed(bundle));
    config_files_free(bundle);
}

static int memory_file(const void *bytes, size_t size, bool sealed)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    if (sealed) {
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    }
    return fd;
}

static void test_broken_bundles_are_refused(void **state)
{
    struct world *world = *state;
    struct config_files *bundle = NULL;
    char bytes[4096];
    int fd;
    record_everything(world);
    assert_ok(config_files_pack(world->files, &fd));
    ssize_t size = pread(fd, bytes, sizeof bytes, 0);
    assert_in_range(size, 100, sizeof bytes - 1);
    assert_int_equal(write(fd, "x", 1), -1); /* sealed */
    close(fd);

    fd = memory_file(bytes, (size_t)size, false);
    assert_fails(config_files_open(fd, &bundle), ERROR_VALUE);
    close(fd);
    size_t whole = 0;
    for (size_t cut = 0; cut < (size_t)size; cut++) {
        fd = memory_file(bytes, cut, true);
        struct error error = config_files_open(fd, &bundle);
        whole += !failed(error);
        if (!failed(error)) {
            config_files_free(bundle);
        }
        close(fd);
    }
    /* Cut between two records there is nothing to see; anywhere else it is refused. */
    assert_int_equal(whole, 5);
    bytes[8] = 99; /* a kind that is none */
    fd = memory_file(bytes, (size_t)size, true);
    assert_fails(config_files_open(fd, &bundle), ERROR_SYNTAX);
    close(fd);
}

static void test_watched_files_show_their_change(void **state)
{
    struct world *world = *state;
    struct slice text;
    put(world, "a.yaml", "routes: {}\n");
    put(world, "key.json", "{}");
    assert_ok(config_files_read(world->files, path_of(world, "a.yaml"), 100, &text));
    assert_ok(config_files_read(world->files, path_of(world, "key.json"), 100, &text));
    config_files_watch(world->files, path_of(world, "key.json"));
    config_files_watch(world->files, path_of(world, "late.json"));
    assert_false(config_files_changed(world->files));
    put(world, "a.yaml", "not watched");
    assert_false(config_files_changed(world->files));
    put(world, "late.json", "appears");
    assert_true(config_files_changed(world->files));
    unlink(path_of(world, "late.json").ptr);
    assert_false(config_files_changed(world->files));
    /* Replaced by another file of the same size. */
    put(world, "b.yaml", "[]");
    assert_int_equal(rename(path_of(world, "b.yaml").ptr, path_of(world, "key.json").ptr), 0);
    assert_true(config_files_changed(world->files));
}

static void test_presets_need_no_file_system(void **state)
{
    struct world *world = *state;
    struct config_files *memory;
    struct slice text, *paths;
    size_t count;
    assert_ok(config_files_new_memory(&memory));
    assert_ok(config_files_preset(memory, SLICE("/c/teams/y.yaml"), SLICE("team: y")));
    assert_ok(config_files_preset(memory, SLICE("/c/teams/x.yaml"), SLICE("team: x")));
    assert_ok(config_files_preset(memory, SLICE("/c/teams/deep/x.yaml"), SLICE("")));
    assert_ok(config_files_preset_environment(memory, SLICE("SECRET"), SLICE("s3cret")));
    assert_fails(config_files_preset(memory, SLICE("/c/teams/x.yaml"), SLICE("again")), ERROR_STATE);
    assert_ok(config_files_read(memory, SLICE("/c/teams/x.yaml"), 100, &text));
    assert_slice(text, "team: x");
    assert_fails(config_files_read(memory, SLICE("/etc/passwd"), 10000, &text), ERROR_SYSTEM);
    assert_ok(config_files_glob(memory, SLICE("/c/teams/*.yaml"), &world->arena, &paths, &count));
    assert_int_equal(count, 2);
    assert_slice(paths[0], "/c/teams/x.yaml");
    assert_true(config_files_environment(memory, SLICE("SECRET"), &text));
    assert_slice(text, "s3cret");
    assert_false(config_files_environment(memory, SLICE("PATH"), &text));
    config_files_free(memory);

    /* And with the file system, a preset stands before it. */
    put(world, "a.yaml", "on disk");
    assert_ok(config_files_preset(world->files, path_of(world, "a.yaml"), SLICE("preset")));
    assert_ok(config_files_read(world->files, path_of(world, "a.yaml"), 100, &text));
    assert_slice(text, "preset");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_file_keeps_the_contents_of_its_first_reading, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_missing_file_stays_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_size_is_capped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_file_is_refused_without_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_glob_is_sorted_and_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_bundle_holds_what_was_read_and_nothing_else, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_broken_bundles_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_watched_files_show_their_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_presets_need_no_file_system, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
