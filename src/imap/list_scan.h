#ifndef LIMETTA_IMAP_LIST_SCAN_H
#define LIMETTA_IMAP_LIST_SCAN_H

#include "base/arena.h"
#include "base/scan.h"
#include "base/str.h"
#include "imap/metadata_scan.h"
#include "wire/imap_scan.h"

#include <stdbool.h>
#include <stddef.h>

/* The arguments of LIST (RFC 3501, 6.3.8; RFC 5258, 6; RFC 5819; RFC 6154; RFC 9590). */

enum { LIST_PATTERNS_MOST = 100 };

enum list_select {
    LIST_SELECT_SUBSCRIBED = 1,
    LIST_SELECT_SPECIAL_USE = 2,
    LIST_SELECT_REMOTE = 4, /* there are no remote mailboxes: adds none */
    LIST_SELECT_RECURSIVEMATCH = 8,
    /* those that say which names are wanted */
    LIST_SELECT_CRITERIA = LIST_SELECT_SUBSCRIBED | LIST_SELECT_SPECIAL_USE
};

enum list_return {
    LIST_RETURN_SUBSCRIBED = 1,
    LIST_RETURN_CHILDREN = 2,
    LIST_RETURN_SPECIAL_USE = 4,
    LIST_RETURN_STATUS = 8,
    LIST_RETURN_METADATA = 16,
    LIST_RETURN_MYRIGHTS = 64
};

struct list_scan {
    bool is_extended; /* written in a way that RFC 3501 does not know */
    unsigned selects; /* bits of enum list_select */
    unsigned returns; /* bits of enum list_return, those that selects imply among them */
    unsigned status;  /* bits of enum status_att */
    struct metadata_entries entries; /* of METADATA */
    const struct str *patterns;      /* each behind the reference; no empty ones */
    size_t count;
    bool is_delimiter; /* a plain LIST with the empty pattern: only the delimiter is asked for */
};

/* Reads from the SP after the command's name on. Errors stay in c: ERR_SYNTAX (also for options that are not known, and for
 * RECURSIVEMATCH without criteria), ERR_MAILBOX_NAME, ERR_LIMIT. Everything lives in a or borrows from the text. */
void list_scan(struct scan *c, struct arena *a, struct list_scan *out);

#endif
