#ifndef LIMETTA_IMAP_URL_SERVE_H
#define LIMETTA_IMAP_URL_SERVE_H

#include "base/buf.h"
#include "base/str.h"
#include "imap/host.h"
#include "imap/url.h"
#include "net/fields.h"
#include "net/session.h"

/* The far side of url_fetch.h: a session that answers for one URL of an account of this worker. Its output is
 * "ok <size>" LF and the octets, or "no" LF. */

/* Appends the open message. */
void url_serve_write_head(struct buf *out, struct str url, const struct url_asker *asker);
/* head: the open message as it came from another worker, which has checked that the URL calls this server. Never fails: a
 * URL that cannot be read is answered "no". */
struct session *url_serve_new(struct store *store, const struct imap_host *host,
                              const struct fields *head);

#endif
