/* Which octets belong to which rule: one table, a bit a class.
 *
 * The table is filled at compile time from the sets as the ABNF writes them, by designated ranges; a row belongs to a
 * character, so a class is changed in one place and every grammar that uses it follows. */
#include "wire/chars.h"

enum {
    ATOM = 1 << 0,     /* ATOM-CHAR: any CHAR except ( ) { SP CTL % * " \ ] */
    TAG = 1 << 1,      /* ASTRING-CHAR except + */
    LIST = 1 << 2,     /* list-char */
    QUOTED = 1 << 3,   /* may stand in quotes */
    BASE64 = 1 << 4,   /* base64-char and = */
    ATEXT = 1 << 5,    /* RFC 5321 atext */
    LET_DIG = 1 << 6,  /* ALPHA / DIGIT */
    LDH = 1 << 7,      /* Let-dig, - and _ */
    DCONTENT = 1 << 8, /* %d33-90 / %d94-126 */
    VALUE = 1 << 9,    /* %d33-60 / %d62-126 */
    XCHAR = 1 << 10,   /* %d33-126 except + and = */
    UNRESERVED = 1 << 11,
    ACHAR = 1 << 12,
    BCHAR = 1 << 13,
};

/* What every octet 33..126 is, and what it is but for some. */
#define VISIBLE (QUOTED | DCONTENT | VALUE | XCHAR)
#define WORD (VISIBLE | ATOM | TAG | LIST)
#define ALNUM (WORD | BASE64 | ATEXT | LET_DIG | LDH | UNRESERVED | ACHAR | BCHAR)

static const unsigned short CLASSES[256] = {
    [1 ... 9] = QUOTED,
    [11 ... 12] = QUOTED,
    [14 ... 32] = QUOTED,
    [127 ... 255] = QUOTED,
    ['0' ... '9'] = ALNUM,
    ['A' ... 'Z'] = ALNUM,
    ['a' ... 'z'] = ALNUM,
    ['!'] = WORD | ATEXT | ACHAR | BCHAR,
    ['"'] = DCONTENT | VALUE | XCHAR,
    ['#'] = WORD | ATEXT,
    ['$'] = WORD | ATEXT | ACHAR | BCHAR,
    ['%'] = VISIBLE | LIST | ATEXT | ACHAR | BCHAR,
    ['&'] = WORD | ATEXT | ACHAR | BCHAR,
    ['\''] = WORD | ATEXT | ACHAR | BCHAR,
    ['('] = VISIBLE | ACHAR | BCHAR,
    [')'] = VISIBLE | ACHAR | BCHAR,
    ['*'] = VISIBLE | LIST | ATEXT | ACHAR | BCHAR,
    ['+'] = QUOTED | DCONTENT | VALUE | ATOM | LIST | BASE64 | ATEXT | ACHAR | BCHAR,
    [','] = WORD | ACHAR | BCHAR,
    ['-'] = WORD | ATEXT | LDH | UNRESERVED | ACHAR | BCHAR,
    ['.'] = WORD | UNRESERVED | ACHAR | BCHAR,
    ['/'] = WORD | BASE64 | ATEXT | BCHAR,
    [':'] = WORD | BCHAR,
    [';'] = WORD,
    ['<'] = WORD,
    ['='] = QUOTED | DCONTENT | ATOM | TAG | LIST | BASE64 | ATEXT | ACHAR | BCHAR,
    ['>'] = WORD,
    ['?'] = WORD | ATEXT,
    ['@'] = WORD | BCHAR,
    ['['] = QUOTED | VALUE | XCHAR | ATOM | TAG | LIST,
    ['\\'] = VALUE | XCHAR,
    [']'] = QUOTED | VALUE | XCHAR | TAG | LIST,
    ['^'] = WORD | ATEXT,
    ['_'] = WORD | ATEXT | LDH | UNRESERVED | ACHAR | BCHAR,
    ['`'] = WORD | ATEXT,
    ['{'] = VISIBLE | ATEXT,
    ['|'] = WORD | ATEXT,
    ['}'] = WORD | ATEXT,
    ['~'] = WORD | ATEXT | UNRESERVED | ACHAR | BCHAR,
};

static bool is_in(unsigned char octet, unsigned classes)
{
    return (CLASSES[octet] & classes) != 0;
}

bool is_atom_char(unsigned char octet)
{
    return is_in(octet, ATOM);
}

bool is_astring_char(unsigned char octet)
{
    return is_in(octet, ATOM | TAG);
}

bool is_tag_char(unsigned char octet)
{
    return is_in(octet, TAG);
}

bool is_list_char(unsigned char octet)
{
    return is_in(octet, LIST);
}

bool is_quoted_text(unsigned char octet)
{
    return is_in(octet, QUOTED);
}

bool is_base64_char(unsigned char octet)
{
    return is_in(octet, BASE64);
}

bool is_digit_char(unsigned char octet)
{
    return octet >= '0' && octet <= '9';
}

bool is_smtp_atext(unsigned char octet)
{
    return is_in(octet, ATEXT);
}

bool is_let_dig(unsigned char octet)
{
    return is_in(octet, LET_DIG);
}

bool is_ldh(unsigned char octet)
{
    return is_in(octet, LDH);
}

bool is_dcontent(unsigned char octet)
{
    return is_in(octet, DCONTENT);
}

bool is_esmtp_value_char(unsigned char octet)
{
    return is_in(octet, VALUE);
}

bool is_xchar(unsigned char octet)
{
    return is_in(octet, XCHAR);
}

bool is_url_unreserved(unsigned char octet)
{
    return is_in(octet, UNRESERVED);
}

bool is_url_achar(unsigned char octet)
{
    return is_in(octet, ACHAR);
}

bool is_url_bchar(unsigned char octet)
{
    return is_in(octet, BCHAR);
}
