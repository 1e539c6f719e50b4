/* In place of libFuzzer: plays the inputs that it is given, files or directories of them, and tells each as a test (TAP). So what
 * was ever found is looked for in every build. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static unsigned int played;

/* Targets with a mutator of their own refer to it. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    (void)data;
    (void)max_size;
    return size;
}

static void play_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size + 1);
    if (file == NULL || data == NULL || fread(data, 1, size, file) != size) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    /* Exactly as large, so that a sanitizer sees a byte too many; and told first, should it end here. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL) {
        exit(1);
    }
    memcpy(exact, data, size);
    free(data);
    const char *name = strrchr(path, '/');
    printf("# %s\n", path);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    printf("ok %u - %s\n", ++played, name != NULL ? name + 1 : path);
}

static void play(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    if (!S_ISDIR(status.st_mode)) {
        play_file(path, (size_t)status.st_size);
        return;
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            play(inner);
        }
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        play(argv[i]);
    }
    printf("1..%u\n", played);
    return played > 0 ? 0 : 1;
}
