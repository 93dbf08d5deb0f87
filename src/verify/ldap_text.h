#ifndef LIMETTA_VERIFY_LDAP_TEXT_H
#define LIMETTA_VERIFY_LDAP_TEXT_H

#include "base/buf.h"
#include "base/str.h"

/* Appends pattern, a distinguished name (RFC 4514, 2.4) or a search filter (RFC 4515, 3), with each %n replaced by name and %% by %. The
 * name is escaped in a way that both understand, so it stays one value whatever is in it. */
void ldap_write_text(struct buf *out, struct str pattern, struct str name);

#endif
