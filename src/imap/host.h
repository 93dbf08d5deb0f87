#ifndef LIMETTA_IMAP_HOST_H
#define LIMETTA_IMAP_HOST_H

#include "base/err.h"
#include "base/str.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct convert_service;

/* What an IMAP session asks of the world around it. The store role gives one to all its sessions; tests give another. */
struct imap_host {
    /* Unix time, milliseconds. */
    uint64_t (*wall_ms)(void *owner);
    /* Opens a session (imap/url_serve.h, imap/peer.h) at the worker that owns user's account, head being its open message; the caller
     * takes the stream. NULL: the account belongs to this worker. Not being a function: all accounts do. */
    struct stream *(*open_peer)(void *owner, struct str user, struct str head);
    void *owner;
    struct convert_service *convert; /* NULL: conversions are never possible now */
};

#endif
