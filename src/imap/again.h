#ifndef LIMETTA_IMAP_AGAIN_H
#define LIMETTA_IMAP_AGAIN_H

#include "base/buf.h"
#include "net/session.h"

#include <stdbool.h>
#include <stddef.h>

/* What a process that died may have done already, and its client heard (net/session.h, struct session_resume). */

struct imap_session;
struct again;

/* s goes on in this process, behind the state of r. lines: what is to be said
 * first (copied); is_last: and then the session is over. */
void again_begin(struct imap_session *s, const struct session_resume *r, struct str lines,
                 bool is_last);
void again_free(struct again **a);
/* The next command was begun by that process, and its text is in the input ahead of all that was fed. told_uid, failure: how far it
 * was (struct cmd). */
void again_expect_command(struct imap_session *s, uint32_t told_uid, enum err failure);
/* The command at hand was begun by that process, and goes on where it stood. */
void again_expect_rest(struct imap_session *s);

/* n octets are about to be fed. */
void again_note_input(struct imap_session *s, size_t n);
/* Says what again_begin() was given, once, ahead of all else. */
void again_say(struct imap_session *s, struct buf *out);
/* The command at hand, s->cmd, may have been carried out, and must not be once more: it is answered in out. */
bool again_refuses(struct imap_session *s, struct buf *out);
/* No command is at hand and none has come. false: s->phase has changed. */
bool again_rest(struct imap_session *s, struct buf *out);
/* Output is still being compared with what was said: no more than one command should write to it in a step. */
bool again_is_dropping(const struct imap_session *s);
/* Takes out of out, from `before` on, what was said already. false: that was something else; out and s->phase have changed. */
bool again_drop(struct imap_session *s, struct buf *out, size_t before);

#endif
