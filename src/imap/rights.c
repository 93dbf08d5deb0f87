/* Rights, read and written. The letters stand in the order of RFC 4314, 2.1; the obsolete c and d (2.1.1) are told where they
 * stood in answers of older servers: behind the members of d. */
#include "imap/rights.h"

static const struct {
    char letter;
    unsigned rights;
} letters[] = {
    {'l', RIGHT_LOOKUP},
    {'r', RIGHT_READ},
    {'s', RIGHT_SEEN},
    {'w', RIGHT_WRITE},
    {'i', RIGHT_INSERT},
    {'p', RIGHT_POST},
    {'k', RIGHT_CREATE},
    {'x', RIGHT_DELETE_MAILBOX},
    {'t', RIGHT_DELETE_MESSAGES},
    {'e', RIGHT_EXPUNGE},
    {'c', RIGHT_CREATE | RIGHT_DELETE_MAILBOX},
    {'d', RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE},
    {'a', RIGHT_ADMINISTER},
};

enum { LETTER_COUNT = sizeof(letters) / sizeof(letters[0]) };

static unsigned find_rights(char letter)
{
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if (letters[i].letter == letter) {
            return letters[i].rights;
        }
    }
    return 0;
}

void rights_scan(struct scan *c, struct str s, struct mod_rights *out)
{
    *out = (struct mod_rights){ACL_OP_SET, 0};
    if (str_starts(s, STR("+")) || str_starts(s, STR("-"))) {
        out->op = s.p[0] == '+' ? ACL_OP_ADD : ACL_OP_REMOVE;
        s = str_skip(s, 1);
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned rights = find_rights(s.p[i]);
        if (rights == 0) {
            scan_fail(c, ERR_SYNTAX, "rights, of lrswipkxtecda");
        }
        out->rights |= rights;
    }
}

void rights_write(struct buf *out, unsigned rights)
{
    if ((rights & RIGHT_ALL) == 0) {
        buf_add(out, STR("\"\""));
    }
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if (rights & letters[i].rights) {
            buf_add_char(out, letters[i].letter);
        }
    }
}
