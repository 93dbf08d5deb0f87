#ifndef LIMETTA_WIRE_CHARS_H
#define LIMETTA_WIRE_CHARS_H

#include <stdbool.h>

/* The character classes of the grammars, each named after its rule. */

bool is_atom_char(unsigned char octet);    /* RFC 3501 ATOM-CHAR */
bool is_astring_char(unsigned char octet); /* RFC 3501 ASTRING-CHAR: ATOM-CHAR or "]" */
bool is_tag_char(unsigned char octet);     /* RFC 3501 tag: ASTRING-CHAR without "+" */
bool is_list_char(unsigned char octet);    /* RFC 3501 list-char: ATOM-CHAR, wildcards, "]" */
bool is_quoted_text(
    unsigned char octet); /* inside quotes, no escape: not CR, LF, NUL, quote, backslash */
bool is_base64_char(unsigned char octet);      /* RFC 3501 base64-char, and "=" */
bool is_digit_char(unsigned char octet);       /* DIGIT */
bool is_smtp_atext(unsigned char octet);       /* RFC 5321 atext */
bool is_let_dig(unsigned char octet);          /* RFC 5321 Let-dig */
bool is_ldh(unsigned char octet);              /* RFC 5321 Ldh-str, and "_" */
bool is_dcontent(unsigned char octet);         /* RFC 5321 dcontent: inside an address literal */
bool is_esmtp_value_char(unsigned char octet); /* RFC 5321 esmtp-value */
bool is_xchar(unsigned char octet);            /* RFC 3461 xchar */
bool is_url_unreserved(unsigned char octet);   /* RFC 3986 unreserved */
bool is_url_achar(unsigned char octet);        /* RFC 5092 achar, "%" included */
bool is_url_bchar(unsigned char octet);        /* RFC 5092 bchar, "%" included */

#endif
