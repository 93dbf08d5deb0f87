#ifndef LIMETTA_IMAP_RIGHTS_H
#define LIMETTA_IMAP_RIGHTS_H

#include "base/buf.h"
#include "base/scan.h"
#include "store/store.h"

/* Rights as IMAP writes them (RFC 4314, 2.1): "lrswipkxtecda". Bits are those of enum right. */

/* mod-rights (RFC 4314, 3.1), the whole of s: rights with "+" or "-" in front or neither; the obsolete "c" stands for k and x, "d"
 * for t and e (2.1.1). Fails in c (ERR_SYNTAX) at letters that are no rights. */
struct mod_rights {
    enum acl_op op;
    unsigned rights;
};
void rights_scan(struct scan *c, struct str s, struct mod_rights *out);
/* Appends the letters, with c and d where a member of theirs is granted; as an astring: "" when there are none. */
void rights_write(struct buf *out, unsigned rights);

#endif
