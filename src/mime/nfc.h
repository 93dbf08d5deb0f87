#ifndef LIMETTA_MIME_NFC_H
#define LIMETTA_MIME_NFC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { NFC_MOST = 8 * 1024 };

/* Appends text in Normalization Form C, the one that Net-Unicode asks for (RFC 5198, 2): "u" and a diaeresis become "ü". ASCII
 * is itself. Errors: ERR_SYNTAX for what is no UTF-8, ERR_LIMIT for more than NFC_MOST octets before or after. */
MUST_USE enum err nfc_write(struct str utf8, struct buf *out);

#endif
