/* A ticket is accepted once, and by no process that was not there when it was made, since its predecessor may have accepted it.
 * So a login whose worker is restarted between the ticket and the session has a ticket that nobody takes. The edge that has it
 * may change it for another: the same user, service, edge and session, and to ask the client for its password again would be
 * of no use to anybody.
 *
 * An edge that was taken over gains little: for TICKET_RENEW_MS after a login it can open more than one session of that user. It has one
 * already, and the states of that (docs/dormancy.md) let it do the same for longer. */
#include "auth/renew.h"

enum err renew_ticket(struct users *users, struct ticket_signer *signer, struct str edge,
                      struct str octets, uint64_t wall_ms, struct buf *out)
{
    struct ticket t = {0};
    if (ticket_read(octets, &t) != ERR_OK) {
        return ERR_TICKET;
    }
    enum err e = users_find(users, t.user, NULL, NULL);
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND ? ERR_TICKET : e;
    }
    return ticket_renew(signer, octets, edge, wall_ms, out);
}
