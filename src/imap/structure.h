#ifndef LIMETTA_IMAP_STRUCTURE_H
#define LIMETTA_IMAP_STRUCTURE_H

#include "base/buf.h"
#include "mime/shape.h"

/* Shapes as IMAP writes them (RFC 3501, 7.4.2). */

/* How they are written; bits. */
enum structure_form {
    STRUCTURE_EXTENDED = 1, /* BODYSTRUCTURE, not BODY */
    STRUCTURE_UTF8 = 2,     /* UTF-8 goes into quoted strings (session_is_utf8()) */
    STRUCTURE_DECODED = 8,  /* parameters with a charset are shown in UTF-8 (RFC 9051, 7.5.2) */
    STRUCTURE_GLOBAL = 4    /* message/global is shown as message/rfc822 is (RFC 9051, 7.5.2) */
};

/* ENVELOPE's parenthesised list. form: bits of enum structure_form. */
void structure_write_envelope(struct buf *out, const struct envelope *e, unsigned form);
/* BODYSTRUCTURE's list, or BODY's. */
void structure_write_body(struct buf *out, const struct part *p, unsigned form);

#endif
