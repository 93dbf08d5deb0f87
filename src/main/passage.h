#ifndef LIMETTA_MAIN_PASSAGE_H
#define LIMETTA_MAIN_PASSAGE_H

#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* What a message that is delivered has been through: has it been in this mailbox before? One a session. */
struct passage;

/* duplicate_s: for how long a copy of the same message is known; 0: copies are not looked for. */
struct passage *passage_new(uint64_t duplicate_s);
void passage_free(struct passage **p);
/* The next message begins. */
void passage_clear(struct passage *p);
void passage_add(struct passage *p, struct str octets);
/* The message is whole. */
void passage_finish(struct passage *p);

/* Has the message passed this recipient, or too many servers? Errors: ERR_PASSED, ERR_LOOP. */
MUST_USE enum err passage_check_loop(const struct passage *p, struct str address);
/* Had the account the same message with this detail within duplicate_s seconds? Errors: ERR_IO. */
MUST_USE enum err passage_is_duplicate(const struct passage *p, struct account *a,
                                       struct str detail, int64_t now_s, bool *is_duplicate);
/* It has it now; pending. Only after the copy: what is remembered will not be taken again. Errors: ERR_NO_SPACE, ERR_IO. */
MUST_USE enum err passage_remember(const struct passage *p, struct account *a, struct str detail,
                                   int64_t now_s);

#endif
