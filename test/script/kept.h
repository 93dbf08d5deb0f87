#ifndef LIMETTA_TEST_KEPT_H
#define LIMETTA_TEST_KEPT_H

#include "base/buf.h"
#include "net/session.h"

#include <stdbool.h>
#include <stdint.h>

/* What an edge keeps of a session, so that it can go on in another process (net/session.h). */
struct kept {
    struct buf state;
    bool has_state;
    bool may_park; /* and nothing came since */
    enum session_watch watch;
    uint64_t mailbox_id;
    struct buf far_user; /* whose account wakes it, too; empty: nobody's */
    enum session_watch far_watch;
    uint64_t far_mailbox_id;
    struct buf log;        /* input behind the state, without the literal that streams */
    uint64_t fed;          /* octets of input in all, */
    uint64_t used;         /* and up to the state */
    uint64_t literal;      /* octets of it that need not be kept, */
    uint64_t literal_gone; /* of which so many came */
    uint64_t said;         /* octets of output behind the state */
    char tail[SESSION_SAID_TAIL_MOST];
    size_t tail_len;
};

void kept_init(struct kept *k);
void kept_release(struct kept *k);
/* Before the core is fed. */
void kept_note_input(struct kept *k, struct str octets);
/* After a step that said so: asks the core for its state. */
void kept_note_step(struct kept *k, struct session *core, struct str said);
/* All that another process is told; heard: it had the whole log. Borrows from k. */
struct session_resume kept_get_resume(const struct kept *k, bool is_dead);
/* The last n octets of said, which end all that came, did not reach the client; said: all that did. */
void kept_forget_said(struct kept *k, struct str said, size_t n);
/* It goes on in another process, which has all of the log. */
void kept_note_resume(struct kept *k);

#endif
