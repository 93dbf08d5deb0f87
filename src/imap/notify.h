#ifndef LIMETTA_IMAP_NOTIFY_H
#define LIMETTA_IMAP_NOTIFY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "imap/notify_scan.h"

#include <stdbool.h>

/* NOTIFY (RFC 5465): what a client wants to hear, and what it was told of mailboxes that it has not selected. */

struct imap_session;
struct mailbox_info;
struct notify;

enum { NOTIFY_MAILBOXES_MOST = 2000, NOTIFY_ARENA_MOST = 1024 * 1024 };

/* The client's new wish, on success; takes *arena, which plan lives in. Errors: ERR_NOTIFY_OVERFLOW (more than
 * NOTIFY_MAILBOXES_MOST mailboxes; then nothing changes). */
MUST_USE enum err notify_set(struct imap_session *s, struct arena **arena,
                             const struct notify_plan *plan);
/* Forgets everything; as if NOTIFY had never been given. */
void notify_free(struct notify **n);

/* Which events of messages of the selected mailbox the client wants; all, when NOTIFY was never given. */
unsigned notify_get_selected_events(const struct imap_session *s);
/* What it wants to know of each new message there; NULL: nothing. */
const struct fetch_atts *notify_find_atts(const struct imap_session *s);
/* Did this session itself bring the message into the selected mailbox? Only known while notify_find_atts() is not NULL. */
bool notify_is_own(const struct imap_session *s, struct uid uid);

/* The command that said what the client wants, whole: for sessions in other accounts, which watch the mailbox that is selected
 * there. Empty: it was never given. */
struct str notify_get_text(const struct imap_session *s);

/* Does the client want to hear of changed annotations of this mailbox (0: of the server)? */
bool notify_wants_metadata(const struct imap_session *s, uint64_t mailbox_id);

/* Something is to be told that no command asks for. */
bool notify_is_waiting(const struct imap_session *s);
/* Begins to tell it: the news of the selected mailbox (imap/news.h) as far as they may be told now. is_idle: within IDLE. */
void notify_begin(struct imap_session *s, bool is_idle);
/* Tells of the other mailboxes: STEP_MORE when out is full for now. */
enum step notify_step(struct imap_session *s, struct buf *out);

/* Changes in other mailboxes than the selected one are to be told. */
bool notify_watches_others(const struct imap_session *s);

/* Appends the wish and what was told, for another process (imap/resume.h). has_rows: else it will be as if there were too many mailboxes
 * to be watched (RFC 5465, 5.8). */
void notify_write_state(const struct imap_session *s, bool has_rows, struct buf *out);
/* The other way, in a session without NOTIFY; what changed since is told as soon as something can be. Errors: ERR_CORRUPT. */
MUST_USE enum err notify_read_state(struct imap_session *s, struct str state);

/* Does the group name this mailbox of the account? The selected one has no name there: SELECTED says no. */
bool notify_group_has(const struct notify_group *g, const struct mailbox_info *info);

#endif
