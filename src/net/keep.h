#ifndef LIMETTA_NET_KEEP_H
#define LIMETTA_NET_KEEP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "net/link.h"
#include "net/ticket.h"

#include <stdbool.h>
#include <stdint.h>

/* What is kept of a session at the other end of a link, so that it can go on in another process: the last state, and what passed
 * since (docs/dormancy.md). The edge keeps those of its clients, sealed by whoever runs them; a store worker those that its own sessions
 * have in accounts of other workers (imap/peer.h). Plain bookkeeping: no streams, no clock. */
struct fields;
struct keep;
struct session_resume;

/* More input than this behind a state is not kept; the session then dies with its process, until it says a state again. */
enum { KEEP_LOG_MOST = 512 * 1024 };

/* nonce: TICKET_NONCE_SIZE octets, the name of the session that its ticket was made for. NULL: it has none. */
struct keep *keep_new(const uint8_t *nonce);
void keep_free(struct keep **k);

/* Octets go to the session; they come from it, and go to the client. */
void keep_note_input(struct keep *k, struct str octets);
void keep_note_output(struct keep *k, struct str octets);
/* A state came. False: it cannot be, or is of no use; then there is none. */
bool keep_take(struct keep *k, const struct link_save *save);
/* A mark is behind us: both sides count from here; what was kept of the input is void. */
void keep_restart(struct keep *k);
/* The process died: what it has got, it may have done. */
void keep_note_cut(struct keep *k);
/* The session goes on in a new process, which is fed keep_get_log(). */
void keep_begin(struct keep *k);
/* Gives memory back that a session needs only while it is awake. */
void keep_rest(struct keep *k);

bool keep_has_state(const struct keep *k);
struct str keep_get_state(const struct keep *k);
/* Nothing came or went since the state. */
bool keep_is_untouched(const struct keep *k);
/* The same, and the state says that nothing was under way. */
bool keep_is_dormant(const struct keep *k);
/* Nothing was said since the state. */
bool keep_is_quiet(const struct keep *k);
/* Input behind the state, as far as it must be fed again. */
struct str keep_get_log(const struct keep *k);
/* It is whole: from the last state on. */
bool keep_has_log(const struct keep *k);
/* How often it was begun since the last state. */
unsigned keep_get_tries(const struct keep *k);
/* Appends what the new process must know: nonce, literal_gone, said, tail, heard. */
void keep_write_fields(const struct keep *k, struct buf *out);
/* The other way, but for the nonce; borrows from f. Errors: ERR_SYNTAX (it makes no sense). */
MUST_USE enum err keep_read_fields(const struct fields *f, struct session_resume *out);

/* Where the session is. */
enum keep_stage {
    KEEP_LIVE,    /* in a process */
    KEEP_PARKED,  /* left it, which will wake us */
    KEEP_ADRIFT,  /* the same, but nobody knows it any more */
    KEEP_WAITING, /* wants to go on, and can't yet */
    KEEP_STAGES
};

/* For who moves it from stage to stage: edge/resume.c. */
struct keep_place {
    struct list node;  /* among those of its home and stage */
    void *whose;       /* owner's own */
    uint64_t since_ms; /* KEEP_WAITING */
    uint32_t id;       /* KEEP_PARKED */
    uint16_t home;     /* worker, or one past the last: submit */
    enum keep_stage stage : 8;
};
struct keep_place *keep_get_place(struct keep *k);

#endif
