/* Fuzzes the reader of net/ticket: what it accepts has names within bounds that lie inside the octets, and a ticket that
 * auth did not sign is refused, whatever it says. */
#include "fuzz.h"

#include "net/ticket.h"

#include <assert.h>
#include <stdlib.h>

static const char PUBLIC_PEM[] = "-----BEGIN PUBLIC KEY-----\n"
                                 "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
                                 "-----END PUBLIC KEY-----\n";

static void check_inside(struct str part, struct str whole)
{
    assert(part.n <= TICKET_USER_MOST);
    assert(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str octets = str_make((const char *)data, size);
    struct ticket t;
    struct ticket_checker *c = NULL;
    if (ticket_read(octets, &t) != ERR_OK) {
        return 0;
    }
    assert(t.user.n > 0 && t.auth_user.n > 0 && t.edge_id.n > 0);
    check_inside(t.user, octets);
    check_inside(t.auth_user, octets);
    check_inside(t.edge_id, octets);
    if (ticket_checker_new(str_from_c(PUBLIC_PEM), &c) != ERR_OK) {
        abort();
    }
    uint64_t now_ms = t.expires_ms > 0 ? t.expires_ms - 1 : 0;
    assert(ticket_check(c, octets, &(struct ticket_use){t.service, t.edge_id, t.nonce, now_ms}, &t)
           == ERR_TICKET);
    ticket_checker_free(&c);
    return 0;
}
