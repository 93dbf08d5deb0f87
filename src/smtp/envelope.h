#ifndef LIMETTA_SMTP_ENVELOPE_H
#define LIMETTA_SMTP_ENVELOPE_H

#include "base/str.h"
#include "smtp/content.h"
#include "wire/smtp_scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who a message is from and for, as SMTP carries it beside the message (RFC 5321, 2.3.1), with what the sender asked to
 * be told (RFC 3461). Plain values; all strings are borrowed. */

struct mail_recipient {
    struct str address; /* local-part@domain, as in the path, without angle brackets */
    struct str user;    /* the account here; empty: the address is foreign */
    struct str
        orcpt; /* original recipient "rfc822;address" or "utf-8;address", decoded; empty: not given */
    unsigned
        notify; /* bits of enum smtp_notify; 0: not given, which means failures and perhaps delays */
};

/* Who gets the mail for an address here: one account, or, for an alias, what stands in the address's place. */
struct mail_found {
    struct str user;    /* the account; empty: an alias, and then */
    struct str targets; /* the addresses that it leads to, separated by spaces, */
    struct str users;   /* and their accounts, likewise; ".": a foreign address, or nobody's */
    struct str detail;  /* with user: what stands behind the delimiter (RFC 5233, 1) */
};

/* On what terms the sender hands a message over, beside what reports it wants. Zero: on none. They bind every host on the
 * way, so they travel to the queue and, as far as they are still open, to the next host. */
struct mail_terms {
    bool is_utf8;        /* SMTPUTF8: UTF-8 in addresses or header (RFC 6531) */
    uint64_t release_ms; /* Unix time before which it stays here (RFC 4865); 0: none */
    struct str
        release_request;    /* the value as asked for, "for;600", "until;2026-12-24T18:00:00Z" */
    enum smtp_by by;        /* DELIVERBY (RFC 2852): what happens at deliver_by_ms */
    uint64_t deliver_by_ms; /* Unix time; 0 with SMTP_BY_NONE */
    bool is_by_traced;      /* each host on the way is to report (by-trace, "T") */
    int8_t priority;        /* MT-PRIORITY (RFC 6710), -9..9; higher goes first */
    bool is_tls_required;   /* REQUIRETLS (RFC 8689, 2) */
    bool is_tls_optional;   /* "TLS-Required: No" in the header (RFC 8689, 3) */
};

struct mail_envelope {
    struct str return_path; /* empty: the null path */
    struct str envid;       /* xtext decoded; empty: not given */
    enum smtp_ret ret;
    const struct mail_recipient *recipients;
    size_t recipient_count;
    struct mail_terms terms;
};

/* What is left of NOTIFY when the sender hears of success from us, and the message goes on to others (RFC 3461, 5.2.7.3 c). */
static inline unsigned mail_get_notify_beyond(unsigned asked)
{
    unsigned rest = asked & ~(unsigned)SMTP_NOTIFY_SUCCESS;
    return asked != 0 && rest == 0 ? (unsigned)SMTP_NOTIFY_NEVER : rest;
}

/* Must each host on the way prove itself (RFC 8689, 4.2.1)? Reports, with their null return path, ask for it where it is offered
 * and go all the same: better late news in the open than none (RFC 8689, 5). */
static inline bool mail_needs_guard(const struct mail_terms *t, struct str return_path)
{
    return t->is_tls_required && return_path.n > 0;
}

#endif
