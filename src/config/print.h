/* Values of a configuration as text: in the notation of the files, on one line, secrets masked. Private to src/config. */
#ifndef SALLYPORT_CONFIG_PRINT_H
#define SALLYPORT_CONFIG_PRINT_H

#include "config/internal.h"

/* Nothing to show: an absent object, an empty text or list, no flag. Numbers are never empty. */
bool print_is_empty(const struct conf_field *field, const void *value);

/* The value of a field. Of an object: what was written in it, or everything where `config` is NULL or nothing was. */
void print_value(const struct config *config, const struct conf_field *field, const void *value,
                 struct buffer *out);

/* "[a, b]" */
void print_strings(const struct conf_strings *strings, struct buffer *out);

/* "100/1m by address", and for rates "burst 20". */
void print_limit(const struct limit_settings *limit, struct buffer *out);

/* ", only observed until 2027-01-31", where it is. */
void print_shadow(const struct shadow_settings *shadow, struct buffer *out);

/* "a token of main or other", "all scopes of [a] and one of [b, c]", "claim role is one of [admin]". */
void print_auth(const struct auth_settings *auth, struct buffer *out);
/* `what`: "scope" or "role". */
void print_scopes(const char *what, const struct scope_settings *scopes, struct buffer *out);
void print_claim(const struct claim_settings *rule, struct buffer *out);
/* "kinds [user]", "acr one of [gold]", "amr all of [mfa]", "login within 5m": what there is of them; false: none. */
bool print_caller(const struct authorize_settings *authorize, struct buffer *out);
/* "header X-Role is or lists "admin"". */
void print_deny(const struct deny_settings *rule, struct buffer *out);

/* "header X-Version is v2, from [10.0.0.0/8], until 2027-01-31": the conditions of a route; nothing where there are none. */
void print_conditions(const struct match_settings *match, struct buffer *out);

/* "policy user-api (gateway.yaml:12)"; "default"; where the owner is `self`, the place alone. */
void print_origin(const struct conf_node *node, struct slice self, struct buffer *out);

/* Lines of a block: name, value, origin, in columns. */
struct print_line {
    struct slice name, value, origin;
};

#define PRINT_LINES_MAX 256

struct print_block {
    struct arena arena;
    struct print_line lines[PRINT_LINES_MAX];
    size_t count;
};

void print_block_init(struct print_block *block);
/* Adds a line; the text of the two buffers is taken and they are cleared. */
void print_block_add(struct print_block *block, const char *name, struct buffer *value,
                     struct buffer *origin);
/* Prints all lines, two spaces in, and empties the block. */
void print_block_flush(struct print_block *block, struct buffer *out);
void print_block_done(struct print_block *block);

#endif
