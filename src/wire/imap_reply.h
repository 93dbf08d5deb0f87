#ifndef LIMETTA_WIRE_IMAP_REPLY_H
#define LIMETTA_WIRE_IMAP_REPLY_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds, in what a server of ours says, the end of its answer to one command: everything up to the tagged reply, without
 * understanding it. Plain value; set tag (borrowed), all else zero. */
struct imap_reply {
    struct str tag;
    uint64_t literal;  /* octets of the literal in hand that are to come */
    bool is_in_line;   /* amid a line, or in a literal that belongs to one */
    bool has_said_bye; /* "* BYE" came */
};

enum imap_reply_event {
    IMAP_REPLY_MORE,     /* bring more octets, behind these */
    IMAP_REPLY_OCTETS,   /* *used octets (at least one) of untagged responses */
    IMAP_REPLY_CONTINUE, /* *used octets: a whole line that begins with "+" */
    IMAP_REPLY_TAGGED    /* *used octets: the tagged reply, with its line end */
};

/* in: what has come and was not yet used. A line may be held back until its end is there when it begins with the tag or "+". */
enum imap_reply_event imap_reply_next(struct imap_reply *r, struct str in, size_t *used);
/* Of a tagged reply's line: it says OK. */
bool imap_reply_is_ok(const struct imap_reply *r, struct str line);

#endif
