#ifndef LIMETTA_BASE_UTF8_H
#define LIMETTA_BASE_UTF8_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8 as RFC 3629 has it: shortest forms, no surrogates, nothing above U+10FFFF. */

/* Octets of the character at the start of s (not empty): 1..4; 0: not valid; SIZE_MAX: valid so far, but cut off. */
size_t utf8_check(struct str s);
/* The whole of s is UTF-8 (the empty string is). */
bool utf8_is_valid(struct str s);
/* The character at the start of s, whose size utf8_check() said to be n (1..4). */
uint32_t utf8_get(struct str s, size_t n);
/* Takes one code point off *s. At the end or before malformed octets: false, and *s stays as it was. */
bool utf8_next(struct str *s, uint32_t *code_point);
/* Appends the code point, which must be valid (asserted). */
void utf8_write(struct buf *out, uint32_t code_point);
/* Appends the character; surrogates and what is above U+10FFFF become U+FFFD. */
void utf8_add(struct buf *out, uint32_t c);

#endif
