#ifndef LIMETTA_IMAP_PEER_H
#define LIMETTA_IMAP_PEER_H

#include "base/err.h"
#include "base/str.h"
#include "imap/access.h"
#include "net/fields.h"
#include "net/session.h"

#include <stdbool.h>

/* A session of ours in another account, for the same asker: in this process, or at the worker that owns the account. It
 * speaks IMAP like any session, without a greeting, and names its mailboxes with the place's prefix; what the asker may do
 * there it finds out by itself (imap/access.h). */
struct peer;

/* Opens one. Never fails at once: errors come from peer_read(). What the session enabled holds there, too. s is woken when
 * there is something to do. */
struct peer *peer_new(struct imap_session *s, const struct place *place);
/* The same, kept: when the process at its other end dies, it goes on in the next one, and whoever reads here hears nothing of it but
 * what a client may hear (docs/dormancy.md). state: as peer_save() gave it, to go on with; empty: a new one. */
struct peer *peer_new_kept(struct imap_session *s, const struct place *place, struct str state);
void peer_free(struct peer **p);

/* Sends octets (copies). */
void peer_write(struct peer *p, struct str octets);
/* Sends (part of) a command as the framer gathered it (wire/imap_framing.h), without a line end behind it; its literals go unasked, as
 * "{n+}". */
void peer_write_command(struct peer *p, struct str text);
/* It has enough to do: write again when the session was woken. */
bool peer_is_full(struct peer *p);

/* STEP_DONE: *out is what it said and was not yet used (at least one octet), borrowed until the next call on p. STEP_MORE: the
 * session will be woken. STEP_BAD: it ended, or could not be opened; peer_get_err() says why. */
enum step peer_read(struct peer *p, struct str *out);
/* The same, but when nothing more has come behind what is there. */
enum step peer_read_more(struct peer *p, struct str *out);
void peer_use(struct peer *p, size_t n);
/* Gives memory back while nothing is to be said. */
void peer_shrink(struct peer *p);
/* ERR_UNAVAILABLE, or why it could not be opened: ERR_NO_MAILBOX (there is no such account), ERR_IN_USE and others. */
enum err peer_get_err(const struct peer *p);

/* ---- going on in another process; of one that is kept ---- */

/* Where it is, behind all that was read from it and written to it. Borrows, until the next call on p. */
struct peer_state {
    struct str owner;
    struct str prefix;
    struct str state;
    const struct session_far *far; /* what wakes it; NULL: nothing */
    bool may_park;                 /* nothing is under way */
};
/* False: that cannot be said now. To be called behind the commit. */
bool peer_save(struct peer *p, struct peer_state *out);
/* There may be something new since peer_note_saved(). */
bool peer_is_unsaved(const struct peer *p);
void peer_note_saved(struct peer *p);
/* Works on what need not be read now. */
void peer_settle(struct peer *p);

/* The form of such a state: what a core saved, and what wakes it. Appends it to out; a full out shows there. */
void peer_seal_state(const struct session_save *save, struct buf *out);
/* The other way: r->state, the form, becomes the core's own. Errors: ERR_CORRUPT. */
MUST_USE enum err peer_open_state(struct session_resume *r, struct session_save *out);

/* Passes over what it says up to the tagged reply of r->tag. STEP_DONE: *line is that one, borrowed until the next call, and used.
 * STEP_MORE, STEP_BAD: as peer_read(). is_stopped: a line that begins with "+" ends it, too. */
struct imap_reply;
enum step peer_ask(struct peer *p, struct imap_reply *r, bool is_stopped, struct str *line);

/* ---- the far side ---- */

/* What its args are, by an open message as another worker wrote it; s: the args that are of this worker. Borrows from both. */
struct imap_session_args;
void peer_read_head(const struct fields *head, struct imap_session_args *args);
/* Appends what is said instead of a session that could not be opened. */
void peer_write_refusal(struct buf *out, enum err why);

#endif
