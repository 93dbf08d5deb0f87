#ifndef LIMETTA_IMAP_HOST_H
#define LIMETTA_IMAP_HOST_H

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct convert_service;
struct mailbox;
struct numset;

/* Why a user's script may want to look at messages (RFC 6785, 2.2). */
enum imap_cause { IMAP_CAUSE_APPEND, IMAP_CAUSE_COPY, IMAP_CAUSE_FLAG };

/* A change that a command has made, and that is pending. Borrowed for the call. */
struct imap_event {
    struct mailbox *mailbox; /* of the account here */
    enum imap_cause cause;
    const struct numset *uids; /* that came, or whose flags may change */
    struct str user;           /* who gave the command */
};

/* Waits for a worker. Belongs to whoever waits; list_remove(&node) gives up. */
struct imap_peer_wait {
    struct list node;
    void (*on_up)(struct imap_peer_wait *w); /* it is there; the wait is over */
    void (*on_late)(
        struct imap_peer_wait *w); /* it is not there for a long time; the wait is over */
    unsigned index;                /* host's own: the worker, */
    uint64_t since_ms;             /* and since when */
};

/* What an IMAP session asks of the world around it. The store role gives one to all its sessions; tests give another. */
struct imap_host {
    /* Unix time, milliseconds. */
    uint64_t (*wall_ms)(void *owner);
    /* Opens a session (imap/url_serve.h, imap/peer.h) at the worker that owns user's account, head being its open message; the caller
     * takes the stream. state: what such a session was saved as, to go on with it; empty: a new one. NULL: the account belongs to this
     * worker. Not being a function: all accounts do. */
    struct stream *(*open_peer)(void *owner, struct str user, struct str head, struct str state);
    /* Calls one of w's functions later, from the loop. Only with open_peer. */
    void (*await_peer)(void *owner, struct str user, struct imap_peer_wait *w);
    /* Scripts may be run for what the event names, once it is committed. NULL: nobody wants to know. */
    void (*on_event)(void *owner, const struct imap_event *e);
    /* Monotonic microseconds, and who hears how long a command took (its name in capitals). Both NULL: nobody wants to know. */
    uint64_t (*clock_us)(void *owner);
    void (*on_command)(void *owner, struct str name, uint64_t took_us);
    struct str sieve_url; /* where such scripts are kept, as a sieve URL; empty: nowhere */
    void *owner;
    struct convert_service *convert; /* NULL: conversions are never possible now */
};

#endif
