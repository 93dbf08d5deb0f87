#ifndef LIMETTA_WIRE_IMAP_RIGHTS_H
#define LIMETTA_WIRE_IMAP_RIGHTS_H

#include "base/buf.h"
#include "base/scan.h"
#include "base/str.h"

/* Rights as IMAP writes them (RFC 4314, 2.1): "lrswipkxtecda". As bits: l is bit 0, then r, s, w, i, p, k, x, t, e, a, in the order
 * in which the store keeps them. */
enum { IMAP_RIGHTS_ALL = 2047 };

enum imap_rights_op { IMAP_RIGHTS_SET, IMAP_RIGHTS_ADD, IMAP_RIGHTS_REMOVE };

struct mod_rights {
    enum imap_rights_op op;
    unsigned rights;
};

/* mod-rights (RFC 4314, 3.1), the whole of s: rights with "+" or "-" in front or neither; the obsolete "c" stands for k and x, "d"
 * for t and e (2.1.1). Fails in c (ERR_SYNTAX) at letters that are no rights. */
void scan_mod_rights(struct scan *c, struct str s, struct mod_rights *out);
/* Appends the letters, with c and d where a member of theirs is granted; as an astring: "" when there are none. */
void imap_write_rights(struct buf *out, unsigned rights);

#endif
