#ifndef LIMETTA_MAIN_LOOKUPS_H
#define LIMETTA_MAIN_LOOKUPS_H

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "main/peers.h"
#include "smtp/envelope.h"

/* What limetta-submit asks auth: who gets the mail for an address, and who may write as one. */
struct lookups {
    struct peers *peers;
    struct list questions;
};

/* peers: borrowed. */
void lookups_init(struct lookups *l, struct peers *peers);
/* Nobody is answered any more. */
void lookups_release(struct lookups *l);
/* Answers come once, perhaps inside the call.
 * Who has this local address? ERR_OK and found, borrowed for the call; ERR_NO_USER; ERR_UNAVAILABLE. */
void lookups_find(struct lookups *l, struct str address,
                  void (*answer)(void *asker, enum err e, const struct mail_found *found),
                  void *asker);
/* May user write as address? ERR_OK, ERR_SENDER, ERR_UNAVAILABLE; found is empty. */
void lookups_check_sender(struct lookups *l, struct str user, struct str address,
                          void (*answer)(void *asker, enum err e, const struct mail_found *found),
                          void *asker);
/* asker wants no answers any more. */
void lookups_forget(struct lookups *l, void *asker);

#endif
