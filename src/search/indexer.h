#ifndef LIMETTA_SEARCH_INDEXER_H
#define LIMETTA_SEARCH_INDEXER_H

#include "store/store.h"

#include <stdint.h>

/* Makes the text indexes of a store's accounts (store/textindex.h) follow their mail. */
struct indexer;

struct indexer *indexer_new(struct store *s);
/* Before the store is freed. */
void indexer_free(struct indexer **x);
/* Does about `budget` units of work, one an octet of text, of whatever account has some. Returns in how many ms it wants to be
 * called again; 0: not before the next commit. */
uint64_t indexer_step(struct indexer *x, uint64_t budget);

#endif
