#ifndef LIMETTA_FILTER_MAILTO_H
#define LIMETTA_FILTER_MAILTO_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A mailto URI (RFC 6068) as a method of notification (RFC 5436). */
struct mailto_field {
    struct str name;
    struct str value;
};

enum { MAILTO_RECIPIENTS_MOST = 20, MAILTO_FIELDS_MOST = 20, MAILTO_OCTETS_MOST = 8192 };

struct mailto {
    struct str recipients[MAILTO_RECIPIENTS_MOST]; /* addr-specs: of the path, "to" and "cc" */
    uint32_t recipient_count;
    struct str to; /* for To: of the path and "to", with commas between */
    struct str cc;
    bool has_subject;
    struct str subject;
    bool has_body;
    struct str body;
    struct mailto_field fields[MAILTO_FIELDS_MOST]; /* others that may go into the message */
    uint32_t field_count;
};

/* Reads the URI; everything is decoded and lives in a. Fields that a URI must not set (RFC 5436, 2.7: From, Date, Message-ID,
 * Received, Auto-Submitted; and others that say how a message is read or sent) are left out.
 * Errors: ERR_SYNTAX (also without a recipient), ERR_LIMIT. */
MUST_USE enum err mailto_parse(struct arena *a, struct str uri, struct mailto *out);

#endif
