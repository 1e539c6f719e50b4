/* A configuration file from anywhere: read, merged, checked, printed, compiled. Must neither crash nor leak, and what it
 * says must not steer a terminal. */
#include "config/config.h"
#include "config/snapshot.h"

#include <stdlib.h>

#define OUTPUT_MAX (16 * 1024 * 1024)

static const char keys[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"use\":\"sig\",\"kid\":\"1\"}]}";

static const char team[] =
    "team: t\ngroups: { tg: { match: { host: t.example, path: /t }, upstream: svc, auth: none, routes: "
    "{ r: { match: { path: /x } } } } }\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses a few kilobytes over a quoted text of many escapes: not ours to free. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void preset(struct config_files *files, struct slice path, struct slice text)
{
    if (failed(config_files_preset(files, path, text))) {
        abort();
    }
}

/* Every byte that is printed is text on a line. */
static void check_output(const struct config *config, struct buffer *out)
{
    config_print_diagnostics(config, out);
    struct slice text = buffer_slice(out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < 0x20 && c != '\n') || c == 0x7f) {
            abort();
        }
    }
    buffer_clear(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_files *files = NULL;
    if (failed(config_files_new_memory(&files))) {
        return 0;
    }
    preset(files, SLICE("c.yaml"), slice_of((const char *)data, size));
    preset(files, SLICE("keys.json"), slice_of(keys, sizeof keys - 1));
    preset(files, SLICE("team.yaml"), slice_of(team, sizeof team - 1));
    if (failed(config_files_preset_environment(files, SLICE("KEY"),
                                               SLICE("0123456789abcdef0123456789abcdef")))) {
        abort();
    }
    const struct config_options options = { .path = SLICE("c.yaml") };
    struct config *config = NULL;
    struct error error = config_load(&options, files, &config);
    config_files_free(files);
    if (failed(error)) {
        return 0;
    }
    struct buffer out;
    buffer_init(&out, OUTPUT_MAX);
    check_output(config, &out);
    if (config->error_count > 0) {
        config_free(config);
        buffer_done(&out);
        return 0;
    }
    config_print_effective(config, &out);
    buffer_clear(&out);
    if (config_print_difference(config, config, &out)) {
        abort(); /* nothing differs from itself */
    }
    buffer_done(&out);
    struct snapshot *snapshot = NULL;
    if (failed(snapshot_new(config, &snapshot))) {
        abort(); /* what has no errors can be compiled */
    }
    snapshot_unref(snapshot);
    return 0;
}
