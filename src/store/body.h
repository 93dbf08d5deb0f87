#ifndef LIMETTA_STORE_BODY_H
#define LIMETTA_STORE_BODY_H

#include "store/store.h"

/* Body writers from the inside of the store. */

/* Why the body cannot be appended, before anything is touched; ERR_OK when it can. */
MUST_USE enum err body_writer_check(struct body_writer *w);
/* Puts the finished body into the account's transaction, with one reference, unless an earlier call did; is_first says
 * which. Errors: ERR_NO_SPACE, ERR_IO, ERR_CORRUPT. */
MUST_USE enum err body_writer_store(struct body_writer *w, uint64_t *body_id, bool *is_first);

/* The lowest id of a body that has one and is not committed; UINT64_MAX: there is none. */
uint64_t account_get_first_uncommitted(const struct account *a);

/* A writer is alive that has begun this body and may still append it. */
bool account_is_writing(const struct account *a, uint64_t body_id);

#endif
