/* What other gateways call things, for people who come from there: words that are no misspelling of ours. Any thread. */
#ifndef SALLYPORT_CONFIG_FOREIGN_H
#define SALLYPORT_CONFIG_FOREIGN_H

#include "base/slice.h"

/* Is `word`, in any case and with "-" or "_" or neither, another's name for our `name`? */
bool foreign_word_means(struct slice word, struct slice name);
/* The same word, whatever its case and its "-" and "_"? */
bool foreign_same_word(struct slice word, struct slice name);

#endif
