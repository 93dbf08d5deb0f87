#ifndef LIMETTA_IMAP_HEADER_WATCH_H
#define LIMETTA_IMAP_HEADER_WATCH_H

#include "base/str.h"

#include <stdbool.h>

/* Watches the header of a message whose octets stream by. All zero at the message's beginning. */
struct header_watch {
    bool is_in_line; /* the line at hand has octets */
    bool is_over;    /* the empty line was seen: what follows is no header */
    bool has_8bit;   /* an octet above 127 was in the header */
};

/* More of the message. */
void header_watch_feed(struct header_watch *w, struct str octets);

#endif
