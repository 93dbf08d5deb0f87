#ifndef LIMETTA_IMAP_URL_SERVE_H
#define LIMETTA_IMAP_URL_SERVE_H

#include "base/buf.h"
#include "base/str.h"
#include "imap/host.h"
#include "imap/url.h"
#include "net/fields.h"
#include "net/session.h"

/* The far side of url_fetch.h: a session that answers for one URL of an account of this worker. Its output is
 * "ok <kind> <size> <size of the structure>" LF, the structure (RFC 5524) and the octets, or "no" LF. kind: text, binary (NUL may be among
 * them), or undecodable (there are none). */

/* Appends the open message. */
void url_serve_write_head(struct buf *out, struct str url, const struct url_asker *asker,
                          const struct url_wants *wants);
/* head: the open message as it came from another worker, which has checked that the URL calls this server. Never fails: a
 * URL that cannot be read is answered "no". */
struct session *url_serve_new(struct store *store, const struct imap_host *host,
                              const struct fields *head);

#endif
