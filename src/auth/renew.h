#ifndef LIMETTA_AUTH_RENEW_H
#define LIMETTA_AUTH_RENEW_H

#include "auth/users.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/ticket.h"

#include <stdint.h>

/* A fresh ticket for one of ours that came too late: its process was restarted meanwhile (edge/question.c). Who may have it,
 * and for how long, says net/ticket.h; the user must still be one. edge: the asker's name. wall_ms: Unix time. Appends to out.
 * Errors: ERR_TICKET, and those of users_find() and ticket_issue(). */
MUST_USE enum err renew_ticket(struct users *users, struct ticket_signer *signer, struct str edge,
                               struct str octets, uint64_t wall_ms, struct buf *out);

#endif
