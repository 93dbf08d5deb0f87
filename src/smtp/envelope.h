#ifndef LIMETTA_SMTP_ENVELOPE_H
#define LIMETTA_SMTP_ENVELOPE_H

#include "base/str.h"
#include "smtp/content.h"
#include "wire/smtp_scan.h"

#include <stddef.h>
#include <stdint.h>

/* Who a message is from and for, as SMTP carries it beside the message (RFC 5321, 2.3.1), with what the sender asked to
 * be told (RFC 3461). Plain values; all strings are borrowed. */

struct mail_recipient {
    struct str address; /* local-part@domain, as in the path, without angle brackets */
    struct str user;    /* the account here; empty: the address is foreign */
    struct str orcpt;   /* original recipient "rfc822;address", xtext decoded; empty: not given */
    unsigned
        notify; /* bits of enum smtp_notify; 0: not given, which means failures and perhaps delays */
};

struct mail_envelope {
    struct str return_path; /* empty: the null path */
    struct str envid;       /* xtext decoded; empty: not given */
    enum smtp_ret ret;
    const struct mail_recipient *recipients;
    size_t recipient_count;
};

#endif
