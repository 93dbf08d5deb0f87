#ifndef LIMETTA_IMAP_METADATA_SCAN_H
#define LIMETTA_IMAP_METADATA_SCAN_H

#include "base/arena.h"
#include "base/scan.h"
#include "base/str.h"
#include "store/annotation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The arguments of GETMETADATA and SETMETADATA (RFC 5464, 5). */

enum { METADATA_ENTRIES_MOST = 1000, METADATA_DEPTH_INFINITY = UINT32_MAX };

struct metadata_entries {
    const struct str *at; /* as spelt */
    size_t count;         /* at least 1 */
};

struct metadata_get {
    struct str mailbox; /* empty: the server */
    struct metadata_entries entries;
    unsigned depth;   /* 0, 1 or METADATA_DEPTH_INFINITY */
    uint64_t maxsize; /* octets; UINT64_MAX: not given */
};

struct metadata_set {
    struct str mailbox;
    const struct annotation *at;
    size_t count; /* at least 1 */
};

/* Both read from the SP after the command's name on; what they find lives in a or borrows from the text. Errors stay in c: ERR_SYNTAX,
 * also for entry names that are none (RFC 5464, 3.2), ERR_MAILBOX_NAME, ERR_LIMIT. Options may stand before the mailbox, as in
 * the RFC's grammar, or behind it, as in its examples. */
void metadata_scan_get(struct scan *c, struct arena *a, struct metadata_get *out);
void metadata_scan_set(struct scan *c, struct arena *a, struct metadata_set *out);
/* "(" entry *(SP entry) ")" (RFC 9590, 5). */
void scan_metadata_entries(struct scan *c, struct arena *a, struct metadata_entries *out);

#endif
