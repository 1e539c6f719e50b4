/* What an OpenAPI description says of security. Private to src/cli/import. */
#ifndef SALLYPORT_CLI_IMPORT_OPENAPI_H
#define SALLYPORT_CLI_IMPORT_OPENAPI_H

#include "cli/import/import.h"

/* Issuers, sets of keys and users, and certificates, for components.securitySchemes. */
void openapi_schemes(struct import *import, const struct conf_node *root);

/* The route's auth: from the operation's `security`, or the document's. Only `security: []` makes it public; where nothing is said,
 * or what cannot be carried over, there is none, and so it asks who may call. */
void openapi_security(struct import *import, struct import_route *route, const struct conf_node *root,
                      const struct conf_node *operation);

#endif
