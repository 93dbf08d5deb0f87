#ifndef LIMETTA_SMTP_TRACE_SCAN_H
#define LIMETTA_SMTP_TRACE_SCAN_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

/* Reads from a message that streams by where it has been, which guards against loops (RFC 5321, 6.3), and what its header says of the
 * way on. */
struct trace_scan {
    struct buf field;  /* the header field so far */
    struct buf passed; /* values of Delivered-To, each with LF behind it */
    struct buf message_id;
    unsigned hops;
    unsigned tls_fields;
    bool is_tls_optional;
    /* Hears what makes the message itself: the body, and all fields but those that servers add on its way. The same octets give
     * the same calls' octets, whatever pieces they come in. NULL: nobody wants that. */
    void (*on_identity)(void *owner, struct str octets);
    void *owner;
    bool is_inside_line;
    bool is_over; /* the header has ended */
};

enum { TRACE_SCAN_HOPS_MOST = 100 }; /* RFC 5321, 6.3: "normally at least 100" */

void trace_scan_init(struct trace_scan *t);
void trace_scan_release(struct trace_scan *t);
/* The next octets of the message, in any pieces. */
void trace_scan_add(struct trace_scan *t, struct str octets);
/* Nothing more comes. */
void trace_scan_finish(struct trace_scan *t);
/* Received fields so far. */
unsigned trace_scan_get_hops(const struct trace_scan *t);
/* Does a Delivered-To field name this address? ASCII letters compare without case. */
bool trace_scan_has_passed(const struct trace_scan *t, struct str address);
/* Is there one field TLS-Required, and does it say "No" (RFC 8689, 3)? */
bool trace_scan_is_tls_optional(const struct trace_scan *t);
/* The value of Message-ID, trimmed; empty: there is none. Borrowed. */
struct str trace_scan_get_message_id(const struct trace_scan *t);

#endif
