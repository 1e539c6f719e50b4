/* What `blocks` may hold, and a file of blocks. */
#include "block/settings.h"

#define OF(type, member) .offset = offsetof(struct type, member)
#define ENTRY(member)    OF(block_entry_settings, member)

static const struct conf_choice kind_choices[] = {
#define KIND_CHOICE(id, name, has_issuer, reason, help) { name, BLOCK_##id, help },
    BLOCK_KINDS(KIND_CHOICE)
#undef KIND_CHOICE
        { 0 },
};

static const struct conf_field entry_fields[] = {
    { "kind", CONF_ENUM, CONF_REQUIRED, ENTRY(kind), .choices = kind_choices, .help = "What is blocked." },
    { "value", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, ENTRY(value), .help = "Which one of its kind." },
    { "issuer", CONF_STRING, CONF_NON_EMPTY, ENTRY(issuer),
      .help = "Whose: of jti, sub and sid an entry of `issuers`, by its name or its iss; of serial the "
              "name of the certificate's issuer." },
    { "expires", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, ENTRY(expires),
      .help = "Until when, as in 2027-01-31 or 2027-01-31T12:00:00Z; or never, in so many words." },
    { "reason", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, ENTRY(reason),
      .help = "Why: for the logs; the caller is not told." },
    { "by", CONF_STRING, CONF_NON_EMPTY, ENTRY(by), .standard = "file", .help = "Who says so." },
    { 0 },
};

static const struct conf_object entry_object = {
    .name = "block",
    .size = sizeof(struct block_entry_settings),
    .fields = entry_fields,
    .help = "Who or what is refused, by a name of its own.",
};

static const struct conf_field blocks_fields[] = {
    { "store", CONF_FILE, CONF_NON_EMPTY, OF(blocks_settings, store),
      .help = "A file of SQLite that `sallyport block` writes. The gateway's user must be able to read it; "
              "without it the gateway does not start." },
    { "file", CONF_FILE, CONF_NON_EMPTY, OF(blocks_settings, file),
      .help = "A YAML file with a map `blocks`, beside the store; read again when it changes." },
    { "exempt", CONF_STRINGS, OF(blocks_settings, exempt),
      .help = "Addresses and networks that no address block touches: whence operators come. Loopback never "
              "is; at most 64." },
    { 0 },
};

const struct conf_object blocks_object = {
    .name = "blocks",
    .size = sizeof(struct blocks_settings),
    .fields = blocks_fields,
    .help = "Where blocks are kept: tokens, subjects, keys, certificates, addresses and routes that are "
            "refused at once. See docs/blocks.md.",
};

static const struct conf_field file_fields[] = {
    { "blocks", CONF_MAP, OF(block_file_settings, blocks), .object = &entry_object,
      .help = "Blocks by their names." },
    { 0 },
};

const struct conf_object block_file_object = {
    .name = "file of blocks",
    .size = sizeof(struct block_file_settings),
    .fields = file_fields,
    .help = "Who and what is refused.",
};
