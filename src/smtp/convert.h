#ifndef LIMETTA_SMTP_CONVERT_H
#define LIMETTA_SMTP_CONVERT_H

#include "base/err.h"
#include "base/str.h"
#include "smtp/content.h"

/* Down-conversion (RFC 6152, 3; RFC 3030, 3; RFC 4468, 4; RFC 6531, 3.2): rewrites the transfer encodings of the parts of a
 * message, and its headers, so that a host that takes only `able` can have it. Writes through add() in pieces; what add() returns
 * other than ERR_OK ends it.
 *
 * Not everything can be converted: 8-bit octets in parts already labelled with an encoding stay. The caller looks at what came
 * out (content_get_kind()).
 * Errors: ERR_CONVERSION (the message's structure cannot be held, or what must not change would have to), ERR_UTF8_HEADER (a
 * header cannot be written in ASCII), those of add(). */
MUST_USE enum err convert_message(struct str message, struct content_able able,
                                  enum err (*add)(void *owner, struct str octets), void *owner);

#endif
