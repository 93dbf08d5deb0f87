#ifndef LIMETTA_IMAP_RELAY_H
#define LIMETTA_IMAP_RELAY_H

#include "base/buf.h"
#include "imap/command.h"
#include "imap/peer.h"
#include "wire/imap_framing.h"
#include "wire/imap_scan.h"

#include <stdbool.h>

/* Commands that are for mailboxes of other accounts: passed on to a session there (imap/peer.h), its answer passed back octet
 * for octet. Which commands: those with COMMAND_NAMES whose first argument is such a mailbox; and, while one is
 * selected, those with COMMAND_SELECTED.
 *
 * s->far is the relay whose mailbox is selected, if any: then none of the own account is. s->errand is that of the command at
 * hand, when it is another one. */
struct relay;

/* A mailbox of another account is selected. */
bool relay_is_selected(const struct imap_session *s);
/* The command is for another account: then s->cmd.is_relayed, and relay_run() runs it. args: behind its name. */
bool relay_takes(struct imap_session *s, const struct command *what, const struct scan *args);
enum run relay_run(struct imap_session *s, struct cmd *cmd, struct buf *out);
/* What the session whose mailbox is selected says by itself, because NOTIFY asked for it (RFC 5465); between commands. STEP_DONE: there
 * is nothing. STEP_MORE: out is full, or a response has not come whole; then nothing else may be said, and the session is woken.
 * STEP_BAD: the session is over. */
enum step relay_step_unasked(struct imap_session *s, struct buf *out);
void relay_free(struct relay **r);
/* Leaves the selected mailbox, of whatever account, because another one will be selected: tells CLOSED (RFC 7162, 3.2.11). */
void relay_leave_selected(struct imap_session *s, struct buf *out);

/* ---- going on in another process (imap/resume.h); while a mailbox of another account is selected ---- */

struct relay_state {
    struct peer_state peer;
    unsigned phase; /* of the command at hand, when that is relayed; relay.c's own */
    bool has_line;
};
/* There may be something new since relay_note_saved(). */
bool relay_is_unsaved(const struct imap_session *s);
void relay_note_saved(const struct imap_session *s);
/* False: it cannot be said now. Borrows until the session is stepped. */
bool relay_save(const struct imap_session *s, struct relay_state *out);
/* The other way: the mailbox is selected again; and the command at hand, whose tag and row are there, is relayed. Errors:
 * ERR_CORRUPT. */
void relay_restore(struct imap_session *s, const struct relay_state *v);
MUST_USE enum err relay_restore_command(struct imap_session *s, const struct relay_state *v);

/* ---- literals that stream ---- */

/* A literal was announced in a command that may be for another account. true: the relay answers it, now or by later calls of
 * relay_step_literal(). */
bool relay_takes_literal(struct imap_session *s, const struct command *what,
                         const struct imap_command *parsed);
/* STEP_DONE: it is answered (maybe refused, and the refusal is in out). STEP_MORE: the session is woken. */
enum step relay_step_literal(struct imap_session *s, struct buf *out);
void relay_on_octets(struct imap_session *s, struct str octets);
/* No more input should be read now; the session is woken. */
bool relay_is_full(const struct imap_session *s);
/* The command that was going by is dropped. true: its tagged reply was told. Else what has to be told before it is in out. */
bool relay_drop(struct imap_session *s, struct buf *out);

#endif
