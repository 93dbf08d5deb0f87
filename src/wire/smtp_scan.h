#ifndef LIMETTA_WIRE_SMTP_SCAN_H
#define LIMETTA_WIRE_SMTP_SCAN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/scan.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* The words of SMTP commands (RFC 5321, 4.1) and of their extensions. Every parser takes the whole of its argument. Slices
 * borrow from the line or live in a. */

enum smtp_verb {
    SMTP_UNKNOWN,
    SMTP_EHLO,
    SMTP_HELO,
    SMTP_LHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_BURL,
    SMTP_RSET,
    SMTP_VRFY,
    SMTP_EXPN,
    SMTP_HELP,
    SMTP_NOOP,
    SMTP_QUIT,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_XHELD /* ours: held messages of the sender (docs/submission.md) */
};

struct smtp_command {
    enum smtp_verb verb;
    struct str name; /* as sent */
    struct str args; /* what follows the space, without trailing spaces */
};

/* Never fails: what is no verb is SMTP_UNKNOWN. */
void smtp_command_parse(struct str line, struct smtp_command *out);
/* False: it has arguments, and is a command that takes none: DATA, RSET, QUIT (RFC 5321, 4.1.1), STARTTLS (RFC 3207, 4). */
bool smtp_command_is_bare(const struct smtp_command *c);

/* Domain or address literal of EHLO, HELO, LHLO. Lenient, as clients are: one word of 1..255 printable octets.
 * Errors: ERR_SYNTAX. */
MUST_USE enum err smtp_parse_helo(struct str args, struct str *out);

struct smtp_path {
    bool is_null;       /* <>: MAIL only */
    struct str local;   /* local part, unquoted */
    struct str domain;  /* as written; "[192.0.2.1]" for literals; empty in <Postmaster>, <anna> */
    struct str address; /* local@domain, quoted where it must be; "" when is_null */
    bool is_utf8;       /* it is not ASCII (RFC 6531): valid UTF-8, without controls */
};

/* "local@domain" without brackets, whole (from a SASL identity, an option, ORCPT). Errors: ERR_BAD_ADDRESS, ERR_LIMIT. */
MUST_USE enum err smtp_address_parse(struct arena *a, struct str s, struct smtp_path *out);
/* Appends local@domain, the local part quoted when it must be. */
void smtp_address_write(struct buf *out, struct str local, struct str domain);

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_by { SMTP_BY_NONE, SMTP_BY_RETURN, SMTP_BY_NOTIFY }; /* RFC 2852: what happens then */
enum smtp_notify {
    SMTP_NOTIFY_NEVER = 1,
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8
};

/* Parameters of MAIL that were given: what a server does not offer, it refuses with ERR_UNKNOWN_PARAM. */
enum smtp_mail_param {
    SMTP_PARAM_SIZE = 1 << 0,
    SMTP_PARAM_BODY = 1 << 1,
    SMTP_PARAM_AUTH = 1 << 2,
    SMTP_PARAM_RET = 1 << 3,
    SMTP_PARAM_ENVID = 1 << 4,
    SMTP_PARAM_SMTPUTF8 = 1 << 5,
    SMTP_PARAM_HOLDFOR = 1 << 6,
    SMTP_PARAM_HOLDUNTIL = 1 << 7,
    SMTP_PARAM_BY = 1 << 8,
    SMTP_PARAM_MT_PRIORITY = 1 << 9,
    SMTP_PARAM_REQUIRETLS = 1 << 10,
};

enum { SMTP_SECONDS_MOST = 999999999 }; /* of HOLDFOR and BY, either sign */

