#ifndef LIMETTA_IMAP_SESSION_H
#define LIMETTA_IMAP_SESSION_H

#include "base/err.h"
#include "base/str.h"
#include "imap/host.h"
#include "net/session.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* An authenticated IMAP session: it begins where the login ended, with the tagged OK of the login command. */
struct imap_session_args {
    struct store *store;
    const struct imap_host *host;     /* borrowed for the session's life */
    struct session_host session_host; /* how to be stepped again; copied */
    struct str user;                  /* authorization id: whose account; copied */
    struct str asker;                 /* who uses it; copied; empty: its owner */
    struct str prefix; /* what stands in front of the account's names (imap/access.h); copied */
    struct str
        modes; /* names that ENABLE knows, with SP between: what is enabled from the start; borrowed for the call */
    bool is_peer; /* another session of the asker's speaks to it (imap/peer.h), not a client */
    struct str
        shared_account;  /* whose mailboxes are "Shared/..."; empty: nobody's; borrowed likewise */
    struct str tag;      /* of the command that logged in; copied */
    struct str hostname; /* our name; borrowed for the session's life */
    struct str host_names; /* space-separated names a URL may call us by; borrowed likewise */
    struct str local;      /* address the connection came to; copied */
    uint16_t port;         /* and its port */
    struct str
        submit_entities;       /* authorization ids that submit+ URLs open for; borrowed likewise */
    struct str media_entities; /* the same for stream; borrowed likewise */
    struct str heartbeat_clients; /* wire/heartbeats.h; borrowed likewise */
    bool may_unauthenticate;      /* UNAUTHENTICATE is offered */
    struct str quota_admins;      /* users who see and set everybody's quota; the same */
    struct str server_admin;   /* URI of who runs the server; empty: not told; borrowed likewise */
    struct str server_comment; /* a note for all users; the same */
    uint64_t message_most;     /* largest message taken, octets; as the store's */
    uint32_t message_limit;    /* messages that one command may work on (RFC 9738); 0: any number */
};

/* Opens the account (making it at the first login). Errors: those of store_open_account(). */
MUST_USE enum err imap_session_new(const struct imap_session_args *args, struct session **out);

/* Makes a session again that another process saved, to go on where it was (imap/resume.h). Of args, modes and tag are those of the
 * state; so are user and asker, but for a peer. Borrows r for the call. Errors: those of store_open_account() (ERR_NOT_FOUND: the
 * account is gone), ERR_UNSUPPORTED (the state is of another version), ERR_CORRUPT (it was never true), ERR_IO. */
MUST_USE enum err imap_session_resume(const struct imap_session_args *args,
                                      const struct session_resume *r, struct session **out);
/* Does a saved session of args->asker in the account of args->user, which waits for news of its mailbox, know all that there is to
 * know, its rights among it? False also when that cannot be told. */
bool imap_session_is_current(const struct imap_session_args *args, struct str state);
/* Appends whose account a saved session uses; nothing: it cannot be told. */
void imap_session_get_saved_user(struct str state, struct buf *out);

#endif
