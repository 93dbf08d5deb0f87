#ifndef LIMETTA_IMAP_SORT_KEYS_H
#define LIMETTA_IMAP_SORT_KEYS_H

#include "base/scan.h"
#include "search/sort_key.h"

/* sort-criteria = "(" sort-criterion *(SP sort-criterion) ")" (RFC 5256, 5; RFC 5957, 5). ERR_LIMIT beyond
 * SORT_CRITERIA_MOST. */
void sort_keys_parse(struct scan *c, struct sort_program *out);

#endif
