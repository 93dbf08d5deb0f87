#ifndef LIMETTA_IMAP_URL_H
#define LIMETTA_IMAP_URL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "imap/binary.h"
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

/* May asker read the authorized URL u, whose owner's account is owner, at this time? Checks that u names one message,
 * access identifier, expiry, mechanism and token. The answer is the same for every reason.
 * Errors: ERR_BAD_URL. */
MUST_USE enum err url_check(struct account *owner, const struct imap_url *u,
                            const struct url_asker *asker, uint64_t now_ms);

/* What is wanted of a URL (RFC 5524, 3.1). */
enum url_data {
    URL_NO_DATA,
    URL_BODY,  /* the octets as BODY[...] shows them */
    URL_BINARY /* without Content-Transfer-Encoding; the whole message as it is stored */
};

struct url_wants {
    enum url_data data;
    bool has_structure; /* BODYPARTSTRUCTURE */
};

/* The octets that a URL names: an open cursor. All zero: closed. */
struct url_octets {
    struct account *account; /* counted */
    struct arena *arena;     /* of the message's shape */
    struct shown shown;
    struct section_octets octets;
    bool is_binary; /* part and binary say what is read, not octets */
    bool
        is_undecodable; /* nothing can be read: an encoding that is unknown, or a multipart, and URL_BINARY */
    bool is_cut;
    uint64_t offset; /* when is_cut */
    uint64_t length;
    struct binary_part part;
    struct binary_octets binary;
    const struct part *structure; /* as shown; NULL: not wanted */
};

/* Opens the octets in mailbox m, or, m NULL, in the mailbox that u names. Errors: ERR_BAD_URL for everything that does not
 * exist; ERR_IO, ERR_CORRUPT. */
MUST_USE enum err url_open(struct account *owner, struct mailbox *m, const struct imap_url *u,
                           const struct url_wants *wants, struct url_octets *out);
/* Finds out what the functions below tell; a bounded piece of work a call. *o must stay where it is from now on. STEP_BAD: the
 * store failed. */
MUST_USE enum step url_octets_measure(struct url_octets *o);
/* Octets to come. */
uint64_t url_octets_get_size(const struct url_octets *o);
/* NUL may be among them. */
bool url_octets_has_nul(const struct url_octets *o);
/* BODYPARTSTRUCTURE (RFC 5524, 3.2), which was wanted: URL_STRUCTURE_MOST octets at most. */
enum { URL_STRUCTURE_MOST = 8 * 1024 * 1024 };
void url_octets_write_structure(const struct url_octets *o, struct buf *out);
/* The next octets, at most n; size > 0. Borrowed until the next call. STEP_MORE: nothing yet, call again. STEP_BAD: the store
 * failed. */
MUST_USE enum step url_octets_read(struct url_octets *o, size_t n, struct str *out);
void url_octets_release(struct url_octets *o);

#endif
