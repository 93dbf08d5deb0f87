#ifndef LIMETTA_WIRE_IMAP_URL_H
#define LIMETTA_WIRE_IMAP_URL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* IMAP URLs (RFC 5092) with URLAUTH (RFC 4467, 5593) and ;PARTIAL= (RFC 5550, 5.7.1). Lists of messages by search are
 * parsed, too; who needs one message asks has_uid. */

enum imap_url_form {
    IMAP_URL_ABSOLUTE,      /* imap://user@host/mailbox/;UID=1 */
    IMAP_URL_ABSOLUTE_PATH, /* /mailbox/;UID=1: at the server in use */
    IMAP_URL_RELATIVE_PATH  /* ;UID=1: in the mailbox that is selected; or ;SECTION=2 */
};

enum imap_url_access {
    IMAP_ACCESS_NONE,   /* no ;URLAUTH= */
    IMAP_ACCESS_SUBMIT, /* submit+<userid> */
    IMAP_ACCESS_USER,   /* user+<userid> */
    IMAP_ACCESS_AUTHUSER,
    IMAP_ACCESS_ANONYMOUS,
    IMAP_ACCESS_STREAM, /* stream or stream+<userid> (RFC 5593, 5616) */
    IMAP_ACCESS_OTHER   /* <application> or <application>+<userid> */
};

/* Slices are decoded octets (percent-encoding removed), in the arena or borrowed from the URL, unless said otherwise. */
struct imap_url {
    enum imap_url_form form;
    bool has_user;
    struct str user; /* UTF-8 */
    bool has_auth;
    struct str auth; /* mechanism of ;AUTH=, "*" for any */
    struct str host; /* as written: never decoded, without case; IPv6 with its brackets */
    uint16_t port;   /* 0: not given (143) */
    bool has_mailbox;
    struct str mailbox;   /* UTF-8, never empty; INBOX spelt so */
    uint32_t uidvalidity; /* 0: not given */
    uint32_t uid;         /* 0: not given */
    bool has_search;
    struct str search;
    bool has_section;
    struct str section; /* section-spec: section_parse() */
    bool has_partial;
    uint64_t partial_offset;
    bool has_partial_length;
    uint64_t partial_length; /* at least 1 */
    bool has_expire;
    int64_t expire_s; /* Unix time; a fraction of a second is dropped */
    enum imap_url_access access;
    struct str access_name; /* "submit", "user", "stream", ... as written */
    bool has_access_user;
    struct str access_user; /* UTF-8 */
    /* Of an authorized URL (:<mechanism>:<token> at its end); else empty. */
    struct str mechanism; /* as written, "INTERNAL" in any case */
    struct str token;     /* hex, as written */
    /* Of a URL with ;URLAUTH=: its octets up to the access identifier, exactly as written: what a token signs. */
    struct str rump;
};

enum { IMAP_URL_MOST = 8192 };

/* Parses the whole of s. Errors: ERR_BAD_URL (any syntax error, %00, user or mailbox not UTF-8, longer than IMAP_URL_MOST),
 * ERR_LIMIT at a's cap. s is borrowed by *out. */
MUST_USE enum err imap_url_parse(struct arena *a, struct str s, struct imap_url *out);
/* Appends the URL; parsing it gives the same fields (section, expire normalised; rump is made from them, token as given). */
void imap_url_write(struct buf *out, const struct imap_url *url);
/* Percent-encodes what a user, mailbox or section cannot hold bare (everything but unreserved, and "/" when may_slash). */
void imap_url_write_encoded(struct buf *out, struct str s, bool may_slash);

/* ---- the INTERNAL mechanism ---- */

enum {
    URLAUTH_TOKEN_SIZE = 66
}; /* hex digits: algorithm octet 01 and HMAC-SHA-256 (RFC 4467, 4 and 8) */

/* Appends the token for rump under key. Errors: ERR_IO when libcrypto fails. */
MUST_USE enum err urlauth_write_token(struct buf *out, struct str key, struct str rump);
/* Is token the one for rump? Constant time; hex in any case. */
bool urlauth_is_token(struct str key, struct str rump, struct str token);

#endif