struct smtp_mail {
    unsigned given; /* bits of enum smtp_mail_param */
    struct smtp_path from;
    bool has_size;
    uint64_t size; /* RFC 1870 */
    bool has_body;
    enum smtp_body body; /* RFC 6152, 3030 */
    bool has_auth;
    struct str auth;   /* RFC 4954: decoded mailbox; empty for <> */
    enum smtp_ret ret; /* RFC 3461 */
    bool has_envid;
    struct str envid;     /* decoded, printable, 1..100 octets */
    uint32_t hold_for_s;  /* RFC 4865: 1..SMTP_SECONDS_MOST */
    int64_t hold_until_s; /* RFC 4865: Unix time */
    struct str hold;      /* either of them as sent */
    enum smtp_by by;      /* RFC 2852 */
    int32_t by_s;         /* seconds from now; not positive with SMTP_BY_NOTIFY only */
    bool is_by_traced;
    int8_t priority; /* RFC 6710: -9..9 */
};

/* The arguments of MAIL. Errors: ERR_SYNTAX (no FROM:), ERR_BAD_ADDRESS, ERR_BAD_PARAM (value, or given twice, or both HOLDFOR
 * and HOLDUNTIL), ERR_UNKNOWN_PARAM, ERR_UTF8_SENDER (not ASCII, and no SMTPUTF8), ERR_LIMIT. */
MUST_USE enum err smtp_mail_parse(struct arena *a, struct str args, struct smtp_mail *out);

struct smtp_rcpt {
    struct smtp_path to;
    unsigned notify; /* bits of enum smtp_notify; 0: not given */
    bool has_orcpt;
    struct str orcpt_type; /* "rfc822", "utf-8" */
    struct str orcpt; /* decoded; UTF-8 when that is its type (RFC 6533), else printable ASCII */
    bool is_utf8;     /* something was sent that is not ASCII, which needs SMTPUTF8 (RFC 6531) */
};

/* The arguments of RCPT. Errors as smtp_mail_parse(). */
MUST_USE enum err smtp_rcpt_parse(struct arena *a, struct str args, struct smtp_rcpt *out);

/* BDAT chunk-size [LAST] (RFC 3030, 2). Errors: ERR_SYNTAX. */
struct smtp_bdat {
    uint64_t size;
    bool is_last;
};
MUST_USE enum err smtp_bdat_parse(struct str args, struct smtp_bdat *out);

/* BURL absolute-URI [LAST] (RFC 4468, 3.1 and 5). Errors: ERR_SYNTAX. The URL is not looked into. */
struct smtp_burl {
    struct str url;
    bool is_last;
};
MUST_USE enum err smtp_burl_parse(struct str args, struct smtp_burl *out);

/* AUTH mechanism [initial-response] (RFC 4954, 4). Errors: ERR_SYNTAX. */
struct smtp_auth {
    struct str mechanism; /* as sent, [A-Z0-9_-]{1,20} in any case */
    bool has_initial;
    struct str initial; /* base64, or "=" */
};
MUST_USE enum err smtp_auth_parse(struct str args, struct smtp_auth *out);

/* XHELD, of our own (docs/submission.md): "LIST" [SP after-id] / "CANCEL" SP id. Errors: ERR_SYNTAX. */
struct smtp_xheld {
    bool is_cancel;
    uint64_t id; /* LIST: only messages behind it; 0: from the first */
};
MUST_USE enum err smtp_xheld_parse(struct str args, struct smtp_xheld *out);

/* xtext (RFC 3461, 4). Errors of parsing: ERR_SYNTAX; ERR_LIMIT at a's cap. */
MUST_USE enum err xtext_parse(struct arena *a, struct str s, struct str *out);
void xtext_write(struct buf *out, struct str raw);

/* The type of an original recipient: "utf-8" for an address beyond ASCII (RFC 6533, 3), else "rfc822". Static. */
struct str smtp_orcpt_get_type(struct str address);
/* Appends an original recipient "type;address", decoded, as the value of ORCPT: xtext, or for "utf-8" the form of RFC 6533, 3
 * that fits a server with or without SMTPUTF8. */
void smtp_orcpt_write(struct buf *out, struct str orcpt, bool is_utf8);

#endif
