#ifndef LIMETTA_IMAP_URL_H
#define LIMETTA_IMAP_URL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "imap/section.h"
#include "store/store.h"
#include "wire/imap_url.h"

#include <stdbool.h>
#include <stdint.h>

/* What an IMAP URL names (RFC 5092, 4467), within one account of this worker. */

/* Whom a URL may call: this server, by a configured name or by the address and port that the connection came to. */
struct url_server {
    struct str host_names; /* with SP between */
    struct str local;      /* address, without brackets */
    uint16_t port;
};

/* Who wants to read an authorized URL. */
struct url_asker {
    struct str user;       /* authorization id */
    bool is_anonymous;     /* SASL ANONYMOUS */
    bool is_submit_entity; /* may open submit+ URLs */
    bool is_media_entity;  /* may open stream URLs */
};

/* Is the URL's host and port this server? Only for absolute URLs. */
bool url_is_here(const struct imap_url *u, const struct url_server *server);
/* Is user one of the words in list, which has SP between them? */
bool url_is_listed(struct str list, struct str user);

/* May asker read the authorized URL u, whose owner's account is owner, at this time? Checks that u names one message,
 * access identifier, expiry, mechanism and token. The answer is the same for every reason.
 * Errors: ERR_BAD_URL. */
MUST_USE enum err url_check(struct account *owner, const struct imap_url *u,
                            const struct url_asker *asker, uint64_t now_ms);

/* The octets that a URL names: an open cursor. All zero: closed. */
struct url_octets {
    struct account *account; /* counted */
    struct arena *arena;     /* of the message's shape */
    struct shown shown;
    struct section_octets octets;
};

/* Opens the octets in mailbox m, or, m NULL, in the mailbox that u names. Errors: ERR_BAD_URL for everything that does not
 * exist; ERR_IO, ERR_CORRUPT. */
MUST_USE enum err url_open(struct account *owner, struct mailbox *m, const struct imap_url *u,
                           struct url_octets *out);
uint64_t url_octets_get_size(const struct url_octets *o);
/* The next octets, at most n; empty at the end. Borrowed until the next call. Errors: ERR_IO, ERR_CORRUPT. */
MUST_USE enum err url_octets_read(struct url_octets *o, size_t n, struct str *out);
void url_octets_release(struct url_octets *o);

#endif
