#ifndef LIMETTA_IMAP_FETCH_H
#define LIMETTA_IMAP_FETCH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/numset.h"
#include "store/view.h"
#include "wire/imap_scan.h"

/* FETCH responses that no FETCH command asked for (RFC 5465, 5.2 and 7): a generator, as the command is one (cmd/fetch.c). */

struct imap_session;
struct fetch_job;

/* For the messages of v that have these UIDs. Sets no \Seen. Borrows atts and uids until fetch_job_free(), references v. */
struct fetch_job *fetch_job_new(struct imap_session *s, const struct fetch_atts *atts,
                                const struct numset *uids, struct view *v);
/* STEP_MORE: out is full for now. STEP_BAD: a literal was cut short by a failing disk; nothing can follow it. */
enum step fetch_job_step(struct imap_session *s, struct fetch_job *job, struct buf *out);
void fetch_job_free(struct fetch_job **job);

#endif
