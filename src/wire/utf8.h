#ifndef LIMETTA_WIRE_UTF8_H
#define LIMETTA_WIRE_UTF8_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* UTF-8 as RFC 3629 has it: shortest forms only, no surrogates, at most U+10FFFF. */

/* Takes one code point off *s. At the end or before malformed octets: false, and *s stays as it was. */
bool utf8_next(struct str *s, uint32_t *code_point);
/* The whole of s is UTF-8 (the empty string is). */
bool utf8_is_valid(struct str s);
/* Appends the code point, which must be valid (asserted). */
void utf8_write(struct buf *out, uint32_t code_point);

#endif
