#ifndef LIMETTA_IMAP_METADATA_H
#define LIMETTA_IMAP_METADATA_H

#include "base/buf.h"
#include "base/err.h"
#include "imap/metadata_scan.h"

#include <stdbool.h>

struct imap_session;
struct mailbox;

/* Annotations as a client sees them (RFC 5464): those that are stored, and those that say what is so anyway. */

/* A METADATA response in the making. All zero but for what is asked: the beginning. */
struct metadata_answer {
    struct str name;         /* of the mailbox, as the client spells it; empty: the server */
    struct mailbox *mailbox; /* borrowed; NULL: the server */
    const struct metadata_get *get;
    bool has_begun;   /* the response's head is written */
    size_t entry;     /* which one of get->entries */
    struct buf at;    /* the name below it that was told last; empty: none */
    uint64_t longest; /* largest value left out for MAXSIZE; 0: none */
};

/* Writes the response, or the next part of it. STEP_MORE: out is full for now. Errors are noted in *e (STEP_BAD). */
enum step metadata_answer_step(struct imap_session *s, struct metadata_answer *m, struct buf *out,
                               enum err *e);
void metadata_answer_release(struct metadata_answer *m);

/* May this session read and set annotations of m (RFC 5464, 3.3)? */
bool metadata_may(const struct imap_session *s, const struct mailbox *m);
/* May the entry be set, and to this? m NULL: the server. Errors: ERR_NO_PERMISSION (read-only), ERR_USE_ATTR, ERR_BAD_FILTER. */
MUST_USE enum err metadata_check(struct imap_session *s, struct mailbox *m,
                                 const struct annotation *x);
/* The entry stands for the mailbox's special use (RFC 6154, 4). */
bool metadata_is_special_use(const struct mailbox *m, struct str name);

/* ---- what others change ---- */

/* ENABLE METADATA or METADATA-SERVER: from now on changes are told. */
void metadata_enable(struct imap_session *s);
/* Tells them, each once: STEP_MORE when out is full for now. */
enum step metadata_tell(struct imap_session *s, struct buf *out);

#endif
