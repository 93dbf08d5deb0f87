#ifndef LIMETTA_MIME_MESSAGE_ID_H
#define LIMETTA_MIME_MESSAGE_ID_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* Takes the next valid message id off *s, the unfolded value of Message-ID, References or In-Reply-To: "<" left "@" right ">"
 * (RFC 5322, 3.6.4). Appends it to out without the brackets and normalised: quoting, comments and white space removed
 * (RFC 5256, 3), so that equal ids are equal octets. What lies between ids is passed over. False: there is none any more.
 * Linear. */
bool message_id_next(struct str *s, struct buf *out);

#endif
