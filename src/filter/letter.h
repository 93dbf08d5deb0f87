#ifndef LIMETTA_FILTER_LETTER_H
#define LIMETTA_FILTER_LETTER_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Messages that scripts send, as octets (RFC 5322, RFC 2045). Text is UTF-8; what cannot stand in a header as it is becomes encoded
 * words (RFC 2047), control characters become spaces. So no text of a script or of a correspondent can begin a line of its own. A
 * full `out` shows in buf_err(). */

/* The fields of a new message. Empty ones are left out. */
struct letter {
    struct str from; /* a mailbox, with or without display name */
    struct str to;   /* addresses, with commas between */
    struct str subject;
    struct str auto_submitted; /* RFC 3834: the whole value */
    struct str in_reply_to;    /* a message id in angle brackets */
    struct str references;     /* ids in angle brackets, with spaces between */
    struct str unique;         /* for its Message-ID */
    struct str hostname;
    int64_t now_s; /* Unix time */
};

void letter_write_head(struct buf *out, const struct letter *l);
/* One field more. name: printable ASCII without a colon. */
void letter_write_field(struct buf *out, struct str name, struct str value);
/* The MIME fields, the empty line, and the text as the only part, with CRLF at line ends. */
void letter_write_text(struct buf *out, struct str text);
/* A MIME entity (RFC 2045, 2.4): its header, of which only what describes the content goes on, and in ASCII, and its body. */
void letter_write_entity(struct buf *out, struct str entity);
/* The text alone, with CRLF at line ends and at its end. */
void letter_write_lines(struct buf *out, struct str text);
/* The addr-spec of the first mailbox in an address field's value; false: there is none. */
bool letter_find_address(struct str value, struct buf *out);
bool letter_is_ascii(struct str s);
/* A JSON string (RFC 8259, 7), with its quotes. */
void letter_write_json(struct buf *out, struct str text);

#endif
