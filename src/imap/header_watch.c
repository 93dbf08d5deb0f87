/* Is there an octet above 127 in a message's header? APPEND must know (RFC 9755, 4: a client that did not enable UTF-8 may not send such a
 * header) before the message is stored, and the message is never in memory as a whole: so it is watched as it streams by.
 *
 * The header ends at the first empty line, with CRLF or with a bare LF. */
#include "imap/header_watch.h"

void header_watch_feed(struct header_watch *w, struct str octets)
{
    for (size_t i = 0; i < octets.n && !w->is_over; i++) {
        unsigned char octet = (unsigned char)octets.p[i];
        if (octet == '\n') {
            w->is_over = !w->is_in_line;
            w->is_in_line = false;
        } else if (octet != '\r') {
            w->is_in_line = true;
            w->has_8bit = w->has_8bit || octet > 127;
        }
    }
}
