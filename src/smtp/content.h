#ifndef LIMETTA_SMTP_CONTENT_H
#define LIMETTA_SMTP_CONTENT_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* What transport a message needs, learnt while its octets go by. */
enum content_kind {
    CONTENT_7BIT,  /* CRLF lines of at most 998 octets, US-ASCII, no NUL */
    CONTENT_8BIT,  /* the same with octets above 127 (RFC 6152) */
    CONTENT_BINARY /* anything: NUL, long lines, bare CR or LF (RFC 3030) */
};

/* What a host takes. */
struct content_able {
    enum content_kind kind;
    bool is_utf8; /* SMTPUTF8: headers in UTF-8 (RFC 6531), which needs 8BITMIME, too */
};

enum { CONTENT_LINE_MOST = 998 };

/* Zero-initialise. Open only so that it can be embedded. */
struct content_scan {
    uint64_t line_len;
    bool has_8bit;
    bool has_nul;
    bool has_long_line;
    bool has_bare; /* a CR or LF that is not part of a CRLF */
    bool is_after_cr;
};

void content_scan_add(struct content_scan *c, struct str octets);
/* May be asked at any time; a CR at the very end counts as bare. */
enum content_kind content_get_kind(const struct content_scan *c);
/* "7BIT", "8BITMIME", "BINARYMIME": the value of BODY= (RFC 6152, 3; RFC 3030, 3). Static. */
struct str content_get_body_value(enum content_kind kind);

#endif
