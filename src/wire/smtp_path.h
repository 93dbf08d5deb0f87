#ifndef LIMETTA_WIRE_SMTP_PATH_H
#define LIMETTA_WIRE_SMTP_PATH_H

#include "base/arena.h"
#include "base/scan.h"
#include "wire/smtp_scan.h"

/* For insiders of the room: the path as part of a longer argument. */

enum smtp_path_kind { SMTP_REVERSE_PATH, SMTP_FORWARD_PATH };

/* Reverse-path = Path / "<>"; Forward-path = Path, or "<Postmaster>". Fails with ERR_BAD_ADDRESS or ERR_LIMIT. */
void scan_smtp_path(struct scan *c, struct arena *a, enum smtp_path_kind kind,
                    struct smtp_path *out);

/* UTF-8 without controls and line separators; the empty string is, too. */
bool smtp_is_utf8_text(struct str s);
/* The value of ORCPT behind "utf-8;" (RFC 6533, 3): any of its three forms, as a plain address in a. Errors: ERR_SYNTAX,
 * ERR_LIMIT. */
MUST_USE enum err utf8_address_parse(struct arena *a, struct str s, struct str *out);

#endif
